"""The toy cloud's schedules: a pipeline by a cron expression, in UTC."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cronsim import CronSim

from waterflow.emulation.schedules import Scheduler

if TYPE_CHECKING:
    from waterflow.emulation.clock import Clock
    from waterflow_toycloud.emulator.executions import Executions


@dataclass(frozen=True)
class ToySchedule:
    """One schedule.

    Attributes:
        key: Its name.
        expression: Five fields of cron.
        enabled: Whether it fires.
        request: What is started: `document` and `parameters`.
    """

    key: str
    expression: str
    enabled: bool
    request: dict[str, Any]

    def next(self, after: float, begin: float) -> float | None:
        """Return when it is due for the first time after a moment."""
        del begin
        moments = CronSim(self.expression, datetime.fromtimestamp(after, UTC))
        return next(moments).timestamp()


class ToyScheduler(Scheduler):
    """The part that has the schedules.

    Args:
        clock: The time.
        executions: What they start.
    """

    def __init__(self, clock: Clock, executions: Executions) -> None:
        super().__init__(clock)
        self._executions = executions
        self.by_name: dict[str, ToySchedule] = {}

    def schedules(self) -> list[ToySchedule]:
        """Return all schedules."""
        return list(self.by_name.values())

    def fire(self, key: str, moment: float) -> str | None:
        """Start what a schedule says, once for each moment."""
        request = {**self.by_name[key].request, "token": f"{key}-{moment:.0f}"}
        return self._executions.start(request)["id"]

    def snapshot(self) -> dict[str, Any]:
        """Return all schedules as JSON."""
        schedules = [asdict(schedule) for schedule in self.by_name.values()]
        return {"schedules": schedules, "fired": super().snapshot()}

    def restore(self, saved: Any) -> None:
        """Take the schedules of a snapshot."""
        self.by_name = {one["key"]: ToySchedule(**one) for one in saved["schedules"]}
        super().restore(saved["fired"])
