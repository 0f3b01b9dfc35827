"""What the language refuses: each time with the user's line, the thing, and how to say it."""

from __future__ import annotations

import math
import re
import typing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import waterflow as wf
from tests.unit import example_steps as steps
from tests.unit.tracing import model_and_test, refusal, traced
from waterflow.errors import DefinitionError

if typing.TYPE_CHECKING:
    from collections.abc import Callable

# --- symbols are no values ------------------------------------------------------------------------

MISUSES: dict[str, tuple[Callable[..., Any], str]] = {
    "f-string": (lambda n, frame: f"{n}", "put into text"),
    "str": (lambda n, frame: str(n), "put into text"),
    "percent": (lambda n, frame: "%s" % n, "put into text"),  # noqa: UP031
    "range": (lambda n, frame: range(n), "counted with"),
    "index of a list": (lambda n, frame: [1, 2][n], "counted with"),
    "if": (lambda n, frame: 1 if n else 2, "used in `if`"),
    "if on a condition": (lambda n, frame: 1 if n > 1 else 2, "used in `if`"),
    "and": (lambda n, frame: (n > 1) and (n < 3), "`&`, `|`, `~`"),
    "or": (lambda n, frame: (n > 1) or (n < 3), "`&`, `|`, `~`"),
    "not": (lambda n, frame: not n, "`&`, `|`, `~`"),
    "chained": (lambda n, frame: 1 < n < 3, "chained comparison"),
    "len": (lambda n, frame: len(frame), "measured with len()"),
    "iteration": (lambda n, frame: list(frame), "`wf.map`"),
    "unpacking": (lambda n, frame: [*frame], "`wf.map`"),
    "in": (lambda n, frame: 1 in frame, "searched with `in`"),
    "attribute": (lambda n, frame: frame.head, "asked for `.head`"),
    "method": (lambda n, frame: frame.head(5), "Use it inside a step"),
    "add": (lambda n, frame: n + 1, "calculated with"),
    "radd": (lambda n, frame: 1 + n, "wf.Static"),
    "neg": (lambda n, frame: -n, "calculated with"),
    "round": (lambda n, frame: round(n), "calculated with"),
    "int": (lambda n, frame: int(n), "turned into an int"),
    "float": (lambda n, frame: float(n), "turned into a float"),
    "sqrt": (lambda n, frame: math.sqrt(n), "turned into a float"),
    "max": (lambda n, frame: max(n, 1), "used in `if`"),
    "sum": (lambda n, frame: sum([n, n]), "calculated with"),
    "item": (lambda n, frame: frame["x"], "its type is dataframe"),
    "item of a parameter": (lambda n, frame: n[0], "indexed with 0"),
    "call": (lambda n, frame: n(), "called"),
    "path": (lambda n, frame: Path(n), "used as a path"),
    "open": (lambda n, frame: open(n), "used as a path"),  # noqa: PTH123, SIM115
    "with": (lambda n, frame: n.__enter__(), "calculated with"),
    "comparing a table": (lambda n, frame: frame == 1, "compared"),
}


@pytest.mark.parametrize("name", MISUSES)
def test_using_a_symbol_as_a_value_is_refused(name: str) -> None:
    misuse, expected = MISUSES[name]

    def example(n: int = 3) -> None:
        frame = steps.ingest(wf.Data("a.csv"))
        misuse(n, frame)

    with pytest.raises(DefinitionError) as caught:
        traced(example)
    assert expected in str(caught.value)
    line = misuse.__code__.co_firstlineno
    assert f"test_refusals.py:{line}: " in str(caught.value)


def test_an_interpolated_comparison_names_the_line() -> None:
    def example(n: int = 3) -> None:
        steps.greet(f"run {n}")  # here

    assert "parameter 'n'" in refusal(example)


# --- wrong wiring ---------------------------------------------------------------------------------


