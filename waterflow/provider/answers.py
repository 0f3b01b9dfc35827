"""What a provider answers with, beside the state of a run: log lines, artifacts, limits."""

from __future__ import annotations

from dataclasses import dataclass


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
