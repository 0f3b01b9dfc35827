"""EventBridge schedules: moto keeps them, and here the executions that they mean are started."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from waterflow.emulation.errors import ServiceError
from waterflow.emulation.schedules import Scheduler
from waterflow_sagemaker.emulator import schedule_expressions
from waterflow_sagemaker.emulator.calls import Principal
from waterflow_sagemaker.emulator.errors import invalid
from waterflow_sagemaker.emulator.objects import ACCOUNT
from waterflow_sagemaker.emulator.paging import seconds
from waterflow_sagemaker.emulator.rights import of_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from waterflow.emulation.clock import Clock
    from waterflow_sagemaker.emulator.calls import Calls
    from waterflow_sagemaker.emulator.pipelines import Pipelines

_LOG: Final = logging.getLogger(__name__)

_UNIVERSAL: Final = "arn:aws:scheduler:::aws-sdk:sagemaker:startPipelineExecution"


@dataclass(frozen=True)
class _MotoSchedule:
    """A schedule as moto keeps it."""

    moto: Any

    @property
    def key(self) -> str:
        return self.moto.arn

    @property
    def expression(self) -> str:
        return f"{self.moto.schedule_expression} {self.moto.schedule_expression_timezone}"

    @property
    def enabled(self) -> bool:
        return self.moto.state == "ENABLED"

    def next(self, after: float, begin: float) -> float | None:
        try:
            expression = schedule_expressions.parse(
                self.moto.schedule_expression, self.moto.schedule_expression_timezone
            )
        except ValueError as error:
            _LOG.warning("schedule %s never fires: %s", self.moto.name, error)
            return None
        start, end = seconds(self.moto.start_date), seconds(self.moto.end_date)
        if start is not None:
            after = max(after, start - 1e-3)
        moment = expression.after(after, begin if start is None else start)
        return None if moment is None or (end is not None and moment > end) else moment


class PipelineScheduler(Scheduler):
    """Starts pipelines when their schedules' time has come.

    Args:
        pipelines: Region -> what is started there.
        clock: The time.
        calls: The record of what is asked of IAM.
    """

    def __init__(self, pipelines: Callable[[str], Pipelines], clock: Clock, calls: Calls) -> None:
        super().__init__(clock)
        self._pipelines, self._calls = pipelines, calls

    def schedules(self) -> Iterator[_MotoSchedule]:
        """Yield moto's schedules, those of all regions."""
        for groups in self._groups():
            for group in list(groups.values()):
                for schedule in list(group.schedules.values()):
                    yield _MotoSchedule(schedule)

    def fire(self, key: str, moment: float) -> str | None:
        """Start the pipeline of a schedule, and return the execution's ARN.

        Args:
            key: The schedule's ARN.
            moment: When it was due.
        """
        schedule = self._schedule(key)
        occasion = f"{key} {schedule_expressions.written(moment)}"
        token = hashlib.sha256(occasion.encode()).hexdigest()
        try:
            request = _request(schedule.target)
            if request is None:
                return None
            region = _region(key)
            asked = of_request("sagemaker", "StartPipelineExecution", request, region)
            self._calls.add(Principal.SCHEDULER, asked, region)
            # A schedule starts what is in its own region: another one's pipeline is not there.
            answer = self._pipelines(region).start_pipeline_execution(
                request | {"ClientRequestToken": token}
            )
        except (ServiceError, KeyError, ValueError) as error:
            # The Scheduler would try again for a day, and then drop it or tell a queue.
            _LOG.warning("schedule %s could not start its pipeline: %s", schedule.name, error)
            return None
        return answer["PipelineExecutionArn"]

    def expire(self, key: str) -> None:
        """Delete a schedule that deletes itself when it has nothing more to do."""
        schedule = self._schedule(key)
        if schedule.action_after_completion == "DELETE":
            from moto.scheduler.models import scheduler_backends

            groups: Any = scheduler_backends[ACCOUNT][_region(key)].schedule_groups
            groups[schedule.group_name].delete_schedule(schedule.name)

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

    @staticmethod
    def _groups() -> list[Any]:
        from moto.scheduler.models import scheduler_backends

        return [backend.schedule_groups for backend in list(scheduler_backends[ACCOUNT].values())]

    def _schedule(self, arn: str) -> Any:
        return next(one.moto for one in self.schedules() if one.key == arn)


def _region(arn: str) -> str:
    """Return the region that an ARN names."""
    return arn.split(":")[3]


def _request(target: dict[str, Any]) -> dict[str, Any] | None:
    """Return the request that a target stands for; None when it starts no pipeline."""
    if target["Arn"] == _UNIVERSAL:
        return json.loads(target.get("Input") or "{}")
    if ":pipeline/" not in target["Arn"]:
        return None
    listed = target.get("SageMakerPipelineParameters") or {}
    pairs = listed.get("PipelineParameterList") or []
    return {"PipelineName": target["Arn"], "PipelineParameters": pairs}
