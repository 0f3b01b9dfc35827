"""Schedules: documents of Azure Resource Manager whose jobs are made when their time has come."""

from __future__ import annotations

import copy
import json
import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.emulation.errors import ServiceError
from waterflow.emulation.schedules import Scheduler
from waterflow_azureml.emulator import documents
from waterflow_azureml.emulator.documents import Kind
from waterflow_azureml.emulator.errors import conflict, invalid, unanswered
from waterflow_azureml.emulator.job_routes import SCHEDULE
from waterflow_azureml.emulator.routes import (
    MANAGEMENT,
    WORKSPACE,
    How,
    Request,
    Route,
    Scope,
    json_answer,
)
from waterflow_azureml.emulator.triggers import Trigger, TriggerError, trigger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow.emulation.wire import Reply
    from waterflow_azureml.emulator.resources import Record
    from waterflow_azureml.emulator.runs import Run
    from waterflow_azureml.emulator.world import World

_LOG: Final = logging.getLogger(__name__)

_EXPRESSION: Final = re.compile(r"\$\{\{\s*(creation_context\.trigger_time|name)\s*\}\}")
_VIEWS: Final = {"EnabledOnly": (True,), "DisabledOnly": (False,), "All": (True, False)}


@dataclass(frozen=True)
class _Due:
    """A schedule as the clock's part sees it."""

    record: Record
    trigger: Trigger

    @property
    def key(self) -> str:
        return self.record.id

    @property
    def expression(self) -> str:
        return self.trigger.expression

    @property
    def enabled(self) -> bool:
        return bool(self.record.properties.get("isEnabled", True))

    def next(self, after: float, begin: float) -> float | None:
        return self.trigger.next(after, begin)


class JobScheduler(Scheduler):
    """Makes the jobs of schedules when their time has come.

    Args:
        world: What there is.
    """

    def __init__(self, world: World) -> None:
        super().__init__(world.clock)
        self._world = world

    def schedules(self) -> Iterator[_Due]:
        """Yield the schedules of all workspaces."""
        for record in self._world.resources:
            if record.kind == KIND.type:
                yield _Due(record, trigger(record.properties["trigger"]))

    def fire(self, key: str, moment: float) -> str | None:
        """Make the job of a schedule; two calls for one moment make one.

        Args:
            key: The schedule's ARM id.
            moment: When it was due.
        """
        record = self._world.resources.get(key)
        if record is None:
            return None
        try:
            return submit(self._world, record, moment).name
        except ServiceError as error:
            _LOG.warning("schedule %s could not make its job: %s", record.name, error)
            return None


def submit(world: World, record: Record, moment: float) -> Run:
    """Make the job of a schedule.

    Args:
        world: What there is.
        record: The schedule.
        moment: When it was due, in seconds since the epoch.

    Raises:
        Refusal: The job cannot be made.
    """
    parts = record.id.split("/")
    scope = Scope(parts[2], parts[4], parts[8])
    workspace = world.workspaces.require(scope)
    body = definition(world, scope, record.properties)
    due = datetime.fromtimestamp(moment, UTC)
    # https://learn.microsoft.com/azure/machine-learning/how-to-schedule-pipeline-job
    name = f"{record.name}-{due:%Y%m%dT%H%M%SZ}"
    values = {"creation_context.trigger_time": due.isoformat(), "name": name}
    text = _EXPRESSION.sub(
        lambda match: json.dumps(values[match[1]])[1:-1], json.dumps(body.get("inputs") or {})
    )
    properties = {**(body.get("properties") or {}), SCHEDULE: record.name}
    body |= {"inputs": json.loads(text), "displayName": name, "properties": properties}
    run, _ = world.jobs.create(workspace, name, body)
    return run


def definition(world: World, scope: Scope, properties: dict[str, Any]) -> dict[str, Any]:
    """Return the job that a schedule makes: one that is written in it, or that it names.

    Raises:
        Refusal: It names none.
    """
    body = copy.deepcopy(cast("dict[str, Any]", properties["action"]["jobDefinition"]))
    source = body.pop("sourceJobId", None)
    if not source:
        return body
    run = world.jobs.runs.get(scope.id, str(source).rpartition("/")[2])
    if run is None:
        raise invalid(f"The schedule's job '{source}' is not there.")
    return {**copy.deepcopy(run.body), **{key: one for key, one in body.items() if one}}


# --- its routes -----------------------------------------------------------------------------------


def _admit(
    world: World, request: Request, identity: str, body: dict[str, Any], old: Record | None
) -> None:
    del identity, old
    properties = body.get("properties")
    if not isinstance(properties, dict) or "action" not in properties:
        raise invalid("properties.action is required.")
    action = properties["action"]
    if action.get("actionType") != "CreateJob":
        raise unanswered(
            f"schedules of the action {action.get('actionType')}", "use the action CreateJob"
        )
    if not isinstance(action.get("jobDefinition"), dict):
        raise invalid("properties.action.jobDefinition is required.")
    try:
        trigger(properties.get("trigger") or {})
    except TriggerError as error:
        raise invalid(f"The schedule's trigger is wrong: {error}") from None
    definition(world, request.scope, properties)
    if properties.get("isEnabled") is None:
        properties["isEnabled"] = True


def _settled(world: World, request: Request, record: Record) -> None:
    """Refuse to remove a schedule that may fire."""
    del world, request
    if record.properties.get("isEnabled", True):
        raise conflict(f"The schedule '{record.name}' is enabled: disable it before its deletion.")


def _listed(_world: World, request: Request, records: list[Record]) -> list[Record]:
    view = request.query.get("listViewType", "EnabledOnly")
    if view not in _VIEWS:
        raise invalid(f"listViewType must be one of {', '.join(_VIEWS)}, not '{view}'")
    return [one for one in records if bool(one.properties.get("isEnabled", True)) in _VIEWS[view]]


KIND: Final = Kind(
    path="schedules/{name}",
    model="Schedule",
    title="schedule",
    admit=_admit,
    leave=_settled,
    listed=_listed,
    lasting=True,
)


def _trigger(world: World, request: Request, name: str) -> Reply:
    record = documents.require(world, KIND, f"{request.scope.id}/schedules/{name}")
    text = str(request.json.get("scheduleTime") or "")
    try:
        moment = datetime.fromisoformat(text).timestamp() if text else world.clock.now()
    except ValueError:
        raise invalid(f"scheduleTime '{text}' is no time.") from None
    run = submit(world, record, moment)
    return json_answer({"submissionId": run.name, "scheduleActionType": "CreateJob"})


ROUTES: Final = [
    *documents.routes(KIND),
    Route("POST", MANAGEMENT, f"{WORKSPACE}/schedules/{{name}}/trigger", "schedules.trigger",
          _trigger, How.RUN),
]  # fmt: skip
