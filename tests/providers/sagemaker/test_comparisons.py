"""Conditions in SageMaker's terms give the answers that Waterflow's own give."""

import operator
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from waterflow_sagemaker.job import place

from tests.providers.sagemaker.builds import compiled, function, native_steps, pipeline, training
from waterflow import spec
from waterflow.errors import UnsupportedFeatureError
from waterflow.runtime.launch import comparable
from waterflow.spec.conditions import holds
from waterflow.spec.parameters import to_text

NAMES = {
    "Equals": operator.eq, "LessThan": operator.lt, "LessThanOrEqualTo": operator.le,
    "GreaterThan": operator.gt, "GreaterThanOrEqualTo": operator.ge,
}  # fmt: skip
TRAINING = "trained"


def evaluate(condition, resolve):
    """Evaluate one native condition, as strictly as SageMaker does."""
    kind = condition["Type"]
    if kind == "Not":
        return not evaluate(condition["Condition"], resolve)
    if kind == "Or":
        answers = [evaluate(one, resolve) for one in condition["Conditions"]]  # all of them
        return any(answers)
    left, right = resolve(condition["LeftValue"]), resolve(condition["RightValue"])
    assert isinstance(left, str) == isinstance(right, str), "a text beside a number"
    return NAMES[kind](left, right)


def resolver(document, values, parameters):
    """Return what gives the value of an expression in a run with these values."""
    encodings = document.encodings

    def parameter(name):
        value = parameters[name]
        if encodings[name] in ("integer", "number", "text"):
            assert value is not None
            return value
        return to_text(value)

    def resolve(expression):
        if not isinstance(expression, dict):
            return expression
        if "Std:JsonGet" in expression:
            query = expression["Std:JsonGet"]
            step = query["PropertyFile"]["Get"].split(".")[1]
            content = files[step]
            key, part = query["Path"].split(".")
            return content[key][part]
        place, _, rest = expression["Get"].partition(".")
        if place == "Parameters":
            return parameter(rest)
        step, _, rest = rest.partition(".")
        key = rest.split("'")[1]
        assert rest == f"FinalMetricDataList['{key}'].Value"
        return float(files[step][key]["number"])

    files = {}
    for name, control in document.control.items():
        keys = control.launch["values"]
        files[name] = {
            key: place.condition_values(comparable(values[control.source, value]))
            for value, key in keys.items()
        }
    return resolve


def answer(condition, outputs, values, parameters, declared):
    """Return what a gate with this condition says on SageMaker."""
    producers = [
        function("made", outputs=outputs),
        function(TRAINING, outputs=outputs),
    ]
    graph = pipeline(
        *producers,
        function("behind", branch=("gate", True)),
        gates=[spec.Gate("gate", condition)],
        parameters=declared,
    )
    document = compiled(graph, training(TRAINING))
    conditions = native_steps(document)["gate"]["Arguments"]["Conditions"]
    resolve = resolver(document, values, parameters)
    answers = [evaluate(one, resolve) for one in conditions]
    return all(answers)


def expected(condition, values, parameters):
    def scalar(operand):
        if isinstance(operand, spec.FromValue):
            return operand.value
        if isinstance(operand, spec.FromParameter):
            return parameters[operand.name]
        name = operand.output if operand.key is None else f"{operand.output}.{operand.key}"
        return values[operand.step, name]

    return holds(condition, scalar)


INTEGERS = st.integers(-2, 2)
FLOATS = st.sampled_from([-1.5, -0.0, 0.0, 0.5, 1.0, 2.0])
TEXTS = st.sampled_from(["", "1", "10", "9", "true", "null", 'say "ü"', "0.0", "say", "Say", "a\n"])
BY_TYPE: dict[str, st.SearchStrategy[Any]] = {
    "integer": INTEGERS,
    "number": FLOATS,
    "boolean": st.booleans(),
    "string": TEXTS,
}
ANY = st.one_of(*BY_TYPE.values())
OUTPUTS = {**{kind: kind for kind in BY_TYPE}, "metrics": "metrics", "plain": "json"}
PARAMETERS = {
    **{kind: spec.Parameter(kind, required=True) for kind in BY_TYPE},
    **{f"maybe_{kind}": spec.Parameter(kind, None, optional=True) for kind in BY_TYPE},
}


def of(step, output, key=None):
    return spec.FromStep(step, output, key)


OPERANDS: st.SearchStrategy[Any] = st.one_of(
    st.one_of(ANY, st.none()).map(spec.FromValue),
    st.sampled_from(sorted(PARAMETERS)).map(spec.FromParameter),
    st.sampled_from([
        of(step, output, key)
        for step in ("made", TRAINING)
        for output, key in [
            *((kind, None) for kind in BY_TYPE), ("metrics", "auc"), ("plain", "a"), ("plain", "b"),
        ]
    ]),
)  # fmt: skip
COMPARISONS = st.builds(
    spec.Compare, OPERANDS, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), OPERANDS
)
CONDITIONS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        inner.map(spec.Not),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: spec.All(tuple(parts))),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: spec.Any_(tuple(parts))),
    ),
    max_leaves=4,
)


