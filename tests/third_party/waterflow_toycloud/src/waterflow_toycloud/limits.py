"""The toy cloud's limits: one table, which the compiler, the checks and the plan read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from waterflow.cloud.limits import Bound, nearest

if TYPE_CHECKING:
    from waterflow.cloud.document import CloudDocument
    from waterflow.provider import Limit

_SOURCE: Final = "the docstring of waterflow_toycloud.emulator"
STEPS: Final = Bound(what="steps of a pipeline", most=500, unit="step", source=_SOURCE)
HOSTS: Final = Bound(what="hosts of a job", most=4, unit="host", source=_SOURCE)
PARAMETER: Final = Bound(
    what="characters of a parameter", most=4096, unit="character", source=_SOURCE
)
IMAGE: Final = Bound(
    what="characters of an image's name", most=255, unit="character", source=_SOURCE
)


def used(document: CloudDocument) -> list[Limit]:
    """Return how much of the limits a pipeline uses."""
    steps = document.definition["steps"]
    jobs = [(step["name"], step["job"]["hosts"]) for step in steps if "job" in step]
    return [STEPS.used(len(steps)), *nearest(HOSTS, jobs)]
