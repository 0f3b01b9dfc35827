"""The spec: one canonical document, read strictly; and what `check_graph` refuses."""

from __future__ import annotations

import json
import random
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import waterflow as wf
from tests.unit import example_steps as steps
from waterflow import artifacts, spec
from waterflow.errors import DefinitionError
from waterflow.spec.references import upstream
from waterflow.spec.validate import check_graph

# --- any spec at all ------------------------------------------------------------------------------

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,8}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
numbers = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | numbers | texts
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
types = st.sampled_from(["integer", "number", "json", "dataframe", "list[array]", "path", "any"])
from_step = st.builds(spec.FromStep, names, names, st.none() | texts)
from_parameter = st.builds(spec.FromParameter, names)
from_value = st.builds(spec.FromValue, json_values)
sources = st.one_of(
    from_step,
    from_parameter,
    from_value,
    st.builds(spec.FromData, texts),
    st.builds(spec.FromFirst, st.lists(from_step, max_size=3).map(tuple)),
    st.builds(
        spec.FromList, st.lists(from_step | from_parameter | from_value, max_size=3).map(tuple)
    ),
)
operands = from_step | from_parameter | from_value
conditions = st.recursive(
    st.builds(
        spec.Compare, operands, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), operands
    ),
    lambda inner: (
        st.builds(spec.All, st.lists(inner, max_size=3).map(tuple))
        | st.builds(spec.Any_, st.lists(inner, max_size=3).map(tuple))
        | st.builds(spec.Not, inner)
    ),
    max_leaves=5,
)
branches = st.none() | st.builds(spec.Branch, names, st.booleans())
runs = st.one_of(
    st.builds(
        spec.Function, names, names, st.lists(texts, max_size=2).map(tuple), st.none() | names,
        st.sampled_from(["processes", "jobs"]),
    ),
    st.builds(spec.Container, texts, st.lists(texts, max_size=3).map(tuple)),
    st.just(spec.Register()),
)  # fmt: skip
positive = st.floats(0.01, 1e6)
step_specs = st.builds(
    spec.Step,
    name=names,
    run=runs,
    inputs=st.dictionaries(names, st.builds(spec.Input, types, sources), max_size=3),
    outputs=st.dictionaries(names, st.builds(spec.Output, types, st.booleans()), max_size=3),
    resources=st.builds(
        spec.Resources, positive, st.none() | st.integers(1, 2**40),
        st.none() | st.builds(spec.Gpu, st.integers(1, 8), st.none() | texts),
        st.none() | st.integers(1, 2**40), st.booleans(), st.integers(1, 9),
    ),
    retry=st.builds(spec.Retry, st.integers(0, 9), positive, positive),
    timeout=st.none() | positive,
    cache=st.booleans(),
    environment=st.builds(
        spec.Environment, st.lists(texts, max_size=2).map(tuple), st.none() | texts,
        st.dictionaries(texts, texts, max_size=2), st.dictionaries(texts, texts, max_size=2),
    ),
    after=st.lists(names, max_size=2).map(tuple),
    branch=branches,
    metrics=st.just(msgspec.UNSET) | st.dictionaries(texts, texts, max_size=2),
)  # fmt: skip
parameters = st.builds(
    spec.Parameter, types, json_values, st.booleans(), st.booleans(),
    st.lists(json_values, max_size=2).map(tuple), st.booleans(),
)  # fmt: skip
pipelines = st.builds(
    spec.Pipeline,
    name=names,
    description=texts,
    parameters=st.dictionaries(names, parameters, max_size=3),
    steps=st.lists(step_specs, max_size=4).map(tuple),
    gates=st.lists(st.builds(spec.Gate, names, conditions, branches), max_size=3).map(tuple),
    schedule=st.none() | texts,
    trusted_types=st.lists(texts, max_size=2).map(tuple),
)


@settings(max_examples=30)
@given(pipelines)
def test_reading_gives_what_was_written(pipeline: spec.Pipeline) -> None:
    document = spec.encode(pipeline)
    again = spec.decode(document)
    assert again == pipeline
    assert spec.encode(again) == document
    assert spec.digest(again) == spec.digest(pipeline)


@settings(max_examples=15)
@given(pipelines, st.randoms(use_true_random=False))
def test_the_order_of_keys_is_of_no_account(
    pipeline: spec.Pipeline, shuffle: random.Random
) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            keys = list(value)
            shuffle.shuffle(keys)
            return {key: shuffled(value[key]) for key in keys}
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    document = json.loads(spec.encode(pipeline))
    again = spec.decode(json.dumps(shuffled(document), indent=2))
    assert spec.digest(again) == spec.digest(pipeline)


@settings(max_examples=10)
@given(pipelines)
def test_every_spec_fits_the_published_schema(pipeline: spec.Pipeline) -> None:
    jsonschema.validate(json.loads(spec.encode(pipeline)), spec.schema())


