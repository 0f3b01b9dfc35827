"""What a cloud's cache will answer: its own rule, applied to what former executions ran.

A result stands for a step when all that the cache looks at is alike (`Fingerprint`), it is young
enough and it was made by an execution of the same native pipeline; of several the latest is taken.
What is not certain is "unknown".
"""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

from waterflow.cloud.document import CloudDocument
from waterflow.cloud.fingerprint import NEW, SKIPPED, Side, all_of, any_of, same
from waterflow.cloud.parameters import native_parameters
from waterflow.cloud.wholeness import is_whole
from waterflow.errors import NotFoundError
from waterflow.provider.expectation import Expectation
from waterflow.provider.state import Status
from waterflow.runs.why import LOST
from waterflow.spec.conditions import holds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow import spec
    from waterflow.cloud.fingerprint import Fingerprint
    from waterflow.cloud.objects import Bucket
    from waterflow.cloud.service import Listed, Service
    from waterflow.cloud.states import NativeRun, NativeStep
    from waterflow.provider import Build

D = TypeVar("D", bound=CloudDocument)

LOOKED_AT: Final = 10
"""The newest executions of a pipeline that are looked at; with more, what none of these answers is
looked for in the bucket: a step whose control input is not there was never run."""
_AT_ONCE: Final = 8
_DONE: Final = (Status.SUCCEEDED, Status.CACHED)


class _Former:
    """An execution of the pipeline; what it ran is read when it is needed."""

    def __init__(self, service: Service[Any], listed: Listed) -> None:
        self._service, self.execution = service, listed.execution
        self.run = listed.runs[0]
        self.id = service.short_id(listed.execution)
        self.started = listed.started

    @cached_property
    def steps(self) -> dict[str, NativeRun]:
        return self._service.steps(self.execution)

    @cached_property
    def _definition(self) -> Mapping[str, Any]:
        return self._service.definition(self.execution)

    @cached_property
    def fingerprints(self) -> dict[str, Fingerprint]:
        return self._service.fingerprints(self._definition)

    @cached_property
    def side(self) -> Side:
        texts = self._service.parameters(self.execution)
        jobs = {name: _job(run) for name, run in self.steps.items() if run.status in _DONE}
        jobs |= {n: SKIPPED for n, run in self.steps.items() if run.status is Status.SKIPPED}
        return Side(_parameters(self._service, self._definition, texts), jobs)


@dataclass
class _Result:
    """A result that may stand for a step: that of one job.

    Attributes:
        job: The job that made it.
        own: The step in the execution in which the job ran; None when that does not list it.
        run: That execution's run.
        users: Executions that had it, newest first: by making it, or out of the cache.
    """

    job: str
    own: NativeRun | None
    run: str
    users: list[_Former] = field(default_factory=list[_Former])


