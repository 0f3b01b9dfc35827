"""Where each step of a pipeline stands: the DAGs of gates, and what passes between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from waterflow import spec
from waterflow.errors import UnsupportedFeatureError
from waterflow.spec.references import operands, value_name
from waterflow_kfp import conditions, naming, types
from waterflow_kfp.dags import Dag, Flow, bind, wait

if TYPE_CHECKING:
    from waterflow_kfp.planning import KfpPlanning

_UNKNOWN: Final = ("kind", "number")
"""What tells of a value whose type only the run knows, beside its text."""


class Scopes:
    """The DAGs of one pipeline, and what its tasks give to others.

    Args:
        planning: The pipeline and its settings.
    """

    def __init__(self, planning: KfpPlanning) -> None:
        self.planning, self.root = planning, Dag("")
        self._sides: dict[tuple[str, bool], Dag] = {}
        self._wrappers: dict[str, Dag] = {}
        self._wrapped = _wrapped(planning)
        self._artifacts: dict[tuple[str, str], Flow] = {}
        self._values: dict[tuple[str, str], Flow] = {}
        self._importers: dict[str, Flow] = {}
        self._nothing: dict[str, Flow] = {}

    # --- where a step stands --------------------------------------------------------------------

    def of(self, branch: spec.Branch | None) -> Dag:
        """Return the DAG in which the steps of a branch are tasks.

        Raises:
            UnsupportedFeatureError: Its condition cannot be said natively.
        """
        if branch is None:
            return self.root
        return self._side(branch.gate, then=branch.then)

    def _side(self, name: str, *, then: bool) -> Dag:
        if (name, then) in self._sides:
            return self._sides[name, then]
        gate = self.planning.gate[name]
        parent = self._wrapper(name) if name in self._wrapped else self.of(gate.within)
        native = naming.side_task(self.planning.gates[name], then=then)
        shown = f"{name}: {naming.THEN if then else naming.OTHERWISE}"
        dag = self._sides[name, then] = parent.child(native, shown)
        dag.own["triggerPolicy"] = {"condition": self._trigger(dag, gate, then=then)}
        return dag

    def _wrapper(self, gate: str) -> Dag:
        """Return the DAG around both sides of a gate, which runs whatever the gate decides."""
        if gate not in self._wrappers:
            parent = self.of(self.planning.gate[gate].within)
            self._wrappers[gate] = parent.child(self.planning.gates[gate], gate)
        return self._wrappers[gate]

    # --- conditions -----------------------------------------------------------------------------

    def _trigger(self, dag: Dag, gate: spec.Gate, *, then: bool) -> str:
        terms = {repr(one): self._term(dag, gate, one) for one in operands(gate.condition)}
        try:
            return conditions.trigger(gate.condition, lambda one: terms[repr(one)], then=then)
        except conditions.Uncomparable as error:
            raise self._refused(
                gate, f"a condition on {error}", "Compare a value that cannot be None."
            ) from None

    def _term(self, dag: Dag, gate: spec.Gate, operand: spec.Operand) -> conditions.Term:
        try:
            if isinstance(operand, spec.FromValue):
                return conditions.constant(operand.value)
            if isinstance(operand, spec.FromParameter):
                return self._parameter_term(dag, operand.name)
        except conditions.Uncomparable as error:
            raise self._refused(
                gate, f"a condition on {error}", "Compare with a finite number."
            ) from None
        if isinstance(self.planning.steps[operand.step].run, spec.Container):
            raise self._refused(
                gate,
                f"a condition on what the container step '{operand.step}' writes",
                "Let a Python step read it and return the value, and use that in the condition.",
            )
        try:
            return self._step_term(dag, operand)
        except LookupError:
            raise self._refused(
                gate,
                f"a condition on step '{operand.step}', which stands behind another gate",
                "Put the condition behind that gate too.",
            ) from None

    def _parameter_term(self, dag: Dag, name: str) -> conditions.Term:
        parameter = self.planning.pipeline.parameters[name]
        if parameter.static:
            return conditions.constant(parameter.default)
        flow = self.parameter(name)
        dag.reach(flow, {})
        plain = types.PLAIN.get(parameter.type)
        if not parameter.optional and types.native_type(parameter) == plain:
            return conditions.scalar(flow.channel, parameter.type)
        return conditions.optional(flow.channel, parameter.type)

    def _step_term(self, dag: Dag, operand: spec.FromStep) -> conditions.Term:
        key = self.planning.keys(operand.step)[value_name(operand)]
        kind = value_kind(self.planning, operand)
        names: list[str] = []
        for name in value_parameters(key, kind):
            flow = self._values[operand.step, name]
            dag.reach(flow, {})
            names.append(flow.channel)
        if kind != "any":
            return conditions.scalar(names[0], kind)
        unsure = operand.step in self.planning.unsure
        return conditions.unknown(names[0], names[1], names[2], may_be_skipped=unsure)

    def _refused(self, gate: spec.Gate, feature: str, alternative: str) -> UnsupportedFeatureError:
        step = self.planning.behind(gate.name)
        return UnsupportedFeatureError(step, feature, self.planning.dialect.provider, alternative)

    # --- what passes ----------------------------------------------------------------------------

    def gives(self, step: str, flow: Flow, name: str | None = None) -> None:
        """Note what a task gives: an output of a step, or a value of it by its parameter."""
        kept = self._artifacts if flow.kind == "artifacts" else self._values
        kept[step, name or flow.key] = flow

    def artifact(self, step: str, output: str) -> Flow:
        """Return an output of a step."""
        return self._artifacts[step, output]

    def value(self, step: str, name: str) -> Flow:
        """Return an output parameter of a step."""
        return self._values[step, name]

    def parameter(self, name: str) -> Flow:
        """Return a parameter of the pipeline."""
        kind = types.native_type(self.planning.pipeline.parameters[name])
        return Flow("parameters", kind, self.root, None, name)

    def wait_for(self, dag: Dag, task: dict[str, Any], step: str, before: str) -> None:
        """Let a task wait for a step from which it takes nothing.

        Args:
            dag: The DAG of the task.
            task: The task.
            step: The task's step.
            before: The step that it waits for.
        """
        ours = self.planning.chain(self.planning.steps[step].branch)
        theirs = self.planning.chain(self.planning.steps[before].branch)
        inner = self.of(self.planning.steps[before].branch)
        name = self.planning.native[before]
        for mine, other in zip(ours, theirs, strict=False):
            if mine.gate == other.gate and mine.then is not other.then:
                return  # of two sides one never runs
        around = list(dag.around())
        while inner not in around:
            assert inner.parent is not None  # noqa: S101 - the root is around every DAG
            name, inner = inner.name, inner.parent
        position = around.index(inner)
        wait(task if position == 0 else around[position - 1].own, name)

    # --- the first of several -------------------------------------------------------------------

    def one_of(self, step: spec.Step, source: spec.FromFirst) -> Flow:
        """Return the one of several outputs that is made, whatever the gates decide."""
        chains = self.planning.beyond(step, source)
        flows = [self.artifact(one.step, one.output) for one in source.options]
        return self._export(list(zip(chains, flows, strict=True)))

    def _export(self, options: list[tuple[tuple[spec.Branch, ...], Flow]]) -> Flow:
        chain, flow = options[0]
        if not chain:
            return flow
        wrapper = self._wrapper(chain[0].gate)
        selected: list[Flow] = []
        for then in dict.fromkeys(chain[0].then for chain, _ in options):
            subset = [(chain[1:], flow) for chain, flow in options if chain[0].then is then]
            inner = self._export(subset)
            selected.append(self._lifted(inner))
        return _given(wrapper, selected)

    def or_nothing(self, step: spec.Step, option: spec.FromStep) -> Flow:
        """Return an output, or what stands for nothing where the gates exclude its step."""
        (chain,) = self.planning.beyond(step, spec.FromFirst((option,)))
        flow = self.artifact(option.step, option.output)
        for branch in reversed(chain):
            empty = self._side(branch.gate, then=not branch.then)
            nothing = self._nothing.get(empty.name)
            if nothing is None:
                nothing = self._importer(empty, "nothing", {
                    "runtimeValue": {"constant": self.planning.none}
                })  # fmt: skip
                self._nothing[empty.name] = nothing
            flow = _given(self._wrapper(branch.gate), [self._lifted(flow), self._lifted(nothing)])
        return flow

    def _lifted(self, flow: Flow) -> Flow:
        """Return what a DAG gives of its tasks to the DAG around it."""
        assert flow.task is not None  # noqa: S101 - artifacts are of tasks
        return flow.owner.give(flow.channel, flow.type, (flow.task, flow.key))

    # --- importers ------------------------------------------------------------------------------

    def imported(self, shown: str, address: str) -> Flow:
        """Return what lies at an address, as an artifact.

        Args:
            shown: What its importer is called.
            address: The address.
        """
        return self._once(shown, address, {"runtimeValue": {"constant": address}})

    def imported_parameter(self, name: str) -> Flow:
        """Return what lies at the address that a parameter of the pipeline says."""
        return self._once(f"data-{name}", f"parameter {name}", {"componentInputParameter": name})

    def _once(self, shown: str, key: str, bound: dict[str, Any]) -> Flow:
        if key not in self._importers:
            self._importers[key] = self._importer(self.root, shown, bound)
        return self._importers[key]

    def _importer(self, dag: Dag, shown: str, bound: dict[str, Any]) -> Flow:
        name = self.planning.names.take(shown)
        task: dict[str, Any] = {
            "taskInfo": {"name": name},
            "componentRef": {"name": naming.component(naming.IMPORTER)},
            "cachingOptions": {"enableCache": True},
        }
        bind(task, "parameters", "uri", bound)
        dag.tasks[name] = task
        return Flow("artifacts", types.ARTIFACT, dag, name, "artifact")

    @property
    def imports(self) -> bool:
        """Whether there is an importer."""
        return bool(self._importers or self._nothing)


def _given(wrapper: Dag, flows: list[Flow]) -> Flow:
    kinds = {flow.type for flow in flows}
    kind = kinds.pop() if len(kinds) == 1 else types.ARTIFACT
    selected = [(str(flow.task), flow.key) for flow in flows]
    return wrapper.give("--or--".join(flow.key for flow in flows), kind, *selected)


def _wrapped(planning: KfpPlanning) -> frozenset[str]:
    """Return the gates of which both sides are needed, or that others wait for."""
    sides: set[tuple[str, bool]] = set()
    gates: set[str] = set()
    for step in planning.pipeline.steps:
        ours = planning.chain(step.branch)
        sides.update((branch.gate, branch.then) for branch in ours)
        for before in step.after:
            theirs = planning.chain(planning.steps[before].branch)
            beyond = [branch for branch in theirs if branch not in ours]
            gates.update(branch.gate for branch in beyond[:1])
        for input_ in step.inputs.values():
            if isinstance(input_.source, spec.FromFirst):
                for chain in planning.beyond(step, input_.source):
                    gates.update(branch.gate for branch in chain)
    return frozenset(gates | {gate for gate, then in sides if (gate, not then) in sides})


def value_kind(planning: KfpPlanning, value: spec.FromStep) -> str:
    """Return the type of a value that conditions read; "any" where only the run knows it."""
    kind = planning.steps[value.step].outputs[value.output].type
    if value.key is not None:
        kind = "number" if kind == "metrics" else "any"
    return kind if kind in types.PLAIN and value.step not in planning.unsure else "any"


def value_parameters(key: str, kind: str) -> list[str]:
    """Return the names of the output parameters that tell a value.

    Args:
        key: The value's key.
        kind: Its type, or "any".
    """
    return [key] if kind != "any" else [key, *(f"{key}--{part}" for part in _UNKNOWN)]
