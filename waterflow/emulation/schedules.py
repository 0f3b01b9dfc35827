"""Schedules that fire: what has become due is started, by the emulator's clock."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from waterflow.emulation.clock import Clock

MISSED: Final = 100
"""How many times one schedule fires at most when the clock was moved far; the latest ones count."""

_LOOK: Final = 1.0
"""Seconds between two looks at the schedules; the clouds are exact to the minute."""

_PATIENCE: Final = 5.0


class Schedule(Protocol):
    """One schedule, as the vendor keeps it."""

    @property
    def key(self) -> str:
        """What tells it from all others, now and after a restart."""
        ...

    @property
    def expression(self) -> str:
        """When it is due, as text: a changed one counts from now."""
        ...

    @property
    def enabled(self) -> bool:
        """Whether it fires; a disabled one makes up for nothing."""
        ...

    def next(self, after: float, begin: float) -> float | None:
        """Return when it is due for the first time after a moment; None when never.

        Args:
            after: The moment, in seconds since the epoch.
            begin: Since when the schedule counts.
        """
        ...


class Scheduler(ABC):
    """Starts what schedules say when their time has come.

    Args:
        clock: The time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="schedules", daemon=True)

    @abstractmethod
    def schedules(self) -> Iterable[Schedule]:
        """Return all schedules that there are now."""

    @abstractmethod
    def fire(self, key: str, moment: float) -> str | None:
        """Start what a schedule says.

        Args:
            key: The schedule's key.
            moment: When it was due, in seconds since the epoch: two calls for one moment must
                start one thing.

        Returns:
            What was started; None when nothing could be.
        """

    def expire(self, key: str) -> None:  # noqa: B027 - most clouds' schedules never do
        """Take note that a schedule is due no more; called after each look at it."""

    def start(self) -> None:
        """Begin to look at the schedules."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._closed = True
        self._clock.wake()
        if self._thread.is_alive():
            self._thread.join(_PATIENCE)

    def advance(self, seconds: float) -> float:
        """Move the clock, start what has become due, and return the new time.

        Args:
            seconds: How far the clock goes forward.

        Raises:
            ValueError: `seconds` is negative.
        """
        self.run_due()  # a schedule made just now counts from now, not from then
        moment = self._clock.advance(seconds)
        self.run_due()
        return moment

    def run_due(self) -> list[str]:
        """Start what is due, and return what was started."""
        with self._lock:
            moment = self._clock.now()
            started: list[str] = []
            present: set[str] = set()
            for schedule in list(self.schedules()):
                present.add(schedule.key)
                started += self._look(schedule, moment)
                if schedule.enabled and self._over(schedule, moment):
                    self.expire(schedule.key)
            self._seen = {key: seen for key, seen in self._seen.items() if key in present}
            return started

    def snapshot(self) -> dict[str, Any]:
        """Return since when each schedule counts, and how far the clock was moved, as JSON."""
        with self._lock:
            return {"seen": self._seen, "clock": self._clock.snapshot()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take a snapshot; what became due while there was no emulator is not made up for."""
        self._clock.restore(saved["clock"])
        moment = self._clock.now()
        self._seen = {key: seen | {"until": moment} for key, seen in saved["seen"].items()}

    def _run(self) -> None:
        while not self._closed:
            self.run_due()
            self._clock.wait(_LOOK)

    def _look(self, schedule: Schedule, moment: float) -> list[str]:
        """Fire one schedule as often as it has become due since the last look."""
        seen = self._seen.get(schedule.key)
        if seen is None or seen["expression"] != schedule.expression:
            # A rate without a start date begins when it is made.
            seen = {"expression": schedule.expression, "begin": moment, "until": moment - 1e-3}
            self._seen[schedule.key] = seen
        due = self._due(schedule, seen, moment)
        seen["until"] = moment
        if not schedule.enabled:
            return []
        started = [self.fire(schedule.key, one) for one in due[-MISSED:]]
        return [name for name in started if name is not None]

    @staticmethod
    def _due(schedule: Schedule, seen: Mapping[str, Any], moment: float) -> list[float]:
        due: list[float] = []
        following = schedule.next(seen["until"], seen["begin"])
        while following is not None and following <= moment:
            due.append(following)
            following = schedule.next(following, seen["begin"])
        return due

    def _over(self, schedule: Schedule, moment: float) -> bool:
        return schedule.next(moment, self._seen[schedule.key]["begin"]) is None
