"""How a report says states and times."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from waterflow.provider.state import Status
from waterflow.spec.quantities import show_duration

_SIGNS: Final = {
    Status.PENDING: "\u00b7",
    Status.RUNNING: "\u25b8",
    Status.SUCCEEDED: "\u2713",
    Status.FAILED: "\u2715",
    Status.CANCELLED: "\u25a0",
    Status.SKIPPED: "\u2013",
    Status.CACHED: "\u21ba",
    Status.NOT_RUN: "\u00b7",
}


def sign(status: Status) -> str:
    """Return the sign that stands before a state, so that colour alone tells nothing."""
    return _SIGNS[status]


def css(status: Status) -> str:
    """Return a state as one word."""
    return str(status).replace(" ", "-")


def length_of_time(seconds: float) -> str:
    """Return a length of time."""
    return show_duration(max(0.0, seconds))


def moment(milliseconds: int) -> str:
    """Return a moment in UTC: a report is read elsewhere, too."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
