"""A run's report, gathered through the provider's contract alone: the same for every provider."""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from waterflow import spec
from waterflow.errors import WaterflowError
from waterflow.graph import condition_text
from waterflow.graph.conditions import source_text
from waterflow.provider import JOBS
from waterflow.provider.state import Status
from waterflow.report import hiding
from waterflow.report.compare import comparisons
from waterflow.report.data import (
    Bill,
    Condition,
    Metrics,
    MlflowRun,
    Model,
    Output,
    Parameter,
    Report,
    Series,
    Step,
)
from waterflow.report.origin import facts, patch
from waterflow.report.results import Results, numeric, short
from waterflow.spec.conditions import SKIPPED, holds
from waterflow.spec.references import operands
from waterflow.tracking.pages import run_page, ui_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from waterflow.provider import Artifact, Billed, Lineage, Measurement, Provider
    from waterflow.provider.state import RunState, StepState
    from waterflow.tracking.pages import TrackedRun

_TAIL: Final = 120
"""Lines of a failed step's log."""
_LOGS: Final = 20
"""Failed steps whose logs are shown."""
_LINE: Final = 2000
"""Characters of a line of a log."""
_CHARACTERS: Final = 6000
"""Characters of a log."""
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_POINTS: Final = 200
_VALUE: Final = 160
SINGLE: Final = "output"


@dataclass(frozen=True, kw_only=True)
class _StepFacts:
    """What is known of steps beside their states, each by the step's name.

    Attributes:
        jobs: Machine and price, as planned.
        images: The images that they run in.
        billed: What the service bills.
        mlflow: Their runs in MLflow.
    """

    jobs: Mapping[str, Any]
    images: Mapping[str, str]
    billed: Mapping[str, Billed]
    mlflow: Mapping[str, MlflowRun]


