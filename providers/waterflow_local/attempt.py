"""One attempt of a step: what the launcher is asked for, and what the attempt has left behind."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow.job import command
from waterflow.parameters import to_text
from waterflow.runtime import artifacts, contract, registering
from waterflow.runtime.supervisor import ending
from waterflow.tracking.client import LEASE as LEASE_VARIABLE
from waterflow.tracking.spool import read
from waterflow.tracking.writer import LEASE
from waterflow_local.compiler import REGISTRY, STEPS
from waterflow_local.store import Result, Store, Stored

if TYPE_CHECKING:
    from waterflow_local.folders import RunFolder, State

METRICS_KEPT: Final = 1000
"""Metric events kept with a cached result; of more, the last of each name."""

CREDENTIALS: Final = (
    "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_TRACKING_CLIENT_CERT_PATH",
    "MLFLOW_TRACKING_INSECURE_TLS",
)  # fmt: skip
"""What the caller's environment holds to be let into the registry; only `register` gets it."""


@dataclass(frozen=True)
class StepRun:
    """What one step is to do in one run.

    Attributes:
        name: The step.
        job: Its part of the compiled document.
        inputs: Input name -> artifact; None where the step that makes it was skipped.
        parameters: Input name -> JSON value.
        key: The content key of its result.
    """

    name: str
    job: dict[str, Any]
    inputs: dict[str, Stored | None]
    parameters: dict[str, Any]
    key: str

    @property
    def shown(self) -> dict[str, Any]:
        """All plain values that it is given, constants too."""
        arguments: dict[str, Any] = self.job["step"]["arguments"]
        constants = {n: a["constant"] for n, a in arguments.items() if "constant" in a}
        return constants | self.parameters

    @property
    def digests(self) -> dict[str, str]:
        """The digests of its inputs."""
        return {name: found.digest if found else "skipped" for name, found in self.inputs.items()}


