"""What takes long, told on standard error while a verb is at it."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from waterflow.project.progress import LOGGER

if TYPE_CHECKING:
    from collections.abc import Generator


class _Lines(logging.Handler):
    """Prints each record as a line."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        click.echo(record.getMessage(), err=True)


@contextmanager
def shown() -> Generator[None]:
    """Show progress on standard error while the block runs."""
    handler, level, spread = _Lines(), LOGGER.level, LOGGER.propagate
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False  # a pipeline's own logging would print it again
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(level)
        LOGGER.propagate = spread
