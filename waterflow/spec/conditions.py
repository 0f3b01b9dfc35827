"""Conditions, evaluated: what a gate's answer is once its scalars are known."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Final

from waterflow.spec import document as spec
from waterflow.spec.references import operands

if TYPE_CHECKING:
    from collections.abc import Callable

_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt,
    "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip

SKIPPED: Final = object()
"""Stands for a scalar that was never made."""


def holds(condition: spec.Condition, scalar: Callable[[spec.Operand], Any]) -> bool | None:
    """Say whether a condition holds.

    Args:
        condition: The condition.
        scalar: Gives an operand's value; SKIPPED when its step was skipped.

    Returns:
        The answer, or None when a scalar is missing: then neither side of the gate runs.
    """
    if any(scalar(operand) is SKIPPED for operand in operands(condition)):
        return None
    return _holds(condition, scalar)


def _holds(condition: spec.Condition, scalar: Callable[[spec.Operand], Any]) -> bool:
    if isinstance(condition, spec.Compare):
        left, right = scalar(condition.left), scalar(condition.right)
        if left is None or right is None or isinstance(left, str) != isinstance(right, str):
            same = left == right
            return same if condition.operator == "==" else not same and condition.operator == "!="
        return _COMPARISONS[condition.operator](left, right)
    if isinstance(condition, spec.Not):
        return not _holds(condition.part, scalar)
    answers = (_holds(part, scalar) for part in condition.parts)
    return all(answers) if isinstance(condition, spec.All) else any(answers)
