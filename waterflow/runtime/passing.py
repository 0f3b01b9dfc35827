"""Passes on what a child process writes, whole lines at a time, to where its parent writes."""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import subprocess
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

    from waterflow.runtime.logged import LogReader

_CHUNK: Final = 1 << 16
_LEFT: Final = 2
"""Pieces that are read of an ended child: a pipe holds one of them."""
_GOALS: Final = {"stdout": 1, "stderr": 2}


class Passing:
    """A child process whose output is read on its way to this process's own.

    Nothing is held back but the line under way, so that lines of parent and child never mix.

    Args:
        command: Its command line.
        reader: What reads along.
        how: Further arguments of `subprocess.Popen`.
    """

    def __init__(self, command: Sequence[str], reader: LogReader, **how: Any) -> None:
        self._reader = reader
        self._rest = dict.fromkeys(_GOALS, b"")
        self._selector = selectors.DefaultSelector()
        how |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.child: subprocess.Popen[Any] = subprocess.Popen(command, **how)
        for name in _GOALS:
            stream = getattr(self.child, name)
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, selectors.EVENT_READ, name)

    def wait(self, seconds: float) -> int | None:
        """Pass on what comes, and return the exit code, or None after so many seconds."""
        if not self._selector.get_map():
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self.child.wait(seconds)
            return None
        for key, _ in self._selector.select(seconds):
            if self._pass(key.fileobj, key.data) == b"":
                self._selector.unregister(key.fileobj)
        return self.child.poll()

    def close(self) -> None:
        """Pass on what is left of an ended child; what it has left running writes to nobody."""
        for key in list(self._selector.get_map().values()):
            for _ in range(_LEFT):  # a process that got away might go on writing for ever
                if not self._pass(key.fileobj, key.data):
                    break
        self._selector.close()
        for name, goal in _GOALS.items():
            getattr(self.child, name).close()
            if self._rest[name]:
                _write(goal, self._rest[name] + b"\n")
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _pass(self, stream: Any, name: str) -> bytes | None:
        """Pass on one piece and return it: b"" at the end, None when nothing is there."""
        try:
            data = os.read(stream.fileno(), _CHUNK)
        except BlockingIOError:
            return None
        held = self._rest[name] + data
        end = max(held.rfind(b"\n"), held.rfind(b"\r")) + 1  # a progress bar ends in the latter
        if len(held) - end > _CHUNK:
            end = len(held)
        self._rest[name] = held[end:]
        _write(_GOALS[name], held[:end])
        self._reader.feed(data, name)
        return data


def _write(goal: int, data: bytes) -> None:
    with contextlib.suppress(OSError):  # a log that is closed or full is no reason to end a step
        while data:
            try:
                data = data[os.write(goal, data) :]
            except BlockingIOError:  # another program has made the terminal so
                select.select([], [goal], [])
