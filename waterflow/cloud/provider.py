"""A provider that is a cloud: all that follows from its `Service` and the profile's bucket."""

from __future__ import annotations

import copy
import os
from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from waterflow.cloud.document import CloudDocument
from waterflow.cloud.settings import CloudSettings
from waterflow.errors import ConfigurationError
from waterflow.project import state_folder, state_path
from waterflow.project.leaks import refuse_address
from waterflow.provider import Provider
from waterflow.provider.state import Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from waterflow import spec
    from waterflow.cloud.events import Events
    from waterflow.cloud.items import Items
    from waterflow.cloud.logs import Logs
    from waterflow.cloud.objects import Bucket
    from waterflow.cloud.records import Records
    from waterflow.cloud.results import Results
    from waterflow.cloud.runs import Look, Runs
    from waterflow.cloud.sending import Sending
    from waterflow.cloud.service import Service
    from waterflow.cloud.starting import Starter
    from waterflow.cloud.tracking import Tracking
    from waterflow.provider import (
        Artifact,
        Billed,
        Build,
        Check,
        Code,
        Document,
        Lineage,
        LogLine,
        Measurement,
        Sent,
        Submission,
    )
    from waterflow.provider.basis import RunBasis
    from waterflow.provider.expectation import Expectation
    from waterflow.provider.state import RunState
    from waterflow.tracking.pages import TrackedRun

S = TypeVar("S", bound=CloudSettings)


