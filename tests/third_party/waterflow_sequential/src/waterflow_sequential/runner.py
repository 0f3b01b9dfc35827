"""The process of one run: jobs one after the other, their framed events replayed into MLflow."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from waterflow import artifacts, spec
from waterflow.errors import TrackingError
from waterflow.provider.state import RunState, Status
from waterflow.runs.cache import content_key
from waterflow.runtime import contract, registering
from waterflow.runtime.supervisor import ending
from waterflow.spec.conditions import SKIPPED, holds
from waterflow.spec.job import command
from waterflow.spec.parameters import to_text
from waterflow.spec.references import branches, upstream
from waterflow.tracking import lean, store
from waterflow.tracking.client import LEASE
from waterflow.tracking.replay import Replayer
from waterflow.tracking.spool import FRAME, parse_frames
from waterflow.tracking.writer import LEASE as LEASE_FILE

if TYPE_CHECKING:
    from waterflow.provider.state import StepState

Source = spec.FromStep | spec.FromParameter | spec.FromData


class Runner:
    """One run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record: dict[str, Any] = json.loads((folder / "run.json").read_bytes())
        self.document = self.record["document"]
        self.pipeline = msgspec.convert(self.document["spec"], spec.Pipeline)
        self.gates = {gate.name: gate.condition for gate in self.pipeline.gates}
        self.state = msgspec.json.decode((folder / "state.json").read_bytes(), type=RunState)
        self.values: dict[str, dict[str, Any] | None] = {}
        self.stopped = False
        self.child: subprocess.Popen[str] | None = None
        self.unsent: list[tuple[dict[str, Any], Path]] = []
        tracking, state = self.record["tracking"], Path(self.record["state"])
        store.prepare(tracking["uri"], state)
        location = store.artifact_location(tracking["uri"], state)
        self.replayer = Replayer(
            tracking["uri"], tracking["experiment"], lease=state / LEASE_FILE,
            artifact_location=location,
        )  # fmt: skip

    def run(self) -> None:
        """Run all jobs, then tell how it ended."""
        signal.signal(signal.SIGTERM, self._stop)
        self.state.move(Status.RUNNING)
        self._save()
        self._track(
            {
                "kind": "run.start", "pipeline": self.pipeline.name,
                "parameters": self.record["parameters"],
                **_part(self.record["tracking"], "tags", "files"),
            }, self.folder,
        )  # fmt: skip
        status = Status.SUCCEEDED
        lost: set[str] = set()  # what does not need a failed step runs all the same
        for job in self.document["jobs"]:
            step = self.pipeline.step(job["step"]["step"])
            if not lost.isdisjoint(upstream(self.pipeline, step)):
                lost.add(step.name)
                continue
            ended = self._job(job)
            if self.stopped:
                break
            if not ended.good:
                status = ended
                lost.add(step.name)
        final = Status.CANCELLED if self.stopped else Status.SUCCEEDED if status.good else status
        self.state.ended = int(time.time() * 1000)
        self.state.move(final)
        self._track({"kind": "run.end", "status": final.value}, self.folder)
        self._save()

    def _stop(self, *_: object) -> None:
        self.stopped = True
        if self.child is not None:
            self.child.terminate()

    def _save(self) -> None:
        self.state.unsent = len(self.unsent)
        partial = self.folder / "state.json.new"
        partial.write_bytes(msgspec.json.encode(self.state))
        partial.replace(self.folder / "state.json")

    def _track(self, event: dict[str, Any], folder: Path) -> None:
        """Send an event, with those that could not be sent before."""
        at = {"execution": self.state.run, "time": int(time.time() * 1000), "id": "run"}
        self.unsent.append((at | event, folder))
        if event["kind"] not in ("step.end", "run.start", "run.end", "step.cached"):
            return
        try:
            for one, place in self.unsent:
                self.replayer.feed(one, place)
            self.replayer.flush()
        except TrackingError as error:
            print(error, file=sys.stderr)
        else:
            self.unsent.clear()

    # --- one step -------------------------------------------------------------------------------

    def _job(self, job: dict[str, Any]) -> Status:
        step = self.pipeline.step(job["step"]["step"])
        state, place = self.state.steps[step.name], self.folder / "steps" / step.name
        outputs = {name: place / "out" / name for name in step.outputs}
        if not self._open(step):
            for name, output in step.outputs.items():
                artifacts.seal_skipped(outputs[name], output.type)
            self.values[step.name] = None
            self._track({"kind": "step.end", "step": step.name, "status": "skipped"}, place)
            return self._end(state, Status.SKIPPED)
        inputs, parameters = self._bind(job)
        key = self._key(job, inputs, parameters)
        cached = self.folder.parent.parent / "cache" / f"{key}.json"
        if job["cache"] and self.record["cache"] and cached.is_file():
            return self._from_cache(state, place, json.loads(cached.read_bytes()))
        events = self._run(job, state, place, inputs, outputs, parameters)
        ended = next((e for e in reversed(events) if e["kind"] == "step.end"), {"status": "failed"})
        if self.stopped:
            return self._end(state, Status.CANCELLED)
        if ended["status"] == "skipped":
            self.values[step.name] = None
            return self._end(state, Status.SKIPPED)
        if ended["status"] != "succeeded":
            return self._end(state, Status.FAILED)
        self.values[step.name] = self._values(job, place)
        if job["cache"]:
            cached.parent.mkdir(parents=True, exist_ok=True)
            cached.write_text(json.dumps({
                "values": self.values[step.name], "folder": str(place),
                "origin": {"execution": self.state.run, "step": step.name,
                           "attempt": state.attempt},
                "metrics": [e for e in events if e["kind"] == "metric"],
            }))  # fmt: skip
        return self._end(state, Status.SUCCEEDED)

    def _end(self, state: StepState, status: Status) -> Status:
        state.ended = int(time.time() * 1000)
        state.move(status)
        self._save()
        return status

    def _from_cache(self, state: StepState, place: Path, result: dict[str, Any]) -> Status:
        if (Path(result["folder"]) / "out").is_dir():
            shutil.copytree(Path(result["folder"]) / "out", place / "out")
        self.values[state.name] = result["values"]
        self._track(
            {
                "kind": "step.cached",
                "step": state.name,
                "attempt": 1,
                **_part(result, "origin", "metrics"),
            },
            place,
        )
        state.started = int(time.time() * 1000)
        return self._end(state, Status.CACHED)

    def _values(self, job: dict[str, Any], place: Path) -> dict[str, Any]:
        return {
            name: json.loads((place / "values" / name).read_text())
            for name in job["step"]["values"]
        }

    # --- what a step sees -----------------------------------------------------------------------

    def _open(self, step: spec.Step) -> bool:
        return all(
            holds(self.gates[branch.gate], self._scalar) is branch.then
            for branch in branches(self.pipeline, step.branch)
        )

    def _scalar(self, operand: spec.Operand) -> Any:
        if isinstance(operand, spec.FromValue):
            return operand.value
        if isinstance(operand, spec.FromParameter):
            return self.record["parameters"][operand.name]
        values = self.values[operand.step]
        name = operand.output if operand.key is None else f"{operand.output}.{operand.key}"
        return SKIPPED if values is None else values[name]

    def _bind(self, job: dict[str, Any]) -> tuple[dict[str, Path], dict[str, Any]]:
        inputs: dict[str, Path] = {}
        parameters: dict[str, Any] = {}
        for name, origin in job["sources"].items():
            source: Source = msgspec.convert(origin, Source)  # pyright: ignore[reportArgumentType]
            if isinstance(source, spec.FromStep):
                inputs[name] = self.folder / "steps" / source.step / "out" / source.output
                continue
            value = (
                source.uri
                if isinstance(source, spec.FromData)
                else self.record["parameters"][source.name]
            )
            is_data = isinstance(source, spec.FromData) or (
                self.pipeline.parameters[source.name].type == "data"
            )
            if not is_data:
                parameters[name] = value
            elif value is not None:
                inputs[name] = self.folder / "data" / self.record["data"][value]
        return inputs, parameters

    def _key(self, job: dict[str, Any], inputs: dict[str, Path], parameters: dict[str, Any]) -> str:
        manifests = {name: artifacts.read(folder) for name, folder in inputs.items()}
        return content_key(
            code=job["code"], step=job["step"], parameters=parameters,
            inputs={n: f"{m.sha256}.{m.type}" for n, m in manifests.items()},
            requirements={"versions": job["versions"]},
        )  # fmt: skip

    # --- the job --------------------------------------------------------------------------------

    def _run(
        self,
        job: dict[str, Any],
        state: StepState,
        place: Path,
        inputs: dict[str, Path],
        outputs: dict[str, Path],
        parameters: dict[str, Any],
    ) -> list[dict[str, Any]]:
        """Run `python -m waterflow.runtime`, and return the events that it framed."""
        (place / "work").mkdir(parents=True)
        (place / "STEP.json").write_text(json.dumps(job["step"]))
        arguments = command(
            place / "STEP.json", inputs=inputs, outputs=outputs,
            values={name: place / "values" / name for name in job["step"]["values"]},
            parameters={name: to_text(value) for name, value in parameters.items()},
            checkpoint=place / "checkpoint",
        )  # fmt: skip
        events: list[dict[str, Any]] = []
        self.child = subprocess.Popen(
            [sys.executable, "-m", "waterflow.runtime", *arguments],
            env=self._environment(job, place), cwd=place / "work", text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        with (place / "output.log").open("w", buffering=1) as log, self.child:
            for line in self.child.stdout or ():
                if FRAME not in line:
                    log.write(line)
                for event in parse_frames([line]):
                    events.append(event)
                    self._see(state, event)
                    self._track(event, place)
        code, self.child = self.child.returncode, None
        if code and state.error is None:
            state.error = f"ProcessEnded: {ending(code)}"
        return events

    def _see(self, state: StepState, event: dict[str, Any]) -> None:
        if event["kind"] == "step.start":
            state.move(Status.RUNNING)
            state.attempt = event["attempt"]
            state.started = state.started or event["time"]
            state.error = state.detail = None
            self._save()
        elif event["kind"] == "step.end" and event.get("error"):
            error = event["error"]
            state.error, state.detail = f"{error['type']}: {error['message']}", error["traceback"]

    def _environment(self, job: dict[str, Any], place: Path) -> dict[str, str]:
        bundle = self.folder.parent.parent / "bundles" / job["bundle"]
        kept = [str(bundle), *filter(None, [os.environ.get("PYTHONPATH")])]
        own = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
        variables = own | {
            contract.EXECUTION: self.state.run,
            contract.SPOOL: str(place / "spool.jsonl"),
            contract.SOURCE: contract.source(bundle, self.record["root"]),
            "PYTHONPATH": os.pathsep.join(kept),
            "PYTHONUNBUFFERED": "1",
        }
        if job["step"]["run"]["kind"] != "container":
            tracking = self.record["tracking"]
            variables |= {
                registering.URI: tracking["uri"],
                registering.EXPERIMENT: tracking["experiment"],
                registering.STARTED: str(self.record["started"]),
                registering.TAGS: json.dumps(tracking["tags"]),
                LEASE: str(Path(self.record["state"]) / LEASE_FILE),
            }
        return variables


def _part(table: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: table[name] for name in names}


if __name__ == "__main__":
    lean.import_mlflow()
    Runner(Path(sys.argv[1])).run()
