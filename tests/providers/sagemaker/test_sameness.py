"""Whether two steps come to the same: never told wrongly, whatever is known of the two."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waterflow_sagemaker.runs.sameness import NEW, Number, Side, parameter, same

URI = "ProcessingOutputConfig.Outputs['artifacts'].S3Output.S3Uri"


def get(path):
    return {"Get": path}


def join(*values, on=""):
    return {"Std:Join": {"On": on, "Values": list(values)}}


def side(jobs=None, **parameters):
    return Side(parameters, jobs or {})


CASES = [
    # (the new value, its side, the former value, its side, whether they are the same)
    ("a", side(), "a", side(), True),
    ("a", side(), "b", side(), False),
    (None, side(), {"A": "1"}, side(), False),
    ({"A": "1"}, side(), {"A": "1", "B": "2"}, side(), False),
    (["a"], side(), ["a", "b"], side(), False),
    (get("Parameters.x"), side(x="1"), get("Parameters.x"), side(x="1"), True),
    (get("Parameters.x"), side(x="1"), get("Parameters.x"), side(x="2"), False),
    (get("Parameters.x"), side(), get("Parameters.x"), side(x="2"), None),
    # What is text comes to the same however it was written.
    (join("--n=", get("Parameters.x")), side(x="1"), "--n=1", side(), True),
    (join("a", "b", on="/"), side(), join("a/", "b"), side(), True),
    (join("--n=", get("Parameters.x")), side(x=Number("Float", "1.0")),
     join("--n=", get("Parameters.x")), side(x=Number("Float", "1.0")), True),
    (join("--n=", get("Parameters.x")), side(x=Number("Float", "1.0")),
     join("--n=", get("Parameters.x")), side(x=Number("Float", "2.0")), False),
    # How SageMaker writes a number is its own matter.
    (join("--n=", get("Parameters.x")), side(x=Number("Float", "1.0")), "--n=1.0", side(), None),
    (get("Parameters.x"), side(x=Number("Integer", "1")),
     get("Parameters.x"), side(x=Number("Float", "1.0")), None),
    # Outputs of other steps: where they are, and what is in them.
    (get(f"Steps.a.{URI}"), side({"a": "j1"}), get(f"Steps.a.{URI}"), side({"a": "j1"}), True),
    (get(f"Steps.a.{URI}"), side({"a": "j1"}), get(f"Steps.b.{URI}"), side({"b": "j1"}), True),
    (get(f"Steps.a.{URI}"), side({"a": "j1"}), get(f"Steps.a.{URI}"), side({"a": "j2"}), False),
    (get(f"Steps.a.{URI}"), side({"a": NEW}), get(f"Steps.a.{URI}"), side({"a": "j1"}), False),
    (get(f"Steps.a.{URI}"), side(), get(f"Steps.a.{URI}"), side({"a": "j1"}), None),
    (get("Steps.a.ModelArtifacts.S3ModelArtifacts"), side({"a": NEW}),
     get("Steps.a.ModelArtifacts.S3ModelArtifacts"), side({"a": "j1"}), False),
    (get("Steps.a.FinalMetricDataList['x'].Value"), side({"a": "j1"}),
     get("Steps.a.FinalMetricDataList['x'].Value"), side({"a": "j2"}), None),
    ({"Std:JsonGet": {"PropertyFile": get("Steps.a.PropertyFiles.v"), "Path": "x"}},
     side({"a": "j1"}),
     {"Std:JsonGet": {"PropertyFile": get("Steps.a.PropertyFiles.v"), "Path": "x"}},
     side({"a": "j2"}), None),
    (join(get(f"Steps.a.{URI}"), "/"), side({"a": NEW}),
     join(get(f"Steps.a.{URI}"), "/"), side({"a": "j1"}), False),
    # One certain difference decides, whatever else is not known.
    ({"A": get("Parameters.x"), "B": "1"}, side(), {"A": "1", "B": "2"}, side(), False),
    # What an execution is called differs, what its pipeline is called does not.
    (get("Execution.PipelineExecutionId"), side(), get("Execution.PipelineExecutionId"), side(),
     False),
    (get("Execution.PipelineName"), side(), get("Execution.PipelineName"), side(), True),
]  # fmt: skip


@pytest.mark.parametrize(("new", "ours", "former", "theirs", "answer"), CASES)
def test_two_values(new, ours, former, theirs, answer):
    assert same(ours.resolve(new), theirs.resolve(former)) is answer


def test_parameters_are_told_apart_by_their_type():
    assert parameter("String", "1.0") == "1.0"
    assert parameter("Float", "1.0E-5") == parameter("Float", "1e-05") != parameter("Float", "0")
    assert parameter("Integer", "07") == Number("Integer", "7")
    assert parameter("Boolean", "True") == Number("Boolean", "true")
    assert parameter("Integer", "many") is None


texts = st.text("ab/", max_size=2)
parts = texts | st.sampled_from([get("Parameters.x"), get("Parameters.y"), get(f"Steps.a.{URI}")])
values = st.recursive(
    parts | st.lists(parts, max_size=3).map(lambda found: join(*found)),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("PQ"), inner),
    max_leaves=6,
)
worlds = st.fixed_dictionaries({"x": texts, "y": texts, "a": st.sampled_from(["job-1", "job-2"])})


def computed(value, world):
    """Return what a value is once all is known."""
    if isinstance(value, list):
        return [computed(item, world) for item in value]
    if not isinstance(value, dict):
        return value
    if "Get" in value:
        head, _, rest = value["Get"].partition(".")
        return world[rest] if head == "Parameters" else f"s3://bucket/{world['a']}"
    if "Std:Join" in value:
        return "".join(computed(part, world) for part in value["Std:Join"]["Values"])
    return {key: computed(part, world) for key, part in value.items()}


@given(values, worlds, values, worlds, st.sets(st.sampled_from("xya")))
def test_an_answer_is_never_wrong(new, here, former, there, hidden):
    """Two values from parts of which some are hidden: what is told holds once all is known."""
    ours = Side(
        {name: here[name] for name in "xy" if name not in hidden},
        {"a": here["a"]} if "a" not in hidden else {},
    )
    theirs = Side({name: there[name] for name in "xy"}, {"a": there["a"]})
    answer = same(ours.resolve(new), theirs.resolve(former))
    if answer is not None:
        assert answer == (computed(new, here) == computed(former, there))
    if not hidden and "Steps" not in json.dumps([new, former]):
        assert answer is not None
