"""What all jobs of one emulator share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping
    from pathlib import Path

    from waterflow_sagemaker.emulator.faults import Faults
    from waterflow_sagemaker.emulator.images import Images
    from waterflow_sagemaker.emulator.isolation import Isolation
    from waterflow_sagemaker.emulator.logs import Logs
    from waterflow_sagemaker.emulator.objects import Objects

REGION: Final = "us-east-1"
GRACE: Final = 10.0
"""Seconds between SIGTERM and SIGKILL; the service itself gives 120."""


@dataclass(frozen=True, kw_only=True)
class World:
    """What all jobs of one emulator share.

    Attributes:
        region: The region it plays.
        endpoint: The variables by which a job reaches it.
        isolation: How jobs are walled in.
        images: Which environments stand for images.
        objects: S3.
        logs: CloudWatch Logs.
        faults: What is to go wrong.
        work: Where containers' folders are.
        slots: Limits the jobs that run at once to what the machine can bear.
        grace: Seconds between SIGTERM and SIGKILL.
    """

    region: str
    endpoint: Mapping[str, str]
    isolation: Isolation
    images: Images
    objects: Objects
    logs: Logs
    faults: Faults
    work: Path
    slots: threading.Semaphore
    grace: float = field(default=GRACE)
