"""What a step of a run is to do, from what is known: its gates, its inputs, its content key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from waterflow import spec
from waterflow.runs.cache import content_key
from waterflow.spec.conditions import SKIPPED, holds
from waterflow_local.store import Stored

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class Outcome:
    """How a step ended: with results, or skipped."""

    outputs: dict[str, Stored] = field(default_factory=dict[str, Stored])
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    skipped: bool = False


class Decisions:
    """What follows for a step from the outcomes of those before it.

    What is not known yet is met as a KeyError: an outcome, a parameter, outside data. The runner
    asks when all of it is there.

    Args:
        document: The compiled document.
        submission: How the run was started: `parameters`, `data`, `data_parameters`,
            `interpreters`.
        outcomes: How steps ended; filled while the run goes on.
    """

    def __init__(
        self,
        document: Mapping[str, Any],
        submission: Mapping[str, Any],
        outcomes: Mapping[str, Outcome],
    ) -> None:
        self._submission, self._outcomes = submission, outcomes
        self._gates = {
            name: msgspec.convert(gate["condition"], spec.Condition)  # pyright: ignore[reportArgumentType]
            for name, gate in document["gates"].items()
        }

    def skipped(self, job: dict[str, Any]) -> bool:
        """Say whether a step is not to run: a gate is closed, or an input was skipped."""
        return not self._open(job) or self._input_skipped(job)

    def _open(self, job: dict[str, Any]) -> bool:
        """Say whether every gate that the step stands behind lets it through."""
        for gate, then in job["chain"]:
            answer = holds(self._gates[gate], self._scalar)
            if answer is None or answer != then:
                return False
        return True

    def _scalar(self, operand: spec.Operand) -> Any:
        """Return a condition's operand."""
        if isinstance(operand, spec.FromValue):
            return operand.value
        if isinstance(operand, spec.FromParameter):
            return self._submission["parameters"][operand.name]
        outcome = self._outcomes[operand.step]
        name = operand.output if operand.key is None else f"{operand.output}.{operand.key}"
        return SKIPPED if outcome.skipped else outcome.values[name]

    def _input_skipped(self, job: dict[str, Any]) -> bool:
        alternatives = {n for group in job["alternatives"].values() for n in group}
        sources = job["sources"]
        for name, source in sources.items():
            if (
                "step" in source
                and name not in alternatives
                and self._outcomes[source["step"]].skipped
            ):
                return True
        return any(
            all(self._outcomes[sources[n]["step"]].skipped for n in group)
            for group in job["alternatives"].values()
        )

    def bind(self, job: dict[str, Any]) -> tuple[dict[str, Stored | None], dict[str, Any]]:
        """Return the artifacts (None: skipped) and the parameter values that a step takes."""
        inputs: dict[str, Stored | None] = {}
        parameters: dict[str, Any] = {}
        for name, source in job["sources"].items():
            if "step" in source:
                outcome = self._outcomes[source["step"]]
                inputs[name] = None if outcome.skipped else outcome.outputs[source["output"]]
            elif "data" in source:
                inputs[name] = Stored(**self._submission["data"][source["data"]])
            else:
                value = self._submission["parameters"][source["parameter"]]
                if source["parameter"] in self._submission["data_parameters"]:
                    if value is not None:
                        inputs[name] = Stored(**self._submission["data"][value])
                else:
                    parameters[name] = value
        return inputs, parameters

    def key(
        self, job: dict[str, Any], inputs: dict[str, Stored | None], parameters: dict[str, Any]
    ) -> str:
        """Return the content key of a step's result.

        Args:
            job: Its part of the document.
            inputs: Its artifacts; None for a skipped one.
            parameters: Its parameter values.
        """
        return content_key(
            code=job["bundle"],
            step=job["step"],
            inputs={n: f"{a.digest}.{a.type}" if a else "skipped" for n, a in inputs.items()},
            parameters=parameters,
            requirements={
                name: job[name] for name in ("versions", "python", "requirements", "image")
            }
            | {"wheelhouse": self._wheelhouse(job["step"]["step"])},
        )

    def _wheelhouse(self, step: str) -> str | None:
        """Return the digest of what the step's own requirements were resolved to."""
        found: str | None = self._submission["interpreters"].get(step, {}).get("wheelhouse")
        return found
