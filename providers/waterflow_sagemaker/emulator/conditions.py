"""The conditions of a condition step: what is valid, and whether they hold."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow_sagemaker.emulator.resolution import ResolutionError

if TYPE_CHECKING:
    from collections.abc import Callable

ORDERED: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}
"""https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps-types.html#step-type-condition"""

_MEMBERS: Final = {
    "In": {"QueryValue", "Values"},
    "Not": {"Condition", "Expression"},
    "Or": {"Conditions"},
}
_COMPARED: Final = {"LeftValue", "RightValue"}


def errors(arguments: dict[str, Any]) -> list[str]:
    """Return what is wrong with a condition step's arguments."""
    found = arguments.get("Conditions")
    if not isinstance(found, list) or not found:
        return ["Conditions is not a list of conditions"]
    return [error for part in cast("list[Any]", found) for error in _errors(part)]


def _errors(condition: Any) -> list[str]:
    if not isinstance(condition, dict):
        return [f"{condition!r} is no condition"]
    found = cast("dict[str, Any]", condition)
    kind = found.get("Type")
    if kind == "Equals" or kind in ORDERED:
        lacking = _COMPARED - found.keys()
    elif kind in _MEMBERS:
        lacking = _MEMBERS[kind] - found.keys() if kind != "Not" else set[str]()
    else:
        return [f"condition type {kind!r} is unknown"]
    wrong = [f"a condition of type {kind} lacks {name}" for name in sorted(lacking)]
    if kind == "Not":
        inner = _negated(found)
        wrong += (
            _errors(inner) if inner is not None else ["a condition of type Not lacks Condition"]
        )
    if kind == "Or" and not lacking:
        wrong += errors(found)
    if kind == "In" and not lacking and not isinstance(found["Values"], list):
        wrong.append("Values of a condition of type In is not a list")
    return wrong


def _negated(condition: dict[str, Any]) -> Any:
    """Return what a Not negates: `Condition` in the SDK, `Expression` in AWS's own schema."""
    return condition.get("Condition", condition.get("Expression"))


def hold(arguments: dict[str, Any], resolve: Callable[[Any], Any]) -> bool:
    """Say whether all conditions of a condition step hold.

    Args:
        arguments: Its arguments.
        resolve: Computes an operand.

    Raises:
        ResolutionError: An operand cannot be had, or two cannot be compared.
    """
    # All are computed, so that an operand that cannot be had is an error whatever the others say.
    found = [_holds(condition, resolve) for condition in arguments["Conditions"]]
    return all(found)


def _holds(condition: dict[str, Any], resolve: Callable[[Any], Any]) -> bool:
    kind = condition["Type"]
    if kind == "Not":
        return not _holds(_negated(condition), resolve)
    if kind == "Or":
        found = [_holds(part, resolve) for part in condition["Conditions"]]
        return any(found)
    if kind == "In":
        value = resolve(condition["QueryValue"])
        found = [_equal(value, resolve(item)) for item in condition["Values"]]
        return any(found)
    left, right = resolve(condition["LeftValue"]), resolve(condition["RightValue"])
    if kind == "Equals":
        return _equal(left, right)
    for side in (left, right):
        if _type(side) != "number":
            raise ResolutionError(f"{kind} compares numbers, and {side!r} is none")
    return ORDERED[kind](left, right)


def _equal(left: Any, right: Any) -> bool:
    if _type(left) != _type(right):
        raise ResolutionError(
            f"{left!r} and {right!r} cannot be compared: a {_type(left)} and a {_type(right)}"
        )
    return left == right


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, (int, float)) else "string"
