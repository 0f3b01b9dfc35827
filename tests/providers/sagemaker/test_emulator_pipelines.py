"""The emulator's pipelines, through unmodified boto3, with jobs that truly run."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.providers.sagemaker.pipelines_kit import (
    BUCKET,
    REPORT,
    REPORTED,
    ROLE,
    compare,
    condition,
    document,
    fail,
    get,
    join,
    json_get,
    processing,
    refused,
    training,
)

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
        PipelineArn=arn,
        PipelineVersionId=1,
        PipelineVersionDisplayName="old",
        PipelineVersionAliasOperations={"Add": ["stable"]},
    )
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
        "ResourceNotFound",
        f"Pipeline '{arn}' does not exist.",
    )
    code, _ = refused(client.describe_pipeline_execution, PipelineExecutionArn=execution.arn)
    assert code == "ResourceNotFound"
    missing = request | {"PipelineDefinitionS3Location": {"Bucket": BUCKET, "ObjectKey": "none"}}
    assert "does not exist" in refused(client.create_pipeline, **missing)[1]


BAD: dict[str, Any] = {
    "version": document(fail("a", "b")) | {"Version": "1"},
    "unique": document(fail("a", "b"), fail("a", "b")),
    "unknown step 'b'": document(processing("a", DependsOn=["b"])),
    "unknown parameter 'p'": document(fail("a", get("Parameters.p"))),
    "unknown execution variable 'Nothing'": document(fail("a", get("Execution.Nothing"))),
    "unknown step 'b'; there are": document(fail("a", get("Steps.b.ProcessingJobName"))),
    "found the cycle": document(
        processing("a", DependsOn=["b"]), processing("b", DependsOn=["a"])
    ),
    "does not run": document({"Name": "a", "Type": "Lambda", "Arguments": {}}),
    'found "Dream"; allowed is one of Condition': document(
        {"Name": "a", "Type": "Dream", "Arguments": {}}
    ),
    "unknown property file 'f' of step 'a'": document(
        processing("a"), fail("b", json_get("a", "f", "x"))
    ),
    'found "Like"; allowed is one of Equals': document(condition("a", {"Type": "Like"})),
    "ExpireAfter": document(
        processing("a", CacheConfig={"Enabled": True, "ExpireAfter": "soon"})
    ),
    'found "X"; allowed is one of Step.SERVICE_FAULT': document(
        processing("a", RetryPolicies=[{"ExceptionType": ["X"], "MaxAttempts": 1}])
    ),
    "exactly one is required of MaxAttempts": document(
        processing("a", RetryPolicies=[{"ExceptionType": ["Step.THROTTLING"]}])
    ),
    "DefaultValue: found \"x\"; the parameter's type is Integer": document(
        fail("a", "b"), parameters={"p": {"Name": "p", "Type": "Integer", "DefaultValue": "x"}}
    ),
    "ProcessingJobNam": document(
        processing("a"), fail("b", get("Steps.a.ProcessingJobNam"))
    ),
}  # fmt: skip


@pytest.mark.parametrize("words", ["no JSON", *BAD])
def test_a_bad_definition_is_refused_and_nothing_is_made(service, words):
    text = json.dumps(BAD[words]) if words in BAD else "{"
    code, message = refused(
        service.client.create_pipeline, PipelineName="bad", RoleArn=ROLE, PipelineDefinition=text
    )
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
        ({"kind": "c"}, "allowed is one of EnumValues: a, b"),
        ({"kind": "a", "size": "x"}, "type is Integer"),
        ({"kind": "a", "size": "0"}, "at least MinValue, 1, is required"),
        ({"kind": "a", "rate": "x"}, "type is Float"),
        ({"kind": "a", "other": "x"}, "found a value for no parameter"),
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
    assert "'x' and 1 cannot be compared" in run.steps["d"]["FailureReason"]
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
