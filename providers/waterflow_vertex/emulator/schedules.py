"""Schedules: documents whose pipeline jobs are made when their time has come."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from waterflow.emulation.errors import ServiceError
from waterflow.emulation.schedules import MISSED, Scheduler
from waterflow_vertex.emulator import pipeline_jobs, sdk
from waterflow_vertex.emulator.custom_jobs import new_number
from waterflow_vertex.emulator.documents import listed
from waterflow_vertex.emulator.errors import invalid, unanswered, unready
from waterflow_vertex.emulator.routes import VERTEX, Call, How
from waterflow_vertex.emulator.rpcs import Rpc, Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow_vertex.emulator.world import World

_LOG: Final = logging.getLogger(__name__)
_SERVICE: Final = f"{sdk.VERTEX}.types.schedule_service"
KIND: Final = "Schedule"
KINDS: Final = {KIND: partial(sdk.vertex, "schedule", KIND)}
_CRON: Final = re.compile(r"(?:(?:CRON_)?TZ=(\S+)\s+)?(\S.*)")
_FIELDS: Final = 5
_CHANGEABLE: Final = frozenset({
    "cron", "display_name", "start_time", "end_time", "max_run_count", "max_concurrent_run_count",
    "max_concurrent_active_run_count", "allow_queueing", "create_pipeline_job_request",
})  # fmt: skip


def _states() -> Any:
    return sdk.vertex("schedule", KIND).State


def _cron(text: str) -> tuple[str, ZoneInfo]:
    """Return a cron expression's five fields, and the zone that they are in.

    Raises:
        Refusal: It is none.
    """
    match = _CRON.fullmatch(text.strip())
    zone, fields = (match[1] or "UTC", match[2]) if match else ("UTC", "")
    if len(fields.split()) != _FIELDS:
        raise invalid(f"Invalid cron expression '{text}': five fields are expected.",
                      **{"schedule.cron": "five fields are expected"})  # fmt: skip
    try:
        place = ZoneInfo(zone)
        CronSim(fields, datetime(2000, 1, 1, tzinfo=place))
    except (ZoneInfoNotFoundError, ValueError):
        raise invalid(f"Invalid time zone '{zone}' in the cron expression '{text}'.") from None
    except CronSimError as error:
        raise invalid(f"Invalid cron expression '{text}': {error}") from None
    return fields, place


def following(one: Any, after: float) -> float | None:
    """Return when a schedule is due for the first time after a moment; None when never.

    Args:
        one: The schedule.
        after: The moment, in seconds since the epoch.
    """
    fields, place = _cron(one.cron)
    if one.HasField("start_time"):
        after = max(after, sdk.seconds(one.start_time) - 1e-3)
    moment = datetime.fromtimestamp(after, place)
    found = next(CronSim(fields, moment), None)
    if found is None:
        return None
    due = found.timestamp()
    if one.HasField("end_time") and due > sdk.seconds(one.end_time):
        return None
    return due


@dataclass(frozen=True)
class _Due:
    """A schedule as the clock's part sees it."""

    one: Any

    @property
    def key(self) -> str:
        return str(self.one.name)

    @property
    def expression(self) -> str:
        return f"{self.one.cron} {self.one.start_time} {self.one.end_time}"

    @property
    def enabled(self) -> bool:
        return bool(self.one.state == _states().Value("ACTIVE"))

    def next(self, after: float, begin: float) -> float | None:
        del begin
        return following(self.one, after)


