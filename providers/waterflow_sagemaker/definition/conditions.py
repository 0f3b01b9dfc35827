"""Conditions of a pipeline definition: their forms, and whether both sides can be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from waterflow_sagemaker.definition.document import as_object, is_expression
from waterflow_sagemaker.definition.shapes import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow_sagemaker.definition.document import Problem, Step
    from waterflow_sagemaker.definition.references import ReferenceTargets
    from waterflow_sagemaker.definition.shapes import Path

DEEPEST_CONDITION: Final = 100
"""Levels of conditions that are read; AWS names no bound, and nobody writes so many."""
ORDERED: Final = ("GreaterThan", "GreaterThanOrEqualTo", "LessThan", "LessThanOrEqualTo")
"""Types of conditions that order their sides: numbers by size, texts as texts. AWS's own test runs
GreaterThan of two texts (test_pipeline_var_behaviors.py among the integration tests of its SDK)."""
_COMPARISONS: Final = ("Equals", *ORDERED)
_MEMBERS: Final = {
    **dict.fromkeys(_COMPARISONS, ("LeftValue", "RightValue")),
    "In": ("QueryValue", "Values"),
    "Not": ("Condition",),
    "Or": ("Conditions",),
}
"""Type -> its members:
https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps-types.html#step-type-condition"""
_FAMILIES: Final = {"Integer": "number", "Float": "number", "String": "text", "Boolean": "boolean"}


def condition_problems(targets: ReferenceTargets, step: Step) -> Iterator[Problem]:
    """Yield what is wrong with a condition step's Arguments."""
    arguments = as_object(step.source.get("Arguments"))
    for name in ("IfSteps", "ElseSteps"):
        if not isinstance(arguments.get(name, []), list):
            yield (name,), f"found {shown(arguments[name])}; a list of steps is required"
    for name in arguments:
        if name not in ("Conditions", "IfSteps", "ElseSteps"):
            known = "Conditions, IfSteps, ElseSteps"
            yield (name,), f"found the unknown member '{name}'; allowed is one of {known}"
    yield from _several(targets, arguments.get("Conditions"), ("Conditions",))


def _several(targets: ReferenceTargets, value: Any, path: Path) -> Iterator[Problem]:
    if not isinstance(value, list) or not value:
        yield path, f"found {shown(value)}; a list of at least one condition is required"
        return
    for index, one in enumerate(cast("list[Any]", value)):
        yield from _one(targets, one, (*path, index))


def _one(targets: ReferenceTargets, value: Any, path: Path) -> Iterator[Problem]:
    condition = as_object(value)
    kind = condition.get("Type")
    if not isinstance(kind, str) or kind not in _MEMBERS:
        yield (*path, "Type"), f"found {shown(kind)}; allowed is one of {', '.join(_MEMBERS)}"
        return
    if len(path) > DEEPEST_CONDITION:
        yield path, f"found conditions {DEEPEST_CONDITION} deep; write fewer"
        return
    members = _MEMBERS[kind]
    for name in condition:
        if name not in ("Type", *members):
            yield (*path, name), f"found the unknown member '{name}'; {kind} has {_listed(members)}"
    missing = [name for name in members if condition.get(name) is None]
    for name in missing:
        yield (*path, name), "found nothing; a value is required"
    if missing:
        return
    if kind == "Or":
        yield from _several(targets, condition["Conditions"], (*path, "Conditions"))
    elif kind == "Not":
        yield from _one(targets, condition["Condition"], (*path, "Condition"))
    elif kind == "In":
        yield from _membership(targets, condition, path)
    else:
        yield from _comparison(targets, kind, condition, path)


def _membership(
    targets: ReferenceTargets, condition: dict[str, Any], path: Path
) -> Iterator[Problem]:
    yield from _operand(condition["QueryValue"], (*path, "QueryValue"))
    values = condition["Values"]
    if not isinstance(values, list) or not values:
        yield (*path, "Values"), f"found {shown(values)}; a list of at least one value is required"
        return
    queried = _family(targets, condition["QueryValue"])
    for index, value in enumerate(cast("list[Any]", values)):
        where = (*path, "Values", index)
        yield from _operand(value, where)
        family = _family(targets, value)
        if queried and family and family != queried:
            yield where, f"found {shown(value)}, a {family}; it is compared with a {queried}"


def _comparison(
    targets: ReferenceTargets, kind: str, condition: dict[str, Any], path: Path
) -> Iterator[Problem]:
    sides = {name: condition[name] for name in ("LeftValue", "RightValue")}
    for name, value in sides.items():
        yield from _operand(value, (*path, name))
    left, right = (_family(targets, value) for value in sides.values())
    if left and right and left != right:
        yield path, f"found {kind} of a {left} and a {right}; both sides must be of one kind"
    elif kind != "Equals" and "boolean" in (left, right):
        yield path, f"found {kind} of booleans; they can only be equal"


def _operand(value: Any, path: Path) -> Iterator[Problem]:
    if not is_expression(value) and not isinstance(value, (str, int, float, bool)):
        yield path, f"found {shown(value)}; a text, number, boolean or reference is required"


def _family(targets: ReferenceTargets, value: Any) -> str | None:
    """Return number, text or boolean; None where only the run knows."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "text"
    expression = as_object(value)
    if "Std:Join" in expression:
        return "text"
    if "Get" in expression:
        return _FAMILIES.get(targets.get(expression["Get"]).kind or "")
    return None


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join(names)
