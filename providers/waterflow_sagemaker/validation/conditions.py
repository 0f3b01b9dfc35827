"""Conditions of a pipeline definition: their forms, and whether both sides can be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from waterflow_sagemaker.validation.scope import as_object
from waterflow_sagemaker.validation.shapes import is_expression, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow_sagemaker.validation.scope import Placed, Scope
    from waterflow_sagemaker.validation.shapes import Path

    Problem = tuple[Path, str]

_COMPARISONS: Final = (
    "Equals", "GreaterThan", "GreaterThanOrEqualTo", "LessThan", "LessThanOrEqualTo",
)  # fmt: skip
_MEMBERS: Final = {
    **dict.fromkeys(_COMPARISONS, ("LeftValue", "RightValue")),
    "In": ("QueryValue", "Values"),
    "Not": ("Condition",),
    "Or": ("Conditions",),
}
"""Type -> its members:
https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps-types.html#step-type-condition"""
_FAMILIES: Final = {"Integer": "number", "Float": "number", "String": "text", "Boolean": "boolean"}
_DEEPEST: Final = 100


def condition_problems(scope: Scope, placed: Placed) -> Iterator[Problem]:
    """Yield (path, "found ...; limit") for a condition step's Arguments."""
    for name in ("IfSteps", "ElseSteps"):
        if not isinstance(placed.arguments.get(name, []), list):
            yield (name,), f"found {shown(placed.arguments[name])}; a list of steps is required"
    for name in placed.arguments:
        if name not in ("Conditions", "IfSteps", "ElseSteps"):
            told = "Conditions, IfSteps, ElseSteps"
            yield (name,), f"found the unknown member '{name}'; allowed is one of {told}"
    yield from _several(scope, placed.arguments.get("Conditions"), ("Conditions",))


def _several(scope: Scope, value: Any, path: Path) -> Iterator[Problem]:
    if not isinstance(value, list) or not value:
        yield path, f"found {shown(value)}; a list of at least one condition is required"
        return
    for index, one in enumerate(cast("list[Any]", value)):
        yield from _one(scope, one, (*path, index))


def _one(scope: Scope, value: Any, path: Path) -> Iterator[Problem]:
    told = as_object(value)
    kind = told.get("Type")
    if not isinstance(kind, str) or kind not in _MEMBERS:
        yield (*path, "Type"), f"found {shown(kind)}; allowed is one of {', '.join(_MEMBERS)}"
        return
    if len(path) > _DEEPEST:
        yield path, f"found conditions {_DEEPEST} deep; write fewer"
        return
    members = _MEMBERS[kind]
    for name in told:
        if name not in ("Type", *members):
            yield (*path, name), f"found the unknown member '{name}'; {kind} has {_listed(members)}"
    missing = [name for name in members if told.get(name) is None]
    for name in missing:
        yield (*path, name), "found nothing; a value is required"
    if missing:
        return
    if kind == "Or":
        yield from _several(scope, told["Conditions"], (*path, "Conditions"))
    elif kind == "Not":
        yield from _one(scope, told["Condition"], (*path, "Condition"))
    elif kind == "In":
        yield from _membership(scope, told, path)
    else:
        yield from _comparison(scope, kind, told, path)


def _membership(scope: Scope, told: dict[str, Any], path: Path) -> Iterator[Problem]:
    yield from _operand(told["QueryValue"], (*path, "QueryValue"))
    values = told["Values"]
    if not isinstance(values, list) or not values:
        yield (*path, "Values"), f"found {shown(values)}; a list of at least one value is required"
        return
    wanted = _family(scope, told["QueryValue"])
    for index, value in enumerate(cast("list[Any]", values)):
        where = (*path, "Values", index)
        yield from _operand(value, where)
        found = _family(scope, value)
        if wanted and found and found != wanted:
            yield where, f"found {shown(value)}, a {found}; it is compared with a {wanted}"


def _comparison(scope: Scope, kind: str, told: dict[str, Any], path: Path) -> Iterator[Problem]:
    sides = {name: told[name] for name in ("LeftValue", "RightValue")}
    for name, value in sides.items():
        yield from _operand(value, (*path, name))
    left, right = (_family(scope, value) for value in sides.values())
    if left and right and left != right:
        yield path, f"found {kind} of a {left} and a {right}; both sides must be of one kind"
    elif kind != "Equals" and "boolean" in (left, right):
        yield path, f"found {kind} of booleans; they can only be equal"


def _operand(value: Any, path: Path) -> Iterator[Problem]:
    if not is_expression(value) and not isinstance(value, (str, int, float, bool)):
        yield path, f"found {shown(value)}; a text, number, boolean or reference is required"


def _family(scope: Scope, value: Any) -> str | None:
    """Return number, text or boolean; None where only the run knows."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "text"
    told = as_object(value)
    if "Std:Join" in told:
        return "text"
    if "Get" in told:
        return _FAMILIES.get(scope.get(told["Get"]).kind or "")
    return None


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join(names)
