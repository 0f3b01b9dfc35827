"""Whether the conditions of a condition step hold."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Final

from waterflow_sagemaker.emulator.resolution import ResolutionError

if TYPE_CHECKING:
    from collections.abc import Callable

_ORDERED: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}
"""https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps-types.html#step-type-condition

Texts are ordered by the codes of their characters, whatever they say: "10" is less than "9"."""


def hold(arguments: dict[str, Any], resolve: Callable[[Any], Any]) -> bool:
    """Return whether all conditions of a condition step hold.

    Args:
        arguments: Its arguments, as the reader has let them pass.
        resolve: Computes an operand.

    Raises:
        ResolutionError: An operand cannot be had, or two cannot be compared.
    """
    # All are computed, so that an operand that cannot be had is an error whatever the others say.
    outcomes = [_holds(condition, resolve) for condition in arguments["Conditions"]]
    return all(outcomes)


def _holds(condition: dict[str, Any], resolve: Callable[[Any], Any]) -> bool:
    kind = condition["Type"]
    if kind == "Not":
        return not _holds(condition["Condition"], resolve)
    if kind == "Or":
        outcomes = [_holds(part, resolve) for part in condition["Conditions"]]
        return any(outcomes)
    if kind == "In":
        value = resolve(condition["QueryValue"])
        outcomes = [_equal(value, resolve(item)) for item in condition["Values"]]
        return any(outcomes)
    left, right = resolve(condition["LeftValue"]), resolve(condition["RightValue"])
    if kind == "Equals":
        return _equal(left, right)
    _check_alike(left, right)
    if isinstance(left, bool):
        raise ResolutionError(f"{kind} compares numbers or texts, and {left!r} is neither")
    return _ORDERED[kind](left, right)


def _equal(left: Any, right: Any) -> bool:
    _check_alike(left, right)
    return left == right


def _check_alike(left: Any, right: Any) -> None:
    """Refuse two sides that are not of one kind.

    A definition is taken that compares an entry of a map, which is a text, with a number; whether
    AWS then reads it as a number its tests and documents do not say.

    Raises:
        ResolutionError: They are not.
    """
    if _type(left) != _type(right):
        raise ResolutionError(
            f"{left!r} and {right!r} cannot be compared: a {_type(left)} and a {_type(right)}"
        )


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, (int, float)) else "string"
