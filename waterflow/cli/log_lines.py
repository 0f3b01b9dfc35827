"""How lines of logs look: step names in colours, times, and progress bars that stay one line."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import click

from waterflow.cli.output import show_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from waterflow.provider import LogLine

_COLOURS: Final = ("cyan", "magenta", "yellow", "green", "blue", "bright_red")
_CLEAR: Final = "\r\x1b[K"
"""Takes the line that the terminal's cursor is in off the screen."""


class LogLines:
    """Prints lines of logs; a line that is still being written is written over by the next.

    Args:
        steps: The steps whose names stand before their lines; empty for none.
        times: Whether each line begins with the moment at which it was written.
        live: Whether they are shown as they are written: then now is that moment where nobody says.
        err: Whether lines go to standard error.
    """

    def __init__(
        self, steps: Iterable[str], *, times: bool = False, live: bool = False, err: bool = False
    ) -> None:
        names = list(steps)
        self._width = max((len(name) for name in names), default=0)
        self._colours = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(names)}
        self._times, self._live, self._err = times, live, err
        stream: Any = sys.stderr if err else sys.stdout
        self._terminal = bool(stream.isatty())
        self._open = False
        self._turn = threading.Lock()

    def show(self, line: LogLine) -> None:
        """Print a line; one that is still being written only on a terminal."""
        if line.update and not self._terminal:
            return
        text = f"{self._prefix(line)}{line.text}"
        with self._turn:
            if line.update:
                room = max(20, _columns() - len(click.unstyle(text)) + len(text))
                text = text[:room]
            click.echo(f"{_CLEAR if self._open else ''}{text}", err=self._err, nl=not line.update)
            self._open = line.update

    def say(self, text: str) -> None:
        """Print a line that is of no log."""
        with self._turn:
            click.echo(f"{_CLEAR if self._open else ''}{text}", err=self._err)
            self._open = False

    def close(self) -> None:
        """End a line that was still being written."""
        with self._turn:
            if self._open:
                click.echo(err=self._err)
            self._open = False

    def _prefix(self, line: LogLine) -> str:
        when = ""
        if self._times:
            moment = int(time.time() * 1000) if line.time is None and self._live else line.time
            when = f"{show_time(moment, '%H:%M:%S') or '-' * 8}  "
        if not self._colours:
            return when
        name = click.style(line.step.ljust(self._width), fg=self._colours.get(line.step))
        return f"{when}{name}  "


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size().columns
