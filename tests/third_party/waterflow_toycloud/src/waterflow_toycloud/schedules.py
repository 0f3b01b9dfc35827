"""The schedules of a profile, which the toy cloud keeps by the names of its pipelines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from waterflow.cloud.parameters import native_parameters
from waterflow.cloud.provider import own
from waterflow.cloud.schedules import scheduled_values
from waterflow.errors import NotFoundError, UnknownNameError
from waterflow.provider.schedules import Schedule
from waterflow_toycloud.connections import call

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from waterflow.cloud.document import CloudDocument
    from waterflow.provider import Build, Document


class ToySchedules:
    """The schedules of one profile.

    Args:
        prefix: The profile's prefix.
        deploy: Brings a pipeline to the cloud; returns the address of its document.
    """

    def __init__(self, prefix: str, deploy: Callable[[Build, CloudDocument], str]) -> None:
        self._prefix, self._deploy = prefix, deploy

    def apply(self, build: Build, document: Document, parameters: Mapping[str, Any]) -> str:
        """Bring a pipeline's schedule to what its definition says."""
        compiled = own(document)
        before = self._get(compiled.pipeline)
        if build.spec.schedule is None:
            return "none" if before is None else self._delete(compiled.pipeline)
        values = scheduled_values(build.spec, parameters)
        # Data that a later run brings has another address: this schedule's stays its own.
        texts = native_parameters(compiled, values)
        request = {"document": self._deploy(build, compiled), "parameters": texts}
        wish = {
            "expression": build.spec.schedule, "request": request,
            "enabled": before is None or before["enabled"],
        }  # fmt: skip
        if before is not None and {**wish, "key": compiled.pipeline} == before:
            return "unchanged"
        call("PutSchedule", "PUT", f"/schedules/{compiled.pipeline}", wish)
        return "created" if before is None else "updated"

    def list(self) -> Sequence[Schedule]:
        """Return all schedules by name."""
        answer = call("ListSchedules", "GET", "/schedules")
        return [
            Schedule(
                name=one["key"],
                pipeline=one["key"],
                expression=f"{one['expression']} UTC",
                state="enabled" if one["enabled"] else "paused",
            )
            for one in sorted(answer["schedules"], key=lambda one: one["key"])
            if one["key"].startswith(f"{self._prefix}-")
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

    def _switch(self, name: str, *, enabled: bool) -> None:
        schedule = {key: value for key, value in self._known(name).items() if key != "key"}
        call("PutSchedule", "PUT", f"/schedules/{name}", schedule | {"enabled": enabled})

    def _delete(self, name: str) -> str:
        call("DeleteSchedule", "DELETE", f"/schedules/{name}")
        return "deleted"

    def _known(self, name: str) -> dict[str, Any]:
        schedule = self._get(name)
        if schedule is None:
            raise UnknownNameError(
                f"There is no schedule '{name}'. List them: waterflow schedule list",
                provider="toycloud",
                operation="find schedule",
            )
        return schedule

    def _get(self, name: str) -> dict[str, Any] | None:
        try:
            return call("GetSchedule", "GET", f"/schedules/{name}")
        except NotFoundError:
            return None
