"""Runs from the command line, through the local provider, in processes of their own."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import TINY, waterflow, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result
    from syrupy.assertion import SnapshotAssertion

REFUSED = "http://127.0.0.1:9"
"""A tracking server that is not there: runs go on, and no test waits for MLflow."""

SLOW = """
import os
import time
from pathlib import Path

import waterflow as wf


@wf.step
def sleep(place: str) -> int:
    Path(place).write_text(str(os.getpid()))
    time.sleep(120)
    return 1


@wf.pipeline
def slow(place: str) -> None:
    sleep(place)
"""


def same(text: str) -> str:
    """Return what a run printed with all that differs from run to run replaced."""
    text = re.sub(r"\d\d:\d\d:\d\d", "HH:MM:SS", text)
    text = re.sub(r"tiny-\d{8}-\d{6}-[0-9a-f]{4}", "RUN", text)
    text = re.sub(r"\b\d+(\.\d+)?s\b", "TIME", text)
    text = re.sub(r"not got \d+ of", "not got SOME of", text)
    return re.sub(r'File ".*/pipeline.py"', 'File "pipeline.py"', text)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A project in which `tiny` was run, run again, and failed."""
    root = write(tmp_path_factory.mktemp("ran"), {"pipeline.py": TINY})
    (root / "waterflow.toml").write_text(f'[tracking]\nuri = "{REFUSED}"\n')
    first = waterflow("run", ".", "--wait-tracking", cwd=root)
    again = waterflow("run", ".", "--json", cwd=root)
    bad = ("-p", "n=200", "--run-id", "bad")
    failed = waterflow("run", ".", *bad, "--wait-tracking", cwd=root)
    return {"root": root, "first": first, "again": again, "failed": failed}


