"""Parameters of a pipeline: which values they take, and when they must be known."""

from __future__ import annotations

from typing import Any, Literal

import pandas as pd  # noqa: TC002 - signatures are read when a pipeline is traced
import pytest

import waterflow as wf
from tests.unit import example_steps as steps
from tests.unit.tracing import traced
from waterflow import spec
from waterflow.errors import DefinitionError


def test_parameters_are_checked_when_given() -> None:
    def example(
        n: int,
        rate: float = 1,
        name: Literal["a", "b"] = "a",
        flag: bool = False,
        tags: list[str] | None = None,
        source: wf.Data = wf.Data("a.csv"),
    ) -> None:
        steps.add(n)

    pipeline = wf.pipeline(example)
    call = pipeline(n=3, rate=2, source=wf.Data("b.csv"), tags=["x"])
    assert call.parameters == {"n": 3, "rate": 2.0, "source": "b.csv", "tags": ["x"]}
    assert call.spec.parameters["n"] == spec.Parameter("integer", required=True)
    assert call.spec.parameters["rate"] == spec.Parameter("number", 1.0)
    assert call.spec.parameters["name"] == spec.Parameter("string", "a", choices=("a", "b"))
    assert call.spec.parameters["tags"] == spec.Parameter("json", None, optional=True)
    for values, expected in (
        ({"rats": 1}, "has no parameter 'rats'. Did you mean 'rate'?"),
        ({"n": "3"}, "'3' is not a whole number"),
        ({"n": 2.5}, "is not a whole number"),
        ({"n": True}, "is not a whole number"),
        ({"name": "c"}, "is not one of 'a', 'b'"),
        ({"rate": float("inf")}, "not a finite number"),
        ({"source": 3}, "is not wf.Data, a path or a URI"),
        ({"n": [1]}, "[1] is not a whole number"),
        ({"rate": {"a": 1}}, "{'a': 1} is not a number"),
        ({"tags": "x"}, "'tags' takes list[str]: value is 'x' (str), and a list is expected"),
        ({"tags": ("x", 1)}, "'tags' takes list[str]: value[1] is 1 (int), and a string"),
        ({"tags": {1, 2}}, "cannot be written as JSON (a set)"),
        ({"n": None}, "is not a whole number"),
    ):
        with pytest.raises(DefinitionError) as caught:
            pipeline.with_arguments(values)
        assert expected in str(caught.value)
        assert "test_pipeline_parameters.py:" in str(caught.value)


def test_calling_a_pipeline_with_unknown_arguments() -> None:
    def example(n: int = 1) -> None:
        steps.add(n)

    pipeline: Any = wf.pipeline(example)
    with pytest.raises(DefinitionError, match=r"unexpected keyword argument 'm'.*parameters: n\."):
        pipeline(m=1)


def test_static_parameters_must_be_known() -> None:
    def example(folds: wf.Static[int]) -> None:
        for _ in range(folds):
            steps.add(1)

    with pytest.raises(DefinitionError, match=r"static parameter 'folds' must be known"):
        traced(example)
    assert len(traced(example, folds=2).steps) == 2


def test_a_default_that_is_no_parameter_is_refused() -> None:
    def object_default(x: int = "a") -> None:  # type: ignore[assignment]
        steps.anything(x)

    def nan_default(x: float = float("nan")) -> None:
        steps.anything(x)

    def table(x: pd.DataFrame) -> None:
        steps.anything(x)

    def untyped(x) -> None:  # type: ignore[no-untyped-def]
        steps.anything(x)

    def many(*x: int) -> None:
        steps.anything(x)

    for function, expected in (
        (object_default, "'a' is not a whole number"),
        (nan_default, "not a finite number"),
        (table, "parameter 'x' has type dataframe"),
        (untyped, "argument 'x' has no type"),
        (many, "arguments need plain names"),
    ):
        with pytest.raises(DefinitionError) as caught:
            traced(function)
        assert expected in str(caught.value)
        line = function.__code__.co_firstlineno
        assert f"test_pipeline_parameters.py:{line}: " in str(caught.value)
