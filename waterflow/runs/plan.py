"""The plan: what a run would be on a provider, what it may cost, what changed since the last."""

from __future__ import annotations

import statistics
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from waterflow.errors import (
    ConfigurationError,
    DefinitionError,
    ProviderError,
    SeveralErrors,
    TrackingError,
    UnsupportedFeatureError,
)
from waterflow.provider import Limit, Permission  # noqa: TC001 - the JSON Schema needs them
from waterflow.provider.basis import RunBasis
from waterflow.provider.capabilities import unsupported
from waterflow.provider.discovery import open_provider
from waterflow.provider.expectation import Expectation, Foreseen
from waterflow.provider.state import Status
from waterflow.runs.changes import Change, compare, compare_bases, step_reasons
from waterflow.runs.submit import Call, assemble
from waterflow.runs.why import never
from waterflow.spec.labels import labels
from waterflow.spec.references import upstream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from waterflow import spec
    from waterflow.errors import WaterflowError
    from waterflow.provider import Build, Capabilities, Document, PlannedJob, Provider
    from waterflow.provider.state import RunState

HISTORY: Final = 50
"""Runs of a project that are looked at for durations."""
SAMPLES: Final = 5
"""Latest durations of a step of which the median is the estimate."""
_NO_WORK: Final = ("cached", "skipped")
"""What a step that takes no time and costs nothing is expected to do."""


class PlannedStep(Struct, kw_only=True, frozen=True):
    """What one step would be.

    Attributes:
        name: The step.
        label: What its call is given, `train(c=0.1)`, where a step is called several times with
            different constants.
        kind: The provider's kind of job; None when the provider refuses the pipeline.
        machine: The machine type; None when the provider refuses the pipeline.
        price_per_hour: US dollars; None when the machine costs nothing extra.
        seconds: The median of its latest durations, 0 for a step that is expected not to run;
            None when it never succeeded.
        cost: US dollars in this run, 0 for a step that is expected not to run; None when the price
            or the duration is not known.
        cpu: Virtual CPUs asked for.
        spot: Whether an interruptible machine is welcome.
        instances: Machines that work together on it.
        retries: Further attempts after the first.
        timeout: Seconds an attempt may take; None for no limit.
        cache: "cached" when an earlier result is expected to stand for it, "will run" when none
            can, "skipped" when a gate keeps it from running, "unknown" when only the run can tell.
        cached_from: The run whose result is expected to stand for it, where that is known.
        why: Why it will run, and no earlier result stands for it, as far as that is known.
        when: The gates that it stands behind: "when", or "not when" for the other side.
        notes: What differs on this provider from what the step asks for.
    """

    name: str
    label: str | None = None
    kind: str | None = None
    machine: str | None = None
    price_per_hour: float | None = None
    seconds: float | None = None
    cost: float | None = None
    cpu: float = 1.0
    spot: bool = False
    instances: int = 1
    retries: int = 0
    timeout: float | None = None
    cache: Foreseen = "unknown"
    cached_from: str | None = None
    why: tuple[str, ...] = ()
    when: str | None = None
    notes: tuple[str, ...] = ()


class Plan(Struct, kw_only=True, frozen=True):
    """What a run would be.

    Attributes:
        pipeline: The pipeline's name.
        digest: The spec's digest.
        provider: The provider's name.
        profile: The profile's name.
        steps: Its steps, in the pipeline's order.
        notes: What of the pipeline as a whole differs on this provider.
        problems: What the provider cannot honour, and limits of its that are violated; it refuses
            the pipeline unless this is empty.
        seconds: The longest chain of steps in this run, when every step has an estimate. A step
            that is expected from the cache or to be skipped takes no time; one of which that is
            not known is counted as if it ran.
        cost: US dollars for all steps of this run, counted in the same way, when every priced step
            has an estimate.
        full_seconds: The longest chain of steps, if every step ran.
        full_cost: US dollars, if every step ran.
        lacks: What the provider does not have, with this profile.
        limits: How much of the provider's limits it uses.
        permissions: What the roles of its jobs, and whoever submits it, must be allowed.
        last_run: The run, or the deployed pipeline, that `changes` compares with; None when there
            is none to compare with.
        changes: What differs from that run: steps, parameters and their defaults, gates, and what
            they are made from: code, libraries, data, the parameters' values, the profile.
    """

    pipeline: str
    digest: str
    provider: str
    profile: str
    steps: tuple[PlannedStep, ...]
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    seconds: float | None = None
    cost: float | None = None
    full_seconds: float | None = None
    full_cost: float | None = None
    lacks: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    permissions: tuple[Permission, ...] = ()
    last_run: str | None = None
    changes: tuple[Change, ...] = ()


