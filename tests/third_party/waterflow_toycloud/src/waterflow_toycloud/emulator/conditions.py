"""Conditions, as the toy cloud's gates decide by them."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_COMPARISONS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def holds(condition: dict[str, Any], value: Callable[[dict[str, Any]], Any]) -> bool:
    """Say whether a condition holds.

    Args:
        condition: `all` or `any` of several, `not` of one, or `left`, `operator` and `right`.
        value: Gives an operand's value.
    """
    if "all" in condition:
        return all(holds(part, value) for part in condition["all"])
    if "any" in condition:
        return any(holds(part, value) for part in condition["any"])
    if "not" in condition:
        return not holds(condition["not"], value)
    left, right = value(condition["left"]), value(condition["right"])
    if condition["operator"] in ("==", "!="):
        return (left == right) is (condition["operator"] == "==")
    comparable = None not in (left, right) and isinstance(left, str) == isinstance(right, str)
    return comparable and _COMPARISONS[condition["operator"]](left, right)
