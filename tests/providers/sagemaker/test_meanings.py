"""What AWS takes, refuses and makes of a definition where its model says nothing: one table.

Each row names where AWS says so: `SDK` is aws/sagemaker-python-sdk, its integration tests in
tests/integ/sagemaker/workflow of its branch master-v2; `schema` the JSON schema of definitions in
aws-sagemaker-mlops/sagemaker-model-building-pipeline-definition-JSON-schema.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from waterflow_sagemaker import checks

from tests.providers.sagemaker.pipelines_kit import (
    BUCKET,
    CACHED,
    ROLE,
    compare,
    condition,
    document,
    fail,
    get,
    join,
    processing,
    refused,
    training,
)

Json = dict[str, Any]

CONTAINER: Json = {
    "Image": "image",
    "ModelDataUrl": f"s3://{BUCKET}/model.tar.gz",
    "Environment": {"batch_size": "64", "name": "b"},
}
MODEL: Json = {
    "Name": "model",
    "Type": "Model",
    "Arguments": {"ExecutionRoleArn": ROLE, "PrimaryContainer": CONTAINER},
}
BATCH = get("Steps.model.PrimaryContainer.Environment['batch_size']")
QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/none"


def register(**more: Any) -> Json:
    inference = {
        "Containers": [{"Image": "image", "ModelDataUrl": f"s3://{BUCKET}/model.tar.gz"}],
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["text/csv"],
    }
    arguments = {"InferenceSpecification": inference, **more}
    return {"Name": "register", "Type": "RegisterModel", "Arguments": arguments}


def callback(*outputs: Json, **more: Any) -> Json:
    step = {"Name": "call", "Type": "Callback", "SqsQueueUrl": QUEUE, "Arguments": {}}
    return {**step, "OutputParameters": list(outputs), **more}


def untyped(name: str, **more: Any) -> Json:
    return {"Name": name, **more}


def outcome(*conditions: Json) -> list[Json]:
    """A condition step, and one that fails with its outcome as the message."""
    return [condition("c", *conditions), fail("f", join("", get("Steps.c.Outcome")))]


def ordered(left: Any, right: Any, kind: str = "GreaterThan") -> list[Json]:
    return outcome(compare(kind, left, right))


@dataclass
class Meaning:
    """One row.

    Attributes:
        what: What the row shows.
        source: Where AWS says so.
        steps: The definition's steps.
        parameters: Its parameters.
        values: What it is started with.
        refusal: What is said by who refuses it; empty for what is taken.
        at_start: Whether the start is refused rather than the definition.
        statuses: Step -> status of a run; None for what is not run.
        message: The failure reason of step `f`; None where it has none.
    """

    what: str
    source: str
    steps: list[Json]
    parameters: Json = field(default_factory=dict)
    values: Json = field(default_factory=dict)
    refusal: str = ""
    at_start: bool = False
    statuses: dict[str, str] | None = None
    message: str | None = None


VARIABLES = "SDK test_pipeline_var_behaviors.py: test_ppl_var_to_string_and_add"
FAILS = "SDK test_fail_steps.py"
MAPS = "SDK test_workflow.py: test_steps_with_map_params_pipeline; only made there, never run"
UNSAID = "nowhere said: follows from the row above"
A, B = get("Parameters.a"), get("Parameters.b")


def says(what: str, source: str, steps: list[Json], message: str, **more: Any) -> Meaning:
    before = {step["Name"]: "Succeeded" for step in steps[:-1]}
    return Meaning(what, source, steps, statuses=before | {"f": "Failed"}, message=message, **more)


TEXTS = [
    says("texts of parameters: less", VARIABLES, ordered(A, join("", B)), "false",
         parameters={"a": "1", "b": 3}),
    says("texts of parameters: greater", VARIABLES, ordered(A, join("", B)), "true",
         parameters={"a": "1", "b": 3}, values={"b": 0}),
    says("texts order as texts, not as numbers", UNSAID, ordered(A, B), "false",
         parameters={"a": "10", "b": "9"}),
    says("capitals come first", UNSAID, ordered(A, "Zeta"), "true", parameters={"a": "alpha"}),
    says("what another begins with comes first", UNSAID, ordered(A, "a b", "LessThan"), "true",
         parameters={"a": "a"}),
    says("an empty text comes first", UNSAID, ordered(A, "", "LessThanOrEqualTo"), "true",
         parameters={"a": ""}),
    says("equal texts are not less", UNSAID, ordered(A, "x", "LessThan"), "false",
         parameters={"a": "x"}),
    says("equal texts are at least", UNSAID, ordered(A, "x", "GreaterThanOrEqualTo"), "true",
         parameters={"a": "x"}),
    says("a join is a text", VARIABLES,
         ordered(join("-", get("Execution.PipelineName"), A), "pip"), "true",
         parameters={"a": "x"}),
    says("properties are ordered", UNSAID,
         [MODEL, *ordered(get("Steps.model.PrimaryContainer.Image"), "images", "LessThan")],
         "true"),
    says("properties below a map's key are ordered", UNSAID,
         [MODEL, *ordered(get("Steps.model.PrimaryContainer.Environment['name']"), "a")], "true"),
    says("texts ordered in Not and Or", UNSAID,
         outcome({"Type": "Not", "Condition": {"Type": "Or", "Conditions": [
             compare("LessThan", A, "b"), compare("GreaterThan", A, "d")]}}), "true",
         parameters={"a": "c"}),
    Meaning("a text is not ordered against a number", "SDK local/pipeline.py: TypeError",
            ordered(A, 3), {"a": "1"},
            refusal="GreaterThan of a text and a number; both sides must be of one kind"),
    Meaning("a join is not ordered against a number", "SDK local/pipeline.py: TypeError",
            ordered(join("", A), 3), {"a": 1},
            refusal="GreaterThan of a text and a number; both sides must be of one kind"),
]  # fmt: skip

OUTCOMES = [
    says("an outcome in a join is false", f"{FAILS}: test_two_step_fail_pipeline_with_join_fn",
         [condition("c", compare("Equals", A, 1)),
          fail("f", join(": ", "it returns", get("Steps.c.Outcome")))], "it returns: false",
         parameters={"a": 3}),
    says("an outcome in a join is true", VARIABLES, outcome(compare("Equals", A, 3)), "true",
         parameters={"a": 3}),
    says("an outcome alone as a message", UNSAID,
         [condition("c", compare("Equals", 1, 1)), fail("f", get("Steps.c.Outcome"))], "true"),
    Meaning("an outcome is a boolean to another condition", UNSAID,
            [condition("c", compare("Equals", 1, 2)),
             condition("d", compare("Equals", get("Steps.c.Outcome"), False),
                       then=[fail("f", "no")])],
            statuses={"c": "Succeeded", "d": "Succeeded", "f": "Failed"}, message="no"),
    Meaning("an outcome is no text", "SDK conditions: both sides are of one type",
            [condition("c", compare("Equals", 1, 2)),
             condition("d", compare("Equals", get("Steps.c.Outcome"), "False"))],
            refusal="Equals of a boolean and a text"),
]  # fmt: skip

TAKEN = [
    Meaning("an empty message", f"{FAILS}: test_two_step_fail_pipeline_with_no_err_msg",
            [fail("f", "")], statuses={"f": "Failed"}),
    Meaning("no message at all", "schema: FailStep requires Arguments, and of them nothing",
            [{"Name": "f", "Type": "Fail", "Arguments": {}}], statuses={"f": "Failed"}),
    Meaning("a message that is a parameter without text", UNSAID, [fail("f", A)], {"a": ""},
            statuses={"f": "Failed"}),
    Meaning("a message that is a number", UNSAID, [fail("f", A)], {"a": 0.5},
            statuses={"f": "Failed"}, message="0.5"),
    Meaning("a property of the other branch's step: its reader never starts",
            "SDK local/pipeline.py: all steps behind those of the branch not taken are blocked",
            [condition("c", compare("Equals", 1, 2), then=[MODEL],
                       otherwise=[fail("f", join("", "a ", get("Steps.model.ModelName")))])],
            statuses={"c": "Succeeded"}),
    Meaning("a property of a branch's step, read outside", UNSAID,
            [condition("c", compare("Equals", 1, 2), then=[MODEL]),
             fail("f", join("", get("Steps.model.ModelName")))], statuses={"c": "Succeeded"}),
    Meaning("DependsOn a step of the other branch", "SDK PipelineGraph: one graph for both",
            [condition("c", compare("Equals", 1, 2), then=[MODEL],
                       otherwise=[{**fail("f", "x"), "DependsOn": ["model"]}])],
            statuses={"c": "Succeeded"}),
    Meaning("HyperParameters['batch-size'], compared with a number", MAPS,
            [training("t", "true", Arguments={"HyperParameters": {"batch-size": "64"}}),
             condition("c", compare("GreaterThanOrEqualTo",
                                    get("Steps.t.HyperParameters['batch-size']"), 6.0))]),
    Meaning("a property below a map's key, compared with a number: the run is refused", MAPS,
            [MODEL, condition("c", compare("GreaterThanOrEqualTo", BATCH, 6.0))],
            statuses={"model": "Succeeded", "c": "Failed"}),
    Meaning("a property below a map's key among numbers", MAPS,
            [MODEL, condition("c", {"Type": "In", "QueryValue": BATCH, "Values": [1, 2]})],
            statuses={"model": "Succeeded", "c": "Failed"}),
    says("a property below a map's key, compared with a text", UNSAID,
         [MODEL, *outcome(compare("Equals", BATCH, "64"))], "true"),
    Meaning("CacheConfig with Enabled only", "SDK CacheConfig.config; schema: nothing is required",
            [processing("p", CacheConfig={"Enabled": True})]),
    Meaning("CacheConfig that is off, without more", "SDK CacheConfig.config",
            [processing("p", CacheConfig={"Enabled": False})]),
    Meaning("CacheConfig with ExpireAfter only", "schema: nothing is required",
            [processing("p", CacheConfig={"ExpireAfter": "P1D"})]),
    Meaning("an empty CacheConfig", "schema: nothing is required",
            [processing("p", CacheConfig={})]),
    Meaning("CacheConfig on a Callback", "SDK CallbackStep; schema", [callback(**CACHED)]),
    Meaning("CacheConfig with Enabled only on a Callback", "SDK CallbackStep; schema",
            [callback(CacheConfig={"Enabled": True})]),
    Meaning("a Callback without Arguments", "schema: CallbackStep",
            [{"Name": "call", "Type": "Callback", "SqsQueueUrl": QUEUE}]),
    says("a parameter without a type is a text", "schema: StringParameter",
         outcome(compare("Equals", A, "x")), "true",
         parameters={"a": untyped("a", DefaultValue="x")}),
    says("a parameter without a type is a text at the start too", UNSAID,
         outcome(compare("Equals", A, "3")), "true", parameters={"a": untyped("a")},
         values={"a": 3}),
    Meaning("a package without a group, named after its step",
            "SDK test_model_steps.py: ..._without_custom_inference",
            [register(), condition("c", compare("GreaterThan",
                                                get("Steps.register.ModelPackageName"),
                                                "pipelines-"), otherwise=[fail("f", "")])],
            statuses={"register": "Succeeded", "c": "Succeeded"}),
    Meaning("a default that is empty", "SDK test_clarify_check_steps.py: supplied_baseline...",
            [fail("f", join("", "<", A, ">"))], {"a": ""}, statuses={"f": "Failed"}, message="<>"),
    *(Meaning(f"an output parameter of type {kind}", "SDK CallbackOutputTypeEnum; schema",
              [callback({"OutputName": "n", "OutputType": kind}),
               condition("c", compare("Equals", get("Steps.call.OutputParameters['n']"), value))])
      for kind, value in (("String", "x"), ("Integer", 3), ("Float", 0.5), ("Boolean", True))),
    Meaning("an output parameter without a type is a text", "SDK CallbackOutput: its default",
            [callback({"OutputName": "n"}),
             condition("c", compare("LessThan", get("Steps.call.OutputParameters['n']"), "x"))]),
]  # fmt: skip

REFUSED = [
    Meaning("DependsOn a Fail step", f"{FAILS}: test_invalid_pipeline_depended_on_fail_step",
            [{**condition("CondStep", compare("Equals", A, 1)), "DependsOn": ["FailStep"]},
             fail("FailStep", "no")], {"a": 2},
            refusal="CondStep can not depends on FailStep"),
    Meaning("DependsOn a Fail step, whatever its end", UNSAID,
            [{**condition("c", compare("Equals", 1, 1)),
              "DependsOn": [{"Step": "f", "Trigger": "Failed"}]}, fail("f", "no")],
            refusal="c can not depends on f"),
    Meaning("DependsOn a Fail step of a branch", UNSAID,
            [condition("c", compare("Equals", 1, 1), then=[fail("f", "no")]),
             {**MODEL, "DependsOn": ["f"]}], refusal="model can not depends on f"),
    Meaning("a property of a Fail step", "SDK FailStep.properties",
            [fail("f", "no"), condition("c", compare("Equals", get("Steps.f.ErrorMessage"), "no"))],
            refusal="a step of type Fail has no properties"),
    Meaning("an empty value at the start", "aws/sagemaker-python-sdk issue 4016: AWS's own words",
            [fail("f", A)], {"a": "x"}, {"a": ""},
            refusal='string "" is too short (length: 0, required minimum: 1)', at_start=True),
    Meaning("an empty value at the start in place of an empty default", UNSAID,
            [fail("f", A)], {"a": ""}, {"a": ""}, refusal='"" is too short', at_start=True),
    Meaning("an empty value for a number", "SDK local/entities.py", [fail("f", A)], {"a": 1},
            {"a": ""}, refusal="the parameter's type is Integer", at_start=True),
    Meaning("a number as the default of no type", "schema: StringParameter", [fail("f", A)],
            {"a": untyped("a", DefaultValue=3)}, refusal="the parameter's type is String"),
    Meaning("null as a type", "schema: the four types", [fail("f", A)],
            {"a": untyped("a", Type=None)}, refusal="Type: found null"),
    Meaning("an output parameter of no known type", "SDK CallbackOutputTypeEnum; schema",
            [callback({"OutputName": "n", "OutputType": "Number"})],
            refusal='OutputType: found "Number"; allowed is one of String, Integer'),
    Meaning("an output parameter without a name", "SDK CallbackOutput",
            [callback({"OutputType": "String"})], refusal="OutputName: found null"),
    Meaning("two output parameters of one name", UNSAID,
            [callback({"OutputName": "n"}, {"OutputName": "n"})], refusal='found "n" twice'),
    Meaning("a declared type that is not the other side's", "SDK conditions",
            [callback({"OutputName": "n", "OutputType": "Integer"}),
             condition("c", compare("Equals", get("Steps.call.OutputParameters['n']"), "x"))],
            refusal="Equals of a number and a text"),
    Meaning("null in place of an expiry", "schema: a text", [processing("p", CacheConfig={
        "Enabled": True, "ExpireAfter": None})], refusal="ExpireAfter: found null"),
    Meaning("a CacheConfig that is none", "schema: an object", [processing("p", CacheConfig=True)],
            refusal="CacheConfig: found true; an object is required"),
    Meaning("CacheConfig on a Fail step", "schema: FailStep", [{**fail("f", ""), **CACHED}],
            refusal="the unknown member 'CacheConfig'"),
    Meaning("Arguments that a Callback has, but no object", "schema: CallbackStep",
            [callback(Arguments=None)], refusal="Arguments: found null"),
]  # fmt: skip

TABLE = [*TEXTS, *OUTCOMES, *TAKEN, *REFUSED]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.what)
def test_a_definition_means_here_what_it_means_to_aws(service: Any, row: Meaning) -> None:
    definition = document(*row.steps, parameters=row.parameters)
    refusal = "" if row.at_start else row.refusal
    errors = checks.document_errors(definition)
    assert bool(errors) == bool(refusal), errors
    if refusal:
        request = {"PipelineName": "none", "RoleArn": ROLE}
        text = json.dumps(definition)
        code, message = refused(service.client.create_pipeline, PipelineDefinition=text, **request)
        assert code == "ValidationException"
        assert refusal in message
        assert any(refusal in error for error in errors)
        return
    name = service.create(definition)
    if row.at_start:
        pairs = [{"Name": key, "Value": value} for key, value in row.values.items()]
        code, message = refused(
            service.client.start_pipeline_execution, PipelineName=name, PipelineParameters=pairs
        )
        assert code == "ValidationException"
        assert row.refusal in message
        assert checks.submission_errors(definition, row.values)
    elif row.statuses is not None:
        run = service.run(name, **row.values)
        assert run.statuses == row.statuses, run.steps
        assert run.status == ("Failed" if "Failed" in row.statuses.values() else "Succeeded")
        assert run.steps.get("f", {}).get("FailureReason") == row.message
        if "f" in run.steps:
            assert run.steps["f"]["Metadata"]["Fail"]["ErrorMessage"] == (row.message or "")


def test_an_outcome_is_shown_with_a_capital(service: Any) -> None:
    run = service.run(document(condition("c", compare("Equals", 1, 1))))
    assert run.steps["c"]["Metadata"]["Condition"]["Outcome"] == "True"


def test_an_entry_of_a_map_is_not_guessed_to_be_a_number(service: Any) -> None:
    run = service.run(document(MODEL, condition("c", compare("LessThan", BATCH, 6.0))))
    assert run.steps["c"]["FailureReason"] == (
        "ClientError: '64' and 6.0 cannot be compared: a string and a number"
    )


def test_a_package_without_a_group_is_kept_under_its_own_name(service: Any) -> None:
    # A name is a prefix, so that the pipeline runs again (SDK: trim_request_dict); and the SDK asks
    # for an approval without a group too.
    named = register(ModelPackageName="mine", ModelApprovalStatus="PendingManualApproval")
    name = service.create(document({**named, "Name": "named"}, register()))
    assert service.run(name).status == "Succeeded"
    run = service.run(name)
    mine = run.steps["named"]["Metadata"]["RegisterModel"]["Arn"]
    assert f"/mine-{run.arn.rpartition('/')[2]}-named-" in mine
    arn = run.steps["register"]["Metadata"]["RegisterModel"]["Arn"]
    package = service.client.describe_model_package(ModelPackageName=arn)
    execution = run.arn.rpartition("/")[2]
    assert package["ModelPackageName"].startswith(f"pipelines-{execution}-register-")
    assert "ModelPackageGroupName" not in package
    listed = service.client.list_model_packages(NameContains=package["ModelPackageName"])
    assert [one["ModelPackageArn"] for one in listed["ModelPackageSummaryList"]] == [arn]


CALLED = [  # the declared type, the text that the step is answered with, what it is compared with
    ("Integer", "12", compare("GreaterThan", get("Steps.call.OutputParameters['n']"), 5), "true"),
    ("Float", "1e-3", compare("LessThan", get("Steps.call.OutputParameters['n']"), 5), "true"),
    ("Boolean", "true", compare("Equals", get("Steps.call.OutputParameters['n']"), True), "true"),
    ("String", "12", compare("GreaterThan", get("Steps.call.OutputParameters['n']"), "5"), "false"),
    ("Integer", "many", compare("Equals", get("Steps.call.OutputParameters['n']"), 5), None),
]


def test_an_output_parameter_is_of_its_declared_type(service: Any) -> None:
    sqs = service.aws("sqs")
    queue = sqs.create_queue(QueueName="meanings")["QueueUrl"]
    for kind, text, comparison, said in CALLED:
        call = callback({"OutputName": "n", "OutputType": kind}, SqsQueueUrl=queue)
        arn = service.start(service.create(document(call, *outcome(comparison))))
        messages: list[Any] = []

        def received(into: list[Any] = messages) -> bool:
            into.extend(sqs.receive_message(QueueUrl=queue).get("Messages", []))
            return bool(into)

        service.until(received)
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=messages[0]["ReceiptHandle"])
        service.client.send_pipeline_execution_step_success(
            CallbackToken=json.loads(messages[0]["Body"])["token"],
            OutputParameters=[{"Name": "n", "Value": text}],
        )
        run = service.wait(arn)
        shown = run.steps["call"]["Metadata"]["Callback"]["OutputParameters"]
        assert shown == [{"Name": "n", "Value": text}]
        assert run.steps.get("f", {}).get("FailureReason") == said
        if said is None:
            reason = run.steps["call"]["FailureReason"]
            assert reason == "ClientError: output parameter 'n': 'many' is no Integer"


def test_a_result_without_expiry_is_taken_however_old(service: Any) -> None:
    name = service.create(document(processing("p", CacheConfig={"Enabled": True})))
    first, second = service.run(name), service.run(name)
    hit = second.steps["p"]["CacheHitResult"]
    assert hit == {"SourcePipelineExecutionArn": first.arn}
