"""SageMaker on this machine: real jobs, real pipelines, behind the service's own HTTP protocol."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar

from waterflow.emulation.preparing import wishes_option
from waterflow.emulation.process import EmulatorProcess
from waterflow_sagemaker.emulator import environment, preparing
from waterflow_sagemaker.emulator.faults import RULES
from waterflow_sagemaker.emulator.world import REGION

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from waterflow.emulation.faults import FaultRules
    from waterflow.project.profile import Profile

__all__ = ["Emulator"]


class Emulator(EmulatorProcess):
    """A SageMaker of one's own, in a process that ends with the block."""

    NAME: ClassVar[str] = "sagemaker"
    TITLE: ClassVar[str] = "SageMaker"
    MODULE: ClassVar[str] = "waterflow_sagemaker.emulator"
    LIBRARIES: ClassVar[tuple[str, ...]] = ("moto", "flask", "boto3")
    RULES: ClassVar[FaultRules] = RULES

    def variables(self, folder: Path) -> dict[str, str]:
        """Return the variables that point unmodified SDKs at it."""
        region = environment.region(os.environ) or self._region
        return environment.for_user(self.endpoint, region, folder)

    def misleading(self) -> tuple[str, ...]:
        """Return the variables that would point them elsewhere."""
        return environment.misleading(os.environ)

    def wishes(self, profiles: Sequence[Profile]) -> tuple[str, list[str]]:
        """Return what profiles name, and a line for each that cannot be read."""
        self._region = preparing.region(profiles) or REGION
        return wishes_option(profiles, preparing.named_things)
