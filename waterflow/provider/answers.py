"""What a provider answers with, beside the state of a run: log lines, artifacts, limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from waterflow.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from waterflow.errors import WaterflowError


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """One line of a step's log.

    Attributes:
        step: The step's name.
        text: The line, without its end, as a terminal shows it: what a carriage return has written
            over is not in it.
        time: Milliseconds since the epoch, where the provider knows.
        update: Whether the line is still being written, as a progress bar is: the next one of its
            step takes its place. Only logs that are followed have such lines.
    """

    step: str
    text: str
    time: int | None = None
    update: bool = False


def overwritten(text: str) -> str:
    """Return what a terminal shows of a line in which carriage returns begin it anew.

    Args:
        text: The line, without the line feed that ends it.
    """
    return text.rstrip("\r").rpartition("\r")[2]


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


@dataclass(frozen=True)
class Check:
    """One finding of `waterflow doctor`.

    Attributes:
        name: What was looked at.
        state: "broken" when a run needs it, "warning" when it may, or could not be looked at.
        finding: What was found.
        hint: What to do, unless all is well.
    """

    name: str
    state: Literal["ok", "warning", "broken"]
    finding: str
    hint: str = ""

    @classmethod
    def of(cls, name: str, error: WaterflowError, state: Literal["warning", "broken"]) -> Self:
        """Return an error as a finding; what it says to do next is the hint.

        Args:
            name: What was looked at.
            error: What came of it.
            state: How bad it is.
        """
        text = " ".join(str(error).split())
        code = error.native_code if isinstance(error, ProviderError) else ""
        end = f" ({code}). " if code else ". "
        finding, dot, hint = text.partition(end)
        return cls(name, state, f"{finding}{end.rstrip('. ')}" if dot else text, hint)


@dataclass(frozen=True, kw_only=True)
class Code:
    """The code of a run.

    Attributes:
        digests: Step -> the digest of its code bundle.
        folders: Digest -> a local folder with what the bundle holds.
        commit: The commit that was checked out; None where there was none.
        dirty: Whether the tree differed from it; None where git could not be asked.
    """

    digests: Mapping[str, str]
    folders: Mapping[str, Path]
    commit: str | None
    dirty: bool | None

    @classmethod
    def of(
        cls, digests: Mapping[str, str], folders: Mapping[str, Path], tags: Mapping[str, str]
    ) -> Self:
        """Return the code of a run whose lineage tells of its commit.

        Args:
            digests: Step -> digest.
            folders: Digest -> folder.
            tags: The run's lineage.
        """
        dirty = tags.get("waterflow.git_dirty")
        return cls(
            digests=digests,
            folders=folders,
            commit=tags.get("waterflow.git_commit"),
            dirty=None if dirty is None else dirty == "true",
        )


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """Where a run comes from, and what is kept with it.

    Attributes:
        tags: The run's tags in MLflow: who started it, with which command, from which commit.
        files: What was kept with it at submit: name -> text.
        experiment: MLflow's experiment.
    """

    tags: Mapping[str, str]
    files: Mapping[str, str]
    experiment: str = ""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One value of a metric that a step has logged.

    Attributes:
        step: The step's name.
        key: The metric's name.
        value: Its value.
        at: The training step, or epoch, that it belongs to.
    """

    step: str
    key: str
    value: float
    at: int = 0

    @classmethod
    def of(cls, step: str, events: Iterable[Mapping[str, Any]]) -> Iterator[Self]:
        """Yield the values among a step's tracking events: of its last attempt.

        Args:
            step: The step.
            events: The events, in the order in which they were written.
        """
        known = [event for event in events if event.get("kind") == "metric"]
        last = max((event.get("attempt") or 0 for event in known), default=0)
        for event in known:
            if (event.get("attempt") or 0) == last:
                value, at = float(event["value"]), int(event.get("at") or 0)
                yield cls(step=step, key=str(event["key"]), value=value, at=at)


@dataclass(frozen=True, kw_only=True)
class Billed:
    """What a service bills for a step of a run, by its own records of the step's jobs.

    Attributes:
        step: The step's name; the gate's, where a gate is a job too.
        seconds: Machine time: of several machines the sum of theirs.
        machine: The machine types that the jobs ran on.
        cost: US dollars, that time at the machines' prices; None where one is not known.
    """

    step: str
    seconds: float
    machine: str
    cost: float | None


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
class CachedStep:
    """What a cache holds of one step.

    Attributes:
        pipeline: The pipeline whose run made the results; "" where that is not known.
        step: The step.
        results: Its results that may stand for it.
        size: Bytes of the artifacts that they name.
    """

    pipeline: str
    step: str
    results: int
    size: int


@dataclass(frozen=True, kw_only=True)
class CacheSize:
    """What a cache holds.

    Attributes:
        place: Where it is.
        results: Step results that may stand for a step.
        artifacts: Artifacts, those of runs included.
        size: The artifacts' bytes.
        steps: The results by pipeline and step.
    """

    place: str
    results: int
    artifacts: int
    size: int
    steps: tuple[CachedStep, ...] = ()


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
