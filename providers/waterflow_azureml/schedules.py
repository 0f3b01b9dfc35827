"""Schedules: Azure ML starts pipelines by itself; the job's template is the document."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.cloud.parameters import native_parameters
from waterflow.cloud.provider import own
from waterflow.cloud.schedules import same_schedule, scheduled_values
from waterflow.errors import ConflictError, NotFoundError, TransientError, UnknownNameError
from waterflow.provider.schedules import Schedule
from waterflow_azureml import wire
from waterflow_azureml.answers import moment
from waterflow_azureml.connections import ML_SCOPE, SCHEDULES, Connections
from waterflow_azureml.cron import shown, trigger
from waterflow_azureml.errors import PROVIDER, answered
from waterflow_azureml.service import DOCUMENT, NATIVE, PLACE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from waterflow.cloud.document import CloudDocument
    from waterflow.cloud.objects import Bucket
    from waterflow.cloud.runs import Runs
    from waterflow.cloud.service import Deployed, Service
    from waterflow.provider import Build, Document
    from waterflow_azureml.service import AzureMLService

    Deploy = Callable[[Build, CloudDocument], Deployed]

_PATIENCE: Final = 300.0
"""Seconds for which a schedule may be made."""
_STATES: Final = {"Succeeded": "done", "Failed": "failed", "Canceled": "failed"}
"""A schedule's `provisioningState` that is final."""


