"""Checks of a whole spec: that its graph is sound."""

from __future__ import annotations

from typing import Protocol

from waterflow.errors import DefinitionError
from waterflow.spec import document as spec
from waterflow.spec.document import SCALARS
from waterflow.spec.references import branches, operands, sources, upstream


class Types(Protocol):
    """What is known of the types that a spec names."""

    def compatible(self, produced: str, declared: str) -> bool:
        """Say whether an output of one type may be given to an input of another."""
        ...

    def takes(self, declared: str, value: object) -> bool:
        """Say whether an input of a type may be given a value that the spec itself holds."""
        ...


def check_graph(pipeline: spec.Pipeline, types: Types) -> None:
    """Check that a spec's graph is sound, whoever wrote it.

    Args:
        pipeline: The spec.
        types: What is known of its types; `waterflow.artifacts` is that.

    Raises:
        DefinitionError: A name used twice, a reference to nothing, types that do not fit, a
            cycle, a step before what it depends on, or an output used outside its gate.
    """
    steps: dict[str, spec.Step] = {}
    for name, parameter in pipeline.parameters.items():
        if parameter.type != "data":
            what = f"Pipeline '{pipeline.name}', the default of parameter '{name}'"
            _check_value(types, what, parameter.type, parameter.default)
    gates = {gate.name: gate for gate in pipeline.gates}
    if len(gates) != len(pipeline.gates):
        raise DefinitionError(f"Pipeline '{pipeline.name}': two gates have the same name.")
    all_steps = {step.name: step for step in pipeline.steps}
    if len(all_steps) != len(pipeline.steps):
        raise DefinitionError(f"Pipeline '{pipeline.name}': two steps have the same name.")
    for gate in pipeline.gates:
        if gate.within is not None and gate.within.gate not in gates:
            raise DefinitionError(f"Gate '{gate.name}' stands within an unknown gate.")
    _check_groups(pipeline, {*gates, *all_steps})
    _check_nesting(gates)
    _check_gates(pipeline, all_steps)
    for step in pipeline.steps:
        _check_step(types, pipeline, steps, all_steps, step)
        steps[step.name] = step


def _check_step(
    types: Types,
    pipeline: spec.Pipeline,
    steps: dict[str, spec.Step],
    all_steps: dict[str, spec.Step],
    step: spec.Step,
) -> None:
    """Check one step, given those that stand before it and all of them."""
    where = f"Step '{step.name}'"
    if step.branch is not None and all(gate.name != step.branch.gate for gate in pipeline.gates):
        raise DefinitionError(f"{where} stands behind the unknown gate '{step.branch.gate}'.")
    for before in upstream(pipeline, step):
        if before not in steps:
            raise DefinitionError(f"{where} {_why_not(pipeline, all_steps, step, before)}")
    chain = branches(pipeline, step.branch)
    for name, input_ in step.inputs.items():
        if isinstance(input_.source, spec.FromValue):
            _check_value(types, f"{where}, input '{name}'", input_.type, input_.source.value)
        for source in sources(input_.source):
            what = f"{where}, input '{name}'"
            produced, declared = _type_of(pipeline, steps, source, what), input_.type
            if isinstance(input_.source, spec.FromList):
                declared = declared[5:-1] if declared.startswith("list[") else "any"
            if (produced, declared) != ("data", "path") and not types.compatible(
                produced, declared
            ):
                raise DefinitionError(f"{what} takes {declared}, gets {produced}.")
            if isinstance(source, spec.FromStep) and not isinstance(input_.source, spec.FromFirst):
                outer = branches(pipeline, steps[source.step].branch)
                if chain[: len(outer)] != outer:
                    raise DefinitionError(f"{what} uses step '{source.step}' outside its gate.")


def _check_value(types: Types, what: str, declared: str, value: object) -> None:
    """Check a value that the spec itself holds; None is how an optional one is left out."""
    if value is not None and not types.takes(declared, value):
        raise DefinitionError(f"{what} takes {declared}, gets {value!r:.80}.")


def _check_groups(pipeline: spec.Pipeline, others: set[str]) -> None:
    known: set[str] = set()
    for group in pipeline.groups or ():
        if group.name in known | others:
            raise DefinitionError(f"'{group.name}' names a group and something else, too.")
        if group.within is not None and group.within not in known:
            raise DefinitionError(f"Group '{group.name}' stands within an unknown group.")
        known.add(group.name)
    for what, parts in (("Step", pipeline.steps), ("Gate", pipeline.gates)):
        for part in parts:
            if part.group and part.group not in known:
                raise DefinitionError(
                    f"{what} '{part.name}' stands in the unknown group '{part.group}'."
                )


def _check_nesting(gates: dict[str, spec.Gate]) -> None:
    for gate in gates.values():
        seen = {gate.name}
        inner = gate
        while inner.within is not None:
            if inner.within.gate in seen:
                raise DefinitionError(f"Gate '{gate.name}' stands within itself.")
            seen.add(inner.within.gate)
            inner = gates[inner.within.gate]


def _check_gates(pipeline: spec.Pipeline, steps: dict[str, spec.Step]) -> None:
    for gate in pipeline.gates:
        if gate.name in steps:
            raise DefinitionError(f"'{gate.name}' names both a gate and a step.")
        for operand in operands(gate.condition):
            if not isinstance(operand, spec.FromValue):
                compared = _type_of(pipeline, steps, operand, f"Gate '{gate.name}'")
                if compared not in (*SCALARS, "any"):
                    raise DefinitionError(
                        f"Gate '{gate.name}' compares a value of type {compared}, which is no "
                        "scalar."
                    )


def _type_of(
    pipeline: spec.Pipeline,
    steps: dict[str, spec.Step],
    source: spec.FromStep | spec.FromParameter,
    where: str,
) -> str:
    if isinstance(source, spec.FromParameter):
        if source.name not in pipeline.parameters:
            raise DefinitionError(f"{where} names the unknown parameter '{source.name}'.")
        return pipeline.parameters[source.name].type
    step = steps.get(source.step)
    if step is None:
        raise DefinitionError(f"{where} names the unknown step '{source.step}'.")
    if source.output not in step.outputs:
        raise DefinitionError(
            f"{where}: step '{source.step}' has no output '{source.output}'; "
            f"it has: {', '.join(step.outputs) or 'none'}."
        )
    if source.key is not None:
        return "number" if step.outputs[source.output].type == "metrics" else "any"
    return step.outputs[source.output].type


def _why_not(
    pipeline: spec.Pipeline, steps: dict[str, spec.Step], step: spec.Step, before: str
) -> str:
    if before not in steps:
        return f"depends on the unknown step '{before}'."
    seen: set[str] = set()
    todo = [before]
    while todo:
        name = todo.pop()
        if name == step.name:
            return f"and step '{before}' depend on each other: a pipeline has no cycles."
        if name not in seen and name in steps:
            seen.add(name)
            todo.extend(upstream(pipeline, steps[name]))
    return f"comes before step '{before}', on which it depends."
