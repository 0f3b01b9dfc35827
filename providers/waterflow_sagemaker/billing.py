"""What SageMaker bills for a job, by what it describes of it: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from waterflow.cloud.service import Usage
from waterflow_sagemaker.machines import table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def of_training(job: Mapping[str, Any]) -> list[Usage]:
    """Return the machines that a training job is billed for.

    With spot machines `BillableTimeInSeconds` is as much less as they are cheaper, so that it is
    to be multiplied by the price on demand.
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html

    Args:
        job: What DescribeTrainingJob answers.
    """
    seconds = job.get("BillableTimeInSeconds")
    resources: Mapping[str, Any] = job["ResourceConfig"]
    groups: Sequence[Mapping[str, Any]] = resources.get("InstanceGroups") or [resources]
    return [] if seconds is None else [_usage(group, float(seconds)) for group in groups]


def of_processing(job: Mapping[str, Any]) -> list[Usage]:
    """Return the machines that a processing job is billed for, from its start to its end.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeProcessingJob.html

    Args:
        job: What DescribeProcessingJob answers.
    """
    started, ended = job.get("ProcessingStartTime"), job.get("ProcessingEndTime")
    if started is None or ended is None:
        return []
    cluster: Mapping[str, Any] = job["ProcessingResources"]["ClusterConfig"]
    return [_usage(cluster, (ended - started).total_seconds())]


def _usage(group: Mapping[str, Any], seconds: float) -> Usage:
    machine = str(group["InstanceType"])
    known = table().get(machine)
    return Usage(
        machine=machine,
        seconds=seconds,
        count=int(group["InstanceCount"]),
        price=None if known is None else known.price,
    )
