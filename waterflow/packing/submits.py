"""Which statement of a module submits a run: noted as it does, or where an import is to end."""

from __future__ import annotations

import contextlib
import inspect
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from types import FrameType, ModuleType

PLACE: Final = "__waterflow_first_submit__"
"""In a module's names: (line, column) of the statement in which it first submitted."""

_stops = threading.local()


class Stopped(BaseException):  # no Exception: what a script catches does not keep it going
    """A module submits a run while it is imported by who wants its definitions alone.

    Attributes:
        module: The module; None where it is none that is being imported.
        file: Its file.
        line: The line that submits.
    """

    def __init__(self, module: ModuleType | None, file: str, line: int) -> None:
        self.module, self.file, self.line = module, file, line
        super().__init__(f"{file}:{line} submits a run")


@contextlib.contextmanager
def stopping_at_submit() -> Generator[None]:
    """Import modules for their definitions: the first submit ends the import with `Stopped`."""
    before = getattr(_stops, "active", False)
    _stops.active = True
    try:
        yield
    finally:
        _stops.active = before


def note_submit() -> None:
    """Remember the statement of the module, run as a script or imported, that submits now.

    Raises:
        Stopped: Within `stopping_at_submit`.
    """
    frame = _module_frame()
    if frame is not None:
        frame.f_globals.setdefault(PLACE, _position(frame))
    if getattr(_stops, "active", False):
        if frame is None:
            raise Stopped(None, "a module", 0)
        module = sys.modules.get(str(frame.f_globals.get("__name__")))
        own = module is not None and vars(module) is frame.f_globals
        raise Stopped(module if own else None, frame.f_code.co_filename, frame.f_lineno)


def _module_frame() -> FrameType | None:
    """Return the innermost frame that runs a file's own statements."""
    frames: list[FrameType | None] = [inspect.currentframe()]
    main = threading.main_thread()
    if threading.current_thread() is not main and main.ident is not None:
        # A thread that the script has started: the script itself stands in the main one.
        current: Any = sys
        frames.append(current._current_frames().get(main.ident))  # noqa: SLF001 - no other way
    for first in frames:
        frame = first
        while frame is not None:
            if frame.f_code.co_name == "<module>" and _runs_file(frame):
                return frame
            frame = frame.f_back
    return None


def _runs_file(frame: FrameType) -> bool:
    file = frame.f_globals.get("__file__")
    if not isinstance(file, str) or is_notebook(frame.f_globals):
        return False
    name = frame.f_code.co_filename
    return name == file or Path(name).resolve() == Path(file).resolve()


def _position(frame: FrameType) -> tuple[int, int]:
    positions = list(frame.f_code.co_positions())
    line, _, column, _ = positions[frame.f_lasti // 2]
    return (line or frame.f_lineno, column or 0)


def is_notebook(names: Mapping[str, Any]) -> bool:
    """Say whether these are the names of an IPython session: a notebook, a console, cells."""
    return isinstance(names.get("In"), list) and "_ih" in names
