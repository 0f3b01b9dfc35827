"""Conditions, evaluated: each operator, their combinations, and scalars that are missing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waterflow import spec
from waterflow.spec.conditions import SKIPPED, holds

OPERATORS = ("==", "!=", "<", "<=", ">", ">=")
scalars = st.one_of(st.integers(-5, 5), st.floats(-5, 5), st.booleans())


def value(operand: spec.Operand) -> Any:
    assert isinstance(operand, spec.FromValue)
    return operand.value


def compare(left: Any, operator: str, right: Any) -> spec.Compare:
    return spec.Compare(spec.FromValue(left), operator, spec.FromValue(right))  # type: ignore[arg-type]


@given(scalars, st.sampled_from(OPERATORS), scalars)
def test_a_comparison_is_pythons_own(left: Any, operator: str, right: Any) -> None:
    expected = eval(f"left {operator} right", {"left": left, "right": right})
    assert holds(compare(left, operator, right), value) is expected


@given(st.lists(st.booleans(), min_size=1, max_size=5))
def test_all_any_and_not(answers: list[bool]) -> None:
    parts = tuple(compare(answer, "==", True) for answer in answers)
    assert holds(spec.All(parts), value) is all(answers)
    assert holds(spec.Any_(parts), value) is any(answers)
    assert holds(spec.Not(spec.All(parts)), value) is not all(answers)


@pytest.mark.parametrize(
    ("left", "operator", "right", "expected"),
    [
        (None, "==", None, True), (None, "!=", None, False), (None, "==", 1, False),
        (None, "!=", 1, True), (None, "<", 1, False), (1, ">=", None, False),
        ("a", "==", 1, False), ("a", "!=", 1, True), ("a", "<", "b", True),
    ],
)  # fmt: skip
def test_none_and_text_only_equal_themselves(
    left: Any, operator: str, right: Any, expected: bool
) -> None:
    assert holds(compare(left, operator, right), value) is expected


def test_a_missing_scalar_opens_neither_side() -> None:
    condition = spec.Any_((compare(1, "==", 1), compare("missing", "==", 1)))

    def scalar(operand: spec.Operand) -> Any:
        scalar = value(operand)
        return SKIPPED if scalar == "missing" else scalar

    assert holds(condition, scalar) is None
