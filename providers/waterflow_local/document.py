"""What a run's folder holds of a run before it starts: the document, and how it was submitted."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, field

from waterflow import spec  # noqa: TC001 - msgspec reads the annotations
from waterflow.provider.basis import RunBasis  # noqa: TC001 - as above
from waterflow.runtime.contract import StepFile
from waterflow_local.folders import read_json
from waterflow_local.store import Stored  # noqa: TC001 - as above

if TYPE_CHECKING:
    from waterflow_local.folders import RunFolder

Chain = tuple[tuple[str, bool], ...]
"""Gates that something stands behind, the outermost first, and whether on the side of "then"."""


class Source(Struct, frozen=True, omit_defaults=True):
    """Where what a step takes comes from: another step, outside data or a parameter.

    Attributes:
        step: The step that makes it.
        output: That step's output.
        value: The name of that output, or of the entry of it that is meant, among its values.
        data: The URI of outside data.
        parameter: The pipeline's parameter.
    """

    step: str | None = None
    output: str = ""
    value: str = ""
    data: str | None = None
    parameter: str = ""


class LocalJob(Struct, frozen=True, dict=True):
    """A step's part of the document.

    Attributes:
        content: STEP.json, as it is written for the job and as the content key counts it.
        sources: Name on the job's command line -> where it comes from.
        alternatives: Argument -> the names of which the first that was not skipped is taken.
        upstream: The steps that end before this one starts.
        chain: The gates that it stands behind.
        bundle: Digest of its code's bundle; None for a container step.
        code: What caches know its code by; None for a container step.
        versions: Library -> installed version and content, of those that its code imports.
        python: The version of Python.
        requirements: Its own requirements.
        image: Its container image.
        include: Whether it takes files along that are no modules.
        cpu: CPUs that it takes of this machine.
        memory: Bytes that it takes of this machine.
        cache: Whether its result may answer a later run.
        never: Why it may not; "" where it may.
    """

    content: dict[str, Any] = field(name="step")
    sources: dict[str, Source]
    alternatives: dict[str, tuple[str, ...]]
    upstream: tuple[str, ...]
    chain: Chain
    bundle: str | None
    code: str | None
    versions: dict[str, str]
    python: str
    requirements: tuple[str, ...]
    image: str | None
    include: bool
    cpu: float
    memory: int
    cache: bool
    never: str = ""

    @cached_property
    def file(self) -> StepFile:
        """STEP.json, decoded."""
        return StepFile.decode(self.content)


class Gate(Struct, frozen=True):
    """A condition, and the gates that it stands behind itself."""

    condition: spec.Condition
    chain: Chain


class Share(Struct, frozen=True):
    """CPUs and bytes of memory."""

    cpu: float
    memory: int


class Preload(Struct, frozen=True):
    """What a fork server imports before the first fork, and which modules it goes without."""

    modules: tuple[str, ...]
    without: tuple[str, ...]


class LocalDocument(Struct, frozen=True, kw_only=True):
    """A compiled pipeline.

    Attributes:
        version: The version of this form.
        pipeline: The pipeline's name.
        digest: The build's digest.
        machine: What steps may use together.
        jobs: Step -> its part.
        gates: Gate -> its condition.
        servers: Fork server -> what it imports.
    """

    version: int = 1
    pipeline: str
    digest: str
    machine: Share
    jobs: dict[str, LocalJob]
    gates: dict[str, Gate]
    servers: dict[str, Preload]


class Interpreter(Struct, frozen=True):
    """The Python of a step that needs one of its own.

    Attributes:
        python: Its path.
        wheelhouse: Digest of what was installed into it; None for the Python of an image.
    """

    python: str
    wheelhouse: str | None = None


class RunSettings(Struct, frozen=True):
    """What of the profile the runner goes by.

    Attributes:
        fork: Whether processes are forked from a warm server.
        grace: Seconds that a step has to end by itself when it is stopped.
        images: Container image -> the folder that stands for it.
        send: When MLflow gets the run: "now" or "later".
        tracking_patience: Seconds without progress after which the run's end waits no longer for
            tracking.
        warm: Seconds without a run after which the project's helper ends; 0 for none.
    """

    fork: bool
    grace: float
    images: dict[str, str]
    send: str
    tracking_patience: float
    warm: float = 0.0


class Tracking(Struct, frozen=True):
    """Where MLflow is, and the experiment's name."""

    uri: str
    experiment: str


class Submitted(Struct, frozen=True, kw_only=True):
    """How a run was submitted.

    Attributes:
        created: When, in ms since the epoch.
        root: The project's folder.
        parameters: Every parameter's JSON value; one that is not known is not in it.
        data: URI -> the artifact that holds the outside data.
        data_parameters: The parameters that name outside data.
        datasets: The outside data, as tracking shows it.
        cache: Whether earlier results may stand for steps.
        inline: Whether it runs in the submitter's process.
        resume: The run that it goes on from.
        interpreters: Step -> the Python of its own that it runs with.
        settings: What of the profile the runner goes by.
        tracking: Where the run is tracked.
        tags: The run's tags in MLflow.
        files: The run's artifacts in MLflow, by their names in the run's folder.
        basis: What the run was made from; None where an earlier version of Waterflow wrote this.
    """

    created: int
    root: str
    parameters: dict[str, Any]
    data: dict[str, Stored]
    data_parameters: tuple[str, ...]
    datasets: tuple[dict[str, Any], ...]
    cache: bool
    inline: bool
    resume: str | None
    interpreters: dict[str, Interpreter]
    settings: RunSettings
    tracking: Tracking
    tags: dict[str, str]
    files: dict[str, str]
    basis: RunBasis | None = None


def read_document(folder: RunFolder) -> LocalDocument:
    """Return the document that a run executes.

    Raises:
        FileNotFoundError: The folder holds no run.
        ValueError: The document is broken.
    """
    return msgspec.convert(read_json(folder.document), LocalDocument)


def read_submitted(folder: RunFolder) -> Submitted:
    """Return how a run was submitted.

    Raises:
        FileNotFoundError: The folder holds no run.
        ValueError: The record is broken.
    """
    return msgspec.convert(read_json(folder.submission), Submitted)
