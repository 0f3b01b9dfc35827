"""`waterflow report` and `waterflow graph` of a run, on real local runs."""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from tests.report.project import PIPELINE
from waterflow.cli import cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project with a run that succeeded and then one that failed."""
    root = tmp_path_factory.mktemp("report")
    (root / "waterflow.toml").write_text('[profiles.local]\nprovider = "local"\nsend = "later"\n')
    (root / "shown.py").write_text(PIPELINE)
    path, before = list(sys.path), Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith(("WATERFLOW_", "MLFLOW_"))]:
            patch.delenv(name)
        os.chdir(root)
        for words in (["--run-id", "good"], ["--run-id", "bad", "-p", "word=2"]):
            done = CliRunner().invoke(cli, ["run", "shown.py", *words])
            assert done.exit_code == (1 if "bad" in words else 0), done.output
        yield root
    os.chdir(before)
    sys.path[:] = path
    sys.modules.pop("shown", None)


@pytest.fixture
def invoke(project: Path) -> Callable[..., Result]:
    del project
    return lambda *words: CliRunner().invoke(cli, words)


@pytest.fixture(scope="module")
def pages(project: Path) -> dict[str, str]:
    """Each run's page."""
    known: dict[str, str] = {}
    for run in ("good", "bad"):
        done = CliRunner().invoke(cli, ["report", run, "-o", f"{run}.html"])
        assert done.exit_code == 0, done.output
        known[run] = (project / f"{run}.html").read_text(encoding="utf-8")
    return known


