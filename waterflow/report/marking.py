"""What a run made of its steps, as marks on the picture of its pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from waterflow.graph import Mark
from waterflow.provider.state import Status
from waterflow.report.timeline import seconds
from waterflow.report.words import css, length_of_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from waterflow.provider.state import StepState
    from waterflow.report.data import Step


def marks(steps: Iterable[Step | StepState], now: int, *, links: bool = False) -> dict[str, Mark]:
    """Return what is told of each step.

    Args:
        steps: The step runs.
        now: Milliseconds since the epoch.
        links: Whether each leads to what a page tells of it.
    """
    known: dict[str, Mark] = {}
    for step in steps:
        took = None if step.status is Status.CACHED else seconds(step, now)
        text = str(step.status)
        if took is not None:
            word = "for" if step.status is Status.RUNNING else "in"
            text = f"{text} {word} {length_of_time(took)}"
        known[step.name] = Mark(css(step.status), text, f"#step-{quote(step.name)}" * links)
    return known
