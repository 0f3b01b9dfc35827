"""Definitions written by hand, and what runs them, for the tests of the emulator's engine."""

from __future__ import annotations

import itertools
import json
import os
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

BUCKET = "bucket"
ROLE = "arn:aws:iam::123456789012:role/pipelines"
_NUMBERS = itertools.count(1)
FINAL = {"Succeeded", "Failed", "Stopped", "CompletedWithFailures"}

FAULTS = "capacity=scarce*:2,internal=broken*:1,limit=quota*:1,capacity=never*:99"
REPORT = 'printf %s "$1" > /opt/ml/processing/out/report.json'
REPORTED = [{"PropertyFileName": "report", "OutputName": "out", "FilePath": "report.json"}]
CACHED = {"CacheConfig": {"Enabled": True, "ExpireAfter": "P1D"}}


@dataclass
class Run:
    """What became of an execution."""

    arn: str
    execution: dict[str, Any]
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def status(self) -> str:
        return self.execution["PipelineExecutionStatus"]

    @property
    def statuses(self) -> dict[str, str]:
        return {name: step["StepStatus"] for name, step in self.steps.items()}


class Pipelines:
    """The service's pipelines through unmodified boto3, and the bucket that steps write to."""

    def __init__(self, aws: Any) -> None:
        self.aws, self.client = aws, aws("sagemaker")
        aws("s3").create_bucket(Bucket=BUCKET)

    def create(self, definition: dict[str, Any], **more: Any) -> str:
        name = f"pipeline-{os.getpid()}-{next(_NUMBERS)}"
        text = json.dumps(definition)
        self.client.create_pipeline(
            PipelineName=name, RoleArn=ROLE, PipelineDefinition=text, **more
        )
        return name

    def start(self, name: str, *, request: dict[str, Any] | None = None, **values: Any) -> str:
        pairs = [{"Name": key, "Value": str(value)} for key, value in values.items()]
        answer = self.client.start_pipeline_execution(
            PipelineName=name, PipelineParameters=pairs, **(request or {})
        )
        return answer["PipelineExecutionArn"]

    def run(self, definition: dict[str, Any] | str, **values: Any) -> Run:
        name = definition if isinstance(definition, str) else self.create(definition)
        return self.wait(self.start(name, **values))

    def wait(self, arn: str) -> Run:
        self.until(lambda: self.describe(arn)["PipelineExecutionStatus"] in FINAL)
        return Run(arn, self.describe(arn), self.steps(arn))

    def describe(self, arn: str) -> dict[str, Any]:
        return self.client.describe_pipeline_execution(PipelineExecutionArn=arn)

    def steps(self, arn: str) -> dict[str, dict[str, Any]]:
        pages = self.client.get_paginator("list_pipeline_execution_steps")
        listed = pages.paginate(PipelineExecutionArn=arn, SortOrder="Ascending")
        return {
            step["StepName"]: step for page in listed for step in page["PipelineExecutionSteps"]
        }

    def until(self, condition: Any) -> None:
        end = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < end, "it takes too long"
            time.sleep(0.1)


def document(*steps: dict[str, Any], parameters: dict[str, Any] | None = None) -> dict[str, Any]:
    kinds = {str: "String", int: "Integer", float: "Float", bool: "Boolean"}
    declared = [
        value
        if isinstance(value, dict)
        else {"Name": name, "Type": kinds[type(value)], "DefaultValue": value}
        for name, value in (parameters or {}).items()
    ]
    return {"Version": "2020-12-01", "Parameters": declared, "Steps": list(steps)}


def processing(name: str, script: str = "true", *arguments: Any, **more: Any) -> dict[str, Any]:
    """A step that runs a shell script; what it writes to /opt/ml/processing/out is its output."""
    app: dict[str, Any] = {"ImageUri": "image", "ContainerEntrypoint": ["sh", "-ec", script, "sh"]}
    if arguments:
        app["ContainerArguments"] = list(arguments)
    cluster = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 30}
    uri = join("/", f"s3://{BUCKET}", get("Execution.PipelineExecutionId"), name)
    place = {"S3Uri": uri, "LocalPath": "/opt/ml/processing/out", "S3UploadMode": "EndOfJob"}
    request: dict[str, Any] = {
        "ProcessingResources": {"ClusterConfig": cluster},
        "AppSpecification": app,
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "out", "S3Output": place}]},
        "RoleArn": ROLE,
    }
    request |= more.pop("Arguments", {})
    return {"Name": name, "Type": "Processing", "Arguments": request, **more}


def training(name: str, script: str, **more: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "AlgorithmSpecification": {
            "TrainingImage": "image",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["sh", "-ec", script],
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
        },
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/models"},
        "ResourceConfig": {
            "InstanceCount": 1,
            "InstanceType": "ml.m5.large",
            "VolumeSizeInGB": 30,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        "RoleArn": ROLE,
    }
    arguments |= more.pop("Arguments", {})
    return {"Name": name, "Type": "Training", "Arguments": arguments, **more}


def condition(
    name: str, *conditions: Any, then: Any = (), otherwise: Any = (), **more: Any
) -> dict[str, Any]:
    arguments = {
        "Conditions": list(conditions),
        "IfSteps": list(then),
        "ElseSteps": list(otherwise),
    }
    return {"Name": name, "Type": "Condition", "Arguments": arguments, **more}


def fail(name: str, message: Any) -> dict[str, Any]:
    return {"Name": name, "Type": "Fail", "Arguments": {"ErrorMessage": message}}


def compare(kind: str, left: Any, right: Any) -> dict[str, Any]:
    return {"Type": kind, "LeftValue": left, "RightValue": right}


def get(path: str) -> dict[str, str]:
    return {"Get": path}


def join(on: str, *values: Any) -> dict[str, Any]:
    return {"Std:Join": {"On": on, "Values": list(values)}}


def json_get(step: str, file: str, path: str) -> dict[str, Any]:
    reference = get(f"Steps.{step}.PropertyFiles.{file}")
    return {"Std:JsonGet": {"PropertyFile": reference, "Path": path}}


def refused(call: Any, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call(**request)
    refusal = error.value.response["Error"]
    return refusal["Code"], refusal["Message"]
