"""Earlier results that stand for steps: what makes two steps the same, and which were there."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow_azureml.emulator.bodies import Target, Work
    from waterflow_azureml.emulator.runs import Run

FLAG: Final = "azureml.isreused"
ORIGIN: Final = "azureml.reusedrunid"
ORIGIN_PIPELINE: Final = "azureml.reusedpipelinerunid"


def key(
    work: Work,
    *,
    environment: str,
    code: str,
    inputs: Mapping[str, Mapping[str, str]],
    outputs: Mapping[str, Target],
) -> str:
    """Return what identifies the work of a step.

    The service compares a component's code, the environment's definition, inputs and parameters,
    output settings and run settings:
    https://learn.microsoft.com/azure/machine-learning/how-to-debug-pipeline-reuse-issues

    Args:
        work: What the step does.
        environment: A digest of its environment's definition.
        code: A digest of its code; "" for none.
        inputs: What it is given, with its bindings' values.
        outputs: Where its outputs go.
    """
    compared: dict[str, Any] = {
        "command": work.command,
        "environment": environment,
        "code": code,
        "variables": dict(work.variables),
        "declared": [
            {name: (port.kind, port.mode) for name, port in ports.items()}
            for ports in (work.inputs, work.outputs)
        ],
        "inputs": {name: dict(value) for name, value in inputs.items()},
        "outputs": {
            name: (target.kind, target.uri, target.mode, target.asset, target.version)
            for name, target in outputs.items()
        },
        "run": [
            work.instances, work.size, work.distribution.kind, work.distribution.processes,
            work.distribution.workers, work.distribution.servers, work.compute.lower(), work.tier,
            work.identity, work.timeout,
        ],
    }  # fmt: skip
    return hashlib.sha256(json.dumps(compared, sort_keys=True).encode()).hexdigest()


class Results:
    """The runs that may stand for others, by what identifies their work."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}

    def add(self, workspace: str, digest: str, run: Run) -> None:
        """Remember a run that has completed."""
        self._names.setdefault(f"{workspace.lower()}/{digest}", []).append(run.name)

    def find(self, workspace: str, digest: str) -> str | None:
        """Return the newest run of some work; None where there is none."""
        names = self._names.get(f"{workspace.lower()}/{digest}")
        return names[-1] if names else None

    def forget(self, name: str) -> None:
        """Let a run stand for no other any more."""
        for names in self._names.values():
            if name in names:
                names.remove(name)

    def snapshot(self) -> dict[str, list[str]]:
        """Return all of them as JSON."""
        return {digest: list(names) for digest, names in self._names.items()}

    def restore(self, saved: Mapping[str, list[str]]) -> None:
        """Take those of a snapshot."""
        self._names = {digest: list(names) for digest, names in saved.items()}
