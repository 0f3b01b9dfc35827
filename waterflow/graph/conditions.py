"""Conditions and sources as people read them: `evaluate.metrics["auc"] >= min_auc`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from waterflow import spec
from waterflow.spec.conditions import SKIPPED, holds
from waterflow.spec.references import operands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Scalar = Callable[[spec.Operand], Any]

SINGLE: Final = "output"
"""The name of a step's result when it has just one: no drawing repeats it."""


def condition_text(condition: spec.Condition, scalar: Scalar | None = None) -> str:
    """Return a condition as a person would write it.

    Outputs stand as `step.output` (just `step` when it has only one), parameters by their name.

    Args:
        condition: A gate's condition.
        scalar: Gives an operand's value, which then stands behind it: `evaluate["auc"] (0.71)`;
            KeyError for one that is not known.
    """
    if isinstance(condition, spec.Compare):
        left = operand_text(condition.left, scalar)
        right = operand_text(condition.right, scalar)
        if condition.operator == "==" and isinstance(condition.right, spec.FromValue):
            if condition.right.value is True:
                return left
            if condition.right.value is False:
                return f"not {left}"
        return f"{left} {condition.operator} {right}"
    if isinstance(condition, spec.Not):
        inner = condition_text(condition.part, scalar)
        return f"not {inner}" if _single(condition.part) else f"not ({inner})"
    word = " and " if isinstance(condition, spec.All) else " or "
    return word.join(
        text if isinstance(part, (spec.Compare, spec.Not)) else f"({text})"
        for part in condition.parts
        for text in (condition_text(part, scalar),)
    )


def closing_text(gates: Iterable[tuple[spec.Condition, bool]], scalar: Scalar) -> str | None:
    """Return which condition keeps a step from running, with its values.

    Args:
        gates: The conditions that it stands behind, outermost first, and the side that runs it.
        scalar: Gives an operand's value; SKIPPED when its step was skipped.

    Returns:
        None when every gate is open. Where a value is not known, the condition without values.
    """
    for condition, side in gates:
        try:
            answer = holds(condition, scalar)
        except KeyError:
            return f"{condition_text(condition)} is {'false' if side else 'true'}"
        if answer is None:
            missing = next(
                one.step
                for one in operands(condition)
                if isinstance(one, spec.FromStep) and scalar(one) is SKIPPED
            )
            return f"{condition_text(condition)} has no answer: '{missing}' was skipped"
        if answer != side:
            return f"{condition_text(condition, scalar)} is {'true' if answer else 'false'}"
    return None


def _single(condition: spec.Condition) -> bool:
    """Say whether a condition is one word, so that `not` before it needs no parentheses."""
    return (
        isinstance(condition, spec.Compare)
        and condition.operator == "=="
        and isinstance(condition.right, spec.FromValue)
        and condition.right.value is True
    )


def operand_text(operand: spec.Operand, scalar: Scalar | None = None) -> str:
    """Return one side of a comparison as text; `scalar` as for `condition_text`."""
    if isinstance(operand, spec.FromValue):
        return json.dumps(operand.value, ensure_ascii=False)
    name = reference_text(operand) if isinstance(operand, spec.FromStep) else operand.name
    if scalar is None:
        return name
    return f"{name} ({json.dumps(scalar(operand), ensure_ascii=False)})"


def reference_text(reference: spec.FromStep) -> str:
    """Return an output as text: `split.train`, `evaluate["auc"]`."""
    where = reference.step if reference.output == SINGLE else f"{reference.step}.{reference.output}"
    return (
        where
        if reference.key is None
        else f"{where}[{json.dumps(reference.key, ensure_ascii=False)}]"
    )


def output_label(reference: spec.FromStep) -> str:
    """Return what stands on the edge from an output: nothing for a step's only one."""
    name = "" if reference.output == SINGLE else reference.output
    return name if reference.key is None else f'{name}["{reference.key}"]'


def source_text(source: spec.Source) -> str:
    """Return where an input's value comes from as text."""
    if isinstance(source, spec.FromFirst):
        return f"first({', '.join(map(reference_text, source.options))})"
    if isinstance(source, spec.FromList):
        return f"[{', '.join(map(operand_text, source.items))}]"
    if isinstance(source, spec.FromData):
        return source.uri
    return operand_text(source)
