"""One attempt of a step: what the launcher is asked for, and what the attempt has left behind."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow import artifacts
from waterflow.errors import ArtifactError
from waterflow.language.context import resolve_secret
from waterflow.runtime import contract, registering
from waterflow.runtime.supervisor import ending
from waterflow.spec.job import command
from waterflow.spec.parameters import to_text
from waterflow.tracking.client import LEASE as LEASE_VARIABLE
from waterflow.tracking.spool import read
from waterflow.tracking.writer import LEASE
from waterflow_local import paths, threads
from waterflow_local.compiler import REGISTRY, STEPS
from waterflow_local.folders import remove
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
        live: The folders of the live tree, from which nothing may be imported.
    """

    def __init__(
        self,
        step: StepRun,
        number: int,
        folder: RunFolder,
        state: State,
        submission: dict[str, Any],
        live: list[str],
    ) -> None:
        self.step, self.number, self.folder, self.state = step, number, folder, state
        self.submission, self.store, self.live = submission, Store(state), live
        self.place = folder.attempt(step.name, number)

    # --- before --------------------------------------------------------------------------------

    def request(self) -> dict[str, Any]:
        """Make the attempt's folder and return what the launcher needs to start it.

        Raises:
            ConfigurationError: A program's secret is missing.
            ArtifactError: A program's input is not what was stored.
        """
        work, job = self.place / "work", self.step.job
        work.mkdir(parents=True)
        (self.place / "scratch").mkdir()
        bundle = self.state.bundles / job["bundle"] if job["bundle"] else None
        if bundle is not None and job["include"]:
            _copy_project(bundle, work)
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
        python = self.submission["interpreters"].get(self.step.name, {}).get("python")
        variables: dict[str, str] = job["step"]["variables"]
        program: list[str] | None = None
        if job["step"]["run"]["kind"] == "container":
            program = self._program(inputs, outputs)
        elif python is not None:
            program = paths.command(python, self.live, arguments)
        return {
            "arguments": arguments,
            "environment": self._environment(bundle),
            # What a library reads when it is imported comes too late for one imported before.
            "anew": bool(variables.keys() - threads.VARIABLES),
            "variables": {k: v for k, v in variables.items() if k in threads.VARIABLES},
            "without": self.live,
            "spool": str(self.place / "spool.jsonl"),
            "folder": str(work),
            "log": str(self.folder.log(self.step.name, self.number)),
            "path": [str(bundle)] if bundle else [],
            "threads": job["step"]["threads"],
            "program": program,
            "server": REGISTRY if job["step"]["run"]["kind"] == "register" else STEPS,
            "metrics": self._looked_for(),
        }

    def _looked_for(self) -> dict[str, Any] | None:
        """Return which metrics are looked for in the log, and for whom."""
        definitions = self.step.job["step"].get("metrics")
        if not definitions:
            return None
        return {
            "definitions": definitions, "execution": self.folder.id, "step": self.step.name,
            "attempt": self.number,
        }  # fmt: skip

    def _input(self, name: str, found: Stored | None) -> Path:
        if found is not None:
            return self.store.place(found)
        skipped = self.place / "skipped" / name
        artifacts.seal_skipped(skipped, "any")
        return skipped

    def _environment(self, bundle: Path | None) -> dict[str, str]:
        step = self.step.job["step"]
        program = step["run"]["kind"] == "container"
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
        if not program:
            kept |= threads.environment(step["threads"], step["variables"])
            # The runtime sets the rest too; a library may want it when the interpreter starts.
            kept |= {k: v for k, v in step["variables"].items() if not k.startswith("MLFLOW_")}
        inherited = paths.without(kept.pop("PYTHONPATH", "").split(os.pathsep), self.live)
        found = kept | {
            contract.EXECUTION: self.folder.id,
            contract.ATTEMPT: str(self.number),
            contract.SPOOL: str(self.place / "spool.jsonl"),
            contract.SCRATCH: str(self.place / "scratch"),
            "PYTHONHASHSEED": "0",
            "PYTHONUNBUFFERED": "1",
        }
        if bundle is not None or inherited:
            path = inherited if bundle is None else [str(bundle), *inherited]
            found["PYTHONPATH"] = os.pathsep.join(path)
        if bundle is not None:
            found[contract.SOURCE] = contract.source(bundle, self.submission["root"])
        if step["run"]["kind"] == "register":
            found |= self._registry()
        if program:  # there is no runtime inside it to do this
            found |= step["variables"]
            found |= {variable: resolve_secret(n) for variable, n in step["secrets"].items()}
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
        for found_input in self.step.inputs.values():
            if found_input is not None:  # a program does not look at manifests
                artifacts.verify(self.store.place(found_input))
        for folder in outputs.values():
            folder.mkdir(parents=True)
        arguments: dict[str, dict[str, Any]] = self.step.job["step"]["arguments"]
        for name, argument in arguments.items():
            if name in inputs and ("data" in argument or argument.get("raw")):
                inputs[name] = artifacts.entry(inputs[name]) or inputs[name]
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
            ArtifactError: One is missing, or a program has written none.
        """
        step = self.step.job["step"]
        raw = step["run"]["kind"] == "container"
        outputs: dict[str, Stored] = {}
        for output, kind in step["outputs"].items():
            folder = self.place / "out" / output
            if raw and not any(path.is_file() for path in folder.rglob("*")):
                raise ArtifactError(
                    f"the program has ended well, but has written nothing to output '{output}'. "
                    f"Write its files to {{outputs.{output}}}"
                )
            manifest = artifacts.seal_raw(folder, kind) if raw else artifacts.read(folder)
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
            remove(self.place / name)


def _copy_project(bundle: Path, work: Path) -> None:
    """Copy a bundle's files, but for Waterflow's own, to where the step may change them."""
    for entry in bundle.iterdir():
        if entry.name == "waterflow" or entry.name.endswith((".dist-info", "__pycache__")):
            continue
        for file in entry.rglob("*") if entry.is_dir() else (entry,):
            if file.is_file() and file.parent.name != "__pycache__":
                goal = work / file.relative_to(bundle)
                goal.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, goal)
                goal.chmod(file.stat().st_mode & 0o111 | 0o644)
