"""What SageMaker answers about pipelines and executions, read: pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from waterflow.cloud.states import NativeRun, milliseconds
from waterflow.provider.state import Status
from waterflow_sagemaker import limits

if TYPE_CHECKING:
    from collections.abc import Mapping

_STEP: Final = {
    "Starting": Status.RUNNING,
    "Executing": Status.RUNNING,
    "Stopping": Status.RUNNING,
    "Stopped": Status.CANCELLED,
    "Failed": Status.FAILED,
    "Succeeded": Status.SUCCEEDED,
}
_JOB: Final = re.compile(r"pipelines-([a-z0-9]+)-")
"""What the names of pipelines' jobs begin with: the short id of their execution."""
PAGES: Final = {"ProcessingJob": "processing-jobs", "TrainingJob": "jobs"}
"""Kind of a job -> its page in the console."""
_DESCRIBED: Final = re.compile(r"waterflow run (?P<run>\S+)(?P<resumed>(?:, resumed as \S+)*)")


def native_run(step: Mapping[str, Any], execution: str) -> NativeRun:
    """Read one entry of ListPipelineExecutionSteps.

    Args:
        step: The entry.
        execution: The short id of the execution.
    """
    metadata: Mapping[str, Any] = step.get("Metadata") or {}
    status = _STEP[step["StepStatus"]]
    job, kind = "", ""
    for name in PAGES:
        if name in metadata:
            job, kind = str(metadata[name]["Arn"]).rpartition("/")[2], name
    hit = step.get("CacheHitResult")
    origin = execution
    if hit:
        status = Status.CACHED if status is Status.SUCCEEDED else status
        origin = str(hit["SourcePipelineExecutionArn"]).rpartition("/")[2]
    named = _JOB.match(job)
    if named is not None:
        origin = named[1]  # a result may have come through several executions
    outcome = (metadata.get("Condition") or {}).get("Outcome")
    return NativeRun(
        native=step["StepName"],
        status=status,
        job=job,
        kind=kind,
        origin=origin,
        outcome=None if outcome is None else str(outcome).lower() == "true",
        started=milliseconds(step.get("StartTime")),
        ended=milliseconds(step.get("EndTime")),
        failure=step.get("FailureReason"),
    )


def run_ids(execution: str, description: str) -> tuple[str, ...]:
    """Return the ids under which an execution is known, the latest first.

    Args:
        execution: Its ARN.
        description: Its description; a schedule gives it none, and its id is the execution's.
    """
    described = _DESCRIBED.fullmatch(description)
    if described is None:
        return (execution.rpartition("/")[2],)
    later = described["resumed"].split(", resumed as ")[1:]
    return (*reversed(later), described["run"])


def display_name(run_id: str) -> str:
    """Return how a run's execution is called in the console."""
    return re.sub(r"[^A-Za-z0-9]+", "-", run_id)[: limits.DISPLAY_NAME.most].strip("-") or "run"


def is_same(pipeline: Mapping[str, Any], request: Mapping[str, Any]) -> bool:
    """Say whether a pipeline is what a request would make of it.

    Args:
        pipeline: What DescribePipeline answers.
        request: What UpdatePipeline would be asked.
    """
    return (
        json.loads(pipeline["PipelineDefinition"]) == json.loads(request["PipelineDefinition"])
        and pipeline["RoleArn"] == request["RoleArn"]
        and pipeline.get("ParallelismConfiguration") == request.get("ParallelismConfiguration")
    )
