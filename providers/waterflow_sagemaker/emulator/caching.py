"""Step caching by the service's rule: former results, and what makes two runs the same."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from waterflow_sagemaker.caching import KEYS


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

    def find(self, pipeline: str, step: str, digest: str, since: float) -> Hit | None:
        """Return the most recent result of the same work that is not too old.

        Args:
            pipeline: The pipeline's name: no other pipeline's results serve.
            step: The step's name.
            digest: Its key.
            since: Nothing older than this is taken, in seconds since the epoch.
        """
        hits = self._hits.get(f"{pipeline}/{step}", [])
        fresh = [hit for hit in hits if hit.key == digest and hit.time >= since]
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
