"""What a step of a run is to do, from what is known: its gates, its inputs, its content key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from waterflow import spec
from waterflow.runs.cache import Basis
from waterflow.runs.why import LOST, NO_RESULT, reasons
from waterflow.spec.conditions import SKIPPED, holds
from waterflow.spec.references import value_name
from waterflow_local.store import Stored

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from waterflow.provider.basis import RunBasis
    from waterflow_local.document import Gate, LocalJob, Source, Submitted
    from waterflow_local.store import Store


@dataclass
class Outcome:
    """How a step ended: with results, or skipped."""

    outputs: dict[str, Stored] = field(default_factory=dict[str, Stored])
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    skipped: bool = False


@dataclass(frozen=True)
class Known:
    """What is known of a run's start; where something is not, it is not in here.

    Attributes:
        parameters: Parameter -> JSON value.
        data: URI -> the artifact that holds the outside data.
        data_parameters: The parameters that name outside data.
        wheelhouses: Step -> digest of what its own requirements were resolved to.
        basis: What the run is made from.
    """

    parameters: Mapping[str, Any]
    data: Mapping[str, Stored]
    data_parameters: Collection[str]
    wheelhouses: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    basis: RunBasis | None = None

    @classmethod
    def of(cls, submitted: Submitted) -> Known:
        """Return what is known of a run that was submitted: all of it."""
        return cls(
            submitted.parameters,
            submitted.data,
            submitted.data_parameters,
            {step: python.wheelhouse for step, python in submitted.interpreters.items()},
            submitted.basis,
        )


class Decisions:
    """What follows for a step from the outcomes of those before it.

    What is not known yet is met as a KeyError: an outcome, a parameter, outside data. The runner
    asks when all of it is there.

    Args:
        gates: The document's gates.
        known: What is known of the run's start.
        outcomes: How steps ended; filled while the run goes on.
    """

    def __init__(
        self, gates: Mapping[str, Gate], known: Known, outcomes: Mapping[str, Outcome]
    ) -> None:
        self._gates, self._known, self._outcomes = gates, known, outcomes

    def skipped(self, job: LocalJob) -> bool:
        """Say whether a step is not to run: a gate is closed, or an input was skipped."""
        return not self._open(job) or self._input_skipped(job)

    def reason(self, job: LocalJob) -> str:
        """Return why a step that is skipped is."""
        from waterflow.graph import closing_text

        chain = ((self._gates[gate].condition, then) for gate, then in job.chain)
        skipped = (s.step for s in job.sources.values() if self._source_skipped(s))
        return closing_text(chain, self._scalar) or f"its input from '{next(skipped)}' was skipped"

    def _open(self, job: LocalJob) -> bool:
        """Say whether every gate that the step stands behind lets it through."""
        for gate, then in job.chain:
            answer = holds(self._gates[gate].condition, self._scalar)
            if answer is None or answer != then:
                return False
        return True

    def _scalar(self, operand: spec.Operand) -> Any:
        """Return a condition's operand."""
        if isinstance(operand, spec.FromValue):
            return operand.value
        if isinstance(operand, spec.FromParameter):
            return self._known.parameters[operand.name]
        outcome = self._outcomes[operand.step]
        return SKIPPED if outcome.skipped else outcome.values[value_name(operand)]

    def _input_skipped(self, job: LocalJob) -> bool:
        alternatives = {name for group in job.alternatives.values() for name in group}
        certain = (source for name, source in job.sources.items() if name not in alternatives)
        return any(map(self._source_skipped, certain)) or any(
            all(self._source_skipped(job.sources[name]) for name in group)
            for group in job.alternatives.values()
        )

    def _source_skipped(self, source: Source) -> bool:
        return source.step is not None and self._outcomes[source.step].skipped

    def bind(self, job: LocalJob) -> tuple[dict[str, Stored | None], dict[str, Any]]:
        """Return the artifacts (None: skipped) and the parameter values that a step takes."""
        inputs: dict[str, Stored | None] = {}
        parameters: dict[str, Any] = {}
        for name, source in job.sources.items():
            if source.step is not None:
                outcome = self._outcomes[source.step]
                inputs[name] = None if outcome.skipped else outcome.outputs[source.output]
            elif source.data is not None:
                inputs[name] = self._known.data[source.data]
            else:
                value = self._known.parameters[source.parameter]
                if source.parameter not in self._known.data_parameters:
                    parameters[name] = value
                elif value is not None:
                    inputs[name] = self._known.data[value]
        return inputs, parameters

    def basis(
        self, job: LocalJob, inputs: dict[str, Stored | None], parameters: dict[str, Any]
    ) -> Basis:
        """Return what a step's result depends on.

        Args:
            job: Its part of the document.
            inputs: Its artifacts; None for a skipped one.
            parameters: Its parameter values.
        """
        known = self._known.basis
        earlier = None if known is None else known.steps.get(job.file.step)
        return Basis.of(
            code=job.code,
            step=job.content,
            inputs={n: f"{a.digest}.{a.type}" if a else "skipped" for n, a in inputs.items()},
            parameters=parameters,
            requirements={
                "versions": job.versions,
                "python": job.python,
                "requirements": job.requirements,
                "image": job.image,
                "wheelhouse": self._known.wheelhouses.get(job.file.step),
            },
            parts=earlier.parts if earlier is not None else {},
        )


def why_it_runs(
    store: Store, pipeline: str, name: str, job: LocalJob, basis: Basis
) -> tuple[str, ...]:
    """Return why a step runs for which nothing in the store stands.

    Args:
        store: The project's artifacts and cache.
        pipeline: The pipeline's name.
        name: The step's.
        job: Its part of the document.
        basis: What its result depends on.
    """
    if not job.cache:
        return (job.never,)
    before = store.latest(pipeline, name)
    if before is None:
        return (NO_RESULT,)
    return tuple(reasons(before, basis)) or (LOST,)
