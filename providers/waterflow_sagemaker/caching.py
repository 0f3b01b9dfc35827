"""SageMaker's rule of step caching: which arguments it looks at, and how a result's age is told.

https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-caching.html
"""

from __future__ import annotations

import re
from typing import Final

KEYS: Final = {
    "Processing": ("AppSpecification", "Environment", "ProcessingInputs"),
    "Training": (
        "AlgorithmSpecification", "CheckpointConfig", "DebugHookConfig",
        "DebugRuleConfigurations", "Environment", "HyperParameters", "InputDataConfig",
    ),
}  # fmt: skip
"""Type of a step -> the arguments that two runs of it must share:
https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-default-keys.html"""

_DURATION: Final = re.compile(
    r"P?(?:(?P<y>\d+)Y)?(?:(?P<mo>\d+)M)?(?:(?P<w>\d+)W)?(?:(?P<d>\d+)D)?"
    r"(?:T(?:(?P<h>\d+)H)?(?:(?P<m>\d+)M)?(?:(?P<s>\d+)S)?)?",
    re.IGNORECASE,
)
_DAY: Final = 86400
_UNITS: Final = {
    "y": 365 * _DAY,
    "mo": 30 * _DAY,
    "w": 7 * _DAY,
    "d": _DAY,
    "h": 3600,
    "m": 60,
    "s": 1,
}


def duration(text: str) -> float:
    """Read an ISO 8601 duration, with or without its P: `P30D`, `30dT5h`, `T16m`.

    By https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-caching-enabling.html values are
    whole numbers with the letter of a unit behind each, so `PT1.5S` is none.

    Args:
        text: The duration.

    Returns:
        Seconds.

    Raises:
        ValueError: It is none.
    """
    match = _DURATION.fullmatch(text)
    parts = {unit: number for unit, number in match.groupdict().items() if number} if match else {}
    if not parts:
        raise ValueError(f"'{text}' is no ISO 8601 duration such as P30D or PT1H")
    return float(sum(int(value) * _UNITS[unit] for unit, value in parts.items()))
