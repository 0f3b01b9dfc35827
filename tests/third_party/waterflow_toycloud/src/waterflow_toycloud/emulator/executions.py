"""The toy cloud's pipelines: each execution goes through the steps of its document.

A document's steps are jobs and gates. A step waits for those that it names in `after`; it is
skipped when a gate in `when` took another side, or when of some group in `needs` all were skipped.
"""

from __future__ import annotations

import json
import secrets
import threading
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from waterflow.emulation.jobs import JobRefusedError, JobState
from waterflow.emulation.tokens import Tokens
from waterflow_toycloud.emulator.conditions import holds
from waterflow_toycloud.emulator.jobs import QUOTA
from waterflow_toycloud.emulator.names import job_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow.emulation.clock import Clock
    from waterflow_toycloud.emulator.jobs import Jobs, ToyJob
    from waterflow_toycloud.emulator.objects import Objects

_TRIES = 4
"""Attempts at a job that finds no machine or no quota."""
_PASSING = ("NoMachine", "NoQuota", "Broken")
_GOOD = ("done", "cached")
_FINAL = (*_GOOD, "skipped", "failed", "stopped")


@dataclass
class ExecutionStep:
    """A step of an execution.

    Attributes:
        name: The step.
        state: "waiting", "running", "done", "cached", "skipped", "failed" or "stopped".
        job: The job that did the work.
        origin: The execution in which it ran.
        outcome: Of a gate: whether it held.
        started: Milliseconds since the epoch.
        ended: Milliseconds since the epoch.
        failure: Why it failed.
        tries: How many jobs were started for it.
    """

    name: str
    state: str = "waiting"
    job: str = ""
    origin: str = ""
    outcome: bool | None = None
    started: int | None = None
    ended: int | None = None
    failure: str | None = None
    tries: int = 0


@dataclass
class Execution:
    """An execution of a pipeline.

    Attributes:
        id: Its id.
        request: `document` (an address), `parameters` and `label`.
        document: The document.
        started: Milliseconds since the epoch.
        runs: What it was started for, the latest first.
        steps: Its steps by name.
        state: "running", "succeeded", "failed" or "stopped".
        stopping: Whether it is to stop.
        changed: When the state was last another, in milliseconds since the epoch.
    """

    id: str
    request: dict[str, Any]
    document: dict[str, Any]
    started: int
    runs: list[str]
    steps: dict[str, ExecutionStep]
    state: str = "running"
    stopping: bool = False
    changed: int = 0
    lock: Any = field(default_factory=threading.RLock, repr=False)

    def describe(self) -> dict[str, Any]:
        """Return what the service tells of it."""
        failures = [step.failure for step in self.steps.values() if step.state == "failed"]
        return {
            "id": self.id, "pipeline": self.document["pipeline"], "started": self.started,
            "runs": self.runs, "state": self.state, "stopping": self.stopping,
            "changed": self.changed, "failure": next(iter(failures), None),
            "parameters": self.request["parameters"], "document": self.document,
        }  # fmt: skip


