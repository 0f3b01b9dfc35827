"""The bounds of what stands in a definition beside requests: the service's model has none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_RETRIES: Final = "https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-retry-policy.html"
_CREATE: Final = "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreatePipeline.html"
_START: Final = (
    "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StartPipelineExecution.html"
)
_PARAMETER: Final = "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Parameter.html"


@dataclass(frozen=True, slots=True)
class Bound:
    """How much there may be of something.

    Attributes:
        least: The least.
        most: The most; None for no bound.
        unit: What is counted.
        source: Where AWS says so.
    """

    least: int
    most: int | None
    unit: str
    source: str


BOUNDS: Final = {
    "Definition": Bound(1, 1024 * 1024, "characters", _CREATE),
    "Parameters": Bound(0, 200, "entries", _START),
    "Value": Bound(0, 1024, "characters", _PARAMETER),
    # The SDK has no bound for the interval, and takes no 0 for attempts: its own document does.
    "IntervalSeconds": Bound(0, 43_200, "seconds", _RETRIES),
    "BackoffRate": Bound(0, None, "times", _RETRIES),
    "MaxAttempts": Bound(0, 20, "attempts", _RETRIES),
    "ExpireAfterMin": Bound(0, 14_400, "minutes", _RETRIES),
}
"""Name -> bound: of a definition, its parameters, their values, members of retry policies."""

DEEPEST_CONDITION: Final = 100
"""Levels of conditions that are read; AWS names no bound, and nobody writes so many."""
