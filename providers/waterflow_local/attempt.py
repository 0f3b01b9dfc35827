"""One attempt of a step: the request that starts it, and what the attempt has left behind."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow import artifacts
from waterflow.errors import ArtifactError, LocalStorageError
from waterflow.language.context import resolve_secret
from waterflow.runtime import completion, contract, progress, registering
from waterflow.runtime.supervisor import ending
from waterflow.spec.job import command
from waterflow.spec.parameters import to_text
from waterflow.tracking import spool
from waterflow.tracking.client import LEASE as LEASE_VARIABLE
from waterflow.tracking.writer import LEASE
from waterflow_local import paths, threads
from waterflow_local.compiler import REGISTRY, STEPS
from waterflow_local.folders import remove
from waterflow_local.store import Result, Store, Stored

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.runs.cache import Basis
    from waterflow_local.document import LocalJob, Submitted
    from waterflow_local.folders import RunFolder, State

METRICS_KEPT: Final = 1000
"""Metric events kept with a cached result; of more, the last of each name."""

CREDENTIALS: Final = (
    "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_TRACKING_CLIENT_CERT_PATH",
    "MLFLOW_TRACKING_INSECURE_TLS",
)  # fmt: skip
"""What the caller's environment holds to be let into the registry: for steps that speak to it."""


