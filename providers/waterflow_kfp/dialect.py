"""What differs between the services that run pipeline specs, seen from the compiler."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow import spec
    from waterflow.cloud.libraries import Shipping
    from waterflow.cloud.settings import CloudSettings, StepSettings
    from waterflow.provider import PlannedJob


@dataclass(frozen=True, kw_only=True)
class InfrastructureRetry:
    """How often a service starts a job anew that was lost with its machine.

    Attributes:
        count: Further starts after the first.
        delay: Seconds before the first of them.
        factor: By what the delay grows.
        longest: Seconds that it grows to.
    """

    count: int
    delay: int = 30
    factor: float = 2.0
    longest: int = 600


class Dialect(ABC):
    """A service that runs pipeline specs.

    Attributes:
        provider: The provider's name.
        title: What people call the service.
        base: The address that all keys of the profile are below, such as "gs://bucket/prefix".
        schemes: Schemes of addresses in its object store; data under the first is read in place.
        shipping: What its jobs can be brought.
        longest_image: Characters of an image's name.
        depth: How many folders above an output artifact the one named by the execution is.
        retry: How often a job is started anew; None where a failed step could not say that its
            failure is final, so that every job has one start.
        secrets: Whether a program in the job reads secrets (`waterflow_secrets.py` of `programs`),
            and not Kubernetes, which sets `WATERFLOW_SECRET_...`.
        programs: The programs that travel with every step, by file name.
        most_items: Items of a map that can have jobs of their own: a job that gathers them is told
            where all are in one argument, and Linux lets one hold 128 KiB
            (https://man7.org/linux/man-pages/man2/execve.2.html).
        program_features: What a container step may ask for that only our runtime, or a field of
            the service's, does: of "secrets" and "timeout".
    """

    provider: str
    title: str
    base: str
    schemes: tuple[str, ...]
    shipping: Shipping
    longest_image: int = 255
    depth: int
    retry: InfrastructureRetry | None = None
    secrets: bool = False
    programs: Mapping[str, bytes]
    most_items: int = 150
    program_features: frozenset[str] = frozenset()

    @property
    @abstractmethod
    def settings(self) -> CloudSettings:
        """The profile's settings."""

    @abstractmethod
    def own(self, pipeline: str, step: str) -> StepSettings:
        """Return a step's own settings."""

    @abstractmethod
    def image(self, python: str) -> str:
        """Return the image of steps that name none.

        Args:
            python: The Python that it has.
        """

    def path(self, address: str) -> str | None:
        """Return where any job sees an address of the bucket.

        None where an importer must bring it.
        """
        del address
        return None

    def launch(self, step: spec.Step) -> Mapping[str, Any]:
        """Return what launch.json says here besides what it says everywhere."""
        del step
        return {}

    @abstractmethod
    def executor(
        self, pipeline: str, step: spec.Step, container: dict[str, Any], task: str
    ) -> dict[str, Any]:
        """Return a step's executor.

        Args:
            pipeline: The pipeline's name.
            step: The step.
            container: Its container: image, command, arguments and variables.
            task: Its task.

        Raises:
            UnsupportedFeatureError: The service cannot honour a setting.
            ConfigurationError: The profile does not fit the step.
        """

    def kubernetes(self, pipeline: str, step: spec.Step) -> dict[str, Any]:
        """Return what Kubernetes is told of a step's pod, beside the pipeline spec.

        Raises:
            UnsupportedFeatureError: The service cannot honour a setting.
        """
        del pipeline, step
        return {}

    @abstractmethod
    def row(self, pipeline: str, step: spec.Step) -> PlannedJob:
        """Return a step's row of the plan."""
