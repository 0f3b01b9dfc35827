"""What a notebook shows of pipelines and runs, in a real kernel and a real Chromium."""

from __future__ import annotations

import ast
import base64
import re
from typing import TYPE_CHECKING, Any

import pytest

import waterflow as wf
from tests.report.kernel import Kernel, settings_of_its_own
from tests.report.project import PIPELINE
from waterflow.provider.state import Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROFILE = '[profiles.local]\nprovider = "local"\nsend = "later"\n'
GATE = "import os\nos.environ['REPORT_WAITS_FOR'] = os.path.abspath({0!r})"
CELLS = {
    "module": "from shown import shown\n\nshown",
    "call": "shown(rows=9)",
    "display": f"{GATE.format('go')}\nrun = shown().submit(run_id='watched')\nrun",
    "wait": "run.wait()",
    "metrics": "run.metrics",
    "figures": "run.figures",
    "figure": "run.figures['draw']",
    "again": "run",
    "cell": """
import os

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

import waterflow as wf


@wf.step
def half(n: int) -> int:
    if n % 2:
        raise ValueError(f"{n} is odd")
    return n // 2


@wf.step
def paint(n: int) -> Figure:
    kernel = [n for n in os.environ if n.startswith("JPY_") or n == "FORCE_COLOR"]
    print(f"drawn by {plt.get_backend()}", *kernel)
    return plt.subplots()[0]


@wf.pipeline
def halves(n: int = 8) -> None:
    paint(half(half(n)))


halves
""",
    "of a cell": "halved = halves().submit(run_id='halved')\nhalved.wait()",
    "log": "print(*(line.text for line in halved.logs('paint')))",
    "failing": "odd = halves(n=6).submit(run_id='odd')\nodd.wait()",
    "failed": "odd",
    "mistake": "\nhalves(n='two')",
    "mistaken": "@wf.pipeline\ndef wrong(n: int = 8):\n    if n:\n        half(n)\n\n\nwrong()",
    "unknown": "wf.open_run('halve')",
    "interrupted": f"{GATE.format('on')}\nlong = shown().submit(run_id='long')\ndisplay(long)\n"
    "long.wait()",
    "after": "open('on', 'w').close()\nlong.wait().status.value",
    "left": f"{GATE.format('end')}\nleft = shown().submit(run_id='left')\nleft",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a module beside its notebook."""
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "waterflow.toml").write_text(PROFILE)
    (folder / "shown.py").write_text(PIPELINE)
    return folder


@pytest.fixture(scope="module")
def kernel(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """The notebook after all of its cells have been run, each as far as it goes."""

    def seen(cell: str, kind: str, content: dict[str, Any]) -> None:
        if kind != "update_display_data" or "running" not in content["data"]["text/html"]:
            return
        if cell == "wait":
            (folder / "go").touch()
        elif cell == "interrupted":
            client.interrupt()

    with settings_of_its_own(folder) as patch:
        patch.setenv("JPY_SESSION_NAME", str(folder / "look.ipynb"))  # as Jupyter's server does
        client = Kernel(folder, CELLS, tmp_path_factory.mktemp("s"), seen)
        client.run()
        yield client


def only(kernel: Kernel, cell: str) -> Any:
    """The data of a cell's one output."""
    outputs = kernel.outputs(cell)
    assert [one.output_type for one in outputs] in (["execute_result"], ["display_data"])
    return outputs[0].data


def message(kernel: Kernel, cell: str) -> str:
    """What a cell that failed shows: one message, that is the error's own."""
    outputs = kernel.outputs(cell)
    assert [one.output_type for one in outputs] == ["error"]
    assert outputs[0].traceback == [f"{outputs[0].ename}: {outputs[0].evalue}"]
    return outputs[0].traceback[0]


def test_a_notebook_is_told_what_it_asked_for_and_nothing_else(kernel: Kernel) -> None:
    errors = {cell for cell, kind, _ in kernel.messages if kind == "error"}
    assert errors == {"failing", "mistake", "mistaken", "unknown", "interrupted"}
    streams = [(cell, content) for cell, kind, content in kernel.messages if kind == "stream"]
    assert [(cell, content["name"]) for cell, content in streams] == [("log", "stdout")]


@pytest.mark.parametrize(
    ("cell", "name", "text", "steps"),
    [
        ("module", "shown", "<pipeline shown>", ["load", "score", "keep", "last"]),
        ("call", "shown", "<pipeline shown with {'rows': 9}>", ["load", "score", "keep", "last"]),
        ("cell", "halves", "<pipeline halves>", ["half", "paint"]),
    ],
)
def test_a_pipeline_shows_its_graph(
    kernel: Kernel, cell: str, name: str, text: str, steps: list[str]
) -> None:
    data = only(kernel, cell)
    assert data["text/plain"] == text
    assert f'alt="Graph of pipeline {name}"' in data["text/html"]
    picture = re.search(r"data:image/svg\+xml;base64,([\w+/=]+)", data["text/html"])
    assert picture is not None
    svg = base64.b64decode(picture[1]).decode()
    assert svg.startswith("<svg ")
    assert all(f">{step}" in svg for step in steps)


def test_a_run_shows_a_table_that_follows_it_and_ends_as_its_page(kernel: Kernel) -> None:
    shown = kernel.sent("display", "display_data")
    assert len(shown) == 1
    table, known = shown[0]["data"], shown[0]["transient"]["display_id"]
    assert table["text/plain"] == "<run watched>"
    assert table["text/html"].startswith("<p><b>shown</b> watched: ")
    assert re.search("<td[^>]*>last</td><td[^>]*>· pending</td>", table["text/html"])

    updates = [
        content
        for cell in ("display", "wait")
        for content in kernel.sent(cell, "update_display_data")
    ]
    assert {one["transient"]["display_id"] for one in updates} == {known}
    *tables, page = [one["data"]["text/html"] for one in updates]
    assert tables
    assert all(one.startswith("<p><b>shown</b> watched: ") for one in tables)
    assert any("▸ running for " in one for one in tables)
    assert page.startswith('<iframe title="Run watched"')
    kept = only(kernel, "display")
    assert kept["text/html"] == page, "the notebook keeps the page where the table stood"
    assert kept["text/plain"] == "<run watched>"
    assert only(kernel, "wait")["text/plain"] == "<run watched: succeeded>"
    assert only(kernel, "again")["text/html"].startswith('<iframe title="Run watched"')


def test_a_run_shows_what_its_steps_have_returned(kernel: Kernel, folder: Path) -> None:
    run = wf.open_run("watched", root=folder)
    assert ast.literal_eval(only(kernel, "metrics")["text/plain"]) == run.metrics
    assert run.metrics["score"] == {"auc": 0.9, "size": 4.0}
    png = run.artifact("draw").load().read_bytes()
    assert base64.b64decode(only(kernel, "figure")["image/png"]) == png
    figures = only(kernel, "figures")
    assert figures["text/plain"] == "{'draw': <figure draw.output>}"
    assert "<b>draw</b>" in figures["text/html"]
    assert base64.b64encode(png).decode() in figures["text/html"]


def test_a_cells_pipeline_draws_where_nobody_looks(kernel: Kernel) -> None:
    assert only(kernel, "of a cell")["text/plain"] == "<run halved: succeeded>"
    assert kernel.outputs("log")[0].text == "drawn by agg\n"


def test_a_cells_pipeline_comes_from_its_notebook(kernel: Kernel, folder: Path) -> None:
    run = wf.open_run("halved", root=folder)
    tags = run.provider.lineage(run.id).tags
    assert tags["mlflow.source.name"] == "look.ipynb"
    assert tags["mlflow.source.type"] == "NOTEBOOK"
    tags = run.provider.lineage("watched").tags
    assert tags["mlflow.source.name"] == "shown.py"


def test_what_fails_is_one_message(kernel: Kernel) -> None:
    number = list(CELLS).index("cell") + 1
    assert message(kernel, "failing") == (
        "StepFailed: Step 'half-2' failed: ValueError: 3 is odd\n"
        "Traceback (most recent call last):\n"
        f'  File "In [{number}]", line 12, in half\n'
        '    raise ValueError(f"{n} is odd")\n'
        "ValueError: 3 is odd"
    )
    assert only(kernel, "failed")["text/html"].startswith('<iframe title="Run odd"')
    number = list(CELLS).index("mistake") + 1
    assert message(kernel, "mistake") == (
        f"DefinitionError: In [{number}], line 1: Pipeline 'halves', parameter 'n': 'two' is not a "
        "whole number."
    )
    expected = f"DefinitionError: In [{number + 1}], line 3: parameter 'n' is not known while"
    assert message(kernel, "mistaken").startswith(expected)
    assert "Did you mean 'halved'?" in message(kernel, "unknown")


def test_an_interrupt_ends_the_waiting_and_not_the_run(kernel: Kernel) -> None:
    shown, error = kernel.outputs("interrupted")
    assert error.ename == "KeyboardInterrupt"
    told = "\n".join(error.traceback)
    assert "Run 'long' goes on: waterflow status long. To stop it: waterflow cancel long" in told
    assert only(kernel, "after")["text/plain"] == "'succeeded'"
    assert shown.data["text/html"].startswith('<iframe title="Run long"')


def test_a_run_outlives_its_kernel(kernel: Kernel, folder: Path) -> None:
    run = wf.open_run("left", root=folder)
    assert run.status is Status.RUNNING
    (folder / "end").touch()
    assert run.wait(300).status is Status.SUCCEEDED


def test_a_browser_shows_what_the_notebook_keeps(kernel: Kernel, browser: Any) -> None:
    cells = ["module", "display", "figures", "failed"]
    parts = [f'<div id="{cell}">{only(kernel, cell)["text/html"]}</div>' for cell in cells]
    said: list[str] = []
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    page.on("console", lambda one: said.append(one.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.set_content("<!doctype html>\n" + "\n".join(parts))
    for cell in ("module", "figures"):
        picture = page.locator(f"#{cell} img")
        picture.scroll_into_view_if_needed()
        assert picture.evaluate("one => one.decode().then(() => one.naturalWidth)") > 0
    for cell, status in (("display", "succeeded"), ("failed", "failed")):
        frame = page.locator(f"#{cell} iframe")
        frame.scroll_into_view_if_needed()
        body = frame.content_frame.locator("body")
        body.wait_for()
        assert body.get_attribute("data-status") == status
        assert frame.bounding_box()["width"] > 900
    page.close()
    assert said == []
