"""What differs between two runs that were made: what they are made from, and what came of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from waterflow.errors import ArtifactError, NotFoundError
from waterflow.runs.changes import Change, compare, compare_bases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from waterflow.provider import Artifact, Provider
    from waterflow.provider.state import RunState, StepState

T = TypeVar("T")


class Side(Struct, kw_only=True, frozen=True):
    """One of the two runs.

    Attributes:
        run: Its id.
        profile: The profile that it was started with.
        pipeline: Its pipeline.
        status: What it is.
        started: Milliseconds since the epoch.
        seconds: How long it took; None before its end.
    """

    run: str
    profile: str
    pipeline: str
    status: str
    started: int | None = None
    seconds: float | None = None


class MetricPair(Struct, kw_only=True, frozen=True):
    """A metric that a step returned, in both runs; None where one has none.

    Attributes:
        name: "step.metric", or "step.output.metric".
        before: Of the first run.
        after: Of the second run.
    """

    name: str
    before: float | None
    after: float | None


class Content(Struct, kw_only=True, frozen=True):
    """What an artifact is in one run.

    Attributes:
        sha256: Its digest; None where its step was skipped.
        size: Bytes.
        type: The artifact's type.
    """

    sha256: str | None
    size: int
    type: str


class ArtifactPair(Struct, kw_only=True, frozen=True):
    """An artifact in both runs; None where one has none.

    Attributes:
        name: "step.output".
        before: Of the first run.
        after: Of the second run.
    """

    name: str
    before: Content | None
    after: Content | None

    @property
    def same(self) -> bool:
        """Whether both runs have it, with the same bytes."""
        one, other = self.before, self.after
        return one is not None and other is not None and one.sha256 == other.sha256


class Outcome(Struct, kw_only=True, frozen=True):
    """What came of a step in one run.

    Attributes:
        status: What it is.
        seconds: How long it took; None where it did not run.
    """

    status: str
    seconds: float | None = None


class StepPair(Struct, kw_only=True, frozen=True):
    """A step in both runs; None where one has none.

    Attributes:
        name: The step.
        before: Of the first run.
        after: Of the second run.
    """

    name: str
    before: Outcome | None
    after: Outcome | None


class Difference(Struct, kw_only=True, frozen=True):
    """What differs between two runs.

    Attributes:
        before: The first run.
        after: The second run.
        changes: What of their definitions, code, libraries, data and parameters differs.
        unknown: What could not be compared, and why.
        metrics: All metrics of either run.
        artifacts: All artifacts of either run.
        steps: All steps of either run.
    """

    before: Side
    after: Side
    changes: tuple[Change, ...] = ()
    unknown: tuple[str, ...] = ()
    metrics: tuple[MetricPair, ...] = ()
    artifacts: tuple[ArtifactPair, ...] = ()
    steps: tuple[StepPair, ...] = ()


def difference(one: tuple[Provider, RunState], other: tuple[Provider, RunState]) -> Difference:
    """Return what differs between two runs, of one profile or of two.

    Args:
        one: The first run's provider and state.
        other: The second run's.

    Raises:
        ProviderError: A service cannot be asked.
    """
    unknown: list[str] = []
    contents = [_artifacts(provider, state.run) for provider, state in (one, other)]
    metrics = [
        _metrics(provider, state.run, artifacts, unknown)
        for (provider, state), artifacts in zip((one, other), contents, strict=True)
    ]
    return Difference(
        before=_side(*one),
        after=_side(*other),
        changes=tuple(_changes(one, other, unknown)),
        unknown=tuple(unknown),
        metrics=tuple(
            MetricPair(name=name, before=before, after=after)
            for name, before, after in _joined(*metrics)
        ),
        artifacts=tuple(
            ArtifactPair(name=name, before=_content(before), after=_content(after))
            for name, before, after in _joined(*contents)
        ),
        steps=tuple(
            StepPair(name=name, before=_outcome(before), after=_outcome(after))
            for name, before, after in _joined(one[1].steps, other[1].steps)
        ),
    )


def _joined(
    one: Mapping[str, T], other: Mapping[str, T]
) -> Iterator[tuple[str, T | None, T | None]]:
    """Yield what two mappings hold under each name of either."""
    for name in dict.fromkeys([*one, *other]):
        yield name, one.get(name), other.get(name)


def _side(provider: Provider, state: RunState) -> Side:
    return Side(
        run=state.run,
        profile=provider.profile.name,
        pipeline=state.pipeline,
        status=str(state.status),
        started=state.started,
        seconds=state.seconds,
    )


def _changes(
    one: tuple[Provider, RunState], other: tuple[Provider, RunState], unknown: list[str]
) -> Iterator[Change]:
    def both(what: str, ask: Callable[[Provider, str], T | None]) -> tuple[T, T] | None:
        answers = [ask(provider, state.run) for provider, state in (one, other)]
        for (_, state), answer in zip((one, other), answers, strict=True):
            if answer is None:
                unknown.append(f"{what} of run {state.run} is not kept")
        before, after = answers
        return None if before is None or after is None else (before, after)

    specs = both("the definition", lambda provider, run: provider.run_spec(run))
    if specs is not None:
        yield from compare(*specs)
    bases = both("the code and data", lambda provider, run: provider.run_basis(run))
    if bases is not None:
        yield from compare_bases(*bases)


def _artifacts(provider: Provider, run: str) -> dict[str, Artifact]:
    return {f"{one.step}.{one.output}": one for one in provider.artifacts(run)}


def _content(artifact: Artifact | None) -> Content | None:
    if artifact is None:
        return None
    return Content(sha256=artifact.sha256, size=artifact.size, type=artifact.type)


def _outcome(step: StepState | None) -> Outcome | None:
    if step is None:
        return None
    took = None if step.started is None or step.ended is None else step.ended - step.started
    return Outcome(status=str(step.status), seconds=None if took is None else max(0, took) / 1000)


def _metrics(
    provider: Provider, run: str, artifacts: Mapping[str, Artifact], unknown: list[str]
) -> dict[str, float]:
    """Return the metrics that the steps of a run returned, by step and name."""
    from waterflow.runs.run import ArtifactHandle, Run, short_name

    metrics: dict[str, float] = {}
    for artifact in artifacts.values():
        if artifact.type != "metrics" or artifact.sha256 is None:
            continue
        name = short_name(artifact)
        try:
            values: dict[str, float] = ArtifactHandle(Run(run, provider), artifact, ()).load()
        except (ArtifactError, NotFoundError) as error:
            unknown.append(f"{name} of run {run}: {error}")
        else:
            metrics |= {f"{name}.{key}": value for key, value in values.items()}
    return metrics