def _wrong(marked: str) -> Callable[..., None]:
    """Return the pipeline function of the table below whose name it is."""
    return typing.cast("Callable[..., None]", globals()[f"wrong_{marked}"])


def wrong_type() -> None:
    steps.height(steps.add(1))  # here


def wrong_order_of_arguments() -> None:
    frame = steps.ingest(wf.Data("a.csv"))
    steps.evaluate(frame, frame)  # here


def wrong_parameter_type(name: str = "x") -> None:
    steps.add(name)  # here


def wrong_number(rate: float = 0.5) -> None:
    steps.add(rate)  # here


def wrong_argument_name() -> None:
    steps.add(1, c=2)  # here


def wrong_missing_argument() -> None:
    steps.add()  # here


def wrong_constant_type() -> None:
    steps.add("one")  # here


def wrong_constant_for_a_table() -> None:
    steps.height(3)  # here


def wrong_table_from_outside() -> None:
    steps.height(pd.DataFrame({"x": [1]}))  # here


def wrong_nan() -> None:
    steps.tune({"rate": float("nan")})  # here


def wrong_big_integer() -> None:
    steps.add(2**64)  # here


def wrong_keys() -> None:
    steps.anything({1: 2})  # here


def wrong_choice() -> None:
    steps.greet("Ada", tone="rude")  # here


def wrong_path() -> None:
    steps.read(Path("a.csv"))  # here


def wrong_data() -> None:
    steps.height(wf.Data("a.csv"))  # here


def wrong_secret() -> None:
    steps.greet(wf.secret("token"))  # here


def wrong_condition_as_value(n: int = 1) -> None:
    steps.anything(n > 1)  # here


def wrong_nothing_as_value() -> None:
    model, test = model_and_test()
    done = steps.notify(steps.evaluate(model, test))
    steps.anything(done)  # here


def wrong_list_of_tables() -> None:
    steps.total([steps.ingest(wf.Data("a.csv"))])  # here


def wrong_list_for_one() -> None:
    frame = steps.ingest(wf.Data("a.csv"))
    steps.height([frame, frame])  # here


def wrong_name_twice() -> None:
    steps.add.options(name="one")(1)
    steps.add.options(name="one")(1)  # here


def wrong_name() -> None:
    steps.add.options(name="1 one")  # here


def wrong_option() -> None:
    steps.add.options(memry="1GiB")  # here


def wrong_size() -> None:
    steps.add.options(memory="a lot")  # here


def wrong_metrics() -> None:
    steps.add.options(metrics=["loss=(.*)"])  # here


def wrong_metric_name() -> None:
    steps.add.options(metrics={"loss%": "loss=(.*)"})  # here


def wrong_metric_name_length() -> None:
    steps.add.options(metrics={"m" * 251: "loss=(.*)"})  # here


def wrong_expression_type() -> None:
    steps.add.options(metrics={"loss": re.compile("loss=(.*)")})  # here


def wrong_expression() -> None:
    steps.add.options(metrics={"loss": "loss=([0-9.]+"})  # here


def wrong_expression_without_group() -> None:
    steps.add.options(metrics={"loss": "loss=[0-9.]+"})  # here


def wrong_expression_of_groups() -> None:
    wf.container(  # here
        name="fit", image="x", command=["fit"], metrics={"loss": r"loss=(\d+(\.\d+)?)"}
    )


def wrong_secret_value() -> None:
    steps.add.options(secrets={"TOKEN": "abc"})  # here


def wrong_output() -> None:
    sets = steps.split(steps.ingest(wf.Data("a.csv")))
    steps.height(sets.validation)  # here


def wrong_after() -> None:
    steps.add.options(after=["train"])(1)  # here


def wrong_condition() -> None:
    with wf.when(steps.ingest(wf.Data("a.csv"))):  # here
        steps.add(1)


def wrong_constant_condition() -> None:
    with wf.when(True):  # here
        steps.add(1)


