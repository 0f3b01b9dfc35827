"""Running one execution: which step starts when, how its end is taken, and what comes of it all."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from waterflow.emulation.clock import Clock, written
from waterflow.emulation.errors import ServiceError
from waterflow_sagemaker.caching import KEYS
from waterflow_sagemaker.definition.parameters import text
from waterflow_sagemaker.emulator import conditions
from waterflow_sagemaker.emulator.caching import Cache, Hit, key
from waterflow_sagemaker.emulator.execution_state import OPEN, STEP_FAILED, Execution, ExecutionStep
from waterflow_sagemaker.emulator.objects import Objects, split
from waterflow_sagemaker.emulator.resolution import ResolutionError, Resolver
from waterflow_sagemaker.emulator.retrying import Retries, refusal
from waterflow_sagemaker.emulator.step_kinds import FAULTS, Ending, StepKind, Work, job_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow_sagemaker.definition.document import Definition, Step

_OUTCOMES: Final = {"Completed": "Succeeded", "Failed": "Failed", "Stopped": "Stopped"}
"""Trigger of a dependency -> the status that it waits for."""


@dataclass
class Engine:
    """What all executions share.

    Attributes:
        kinds: Step type -> what runs it.
        objects: Where property files lie.
        clock: The time.
        cache: Former results.
        retry_scale: What the waits of retry policies are multiplied with.
        lock: Guards the state of all executions.
    """

    kinds: Mapping[str, StepKind]
    objects: Objects
    clock: Clock
    cache: Cache
    retry_scale: float = 1.0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def read(self, uri: str) -> bytes:
        """Return an object's bytes.

        Raises:
            ResolutionError: There is no such object.
        """
        data = self.objects.read(*split(uri))
        if data is None:
            raise ResolutionError(f"there is no object {uri}")
        return data


class Runner:
    """Runs one execution in a thread of its own.

    Args:
        engine: What all executions share.
        execution: The execution; its state changes under the engine's lock.
        definition: What it runs.
    """

    def __init__(self, engine: Engine, execution: Execution, definition: Definition) -> None:
        self._engine, self.execution, self._definition = engine, execution, definition
        self._events: queue.SimpleQueue[tuple[str, Work, Ending] | None] = queue.SimpleQueue()
        self._awaited = {name: step.before() for name, step in definition.steps.items()}
        self._works: dict[str, Work] = {}
        self._keys: dict[str, str] = {}
        self._retries: dict[str, Retries] = {}
        self._again: dict[str, float] = {}
        self._stopping = self._stop_sent = False
        self._closed = False
        self._thread = threading.Thread(
            target=self._run, name=f"execution-{execution.id}", daemon=True
        )

    def start(self) -> None:
        """Start running."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to stop; its state says so at once."""
        with self._engine.lock:
            self._stopping = True
            self._set("Stopping")
        self._events.put(None)

    def close(self) -> None:
        """Leave it as it is, when the emulator stops; its jobs are stopped by who runs them."""
        self._closed = True
        self._events.put(None)
        self._thread.join(timeout=5)

    # --- the loop ---------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._loop()
        except Exception as error:
            # Whatever happens here, a run that nobody drives is not reported as running.
            with self._engine.lock:
                for run in self.execution.steps.values():
                    if run.status in OPEN:
                        run.status, run.ended = "Failed", self._engine.clock.now()
                        run.reason = f"InternalServerError: {error}"
                self._set("Failed", STEP_FAILED)
            raise

    def _loop(self) -> None:
        while not self._closed:
            if self._stopping and not self._stop_sent:
                self._stop_steps()
            self._retry_due()
            while self._start_next():
                pass
            with self._engine.lock:
                if not any(run.status in OPEN for run in self.execution.steps.values()):
                    self._finish()
                    return
            self._wait()

    def _wait(self) -> None:
        due = min(self._again.values(), default=None)
        try:
            wait = None if due is None else max(0.0, due - time.monotonic())
            event = self._events.get(timeout=wait)
        except queue.Empty:
            return
        if event is not None and not self._closed:
            self._ended(*event)

    def _finish(self) -> None:
        """Give the execution its final status; the lock is held."""
        runs = self.execution.steps
        failed = {name for name, run in runs.items() if run.status == "Failed"}
        # A pipeline whose steps run on a failed step ends in CompletedWithFailures instead of
        # Failed (sagemaker.mlops.workflow.step_dependency).
        taken = {
            name
            for run in runs
            for name, trigger in self._definition.steps[run].depends.items()
            if trigger in ("Failed", "Any")
        }
        if self._stopping:
            self._set("Stopped")
        elif failed - taken:
            self._set("Failed", STEP_FAILED)
        elif failed:
            self._set("CompletedWithFailures", STEP_FAILED)
        elif any(run.status == "Stopped" for run in runs.values()):
            self._set("Stopped")
        else:
            self._set("Succeeded")

    def _set(self, status: str, reason: str = "") -> None:
        self.execution.status, self.execution.reason = status, reason
        self.execution.modified = self._engine.clock.now()

    # --- which step -------------------------------------------------------------------------------

    def _start_next(self) -> bool:
        """Start the first step that is ready, and say whether there was one."""
        with self._engine.lock:
            step = self._next()
            if step is None:
                return False
            now = self._engine.clock.now()
            self.execution.steps[step.name] = run = ExecutionStep(step.name, "Starting", now)
            run.attempts = self.execution.attempts_before.pop(step.name, 0)
        self._retries[step.name] = Retries(step.retries, self._engine.retry_scale)
        self._begin(step, run)
        return True

    def _next(self) -> Step | None:
        runs, steps = self.execution.steps, self._definition.steps
        if self._stopping or any(
            run.status == "Failed" and steps[name].type == "Fail" for name, run in runs.items()
        ):
            return None
        busy = sum(run.status in OPEN for run in runs.values())
        if self.execution.parallel is not None and busy >= self.execution.parallel:
            return None
        waiting = (step for name, step in steps.items() if name not in runs)
        return next((step for step in waiting if self._ready(step)), None)

    def _ready(self, step: Step) -> bool:
        runs = self.execution.steps
        for name in self._awaited[step.name]:
            run = runs.get(name)
            if run is None or run.status in OPEN:
                return False
            trigger = step.depends.get(name, "Completed")
            if trigger != "Any" and run.status != _OUTCOMES[trigger]:
                return False
        if step.branch is None:
            return True
        condition, outcome = step.branch
        return runs[condition].metadata.get("Condition", {}).get("Outcome") == str(outcome)

    # --- one step ---------------------------------------------------------------------------------

    def _begin(self, step: Step, run: ExecutionStep) -> None:
        """Start a step, or an attempt of it; conditions and failures are over at once."""
        name = job_name(step.name, self.execution.id, *_prefix(step))
        try:
            resolver = self._resolver(name)
            if step.type == "Condition":
                outcome = conditions.hold(step.arguments, resolver.resolve)
                # A boolean to other steps, which a join writes as true or false; shown with a
                # capital (test_fail_steps.py and test_workflow_with_clarify.py of AWS's SDK).
                metadata = {"Condition": {"Outcome": str(outcome)}}
                run.attempts += 1
                self._take(step, run, Ending("Succeeded", {"Outcome": outcome}, metadata))
                return
            arguments = resolver.resolve(step.arguments)
        except ResolutionError as error:
            self._take(step, run, Ending("Failed", reason=f"ClientError: {error}"))
            return
        if step.type == "Fail":
            message = text(arguments.get("ErrorMessage", ""))
            metadata = {"Fail": {"ErrorMessage": message}}
            run.attempts += 1
            self._take(step, run, Ending("Failed", {}, metadata, message))
        elif not self._cached(step, run, arguments):
            self._attempt(step, run, name, arguments)

    def _attempt(
        self, step: Step, run: ExecutionStep, name: str, arguments: dict[str, Any]
    ) -> None:
        execution = self.execution
        work = Work(step.name, name, arguments, execution.arn, execution.role, step.source)
        with self._engine.lock:
            run.attempts += 1
            run.status = "Executing"
        self._works[step.name] = work

        def ended(ending: Ending) -> None:
            self._events.put((step.name, work, ending))

        try:
            metadata = self._engine.kinds[step.type].start(work, ended)
        except ServiceError as error:
            fault = FAULTS.get(error.code)
            ruled = any(fault in policy.exceptions for policy in step.retries)
            reason = refusal(step.type, error, execution.arn, step.name, None if ruled else fault)
            ended(Ending("Failed", reason=reason, fault=fault))
            return
        with self._engine.lock:
            run.metadata = metadata

    def _cached(self, step: Step, run: ExecutionStep, arguments: dict[str, Any]) -> bool:
        """Take a former result of the step if there is one, and say so."""
        if step.cache is None or step.type not in KEYS:
            return False
        digest = self._keys[step.name] = key(step.type, arguments)
        engine = self._engine
        since = engine.clock.now() - step.cache
        hit = engine.cache.find(self.execution.pipeline, step.name, digest, since)
        if hit is None:
            return False
        with engine.lock:
            run.cached = hit.execution
        self._take(step, run, Ending("Succeeded", hit.outputs, hit.metadata))
        return True

    def _resolver(self, name: str) -> Resolver:
        execution, engine = self.execution, self._engine
        variables = {
            "StartDateTime": written(execution.created),
            "CurrentDateTime": written(engine.clock.now()),
            "PipelineName": execution.pipeline,
            "PipelineArn": execution.pipeline_arn,
            "PipelineExecutionId": execution.id,
            "PipelineExecutionArn": execution.arn,
            "ProcessingJobName": name,
            "TrainingJobName": name,
        }
        with engine.lock:
            outputs = {
                name: run.outputs
                for name, run in execution.steps.items()
                if run.status == "Succeeded"
            }

        def read_file(step: str, name: str) -> bytes:
            file = self._definition.steps[step].files[name]
            for output in outputs.get(step, {})["ProcessingOutputConfig"]["Outputs"]:
                if output["OutputName"] == file.output:
                    folder = output["S3Output"]["S3Uri"].rstrip("/")
                    return engine.read(f"{folder}/{file.path.lstrip('/')}")
            raise ResolutionError(f"step '{step}' has written no output '{file.output}'")

        return Resolver(execution.parameters, variables, outputs, read_file, engine.read)

    # --- its end ----------------------------------------------------------------------------------

    def _ended(self, name: str, work: Work, ending: Ending) -> None:
        """Take the end of an attempt: the step's, unless it is to be tried again."""
        run, step = self.execution.steps[name], self._definition.steps[name]
        if self._works.get(name) is not work or run.status not in OPEN:
            return
        if ending.status == "Failed" and ending.fault is not None and not self._stopping:
            wait = self._retries[name].wait(ending.fault, self._engine.clock.now() - run.started)
            if wait is not None:
                self._again[name] = time.monotonic() + wait
                return
        if ending.status == "Succeeded" and name in self._keys:
            hit = Hit(
                self._keys[name],
                self._engine.clock.now(),
                self.execution.arn,
                ending.metadata,
                ending.outputs,
            )
            self._engine.cache.add(self.execution.pipeline, name, hit)
        self._take(step, run, ending)

    def _take(self, step: Step, run: ExecutionStep, ending: Ending) -> None:
        with self._engine.lock:
            run.status, run.ended = ending.status, self._engine.clock.now()
            run.outputs, run.reason = ending.outputs, ending.reason
            run.metadata = ending.metadata or run.metadata
            self.execution.modified = run.ended
        self._works.pop(step.name, None)

    def _retry_due(self) -> None:
        now = time.monotonic()
        for name in [name for name, due in self._again.items() if due <= now]:
            del self._again[name]
            self._begin(self._definition.steps[name], self.execution.steps[name])

    def _stop_steps(self) -> None:
        self._stop_sent = True
        for name in list(self._again):
            del self._again[name]
            self._take(self._definition.steps[name], self.execution.steps[name], Ending("Stopped"))
        for name, work in list(self._works.items()):
            run = self.execution.steps[name]
            with self._engine.lock:
                run.status = "Stopping"
            kind = self._engine.kinds[self._definition.steps[name].type]
            kind.stop(work, run.metadata)


def _prefix(step: Step) -> tuple[str, ...]:
    """Return the prefix of the step's job names, when the definition sets one of its own.

    https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-access.html ("custom prefix")
    """
    for member in ("ProcessingJobName", "TrainingJobName", "ModelName", "ModelPackageName"):
        prefix = step.arguments.get(member)
        if isinstance(prefix, str):
            return (prefix,)
    return ()
