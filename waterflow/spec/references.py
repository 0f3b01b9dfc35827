"""What the parts of a spec refer to: whom a step waits for, what a condition reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from waterflow.spec import document as spec

if TYPE_CHECKING:
    from collections.abc import Iterator


def sources(source: spec.Source) -> Iterator[spec.FromStep | spec.FromParameter]:
    """Yield what a source refers to: outputs and parameters."""
    if isinstance(source, (spec.FromStep, spec.FromParameter)):
        yield source
    elif isinstance(source, spec.FromFirst):
        yield from source.options
    elif isinstance(source, spec.FromList):
        for item in source.items:
            yield from sources(item)


def operands(condition: spec.Condition) -> Iterator[spec.Operand]:
    """Yield the scalars that a condition reads."""
    for compare in comparisons(condition):
        yield compare.left
        yield compare.right


def comparisons(condition: spec.Condition) -> Iterator[spec.Compare]:
    """Yield the comparisons that a condition is made of."""
    if isinstance(condition, spec.Compare):
        yield condition
    elif isinstance(condition, spec.Not):
        yield from comparisons(condition.part)
    else:
        for part in condition.parts:
            yield from comparisons(part)


def branches(pipeline: spec.Pipeline, branch: spec.Branch | None) -> tuple[spec.Branch, ...]:
    """Return the sides of gates on which something stands, outermost first."""
    gates = {gate.name: gate for gate in pipeline.gates}
    chain: list[spec.Branch] = []
    while branch is not None:
        chain.append(branch)
        branch = gates[branch.gate].within
    return tuple(reversed(chain))


def upstream(pipeline: spec.Pipeline, step: spec.Step) -> set[str]:
    """Return the steps that must end before a step can begin: by data, by order, by gates."""
    names = set(step.after)
    for input_ in step.inputs.values():
        names.update(s.step for s in sources(input_.source) if isinstance(s, spec.FromStep))
    gates = {gate.name: gate for gate in pipeline.gates}
    for branch in branches(pipeline, step.branch):
        condition = gates[branch.gate].condition
        names.update(o.step for o in operands(condition) if isinstance(o, spec.FromStep))
    return names


def values(pipeline: spec.Pipeline) -> dict[str, dict[str, spec.FromStep]]:
    """Return the scalars that conditions need: step -> name of the value -> where it is.

    The name is `output` or `output.key`.
    """
    scalars: dict[str, dict[str, spec.FromStep]] = {}
    for gate in pipeline.gates:
        for operand in operands(gate.condition):
            if isinstance(operand, spec.FromStep):
                scalars.setdefault(operand.step, {})[value_name(operand)] = operand
    return scalars


def value_name(reference: spec.FromStep) -> str:
    """Return the name of a `--value`: `output`, or `output.key`."""
    return reference.output if reference.key is None else f"{reference.output}.{reference.key}"
