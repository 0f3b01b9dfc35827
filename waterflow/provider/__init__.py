"""The contract between the core and a provider."""

from waterflow.provider.answers import (
    Artifact,
    Billed,
    CachedStep,
    CacheSize,
    Check,
    Code,
    Limit,
    Lineage,
    LogLine,
    Measurement,
    Permission,
    Sent,
)
from waterflow.provider.base import Provider
from waterflow.provider.build import (
    JOBS,
    PATCH,
    REPORT,
    RUN_ID,
    Build,
    Document,
    PlannedJob,
    Submission,
    TrackingTarget,
)
from waterflow.provider.capabilities import Capabilities, check_capabilities, unsupported

__all__ = [
    "JOBS",
    "PATCH",
    "REPORT",
    "RUN_ID",
    "Artifact",
    "Billed",
    "Build",
    "CacheSize",
    "CachedStep",
    "Capabilities",
    "Check",
    "Code",
    "Document",
    "Limit",
    "Lineage",
    "LogLine",
    "Measurement",
    "Permission",
    "PlannedJob",
    "Provider",
    "Sent",
    "Submission",
    "TrackingTarget",
    "check_capabilities",
    "unsupported",
]
