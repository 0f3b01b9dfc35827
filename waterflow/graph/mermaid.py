"""The picture of a pipeline as a Mermaid flowchart, for READMEs and pull requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from waterflow.graph.marks import marked
from waterflow.graph.picture import Box, Picture, draw

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from waterflow import spec
    from waterflow.graph.picture import Mark

_SHAPES: Final = {
    "function": ("[", "]"), "map": ("[[", "]]"), "container": ("[/", "/]"),
    "register": ("([", "])"), "gate": ("{", "}"), "data": ("[(", ")]"), "first": ("((", "))"),
}  # fmt: skip
_LINES: Final = {
    "data": "-->",
    "order": "-.->",
    "condition": "-->",
    "then": "==>",
    "otherwise": "==>",
}


_COLOURS: Final = {
    "succeeded": "#1a7f4b", "cached": "#0b7285", "failed": "#c2332b", "running": "#96600a",
    "cancelled": "#8e3fae",
}  # fmt: skip


def to_mermaid(pipeline: spec.Pipeline, marks: Mapping[str, Mark] | None = None) -> str:
    """Return the picture of a pipeline as Mermaid's text.

    Gates are diamonds, edges carry the names of outputs, the parameters that a step takes stand
    in its box.

    Args:
        pipeline: The spec.
        marks: Step -> what a run made of it.
    """
    picture = draw(pipeline) if marks is None else marked(draw(pipeline), marks)
    names = {box: f"{shape.kind}{at}" for at, (box, shape) in enumerate(picture.boxes.items(), 1)}
    lines = ["flowchart TD", *_boxes(picture, names, "", "    ")]
    for edge in picture.edges:
        label = f'|"{_escape(edge.label)}"|' if edge.label else ""
        lines.append(f"    {names[edge.tail]} {_LINES[edge.line]}{label} {names[edge.head]}")
    states = {names[box]: shape.mark.status for box, shape in picture.boxes.items() if shape.mark}
    for status in dict.fromkeys(states.values()):
        members = ",".join(name for name, one in states.items() if one == status)
        if status in _COLOURS:
            lines.append(f"    classDef {status} stroke:{_COLOURS[status]},stroke-width:2px")
            lines.append(f"    class {members} {status}")
    return "\n".join(lines) + "\n"


def _boxes(picture: Picture, names: dict[str, str], group: str, indent: str) -> Iterator[str]:
    """Yield the boxes that stand in a frame, and the frames within it."""
    for box, shape in picture.boxes.items():
        if shape.group == group:
            opened, closed = _SHAPES[shape.kind]
            yield f'{indent}{names[box]}{opened}"{_text(shape)}"{closed}'
    for at, frame in enumerate(picture.groups, 1):
        if frame.within == group:
            yield f'{indent}subgraph group{at}["{_escape(frame.title)}"]'
            yield from _boxes(picture, names, frame.name, f"{indent}    ")
            yield f"{indent}end"


def _text(box: Box) -> str:
    parts = [_escape(box.title)]
    if box.detail:
        parts.append(f"<small>{_escape(box.detail)}</small>")
    if box.mark is not None and box.mark.text:
        parts.append(f"<small><b>{_escape(box.mark.text)}</b></small>")
    if box.chips:
        parts.append(f"<small><i>{_escape(', '.join(box.chips))}</i></small>")
    return "<br/>".join(parts)


def _escape(text: str) -> str:
    """Return text as Mermaid takes it between quotes: its own entities, which begin with `#`."""
    for char, entity in (("#", "#35;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;")):
        text = text.replace(char, entity)
    return text
