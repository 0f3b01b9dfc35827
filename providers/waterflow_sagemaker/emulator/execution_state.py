"""What is known of one pipeline execution and its steps, and how the service shows it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final

from waterflow.emulation.clock import moment

OPEN: Final = frozenset({"Starting", "Executing", "Stopping"})
STEP_FAILED: Final = "Step failure: One or multiple steps failed."


@dataclass
class ExecutionStep:
    """One step of an execution, from its start on.

    Attributes:
        name: The step.
        status: Its status, as the service names it.
        started: When, in seconds since the epoch.
        ended: When.
        attempts: How many attempts there were; none when a former result was taken.
        reason: Why it failed.
        metadata: What the service shows of what it made.
        outputs: What other steps may refer to.
        cached: The ARN of the execution whose result was taken.
    """

    name: str
    status: str
    started: float
    ended: float | None = None
    attempts: int = 0
    reason: str = ""
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    outputs: dict[str, Any] = field(default_factory=dict[str, Any])
    cached: str | None = None

    def shown(self, labels: dict[str, str]) -> dict[str, Any]:
        """Return the step as ListPipelineExecutionSteps does.

        Args:
            labels: Its display name and description.
        """
        row: dict[str, Any] = {
            "StepName": self.name,
            **labels,
            "StartTime": moment(self.started),
            "StepStatus": self.status,
            "AttemptCount": self.attempts,
            "Metadata": self.metadata,
        }
        if self.ended is not None:
            row["EndTime"] = moment(self.ended)
        if self.reason and self.status == "Failed":
            row["FailureReason"] = self.reason[:1024]
        if self.cached is not None:
            row["CacheHitResult"] = {"SourcePipelineExecutionArn": self.cached}
        return row


@dataclass
class Execution:
    """One execution.

    Attributes:
        id: 12 lower-case letters and digits.
        arn: Its ARN.
        pipeline: The pipeline's name.
        pipeline_arn: The pipeline's ARN.
        version: The version that it runs.
        definition: That version's document.
        role: The role of the pipeline when it was started.
        parameters: Name -> typed value.
        display_name: Its display name.
        created: When it was started, in seconds since the epoch.
        modified: When it last changed.
        description: Its description.
        status: Its status.
        reason: Why it failed.
        parallel: How many steps may run at a time; None for no limit.
        experiment: Experiment and trial, resolved.
        steps: The steps that were started, in that order.
        attempts_before: Attempts at steps that a retry of the execution will start again.
        mlflow: The MLflow server and experiment that its definition and its start name.
    """

    id: str
    arn: str
    pipeline: str
    pipeline_arn: str
    version: int
    definition: str
    role: str
    parameters: dict[str, Any]
    display_name: str
    created: float
    modified: float
    description: str | None = None
    status: str = "Executing"
    reason: str = ""
    parallel: int | None = None
    experiment: dict[str, Any] = field(default_factory=dict[str, Any])
    steps: dict[str, ExecutionStep] = field(default_factory=dict[str, ExecutionStep])
    attempts_before: dict[str, int] = field(default_factory=dict[str, int])
    mlflow: dict[str, Any] = field(default_factory=dict[str, Any])

    def shown(self) -> dict[str, Any]:
        """Return the execution as DescribePipelineExecution does."""
        description: dict[str, Any] = {
            "PipelineArn": self.pipeline_arn,
            "PipelineExecutionArn": self.arn,
            "PipelineExecutionDisplayName": self.display_name,
            "PipelineExecutionStatus": self.status,
            "CreationTime": moment(self.created),
            "LastModifiedTime": moment(self.modified),
            "CreatedBy": {},
            "LastModifiedBy": {},
            "PipelineVersionId": self.version,
            "RoleArn": self.role,
        }
        optional = {
            "PipelineExecutionDescription": self.description,
            "FailureReason": self.reason,
            "PipelineExperimentConfig": self.experiment,
            "MLflowConfig": self.mlflow,
        }
        description |= {key: value for key, value in optional.items() if value}
        if self.parallel is not None:
            description["ParallelismConfiguration"] = {"MaxParallelExecutionSteps": self.parallel}
        return description

    def summary(self) -> dict[str, Any]:
        """Return the execution as ListPipelineExecutions does."""
        row: dict[str, Any] = {
            "PipelineExecutionArn": self.arn,
            "StartTime": moment(self.created),
            "PipelineExecutionStatus": self.status,
            "PipelineExecutionDisplayName": self.display_name,
        }
        if self.description:
            row["PipelineExecutionDescription"] = self.description
        if self.reason:
            row["PipelineExecutionFailureReason"] = self.reason
        return row

    def snapshot(self) -> dict[str, Any]:
        """Return all of it as JSON."""
        return asdict(self)

    @classmethod
    def restored(cls, data: dict[str, Any]) -> Execution:
        """Return the execution of a snapshot; what ran then has failed, and can be retried."""
        steps = {name: ExecutionStep(**step) for name, step in data["steps"].items()}
        fields: dict[str, Any] = data | {"steps": steps}
        execution = cls(**fields)
        if execution.status in OPEN:
            execution.status, execution.reason = "Failed", STEP_FAILED
        for step in steps.values():
            if step.status in OPEN:
                step.status, step.ended = "Failed", execution.modified
                step.reason = "InternalServerError: the emulator was stopped while this step ran"
        return execution