class Foretelling:
    """One look at a pipeline's past.

    Args:
        service: The cloud.
        bucket: The bucket.
        build: What was compiled.
        document: What it became.
        parameters: The run's parameters; one that is not known is not in it.

    Attributes:
        lost: Native step -> the job whose result would stand for it, and is no longer whole in the
            bucket: the cloud's cache does not look.
    """

    def __init__(
        self,
        service: Service[Any],
        bucket: Bucket,
        build: Build,
        document: CloudDocument,
        parameters: Mapping[str, Any],
    ) -> None:
        self._service, self._bucket, self._document = service, bucket, document
        self._pipeline, self._values = build.spec, parameters
        self._natives = service.natives(document.definition)
        self._fingerprints = service.fingerprints(document.definition)
        texts = native_parameters(document, parameters)
        self._jobs: dict[str, str] = {}
        self._side = Side(_parameters(service, document.definition, texts), self._jobs)
        self._formers: dict[str, _Former] = {}
        self._whole: dict[str, bool] = {}
        self.lost: dict[str, str] = {}
        self._all_seen = True
        self._now = time.time() * 1000

    def steps(self) -> dict[str, Expectation]:
        """Return what each of the spec's steps would do.

        Raises:
            ProviderError: The cloud cannot be asked.
        """
        self._read_past()
        outcomes: dict[str, bool | None] = {}
        will_run: dict[str, bool | None] = {}
        copies: dict[str, list[tuple[bool | None, Expectation]]] = {}
        for native in self._natives.values():
            if native.step is None:
                outcomes[native.name] = self._outcome(native)
                self._expected(native.name)  # where conditions are jobs, their results are cached
                continue
            sides = [
                None if (outcome := outcomes[gate]) is None else outcome == side
                for gate, side in native.chain
            ]
            groups = [any_of(will_run.get(name) for name in group) for group in native.needs]
            runs = will_run[native.name] = all_of([*sides, *groups])
            if runs is False:
                self._jobs[native.name] = SKIPPED
            # What it would do if it ran: what stands behind the same gates goes by that.
            expected = Expectation() if runs is False else self._expected(native.name)
            copies.setdefault(native.step, []).append((runs, expected))
        return {step.name: _of_copies(copies.get(step.name, [])) for step in self._pipeline.steps}

    # --- the past -------------------------------------------------------------------------------

    def _read_past(self) -> None:
        """Read which executions there were, and which steps they ran."""
        if all(one.lifetime is None for one in self._fingerprints.values()):
            return
        self._service.connect()
        try:
            executions = self._service.executions(self._document.pipeline)
            listed = list(islice(executions, LOOKED_AT + 1))
        except NotFoundError:  # the pipeline was never deployed
            return
        self._all_seen = len(listed) <= LOOKED_AT
        formers = [_Former(self._service, one) for one in listed[:LOOKED_AT]]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            moments = [
                moment
                for runs in pool.map(_runs, formers)
                for run in runs
                for moment in (run.started, run.ended)
                if moment is not None
            ]
        # The clock that counts is the cloud's, which may be ahead of this machine's.
        self._now = max([self._now, *moments, *(former.started for former in formers)])
        self._formers = {former.id: former for former in formers}

    def _origin(self, former: _Former, run: NativeRun) -> _Former:
        """Return the execution in which the job of a step ran."""
        if run.origin not in self._formers:
            listed = self._service.sibling(former.execution, run.origin)
            self._formers[run.origin] = _Former(self._service, listed)
        return self._formers[run.origin]

    def _results(self, native: str) -> list[_Result]:
        """Return the results that a step had before, the latest first."""
        results: dict[str, _Result] = {}
        for former in list(self._formers.values()):
            run = former.steps.get(native)
            if run is None or run.status not in _DONE or not run.job:
                continue
            job = _job(run)
            if job not in results:
                origin = self._origin(former, run)
                own = origin.steps.get(native)
                own = own if own is not None and _job(own) == job else None
                results[job] = _Result(job, own, origin.run)
            results[job].users.append(former)
        return sorted(results.values(), key=_moment, reverse=True)

    # --- one step -------------------------------------------------------------------------------

    def _expected(self, native: str) -> Expectation:
        """Return what a step would do if it ran, and note whose result it then has."""
        fingerprint = self._fingerprints.get(native)
        if fingerprint is None or fingerprint.lifetime is None:
            return self._will_run(native)
        if fingerprint.reads_new(self._jobs):
            return self._will_run(native)
        oldest = self._now - fingerprint.lifetime * 1000
        doubtful = False
        for result in self._results(native):
            answer = self._answers(native, fingerprint, result, oldest)
            if answer is not False and not self._is_whole(native, result):
                self.lost[native] = result.job
                self._will_run(native)
                return Expectation(cache="will run", why=(LOST,))
            if answer is None:
                doubtful = True
            elif answer and doubtful:  # a later one may be taken in its place
                return Expectation(cache="cached")
            elif answer:
                self._jobs[native] = result.job
                return Expectation(cache="cached", run=result.run)
        if doubtful or not (self._all_seen or self._never_ran(native)):
            return Expectation()
        return self._will_run(native)

    def _will_run(self, native: str) -> Expectation:
        self._jobs[native] = NEW
        return Expectation(cache="will run")

    def _answers(
        self, native: str, fingerprint: Fingerprint, result: _Result, oldest: float
    ) -> bool | None:
        """Say whether a result can stand for a step; None where that cannot be told."""
        hits = [one for one in result.users if one.steps[native].status is Status.CACHED]
        fresh = _fresh(native, result, hits, oldest)
        if fresh is False:
            return False
        former = next(iter(hits), result.users[0])
        before = former.fingerprints.get(native)
        if before is None:
            return False
        alike = same(fingerprint.part, self._side, before.part, former.side)
        # That a result which was made with caching turned off is found later is nowhere promised,
        # nor denied.
        counts = True if hits or before.lifetime is not None else None
        return all_of((fresh, alike, counts))

    def _is_whole(self, native: str, result: _Result) -> bool:
        """Say whether all files of a result are in the bucket."""
        name = self._natives[native].step
        if name is None:
            return True  # a condition's result is read by the jobs behind it alone
        if result.job not in self._whole:
            step = self._pipeline.step(name)
            run = result.users[0].steps[native]
            self._whole[result.job] = is_whole(self._service, self._bucket, step, run)
        return self._whole[result.job]

    def _never_ran(self, native: str) -> bool:
        """Say whether what a step would run was never brought to the cloud."""
        control = self._document.control.get(native)
        if control is None:
            return False
        return not self._bucket.exists(f"control/{control.digest}/step.json")

    # --- conditions -----------------------------------------------------------------------------

    def _outcome(self, native: NativeStep) -> bool | None:
        """Return what a condition will decide; None where that is not known."""
        gates = {gate.name: gate for gate in self._pipeline.gates}
        try:
            if native.gate in gates:
                return holds(gates[native.gate].condition, self._scalar)
        except KeyError:  # it is not for the parameters alone to decide
            pass
        fingerprint = self._fingerprints[native.name]
        for former in self._formers.values():
            run, before = former.steps.get(native.name), former.fingerprints.get(native.name)
            if (
                run is not None
                and before is not None
                and run.outcome is not None
                and same(fingerprint.part, self._side, before.part, former.side)
            ):
                return run.outcome
        return None

    def _scalar(self, operand: spec.Operand) -> Any:
        """Return a condition's operand; KeyError for one that is not known."""
        from waterflow import spec

        if isinstance(operand, spec.FromValue):
            return operand.value
        if isinstance(operand, spec.FromParameter):
            return self._values[operand.name]
        raise KeyError(operand.step)


