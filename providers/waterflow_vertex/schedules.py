"""Schedules: Vertex AI starts pipelines by itself; the request that it sends is the document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.cloud.parameters import native_parameters
from waterflow.cloud.provider import own
from waterflow.cloud.schedules import same_schedule, scheduled_values
from waterflow.errors import ConflictError, NotFoundError, TransientError, UnknownNameError
from waterflow.language import cron
from waterflow.provider.schedules import Schedule
from waterflow_vertex.answers import moment
from waterflow_vertex.errors import PROVIDER
from waterflow_vertex.service import DOCUMENT, PLACE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from waterflow.cloud.document import CloudDocument
    from waterflow.cloud.runs import Runs
    from waterflow.cloud.service import Deployed, Service
    from waterflow.provider import Build, Document
    from waterflow_vertex.connections import Connections
    from waterflow_vertex.service import VertexService

    Deploy = Callable[[Build, CloudDocument], Deployed]

_PATIENCE: Final = 120.0
"""Seconds for which a schedule may be deleted."""
_ZONE: Final = "TZ=UTC "
_SUNDAY: Final = "7"
_TRIES: Final = 4
_UPDATED: Final = "cron,createPipelineJobRequest,maxConcurrentRunCount"


class VertexSchedules:
    """The schedules of one profile: those whose jobs are of its prefix, each by its display name.

    Args:
        connections: The ways to Google Cloud.
        service: Vertex AI.
        deploy: Brings a pipeline to Vertex AI.
        runs: The profile's runs, which know what documents say.
    """

    def __init__(
        self, connections: Connections, service: Service[Any], deploy: Deploy, runs: Runs
    ) -> None:
        self._connections, self._service = connections, cast("VertexService", service)
        self._deploy, self._runs = deploy, runs

    # --- the contract ---------------------------------------------------------------------------

    def apply(self, build: Build, document: Document, parameters: Mapping[str, Any]) -> str:
        """Deploy a pipeline and bring its schedule to what its definition says.

        Args:
            build: The pipeline.
            document: The compiled pipeline.
            parameters: Values that its runs take instead of the defaults.

        Returns:
            "created", "updated", "unchanged", "deleted" or "none".

        Raises:
            DefinitionError: A parameter has no value.
            ConflictError: The schedule of that name is not the profile's.
            ProviderError: Google refuses or fails.
        """
        compiled = own(document)
        name = compiled.pipeline
        before = self._find(name)
        if before is not None and _labels(before).get(PLACE) != self._service.place:
            self._refuse(name, before)
        if build.spec.schedule is None:
            return "none" if before is None else self._delete(before)
        texts = native_parameters(compiled, scheduled_values(build.spec, parameters))
        version = self._deploy(build, compiled).version
        job = self._service.job(self._service.document(version), texts, version, None)
        wish = self.wish(name, build.spec.schedule, job)
        if before is not None and before.get("state") == "COMPLETED":
            self._delete(before)  # whoever gave it an end: it starts nothing any more
            before = None
        if before is None:
            self._create(name, wish)
            return "created"
        if same_schedule(before, wish):
            return "unchanged"
        self._update(before, wish)
        return "updated"

    def wish(self, name: str, schedule: str, job: Mapping[str, Any]) -> dict[str, Any]:
        """Return a Schedule as it is sent.

        Args:
            name: Its name.
            schedule: When it starts runs: a cron expression.
            job: The PipelineJob of its runs.
        """
        return {
            "displayName": name,
            "cron": native_cron(schedule),
            "maxConcurrentRunCount": "1",
            "createPipelineJobRequest": {
                "parent": self._connections.location,
                "pipelineJob": job,
            },
        }

    def list(self) -> Sequence[Schedule]:
        """Return all schedules by name; an orphan's pipeline says none any more."""
        kept = [one for one in self._kept() if _labels(one).get(PLACE) == self._service.place]
        return [
            Schedule(
                name=str(one["displayName"]),
                pipeline=str(_job(one).get("displayName", one["displayName"])),
                expression=str(one.get("cron", "")).removeprefix(_ZONE),
                state="paused" if one.get("state") == "PAUSED" else "enabled",
                orphan=self._orphan(one),
            )
            for one in sorted(kept, key=lambda one: str(one["displayName"]))
        ]

    def delete(self, name: str) -> None:
        """Delete a schedule."""
        self._delete(self._known(name))

    def pause(self, name: str) -> None:
        """Let a schedule start no runs."""
        self._switch(name, "PAUSED", "pause", {})

    def resume(self, name: str) -> None:
        """Let a paused schedule start runs again; what it has missed is not made up for."""
        self._switch(name, "ACTIVE", "resume", {"catchUp": False})

    # --- the service ----------------------------------------------------------------------------

    def _kept(self, name: str | None = None) -> Iterator[Mapping[str, Any]]:
        wanted = "create_pipeline_job_request:*"
        if name is not None:
            wanted += f' AND display_name="{name}"'
        return self._connections.listed("ListSchedules", "schedules", {"filter": wanted})

    def _find(self, name: str) -> Mapping[str, Any] | None:
        """Return the profile's schedule of a name, else another's, else None."""
        kept = list(self._kept(name))
        ours = (one for one in kept if _labels(one).get(PLACE) == self._service.place)
        return next(ours, kept[0] if kept else None)

    def _create(self, name: str, wish: Mapping[str, Any]) -> None:
        """Make a schedule once: Vertex AI gives it an id of its own, and makes one a request."""
        for left in reversed(range(_TRIES)):
            try:
                self._connections.vertex("CreateSchedule", "POST", "schedules", wish, again=False)
            except TransientError:
                before = self._find(name)
                if before is not None and _labels(before).get(PLACE) == self._service.place:
                    return  # its reply was lost
                if not left:
                    raise
            else:
                return

    def _update(self, kept: Mapping[str, Any], wish: Mapping[str, Any]) -> None:
        body = {**wish, "name": kept["name"]}
        query = {"updateMask": _UPDATED}
        self._connections.vertex("UpdateSchedule", "PATCH", _id(kept), body, query=query)

    def _delete(self, kept: Mapping[str, Any]) -> str:
        try:
            answer = self._connections.vertex("DeleteSchedule", "DELETE", _id(kept))
        except NotFoundError:
            return "deleted"  # a first request's reply was lost
        self._connections.settled("DeleteSchedule", self._connections.api, answer, _PATIENCE)
        return "deleted"

    def _switch(self, name: str, state: str, verb: str, body: Mapping[str, Any]) -> None:
        kept = self._known(name)
        if kept.get("state") != state:
            operation = f"{verb.capitalize()}Schedule"
            self._connections.vertex(operation, "POST", f"{_id(kept)}:{verb}", body)

    def _known(self, name: str) -> Mapping[str, Any]:
        kept = self._find(name)
        if kept is None or _labels(kept).get(PLACE) != self._service.place:
            raise UnknownNameError(
                f"There is no schedule '{name}' of this profile. There are: "
                "waterflow schedule list",
                name=name,
                known=(one.name for one in self.list()),
                provider=PROVIDER,
                operation="GetSchedule",
            )
        return kept

    def _refuse(self, name: str, kept: Mapping[str, Any]) -> None:
        theirs = "is of another profile" if PLACE in _labels(kept) else "is not Waterflow's"
        raise ConflictError(
            f"There is a schedule '{name}' in the project already, and it {theirs}. Choose another "
            "prefix in the profile, or delete it in the console: "
            "https://console.cloud.google.com/vertex-ai/pipelines/schedules"
            f"?project={self._connections.settings.project}",
            provider=PROVIDER,
            operation="CreateSchedule",
        )

    def _orphan(self, kept: Mapping[str, Any]) -> bool:
        """Return whether a schedule's document is gone, or a run since then says no schedule."""
        name = str(_job(kept).get("displayName"))
        # What `apply` has deployed is no job: of the jobs only later ones know better.
        changed = moment(kept.get("updateTime") or kept.get("createTime")) or 0
        newest = next(iter(self._service.executions(name)), None)
        if newest is not None and newest.started > changed:
            deployed = self._runs.deployed(name)
            return deployed is not None and deployed.schedule is None
        try:
            self._service.document(str(_labels(kept).get(DOCUMENT)))
        except NotFoundError:
            return True
        return False


def native_cron(schedule: str) -> str:
    """Return a cron expression as Vertex AI reads it: in UTC, and Sunday is 0 alone.

    Args:
        schedule: Minute, hour, day of month, month, day of week; in UTC.

    Raises:
        DefinitionError: It is no cron expression.
    """
    meaning = cron.read(schedule)
    *fields, weekday = schedule.split()
    if _SUNDAY in weekday and not weekday.startswith("*"):
        weekday = ",".join(map(str, sorted(meaning.weekdays)))
    return f"{_ZONE}{' '.join([*fields, weekday])}"


def _id(kept: Mapping[str, Any]) -> str:
    return f"schedules/{str(kept['name']).rpartition('/')[2]}"


def _job(kept: Mapping[str, Any]) -> Mapping[str, Any]:
    return (kept.get("createPipelineJobRequest") or {}).get("pipelineJob") or {}


def _labels(kept: Mapping[str, Any]) -> Mapping[str, str]:
    return _job(kept).get("labels") or {}
