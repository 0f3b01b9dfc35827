"""What a run made of a pipeline's steps, noted on the boxes of its picture."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from waterflow.graph.picture import Box, Mark, Picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_GRAVEST: Final = (
    "failed", "cancelled", "running", "pending", "not-run", "succeeded", "cached", "skipped",
)  # fmt: skip
"""Of several steps that are drawn as one the first of these decides the colour."""


def marked(picture: Picture, marks: Mapping[str, Mark]) -> Picture:
    """Return a picture with what a run made of its steps.

    Args:
        picture: The picture.
        marks: Step -> what a run made of it; gates by "gate:NAME".
    """
    boxes = {name: replace(box, mark=_mark(box, marks)) for name, box in picture.boxes.items()}
    return replace(picture, boxes=boxes)


def _mark(box: Box, marks: Mapping[str, Mark]) -> Mark | None:
    if not box.members:
        return marks.get(box.id if box.kind == "gate" else box.id.removeprefix("step:"))
    known = [
        marks[name]
        for member in box.members
        if (name := member.removeprefix("step:")) in marks and member.startswith("step:")
    ]
    return together(known) if known else None


def together(marks: Iterable[Mark]) -> Mark:
    """Return what several steps came to that are drawn as one.

    Args:
        marks: At least one.
    """
    marks = list(marks)
    counts = Counter(mark.status for mark in marks)
    statuses = sorted(counts, key=_GRAVEST.index)
    first = next(mark for mark in marks if mark.status == statuses[0])
    text = ", ".join(f"{counts[one]} {one.replace('-', ' ')}" for one in statuses)
    return Mark(statuses[0], text, first.href)
