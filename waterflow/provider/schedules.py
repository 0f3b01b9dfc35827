"""Schedules: what a provider's own scheduler keeps for a profile, and the door to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from waterflow.provider.build import Build, Document


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A pipeline's schedule, as the provider keeps it.

    Attributes:
        name: Its name, by which it is deleted, paused and resumed.
        pipeline: The pipeline that it starts, as the provider calls it.
        expression: When, in the provider's own words.
        state: Whether it starts runs.
        next: When it starts the next run, in milliseconds since the epoch, where that is known.
        orphan: The pipeline that it starts is no longer there.
    """

    name: str
    pipeline: str
    expression: str
    state: Literal["enabled", "paused"]
    next: int | None = None
    orphan: bool = False


class Schedules(Protocol):
    """The schedules that a provider keeps for a profile."""

    def apply(self, build: Build, document: Document, parameters: Mapping[str, Any]) -> str:
        """Bring a pipeline's schedule to what its definition says, and deploy the pipeline.

        Args:
            build: The pipeline; without a schedule, one that is there is deleted.
            document: The compiled pipeline.
            parameters: Values that its runs take instead of the defaults.

        Returns:
            What was done: "created", "updated", "unchanged", "deleted" or "none". A paused one
            stays paused.

        Raises:
            DefinitionError: The service cannot say this schedule, or a parameter has no default.
            ProviderError: The service refuses or fails.
        """
        ...

    def list(self) -> Sequence[Schedule]:
        """Return all schedules, orphans included, by name."""
        ...

    def delete(self, name: str) -> None:
        """Delete a schedule.

        Raises:
            UnknownNameError: There is no such schedule.
        """
        ...

    def pause(self, name: str) -> None:
        """Let a schedule start no runs until it is resumed.

        Raises:
            UnknownNameError: There is no such schedule.
        """
        ...

    def resume(self, name: str) -> None:
        """Let a paused schedule start runs again.

        Raises:
            UnknownNameError: There is no such schedule.
        """
        ...
