"""Requests, definitions and parameter values against SageMaker's limits, offline."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st
from waterflow_sagemaker import checks
from waterflow_sagemaker.definition import shapes as model_shapes

from tests.providers.sagemaker.definitions import (
    channel,
    definition,
    get,
    join,
    mounted,
    processing,
    put,
    training,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syrupy.assertion import SnapshotAssertion

Json = dict[str, Any]

S0, TRAIN, GATE = "Steps/0", "Steps/2", "Steps/3"
ARGS, T = f"{S0}/Arguments", f"{TRAIN}/Arguments"
CLUSTER = f"{ARGS}/ProcessingResources/ClusterConfig"
LINE = f"{ARGS}/AppSpecification/ContainerArguments"
ENV, IN = f"{ARGS}/Environment/A", f"{ARGS}/ProcessingInputs"
VPC = f"{ARGS}/NetworkConfig/VpcConfig"
FROM = "Steps/1/Arguments/ProcessingInputs/1/S3Input/S3Uri"
CONDITIONS = f"{GATE}/Arguments/Conditions"

BROKEN: list[tuple[str, Any, str]] = [
    ("Version", "2019-01-01", 'Version: found "2019-01-01"; it must be "2020-12-01"'),
    ("Stages", [], "Stages: found the unknown member"),
    ("Steps", [], "Steps: found []; a list of at least one step"),
    ("Steps/4", "s9", 'Steps[4]: found "s9"; a step is an object'),
    ("Metadata", 3, "Metadata: found 3"),
    ("PipelineExperimentConfig/TrialName", get("Execution.Pipeline"),
     "execution variable 'Pipeline'"),
    ("Parameters/2", {"Name": "trees", "Type": "String"}, "'trees': found the name twice"),
    ("Parameters/0/Type", "Text", 'Type: found "Text"; allowed is one of String, Integer'),
    ("Parameters/1/DefaultValue", "high", 'found "high"; the parameter\'s type is Float'),
    ("Parameters/0/DefaultValue", 200, "found 200; the parameter's type is String"),
    ("Parameters/1/DefaultValue", True, "found true; the parameter's type is Float"),
    ("Parameters/0/Name", "two words", 'found "two words"; it must match'),
    ("Parameters/0/DefaultValue", "x" * 1025, "found 1025 characters; at most 1024"),
    ("Parameters/0/DefaultValue", "x" * 243, "at least 257 characters; at most 256"),
    (f"{S0}/Name", "s" * 65, "Name: found 65 characters; at most 64"),
    (f"{S0}/Name", "s 0", 'Name: found "s 0"; it must match'),
    (f"{S0}/Name", "s1", "Step 's1': found the name twice"),
    (f"{S0}/Type", "Procesing", 'Type: found "Procesing"; did you mean Processing'),
    (f"{S0}/Retry", [], "the unknown member 'Retry'"),
    (f"{S0}/DependsOn", ["s9"], "DependsOn[0]: found the unknown step 's9'"),
    (f"{S0}/DependsOn", "s1", 'DependsOn: found "s1"; a list'),
    (f"{S0}/DependsOn", ["s1"], "found the cycle s"),
    ("Steps/3/Arguments/IfSteps/0/DependsOn", ["no"], "yes can not depends on no"),
    (f"{S0}/CacheConfig/ExpireAfter", "30 days", 'ExpireAfter: found "30 days"; an ISO 8601'),
    (f"{S0}/CacheConfig/Enabled", "yes", 'Enabled: found "yes"; true or false'),
    (f"{S0}/RetryPolicies/0/MaxAttempts", 21, "MaxAttempts: found 21; at most 20"),
    (f"{S0}/RetryPolicies/0/ExpireAfterMin", 3,
     "found MaxAttempts and ExpireAfterMin; exactly one"),
    (f"{S0}/RetryPolicies/0/ExceptionType", ["Step.FAULT"], 'found "Step.FAULT"; allowed'),
    (f"{S0}/PropertyFiles/0/OutputName", "artefacts",
     "the unknown output 'artefacts'; did you mean"),
    (f"{S0}/PropertyFiles/0/PropertyFileName", "value", "the unknown property file 'values'"),
    (f"{TRAIN}/PropertyFiles", [], "the unknown member 'PropertyFiles'"),
    # arguments against the model
    (f"{ARGS}/ProcessingResources", ..., "Arguments.ProcessingResources: found nothing"),
    (f"{ARGS}/RoleArn", ..., "Arguments.RoleArn: found nothing"),
    (f"{ARGS}/RoleArn", "waterflow", "RoleArn: found 9 characters; at least 20"),
    (f"{ARGS}/RoleArn", "arn:aws:iam::12:role/waterflow", "it must match arn:aws"),
    (f"{ARGS}/Bogus", 1, "the unknown member 'Bogus'"),
    (f"{CLUSTER}/InstanceCount", 0, "InstanceCount: found 0; at least 1"),
    (f"{CLUSTER}/InstanceCount", ..., "InstanceCount: found nothing"),
    (f"{CLUSTER}/InstanceCount", "1", 'InstanceCount: found "1"; a whole number'),
    (f"{CLUSTER}/InstanceCount", get("Parameters.trees"),
     "which gives a String; Integer is required"),
    (f"{CLUSTER}/InstanceType", "ml.m5.lrge", "did you mean ml.m5.large"),
    (f"{CLUSTER}/InstanceType", get("Parameters.trees"), "(the value of parameter 'trees')"),
    (f"{CLUSTER}/VolumeSizeInGB", 16385, "VolumeSizeInGB: found 16385; at most 16384"),
    (LINE, ["x"] * 101, "found 101 entries; at most 100"),
    (f"{LINE}/0", "x" * 257, "found 257 characters; at most 256"),
    (f"{LINE}/0", "a\nb", "it must match .*"),
    (f"{LINE}/0",
     join("", "x" * 250, "y" * 10, get("Parameters.trees")), "a Join of at least 263 characters"),
    (f"{ARGS}/Environment/LONG", "x" * 257, "LONG: found 257 characters; at most 256"),
    (f"{ARGS}/Environment/not-a-name", "x", "key ['not-a-name']: found"),
    (f"{ARGS}/Environment", {f"E{i}": "" for i in range(101)}, "found 101 entries; at most 100"),
    (f"{ARGS}/Tags", [{"Key": f"k{i}", "Value": ""} for i in range(51)],
     "found 51 entries; at most 50"),
    (f"{ARGS}/Tags/1", {"Key": "team", "Value": "x"}, "entry 0 has the same Key"),
    (f"{ARGS}/Tags/1", {"Key": "aws:x", "Value": "x"}, "'aws:' is reserved"),
    (f"{VPC}/SecurityGroupIds", ..., "SecurityGroupIds: found nothing"),
    (f"{VPC}/SecurityGroupIds", [], "at least 1 entry required"),
    (f"{ARGS}/StoppingCondition/MaxRuntimeInSeconds", 0, "found 0; at least 1"),
    (f"{ARGS}/ExperimentConfig", {"ExperimentName": "e"}, "a pipeline gives it itself"),
    # processing
    (IN, [mounted(f"i{i}", "s3://b/x") for i in range(11)],
     "found 11 entries; at most 10"),
    (f"{IN}/1", mounted("control", "s3://b/x"), "entry 0 has the same InputName"),
    (f"{IN}/0/S3Input/S3Uri", "/tmp/x", "it must match (https|s3)"),
    (f"{IN}/0/S3Input/S3Uri", join("/", "bucket", get("Parameters.trees")),
     "it must begin with s3://"),
    (f"{IN}/0/S3Input/LocalPath", "/data", "must be below /opt/ml/processing"),
    (f"{IN}/0/S3Input/LocalPath", "/opt/ml/processing/../x", "must be below"),
    (f"{IN}/0/S3Input/LocalPath", ..., "a folder below /opt/ml/processing is"),
    ("Steps/1/Arguments/ProcessingInputs/1/S3Input/LocalPath", "/opt/ml/processing/input/control/",
     "entry 0 has the same LocalPath"),
    # training
    (f"{T}/ResourceConfig", ..., "Arguments.ResourceConfig: found nothing"),
    (f"{T}/ResourceConfig/InstanceCount", 0, "InstanceCount: found 0; at least 1"),
    (f"{T}/StoppingCondition", ..., "StoppingCondition: found nothing"),
    (f"{T}/StoppingCondition/MaxWaitTimeInSeconds", 3599, "at least MaxRuntimeInSeconds, 3600"),
    (f"{T}/StoppingCondition/MaxWaitTimeInSeconds", ..., "EnableManagedSpotTraining requires"),
    (f"{T}/EnableManagedSpotTraining", False, "only EnableManagedSpotTraining allows"),
    (f"{T}/CheckpointConfig/LocalPath", "/opt/ml/model/x", "the folder is SageMaker's own"),
    (f"{T}/InputDataConfig", [channel(f"c{i}", "s3://b/x") for i in range(21)],
     "found 21 entries; at most 20"),
    (f"{T}/InputDataConfig/2", channel("control", "s3://b/x"), "the same ChannelName"),
    (f"{T}/AlgorithmSpecification/AlgorithmName", "a", "exactly one is required of Training"),
    (f"{T}/AlgorithmSpecification/MetricDefinitions/0/Name", "acc",
     "found 'auc', which step 'train' does not declare in FinalMetricDataList; it has: acc"),
    (f"{T}/AlgorithmSpecification/MetricDefinitions",
     [{"Name": f"m{i}", "Regex": "(.)"} for i in range(41)], "found 41 entries; at most 40"),
    (f"{T}/AlgorithmSpecification/MetricDefinitions/0/Name", "m" * 256,
     "found 256 characters; at most 255"),
    (f"{T}/AlgorithmSpecification/MetricDefinitions/0/Regex", "(.)" + "x" * 498,
     "found 501 characters; at most 500"),
    (f"{T}/Environment", {"A": "x" * 513}, "found 513 characters; at most 512"),
    # references
    (ENV, get("Parameters.tree"), "the unknown parameter 'tree'; did you mean 'trees'"),
    (ENV, get("Parameters.least"), "which gives a Float; String is required"),
    (ENV, get("Execution.Id"), "the unknown execution variable 'Id'"),
    (ENV, get("Steps.s9.ProcessingJobName"), "the unknown step 's9'"),
    (ENV, get("Steps.train.TrainingJobNam"), "did you mean 'TrainingJobName'"),
    (ENV, get("Steps.train"), "nothing after the step's name"),
    (ENV, get("Steps.train.A..B"), "is no path to a property"),
    (ENV, get("Stpes.train.A"), "it must begin with Parameters., Steps."),
    (ENV, get("Steps.no.ErrorMessage"), "a step of type Fail has no properties"),
    (FROM,
     get("Steps.s0.ProcessingOutputConfig.Outputs['other'].S3Output.S3Uri"),
     "found 'other', which step 's0' does not declare in Outputs; it has: artifacts"),
    (FROM,
     get("Steps.s0.ProcessingOutputConfig.Outputs[1].S3Output.S3Uri"), "found 1, which step 's0'"),
    (ENV, {"Std:Join": {"Values": []}}, "it has On and a list of Values"),
    (ENV, join("", get("Parameters.no")), "the unknown parameter 'no'"),
    (ENV, {"Std:JsonGet": {"Path": "x"}}, "exactly one is required of PropertyFile"),
    # conditions
    (CONDITIONS, [], "a list of at least one condition"),
    (f"{CONDITIONS}/0/Type", "Bigger", 'Type: found "Bigger"; allowed is one of Equals'),
    (f"{CONDITIONS}/0/RightValue", ..., "RightValue: found nothing"),
    (f"{CONDITIONS}/0/RightValue", "0.9", "of a number and a text"),
    (f"{CONDITIONS}/0/RightValue", [1], "a text, number, boolean or reference"),
    (f"{CONDITIONS}/2/Conditions/0/Values/0", 1, "a number; it is compared with a text"),
    (f"{CONDITIONS}/1/Condition", ..., "Condition: found nothing"),
    (f"{GATE}/Arguments/Else", [], "the unknown member 'Else'"),
    ("Steps/3/Arguments/ElseSteps/0/Arguments/ErrorMessage", None, "ErrorMessage: found null"),
]  # fmt: skip


def test_a_sound_definition_has_no_errors() -> None:
    assert checks.document_errors(definition()) == []
    assert checks.document_errors(definition(60)) == []


@pytest.mark.parametrize(("path", "value", "expected"), BROKEN)
def test_each_violation_is_named(path: str, value: Any, expected: str) -> None:
    broken = definition()
    put(broken, path, copy.deepcopy(value))
    errors = checks.document_errors(broken)
    assert any(expected in error for error in errors), errors
    assert not any("\n" in error for error in errors)


def test_all_violations_are_told_at_once(snapshot: SnapshotAssertion) -> None:
    broken = definition()
    for path, value in (
        (f"{CLUSTER}/InstanceType", "ml.m5.lrge"),
        (f"{CLUSTER}/InstanceCount", 0),
        (f"{ARGS}/RoleArn", "me"),
        (f"{ARGS}/Environment/A", "x" * 300),
        (f"{TRAIN}/Arguments/StoppingCondition/MaxWaitTimeInSeconds", 60),
        ("Steps/3/Arguments/IfSteps/0/Arguments/ProcessingInputs/0/S3Input/LocalPath", "/data"),
        ("Parameters/1/DefaultValue", "high"),
    ):
        put(broken, path, value)
    assert checks.document_errors(broken) == snapshot


def test_a_definition_has_a_greatest_size() -> None:
    broken = definition()
    broken["Metadata"]["padding"] = "x" * 1024 * 1024
    assert any("at most 1048576 are allowed" in error for error in checks.document_errors(broken))


def test_a_pipeline_has_at_most_200_parameters() -> None:
    broken = definition()
    broken["Parameters"] += [{"Name": f"p{i}", "Type": "String"} for i in range(199)]
    assert checks.document_errors(broken) == [
        "Parameters: found 201 entries; at most 200 are allowed"
    ]


@pytest.mark.parametrize("value", [None, 3, "x", [], {}, [[]], [{}], [None]])
@pytest.mark.parametrize("path", ["Steps", "Parameters", S0, ARGS, "Metadata", "Steps/3/Arguments",
                                  f"{S0}/RetryPolicies", f"{S0}/PropertyFiles", f"{S0}/DependsOn",
                                  f"{ARGS}/ProcessingInputs", f"{ARGS}/Environment/A"])  # fmt: skip
def test_no_form_of_document_breaks_the_checks(path: str, value: Any) -> None:
    broken = definition()
    put(broken, path, value)
    assert isinstance(checks.document_errors(broken), list)


# --- what hypothesis breaks -----------------------------------------------------------------------

MAPS = ("Environment", "HyperParameters")


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of all that stands in Arguments of jobs, not inside expressions."""
    if isinstance(value, dict) and not model_shapes.is_expression(value):
        for key, inner in value.items():
            yield (*path, key)
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield (*path, index)
            yield from places(inner, (*path, index))


