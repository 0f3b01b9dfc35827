"""Pipelines as their bodies say them: steps, what binds them, in which order they can run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow_azureml.emulator.addresses import resource_name
from waterflow_azureml.emulator.bindings import Binding, BindingError, binding, bindings
from waterflow_azureml.emulator.bodies import (
    LITERALS,
    BodyError,
    Data,
    Literal,
    Port,
    Target,
    Work,
    given,
    mapping,
    port,
    said,
    settings,
    target,
)
from waterflow_azureml.emulator.spaces import Sweep, sweep

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from waterflow_azureml.emulator.bodies import Given
    from waterflow_azureml.emulator.resources import Resources

_NOT_RUN: Final = {
    "if_else": "is in private preview: let a step write its decision, and others read it",
    "do_while": "is in private preview: loop within a step",
    "parallel_for": "is in private preview: write the steps out, or loop within one",
    "parallel": "is not run here: use a command of several instances",
    "spark": "is not run here: use a command",
    "automl": "is not run here: use a command or a sweep",
    "import": "is not run here: use a command",
    "data_transfer": "is not run here: use a command",
    "copy_data": "is not run here: use a command",
}
"""Type of a step -> why it is refused, and what to do instead."""
_MEMBERS: Final = frozenset(
    {
        "name", "type", "display_name", "description", "tags", "properties", "comment", "component",
        "component_id", "inputs", "outputs", "resources", "distribution", "limits",
        "environment_variables", "queue_settings", "identity", "compute", "compute_id", "services",
        "_source", "search_space", "sampling_algorithm", "objective", "early_termination", "trial",
        "settings", "swept",
    }
)  # fmt: skip
"""What a step may say."""
_DEEPEST: Final = 8
"""How many pipelines may lie within each other."""


@dataclass(frozen=True)
class Node:
    """A step.

    Attributes:
        name: Its key among the steps.
        display_name: Its name for people.
        component: The id of its component.
        inputs: What it is given, with bindings.
        outputs: Where its outputs go, with bindings.
        ports: What its component declares to take.
        made: What its component declares to make.
        work: What it does, if it is a command, or a trial of a sweep.
        graph: What it does, if it is a pipeline.
        sweep: How it is searched, if it is a sweep.
        before: The steps whose outputs it takes.
        about: `description`, `tags` and `properties`.
    """

    name: str
    display_name: str
    component: str
    inputs: Mapping[str, Given]
    outputs: Mapping[str, Target]
    ports: Mapping[str, Port]
    made: Mapping[str, Port]
    work: Work | None = None
    graph: Graph | None = None
    sweep: Sweep | None = None
    before: frozenset[str] = frozenset()
    about: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def kind(self) -> str:
        """What kind of run it is."""
        return "Pipeline" if self.graph else "Sweep" if self.sweep else "Command"


@dataclass(frozen=True)
class Graph:
    """The steps of a pipeline.

    Attributes:
        nodes: Key -> step, each after those that it stands on.
        ports: What the pipeline takes, as far as it is declared.
        made: What it makes, as far as that is declared.
    """

    nodes: Mapping[str, Node]
    ports: Mapping[str, Port]
    made: Mapping[str, Port]


class Reader:
    """Reads the steps of pipelines of one workspace.

    Args:
        resources: Where the components' documents are.
        workspace: The workspace's ARM id.
        compute: The compute of steps that say none.
    """

    def __init__(self, resources: Resources, workspace: str, compute: str = "") -> None:
        self._resources, self._workspace, self._compute = resources, workspace, compute

    def job(self, body: Mapping[str, Any]) -> Graph:
        """Return the steps of a pipeline job.

        Args:
            body: Its properties.

        Raises:
            BodyError: Something is wrong with them.
        """
        if said(body, "component_id"):
            return self.component(str(said(body, "component_id")), 0)
        ports: dict[str, Port] = {}
        for name, value in mapping(body, "inputs").items():
            one = given(name, value)
            kind = one.kind if isinstance(one, Data) else "any"
            ports[name] = Port(kind, optional=one is None)
        made = {
            name: Port(target(name, value).kind) for name, value in mapping(body, "outputs").items()
        }
        return self._graph(mapping(body, "jobs"), ports, made, 0)

    def component(self, identity: str, depth: int) -> Graph:
        """Return the steps of a pipeline component.

        Raises:
            BodyError: There is none, or something is wrong with its steps.
        """
        spec = self.spec(identity)
        if str(spec.get("type")) != "pipeline":
            raise BodyError(f"component '{identity}' is no pipeline")
        return self._graph(mapping(spec, "jobs"), _ports(spec), _made(spec), depth)

    def spec(self, identity: str) -> dict[str, Any]:
        """Return what a component says.

        Raises:
            BodyError: There is no such component here.
        """
        if identity.startswith("azureml://registries/"):
            raise BodyError(
                f"the emulator has no registries: register '{identity}' in the workspace"
            )
        record = self._resources.get(arm(self._workspace, "components", identity))
        if record is None:
            raise BodyError(f"there is no component '{identity}' in the workspace")
        return dict(record.properties.get("componentSpec") or {})

    # --- steps ------------------------------------------------------------------------------------

    def _graph(
        self,
        jobs: Mapping[str, Any],
        ports: Mapping[str, Port],
        made: Mapping[str, Port],
        depth: int,
    ) -> Graph:
        if not jobs:
            raise BodyError("a pipeline needs at least one step")
        if depth > _DEEPEST:
            raise BodyError(f"pipelines lie within each other more than {_DEEPEST} deep")
        nodes: dict[str, Node] = {}
        for name, value in jobs.items():
            if not isinstance(value, dict):
                raise BodyError(f"step '{name}' must be an object")
            try:
                nodes[name] = self._node(name, cast("dict[str, Any]", value), depth)
            except (BodyError, BindingError) as error:
                raise BodyError(f"step '{name}': {error}") from None
        for node in nodes.values():
            _check(node, nodes, ports, made)
        sorter = TopologicalSorter({name: node.before for name, node in nodes.items()})
        try:
            order = list(sorter.static_order())
        except CycleError as error:
            circle = cast("list[str]", error.args[1])
            raise BodyError(f"steps wait for each other: {' -> '.join(circle)}") from None
        return Graph({name: nodes[name] for name in order}, ports, made)

    def _node(self, name: str, body: Mapping[str, Any], depth: int) -> Node:
        kind = str(body.get("type", "command"))
        if kind in _NOT_RUN:
            raise BodyError(f"a step of type '{kind}' {_NOT_RUN[kind]}")
        unknown = [key for key in body if _snake(key) not in _MEMBERS]
        if unknown:
            raise BodyError(f"there is no member {', '.join(unknown)} of a step")
        inputs: dict[str, Given] = {}
        for key, value in mapping(body, "inputs").items():
            one = given(key, value)
            if one is not None:
                inputs[key] = one
        outputs = {key: target(key, value) for key, value in mapping(body, "outputs").items()}
        about = {key: body[key] for key in ("description", "tags", "properties") if body.get(key)}
        shared: dict[str, Any] = {
            "name": name,
            "display_name": str(said(body, "display_name") or name),
            "inputs": inputs,
            "outputs": outputs,
            "before": _before(inputs),
            "about": about,
        }
        if kind == "sweep":
            return self._swept(body, shared)
        identity = str(said(body, "component_id") or body.get("component") or "")
        if not identity:
            raise BodyError("it has no component")
        if kind == "pipeline":
            graph = self.component(identity, depth + 1)
            return Node(
                **shared, component=identity, ports=graph.ports, made=graph.made, graph=graph
            )
        if kind != "command":
            raise BodyError(f"there is no step of type '{kind}'")
        work = self._work(self.spec(identity), body)
        return Node(**shared, component=identity, ports=work.inputs, made=work.outputs, work=work)

    def _swept(self, body: Mapping[str, Any], shared: dict[str, Any]) -> Node:
        trial = body.get("trial")
        identity = str(
            said(cast("dict[str, Any]", trial), "component_id") or ""
            if isinstance(trial, dict)
            else trial or ""
        )
        search = sweep(body)
        limits = {key: value for key, value in body.items() if key != "limits"}
        work = self._work(self.spec(identity), limits)
        work = replace(
            work,
            timeout=search.trial_timeout,
            inputs={name: one for name, one in work.inputs.items() if name not in search.space},
            deterministic=False,
        )
        return Node(
            **shared, component=identity, ports=work.inputs, made=work.outputs, work=work,
            sweep=search,
        )  # fmt: skip

    def _work(self, spec: Mapping[str, Any], body: Mapping[str, Any]) -> Work:
        """Return what a step of a command component does."""
        if str(spec.get("type")) != "command":
            raise BodyError(f"the emulator runs no component of type '{spec.get('type')}'")
        merged, own = settings(spec), settings(body)
        own["variables"] = {**merged["variables"], **own["variables"]}
        merged |= {key: value for key, value in own.items() if value not in ("", None)}
        merged["compute"] = own["compute"] or merged["compute"] or self._compute
        environment = str(spec.get("environment") or "")
        code = str(spec.get("code") or "")
        return Work(
            command=str(spec.get("command") or ""),
            environment=arm(self._workspace, "environments", environment),
            code=arm(self._workspace, "codes", code) if code else "",
            inputs=_ports(spec),
            outputs=_made(spec),
            deterministic=str(said(spec, "is_deterministic", True)).lower() == "true",
            **merged,
        )


def arm(workspace: str, kind: str, identity: str) -> str:
    """Return the ARM id of a version, of that or of `azureml:NAME:VERSION`."""
    text = identity.removeprefix("azureml:")
    if not text or "/" in text:
        return identity if identity.startswith("azureml://") else text
    for sign, part in (("@", "labels"), (":", "versions")):
        name, separator, version = text.partition(sign)
        if separator:
            return f"{workspace}/{kind}/{name}/{part}/{version}"
    return f"{workspace}/{kind}/{text}/labels/latest"


def component_name(identity: str) -> tuple[str, str]:
    """Return the name and the version of a component, of its id."""
    container, _, version = identity.rpartition("/versions/")
    return resource_name(container), version


def _ports(spec: Mapping[str, Any]) -> dict[str, Port]:
    return {name: port(name, value) for name, value in mapping(spec, "inputs").items()}


def _made(spec: Mapping[str, Any]) -> dict[str, Port]:
    return {
        name: port(name, value, output=True) for name, value in mapping(spec, "outputs").items()
    }


def _snake(key: str) -> str:
    text = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)
    return text if key.startswith("_") else text.lstrip("_")


def _texts(inputs: Mapping[str, Given]) -> Iterator[tuple[str, str]]:
    """Yield the inputs whose text may have bindings in it."""
    for name, one in inputs.items():
        if isinstance(one, Literal):
            yield name, one.text
        else:
            yield name, one.uri


def _before(inputs: Mapping[str, Given]) -> frozenset[str]:
    return frozenset(one.job for _, text in _texts(inputs) for one in bindings(text) if one.job)


def _check(
    node: Node, nodes: Mapping[str, Node], ports: Mapping[str, Port], made: Mapping[str, Port]
) -> None:
    """Refuse a step that is given what it does not take, lacks what it needs, or binds nothing.

    Raises:
        BodyError: It is wrong.
    """
    where = f"step '{node.name}'"
    for name in node.inputs.keys() - node.ports.keys():
        raise BodyError(f"{where}: its component has no input '{name}'")
    for name in node.outputs.keys() - node.made.keys():
        raise BodyError(f"{where}: its component has no output '{name}'")
    for name, one in node.ports.items():
        if name not in node.inputs and one.default is None and not one.optional:
            raise BodyError(f"{where}: the required input '{name}' is missing")
    for name, text in _texts(node.inputs):
        held = bindings(text)
        for each in held:
            _exists(where, name, each, nodes, ports)
        if not held and isinstance(node.inputs[name], Literal):
            _literal(where, node, name, text)
    for name, one in node.outputs.items():
        bound = binding(one.text) if one.text else None
        if bound is not None and (bound.job or bound.side != "outputs" or bound.name not in made):
            raise BodyError(f"{where}: the pipeline has no output '{bound.name}' for '{name}'")


def _literal(where: str, node: Node, name: str, text: str) -> None:
    if node.ports[name].kind not in (*LITERALS, "any"):
        raise BodyError(f"{where}: input '{name}' takes data, and is given '{text}'")
    node.ports[name].check(f"{node.name}.{name}", text)


def _exists(
    where: str, name: str, one: Binding, nodes: Mapping[str, Node], ports: Mapping[str, Port]
) -> None:
    if not one.job:
        if one.side != "inputs" or one.name not in ports:
            raise BodyError(f"{where}: input '{name}': the pipeline has no input '{one.name}'")
    elif one.job not in nodes:
        raise BodyError(f"{where}: input '{name}': there is no step '{one.job}'")
    elif one.side != "outputs" or one.name not in nodes[one.job].made:
        raise BodyError(f"{where}: input '{name}': step '{one.job}' has no output '{one.name}'")
