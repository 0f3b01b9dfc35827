"""The toy cloud's limits: what, how many, and where that is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from waterflow.provider import Limit

if TYPE_CHECKING:
    from waterflow.cloud.document import CloudDocument

SOURCE: Final = "the docstring of waterflow_toycloud.emulator"
STEPS: Final = 500
PARAMETER: Final = 4096
"""Characters of a parameter's text."""
HOSTS: Final = 4
"""Machines of one job."""


def used(document: CloudDocument) -> list[Limit]:
    """Return how much of the limits a pipeline uses."""
    definition = document.definition
    return [
        Limit(what="steps", used=len(definition["steps"]), most=STEPS),
        Limit(
            what="hosts of a job",
            used=max((one["job"].get("hosts", 1) for one in definition["steps"] if "job" in one),
                     default=0),
            most=HOSTS,
        ),
    ]  # fmt: skip
