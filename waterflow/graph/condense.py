"""Large pictures made small: steps that are alike become one box, then whole stretches do."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from waterflow.graph.layout import ranks
from waterflow.graph.picture import Box, Edge, Picture

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

MOST_BOXES: Final = 150
_MOST_CROSSINGS: Final = 3000
_BANDS: Final = 40
_NAMED: Final = 4


def condense(picture: Picture) -> Picture:
    """Return a picture small enough to be drawn and read.

    Up to 150 boxes all are drawn. Beyond, boxes of one rank that are alike are drawn as one; if
    that is not enough, each stretch of ranks is.
    """
    if _fits(picture):
        return picture
    rank = _ranks(picture)
    alike = _group(picture, lambda box: (rank[box.id], box.kind, box.family))
    if _fits(alike):
        return alike
    bands = max(rank.values()) // _BANDS + 1
    return _group(picture, lambda box: rank[box.id] // bands)


def _ranks(picture: Picture) -> dict[str, int]:
    return ranks(list(picture.boxes), [(edge.tail, edge.head) for edge in picture.edges])


def _fits(picture: Picture) -> bool:
    if len(picture.boxes) > MOST_BOXES:
        return False
    rank = _ranks(picture)
    return sum(rank[edge.head] - rank[edge.tail] for edge in picture.edges) <= _MOST_CROSSINGS


def _group(picture: Picture, key: Callable[[Box], Hashable]) -> Picture:
    members: dict[Hashable, list[Box]] = {}
    for box in picture.boxes.values():
        members.setdefault(key(box), []).append(box)
    boxes: dict[str, Box] = {}
    home: dict[str, str] = {}
    for number, group in enumerate(members.values()):
        box = group[0]
        if len(group) > 1:
            box = replace(_box(f"group:{number}", group), members=tuple(one.id for one in group))
        boxes[box.id] = box
        home |= {member.id: box.id for member in group}
    labels: dict[tuple[str, str], Edge] = {}
    for edge in picture.edges:
        tail, head = home[edge.tail], home[edge.head]
        if tail != head:
            labels.setdefault((tail, head), Edge(tail, head, edge.label, edge.line))
    return Picture(boxes, tuple(labels.values()))


def _box(name: str, boxes: list[Box]) -> Box:
    kinds = {box.kind for box in boxes}
    if kinds == {"gate"}:
        return Box(name, "gate", f"{len(boxes)} conditions", hint=_names(boxes))
    families = Counter(box.family for box in boxes if box.kind not in ("first", "data"))
    steps = [box for box in boxes if box.kind not in ("gate", "first", "data")]
    if len(families) == 1 and len(kinds) == 1:
        title = boxes[0].title.partition("(")[0]  # of calls that are told apart by what they take
        return Box(name, "group", f"{title} \u00d7 {len(boxes)}", hint=_names(boxes))
    most = [f"{_short(family)} \u00d7 {count}" for family, count in families.most_common(_NAMED)]
    more = len(families) - len(most)
    detail = ", ".join(most) + (f" and {more} more" if more > 0 else "")
    if not steps:
        return Box(name, "group", f"{len(boxes)} inputs", hint=_names(boxes))
    title = steps[0].title if len(steps) == 1 else f"{steps[0].title} … {steps[-1].title}"
    return Box(name, "group", f"{title} ({len(steps)} steps)", detail, hint=_names(boxes))


def _short(family: str) -> str:
    return "conditions" if family == "gate" else family.split(" ", maxsplit=1)[0].rsplit(":", 1)[-1]


def _names(boxes: list[Box]) -> str:
    names = [box.title for box in boxes[:20]]
    return ", ".join(names) + (f" and {len(boxes) - 20} more" if len(boxes) > 20 else "")