def arguments_of(document: Json) -> list[tuple[Any, ...]]:
    bases = [("Steps", 0), ("Steps", 1), ("Steps", 2), ("Steps", 3, "Arguments", "IfSteps", 0)]
    return [
        path
        for base in bases
        for path in places(reach(document, (*base, "Arguments")), (*base, "Arguments"))
    ]


def reach(value: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        value = value[part]
    return value


def misspell(document: Json, path: tuple[Any, ...]) -> bool:
    if isinstance(path[-1], int) or path[-2] in MAPS:
        return False
    inside = reach(document, path[:-1])
    inside[path[-1] + "Q"] = inside.pop(path[-1])
    return True


def retype(document: Json, path: tuple[Any, ...]) -> bool:
    value = reach(document, path)
    wrong = {str: 5, int: "five", bool: "yes", dict: "none", list: "none"}
    new: Any = 5 if model_shapes.is_expression(value) else wrong[type(value)]
    reach(document, path[:-1])[path[-1]] = new
    return True


def lead_astray(document: Json, path: tuple[Any, ...]) -> bool:
    value = reach(document, path)
    if not model_shapes.is_expression(value):
        return False
    get_ = value
    while "Get" not in get_:
        get_ = next(one for one in get_["Std:Join"]["Values"] if isinstance(one, dict))
    get_["Get"] += "Q"
    return True


def empty_out(document: Json, path: tuple[Any, ...]) -> bool:
    reach(document, path[:-1])[path[-1]] = {"Get": "Parameters.nowhere"}
    return True


MUTATIONS: list[Callable[[Json, tuple[Any, ...]], bool]] = [
    misspell,
    retype,
    lead_astray,
    empty_out,
]
PLACES = arguments_of(definition())


@settings(max_examples=300)
@given(st.sampled_from(MUTATIONS), st.sampled_from(PLACES))
def test_what_is_broken_anywhere_is_found(
    mutation: Callable[[Json, tuple[Any, ...]], bool], path: tuple[Any, ...]
) -> None:
    broken = definition()
    if mutation(broken, path):
        step = reach(broken, path[: 2 if "IfSteps" not in path else 5])["Name"]
        errors = checks.document_errors(broken)
        assert any(f"Step '{step}'" in error for error in errors), (path, errors)
    else:
        assert checks.document_errors(broken) == []


REQUESTS = {
    "CreateProcessingJob": {**processing("x")["Arguments"], "ProcessingJobName": "a-b"},
    "CreateTrainingJob": {**training("x", "y")["Arguments"], "TrainingJobName": "a-b"},
}


def plain(value: Any) -> Any:
    """Replace expressions by texts."""
    if model_shapes.is_expression(value):
        return "s3://bucket/x"
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


@settings(max_examples=300)
@given(st.sampled_from(sorted(REQUESTS)), st.data())
def test_what_botocore_refuses_is_refused(operation: str, data: st.DataObject) -> None:
    request = plain(REQUESTS[operation])
    assert checks.request_errors(operation, request) == []
    path = data.draw(st.sampled_from(list(places(request))))
    new = data.draw(
        st.sampled_from([..., None, 0, -1, 1.5, True, "", "x", [], {}, {"Q": 1}, ["x"]])
    )
    inside = reach(request, path[:-1])
    if new is ...:
        del inside[path[-1]]
    else:
        inside[path[-1]] = new
    shape = model_shapes.input_of(operation)
    refused = ParamValidator().validate(request, shape).has_errors()
    errors = checks.request_errors(operation, request)
    if refused and new is not None:  # None is as good as nothing on the wire
        assert errors, path
    for error in errors:
        assert error.startswith("1 validation error detected: ")


# --- requests -------------------------------------------------------------------------------------


def test_requests_are_refused_in_the_services_words(snapshot: SnapshotAssertion) -> None:
    request = plain(REQUESTS["CreateProcessingJob"])
    for path, value in (
        ("ProcessingJobName", "a_b"),
        ("RoleArn", ...),
        ("ProcessingResources/ClusterConfig/InstanceCount", 0),
        ("ProcessingInputs/0/S3Input/S3DataType", "Prefix"),
        ("AppSpecification/ContainerArguments", ["x" * 257]),
        ("Environment/a-b", "c"),
        ("Tags", [{"Key": "k", "Value": "ünïcode ok"}, {"Key": "k", "Value": "no!"}]),
        ("StoppingCondition", 3),
        ("Bogus", 1),
    ):
        put(request, path, value)
    errors = checks.request_errors("CreateProcessingJob", request)
    assert errors == snapshot
    assert checks.merged(errors).startswith("9 validation errors detected: Value ")
    assert checks.merged(errors[:1]) == errors[0]


def test_operations_unknown_and_without_input() -> None:
    assert "Unknown operation 'Create'" in checks.request_errors("Create", {})[0]
    assert checks.request_errors("ListPipelines", {}) == []


# --- parameter values -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, None),
        ({"trees": "300", "least": "0.5"}, None),
        ({"least": 1}, None),
        ({"tres": "1"}, "'tres': found a value for no parameter; did you mean trees?"),
        ({"least": "high"}, "'least': found \"high\"; the parameter's type is Float"),
        ({"least": True}, "found true; the parameter's type is Float"),
        ({"trees": "x" * 1025}, "found 1025 characters; at most 1024"),
        (
            {"trees": "x" * 243},
            "Step 's0', Arguments.AppSpecification.ContainerArguments[0]: found 257 characters",
        ),
    ],
)
def test_parameter_values(values: Json, expected: str | None) -> None:
    errors = checks.submission_errors(definition(), values)
    if expected is None:
        assert errors == []
    else:
        assert any(expected in error for error in errors), errors


def test_a_parameter_without_a_default_needs_a_value() -> None:
    document = definition()
    del document["Parameters"][0]["DefaultValue"]
    assert checks.document_errors(document) == []
    assert checks.submission_errors(document, {}) == [
        "Parameter 'trees': found nothing; it has no default"
    ]
    assert checks.submission_errors(document, {"trees": "1"}) == []


# --- documents that we did not write --------------------------------------------------------------


def test_what_the_sagemaker_sdk_builds_is_sound() -> None:
    program = Path(__file__).parent / "programs" / "sdk_document.py"
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    built = json.loads(done.stdout.splitlines()[-1])
    kinds = {step["Type"] for step in [*built["Steps"], *built["Steps"][1]["Arguments"]["IfSteps"]]}
    assert kinds == {"Processing", "Condition", "Training", "RegisterModel"}
    assert checks.document_errors(built) == []
    built["Steps"][0]["Arguments"]["AppSpecification"]["ContainerArguments"][0] = "x" * 257
    assert len(checks.document_errors(built)) == 1