def test_the_document_is_canonical() -> None:
    pipeline = spec.Pipeline("p", steps=(spec.Step("é", spec.Register()),))
    text = spec.encode(pipeline).decode()
    document = json.loads(text)
    assert text == json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert (document["version"], document["steps"][0]["retry"]["delay"]) == (1, 1.0)
    assert "metrics" not in document["steps"][0]
    short = '{"name": "p", "steps": [{"name": "é", "run": {"kind": "register"}}]}'
    assert spec.encode(spec.decode(short)) == spec.encode(pipeline)
    assert spec.digest(pipeline) == spec.digest(
        spec.Pipeline("p", steps=(spec.Step("é", spec.Register()),))
    )
    assert pipeline.step("é").run == spec.Register()
    with pytest.raises(KeyError):
        pipeline.step("e")
    jsonschema.Draft202012Validator.check_schema(spec.schema())


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ('{"name":"p","version":2}', "has version 2; this release reads version 1"),
        ('{"name":"p","version":"1"}', "has version '1'"),
        ('{"name":"p","colour":"red"}', "unknown field `colour`"),
        ('{"name":"p","steps":[{"name":"a","run":{"kind":"nothing"}}]}', "Invalid value 'nothing'"),
        (
            '{"name":"p","steps":[{"name":"a","run":{"kind":"register"},"cpu":1}]}',
            "unknown field `cpu`",
        ),
        ('{"name":3}', "Expected `str`, got `int` - at `$.name`"),
        ("{}", "missing required field `name`"),
        ("[]", "Expected `object`, got `array`"),
        ("{", "not a valid spec"),
        ("", "not a valid spec"),
    ],
)
def test_reading_is_strict(document: str, expected: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        spec.decode(document)
    assert expected in str(caught.value)


# --- sound graphs ---------------------------------------------------------------------------------

ADD = spec.Function("m", "add")
NUMBER = {"output": spec.Output("integer")}


def add(name: str, *sources: spec.Source, **fields: Any) -> spec.Step:
    inputs = {f"x{at}": spec.Input("integer", source) for at, source in enumerate(sources)}
    return spec.Step(name, ADD, **{"inputs": inputs, "outputs": NUMBER, **fields})


def out(step: str, output: str = "output", key: str | None = None) -> spec.FromStep:
    return spec.FromStep(step, output, key)


def gate(name: str, operand: spec.Operand, within: spec.Branch | None = None) -> spec.Gate:
    return spec.Gate(name, spec.Compare(operand, ">", spec.FromValue(1)), within)


TABLE = {"output": spec.Output("dataframe")}
UNSOUND: dict[str, tuple[spec.Pipeline, str]] = {
    "step twice": (spec.Pipeline("p", steps=(add("a"), add("a"))), "two steps have the same name"),
    "gate twice": (
        spec.Pipeline("p", steps=(add("a"),), gates=(gate("g", out("a")), gate("g", out("a")))),
        "two gates have the same name",
    ),
    "gate and step": (
        spec.Pipeline("p", steps=(add("a"),), gates=(gate("a", out("a")),)),
        "names both a gate and a step",
    ),
    "unknown step": (
        spec.Pipeline("p", steps=(add("a", out("b")),)),
        "depends on the unknown step 'b'",
    ),
    "unknown after": (spec.Pipeline("p", steps=(add("a", after=("b",)),)), "unknown step 'b'"),
    "unknown output": (
        spec.Pipeline("p", steps=(add("a"), add("b", out("a", "x")))),
        "has no output 'x'; it has: output.",
    ),
    "unknown parameter": (
        spec.Pipeline("p", steps=(add("a", spec.FromParameter("n")),)),
        "the unknown parameter 'n'",
    ),
    "unknown gate": (
        spec.Pipeline("p", steps=(add("a", branch=spec.Branch("g")),)),
        "behind the unknown gate 'g'",
    ),
    "within unknown": (
        spec.Pipeline("p", steps=(add("a"),), gates=(gate("g", out("a"), spec.Branch("h")),)),
        "within an unknown gate",
    ),
    "within itself": (
        spec.Pipeline("p", steps=(add("a"),), gates=(gate("g", out("a"), spec.Branch("g")),)),
        "stands within itself",
    ),
    "cycle": (
        spec.Pipeline("p", steps=(add("a", out("b")), add("b", out("a")))),
        "depend on each other: a pipeline has no cycles",
    ),
    "self": (spec.Pipeline("p", steps=(add("a", out("a")),)), "has no cycles"),
    "order": (spec.Pipeline("p", steps=(add("a", out("b")), add("b"))), "comes before step 'b'"),
    "types": (
        spec.Pipeline("p", steps=(add("a", outputs=TABLE), add("b", out("a")))),
        "takes integer, gets dataframe",
    ),
    "list for a number": (
        spec.Pipeline("p", steps=(add("a", spec.FromValue([1])),)),
        "takes integer, gets [1]",
    ),
    "default that is a dict": (
        spec.Pipeline("p", parameters={"n": spec.Parameter("number", {"a": 1})}, steps=(add("a"),)),
        "the default of parameter 'n' takes number, gets {'a': 1}",
    ),
    "types in a list": (
        spec.Pipeline(
            "p",
            steps=(
                add("a", outputs=TABLE),
                add("b", inputs={"x": spec.Input("list[model]", spec.FromList((out("a"),)))}),
            ),
        ),
        "takes model, gets dataframe",
    ),
    "outside its gate": (
        spec.Pipeline(
            "p",
            steps=(add("a"), add("b", branch=spec.Branch("g")), add("c", out("b"))),
            gates=(gate("g", out("a")),),
        ),
        "uses step 'b' outside its gate",
    ),
    "other side": (
        spec.Pipeline(
            "p",
            steps=(
                add("a"),
                add("b", branch=spec.Branch("g")),
                add("c", out("b"), branch=spec.Branch("g", then=False)),
            ),
            gates=(gate("g", out("a")),),
        ),
        "uses step 'b' outside its gate",
    ),
    "condition on a table": (
        spec.Pipeline("p", steps=(add("a", outputs=TABLE),), gates=(gate("g", out("a")),)),
        "type dataframe, which is no scalar",
    ),
    "condition on nothing": (
        spec.Pipeline("p", steps=(add("a"),), gates=(gate("g", out("b")),)),
        "names the unknown step 'b'",
    ),
    "condition too late": (
        spec.Pipeline(
            "p", steps=(add("a", branch=spec.Branch("g")), add("b")), gates=(gate("g", out("b")),)
        ),
        "comes before step 'b'",
    ),
}


@pytest.mark.parametrize("name", UNSOUND)
def test_unsound_graphs_are_refused(name: str) -> None:
    pipeline, expected = UNSOUND[name]
    with pytest.raises(DefinitionError) as caught:
        check_graph(spec.decode(spec.encode(pipeline)), artifacts)
    assert expected in str(caught.value)


def test_first_reaches_behind_gates() -> None:
    check_graph(
        spec.Pipeline(
            "p",
            steps=(
                add("a"),
                add("b", branch=spec.Branch("g")),
                add("c", branch=spec.Branch("g", then=False)),
                add("d", spec.FromFirst((out("b"), out("c")))),
            ),
            gates=(gate("g", out("a")),),
        ),
        artifacts,
    )


# --- random pipelines, written in the language ----------------------------------------------------


class Writer:
    """Writes a random pipeline: additions, gates within gates, alternatives, maps."""

    def __init__(self, choices: random.Random, size: int) -> None:
        self.choices, self.left = choices, size

    def block(self, known: list[Any], depth: int) -> list[Any]:
        own = list(known)
        while self.left > 0:
            self.left -= 1
            kind = self.choices.random()
            if kind < 0.55:
                own.append(steps.add(self.choices.choice(own), self.choices.choice([*own, 7])))
            elif kind < 0.7:
                own.append(steps.total(self.choices.choices(own, k=2)))
            elif kind < 0.8:
                own.append(steps.total(wf.map(steps.add, steps.numbers(self.choices.choice(own)))))
            elif depth < 3:
                self.gate(own, depth)
            if depth and self.choices.random() < 0.3:
                break
        return own

    def gate(self, own: list[Any], depth: int) -> None:
        condition = self.choices.choice(own) > self.choices.randint(0, 9)
        if self.choices.random() < 0.5:
            condition = ~condition | (self.choices.choice(own) == self.choices.choice(own))
        start = steps.add(0)
        with wf.when(condition) as gate:
            one = steps.add(self.block([*own, start], depth + 1)[-1])
        with gate.otherwise():
            two = steps.add(self.block([*own, start], depth + 1)[-1])
        own.append(steps.add(wf.first(one, two)))


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 25))
def test_random_pipelines_are_sound_and_survive_the_document(seed: int, size: int) -> None:
    def example(n: int = 1) -> None:
        Writer(random.Random(seed), size).block([steps.add(1), n], 0)

    pipeline = wf.pipeline(example)().spec
    check_graph(pipeline, artifacts)
    again = spec.decode(spec.encode(pipeline))
    check_graph(again, artifacts)
    assert again == pipeline
    assert spec.digest(wf.pipeline(example)().spec) == spec.digest(pipeline), (
        "tracing is deterministic"
    )
    if any(upstream(pipeline, step) for step in pipeline.steps):
        with pytest.raises(DefinitionError):
            check_graph(
                msgspec.structs.replace(pipeline, steps=tuple(reversed(pipeline.steps))), artifacts
            )
