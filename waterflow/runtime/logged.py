"""Metrics that a step prints: its log is read line by line, and what is found goes to the spool."""

from __future__ import annotations

import contextlib
import re
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from waterflow.tracking.spool import FRAME

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from types import FrameType

LINE: Final = 2048
"""Characters of a line that are looked at: an expression may take the square of them."""
OWN: Final = (FRAME, "::waterflow-value:: ")
"""What begins in a line where Waterflow tells something to itself."""
_MARK: Final = "::waterflow"
_BYTES: Final = 4
"""The most bytes of a character."""
PATIENCE: Final = 2.0
"""Seconds for one expression on one line, where the time is watched."""
ALLOWED: Final = 5.0
"""Seconds of computing for one expression on all lines, unless it is quick on most of them."""
QUICK: Final = 0.0002
"""Seconds of computing for a line that are quick."""


class Sink(Protocol):
    """Takes events, as a spool does."""

    def append(self, kind: str, **fields: Any) -> object:
        """Take one event; its fields are those that `Spool.append` knows."""
        ...


class LogReader:
    """Writes the values that expressions find in a log to a spool, numbered from 0 by metric.

    Args:
        definitions: Metric name -> regular expression, whose one group is the value. What is found
            and is no number is passed over.
        spool: Where the metrics go.
        watched: Whether an expression that takes too long is given up. Only for the main thread of
            a process that uses no timer of its own.
    """

    def __init__(
        self, definitions: Mapping[str, str], spool: Sink, *, watched: bool = False
    ) -> None:
        self._expressions = {name: re.compile(text) for name, text in definitions.items()}
        self._numbers = dict.fromkeys(definitions, 0)
        self._spent = dict.fromkeys(definitions, 0.0)
        self._read = 0
        self._spool, self._watched = spool, watched
        self._rest: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._since: float | None = None

    def feed(self, data: bytes, stream: str = "") -> None:
        """Read on; a line that has not ended is kept until its rest comes.

        Args:
            data: What was written.
            stream: Where, if several streams are read.
        """
        data = data.replace(b"\r", b"\n")  # a progress bar begins its line anew, without ending it
        with self._lock, self._watch():
            whole, _, rest = (self._rest.get(stream, b"") + data).rpartition(b"\n")
            self._rest[stream] = rest[: LINE * _BYTES]  # what follows would not be looked at
            self._lines(whole)

    def close(self) -> None:
        """Read the last lines, which have no end."""
        with self._lock, self._watch():
            for rest in self._rest.values():
                self._lines(rest)
            self._rest.clear()

    def _lines(self, data: bytes) -> None:
        for line in data.decode("utf-8", "replace").split("\n"):
            text = line[:LINE]
            if _MARK in text:
                for mark in OWN:
                    text = text.partition(mark)[0]
            if text:
                self._read += 1
                for name, expression in tuple(self._expressions.items()):
                    for match in self._matches(name, expression, text):
                        self._take(name, match)

    def _take(self, name: str, text: str | None) -> None:
        try:
            value = float(text or "")
        except ValueError:
            return
        with contextlib.suppress(OSError):  # the step itself meets a full disk, and tells of it
            self._spool.append("metric", key=name, value=value, step=self._numbers[name])
        self._numbers[name] += 1

    def _matches(self, name: str, expression: re.Pattern[str], line: str) -> list[Any]:
        began = time.thread_time()
        self._since = time.monotonic()
        try:
            matches = [match[1] for match in expression.finditer(line)]
        except _TooSlowError:
            self._give_up(name, expression, f"took longer than {PATIENCE:g}s on one line")
            return []
        finally:
            self._since = None
        self._spent[name] = spent = self._spent[name] + time.thread_time() - began
        if spent > ALLOWED and spent > QUICK * self._read:
            self._give_up(name, expression, f"has taken {spent:.1f}s for {self._read} lines")
        return matches

    def _give_up(self, name: str, expression: re.Pattern[str], why: str) -> None:
        self._since = None
        del self._expressions[name]
        print(
            f"waterflow: metric '{name}' is no longer read: its expression {expression.pattern!r} "
            f"{why}. Write it so that it says more clearly what stands before the value",
            file=sys.stderr,
            flush=True,
        )

    @contextlib.contextmanager
    def _watch(self) -> Generator[None]:
        if not self._watched:
            yield
            return
        before = signal.signal(signal.SIGALRM, self._alarm)
        signal.setitimer(signal.ITIMER_REAL, PATIENCE, PATIENCE / 4)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def _alarm(self, _signal: int, _frame: FrameType | None) -> None:
        if self._since is not None and time.monotonic() - self._since > PATIENCE:
            raise _TooSlowError


class _TooSlowError(Exception):
    """An expression takes too long."""
