"""The status machine: what a run and its steps can be, and how one becomes the other."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from msgspec import Struct


class Status(StrEnum):
    """What a run or a step run is; the last six are final."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    CACHED = "cached"
    NOT_RUN = "not run"

    @property
    def final(self) -> bool:
        """Whether it never changes again."""
        return self not in (Status.PENDING, Status.RUNNING)

    @property
    def good(self) -> bool:
        """Whether what follows may go on."""
        return self in (Status.SUCCEEDED, Status.CACHED, Status.SKIPPED)


class Printer(Protocol):
    """What IPython hands to who says how it is shown."""

    def text(self, obj: str) -> None:
        """Write a line's text."""
        ...


class ItemCounts(Struct, kw_only=True, frozen=True):
    """How far a run-time map has come: how many of its items are what."""

    total: int
    done: int
    failed: int
    running: int

    def __str__(self) -> str:
        words = [
            f"{self.done} of {self.total} items done",
            *([f"{self.failed} failed"] if self.failed else []),
            *([f"{self.running} running"] if self.running else []),
        ]
        return ", ".join(words)


class StepState(Struct, kw_only=True, omit_defaults=True):
    """A step run as its provider tells it.

    Attributes:
        name: The step.
        status: What it is.
        attempt: The attempt under way or last made; 0 before the first.
        started: Milliseconds since the epoch of the first attempt's start.
        ended: Milliseconds since the epoch.
        error: Why it failed.
        detail: The user's own traceback, when there is one.
        reason: Why it was skipped: the condition that keeps it from running, with its values; or
            why it did not run: which step failed that it needs.
        origin: For a cached one the run that did the work, where that is known.
        job: The native job's id.
        url: Where to look at it.
        why: Why it ran, and no earlier result stood for it, where that is known.
        items: Of a map whose provider tells it, how far it has come.
        label: What its call was given, `train(c=0.1)`, where a step is called several times with
            different constants.
    """

    name: str
    status: Status = Status.PENDING
    attempt: int = 0
    started: int | None = None
    ended: int | None = None
    error: str | None = None
    detail: str | None = None
    reason: str | None = None
    origin: str | None = None
    job: str | None = None
    url: str | None = None
    why: tuple[str, ...] = ()
    label: str | None = None
    items: ItemCounts | None = None

    def move(self, status: Status) -> None:
        """Take another status; a final one is never left."""
        if not self.status.final:
            self.status = status


class RunState(Struct, kw_only=True, omit_defaults=True):
    """A run as its provider tells it.

    Attributes:
        run: The run's id.
        pipeline: The pipeline's name.
        status: What it is.
        steps: Its step runs, in the pipeline's order.
        started: Milliseconds since the epoch.
        ended: Milliseconds since the epoch.
        error: Why it failed, when that is no step's fault alone.
        unsent: Tracking events that MLflow has not got yet.
        sending: Whether they are on their way: the run is over, its tracking is not.
        tracking_uri: The MLflow store that the run writes to.
        url: Where to look at it.
        execution: The id by which the run is known in the cloud, and so in its jobs and in MLflow;
            None where that is the run's own id.
    """

    run: str
    pipeline: str
    status: Status = Status.PENDING
    steps: dict[str, StepState] = {}
    started: int | None = None
    ended: int | None = None
    error: str | None = None
    unsent: int = 0
    sending: bool = False
    tracking_uri: str | None = None
    url: str | None = None
    execution: str | None = None

    def move(self, status: Status) -> None:
        """Take another status; a final one is never left. The steps left open follow."""
        if self.status.final:
            return
        self.status = status
        if status.final:
            for step in self.steps.values():
                step.move(Status.CANCELLED if step.status is Status.RUNNING else Status.NOT_RUN)

    def _repr_pretty_(self, printer: Printer, _: bool) -> None:
        """Say in IPython what it is, on one line, and not all that it holds."""
        printer.text(f"<run {self.run}: {self.status}>")

    @property
    def seconds(self) -> float | None:
        """How long the run took, or None before its end."""
        if self.started is None or self.ended is None:
            return None
        return (self.ended - self.started) / 1000