class Gathering:
    """Gathers the report of one run, again and again while it goes on.

    What is read once, as it never changes, is kept: a report that is gathered again asks for what
    is new.

    Args:
        provider: The provider.
        run_id: The run.
    """

    def __init__(self, provider: Provider, run_id: str) -> None:
        self._provider, self._run = provider, run_id
        self._results = Results(provider, run_id)
        self._kept: dict[str, Any] = {}
        self._logs: dict[str, tuple[tuple[str, ...], int]] = {}

    def report(self, state: RunState, now: int | None = None) -> Report:
        """Return the report of a run.

        Args:
            state: Its state, with the reasons for which its steps ran.
            now: Milliseconds since the epoch; the present when None.
        """
        provider, missing = self._provider, dict[str, None]()
        now = int(time.time() * 1000) if now is None else now
        pipeline = self._once("run_spec", missing, provider.run_spec)
        lineage = self._once("lineage", missing, provider.lineage)
        basis = self._once("run_basis", missing, provider.run_basis)
        images: Mapping[str, str] = self._once("images", missing, provider.images) or {}
        billed: Sequence[Billed] = ()
        if state.status.final:
            billed = self._once("billed", missing, provider.billed) or ()
        tracked: TrackedRun | None = self._ask(missing, provider.tracked)
        tracking = hiding.address(state.tracking_uri)
        artifacts = self._ask(missing, provider.artifacts) or []
        logged = list(self._ask(missing, provider.measurements) or ())
        steps = {step.name: step for step in pipeline.steps} if pipeline else {}
        gates = pipeline.gates if pipeline else ()
        needed = [(o.step, o.output) for gate in gates for o in _needed(gate.condition)]
        self._results.read(artifacts, needed)
        values = basis.parameters if basis is not None else None
        step_facts = _StepFacts(
            jobs=_jobs(lineage),
            images=images,
            billed={one.step: one for one in billed},
            mlflow=_mlflow_steps(tracking, tracked),
        )
        outputs = self._outputs(artifacts)
        runs = tuple(
            self._step(state.steps[name], steps.get(name), outputs, step_facts, missing)
            for name in state.steps
        )
        metrics = self._metrics(artifacts)
        costs = [step.cost for step in runs if step.cost is not None]
        return Report(
            run=state.run,
            status=state.status,
            pipeline=pipeline,
            name=state.pipeline,
            now=now,
            started=state.started,
            ended=state.ended,
            error=hiding.text(state.error) if state.error else None,
            url=state.url,
            tracking=tracking,
            mlflow=_mlflow(tracking, tracked, tracked.run) if tracked is not None else None,
            mlflow_command=ui_command(tracking) if tracking else "",
            experiment=lineage.experiment if lineage is not None else "",
            provider=provider.name,
            profile=provider.profile.name,
            steps=runs,
            conditions=tuple(self._condition(one, pipeline, state, values) for one in gates),
            parameters=_parameters(pipeline, values),
            metrics=metrics,
            logged=_logged(logged, metrics),
            comparisons=comparisons(pipeline, artifacts, self._results.values),
            figures=tuple(self._results.figures.values()),
            tables=tuple(self._results.tables.values()),
            models=self._models(steps),
            lineage=facts(state, pipeline, lineage, basis, images),
            patch=patch(lineage),
            cost=sum(costs) if costs else None,
            bill=_bill(billed),
            missing=(*missing, *self._results.missing),
        )

    # --- asking ---------------------------------------------------------------------------------

    def _ask(self, missing: dict[str, None], call: Callable[[str], Any]) -> Any:
        """Return what a provider answers of the run; None, and why, where it cannot."""
        try:
            answer = call(self._run)
            return answer if answer is None or isinstance(answer, dict) else _listed(answer)
        except (WaterflowError, OSError) as error:
            missing[str(error)] = None
            return None

    def _once(self, name: str, missing: dict[str, None], call: Callable[[str], Any]) -> Any:
        if name not in self._kept:
            answer = self._ask(missing, call)
            if answer is None and missing:
                return None
            self._kept[name] = answer
        return self._kept[name]

    # --- steps ----------------------------------------------------------------------------------

    def _outputs(self, artifacts: Iterable[Artifact]) -> Mapping[str, list[Output]]:
        outputs: defaultdict[str, list[Output]] = defaultdict(list)
        for one in artifacts:
            value = self._results.values.get((one.step, one.output))
            known = (one.step, one.output) in self._results.values
            outputs[one.step].append(
                Output(
                    name=one.output,
                    type=one.type,
                    size=one.size,
                    sha256=one.sha256,
                    uri=one.uri,
                    value=hiding.value(one.output, short(value, _VALUE)) if known else None,
                )
            )
        return outputs

    def _step(
        self,
        state: StepState,
        step: spec.Step | None,
        outputs: Mapping[str, list[Output]],
        known: _StepFacts,
        missing: dict[str, None],
    ) -> Step:
        job: Mapping[str, Any] = known.jobs.get(state.name) or {}
        billed = known.billed.get(state.name)
        log, omitted = self._log(state, missing)
        return Step(
            name=state.name,
            label=hiding.text(state.label or state.name),
            family=family(step) if step is not None else state.name,
            status=state.status,
            attempt=state.attempt,
            started=state.started,
            ended=state.ended,
            error=hiding.text(state.error[:_LINE]) if state.error else None,
            detail=hiding.text(state.detail[-_CHARACTERS:]) if state.detail else None,
            reason=state.reason,
            why=state.why,
            origin=state.origin,
            items=str(state.items or ""),
            job=state.job,
            url=state.url,
            machine=str(job.get("machine") or (billed.machine if billed is not None else "")),
            image=known.images.get(state.name, ""),
            cost=_cost(state, step, job.get("price")),
            bill=_bill([] if billed is None else [billed]),
            mlflow=known.mlflow.get(state.name),
            inputs=_inputs(step),
            outputs=tuple(outputs.get(state.name, ())),
            log=log,
            omitted=omitted,
        )

    def _log(self, state: StepState, missing: dict[str, None]) -> tuple[tuple[str, ...], int]:
        """Return the end of a failed step's log, and how many lines there are before."""
        if state.status is not Status.FAILED:
            return (), 0
        if state.name not in self._logs and len(self._logs) < _LOGS:
            try:
                lines = [line.text for line in self._provider.logs(self._run, state.name)]
            except (WaterflowError, OSError) as error:
                missing[str(error)] = None
                return (), 0
            kept = _tail(lines)
            self._logs[state.name] = kept, len(lines) - len(kept)
        return self._logs.get(state.name, ((), 0))

    # --- conditions -----------------------------------------------------------------------------

    def _condition(
        self,
        gate: spec.Gate,
        pipeline: spec.Pipeline | None,
        state: RunState,
        parameters: Mapping[str, Any] | None,
    ) -> Condition:
        def scalar(operand: spec.Operand) -> Any:
            if isinstance(operand, spec.FromValue):
                return operand.value
            if isinstance(operand, spec.FromParameter):
                return (parameters or {})[operand.name]
            if state.steps[operand.step].status is Status.SKIPPED:
                return SKIPPED
            value = self._results.values[operand.step, operand.output]
            return value if operand.key is None else value[operand.key]

        answer, values = None, None
        try:
            answer = holds(gate.condition, scalar)
            if answer is not None:
                values = condition_text(gate.condition, scalar)
        except (KeyError, TypeError, ValueError):
            pass  # not known yet, or not here
        sides: dict[bool, list[str]] = {True: [], False: []}
        for step in pipeline.steps if pipeline else ():
            if step.branch is not None and step.branch.gate == gate.name:
                sides[step.branch.then].append(step.name)
        return Condition(
            name=gate.name,
            text=condition_text(gate.condition),
            values=values,
            answer=answer,
            then=tuple(sides[True]),
            otherwise=tuple(sides[False]),
        )

    # --- metrics and models ---------------------------------------------------------------------

    def _metrics(self, artifacts: Iterable[Artifact]) -> tuple[Metrics, ...]:
        metrics: list[Metrics] = []
        for one in artifacts:
            value = self._results.values.get((one.step, one.output))
            if one.type == "metrics" and isinstance(value, dict):
                series = tuple(
                    Series(key=str(key), value=numeric(number)) for key, number in value.items()
                )
                name = one.step if one.output == SINGLE else f"{one.step}.{one.output}"
                metrics.append(Metrics(source=name, step=one.step, series=series))
        return tuple(metrics)

    def _models(self, steps: Mapping[str, spec.Step]) -> tuple[Model, ...]:
        models: list[Model] = []
        for (name, _), value in self._results.values.items():
            step = steps.get(name)
            if step is not None and isinstance(step.run, spec.Register) and isinstance(value, dict):
                known: dict[str, Any] = value
                texts = {key: str(known.get(key, "")) for key in ("name", "version", "uri")}
                models.append(Model(**texts))
        return tuple(models)


