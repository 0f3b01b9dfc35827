"""Where the user wrote what an error is about: file and line, or a notebook's cell and line."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator

_OWN: Final = str(Path(__file__).resolve().parents[1]) + os.sep
_LOCATION: ContextVar[str | None] = ContextVar("waterflow_location", default=None)


@contextlib.contextmanager
def located(location: str | None) -> Generator[None]:
    """Name this `file:line` in errors: for pipelines whose lines are not Python's.

    Args:
        location: The line; None for Python's again, in a block of the other kind.
    """
    token = _LOCATION.set(location)
    try:
        yield
    finally:
        _LOCATION.reset(token)


def user_location() -> str | None:
    """Return where the user wrote what is under way, or None.

    It is the innermost frame that is neither Waterflow's own nor a library's (`Path(symbol)` fails
    inside pathlib), unless `located` says otherwise.
    """
    if (location := _LOCATION.get()) is not None:
        return location
    # The documented way to walk frames cheaply.
    frame = sys._getframe(1)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    library: str | None = None
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith(_OWN):
            if not name.startswith(_libraries()):
                return line_location(name, frame.f_lineno)
            library = library or line_location(name, frame.f_lineno)
        frame = frame.f_back
    return library


def line_location(name: str, line: int) -> str:
    """Return how messages call a line of compiled code.

    Args:
        name: The file, as its code has it: of a cell, one that IPython has made up.
        line: The line, from 1.

    Returns:
        `file:line`, or `In [3], line 1`.
    """
    session = vars(sys.modules["__main__"])
    if "In" in session:  # no job is one, and jobs have no packing
        from waterflow.packing.cells import origin

        place, line = origin(session, name, line)
        if place.startswith("In ["):
            return f"{place}, line {line}"
    return f"{short_path(name)}:{line}"


def short_path(name: str) -> str:
    """Return a file name relative to the working folder where that is shorter."""
    try:
        return str(Path(name).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return name


@functools.cache
def _libraries() -> tuple[str, ...]:
    import sysconfig  # only errors need it

    return "<frozen", *(sysconfig.get_path(n) + os.sep for n in ("stdlib", "purelib", "platlib"))
