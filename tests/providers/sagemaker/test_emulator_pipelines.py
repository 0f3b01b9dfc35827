"""The emulator's pipelines, through unmodified boto3, with jobs that truly run."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from waterflow_sagemaker.emulator import Emulator, caching, conditions, parameters
from waterflow_sagemaker.emulator.resolution import ResolutionError, Scope, walk
from waterflow_sagemaker.emulator.retrying import Retries

from tests.providers.sagemaker.pipelines_kit import (
    BUCKET,
    ROLE,
    Pipelines,
    compare,
    condition,
    document,
    fail,
    get,
    join,
    json_get,
    processing,
    training,
)

FAULTS = "capacity=scarce*:2,internal=broken*:1,limit=quota*:1,capacity=never*:99"
REPORT = 'printf %s "$1" > /opt/ml/processing/out/report.json'
REPORTED = [{"PropertyFileName": "report", "OutputName": "out", "FilePath": "report.json"}]
CACHED = {"CacheConfig": {"Enabled": True, "ExpireAfter": "P1D"}}


@pytest.fixture(scope="module")
def faulty():
    with Emulator(faults=FAULTS, grace=0.5) as emulator:
        yield emulator


@pytest.fixture
def service(faulty, aws_at):
    return Pipelines(aws_at(faulty, BUCKET))


def refused(call: Any, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call(**request)
    found = error.value.response["Error"]
    return found["Code"], found["Message"]


# --- pipelines ------------------------------------------------------------------------------------


def test_a_pipeline_has_versions_and_an_execution_runs_the_one_asked_for(service):
    client = service.client
    name = service.create(document(fail("one", "first")), PipelineDescription="words")
    text = json.dumps(document(fail("one", "second")))
    assert client.update_pipeline(PipelineName=name, RoleArn=ROLE)["PipelineVersionId"] == 1
    answer = client.update_pipeline(PipelineName=name, PipelineDefinition=text)
    assert answer["PipelineVersionId"] == 2
    first = service.wait(service.start(name, request={"PipelineVersionId": 1}))
    latest = service.wait(service.start(name))
    assert first.execution["PipelineVersionId"] == 1
    assert first.steps["one"]["FailureReason"] == "first"
    assert latest.steps["one"]["FailureReason"] == "second"
    versions = client.list_pipeline_versions(PipelineName=name)["PipelineVersionSummaries"]
    assert [v["PipelineVersionId"] for v in versions] == [2, 1]
    assert versions[1]["LastExecutionPipelineExecutionArn"] == first.arn
    arn = answer["PipelineArn"]
    client.update_pipeline_version(
        PipelineArn=arn, PipelineVersionId=1, PipelineVersionDisplayName="old",
        PipelineVersionAliasOperations={"Add": ["stable"]},
    )  # fmt: skip
    described = client.describe_pipeline(PipelineName=arn, PipelineVersionAlias="stable")
    assert described["PipelineVersionDisplayName"] == "old"
    assert json.loads(described["PipelineDefinition"])["Steps"][0]["Arguments"] == {
        "ErrorMessage": "first"
    }
    assert described["PipelineDescription"] == "words"
    assert "LastRunTime" in described
    definition = client.describe_pipeline_definition_for_execution(PipelineExecutionArn=latest.arn)
    assert definition["PipelineDefinition"] == text
    code, _ = refused(client.describe_pipeline, PipelineName=name, PipelineVersionId=9)
    assert code == "ResourceNotFound"


def test_the_same_token_is_the_same_request_or_a_conflict(service):
    client, token = service.client, "t" * 32
    name = service.create(document(fail("one", "no")))
    request = {"PipelineName": name, "ClientRequestToken": token}
    first = client.start_pipeline_execution(**request)["PipelineExecutionArn"]
    assert client.start_pipeline_execution(**request)["PipelineExecutionArn"] == first
    other = request | {"PipelineExecutionDisplayName": "other"}
    code, message = refused(client.start_pipeline_execution, **other)
    assert code == "ConflictException"
    assert token in message
    service.wait(first)
    executions = client.list_pipeline_executions(PipelineName=name)
    assert len(executions["PipelineExecutionSummaries"]) == 1
    code, message = refused(
        client.create_pipeline, PipelineName=name, RoleArn=ROLE, PipelineDefinition="{}"
    )
    assert code == "ValidationException"
    assert "already exists" in message


def test_a_definition_may_lie_in_s3_and_a_deleted_pipeline_is_gone(service):
    client, s3 = service.client, service.aws("s3")
    text = json.dumps(document(fail("one", "no")))
    s3.put_object(Bucket=BUCKET, Key="definition.json", Body=text)
    place = {"Bucket": BUCKET, "ObjectKey": "definition.json"}
    request = {"PipelineName": "from-s3", "RoleArn": ROLE, "PipelineDefinitionS3Location": place}
    arn = client.create_pipeline(**request, Tags=[{"Key": "a", "Value": "b"}])["PipelineArn"]
    assert client.describe_pipeline(PipelineName="from-s3")["PipelineDefinition"] == text
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    listed = client.list_pipelines(PipelineNamePrefix="from")["PipelineSummaries"]
    assert [pipeline["PipelineName"] for pipeline in listed] == ["from-s3"]
    execution = service.wait(service.start("from-s3"))
    client.delete_pipeline(PipelineName="from-s3")
    assert refused(client.describe_pipeline, PipelineName="from-s3") == (
        "ResourceNotFound", f"Pipeline '{arn}' does not exist.",
    )  # fmt: skip
    code, _ = refused(client.describe_pipeline_execution, PipelineExecutionArn=execution.arn)
    assert code == "ResourceNotFound"
    missing = request | {"PipelineDefinitionS3Location": {"Bucket": BUCKET, "ObjectKey": "none"}}
    assert "does not exist" in refused(client.create_pipeline, **missing)[1]


BAD = {
    "no JSON": "{",
    "version": json.dumps(document(fail("a", "b")) | {"Version": "1"}),
    "unique": json.dumps(document(fail("a", "b"), fail("a", "b"))),
    "unknown step 'b'": json.dumps(document(processing("a", DependsOn=["b"]))),
    "no parameter 'p'": json.dumps(document(fail("a", get("Parameters.p")))),
    "no variable 'Nothing'": json.dumps(document(fail("a", get("Execution.Nothing")))),
    "no step 'b'": json.dumps(document(fail("a", get("Steps.b.ProcessingJobName")))),
    "wait for one another": json.dumps(
        document(processing("a", DependsOn=["b"]), processing("b", DependsOn=["a"]))
    ),
    "does not run": json.dumps(document({"Name": "a", "Type": "Lambda", "Arguments": {}})),
    "unknown type": json.dumps(document({"Name": "a", "Type": "Dream", "Arguments": {}})),
    "property file 'f'": json.dumps(
        document(processing("a"), fail("b", json_get("a", "f", "x")))
    ),
    "condition type": json.dumps(document(condition("a", {"Type": "Like"}))),
    "ExpireAfter": json.dumps(
        document(processing("a", CacheConfig={"Enabled": True, "ExpireAfter": "soon"}))
    ),
    "unknown exception type": json.dumps(
        document(processing("a", RetryPolicies=[{"ExceptionType": ["X"], "MaxAttempts": 1}]))
    ),
    "exactly one of MaxAttempts": json.dumps(
        document(processing("a", RetryPolicies=[{"ExceptionType": ["Step.THROTTLING"]}]))
    ),
    "DefaultValue 'x' is no Integer": json.dumps(
        document(fail("a", "b"), parameters={"p": {"Name": "p", "Type": "Integer",
                                                   "DefaultValue": "x"}})
    ),
    "ProcessingJobNam": json.dumps(
        document(processing("a"), fail("b", get("Steps.a.ProcessingJobNam")))
    ),
}  # fmt: skip


@pytest.mark.parametrize("words", BAD)
def test_a_bad_definition_is_refused_and_nothing_is_made(service, words):
    code, message = refused(
        service.client.create_pipeline,
        PipelineName="bad", RoleArn=ROLE, PipelineDefinition=BAD[words],
    )  # fmt: skip
    assert code == "ValidationException"
    assert words.lower() in message.lower()
    assert refused(service.client.describe_pipeline, PipelineName="bad")[0] == "ResourceNotFound"


def test_parameters_are_checked_by_type_and_limit(service):
    declared: dict[str, Any] = {
        "size": {"Name": "size", "Type": "Integer", "DefaultValue": 3, "MinValue": 1},
        "rate": 0.9,
        "on": True,
        "kind": {"Name": "kind", "Type": "String", "EnumValues": ["a", "b"]},
    }
    message = join(
        " ", *(get(f"Parameters.{name}") for name in ("size", "rate", "on", "kind")), 2, 0.5
    )
    name = service.create(document(fail("one", message), parameters=declared))
    for values, words in (
        ({}, "kind"),
        ({"kind": "c"}, "not one of a, b"),
        ({"kind": "a", "size": "x"}, "no Integer"),
        ({"kind": "a", "size": "0"}, "below MinValue"),
        ({"kind": "a", "rate": "x"}, "no Float"),
        ({"kind": "a", "other": "x"}, "Unknown parameter"),
    ):
        with pytest.raises(ClientError, match=words):
            service.start(name, **values)
    assert not service.client.list_pipeline_executions(PipelineName=name)[
        "PipelineExecutionSummaries"
    ]
    run = service.run(name, kind="b", rate="1e-7")
    assert run.steps["one"]["FailureReason"] == "3 1.0E-7 true b 2 0.5"
    listed = service.client.list_pipeline_parameters_for_execution(PipelineExecutionArn=run.arn)
    assert {"Name": "rate", "Value": "1.0E-7"} in listed["PipelineParameters"]
    with pytest.raises(ClientError, match="does not run selected steps"):
        service.start(
            name,
            request={"SelectiveExecutionConfig": {"SelectedSteps": [{"StepName": "one"}]}},
            kind="a",
        )


# --- executions -----------------------------------------------------------------------------------


def test_steps_read_what_others_made(service):
    path = get("Steps.make.ProcessingOutputConfig.Outputs['out'].S3Output.S3Uri")
    mount = {
        "S3Uri": path, "LocalPath": "/opt/ml/processing/input/made", "S3DataType": "S3Prefix",
        "S3InputMode": "File",
    }  # fmt: skip
    use = processing(
        "use",
        'grep -q 0.93 /opt/ml/processing/input/made/report.json; test "$1" = "$2"',
        get("Steps.make.ProcessingJobName"),
        join("", get("Steps.make.ProcessingJobName")),
        Arguments={"ProcessingInputs": [{"InputName": "made", "S3Input": mount}]},
    )
    report = json.dumps({"a.b": [{"auc": 0.93}], "kind": "good", "flag": True})
    run = service.run(
        document(
            use,  # written before what it uses
            processing("make", REPORT, report, PropertyFiles=REPORTED),
            condition(
                "gate",
                compare("GreaterThan", json_get("make", "report", "['a.b'][0].auc"), 0.9),
                compare("Equals", json_get("make", "report", "$.kind"), "good"),
                compare("Equals", json_get("make", "report", "flag"), True),
                DependsOn=["use"],
                then=[processing("yes", DisplayName="Shown", Description="words")],
                otherwise=[processing("no")],
            ),
        )
    )
    assert run.status == "Succeeded"
    assert list(run.steps) == ["make", "use", "gate", "yes"]
    assert run.steps["gate"]["Metadata"] == {"Condition": {"Outcome": "True"}}
    assert run.steps["yes"]["StepDisplayName"] == "Shown"
    arn = run.steps["make"]["Metadata"]["ProcessingJob"]["Arn"]
    identity = run.arn.rpartition("/")[2]
    assert f":processing-job/pipelines-{identity}-make-" in arn
    job = service.client.describe_processing_job(ProcessingJobName=arn.rpartition("/")[2])
    assert job["ProcessingJobStatus"] == "Completed"


def test_a_training_steps_metrics_decide_a_nested_condition(service):
    loss = get("Steps.fit.FinalMetricDataList['loss'].Value")
    never = {"Type": "Not", "Condition": compare("LessThan", loss, 1)}
    either = {"Type": "Or", "Conditions": [never, compare("LessThanOrEqualTo", loss, 0.25)]}
    member = {"Type": "In", "QueryValue": get("Parameters.mode"), "Values": ["x", "y"]}
    inner = condition("inner", member, then=[processing("both")], otherwise=[fail("f", "inner")])
    definition = document(
        training("fit", "echo loss=0.5; echo loss=0.25; echo ok > /opt/ml/model/m"),
        condition("outer", either, then=[inner], otherwise=[fail("g", "outer")]),
        parameters={"mode": "x"},
    )
    name = service.create(definition)
    run = service.run(name)
    assert (run.status, list(run.steps)) == ("Succeeded", ["fit", "outer", "inner", "both"])
    run = service.run(name, mode="z")
    assert (run.status, list(run.steps)) == ("Failed", ["fit", "outer", "inner", "f"])
    assert run.execution["FailureReason"] == "Step failure: One or multiple steps failed."
    assert run.steps["f"]["Metadata"] == {"Fail": {"ErrorMessage": "inner"}}


def test_a_failed_step_stops_its_dependants_only(service):
    run = service.run(
        document(
            processing("bad", "exit 3"),
            processing("after", DependsOn=["bad"]),
            processing("other"),
            processing("further", DependsOn=["other"]),
        )
    )
    assert run.status == "Failed"
    assert run.statuses == {"bad": "Failed", "other": "Succeeded", "further": "Succeeded"}
    assert run.steps["bad"]["FailureReason"].startswith("ClientError: AlgorithmError")
    assert "exit code: 3" in run.steps["bad"]["FailureReason"]


def test_steps_that_wait_for_a_failure_make_it_complete_with_failures(service):
    run = service.run(
        document(
            processing("bad", "exit 1"),
            processing("told", DependsOn=[{"Step": "bad", "Trigger": "Failed"}]),
            processing("untold", DependsOn=[{"Step": "told", "Trigger": "Failed"}]),
            processing("any", DependsOn=[{"Step": "told", "Trigger": "Any"}]),
        )
    )
    assert run.status == "CompletedWithFailures"
    assert run.statuses == {"bad": "Failed", "told": "Succeeded", "any": "Succeeded"}


def test_steps_run_at_once_unless_bounded(service, tmp_path):
    wait = 'while [ ! -e "$1/$3" ]; do sleep 0.05; i=$((i+1)); [ $i -lt 400 ]; done'
    meet = f'touch "$1/$2"; i=0; {wait}'
    definition = document(
        processing("a", meet, str(tmp_path), "a", "b"),
        processing("b", meet, str(tmp_path), "b", "a"),
    )
    assert service.run(definition).status == "Succeeded"
    name = service.create(
        document(*(processing(f"s{i}", "sleep 0.1") for i in range(3))),
        ParallelismConfiguration={"MaxParallelExecutionSteps": 1},
    )
    run = service.run(name)
    steps = list(run.steps.values())
    assert run.execution["ParallelismConfiguration"] == {"MaxParallelExecutionSteps": 1}
    for before, after in itertools.pairwise(steps):
        assert before["EndTime"] <= after["StartTime"]


def test_what_a_step_cannot_resolve_or_ask_for_fails_it(service):
    missing = condition("c", compare("Equals", json_get("make", "report", "no.such"), 1))
    apples = condition("d", compare("GreaterThan", json_get("make", "report", "text"), 1))
    run = service.run(
        document(
            processing("make", REPORT, '{"text": "x"}', PropertyFiles=REPORTED),
            missing,
            apples,
            training("t", "true", Arguments={"RoleArn": get("Parameters.role")}),
            parameters={"role": ROLE},
        ),
        role="no role",
    )
    assert run.status == "Failed"
    assert "'no.such'" in run.steps["c"]["FailureReason"]
    assert "'x' is none" in run.steps["d"]["FailureReason"]
    reason = run.steps["t"]["FailureReason"]
    assert reason.startswith("ClientError: Failed to invoke sagemaker:CreateTrainingJob.")


def test_stop_stops_the_jobs_and_retry_keeps_what_succeeded(service, tmp_path):
    flag = tmp_path / "go"
    wait = 'if [ -e "$1" ]; then exit 0; fi; touch "$1.seen"; exec sleep 100'
    name = service.create(
        document(processing("done"), processing("long", wait, str(flag), DependsOn=["done"]))
    )
    arn = service.start(name)
    seen = tmp_path / "go.seen"
    service.until(seen.exists)
    service.client.stop_pipeline_execution(PipelineExecutionArn=arn)
    run = service.wait(arn)
    assert (run.status, run.statuses) == ("Stopped", {"done": "Succeeded", "long": "Stopped"})
    job = run.steps["long"]["Metadata"]["ProcessingJob"]["Arn"].rpartition("/")[2]
    described = service.client.describe_processing_job(ProcessingJobName=job)
    assert described["ProcessingJobStatus"] == "Stopped"
    with pytest.raises(ClientError, match="can be stopped"):
        service.client.stop_pipeline_execution(PipelineExecutionArn=arn)
    flag.touch()
    token = "r" * 32
    for _ in range(2):  # the second is the first again
        service.client.retry_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken=token)
    again = service.wait(arn)
    assert again.status == "Succeeded"
    assert again.steps["done"] == run.steps["done"]
    assert again.steps["long"]["AttemptCount"] == 2
    with pytest.raises(ClientError, match="can be retried"):
        service.client.retry_pipeline_execution(PipelineExecutionArn=arn)


def test_executions_are_listed_described_and_renamed(service):
    name = service.create(document(fail("one", "no")))
    runs = [
        service.wait(service.start(name, request={"PipelineExecutionDisplayName": f"run-{i}"}))
        for i in range(12)
    ]
    client = service.client
    first = client.list_pipeline_executions(PipelineName=name)
    rest = client.list_pipeline_executions(PipelineName=name, NextToken=first["NextToken"])
    listed = first["PipelineExecutionSummaries"] + rest["PipelineExecutionSummaries"]
    assert [one["PipelineExecutionArn"] for one in listed] == [run.arn for run in reversed(runs)]
    some = client.list_pipeline_executions(
        PipelineName=name, CreatedAfter=runs[5].execution["CreationTime"], SortOrder="Ascending"
    )["PipelineExecutionSummaries"]
    assert runs[7].arn in [one["PipelineExecutionArn"] for one in some]
    assert runs[0].arn not in [one["PipelineExecutionArn"] for one in some]
    client.update_pipeline_execution(
        PipelineExecutionArn=runs[0].arn, PipelineExecutionDisplayName="better"
    )
    assert service.describe(runs[0].arn)["PipelineExecutionDisplayName"] == "better"
    with pytest.raises(ClientError, match="pagination token"):
        client.list_pipeline_executions(PipelineName=name, NextToken="nonsense")


# --- caching, retries, other kinds ----------------------------------------------------------------


def test_a_cached_step_is_not_run_again_in_its_pipeline(service):
    def step(name: str, text: Any, **more: Any) -> dict[str, Any]:
        return processing(name, REPORT, text, PropertyFiles=REPORTED, **more)

    definition = document(
        step("a", join("", '{"x": ', get("Parameters.x"), "}"), **CACHED),
        condition("c", compare("Equals", json_get("a", "report", "x"), get("Parameters.x"))),
        parameters={"x": 1},
    )
    name = service.create(definition)
    first, second, other = service.run(name), service.run(name), service.run(name, x=2)
    hit = second.steps["a"]
    assert hit["CacheHitResult"] == {"SourcePipelineExecutionArn": first.arn}
    assert hit["AttemptCount"] == 0
    assert hit["Metadata"] == first.steps["a"]["Metadata"]
    assert second.steps["c"]["Metadata"]["Condition"]["Outcome"] == "True"
    assert "CacheHitResult" not in other.steps["a"]
    elsewhere = service.run(definition)
    assert "CacheHitResult" not in elsewhere.steps["a"]
    # Of several, the most recent is taken; a third run of x=1 still hits the run that did the work.
    assert service.run(name).steps["a"]["CacheHitResult"] == hit["CacheHitResult"]


def test_faults_of_the_service_are_retried_as_the_policies_say(service):
    def policy(*kinds: str, attempts: int = 3) -> dict[str, Any]:
        return {"ExceptionType": list(kinds), "IntervalSeconds": 3, "MaxAttempts": attempts}

    run = service.run(
        document(
            processing("scarce", RetryPolicies=[policy("SageMaker.CAPACITY_ERROR")]),
            processing("broken", RetryPolicies=[policy("SageMaker.JOB_INTERNAL_ERROR")]),
            processing("quota", RetryPolicies=[policy("SageMaker.RESOURCE_LIMIT")]),
        )
    )
    assert run.status == "Succeeded"
    assert {name: step["AttemptCount"] for name, step in run.steps.items()} == {
        "scarce": 3, "broken": 2, "quota": 2,
    }  # fmt: skip
    run = service.run(
        document(
            processing("never", RetryPolicies=[policy("SageMaker.CAPACITY_ERROR", attempts=2)]),
            processing("never-two", RetryPolicies=[policy("SageMaker.RESOURCE_LIMIT")]),
        )
    )
    assert run.status == "Failed"
    assert run.steps["never"]["AttemptCount"] == 3
    assert run.steps["never-two"]["AttemptCount"] == 1
    assert "CapacityError" in run.steps["never"]["FailureReason"]
    run = service.run(document(processing("quota-two")))
    assert "sagemaker:CreateProcessingJob" in run.steps["quota-two"]["FailureReason"]
    assert "SAGEMAKER_RESOURCE_LIMIT" in run.steps["quota-two"]["FailureReason"]


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_any_graph_runs_in_its_order_and_as_far_as_it_can(service, data):
    count = data.draw(st.integers(2, 7))
    names = [f"s{i}" for i in range(count)]
    broken = data.draw(st.sets(st.sampled_from(names), max_size=2))
    bound = data.draw(st.integers(1, 3))
    depends: dict[str, set[str]] = {}
    for index, name in enumerate(names):
        before = st.sets(st.sampled_from(names[:index]), max_size=3) if index else st.just(set())
        depends[name] = data.draw(before)
    steps = [
        processing(n, "exit 1" if n in broken else "true", DependsOn=sorted(depends[n]))
        for n in data.draw(st.permutations(names))
    ]
    bounded = {"MaxParallelExecutionSteps": bound}
    name = service.create(document(*steps), ParallelismConfiguration=bounded)
    run = service.run(name)
    expected: dict[str, str] = {}
    for name in names:
        if all(expected.get(other) == "Succeeded" for other in depends[name]):
            expected[name] = "Failed" if name in broken else "Succeeded"
    assert run.statuses == expected
    assert run.status == ("Failed" if "Failed" in expected.values() else "Succeeded")
    for name, step in run.steps.items():
        assert all(run.steps[other]["EndTime"] <= step["StartTime"] for other in depends[name])
        at = step["StartTime"]
        busy = [one for one in run.steps.values() if one["StartTime"] <= at < one["EndTime"]]
        assert len(busy) <= bound


def test_a_callback_step_waits_for_its_answer(service):
    sqs = service.aws("sqs")
    queue = sqs.create_queue(QueueName="callbacks")["QueueUrl"]
    call = {
        "Name": "call", "Type": "Callback", "Arguments": {"size": get("Parameters.size")},
        "SqsQueueUrl": queue,
        "OutputParameters": [{"OutputName": "answer", "OutputType": "String"}],
    }  # fmt: skip
    name = service.create(
        document(
            call,
            condition(
                "gate",
                compare("Equals", get("Steps.call.OutputParameters['answer']"), "yes"),
                otherwise=[fail("f", "no")],
            ),
            parameters={"size": 7},
        )
    )

    def asked() -> dict[str, Any]:
        found: list[Any] = []

        def received() -> bool:
            found.extend(sqs.receive_message(QueueUrl=queue).get("Messages", []))
            return bool(found)

        service.until(received)
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=found[0]["ReceiptHandle"])
        return json.loads(found[0]["Body"])

    arn = service.start(name)
    message = asked()
    assert message["arguments"] == {"size": 7}
    service.client.send_pipeline_execution_step_success(
        CallbackToken=message["token"], OutputParameters=[{"Name": "answer", "Value": "yes"}]
    )
    assert service.wait(arn).status == "Succeeded"
    arn = service.start(name)
    service.client.send_pipeline_execution_step_failure(
        CallbackToken=asked()["token"], FailureReason="no time"
    )
    run = service.wait(arn)
    assert run.steps["call"]["FailureReason"] == "no time"
    with pytest.raises(ClientError, match="No step is waiting"):
        service.client.send_pipeline_execution_step_success(CallbackToken="a" * 10)


def test_model_steps_make_models_and_packages(service):
    container = {"Image": "image", "ModelDataUrl": f"s3://{BUCKET}/model.tar.gz"}
    register = {
        "ModelPackageGroupName": "group",
        "ModelApprovalStatus": "Approved",
        "InferenceSpecification": {
            "Containers": [container],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    }
    run = service.run(
        document(
            {
                "Name": "model", "Type": "Model",
                "Arguments": {"ExecutionRoleArn": ROLE, "PrimaryContainer": container},
            },
            {"Name": "register", "Type": "RegisterModel", "Arguments": register},
            condition(
                "gate",
                compare("Equals", get("Steps.model.PrimaryContainer.Image"), "image"),
                compare("Equals", get("Steps.register.ModelPackageVersion"), 1),
                otherwise=[fail("f", "no")],
            ),
        )
    )  # fmt: skip
    assert run.status == "Succeeded", run.steps
    model = run.steps["model"]["Metadata"]["Model"]["Arn"].rpartition("/")[2]
    assert service.client.describe_model(ModelName=model)["ModelName"] == model
    package = run.steps["register"]["Metadata"]["RegisterModel"]["Arn"]
    assert package.endswith(":model-package/group/1")


def test_nothing_is_started_twice_when_replies_are_lost(aws_at):
    with Emulator(faults="lost=0.4,throttle=0.2,seed=3") as emulator:
        client = aws_at(emulator, BUCKET)("sagemaker", retries={"total_max_attempts": 20})
        text = json.dumps(document(fail("one", "no")))
        client.create_pipeline(PipelineName="lossy", RoleArn=ROLE, PipelineDefinition=text)
        arns = {
            client.start_pipeline_execution(PipelineName="lossy")["PipelineExecutionArn"]
            for _ in range(5)
        }
        listed = client.list_pipeline_executions(PipelineName="lossy")
        found = [one["PipelineExecutionArn"] for one in listed["PipelineExecutionSummaries"]]
        assert set(found) == arns
        assert len(found) == 5


def test_a_kept_state_has_its_pipelines_executions_and_cache(tmp_path, aws_at):
    definition = document(processing("a", **CACHED), processing("b", "exec sleep 100"))
    with Emulator(state=tmp_path / "state", grace=0.1) as emulator:
        pipelines = Pipelines(aws_at(emulator, BUCKET))
        name = pipelines.create(definition)
        arn = pipelines.start(name)
        pipelines.until(lambda: pipelines.steps(arn).get("a", {}).get("StepStatus") == "Succeeded")
    with Emulator(state=tmp_path / "state", grace=0.1) as emulator:
        pipelines = Pipelines(aws_at(emulator, BUCKET))
        run = pipelines.wait(arn)  # what ran when the emulator ended has failed
        assert (run.status, run.statuses) == ("Failed", {"a": "Succeeded", "b": "Failed"})
        second = pipelines.start(name)
        pipelines.until(lambda: "CacheHitResult" in pipelines.steps(second).get("a", {}))
        pipelines.client.stop_pipeline_execution(PipelineExecutionArn=second)
        assert pipelines.wait(second).status == "Stopped"


# --- values ---------------------------------------------------------------------------------------

NAMES = st.text(st.characters(codec="ascii", exclude_characters="'\"[]."), min_size=1)
NUMBERS = st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)


@given(NUMBERS)
def test_numbers_become_text_that_says_the_same(number):
    text = parameters.text(number)
    assert (int(text) if isinstance(number, int) else float(text)) == number


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.9, "0.9"), (1.0, "1.0"), (1e7, "1.0E7"), (12345678.0, "1.2345678E7"), (0.001, "0.001"),
     (0.0001, "1.0E-4"), (1e-7, "1.0E-7"), (-1.5e300, "-1.5E300"), (0.0, "0.0"), (True, "true"),
     (10**18, "1000000000000000000"), (math.inf, "Infinity"), ("x", "x"), (100.0, "100.0")],
)  # fmt: skip
def test_numbers_are_written_as_java_does(value, text):
    assert parameters.text(value) == text


@given(st.lists(NAMES | st.integers(0, 3), max_size=6), st.booleans())
def test_every_definite_path_finds_its_value(parts, dotted):
    document: Any = 42
    path = ""
    for part in reversed(parts):
        document = {part: document} if isinstance(part, str) else [None] * part + [document]
        if isinstance(part, int):
            path = f"[{part}]{path}"
        else:
            path = (f".{part}" if dotted else f"['{part}']") + path
    assert walk(document, path, "it") == 42
    with pytest.raises(ResolutionError):
        walk(document, f"{path}.more", "it")


def scope(**values: Any) -> Scope:
    return Scope(values, {}, {}, lambda *_: b"{}", lambda _: b'{"a": 1}')


@given(NUMBERS, NUMBERS)
def test_comparisons_are_those_of_numbers(left, right):
    resolve = scope(left=left, right=right).resolve

    def holds(one: Any) -> bool:
        return conditions.hold({"Conditions": [one]}, resolve)

    def by(kind: str) -> dict[str, Any]:
        return compare(kind, get("Parameters.left"), get("Parameters.right"))

    assert holds(by("GreaterThan")) == (left > right)
    assert holds(by("LessThanOrEqualTo")) == (left <= right)
    assert holds({"Type": "Not", "Condition": by("LessThan")}) == holds(by("GreaterThanOrEqualTo"))
    either = {"Type": "Or", "Conditions": [by("LessThan"), by("GreaterThan")]}
    assert holds(either) != holds(by("Equals"))
    member = {"Type": "In", "QueryValue": left, "Values": [right, left]}
    assert holds(member)


@pytest.mark.parametrize(("left", "right"), [("1", 1), (True, 1), ("a", True)])
def test_unlike_values_are_not_compared(left, right):
    with pytest.raises(ResolutionError, match="cannot be compared"):
        conditions.hold({"Conditions": [compare("Equals", left, right)]}, scope().resolve)


@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_a_retry_policy_waits_longer_each_time_until_it_expires(scale):
    policy = {
        "ExceptionType": ["SageMaker.CAPACITY_ERROR"], "IntervalSeconds": 60, "BackoffRate": 2.0,
        "ExpireAfterMin": 10,
    }  # fmt: skip
    retries, since, waits = Retries([policy], scale), 0.0, list[float]()
    while (wait := retries.wait("SageMaker.CAPACITY_ERROR", since)) is not None:
        waits.append(wait / scale)
        since += wait
    assert waits == [60, 120, 240]
    assert retries.wait("SageMaker.RESOURCE_LIMIT", 0) is None


def test_the_service_retries_throttling_by_itself():
    retries = Retries([], 1.0)
    assert [retries.wait("Step.THROTTLING", 0) for _ in range(6)] == [1, 2, 4, 8, 16, None]


def test_json_may_be_read_from_a_uri():
    found = scope(b="bucket").resolve(
        {"Std:JsonGet": {"S3Uri": join("/", "s3:/", get("Parameters.b")), "Path": "a"}}
    )
    assert found == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("P30D", 30 * 86400), ("p30d", 30 * 86400), ("30dT5h", 30 * 86400 + 5 * 3600),
     ("T16m", 960), ("PT1H", 3600), ("5y", 5 * 365 * 86400), ("P4DT12H", 4.5 * 86400)],
)  # fmt: skip
def test_durations_are_read_as_the_service_documents_them(text, seconds):
    assert caching.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "P", "PT", "1", "soon", "P1H"])
def test_other_durations_are_refused(text):
    with pytest.raises(ValueError, match="ISO 8601"):
        caching.duration(text)
