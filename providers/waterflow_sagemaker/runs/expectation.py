"""What SageMaker's cache will answer: its own rule, applied to what former executions ran.

"Pipelines tries to find a previous run of your current pipeline step with the same values for
certain attributes", among successful ones of the same pipeline within the timeout; of several it
takes the most recent (https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-caching.html).
"""

from __future__ import annotations

import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from waterflow import spec
from waterflow.errors import NotFoundError
from waterflow.provider.expectation import Expectation
from waterflow.provider.state import Status
from waterflow.spec.conditions import holds
from waterflow_sagemaker.caching import KEYS, duration
from waterflow_sagemaker.runs.sameness import NEW, Number, Side, never_before, parameter, same
from waterflow_sagemaker.runs.starting import native_parameters, run_ids
from waterflow_sagemaker.runs.states import StepRun, milliseconds, native_steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from waterflow.cloud.document import CloudDocument
    from waterflow.provider import Build
    from waterflow_sagemaker.client import Client

LOOKED_AT: Final = 10
"""The newest executions of a pipeline that are looked at; with more, what none of these answers is
looked for in the bucket: a step whose control input is not there was never run."""
_AT_ONCE: Final = 8
_DONE: Final = (Status.SUCCEEDED, Status.CACHED)


def foretell(
    client: Client, build: Build, document: CloudDocument, parameters: Mapping[str, Any]
) -> dict[str, Expectation]:
    """Return what each step of a run would do.

    Args:
        client: The runs of the profile.
        build: What was compiled.
        document: What it became.
        parameters: The run's parameters; one that is not known is not in it.

    Raises:
        ProviderError: AWS cannot be asked.
    """
    return _Foretelling(client, build.spec, document, parameters).steps()


class _Former:
    """An execution of the pipeline; what it ran is read when it is asked for.

    Args:
        client: The runs of the profile.
        arn: Its ARN.
        began: When it was started, in milliseconds since the epoch.
        run: The run's id.
    """

    def __init__(self, client: Client, arn: str, began: int, run: str) -> None:
        self._client, self.arn, self.began, self.run = client, arn, began, run

    @property
    def id(self) -> str:
        return self.arn.rpartition("/")[2]

    @cached_property
    def steps(self) -> dict[str, StepRun]:
        return self._client.native_steps(self.arn)

    @cached_property
    def _definition(self) -> dict[str, Any]:
        return self._client.definition(self.arn)

    @cached_property
    def natives(self) -> dict[str, dict[str, Any]]:
        return {str(step["Name"]): step for step in _flat(self._definition["Steps"])}

    @cached_property
    def side(self) -> Side:
        texts = self._client.native_parameters(self.arn)
        jobs = {name: _job(step) for name, step in self.steps.items() if step.status in _DONE}
        return Side(_parameters(self._definition, texts), jobs)


@dataclass
class _Result:
    """A result that may stand for a step: that of one job.

    Attributes:
        job: The job that made it.
        own: The step in the execution in which the job ran; None when that does not list it.
        run: That execution's run.
        seen: Executions that had it, newest first: by making it, or out of the cache.
    """

    job: str
    own: StepRun | None
    run: str | None
    seen: list[_Former] = field(default_factory=list[_Former])


