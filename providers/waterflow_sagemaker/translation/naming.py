"""Names as SageMaker takes them: of pipelines, of steps, and of the values conditions read."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

STEP_LENGTH: Final = 64
"""https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_PipelineExecutionStep.html"""
PIPELINE_LENGTH: Final = 256
"""https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreatePipeline.html"""
EXPERIMENT_LENGTH: Final = 120
"""https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateExperiment.html"""
SCHEDULE_LENGTH: Final = 64
"""Of a schedule's and of a group's name:
https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html"""
REGISTERED_AT: Final = "WATERFLOW_RUN_STARTED"
"""The variable that tells register steps when the run began; other steps have none."""

S3_SCHEMES: Final = ("s3", "s3a")
"""Schemes of addresses in S3."""

_OUTSIDE: Final = re.compile(r"[^A-Za-z0-9]+")
_OUTSIDE_SCHEDULES: Final = re.compile(r"[^0-9a-zA-Z\-_.]")
_DIGEST: Final = 8


def pipeline_name(prefix: str, pipeline: str) -> str:
    """Return the name under which a pipeline stands in SageMaker; the same for every version."""
    return entity(f"{prefix}-{pipeline}", PIPELINE_LENGTH)


def entity(text: str, length: int) -> str:
    """Return text as a name of letters, digits and single hyphens.

    Args:
        text: Any text.
        length: The most characters; a longer name keeps its start and ends in a digest.
    """
    name = _OUTSIDE.sub("-", text).strip("-") or "x"
    if len(name) <= length:
        return name
    mark = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST]
    return f"{name[: length - _DIGEST - 1].rstrip('-')}-{mark}"


def schedule(text: str) -> str:
    """Return text as a name that EventBridge Scheduler takes; a long one ends in its digest."""
    plain = _OUTSIDE_SCHEDULES.sub("-", text)
    if len(plain) <= SCHEDULE_LENGTH:
        return plain
    mark = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST]
    return f"{plain[: SCHEDULE_LENGTH - _DIGEST - 1]}-{mark}"


def schedule_group(prefix: str) -> str:
    """Return the name of the group that holds the schedules of a profile's prefix."""
    return schedule(prefix if prefix == "waterflow" else f"waterflow-{prefix}")


def s3_entry(uri: str) -> str:
    """Return the name of what an address in S3 names; a key is taken as it is written.

    Args:
        uri: `s3://bucket`, `s3://bucket/key` or `s3://bucket/prefix/`.
    """
    bucket, _, key = uri.partition("://")[2].partition("/")
    return key.rstrip("/").rpartition("/")[2] or bucket


class Names:
    """Gives out names of steps, no name twice: a further copy's ends in `-2`, `-3` and so on."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, text: str) -> str:
        """Return a name for something that is called `text`, that nothing else has."""
        # Job names are made of step names, and hold no underscores.
        base = entity(text, STEP_LENGTH)
        name, number = base, 1
        while name in self._taken:
            number += 1
            end = f"-{number}"
            name = base[: STEP_LENGTH - len(end)].rstrip("-") + end
        self._taken.add(name)
        return name


def value_keys(names: Iterable[str], metrics: Iterable[str] = ()) -> dict[str, str]:
    """Return the key of each value in a property file, or its name among a job's metrics.

    Args:
        names: `output` or `output.key`, as the runtime is asked for them.
        metrics: Names that the job's own metrics have, which no key gets.
    """
    found: dict[str, str] = {}
    taken = set(metrics)
    for name in sorted(names):
        base = re.sub(r"[^A-Za-z0-9_]", "_", name)
        key, number = base, 1
        while key in taken:
            number += 1
            key = f"{base}_{number}"
        taken.add(key)
        found[name] = key
    return found
