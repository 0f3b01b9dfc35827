"""The picture of a pipeline as plain text: its stages in order, gates as a tree."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from waterflow import spec
from waterflow.graph.conditions import condition_text, reference_text, source_text
from waterflow.graph.layout import ranks
from waterflow.graph.marks import together
from waterflow.graph.picture import draw, group_text
from waterflow.spec.labels import labels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from waterflow.graph.picture import Mark

_WIDTH: Final = 100
_ALIKE: Final = 6
_MOST_LINES: Final = 400
_KEPT: Final = 150


@dataclass(frozen=True)
class _Item:
    """A step or a gate, with the stage in which it can first run."""

    stage: int
    element: spec.Step | spec.Gate


@dataclass(frozen=True)
class _Inside:
    """What stands on each side of a gate, and what is told of each step beside its name."""

    items: dict[spec.Branch | None, list[_Item]]
    calls: dict[str, str]
    marks: Mapping[str, Mark]


@dataclass(frozen=True)
class _Row:
    stage: str
    left: str
    right: str


def to_terminal(pipeline: spec.Pipeline, marks: Mapping[str, Mark] | None = None) -> str:
    """Return the picture of a pipeline as plain text.

    One line a step, in the order in which they can run; those of one stage, which can run at the
    same time, are bracketed. What is behind a gate hangs below it. Steps that are alike are counted
    rather than listed, and of a very long pipeline only the two ends are shown.

    Args:
        pipeline: The spec.
        marks: Step -> what a run made of it.
    """
    rows = list(_rows(pipeline, marks or {}))
    if len(rows) > _MOST_LINES:
        hidden = len(rows) - 2 * _KEPT
        middle = _Row("", f"… {hidden} more lines …", "")
        rows = [*rows[:_KEPT], middle, *rows[-_KEPT:]]
    digits = max((len(row.stage) for row in rows), default=1)
    column = max((len(row.left) for row in rows if len(row.left) <= _WIDTH // 2), default=0)
    lines = list(_heading(pipeline))
    for row in rows:
        start = f"{row.stage:>{digits}} {row.left:<{column}}"
        lines.append(_cut(f"{start}  {row.right}").rstrip())
    return "\n".join(lines) + "\n"


def _heading(pipeline: spec.Pipeline) -> Iterator[str]:
    count = len(pipeline.steps)
    schedule = f", every {pipeline.schedule!r} UTC" if pipeline.schedule else ""
    yield f"{pipeline.name}: {count} step{'s' if count != 1 else ''}{schedule}"
    line = "parameters: "
    for number, (name, parameter) in enumerate(sorted(pipeline.parameters.items())):
        default = (
            "" if parameter.required else f" = {json.dumps(parameter.default, ensure_ascii=False)}"
        )
        text = f"{name}{default}" + ("," if number < len(pipeline.parameters) - 1 else "")
        if len(line) + len(text) > _WIDTH and line.strip():
            yield _cut(line.rstrip())
            line = " " * 12
        line += f"{text} "
    if pipeline.parameters:
        yield _cut(line.rstrip())
    if pipeline.groups:
        yield _cut(f"groups: {', '.join(map(group_text, pipeline.groups))}")
    yield ""


def _rows(pipeline: spec.Pipeline, marks: Mapping[str, Mark]) -> Iterator[_Row]:
    picture = draw(pipeline)
    edges = [(edge.tail, edge.head) for edge in picture.edges]
    # Data and junctions are no stages of their own.
    rank = ranks(list(picture.boxes), edges)
    stages = sorted({rank[box] for box in picture.boxes if box.startswith(("step:", "gate:"))})
    number = {name: at for at, name in enumerate(stages, 1)}
    inside: dict[spec.Branch | None, list[_Item]] = {}
    for gate in pipeline.gates:
        inside.setdefault(gate.within, []).append(_Item(number[rank[f"gate:{gate.name}"]], gate))
    for step in pipeline.steps:
        inside.setdefault(step.branch, []).append(_Item(number[rank[f"step:{step.name}"]], step))
    for items in inside.values():
        # Gates last: what hangs below one would part the others of its stage.
        items.sort(key=lambda item: (item.stage, isinstance(item.element, spec.Gate)))
    yield from _level(_Inside(inside, labels(pipeline), marks), None, "")


def _level(inside: _Inside, branch: spec.Branch | None, indent: str) -> Iterator[_Row]:
    items = inside.items.get(branch, [])
    at = 0
    while at < len(items):
        stage = items[at].stage
        end = at
        while end < len(items) and items[end].stage == stage:
            end += 1
        groups = _alike(items[at:end])
        for turn, group in enumerate(groups):
            mark = _bracket(turn, len(groups))
            shown = str(stage) if turn == 0 else ""
            element = group[0].element
            if isinstance(element, spec.Gate):
                yield _Row(shown, f"{indent}{mark} if {condition_text(element.condition)}", "")
                yield from _sides(inside, element, indent + ("│ " if mark in "┬├" else "  "))
            else:
                yield from _steps(inside, group, shown, f"{indent}{mark} ")
        at = end


def _sides(inside: _Inside, gate: spec.Gate, indent: str) -> Iterator[_Row]:
    both = spec.Branch(gate.name), spec.Branch(gate.name, False)
    sides = [side for side in both if side in inside.items]
    for side in sides:
        last = side is sides[-1]
        word = "then" if side.then else "otherwise"
        yield _Row("", f"{indent}{'└' if last else '├'} {word}", "")
        yield from _level(inside, side, indent + ("  " if last else "│ "))


def _alike(items: list[_Item]) -> list[list[_Item]]:
    """Return items in groups: many calls of one function make one, everything else stands alone."""
    calls: dict[object, list[_Item]] = {}
    for at, item in enumerate(items):
        run = item.element.run if isinstance(item.element, spec.Step) else None
        key = (run.module, run.name) if isinstance(run, spec.Function) else at
        calls.setdefault(key, []).append(item)
    groups: list[list[_Item]] = []
    for group in calls.values():
        groups += [group] if len(group) > _ALIKE else [[item] for item in group]
    return groups


def _bracket(turn: int, count: int) -> str:
    if count == 1:
        return "─"
    return "┬" if turn == 0 else "└" if turn == count - 1 else "├"


def _steps(inside: _Inside, group: list[_Item], stage: str, start: str) -> Iterator[_Row]:
    steps = [item.element for item in group if isinstance(item.element, spec.Step)]
    known = [inside.marks[step.name] for step in steps if step.name in inside.marks]
    mark = known[0] if len(known) == 1 else together(known) if known else None
    state = f"[{mark.text}]" if mark is not None and mark.text else ""
    if len(steps) == 1:
        name = steps[0].name
        parts = state, inside.calls.get(name, ""), _arrow(steps[0])
        yield _Row(stage, start + name, "  ".join(part for part in parts if part))
    else:
        yield _Row(
            stage,
            f"{start}{steps[0].name} … {steps[-1].name} ({len(steps)} steps)",
            "  ".join(part for part in (state, _arrow(steps[0])) if part),
        )


def _arrow(step: spec.Step) -> str:
    """Return what a step takes: outputs, parameters and data, not what is fixed."""
    taken: dict[str, None] = {}
    for _, input_ in sorted(step.inputs.items()):
        if not isinstance(input_.source, spec.FromValue):
            text = source_text(input_.source)
            if isinstance(input_.source, spec.FromStep):
                text = reference_text(input_.source)
            taken[text] = None
    parts = [", ".join(taken)] if taken else []
    if isinstance(step.run, spec.Container):
        parts.append(f"in {step.run.image}")
    elif isinstance(step.run, spec.Function) and step.run.over is not None:
        parts.append(f"for each {step.run.over}")
    if step.after:
        parts.append(f"after {', '.join(step.after)}")
    return f"← {'; '.join(parts)}" if parts else ""


def _cut(line: str) -> str:
    return line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "…"
