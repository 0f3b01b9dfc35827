"""The page: what users write stays text, nothing is loaded, no secret appears, it stays small."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from tests.report.conftest import picture, pipeline_of, sample
from waterflow.provider.state import ItemCounts, Status
from waterflow.report import data, hiding, page
from waterflow.report.timeline import rows

HOSTILE = {
    "the script's end": "</script><script>window.hit=1</script>",
    "an attribute's end": "\"'><img src=x onerror=window.hit=1>",
    "a style's end": "</style><svg onload=window.hit=1>",
    "a comment": "<!--<script>",
    "a template": "{{ 7 * 7 }}{% raw %}",
    "an address": "javascript:window.hit=1",
    "a title's end": "</title><base href=//evil.example>",
    "half a pair": "\ud800 \x00 \x1b[31m",
}
VOID = {"meta", "img", "input", "br", "base", "link", "rect", "path", "polygon", "polyline"}


class Reader(HTMLParser):
    """Reads what elements and attributes a page has, and the text of it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_users_write_stays_text(text: str) -> None:
    calm, read = (Reader(page(sample(["a", "b", "c"], one))) for one in ("plain", text))
    # A long condition has more lines in its diamond.
    shapes = [
        [(tag, *sorted(names)) for tag, names in one.elements if tag != "text"]
        for one in (calm, read)
    ]
    assert shapes[0] == shapes[1]
    for _, attributes in read.elements:
        assert not any(name.startswith("on") for name in attributes)
        assert attributes.get("href", "#").startswith(("#", "https://"))
    if text.isprintable():
        assert text in read.text


def test_links_of_other_schemes_are_no_links() -> None:
    odd = sample(["a", "b"])
    odd = msgspec.structs.replace(
        odd,
        url="javascript:alert(1)",
        tracking="file:///etc/passwd",
        mlflow=data.MlflowRun(run="a", url="javascript:alert(1)"),
        steps=tuple(
            msgspec.structs.replace(
                one, url="data:text/html,x", mlflow=data.MlflowRun(run="a", url="file:///etc")
            )
            for one in odd.steps
        ),
    )
    links = [a["href"] for tag, a in Reader(page(odd)).elements if tag == "a"]
    assert links
    assert all(link.startswith("#") for link in links)


def test_a_page_loads_nothing_and_runs_its_own_script_alone() -> None:
    html = page(sample(["a", "b"]))
    elements = Reader(html).elements
    assert [tag for tag, _ in elements if tag in ("link", "iframe", "object", "base")] == []
    assert ["src" in a for tag, a in elements if tag == "script"] == [False]
    assert all(a["src"].startswith("data:image/png;") for tag, a in elements if tag == "img")
    assert "url(" not in html
    assert "@import" not in html
    policy = next(a["content"] for tag, a in elements if "http-equiv" in a)
    assert "default-src 'none'" in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]


def test_the_same_report_gives_the_same_page() -> None:
    picture_once = picture()
    one = msgspec.structs.replace(
        sample(["a", "b"]),
        figures=(data.Figure(step="a", output="roc", png=picture_once, width=1, height=1),),
    )
    assert page(one) == page(one)


def test_every_link_within_the_page_leads_somewhere() -> None:
    for names in (["a", "b", "c"], [f"score-{n}" for n in range(200)]):
        elements = Reader(page(sample(names))).elements
        ids = [a["id"] for _, a in elements if "id" in a]
        assert len(ids) == len(set(ids))
        aims = {a["href"][1:] for _, a in elements if a.get("href", "").startswith("#")}
        assert aims <= {*ids}


@pytest.mark.parametrize(
    ("steps", "most"), [(50, 1_000_000), (1000, 3_000_000)], ids=["50 steps", "1000 steps"]
)
def test_a_page_stays_small(steps: int, most: int) -> None:
    names = [f"score-{number}" for number in range(steps)]
    full = sample(names, "x" * 60, pixels=420 * 1024)
    logs = tuple(
        msgspec.structs.replace(step, log=("y" * 100,) * 60) if step.log else step
        for step in full.steps
    )
    html = page(msgspec.structs.replace(full, steps=logs))
    assert len(html.encode()) < most


def test_steps_that_run_the_same_share_a_row_of_a_large_run() -> None:
    names = ["prepare", *(f"score-{number}" for number in range(300)), "choose"]
    drawn = rows(sample(names))
    assert [row["name"] if row["members"] else row["step"].name for row in drawn] == [
        "prepare",
        "score",
        "choose",
    ]
    (family,) = (row for row in drawn if row["members"])
    assert len(family["members"]) == 300
    assert family["css"] == "failed", "the gravest of its states"
    assert "score <small>\u00d7 300</small>" in page(sample(names))


