"""`waterflow ui` ends with whoever has started it, however that ends; nothing of it is left."""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import write
from tests.cli.test_verbs import descendants, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

COMMAND = [sys.executable, "-m", "waterflow.cli", "ui", "--no-open"]


class Server:
    """A server of MLflow's pages, and how it was started."""

    def __init__(self, root: Path, *, terminal: bool = False, piped: bool = False) -> None:
        self.ours: int | None = None
        stdin: int | None = subprocess.PIPE if piped else subprocess.DEVNULL
        theirs: int | None = None
        if terminal:
            self.ours, theirs = pty.openpty()
            stdin = theirs
        self.process = subprocess.Popen(
            COMMAND, cwd=root, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, start_new_session=True,
        )  # fmt: skip
        if theirs is not None:
            os.close(theirs)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("MLflow UI on http://127.0.0.1:"), line
        self.children = descendants(self.process.pid)
        assert len(self.children) >= 2

    def hang_up(self) -> None:
        """Close the other side of the terminal."""
        assert self.ours is not None
        os.close(self.ours)
        self.ours = None

    def close_pipe(self) -> None:
        """End standard input, as the end of who holds it does."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def end(self) -> None:
        """Leave nothing behind."""
        for pid in (self.process.pid, *self.children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.stdin = None  # it is closed, and is not to be flushed
        self.process.communicate()
        if self.ours is not None:
            os.close(self.ours)


@pytest.fixture
def start(tmp_path: Path, blank_store: Path) -> Iterator[Callable[..., Server]]:
    """Start a server on a store that is there already: making one takes long."""
    root = write(tmp_path, {})
    shutil.copytree(blank_store, root / ".waterflow")
    servers: list[Server] = []

    def started(**options: bool) -> Server:
        servers.append(Server(root, **options))
        return servers[-1]

    yield started
    for server in servers:
        server.end()


def gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 60
    while left := [pid for pid in pids if running(pid)]:
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.05)


ENDS = {
    "SIGHUP": ({}, lambda one: one.process.send_signal(signal.SIGHUP), 0),
    "SIGTERM": ({}, lambda one: one.process.send_signal(signal.SIGTERM), 0),
    "terminal that hangs up": ({"terminal": True}, Server.hang_up, 0),
    "pipe that ends": ({"piped": True}, Server.close_pipe, 0),
    "SIGKILL": ({}, lambda one: one.process.kill(), -signal.SIGKILL),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_nothing_of_it_is_left(
    end: tuple[dict[str, bool], Callable[[Server], None], int], start: Callable[..., Server]
) -> None:
    options, act, code = end
    server = start(**options)
    act(server)
    assert server.process.wait(300) == code
    gone(server.children)
