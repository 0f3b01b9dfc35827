"""Whether two steps come to the same: never told wrongly, whatever is known of the two."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waterflow_sagemaker import readback

from waterflow.cloud.fingerprint import NEW, Side, same

URI = "ProcessingOutputConfig.Outputs['artifacts'].S3Output.S3Uri"


def get(path):
    return {"Get": path}


def join(*values, on=""):
    return {"Std:Join": {"On": on, "Values": list(values)}}


def file_of(step):
    return {"Std:JsonGet": {"PropertyFile": get(f"Steps.{step}.PropertyFiles.v"), "Path": "x"}}


def side(jobs=None, **parameters):
    return Side(parameters, jobs or {})


def part(value):
    """Return what caches see of a step with a value among its arguments."""
    step = {"Name": "s", "Type": "Processing", "Arguments": {"Environment": value}}
    return readback.fingerprints({"Steps": [step]})["s"]


CASES = [
    # (the new value, its side, the former value, its side, whether they are the same)
    ("a", side(), "a", side(), True),
    ("a", side(), "b", side(), False),
    (1, side(), True, side(), False),
    (None, side(), {"A": "1"}, side(), False),
    ({"A": "1"}, side(), {"A": "1", "B": "2"}, side(), False),
    (["a"], side(), ["a", "b"], side(), False),
    (get("Parameters.x"), side(x="1"), get("Parameters.x"), side(x="1"), True),
    (get("Parameters.x"), side(x="1"), get("Parameters.x"), side(x="2"), False),
    (get("Parameters.x"), side(), get("Parameters.x"), side(x="2"), None),
    # What is written otherwise may come to the same.
    (join("--n=", get("Parameters.x")), side(x="1"), "--n=1", side(), None),
    (join("--n=", get("Parameters.x")), side(x="1"), join("--n=", get("Parameters.x")),
     side(x="1"), True),
    (join("--n=", get("Parameters.x")), side(x="1"), join("--n=", get("Parameters.x")),
     side(x="2"), False),
    # Two parts of a text may make up for each other.
    (join(get("Parameters.x"), get("Parameters.y")), side(x="a", y="b"),
     join(get("Parameters.x"), get("Parameters.y")), side(x="ab", y=""), None),
    # Outputs of other steps: where they are, and what is in them.
    (get(f"Steps.a.{URI}"), side({"a": "j1"}), get(f"Steps.a.{URI}"), side({"a": "j1"}), True),
    (get(f"Steps.a.{URI}"), side({"a": "j1"}), get(f"Steps.b.{URI}"), side({"b": "j1"}), None),
    (get(f"Steps.a.{URI}"), side({"a": "j1"}), get(f"Steps.a.{URI}"), side({"a": "j2"}), False),
    (get(f"Steps.a.{URI}"), side({"a": NEW}), get(f"Steps.a.{URI}"), side({"a": "j1"}), False),
    (get(f"Steps.a.{URI}"), side(), get(f"Steps.a.{URI}"), side({"a": "j1"}), None),
    (get("Steps.a.ModelArtifacts.S3ModelArtifacts"), side({"a": NEW}),
     get("Steps.a.ModelArtifacts.S3ModelArtifacts"), side({"a": "j1"}), False),
    (get("Steps.a.FinalMetricDataList['x'].Value"), side({"a": "j1"}),
     get("Steps.a.FinalMetricDataList['x'].Value"), side({"a": "j2"}), None),
    (file_of("a"), side({"a": "j1"}), file_of("a"), side({"a": "j2"}), None),
    (file_of("a"), side({"a": "j1"}), file_of("a"), side({"a": "j1"}), True),
    (join(get(f"Steps.a.{URI}"), "/"), side({"a": NEW}),
     join(get(f"Steps.a.{URI}"), "/"), side({"a": "j1"}), False),
    # One certain difference decides, whatever else is not known.
    ({"A": get("Parameters.x"), "B": "1"}, side(), {"A": "1", "B": "2"}, side(), False),
    # What an execution is called differs, what its pipeline is called does not.
    (get("Execution.PipelineExecutionId"), side(), get("Execution.PipelineExecutionId"), side(),
     None),
    (get("Execution.PipelineName"), side(), get("Execution.PipelineName"), side(), True),
]  # fmt: skip


@pytest.mark.parametrize(("new", "ours", "former", "theirs", "answer"), CASES)
def test_two_values(new, ours, former, theirs, answer):
    assert same(part(new).part, ours, part(former).part, theirs) is answer


@pytest.mark.parametrize(
    ("value", "jobs", "answer"),
    [
        (get(f"Steps.a.{URI}"), {"a": NEW}, True),
        ({"A": [join(get(f"Steps.a.{URI}"), "/x")]}, {"a": NEW}, True),
        (get(f"Steps.a.{URI}"), {"a": "j1"}, False),
        (get(f"Steps.a.{URI}"), {}, False),
        # What two jobs write into a file may be equal.
        (file_of("a"), {"a": NEW}, False),
        ("a", {"a": NEW}, False),
    ],
)
def test_what_no_former_execution_can_have_read(value, jobs, answer):
    assert part(value).reads_new(jobs) is answer


@pytest.mark.parametrize(
    ("kind", "one", "other", "alike"),
    [
        ("String", "1.0", "1", False),
        ("Float", "1.0E-5", "1e-05", True),
        ("Float", "1e-05", "0", False),
        ("Integer", "07", "7", True),
        ("Boolean", "True", "true", True),
    ],
)
def test_parameters_are_told_apart_by_their_type(kind, one, other, alike):
    definition = {"Parameters": [{"Name": "x", "Type": kind}]}
    keys = [readback.parameter_key(definition, "x", text) for text in (one, other)]
    assert (keys[0] == keys[1]) is alike
    assert None not in keys


def test_a_text_that_a_type_cannot_hold_is_not_known():
    definition = {"Parameters": [{"Name": "x", "Type": "Integer"}]}
    assert readback.parameter_key(definition, "x", "many") is None


texts = st.text("ab/", max_size=2)
parts = texts | st.sampled_from([get("Parameters.x"), get("Parameters.y"), get(f"Steps.a.{URI}")])
values = st.recursive(
    parts | st.lists(parts, max_size=3).map(lambda members: join(*members)),
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


@given(values, worlds, values, worlds, st.sets(st.sampled_from("xya")), st.booleans())
def test_an_answer_is_never_wrong(new, here, former, there, hidden, alike):
    """Two values from parts of which some are hidden: what is told holds once all is known."""
    former = new if alike else former
    ours = Side(
        {name: here[name] for name in "xy" if name not in hidden},
        {"a": here["a"]} if "a" not in hidden else {},
    )
    theirs = Side({name: there[name] for name in "xy"}, {"a": there["a"]})
    answer = same(part(new).part, ours, part(former).part, theirs)
    if answer is not None:
        assert answer == (computed(new, here) == computed(former, there))
    if alike and not hidden and here == there:
        assert answer is True
    if not any(word in json.dumps([new, former]) for word in ("Get", "Std:Join")):
        assert answer is not None
