"""Retry policies of steps: whether a failed attempt is made again, and after how long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from waterflow_sagemaker.definition.document import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from waterflow.emulation.errors import ServiceError

AUTOMATIC: Final = RetryPolicy(("Step.SERVICE_FAULT", "Step.THROTTLING"), attempts=5)
"""What the service retries by itself, without a policy that says otherwise.

https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-retry-policy.html
"""

_OPERATIONS: Final = {
    "Processing": "CreateProcessingJob",
    "Training": "CreateTrainingJob",
    "Model": "CreateModel",
    "RegisterModel": "CreateModelPackage",
    "Callback": "SendMessage",
}


class Retries:
    """The retries of one step in one execution.

    Args:
        policies: The step's policies; the first that names an exception type rules it.
        scale: What waits are multiplied with.
    """

    def __init__(self, policies: Sequence[RetryPolicy], scale: float) -> None:
        self._policies, self._scale = (*policies, AUTOMATIC), scale
        self._attempts: dict[int, int] = {}
        self._waited = 0.0

    def wait(self, fault: str, since: float) -> float | None:
        """Return how long to wait before another attempt; None when there is to be none.

        Args:
            fault: The exception type that the attempt ended with.
            since: How long ago the step started, in seconds.
        """
        for index, policy in enumerate(self._policies):
            if fault not in policy.exceptions:
                continue
            before = self._attempts.get(index, 0)
            interval = policy.interval * policy.backoff**before
            if policy.attempts is not None and before >= policy.attempts:
                return None
            # Scaled waits count in full, so that a policy makes as many attempts as in the cloud.
            passed = since + self._waited * (1 - self._scale)
            if policy.minutes is not None and passed + interval > policy.minutes * 60:
                return None
            self._attempts[index] = before + 1
            self._waited += interval
            return interval * self._scale
        return None


def refusal(kind: str, error: ServiceError, execution: str, step: str, fault: str | None) -> str:
    """Return a step's FailureReason when what it stands for was refused.

    Args:
        kind: The step's type.
        error: The refusal.
        execution: The execution's ARN.
        step: The step's name.
        fault: The exception type that it is, if no policy of the step names it.
    """
    operation = f"sagemaker:{_OPERATIONS[kind]}" if kind != "Callback" else "sqs:SendMessage"
    text = f"ClientError: Failed to invoke {operation}. Error Details: {error.message}"
    if fault is None:
        return text
    name = fault.upper().replace(".", "_")
    return (
        f"{text}\nRetry not appropriate on execution of step with PipelineExecutionArn "
        f"{execution} and StepId {step}. No retry policy configured for the exception type {name}."
    )
