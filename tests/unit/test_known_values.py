"""Known values and outputs against whole annotations: what fits, and what is refused."""

from __future__ import annotations

import typing

import pytest

import waterflow as wf
from tests.unit import example_steps as steps
from tests.unit.tracing import model_and_test, refusal, traced
from waterflow import spec

if typing.TYPE_CHECKING:
    from collections.abc import Callable


def test_whatever_may_fit_is_wired() -> None:
    def example() -> None:
        steps.total(steps.numbers(2))
        steps.total(steps.shares())
        steps.total(steps.summary({"a": 1})["list"])
        steps.total(wf.map(steps.add, [1, 2]))
        steps.either(steps.words())
        steps.anything(steps.words())
        steps.tune(steps.choose({"depth": 1, "rate": 2}, (1, 2)))
        steps.tune(steps.summary({}))
        steps.choose(None)
        wf.map(steps.choose, [{"depth": 1, "rate": 0.5}, None])
        wf.map(steps.maybe, [None, 1], source=None)

    pipeline = traced(example)
    assert pipeline.step("choose").inputs["choice"].source == spec.FromValue(
        {"depth": 1, "rate": 2}
    )


def wrong_list_for_a_number() -> None:
    steps.add([1, 2])  # here


def wrong_dict_for_text() -> None:
    steps.greet({"a": 1})  # here


def wrong_constant_for_a_list() -> None:
    steps.total("x")  # here


def wrong_item() -> None:
    steps.total([1, "x"])  # here


def wrong_boolean_item() -> None:
    steps.total((1, True))  # here


def wrong_none_for_a_list() -> None:
    steps.total(None)  # here


def wrong_item_among_outputs() -> None:
    steps.total([steps.add(1), "x"])  # here


def wrong_value_of_a_dict() -> None:
    steps.tune({"rate": "high"})  # here


def wrong_field() -> None:
    steps.choose({"depth": 1, "rate": [2]})  # here


def wrong_fields() -> None:
    steps.choose({"depth": 1, "speed": 2})  # here


def wrong_class() -> None:
    steps.choose(steps.Choice(1.5, 0.5))  # here


def wrong_static_list(values: wf.Static[list[int]] = [1]) -> None:  # noqa: B006
    steps.total([*values, "x"])  # here


def wrong_dict_into_a_list() -> None:
    steps.total(steps.summary({}))  # here


def wrong_list_into_a_list() -> None:
    steps.total(steps.words())  # here


def wrong_list_into_a_number() -> None:
    steps.add(steps.words())  # here


def wrong_number_into_a_list() -> None:
    steps.total(steps.add(1))  # here


def wrong_metrics_into_a_list() -> None:
    model, test = model_and_test()
    steps.total(steps.evaluate(model, test))  # here


def wrong_item_among_lists() -> None:
    steps.total([steps.add(1), steps.words()])  # here


def wrong_outputs_for_a_dict() -> None:
    steps.tune([steps.add(1)])  # here


def wrong_mapped_into_a_list() -> None:
    steps.total(wf.map(steps.greet, ["a"]))  # here


def wrong_map_over_a_dict() -> None:
    wf.map(steps.add, steps.summary({}))  # here


def wrong_map_over_metrics() -> None:
    model, test = model_and_test()
    wf.map(steps.add, steps.evaluate(model, test))  # here


def wrong_map_over_words() -> None:
    wf.map(steps.add, steps.words())  # here


def wrong_map_item() -> None:
    wf.map(steps.add, [1, "x"])  # here


WRONG = {
    "list_for_a_number": "takes integer, but gets [1, 2] (list)",
    "dict_for_text": "takes string, but gets {'a': 1} (dict)",
    "constant_for_a_list": "takes list[int]: value is 'x' (str), and a list is expected",
    "item": "takes list[int]: value[1] is 'x' (str), and an integer is expected",
    "boolean_item": "takes list[int]: value[1] is True (bool)",
    "none_for_a_list": "takes list[int]: value is None",
    "item_among_outputs": "argument 'values', item 1 takes int: value is 'x' (str)",
    "value_of_a_dict": "takes dict[str, float]: value['rate'] is 'high' (str)",
    "field": "takes Choice: value.rate is of type list, and a number is expected",
    "fields": "takes Choice: value does not fit Choice: fields ['depth', 'speed'] were found",
    "class": "takes Choice: value.depth is 1.5 (float)",
    "static_list": "takes list[int]: value[1] is 'x' (str)",
    "dict_into_a_list": "takes list[int], but gets <output 'output' of step 'summary'> of type "
    "dict[str, Any]",
    "list_into_a_list": "takes list[int], but gets <output 'output' of step 'words'> of type "
    "list[str]",
    "list_into_a_number": "takes int, but gets <output 'output' of step 'words'> of type list[str]",
    "number_into_a_list": "takes list[int], but gets <output 'output' of step 'add'> of type int",
    "metrics_into_a_list": "takes list[int], but gets <output 'output' of step 'evaluate'> of type "
    "Metrics",
    "item_among_lists": "takes list[int], but one item is <output 'output' of step 'words'>",
    "outputs_for_a_dict": "takes dict[str, float], but gets a list of outputs",
    "mapped_into_a_list": "takes list[int], but gets <output 'output' of step 'greet'> of type "
    "list[str]",
    "map_over_a_dict": "wf.map goes over a list, not over <output 'output' of step 'summary'>",
    "map_over_metrics": "wf.map goes over a list, not over <output 'output' of step 'evaluate'>",
    "map_over_words": "takes list[int], but gets <output 'output' of step 'words'>",
    "map_item": "takes list[int]: value[1] is 'x' (str)",
}


@pytest.mark.parametrize("name", WRONG)
def test_what_never_fits_names_the_line_and_the_place(name: str) -> None:
    wrong: Callable[..., None] = globals()[f"wrong_{name}"]
    assert WRONG[name] in refusal(wrong)


def test_a_parameter_is_judged_by_all_of_its_type() -> None:
    def example(names: list[str] = ["a"]) -> None:  # noqa: B006
        steps.total(names)  # here

    message = refusal(example)
    assert "takes list[int], but gets <parameter 'names'> of type list[str]" in message