def wrong_metrics_condition() -> None:
    with wf.when(steps.evaluate(steps.train(None), None) > 0.5):  # here
        steps.add(1)


def wrong_comparison(n: int = 1) -> None:
    with wf.when(n > "a"):  # here
        steps.add(1)


def wrong_boolean_order(flag: bool = True) -> None:
    with wf.when(flag > False):  # here
        steps.add(1)


def wrong_compared_list(n: int = 1) -> None:
    with wf.when(n == [1]):  # here
        steps.add(1)


def wrong_and_constant(n: int = 1) -> None:
    with wf.when((n > 1) & True):  # here
        steps.add(1)


def wrong_constant_and(n: int = 1) -> None:
    with wf.when(True & (n > 1)):  # here
        steps.add(1)


def wrong_outside_its_gate(n: int = 1) -> None:
    with wf.when(n > 1):
        one = steps.add(1)
    steps.add(one)  # here


def wrong_other_side(n: int = 1) -> None:
    with wf.when(n > 1) as gate:
        one = steps.add(1)
    with gate.otherwise():
        steps.add(one)  # here


def wrong_gated_condition(n: int = 1) -> None:
    with wf.when(n > 1):
        one = steps.add(1)
    with wf.when(one > 1):  # here
        steps.add(1)


def wrong_otherwise_inside(n: int = 1) -> None:
    with wf.when(n > 1) as gate:
        steps.add(1)
        with gate.otherwise():  # here
            steps.add(1)


def wrong_first_of_one() -> None:
    wf.first(steps.add(1))  # here


def wrong_first_of_constants() -> None:
    wf.first(1, 2)  # here


def wrong_first_types() -> None:
    wf.first(steps.add(1), steps.ingest(wf.Data("a.csv")))  # here


def wrong_map_function() -> None:
    wf.map(steps.plain, [1])  # here


def wrong_map_over_a_number() -> None:
    wf.map(steps.add, 3)  # here


def wrong_map_over_tables() -> None:
    wf.map(steps.add, steps.tables(2))  # here


def wrong_map_without_room() -> None:
    wf.map(steps.add, [1], a=1, b=2)  # here


def wrong_fan_out() -> None:
    wf.map(steps.add, [1], fan_out="threads")  # here


def wrong_placeholder() -> None:
    wf.container(name="c", image="i", command=["run", "{inputs.x}"])  # here


def wrong_container_input() -> None:
    wf.container(name="c", image="i", command=["run"], inputs={"x": 3})  # here


def wrong_container_command() -> None:
    wf.container(name="c", image="i", command="run")  # here


def wrong_container_twice() -> None:
    both = {"inputs": {"x": wf.Data("a")}, "parameters": {"x": 1}}
    wf.container(name="c", image="i", command=["r"], **both)  # here


def wrong_container_output() -> None:
    program = wf.container(name="c", image="i", command=["run"], outputs=["out"])
    steps.read(program.result)  # here


def wrong_register() -> None:
    wf.register(steps.add(1), name="m")  # here


def wrong_register_name() -> None:
    wf.register.named("a b")(steps.train(steps.ingest(wf.Data("a.csv"))), name="m")  # here


def wrong_register_twice() -> None:
    model = steps.train(steps.ingest(wf.Data("a.csv")))
    wf.register.named("train")(model, name="m")  # here


def wrong_nesting() -> None:
    inner.with_arguments({})  # here


@wf.pipeline
def inner() -> None:
    steps.add(1)