class Attempt:
    """One attempt of a step run, in a folder of its own.

    Args:
        step: What is to be done.
        number: The attempt's number, from 1.
        folder: The run's folder.
        state: The project's state.
        submission: How the run was started.
    """

    def __init__(
        self,
        step: StepRun,
        number: int,
        folder: RunFolder,
        state: State,
        submission: dict[str, Any],
    ) -> None:
        self.step, self.number, self.folder, self.state = step, number, folder, state
        self.submission, self.store = submission, Store(state)
        self.place = folder.attempt(step.name, number)

    # --- before --------------------------------------------------------------------------------

    def request(self) -> dict[str, Any]:
        """Make the attempt's folder and return what the launcher needs to start it."""
        work, job = self.place / "work", self.step.job
        work.mkdir(parents=True)
        (self.place / "scratch").mkdir()
        bundle = self.state.bundles / job["bundle"] if job["bundle"] else None
        if bundle is not None and job["include"]:
            for entry in bundle.iterdir():
                (work / entry.name).symlink_to(entry)
        inputs = {name: self._input(name, found) for name, found in self.step.inputs.items()}
        outputs = {name: self.place / "out" / name for name in job["step"]["outputs"]}
        arguments = command(
            self.folder.step_file(self.step.name),
            inputs=inputs,
            outputs=outputs,
            values={name: self.place / "values" / name for name in job["step"]["values"]},
            parameters={name: to_text(value) for name, value in self.step.parameters.items()},
            checkpoint=self.folder.folder / "checkpoints" / self.step.name,
        )
        python = self.submission["interpreters"].get(self.step.name)
        program: list[str] | None = None
        if job["step"]["run"]["kind"] == "container":
            program = self._program(inputs, outputs)
        elif python is not None:
            program = [python, "-m", "waterflow.runtime.execute", *arguments]
        return {
            "arguments": arguments,
            "environment": self._environment(bundle),
            "folder": str(work),
            "log": str(self.folder.log(self.step.name, self.number)),
            "path": [str(bundle)] if bundle else [],
            "threads": job["step"]["threads"],
            "program": program,
            "server": REGISTRY if job["step"]["run"]["kind"] == "register" else STEPS,
        }

    def _input(self, name: str, found: Stored | None) -> Path:
        if found is not None:
            return self.store.place(found)
        skipped = self.place / "skipped" / name
        artifacts.seal_skipped(skipped, "any")
        return skipped

    def _environment(self, bundle: Path | None) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
        found = kept | {
            contract.EXECUTION: self.folder.id,
            contract.ATTEMPT: str(self.number),
            contract.SPOOL: str(self.place / "spool.jsonl"),
            contract.SCRATCH: str(self.place / "scratch"),
            "PYTHONHASHSEED": "0",
            "PYTHONUNBUFFERED": "1",
        }
        if bundle is not None:
            path = [str(bundle), kept["PYTHONPATH"]] if kept.get("PYTHONPATH") else [str(bundle)]
            found["PYTHONPATH"] = os.pathsep.join(path)
            found[contract.SOURCE] = f"{bundle}={self.submission['root']}"
        if self.step.job["step"]["run"]["kind"] == "register":
            found |= self._registry()
        return found

    def _registry(self) -> dict[str, str]:
        """Return what a register step is told of MLflow, with what lets the caller in."""
        tracking = self.submission["tracking"]
        return {k: v for k, v in os.environ.items() if k in CREDENTIALS} | {
            registering.URI: tracking["uri"],
            registering.EXPERIMENT: tracking["experiment"],
            registering.STARTED: str(self.submission["created"]),
            registering.TAGS: json.dumps(self.submission["tags"]),
            LEASE_VARIABLE: str(self.state.folder / LEASE),
        }

    def _program(self, inputs: dict[str, Path], outputs: dict[str, Path]) -> list[str]:
        """Return a container step's command line, its placeholders filled."""
        for folder in outputs.values():
            folder.mkdir(parents=True)
        plain = self.step.shown.items()
        values = {name: v if isinstance(v, str) else to_text(v) for name, v in plain}
        found: list[str] = []
        for part in self.step.job["step"]["run"]["command"]:
            filled = part
            for kind, pairs in (("inputs", inputs), ("outputs", outputs), ("parameters", values)):
                for name, value in pairs.items():
                    filled = filled.replace(f"{{{kind}.{name}}}", str(value))
            found.append(filled)
        image = self.submission["settings"]["images"].get(self.step.job["image"], "")
        inside = Path(image) / "bin" / found[0]
        return [str(inside), *found[1:]] if image and inside.is_file() else found

    # --- after ---------------------------------------------------------------------------------

    def collect(self, seconds: float) -> Result:
        """Take a successful attempt's artifacts into the store.

        Raises:
            ArtifactError: One is missing.
        """
        step = self.step.job["step"]
        raw = step["run"]["kind"] == "container"
        outputs: dict[str, Stored] = {}
        for output, kind in step["outputs"].items():
            folder = self.place / "out" / output
            manifest = artifacts.seal(folder, kind) if raw else artifacts.read(folder)
            outputs[output] = self.store.take(folder, manifest)
        values = {n: json.loads((self.place / "values" / n).read_bytes()) for n in step["values"]}
        origin = {"execution": self.folder.id, "step": self.step.name, "attempt": self.number}
        return Result(outputs, values, origin, self._metrics(), seconds)

    def _metrics(self) -> list[dict[str, Any]]:
        events = (event for event, _ in read(self.place / "spool.jsonl"))
        found = [event for event in events if event["kind"] == "metric"]
        if len(found) > METRICS_KEPT:
            found = list({event["key"]: event for event in found}.values())
        return [{k: event.get(k) for k in ("key", "value", "at", "time")} for event in found]

    def error(self, code: int) -> dict[str, Any]:
        """Return what a failed attempt died of: its own word, or what its exit code means."""
        if code < contract.TIMED_OUT:
            for event, _ in read(self.place / "spool.jsonl"):
                if event["kind"] == "failure":
                    return {name: event[name] for name in ("type", "message", "traceback")}
        message = ending(code)
        if code == contract.TIMED_OUT:
            message = f"it took longer than its timeout of {self.step.job['step']['timeout']:g}s"
        return {"type": "ProcessEnded", "message": message, "traceback": ""}

    def tidy(self) -> None:
        """Remove what served the attempt alone; log, spool and files to be tracked stay."""
        for name in ("work", "scratch", "out", "skipped", "values"):
            shutil.rmtree(self.place / name, ignore_errors=True)
