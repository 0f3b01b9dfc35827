"""What goes in and out of a compiler, and how a run of what it made is started."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from waterflow import spec
    from waterflow.data import Pinned
    from waterflow.packing.bundle import Bundle
    from waterflow.packing.code_key import CodeKey
    from waterflow.packing.lockfile import Lock
    from waterflow.project import GitState

RUN_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,126}")
"""What a run's id may be: on every provider a part of paths and of names."""


@dataclass(frozen=True, kw_only=True)
class TrackingTarget:
    """Where in MLflow a pipeline's runs are tracked.

    Attributes:
        uri: The tracking URI, resolved: of a server or of a database, never empty.
        experiment: The experiment's name.
    """

    uri: str
    experiment: str


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
        tracking: Where its runs are tracked, as it was resolved from profile and environment.
        contents: Step name -> digests of what is installed of these libraries, by name, and of
            the files that requirements of its own name, by requirement.
        codes: Step name -> what caches know its code by; a step that is not in it by its bundle.
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
    tracking: TrackingTarget
    contents: Mapping[str, Mapping[str, str]] = field(
        default_factory=dict[str, "Mapping[str, str]"]
    )
    codes: Mapping[str, CodeKey] = field(default_factory=dict[str, "CodeKey"])

    def libraries(self, step: str) -> dict[str, str]:
        """Return what a step's libraries are: version, and what is installed under it.

        Args:
            step: The step's name.
        """
        contents = self.contents.get(step, {})
        return {
            name: f"{version} {contents[name]}" if name in contents else version
            for name, version in self.versions.get(step, {}).items()
        }

    def code(self, step: str) -> str | None:
        """Return what caches know a step's code by; None where it has none.

        Args:
            step: The step's name.
        """
        if step in self.codes:
            return self.codes[step].digest
        return self.bundles[step].digest if step in self.bundles else None

    def speaks_to_mlflow(self, step: str) -> bool:
        """Say whether a step's own code imports MLflow, or a library of it requires it.

        Its job is then told where MLflow is.
        """
        bundle, libraries = self.bundles.get(step), self.versions.get(step, {})
        imports = bundle is not None and "mlflow" in bundle.third_party
        return imports or not libraries.keys().isdisjoint(_MLFLOW)


_MLFLOW: Final = frozenset({"mlflow", "mlflow-skinny", "mlflow-tracing"})


JOBS: Final = "jobs.json"
"""The file, among a run's own, with each step's machine and its price an hour in US dollars."""
PATCH: Final = "changes.patch"
"""The file, among a run's own, by which its code differs from its commit."""
REPORT: Final = "report.html"
"""The file, among a run's artifacts in MLflow, that is its page."""


@dataclass(frozen=True, kw_only=True)
class PlannedJob:
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
    jobs: tuple[PlannedJob, ...]
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
        keep_going: What needs nothing of a failed step must run all the same.
        attached: The caller watches: where runs live on this machine, they end with it.
        fresh: The id was made for this submission: no earlier one under it need be looked for.
        tags: Where it comes from: who starts it, and how. They are of this submission alone, so
            no document has them.
        files: What is kept with the run beside what the build says: name -> text.
    """

    run_id: str
    parameters: Mapping[str, Any]
    cache: bool = True
    resume: str | None = None
    inline: bool = False
    keep_going: bool = False
    attached: bool = False
    fresh: bool = False
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    files: Mapping[str, str] = field(default_factory=dict[str, str])