def make_plan(call: Call, root: Path, profile: str | None = None) -> Plan:
    """Plan a run, starting nothing.

    Args:
        call: The pipeline with parameters.
        root: The project's folder.
        profile: The profile's name; None for the project's default.

    Raises:
        ConfigurationError: There is no such profile or provider, or data is missing.
        DefinitionError: Code that cannot be bundled.
    """
    provider = open_provider(root, profile)
    build = assemble(call, root, provider.profile)
    problems: list[WaterflowError | str] = [
        *unsupported(build.spec, provider.name, provider.capabilities)
    ]
    jobs: dict[str, PlannedJob] = {}
    notes: tuple[str, ...] = ()
    document: Document | None = None
    if not problems:
        try:
            document = provider.compile(build)
            jobs = {job.step: job for job in document.jobs}
            notes = document.notes
            problems += provider.check(build, document)
        except UnsupportedFeatureError as error:
            problems = [error]
        except SeveralErrors as error:
            if isinstance(error, (ConfigurationError, DefinitionError)):
                raise  # what is written or set up wrongly has no plan
            problems = [*error.errors]
    past = _Past(provider, build.spec, document)
    expected, unforeseen = _expected(provider, build, document, call.parameters)
    basis = RunBasis.of(build, provider.profile.name, _values(build.spec, call.parameters))
    expected = _explained(expected, past, build.spec, basis)
    steps: list[PlannedStep] = []
    calls = labels(build.spec)
    durations: dict[str, float] = {}
    full: list[float | None] = []
    for step in build.spec.steps:
        job, seconds = jobs.get(step.name), past.durations.get(step.name)
        if job is not None and job.price is not None:
            full.append(_cost(step, job, seconds))
        if expected[step.name].cache in _NO_WORK:
            seconds = 0.0
        if seconds is not None:
            durations[step.name] = seconds
        steps.append(_planned(step, calls.get(step.name), job, seconds, expected[step.name]))
    last = past.definition
    return Plan(
        pipeline=build.spec.name,
        digest=build.digest,
        provider=provider.name,
        profile=provider.profile.name,
        steps=tuple(steps),
        notes=(*notes, *past.notes, *unforeseen),
        lacks=tuple(_lacks(provider.capabilities)),
        limits=() if document is None else tuple(provider.limits(document)),
        permissions=() if document is None else tuple(provider.permissions(document)),
        problems=tuple(map(str, problems)),
        seconds=_longest(build.spec, durations),
        cost=_total(step.cost for step in steps if step.price_per_hour is not None),
        full_seconds=_longest(build.spec, past.durations),
        full_cost=_total(full),
        last_run=last[0] if last else None,
        changes=tuple(_changes(past, build.spec, basis)),
    )


def _changes(past: _Past, pipeline: spec.Pipeline, basis: RunBasis) -> Iterator[Change]:
    if past.definition is not None:
        yield from compare(past.definition[1], pipeline)
    if past.basis is not None:
        yield from compare_bases(past.basis, basis)


def _explained(
    expected: Mapping[str, Expectation], past: _Past, pipeline: spec.Pipeline, basis: RunBasis
) -> dict[str, Expectation]:
    """Return what steps are expected to do, with what of the last run differs where they run.

    For a provider that says itself why a step will run there is nothing to add.
    """
    explained = dict(expected)
    for step in pipeline.steps:
        one = expected[step.name]
        if one.cache != "will run" or one.why:
            continue
        anew = {name for name, other in expected.items() if other.cache == "will run"}
        if past.basis is not None or past.complete:
            why = tuple(step_reasons(step, past.basis, basis, anew))
            explained[step.name] = replace(one, why=why)
    return explained


def _expected(
    provider: Provider, build: Build, document: Document | None, overrides: Mapping[str, Any]
) -> tuple[dict[str, Expectation], list[str]]:
    """Return what each step is expected to do, and why that could not be found out."""
    known: dict[str, Expectation] = {
        step.name: Expectation(cache="will run", why=(why,))
        for step in build.spec.steps
        if step.branch is None and (why := never(step)) is not None
    }
    notes: list[str] = []
    if document is not None:
        try:
            known.update(provider.foretell(build, document, _values(build.spec, overrides)))
        except (ConfigurationError, ProviderError) as error:
            notes.append(f"not known what the cache will answer: {error}")
    return {step.name: known.get(step.name, Expectation()) for step in build.spec.steps}, notes