class _Foretelling:
    """One look at a pipeline's past."""

    def __init__(
        self,
        client: Client,
        pipeline: spec.Pipeline,
        document: CloudDocument,
        parameters: Mapping[str, Any],
    ) -> None:
        self._client, self._pipeline, self._given = client, pipeline, parameters
        self._name, self._control = document.pipeline, document.control
        # As SageMaker keeps it: without what is Python's only.
        self._definition: dict[str, Any] = json.loads(json.dumps(document.definition))
        self._natives = {str(step["Name"]): step for step in _flat(self._definition["Steps"])}
        known = {n: how for n, how in document.encodings.items() if n in parameters}
        texts = native_parameters(replace(document, encodings=known), parameters)
        self._jobs: dict[str, str] = {}
        self._side = Side(_parameters(self._definition, texts), self._jobs)
        self._formers: dict[str, _Former] = {}
        self._whole = True
        self._now = time.time() * 1000

    def steps(self) -> dict[str, Expectation]:
        """Return what each of the spec's steps would do."""
        self._look()
        outcomes: dict[str, bool | None] = {}
        copies: dict[str, list[tuple[bool | None, Expectation]]] = {}
        for native in native_steps(self._definition).values():
            if native.step is None:
                outcomes[native.name] = self._outcome(native.name)
                continue
            runs = _all(outcomes[gate] == side if outcomes[gate] is not None else None
                        for gate, side in native.chain)  # fmt: skip
            # What it would do if it ran: what stands behind the same gates goes by that.
            found = Expectation() if runs is False else self._foretold(native.name)
            copies.setdefault(native.step, []).append((runs, found))
        return {step.name: _of_copies(copies.get(step.name, [])) for step in self._pipeline.steps}

    # --- the past -------------------------------------------------------------------------------

    def _look(self) -> None:
        """Read which executions there were, and which steps they ran."""
        if not any(step.get("CacheConfig", {}).get("Enabled") for step in self._natives.values()):
            return
        try:
            listed = list(islice(self._client.starting.executions(self._name), LOOKED_AT + 1))
        except NotFoundError:  # the pipeline was never deployed
            return
        self._whole = len(listed) <= LOOKED_AT
        formers = [
            _Former(self._client, arn, milliseconds(began) or 0, run_ids(arn, text)[0])
            for arn, began, text in listed[:LOOKED_AT]
        ]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            moments = [
                moment
                for steps in pool.map(_steps, formers)
                for step in steps
                for moment in (step.started, step.ended)
            ]
        self._formers = {former.id: former for former in formers}
        # The clock that counts is the service's, which may be ahead of this machine's.
        began = [former.began for former in formers]
        self._now = max(self._now, *began, *(m for m in moments if m is not None), 0)

    def _origin(self, former: _Former, step: StepRun) -> _Former:
        """Return the execution in which a step's result was made."""
        if step.origin not in self._formers:
            arn = f"{former.arn.rpartition('/')[0]}/{step.origin}"
            run = self._client.run_of(arn) or step.origin
            self._formers[step.origin] = _Former(self._client, arn, 0, run)
        return self._formers[step.origin]

    def _results(self, native: str) -> list[_Result]:
        """Return the results that a step had before, the latest first."""
        found: dict[str, _Result] = {}
        for former in list(self._formers.values()):
            step = former.steps.get(native)
            if step is None or step.status not in _DONE or not step.job:
                continue
            job = _job(step)
            if job not in found:
                origin = self._origin(former, step)
                own = origin.steps.get(native)
                own = own if own is not None and _job(own) == job else None
                found[job] = _Result(job, own, origin.run)
            found[job].seen.append(former)
        return sorted(found.values(), key=_latest, reverse=True)

    # --- one step -------------------------------------------------------------------------------

    def _foretold(self, native: str) -> Expectation:
        """Return what a step would do if it ran, and note whose result it then has."""
        step = self._natives[native]
        caching = step.get("CacheConfig") or {}
        if not caching.get("Enabled") or step["Type"] not in KEYS:
            return self._will_run(native)
        wanted = self._side.resolve(_looked_at(step))
        if never_before(wanted):
            return self._will_run(native)
        oldest = self._now - duration(str(caching["ExpireAfter"])) * 1000
        doubtful = False
        for result in self._results(native):
            answer = self._answers(step, wanted, result, oldest)
            if answer is None:
                doubtful = True
            elif answer and doubtful:  # a later one may be taken in its place
                return Expectation(cache="cached")
            elif answer:
                self._jobs[native] = result.job
                return Expectation(cache="cached", run=result.run)
        if doubtful or not (self._whole or self._never_ran(native)):
            return Expectation()
        return self._will_run(native)

    def _will_run(self, native: str) -> Expectation:
        self._jobs[native] = NEW
        return Expectation(cache="will run")

    def _answers(
        self, step: dict[str, Any], wanted: Any, result: _Result, oldest: float
    ) -> bool | None:
        """Say whether a result can stand for a step; None where that cannot be told."""
        hits = [one for one in result.seen if one.steps[step["Name"]].status is Status.CACHED]
        fresh = _fresh(step["Name"], result, hits, oldest)
        if fresh is False:
            return False
        former = next(iter(hits), result.seen[0])
        before = former.natives.get(step["Name"])
        if before is None or before["Type"] != step["Type"]:
            return False
        alike = same(wanted, former.side.resolve(_looked_at(before)))
        if alike is False:
            return False
        # That a result which was made with caching turned off is found later is nowhere promised,
        # nor denied: "both steps continue running and update the cache" is said of it turned on.
        counts = True if hits or before.get("CacheConfig", {}).get("Enabled") else None
        return _all((fresh, alike, counts))

    def _never_ran(self, native: str) -> bool:
        """Say whether what a step would run was never brought to AWS."""
        control = self._control.get(native)
        if control is None:
            return False
        return not self._client.storage.exists(f"control/{control.digest}/step.json")

    # --- conditions -----------------------------------------------------------------------------

    def _outcome(self, native: str) -> bool | None:
        """Return what a condition step will decide; None where that is not known."""
        gates = {gate.name: gate for gate in self._pipeline.gates}
        name = self._definition["Metadata"]["waterflow"]["gates"].get(native)
        try:
            if name in gates:
                return holds(gates[name].condition, self._scalar)
        except KeyError:  # it is not for the parameters alone to decide
            pass
        wanted = self._side.resolve(self._natives[native]["Arguments"]["Conditions"])
        for former in list(self._formers.values()):
            step, before = former.steps.get(native), former.natives.get(native)
            if step is None or before is None or step.outcome is None:
                continue
            if same(wanted, former.side.resolve(before["Arguments"]["Conditions"])):
                return step.outcome
        return None

    def _scalar(self, operand: spec.Operand) -> Any:
        """Return a condition's operand; KeyError for one that is not known."""
        if isinstance(operand, spec.FromValue):
            return operand.value
        if isinstance(operand, spec.FromParameter):
            return self._given[operand.name]
        raise KeyError(operand.step)


