"""What calls of one step are told apart by for people: `train(c=0.1)` where names are numbered."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Final

from waterflow.spec import document as spec

if TYPE_CHECKING:
    from collections.abc import Iterable

_VALUE: Final = 24
"""Characters of a constant, and how many constants, that a label shows."""
_MOST: Final = 4


def labels(pipeline: spec.Pipeline) -> dict[str, str]:
    """Return what the calls of a step that is called several times were given, by step name.

    A label is made from the spec and is no part of it: names, digests and caches do not know it.
    It holds the constants in which the calls differ. A call that was named by its author has none,
    for its name says what it is; neither has one that nothing tells from the others.

    Args:
        pipeline: The spec.

    Returns:
        Step name -> `train(c=0.1)`, in the pipeline's order; where two calls were given the same
        constants, with the step's name: `train-2(c=0.1)`.
    """
    calls: dict[tuple[str, str], list[spec.Step]] = {}
    for step in pipeline.steps:
        if (called := _called(step)) is not None:
            calls.setdefault(called, []).append(step)
    labelled: dict[str, str] = {}
    for (_, function), steps in calls.items():
        if len(steps) > 1:
            labelled |= _of_calls(function, steps)
    return {step.name: labelled[step.name] for step in pipeline.steps if step.name in labelled}


def is_numbered(step: spec.Step) -> bool:
    """Say whether a step's name is its function's, numbered or not, and no name of its author's."""
    called = _called(step)
    if called is None:
        return False
    own = _own_name(step)
    base, _, number = own.rpartition("-")
    return called[1] in (own, base if number.isdigit() else own)


def _own_name(step: spec.Step) -> str:
    """Return a step's name without that of its group."""
    return step.name.removeprefix(f"{step.group}-") if step.group else step.name


def _called(step: spec.Step) -> tuple[str, str] | None:
    if isinstance(step.run, spec.Function):
        return step.run.module, step.run.name
    return ("", "register") if isinstance(step.run, spec.Register) else None


def _of_calls(function: str, steps: list[spec.Step]) -> dict[str, str]:
    names = sorted({name for step in steps for name in step.inputs})
    constants = [_constants(step, names) for step in steps]
    differing = [n for n in names if len({one[n] for one in constants if n in one}) > 1]
    texts = {
        step.name: _text((name, one[name]) for name in differing if one.get(name))
        for step, one in zip(steps, constants, strict=True)
        if is_numbered(step)
    }
    calls = {
        step.name: f"{step.name.removesuffix(_own_name(step))}{function}({texts[step.name]})"
        for step in steps
        if texts.get(step.name)
    }
    times = Counter(calls.values())
    return {
        name: call if times[call] == 1 else f"{name}({texts[name]})" for name, call in calls.items()
    }


def _constants(step: spec.Step, names: list[str]) -> dict[str, str]:
    """Return what a step is given by its definition: argument -> JSON text; "" for left out."""
    constants = dict.fromkeys((name for name in names if name not in step.inputs), "")
    for name, input_ in step.inputs.items():
        if isinstance(input_.source, spec.FromValue):
            constants[name] = json.dumps(input_.source.value, ensure_ascii=False, sort_keys=True)
    return constants


def _text(constants: Iterable[tuple[str, str]]) -> str:
    parts = [f"{name}={_cut(value)}" for name, value in constants]
    return ", ".join([*parts[:_MOST], "…"] if len(parts) > _MOST else parts)


def _cut(text: str) -> str:
    return text if len(text) <= _VALUE else f"{text[: _VALUE - 1]}…"
