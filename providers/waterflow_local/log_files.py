"""The log of one attempt, read as it grows: lines with their moments, and one being written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from waterflow.provider import LogLine
from waterflow.provider.answers import overwritten
from waterflow_local.log_times import Moments

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class LogFile:
    """The log of one attempt.

    Args:
        step: The step.
        path: The log; it need not be there yet.
    """

    def __init__(self, step: str, path: Path) -> None:
        self._step, self._path = step, path
        self._offset = 0
        self._update = ""

    def fresh(self, *, whole: bool, updates: bool) -> Iterator[LogLine]:
        """Yield the lines that have come since the last call.

        Args:
            whole: Whether nothing is written any more: the last line needs no end then.
            updates: Whether a line that is still being written is yielded too, as an update.
        """
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                content = file.read()
        except FileNotFoundError:
            return
        if not content:
            return
        moments = Moments(self._path)
        *lines, rest = content.split(b"\n")
        for line in lines:
            yield self._line(line, moments)
            self._offset += len(line) + 1
        if rest and whole:
            yield self._line(rest, moments)
            self._offset += len(rest)
        elif rest and updates and (text := _text(rest)) != self._update:
            self._update = text
            yield LogLine(step=self._step, text=text, time=moments.of(self._offset), update=True)

    def _line(self, line: bytes, moments: Moments) -> LogLine:
        return LogLine(step=self._step, text=_text(line), time=moments.of(self._offset))


def _text(line: bytes) -> str:
    return overwritten(line.decode(errors="replace"))
