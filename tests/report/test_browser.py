"""Reports in a real Chromium: nothing goes wrong, everyone can use them, live ones change."""

from __future__ import annotations

import importlib
import os
import sys
import threading
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from tests.report.conftest import sample
from tests.report.project import PIPELINE
from waterflow.report import page
from waterflow.report.live import LivePage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SMALL = ["load", "score-1", "score-2", "score-3", "keep"]
LARGE = ["prepare", *(f"score-{number}" for number in range(1000)), "choose"]
LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The address of each sample's file."""
    folder = tmp_path_factory.mktemp("pages")
    hostile = "</script><img src=x onerror=window.hit=1>"
    known: dict[str, str] = {}
    for name, report in {
        "small": sample(SMALL), "large": sample(LARGE), "hostile": sample(SMALL, hostile)
    }.items():  # fmt: skip
        (folder / f"{name}.html").write_text(page(report), encoding="utf-8")
        known[name] = (folder / f"{name}.html").as_uri()
    return known


class Window:
    """A page of the browser, and what its console has said."""

    def __init__(self, browser: Any, look: str, **options: Any) -> None:
        self.context = browser.new_context(**LOOKS[look], **options)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))

    def focused(self) -> str:
        return self.page.evaluate("document.activeElement.outerHTML.slice(0, 200)")


@pytest.fixture
def window(browser: Any) -> Iterator[Callable[..., Window]]:
    windows: list[Window] = []

    def open_window(look: str = "light", **options: Any) -> Window:
        windows.append(Window(browser, look, **options))
        return windows[-1]

    yield open_window
    for one in windows:
        one.context.close()
        assert one.said == [], "the console stays silent"


@pytest.mark.parametrize(
    ("look", "name"),
    [("light", "small"), ("dark", "small"), ("phone", "small"), ("phone", "hostile")],
)
def test_everyone_can_use_a_page(
    window: Callable[..., Window], files: dict[str, str], look: str, name: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    one = window(look, bypass_csp=True)  # axe is a script that the page's policy forbids
    one.page.goto(files[name])
    one.page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    faults = Axe().run(one.page).response["violations"]
    assert [(fault["id"], fault["nodes"][0]["html"]) for fault in faults] == []
    width = one.page.evaluate("document.documentElement.scrollWidth")
    assert width <= LOOKS[look]["viewport"]["width"], "nothing sticks out"
    assert one.page.evaluate("window.hit") is None


def test_a_page_asks_for_nothing(window: Callable[..., Window], files: dict[str, str]) -> None:
    one = window()
    requests: list[str] = []
    one.page.on("request", lambda request: requests.append(request.url))
    one.page.goto(files["hostile"])
    assert [url for url in requests if not url.startswith("data:")] == [files["hostile"]]
    assert one.page.evaluate("window.hit") is None


def test_the_keyboard_leads_everywhere(
    window: Callable[..., Window], files: dict[str, str]
) -> None:
    one = window()
    one.page.goto(files["small"])
    one.page.keyboard.press("Tab")
    assert "Skip to the content" in one.focused()
    one.page.keyboard.press("Enter")
    assert 'id="main"' in one.focused()
    box = one.page.locator('.graph a[href="#step-score-2"]')
    box.focus()
    one.page.keyboard.press("Enter")
    step = one.page.locator("#step-score-2")
    step.locator("dl").wait_for(state="visible")
    assert one.focused().startswith("<summary")
    one.page.keyboard.press("Space")
    step.locator("dl").wait_for(state="hidden")


def test_a_table_is_sorted_by_its_headings(
    window: Callable[..., Window], files: dict[str, str]
) -> None:
    one = window()
    one.page.goto(files["small"])
    heading = one.page.get_by_role("button", name="auc")
    rows = one.page.locator("table.sortable tbody tr")
    heading.focus()
    one.page.keyboard.press("Enter")
    assert rows.first.inner_text().startswith("keep")
    assert heading.locator("xpath=..").get_attribute("aria-sort") == "descending"
    one.page.keyboard.press("Enter")
    assert rows.first.inner_text().startswith("load")


def test_a_large_run_is_filtered(window: Callable[..., Window], files: dict[str, str]) -> None:
    one = window()
    one.page.goto(files["large"])
    steps = one.page.locator(".step")
    assert steps.count() == 1002
    assert one.page.locator(".step:visible").count() == 2, "those that run the same are folded"
    one.page.get_by_label("Filter").fill("score-77")
    one.page.get_by_text("11 steps", exact=True).wait_for()
    assert one.page.locator(".step:visible").count() == 11
    one.page.get_by_label("State").select_option("failed")
    # The page filters a moment after the choice.
    steps.filter(visible=True, has_not_text="failed").first.wait_for(state="hidden")
    assert steps.filter(visible=True).count()
    one.page.goto(f"{files['large']}#step-score-500")
    one.page.locator("#step-score-500 dl").wait_for(state="visible")


def test_a_picture_is_told_in_words(window: Callable[..., Window], files: dict[str, str]) -> None:
    one = window()
    one.page.goto(files["small"])
    one.page.get_by_role("link", name="score-1(1): ", exact=False)
    names = one.page.locator(".graph a").evaluate_all("all => all.map(a => a.ariaLabel)")
    assert len(names) == len(SMALL) + 1
    assert any("failed in 1.50s" in name for name in names)
    one.page.get_by_role("img", name="ROC curve of step load").wait_for()
    one.page.get_by_role("img", name="plain: 2 values from 1 to 0.5").first.wait_for()


# --- live -----------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A real run whose last step waits for a file."""
    (tmp_path / "waterflow.toml").write_text(
        '[profiles.local]\nprovider = "local"\nsend = "later"\n'
    )
    (tmp_path / "watched.py").write_text(PIPELINE)
    for name in [n for n in os.environ if n.startswith(("WATERFLOW_", "MLFLOW_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("REPORT_WAITS_FOR", str(tmp_path / "go"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    started = importlib.import_module("watched").shown().submit(run_id="live")
    yield started
    (tmp_path / "go").touch()
    started.wait(300)
    sys.modules.pop("watched", None)


def test_a_live_page_changes_by_itself_and_ends_with_the_run(
    window: Callable[..., Window], run: Any, tmp_path: Path
) -> None:
    one = window()
    with LivePage(run.provider, run.id, explain=run.explain) as live:
        follower = threading.Thread(target=live.follow, daemon=True)
        follower.start()
        one.page.goto(live.url)
        last = one.page.locator("#step-last")
        last.locator(".state.running").wait_for(timeout=120_000)
        one.page.evaluate("window.before = true")
        last.locator("summary").click()
        last.locator("dl").wait_for(state="visible")
        (tmp_path / "go").touch()
        one.page.locator('body[data-status="succeeded"]').wait_for(timeout=120_000)
        assert one.page.evaluate("window.before"), "the page was not loaded anew"
        assert last.locator("dl").is_visible(), "and what was open stays open"
        last.locator(".state.succeeded").wait_for()
        one.page.locator("#candidates table").wait_for()
        assert "succeeded" in one.page.locator("#said").inner_text()
        follower.join(60)
        home, token = live.url[: -len(live.url.split("/")[3]) - 1], live.url.split("/")[3]
        for url, host in (
            (f"{home}{token[:-1]}/", None),
            (f"{home}/", None),
            (f"{live.url}other", None),
            (live.url, "evil.example"),
        ):
            request = urllib.request.Request(url, headers={"Host": host} if host else {})
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(request, timeout=30)
        finished = live.finished()
    assert "data-live" not in finished.partition("<main")[0]
    assert "last" in finished
