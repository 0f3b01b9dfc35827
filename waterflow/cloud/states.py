"""A run's state, put together from what a cloud answers about its execution: pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from waterflow.provider.state import ItemCounts, RunState, Status, StepState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime


R = TypeVar("R", bound="NativeRun")


@dataclass(frozen=True)
class NativeStep:
    """One step of a native document: a step of the spec, or a condition of its own.

    A step of the spec that stands behind several gates may be there several times.

    Attributes:
        name: Its native name.
        step: The spec's step that it runs; None for a condition.
        gate: The spec's gate that it decides; None for a step.
        chain: The sides of conditions on which it stands, outermost first: native name and side.
        needs: Groups of native steps before it: it is skipped when of one group all are. Where a
            step waits for one of several by itself; a cloud that has a copy of it for each lacks
            such groups.
        image: The image that its job runs in; "" for a step that is no job.
    """

    name: str
    step: str | None
    gate: str | None = None
    chain: tuple[tuple[str, bool], ...] = ()
    needs: tuple[tuple[str, ...], ...] = ()
    image: str = ""


@dataclass(frozen=True)
class NativeRun:
    """One native step of an execution, as the cloud tells it.

    Attributes:
        native: Its native name.
        status: What it is.
        job: The name of the job that did the work, be it of an earlier execution; "" for none.
        kind: The cloud's kind of that job; "" for a step that is no job.
        origin: The short id of the execution whose result it has: its own, unless it is cached.
        outcome: For a condition: whether it held; None before.
        started: Milliseconds since the epoch.
        ended: Milliseconds since the epoch.
        failure: The cloud's own words.
        parts: The jobs that it is made of, where it has several: one for each item of a map.
        items: Of a map with a job for each item, how far it has come.
    """

    native: str
    status: Status
    job: str = ""
    kind: str = ""
    origin: str = ""
    outcome: bool | None = None
    started: int | None = None
    ended: int | None = None
    failure: str | None = None
    parts: tuple[NativeRun, ...] = ()
    items: ItemCounts | None = None

    @property
    def jobs(self) -> tuple[NativeRun, ...]:
        """The jobs that it is made of, in the order in which they began; itself, if it is one."""
        return self.parts or (self,)


def joined(native: str, runs: Sequence[R], *, over: bool = True) -> R:
    """Return one step of those that it is made of: of the first that went wrong, or of the last.

    Args:
        native: The step's native name.
        runs: What it is made of, in their order; what they are made of in their place.
        over: Whether nothing more of it is to come once all of these have ended.
    """
    parts = tuple(part for run in runs for part in run.jobs)
    bad = [run for run in runs if run.status in (Status.FAILED, Status.CANCELLED)]
    bad.sort(key=lambda run: run.status is not Status.FAILED)
    chosen = next(iter(bad), runs[-1])
    status = chosen.status
    if any(not run.status.final for run in runs) or not (over or bad):
        status = Status.RUNNING
        if all(run.status is Status.PENDING for run in runs):
            status = Status.PENDING
    elif not bad and {run.status for run in runs} - {Status.CACHED} == {Status.SUCCEEDED}:
        status = Status.SUCCEEDED
    return replace(
        chosen,
        native=native,
        status=status,
        started=min((run.started for run in parts if run.started is not None), default=None),
        ended=chosen.ended if status.final else None,
        failure=chosen.failure if status is Status.FAILED else None,
        parts=parts if len(parts) > 1 else (),
    )


@dataclass(frozen=True)
class Outcome:
    """What an execution as a whole is.

    Attributes:
        status: Its status.
        stopping: Whether it is being stopped.
        started: Milliseconds since the epoch.
        changed: When that was last so, in milliseconds since the epoch.
        failure: The cloud's own words for why it failed.
    """

    status: Status
    stopping: bool = False
    started: int | None = None
    changed: int | None = None
    failure: str | None = None


def milliseconds(moment: datetime | None) -> int | None:
    """Return a moment in milliseconds since the epoch."""
    return None if moment is None else int(moment.timestamp() * 1000)


def run_state(
    run_id: str,
    pipeline: str,
    steps: Iterable[str],
    natives: Mapping[str, NativeStep],
    runs: Mapping[str, NativeRun],
    links: Mapping[str, str | None],
) -> RunState:
    """Return the state of a run's steps; the run itself is as `conclude` says.

    Args:
        run_id: The run's id.
        pipeline: The pipeline's name.
        steps: The spec's steps, in its order.
        natives: The native document's steps, by native name.
        runs: What the cloud tells of them, by native name.
        links: Where jobs can be looked at, by native name.
    """
    outcomes = {name: run.outcome for name, run in runs.items()}
    copies: dict[str, list[NativeStep]] = {}
    for native in natives.values():
        if native.step is not None:
            copies.setdefault(native.step, []).append(native)
    state = RunState(run=run_id, pipeline=pipeline, status=Status.PENDING)
    for name in steps:
        started = next((runs[n.name] for n in copies.get(name, ()) if n.name in runs), None)
        if started is not None:
            state.steps[name] = _step_state(name, started, links.get(started.native))
            continue
        excluded = all(
            any(outcomes.get(gate) not in (None, side) for gate, side in native.chain)
            for native in copies.get(name, ())
        )
        status = Status.SKIPPED if excluded else Status.PENDING
        state.steps[name] = StepState(name=name, status=status)
    if runs:
        state.status = Status.RUNNING
    return state


def _step_state(name: str, run: NativeRun, link: str | None) -> StepState:
    return StepState(
        name=name,
        status=run.status,
        attempt=0 if run.status is Status.CACHED else 1,
        started=run.started,
        ended=run.ended if run.status.final else None,
        error=run.failure if run.status is Status.FAILED else None,
        job=run.job or None,
        url=link,
        items=run.items,
    )


def conclude(state: RunState, outcome: Outcome) -> bool:
    """Add what the cloud tells of the execution as a whole; say whether it has ended."""
    state.started = outcome.started
    if outcome.status is Status.FAILED:
        state.error = outcome.failure
    if outcome.status.final:
        ends = [step.ended for step in state.steps.values() if step.ended is not None]
        changed = [] if outcome.changed is None else [outcome.changed]
        state.ended = max([*ends, *changed], default=None)
    if not state.status.final:
        state.status = Status.RUNNING
    state.move(outcome.status)
    return outcome.status.final
