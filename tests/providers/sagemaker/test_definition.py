"""One reader of definitions: the adapter's checks and the emulator give the same verdict."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waterflow_sagemaker import checks, limits
from waterflow_sagemaker.definition import document, parameters
from waterflow_sagemaker.definition.rules import read
from waterflow_sagemaker.emulator import definition as emulated

from tests.providers.sagemaker.definitions import definition, get, join, put
from waterflow.cloud.limits import Bound
from waterflow.emulation.errors import ServiceError

S0, GATE = "Steps/0", "Steps/3"
POLICY = f"{S0}/RetryPolicies/0"
CONDITION = f"{GATE}/Arguments/Conditions/1"
EXPIRES = f"{S0}/CacheConfig/ExpireAfter"

# What stands where, and whether AWS takes it: by its documents, as the reader's rules cite them.
ODD: list[tuple[str, Any, bool]] = [
    (f"{POLICY}/IntervalSeconds", 0, True),
    (f"{POLICY}/IntervalSeconds", 43_200, True),
    (f"{POLICY}/IntervalSeconds", 43_201, False),
    (f"{POLICY}/IntervalSeconds", 50_000, False),
    (f"{POLICY}/IntervalSeconds", 1.5, False),
    (f"{POLICY}/IntervalSeconds", True, False),
    (f"{POLICY}/BackoffRate", 0, True),
    (f"{POLICY}/BackoffRate", 1e6, True),
    (f"{POLICY}/BackoffRate", -1, False),
    (f"{POLICY}/BackoffRate", "2", False),
    (f"{POLICY}/MaxAttempts", 0, True),
    (f"{POLICY}/MaxAttempts", 20, True),
    (f"{POLICY}/MaxAttempts", 21, False),
    (f"{POLICY}/MaxAttempts", 2.5, False),
    (f"{POLICY}/MaxAttempts", ..., False),
    (f"{POLICY}/ExpireAfterMin", 5, False),
    (f"{POLICY}/Wait", 5, False),
    (f"{POLICY}/ExceptionType", "Step.THROTTLING", False),
    (f"{POLICY}/ExceptionType", [], False),
    (f"{POLICY}/ExceptionType", ["SageMaker.JOB_CAPACITY_ERROR"], False),
    (POLICY, {"ExceptionType": ["Step.THROTTLING"], "ExpireAfterMin": 0}, True),
    (POLICY, {"ExceptionType": ["Step.THROTTLING"], "ExpireAfterMin": 14_400}, True),
    (POLICY, {"ExceptionType": ["Step.THROTTLING"], "ExpireAfterMin": 14_401}, False),
    (POLICY, {"ExceptionType": ["Step.THROTTLING"], "ExpireAfterMin": -1}, False),
    (POLICY, {}, False),
    (POLICY, "often", False),
    (f"{S0}/RetryPolicies", {}, False),
    (f"{GATE}/RetryPolicies", [], False),
    (EXPIRES, "30d", True),
    (EXPIRES, "5y", True),
    (EXPIRES, "T16m", True),
    (EXPIRES, "30dT5h", True),
    (EXPIRES, "PT1H", True),
    (EXPIRES, "PT1.5S", False),
    (EXPIRES, "P1.5D", False),
    (EXPIRES, "P", False),
    (EXPIRES, "PT", False),
    (EXPIRES, "", False),
    (EXPIRES, 30, False),
    (EXPIRES, None, False),
    (EXPIRES, ..., True),
    (f"{S0}/CacheConfig", {"Enabled": False}, True),
    (f"{S0}/CacheConfig", {"Enabled": False, "ExpireAfter": "soon"}, False),
    (f"{S0}/CacheConfig", {"Enabled": "true", "ExpireAfter": "P1D"}, False),
    (f"{S0}/CacheConfig", {"Enabled": True, "ExpireAfter": "P1D", "Scope": "all"}, False),
    (f"{GATE}/CacheConfig", {"Enabled": False}, False),
    (f"{S0}/DependsOn", [], True),
    ("Steps/1/DependsOn", ["s0"], True),
    ("Steps/1/DependsOn", [{"Step": "s0"}], True),
    ("Steps/1/DependsOn", [{"Step": "s0", "Trigger": "Any"}], True),
    ("Steps/1/DependsOn", [{"Step": "s0", "Trigger": "Sometimes"}], False),
    ("Steps/1/DependsOn", [{"Step": "s0", "Trigger": None}], False),
    ("Steps/1/DependsOn", [{"Step": "s0", "When": "Any"}], False),
    ("Steps/1/DependsOn", [{"Step": "s9"}], False),
    ("Steps/1/DependsOn", [["s0"]], False),
    (CONDITION, {"Type": "Not", "Condition": {"Type": "Equals", "LeftValue": 1, "RightValue": 2}},
     True),
    (CONDITION, {"Type": "Not", "Expression": {"Type": "Equals", "LeftValue": 1, "RightValue": 2}},
     False),
    (CONDITION, {"Type": "Equals", "LeftValue": True, "RightValue": False}, True),
    (CONDITION, {"Type": "LessThan", "LeftValue": True, "RightValue": False}, False),
    (CONDITION, {"Type": "LessThan", "LeftValue": 1, "RightValue": "2"}, False),
    (CONDITION, {"Type": "In", "QueryValue": 1, "Values": []}, False),
    (CONDITION, {"Type": "In", "QueryValue": 1, "Values": [1, 2.5]}, True),
    (CONDITION, {"Type": "Or", "Conditions": []}, False),
    (CONDITION, {"Type": "And", "Conditions": []}, False),
    (CONDITION, "always", False),
    ("Parameters/0", {"Name": "trees", "Type": "String", "Description": "how many"}, True),
    ("Parameters/0", {"Name": "trees", "Type": "String", "MinLength": 1}, False),
    ("Parameters/1", {"Name": "least", "Type": "Float", "DefaultValue": 1, "MinValue": 2}, False),
    ("Parameters/1", {"Name": "least", "Type": "Float", "DefaultValue": 3, "MaxValue": 2}, False),
    ("Parameters/1", {"Name": "least", "Type": "Float", "DefaultValue": 2, "MinValue": 2}, True),
    ("Parameters/1", {"Name": "least", "Type": "Float", "DefaultValue": 2, "EnumValues": [1]},
     False),
    ("Parameters/1", {"Name": "least", "Type": "Number"}, False),
    ("Parameters/0/Name", "n" * 256, False),  # as it is referred to by its former name
    ("Parameters", None, False),
    ("PipelineExperimentConfig/TrialName", get("Steps.s0.ProcessingJobName"), False),
    ("PipelineExperimentConfig/TrialName", get("Execution.ProcessingJobName"), False),
    ("PipelineExperimentConfig/TrialName", join("", get("Steps.s0.ProcessingJobName")), False),
    ("PipelineExperimentConfig/TrialName", get("Parameters.trees"), True),
    (f"{S0}/PropertyFiles/1", {"PropertyFileName": "values", "OutputName": "artifacts",
                               "FilePath": "other.json"}, False),
    (f"{S0}/PropertyFiles/0/FilePath", ..., False),
    (f"{GATE}/Arguments/Conditions/1/Condition/LeftValue",
     {"Std:JsonGet": {"PropertyFile": "Steps.s0.PropertyFiles.values", "Path": "x"}}, False),
    (f"{S0}/Name", "s" * 64, False),  # as the others name it s0
    (f"{GATE}/Name", "g_-9", True),
    (f"{GATE}/Name", "g.9", False),
    (f"{GATE}/Arguments/IfSteps", {}, False),
    (f"{GATE}/Arguments/IfSteps", None, False),
    (f"{GATE}/Arguments/IfSteps/1", "no", False),
    (f"{S0}/Arguments/IfSteps", [], False),
    ("Steps/4", {"Name": "call", "Type": "Callback", "SqsQueueUrl": "https://q", "Arguments": {},
                 "CacheConfig": {"Enabled": True, "ExpireAfter": "P1D"}}, True),
    ("Steps/4", {"Name": "call", "Type": "Callback", "Arguments": {}}, False),
]  # fmt: skip


def verdicts(broken: dict[str, Any]) -> tuple[list[str], str]:
    """What the checks say, and the words of the emulator's refusal; both empty for a sound one."""
    errors, code, message = checks.document_errors(broken), "", ""
    try:
        emulated.parse(json.dumps(broken))
    except ServiceError as refusal:
        code, message = refusal.code, refusal.message
    assert code in ("", "ValidationException")
    return errors, message


