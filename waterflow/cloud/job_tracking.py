"""What the jobs of a cloud are told of MLflow: a server that they can reach, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from waterflow import spec
from waterflow.errors import ConfigurationError
from waterflow.project.leaks import in_address, refuse_address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.provider import Build

_SERVERS: Final = ("http://", "https://", "databricks", "uc")
"""What the URIs of servers begin with that any job can reach."""


@dataclass(frozen=True)
class Reach:
    """What of MLflow the jobs of a cloud can reach.

    Attributes:
        cloud: The cloud's name, for messages.
        scheme: What the URIs of the cloud's own servers begin with.
        managed: What names such a server, for messages.
    """

    cloud: str
    scheme: str
    managed: str

    def __contains__(self, uri: object) -> bool:
        """Say whether a job can reach a tracking URI."""
        return isinstance(uri, str) and uri.startswith((*_SERVERS, self.scheme))


@dataclass(frozen=True)
class JobTracking:
    """What jobs are told of MLflow.

    Attributes:
        registering: What a register step is told; None when there is none.
        tracking: What a step whose code imports MLflow is told; None where no job could reach it.
    """

    registering: dict[str, Any] | None = None
    tracking: dict[str, Any] | None = None

    def add_to(self, launch: dict[str, Any], build: Build, step: spec.Step) -> None:
        """Say in a step's launch.json what its job is told.

        Args:
            launch: launch.json.
            build: What was found about the pipeline's code.
            step: The step.
        """
        if isinstance(step.run, spec.Register):
            launch["registering"] = self.registering
        elif self.tracking is not None and build.speaks_to_mlflow(step.name):
            launch["tracking"] = self.tracking


def job_tracking(build: Build, tags: Mapping[str, str], reach: Reach) -> JobTracking:
    """Return what the jobs of a pipeline are told of MLflow.

    Args:
        build: The spec, and where it is tracked.
        tags: The lineage of its runs, which registered models are given. Steps that only track are
            told nothing of the build, so that a commit loses no cache.
        reach: What the cloud's jobs can reach.

    Raises:
        ConfigurationError: A step registers a model, and no job could reach MLflow.
    """
    uri = build.tracking.uri
    target = {"uri": uri, "experiment": build.tracking.experiment}
    tracking = target if uri in reach and not in_address(uri) else None
    step = next((s.name for s in build.spec.steps if isinstance(s.run, spec.Register)), None)
    if step is None:
        return JobTracking(None, tracking)
    if uri not in reach:
        raise ConfigurationError(
            f"Step '{step}' registers a model, and no job on {reach.cloud} can reach the tracking "
            f'URI {uri!r}. Name a server in waterflow.toml: [tracking] uri = "https://...", or '
            f"{reach.managed}"
        )
    refuse_address(uri, "MLflow")
    return JobTracking({**target, "tags": dict(tags)}, tracking)
