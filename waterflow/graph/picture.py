"""What a drawing shows, before it has a place: boxes for steps, gates and data, and edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from waterflow import spec
from waterflow.graph.conditions import condition_text, output_label, source_text
from waterflow.spec.labels import labels
from waterflow.spec.quantities import show_duration, show_size
from waterflow.spec.references import operands

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["function", "map", "container", "register", "gate", "data", "first", "group"]
Line = Literal["data", "order", "condition", "then", "otherwise"]


@dataclass(frozen=True)
class Mark:
    """What a run made of a step, as a drawing shows it.

    Attributes:
        status: Its status, as one word: "not-run" for one that was never begun.
        text: The status and how long it took, in words.
        href: Where a click on it leads; "" for nowhere.
    """

    status: str
    text: str = ""
    href: str = ""


@dataclass(frozen=True)
class Box:
    """One thing in a drawing.

    Attributes:
        id: Unique in the picture.
        kind: What it is.
        title: Its name.
        detail: A second, quieter line.
        chips: The pipeline's parameters that it takes.
        hint: What a pointer over it shows.
        family: What it has in common with others that a condensed picture draws as one.
        group: The group in which it stands; "" for none.
        members: The ids of the boxes that this one stands for in a condensed picture.
        mark: What a run made of it.
    """

    id: str
    kind: Kind
    title: str
    detail: str = ""
    chips: tuple[str, ...] = ()
    hint: str = ""
    family: str = ""
    group: str = ""
    members: tuple[str, ...] = ()
    mark: Mark | None = None


@dataclass(frozen=True)
class Edge:
    """A line from one box to another, with what passes along it."""

    tail: str
    head: str
    label: str = ""
    line: Line = "data"


@dataclass(frozen=True)
class Group:
    """A frame around boxes: the steps of one call of a pipeline.

    Attributes:
        name: Unique in the picture.
        title: What stands on it: its name, and the pipeline's where that is another.
        within: The frame that it stands in; "" for none.
    """

    name: str
    title: str
    within: str = ""


@dataclass(frozen=True)
class Picture:
    """Boxes by id, and edges; tails come before heads. Frames are outer before inner."""

    boxes: dict[str, Box]
    edges: tuple[Edge, ...]
    groups: tuple[Group, ...] = ()

    def inside(self, group: str) -> set[str]:
        """Return the boxes that stand in a frame, and in those within it."""
        names = {group}
        for one in self.groups:
            if one.within in names:
                names.add(one.name)
        return {box.id for box in self.boxes.values() if box.group in names}


def draw(pipeline: spec.Pipeline) -> Picture:
    """Return the picture of a pipeline."""
    return _Drawing(pipeline).picture()


class _Drawing:
    def __init__(self, pipeline: spec.Pipeline) -> None:
        self.pipeline = pipeline
        self.gates = {gate.name: gate for gate in pipeline.gates}
        self.calls = labels(pipeline)
        self.boxes: dict[str, Box] = {}
        self.labels: dict[tuple[str, str, Line], dict[str, None]] = {}
        self.chains: dict[spec.Branch | None, frozenset[spec.Branch]] = {None: frozenset()}

    def picture(self) -> Picture:
        for gate in self.pipeline.gates:
            self._gate(gate)
        for step in self.pipeline.steps:
            self._step(step)
        self._entries()
        edges = tuple(
            Edge(tail, head, ", ".join(label for label in labels if label), line)
            for (tail, head, line), labels in self.labels.items()
        )
        groups = tuple(
            Group(one.name, group_text(one), one.within or "") for one in self.pipeline.groups or ()
        )
        return Picture(self.boxes, edges, groups)

    def _edge(self, tail: str, head: str, label: str = "", line: Line = "data") -> None:
        self.labels.setdefault((tail, head, line), {})[label] = None

    def _gate(self, gate: spec.Gate) -> None:
        box = f"gate:{gate.name}"
        text = condition_text(gate.condition)
        hint, group = f"{gate.name}: {text}", gate.group or ""
        self.boxes[box] = Box(box, "gate", text, hint=hint, family="gate", group=group)
        for operand in operands(gate.condition):
            if isinstance(operand, spec.FromStep):
                self._edge(f"step:{operand.step}", box, line="condition")

    def _step(self, step: spec.Step) -> None:
        box = f"step:{step.name}"
        chips: dict[str, None] = {}
        # By name: a spec read from its JSON knows no other order, and gives the same picture.
        for name, input_ in sorted(step.inputs.items()):
            for chip in self._input(box, name, input_.source):
                chips[chip] = None
        for before in step.after:
            self._edge(f"step:{before}", box, line="order")
        side = "" if step.branch is None else f" {step.branch.gate} {step.branch.then}"
        self.boxes[box] = Box(
            box,
            _kind(step),
            self.calls.get(step.name, step.name),
            self._detail(step),
            tuple(chips),
            _hint(step),
            _family(step) + side,
            group=step.group or "",
        )

    def _detail(self, step: spec.Step) -> str:
        """Return the quieter line; where the title is a label, with the step's own name."""
        label, detail = self.calls.get(step.name, step.name), _detail(step)
        named = label.partition("(")[0] == step.name
        return " · ".join(part for part in ("" if named else step.name, detail) if part)

    def _input(self, box: str, name: str, source: spec.Source) -> Iterator[str]:
        """Draw the edges of one input; yield the parameters that it takes."""
        if isinstance(source, spec.FromStep):
            self._edge(f"step:{source.step}", box, output_label(source))
        elif isinstance(source, spec.FromParameter):
            if self.pipeline.parameters[source.name].type == "data":
                self._data(box, source.name, self.pipeline.parameters[source.name].default)
            else:
                yield source.name
        elif isinstance(source, spec.FromData):
            self._data(box, "", source.uri)
        elif isinstance(source, spec.FromFirst):
            junction = "first:" + "|".join(f"{o.step}.{o.output}" for o in source.options)
            self.boxes[junction] = Box(
                junction, "first", "first", hint=source_text(source), family="first"
            )
            for option in source.options:
                self._edge(f"step:{option.step}", junction, output_label(option))
            self._edge(junction, box)
        elif isinstance(source, spec.FromList):
            for item in source.items:
                yield from self._input(box, name, item)

    def _data(self, head: str, parameter: str, uri: str | None) -> None:
        box = f"data:{parameter}:{'' if parameter else uri}"
        title = parameter or str(uri)
        detail = (uri or "given at submit, or none") if parameter else ""
        self.boxes[box] = Box(box, "data", title, detail, hint=uri or title, family="data")
        self._edge(box, head)

    def _chain(self, branch: spec.Branch | None) -> frozenset[spec.Branch]:
        todo: list[spec.Branch] = []
        inner = branch
        while inner not in self.chains:
            assert inner is not None  # noqa: S101 - None is always there
            todo.append(inner)
            inner = self.gates[inner.gate].within
        for outer in reversed(todo):
            self.chains[outer] = self.chains[self.gates[outer.gate].within] | {outer}
        return self.chains[branch]

    def _entries(self) -> None:
        """Draw an edge from each gate to where its two sides begin."""
        within: dict[str, spec.Branch | None] = {
            f"step:{step.name}": step.branch for step in self.pipeline.steps
        }
        within |= {f"gate:{gate.name}": gate.within for gate in self.pipeline.gates}
        entered: set[str] = set()
        for tail, head, _ in self.labels:
            branch = within.get(head)
            if branch is not None and branch in self._chain(within.get(tail)):
                entered.add(head)
        for box, branch in within.items():
            if branch is not None and box not in entered:
                side: Line = "then" if branch.then else "otherwise"
                self._edge(f"gate:{branch.gate}", box, side, side)