def _tail(lines: list[str]) -> tuple[str, ...]:
    """Return the end of a log as it is shown: without colours."""
    texts = (_ESCAPES.sub("", line) for line in lines[-_TAIL:])
    kept: list[str] = []
    room = _CHARACTERS
    for text in reversed(hiding.text("\n".join(line[:_LINE] for line in texts)).split("\n")):
        room -= len(text) + 1
        if room < 0:
            break
        kept.append(text)
    return tuple(reversed(kept))


def _listed(answer: Any) -> Any:
    """Return an answer whole: one that comes bit by bit may fail on its way."""
    return list(answer) if hasattr(answer, "__next__") else answer


def _needed(condition: spec.Condition) -> list[spec.FromStep]:
    return [one for one in operands(condition) if isinstance(one, spec.FromStep)]


def _jobs(lineage: Lineage | None) -> Mapping[str, Any]:
    text = lineage.files.get(JOBS) if lineage is not None else None
    try:
        known: Any = json.loads(text) if text else {}
    except ValueError:
        return {}
    return known if isinstance(known, dict) else {}


def _bill(billed: Iterable[Billed]) -> Bill | None:
    """Return what is billed for several steps as one; None where it is for none."""
    known = list(billed)
    costs = [one.cost for one in known if one.cost is not None]
    if not known:
        return None
    return Bill(
        seconds=sum(one.seconds for one in known),
        cost=sum(costs) if costs else None,
        unpriced=sum(one.seconds for one in known if one.cost is None),
    )


def _mlflow_steps(tracking: str | None, tracked: TrackedRun | None) -> dict[str, MlflowRun]:
    if tracked is None:
        return {}
    return {step: _mlflow(tracking, tracked, run) for step, run in tracked.steps.items()}


def _mlflow(tracking: str | None, tracked: TrackedRun, run: str) -> MlflowRun:
    url = run_page(tracking, tracked.experiment, run) if tracking else None
    return MlflowRun(run=run, url=url)


def _cost(state: StepState, step: spec.Step | None, price: float | None) -> float | None:
    if price is None or state.status is Status.CACHED or state.started is None:
        return None
    if state.ended is None or state.status is Status.SKIPPED:
        return None
    machines = step.resources.instances if step is not None else 1
    return price * (state.ended - state.started) / 3_600_000 * machines


def _inputs(step: spec.Step | None) -> dict[str, str]:
    if step is None:
        return {}
    return {
        name: hiding.value(name, source_text(taken.source)[:_VALUE])
        for name, taken in sorted(step.inputs.items())
    }


def family(step: spec.Step) -> str:
    """Return what a step has in common with those that run the same."""
    run = step.run
    if isinstance(run, spec.Function):
        return run.name
    return "register" if isinstance(run, spec.Register) else run.image


def _parameters(
    pipeline: spec.Pipeline | None, values: Mapping[str, Any] | None
) -> tuple[Parameter, ...]:
    declared = pipeline.parameters if pipeline else {}
    rows: list[Parameter] = []
    for name in (*declared, *(one for one in values or {} if one not in declared)):
        parameter = declared.get(name)
        default = None
        if parameter is not None and not parameter.required:
            default = short(parameter.default)
        value = default if parameter is not None and parameter.static else None
        if values is not None and name in values:
            value = short(values[name])
        secret = any(hiding.secret(name, one) for one in (value, default) if one is not None)
        rows.append(
            Parameter(
                name=name,
                value=None if secret else value,
                default=None if secret else default,
                hidden=secret,
            )
        )
    return tuple(rows)


def _logged(
    measurements: Iterable[Measurement], returned: Iterable[Metrics]
) -> tuple[Metrics, ...]:
    """Return what steps logged on their way: each metric's values in order."""
    # What a step returns as metrics is logged, too.
    shown = {(one.step, series.key) for one in returned for series in one.series}
    known: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for one in measurements:
        if (one.step, one.key) in shown:
            continue
        known.setdefault(one.step, {}).setdefault(one.key, []).append((one.at, one.value))
    return tuple(
        Metrics(
            source=step,
            step=step,
            series=tuple(
                Series(key=key, value=points[-1][1], points=_thinned(points))
                for key, points in series.items()
            ),
        )
        for step, series in known.items()
    )


def _thinned(points: list[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    if len(points) < 2:
        return ()
    every = -(-len(points) // _POINTS)
    kept = points[::every]
    return tuple(kept if kept[-1] == points[-1] else [*kept, points[-1]])
