"""What a function under `@wf.pipeline` may be and do, and what `wf.map` takes."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

import waterflow as wf
from tests.unit import example_steps as steps
from tests.unit.tracing import refusal, traced
from waterflow.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator


async def later() -> None:
    steps.add(1)


async def later_and_later() -> AsyncGenerator[int]:
    yield 1


def bit_by_bit() -> Generator[int]:
    yield 1


@pytest.mark.parametrize("function", [later, later_and_later, bit_by_bit])
def test_only_a_plain_function_is_a_pipeline_or_a_step(function: Callable[[], object]) -> None:
    name = function.__name__
    line = inspect.getsourcelines(function)[1]
    with pytest.raises(DefinitionError) as caught:
        wf.pipeline(function)
    assert str(caught.value).endswith(
        f"test_pipeline_functions.py:{line}: Pipeline '{name}' is async or a generator. Calling it "
        "draws the graph, and runs nothing: write a plain function."
    )
    with pytest.raises(DefinitionError) as caught:
        wf.step(function)
    assert str(caught.value).endswith(
        f"test_pipeline_functions.py:{line}: Step '{name}' is async or a generator. A step returns "
        "its results once: write a plain function."
    )


@pytest.mark.parametrize("thing", [steps.add, len, 3])
def test_what_is_no_function_is_no_pipeline(thing: Any) -> None:
    with pytest.raises(DefinitionError, match=r"py:\d+: @wf\.pipeline goes on a function, not on"):
        wf.pipeline(thing)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": 3}, "3 cannot name a pipeline"),
        ({"schedule": 3}, "schedule=3 is no cron expression"),
        ({"trusted_types": "a.B"}, "trusted_types='a.B' must be a list."),
        ({"trusted_types": [int]}, "trusted_types: <class 'int'> is no text."),
    ],
)
def test_a_pipeline_s_options_are_checked(options: dict[str, Any], said: str) -> None:
    def example() -> None: ...

    with pytest.raises(DefinitionError) as caught:
        wf.pipeline(**options)(example)
    assert said in str(caught.value)
    assert "test_pipeline_functions.py:" in str(caught.value.location)


def test_a_pipeline_returns_what_its_steps_have_made() -> None:
    def example() -> Any:  # here
        steps.add(1)
        return {"of the step": steps.add(1), "of none": 3}

    assert refusal(example).endswith(
        ": Pipeline 'example' returns 3, but a pipeline returns outputs of its steps, for the "
        'pipeline that calls it, or nothing: the outputs are kept, and run.artifact("step") '
        "gives them."
    )


def test_a_long_value_that_a_pipeline_returns_is_cut() -> None:
    def example() -> Any:  # here
        steps.add(1)
        return "x" * 1000

    assert len(refusal(example)) < 400


def test_map_says_what_it_takes() -> None:
    def example() -> None:
        wf.map(steps.add, [1, 2], 3)  # pyright: ignore[reportArgumentType]  # here

    assert refusal(example).endswith(
        ": wf.map takes a step and one list, and 3 arguments are given without a name. The step's "
        "other arguments go by name, the same for each call: wf.map(add, items, b=...)"
    )


def test_map_over_nothing_goes_by_its_public_name() -> None:
    with pytest.raises(TypeError, match=r"^wf\.map\(\) missing 1 required positional argument"):
        wf.map(steps.add)  # pyright: ignore[reportCallIssue]


def test_both_sides_of_a_gate_may_be_entered_again() -> None:
    def example(n: int = 1) -> None:
        gate = wf.when(n > 1)
        for number in (1, 2):
            with gate:
                steps.add.options(name=f"then{number}")(number)
            with gate.otherwise():
                steps.add.options(name=f"else{number}")(number)

    pipeline = traced(example)
    assert len(pipeline.gates) == 1
    sides = {step.name: step.branch.then for step in pipeline.steps if step.branch is not None}
    assert sides == {"then1": True, "else1": False, "then2": True, "else2": False}
