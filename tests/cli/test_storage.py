"""A disk that is full or cannot be written is the set-up's fault, at the start and in the middle.

In a user namespace with a file system of its own, as root would write everywhere.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys

import pytest

from tests.cli.conftest import write

MAY_MOUNT = (
    subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
        capture_output=True, check=False,
    ).returncode
    == 0
    if sys.platform == "linux"
    else False
)  # fmt: skip

pytestmark = pytest.mark.skipif(
    not MAY_MOUNT,
    reason="a small disk is a tmpfs, which this kernel lets nobody mount (unshare -rm)",
)

PIPELINE = """
import os

import waterflow as wf


@wf.step
def large(n: int) -> bytes:
    return os.urandom(n)


@wf.step
def fills(place: str, quietly: bool) -> int:
    try:
        with open(place, "wb", buffering=0) as file:
            while file.write(b"x" * 4096):
                pass
    except OSError:
        if not quietly:
            raise
    return 1


@wf.step
def writes(place: str) -> int:
    with open(place, "w") as file:
        return file.write("x")


@wf.pipeline
def storing(n: int = 1000) -> None:
    large(n)


@wf.pipeline
def filling(place: str, quietly: bool = False) -> None:
    fills(place, quietly)


@wf.pipeline
def writing(place: str) -> None:
    writes(place)
"""
WATERFLOW = f"{shlex.quote(sys.executable)} -m waterflow.cli"
READING = ("runs", "status fine", "logs fine", "artifacts fine", "cancel fine", "cache info",
           "plan .:storing", "validate .:storing")  # fmt: skip


def file_name(words: str) -> str:
    """Return words as the name of a file."""
    return re.sub(r"[^\w-]", "-", words)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, str]]:
    """What each command answers: its exit code, standard output and standard error."""
    source = write(tmp_path_factory.mktemp("source"), {"pipeline.py": PIPELINE})
    (source / "waterflow.toml").write_text('[tracking]\nuri = "http://127.0.0.1:9"\n')
    small = tmp_path_factory.mktemp("small")
    kept = tmp_path_factory.mktemp("answers")
    lines = [
        f"mount -t tmpfs -o size=12m tmpfs {small}",
        f"cp {source}/* {small}; cd {small}",
    ]

    def ask(name: str, words: str) -> None:
        place = kept / file_name(name)
        lines.append(f"{WATERFLOW} {words} >{place}.out 2>{place}.err; echo $? >{place}.code")

    ask("fine", "run .:storing --run-id fine --json")
    ask("too large", "run .:storing --json -p n=30000000")
    ask("too large, told", "run .:storing -p n=30000000")
    ask("a step fills it", f"run .:filling --json -p place={small}/fill")
    lines.append(f"rm {small}/fill")
    ask("unseen by the step", f"run .:filling --json -p quietly=true -p place={small}/fill")
    ask("full before", "run .:storing -p n=7 --json")
    ask("full, submitted", "submit .:storing -p n=7 --json")
    ask("full, looked at", "runs --json")
    lines.append(f"rm {small}/fill")
    ask("no place of ours", "run .:writing --json -p place=/proc/nothing/x")
    # Who still tells MLflow of a run has its files open, as long as that is.
    lines.append(f"for _ in {{1..600}}; do mount -o remount,ro {small} && break; sleep 0.1; done")
    for words in READING:
        ask(f"read-only {words}", words)
    ask("read-only runs --json", "runs --json")
    ask("read-only run", "run .:storing --json")
    ask("read-only submit", "submit .:storing --json")
    ask("read-only code", "code fine --json")
    ask("read-only download", "artifacts fine --download copies --json")
    ask("read-only compile", "compile .:storing -o document.json")
    ask("read-only init", "init new --json")
    ask("read-only clear", "cache clear --json")
    ask("read-only import", f"profile import {source}/exported.json --json")
    exported = {"version": 1, "name": "small", "provider": "local", "settings": {"cpu": 1.0}}
    (source / "exported.json").write_text(json.dumps(exported))
    script = kept / "script.sh"
    script.write_text("\n".join(lines) + "\n")
    subprocess.run(["unshare", "-rm", "bash", str(script)], check=True)
    return {
        place.stem: (
            int(place.read_text()),
            place.with_suffix(".out").read_text(),
            place.with_suffix(".err").read_text(),
        )
        for place in kept.glob("*.code")
    }


FAULTS = {
    "full-before": ".waterflow",
    "full--submitted": ".waterflow",
    "read-only-run": ".waterflow",
    "read-only-submit": ".waterflow",
    "read-only-code": "cannot be used: Read-only file system",
    "read-only-download": "copies",
    "read-only-init": "new",
    "read-only-clear": ".waterflow",
    "read-only-import": "waterflow.toml",
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_cannot_be_written_is_the_set_up_s_fault(
    name: str, answers: dict[str, tuple[int, str, str]]
) -> None:
    code, out, err = answers[name]
    error = json.loads(out)["error"]
    assert (code, error["exit_code"]) == (3, 3), (out, err)
    assert FAULTS[name] in error["message"]
    assert "This is a bug" not in out + err


@pytest.mark.parametrize("name", ["too-large", "a-step-fills-it", "unseen-by-the-step"])
def test_a_disk_that_fills_up_in_the_middle_is_the_set_up_s_fault(
    name: str, answers: dict[str, tuple[int, str, str]]
) -> None:
    code, out, err = answers[name]
    report = json.loads(out)
    assert (code, report["status"]) == (3, "failed"), (out, err)
    told = " ".join([report["error"] or "", *(step["error"] or "" for step in report["steps"])])
    assert "LocalStorageError: " in told
    assert "/small0" in told, "the place is named"
    assert "waterflow cache info" in told


def test_it_is_told_once(answers: dict[str, tuple[int, str, str]]) -> None:
    code, out, _ = answers["too-large--told"]
    assert code == 3
    assert out.count("cannot be used") == 1, out


def test_a_place_of_the_users_own_is_the_step_s_failure(
    answers: dict[str, tuple[int, str, str]],
) -> None:
    code, out, _ = answers["no-place-of-ours"]
    (step,) = json.loads(out)["steps"]
    assert (code, step["status"]) == (1, "failed")
    assert "FileNotFoundError" in step["error"]


@pytest.mark.parametrize("words", READING)
def test_who_only_looks_need_not_be_able_to_write(
    words: str, answers: dict[str, tuple[int, str, str]]
) -> None:
    code, out, err = answers[f"read-only-{file_name(words)}"]
    assert (code, err) == (0, ""), out


def test_the_runs_are_shown_all_the_same(answers: dict[str, tuple[int, str, str]]) -> None:
    for name in ("full--looked-at", "read-only-runs---json"):
        code, out, _ = answers[name]
        assert code == 0
        statuses = {run["run"]: run["status"] for run in json.loads(out)}
        assert statuses["fine"] == "succeeded"
        assert list(statuses.values()).count("failed") >= 4
    assert answers["read-only-compile"][0] == 3
