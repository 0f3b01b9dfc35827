"""Schedules that fire: moto keeps them, and here the executions that they stand for are started."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from typing import TYPE_CHECKING, Any, ClassVar, Final

from waterflow_sagemaker.emulator import schedule_expressions
from waterflow_sagemaker.emulator.errors import ServiceError, invalid
from waterflow_sagemaker.emulator.objects import ACCOUNT
from waterflow_sagemaker.emulator.paging import seconds as moment_of

if TYPE_CHECKING:
    from waterflow_sagemaker.emulator.clock import Clock
    from waterflow_sagemaker.emulator.pipelines import Pipelines

_LOG = logging.getLogger(__name__)

MISSED: Final = 100
"""How many times one schedule fires at most when the clock was moved far; the latest ones count."""

_LOOK: Final = 1.0
"""Seconds between two looks at moto's schedules; the Scheduler itself is exact to the minute."""

_UNIVERSAL: Final = "arn:aws:scheduler:::aws-sdk:sagemaker:startPipelineExecution"


class Schedules:
    """Starts what schedules say when their time has come.

    Args:
        pipelines: What is started.
        clock: The time.
        region: The region whose schedules are looked at.
    """

    OPERATIONS: ClassVar[dict[str, str]] = {}
    """None of SageMaker's: the Scheduler's own operations are moto's."""

    def __init__(self, pipelines: Pipelines, clock: Clock, region: str) -> None:
        self._pipelines, self._clock, self._region = pipelines, clock, region
        self._seen: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="schedules", daemon=True)

    def start(self) -> None:
        """Begin to look at the schedules."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._closed = True
        self._clock.wake()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def advance(self, seconds: float) -> float:
        """Move the clock, start what has become due, and return the new time.

        Args:
            seconds: How far the clock goes forward.
        """
        self.run_due()  # a schedule made just now counts from now, not from then
        now = self._clock.advance(seconds)
        self.run_due()
        return now

    def check(self, request: dict[str, Any]) -> None:
        """Check a CreateSchedule or UpdateSchedule request, whose expression moto takes unread.

        Raises:
            ServiceError: ValidationException.
        """
        try:
            schedule_expressions.parse(
                request["ScheduleExpression"], request.get("ScheduleExpressionTimezone") or "UTC"
            )
        except ValueError as error:
            raise invalid(str(error)) from None

    def run_due(self) -> list[str]:
        """Start what is due, and return the ARNs of the executions."""
        with self._lock:
            now = self._clock.now()
            backend = self._backend
            found: list[str] = []
            present: set[str] = set()
            for group in list(backend.schedule_groups.values()):
                for schedule in list(group.schedules.values()):
                    present.add(schedule.arn)
                    found += self._look(schedule, now)
                    if self._over(schedule, now):
                        group.delete_schedule(schedule.name)
            self._seen = {arn: seen for arn, seen in self._seen.items() if arn in present}
            return found

    def snapshot(self) -> dict[str, Any]:
        """Return since when each schedule counts, and how far the clock was moved, as JSON."""
        with self._lock:
            return {"seen": self._seen, "clock": self._clock.snapshot()}

    def restore(self, data: dict[str, Any]) -> None:
        """Take a snapshot; what became due while there was no emulator is not made up for."""
        self._clock.restore(data["clock"])
        now = self._clock.now()
        self._seen = {arn: seen | {"until": now} for arn, seen in data["seen"].items()}

    # --- the loop ---------------------------------------------------------------------------------

    @property
    def _backend(self) -> Any:
        from moto.scheduler.models import scheduler_backends

        return scheduler_backends[ACCOUNT][self._region]

    def _run(self) -> None:
        while not self._closed:
            self.run_due()
            self._clock.wait(_LOOK)

    def _look(self, schedule: Any, now: float) -> list[str]:
        """Fire one schedule as often as it has become due since the last look."""
        expression = f"{schedule.schedule_expression} {schedule.schedule_expression_timezone}"
        seen = self._seen.get(schedule.arn)
        if seen is None or seen["expression"] != expression:
            # A rate without a start date begins when it is made.
            seen = self._seen[schedule.arn] = {"expression": expression, "begin": now}
            seen["until"] = now - 1e-3
        due = _due(schedule, seen, now)
        seen["until"] = now
        if schedule.state != "ENABLED":
            return []
        started = [self._fire(schedule, moment) for moment in due[-MISSED:]]
        return [arn for arn in started if arn is not None]

    def _over(self, schedule: Any, now: float) -> bool:
        """Say whether a schedule that deletes itself has nothing more to do."""
        if schedule.action_after_completion != "DELETE" or schedule.state != "ENABLED":
            return False
        return _next(schedule, self._seen[schedule.arn], now) is None

    def _fire(self, schedule: Any, moment: float) -> str | None:
        occasion = f"{schedule.arn} {schedule_expressions.written(moment)}"
        token = hashlib.sha256(occasion.encode()).hexdigest()
        try:
            request = _request(schedule.target)
            if request is None:
                return None
            answer = self._pipelines.start_pipeline_execution(
                request | {"ClientRequestToken": token}
            )
        except (ServiceError, KeyError, ValueError) as error:
            # The Scheduler would try again for a day, and then drop it or tell a queue.
            _LOG.warning("schedule %s could not start its pipeline: %s", schedule.name, error)
            return None
        return answer["PipelineExecutionArn"]


def _request(target: dict[str, Any]) -> dict[str, Any] | None:
    """Return the request that a target stands for; None when it starts no pipeline."""
    if target["Arn"] == _UNIVERSAL:
        return json.loads(target.get("Input") or "{}")
    if ":pipeline/" not in target["Arn"]:
        return None
    listed = target.get("SageMakerPipelineParameters") or {}
    pairs = listed.get("PipelineParameterList") or []
    return {"PipelineName": target["Arn"], "PipelineParameters": pairs}


def _next(schedule: Any, seen: dict[str, Any], after: float) -> float | None:
    """Return when a schedule is due for the first time after a moment; None when never."""
    try:
        expression = schedule_expressions.parse(
            schedule.schedule_expression, schedule.schedule_expression_timezone
        )
    except ValueError as error:
        _LOG.warning("schedule %s never fires: %s", schedule.name, error)
        return None
    start, end = moment_of(schedule.start_date), moment_of(schedule.end_date)
    if start is not None:
        after = max(after, start - 1e-3)
    found = expression.after(after, seen["begin"] if start is None else start)
    return None if found is None or (end is not None and found > end) else found


def _due(schedule: Any, seen: dict[str, Any], now: float) -> list[float]:
    found: list[float] = []
    moment = _next(schedule, seen, seen["until"])
    while moment is not None and moment <= now:
        found.append(moment)
        moment = _next(schedule, seen, moment)
    return found
