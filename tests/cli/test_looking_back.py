"""Runs that were made, looked at from the command line: what differs, what is there, completion."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from waterflow_local.folders import Lock, State

from tests.cli.conftest import TINY, waterflow, write
from tests.cli.test_run import REFUSED
from waterflow.cli import cli
from waterflow.cli.completions import Bash

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

EDITED = TINY.replace("return n + 1", "return n + 3")


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with three runs: "a"; "b" with another parameter; "c" with other code, failed."""
    root = write(tmp_path_factory.mktemp("history"), {"pipeline.py": TINY})
    environment = os.environ | {"MLFLOW_TRACKING_URI": REFUSED}
    for run, n, code in (("a", 1, 0), ("b", 2, 0), ("c", 100, 1)):
        done = waterflow("run", ".", "--run-id", run, "-p", f"n={n}", cwd=root, env=environment)
        assert done.returncode == code, done.stderr
        (root / "pipeline.py").write_text(EDITED if run == "b" else TINY)
    return root


@pytest.fixture
def ask(history: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Call the command line within that project."""
    monkeypatch.chdir(history)
    return lambda *words: CliRunner().invoke(cli, words)


# --- diff -----------------------------------------------------------------------------------------


def test_two_runs_differ_in_what_was_changed(ask: Callable[..., Result]) -> None:
    answer = json.loads(ask("diff", "a", "b", "--json").stdout)
    assert [answer["before"]["run"], answer["after"]["run"]] == ["a", "b"]
    assert answer["changes"] == [
        {"what": "value", "name": "n", "change": "changed", "fields": ["1 -> 2"]}
    ]
    assert answer["metrics"] == [{"name": "two.half", "before": 1.0, "after": 1.5}]
    other = {one["name"] for one in answer["artifacts"] if one["before"] != one["after"]}
    assert other == {"one.output", "two.output"}
    assert {one["name"]: one["after"]["status"] for one in answer["steps"]} == {
        "one": "succeeded",
        "two": "succeeded",
        "never": "skipped",
    }
    assert answer["unknown"] == []


def test_code_and_a_failure_are_seen(ask: Callable[..., Result]) -> None:
    result = ask("diff", "b", "c")
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "~ code one (one() in pipeline.py changed)" in lines
    assert "~ value n (2 -> 100)" in lines
    assert any(line.startswith("two.half 1.5") for line in lines)
    assert any(line.startswith("two succeeded") and "failed" in line for line in lines)


@pytest.mark.parametrize(
    ("words", "runs"),
    [((), ["b", "c"]), (("b",), ["a", "b"]), (("c", "a"), ["c", "a"])],
    ids=["the latest and the one before", "one and the one before", "as they are named"],
)
def test_which_runs_are_compared(
    words: tuple[str, ...], runs: list[str], ask: Callable[..., Result]
) -> None:
    answer = json.loads(ask("diff", *words, "--json").stdout)
    assert [answer["before"]["run"], answer["after"]["run"]] == runs


def test_a_run_equals_itself(ask: Callable[..., Result]) -> None:
    result = ask("diff", "a", "a", "--other-profile", "local")
    assert "changes: none" in result.stdout
    assert "0 not" in result.stdout


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (("a", "nosuch"), 2, "nosuch"),
        (("a",), 2, "before 'a'"),
        (("a", "b", "--other-profile", "moon"), 3, "moon"),
    ],
)
def test_what_cannot_be_compared_is_named(
    words: tuple[str, ...], code: int, named: str, ask: Callable[..., Result]
) -> None:
    result = ask("diff", *words)
    assert (result.exit_code, named in result.stderr) == (code, True), result.output


# --- artifacts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ((), {"one.output"}),
        (("one",), {"one.output"}),
        (("one.output",), {"one.output"}),
        (("b", "two"), {"two.output"}),
    ],
)
def test_artifacts_are_of_the_latest_run_by_default(
    words: tuple[str, ...], names: set[str], ask: Callable[..., Result]
) -> None:
    listed = json.loads(ask("artifacts", *words, "--json").stdout)
    assert {f"{one['step']}.{one['output']}" for one in listed} == names


def test_a_word_that_is_neither_run_nor_artifact_is_named(ask: Callable[..., Result]) -> None:
    result = ask("artifacts", "nosuch")
    assert result.exit_code == 2
    assert "There is no run 'nosuch'" in result.stderr


# --- completion -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "offered"),
    {
        "waterflow status ": ["c", "b", "a"],
        "waterflow logs --step t": ["two"],
        "waterflow logs b --step ": ["one", "two", "never"],
        "waterflow artifacts b tw": ["two", "two.output"],
        "waterflow run . -p ": ["n=", "least="],
        "waterflow run . -p n=3 -p ": ["least="],
        "waterflow run . -p least=": ["50.0"],
        "waterflow run pipeline.py:": ["tiny"],
        "waterflow run pipeline.py:t": ["tiny"],
        "waterflow run pipeline.py:x": [],
        "waterflow diff --other-profile l": ["local"],
        "waterflow run nosuch -p ": [],
    }.items(),
)
def test_names_of_the_project_are_offered(
    line: str, offered: list[str], history: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(history)
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_POINT", str(len(line)))
    monkeypatch.setenv("COMP_WORDBREAKS", " \t\n\"'><=;|&(:")
    bash = Bash(cli, {}, "waterflow", "_WATERFLOW_COMPLETE")
    assert bash.complete().splitlines() == [f"plain,{word}" for word in offered]


@pytest.mark.skipif(
    shutil.which("bash") is None, reason="bash itself completes here, and is not installed"
)
def test_bash_itself_completes_after_a_colon(history: Path, ask: Callable[..., Result]) -> None:
    script = ask("completion", "bash").stdout
    program = Path(sys.executable).with_name("waterflow")
    line = "COMP_LINE='waterflow run pipeline.py:t' COMP_POINT=27"
    typed = f"{line} _waterflow_completion {program}"
    done = subprocess.run(
        ["bash", "-c", f'compopt() {{ :; }}\n{script}\n{typed}\necho "${{COMPREPLY[@]}}"'],
        cwd=history,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"COMP_WORDBREAKS": ":="},
    )
    assert done.stdout == "tiny\n", done.stderr


# --- deleting -------------------------------------------------------------------------------------


@pytest.fixture
def own(history: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Call the command line within a copy of that project; --force: its MLflow is not there."""
    shutil.copytree(history, tmp_path / "own", symlinks=True)
    monkeypatch.chdir(tmp_path / "own")
    return lambda *words: CliRunner().invoke(cli, words)


def listed(own: Callable[..., Result]) -> list[str]:
    return [one["run"] for one in json.loads(own("runs", "--json").stdout)]


@pytest.mark.parametrize(
    ("words", "left"),
    {
        ("a",): ["c", "b"],
        ("a", "c", "a"): ["b"],
        ("--keep", "1", "-y"): ["c"],
        ("--keep", "0", "-y"): [],
        ("--older-than", "1h", "-y"): ["c", "b", "a"],
        ("--older-than", "0.01s", "--keep", "2", "-y"): ["c", "b"],
        ("--keep", "0", "--pipeline", "other", "-y"): ["c", "b", "a"],
        ("--keep", "0", "--dry-run"): ["c", "b", "a"],
    }.items(),
)
def test_runs_are_deleted_by_name_age_and_number(
    words: tuple[str, ...], left: list[str], own: Callable[..., Result]
) -> None:
    chosen = {"a", "b", "c"} - set(left)
    answer = json.loads(own("runs", "delete", *words, "--force", "--json").stdout)
    assert set(answer["deleted"]) == chosen
    assert listed(own) == left


def test_what_nothing_names_any_more_goes_with_its_run(own: Callable[..., Result]) -> None:
    before = json.loads(own("cache", "info", "--json").stdout)
    kept = json.loads(own("runs", "delete", "a", "--force", "--json").stdout)
    assert kept["removed"] == 0, "a cached result still names it"
    own("cache", "clear")
    answer = json.loads(own("runs", "delete", "--keep", "0", "-y", "--force", "--json").stdout)
    assert answer["removed"] == 3  # of "b" and "c"; those of "a" went with the cache
    after = json.loads(own("cache", "info", "--json").stdout)
    assert (before["artifacts"], after["artifacts"], after["size"]) == (5, 0, 0)
    assert own("code", "b").exit_code == 2


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ((), "Name the RUNs"),
        (("a", "--keep", "1"), "Name the RUNs"),
        (("nosuch",), "There is no run 'nosuch'"),
        (("a",), "waterflow sync a"),
        (("--older-than", "long", "-y"), "--older-than"),
    ],
)
def test_what_cannot_be_deleted_is_named_and_stays(
    words: tuple[str, ...], named: str, own: Callable[..., Result]
) -> None:
    result = own("runs", "delete", *words)
    assert result.exit_code != 0
    assert named in result.stderr
    assert listed(own) == ["c", "b", "a"]


