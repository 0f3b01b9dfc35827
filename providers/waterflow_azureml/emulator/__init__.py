"""Azure ML on this machine: real jobs behind the service's own protocol and host names."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from waterflow.emulation.preparing import wishes_option
from waterflow.emulation.process import EmulatorProcess
from waterflow_azureml.emulator import identity, preparing
from waterflow_azureml.emulator.faults import RULES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from waterflow.emulation.faults import FaultRules
    from waterflow.project.profile import Profile

__all__ = ["Emulator"]


class Emulator(EmulatorProcess):
    """An Azure ML of one's own, in a process that ends with the block."""

    NAME: ClassVar[str] = "azureml"
    TITLE: ClassVar[str] = "Azure ML"
    MODULE: ClassVar[str] = "waterflow_azureml.emulator"
    LIBRARIES: ClassVar[tuple[str, ...]] = ("trustme", "werkzeug", "azure.ai.ml")
    RULES: ClassVar[FaultRules] = RULES

    def variables(self, folder: Path) -> dict[str, str]:
        """Return the variables that point unmodified SDKs at it."""
        del folder
        return identity.variables(self.endpoint)

    def misleading(self) -> tuple[str, ...]:
        """Return the variables that would point them elsewhere."""
        return identity.MISLEADING

    def wishes(self, profiles: Sequence[Profile]) -> tuple[str, list[str]]:
        """Return what profiles name, and a line for each that cannot be read."""
        return wishes_option(profiles, preparing.named_things)
