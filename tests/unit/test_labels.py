"""Names of calls, and what calls of one step are told apart by without them."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest

import waterflow as wf
from tests.unit import example_steps as steps
from tests.unit.tracing import refusal, traced
from waterflow import spec
from waterflow.graph import to_mermaid, to_svg, to_terminal
from waterflow.language.option_types import StepOptions
from waterflow.language.options import Options
from waterflow.runs.lineage import call_tags
from waterflow.spec.labels import labels
from waterflow.tracking.names import TAG_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable


MANY = 500


def frame() -> Any:
    return steps.split(steps.ingest(wf.Data("a.csv"))).train


def once() -> None:
    steps.add(1)


def different() -> None:
    for a in (1, 2):
        steps.add(a)


def only_what_differs() -> None:
    for b in (2, 3):
        steps.add(1, b=b)


def alike() -> None:
    for _ in range(2):
        steps.add(1)


def partly_alike() -> None:
    for a in (1, 2, 2):
        steps.add(a)


def other_inputs() -> None:
    steps.add(steps.add(steps.add(1)))


def defaults_count() -> None:
    data = frame()
    steps.train(data)
    steps.train(data, trees=3)


def named_ones_have_their_names() -> None:
    steps.add.named("first")(1)
    steps.add(2)
    steps.add.options(name="add-x")(3)
    steps.add(4)


def maps() -> None:
    for b in (1, 2):
        wf.map(steps.add, [1, 2], b=b)


def many() -> None:
    for a in range(MANY):
        steps.add(a)


def long_values() -> None:
    for name in ("x" * 40, "y"):
        steps.greet(name)


def registered() -> None:
    model = steps.train(frame())
    for name in ("one", "two"):
        wf.register(model, name=name)
    wf.register.named("kept")(model, name="three")


@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        (once, {}),
        (different, {"add": "add(a=1)", "add-2": "add(a=2)"}),
        (only_what_differs, {"add": "add(b=2)", "add-2": "add(b=3)"}),
        (alike, {}),
        (
            partly_alike,
            {"add": "add(a=1)", "add-2": "add-2(a=2)", "add-3": "add-3(a=2)"},
        ),
        (other_inputs, {}),
        (defaults_count, {"train": "train(trees=200)", "train-2": "train(trees=3)"}),
        (named_ones_have_their_names, {"add": "add(a=2)", "add-2": "add(a=4)"}),
        (
            maps,
            {"add": "add(b=1)", "add-2": "add(b=2)"},
        ),
        (long_values, {"greet": f'greet(name="{"x" * 22}…)', "greet-2": 'greet(name="y")'}),
        (
            registered,
            {"register": 'register(name="one")', "register-2": 'register(name="two")'},
        ),
    ],
)
def test_calls_are_told_apart_by_their_constants(
    pipeline: Callable[[], None], expected: dict[str, str]
) -> None:
    document = traced(pipeline)
    assert labels(document) == expected
    assert labels(spec.decode(spec.encode(document))) == expected


def test_a_name_is_the_steps_and_labels_are_no_part_of_the_spec() -> None:
    def named() -> None:
        steps.add.named("small")(1)
        wf.map(steps.add.named("many"), [1, 2])

    def numbered() -> None:
        steps.add(1)
        steps.add(2)

    assert [step.name for step in traced(named).steps] == ["small", "many"]
    assert [step.name for step in traced(numbered).steps] == ["add", "add-2"]
    assert b"add(a=" not in spec.encode(traced(numbered))
    assert steps.add.named("small")(1, b=2) == 3  # outside a pipeline the function itself
    assert steps.add.named("small").named("large").settings.name == "large"


@pytest.mark.parametrize("name", ["", "a b", "1st", "x" * 64, "é", None])
def test_a_name_obeys_the_rules_of_names(name: Any) -> None:
    def pipeline() -> None:
        steps.add.named(name)(1)  # here

    assert "cannot name a step" in refusal(pipeline)


def test_two_calls_of_one_name_are_a_mistake() -> None:
    def pipeline() -> None:
        small = steps.add.named("small")
        small(small(1))  # here

    assert "are called 'small'" in refusal(pipeline)


def test_drawings_show_labels_and_names() -> None:
    document = traced(different)
    assert "add-2  add(a=2)" in to_terminal(document)
    assert "add(a=2)<br/><small>add-2</small>" in to_mermaid(document)
    assert ">add(a=2)</text>" in to_svg(document)
    assert f"add \u00d7 {MANY}" in to_svg(traced(many))


def test_mlflow_is_told_as_much_as_a_tag_holds() -> None:
    assert call_tags(traced(once)) == {}
    assert call_tags(traced(different)) == {
        "waterflow.labels": '{"add": "add(a=1)", "add-2": "add(a=2)"}'
    }
    content = call_tags(traced(many))["waterflow.labels"]
    assert TAG_LIMIT - 100 < len(content) <= TAG_LIMIT


def test_editors_know_every_option() -> None:
    assert set(StepOptions.__annotations__) == {field.name for field in fields(Options)}