@pytest.fixture
def inside(ran: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(ran["root"])
    return ran["root"]


def test_plain_lines_tell_a_run(ran: dict[str, Any], snapshot: SnapshotAssertion) -> None:
    assert ran["first"].returncode == 0, ran["first"].stderr
    assert same(ran["first"].stdout) == snapshot
    assert ran["first"].stderr == ""


def test_json_is_all_of_standard_output(ran: dict[str, Any]) -> None:
    assert ran["again"].returncode == 0
    report = json.loads(ran["again"].stdout)
    assert report["status"] == "succeeded"
    states = {step["name"]: step["status"] for step in report["steps"]}
    assert states == {"one": "cached", "two": "cached", "never": "skipped"}
    assert report["metrics"] == {"two": {"half": 1.0}}
    assert report["models"] == []
    assert "one  " in ran["again"].stderr


def test_a_failure_shows_the_users_own_lines(
    ran: dict[str, Any], snapshot: SnapshotAssertion
) -> None:
    assert ran["failed"].returncode == 1
    assert same(ran["failed"].stdout) == snapshot


def test_the_runs_are_listed_newest_first(inside: Path, invoke: Callable[..., Result]) -> None:
    listed = json.loads(invoke("runs", "--json").stdout)
    assert [run["status"] for run in listed] == ["failed", "succeeded", "succeeded"]
    assert listed[0]["run"] == "bad"
    assert len(json.loads(invoke("runs", "--json", "--limit", "1").stdout)) == 1
    head, line, *_ = invoke("runs").stdout.splitlines()
    assert head.split() == ["run", "pipeline", "status", "started", "time", "steps"]
    assert line.split()[:3] == ["bad", "tiny", "failed"]


def test_the_latest_run_is_shown_when_none_is_named(
    inside: Path, invoke: Callable[..., Result]
) -> None:
    assert invoke("status").stdout.startswith("bad (tiny) failed in ")
    report = json.loads(invoke("status", "--json").stdout)
    assert report["run"] == "bad"
    assert report["unsent"] > 0
    two = next(step for step in report["steps"] if step["name"] == "two")
    assert (two["status"], two["error"]) == ("failed", "ValueError: 201 is too much")
    assert json.loads(invoke("status", report["run"], "--json").stdout) == report


def test_logs_name_the_step(inside: Path, invoke: Callable[..., Result]) -> None:
    lines = invoke("logs", "bad").stdout.splitlines()
    assert lines[0] == "one    one says 200"
    assert lines[-1].startswith("two  ")
    assert invoke("logs", "bad", "--step", "one").stdout == "one says 200\n"
    assert invoke("logs", "bad", "--follow").stdout.splitlines() == lines


def test_logs_of_cached_steps_say_where_they_are(
    ran: dict[str, Any], inside: Path, invoke: Callable[..., Result]
) -> None:
    cached = json.loads(ran["again"].stdout)["run"]
    (worked,) = re.findall(r"^(tiny-\S+) ", ran["first"].stdout, re.MULTILINE)
    for arguments, named in (
        ((), ("one", "two")),
        (("--follow",), ("one", "two")),
        (("--step", "two"), ("two",)),
        (("--json",), ("one", "two")),
    ):
        result = invoke("logs", cached, *arguments)
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr.splitlines() == [
            f"{step} was answered from the cache: its log is with run {worked}: "
            f"waterflow logs {worked} --step {step}"
            for step in named
        ]
    assert f"from {worked}" in invoke("status", cached).stdout
    assert invoke("logs", cached, "--step", "never").output == ""
    assert invoke("logs", "bad").stderr == "", "none of its steps was cached"


@pytest.mark.parametrize("arguments", [("logs", "bad"), ("runs",), ("--help",), ("run", "--help")])
def test_a_reader_that_goes_ends_it_quietly(arguments: tuple[str, ...], inside: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "waterflow.cli", *arguments],
            cwd=inside, stdout=writing, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_an_id_that_can_be_none_is_the_users_mistake(
    inside: Path, invoke: Callable[..., Result]
) -> None:
    for verb in ("run", "submit"):
        for text in ("../x", "", "x" * 128, "-x"):
            result = invoke(verb, ".", f"--run-id={text}")
            assert result.exit_code == 2
            assert f"{text!r} cannot be a run's id" in result.stderr


def test_a_run_that_cannot_be_gone_on_from_is_refused(
    ran: dict[str, Any], inside: Path, invoke: Callable[..., Result]
) -> None:
    before = invoke("runs", "--json").stdout
    good = json.loads(ran["again"].stdout)["run"]
    result = invoke("run", ".", "--resume", good)
    assert result.exit_code == 4
    assert f"Run '{good}' has succeeded: there is nothing to go on with" in result.stderr
    (inside / "other").mkdir()
    (inside / "other" / "pipeline.py").write_text(TINY.replace("def tiny", "def other"))
    result = invoke("submit", "other", "--resume", "bad")
    assert result.exit_code == 4
    assert "Run 'bad' is of pipeline 'tiny', not of 'other'" in result.stderr
    assert invoke("runs", "--json").stdout == before


def test_artifacts_are_listed_and_copied(
    inside: Path, invoke: Callable[..., Result], tmp_path: Path
) -> None:
    listed = json.loads(invoke("artifacts", "bad", "--json").stdout)
    assert [(one["step"], one["output"], one["type"]) for one in listed] == [
        ("one", "output", "integer")
    ]
    result = invoke("artifacts", "bad", "one", "--download", str(tmp_path / "copies"))
    assert result.exit_code == 0, result.output
    copy = tmp_path / "copies" / "one.output"
    assert json.loads((copy / "value.json").read_bytes()) == 201
    assert {file.name for file in copy.iterdir()} == {"manifest.json", "value.json"}
    again = invoke("artifacts", "bad", "one", "--download", str(tmp_path / "copies"))
    assert again.exit_code == 3
    assert "is there already" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (("logs", "bad", "--step", "three"), 2, "'three'; it has: one, two, never"),
        (("logs", "bad", "--step", "tow"), 2, "Did you mean 'two'?"),
        (("logs", "bda"), 2, "There is no run 'bda'"),
        (("status", "ba"), 2, "Did you mean 'bad'?"),
        (("cancel", "badd"), 2, "Did you mean 'bad'?"),
        (("sync", "badd"), 2, "Did you mean 'bad'?"),
        (("code", "badd"), 2, "Did you mean 'bad'?"),
        (("run", ".", "--resume", "badd"), 2, "Did you mean 'bad'?"),
        (("submit", ".", "--resume", "badd"), 2, "Did you mean 'bad'?"),
        (("artifacts", "badd"), 2, "Did you mean 'bad'?"),
        (("artifacts", "bad", "three"), 2, "'three'. It has: one.output"),
        (("artifacts", "bad", "on"), 2, "Did you mean 'one'"),
    ],
)
def test_what_a_run_does_not_have_is_named(
    arguments: tuple[str, ...], code: int, named: str, inside: Path, invoke: Callable[..., Result]
) -> None:
    result = invoke(*arguments)
    assert result.exit_code == code
    assert named in result.stderr


def test_a_run_that_has_ended_is_not_cancelled(inside: Path, invoke: Callable[..., Result]) -> None:
    assert invoke("cancel", "bad").stdout == "bad failed\n"


