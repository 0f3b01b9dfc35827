"""A run's state, put together from what SageMaker answers: pure, for any pipeline of ours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from waterflow.provider.state import RunState, Status, StepState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

_STEP: Final = {
    "Starting": Status.RUNNING,
    "Executing": Status.RUNNING,
    "Stopping": Status.RUNNING,
    "Stopped": Status.CANCELLED,
    "Failed": Status.FAILED,
    "Succeeded": Status.SUCCEEDED,
}
_RUN: Final = {
    "Executing": Status.RUNNING,
    "Stopping": Status.RUNNING,
    "Stopped": Status.CANCELLED,
    "Failed": Status.FAILED,
    "CompletedWithFailures": Status.FAILED,
    "Succeeded": Status.SUCCEEDED,
}
_JOB: Final = re.compile(r"pipelines-([a-z0-9]+)-")
_JOBS: Final = {"ProcessingJob": "processing-jobs", "TrainingJob": "jobs"}


@dataclass(frozen=True)
class NativeStep:
    """One step of a pipeline definition.

    Attributes:
        name: Its native name.
        step: The spec's step that it runs; None for a condition.
        chain: The sides of conditions on which it stands, outermost first: name and side.
    """

    name: str
    step: str | None
    chain: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class StepRun:
    """One native step of an execution, as SageMaker lists it.

    Attributes:
        native: Its native name.
        status: What it is.
        job: The name of the job that did the work, be it of an earlier execution.
        job_type: "ProcessingJob", "TrainingJob", or "" for a step that is no job.
        origin: The id of the execution whose result it has: its own, unless it is cached.
        outcome: For a condition: whether it held; None before.
        started: Milliseconds since the epoch.
        ended: Milliseconds since the epoch.
        failure: SageMaker's own words.
    """

    native: str
    status: Status
    job: str
    job_type: str
    origin: str
    outcome: bool | None
    started: int | None
    ended: int | None
    failure: str | None


def native_steps(definition: Mapping[str, Any]) -> dict[str, NativeStep]:
    """Return all steps of a definition by native name, those inside conditions included."""
    known: dict[str, str] = definition["Metadata"]["waterflow"]["steps"]
    found: dict[str, NativeStep] = {}

    def walk(steps: Iterable[Mapping[str, Any]], chain: tuple[tuple[str, bool], ...]) -> None:
        for step in steps:
            name = str(step["Name"])
            found[name] = NativeStep(name, known.get(name), chain)
            if step["Type"] == "Condition":
                walk(step["Arguments"].get("IfSteps", ()), (*chain, (name, True)))
                walk(step["Arguments"].get("ElseSteps", ()), (*chain, (name, False)))

    walk(definition["Steps"], ())
    return found


def step_run(listed: Mapping[str, Any], execution: str) -> StepRun:
    """Read one entry of ListPipelineExecutionSteps.

    Args:
        listed: The entry.
        execution: The id of the execution.
    """
    metadata: Mapping[str, Any] = listed.get("Metadata") or {}
    status = _STEP[listed["StepStatus"]]
    job, job_type = "", ""
    for kind in _JOBS:
        if kind in metadata:
            job, job_type = str(metadata[kind]["Arn"]).rpartition("/")[2], kind
    cached = listed.get("CacheHitResult")
    origin = execution
    if cached:
        status = Status.CACHED if status is Status.SUCCEEDED else status
        origin = str(cached["SourcePipelineExecutionArn"]).rpartition("/")[2]
    named = _JOB.match(job)
    if named is not None:
        origin = named[1]  # a result may have come through several executions
    outcome = (metadata.get("Condition") or {}).get("Outcome")
    return StepRun(
        native=listed["StepName"],
        status=status,
        job=job,
        job_type=job_type,
        origin=origin,
        outcome=None if outcome is None else str(outcome).lower() == "true",
        started=milliseconds(listed.get("StartTime")),
        ended=milliseconds(listed.get("EndTime")),
        failure=listed.get("FailureReason"),
    )


def milliseconds(moment: datetime | None) -> int | None:
    """Return a moment in milliseconds since the epoch."""
    return None if moment is None else int(moment.timestamp() * 1000)


def run_state(
    run_id: str,
    pipeline: str,
    steps: Iterable[str],
    natives: Mapping[str, NativeStep],
    listed: Mapping[str, StepRun],
    region: str,
) -> RunState:
    """Return the state of a run's steps; the run itself is as `conclude` says.

    Args:
        run_id: The run's id.
        pipeline: The pipeline's name.
        steps: The spec's steps, in its order.
        natives: The definition's steps.
        listed: What SageMaker lists, by native name.
        region: The AWS region, for links.
    """
    outcomes = {name: found.outcome for name, found in listed.items()}
    copies: dict[str, list[NativeStep]] = {}
    for native in natives.values():
        if native.step is not None:
            copies.setdefault(native.step, []).append(native)
    state = RunState(run=run_id, pipeline=pipeline, status=Status.PENDING)
    for name in steps:
        started = next((listed[n.name] for n in copies.get(name, ()) if n.name in listed), None)
        if started is not None:
            state.steps[name] = _step_state(name, started, region)
            continue
        out = all(
            any(outcomes.get(gate) not in (None, side) for gate, side in native.chain)
            for native in copies.get(name, ())
        )
        state.steps[name] = StepState(name=name, status=Status.SKIPPED if out else Status.PENDING)
    if listed:
        state.status = Status.RUNNING
    return state


def _step_state(name: str, found: StepRun, region: str) -> StepState:
    link = None
    if found.job_type:
        link = (
            f"https://{region}.console.aws.amazon.com/sagemaker/home?region={region}"
            f"#/{_JOBS[found.job_type]}/{found.job}"
        )
    return StepState(
        name=name,
        status=found.status,
        attempt=0 if found.status is Status.CACHED else 1,
        started=found.started,
        ended=found.ended if found.status.final else None,
        error=found.failure if found.status is Status.FAILED else None,
        job=found.job or None,
        url=link,
    )


def conclude(state: RunState, described: Mapping[str, Any]) -> bool:
    """Add what DescribePipelineExecution tells of the run as a whole; say whether it has ended."""
    status = _RUN[described["PipelineExecutionStatus"]]
    state.started = milliseconds(described.get("CreationTime"))
    if status is Status.FAILED:
        state.error = described.get("FailureReason")
    if status.final:
        ends = [step.ended for step in state.steps.values() if step.ended is not None]
        changed = milliseconds(described.get("LastModifiedTime"))
        state.ended = max([*ends, *([changed] if changed else [])], default=None)
    if not state.status.final:
        state.status = Status.RUNNING
    state.move(status)
    return status.final
