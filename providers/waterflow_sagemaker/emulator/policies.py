"""Policies, judged as AWS judges them: actions, resources, principals and conditions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Verdict = Literal["allowed", "denied", "neither"]


def verdict(
    document: Mapping[str, Any],
    action: str,
    resource: str,
    context: Mapping[str, str | list[str]],
    principal: Callable[[Any], bool] | None = None,
) -> Verdict:
    """Return what a policy says of a call.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html

    Args:
        document: The policy.
        action: What is called, such as "s3:GetObject".
        resource: The ARN of what it is called on.
        context: The call's condition keys, as AWS names them.
        principal: Says whether a statement's principal is the caller; None for an identity's own
            policy, which names none.
    """
    keys = {key.lower(): value for key, value in context.items()}
    said: Verdict = "neither"
    for statement in listed(document.get("Statement")):
        if (
            _names(statement, "Action", action, ignoring_case=True)
            and _names(statement, "Resource", resource)
            and (principal is None or principal(statement.get("Principal")))
            and _holds(statement.get("Condition") or {}, keys)
        ):
            if statement["Effect"] == "Deny":
                return "denied"
            said = "allowed"
    return said


def listed(value: Any) -> list[Any]:
    """Return a member that AWS lets stand alone or in a list as a list."""
    if value is None:
        return []
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def matches(pattern: str, text: str) -> bool:
    """Return whether a text is one that `*` and `?` of a pattern stand for."""
    parts = (
        {"*": ".*", "?": "."}.get(part, re.escape(part)) for part in re.split(r"([*?])", pattern)
    )
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


def _names(
    statement: Mapping[str, Any], element: str, text: str, *, ignoring_case: bool = False
) -> bool:
    negated = f"Not{element}" in statement
    patterns = listed(statement.get(f"Not{element}" if negated else element))
    if ignoring_case:
        patterns, text = [one.lower() for one in patterns], text.lower()
    return any(matches(one, text) for one in patterns) is not negated


def _holds(
    conditions: Mapping[str, Mapping[str, Any]], keys: Mapping[str, str | list[str]]
) -> bool:
    """Return whether all conditions hold.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
    """
    return all(
        _one_holds(operator, listed(values), keys.get(key.lower()))
        for operator, tests in conditions.items()
        for key, values in tests.items()
    )


def _one_holds(operator: str, values: list[Any], found: str | list[str] | None) -> bool:
    expected = [_text(value) for value in values]
    if operator == "Null":
        return expected == ["true" if found is None else "false"]
    quantifier, _, name = operator.rpartition(":")
    name = name.removesuffix("IfExists")
    if found is None:
        # Nothing is none of the values, and all of no values are whatever one likes.
        return operator.endswith("IfExists") or quantifier == "ForAllValues" or "Not" in name
    test = _OPERATORS.get(name.replace("Not", ""))
    if test is None:
        raise ValueError(f"The policy's condition operator {operator} is not known")
    every = all if quantifier == "ForAllValues" else any
    if "Not" in name:
        return not any(test(one, actual) for actual in listed(found) for one in expected)
    return every(any(test(one, actual) for one in expected) for actual in listed(found))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_OPERATORS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "StringEquals": lambda one, actual: one == actual,
    "StringEqualsIgnoreCase": lambda one, actual: one.lower() == actual.lower(),
    "StringLike": matches,
    "ArnEquals": matches,
    "ArnLike": matches,
    "Bool": lambda one, actual: one.lower() == actual.lower(),
    "NumericEquals": lambda one, actual: float(one) == float(actual),
    "NumericLessThan": lambda one, actual: float(actual) < float(one),
    "NumericLessThanEquals": lambda one, actual: float(actual) <= float(one),
    "NumericGreaterThan": lambda one, actual: float(actual) > float(one),
    "NumericGreaterThanEquals": lambda one, actual: float(actual) >= float(one),
}
"""Operator, without its negation -> whether a value of the policy's is the call's."""
