"""The regions of the emulator: each has a state of its own, made when it is first spoken to."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from waterflow_sagemaker.emulator.tags import Tags

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from waterflow_sagemaker.emulator.endpoints import Endpoints
    from waterflow_sagemaker.emulator.experiments import Experiments
    from waterflow_sagemaker.emulator.jobs import Jobs
    from waterflow_sagemaker.emulator.pipelines import Pipelines
    from waterflow_sagemaker.emulator.registry import ModelRegistry

    Handler = Callable[[dict[str, Any]], dict[str, Any] | None]

_PARTS: Final = ("pipelines", "endpoints", "registry", "experiments", "jobs")


@dataclass(frozen=True)
class Region:
    """SageMaker in one region; each part has OPERATIONS (operation -> its method) and `tags_of`."""

    pipelines: Pipelines
    endpoints: Endpoints
    registry: ModelRegistry
    experiments: Experiments
    jobs: Jobs

    @property
    def parts(self) -> dict[str, Any]:
        """Its parts, by name."""
        return {name: getattr(self, name) for name in _PARTS}

    @cached_property
    def handlers(self) -> Mapping[str, Handler]:
        """The service's operations -> what answers them in this region."""
        parts = self.parts.values()
        return {
            operation: getattr(part, method)
            for part in (*parts, Tags(parts))
            for operation, method in part.OPERATIONS.items()
        }


class Regions:
    """All regions that were spoken to.

    Args:
        make: Makes the region of a name.
    """

    def __init__(self, make: Callable[[str], Region]) -> None:
        self._make = make
        self._regions: dict[str, Region] = {}
        self._lock = threading.Lock()

    def __getitem__(self, name: str) -> Region:
        """Return the region of a name, as `us-east-1`."""
        with self._lock:
            if name not in self._regions:
                self._regions[name] = self._make(name)
            return self._regions[name]

    def close(self) -> None:
        """End all that runs, wherever it does."""
        # Executions end before jobs: what a job's end would make them start must not start.
        regions = list(self._regions.values())
        for region in regions:
            region.pipelines.close()
        for region in regions:
            region.jobs.close()

    def snapshot(self) -> dict[str, Any]:
        """Return everything as plain data."""
        with self._lock:
            regions = dict(self._regions)
        return {
            name: {part: one.snapshot() for part, one in region.parts.items()}
            for name, region in regions.items()
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Take what a snapshot holds."""
        for name, parts in saved.items():
            for part, one in self[name].parts.items():
                one.restore(parts[part])
