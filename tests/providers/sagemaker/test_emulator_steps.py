"""The emulator's steps: cached, retried, of other kinds, in any graph, and kept on disk."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st
from waterflow_sagemaker.emulator import Emulator

from tests.providers.sagemaker.pipelines_kit import (
    BUCKET,
    CACHED,
    REPORT,
    REPORTED,
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
)


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
        "scarce": 3,
        "broken": 2,
        "quota": 2,
    }
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


@settings(max_examples=8)
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

    def next_message() -> dict[str, Any]:
        messages: list[Any] = []

        def received() -> bool:
            messages.extend(sqs.receive_message(QueueUrl=queue).get("Messages", []))
            return bool(messages)

        service.until(received)
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=messages[0]["ReceiptHandle"])
        return json.loads(messages[0]["Body"])

    arn = service.start(name)
    message = next_message()
    assert message["arguments"] == {"size": 7}
    service.client.send_pipeline_execution_step_success(
        CallbackToken=message["token"], OutputParameters=[{"Name": "answer", "Value": "yes"}]
    )
    assert service.wait(arn).status == "Succeeded"
    arn = service.start(name)
    service.client.send_pipeline_execution_step_failure(
        CallbackToken=next_message()["token"], FailureReason="no time"
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
                "Name": "model",
                "Type": "Model",
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
    )
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
        answer = client.list_pipeline_executions(PipelineName="lossy")
        listed = [one["PipelineExecutionArn"] for one in answer["PipelineExecutionSummaries"]]
        assert set(listed) == arns
        assert len(listed) == 5


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
