"""The requests of jobs: CreateProcessingJob and CreateTrainingJob as a definition's Arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from waterflow_sagemaker.translation.mounts import Mount
    from waterflow_sagemaker.translation.planning import StepPlan


def processing(
    plan: StepPlan,
    entrypoint: list[Any],
    arguments: list[Any],
    mounts: Sequence[Mount],
    outputs: list[dict[str, Any]],
    environment: dict[str, Any],
    seconds: int,
) -> dict[str, Any]:
    """Return the request of a processing job.

    Args:
        plan: The step's image, machine and settings.
        entrypoint: What the container runs.
        arguments: Its arguments.
        mounts: Its inputs.
        outputs: Its outputs.
        environment: Its environment variables.
        seconds: How long it may run.
    """
    specification: dict[str, Any] = {"ImageUri": plan.image, "ContainerEntrypoint": entrypoint}
    if arguments:
        specification["ContainerArguments"] = arguments
    output: dict[str, Any] = {"Outputs": outputs}
    if plan.kms_key is not None:
        output["KmsKeyId"] = plan.kms_key
    request: dict[str, Any] = {
        "ProcessingResources": {"ClusterConfig": _cluster(plan, 1)},
        "AppSpecification": specification,
        "ProcessingOutputConfig": output,
        "RoleArn": plan.role,
        "StoppingCondition": {"MaxRuntimeInSeconds": seconds},
    }
    if mounts:
        request["ProcessingInputs"] = [
            {
                "InputName": one.name,
                "S3Input": {
                    "S3Uri": one.uri,
                    "LocalPath": one.path,
                    "S3DataType": "S3Prefix",
                    "S3InputMode": "File",
                },
            }
            for one in mounts
        ]
    network = _network(plan)
    if network:
        request["NetworkConfig"] = network
    return request | _common(plan, environment)


def training(
    plan: StepPlan,
    entrypoint: list[Any],
    arguments: list[Any],
    mounts: Sequence[Mount],
    output: Any,
    environment: dict[str, Any],
    seconds: int,
    *,
    metrics: list[dict[str, str]],
    instances: int,
    spot: bool,
    wait: int,
    checkpoint: str | None,
) -> dict[str, Any]:
    """Return the request of a training job.

    Args:
        plan: The step's image, machine and settings.
        entrypoint: What the container runs.
        arguments: Its arguments.
        mounts: Its channels.
        output: The S3 URI that its model goes below, or the expression that gives it.
        environment: Its environment variables.
        seconds: How long it may run.
        metrics: What SageMaker is to read out of its log.
        instances: How many machines work on it.
        spot: Whether they may be spot machines.
        wait: Seconds that it may wait for them.
        checkpoint: S3 URI that its checkpoints are kept under.
    """
    algorithm: dict[str, Any] = {
        "TrainingImage": plan.image,
        "TrainingInputMode": "File",
        "ContainerEntrypoint": entrypoint,
    }
    if arguments:
        algorithm["ContainerArguments"] = arguments
    if metrics:
        algorithm["MetricDefinitions"] = metrics
    place: dict[str, Any] = {"S3OutputPath": output, "CompressionType": "NONE"}
    if plan.kms_key is not None:
        place["KmsKeyId"] = plan.kms_key
    stopping = {"MaxRuntimeInSeconds": seconds}
    request: dict[str, Any] = {
        "AlgorithmSpecification": algorithm,
        "OutputDataConfig": place,
        "ResourceConfig": _cluster(plan, instances),
        "RoleArn": plan.role,
        "StoppingCondition": stopping,
    }
    if mounts:
        request["InputDataConfig"] = [
            {
                "ChannelName": one.name,
                "InputMode": "File",
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": one.uri,
                        "S3DataDistributionType": "FullyReplicated",
                    }
                },
            }
            for one in mounts
        ]
    if spot:
        request["EnableManagedSpotTraining"] = True
        stopping["MaxWaitTimeInSeconds"] = seconds + wait
        if checkpoint is not None:
            request["CheckpointConfig"] = {"S3Uri": checkpoint, "LocalPath": "/opt/ml/checkpoints"}
    return request | _network(plan) | _common(plan, environment)


def _cluster(plan: StepPlan, instances: int) -> dict[str, Any]:
    cluster: dict[str, Any] = {
        "InstanceCount": instances,
        "InstanceType": plan.machine.type,
        "VolumeSizeInGB": plan.volume,
    }
    # A volume of the instance's own is encrypted by its hardware, and takes no key:
    # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ResourceConfig.html
    if plan.kms_key is not None and plan.machine.local is None:
        cluster["VolumeKmsKeyId"] = plan.kms_key
    return cluster


def _network(plan: StepPlan) -> dict[str, Any]:
    """Return what both kinds of jobs say of the network: in a part of its own, or at the top."""
    network: dict[str, Any] = {}
    if plan.network_isolation:
        network["EnableNetworkIsolation"] = True
    if plan.encrypt_traffic:
        network["EnableInterContainerTrafficEncryption"] = True
    if plan.subnets:
        network["VpcConfig"] = {"SecurityGroupIds": plan.security_groups, "Subnets": plan.subnets}
    return network


def _common(plan: StepPlan, environment: dict[str, Any]) -> dict[str, Any]:
    common: dict[str, Any] = {}
    if environment:
        common["Environment"] = environment
    if plan.tags:
        common["Tags"] = [{"Key": key, "Value": value} for key, value in sorted(plan.tags.items())]
    return common
