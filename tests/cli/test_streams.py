"""Text that a stream cannot hold, bytes that are no text, and who cannot type: no bug of ours."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import waterflow, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

REFUSED = '[tracking]\nuri = "http://127.0.0.1:9"\n'
PIPELINE = """
import sys

import waterflow as wf


@wf.step
def size(n: int = 1) -> int:
    print("die Größe ist", n, "\\u2603")
    sys.stdout.buffer.write(b"\\xff\\xfe\\x00 bytes\\n")
    sys.stdout.flush()
    sys.stderr.buffer.write(b"\\x80\\n")
    return n


@wf.step
def fails(n: int) -> int:
    raise ValueError("zu groß: \\u2603 \\udcff")


@wf.pipeline
def measured(name: str = "Grüße") -> None:
    fails(size())
"""
ENCODINGS = {
    "ASCII": {"PYTHONIOENCODING": "ascii"},
    "Latin-1": {"PYTHONIOENCODING": "latin-1"},
    "UTF-8": {"PYTHONIOENCODING": "utf-8"},
    "C locale": {"LANG": "C", "LC_ALL": "C"},
}
VERBS = (
    "run .", "run . --json", "run . --inline", "runs", "runs --json", "status bad",
    "status bad --json", "logs bad", "logs bad --json", "artifacts bad", "validate .",
    "validate . -p größe=1", "plan .", "graph .", "graph . --format svg", "compile .", "doctor",
    "status ö", "status ö --json", "run ö",
)  # fmt: skip


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write(tmp_path_factory.mktemp("größe"), {"pipeline.py": PIPELINE})
    (root / "waterflow.toml").write_text(REFUSED)
    waterflow("run", ".", "--run-id", "bad", cwd=root)
    return root


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_no_verb_stumbles_over_text(encoding: str, ran: Path) -> None:
    environment = os.environ | ENCODINGS[encoding]
    for words in VERBS:
        done = subprocess.run(
            [sys.executable, "-m", "waterflow.cli", *words.split()],
            cwd=ran, env=environment, capture_output=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode in (0, 1, 2, 3), (words, done.stderr)
        assert b"This is a bug" not in done.stderr, words
        if "--json" in words and not words.startswith("logs"):
            json.loads(done.stdout)
        if words == "logs bad --json":
            lines = [json.loads(line) for line in done.stdout.splitlines()]
            assert "die Größe ist 1 \u2603" in [line["text"] for line in lines], lines
            assert any("bytes" in line["text"] for line in lines)


FOREIGN = {
    "waterflow.toml": ("runs", 3, "waterflow.toml"),
    "pipeline.yaml": ("validate pipeline.yaml", 2, "pipeline.yaml"),
    "pipeline.py": ("validate .", 2, "pipeline.py"),
    "exported.json": ("profile import exported.json", 3, "exported.json"),
    ".waterflowignore": ("run .", 3, ".waterflowignore"),
    "requirements.lock": ("run .", 3, "requirements.lock"),
}
"""Files that are no UTF-8: what is typed, the exit code, what is named."""


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_that_is_no_utf_8_is_named(
    name: str, project: Path, invoke: Callable[..., Result]
) -> None:
    words, code, named = FOREIGN[name]
    (project / name).write_bytes("grö = ße".encode("latin-1"))
    result = invoke(*words.split())
    assert result.exit_code == code, result.output
    assert named in result.stderr
    assert "UTF-8" in result.stderr.upper()


# --- who cannot type ------------------------------------------------------------------------------

ASKING = """
import getpass
import pdb

import waterflow as wf


@wf.step
def asks(how: str) -> int:
    if how == "breakpoint":
        breakpoint()
    elif how == "set_trace":
        pdb.set_trace()
    elif how == "input":
        input("which? ")
    elif how == "getpass":
        getpass.getpass()
    elif how == "spawned":
        import code
        code.interact()
        input()
    elif how == "eof":
        raise EOFError("Ran out of input")
    return 1


@wf.pipeline
def asking(how: str = "none") -> None:
    asks(how)
"""
HINT = "waterflow run TARGET --inline"


@pytest.mark.parametrize("how", ["breakpoint", "set_trace", "input", "getpass", "spawned"])
def test_what_needs_a_terminal_says_how_to_have_one(how: str, tmp_path: Path) -> None:
    write(tmp_path, {"pipeline.py": ASKING})
    (tmp_path / "waterflow.toml").write_text(REFUSED)
    done = waterflow("run", ".", "-p", f"how={how}", "--json", cwd=tmp_path)
    (step,) = json.loads(done.stdout)["steps"]
    assert (done.returncode, step["status"]) == (1, "failed")
    assert HINT in step["error"]


def test_an_end_of_data_of_the_users_own_is_told_as_it_is(tmp_path: Path) -> None:
    write(tmp_path, {"pipeline.py": ASKING})
    (tmp_path / "waterflow.toml").write_text(REFUSED)
    done = waterflow("run", ".", "-p", "how=eof", "--json", cwd=tmp_path)
    (step,) = json.loads(done.stdout)["steps"]
    assert step["error"] == "EOFError: Ran out of input"


# --- Ctrl-C ---------------------------------------------------------------------------------------

SLOW = """
import os
import time

import waterflow as wf


@wf.step
def waits(place: str) -> int:
    print("waiting", flush=True)
    while not os.path.exists(place):
        time.sleep(0.05)
    return 1


@wf.pipeline
def waiting(place: str) -> None:
    waits(place)
"""


def state(root: Path, run: str) -> dict[str, Any]:
    return json.loads(waterflow("status", run, "--json", cwd=root).stdout)


@pytest.mark.parametrize("words", [("-f",), ("-f", "--json")], ids=["lines", "JSON"])
def test_ctrl_c_on_logs_ends_them_and_not_the_run(words: tuple[str, ...], tmp_path: Path) -> None:
    write(tmp_path, {"pipeline.py": SLOW})
    (tmp_path / "waterflow.toml").write_text(REFUSED)
    place = tmp_path / "go"
    waterflow("submit", ".", "-p", f"place={place}", "--run-id", "slow", cwd=tmp_path)
    with subprocess.Popen(
        [sys.executable, "-m", "waterflow.cli", "logs", "slow", *words],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as logs:  # fmt: skip
        assert logs.stdout is not None
        assert "waiting" in logs.stdout.readline()
        logs.send_signal(signal.SIGINT)
        _, err = logs.communicate(timeout=300)
    assert logs.returncode == 130
    assert "Run slow goes on" in err
    assert "waterflow status slow" in err
    assert "waterflow cancel slow" in err
    assert state(tmp_path, "slow")["status"] == "running"
    place.touch()
    deadline = time.monotonic() + 60
    while state(tmp_path, "slow")["status"] == "running":
        assert time.monotonic() < deadline
    assert state(tmp_path, "slow")["status"] == "succeeded"