class Executions:
    """The part that has the executions, and the results that may stand for steps.

    Args:
        jobs: The jobs.
        objects: The objects.
        clock: The time.
    """

    def __init__(self, jobs: Jobs, objects: Objects, clock: Clock) -> None:
        self._jobs, self._objects, self._clock = jobs, objects, clock
        self._executions: dict[str, Execution] = {}
        self._results: dict[str, tuple[str, str, int]] = {}
        self._tokens, self._lock, self._closed = Tokens(), threading.RLock(), False

    def _now(self) -> int:
        return int(self._clock.now() * 1000)

    # --- requests -------------------------------------------------------------------------------

    def start(self, request: dict[str, Any]) -> dict[str, Any]:
        """Start a pipeline, once for each token; KeyError for a document that is not there."""
        with self._lock:
            return self._tokens.once(
                "StartExecution", request.pop("token", None), request, lambda: self._start(request)
            )

    def _start(self, request: dict[str, Any]) -> dict[str, Any]:
        document = json.loads(self._objects.read(request["document"]))
        name = f"x{secrets.token_hex(5)}"
        steps = {step["name"]: ExecutionStep(step["name"]) for step in document["steps"]}
        runs = [request["run"]] if request.get("run") else [name]
        started = self._now()
        execution = Execution(name, request, document, started, runs, steps, changed=started)
        self._executions[name] = execution
        self._advance(execution)
        return {"id": name}

    def retry(self, name: str, run: str, token: str) -> dict[str, Any]:
        """Go on from a failed or stopped execution: what has not ended well runs again."""

        def act() -> dict[str, Any]:
            execution = self._executions[name]
            with execution.lock:
                if execution.state not in ("failed", "stopped"):
                    raise ValueError(f"{name} has not failed")
                execution.runs.insert(0, run)
                execution.state, execution.stopping = "running", False
                for step in execution.steps.values():
                    if step.state not in _GOOD and step.outcome is None:
                        step.state, step.failure, step.ended = "waiting", None, None
                self._advance(execution)
            return {"id": name}

        return self._tokens.once("RetryExecution", token, {"id": name, "run": run}, act)

    def stop(self, name: str) -> dict[str, Any]:
        """Stop an execution."""
        execution = self._executions[name]
        with execution.lock:
            if execution.state == "running":
                execution.stopping = True
                for step in execution.steps.values():
                    job = self._jobs.table.get(step.job)
                    if step.state == "running" and job is not None:
                        job.stop()
                self._advance(execution)
        return {}

    def get(self, name: str) -> Execution:
        """Return an execution; KeyError when there is none."""
        return self._executions[name]

    def newest_first(self, pipeline: str | None, prefix: str) -> list[Execution]:
        """Return the executions of a pipeline, or of all whose names begin with a prefix."""
        return [
            execution
            for execution in reversed(self._executions.values())
            if execution.document["pipeline"].startswith(prefix)
            and pipeline in (None, execution.document["pipeline"])
        ]

    # --- going through the steps ----------------------------------------------------------------

    def _advance(self, execution: Execution) -> None:
        """Begin every step that can begin, and note the end when nothing runs any more."""
        with execution.lock:
            moved = True
            while moved and not self._closed:
                moved = False
                for definition in execution.document["steps"]:
                    step = execution.steps[definition["name"]]
                    if step.state == "waiting" and self._ready(execution, definition):
                        self._begin(execution, definition, step)
                        moved = True
            if any(step.state == "running" for step in execution.steps.values()):
                return
            states = {step.state for step in execution.steps.values()}
            if execution.state == "running" and not self._closed:
                stopped = execution.stopping and states & {"waiting", "stopped"}
                execution.state = (
                    "failed" if "failed" in states else "stopped" if stopped else "succeeded"
                )
                execution.stopping, execution.changed = False, self._now()

    def _ready(self, execution: Execution, definition: dict[str, Any]) -> bool:
        if execution.stopping:
            return False
        before = [execution.steps[name] for name in definition["after"]]
        return all(step.state in (*_GOOD, "skipped") for step in before)

    def _begin(self, execution: Execution, definition: dict[str, Any], step: ExecutionStep) -> None:
        step.started = self._now()
        if self._skipped(execution, definition):
            step.state, step.ended = "skipped", self._now()
        elif "condition" in definition:
            step.outcome = holds(definition["condition"], lambda one: self._value(execution, one))
            step.state, step.ended = "done", self._now()
        else:
            self._run(execution, definition, step)

    def _skipped(self, execution: Execution, definition: dict[str, Any]) -> bool:
        steps = execution.steps
        if any(steps[gate].outcome is not side for gate, side in definition["when"]):
            return True
        return any(
            all(steps[name].state == "skipped" for name in group) for group in definition["needs"]
        )

    def _run(self, execution: Execution, definition: dict[str, Any], step: ExecutionStep) -> None:
        request = dict(self._resolved(execution, definition["job"]))
        key = json.dumps([execution.document["pipeline"], step.name, request], sort_keys=True)
        lifetime = definition["cache"]
        result = self._results.get(key)
        if lifetime and result is not None and result[2] + lifetime * 1000 > self._now():
            step.job, step.origin, step.state = result[0], result[1], "cached"
            step.ended = self._now()
            return
        step.tries += 1
        step.origin, step.state = execution.id, "running"
        step.job = job_name(execution.id, step.name, step.tries)
        request |= {"name": step.job, "output": self._output(execution, step.name, execution.id)}
        request["environment"] = {
            **request.get("environment", {}),
            "TOY_EXECUTION": execution.id,
            "TOY_STARTED": str(execution.started),
        }

        def ended(job: ToyJob) -> None:
            self._ended(execution, step, job.state, job.reason, key if lifetime else None)

        try:
            self._jobs.start(request, ended)
        except JobRefusedError:
            self._ended(execution, step, JobState.FAILED, QUOTA, None)

    def _ended(
        self,
        execution: Execution,
        step: ExecutionStep,
        state: JobState,
        why: str | None,
        key: str | None,
    ) -> None:
        with execution.lock:
            passing = (why or "").startswith(_PASSING)
            if passing and step.tries < _TRIES and not (execution.stopping or self._closed):
                step.state = "waiting"  # another attempt, at once: machines come and go
            else:
                word = {JobState.COMPLETED: "done", JobState.STOPPED: "stopped"}
                step.state, step.ended = word.get(state, "failed"), self._now()
                step.failure = why if step.state == "failed" else None
                if step.state == "done" and key is not None:
                    self._results[key] = (step.job, execution.id, self._now())
            if step.state != "waiting" or step.tries > 1 or passing:
                threading.Thread(target=self._advance, args=(execution,)).start()

    # --- references -----------------------------------------------------------------------------

    def _output(self, execution: Execution, step: str, origin: str) -> str:
        return f"{execution.document['place']}/runs/{origin}/{step}"

    def _resolved(self, execution: Execution, part: Any) -> Any:
        """Return a part of a job with what its references come to in this execution."""
        if isinstance(part, list):
            return [self._resolved(execution, item) for item in part]
        if not isinstance(part, dict):
            return part
        if set(part) == {"parameter", "text"}:
            return f"{part['text']}{execution.request['parameters'][part['parameter']]}"
        if set(part) == {"addresses"}:
            return list(self._addresses(execution, part["addresses"]))
        return {key: self._resolved(execution, value) for key, value in part.items()}

    def _addresses(self, execution: Execution, sources: list[Any]) -> Iterator[str]:
        for source in sources:
            if "address" in source:
                yield source["address"]
            elif "parameter" in source:
                yield execution.request["parameters"][source["parameter"]]
            else:
                step = execution.steps[source["step"]]
                if step.state != "skipped":
                    yield self._output(execution, step.name, step.origin)

    def _value(self, execution: Execution, operand: dict[str, Any]) -> Any:
        """Return an operand; None for what was never made."""
        if "value" in operand:
            return operand["value"]
        if "parameter" in operand:
            return json.loads(execution.request["parameters"][operand["parameter"]])
        step = execution.steps[operand["step"]]
        place = self._output(execution, step.name, step.origin)
        return json.loads(self._objects.read(f"{place}/values.json"))[operand["key"]]

    # --- its life -------------------------------------------------------------------------------

    def close(self) -> None:
        """Begin no more steps."""
        self._closed = True

    def snapshot(self) -> dict[str, Any]:
        """Return all executions as JSON."""
        executions = [
            {key: value for key, value in vars(one).items() if key not in ("lock", "steps")}
            | {"steps": [asdict(step) for step in one.steps.values()]}
            for one in self._executions.values()
        ]
        results = {key: list(result) for key, result in self._results.items()}
        return {"executions": executions, "results": results, "tokens": self._tokens.snapshot()}

    def restore(self, saved: dict[str, Any]) -> None:
        """Take the executions of a snapshot."""
        self._tokens.restore(saved["tokens"])
        self._results = {key: tuple(result) for key, result in saved["results"].items()}
        for one in saved["executions"]:
            steps = {step["name"]: ExecutionStep(**step) for step in one.pop("steps")}
            self._executions[one["id"]] = Execution(**one, steps=steps)
