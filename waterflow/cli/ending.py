"""How an error ends a verb: one message, or with `--json` one JSON object, and the exit code."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from waterflow.errors import ProviderError, SeveralErrors, WaterflowError

if TYPE_CHECKING:
    from collections.abc import Sequence

CANCELLED: Final = 130
_RAW: Final = ("strict", "surrogateescape")
"""Ways of a stream to fail of text, or to pass on bytes that are none."""
ANSWERED: Final = "waterflow.answered"
"""What a context remembers once the verb has printed its answer: an error then goes elsewhere."""


def wants_json(words: Sequence[str]) -> bool:
    """Say whether a command line asks for JSON, whatever else is wrong with it."""
    ours = words[: words.index("--")] if "--" in words else words
    return "--json" in ours


def bear_any_text() -> None:
    """Let the streams write what their encoding lacks as escapes: no text is a reason to fail."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # a stream put in their place has none
        if reconfigure is not None and getattr(stream, "errors", "") in _RAW:
            reconfigure(errors="backslashreplace")


def document(kind: str, message: str, code: int, **fields: Any) -> dict[str, Any]:
    """Return an error as JSON.

    Args:
        kind: Its class.
        message: What a person is told.
        code: The exit code.
        fields: What else is known of it.
    """
    known = {name: value for name, value in fields.items() if value not in ("", None)}
    return {"error": {"kind": kind, "message": message, "exit_code": code, **known}}


def of_error(error: Exception, message: str, code: int) -> dict[str, Any]:
    """Return an exception as JSON: a provider's with its code, several one by one."""
    fields: dict[str, Any] = {}
    if isinstance(error, ProviderError):
        fields = {
            name: getattr(error, name)
            for name in ("provider", "operation", "native_code", "retryable")
        }
    if isinstance(error, SeveralErrors):
        fields = {"errors": [of_error(one, str(one), one.exit_code) for one in error.errors]}
    return document(type(error).__name__, message, code, **fields)


def tell_json(answer: dict[str, Any]) -> None:
    """Print an error as one line of JSON, where the answer would stand."""
    context = click.get_current_context(silent=True)
    answered = context is not None and context.meta.get(ANSWERED, False)
    click.echo(json.dumps(answer, ensure_ascii=True), err=answered)


def tell(message: str) -> None:
    """Print an error for people."""
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {message}", err=True)


def storage_fault(error: Exception) -> WaterflowError | None:
    """Return an error of the file system, MLflow's database included, as the set-up's fault."""
    from pathlib import Path

    from waterflow.errors import LocalStorageError

    place = str(Path.cwd())
    with contextlib.suppress(Exception):
        from waterflow.cli.project import here
        from waterflow.project import state_path

        place = str(state_path(here()))
    return LocalStorageError.of(error, place)


def reader_gone() -> None:
    """Write nowhere from now on, or Python complains of what it cannot flush."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
