"""The tasks of one graph while it runs: what each waits for, is given, and what the graph makes."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from waterflow_kfp.emulator.documents import (
    COMPLETED,
    artifacts,
    completed,
    dependencies,
    made,
    parameters,
)
from waterflow_kfp.emulator.errors import TaskError
from waterflow_kfp.emulator.expressions import selected
from waterflow_kfp.emulator.placeholders import structured
from waterflow_kfp.emulator.records import State, Values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from waterflow_kfp.emulator.containers import ContainerJob
    from waterflow_kfp.emulator.documents import Json
    from waterflow_kfp.emulator.placeholders import Scope
    from waterflow_kfp.emulator.records import Artifact, Task


@dataclass(eq=False)
class Unit:
    """One execution of a component: a task, or one iteration of a task.

    Attributes:
        node: The task in its graph; None for the pipeline itself.
        record: What is known of it.
        component: The component.
        inputs: What it is given.
        graph: Its own tasks; None where it has none.
        job: The job that runs it; None where none does.
        tries: How often it began.
        due: When it is to be tried again; None for never.
        key: What identifies its work; "" where nothing may stand for it.
    """

    node: Node | None
    record: Task
    component: Json
    inputs: Values
    graph: Graph | None = None
    job: ContainerJob | None = None
    tries: int = 0
    due: float | None = None
    key: str = ""


@dataclass(eq=False)
class Node:
    """One task of a graph.

    Attributes:
        name: Its key in the document.
        spec: What the document says of it.
        graph: The graph that it is of.
        waiting: The tasks that it still waits for.
        before: All tasks that it waits for.
        record: What is known of it; None before it came up.
        dropped: Whether it never will.
        units: Its executions: one, or one for each iteration.
        queue: The iterations that have not begun.
    """

    name: str
    spec: Json
    graph: Graph
    before: frozenset[str]
    waiting: set[str]
    record: Task | None = None
    dropped: bool = False
    units: list[Unit] = field(default_factory=list[Unit])
    queue: deque[Unit] = field(default_factory=deque[Unit])

    @property
    def state(self) -> State:
        """Where it is."""
        return State.PENDING if self.record is None else self.record.state

    @property
    def over(self) -> bool:
        """Whether nothing more becomes of it."""
        return self.dropped or self.state.final

    @property
    def strategy(self) -> str:
        """When it is triggered."""
        return str(self.spec.get("triggerPolicy", {}).get("strategy", ""))

    @property
    def any_end(self) -> bool:
        """Whether it is triggered however those before it have ended."""
        return self.strategy == COMPLETED


class Graph:
    """The tasks of one graph that runs.

    Args:
        unit: The execution that it is.
        tasks: The tasks that it consists of.
    """

    def __init__(self, unit: Unit, tasks: Mapping[str, Json]) -> None:
        self.unit = unit
        self.nodes: dict[str, Node] = {}
        self.ready: deque[Node] = deque()
        self._after: dict[str, list[Node]] = {}
        self._left = len(tasks)
        for name, spec in tasks.items():
            before = frozenset(dependencies(spec))
            node = self.nodes[name] = Node(name, spec, self, before, set(before))
            for one in before:
                self._after.setdefault(one, []).append(node)
            if not before:
                self.ready.append(node)

    @property
    def over(self) -> bool:
        """Whether all of its tasks are over."""
        return self._left == 0

    @property
    def dropped(self) -> bool:
        """Whether some task of it never came up."""
        return any(one.dropped for one in self.nodes.values())

    def ended(self, node: Node) -> None:
        """Note that a task is over: others may be ready."""
        self._left -= 1
        for one in self._after.get(node.name, ()):
            one.waiting.discard(node.name)
            if not one.waiting:
                self.ready.append(one)

    def failed(self) -> list[str]:
        """Return the names of the tasks that have failed."""
        return [name for name, one in self.nodes.items() if one.state is State.FAILED]

    # --- what tasks are given ---------------------------------------------------------------------

    def triggered(self, node: Node) -> bool:
        """Return whether those before a task have ended as it needs."""
        return node.any_end or all(self.nodes[one].state.good for one in node.before)

    def inputs(self, node: Node, component: Json, scope: Callable[[Values], Scope]) -> Values:
        """Return what a task is given, but for what it iterates over.

        Args:
            node: The task.
            component: Its component.
            scope: Returns what placeholders in constants stand for, by what else is given.

        Raises:
            TaskError: Something is missing, or of another type.
        """
        given = node.spec.get("inputs", {})
        values, constants = Values(), dict[str, Any]()
        for name, one in given.get("artifacts", {}).items():
            some = self._artifacts(one)
            if some is not None:
                values.artifacts[name] = some
        for name, one in given.get("parameters", {}).items():
            if "runtimeValue" in one:
                constants[name] = _constant(one["runtimeValue"])
                continue
            there, value = self._parameter(one)
            if there:
                values.parameters[name] = value
        # What holds placeholders comes after what they may stand for.
        for name, constant in sorted(constants.items(), key=lambda one: "{{" in str(one[1])):
            value = structured(constant, scope(values))
            values.parameters[name] = _part(given["parameters"][name], value)
        iterator = node.spec.get("parameterIterator") or node.spec.get("artifactIterator") or {}
        item = iterator.get("itemInput")
        declared = {name: one for name, one in parameters(component).items() if name != item}
        values.parameters = completed(declared, values.parameters)
        for name, one in artifacts(component).items():
            if name not in values.artifacts and name != item and not one.get("isOptional"):
                raise TaskError(f"input artifact {name} is required, and there is none")
        return values

    def _parameter(self, one: Json) -> tuple[bool, Any]:
        """Return whether there is a value for an input, and the value."""
        there, value = False, None
        if "componentInputParameter" in one:
            name = one["componentInputParameter"]
            there = name in self.unit.inputs.parameters
            value = self.unit.inputs.parameters.get(name)
        elif "taskOutputParameter" in one:
            source = one["taskOutputParameter"]
            outputs = self._outputs(source["producerTask"])
            there = source["outputParameterKey"] in outputs.parameters
            value = outputs.parameters.get(source["outputParameterKey"])
        elif "taskFinalStatus" in one:
            there, value = True, self.status(one["taskFinalStatus"]["producerTask"])
        return there, _part(one, value) if there else None

    def _artifacts(self, one: Json) -> list[Artifact] | None:
        if "componentInputArtifact" in one:
            return self.unit.inputs.artifacts.get(one["componentInputArtifact"])
        source = one.get("taskOutputArtifact", {})
        outputs = self._outputs(source.get("producerTask", ""))
        return outputs.artifacts.get(source.get("outputArtifactKey", ""))

    def _outputs(self, name: str) -> Values:
        node = self.nodes.get(name)
        if node is None or node.record is None or not node.state.good:
            return Values()
        return node.record.outputs

    def status(self, name: str) -> dict[str, Any]:
        """Return how a task has ended, as a PipelineTaskFinalStatus in JSON."""
        node = self.nodes[name]
        error = node.record.error if node.record is not None else None
        state = State.SUCCEEDED if node.state.good else node.state
        return {
            "state": State.CANCELLED.value if node.dropped else state.value,
            "pipelineTaskName": node.name,
            "error": error.describe() if error is not None else {},
        }

    # --- what the graph makes ---------------------------------------------------------------------

    def outputs(self) -> Values:
        """Return what the graph makes of what its tasks have made."""
        component = self.unit.component
        values, said = Values(), component["dag"].get("outputs", {})
        for name, one in said.get("parameters", {}).items():
            single = one.get("valueFromParameter")
            several = one.get("valueFromOneof", {}).get("parameterSelectors", ())
            for selector in [single] if single else several:
                made_there = self._outputs(selector["producerSubtask"]).parameters
                if selector["outputParameterKey"] in made_there:
                    values.parameters[name] = made_there[selector["outputParameterKey"]]
                    break
        declared = made(component, "artifacts")
        for name, one in said.get("artifacts", {}).items():
            chosen = [
                some
                for selector in one.get("artifactSelectors", ())
                for some in [
                    self._outputs(selector["producerSubtask"]).artifacts.get(
                        selector["outputArtifactKey"]
                    )
                ]
                if some is not None
            ]
            if declared.get(name, {}).get("isArtifactList"):
                values.artifacts[name] = [one for some in chosen for one in some]
            elif chosen:
                values.artifacts[name] = list(chosen[0])
        return values


def items(node: Node, inputs: Values) -> tuple[str, list[Any]] | None:
    """Return over what a task iterates: the input's name and the items; None for no iterator.

    Raises:
        TaskError: It is no list.
    """
    iterator = node.spec.get("parameterIterator")
    if iterator is not None:
        source = iterator.get("items", {})
        name = source.get("inputParameter")
        value = inputs.parameters.get(name) if name else source.get("raw", "[]")
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                value = None
        if not isinstance(value, list):
            raise TaskError(f"{name or 'items.raw'} is no list to iterate over")
        return str(iterator["itemInput"]), cast("list[Any]", value)
    iterator = node.spec.get("artifactIterator")
    if iterator is not None:
        name = str(iterator.get("items", {}).get("inputArtifact", ""))
        if name not in inputs.artifacts:
            raise TaskError(f"there is no list of artifacts '{name}' to iterate over")
        return str(iterator["itemInput"]), list(inputs.artifacts[name])
    return None


def iteration(node: Node, component: Json, inputs: Values, name: str, item: Any) -> Values:
    """Return what one iteration of a task is given.

    Raises:
        TaskError: The item is of another type than the component takes.
    """
    values = Values(dict(inputs.parameters), dict(inputs.artifacts))
    if "artifactIterator" in node.spec:
        values.artifacts[name] = [item]
    else:
        declared = {name: parameters(component).get(name, {})}
        if declared[name]:
            values.parameters |= completed(declared, {name: item})
        else:
            values.parameters[name] = item
    return values


def collected(component: Json, outputs: Iterable[Values]) -> Values:
    """Return what iterations have made, in their order: lists of parameters, and of artifacts."""
    every, values = list(outputs), Values()
    for name in made(component, "parameters"):
        values.parameters[name] = [one.parameters[name] for one in every if name in one.parameters]
    for name in made(component, "artifacts"):
        values.artifacts[name] = [a for one in every for a in one.artifacts.get(name, ())]
    return values


def _constant(value: Mapping[str, Any]) -> Any:
    """Return a constant of a document, of the older form too."""
    if "constantValue" in value:
        return next(iter(value["constantValue"].values()), None)
    return value.get("constant")


def _part(one: Json, value: Any) -> Any:
    selector = one.get("parameterExpressionSelector")
    return selected(selector, value) if selector else value
