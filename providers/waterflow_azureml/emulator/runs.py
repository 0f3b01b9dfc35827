"""The record of every job, a pipeline's steps among them: where it is, what it made."""

from __future__ import annotations

import threading
import uuid
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from waterflow_azureml.emulator.routes import Scope
from waterflow_azureml.emulator.statuses import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from waterflow.emulation.clock import Clock


@dataclass
class Run:
    """One job, or one step of one.

    Attributes:
        name: Its name, which is its run's id.
        workspace: The ARM id of its workspace.
        kind: `Command`, `Pipeline` or `Sweep`.
        body: The properties that it was made with; of a child, what stands for them.
        parent: The run that it is part of; "" for none.
        root: The outermost run.
        node: Its key among the steps of its pipeline; "" for none.
        display_name: Its name for people.
        experiment: Its experiment.
        description: What it is for.
        tags: The user's marks, which may be changed.
        properties: Marks that stay.
        uuid: What else it is known by.
        number: Its number in the experiment.
        status: Where it is in its life.
        moves: Each status and when it came, in seconds since the epoch.
        code: The code of its failure; "" for none.
        message: Why it failed, or was canceled.
        created: When it was made.
        started: When its program began.
        ended: When it came to its end.
        inputs: Input -> `{"uri": ..., "type": ...}`, or `{"value": ...}`.
        outputs: Output -> `{"uri": ..., "type": ..., "asset": ...}`.
        logs: Log's name, as `user_logs/std_log.txt` -> the blob's address.
        hidden: Whether it is archived.
        compute: What it runs on: `target`, `vmSize`, `instanceCount`, `priority`.
        reuses: The run whose results stand for its own; "" for none.
        tracked: The id by which the MLflow server knows it; "" where it never was asked.
    """

    name: str
    workspace: str
    kind: str
    body: dict[str, Any]
    parent: str = ""
    root: str = ""
    node: str = ""
    display_name: str = ""
    experiment: str = "Default"
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict[str, str])
    properties: dict[str, str] = field(default_factory=dict[str, str])
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    number: int = 0
    status: str = Status.NOT_STARTED
    moves: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    code: str = ""
    message: str = ""
    created: float = 0.0
    started: float | None = None
    ended: float | None = None
    inputs: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    outputs: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    logs: dict[str, str] = field(default_factory=dict[str, str])
    hidden: bool = False
    compute: dict[str, Any] = field(default_factory=dict[str, Any])
    reuses: str = ""
    tracked: str = ""

    @property
    def final(self) -> bool:
        """Whether it has come to its end."""
        return Status(self.status).final

    @property
    def id(self) -> str:
        """Its ARM id."""
        return f"{self.workspace}/jobs/{self.name}"

    @property
    def scope(self) -> Scope:
        """Its workspace, as requests name it."""
        parts = self.workspace.split("/")
        return Scope(parts[2], parts[4], parts[8])

    @property
    def container_id(self) -> str:
        """The name of the folder of its artifacts."""
        return f"dcid.{self.name}"

    @property
    def artifacts(self) -> str:
        """Where its artifacts are, in the workspace's store of artifacts."""
        return f"ExperimentRun/{self.container_id}"

    @property
    def experiment_id(self) -> str:
        """The id of its experiment."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.workspace.lower()}/{self.experiment}"))


class Runs:
    """The records of all jobs.

    Args:
        clock: The time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._runs: dict[tuple[str, str], Run] = {}
        self._children: dict[tuple[str, str], list[Run]] = {}
        self._numbers: dict[str, int] = {}
        self.lock = threading.RLock()
        """Held by who looks and then changes."""

    def get(self, workspace: str, name: str) -> Run | None:
        """Return a job; None when there is none.

        Args:
            workspace: The ARM id of its workspace.
            name: Its name.
        """
        return self._runs.get((workspace.lower(), name))

    def add(self, run: Run) -> Run:
        """Take a new job, and return it."""
        with self.lock:
            run.root = run.root or run.name
            run.created = run.created or self._clock.now()
            run.moves.append((run.status, run.created))
            self._numbers[run.experiment_id] = self._numbers.get(run.experiment_id, 0) + 1
            run.number = self._numbers[run.experiment_id]
            self._keep(run)
            return run

    def move(self, run: Run, status: Status) -> None:
        """Let a job come to a status, unless it has come to its end."""
        with self.lock:
            if run.final or run.status == status:
                return
            moment = self._clock.now()
            run.status = status
            run.moves.append((status, moment))
            if status is Status.RUNNING and run.started is None:
                run.started = moment
            if status.final:
                run.ended = moment

    def fail(self, run: Run, code: str, message: str) -> None:
        """Let a job fail."""
        with self.lock:
            if not run.final:
                run.code, run.message = code, message
                self.move(run, Status.FAILED)

    def children(self, run: Run) -> list[Run]:
        """Return the runs that are parts of one, the first one begun first."""
        with self.lock:
            return list(self._children.get((run.workspace.lower(), run.name), ()))

    def all(self, workspace: str) -> list[Run]:
        """Return the jobs of a workspace that are part of no other, the newest first."""
        with self.lock:
            start = workspace.lower()
            runs = [run for (place, _), run in self._runs.items() if place == start]
        return [run for run in reversed(runs) if not run.parent]

    def remove(self, run: Run) -> None:
        """Forget a job and its parts."""
        with self.lock:
            for child in self.children(run):
                self.remove(child)
            self._runs.pop((run.workspace.lower(), run.name), None)
            self._children.pop((run.workspace.lower(), run.name), None)

    def __iter__(self) -> Iterator[Run]:
        return iter(list(self._runs.values()))

    def _keep(self, run: Run) -> None:
        place = run.workspace.lower()
        self._runs[place, run.name] = run
        if run.parent:
            self._children.setdefault((place, run.parent), []).append(run)

    def snapshot(self) -> list[dict[str, Any]]:
        """Return all jobs as JSON."""
        with self.lock:
            return [asdict(run) for run in self._runs.values()]

    def restore(self, saved: list[dict[str, Any]], lost: Callable[[Run], None]) -> None:
        """Take the jobs of a snapshot.

        Args:
            saved: The snapshot.
            lost: Takes those that had not come to their end.
        """
        for one in saved:
            run = Run(**one)
            run.moves = [(status, moment) for status, moment in run.moves]
            numbers = self._numbers
            numbers[run.experiment_id] = max(numbers.get(run.experiment_id, 0), run.number)
            self._keep(run)
            if not run.final:
                lost(run)
