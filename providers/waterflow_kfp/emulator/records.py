"""What is known of a pipeline that runs or ran: tasks, their attempts, artifacts, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

import msgspec

from waterflow_kfp.emulator.errors import Failure  # noqa: TC001 - msgspec reads it


class State(StrEnum):
    """Where a task, an attempt or a pipeline is; each cloud has words of its own for it."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    """An earlier result stands for it."""
    NOT_TRIGGERED = "NOT_TRIGGERED"
    """Its condition is false, or what it needs did not come."""

    @property
    def final(self) -> bool:
        """Whether it stays so."""
        return self not in (State.PENDING, State.RUNNING, State.CANCELLING)

    @property
    def good(self) -> bool:
        """Whether there are outputs."""
        return self in (State.SUCCEEDED, State.SKIPPED)


@dataclass(frozen=True)
class Artifact:
    """One artifact of the metadata store.

    Attributes:
        name: Its identity: two artifacts of one name are one.
        schema: Its type's title: "system.Dataset".
        uri: Where it is.
        metadata: What is said of it.
        version: Its type's version.
        custom_path: Where in the job it lay, if not where its address says.
        created: When it was made, in seconds since the epoch.
    """

    name: str
    schema: str
    uri: str
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    version: str = "0.0.1"
    custom_path: str = ""
    created: float = 0.0

    def runtime(self) -> dict[str, Any]:
        """Return it as a RuntimeArtifact in JSON."""
        document: dict[str, Any] = {
            "name": self.name,
            "type": {"schemaTitle": self.schema, "schemaVersion": self.version},
            "uri": self.uri,
            "metadata": dict(self.metadata),
        }
        if self.custom_path:
            document["customPath"] = self.custom_path
        return document

    def snapshot(self) -> dict[str, Any]:
        """Return it as plain data."""
        return msgspec.to_builtins(self)

    @classmethod
    def restored(cls, saved: Any) -> Self:
        """Return the artifact of a snapshot."""
        return msgspec.convert(saved, cls)


@dataclass
class Values:
    """What a task is given, or makes.

    Attributes:
        parameters: Name -> value.
        artifacts: Name -> artifacts; more than one only where a list is declared.
    """

    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    artifacts: dict[str, list[Artifact]] = field(default_factory=dict[str, list[Artifact]])

    def snapshot(self) -> dict[str, Any]:
        """Return it as plain data."""
        return msgspec.to_builtins(self)

    @classmethod
    def restored(cls, saved: Any) -> Self:
        """Return what a snapshot holds."""
        return msgspec.convert(saved, cls)


@dataclass
class Attempt:
    """One attempt at a task.

    Attributes:
        job: The id of the job that ran it.
        started: When it began, in seconds since the epoch.
        state: Where it is.
        ended: When it ended.
        error: Why it failed.
    """

    job: str
    started: float
    state: State = State.RUNNING
    ended: float | None = None
    error: Failure | None = None


@dataclass
class Change:
    """A state that a task came to.

    Attributes:
        state: The state.
        at: When, in seconds since the epoch.
        error: What went wrong.
    """

    state: State
    at: float
    error: Failure | None = None


@dataclass
class Task:
    """One task of a pipeline, an iteration of a loop, or the pipeline itself.

    Attributes:
        id: Its number, as text.
        name: Its name in the document; the pipeline's for the root.
        parent: The id of the task that holds it; "" for the root.
        created: When it came up, in seconds since the epoch.
        iteration: Which iteration of a loop it is, from 0; None for others.
        kind: What it is: "dag", "loop", "iteration", "container", "importer", "custom_job".
        component: The name of its component.
        started: When it began.
        ended: When it ended.
        state: Where it is.
        error: Why it failed.
        inputs: What it is given.
        outputs: What it made.
        attempts: How often it was tried.
        cached_from: The id of the task whose result stands for it; "" for none.
        execution: Its own name in the metadata store.
        history: The states that it came to, the first first.
    """

    id: str
    name: str
    parent: str
    created: float
    iteration: int | None = None
    kind: str = "dag"
    component: str = ""
    started: float | None = None
    ended: float | None = None
    state: State = State.PENDING
    error: Failure | None = None
    inputs: Values = field(default_factory=Values)
    outputs: Values = field(default_factory=Values)
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    cached_from: str = ""
    execution: str = ""
    history: list[Change] = field(default_factory=list[Change])

    def move(self, state: State, at: float, error: Failure | None = None) -> None:
        """Come to a state; one that is final stays."""
        if self.state.final:
            return
        self.state = state
        self.history.append(Change(state, at, error))
        if state is State.RUNNING and self.started is None:
            self.started = at
        if state.final:
            self.started = at if self.started is None else self.started
            self.ended, self.error = at, error

    def snapshot(self) -> dict[str, Any]:
        """Return it as plain data."""
        return msgspec.to_builtins(self)

    @classmethod
    def restored(cls, saved: Any) -> Self:
        """Return the task of a snapshot."""
        return msgspec.convert(saved, cls)
