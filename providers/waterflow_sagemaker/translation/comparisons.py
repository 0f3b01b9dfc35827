"""Conditions of a spec as conditions of SageMaker, which has no And, no != and no null.

A value of a step is read from its property file: as `number` where it is one (a boolean is 1 or 0),
as `text`, its JSON text, and as `plain`, a text as it is; its `kind` says which it is. Numbers are
ordered as numbers and texts as they are, by the codes of their characters; JSON is only equal.
https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps-types.html#step-type-condition
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from waterflow import spec
from waterflow.errors import UnsupportedFeatureError
from waterflow.spec.conditions import holds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Native = dict[str, Any]

_NAMES: Final = {
    "==": "Equals", "<": "LessThan", "<=": "LessThanOrEqualTo",
    ">": "GreaterThan", ">=": "GreaterThanOrEqualTo",
}  # fmt: skip
_ONES: Final = ("true", "1.0")
_ZEROS: Final = ("false", "0.0", "-0.0")
_INSIDE: Final = "Compare inside a step that returns a boolean, and use that as the condition."


@dataclass(frozen=True)
class Term:
    """One side of a comparison.

    Attributes:
        kind: What it is known to be; "any" is one of the others, which only the run knows.
        shown: How messages call it.
        value: A constant's value.
        number: How SageMaker reads it as a number; None where it cannot.
        text: How SageMaker reads its JSON text; None where it cannot.
        plain: How SageMaker reads it as it is if it is a text; None where it cannot.
        sort: How SageMaker reads what it is, "number", "text" or "none"; None where it cannot.
        whole: Its text is that of a whole number; otherwise a number's text is a float's.
        optional: It may be None, whose text is `null`.
    """

    kind: Literal["constant", "number", "boolean", "string", "any"]
    shown: str
    value: Any = None
    number: Any = None
    text: Any = None
    plain: Any = None
    sort: Any = None
    whole: bool = False
    optional: bool = False


@dataclass(frozen=True)
class _Leaf:
    """A comparison as SageMaker takes it."""

    native: str  # JSON text, so that it can be compared


@dataclass(frozen=True)
class _Not:
    part: _Expression


@dataclass(frozen=True)
class _Several:
    all: bool
    parts: tuple[_Expression, ...]


_Expression = bool | _Leaf | _Not | _Several


def translate(
    condition: spec.Condition, term: Callable[[spec.Operand], Term], step: str
) -> list[Native]:
    """Return a condition as the Conditions of a condition step, all of which must hold.

    Args:
        condition: The condition.
        term: Says how an operand is read.
        step: The step that messages name.

    Raises:
        UnsupportedFeatureError: SageMaker cannot compare these.
    """
    expression = _Translator(term, step).expression(condition)
    parts = (
        expression.parts if isinstance(expression, _Several) and expression.all else (expression,)
    )
    return [_native(part) for part in parts]


# --- boolean forms ------------------------------------------------------------------------------


def _all(parts: Iterable[_Expression]) -> _Expression:
    return _several(True, parts)


def _any(parts: Iterable[_Expression]) -> _Expression:
    return _several(False, parts)


def _several(every: bool, parts: Iterable[_Expression]) -> _Expression:
    members: list[_Expression] = []
    for part in parts:
        if isinstance(part, bool):
            if part != every:
                return part
        elif isinstance(part, _Several) and part.all == every:
            members += part.parts
        else:
            members.append(part)
    if not members:
        return every
    return members[0] if len(members) == 1 else _Several(every, tuple(members))


def _not(part: _Expression) -> _Expression:
    if isinstance(part, bool):
        return not part
    if isinstance(part, _Not):
        return part.part
    if isinstance(part, _Several) and part.all:
        return _any(_not(one) for one in part.parts)
    return _Not(part)


def _native(expression: _Expression) -> Native:
    if isinstance(expression, bool):
        return {"Type": "Equals", "LeftValue": 1, "RightValue": 1 if expression else 0}
    if isinstance(expression, _Leaf):
        return json.loads(expression.native)
    if isinstance(expression, _Not):
        return {"Type": "Not", "Condition": _native(expression.part)}
    if expression.all:  # by De Morgan: there is no And
        return _native(_Not(_any(_not(part) for part in expression.parts)))
    return {"Type": "Or", "Conditions": [_native(part) for part in expression.parts]}


def _leaf(operator: str, left: Any, right: Any) -> _Expression:
    comparison = {"Type": _NAMES[operator], "LeftValue": left, "RightValue": right}
    return _Leaf(json.dumps(comparison, ensure_ascii=False))


# --- comparisons --------------------------------------------------------------------------------


class _Translator:
    """Translates one condition."""

    def __init__(self, term: Callable[[spec.Operand], Term], step: str) -> None:
        self._term, self._step = term, step

    def expression(self, condition: spec.Condition) -> _Expression:
        if isinstance(condition, spec.Not):
            return _not(self.expression(condition.part))
        if isinstance(condition, spec.Compare):
            left, right = self._term(condition.left), self._term(condition.right)
            return self._compare(left, condition.operator, right)
        parts = [self.expression(part) for part in condition.parts]
        return _all(parts) if isinstance(condition, spec.All) else _any(parts)

    def _compare(self, left: Term, operator: spec.Operator, right: Term) -> _Expression:
        for one, of_left in ((left, True), (right, False)):
            if one.kind == "boolean" and one.number is None:
                # A parameter's few values are told apart by their text.
                values = (True, False, None) if one.optional else (True, False)
                return _any(
                    _all(
                        [
                            _leaf("==", one.text, json.dumps(value)),
                            self._compare(constant(value), operator, right)
                            if of_left
                            else self._compare(left, operator, constant(value)),
                        ]
                    )
                    for value in values
                )
        if left.kind == right.kind == "constant":
            known = spec.Compare(spec.FromValue(left.value), operator, spec.FromValue(right.value))
            return bool(holds(known, _value))
        if operator == "!=":
            return _not(self._compare(left, "==", right))
        if operator != "==":
            return self._order(left, operator, right)
        if left.kind == "constant":
            left, right = right, left
        return (
            self._equals_constant(left, right)
            if right.kind == "constant"
            else self._equal(left, right)
        )

    def _equals_constant(self, term: Term, constant_: Term) -> _Expression:
        value = constant_.value
        if value is None:
            maybe = term.optional or (term.kind == "any" and term.text is not None)
            return _leaf("==", term.text, "null") if maybe else False
        if isinstance(value, str):
            if term.kind not in ("string", "any"):
                return False
            if term.text is None and term.plain is not None:
                return _leaf("==", term.plain, value)
            return _leaf("==", self._text(term), json.dumps(value, ensure_ascii=False))
        if term.kind == "string":
            return False
        if term.kind == "any" and term.text is not None:
            return _any(_leaf("==", term.text, text) for text in _texts(value))
        if term.number is not None:
            return _leaf("==", term.number, _number(value))
        if term.whole:
            whole = float(value).is_integer()
            return _leaf("==", term.text, json.dumps(int(value))) if whole else False
        texts = _ZEROS[1:] if value == 0 else (repr(float(value)),)
        return _any(_leaf("==", term.text, text) for text in texts)

    def _equal(self, left: Term, right: Term) -> _Expression:
        kinds = {left.kind, right.kind}
        if "string" in kinds:
            if not kinds <= {"string", "any"}:
                both = left.optional and right.optional
                return (
                    _all([_leaf("==", left.text, "null"), _leaf("==", right.text, "null")])
                    if both
                    else False
                )
            if _travels_plain(left) or _travels_plain(right):
                return self._as_texts(left, "==", right)
            return _leaf("==", self._text(left), self._text(right))
        texts = left.text is not None and right.text is not None
        if "any" in kinds and texts and not (left.whole or right.whole):
            return self._same_text(left, right)
        if left.number is not None and right.number is not None:
            return _leaf("==", left.number, right.number)
        if texts and left.whole == right.whole:
            return self._same_text(left, right)
        raise self._refused(
            left,
            "==",
            right,
            "A parameter that may be None is compared by its text. Give it a default that is a "
            "number, and drop `| None`.",
        )

    @staticmethod
    def _same_text(left: Term, right: Term) -> _Expression:
        """Compare numbers and booleans by their text: True equals 1, and 0.0 equals -0.0."""
        same = [_leaf("==", left.text, right.text)]
        same += [
            _all(_any(_leaf("==", term.text, text) for text in texts) for term in (left, right))
            for texts in (_ONES, _ZEROS)
        ]
        return _any(same)

    def _order(self, left: Term, operator: str, right: Term) -> _Expression:
        for one in (left, right):
            if one.kind == "constant" and one.value is None:
                return False
        unsure = [one for one in (left, right) if one.kind == "any"]
        texts = [self._is_text(left), self._is_text(right)]
        if any(texts):
            if len(unsure) + sum(texts) < 2:
                return False  # a text and a number have no order: waterflow.conditions
            return self._as_texts(left, operator, right)
        # What a training job tells conditions is a number.
        guards = [_leaf("==", one.sort, "number") for one in unsure if one.sort is not None]
        numbers = _all([*guards, self._as_numbers(left, operator, right)])
        if len(guards) < 2:
            return numbers
        return _any([numbers, self._as_texts(left, operator, right)])

    def _as_texts(self, left: Term, operator: str, right: Term) -> _Expression:
        """Compare texts as they are, where both sides are texts."""
        parts: list[_Expression] = []
        sides: list[Any] = []
        for one in (left, right):
            if one.kind == "constant":
                sides.append(one.value)
                continue
            if one.plain is None:
                self._text(one)
                raise self._refused(
                    left,
                    operator,
                    right,
                    f"{one.shown} may be None. Give it a default that is a text, and drop "
                    "`| None`.",
                )
            if one.kind == "any":
                parts.append(_leaf("==", one.sort, "text"))
            sides.append(one.plain)
        return _all([*parts, _leaf(operator, *sides)])

    def _as_numbers(self, left: Term, operator: str, right: Term) -> _Expression:
        sides: list[Any] = []
        for one in (left, right):
            number = _number(one.value) if one.kind == "constant" else one.number
            if number is None:
                raise self._refused(
                    left,
                    operator,
                    right,
                    f"{one.shown} may be None. Give it a default that is a number, and drop "
                    "`| None`.",
                )
            sides.append(number)
        return _leaf(operator, *sides)

    @staticmethod
    def _is_text(term: Term) -> bool:
        return term.kind == "string" or (term.kind == "constant" and isinstance(term.value, str))

    def _text(self, term: Term) -> Any:
        if term.text is None:
            raise UnsupportedFeatureError(
                self._step,
                f"a condition on the text {term.shown} of a training job",
                "sagemaker",
                "A training job tells conditions numbers and booleans only. " + _INSIDE,
            )
        return term.text

    def _refused(
        self, left: Term, operator: str, right: Term, alternative: str
    ) -> UnsupportedFeatureError:
        return UnsupportedFeatureError(
            self._step,
            f"the condition {left.shown} {operator} {right.shown}",
            "sagemaker",
            alternative,
        )


def constant(value: Any) -> Term:
    """Return the term of a value that is known."""
    return Term("constant", repr(value), value=value)


def _travels_plain(term: Term) -> bool:
    """Say whether a term can be read as it is, and not as JSON."""
    return term.plain is not None and term.text is None


def _value(operand: spec.Operand) -> Any:
    return operand.value if isinstance(operand, spec.FromValue) else None


def _number(value: float) -> float:
    return int(value) if isinstance(value, bool) else value


def _texts(value: float) -> tuple[str, ...]:
    """Return the texts of all values that equal a number or a boolean."""
    if value == 1:
        return _ONES
    return _ZEROS if value == 0 else (repr(float(value)),)
