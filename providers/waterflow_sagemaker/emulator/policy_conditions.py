"""The conditions of IAM's policies: what each operator says of the values of a request.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Compare = Callable[[str, str], bool]
    """A policy's value and a request's -> whether they agree."""

Context = dict[str, tuple[str, ...]]
"""The condition keys of a request, in lower case -> their values."""

_SETS: Final = ("ForAllValues:", "ForAnyValue:")
_VARIABLE: Final = re.compile(r"\$\{\s*([^},]*?)\s*(?:,\s*'([^']*)'\s*)?\}")
_ESCAPED: Final = {"*": "\0", "?": "\1", "$": "$"}
"""What `${*}` and its like stand for: signs that are no wildcards, while a text is matched."""


class UnknownOperatorError(ValueError):
    """A policy names a condition operator that IAM does not have."""


def context_of(values: Mapping[str, Any] | None) -> Context:
    """Return a request's condition keys as conditions read them.

    Args:
        values: Key -> a value, or several in a list; of any type that JSON has.
    """
    context: Context = {}
    for key, value in (values or {}).items():
        context[key.lower()] = tuple(_written(one) for one in listed(value))
    return context


def hold(
    block: Mapping[str, Mapping[str, Any]], context: Context, variables: bool = True
) -> tuple[bool, list[str]]:
    """Say whether all conditions of a statement hold.

    Args:
        block: The statement's `Condition`.
        context: The request's condition keys.
        variables: Whether the policy's version has variables: `${aws:username}`.

    Returns:
        Whether they do, and the keys that they look at and the request does not have.

    Raises:
        UnknownOperatorError: An operator is none of IAM's.
    """
    missing: list[str] = []
    holds = True
    for operator, keys in block.items():
        for key, policy_values in keys.items():
            if key.lower() not in context:
                missing.append(key)
            values = [_written(one) for one in listed(policy_values)]
            if variables:
                values = [filled(one, context, escape=True) for one in values]
            holds = _holds(operator, values, context.get(key.lower())) and holds
    return holds, missing


def filled(text: str, context: Context, *, escape: bool = False) -> str:
    """Return a policy's text with its variables replaced by the request's values.

    A variable that the request does not have stays as it is written, and so matches nothing.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html

    Args:
        text: The text.
        context: The request's condition keys.
        escape: Whether signs of `${*}` are kept apart from wildcards.
    """

    def replaced(match: re.Match[str]) -> str:
        name, default = match[1], match[2]
        if name in _ESCAPED:
            return _ESCAPED[name] if escape else name
        values = context.get(name.lower())
        if values:
            return values[0]
        return match[0] if default is None else default

    return _VARIABLE.sub(replaced, text)


def matches(pattern: str, text: str) -> bool:
    """Say whether a text is as a pattern with `*` and `?` says; the case counts."""
    return _glob(pattern).fullmatch(text) is not None


def listed(value: Any) -> list[Any]:
    """Return a value, or the values of a list, as a list: policies write either."""
    return cast("list[Any]", value) if isinstance(value, list) else [value]


@lru_cache(maxsize=4096)
def _glob(pattern: str) -> re.Pattern[str]:
    signs = {"*": ".*", "?": ".", "\0": r"\*", "\1": r"\?"}
    return re.compile("".join(signs.get(sign) or re.escape(sign) for sign in pattern), re.DOTALL)


def _holds(operator: str, policy_values: Sequence[str], values: tuple[str, ...] | None) -> bool:
    """Say whether one key's values are as one operator says."""
    quantifier = next((one for one in _SETS if operator.startswith(one)), "")
    name = operator.removeprefix(quantifier)
    lenient = name.endswith("IfExists")
    name = name.removesuffix("IfExists")
    if name == "Null":
        absent = not values
        return any(absent is (one.lower() == "true") for one in policy_values)
    if name not in _OPERATORS:
        raise UnknownOperatorError(f"Invalid condition operator: {operator}")
    compare, negated = _OPERATORS[name]
    if not values:
        # Nothing contradicts "all of them", and nothing is "any of them"; a single key that is
        # not there is unlike every value.
        return lenient or (negated if not quantifier else quantifier == "ForAllValues:")

    def agrees(value: str) -> bool:
        return any(_try(compare, one, value) for one in policy_values) is not negated

    return all(map(agrees, values)) if quantifier == "ForAllValues:" else any(map(agrees, values))


def _try(compare: Compare, policy_value: str, value: str) -> bool:
    try:
        return compare(policy_value, value)
    except (ValueError, InvalidOperation):  # of another type: it agrees with nothing
        return False


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _plain(text: str) -> str:
    return text.replace("\0", "*").replace("\1", "?")


def _same(one: str, other: str) -> bool:
    return _plain(one) == other


def _same_letters(one: str, other: str) -> bool:
    return _plain(one).casefold() == other.casefold()


def _arn(pattern: str, arn: str) -> bool:
    """Compare ARNs part by part: a wildcard does not reach over the colon, but in the last part."""
    parts, others = pattern.split(":", 5), arn.split(":", 5)
    return len(parts) == len(others) and all(map(matches, parts, others))


def _address(network: str, address: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)


def _moment(text: str) -> datetime:
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _number(compare: Callable[[Decimal, Decimal], bool]) -> Compare:
    return lambda one, value: compare(Decimal(value), Decimal(one))


def _date(compare: Callable[[datetime, datetime], bool]) -> Compare:
    return lambda one, value: compare(_moment(value), _moment(one))


_OPERATORS: Final[dict[str, tuple[Compare, bool]]] = {
    "StringEquals": (_same, False),
    "StringNotEquals": (_same, True),
    "StringEqualsIgnoreCase": (_same_letters, False),
    "StringNotEqualsIgnoreCase": (_same_letters, True),
    "StringLike": (matches, False),
    "StringNotLike": (matches, True),
    "NumericEquals": (_number(lambda value, one: value == one), False),
    "NumericNotEquals": (_number(lambda value, one: value == one), True),
    "NumericLessThan": (_number(lambda value, one: value < one), False),
    "NumericLessThanEquals": (_number(lambda value, one: value <= one), False),
    "NumericGreaterThan": (_number(lambda value, one: value > one), False),
    "NumericGreaterThanEquals": (_number(lambda value, one: value >= one), False),
    "DateEquals": (_date(lambda value, one: value == one), False),
    "DateNotEquals": (_date(lambda value, one: value == one), True),
    "DateLessThan": (_date(lambda value, one: value < one), False),
    "DateLessThanEquals": (_date(lambda value, one: value <= one), False),
    "DateGreaterThan": (_date(lambda value, one: value > one), False),
    "DateGreaterThanEquals": (_date(lambda value, one: value >= one), False),
    "Bool": (_same_letters, False),
    "BinaryEquals": (_same, False),
    "IpAddress": (_address, False),
    "NotIpAddress": (_address, True),
    # Equals and Like are the same for ARNs.
    "ArnEquals": (_arn, False),
    "ArnLike": (_arn, False),
    "ArnNotEquals": (_arn, True),
    "ArnNotLike": (_arn, True),
}
"""Operator -> how it compares, and whether it holds where that does not."""
