"""Writes or reads one value after another, as it is told: `python -m tests.values.serve write`.

The two processes share a folder and nothing else. Values come and go pickled, by another way than
the one that is tested.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.values.process import strict
from waterflow import artifacts
from waterflow.errors import ArtifactError

ROOT = Path(__file__).resolve().parents[2]


def write(kind: str, declared: Any, folder: str, value: Any) -> str | None:
    """Write a value; return what was said where it is refused."""
    place = Path(folder)
    place.mkdir(parents=True)
    try:
        with strict():
            context = artifacts.Context(declared=declared)
            artifacts.by_name(kind).save(value, place, context)
        artifacts.seal(place, kind)
    except ArtifactError as error:
        return str(error)
    return None


def read(kind: str, declared: Any, folder: str, _value: Any) -> Any:
    """Read a value."""
    artifacts.verify(Path(folder))
    with strict():
        return artifacts.by_name(kind).load(Path(folder), declared, artifacts.Context())


class Worker:
    """A process that writes, or one that reads."""

    def __init__(self, verb: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.values.serve", verb], cwd=ROOT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def ask(self, *request: Any) -> Any:
        """Have one value written or read; return what the process says."""
        assert self.process.stdin
        assert self.process.stdout
        pickle.dump(request, self.process.stdin)
        self.process.stdin.flush()
        answer, error = pickle.load(self.process.stdout)
        if error is not None:
            raise AssertionError(error)
        return answer

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait() == 0


def main(verb: str) -> None:
    """Answer requests until there are no more."""
    import traceback

    work = {"write": write, "read": read}[verb]
    while True:
        try:
            request = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer: tuple[Any, str | None] = (work(*request), None)
        except Exception:  # noqa: BLE001 - the test is to tell
            answer = (None, traceback.format_exc())
        pickle.dump(answer, sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1])