def _flat(steps: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield all steps of a definition, those inside conditions included."""
    for step in steps:
        yield step
        if step["Type"] == "Condition":
            yield from _flat(step["Arguments"].get("IfSteps") or [])
            yield from _flat(step["Arguments"].get("ElseSteps") or [])


def _parameters(definition: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, str | Number]:
    """Return the values of an execution's parameters, as far as they are known."""
    found: dict[str, str | Number] = {}
    for declared in definition.get("Parameters") or []:
        name, text = str(declared["Name"]), declared.get("DefaultValue")
        text = texts.get(name, None if text is None else str(text))
        value = None if text is None else parameter(str(declared["Type"]), text)
        if value is not None:
            found[name] = value
    return found


def _looked_at(step: Mapping[str, Any]) -> dict[str, Any]:
    return {name: step["Arguments"].get(name) for name in KEYS[step["Type"]]}


def _steps(former: _Former) -> list[StepRun]:
    return list(former.steps.values())


def _job(step: StepRun) -> str:
    return f"{step.job_type}/{step.job}"


def _latest(result: _Result) -> float:
    """Return when a result was made; one of which that is not known may be the latest."""
    own = result.own.ended if result.own is not None else None
    return math.inf if own is None else own


def _fresh(native: str, result: _Result, hits: list[_Former], oldest: float) -> bool | None:
    """Say whether a result is young enough; None where AWS does not say what counts.

    Documented is "how old a previous run can be", and neither whether its start or its end counts
    nor whether a later run that it has answered makes it young again.
    """
    own = result.own
    if own is None or own.started is None or own.ended is None:
        return None
    if own.started >= oldest:
        return True
    renewed = any((one.steps[native].ended or 0) >= oldest for one in hits)
    return None if own.ended >= oldest or renewed else False


def _all(answers: Any) -> bool | None:
    """Say whether all hold; None where that cannot be told."""
    found = list(answers)
    if False in found:
        return False
    return None if None in found else True


def _of_copies(copies: list[tuple[bool | None, Expectation]]) -> Expectation:
    """Return what a step would do, of which one copy runs: each stands behind other gates."""
    for runs, found in copies:
        if runs:
            return found
    if all(runs is False for runs, _ in copies):
        return Expectation(cache="skipped")
    return Expectation()
