"""Runs on SageMaker: what its own calls show of them, beside what every cloud must do."""

import boto3
import pytest

from tests.providers.sagemaker.cloud import CLOUD, project_at
from waterflow.errors import ConflictError


@pytest.fixture(autouse=True)
def _pointing(emulator):
    with CLOUD.pointing(emulator):
        yield


@pytest.fixture
def project(tmp_path):
    return project_at(tmp_path / "project")


def tags_of(project, pipeline):
    answer = boto3.client("sagemaker").list_tags(
        ResourceArn=f"arn:aws:sagemaker:us-east-1:123456789012:pipeline/{project.prefix}-{pipeline}"
    )
    return {tag["Key"]: tag["Value"] for tag in answer["Tags"]}


def test_tags_of_the_profile_reach_a_pipeline_that_is_there(tmp_path):
    first = project_at(tmp_path / "first", tags={"team": "risk", "stage": "test"})
    first.finish(first.submit("single"))
    client = boto3.client("sagemaker")
    arn = client.describe_pipeline(PipelineName=f"{first.prefix}-single")["PipelineArn"]
    client.add_tags(ResourceArn=arn, Tags=[{"Key": "owner", "Value": "somebody else"}])
    later = project_at(
        tmp_path / "later", bucket=first.bucket, prefix=first.prefix, tags={"team": "fraud"}
    )
    later.finish(later.submit("single"))
    assert tags_of(first, "single") == {
        "team": "fraud",
        "owner": "somebody else",
        "waterflow:pipeline": "single",
    }


def test_two_pipelines_of_one_native_name_do_not_replace_each_other(project):
    project.change("def chain(", "def two_parts(")
    project.submit("two_parts").cancel()
    other = project.copied()
    other.change("@wf.pipeline\ndef two_parts(", '@wf.pipeline(name="two-parts")\ndef two_parts(')
    with pytest.raises(ConflictError, match="'two_parts', and 'two-parts' would have the same"):
        other.submit("two_parts")
    assert len(project.executions("two-parts")) == 1


def test_the_service_s_own_pages_tell_why_a_step_failed(project):
    client = boto3.client("sagemaker")
    state = project.finish(project.submit("hard"))
    job = client.describe_processing_job(ProcessingJobName=state.steps["killed"].job)
    assert "it was killed (SIGKILL)" in job["ExitMessage"]
    assert state.steps["killed"].error
    state = project.finish(project.submit("exiting"))
    job = client.describe_processing_job(ProcessingJobName=state.steps["exits"].job)
    assert job["ExitMessage"] == state.steps["exits"].error
    assert "9" in job["ExitMessage"]
