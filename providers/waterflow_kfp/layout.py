"""How the tasks of a pipeline spec lie in its DAGs, and what each is bound to; for reading back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any

from waterflow_kfp import naming

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, eq=False)
class Place:
    """A task, and where it stands.

    Attributes:
        name: Its name.
        task: The task.
        dag: The DAG that it is a task of.
        outer: The task that is that DAG; None in the root.
    """

    name: str
    task: Mapping[str, Any]
    dag: Mapping[str, Any]
    outer: Place | None = None


def _part(place: Place) -> tuple[str, str]:
    """Return the step of a task, and which part of it the task is; "" for all of it."""
    return naming.part_of(str((place.task.get("taskInfo") or {}).get("name", "")))


@dataclass(frozen=True)
class Source:
    """What an input comes from in the end.

    Attributes:
        text: What it is bound to: equal ones come to the same where what they name does.
        steps: The steps that may make it.
        parameter: The parameter of the pipeline that it is.
        maybe: Whether it may be made by none of them.
    """

    text: Any
    steps: tuple[str, ...] = ()
    parameter: str | None = None
    maybe: bool = False


class Layout:
    """The tasks of one pipeline spec.

    Args:
        spec: The pipeline spec.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self._spec = spec
        self._components: Mapping[str, Any] = spec.get("components") or {}
        deployment: Mapping[str, Any] = spec.get("deploymentSpec") or {}
        self._executors: Mapping[str, Any] = deployment.get("executors") or {}

    @cached_property
    def _places(self) -> dict[str, Place]:
        root: Mapping[str, Any] = (self._spec.get("root") or {}).get("dag") or {"tasks": {}}
        return {place.name: place for place in self._of(root, None)}

    def _of(self, dag: Mapping[str, Any], outer: Place | None) -> Iterator[Place]:
        tasks: Mapping[str, Any] = dag["tasks"]
        order = TopologicalSorter(
            {name: task.get("dependentTasks") or () for name, task in tasks.items()}
        )
        for name in order.static_order():
            place = Place(name, tasks[name], dag, outer)
            yield place
            component = self.component(place)
            if "dag" in component:
                yield from self._of(component["dag"], place)

    def places(self) -> Iterator[Place]:
        """Yield all tasks, each after those that it waits for, and a DAG before its tasks."""
        yield from self._places.values()

    def place(self, name: str) -> Place:
        """Return a task by its name."""
        return self._places[name]

    def component(self, place: Place) -> Mapping[str, Any]:
        """Return a task's component."""
        return self._components.get(place.task["componentRef"]["name"]) or {}

    def executor(self, place: Place) -> Mapping[str, Any]:
        """Return a task's executor; an empty one for a DAG."""
        return self._executors.get(self.component(place).get("executorLabel", "")) or {}

    # --- what a task is -------------------------------------------------------------------------

    def is_side(self, place: Place) -> bool:
        """Say whether a task is one side of a gate."""
        return "triggerPolicy" in place.task

    def is_step(self, place: Place) -> bool:
        """Say whether a task is a step of the spec, or the one of a step's that has its outputs."""
        executor = self.executor(place)
        return bool(executor) and "importer" not in executor and not _part(place)[1]

    @cached_property
    def _parts(self) -> dict[str, dict[str, Place]]:
        parts: dict[str, dict[str, Place]] = {}
        for place in self._places.values():
            step, part = _part(place)
            if part:
                parts.setdefault(step, {})[part] = place
        return parts

    def parts(self, place: Place) -> Mapping[str, Place]:
        """Return the other tasks of a step that has a job for each item, by what they do."""
        return self._parts.get(_part(place)[0], {})

    def iterations(self, place: Place) -> int | None:
        """Return how often a task is iterated, where that stands in the pipeline spec itself."""
        items = (place.task.get("parameterIterator") or {}).get("items") or {}
        return len(json.loads(items["raw"])) if "raw" in items else None

    def gate(self, place: Place) -> tuple[str, str, bool | None] | None:
        """Return the gate that a DAG belongs to: native name, gate, and side; None for no gate."""
        if "dag" not in self.component(place) or _part(place)[1]:
            return None
        shown = str(place.task["taskInfo"]["name"])
        if not self.is_side(place):
            return place.name, shown, None
        gate, _, side = shown.rpartition(": ")
        native = place.name.removesuffix(f"-{side}")
        return native, gate, side == naming.THEN

    def around(self, name: str) -> Iterator[str]:
        """Yield the tasks of the DAGs in which a task stands, innermost first."""
        outer = self._places[name].outer
        while outer is not None:
            yield outer.name
            outer = outer.outer

    def chain(self, place: Place) -> tuple[tuple[str, bool], ...]:
        """Return the sides of gates on which a task stands, outermost first."""
        sides: list[tuple[str, bool]] = []
        own = self.gate(place)
        outer = place.outer
        while outer is not None:
            gate = self.gate(outer)
            if gate is not None and gate[2] is not None and (own is None or gate[0] != own[0]):
                sides.append((gate[0], gate[2]))
            outer = outer.outer
        return tuple(reversed(sides))

    # --- what it is bound to --------------------------------------------------------------------

    def needs(self, place: Place) -> Iterator[tuple[str, ...]]:
        """Yield groups of steps: a step makes nothing when of one group all make nothing."""
        item = self.parts(place).get(naming.ITEM)
        if item is not None:  # what gathers the items is given what their jobs have made
            place = item
        several: dict[str, list[str]] = {}
        bound: Mapping[str, Any] = (place.task.get("inputs") or {}).get("artifacts") or {}
        for key, value in bound.items():
            steps = self.source(place, "artifacts", value).steps
            base, option, _ = key.partition("--")
            if option:
                several.setdefault(base, []).extend(steps)
            elif steps:
                yield steps
        for group in several.values():
            yield tuple(dict.fromkeys(group))

    def origin(self, place: Place, key: str) -> Mapping[str, Any]:
        """Return the output that an input artifact comes from, past the DAGs that hand it on."""
        bound: Mapping[str, Any] = (place.task.get("inputs") or {}).get("artifacts") or {}
        value: Mapping[str, Any] = bound.get(key) or {}
        outer = place.outer
        while "componentInputArtifact" in value and outer is not None:
            value = outer.task["inputs"]["artifacts"][value["componentInputArtifact"]]
            outer = outer.outer
        return value.get("taskOutputArtifact") or {}

    def source(self, place: Place, kind: str, bound: Mapping[str, Any]) -> Source:
        """Return what an input comes from in the end.

        Args:
            place: The task whose input it is.
            kind: "artifacts" or "parameters".
            bound: What it is bound to.
        """
        one = "Artifact" if kind == "artifacts" else "Parameter"
        outer = place.outer
        while f"componentInput{one}" in bound:
            key = bound[f"componentInput{one}"]
            if outer is None:
                return Source(key, parameter=key)
            inputs: Mapping[str, Any] = (outer.task.get("inputs") or {}).get(kind) or {}
            if key not in inputs:
                return Source(key)  # the item of a map
            bound, outer = inputs[key], outer.outer
        if f"taskOutput{one}" not in bound:
            return Source((bound.get("runtimeValue") or {}).get("constant"))
        output = bound[f"taskOutput{one}"]
        return self._output(output["producerTask"], output[f"output{one}Key"])

    def _output(self, task: str, key: str) -> Source:
        place = self._places[task]
        component, executor = self.component(place), self.executor(place)
        if "importer" in executor:
            return self.source(place, "parameters", place.task["inputs"]["parameters"]["uri"])
        if "dag" not in component:
            return Source([task, key], (task,))
        outputs: Mapping[str, Any] = component["dag"].get("outputs") or {}
        selectors = ((outputs.get("artifacts") or {}).get(key) or {}).get("artifactSelectors") or ()
        inner = [
            self._output(one["producerSubtask"], one["outputArtifactKey"]) for one in selectors
        ]
        steps = tuple(dict.fromkeys(step for one in inner for step in one.steps))
        maybe = any(one.maybe or not one.steps for one in inner)
        return Source([one.text for one in inner], steps, None, maybe)
