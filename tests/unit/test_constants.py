"""Constants and parameters of a pipeline: what the step gets is what was written, or is refused."""

from __future__ import annotations

import enum
import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

import waterflow as wf
from waterflow import spec
from waterflow.artifacts.plain import as_value, rebuild
from waterflow.errors import DefinitionError
from waterflow.spec.job import step_document


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Config:
    depth: int
    layers: tuple[int, ...] = ()


class Level(enum.IntEnum):
    LOW = 1


def step_taking(annotation: Any) -> Any:
    """Return a step that takes one value, as it would be defined at a module's top."""

    def take(value: Any) -> int:
        return len(str(value))

    take.__qualname__ = "take"
    take.__annotations__ = {"value": annotation, "return": int}
    return wf.step(take)


def defined(annotation: Any, value: Any) -> spec.Pipeline:
    """Return a pipeline of one step that takes a constant, as it comes back from its document."""
    step = step_taking(annotation)

    def one() -> None:
        step(value)

    return spec.decode(spec.encode(wf.pipeline(one)().spec))


def arrived(annotation: Any, value: Any) -> Any:
    """Return what the step of `defined` gets, read as the runtime reads STEP.json."""
    pipeline = defined(annotation, value)
    content = step_document(pipeline, pipeline.steps[0], execution={}, frames=False)
    argument = json.loads(json.dumps(content, sort_keys=True))["arguments"]["value"]
    return rebuild(as_value(argument["constant"], annotation), annotation)


KEPT: dict[str, tuple[Any, Any]] = {
    "a dict's order": (Any, {"b": 1, "a": 2}),
    "a dict's order within": (Any, {"z": {"y": 1, "x": [{"b": 1, "a": 2}]}}),
    "a dict's order where it is annotated": (dict[str, int], {"b": 1, "a": 2}),
    "a tuple": (Any, (1, 2)),
    "an empty tuple": (Any, ()),
    "a tuple within a list": (Any, [(1, 2), [3]]),
    "a tuple within a dict": (dict[str, Any], {"b": (1, (2,)), "a": [1]}),
    "a tuple in a list of anything": (list, [(1, 2)]),
    "a tuple that is annotated": (tuple[int, ...], (1, 2)),
    "tuples that are annotated": (dict[str, tuple[int, str]], {"b": (1, "x"), "a": (2, "y")}),
    "an int among floats": (Any, (1, 2.0, True, None, "x")),
    "an int under int or float": (int | float, 2**53 + 1),
    "what looks like a tag": (Any, {"$tuple": [1]}),
    "what looks like a tag within": (Any, [{"$dict": [["a", 1]]}, {"a": {"$float": "nan"}}]),
    "an OrderedDict": (Any, OrderedDict(b=1, a=2)),
    "a NamedTuple": (Point, Point(1, 2)),
    "NamedTuples": (list[Point], [Point(1, 2), Point(3, 4)]),
    "a dataclass": (Config, Config(3, (1, 2))),
    "one of two": (Config | int, Config(3, (1, 2))),
    "an enum": (Level, Level.LOW),
}


@pytest.mark.parametrize("case", KEPT)
def test_a_constant_arrives_as_it_was_written(case: str):
    annotation, value = KEPT[case]
    got = arrived(annotation, value)
    assert (type(got), repr(got)) == (type(value), repr(value))


CONVERTED: dict[str, tuple[Any, Any, Any]] = {
    "a list to a tuple": (tuple[int, ...], [1, 2], (1, 2)),
    "a tuple to a list": (list[int], (1, 2), [1, 2]),
    "a NamedTuple to a list": (list[int], Point(1, 2), [1, 2]),
    "a dict to a dataclass": (Config, {"depth": 1, "layers": (2,)}, Config(1, (2,))),
    "a dataclass to a dict": (dict[str, Any], Config(1, (2,)), {"depth": 1, "layers": (2,)}),
    "an int to a float": (float, 1, 1.0),
}


@pytest.mark.parametrize("case", CONVERTED)
def test_an_annotation_converts_what_would_not_fit_else(case: str):
    annotation, value, expected = CONVERTED[case]
    got = arrived(annotation, value)
    assert (type(got), repr(got)) == (type(expected), repr(expected))