def foretell(
    service: Service[Any],
    bucket: Bucket,
    build: Build,
    document: D,
    parameters: Mapping[str, Any],
) -> tuple[D, dict[str, Expectation]]:
    """Return what each step of a run would do, and the document that does so.

    Where a result would stand for a step and its files are gone, the document differs from the
    compiled one in what makes the cloud's cache pass that result over.

    Args:
        service: The cloud.
        bucket: The bucket.
        build: What was compiled.
        document: What it became.
        parameters: The run's parameters; one that is not known is not in it.

    Raises:
        ProviderError: The cloud cannot be asked.
    """
    lost: set[str] = set()
    anew: set[str | None] = set()
    while True:
        look = Foretelling(service, bucket, build, document, parameters)
        steps = look.steps()
        renewed = service.renewed(document.definition, look.lost) if look.lost else None
        if renewed is None or lost.issuperset(look.lost.values()):
            break
        lost.update(look.lost.values())
        natives = service.natives(document.definition)
        anew |= {natives[name].step for name in look.lost}
        document = replace(document, definition=renewed)
    for name, one in steps.items():
        if name in anew and one.cache == "will run":
            steps[name] = replace(one, why=(LOST,))
    return document, steps


def _parameters(
    service: Service[Any], definition: Mapping[str, Any], texts: Mapping[str, str]
) -> dict[str, str | None]:
    """Return what tells an execution's parameters from others, as far as they are known."""
    keys: dict[str, str | None] = {}
    for name, default in service.declared(definition).items():
        text = texts.get(name, default)
        keys[name] = None if text is None else service.parameter_key(definition, name, text)
    return keys


def _runs(former: _Former) -> list[NativeRun]:
    return list(former.steps.values())


def _job(run: NativeRun) -> str:
    return f"{run.kind}/{run.job}"


def _moment(result: _Result) -> float:
    """Return when a result was made; one of which that is not known may be the latest."""
    own = result.own.ended if result.own is not None else None
    return math.inf if own is None else own


def _fresh(native: str, result: _Result, hits: list[_Former], oldest: float) -> bool | None:
    """Say whether a result is young enough; None where the cloud does not say what counts.

    Neither whether a result's start or its end counts is documented, nor whether a later run that
    it has answered makes it young again.
    """
    own = result.own
    if own is None or own.started is None or own.ended is None:
        return None
    if own.started >= oldest:
        return True
    renewed = any((one.steps[native].ended or 0) >= oldest for one in hits)
    return None if own.ended >= oldest or renewed else False


def _of_copies(copies: list[tuple[bool | None, Expectation]]) -> Expectation:
    """Return what a step would do, of which one copy runs: each stands behind other gates."""
    for runs, expected in copies:
        if runs:
            return expected
    if all(runs is False for runs, _ in copies):
        return Expectation(cache="skipped")
    return Expectation()
