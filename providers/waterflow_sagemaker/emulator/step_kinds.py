"""What the steps of a pipeline do: the jobs and requests that each type stands for."""

from __future__ import annotations

import json
import secrets
import string
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from waterflow.emulation.errors import ServiceError
from waterflow_sagemaker.definition.document import OUTPUT_TYPES, objects
from waterflow_sagemaker.definition.parameters import from_text
from waterflow_sagemaker.emulator.errors import check, invalid, missing

if TYPE_CHECKING:
    from collections.abc import Callable

    from waterflow_sagemaker.emulator.services import Services

FAULTS: Final = {
    "ThrottlingException": "Step.THROTTLING",
    "Throttling": "Step.THROTTLING",
    "TooManyRequestsException": "Step.THROTTLING",
    "InternalFailure": "Step.SERVICE_FAULT",
    "InternalServerException": "Step.SERVICE_FAULT",
    "ServiceUnavailable": "Step.SERVICE_FAULT",
    "ResourceLimitExceeded": "SageMaker.RESOURCE_LIMIT",
}
"""Error code of a create call -> exception type of a retry policy."""

REASONS: Final = {
    "CapacityError": "SageMaker.CAPACITY_ERROR",
    "InternalServerError": "SageMaker.JOB_INTERNAL_ERROR",
    "ResourceLimitExceeded": "SageMaker.RESOURCE_LIMIT",
}
"""How a job's FailureReason begins -> exception type of a retry policy."""

_NAME_LIMIT: Final = 63
_SUFFIX: Final = 10
_CHARACTERS: Final = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Work:
    """One attempt at a step.

    Attributes:
        step: The step's name.
        name: The name of what the attempt makes: a job, a model.
        arguments: The step's arguments, resolved.
        execution: The execution's ARN.
        role: The pipeline's role.
        source: The step's object: a callback step's queue stands beside its arguments.
    """

    step: str
    name: str
    arguments: dict[str, Any]
    execution: str
    role: str
    source: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Ending:
    """How an attempt ended.

    Attributes:
        status: "Succeeded", "Failed" or "Stopped".
        outputs: What later steps may refer to: what Describe answers.
        metadata: What ListPipelineExecutionSteps shows of it.
        reason: Why it failed.
        fault: The exception type of a retry policy that it is, if any.
    """

    status: str
    outputs: dict[str, Any] = field(default_factory=dict[str, Any])
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    reason: str = ""
    fault: str | None = None


class StepKind(Protocol):
    """A type of step that asks another part of the service to do something."""

    def start(self, work: Work, on_end: Callable[[Ending], None]) -> dict[str, Any]:
        """Start an attempt, and return its metadata; `on_end` is called once, from any thread."""
        ...

    def stop(self, work: Work, metadata: dict[str, Any]) -> None:
        """Ask a running attempt to stop."""
        ...


class Jobs(Protocol):
    """What the engine needs of the part that runs jobs."""

    def start(
        self, kind: str, request: dict[str, Any], on_end: Callable[[dict[str, Any]], None]
    ) -> str:
        """Start a job and return its ARN; `on_end` gets its description at a final status."""
        ...

    def stop(self, kind: str, name: str) -> None:
        """Ask a job to stop."""
        ...


def job_name(step: str, execution: str, prefix: str = "pipelines") -> str:
    """Return a new name for what an attempt makes: pipelines-<execution>-<step>-<random>.

    Args:
        step: The step's name; cut so that the whole has at most 63 characters.
        execution: The execution's id.
        prefix: What the name begins with.
    """
    head = f"{prefix}-{execution}-{step}".replace("_", "-")
    tail = "".join(secrets.choice(_CHARACTERS) for _ in range(_SUFFIX))
    return f"{head[: _NAME_LIMIT - _SUFFIX - 1].rstrip('-')}-{tail}"


def plain(value: Any) -> Any:
    """Return an answer of the service as plain JSON, its timestamps in ISO 8601."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in cast("dict[Any, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in cast("list[Any]", value)]
    return value.isoformat() if isinstance(value, datetime) else value


class JobKind:
    """A processing or training step.

    Args:
        kind: "Processing" or "Training".
        jobs: What runs jobs.
    """

    def __init__(self, kind: str, jobs: Jobs) -> None:
        self.kind, self._jobs = kind, jobs

    def start(self, work: Work, on_end: Callable[[Ending], None]) -> dict[str, Any]:
        """Start the job."""
        request = {"RoleArn": work.role} | work.arguments | {f"{self.kind}JobName": work.name}
        check(f"Create{self.kind}Job", request)

        def ended(description: dict[str, Any]) -> None:
            on_end(self._ending(plain(description)))

        arn = self._jobs.start(self.kind.lower(), request, ended)
        return {f"{self.kind}Job": {"Arn": arn}}

    def _ending(self, description: dict[str, Any]) -> Ending:
        status = description[f"{self.kind}JobStatus"]
        metadata = {f"{self.kind}Job": {"Arn": description[f"{self.kind}JobArn"]}}
        if status == "Completed":
            return Ending("Succeeded", description, metadata)
        reason = description.get("FailureReason", "")
        if status == "Stopped":
            return Ending("Stopped", description, metadata, reason)
        return Ending("Failed", description, metadata, f"ClientError: {reason}", job_fault(reason))

    def stop(self, work: Work, metadata: dict[str, Any]) -> None:  # noqa: ARG002  # StepKind's
        """Stop the job; one that has just ended needs none."""
        try:
            self._jobs.stop(self.kind.lower(), work.name)
        except ServiceError as error:
            if error.code != "ValidationException":
                raise


def job_fault(reason: str) -> str | None:
    """Return the exception type that a job's FailureReason stands for."""
    for text, fault in REASONS.items():
        if reason.startswith(text) or fault in reason:
            return fault
    return None