def test_a_run_that_has_only_begun_has_a_page() -> None:
    bare = data.Report(
        run="r", status=Status.PENDING, pipeline=pipeline_of(["a"]), name="p", now=5,
        steps=(data.Step(name="a", label="a", family="a", status=Status.PENDING),),
    )  # fmt: skip
    text = Reader(page(bare, live=True)).text
    assert "pending" in text
    empty = data.Report(run="r", status=Status.RUNNING, pipeline=None, name="p", now=5)
    assert "running" in Reader(page(empty)).text


BILLS = {
    "at a known price": (data.Bill(seconds=90, cost=0.0123), "$0.01 for 1m30s", ""),
    "at a price that is not known": (
        data.Bill(seconds=90, cost=None, unpriced=90),
        "1m30s",
        ", without a known price",
    ),
    "at a price that is known of a part": (
        data.Bill(seconds=3600, cost=2.5, unpriced=60),
        "$2.50 for 1h00m",
        ", 1m00s of it without a known price",
    ),
}


@pytest.mark.parametrize(("bill", "sum_of", "more"), BILLS.values(), ids=BILLS)
def test_a_page_tells_what_is_billed(bill: data.Bill, sum_of: str, more: str) -> None:
    one = sample(["a"])
    steps = tuple(msgspec.structs.replace(step, bill=bill) for step in one.steps)
    html = page(msgspec.structs.replace(one, bill=bill, steps=steps))
    assert f"<dt>Machine time, billed</dt><dd>{sum_of}{more}</dd>" in html
    assert f"<dt>billed</dt><dd>{sum_of} of machine time{more}</dd>" in html
    steps = tuple(msgspec.structs.replace(step, bill=None) for step in steps)
    assert "billed</dt>" not in page(msgspec.structs.replace(one, bill=None, steps=steps))


STORES: dict[str, tuple[dict[str, Any], str]] = {
    "the run's page": (
        {"mlflow": data.MlflowRun(run="abc", url="https://mlflow.example/#/runs/abc")},
        '<a href="https://mlflow.example/#/runs/abc" rel="noreferrer">The run in MLflow</a>',
    ),
    "the server's, before the run is known": (
        {"mlflow": None},
        '<a href="https://mlflow.example" rel="noreferrer">MLflow</a>',
    ),
    "how a database is opened": (
        {
            "mlflow": data.MlflowRun(run="abc", url=None),
            "tracking": "sqlite:////x.db",
            "mlflow_command": "mlflow ui --backend-store-uri sqlite:////x.db",
        },
        "MLflow: <code>mlflow ui --backend-store-uri sqlite:////x.db</code>, experiment plain",
    ),
}


@pytest.mark.parametrize(("fields", "text"), STORES.values(), ids=STORES)
def test_a_page_leads_to_mlflow(fields: dict[str, Any], text: str) -> None:
    html = page(msgspec.structs.replace(sample(["a"]), **fields))
    assert text in html
    run = fields["mlflow"]
    assert (", run <code>abc</code></li>" in html) == (run is not None and run.url is None)


def test_images_are_told_of_steps_where_they_differ() -> None:
    one = sample(["a", "b"])
    assert "<dt>image</dt><dd><code>plain:1</code></dd>" in page(one)
    steps = tuple(msgspec.structs.replace(step, image="the same") for step in one.steps)
    assert "<dt>image</dt>" not in page(msgspec.structs.replace(one, steps=steps))


def test_a_map_says_how_far_it_is() -> None:
    one = sample(["a", "b"])
    assert "items done" not in page(one)
    items = str(ItemCounts(total=40, done=12, failed=1, running=4))
    steps = (msgspec.structs.replace(one.steps[0], items=items), *one.steps[1:])
    text = Reader(page(msgspec.structs.replace(one, steps=steps), live=True)).text
    assert "12 of 40 items done, 1 failed, 4 running" in text


SECRETS = [
    ("password=hunter2abc", "hunter2abc"),
    ("  'api_key': 'sk-123456789',", "sk-123456789"),
    ("postgresql://ann:s3cret@db.example/x", "s3cret"),
    ("key AKIAIOSFODNN7ABCDEFG in use", "AKIAIOSFODNN7ABCDEFG"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----", "MIIabc"),
]


@pytest.mark.parametrize(("text", "secret"), SECRETS, ids=[secret for _, secret in SECRETS])
def test_what_looks_like_a_secret_is_left_out_of_text(text: str, secret: str) -> None:
    assert secret not in hiding.text(text)
    assert hiding.HIDDEN in hiding.text(text)


@pytest.mark.parametrize(
    "text", ["loss=0.25", "tokens: 4096", "https://mlflow.example/#/runs", "2026-11-29 12:00:00"]
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert hiding.text(text) == text


def test_addresses_lose_their_login_and_their_query() -> None:
    signed = "https://ann:pw@mlflow.example:5000/x?sig=abc#/runs"
    assert hiding.address(signed) == "https://mlflow.example:5000/x#/runs"
    assert hiding.address("sqlite:///x.db") == "sqlite:///x.db"
    assert hiding.address(None) is None
