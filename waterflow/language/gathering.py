"""Definitions with several mistakes: where all of them are wanted, each lets the others be seen."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

    from waterflow.errors import Gathering

_GATHERED: ContextVar[Gathering | None] = ContextVar("waterflow_gathered", default=None)


@contextmanager
def gathered(errors: Gathering) -> Generator[None]:
    """Let definitions in the block go on after a mistake, with what of them is sound.

    Args:
        errors: Takes the mistakes. What is defined while it has some is fit for checks alone.
    """
    token = _GATHERED.set(errors)
    try:
        with errors:
            yield
    finally:
        _GATHERED.reset(token)


@contextmanager
def tolerated() -> Generator[None]:
    """Leave out the rest of the block after a mistake in it, where mistakes are gathered."""
    errors = _GATHERED.get()
    if errors is None:
        yield
        return
    with errors:
        yield


def is_gathering() -> bool:
    """Say whether mistakes are gathered, and not raised."""
    return _GATHERED.get() is not None


def any_gathered() -> bool:
    """Say whether mistakes were gathered, so that what follows from them is none of its own."""
    errors = _GATHERED.get()
    return errors is not None and bool(errors.errors)