class PipelineScheduler(Scheduler):
    """Makes the pipeline jobs of schedules when their time has come.

    Args:
        world: What there is.
    """

    def __init__(self, world: World) -> None:
        super().__init__(world.clock)
        self._world = world
        self._queued: dict[str, list[float]] = {}

    def schedules(self) -> Iterator[_Due]:
        """Yield the schedules that are not over; those whose runs wait begin what they can."""
        for one in self._world.documents.below(KIND, ""):
            if one.state == _states().Value("COMPLETED"):
                continue
            waiting = self._queued.get(one.name)
            while waiting and self._free(one):
                self._make(one.name, waiting.pop(0))
            yield _Due(self._world.documents.find(KIND, one.name) or one)

    def fire(self, key: str, moment: float) -> str | None:
        """Make the pipeline job of a schedule, or let it wait for others to end.

        Args:
            key: The schedule's name.
            moment: When it was due.
        """
        one = self._world.documents.find(KIND, key)
        if one is None or one.state != _states().Value("ACTIVE"):
            return None
        if self._free(one):
            return self._make(key, moment)
        if one.allow_queueing:
            self._queued.setdefault(key, []).append(moment)
            return None
        self._note(one, moment, "SKIPPED: max_concurrent_run_count is reached.")
        return None

    def expire(self, key: str) -> None:
        """Let a schedule be over that is due no more."""
        one = self._world.documents.find(KIND, key)
        if one is not None and not self._queued.get(key):
            self._complete(one)

    def _complete(self, one: Any) -> None:
        changed = sdk.copied(one)
        changed.state = _states().Value("COMPLETED")
        changed.ClearField("next_run_time")
        sdk.stamp(changed.update_time, self._world.clock.now())
        self._world.documents.put(KIND, one.name, changed)

    def _free(self, one: Any) -> bool:
        """Return whether one more run of a schedule may run."""
        held = self._world.documents.below(pipeline_jobs.KIND, one.name.partition("/schedules/")[0])
        running = [
            job for job in held
            if job.schedule_name == one.name and self._world.pipelines.busy(job.name)
        ]  # fmt: skip
        return len(running) < max(1, one.max_concurrent_run_count)

    def _make(self, key: str, moment: float) -> str | None:
        documents = self._world.documents
        with documents.lock:
            one = documents.find(KIND, key)
            if one is None:
                return None
            parent = key.partition("/schedules/")[0]
            request = one.create_pipeline_job_request
            due = datetime.fromtimestamp(moment, UTC)
            name = f"schedule-{key.rpartition('/')[2]}-{due:%Y%m%d%H%M%S}"
            try:
                job = self._world.pipelines.create(
                    Call(""), parent, request.pipeline_job, name, moment
                )
            except ServiceError as error:
                _LOG.warning("schedule %s could not make its job: %s", key, error)
                self._note(one, moment, str(error.message))
                return None
            held = documents.get(pipeline_jobs.KIND, job.name)
            held.schedule_name = key
            changed = self._note(one, moment, "OK")
            changed.started_run_count += 1
            if changed.max_run_count and changed.started_run_count >= changed.max_run_count:
                changed.state = _states().Value("COMPLETED")
                changed.ClearField("next_run_time")
            return str(job.name)

    def _note(self, one: Any, moment: float, words: str) -> Any:
        """Note what became of a run, and when the next one is."""
        changed = sdk.copied(one)
        response = changed.last_scheduled_run_response
        response.run_response = words
        sdk.stamp(response.scheduled_run_time, moment)
        told(changed, max(moment, self._world.clock.now()))
        self._world.documents.put(KIND, one.name, changed)
        return changed

    def caught_up(self, one: Any, since: float) -> None:
        """Make up for the runs that a pause has left out."""
        moment, due = self._world.clock.now(), following(one, since)
        missed: list[float] = []
        while due is not None and due <= moment:
            missed.append(due)
            due = following(one, due)
        for each in missed[-MISSED:]:
            self.fire(one.name, each)

    def forget(self, key: str) -> None:
        """Let nothing wait for a schedule any more."""
        self._queued.pop(key, None)


def told(one: Any, moment: float) -> None:
    """Note in a schedule when its next run is."""
    due = following(one, moment) if one.state == _states().Value("ACTIVE") else None
    if due is None:
        one.ClearField("next_run_time")
    else:
        sdk.stamp(one.next_run_time, due)


# --- its methods ----------------------------------------------------------------------------------


def _checked(world: World, call: Call, parent: str, one: Any) -> None:
    if one.HasField("create_notebook_execution_job_request"):
        raise unanswered("schedules of notebooks", "schedule a pipeline")
    if not one.display_name:
        text = "Schedule.display_name is required."
        raise invalid(text, **{"schedule.display_name": "is required"})
    if not one.HasField("create_pipeline_job_request"):
        raise invalid("Schedule.create_pipeline_job_request is required.")
    if one.max_concurrent_run_count < 1:
        raise invalid("Schedule.max_concurrent_run_count must be positive.")
    if one.max_run_count < 0:
        raise invalid("Schedule.max_run_count must not be negative.")
    _cron(one.cron)
    starts, ends = one.HasField("start_time"), one.HasField("end_time")
    if starts and ends and sdk.seconds(one.end_time) <= sdk.seconds(one.start_time):
        raise invalid("Schedule.end_time must be after its start_time.")
    request = one.create_pipeline_job_request
    if request.pipeline_job_id:
        raise invalid("create_pipeline_job_request.pipeline_job_id must be empty: jobs of a "
                      "schedule have names of their own.")  # fmt: skip
    if request.parent and world.projects.parent(call, request.parent) != parent:
        raise invalid("create_pipeline_job_request.parent must be the schedule's.")
    pipeline_jobs.checked(world, call, parent, request.pipeline_job)