@pytest.mark.parametrize(("path", "value", "sound"), ODD)
def test_checks_and_emulator_give_one_verdict(path: str, value: Any, sound: bool) -> None:
    odd = definition()
    put(odd, path, value)
    errors, refusal = verdicts(odd)
    assert (errors == []) == sound, errors
    prefix = "Unable to parse pipeline definition. Model Validation failed: "
    assert refusal == ("" if sound else prefix + "; ".join(errors))


@pytest.mark.parametrize("text", ["[]", "3", '"x"', "null", "{}"])
def test_a_document_that_is_none_is_refused_by_both(text: str) -> None:
    assert read(json.loads(text)).violations
    with pytest.raises(ServiceError, match="Model Validation failed"):
        emulated.parse(text)


def test_a_definition_is_read_into_structs() -> None:
    odd = definition()
    put(odd, "Steps/1/DependsOn", ["s0", {"Step": "train", "Trigger": "Failed"}])
    put(odd, POLICY, {"ExceptionType": ["Step.THROTTLING"], "ExpireAfterMin": 3})
    parsed = read(odd)
    assert parsed.violations == ()
    assert list(parsed.steps) == ["s0", "s1", "train", "gate", "yes", "no"]
    first, gate = parsed.steps["s0"], parsed.steps["gate"]
    assert first.retries == (document.RetryPolicy(("Step.THROTTLING",), minutes=3),)
    assert first.cache == 30 * 86_400
    assert first.files == {"values": document.PropertyFile("artifacts", "values.json")}
    assert parsed.steps["s1"].depends == {"s0": "Completed", "train": "Failed"}
    assert parsed.steps["s1"].before() == {"s0", "train"}
    assert gate.before() == {"train", "s0"}
    assert set(gate.arguments) == {"Conditions"}
    assert parsed.steps["no"].branch == ("gate", False)
    assert parsed.steps["yes"].before() == {"gate", "s0"}
    assert parsed.parameters["least"] == document.Parameter("least", "Float", 0.9)


