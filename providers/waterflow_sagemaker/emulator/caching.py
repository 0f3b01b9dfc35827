"""Step caching by the service's rule: what makes two runs of a step the same, and for how long."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from typing import Any, Final

KEYS: Final = {
    "Processing": ("AppSpecification", "Environment", "ProcessingInputs"),
    "Training": (
        "AlgorithmSpecification", "CheckpointConfig", "DebugHookConfig",
        "DebugRuleConfigurations", "Environment", "HyperParameters", "InputDataConfig",
    ),
}  # fmt: skip
"""https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-default-keys.html"""

_DURATION = re.compile(
    r"P?(?:(?P<y>\d+)Y)?(?:(?P<mo>\d+)M)?(?:(?P<w>\d+)W)?(?:(?P<d>\d+)D)?"
    r"(?:T(?:(?P<h>\d+)H)?(?:(?P<m>\d+)M)?(?:(?P<s>\d+)S)?)?",
    re.IGNORECASE,
)
_DAY = 86400
_UNITS = {"y": 365 * _DAY, "mo": 30 * _DAY, "w": 7 * _DAY, "d": _DAY, "h": 3600, "m": 60, "s": 1}


def duration(text: str) -> float:
    """Read an ISO 8601 duration, with or without its P: `P30D`, `30dT5h`, `T16m`.

    Returns:
        Seconds.

    Raises:
        ValueError: It is none.
    """
    found = _DURATION.fullmatch(text)
    parts = {k: v for k, v in found.groupdict().items() if v} if found else {}
    if not parts:
        raise ValueError(f"'{text}' is no ISO 8601 duration such as P30D or PT1H")
    return float(sum(int(value) * _UNITS[unit] for unit, value in parts.items()))


def key(kind: str, arguments: dict[str, Any]) -> str:
    """Return what identifies a step's work: a digest of the attributes that the service looks at.

    Args:
        kind: The step's type.
        arguments: Its arguments, resolved.
    """
    looked_at = {name: arguments.get(name) for name in KEYS[kind]}
    text = json.dumps(looked_at, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Hit:
    """A former result of a step.

    Attributes:
        key: What identifies its work.
        time: When it ended, in seconds since the epoch.
        execution: The ARN of the execution that did the work.
        metadata: The step's metadata there.
        outputs: What Describe answered for it.
    """

    key: str
    time: float
    execution: str
    metadata: dict[str, Any]
    outputs: dict[str, Any]


class Cache:
    """Successful results, by pipeline and step."""

    def __init__(self) -> None:
        self._hits: dict[str, list[Hit]] = {}

    def add(self, pipeline: str, step: str, hit: Hit) -> None:
        """Remember a successful result."""
        self._hits.setdefault(f"{pipeline}/{step}", []).append(hit)

    def find(self, pipeline: str, step: str, wanted: str, since: float) -> Hit | None:
        """Return the most recent result of the same work that is not too old.

        Args:
            pipeline: The pipeline's name: no other pipeline's results are looked at.
            step: The step's name.
            wanted: Its key.
            since: Nothing older than this is taken, in seconds since the epoch.
        """
        hits = self._hits.get(f"{pipeline}/{step}", [])
        fresh = [hit for hit in hits if hit.key == wanted and hit.time >= since]
        return max(fresh, key=lambda hit: hit.time, default=None)

    def forget(self, pipeline: str) -> None:
        """Drop a deleted pipeline's results."""
        for name in [name for name in self._hits if name.rpartition("/")[0] == pipeline]:
            del self._hits[name]

    def snapshot(self) -> dict[str, list[dict[str, Any]]]:
        """Return all results as JSON."""
        return {name: [asdict(hit) for hit in hits] for name, hits in self._hits.items()}

    def restore(self, data: dict[str, list[dict[str, Any]]]) -> None:
        """Take the results of a snapshot."""
        self._hits = {name: [Hit(**hit) for hit in hits] for name, hits in data.items()}