@pytest.mark.parametrize("name", ["lock", "sending"])
def test_a_run_that_somebody_is_at_stays(name: str, own: Callable[..., Result]) -> None:
    folder = State(Path(".waterflow").resolve()).run("a")
    with Lock(getattr(folder, name)):
        result = own("runs", "delete", "a", "--force")
        assert result.exit_code != 0
        assert "still being sent to MLflow" in result.stderr
        assert listed(own) == ["c", "b", "a"]
    assert own("runs", "delete", "a", "--force").exit_code == 0


def test_a_choice_is_shown_and_asked_for(own: Callable[..., Result]) -> None:
    refused = own("runs", "delete", "--keep", "1", "--force")
    assert refused.exit_code == 1
    assert "Delete 2 runs?" in refused.stderr
    assert [line.split()[0] for line in refused.stdout.splitlines()] == ["run", "b", "a"]
    assert listed(own) == ["c", "b", "a"]


def test_results_are_forgotten_by_pipeline_and_step(own: Callable[..., Result]) -> None:
    def held() -> dict[tuple[str, str], int]:
        steps = json.loads(own("cache", "info", "--json").stdout)["steps"]
        return {(one["pipeline"], one["step"]): one["results"] for one in steps}

    assert held() == {("tiny", "one"): 3, ("tiny", "two"): 2}
    assert json.loads(own("cache", "clear", "--step", "two", "--json").stdout)["forgotten"] == 2
    assert held() == {("tiny", "one"): 3}
    slip = own("cache", "clear", "--pipeline", "tinny")
    assert (slip.exit_code, "'tinny'" in slip.stderr) == (2, True)
    assert held() == {("tiny", "one"): 3}
    assert own("cache", "clear", "--pipeline", "tiny").exit_code == 0
    assert held() == {}
