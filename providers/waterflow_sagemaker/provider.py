"""The SageMaker provider: glue between the core's contract and the adapter's parts."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final

from waterflow.project import state_folder
from waterflow.provider import Capabilities, Provider
from waterflow.provider.capabilities import check_capabilities
from waterflow_sagemaker import limits
from waterflow_sagemaker.compiler import check_size, compile_sagemaker, refuse_secret
from waterflow_sagemaker.document import SageMakerDocument, own
from waterflow_sagemaker.profile import SageMakerSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from waterflow import spec
    from waterflow.provider import (
        Artifact,
        Build,
        Document,
        Limit,
        LogLine,
        Permission,
        Sent,
        Submission,
    )
    from waterflow.provider.expectation import Expectation
    from waterflow.provider.schedules import Schedules
    from waterflow.provider.state import RunState
    from waterflow_sagemaker.client import Client
    from waterflow_sagemaker.runs.logs import Logs
    from waterflow_sagemaker.runs.results import Results
    from waterflow_sagemaker.runs.tracking import Tracking

PARAMETER_LENGTH: Final = 190
"""Characters of a parameter: it travels in one argument of 256 characters, beside its name."""


class SageMakerProvider(Provider):
    """Runs pipelines as SageMaker pipelines."""

    name: ClassVar[str] = "sagemaker"

    @cached_property
    def settings(self) -> SageMakerSettings:
        """The profile's settings."""
        return self.profile.convert(SageMakerSettings)

    @property
    def capabilities(self) -> Capabilities:
        """What SageMaker can do with this profile."""
        return Capabilities(
            containers=True,
            gpu=True,
            instances=limits.INSTANCES.most,
            spot=True,
            disk=limits.VOLUME.most * 2**30,
            parameter_length=PARAMETER_LENGTH,
            timeouts=True,
            secrets=True,
            requirements=self.settings.libraries == "wheelhouse",
            resume=True,
            content_cache=False,
            tracks_later=True,
            hints=self._hints(),
        )

    def _hints(self) -> dict[str, str]:
        most = limits.INSTANCES.most
        hints = {"instances": f"An account may use {most} instances for a job by default."}
        if self.settings.libraries == "image":
            hints["requirements"] = (
                'All libraries are the image\'s with this profile: set libraries = "wheelhouse" '
                f"under [profiles.{self.profile.name}] to install them in the jobs."
            )
        return hints

    # --- the parts ------------------------------------------------------------------------------

    @cached_property
    def _client(self) -> Client:
        from waterflow_sagemaker.client import Client
        from waterflow_sagemaker.connections import Connections

        return Client(Connections(self.settings), state_folder(self.root))

    @cached_property
    def _logs(self) -> Logs:
        from waterflow_sagemaker.runs.logs import Logs

        return Logs(self._client.connections, self._client)

    @cached_property
    def _results(self) -> Results:
        from waterflow_sagemaker.runs.results import Results

        return Results(self._client)

    @cached_property
    def _tracking(self) -> Tracking:
        from waterflow.tracking.managed import need_plugin
        from waterflow.tracking.store import resolve_uri
        from waterflow_sagemaker.runs.tracking import Tracking

        state = state_folder(self.root)
        uri = resolve_uri(self.profile.tracking_uri, os.environ, state)
        need_plugin(uri)
        return Tracking(
            self._client, self._results, self._logs, uri, self.profile.experiment, state
        )

    # --- the contract ---------------------------------------------------------------------------

    def compile(self, build: Build) -> SageMakerDocument:
        """Translate a pipeline into a SageMaker pipeline definition."""
        check_capabilities(build.spec, self.name, self.capabilities)
        return compile_sagemaker(build, self.settings, self.profile)

    def check(self, build: Build, document: Document) -> list[str]:
        """Return every limit of SageMaker that a document violates."""
        from waterflow_sagemaker.checks import document_errors

        del build
        compiled = own(document)
        check_size(compiled)
        return document_errors(compiled.definition)

    def limits(self, document: Document) -> list[Limit]:
        """Return how much of SageMaker's limits a pipeline uses."""
        return limits.used(own(document))

    def permissions(self, document: Document) -> list[Permission]:
        """Return what the jobs' roles, and whoever submits, must be allowed."""
        from waterflow_sagemaker.permissions import needed

        return needed(own(document))

    def deployed(self, document: Document) -> tuple[str, spec.Pipeline] | None:
        """Return the pipeline that SageMaker holds now."""
        return self._client.deployed(own(document).pipeline)

    def durations(self, pipeline: spec.Pipeline) -> dict[str, list[float]]:
        """Return how long steps took on SageMaker lately, as MLflow knows."""
        return self._tracking.durations(pipeline)

    def foretell(
        self, build: Build, document: Document, parameters: Mapping[str, Any]
    ) -> Mapping[str, Expectation]:
        """Return what each step of a run would do, by SageMaker's own rule of caching."""
        from waterflow_sagemaker.runs.expectation import foretell

        return foretell(self._client, build, own(document), parameters)

    def schedules(self) -> Schedules:
        """Return the profile's schedules, which EventBridge Scheduler keeps."""
        from waterflow_sagemaker.schedules import Schedules

        client = self._client
        return Schedules(
            client.connections, lambda build, document: client.deploy(build, own(document))
        )

    def submit(self, build: Build, document: Document, submission: Submission) -> None:
        """Start a run."""
        from waterflow.tracking.managed import need_plugin
        from waterflow_sagemaker.runs.starting import Order

        self.check_submission(submission)
        target = build.tracking
        need_plugin(target.uri)
        refuse_secret(target.uri)
        self._client.submit(
            Order(
                build=build,
                document=own(document),
                submission=submission,
                tracking={"uri": target.uri, "experiment": target.experiment},
            )
        )

    def status(self, run_id: str) -> RunState:
        """Return a run's state."""
        state = self._client.status(run_id)
        self._results.refine(run_id, state, self._logs)
        state.tracking_uri = self._tracking.where(self._client.execution(run_id))[0]
        if state.status.final:
            state.unsent = self._tracking.left(run_id)
        return state

    def runs(self) -> Iterator[RunState]:
        """Yield the runs of the profile's pipelines, newest first."""
        for state in self._client.runs():
            yield self.status(state.run)

    def logs(self, run_id: str, step: str | None = None, follow: bool = False) -> Iterator[LogLine]:
        """Yield log lines."""
        return self._logs.lines(run_id, step, follow)

    def cancel(self, run_id: str) -> None:
        """Stop a run."""
        self._client.cancel(run_id)

    def artifacts(self, run_id: str) -> list[Artifact]:
        """Return what a run has made."""
        return self._results.artifacts(run_id)

    def download(self, run_id: str, step: str, output: str) -> Path:
        """Return an artifact's folder."""
        return self._results.download(run_id, step, output)

    def run_spec(self, run_id: str) -> spec.Pipeline | None:
        """Return the spec that a run was started with."""
        return self._client.execution(run_id).spec

    def sync(self, run_id: str) -> Sent:
        """Send what MLflow has not got yet of a run."""
        return self._tracking.sync(run_id)
