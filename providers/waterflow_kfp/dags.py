"""The DAGs of a pipeline spec while they are put together: tasks, and what flows in and out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from waterflow_kfp.naming import INDEXES, component
from waterflow_kfp.types import artifact_type

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["artifacts", "parameters"]


@dataclass(frozen=True)
class Flow:
    """Something that a task gives to others.

    Attributes:
        kind: Whether it is an artifact or a parameter.
        type: The artifact's schema, or the parameter's type.
        owner: The DAG in which the task is; the root for a parameter of the pipeline.
        task: The task; None for a parameter of the pipeline.
        key: What it is called there.
        several: Whether it is a list of artifacts: what the items of a map have made.
    """

    kind: Kind
    type: str
    owner: Dag
    task: str | None
    key: str
    several: bool = False

    @property
    def channel(self) -> str:
        """What it is called where a DAG hands it on."""
        return self.key if self.task is None else f"{self.task}--{self.key}"

    def declared(self) -> dict[str, Any]:
        """Return how a component declares it."""
        if self.kind == "artifacts":
            several = {"isArtifactList": True} if self.several else {}
            return artifact_type(self.type) | several
        return {"parameterType": self.type}


@dataclass(eq=False)
class Dag:
    """A DAG: the pipeline itself, a gate, one side of it, or the items of a map.

    Attributes:
        name: The task that it is of the DAG around it; "" for the root.
        parent: The DAG around it.
        tasks: Its tasks, by name.
        inputs: What it is handed: kind -> name -> declaration.
        outputs: What it gives: kind -> name -> (declaration, selectors).
        own: The task of the DAG around it that it is.
        condition: The condition under which it runs.
    """

    name: str
    parent: Dag | None = None
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict[str, "dict[str, Any]"])
    inputs: dict[Kind, dict[str, Any]] = field(
        default_factory=lambda: {"artifacts": {}, "parameters": {}}
    )
    outputs: dict[Kind, dict[str, Any]] = field(
        default_factory=lambda: {"artifacts": {}, "parameters": {}}
    )
    own: dict[str, Any] = field(default_factory=dict[str, Any])
    children: dict[str, Dag] = field(default_factory=dict[str, "Dag"])

    def child(self, name: str, shown: str) -> Dag:
        """Add a DAG as a task of this one."""
        task: dict[str, Any] = {
            "taskInfo": {"name": shown},
            "componentRef": {"name": component(name)},
        }
        self.tasks[name] = task
        dag = self.children[name] = Dag(name, self, own=task)
        return dag

    def around(self) -> Iterator[Dag]:
        """Yield this DAG and those around it, innermost first."""
        dag: Dag | None = self
        while dag is not None:
            yield dag
            dag = dag.parent

    def reach(self, flow: Flow, task: dict[str, Any]) -> dict[str, Any]:
        """Return what a task of this DAG is bound to, so that it is given something.

        Args:
            flow: What it is given, of a task of this DAG or of one around it.
            task: The task, which then waits for who gives it.

        Raises:
            LookupError: It is given by a task of another DAG.
        """
        one = flow.kind[:-1].capitalize()
        if flow.owner is self and flow.task is not None:
            wait(task, flow.task)
            return {f"taskOutput{one}": {"producerTask": flow.task, f"output{one}Key": flow.key}}
        if flow.owner is not self:
            if self.parent is None:
                raise LookupError(f"'{flow.channel}' is given in another DAG")
            if flow.channel not in self.inputs[flow.kind]:
                bound = self.parent.reach(flow, self.own)
                self.inputs[flow.kind][flow.channel] = flow.declared()
                bind(self.own, flow.kind, flow.channel, bound)
        return {f"componentInput{one}": flow.channel}

    def iterate(self, item: str, indexes: Flow | int) -> None:
        """Let the DAG run once for each item of a list.

        Args:
            item: The input parameter that says an item's number.
            indexes: The numbers of the items, or of how many a definition knows.
        """
        items: dict[str, Any] = {"raw": json.dumps(list(range(indexes)))} if isinstance(
            indexes, int) else {"inputParameter": INDEXES}  # fmt: skip
        if isinstance(indexes, Flow):
            assert self.parent is not None  # noqa: S101 - the pipeline itself is no task
            bind(self.own, "parameters", INDEXES, self.parent.reach(indexes, self.own))
            self.inputs["parameters"][INDEXES] = indexes.declared()
        self.own["parameterIterator"] = {"itemInput": item, "items": items}
        self.inputs["parameters"][item] = {"parameterType": "NUMBER_INTEGER"}

    def give(self, name: str, kind: str, *selected: tuple[str, str], several: bool = False) -> Flow:
        """Let the DAG give an artifact of its tasks, and return that.

        Args:
            name: What it is called.
            kind: Its schema.
            selected: The tasks and the keys of which the first that is there is given.
            several: Whether it is one for each item over which the DAG iterates.
        """
        assert self.parent is not None  # noqa: S101 - the pipeline itself gives nothing
        flow = Flow("artifacts", kind, self.parent, self.name, name, several)
        self.outputs["artifacts"][name] = (
            flow.declared(),
            [{"producerSubtask": task, "outputArtifactKey": key} for task, key in selected],
        )
        return flow

    def component(self) -> dict[str, Any]:
        """Return the DAG as a component."""
        dag: dict[str, Any] = {"tasks": self.tasks}
        given = {
            name: {"artifactSelectors": selectors}
            for name, (_, selectors) in self.outputs["artifacts"].items()
        }
        whole: dict[str, Any] = {}
        inputs = {kind: entries for kind, entries in self.inputs.items() if entries}
        if inputs:
            whole["inputDefinitions"] = inputs
        if given:
            dag["outputs"] = {"artifacts": given}
            whole["outputDefinitions"] = {
                "artifacts": {
                    name: declared for name, (declared, _) in self.outputs["artifacts"].items()
                }
            }
        return {**whole, "dag": dag}


def bind(task: dict[str, Any], kind: Kind, name: str, bound: dict[str, Any]) -> None:
    """Bind an input of a task."""
    task.setdefault("inputs", {}).setdefault(kind, {})[name] = bound


def wait(task: dict[str, Any], before: str) -> None:
    """Let a task wait for another of its DAG."""
    tasks: list[str] = task.setdefault("dependentTasks", [])
    if before not in tasks:
        tasks.append(before)
