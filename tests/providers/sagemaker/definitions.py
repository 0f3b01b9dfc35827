"""A pipeline definition that SageMaker takes, made of parts, and ways to break it."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

ROLE = "arn:aws:iam::123456789012:role/waterflow"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/image:1"
ENTRY = ["python3", "/opt/ml/processing/input/control/launch.py"]


def get(text: str) -> Json:
    return {"Get": text}


def join(on: str, *values: Any) -> Json:
    return {"Std:Join": {"On": on, "Values": list(values)}}


def produced(step: str) -> Json:
    return get(f"Steps.{step}.ProcessingOutputConfig.Outputs['artifacts'].S3Output.S3Uri")


def mounted(name: str, uri: Any) -> Json:
    return {"InputName": name, "S3Input": {
        "S3Uri": uri, "LocalPath": f"/opt/ml/processing/input/{name}", "S3DataType": "S3Prefix",
        "S3InputMode": "File"}}  # fmt: skip


def channel(name: str, uri: Any) -> Json:
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": uri,
        "S3DataDistributionType": "FullyReplicated",
    }
    return {"ChannelName": name, "InputMode": "File", "DataSource": {"S3DataSource": source}}


def processing(name: str, *producers: str) -> Json:
    to = join("/", "s3://bucket/p/runs", get("Execution.PipelineExecutionId"), name)
    return {
        "Name": name,
        "Type": "Processing",
        "Arguments": {
            "ProcessingResources": {"ClusterConfig": {
                "InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30}},
            "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": list(ENTRY),
                                 "ContainerArguments": [
                                     join("", "--param=trees=", get("Parameters.trees"))]},
            "RoleArn": ROLE,
            "ProcessingInputs": [
                mounted("control", "s3://bucket/p/control/x"),
                *(mounted(f"from-{i}", produced(one)) for i, one in enumerate(producers)),
            ],
            "ProcessingOutputConfig": {"Outputs": [{"OutputName": "artifacts", "S3Output": {
                "S3Uri": to, "LocalPath": "/opt/ml/processing/output",
                "S3UploadMode": "EndOfJob"}}]},
            "Environment": {"A": "b"},
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
            "NetworkConfig": {"VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["s-1"]}},
            "Tags": [{"Key": "team", "Value": "fraud"}],
        },
        "PropertyFiles": [{"PropertyFileName": "values", "OutputName": "artifacts",
                           "FilePath": "values.json"}],
        "CacheConfig": {"Enabled": True, "ExpireAfter": "P30D"},
        "RetryPolicies": [{"ExceptionType": ["Step.SERVICE_FAULT", "Step.THROTTLING"],
                           "BackoffRate": 2.0, "IntervalSeconds": 1, "MaxAttempts": 5}],
    }  # fmt: skip


def training(name: str, producer: str) -> Json:
    return {
        "Name": name,
        "Type": "Training",
        "Arguments": {
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE, "TrainingInputMode": "File",
                "ContainerEntrypoint": list(ENTRY),
                "ContainerArguments": [join("", "--param=trees=", get("Parameters.trees"))],
                "MetricDefinitions": [{"Name": "auc", "Regex": "auc=([-+0-9.eE]+)"}]},
            "InputDataConfig": [channel("control", "s3://bucket/c"),
                                channel("from-0", produced(producer))],
            "OutputDataConfig": {"S3OutputPath": "s3://bucket/out", "CompressionType": "NONE"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1,
                               "VolumeSizeInGB": 30},
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200},
            "EnableManagedSpotTraining": True,
            "CheckpointConfig": {"S3Uri": "s3://bucket/k", "LocalPath": "/opt/ml/checkpoints"},
            "RoleArn": ROLE,
        },
    }  # fmt: skip


def definition(steps: int = 2) -> Json:
    """A definition with processing, spot training, all conditions, both branches."""
    chain = [processing("s0"), *(processing(f"s{i}", f"s{i - 1}") for i in range(1, steps))]
    metric = get("Steps.train.FinalMetricDataList['auc'].Value")
    text = {"Std:JsonGet": {"PropertyFile": get("Steps.s0.PropertyFiles.values"), "Path": "x"}}
    gate = {
        "Name": "gate",
        "Type": "Condition",
        "Arguments": {
            "Conditions": [
                {"Type": "GreaterThanOrEqualTo", "LeftValue": metric,
                 "RightValue": get("Parameters.least")},
                {"Type": "Not", "Condition": {
                    "Type": "Equals", "LeftValue": text, "RightValue": "true"}},
                {"Type": "Or", "Conditions": [
                    {"Type": "In", "QueryValue": get("Parameters.trees"), "Values": ["1", "2"]}]},
            ],
            "IfSteps": [processing("yes", "s0")],
            "ElseSteps": [{"Name": "no", "Type": "Fail", "Arguments": {
                "ErrorMessage": join(" ", "bad", get("Execution.PipelineExecutionId"))}}],
        },
    }  # fmt: skip
    return {
        "Version": "2020-12-01",
        "Metadata": {"waterflow": {}},
        "Parameters": [{"Name": "trees", "Type": "String", "DefaultValue": "200"},
                       {"Name": "least", "Type": "Float", "DefaultValue": 0.9}],
        "PipelineExperimentConfig": {"ExperimentName": get("Execution.PipelineName"),
                                     "TrialName": get("Execution.PipelineExecutionId")},
        "Steps": [*chain, training("train", "s0"), gate],
    }  # fmt: skip


def put(value: Any, path: str, new: Any) -> None:
    """Set, or with `...` remove, what stands at a path of members and indexes."""
    *outer, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    for part in outer:
        value = value[part]
    if new is ...:
        del value[last]
    elif isinstance(value, list) and last == len(value):
        value.append(new)
    else:
        value[last] = new
