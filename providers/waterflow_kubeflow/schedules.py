"""Schedules: recurring runs of Kubeflow's, which bear the whole document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.cloud.parameters import native_parameters
from waterflow.cloud.provider import own
from waterflow.cloud.schedules import same_schedule, scheduled_values
from waterflow.errors import ConflictError, UnknownNameError
from waterflow.provider.schedules import Schedule
from waterflow_kubeflow.answers import moment
from waterflow_kubeflow.cron import shown, trigger
from waterflow_kubeflow.errors import PROVIDER
from waterflow_kubeflow.service import named

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from waterflow.cloud.document import CloudDocument
    from waterflow.cloud.objects import Bucket
    from waterflow.cloud.runs import Runs
    from waterflow.cloud.service import Deployed, Service
    from waterflow.provider import Build, Document
    from waterflow_kubeflow.connections import Connections
    from waterflow_kubeflow.service import KubeflowService

    Deploy = Callable[[Build, CloudDocument], Deployed]

_AT_ONCE: Final = 10
"""Runs of one schedule at a time: the server takes 1 to 10."""


class KubeflowSchedules:
    """The schedules of one profile: those whose documents are of its prefix.

    Args:
        connections: The ways to the API server.
        service: Kubeflow Pipelines.
        bucket: The profile's bucket.
        deploy: Brings a pipeline to the bucket.
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
        self._connections, self._service = connections, cast("KubeflowService", service)
        self._bucket, self._deploy, self._runs = bucket, deploy, runs

    # --- the contract ---------------------------------------------------------------------------

    def apply(self, build: Build, document: Document, parameters: Mapping[str, Any]) -> str:
        """Deploy a pipeline and bring its recurring run to what its definition says.

        Kubeflow changes no recurring run: another one is made, and the former one removed.

        Args:
            build: The pipeline.
            document: The compiled pipeline.
            parameters: Values that its runs take instead of the defaults.

        Returns:
            "created", "updated", "unchanged", "deleted" or "none".

        Raises:
            DefinitionError: Kubeflow cannot say the schedule, or a parameter has no value.
            ConflictError: The recurring run of that name is not Waterflow's.
            ProviderError: Kubeflow refuses or fails.
        """
        compiled = own(document)
        name = compiled.pipeline
        before = self._of_name(name)
        for one in before:
            self._check_ours(name, one)
        if build.spec.schedule is None:
            for one in before:
                self._remove(one)
            return "deleted" if before else "none"
        when = trigger(build.spec.schedule)
        texts = native_parameters(compiled, scheduled_values(build.spec, parameters))
        version = self._deploy(build, compiled).version
        paused = bool(before) and not _enabled(before[0])
        wish = {
            "display_name": name,
            "description": json.dumps({"document": version, "place": self._bucket.uri()}),
            "experiment_id": self._service.experiment,
            "trigger": when,
            "no_catchup": True,
            "max_concurrency": str(_AT_ONCE),
            **self._service.body(self._service.document(version), texts),
        }
        if before and _same(before[0], wish):
            return "unchanged"
        # One that fires twice for a moment is better than one that is lost between the two.
        mode = "DISABLE" if paused else "ENABLE"
        self._connections.call(
            "CreateRecurringRun", "POST", "recurringruns", {**wish, "mode": mode}, again=False
        )
        for one in before:
            self._remove(one)
        return "updated" if before else "created"

    def list(self) -> Sequence[Schedule]:
        """Return all schedules by name; an orphan's pipeline says none any more."""
        return [
            Schedule(
                name=str(one["display_name"]),
                pipeline=str(one["display_name"]),
                expression=shown(one.get("trigger") or {}),
                state="enabled" if _enabled(one) else "paused",
                orphan=self._orphan(one),
            )
            for one in sorted(self._all(), key=lambda one: str(one["display_name"]))
            if _place(one) == self._bucket.uri()
        ]

    def delete(self, name: str) -> None:
        """Delete a schedule."""
        self._remove(self._known(name))

    def pause(self, name: str) -> None:
        """Let a schedule start no runs."""
        self._switch(name, "disable")

    def resume(self, name: str) -> None:
        """Let a paused schedule start runs again."""
        self._switch(name, "enable")

    # --- the service ----------------------------------------------------------------------------

    def _all(self, **query: str) -> list[Mapping[str, Any]]:
        asked = {"experiment_id": self._service.experiment, **query}
        return list(
            self._connections.pages("ListRecurringRuns", "recurringruns", "recurringRuns", asked)
        )

    def _of_name(self, name: str) -> list[Mapping[str, Any]]:
        return self._all(filter=named(name))

    def _remove(self, one: Mapping[str, Any]) -> None:
        path = f"recurringruns/{one['recurring_run_id']}"
        self._connections.call("DeleteRecurringRun", "DELETE", path)

    def _switch(self, name: str, verb: str) -> None:
        path = f"recurringruns/{self._known(name)['recurring_run_id']}:{verb}"
        self._connections.call(f"{verb.capitalize()}RecurringRun", "POST", path)

    def _known(self, name: str) -> Mapping[str, Any]:
        for one in self._of_name(name):
            if _place(one) == self._bucket.uri():
                return one
        raise UnknownNameError(
            f"There is no schedule '{name}' of this profile. There are: waterflow schedule list",
            name=name,
            known=(one.name for one in self.list()),
            provider=PROVIDER,
            operation="GetRecurringRun",
        )

    def _check_ours(self, name: str, kept: Mapping[str, Any]) -> None:
        place = _place(kept)
        if place != self._bucket.uri():
            theirs = f"is of the profile at {place}" if place else "is not Waterflow's"
            raise ConflictError(
                f"There is a recurring run '{name}' in the experiment already, and it {theirs}. "
                "Choose another prefix or experiment in the profile, or delete it in the UI: "
                f"{self._connections.ui}/#/recurringruns",
                provider=PROVIDER,
                operation="CreateRecurringRun",
            )

    def _orphan(self, kept: Mapping[str, Any]) -> bool:
        """Return whether a run since then says that its pipeline has no schedule any more."""
        name = str(kept["display_name"])
        changed = moment(kept.get("updated_at") or kept.get("created_at")) or 0
        newest = next(iter(self._service.executions(name)), None)
        if newest is not None and newest.started > changed:
            deployed = self._runs.deployed(name)
            return deployed is not None and deployed.schedule is None
        return not self._bucket.exists(f"documents/{_noted(kept).get('document')}.json")


def _same(kept: Mapping[str, Any], wish: Mapping[str, Any]) -> bool:
    # The document's digest tells its spec, which the server writes in its own way.
    parts = ("description", "trigger", "runtime_config", "service_account")
    return all(same_schedule(kept.get(part), wish.get(part)) for part in parts)


def _enabled(one: Mapping[str, Any]) -> bool:
    return str(one.get("status")) != "DISABLED"


def _noted(one: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        noted: Any = json.loads(str(one.get("description") or "{}"))
    except ValueError:
        return {}
    return cast("dict[str, Any]", noted) if isinstance(noted, dict) else {}


def _place(one: Mapping[str, Any]) -> str:
    return str(_noted(one).get("place", ""))
