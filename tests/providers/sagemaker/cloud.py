"""SageMaker as the conformance kit is told of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

import boto3
from waterflow_sagemaker.emulator import Emulator

from waterflow.testing import Refusal, Refused, RemoteCloud
from waterflow.testing.remote_project import RemoteProject

if TYPE_CHECKING:
    from collections.abc import Mapping

REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
IMAGE = f"{REGISTRY}/ml:3.11"
ROLE = "arn:aws:iam::123456789012:role/jobs"
TRAINING = ("judged.score", "judged.good", "learning.fit", "foretold.use")
"""Steps that the profile makes training jobs, so that both kinds of jobs are in the suite."""
_REFUSALS = {
    "deploy": ("CreatePipeline", "ValidationException", "Unable to assume role X", "assume role X"),
    "start": ("StartPipelineExecution", "AccessDeniedException", "not authorized",
              "not authorized"),
}  # fmt: skip
"""Operation, code and message of a refusal, and what is said of it."""


def client(service: str) -> Any:
    """Return the kit's own client: who signs with another key than the user's is not recorded."""
    return boto3.client(service, aws_access_key_id="kit", aws_secret_access_key="kit")


class SageMakerCloud(RemoteCloud):
    """The emulator, boto3, and a profile."""

    name = "sagemaker"
    requests: ClassVar = {
        "deploy": "CreatePipeline",
        "record": "/submissions/",
        "start": "StartPipelineExecution",
        "resume": "RetryPipelineExecution",
        "stop": "StopPipelineExecution",
    }
    console = "https://us-east-1.console.aws.amazon.com/sagemaker/home"
    image, bare_image = IMAGE, f"{REGISTRY}/bare:1"
    words: ClassVar = {
        "capacity": "CapacityError",
        "limit": "account-level service limit",
        "image": "Cannot pull the image",
    }
    without_network: ClassVar = {"network_isolation": True}
    schedule_settings: ClassVar = {"scheduler_role": "arn:aws:iam::123456789012:role/scheduler"}

    def start(self, *, images=None, faults=None):
        return Emulator(images=images, faults=faults, grace=2)

    def billed_seconds(self, step):
        sagemaker = client("sagemaker")
        try:
            job = sagemaker.describe_training_job(TrainingJobName=step.job)
        except sagemaker.exceptions.ClientError:
            job = sagemaker.describe_processing_job(ProcessingJobName=step.job)
            taken = job["ProcessingEndTime"] - job["ProcessingStartTime"]
            return (
                taken.total_seconds() * job["ProcessingResources"]["ClusterConfig"]["InstanceCount"]
            )
        return job["BillableTimeInSeconds"] * job["ResourceConfig"]["InstanceCount"]

    def forget(self):
        boto3.DEFAULT_SESSION = None

    def request_name(self, method: str, path: str, headers: Mapping[str, str]) -> str:
        return headers.get("X-Amz-Target") or super().request_name(method, path, headers)

    def through(self, url: str) -> dict[str, str]:
        return {"AWS_ENDPOINT_URL": url}

    def refused(self, moment):
        operation, code, message, words = _REFUSALS[moment]
        body = json.dumps({"__type": code, "message": message}).encode()
        return Refused(Refusal(400, "application/x-amz-json-1.1", body), operation, words)

    def make_bucket(self, bucket: str) -> None:
        client("s3").create_bucket(Bucket=bucket)

    def profile(self, bucket: str, prefix: str) -> dict[str, Any]:
        return {
            "provider": "sagemaker",
            "region": "us-east-1",
            "bucket": bucket,
            "prefix": prefix,
            "role": ROLE,
            "image": IMAGE,
            "python": "3.11",
            "libraries": "image",
            "poll": 0.1,
            "steps": {step: {"job": "training"} for step in TRAINING},
        }

    def uri(self, bucket: str, name: str) -> str:
        return f"s3://{bucket}/{name}"

    def write(self, uri: str, content: bytes) -> None:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        client("s3").put_object(Bucket=bucket, Key=key, Body=content)

    def executions(self, prefix: str, pipeline: str) -> list[str]:
        sagemaker = client("sagemaker")
        try:
            listed = sagemaker.list_pipeline_executions(PipelineName=f"{prefix}-{pipeline}")
        except sagemaker.exceptions.ResourceNotFound:
            return []
        arns = [one["PipelineExecutionArn"] for one in listed["PipelineExecutionSummaries"]]
        return [arn.rpartition("/")[2] for arn in arns]


CLOUD = SageMakerCloud()


def project_at(root, **settings) -> RemoteProject:
    """Return a project at the emulator that the environment points at."""
    return RemoteProject(CLOUD, root, **settings)