WRONG = {
    "type": "argument 'table' takes dataframe, but gets <output 'output' of step 'add'>",
    "order_of_arguments": "argument 'model' takes model",
    "parameter_type": "takes integer, but gets <parameter 'name'> of type string",
    "number": "takes integer, but gets <parameter 'rate'> of type number",
    "argument_name": "unexpected keyword argument 'c'. It takes: a, b.",
    "missing_argument": "missing a required argument: 'a'",
    "constant_type": "takes integer, but gets 'one' (string)",
    "constant_for_a_table": "takes dataframe, but gets 3 (integer)",
    "table_from_outside": "no plain data (a DataFrame)",
    "nan": "not a finite number",
    "big_integer": "an integer beyond 64 bits",
    "keys": "a dict whose keys are not all text",
    "choice": "is 'rude'; it may be 'warm', 'cool'",
    "path": "enters through `wf.Data`",
    "data": "Only a step that takes `wf.Data` or `Path` reads outside data",
    "secret": "a secret never travels in a pipeline",
    "condition_as_value": "a condition is no value",
    "nothing_as_value": "gives no value to pass on",
    "list_of_tables": "takes a list of json, but one item is",
    "list_for_one": "takes dataframe, but gets a list of outputs",
    "register_name": "'a b' cannot name a step",
    "register_twice": "Two steps of pipeline 'wrong_register_twice' are called 'train'",
    "name_twice": "Two steps of pipeline 'wrong_name_twice' are called 'one'",
    "name": "'1 one' cannot name a step",
    "option": "Unknown step option 'memry'",
    "size": "memory='a lot' is not a size",
    "metrics": "is no dict of names and regular expressions",
    "metric_name": "metrics: 'loss%' cannot name a metric in MLflow",
    "metric_name_length": "use up to 250 letters",
    "expression_type": "metrics: loss=re.compile('loss=(.*)') is no text",
    "expression": "is no regular expression: missing ), unterminated subpattern at position 5",
    "expression_without_group": "metrics: loss='loss=[0-9.]+' has no group",
    "expression_of_groups": "has 2 groups. Put parentheses around the value",
    "secret_value": "wf.secret(",
    "output": "Split has no output 'validation'; it has: train, test.",
    "after": "after=['train']: give what a step returned",
    "condition": "Compare it with something",
    "constant_condition": "True is no condition",
    "comparison": "the two never compare",
    "boolean_order": "compare it with == or !=",
    "compared_list": "which is no scalar",
    "and_constant": "True is no condition",
    "constant_and": "True is no condition",
    "outside_its_gate": "wf.first(a, b)",
    "other_side": "stands behind gate 'when'",
    "gated_condition": "stands behind gate 'when'",
    "otherwise_inside": "stand side by side",
    "first_of_one": "at least two outputs",
    "first_of_constants": "wf.first takes outputs of steps, not 1",
    "first_types": "the outputs have types integer, dataframe",
    "map_function": "Put @wf.step on the function",
    "map_over_a_number": "wf.map goes over a list, not over 3",
    "map_over_tables": "takes json, but gets",
    "map_without_room": "leaves no argument for the items",
    "fan_out": 'neither "processes" nor "jobs"',
    "placeholder": "the command names {inputs.x}",
    "container_input": "no artifact. Plain values go into parameters",
    "container_command": "command must be a list",
    "container_twice": "'x' is both an input and a parameter",
    "container_output": "has no output 'result'; it has: out.",
    "register": "argument 'model' takes model, but gets",
    "nesting": "made ready to run inside another pipeline. Call it instead",
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_wiring_names_the_line_and_the_thing(name: str) -> None:
    assert WRONG[name] in refusal(_wrong(name))


def test_a_value_of_another_pipeline_is_refused() -> None:
    kept: list[Any] = []

    def first() -> None:
        kept.append(steps.add(1))

    def second() -> None:
        steps.add(kept[0])  # here

    traced(first)
    assert "belongs to another pipeline's definition" in refusal(second)


@pytest.mark.parametrize(
    "use",
    [
        lambda: wf.when(True),
        lambda: wf.first(1, 2),
        lambda: wf.register(None, name="x"),
        lambda: wf.container(name="c", image="i", command=["x"]),
    ],
)
def test_what_belongs_inside_is_refused_outside(use: Callable[[], object]) -> None:
    with pytest.raises(DefinitionError, match=r"only inside a function under @wf\.pipeline"):
        use()
