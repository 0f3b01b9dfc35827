"""Vertex AI on this machine: real jobs behind the service's own protocols and host names."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from waterflow.emulation.preparing import wishes_option
from waterflow.emulation.process import EmulatorProcess
from waterflow_vertex.emulator import identity, preparing
from waterflow_vertex.emulator.faults import RULES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from waterflow.emulation.faults import FaultRules
    from waterflow.project.profile import Profile

__all__ = ["Emulator"]


class Emulator(EmulatorProcess):
    """A Vertex AI of one's own, in a process that ends with the block."""

    NAME: ClassVar[str] = "vertex"
    TITLE: ClassVar[str] = "Vertex AI"
    MODULE: ClassVar[str] = "waterflow_vertex.emulator"
    LIBRARIES: ClassVar[tuple[str, ...]] = (
        "trustme", "werkzeug", "google.cloud.aiplatform", "google.cloud.logging_v2",
        "google.cloud.secretmanager_v1", "kfp.pipeline_spec", "celpy", "grpc",
    )  # fmt: skip
    RULES: ClassVar[FaultRules] = RULES

    def variables(self, folder: Path) -> dict[str, str]:
        """Return the variables that point unmodified SDKs at it."""
        return {"GOOGLE_APPLICATION_CREDENTIALS": str(folder / identity.KEY)}

    def misleading(self) -> tuple[str, ...]:
        """Return the variables that would point them elsewhere."""
        return identity.MISLEADING

    def wishes(self, profiles: Sequence[Profile]) -> tuple[str, list[str]]:
        """Return what profiles name, and a line for each that cannot be read."""
        return wishes_option(profiles, preparing.named_things)
