"""The parts of the emulator that this engine is made of, wired to one clock."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from waterflow_sagemaker.emulator.clock import Clock
from waterflow_sagemaker.emulator.endpoints import Endpoints
from waterflow_sagemaker.emulator.pipelines import Pipelines
from waterflow_sagemaker.emulator.schedules import Schedules

if TYPE_CHECKING:
    from waterflow_sagemaker.emulator.objects import Objects
    from waterflow_sagemaker.emulator.services import Services
    from waterflow_sagemaker.emulator.step_kinds import Jobs

RETRY_SCALE: Final = "WATERFLOW_EMULATOR_RETRY_SCALE"
"""The variable that says what the waits of retry policies are multiplied with.

0.01 when it is not set: the service's waits are for machines to come free, and here none will.
"""


def parts(jobs: Jobs, services: Services, objects: Objects, region: str) -> dict[str, Any]:
    """Make schedules, pipelines and endpoints, in the order in which they are to end.

    Args:
        jobs: What runs processing and training jobs.
        services: The emulator's other services.
        objects: S3.
        region: The region that ARNs name.

    Returns:
        Name -> part, each with OPERATIONS, `snapshot` and `restore`; `schedules.start()` begins
        to fire schedules, `schedules.advance(seconds)` moves the clock.
    """
    clock = Clock()
    scale = float(os.environ.get(RETRY_SCALE, "0.01"))
    pipelines = Pipelines(jobs, services, objects, clock, region, scale)
    return {
        "schedules": Schedules(pipelines, clock, region),
        "pipelines": pipelines,
        "endpoints": Endpoints(clock, region),
    }