def _create(world: World, call: Call, request: Any) -> Any:
    parent = world.projects.parent(call, request.parent)
    one = sdk.copied(request.schedule)
    for field in ("started_run_count", "next_run_time", "last_pause_time", "last_resume_time",
                  "catch_up", "last_scheduled_run_response"):  # fmt: skip
        one.ClearField(field)
    _checked(world, call, parent, one)
    one.name = f"{parent}/schedules/{new_number()}"
    one.create_pipeline_job_request.parent = parent
    moment = world.documents.now()
    for field in (one.create_time, one.update_time):
        sdk.stamp(field, moment)
    if not one.HasField("start_time"):
        sdk.stamp(one.start_time, moment)
    one.state = _states().Value("ACTIVE")
    told(one, moment)
    return world.documents.add(KIND, one.name, one)


def _get(world: World, call: Call, request: Any) -> Any:
    return world.documents.get(KIND, world.projects.canonical(call, request.name))


def _list(world: World, call: Call, request: Any) -> Any:
    parent = world.projects.parent(call, request.parent)
    held = world.documents.below(KIND, parent)
    kind = sdk.message(_SERVICE, "ListSchedulesResponse")
    return listed(request, kind, "schedules", held, usual=100)


def _update(world: World, call: Call, request: Any) -> Any:
    name = world.projects.canonical(call, request.schedule.name)
    with world.documents.lock:
        one = sdk.copied(world.documents.get(KIND, name))
        if one.state == _states().Value("COMPLETED"):
            raise unready(f"The Schedule '{name}' is completed: it cannot be updated.")
        if not request.update_mask.paths:
            raise invalid("update_mask is required.", update_mask="is required")
        for path in request.update_mask.paths:
            if sdk.snake(path.partition(".")[0]) not in _CHANGEABLE:
                raise invalid(f"The field '{path}' of a Schedule cannot be updated.")
        sdk.masked(one, request.schedule, request.update_mask)
        one.name = name
        parent = name.partition("/schedules/")[0]
        _checked(world, call, parent, one)
        one.create_pipeline_job_request.parent = parent
        moment = world.documents.now()
        sdk.stamp(one.update_time, moment)
        told(one, moment)
        world.documents.put(KIND, name, one)
    return one


def _pause(world: World, call: Call, request: Any) -> Any:
    with world.documents.lock:
        one = sdk.copied(_get(world, call, request))
        if one.state != _states().Value("ACTIVE"):
            raise unready(f"The Schedule '{one.name}' is not active.")
        one.state = _states().Value("PAUSED")
        moment = world.documents.now()
        sdk.stamp(one.last_pause_time, moment)
        sdk.stamp(one.update_time, moment)
        one.ClearField("next_run_time")
        world.documents.put(KIND, one.name, one)
    return _empty()


def _resume(world: World, call: Call, request: Any) -> Any:
    with world.documents.lock:
        one = sdk.copied(_get(world, call, request))
        if one.state != _states().Value("PAUSED"):
            raise unready(f"The Schedule '{one.name}' is not paused.")
        one.state, one.catch_up = _states().Value("ACTIVE"), request.catch_up
        moment = world.documents.now()
        sdk.stamp(one.last_resume_time, moment)
        sdk.stamp(one.update_time, moment)
        told(one, moment)
        world.documents.put(KIND, one.name, one)
    if request.catch_up:
        world.parts["schedules"].caught_up(one, sdk.seconds(one.last_pause_time))
    return _empty()


def _empty() -> Any:
    return sdk.message("google.protobuf.empty_pb2", "Empty")()


def _delete(world: World, call: Call, request: Any) -> Any:
    name = _get(world, call, request).name
    world.documents.remove(KIND, name)
    world.parts["schedules"].forget(name)
    kind = sdk.vertex("operation", "DeleteOperationMetadata")
    parent = name.partition("/schedules/")[0]
    return world.operations.done(parent, world.clock.now(), kind())


def _rpc(name: str, answer: Any, how: How, verb: str) -> Rpc:
    return Rpc(name, answer, how, f"aiplatform.schedules.{verb}")


SERVICES: Final = (
    Service(
        "google.cloud.aiplatform.v1.ScheduleService", VERTEX, sdk.VERTEX, "schedule_service",
        _SERVICE,
        (
            _rpc("CreateSchedule", _create, How.RUN, "create"),
            _rpc("GetSchedule", _get, How.STATE, "get"),
            _rpc("ListSchedules", _list, How.STATE, "list"),
            _rpc("UpdateSchedule", _update, How.RUN, "update"),
            _rpc("PauseSchedule", _pause, How.RUN, "update"),
            _rpc("ResumeSchedule", _resume, How.RUN, "update"),
            _rpc("DeleteSchedule", _delete, How.RUN, "delete"),
        ),
    ),
)  # fmt: skip
