"""Commands that a fork of the helper runs: to the shell they are as any others."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.warm.test_runs import Project, until
from waterflow.warm import asking

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PIPELINE = """
import atexit
import os
import sys
import time
from pathlib import Path

import held_library

import waterflow as wf

if "WATERFLOW_EXECUTION" not in os.environ:  # and so no step imports it
    Path(os.environ["SEEN"]).write_text(str(os.getpid()))
    atexit.register(lambda: Path(os.environ["SEEN"] + ".left").write_text("left"))


@wf.step
def one(n: int) -> int:
    if n == 13:
        raise ValueError(f"{n} it is")
    while n == 99:
        time.sleep(0.05)
    return n + 1


@wf.pipeline
def tiny(n: int = 1) -> None:
    print("defining", sys.stdin.isatty(), Path.cwd(), file=sys.stderr)
    one(n)
"""
CASES = {
    "a run": (("run", "."), 0),
    "JSON": (("run", ".", "--json"), 0),
    "a failed step": (("run", ".", "-p", "n=13"), 1),
    "a wrong parameter": (("run", ".", "-p", "m=1"), 2),
    "a wrong option": (("run", ".", "--no-such"), 2),
    "a plan": (("plan", "."), 0),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with pytest.MonkeyPatch.context() as patch:
        project = Project(tmp_path_factory.mktemp("commands"), patch)
        (project.root / "pipeline.py").write_text(PIPELINE)
        text = (project.root / "waterflow.toml").read_text()
        (project.root / "waterflow.toml").write_text(f'default_profile = "warm"\n{text}')
        patch.setenv("SEEN", str(project.root.parent / "seen"))
        command(project, "run", ".")
        yield project
        project.close()


def command(project: Project, *words: str, **variables: str) -> tuple[str, str, int, bool]:
    """Return what a command says, its code, and whether another process has run it."""
    seen = project.root.parent / "seen"
    seen.unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "waterflow.cli", *words],
        cwd=project.root, env=os.environ | variables, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = process.communicate(timeout=300)
    elsewhere = seen.exists() and int(seen.read_text()) != process.pid
    return out, err, process.returncode, elsewhere


def same(text: str) -> str:
    text = re.sub(r"tiny-\d{8}-\d{6}-[0-9a-f]{4}", "RUN", text)
    text = re.sub(r"\d\d:\d\d:\d\d", "HH:MM:SS", text)
    text = re.sub(r'("(started|ended|seconds|pid|command)"): [^,\n]+', r"\1: X", text)
    return re.sub(r"\b\d+(\.\d+)?(ms|s)\b", "TIME", text)


@pytest.mark.parametrize(("words", "code"), CASES.values(), ids=CASES)
def test_a_command_is_as_any_other(words: tuple[str, ...], code: int, project: Project) -> None:
    *plain, elsewhere = command(project, *words, CI="true")
    assert (plain[2], elsewhere) == (code, False)
    *plain, _ = command(project, *words, CI="true")  # now all is cached that can be
    *warm, elsewhere = command(project, *words)
    assert elsewhere or code == 2, "the helper is there, and can serve"
    assert [same(str(one)) for one in warm] == [same(str(one)) for one in plain]


def test_who_is_killed_takes_its_run_along(project: Project) -> None:
    seen = project.root.parent / "seen"
    for number in (signal.SIGINT, signal.SIGKILL):
        seen.unlink(missing_ok=True)
        with subprocess.Popen(
            [sys.executable, "-m", "waterflow.cli", "run", ".", "-p", "n=99"],
            cwd=project.root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            assert "running" in process.stdout.readline()
            process.send_signal(number)
            code = process.wait(300)
        assert code == (130 if number is signal.SIGINT else -signal.SIGKILL)
        assert int(seen.read_text()) != process.pid
        (latest, *_) = json.loads(command(project, "runs", "--json")[0])
        until(
            lambda run=latest["run"]: (
                json.loads(command(project, "status", run, "--json")[0])["status"] == "cancelled"
            ),
            "the run's end",
        )


def test_what_is_registered_for_its_end_runs_in_the_fork(project: Project) -> None:
    left: Path = project.root.parent / "seen.left"
    left.unlink(missing_ok=True)
    assert command(project, "run", ".")[3]
    assert left.read_text() == "left"


def test_a_module_of_the_users_goes_before_what_the_helper_holds(project: Project) -> None:
    shadow = project.root / "held_library.py"
    shadow.write_text('raise ImportError("the user\'s own")\n')
    try:
        _, err, code, _ = command(project, "run", ".")
    finally:
        shadow.unlink()
    assert code != 0
    assert "the user's own" in err


def test_the_verb_shows_and_stops_the_helper(project: Project) -> None:
    (shown,) = json.loads(command(project, "warm", "--json")[0])
    assert {held["for"] for held in shown["holders"]} == {"steps"}
    assert f"helper {shown['pid']}," in command(project, "warm")[0]
    assert f"process {shown['pid']} holds libraries for steps" in command(project, "doctor")[0]
    assert command(project, "warm", "--stop")[0] == "1 helper stopped\n"
    assert list(asking.shown(project.state, os.environ)) == []
    assert command(project, "warm", "--stop")[0] == "No helper runs.\n"