def test_the_same_value_in_python_and_in_yaml_is_the_same_spec():
    assert defined(tuple[int, ...], (1, 2)) == defined(tuple[int, ...], [1, 2])


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (Any, Config(1), "gets a Config in Config(depth=1, layers=()). Annotate the argument"),
        (Any, {"a": [Point(1, 2)]}, "gets a Point in"),
        (dict[str, Any], {"a": Config(1)}, "is no plain data (a Config)"),
        (Any, Level.LOW, "gets a Level in"),
        (float, 2**53 + 1, "value is 9007199254740993, and no float is that exactly"),
        (Any, {1: "a"}, "a dict whose keys are not all text"),
        (Any, float("nan"), "not a finite number"),
        (Any, {1, 2}, "a set"),
    ],
)
def test_a_constant_that_cannot_be_kept_is_refused(annotation: Any, value: Any, message: str):
    with pytest.raises(DefinitionError) as error:
        defined(annotation, value)
    assert message in str(error.value)


def with_parameter(annotation: Any, *default: Any, static: bool = False) -> Any:
    """Return a pipeline with one parameter, which hands it to a step, and what it saw of it."""
    seen: list[Any] = []
    take = step_taking(Any)

    def one(value: Any) -> None:
        seen.append(value)
        take(len(str(value)) if static else 1)

    one.__annotations__["value"] = wf.Static[annotation] if static else annotation
    if default:
        one.__defaults__ = default
    return wf.pipeline(one), seen


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [
        (dict[str, int], {"b": 1, "a": 2}, '{"b":1,"a":2}'),
        (Any, {"b": {"d": 1, "c": 2}, "a": 2}, '{"b":{"d":1,"c":2},"a":2}'),
        (tuple[int, ...], (1, 2), "[1,2]"),
        (dict[str, tuple[int, int]], {"b": (1, 2)}, '{"b":[1,2]}'),
        (int | float, 2**53 + 1, "9007199254740993"),
        (int | float, 0.5, "0.5"),
        (float, 1, "1.0"),
        (Any, {"$tuple": [1]}, '{"$tuple":[1]}'),
    ],
)
def test_a_parameter_travels_as_it_was_given(annotation: Any, value: Any, text: str):
    from waterflow.spec.parameters import to_text

    given, _ = with_parameter(annotation)
    assert to_text(given(value).parameters["value"]) == text
    default, _ = with_parameter(annotation, value)
    assert to_text(default().spec.parameters["value"].default) == text
    static, seen = with_parameter(annotation, value, static=True)
    static()
    assert (type(seen[0]), repr(seen[0])) == (
        (float, "1.0") if annotation is float else (type(value), repr(value))
    )


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (Any, (1, 2), "(1, 2) would arrive as [1, 2]: a parameter travels as JSON text"),
        (dict[str, Any], {"a": (1,)}, "would arrive as {'a': [1]}"),
        (Any, OrderedDict(a=1), "would arrive as {'a': 1}"),
        (Any, Level.LOW, "would arrive as 1"),
        (Any, [Point(1, 2)], "would arrive as [[1, 2]]"),
        (float, 2**53 + 1, "no float is that exactly"),
    ],
)
def test_a_parameter_that_json_cannot_hold_is_refused(annotation: Any, value: Any, message: str):
    for arguments in ((), (value,)):
        pipeline, _ = with_parameter(annotation, *arguments)
        with pytest.raises(DefinitionError) as error:
            pipeline(*(() if arguments else (value,)))
        assert message in str(error.value)


@pytest.mark.parametrize(
    ("parameter", "argument", "lost"),
    [
        (tuple[int, ...], Any, True),
        (tuple[int, ...], tuple[int, ...], False),
        (tuple[int, ...], list[int], False),
        (dict[str, tuple[int, int]], dict[str, Any], True),
        (dict[str, tuple[int, int]], dict[str, tuple[int, int]], False),
        (list[tuple[int, int]], Any, True),
        (tuple[int, ...] | None, Any, True),
        (list[int], Any, False),
        (Any, Any, False),
    ],
)
def test_a_tuple_that_a_step_would_get_as_a_list_is_refused(
    parameter: Any, argument: Any, lost: bool
):
    step = step_taking(argument)

    def one(value: Any) -> None:
        step(value)

    one.__annotations__["value"] = parameter
    value: Any = {} if "dict" in str(parameter) else []
    if lost:
        with pytest.raises(DefinitionError, match="tuples would arrive as lists"):
            wf.pipeline(one)(value)
    else:
        wf.pipeline(one)(value)


def test_outputs_in_a_tuple_are_refused_where_they_would_arrive_in_a_list():
    take = step_taking(Any)

    @wf.pipeline
    def one() -> None:
        take((take(1), take(2)))

    with pytest.raises(DefinitionError, match="a tuple of outputs arrives as a list"):
        one()
