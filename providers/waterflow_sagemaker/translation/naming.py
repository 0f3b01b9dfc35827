"""Names as SageMaker and EventBridge Scheduler take them, and how long they may be."""

from __future__ import annotations

import re
from typing import Final

from waterflow.cloud.naming import entity, shortened
from waterflow_sagemaker import limits

REGISTERED_AT: Final = "WATERFLOW_RUN_STARTED"
"""The variable that tells register steps when the run began; other steps have none."""

S3_SCHEMES: Final = ("s3", "s3a")
"""Schemes of addresses in S3."""

_OUTSIDE_SCHEDULES: Final = re.compile(r"[^0-9a-zA-Z\-_.]")


def pipeline_name(prefix: str, pipeline: str) -> str:
    """Return the name under which a pipeline stands in SageMaker; the same for every version."""
    return entity(f"{prefix}-{pipeline}", limits.PIPELINE_NAME.most)


def pipeline_prefix(prefix: str) -> str:
    """Return what the names of a profile's pipelines begin with, before a hyphen."""
    return entity(prefix, limits.PIPELINE_NAME.most)


def schedule(text: str) -> str:
    """Return text as a name that EventBridge Scheduler takes; a long one ends in its digest."""
    return shortened(_OUTSIDE_SCHEDULES.sub("-", text), limits.SCHEDULE_NAME.most, text)


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
