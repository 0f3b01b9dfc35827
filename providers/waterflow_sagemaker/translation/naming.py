"""Names as SageMaker and EventBridge Scheduler take them, and how long they may be."""

from __future__ import annotations

import re
from typing import Final

from waterflow.cloud.naming import entity, shortened

STEP_LENGTH: Final = 64
"""https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_PipelineExecutionStep.html"""
PIPELINE_LENGTH: Final = 256
"""https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreatePipeline.html"""
EXPERIMENT_LENGTH: Final = 120
"""https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateExperiment.html"""
SCHEDULE_LENGTH: Final = 64
"""Of a schedule's and of a group's name:
https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html"""
REGISTERED_AT: Final = "WATERFLOW_RUN_STARTED"
"""The variable that tells register steps when the run began; other steps have none."""

S3_SCHEMES: Final = ("s3", "s3a")
"""Schemes of addresses in S3."""

_OUTSIDE_SCHEDULES: Final = re.compile(r"[^0-9a-zA-Z\-_.]")


def pipeline_name(prefix: str, pipeline: str) -> str:
    """Return the name under which a pipeline stands in SageMaker; the same for every version."""
    return entity(f"{prefix}-{pipeline}", PIPELINE_LENGTH)


def schedule(text: str) -> str:
    """Return text as a name that EventBridge Scheduler takes; a long one ends in its digest."""
    return shortened(_OUTSIDE_SCHEDULES.sub("-", text), SCHEDULE_LENGTH, text)


def schedule_group(prefix: str) -> str:
    """Return the name of the group that holds the schedules of a profile's prefix."""
    return schedule(prefix if prefix == "waterflow" else f"waterflow-{prefix}")


def s3_entry(uri: str) -> str:
    """Return the name of what an address in S3 names; a key is taken as it is written.

    Args:
        uri: `s3://bucket`, `s3://bucket/key` or `s3://bucket/prefix/`.
    """
    bucket, _, key = uri.partition("://")[2].partition("/")
    return key.rstrip("/").rpartition("/")[2] or bucket