@st.composite
def runs(draw):
    """Return the values that a run's steps make, and its parameters."""
    values = {}
    for step in ("made", TRAINING):
        for kind, strategy in BY_TYPE.items():
            values[step, kind] = draw(strategy)
        values[step, "metrics.auc"] = draw(FLOATS)
        # A training job tells conditions numbers and booleans only.
        for key in ("a", "b"):
            numbers = st.one_of(INTEGERS, FLOATS, st.booleans())
            anything = st.one_of(ANY, st.none()) if step == "made" else numbers
            values[step, f"plain.{key}"] = draw(anything)
    parameters = {}
    for kind, strategy in BY_TYPE.items():
        parameters[kind] = draw(strategy)
        parameters[f"maybe_{kind}"] = draw(st.one_of(st.none(), strategy))
    return values, parameters


@settings(max_examples=600)
@given(CONDITIONS, runs())
def test_any_condition_gives_the_same_answer(condition, run):
    values, parameters = run
    try:
        outcome = answer(condition, OUTPUTS, values, parameters, PARAMETERS)
    except UnsupportedFeatureError:
        assume(False)
    assert outcome is expected(condition, values, parameters)


def native(condition):
    graph = pipeline(
        function(
            "a", outputs={"auc": "number", "ok": "boolean", "word": "string", "plain": "json"}
        ),
        function("t", outputs={"output": "number", "word": "string", "plain": "json"}),
        function("behind", branch=("gate", True)),
        gates=[spec.Gate("gate", condition)],
        parameters={
            "least": spec.Parameter("number", 0.9),
            "maybe": spec.Parameter("number", None, optional=True),
            "colour": spec.Parameter("string", "red"),
            "name": spec.Parameter("string", None, optional=True),
        },
    )
    return native_steps(compiled(graph, training("t")))["gate"]["Arguments"]["Conditions"]


AUC = spec.Compare(of("a", "auc"), ">=", spec.FromParameter("least"))
WORD = spec.Compare(of("a", "word"), "==", spec.FromParameter("colour"))
OK = spec.Compare(of("a", "ok"), "==", spec.FromValue(True))


def test_the_native_forms(snapshot):
    forms = {
        "compare": AUC,
        "unequal": spec.Compare(of("a", "word"), "!=", spec.FromValue("red")),
        "all": spec.All((AUC, WORD, OK)),
        "any": spec.Any_((AUC, spec.All((WORD, spec.Not(OK))))),
        "not": spec.Not(spec.All((AUC, WORD))),
        "metric": spec.Compare(of("t", "output"), "<", spec.FromValue(1)),
        "entry": spec.Compare(of("a", "plain", "it is"), "==", spec.FromValue(True)),
        "ordered": spec.Compare(of("a", "word"), "<", spec.FromParameter("colour")),
        "ordered constant": spec.Compare(spec.FromValue("x"), "<=", of("a", "word")),
        "ordered entry": spec.Compare(of("a", "plain", "x"), ">", spec.FromValue("m")),
        "ordered entries": spec.Compare(of("a", "plain", "x"), ">", of("a", "plain", "y")),
        "number entry": spec.Compare(of("a", "plain", "x"), ">", spec.FromValue(3)),
        "never": spec.Compare(spec.FromValue(1), "==", spec.FromValue("1")),
    }
    assert {name: native(condition) for name, condition in forms.items()} == snapshot


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (spec.Compare(of("a", "word"), "<", spec.FromParameter("colour")), None),
        (spec.Compare(of("a", "plain", "x"), "<", spec.FromParameter("colour")), None),
        (spec.Compare(of("a", "word"), "<", spec.FromParameter("name")),
         "parameter 'name' may be None. Give it a default that is a text"),
        (spec.All((spec.Compare(spec.FromParameter("colour"), "<", spec.FromValue("x")),
                   spec.Compare(spec.FromParameter("name"), "==", spec.FromParameter("colour")))),
         "parameter 'name' may be None. Give it a default that is a text"),
        (spec.Compare(of("t", "word"), ">=", spec.FromValue("x")),
         "the text t.word of a training job. A training job tells conditions numbers"),
        (spec.Compare(of("t", "plain", "x"), ">=", spec.FromParameter("colour")),
         "the text t.plain.x of a training job. A training job tells conditions numbers"),
        (spec.Compare(of("t", "word"), "==", spec.FromValue("x")),
         "the text t.word of a training job. A training job tells conditions numbers"),
        (spec.Compare(spec.FromParameter("maybe"), "<", spec.FromValue(1)),
         "parameter 'maybe' may be None. Give it a default"),
        (spec.Compare(of("a", "auc"), "==", spec.FromParameter("maybe")), None),
    ],
)  # fmt: skip
def test_what_sagemaker_cannot_compare(condition, said):
    if said is None:
        native(condition)
        return
    with pytest.raises(UnsupportedFeatureError) as raised:
        native(condition)
    assert said in str(raised.value)
    assert "Step 'behind'" in str(raised.value)
