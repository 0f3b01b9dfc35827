"""What a provider is: the door by which the core compiles, submits and watches on any cloud."""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import dropwhile, islice
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from waterflow.errors import ConfigurationError, UnsupportedFeatureError
from waterflow.provider.capabilities import Capabilities

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from waterflow import spec
    from waterflow.project.profile import Profile
    from waterflow.provider.answers import (
        Artifact,
        Billed,
        CacheSize,
        Check,
        Code,
        Limit,
        Lineage,
        LogLine,
        Measurement,
        Permission,
        Sent,
    )
    from waterflow.provider.basis import RunBasis
    from waterflow.provider.build import Build, Document, Submission
    from waterflow.provider.expectation import Expectation
    from waterflow.provider.schedules import Schedules
    from waterflow.provider.state import RunState
    from waterflow.tracking.pages import TrackedRun


_LOOKED_AT: Final = 20
"""How many of the newest runs are looked through for a run and the one before it."""


class Provider(ABC):
    """An adapter: translates a pipeline for one service and runs it there.

    Args:
        root: The project's folder.
        profile: The settings in force.
    """

    name: ClassVar[str]

    def __init__(self, root: Path, profile: Profile) -> None:
        self.root = root
        self.profile = profile

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What it can do with this profile."""

    def check_settings(self) -> None:
        """Refuse a profile that cannot be used.

        Raises:
            ConfigurationError: A setting is unknown, missing or of another type, or the provider
                does not say what it can do.
        """
        # What it can do depends on its settings, so it cannot say it of a profile that is wrong.
        capabilities = cast("object", self.capabilities)
        if not isinstance(capabilities, Capabilities):
            raise ConfigurationError(
                f"The capabilities of provider '{self.name}' are {type(capabilities).__name__}, "
                "not waterflow.provider.Capabilities. Ask the author of its package"
            )

    @abstractmethod
    def compile(self, build: Build) -> Document:
        """Translate a pipeline; pure, with no SDK, credentials or network.

        Raises:
            UnsupportedFeatureError: A setting that the provider cannot honour.
        """

    @abstractmethod
    def submit(self, build: Build, document: Document, submission: Submission) -> None:
        """Start a run, once for each run id.

        Raises:
            ProviderError: The service refuses or fails.
        """

    @abstractmethod
    def status(self, run_id: str) -> RunState:
        """Return a run's state, as the service itself tells it.

        Raises:
            UnknownNameError: There is no such run.
        """

    @abstractmethod
    def runs(self) -> Iterator[RunState]:
        """Yield the runs that the service knows, newest first."""

    @abstractmethod
    def logs(self, run_id: str, step: str | None = None, follow: bool = False) -> Iterator[LogLine]:
        """Yield log lines of one step or all.

        Args:
            run_id: The run.
            step: Only this step.
            follow: Go on until the run ends.

        Raises:
            UnknownNameError: There is no such run, or no such step in it.
        """

    @abstractmethod
    def cancel(self, run_id: str) -> None:
        """Stop a run; one that has ended stays as it is.

        Raises:
            UnknownNameError: There is no such run.
        """

    @abstractmethod
    def artifacts(self, run_id: str) -> list[Artifact]:
        """Return the outputs that a run's steps have made so far.

        Raises:
            UnknownNameError: There is no such run.
        """

    @abstractmethod
    def download(self, run_id: str, step: str, output: str) -> Path:
        """Return a local folder with an artifact, verified.

        Raises:
            UnknownNameError: There is no such run, step or output.
            ArtifactError: Its bytes are not what was recorded.
        """

    def check_submission(self, submission: Submission) -> None:
        """Refuse ways of starting a run that the provider does not have.

        Raises:
            UnsupportedFeatureError: It can neither run inline nor resume, or starts nothing new
                after a failure.
        """
        can = self.capabilities
        for requested, supported, feature, name in (
            (submission.inline, can.inline, "--inline", "inline"),
            (submission.resume, can.resume, "--resume", "resume"),
            (submission.keep_going, can.keep_going, "--keep-going", "keep_going"),
        ):
            if requested and not supported:
                instead = can.hints.get(name, "Leave it out, or use the local profile.")
                raise UnsupportedFeatureError("(all)", feature, self.name, instead)

    # --- what only some providers have -----------------------------------------------------------

    def check(self, build: Build, document: Document) -> list[str]:
        """Return every limit of the service that a compiled pipeline violates.

        Offline, like `compile`: what the service would refuse, or its jobs would fail of.

        Args:
            build: What was compiled.
            document: What it became.

        Returns:
            One line a violation, each naming the place, what was found and the limit; empty when
            there is none.
        """
        del build, document
        return []

    def examine(self, pipeline: spec.Pipeline | None) -> Iterator[Check]:
        """Look at what runs with this profile need beside this machine: for `waterflow doctor`.

        Makes nothing that stays, and raises nothing: what is wrong is a finding.

        Args:
            pipeline: A pipeline, whose own needs, such as its secrets, are looked at too.
        """
        del pipeline
        yield from ()

    def limits(self, document: Document) -> Sequence[Limit]:
        """Return how much of the service's limits a pipeline uses; offline, like `compile`."""
        del document
        return ()

    def permissions(self, document: Document) -> Sequence[Permission]:
        """Return the permissions that a compiled pipeline needs; offline, like `compile`."""
        del document
        return ()

    def deployed(self, document: Document) -> tuple[str, spec.Pipeline] | None:
        """Return what the service holds under a pipeline's name now: how to call it, and its spec.

        Returns:
            None where nothing is deployed, or where a provider deploys nothing: then the last run
            is what a plan compares with.

        Raises:
            ProviderError: The service cannot be asked.
        """
        del document
        return None

    def durations(self, pipeline: spec.Pipeline) -> Mapping[str, Sequence[float]] | None:
        """Return how long steps took lately, in seconds, latest first.

        Returns:
            None where nobody but the runs themselves knows.

        Raises:
            TrackingError: MLflow, which knows, cannot be asked.
        """
        del pipeline
        return None

    def foretell(
        self, build: Build, document: Document, parameters: Mapping[str, Any]
    ) -> Mapping[str, Expectation]:
        """Return what each step of a run would do: be answered by an earlier result, or run.

        Starts and changes nothing, and never guesses: what is not certain is "unknown".

        Args:
            build: What was compiled.
            document: What it became.
            parameters: The run's parameters; a required one that is not given is not in it.

        Returns:
            Step -> what is expected of it. A step that is not in it is not known of.

        Raises:
            ConfigurationError: Settings with which nothing can be asked.
            ProviderError: The service cannot be asked.
        """
        del build, document, parameters
        return {}

    def schedules(self) -> Schedules:
        """Return the schedules that it keeps.

        Raises:
            ConfigurationError: The provider keeps no schedules.
        """
        raise ConfigurationError(
            f"Provider '{self.name}' keeps no schedules. Name a profile that does "
            "(waterflow profile list), or start `waterflow run` from cron."
        )

    def run_spec(self, run_id: str) -> spec.Pipeline | None:
        """Return the spec that a run was started with; None where it is not kept.

        Raises:
            UnknownNameError: There is no such run.
        """
        del run_id
        return None

    def former(self, run_id: str) -> str | None:
        """Return the run of the same pipeline before one; None where that is not known.

        Raises:
            ProviderError: The service cannot be asked.
        """
        earlier = dropwhile(lambda one: one.run != run_id, islice(self.runs(), _LOOKED_AT))
        run = next(earlier, None)
        return next((one.run for one in earlier if run and one.pipeline == run.pipeline), None)

    def code(self, run_id: str) -> Code:
        """Return the code that a run's steps were given.

        Raises:
            ConfigurationError: The provider keeps no code of runs.
            NotFoundError: There is no such run, or its code is no longer kept.
        """
        raise ConfigurationError(
            f"Provider '{self.name}' keeps no code of run '{run_id}'. What MLflow has of it: "
            "waterflow ui"
        )

    def lineage(self, run_id: str) -> Lineage | None:
        """Return where a run comes from, and what is kept with it; None where nothing is kept.

        Raises:
            NotFoundError: There is no such run.
            ProviderError: The service cannot be asked.
        """
        del run_id
        return None

    def measurements(self, run_id: str) -> Iterable[Measurement]:
        """Return the values of metrics that a run's steps have logged so far.

        Raises:
            NotFoundError: There is no such run.
            ProviderError: The service cannot be asked.
        """
        del run_id
        return ()

    def billed(self, run_id: str) -> Sequence[Billed]:
        """Return what the service bills for a run's jobs that have ended, by its own records.

        Returns:
            One entry a step; none for a step of which the service does not tell, or that an
            earlier result has answered.

        Raises:
            NotFoundError: There is no such run.
            ProviderError: The service cannot be asked.
        """
        del run_id
        return ()

    def images(self, run_id: str) -> Mapping[str, str]:
        """Return the images that a run's steps run in, as the service was told: step -> image.

        Raises:
            NotFoundError: There is no such run.
            ProviderError: The service cannot be asked.
        """
        del run_id
        return {}

    def tracked(self, run_id: str) -> TrackedRun | None:
        """Return what MLflow knows a run by; None where nothing was sent to it, or nobody noted it.

        Raises:
            NotFoundError: There is no such run.
            ProviderError: The service cannot be asked.
        """
        del run_id
        return None

    def run_basis(self, run_id: str) -> RunBasis | None:
        """Return what a run was made from; None where it is not kept.

        Raises:
            NotFoundError: There is no such run.
            ProviderError: The service cannot be asked.
        """
        del run_id
        return None

    def deployed_basis(self, document: Document) -> RunBasis | None:
        """Return what a deployed pipeline was made from; None where that is not kept.

        Raises:
            ProviderError: The service cannot be asked.
        """
        del document
        return None

    def sync(self, run_id: str) -> Sent:
        """Send what MLflow has not got yet of a run.

        Raises:
            ConfigurationError: The provider keeps no events here.
            UnknownNameError: There is no such run.
        """
        raise ConfigurationError(
            f"Provider '{self.name}' keeps no events of run '{run_id}' here. "
            "Look at the run itself: waterflow status"
        )

    def send_beside(self, run_id: str) -> bool:
        """Let a process of its own send a run's tracking as it comes, so that nobody waits for it.

        Args:
            run_id: The run.

        Returns:
            Whether one does; where not, whoever waits for the run sends its tracking.
        """
        del run_id
        return False

    def cache_size(self) -> CacheSize:
        """Return what the cache holds.

        Raises:
            ConfigurationError: The provider keeps no cache here.
        """
        raise self._no_cache()

    def clear_cache(
        self, older_than: float | None, *, pipeline: str | None = None, step: str | None = None
    ) -> tuple[int, int]:
        """Forget cached results, and remove artifacts that no run and no result names.

        Args:
            older_than: Seconds; younger results stay. None keeps all results.
            pipeline: Only results that runs of this pipeline made.
            step: Only results of steps with this name.

        Returns:
            The number of results forgotten and of artifacts removed.

        Raises:
            ConfigurationError: The provider keeps no cache here.
            ProviderError: It cannot be done now.
        """
        del older_than, pipeline, step
        raise self._no_cache()

    def delete_run(self, run_id: str) -> None:
        """Remove what is kept of a run that has ended; what MLflow has of it stays.

        Args:
            run_id: The run.

        Raises:
            ConfigurationError: The service keeps its runs itself.
            ConflictError: The run is still under way, or its tracking is.
            UnknownNameError: There is no such run.
        """
        raise ConfigurationError(
            f"Provider '{self.name}' cannot delete run '{run_id}': its service keeps runs itself, "
            "and what they made ages by the rules of the bucket. Look at it: waterflow status "
            f"{run_id}"
        )

    def _no_cache(self) -> ConfigurationError:
        return ConfigurationError(
            f"Provider '{self.name}' keeps no cache here. Name a profile that does: "
            "waterflow profile list"
        )
