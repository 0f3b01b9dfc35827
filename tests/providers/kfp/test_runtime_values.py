"""Parameters of a run: what JSON's numbers hold travels as numbers, all else as texts."""

import pytest
from waterflow_kfp import runtime_values
from waterflow_kfp.types import EXACT


def spec(kind, default):
    inner = {"inputDefinitions": {"parameters": {"n": {"parameterType": kind}}}}
    bound = {"inputs": {"parameters": {"n": {"componentInputParameter": "n"}}}}
    entry = {"parameterType": kind, "defaultValue": default, "isOptional": True}
    task = {"componentRef": {"name": "comp-step"}} | bound
    side = inner | {"dag": {"tasks": {"step": task}}}
    return {
        "root": {
            "inputDefinitions": {"parameters": {"n": entry}},
            "dag": {"tasks": {"side": {"componentRef": {"name": "comp-side"}} | bound}},
        },
        "components": {"comp-side": side, "comp-step": {**inner, "executorLabel": "exec-step"}},
    }


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("NUMBER_INTEGER", "3", 3),
        ("NUMBER_INTEGER", str(EXACT), EXACT),
        ("NUMBER_INTEGER", str(-EXACT - 1), str(-EXACT - 1)),
        ("NUMBER_INTEGER", str(2**70), str(2**70)),
        ("NUMBER_DOUBLE", "0.1", 0.1),
        ("NUMBER_DOUBLE", "Infinity", "Infinity"),
        ("NUMBER_DOUBLE", "NaN", "NaN"),
        ("STRING", '"a"', '"a"'),
        ("BOOLEAN", "true", True),
    ],
)
def test_a_value_arrives_as_it_was_given(kind, text, value):
    given = spec(kind, 1)
    exact = runtime_values.exact(given, {"n": text})
    values = runtime_values.typed(exact, {"n": text})
    assert values == {"n": value}
    assert type(values["n"]) is type(value)
    assert runtime_values.texts(exact, values) == {"n": text}
    now = "STRING" if isinstance(value, str) else kind
    declared = [exact["root"], *exact["components"].values()]
    types = {one["inputDefinitions"]["parameters"]["n"]["parameterType"] for one in declared}
    assert types == {now}, "all that it passes on its way"
    assert given == spec(kind, 1), "the document stays"