def test_the_plan_knows_times_and_changes(
    inside: Path, invoke: Callable[..., Result], snapshot: SnapshotAssertion
) -> None:
    result = invoke("plan", ".")
    assert result.exit_code == 0, result.output
    shown = re.sub(r"this machine, \S+ CPU, \S+ \S+", "MACHINE", same(result.stdout))
    assert re.sub(" +", " ", shown) == snapshot
    plan = json.loads(invoke("plan", ".", "--json").stdout)
    assert plan["last_run"] == "bad"
    assert plan["seconds"] == 0 < plan["full_seconds"]
    first = json.loads(invoke("runs", "--json").stdout)[-1]["run"]
    steps = {step["name"]: (step["cache"], step["cached_from"]) for step in plan["steps"]}
    assert steps == {"one": ("cached", first), "two": ("cached", first), "never": ("skipped", None)}


def test_the_plan_names_what_differs_from_the_last_run(
    inside: Path, invoke: Callable[..., Result]
) -> None:
    text = TINY.replace("@wf.step\ndef one(n: int)", "@wf.step(retries=2)\ndef one(n: int)")
    text = text.replace("never(metrics)", "one.options(name='more')(1)")
    text = text.replace("least: float = 50.0", "least: float = 51.0")
    (inside / "changed").mkdir()
    (inside / "changed" / "pipeline.py").write_text(text)
    plan = json.loads(invoke("plan", "changed", "--json").stdout)
    changes = {change["name"]: change for change in plan["changes"] if change["what"] == "step"}
    assert {name: change["change"] for name, change in changes.items()} == {
        "one": "changed", "two": "changed", "more": "added", "never": "removed",
    }  # fmt: skip
    assert "retry: retries" in changes["one"]["fields"]
    assert changes["two"]["fields"] == ["run: module"]
    others = [(one["what"], one["name"], one["change"], one["fields"]) for one in plan["changes"]
              if one["what"] not in ("step", "code")]  # fmt: skip
    assert others == [
        ("parameter", "least", "changed", ["default"]),
        ("value", "n", "changed", ["200 -> 1"]),
        ("value", "least", "changed", ["50.0 -> 51.0"]),
    ]
    code = {one["name"]: one["fields"][0] for one in plan["changes"] if one["what"] == "code"}
    assert "one() in pipeline.py is gone" in code["one"]
    assert "  ~ step one (run: module; retry: retries)\n" in invoke("plan", "changed").stdout


def test_what_mlflow_has_not_got_stays_and_is_told(
    inside: Path, invoke: Callable[..., Result]
) -> None:
    result = invoke("sync", "bad", "--json")
    assert result.exit_code == 5
    (entry,) = json.loads(result.stdout)
    assert entry["left"] > 0
    assert entry["sent"] == 0
    assert REFUSED in entry["error"]
    assert result.stderr == ""
    assert REFUSED in invoke("sync", "bad").stderr


def test_a_run_ends_well_whose_results_cannot_be_read(ran: dict[str, Any], tmp_path: Path) -> None:
    root = shutil.copytree(ran["root"], tmp_path / "copy")
    (metrics,) = root.glob(".waterflow/artifacts/*/*.metrics/value.json")
    metrics.chmod(0o644)
    metrics.write_text('{"half":9.0}')
    done = waterflow("run", ".", "--json", cwd=root)
    assert done.returncode == 0
    assert json.loads(done.stdout)["metrics"] == {}
    assert "what it made cannot be read here: " in done.stderr
    assert "altered 'value.json'" in done.stderr