GOOD = {
    "the condition with its values": "score[&#34;auc&#34;] (0.9) &gt;= least (0.95)",
    "its answer": '<strong class="answer false">false</strong>',
    "why a step was skipped": "is false</dd>",
    "why a step ran": "no earlier result",
    "a metric": "0.9</",
    "what was logged on the way": "seen: 3 values from 0 to 1",
    "candidates side by side": "score: 3 candidates",
    "what they were given": "<td>2.0</td>",
    "a picture": 'alt="Figure of step draw"',
    "a table's size": "4 rows \u00d7 2 columns",
    "a column as it is written": "&lt;b&gt;n&lt;/b&gt;",
    "a parameter": '<th scope="row">least</th><td><code>0.95</code>',
    "a hidden parameter": '<th scope="row">api_key</th><td>(hidden)',
    "who started it": "<dt>started by</dt>",
    "the command": "<dt>command</dt>",
    "the lock file": "<dt>lock file</dt>",
    "calls told apart": "score(c=2.0)",
    "a returned value": "<code>1</code>",
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_a_page_tells_of_a_run(pages: dict[str, str], text: str) -> None:
    assert text in pages["good"]


BAD = {
    "what failed": "ValueError: &lt;/script&gt;&lt;b&gt;no&lt;/b&gt;",
    "its log": "step &lt;script&gt;prints&lt;/script&gt;",
    "without secrets": "password=(hidden)",
    "the whole log": "waterflow logs bad --step last",
    "what came from the cache": "cached",
    "and whose result it is": "<dt>result of</dt><dd><code>good</code>",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_a_page_tells_of_a_failure(pages: dict[str, str], text: str) -> None:
    assert text in pages["bad"]


def test_no_secret_is_on_a_page(pages: dict[str, str]) -> None:
    for html in pages.values():
        assert "sk-12345678" not in html
        assert "hunter2abc" not in html


def test_the_latest_run_is_written_beside_the_caller(
    project: Path, invoke: Callable[..., Result]
) -> None:
    done = invoke("report")
    assert (done.exit_code, done.output) == (0, "waterflow-report-bad.html\n")
    assert (project / "waterflow-report-bad.html").read_text().startswith("<!doctype html>")
    answer = json.loads(invoke("report", "good", "-o", "x.html", "--json").output)
    assert answer == {
        "run": "good",
        "status": "succeeded",
        "file": "x.html",
        "cost": {"estimated": None, "billed": None},
    }, "this machine costs nothing"


def test_a_page_leads_to_the_runs_in_mlflows_store(
    project: Path, invoke: Callable[..., Result]
) -> None:
    from mlflow import MlflowClient

    assert invoke("sync", "good").exit_code == 0
    assert invoke("report", "good", "-o", "tracked.html").exit_code == 0
    html = (project / "tracked.html").read_text(encoding="utf-8")
    uri = f"sqlite:///{project / '.waterflow' / 'mlflow.db'}"
    assert f"<code>mlflow ui --backend-store-uri {uri}</code>" in html
    client = MlflowClient(uri)
    experiments = [one.experiment_id for one in client.search_experiments()]
    runs = client.search_runs(experiments, "tags.`waterflow.execution` = 'good'")
    steps = {run.data.tags.get("waterflow.step"): run.info.run_id for run in runs}
    assert {*steps} == {None, "load", "draw", "score", "score-2", "score-3", "last"}
    for run in steps.values():
        assert f"run <code>{run}</code>" in html


MISTAKES: dict[str, tuple[tuple[str, ...], int, str]] = {
    "an unknown run": (("report", "god"), 3, "good"),
    "a file that cannot be written": (("report", "-o", "no/such.html"), 3, "Choose another file"),
    "a graph of nothing": (("graph", "nowhere.py"), 2, "There is no file or folder"),
    "parameters for a run": (("graph", "good", "-p", "rows=3"), 2, "-p"),
}


@pytest.mark.parametrize(("words", "code", "hint"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_names_what_to_do(
    invoke: Callable[..., Result], words: tuple[str, ...], code: int, hint: str
) -> None:
    done = invoke(*words)
    assert hint in done.output
    assert "Traceback" not in done.output
    assert done.exit_code != 0
    del code


def test_a_graph_without_a_target_is_the_latest_runs(invoke: Callable[..., Result]) -> None:
    text = invoke("graph").output
    assert text.startswith("shown: 7 steps")
    assert "failed" in text
    svg = invoke("graph", "good", "--format", "svg").output
    assert svg.startswith("<svg")
    assert "succeeded in" in svg
    assert "skipped" in svg
    drawn: Any = invoke("graph", "shown.py", "--format", "svg").output
    assert "succeeded" not in drawn


def test_a_notebook_shows_graphs_and_runs(project: Path) -> None:
    import waterflow as wf

    shown: Any = importlib.import_module("shown").shown
    assert "data:image/svg+xml;base64," in shown._repr_html_()
    assert "data:image/svg+xml;base64," in shown(rows=9)._repr_html_()
    run = wf.open_run("good", root=project)
    assert run.metrics["score"] == {"auc": 0.9, "size": 4.0}
    assert list(run.figures) == ["draw"]
    assert run.figures["draw"]._repr_png_().startswith(b"\x89PNG")
    assert "\n" not in repr(run) + repr(shown) + repr(run.figures["draw"])
    frame = run._repr_html_()
    assert frame.startswith("<iframe")
    assert "&lt;!doctype html&gt;" in frame


def test_a_notebooks_table_ends_as_the_page(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import waterflow as wf
    from waterflow.runs import notebook
    from waterflow.runs.run import Run

    run = wf.open_run("bad", root=project)
    rows = notebook.table(run.state)
    assert rows.index("last") < rows.index("load"), "what failed stands first"
    assert "failed in" in rows
    shown: list[str] = []
    notebook.Follower(run, shown.append).run()
    assert [text.partition(" ")[0] for text in shown] == ["<iframe"]
    shown.clear()
    notebook.Follower(Run("<gone>", run.provider), shown.append).run()
    assert [text.partition(" in ")[0] for text in shown] == [
        "<p>&lt;run &lt;gone&gt;&gt;: There is no run &#x27;&lt;gone&gt;&#x27;"
    ]
    run._ipython_display_()
    assert capsys.readouterr().out == "<run bad>\n", "no notebook, no HTML"
