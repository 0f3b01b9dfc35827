"""What went wrong, told in the user's own lines: exceptions without a frame of Waterflow's."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import Any, Final

from waterflow.errors import LocalStorageError, MissingDependencyError, WaterflowError
from waterflow.runtime import lines, missing
from waterflow.runtime.contract import BAD_CODE, BAD_STORAGE, UNFORESEEN, source_folders

_HOME: Final = str(Path(__file__).resolve().parent.parent) + os.sep
_HIDDEN: Final = ("<frozen importlib", "concurrent/futures/", "multiprocessing/")


class Terminated(BaseException):
    """SIGTERM: the attempt is to end now, leaving nothing half written."""


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

    def __reduce__(self) -> tuple[type[Failure], tuple[int, str, str, str]]:
        """Say how it travels from a worker: as all its parts, not as its message alone."""
        return type(self), (self.code, self.kind, self.message, self.detail)


def from_exception(error: BaseException, code: int, what: str = "") -> Failure:
    """Return the failure that an exception of the user's code is.

    Args:
        error: The exception.
        code: The exit code.
        what: What it happened to, put before the message.
    """
    stack = traceback.TracebackException.from_exception(error)
    _clean(stack)
    detail = "".join(stack.format()).rstrip()
    fault = LocalStorageError.of(error, str(Path.cwd()))
    if fault is not None and fault.full:  # whoever writes to it, a full disk is the machine's
        return Failure(BAD_STORAGE, *_said(fault, what), detail)
    kind, message = _said(error, what)
    hint = _without_terminal(error)
    if hint:
        message = hint if message == kind else f"{message}. {hint}"
    if way_out := missing.advice(error):
        message, detail = f"{message}. {way_out}", f"{detail}\n{way_out}"
    return Failure(code, kind, message, detail)


def from_serializer(error: Exception, code: int, what: str) -> Failure:
    """Return the failure that it is when a value could not be read or written.

    Args:
        error: What was raised.
        code: The exit code where it is the value's own fault.
        what: What could not be read or written, put before the message.
    """
    if isinstance(error, MissingDependencyError):
        code = BAD_CODE
    if isinstance(error, WaterflowError):
        return Failure(code, type(error).__name__, f"{what}: {error}")
    if isinstance(error, (OSError, MemoryError)):
        return unforeseen(error)  # the machine's fault: another attempt may go better
    return from_exception(error, code, what)


def unforeseen(error: BaseException) -> Failure:
    """Return the failure that an exception is which nobody expected: with Waterflow's own lines."""
    fault = LocalStorageError.of(error, str(Path.cwd()))
    if fault is not None:
        return Failure(BAD_STORAGE, *_said(fault, ""))
    detail = "".join(traceback.format_exception(error)).rstrip()
    return Failure(UNFORESEEN, *_said(error, ""), detail)


def _said(error: BaseException, what: str) -> tuple[str, str]:
    kind = type(error).__qualname__
    message = str(error) or kind
    if isinstance(error, SystemExit):
        message = f"the code called sys.exit({error.code!r})"
    return kind, f"{what}: {message}" if what else message


def _without_terminal(error: BaseException) -> str:
    """Return what is added to the message of a debugger or a prompt that found no terminal."""
    # The debugger's class tells it wherever it was imported from, and `input` has no frame.
    debugger = any(one.__module__ == "bdb" for one in type(error).__mro__)
    input_at_end = isinstance(error, EOFError) and (
        str(error) == "EOF when reading a line" or _last_file(error).endswith("getpass.py")
    )
    if not (debugger or input_at_end) or has_terminal():
        return ""
    what = "A debugger" if debugger else "A question"
    return (
        f"{what} needs a terminal, which a step in a process of its own has not. Run all steps "
        "in yours: waterflow run TARGET --inline"
    )


def has_terminal() -> bool:
    """Say whether somebody can type here."""
    try:
        return os.isatty(0)
    except OSError:
        return False


def _last_file(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return frames[-1].filename if frames else ""


def _clean(chain: traceback.TracebackException) -> None:
    bundle, root = source_folders()
    kept: list[traceback.FrameSummary] = []
    for frame in chain.stack:
        if frame.filename.startswith(_HOME) or any(part in frame.filename for part in _HIDDEN):
            continue
        if bundle and frame.filename.startswith(bundle):
            frame = _as_written(frame, bundle, root)  # noqa: PLW2901 - seen in the author's tree
        if not (bundle and os.sep + "waterflow" + os.sep + "runtime" + os.sep in frame.filename):
            kept.append(frame)
    chain.stack[:] = kept
    for inner in (chain.__cause__, chain.__context__):
        if inner is not None:
            _clean(inner)
    if chain.__cause__ is not None and type(chain.__cause__).__name__ == "_RemoteTraceback":
        chain.__cause__ = None


def _as_written(frame: traceback.FrameSummary, bundle: str, root: str) -> traceback.FrameSummary:
    """Return a frame of the bundle as one of the author's file or notebook."""
    text = frame.line
    place = lines.origin(frame.filename, frame.lineno or 1)
    if place is None:
        name, line = root + frame.filename[len(bundle) :], frame.lineno
    else:
        cell = place.name.startswith("In [")
        name, line = place.name if cell else os.path.join(root, place.name), place.line  # noqa: PTH118
    return traceback.FrameSummary(name, line, frame.name, line=text)


def as_event(failure: Failure) -> dict[str, Any]:
    """Return a failure as the fields of an event."""
    return {"type": failure.kind, "message": failure.message, "traceback": failure.detail}
