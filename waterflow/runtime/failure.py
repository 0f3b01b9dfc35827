"""What went wrong, told in the user's own lines: exceptions without a frame of Waterflow's."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import Any, Final

from waterflow.runtime.contract import SOURCE

_HOME: Final = str(Path(__file__).resolve().parent.parent) + os.sep
_HIDDEN: Final = ("<frozen importlib", "concurrent/futures/", "multiprocessing/")


class Failure(Exception):  # noqa: N818 - a failure of the user's code
    """Ends an attempt.

    Args:
        code: The exit code, as runtime/contract.py lists them.
        kind: The exception's type name.
        message: What happened.
        detail: The traceback, in the user's own lines.
    """

    def __init__(self, code: int, kind: str, message: str, detail: str = "") -> None:
        self.code, self.kind, self.message, self.detail = code, kind, message, detail
        super().__init__(message)


def from_exception(error: BaseException, code: int) -> Failure:
    """Return the failure that an exception of the user's code is."""
    told = traceback.TracebackException.from_exception(error)
    _clean(told)
    kind = type(error).__qualname__
    return Failure(code, kind, str(error) or kind, "".join(told.format()).rstrip())


def _clean(told: traceback.TracebackException) -> None:
    bundle, _, root = os.environ.get(SOURCE, "").partition("=")
    kept: list[traceback.FrameSummary] = []
    for frame in told.stack:
        if frame.filename.startswith(_HOME) or any(part in frame.filename for part in _HIDDEN):
            continue
        if bundle and frame.filename.startswith(bundle):
            text = frame.line
            frame = traceback.FrameSummary(  # noqa: PLW2901 - the same frame, seen in the author's tree
                root + frame.filename[len(bundle) :], frame.lineno, frame.name, line=text
            )
        if not (bundle and os.sep + "waterflow" + os.sep + "runtime" + os.sep in frame.filename):
            kept.append(frame)
    told.stack[:] = kept
    for inner in (told.__cause__, told.__context__):
        if inner is not None:
            _clean(inner)
    if told.__cause__ is not None and type(told.__cause__).__name__ == "_RemoteTraceback":
        told.__cause__ = None


def as_event(failure: Failure) -> dict[str, Any]:
    """Return a failure as the fields of an event."""
    return {"type": failure.kind, "message": failure.message, "traceback": failure.detail}