def group_text(group: spec.Group) -> str:
    """Return a group's name, and which pipeline it is a call of where the name does not say."""
    own = group.name.removeprefix(f"{group.within}-") if group.within else group.name
    base, _, number = own.rpartition("-")
    numbered = base if number.isdigit() else own
    return group.name if group.pipeline in (own, numbered) else f"{group.name} ({group.pipeline})"


def _kind(step: spec.Step) -> Kind:
    if isinstance(step.run, spec.Container):
        return "container"
    if isinstance(step.run, spec.Register):
        return "register"
    return "map" if step.run.over is not None else "function"


def _family(step: spec.Step) -> str:
    run = step.run
    if isinstance(run, spec.Function):
        return f"{run.module}:{run.name}"
    return run.image if isinstance(run, spec.Container) else "register"


def _detail(step: spec.Step) -> str:
    wants, parts = step.resources, list[str]()
    if isinstance(step.run, spec.Container):
        parts.append(step.run.image)
    elif isinstance(step.run, spec.Register):
        for name, mark in (("name", ""), ("alias", "@")):
            source = step.inputs[name].source if name in step.inputs else None
            if isinstance(source, spec.FromValue):
                parts.append(f"{mark}{source.value}")
        return " ".join(parts)
    elif step.run.over is not None:
        parts.append(f"for each of {source_text(step.inputs[step.run.over].source)}")
    if wants.gpu is not None:
        parts.append(f"{wants.gpu.count} \u00d7 {wants.gpu.kind or 'GPU'}")
    if wants.cpu != 1:
        parts.append(f"{wants.cpu:g} cpu")
    if wants.memory is not None:
        parts.append(show_size(wants.memory))
    if wants.instances > 1:
        parts.append(f"{wants.instances} machines")
    if wants.spot:
        parts.append("spot")
    return " · ".join(parts)


def _hint(step: spec.Step) -> str:
    run = step.run
    if isinstance(run, spec.Function):
        lines = [f"{step.name}: {run.module}:{run.name}"]
    elif isinstance(run, spec.Container):
        lines = [f"{step.name}: {run.image}"]
    else:
        lines = [f"{step.name}: a model version in the registry"]
    lines += [
        f"{name} = {source_text(taken.source)}" for name, taken in sorted(step.inputs.items())
    ]
    if step.retry.retries:
        lines.append(f"retries: {step.retry.retries}")
    if step.timeout is not None:
        lines.append(f"timeout: {show_duration(step.timeout)}")
    return "\n".join(lines)
