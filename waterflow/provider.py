"""What a provider is: the door by which the core compiles, submits and watches on any cloud."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

from waterflow.errors import ConfigurationError, UnsupportedFeatureError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from waterflow import spec
    from waterflow.bundle import Bundle
    from waterflow.data import Pinned
    from waterflow.expectation import Expectation
    from waterflow.lockfile import Lock
    from waterflow.profile import Profile
    from waterflow.project import GitState
    from waterflow.schedules import Schedules
    from waterflow.state import RunState

RUN_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,126}")
"""What a run's id may be: on every provider a part of paths and of names."""


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a provider can do, as data: the core asks these, never for a provider's name.

    Attributes:
        containers: Steps in any image.
        images: Images that it knows although it cannot run any image.
        map_jobs: A run-time map with a job an item.
        gpu: Accelerators.
        instances: The most machines for one step.
        spot: Interruptible machines, or machines that are never interrupted.
        disk: The most bytes of scratch space for a step; None for no limit known beforehand.
        parameter_length: The most characters of a parameter's JSON text; None for no limit.
        timeouts: A limit on an attempt's time.
        secrets: A store of secrets.
        requirements: Requirements of a step's own.
        inline: Running all steps in the caller's process, for a debugger.
        resume: Going on from a failed run.
        content_cache: A step whose inputs are equal to an earlier one's is answered by the cache,
            also where they were made anew; otherwise only where they are the very same artifacts.
        tracks_later: No process stays beside a run: whoever waits for it sends its tracking.
        hints: For a feature it lacks, what to do instead.
    """

    containers: bool = False
    images: frozenset[str] = frozenset()
    map_jobs: bool = False
    gpu: bool = False
    instances: int = 1
    spot: bool = False
    disk: int | None = None
    parameter_length: int | None = None
    timeouts: bool = False
    secrets: bool = False
    requirements: bool = False
    inline: bool = False
    resume: bool = False
    content_cache: bool = True
    tracks_later: bool = False
    hints: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class Build:
    """Everything a compiler needs: the spec and what was found about its code and data.

    Attributes:
        spec: The pipeline.
        digest: Its digest.
        root: The project's folder.
        bundles: Step name -> its code bundle; container and register steps share the runtime's.
        versions: Step name -> versions of the libraries that its code imports.
        data: URI -> the pinned outside data.
        lock: The project's lock file.
        git: The commit, and whether the tree was dirty.
        python: The Python version, "3.11".
    """

    spec: spec.Pipeline
    digest: str
    root: Path
    bundles: Mapping[str, Bundle]
    versions: Mapping[str, Mapping[str, str]]
    data: Mapping[str, Pinned]
    lock: Lock
    git: GitState
    python: str


@dataclass(frozen=True, kw_only=True)
class Job:
    """What one step becomes on a provider: a row of the plan.

    Attributes:
        step: The step's name.
        kind: The provider's kind of job.
        machine: The machine type.
        price: Price an hour in US dollars; None when the machine costs nothing extra.
        notes: What differs here from what the step asked for.
    """

    step: str
    kind: str
    machine: str
    price: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Document:
    """A compiled pipeline.

    Attributes:
        provider: The provider's name.
        content: The provider's native document, as plain data.
        jobs: What each step becomes.
        notes: What of the pipeline as a whole differs here.
    """

    provider: str
    content: dict[str, Any]
    jobs: tuple[Job, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Submission:
    """How a run is to be started.

    Attributes:
        run_id: The run's id; submitting the same twice gives one run.
        parameters: Every parameter's value.
        cache: Whether earlier results may stand for steps.
        resume: A failed run to go on from.
        inline: Run in this process.
        attached: The caller watches: where runs live on this machine, they end with it.
        fresh: The id was made for this submission: no earlier one under it need be looked for.
    """

    run_id: str
    parameters: Mapping[str, Any]
    cache: bool = True
    resume: str | None = None
    inline: bool = False
    attached: bool = False
    fresh: bool = False


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """One line of a step's log.

    Attributes:
        step: The step's name.
        text: The line, without its end.
        time: Milliseconds since the epoch, where the provider knows.
    """

    step: str
    text: str
    time: int | None = None


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One output of a run's step.

    Attributes:
        step: The step's name.
        output: The output's name.
        type: The artifact's type.
        sha256: Its digest; None when the step was skipped.
        size: Bytes.
        uri: Where it is.
    """

    step: str
    output: str
    type: str
    sha256: str | None
    size: int
    uri: str


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What sending a run's tracking events again came to.

    Attributes:
        sent: Events sent now.
        left: Events that are still to be sent.
        error: Why some are left; None when none is, or when the run is still going on.
    """

    sent: int
    left: int
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class CacheSize:
    """What a cache holds.

    Attributes:
        place: Where it is.
        results: Step results that may stand for a step.
        artifacts: Artifacts, those of runs included.
        size: The artifacts' bytes.
    """

    place: str
    results: int
    artifacts: int
    size: int


@dataclass(frozen=True, kw_only=True)
class Limit:
    """How much of one of a service's limits a pipeline uses.

    Attributes:
        what: What is counted.
        used: How much of it the pipeline has.
        most: The limit.
        step: The step that comes nearest; None for the pipeline as a whole.
    """

    what: str
    used: int
    most: int
    step: str | None = None


@dataclass(frozen=True, kw_only=True)
class Permission:
    """What someone must be allowed to do, so that a pipeline can run.

    Attributes:
        who: Whom the permission is for: a role's name in the provider's words, or "submitter".
        actions: The provider's names of the actions.
        resources: What they are done to.
        why: What needs it.
    """

    who: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    why: str


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
            NotFoundError: There is no such run.
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
            NotFoundError: There is no such run, or no such step in it.
        """

    @abstractmethod
    def cancel(self, run_id: str) -> None:
        """Stop a run; one that has ended stays as it is.

        Raises:
            NotFoundError: There is no such run.
        """

    @abstractmethod
    def artifacts(self, run_id: str) -> list[Artifact]:
        """Return the outputs that a run's steps have made so far.

        Raises:
            NotFoundError: There is no such run.
        """

    @abstractmethod
    def download(self, run_id: str, step: str, output: str) -> Path:
        """Return a local folder with an artifact, verified.

        Raises:
            NotFoundError: There is no such run, step or output.
            ArtifactError: Its bytes are not what was recorded.
        """

    def check_submission(self, submission: Submission) -> None:
        """Refuse ways of starting a run that the provider does not have.

        Raises:
            UnsupportedFeatureError: It can neither run inline nor resume.
        """
        for asked, there, feature in (
            (submission.inline, self.capabilities.inline, "--inline"),
            (submission.resume, self.capabilities.resume, "--resume"),
        ):
            if asked and not there:
                raise UnsupportedFeatureError(
                    "(all)", feature, self.name, "Leave it out, or use the local profile."
                )

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
            NotFoundError: There is no such run.
        """
        del run_id
        return None

    def sync(self, run_id: str) -> Sent:
        """Send what MLflow has not got yet of a run.

        Raises:
            ConfigurationError: The provider keeps no events here.
            NotFoundError: There is no such run.
        """
        raise ConfigurationError(
            f"Provider '{self.name}' keeps no events of run '{run_id}' here. "
            "Look at the run itself: waterflow status"
        )

    def cache_size(self) -> CacheSize:
        """Return what the cache holds.

        Raises:
            ConfigurationError: The provider keeps no cache here.
        """
        raise self._no_cache()

    def clear_cache(self, older_than: float | None) -> tuple[int, int]:
        """Forget cached results, and remove artifacts that no run and no result names.

        Args:
            older_than: Seconds; younger results stay. None keeps all results.

        Returns:
            The number of results forgotten and of artifacts removed.

        Raises:
            ConfigurationError: The provider keeps no cache here.
            ProviderError: It cannot be done now.
        """
        del older_than
        raise self._no_cache()

    def _no_cache(self) -> ConfigurationError:
        return ConfigurationError(
            f"Provider '{self.name}' keeps no cache here. Name a profile that does: "
            "waterflow profile list"
        )
