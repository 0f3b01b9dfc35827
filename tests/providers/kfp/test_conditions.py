"""Conditions as CEL: for all that may be compared, what cel-python makes of them is our meaning."""

import itertools
import json
from functools import cache

import celpy
import pytest
from celpy import celtypes
from google.protobuf import json_format, struct_pb2
from hypothesis import given, settings
from hypothesis import strategies as st
from waterflow_kfp import cel, conditions
from waterflow_kfp.conditions import constant, optional, scalar, trigger, unknown
from waterflow_kfp.job import place

from waterflow import spec
from waterflow.runtime.launch import comparable
from waterflow.spec.conditions import SKIPPED, holds

NUMBERS = [0, 1, 3, -2, 0.5, 1e300]
TEXTS = ["", "a", "ab", 'it\'s "fixed" \\ ✓\n', "1", "null", "true"]
VALUES = [*NUMBERS, *TEXTS, True, False, None]
OPERATORS = ["==", "!=", "<", "<=", ">", ">="]
ENVIRONMENT = celpy.Environment()


def evaluated(text, parameters):
    """Return what a CEL expression says, of parameters as services hand them over."""
    cel.check(text)
    as_json = json_format.MessageToDict(json_format.ParseDict(parameters, struct_pb2.Struct()))
    whole = celpy.json_to_cel({"parameter_values": as_json})
    for name, value in parameters.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            whole["parameter_values"][celtypes.StringType(name)] = celtypes.DoubleType(value)
    return bool(_program(text).evaluate({"inputs": whole}))


@cache
def _program(text):
    return ENVIRONMENT.program(ENVIRONMENT.compile(text))


def told(name, value, *, skipped=False):
    """Return a value whose type only the run knows, as term and as parameters."""
    kept = None if skipped else comparable(value)
    parameters = {
        name: place.written(kept, "any"),
        f"{name}--kind": place.written(kept, "kind"),
        f"{name}--number": float(place.written(kept, "number")),
    }
    term = unknown(name, f"{name}--kind", f"{name}--number", may_be_skipped=True)
    return term, parameters


def forms(name, value):
    """Yield the ways in which a value comes to a condition."""
    yield constant(value), {}
    yield told(name, value)
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string"}
    if value is not None:
        kind = kinds[type(value)]
        yield scalar(name, kind), {name: value}
        if kind != "string":
            yield optional(name, kind), {name: json.dumps(value)}
    else:
        yield optional(name, "number"), {name: "null"}


def both_ways(one, operator, other):
    """Return what all ways to say a comparison come to, and what it means."""
    compared = spec.Compare(spec.FromValue(one), operator, spec.FromValue(other))
    meaning = holds(compared, lambda operand: operand.value)
    left, right = spec.FromParameter("left"), spec.FromParameter("right")
    condition = spec.Compare(left, operator, right)
    said = set()
    for (a, first), (b, second) in itertools.product(forms("l", one), forms("r", other)):
        for then in (True, False):
            terms = {left: a, right: b}
            text = trigger(condition, lambda operand, terms=terms: terms[operand], then=then)
            said.add(evaluated(text, first | second) is then)
    return said, meaning


@pytest.mark.parametrize("operator", OPERATORS)
def test_each_pair_of_values_compares_as_it_is_meant(operator):
    some = [0, 0.5, "", "it's \"\\ ✓\n", True, None]
    for one, other in itertools.product(some, some):
        said, meaning = both_ways(one, operator, other)
        assert said == {meaning}, (one, operator, other)


LEAVES = st.builds(
    spec.Compare,
    st.sampled_from([spec.FromParameter(name) for name in "abc"]),
    st.sampled_from(OPERATORS),
    st.sampled_from([spec.FromParameter(name) for name in "abc"])
    | st.sampled_from([spec.FromValue(value) for value in VALUES]),
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(spec.Not, inner)
        | st.builds(lambda parts: spec.All(tuple(parts)), st.lists(inner, min_size=1, max_size=3))
        | st.builds(lambda parts: spec.Any_(tuple(parts)), st.lists(inner, min_size=1, max_size=3))
    ),
    max_leaves=5,
)


@settings(max_examples=25, deadline=None)
@given(CONDITIONS, st.lists(st.sampled_from([*VALUES, SKIPPED]), min_size=3, max_size=3))
def test_any_condition_opens_the_side_that_it_means(condition, values):
    known = dict(zip("abc", values, strict=True))
    meaning = holds(
        condition, lambda one: one.value if isinstance(one, spec.FromValue) else known[one.name]
    )
    terms, parameters = {}, {}
    for name, value in known.items():
        terms[name], own = told(name, None if value is SKIPPED else value,
                                skipped=value is SKIPPED)  # fmt: skip
        parameters |= own

    def term(operand):
        return constant(operand.value) if isinstance(operand, spec.FromValue) else terms[
            operand.name]  # fmt: skip

    then = evaluated(trigger(condition, term, then=True), parameters)
    otherwise = evaluated(trigger(condition, term, then=False), parameters)
    assert (then, otherwise) == (meaning is True, meaning is False)


def test_a_text_that_may_be_none_has_no_order_that_cel_could_tell():
    with pytest.raises(conditions.Uncomparable):
        conditions.compare(optional("a", "string"), "<", constant("b"))
    assert conditions.compare(optional("a", "string"), "==", constant('"')) == (
        "inputs.parameter_values['a'] != 'null' && inputs.parameter_values['a'] == '\"\\\\\"\"'"
    )


BROKEN = [
    "",
    "a ==",
    "a === b",
    "(a",
    "a b",
    "'open",
    "f(,)",
    "a ? b",
    "{a}",
    "if",
    "a $ b",
    "a ||",
]
SOUND = ["a == 1 && !(b in [1, 2])", "int(x['y']) > 3 ? true : false", "{'a': 1}.a", "-a < 1e-3",
         "'it\\'s' == \"x\"", "has(a.b)", "a.exists(x, x > 1)"]  # fmt: skip


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_no_cel_is_told(text):
    with pytest.raises(cel.CelError):
        cel.check(text)


@pytest.mark.parametrize("text", SOUND)
def test_what_is_cel_is_read(text):
    cel.check(text)
    ENVIRONMENT.compile(text)
