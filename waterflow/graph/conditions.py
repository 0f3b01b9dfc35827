"""Conditions and sources as people read them: `evaluate.metrics["auc"] >= min_auc`."""

from __future__ import annotations

import json
from typing import Final

from waterflow import spec

SINGLE: Final = "output"
"""The name of a step's result when it has just one: no drawing repeats it."""


def condition_text(condition: spec.Condition) -> str:
    """Return a condition as a person would write it.

    Outputs stand as `step.output` (just `step` when it has only one), parameters by their name.

    Args:
        condition: A gate's condition.
    """
    if isinstance(condition, spec.Compare):
        left, right = operand_text(condition.left), operand_text(condition.right)
        if condition.operator == "==" and isinstance(condition.right, spec.FromValue):
            if condition.right.value is True:
                return left
            if condition.right.value is False:
                return f"not {left}"
        return f"{left} {condition.operator} {right}"
    if isinstance(condition, spec.Not):
        inner = condition_text(condition.part)
        return f"not {inner}" if _single(condition.part) else f"not ({inner})"
    word = " and " if isinstance(condition, spec.All) else " or "
    return word.join(
        text if isinstance(part, (spec.Compare, spec.Not)) else f"({text})"
        for part in condition.parts
        for text in (condition_text(part),)
    )


def _single(condition: spec.Condition) -> bool:
    """Say whether a condition is one word, so that `not` before it needs no parentheses."""
    return (
        isinstance(condition, spec.Compare)
        and condition.operator == "=="
        and isinstance(condition.right, spec.FromValue)
        and condition.right.value is True
    )


def operand_text(operand: spec.Operand) -> str:
    """Return one side of a comparison as text."""
    if isinstance(operand, spec.FromStep):
        return reference_text(operand)
    if isinstance(operand, spec.FromParameter):
        return operand.name
    return json.dumps(operand.value, ensure_ascii=False)


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