def _values(pipeline: spec.Pipeline, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters' values, those aside that a run would have to be given."""
    return {
        name: overrides.get(name, parameter.default)
        for name, parameter in pipeline.parameters.items()
        if name in overrides or not parameter.required
    }


def _lacks(can: Capabilities) -> Iterable[str]:
    """Yield what a provider does not have, as users write it."""
    for there, feature in (
        (can.containers or can.images, "container steps"),
        (can.map_jobs, 'fan_out="jobs"'),
        (can.gpu, "gpu"),
        (can.instances > 1, "several instances"),
        (can.spot, "spot"),
        (can.timeouts, "timeout"),
        (can.secrets, "secrets"),
        (can.requirements, _with_hint(can, "requirements", "requirements of a step's own")),
        (can.inline, "--inline"),
        (can.resume, "--resume"),
        (can.keep_going, _with_hint(can, "keep_going", "--keep-going")),
        (can.content_cache, "cached results for equal inputs that were made anew"),
    ):
        if not there:
            yield feature


def _with_hint(can: Capabilities, name: str, feature: str) -> str:
    hint = can.hints.get(name)
    return feature if hint is None else f"{feature} ({hint.rstrip('.')})"


def _planned(
    step: spec.Step,
    label: str | None,
    job: PlannedJob | None,
    seconds: float | None,
    expected: Expectation,
) -> PlannedStep:
    when = step.branch and (step.branch.gate if step.branch.then else f"not {step.branch.gate}")
    return PlannedStep(
        name=step.name,
        label=label,
        kind=job.kind if job else None,
        machine=job.machine if job else None,
        price_per_hour=job.price if job else None,
        seconds=seconds,
        cost=_cost(step, job, seconds),
        cpu=step.resources.cpu,
        spot=step.resources.spot,
        instances=step.resources.instances,
        retries=step.retry.retries,
        timeout=step.timeout,
        cache=expected.cache,
        cached_from=expected.run,
        why=expected.why,
        when=when,
        notes=job.notes if job else (),
    )


def _cost(step: spec.Step, job: PlannedJob | None, seconds: float | None) -> float | None:
    if job is None or job.price is None or seconds is None:
        return None
    return job.price * seconds / 3600 * step.resources.instances


# --- the past -------------------------------------------------------------------------------------


class _Past:
    """What is known of a pipeline's earlier runs; what cannot be asked is told as a note.

    Attributes:
        durations: The median of each step's latest durations, in seconds.
        definition: What to compare with: how to call it, and its spec.
        basis: What that was made from; None where it is not kept.
        complete: Whether all that could be asked was.
        notes: What could not be asked, and why.
    """

    def __init__(
        self, provider: Provider, pipeline: spec.Pipeline, document: Document | None
    ) -> None:
        self.durations: dict[str, float] = {}
        self.definition: tuple[str, spec.Pipeline] | None = None
        self.basis: RunBasis | None = None
        self.notes: list[str] = []
        runs: list[RunState] = []
        try:
            known = provider.durations(pipeline)
            if known is None:
                runs = [s for s in islice(provider.runs(), HISTORY) if s.pipeline == pipeline.name]
                self.durations = _durations(runs)
            else:
                self.durations = {
                    name: statistics.median(samples[:SAMPLES])
                    for name, samples in known.items()
                    if samples
                }
        except (ProviderError, TrackingError) as error:
            self.notes.append(f"no times of earlier runs: {error}")
        try:
            self._compare_with(provider, document, runs)
        except ProviderError as error:
            self.notes.append(f"nothing to compare with: {error}")
        self.complete = not self.notes

    def _compare_with(
        self, provider: Provider, document: Document | None, runs: list[RunState]
    ) -> None:
        deployed = None if document is None else provider.deployed(document)
        if document is not None and deployed is not None:
            self.definition, self.basis = deployed, provider.deployed_basis(document)
            return
        for run in runs:
            ran = provider.run_spec(run.run)
            if ran is not None:
                self.definition, self.basis = (run.run, ran), provider.run_basis(run.run)
                return


def _durations(runs: Iterable[RunState]) -> dict[str, float]:
    """Return the median of each step's latest durations, in seconds."""
    by_step: dict[str, list[float]] = {}
    for run in runs:
        for step in run.steps.values():
            samples = by_step.setdefault(step.name, [])
            whole = step.started is not None and step.ended is not None
            if step.status is Status.SUCCEEDED and whole and len(samples) < SAMPLES:
                samples.append(((step.ended or 0) - (step.started or 0)) / 1000)
    return {name: statistics.median(samples) for name, samples in by_step.items() if samples}


def _longest(pipeline: spec.Pipeline, durations: Mapping[str, float]) -> float | None:
    """Return how long the longest chain of steps takes; None when a step has no estimate.

    A step behind a gate may not run at all, so one that never ran counts as nothing.
    """
    ends: dict[str, float] = {}
    for step in pipeline.steps:
        own = durations.get(step.name)
        if own is None and step.branch is None:
            return None
        before = max((ends.get(name, 0.0) for name in upstream(pipeline, step)), default=0.0)
        ends[step.name] = before + (own or 0.0)
    return max(ends.values(), default=None)


def _total(costs: Iterable[float | None]) -> float | None:
    all_costs = list(costs)
    known = [cost for cost in all_costs if cost is not None]
    return sum(known) if known and len(known) == len(all_costs) else None