def test_references_are_seen_inside_other_expressions() -> None:
    value = {"a": [join("", get("Parameters.x"), join("", get("Steps.s.A")))], "Get": 3}
    assert list(document.references(value)) == ["Parameters.x", "Steps.s.A"]
    json_get = {"Std:JsonGet": {"PropertyFile": get("Steps.t.PropertyFiles.f"), "Path": "x"}}
    assert list(document.references(json_get)) == ["Steps.t.PropertyFiles.f"]


BOUNDS = {
    **{name: bound for name, bound in vars(limits).items() if isinstance(bound, Bound)},
    **limits.RETRIES,
    **{f"{kind} variable": bound for kind, bound in limits.VARIABLE.items()},
}


@pytest.mark.parametrize("name", BOUNDS)
def test_every_bound_has_a_unit_and_names_its_source(name: str) -> None:
    assert BOUNDS[name].most > 0
    assert BOUNDS[name].unit
    assert BOUNDS[name].source.startswith("https://docs.aws.amazon.com/")


# --- values of a run ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("Integer", "12", 12), ("Integer", "+5", 5), ("Integer", "-5", -5),
        ("Integer", "1_000", None), ("Integer", " 1", None), ("Integer", "1.0", None),
        ("Integer", "٣", None), ("Float", "1e-7", 1e-7), ("Float", "1.", 1.0),
        ("Float", "1_0.5", None), ("Float", "inf", None), ("Float", "Infinity", float("inf")),
        ("Float", "high", None), ("Boolean", "TRUE", True), ("Boolean", "1", None),
        ("String", " ", " "),
    ],
)  # fmt: skip
def test_a_value_is_read_from_text_one_way(kind: str, text: str, value: Any) -> None:
    declared = {"p": document.Parameter("p", kind)}
    values, violations = parameters.values_of(declared, {"p": text})
    if value is None:
        shown = json.dumps(text, ensure_ascii=False)
        assert violations == [f"Parameter 'p': found {shown}; the parameter's type is {kind}"]
    else:
        assert (values, violations) == ({"p": value}, [])


@given(st.integers() | st.floats(allow_nan=False) | st.booleans())
def test_what_is_written_as_text_is_read_back(value: Any) -> None:
    kind = {bool: "Boolean", int: "Integer", float: "Float"}[type(value)]
    assert parameters.from_text(kind, parameters.text(value)) == value