def test_the_cache_is_measured_and_cleared(
    ran: dict[str, Any],
    invoke: Callable[..., Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(shutil.copytree(ran["root"], tmp_path / "copy"))
    before = json.loads(invoke("cache", "info", "--json").stdout)
    assert before["results"] == 3
    kept = json.loads(invoke("cache", "clear", "--older-than", "7d", "--json").stdout)
    assert kept["forgotten"] == 0
    assert json.loads(invoke("cache", "prune", "--json").stdout) == {"forgotten": 0, "removed": 0}
    assert invoke("cache", "clear").stdout == "3 results forgotten, 0 artifacts removed\n"
    assert json.loads(invoke("cache", "info", "--json").stdout)["results"] == 0


def test_a_failed_run_is_gone_on_from(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", REFUSED)
    assert waterflow("run", ".", "-p", "n=200", "--run-id", "bad", cwd=project).returncode == 1
    text = TINY.replace("n > 100", "n > 1000")
    (project / "pipeline.py").write_text(text)
    done = waterflow(
        "run", ".", "-p", "n=200", "--resume", "bad", "--no-cache", "--json", cwd=project
    )
    assert done.returncode == 0, done.stderr
    states = {step["name"]: step["status"] for step in json.loads(done.stdout)["steps"]}
    assert states["two"] == "succeeded"


def test_inline_steps_print_beside_the_answer(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", REFUSED)
    done = waterflow("run", ".", "--inline", "--json", cwd=project)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "succeeded"
    assert "one says 1" in done.stderr


def test_an_inline_run_is_not_gone_on_from(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", REFUSED)
    arguments = ("run", ".", "-p", "n=200")
    done = waterflow(*arguments, "--inline", "--run-id", "bad", cwd=project)
    assert done.returncode == 1, done.stderr
    assert "ValueError: 201 is too much" in done.stderr
    assert "ValueError" not in done.stdout, "it was told when it happened"
    assert "its whole log:" not in done.stdout
    assert "go on from here:" not in done.stdout
    again = waterflow(*arguments, "--resume", "bad", cwd=project)
    assert (again.returncode, again.stdout) == (4, "")
    assert "Run 'bad' ran inline: " in again.stderr
    assert "leave --resume out" in again.stderr


def test_what_to_type_next_can_be_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", REFUSED)
    monkeypatch.setenv("PATH", os.path.dirname(sys.executable), prepend=os.pathsep)  # noqa: PTH120
    root = write(tmp_path / "it's mine", {
        "pipeline.py": TINY, "below/note.txt": "",
        "waterflow.toml": '[profiles.other]\nprovider = "local"\n',
    })  # fmt: skip

    def paste(what: str, output: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        (command,) = re.findall(rf"{what}: (.*)", output)
        return subprocess.run(
            command, shell=True, cwd=cwd, capture_output=True, text=True, check=False
        )

    words = ("-p", "n=200", "--profile", "other", "--no-cache")
    for cwd, target in ((root / "below", ".."), (tmp_path, "it's mine/pipeline.py:tiny")):
        failed = waterflow("run", target, *words, cwd=cwd).stdout
        again = paste("go on from here", failed, cwd)
        assert again.returncode == 1, again.stderr
        assert "one    cached\n" in again.stdout
        assert again.stdout.count("ValueError: 201 is too much") == 1
    logs = paste("its whole log", failed, tmp_path)
    assert logs.returncode == 0, logs.stderr
    assert "ValueError: 201 is too much" in logs.stdout
    started = waterflow("submit", target, *words, cwd=tmp_path).stderr
    assert "(tiny)" in paste("Watch it", started, tmp_path).stdout


SEEMS = """
import waterflow as wf


@wf.step
def seems() -> dict[str, str]:
    return {"name": "n", "version": "1", "uri": "u"}


@wf.pipeline
def seeming() -> None:
    seems()
"""


def test_what_only_looks_like_a_model_is_not_told_as_one(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", REFUSED)
    (project / "pipeline.py").write_text(SEEMS)
    done = waterflow("run", ".", "--json", cwd=project)
    assert json.loads(done.stdout)["models"] == [], done.stderr


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def until(condition: Callable[[], object], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def test_ctrl_c_cancels_and_leaves_no_process(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", REFUSED)
    (project / "pipeline.py").write_text(SLOW)
    place = project / "pid"
    command = [sys.executable, "-m", "waterflow.cli", "run", ".", "-p", f"place={place}"]
    with subprocess.Popen(
        command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        until(lambda: place.exists() and place.read_text())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert "Traceback" not in out + err
    assert "cancelled in " in out
    until(lambda: gone(int(place.read_text())), 10)
    report = json.loads(waterflow("status", "--json", cwd=project).stdout)
    assert report["status"] == "cancelled"


def test_a_submitted_run_goes_on_and_is_cancelled(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", REFUSED)
    (project / "pipeline.py").write_text(SLOW)
    place = project / "pid"
    done = waterflow("submit", ".", "-p", f"place={place}", "--run-id", "x", "--json", cwd=project)
    assert json.loads(done.stdout) == {"run": "x", "provider": "local", "profile": "local"}
    until(lambda: place.exists() and place.read_text())
    assert json.loads(waterflow("status", "x", "--json", cwd=project).stdout)["status"] == "running"
    early = waterflow("submit", ".", "-p", f"place={place}", "--resume", "x", cwd=project)
    assert early.returncode == 4
    assert "Run 'x' is still running. Watch it: waterflow status x" in early.stderr
    stopped = waterflow("cancel", "x", cwd=project)
    assert stopped.stdout == "x cancelled\n", stopped.stderr
    until(lambda: gone(int(place.read_text())), 10)


def test_a_terminal_gets_a_table(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", REFUSED)
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "waterflow.cli", "run", "."],
        cwd=project, stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    screen = b""
    try:
        while select.select([ours], [], [], 60)[0]:
            chunk = os.read(ours, 65536)
            if not chunk:
                break
            screen += chunk
    except OSError:  # how Linux tells that the other side was closed
        pass
    finally:
        os.close(ours)
        code = process.wait(300)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.decode())
    assert code == 0, text
    assert "step" in text
    assert re.search(r"two +succeeded", text), text
    assert re.search(r"never +skipped", text), text
    assert "3 steps, 2 succeeded, 1 skipped" in text