@dataclass(frozen=True)
class StepRun:
    """What one step is to do in one run.

    Attributes:
        name: The step.
        job: Its part of the compiled document.
        inputs: Input name -> artifact; None where the step that makes it was skipped.
        parameters: Input name -> JSON value.
        basis: What its result depends on.
        why: Why it runs.
    """

    name: str
    job: LocalJob
    inputs: dict[str, Stored | None]
    parameters: dict[str, Any]
    basis: Basis
    why: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The content key of its result."""
        return self.basis.key

    @property
    def shown(self) -> dict[str, Any]:
        """All plain values that it is given, constants too."""
        arguments = self.job.file.arguments.items()
        constants = {name: a.constant for name, a in arguments if a.source == "constant"}
        return constants | self.parameters

    @property
    def digests(self) -> dict[str, str]:
        """The digests of its inputs."""
        return {name: a.digest if a else "skipped" for name, a in self.inputs.items()}


class Attempt:
    """One attempt of a step run, in a folder of its own.

    Args:
        step: What is to be done.
        number: The attempt's number, from 1.
        folder: The run's folder.
        state: The project's state.
        submitted: How the run was submitted.
        live: The folders of the live tree, from which nothing may be imported.
    """

    def __init__(
        self,
        step: StepRun,
        number: int,
        folder: RunFolder,
        state: State,
        submitted: Submitted,
        live: list[str],
    ) -> None:
        self.step, self.number, self.folder, self.state = step, number, folder, state
        self.submitted, self.store, self.live = submitted, Store(state), live
        self.place = folder.attempt(step.name, number)
        self._spool, self._mark = self.place / "spool.jsonl", self.place / "returned"
        self._code: int | None = None

    # --- before --------------------------------------------------------------------------------

    def request(self) -> dict[str, Any]:
        """Make the attempt's folder and return what the launcher needs to start it.

        Raises:
            ConfigurationError: A program's secret is missing.
            ArtifactError: A program's input is not what was stored.
        """
        work, job, file = self.place / "work", self.step.job, self.step.job.file
        self.place.mkdir(parents=True, exist_ok=True)
        work.mkdir()
        (self.place / "scratch").mkdir()
        bundle = self.state.bundles / job.bundle if job.bundle else None
        if bundle is not None and job.include:
            _copy_project(bundle, work)
        inputs = {name: self._input(name, stored) for name, stored in self.step.inputs.items()}
        outputs = {name: self.place / "out" / name for name in file.outputs}
        arguments = command(
            self.folder.step_file(self.step.name),
            inputs=inputs,
            outputs=outputs,
            values={name: self.place / "values" / name for name in file.values},
            parameters={name: to_text(value) for name, value in self.step.parameters.items()},
            checkpoint=self.folder.folder / "checkpoints" / self.step.name,
        )
        interpreter = self.submitted.interpreters.get(self.step.name)
        program: list[str] | None = None
        if file.work.program:
            program = self._program(inputs, outputs)
        elif interpreter is not None:
            program = paths.command(interpreter.python, self.live, arguments)
        return {
            "arguments": arguments,
            "environment": self._environment(bundle),
            # What a library reads when it is imported comes too late for one imported before.
            "anew": bool(file.variables.keys() - threads.VARIABLES),
            "variables": {k: v for k, v in file.variables.items() if k in threads.VARIABLES},
            "without": self.live,
            "spool": str(self._spool),
            "folder": str(work),
            "log": str(self.folder.log(self.step.name, self.number)),
            "path": [str(bundle)] if bundle else [],
            "threads": file.threads,
            "program": program,
            "server": REGISTRY if file.work.registers else STEPS,
            "metrics": self._expressions(),
        }

    def _expressions(self) -> dict[str, Any] | None:
        """Return the expressions that find metrics in the log, and whose metrics they are."""
        definitions = self.step.job.file.metrics
        if not definitions:
            return None
        return {
            "definitions": definitions,
            "execution": self.folder.id,
            "step": self.step.name,
            "attempt": self.number,
        }

    def _input(self, name: str, stored: Stored | None) -> Path:
        if stored is not None:
            return self.store.place(stored)
        skipped = self.place / "skipped" / name
        artifacts.seal_skipped(skipped, "any")
        return skipped

    def _watched(self) -> dict[str, str]:
        """Return where a map tells how far it has come."""
        if self.step.job.file.work.over is None:
            return {}
        return {progress.VARIABLE: str(self.folder.progress(self.step.name, self.number))}

    def _environment(self, bundle: Path | None) -> dict[str, str]:
        file = self.step.job.file
        variables = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
        if not file.work.program:
            variables |= threads.environment(file.threads, file.variables)
            # The runtime sets the rest too; a library may want it when the interpreter starts.
            variables |= {k: v for k, v in file.variables.items() if not k.startswith("MLFLOW_")}
        inherited = paths.without(variables.pop("PYTHONPATH", "").split(os.pathsep), self.live)
        variables |= {
            contract.EXECUTION: self.folder.id,
            contract.ATTEMPT: str(self.number),
            contract.SPOOL: str(self._spool),
            contract.SCRATCH: str(self.place / "scratch"),
            **self._watched(),
            completion.RETURNED: str(self._mark),
            "PYTHONHASHSEED": "0",
            "PYTHONUNBUFFERED": "1",
            "PYTHONIOENCODING": "utf-8:backslashreplace",
        }
        if bundle is not None or inherited:
            path = inherited if bundle is None else [str(bundle), *inherited]
            variables["PYTHONPATH"] = os.pathsep.join(path)
        if bundle is not None:
            variables[contract.SOURCE] = contract.source(bundle, self.submitted.root)
        if not file.work.program:
            variables |= self._registry()
        if file.work.program:  # there is no runtime inside it to do this
            variables |= file.variables
            variables |= {variable: resolve_secret(n) for variable, n in file.secrets.items()}
        return variables

    def _registry(self) -> dict[str, str]:
        """Return what says where MLflow is, and what lets in the steps that import it."""
        job = self.step.job
        speaks = job.file.work.registers or "mlflow" in job.versions
        keys = {k: v for k, v in os.environ.items() if speaks and k in CREDENTIALS}
        return {
            **keys,
            spool.KEEP: ",".join(sorted(keys)),
            registering.URI: self.submitted.tracking.uri,
            registering.EXPERIMENT: self.submitted.tracking.experiment,
            registering.STARTED: str(self.submitted.created),
            registering.TAGS: json.dumps(self.submitted.tags),
            LEASE_VARIABLE: str(self.state.folder / LEASE),
        }

    def _program(self, inputs: dict[str, Path], outputs: dict[str, Path]) -> list[str]:
        """Return a container step's command line, its placeholders filled."""
        for stored in self.step.inputs.values():
            if stored is not None:  # a program does not look at manifests
                artifacts.verify(self.store.place(stored))
        for folder in outputs.values():
            folder.mkdir(parents=True)
        file = self.step.job.file
        for name, argument in file.arguments.items():
            if name in inputs and (argument.source == "data" or argument.raw):
                inputs[name] = artifacts.entry(inputs[name]) or inputs[name]
        plain = self.step.shown.items()
        values = {name: v if isinstance(v, str) else to_text(v) for name, v in plain}
        texts = {
            f"{{{kind}.{name}}}": str(value)
            for kind, pairs in (("inputs", inputs), ("outputs", outputs), ("parameters", values))
            for name, value in pairs.items()
        }
        program, *arguments = (_filled(part, texts) for part in file.work.command)
        image = self.submitted.settings.images.get(self.step.job.image or "", "")
        inside = Path(image) / "bin" / program
        return [str(inside) if image and inside.is_file() else program, *arguments]

    # --- after ---------------------------------------------------------------------------------

    def ended(self, code: int) -> int:
        """Return what the exit code of its process counts for."""
        if self.step.job.file.work.program or self.submitted.inline:
            return code
        self._code = code
        return completion.exit_code(code, self._mark, self._spool, self.number)

    def collect(self, seconds: float) -> Result:
        """Take a successful attempt's artifacts into the store.

        Raises:
            ArtifactError: One is missing, or a program has written none.
        """
        file = self.step.job.file
        raw = file.work.program
        outputs: dict[str, Stored] = {}
        for output, kind in file.outputs.items():
            folder = self.place / "out" / output
            if raw and not any(path.is_file() for path in folder.rglob("*")):
                raise ArtifactError(
                    f"the program has ended well, but has written nothing to output '{output}'. "
                    f"Write its files to {{outputs.{output}}}"
                )
            manifest = artifacts.seal_raw(folder, kind) if raw else artifacts.read(folder)
            outputs[output] = self.store.take(folder, manifest)
        values = {n: json.loads((self.place / "values" / n).read_bytes()) for n in file.values}
        origin = {"execution": self.folder.id, "step": self.step.name, "attempt": self.number}
        return Result(outputs, values, origin, self._metrics(), seconds)

    def _metrics(self) -> list[dict[str, Any]]:
        events = (event for event, _ in spool.read(self._spool))
        metrics = [event for event in events if event["kind"] == "metric"]
        if len(metrics) > METRICS_KEPT:
            metrics = list({event["key"]: event for event in metrics}.values())
        return [{k: event.get(k) for k in ("key", "value", "at", "time")} for event in metrics]

    def error(self, code: int) -> dict[str, Any]:
        """Return what a failed attempt died of: its own word, or what its exit code means."""
        failure = spool.failure(self._spool, self.number)
        if failure is not None and code < contract.TIMED_OUT:
            return dict(failure)
        if code == contract.BAD_STORAGE:  # not even the spool could be written
            fault = LocalStorageError(str(self.place), ending(code), full=True)
            return {"type": type(fault).__name__, "message": str(fault), "traceback": ""}
        message = ending(code if self._code is None else self._code)
        if code == contract.TIMED_OUT:
            message = f"it took longer than its timeout of {self.step.job.file.timeout:g}s"
        return {"type": "ProcessEnded", "message": message, "traceback": ""}

    def tidy(self) -> None:
        """Remove what served the attempt alone; log, spool and files to be tracked stay."""
        for name in ("work", "scratch", "out", "skipped", "values"):
            remove(self.place / name)


def _filled(text: str, texts: Mapping[str, str]) -> str:
    """Return a part of a command line with its placeholders filled."""
    for placeholder, value in texts.items():
        text = text.replace(placeholder, value)
    return text


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