class AzureMLSchedules:
    """The schedules of one profile: those whose jobs are of its prefix.

    Args:
        connections: The ways to Azure.
        service: Azure ML.
        bucket: The profile's bucket.
        deploy: Brings a pipeline to Azure.
        runs: The profile's runs, which know what documents say.
    """

    def __init__(
        self,
        connections: Connections,
        service: Service[Any],
        bucket: Bucket,
        deploy: Deploy,
        runs: Runs,
    ) -> None:
        self._connections, self._service = connections, cast("AzureMLService", service)
        self._bucket, self._deploy, self._runs = bucket, deploy, runs

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
            DefinitionError: Azure cannot say the schedule, or a parameter has no value.
            ConflictError: The schedule of that name is not Waterflow's.
            ProviderError: Azure refuses or fails.
        """
        compiled = own(document)
        name = compiled.pipeline
        before = self._get(name)
        if before is not None:
            self._check_ours(name, before)
        if build.spec.schedule is None:
            return "none" if before is None else self._delete(name)
        when = trigger(build.spec.schedule)
        texts = native_parameters(compiled, scheduled_values(build.spec, parameters))
        version = self._deploy(build, compiled).version
        wired = wire.wired(self._service.document(version), self._connections.workspace)
        notes = {DOCUMENT: version, PLACE: self._bucket.uri(), NATIVE: name}
        job = self._service.job_properties(wired, texts, notes)
        wish = {
            "displayName": name,
            "description": f"Starts the pipeline {build.spec.name}: {build.spec.schedule}",
            "tags": dict(job["tags"]),
            "properties": notes,
            "trigger": when,
            "action": {"actionType": "CreateJob", "jobDefinition": job},
            "isEnabled": before is None or bool(before.get("isEnabled", True)),
        }
        if before is not None and same_schedule(before, wish):
            return "unchanged"
        self._put(name, wish)
        return "created" if before is None else "updated"

    def list(self) -> Sequence[Schedule]:
        """Return all schedules by name; an orphan's pipeline says none any more."""
        place = self._bucket.uri()
        path = f"{self._connections.workspace}/schedules"
        listed = self._connections.pages(
            "ListSchedules", path, version=SCHEDULES, query={"listViewType": "All"}
        )
        return [
            Schedule(
                name=str(one["name"]),
                pipeline=str(_job(one["properties"]).get("displayName", one["name"])),
                expression=shown(one["properties"]["trigger"]),
                state="enabled" if one["properties"].get("isEnabled", True) else "paused",
                orphan=self._orphan(one),
            )
            for one in sorted(listed, key=lambda one: str(one["name"]))
            if _place(one["properties"]) == place
        ]

    def delete(self, name: str) -> None:
        """Delete a schedule."""
        self._known(name)
        self._delete(name)

    def pause(self, name: str) -> None:
        """Let a schedule start no runs."""
        self._switch(name, enabled=False)

    def resume(self, name: str) -> None:
        """Let a paused schedule start runs again."""
        self._switch(name, enabled=True)

    # --- the service ----------------------------------------------------------------------------

    def _path(self, name: str) -> str:
        return f"{self._connections.workspace}/schedules/{name}"

    def _get(self, name: str) -> Mapping[str, Any] | None:
        try:
            answer = self._connections.arm(
                "GetSchedule", "GET", self._path(name), version=SCHEDULES
            )
        except NotFoundError:
            return None
        return answer["properties"]

    def _put(self, name: str, properties: Mapping[str, Any]) -> None:
        """Write a schedule, and wait until Azure has made it."""
        self._connections.arm(
            "CreateSchedule",
            "PUT",
            self._path(name),
            {"properties": properties},
            version=SCHEDULES,
            # What the schedule starts is started in the name of who makes it.
            headers={"x-azureml-token": self._connections.token(ML_SCOPE)},
        )
        self._settled("CreateSchedule", name)

    def _settled(self, operation: str, name: str) -> None:
        until, pause = time.monotonic() + _PATIENCE, 0.2
        while time.monotonic() < until:
            kept = self._get(name)
            state = str((kept or {}).get("provisioningState", "Succeeded"))
            if state == "Failed":
                raise answered(operation, 400, b"", f"the schedule '{name}' could not be made")
            if state in _STATES:
                return
            time.sleep(pause)
            pause = min(pause * 1.5, 5)
        raise TransientError(
            f"{operation}: Azure is still at the schedule '{name}'. Look at it: "
            "waterflow schedule list",
            provider=PROVIDER,
            operation=operation,
            retryable=True,
        )

    def _delete(self, name: str) -> str:
        kept = self._get(name)
        if kept is not None and kept.get("isEnabled", True):
            # Azure deletes no schedule that may fire.
            self._switch(name, enabled=False)
        self._connections.arm("DeleteSchedule", "DELETE", self._path(name), version=SCHEDULES)
        until, pause = time.monotonic() + _PATIENCE, 0.2
        while self._get(name) is not None and time.monotonic() < until:
            time.sleep(pause)
            pause = min(pause * 1.5, 5)
        return "deleted"

    def _switch(self, name: str, *, enabled: bool) -> None:
        before = self._known(name)
        if bool(before.get("isEnabled", True)) != enabled:
            kept = {key: value for key, value in before.items() if key != "provisioningState"}
            self._put(name, {**kept, "isEnabled": enabled})

    def _known(self, name: str) -> Mapping[str, Any]:
        kept = self._get(name)
        if kept is None or _place(kept) != self._bucket.uri():
            raise UnknownNameError(
                f"There is no schedule '{name}' of this profile. There are: "
                "waterflow schedule list",
                name=name,
                known=(one.name for one in self.list()),
                provider=PROVIDER,
                operation="GetSchedule",
            )
        return kept

    def _check_ours(self, name: str, kept: Mapping[str, Any]) -> None:
        place = _place(kept)
        if place != self._bucket.uri():
            theirs = f"is of the profile at {place}" if place else "is not Waterflow's"
            raise ConflictError(
                f"There is a schedule '{name}' in the workspace already, and it {theirs}. Choose "
                f"another prefix in the profile, or delete it: az ml schedule delete -n {name}",
                provider=PROVIDER,
                operation="CreateSchedule",
            )

    def _orphan(self, listed: Mapping[str, Any]) -> bool:
        """Return whether a schedule's document is gone, or a run since then says no schedule."""
        kept = listed["properties"]
        name = str(_job(kept).get("displayName"))
        # What `apply` has deployed is no job: of the jobs only later ones know better.
        changed = moment((listed.get("systemData") or {}).get("lastModifiedAt")) or 0
        newest = next(iter(self._service.executions(name)), None)
        if newest is not None and newest.started > changed:
            deployed = self._runs.deployed(name)
            return deployed is not None and deployed.schedule is None
        version = _notes(kept).get(DOCUMENT)
        try:
            self._service.document(str(version))
        except NotFoundError:
            return True
        return False


def _job(kept: Mapping[str, Any]) -> Mapping[str, Any]:
    return (kept.get("action") or {}).get("jobDefinition") or {}


def _notes(kept: Mapping[str, Any]) -> Mapping[str, Any]:
    return _job(kept).get("properties") or {}


def _place(kept: Mapping[str, Any]) -> str:
    return str(_notes(kept).get(PLACE, ""))