class CloudProvider(Provider, Generic[S]):
    """Runs pipelines as managed jobs of a cloud.

    A provider of a cloud derives from it and adds its settings, its compiler and its checks.
    """

    # --- what a cloud brings --------------------------------------------------------------------

    settings_type: ClassVar[type[CloudSettings]]
    """The class of its profiles' settings."""

    @cached_property
    def settings(self) -> S:
        """The profile's settings."""
        return cast("S", self.profile.convert(self.settings_type))

    @abstractmethod
    def make_service(self) -> Service[Any]:
        """Return the cloud, for this profile."""

    @abstractmethod
    def make_bucket(self) -> Bucket:
        """Return the profile's bucket."""

    @property
    @abstractmethod
    def where(self) -> str:
        """Where runs are looked for, for messages: "a pipeline 'x-...' in eu-central-1"."""

    @property
    @abstractmethod
    def programs(self) -> Mapping[str, bytes]:
        """The programs that travel with every step, by file name."""

    # --- what the settings say ------------------------------------------------------------------

    @property
    def poll(self) -> float:
        """Seconds between two looks at a run, at first."""
        return self.settings.poll

    @property
    def library_hints(self) -> dict[str, str]:
        """How a profile gets the capabilities that its `libraries` takes from it."""
        if self.settings.libraries == "wheelhouse":
            return {}
        return {
            "requirements": (
                'All libraries are the image\'s with this profile: set libraries = "wheelhouse" '
                f"under [profiles.{self.profile.name}] to install them in the jobs."
            )
        }

    # --- the parts ------------------------------------------------------------------------------

    @cached_property
    def service(self) -> Service[Any]:
        """The cloud."""
        return self.make_service()

    @cached_property
    def bucket(self) -> Bucket:
        """The profile's bucket."""
        return self.make_bucket()

    @cached_property
    def _state_folder(self) -> Path:
        try:
            return state_folder(self.root)
        except ConfigurationError:  # who only looks at runs need not be able to write
            return state_path(self.root)

    @cached_property
    def _records(self) -> Records:
        from waterflow.cloud.records import Records

        return Records(self.bucket)

    @cached_property
    def starter(self) -> Starter:
        """What brings pipelines to the cloud and starts runs."""
        from waterflow.cloud.starting import Starter
        from waterflow.cloud.upload import Upload

        upload = Upload(self.bucket, self.service, self.programs, self._state_folder / "wheels")
        return Starter(self.service, self.bucket, self._records, upload)

    @cached_property
    def profile_runs(self) -> Runs:
        """The runs of the profile."""
        from waterflow.cloud.runs import Runs

        return Runs(self.service, self.bucket, self._records, self.starter, self.poll, self.where)

    @cached_property
    def _logs(self) -> Logs:
        from waterflow.cloud.logs import Logs

        return Logs(self.profile_runs)

    @cached_property
    def _results(self) -> Results:
        from waterflow.cloud.results import Results

        return Results(self.profile_runs, self._state_folder / self.name)

    @cached_property
    def _items(self) -> Items:
        from waterflow.cloud.items import Items

        return Items(self.service, self.poll)

    @cached_property
    def _events(self) -> Events:
        from waterflow.cloud.events import Events

        return Events(self.profile_runs, self._results, self._logs)

    @cached_property
    def sending(self) -> Sending:
        """The processes that send runs to MLflow beside the commands."""
        from waterflow.cloud.sending import Sending

        return Sending(self._state_folder / self.name)

    @cached_property
    def _tracking(self) -> Tracking:
        from waterflow.cloud.tracking import Tracking
        from waterflow.tracking.managed import need_plugin
        from waterflow.tracking.store import resolve_uri

        state = self._state_folder
        uri = resolve_uri(self.profile.tracking_uri, os.environ, state)
        need_plugin(uri)
        return Tracking(
            self.profile_runs, self._events, uri, self.profile.experiment, state, self._page
        )

    def _page(self, run_id: str) -> str:
        """Return the page of a run that has ended."""
        from waterflow.report import Gathering, page
        from waterflow.runs.run import Run

        state = self._refined(self.profile_runs.look(run_id), unsent=False)
        Run(run_id, self).explain(state)
        return page(Gathering(self, run_id).report(state))

    # --- the contract ---------------------------------------------------------------------------

    def examine(self, pipeline: spec.Pipeline | None) -> Iterator[Check]:
        """Look at what runs on the cloud need."""
        from waterflow.cloud.examining import examine

        yield from examine(self.service, self.bucket, pipeline)

    def submit(self, build: Build, document: Document, submission: Submission) -> None:
        """Start a run."""
        from waterflow.cloud.starting import Order
        from waterflow.tracking.managed import need_plugin

        self.check_submission(submission)
        target = build.tracking
        need_plugin(target.uri)
        refuse_address(target.uri, "MLflow")
        self.profile_runs.submit(
            Order(
                build=build,
                document=own(document),
                submission=submission,
                tracking={"uri": target.uri, "experiment": target.experiment},
            )
        )

    def status(self, run_id: str) -> RunState:
        """Return a run's state."""
        look = self.profile_runs.look(run_id)
        state = self._refined(look)
        for run in look.steps.values():
            step = look.execution.step_of(run)
            if step is not None and run.status is Status.CACHED:
                state.steps[step.name].origin = self.profile_runs.origin(look.execution, run)
        return state

    def _refined(self, look: Look, *, unsent: bool = True, items: bool = True) -> RunState:
        """Return a run's state with what its steps and, where it is asked for, tracking tell."""
        state = copy.deepcopy(look.state)
        self._results.refine(look, state, self._logs, items=items)
        if items and not state.status.final:
            self._items.add(look, state)
        state.tracking_uri = self._tracking.destination(look.execution)[0]
        if unsent and state.status.final:
            state.unsent = self._tracking.left(look)
            state.sending = state.unsent > 0 and self.sending.goes_on(state.run)
        return state

    def runs(self) -> Iterator[RunState]:
        """Yield the runs of the profile's pipelines, newest first."""
        return (self._refined(look, items=False) for look in self.profile_runs.runs())

    def logs(self, run_id: str, step: str | None = None, follow: bool = False) -> Iterator[LogLine]:
        """Yield log lines."""
        return self._logs.lines(run_id, step, follow)

    def cancel(self, run_id: str) -> None:
        """Stop a run."""
        self.profile_runs.cancel(run_id)

    def artifacts(self, run_id: str) -> list[Artifact]:
        """Return what a run has made."""
        return self._results.artifacts(run_id)

    def download(self, run_id: str, step: str, output: str) -> Path:
        """Return an artifact's folder."""
        return self._results.download(run_id, step, output)

    def run_spec(self, run_id: str) -> spec.Pipeline | None:
        """Return the spec that a run was started with."""
        return self.profile_runs.execution(run_id).spec

    def code(self, run_id: str) -> Code:
        """Return the code that a run's steps were given."""
        return self._results.code(run_id)

    def sync(self, run_id: str) -> Sent:
        """Send what MLflow has not got yet of a run."""
        return self._tracking.sync(run_id)

    def send_beside(self, run_id: str) -> bool:
        """Let a process of its own send a run's tracking as it comes."""
        return self.sending.begin(self.root, self.profile.name, run_id, self.poll)

    def deployed(self, document: Document) -> tuple[str, spec.Pipeline] | None:
        """Return the pipeline that the cloud holds now."""
        pipeline = own(document).pipeline
        deployed = self.profile_runs.deployed(pipeline)
        return None if deployed is None else (f"the deployed pipeline {pipeline}", deployed)

    def lineage(self, run_id: str) -> Lineage:
        """Return where a run comes from."""
        return self.profile_runs.lineage(run_id)

    def measurements(self, run_id: str) -> Iterator[Measurement]:
        """Return the values of metrics that a run's steps have logged."""
        return self._results.measurements(run_id)

    def run_basis(self, run_id: str) -> RunBasis | None:
        """Return what a run was made from."""
        execution = self.profile_runs.execution(run_id)
        return execution.build.run_basis(self.profile_runs.parameters(execution))

    def billed(self, run_id: str) -> list[Billed]:
        """Return what the cloud bills for a run's jobs that have ended."""
        from waterflow.cloud.billing import billed

        return billed(self.service, self.profile_runs.look(run_id))

    def images(self, run_id: str) -> dict[str, str]:
        """Return the images that a run's steps run in, as the native document names them."""
        natives = self.profile_runs.execution(run_id).natives.values()
        return {one.step: one.image for one in natives if one.step is not None and one.image}

    def tracked(self, run_id: str) -> TrackedRun | None:
        """Return what MLflow knows a run by, as whoever sent it to MLflow has noted."""
        return self._tracking.tracked(run_id)

    def former(self, run_id: str) -> str | None:
        """Return the run of the same pipeline before one."""
        return self.profile_runs.former(run_id)

    def deployed_basis(self, document: Document) -> RunBasis | None:
        """Return what the pipeline that the cloud holds now was made from."""
        deployed = self.profile_runs.deployed_build(own(document).pipeline)
        return None if deployed is None else deployed.run_basis()

    def durations(self, pipeline: spec.Pipeline) -> dict[str, list[float]]:
        """Return how long steps took on the cloud lately, as MLflow knows."""
        return self._tracking.durations(pipeline)

    def foretell(
        self, build: Build, document: Document, parameters: Mapping[str, Any]
    ) -> Mapping[str, Expectation]:
        """Return what each step of a run would do, by the cloud's own rule of caching."""
        from waterflow.cloud.foretelling import foretell

        return foretell(self.service, self.bucket, build, own(document), parameters)[1]


def own(document: Document) -> CloudDocument:
    """Return a document as one that was compiled for a cloud.

    Raises:
        TypeError: It was not.
    """
    if not isinstance(document, CloudDocument):
        raise TypeError(f"A document of provider '{document.provider}' is none of a cloud's")
    return document
