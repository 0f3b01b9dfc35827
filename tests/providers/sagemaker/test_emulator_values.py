"""How the emulator reads values: numbers as text, paths, comparisons, policies, durations."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waterflow_sagemaker import caching
from waterflow_sagemaker.definition import parameters
from waterflow_sagemaker.definition.document import RetryPolicy
from waterflow_sagemaker.emulator import conditions
from waterflow_sagemaker.emulator.resolution import ResolutionError, Resolver, walk
from waterflow_sagemaker.emulator.retrying import Retries

from tests.providers.sagemaker.pipelines_kit import (
    compare,
    get,
    join,
)

NAMES = st.text(st.characters(codec="ascii", exclude_characters="'\"[]."), min_size=1)
NUMBERS = st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)


@given(NUMBERS)
def test_numbers_become_text_that_says_the_same(number):
    text = parameters.text(number)
    assert (int(text) if isinstance(number, int) else float(text)) == number


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.9, "0.9"), (1.0, "1.0"), (1e7, "1.0E7"), (12345678.0, "1.2345678E7"), (0.001, "0.001"),
     (0.0001, "1.0E-4"), (1e-7, "1.0E-7"), (-1.5e300, "-1.5E300"), (0.0, "0.0"), (True, "true"),
     (10**18, "1000000000000000000"), (math.inf, "Infinity"), ("x", "x"), (100.0, "100.0")],
)  # fmt: skip
def test_numbers_are_written_as_java_does(value, text):
    assert parameters.text(value) == text


@given(st.lists(NAMES | st.integers(0, 3), max_size=6), st.booleans())
def test_every_definite_path_finds_its_value(parts, dotted):
    document: Any = 42
    path = ""
    for part in reversed(parts):
        document = {part: document} if isinstance(part, str) else [None] * part + [document]
        if isinstance(part, int):
            path = f"[{part}]{path}"
        else:
            path = (f".{part}" if dotted else f"['{part}']") + path
    assert walk(document, path, "it") == 42
    with pytest.raises(ResolutionError):
        walk(document, f"{path}.more", "it")


def resolver(**values: Any) -> Resolver:
    return Resolver(values, {}, {}, lambda *_: b"{}", lambda _: b'{"a": 1}')


@given(NUMBERS, NUMBERS)
def test_comparisons_are_those_of_numbers(left, right):
    resolve = resolver(left=left, right=right).resolve

    def holds(one: Any) -> bool:
        return conditions.hold({"Conditions": [one]}, resolve)

    def by(kind: str) -> dict[str, Any]:
        return compare(kind, get("Parameters.left"), get("Parameters.right"))

    assert holds(by("GreaterThan")) == (left > right)
    assert holds(by("LessThanOrEqualTo")) == (left <= right)
    assert holds({"Type": "Not", "Condition": by("LessThan")}) == holds(by("GreaterThanOrEqualTo"))
    either = {"Type": "Or", "Conditions": [by("LessThan"), by("GreaterThan")]}
    assert holds(either) != holds(by("Equals"))
    member = {"Type": "In", "QueryValue": left, "Values": [right, left]}
    assert holds(member)


@pytest.mark.parametrize(("left", "right"), [("1", 1), (True, 1), ("a", True)])
def test_unlike_values_are_not_compared(left, right):
    with pytest.raises(ResolutionError, match="cannot be compared"):
        conditions.hold({"Conditions": [compare("Equals", left, right)]}, resolver().resolve)


@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_a_retry_policy_waits_longer_each_time_until_it_expires(scale):
    policy = RetryPolicy(("SageMaker.CAPACITY_ERROR",), interval=60, backoff=2.0, minutes=10)
    retries, since, waits = Retries([policy], scale), 0.0, list[float]()
    while (wait := retries.wait("SageMaker.CAPACITY_ERROR", since)) is not None:
        waits.append(wait / scale)
        since += wait
    assert waits == [60, 120, 240]
    assert retries.wait("SageMaker.RESOURCE_LIMIT", 0) is None


def test_the_service_retries_throttling_by_itself():
    retries = Retries([], 1.0)
    assert [retries.wait("Step.THROTTLING", 0) for _ in range(6)] == [1, 2, 4, 8, 16, None]


def test_json_may_be_read_from_a_uri():
    value = resolver(b="bucket").resolve(
        {"Std:JsonGet": {"S3Uri": join("/", "s3:/", get("Parameters.b")), "Path": "a"}}
    )
    assert value == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("P30D", 30 * 86400), ("p30d", 30 * 86400), ("30dT5h", 30 * 86400 + 5 * 3600),
     ("T16m", 960), ("PT1H", 3600), ("5y", 5 * 365 * 86400), ("P4DT12H", 4.5 * 86400)],
)  # fmt: skip
def test_durations_are_read_as_the_service_documents_them(text, seconds):
    assert caching.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "P", "PT", "1", "soon", "P1H", "PT1.5S", "P1.5D"])
def test_other_durations_are_refused(text):
    with pytest.raises(ValueError, match="ISO 8601"):
        caching.duration(text)
