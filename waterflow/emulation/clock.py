"""An emulator's clock: real time, plus what a test has let pass at once."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime


class Clock:
    """A clock that can be moved forward; what waits for a time is woken by it."""

    def __init__(self) -> None:
        self._offset = 0.0
        self._changed = threading.Condition()

    def now(self) -> float:
        """Return the emulator's time, in seconds since the epoch."""
        return time.time() + self._offset

    def advance(self, seconds: float) -> float:
        """Let time pass at once, and return the new time.

        Args:
            seconds: How far the clock goes forward.

        Raises:
            ValueError: `seconds` is negative: time does not run backwards.
        """
        if seconds < 0:
            raise ValueError(f"the clock cannot go back by {-seconds:g} seconds")
        with self._changed:
            self._offset += seconds
            self._changed.notify_all()
        return self.now()

    def wait(self, seconds: float) -> None:
        """Wait for so long, or until the clock is moved or woken."""
        with self._changed:
            self._changed.wait(seconds)

    def wake(self) -> None:
        """Wake what waits."""
        with self._changed:
            self._changed.notify_all()

    def snapshot(self) -> dict[str, float]:
        """Return how far the clock was moved."""
        return {"offset": self._offset}

    def restore(self, saved: dict[str, float]) -> None:
        """Move the clock as far as a snapshot's was."""
        self._offset = saved["offset"]


def moment(seconds: float | None) -> datetime | None:
    """Return seconds since the epoch as a timestamp, in milliseconds and UTC; None for None."""
    return None if seconds is None else datetime.fromtimestamp(round(seconds, 3), UTC)


def written(seconds: float) -> str:
    """Return seconds since the epoch as text: ISO 8601, milliseconds, with a Z for UTC."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def now() -> datetime:
    """Return this moment of the real clock, in milliseconds and UTC, as clouds stamp jobs."""
    present = datetime.now(UTC)
    return present.replace(microsecond=present.microsecond // 1000 * 1000)