class ModelKind:
    """A step that makes a model; and, as `RegisterModel`, a model package.

    Args:
        services: Where the model is made.
        package: Whether it is a model package.
    """

    def __init__(self, services: Services, *, package: bool) -> None:
        self._services, self._package = services, package

    def start(self, work: Work, on_end: Callable[[Ending], None]) -> dict[str, Any]:
        """Make it, and end."""
        from botocore.exceptions import ClientError, ParamValidationError

        try:
            arn, outputs = self._register(work) if self._package else self._create(work)
        except ClientError as error:
            refusal: dict[str, Any] = cast("Any", error.response)["Error"]
            raise ServiceError(refusal["Code"], refusal["Message"]) from error
        except ParamValidationError as error:
            raise invalid(str(error)) from error
        metadata = {"RegisterModel" if self._package else "Model": {"Arn": arn}}
        on_end(Ending("Succeeded", plain(outputs), metadata))
        return metadata

    def stop(self, work: Work, metadata: dict[str, Any]) -> None:
        """Do nothing: the step is over when it was started."""

    def _create(self, work: Work) -> tuple[str, dict[str, Any]]:
        client = self._services.client("sagemaker")
        request = {"ExecutionRoleArn": work.role} | work.arguments | {"ModelName": work.name}
        arn = client.create_model(**request)["ModelArn"]
        return arn, _body(client.describe_model(ModelName=work.name))

    def _register(self, work: Work) -> tuple[str, dict[str, Any]]:
        from botocore.exceptions import ClientError

        client = self._services.client("sagemaker")
        request, group = work.arguments, work.arguments.get("ModelPackageGroupName")
        if group is None:
            # The service names a package of no group after the execution and the step
            # (test_model_steps.py of AWS's SDK); a name of its own is a prefix, as of a job's.
            request = request | {"ModelPackageName": work.name}
        else:
            # The service makes the group of a RegisterModel step when there is none.
            try:
                client.describe_model_package_group(ModelPackageGroupName=group)
            except ClientError:
                client.create_model_package_group(ModelPackageGroupName=group)
        arn = client.create_model_package(**request)["ModelPackageArn"]
        return arn, _body(client.describe_model_package(ModelPackageName=arn))


def _body(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


class CallbackKind:
    """A step that sends a message and waits for what it is answered.

    Args:
        services: Where the queue is.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._waiting: dict[str, tuple[Work, Callable[[Ending], None]]] = {}

    def start(self, work: Work, on_end: Callable[[Ending], None]) -> dict[str, Any]:
        """Send the message with a new token."""
        token = "".join(secrets.choice(_CHARACTERS) for _ in range(_SUFFIX))
        self._waiting[token] = (work, on_end)
        self._send(work, token, "Executing")
        return self._metadata(work, token)

    def stop(self, work: Work, metadata: dict[str, Any]) -> None:
        """Send a second message; the step waits on, as the service's does."""
        self._send(work, metadata["Callback"]["CallbackToken"], "Stopping")

    def answer(self, token: str, outputs: dict[str, str] | None, reason: str = "") -> str:
        """End the step that waits with this token.

        Args:
            token: The token of its message.
            outputs: Its output parameters; None when it failed.
            reason: Why it failed.

        Returns:
            The ARN of its execution.

        Raises:
            ServiceError: No step waits with this token.
        """
        if token not in self._waiting:
            raise missing(f"No step is waiting for callback token {token}.")
        work, on_end = self._waiting.pop(token)
        metadata = self._metadata(work, token)
        if outputs is None:
            on_end(Ending("Failed", {}, metadata, reason))
        else:
            metadata["Callback"]["OutputParameters"] = [
                {"Name": name, "Value": value} for name, value in outputs.items()
            ]
            try:
                typed = _typed(work.source, outputs)
            except ValueError as error:
                on_end(Ending("Failed", {}, metadata, f"ClientError: {error}"))
            else:
                on_end(Ending("Succeeded", {"OutputParameters": typed}, metadata))
        return work.execution

    def _metadata(self, work: Work, token: str) -> dict[str, Any]:
        return {"Callback": {"CallbackToken": token, "SqsQueueUrl": work.source["SqsQueueUrl"]}}

    def _send(self, work: Work, token: str, status: str) -> None:
        body = {
            "token": token,
            "pipelineExecutionArn": work.execution,
            "status": status,
            "arguments": work.arguments,
        }
        queue = work.source["SqsQueueUrl"]
        self._services.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(body))


def _typed(source: dict[str, Any], outputs: dict[str, str]) -> dict[str, Any]:
    """Return output parameters as of the types that a step declares; others are texts.

    Raises:
        ValueError: A text is no value of its type.
    """
    declared = {
        str(one.get("OutputName")): str(one.get("OutputType", OUTPUT_TYPES[0]))
        for one in objects(source.get("OutputParameters"))
    }
    typed: dict[str, Any] = {}
    for name, raw in outputs.items():
        try:
            typed[name] = from_text(declared.get(name, OUTPUT_TYPES[0]), raw)
        except ValueError as error:
            raise ValueError(f"output parameter '{name}': {error}") from None
    return typed
