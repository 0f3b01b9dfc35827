"""Pipelines of kfp.dsl, as other people write them: each ends well only if it was run right."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from kfp import compiler, dsl
from kfp.dsl import Dataset, Input, Model, Output

_PATIENCE = 120.0

# ruff: noqa: E712, RUF013 - it is the DSL that is spoken here
# pyright: basic

# --- components of containers ---------------------------------------------------------------------


@dsl.container_component
def say(text: str, out: dsl.OutputPath(str)):
    return dsl.ContainerSpec(
        image="alpine", command=["sh", "-ec", 'mkdir -p "$(dirname "$1")"; printf %s "$0" > "$1"'],
        args=[text, out],
    )  # fmt: skip


@dsl.container_component
def expect(actual: str, expected: str):
    return dsl.ContainerSpec(
        image="alpine",
        command=["sh", "-ec", '[ "$0" = "$1" ] || { echo "$0 is not $1"; exit 1; }'],
        args=[actual, expected],
    )


@dsl.container_component
def numbers(out: dsl.OutputPath(list[int])):
    return dsl.ContainerSpec(
        image="alpine", command=["sh", "-ec", 'printf "[1, 2, 3]" > "$0"'], args=[out]
    )


@dsl.container_component
def double(number: int, out: dsl.OutputPath(int)):
    return dsl.ContainerSpec(
        image="alpine", command=["sh", "-ec", 'printf %s $(($0 * 2)) > "$1"'], args=[number, out]
    )


@dsl.container_component
def as_text(values: list, out: dsl.OutputPath(str)):
    return dsl.ContainerSpec(
        image="alpine", command=["sh", "-ec", 'printf %s "$0" > "$1"'], args=[values, out]
    )


@dsl.container_component
def write(text: str, data: Output[Dataset], uri: dsl.OutputPath(str)):
    return dsl.ContainerSpec(
        image="alpine",
        command=["sh", "-ec", 'printf %s "$0" > "$1"; printf %s "$2" > "$3"'],
        args=[text, data.path, data.uri, uri],
    )


@dsl.container_component
def read(data: Input[Dataset], out: dsl.OutputPath(str)):
    return dsl.ContainerSpec(
        image="alpine", command=["sh", "-ec", 'cat "$0" > "$1"'], args=[data.path, out]
    )


@dsl.container_component
def fail():
    return dsl.ContainerSpec(image="alpine", command=["sh", "-c", "echo wrong; exit 7"])


@dsl.container_component
def flaky(text: str, out: dsl.OutputPath(str)):
    return dsl.ContainerSpec(
        image="alpine", command=["sh", "-ec", 'printf %s "$0" > "$1"'], args=[text, out]
    )


@dsl.container_component
def words(name: str, out: dsl.OutputPath(str), more: str = None):
    return dsl.ContainerSpec(
        image="alpine",
        command=["sh", "-ec", 'out="$0"; mkdir -p "$(dirname "$out")"; printf "%s|" "$@" > "$out"'],
        args=[
            out,
            dsl.ConcatPlaceholder(["--name=", name]),
            dsl.IfPresentPlaceholder("more", then=["--more", more], else_=["--less"]),
        ],
    )


# --- components of Python -------------------------------------------------------------------------


@dsl.component(base_image="python:3.11")
def fit(rows: dict, rate: float, model: Output[Model]) -> NamedTuple(
    "Fit", [("n", int), ("ok", bool)]
):
    with open(model.path, "w") as file:  # noqa: PTH123 - it has its own imports only
        file.write(f"{sorted(rows)} {rate}")
    model.metadata["rate"] = rate
    return (len(rows), True)


@dsl.component(base_image="python:3.11")
def join(parts: Input[list[Dataset]]) -> str:
    return "+".join(open(part.path).read() for part in parts)  # noqa: PTH123 - as above


@dsl.component(base_image="python:3.11")
def note(status: dsl.PipelineTaskFinalStatus, expected: str, failed: str):
    assert status.state == expected, status
    assert status.pipeline_task_name == "exit-handler-1", status
    assert failed in (status.error_message or ""), status


@dsl.component(base_image="python:3.11")
def metadata(model: Input[Model]) -> float:
    return float(model.metadata["rate"])


# --- pipelines ------------------------------------------------------------------------------------


@dsl.pipeline(name="branches")
def branches(coin: str = "tails", level: float = 0.8):
    flip = say(text=coin)
    with dsl.If(flip.output == "heads", name="heads"):
        one = write(text="heads")
        said_one = say(text="1")
    with dsl.Elif(level > 0.5, name="high"):
        two = write(text="high")
        said_two = say(text="2")
    with dsl.Else(name="else"):
        three = write(text="low")
        said_three = say(text="3")
    data = dsl.OneOf(one.outputs["data"], two.outputs["data"], three.outputs["data"])
    number = dsl.OneOf(said_one.output, said_two.output, said_three.output)
    expect(actual=read(data=data).output, expected="high")
    expect(actual=number, expected="2")
    with dsl.If(flip.output != "heads"):
        with dsl.If(level >= 2):
            fail()
        with dsl.If(level < 2):
            say(text=f"{coin} at {level}")


@dsl.pipeline(name="loops")
def loops(items: list = ["a", "b"]):  # noqa: B006 - defaults become the document's
    with dsl.ParallelFor([{"n": 1, "m": 5}, {"n": 2, "m": 6}], parallelism=1) as item:
        twice = double(number=item.n)
        with dsl.ParallelFor([10, 20]) as inner:
            nested = double(number=inner)
    with dsl.ParallelFor(["x", "y"]) as text:
        file = write(text=text)
    expect(actual=as_text(values=dsl.Collected(twice.output)).output, expected="[2, 4]")
    expect(
        actual=as_text(values=dsl.Collected(nested.output)).output,
        expected="[[20, 40], [20, 40]]",
    )
    expect(actual=join(parts=dsl.Collected(file.outputs["data"])).output, expected="x+y")
    with dsl.ParallelFor(numbers().output) as number:
        more = double(number=number)
        with dsl.If(number > 2):
            say(text="large")
    expect(actual=as_text(values=dsl.Collected(more.output)).output, expected="[2, 4, 6]")
    with dsl.ParallelFor(items) as name:
        say(text=name)


@dsl.pipeline(name="python")
def python(rows: dict = {"b": 1, "a": 2}, rate: float = 0.25):  # noqa: B006 - as above
    fitted = fit(rows=rows, rate=rate)
    with dsl.If(fitted.outputs["ok"] == True), dsl.If(fitted.outputs["n"] == 2):
        expect(actual="{{$.inputs.parameters['expected']}}", expected="same").set_caching_options(
            False
        )
        metadata(model=fitted.outputs["model"])


@dsl.pipeline(name="inner")
def inner(text: str) -> Dataset:
    return write(text=text).outputs["data"]


@dsl.pipeline(name="composed")
def composed(text: str = "inside"):
    made = inner(text=text)
    expect(actual=read(data=made.output).output, expected="inside")
    expect(actual=words(name=text).output, expected="--name=inside|--less|")
    expect(actual=words(name=text, more="m").output, expected="--name=inside|--more|m|")
    source = write(text="imported").set_retry(2, backoff_duration="0s")
    source.set_cpu_limit("1").set_memory_limit("512M").set_env_variable("KEY", "value")
    there = dsl.importer(
        artifact_uri=source.outputs["uri"], artifact_class=Dataset, reimport=True,
        metadata={"of": text},
    )  # fmt: skip
    expect(actual=read(data=there.output).output, expected="imported")


@dsl.pipeline(name="handled")
def handled(text: str = "cannot"):
    last = note(expected="FAILED", failed="fail")
    with dsl.ExitHandler(last):
        bad = fail()
        say(text=text).after(bad)
        double(number=2).after(bad).ignore_upstream_failure()


@dsl.pipeline(name="retried")
def retried():
    again = flaky(text="again").set_retry(2, backoff_duration="0s", backoff_factor=1.0)
    again.set_display_name("Tried again")
    expect(actual=again.output, expected="again")


@dataclass(frozen=True)
class Case:
    """A pipeline, and how it ends.

    Attributes:
        pipeline: The pipeline.
        values: Its parameters.
        good: Whether it succeeds.
        states: Task -> its states in the executor's words, where more than its end tells.
    """

    pipeline: Any
    values: dict[str, Any] = field(default_factory=dict)
    good: bool = True
    states: dict[str, str] = field(default_factory=dict)


CASES = {
    "branches": Case(branches, states={"fail": "", "condition-6": "NOT_TRIGGERED"}),
    "loops": Case(loops, {"items": ["c", "d", "e"]}),
    "python": Case(python, {"rate": 0.5}),
    "composed": Case(composed),
    "handled": Case(
        handled,
        good=False,
        states={
            "fail": "FAILED",
            "note": "SUCCEEDED",
            "say": "NOT_TRIGGERED",
            "double": "SUCCEEDED",
        },
    ),
    "retried": Case(retried),
}
FAULT = "internal=flaky:1"
"""What makes the first attempt at a task fail that is tried again."""


@cache
def compiled(name: str, folder: Path) -> Path:
    """Return the file of a pipeline that kfp's own compiler has written."""
    file = folder / f"{name}.yaml"
    compiler.Compiler().compile(CASES[name].pipeline, str(file))
    return file


def document(name: str, folder: Path) -> dict[str, Any]:
    """Return a pipeline's document."""
    return yaml.safe_load(compiled(name, folder).read_text())


def waited(get: Callable[[], Any], refresh: Callable[[], Any], over: Callable[[Any], bool]) -> Any:
    """Return a run once it has ended.

    Args:
        get: Returns the run as it was seen last.
        refresh: Looks at it again.
        over: Says whether it has ended.
    """
    deadline = time.monotonic() + _PATIENCE
    while True:
        refresh()
        if over(get()):
            return get()
        assert time.monotonic() < deadline, get()
        time.sleep(0.2)
