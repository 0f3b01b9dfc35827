"""The runner of one run: decides what each step does next, and writes down what happened."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow.errors import LocalStorageError, WaterflowError
from waterflow.runs.why import NO_CACHE
from waterflow.runtime import contract
from waterflow_local import forkserver, holding, log_times
from waterflow_local.attempt import Attempt, StepRun
from waterflow_local.compiler import REGISTRY, STEPS
from waterflow_local.decisions import Decisions, Known, Outcome, why_it_runs
from waterflow_local.document import read_document, read_submitted
from waterflow_local.folders import Lock, RunFolder, State, write_json
from waterflow_local.journal import Journal, finished
from waterflow_local.paths import project_folders
from waterflow_local.processes import Forked, Inline, Launch, Servers
from waterflow_local.sending import Sending
from waterflow_local.slots import Slots
from waterflow_local.store import Result, Store

if TYPE_CHECKING:
    from waterflow.warm.asking import Helper
    from waterflow_local.document import LocalJob, Preload
    from waterflow_local.forkserver import Server


MANY: Final = 10
"""Steps from which on the fork server uses once, before all, what attempts use."""


class StepFailedError(Exception):
    """A step failed for good, and so will the run, once what does not need the step has run."""


class Runner:
    """Runs one submitted run to its end.

    Args:
        folder: The run's folder.
        state: The project's state.
        launch: How attempts are started.
        attached: A pipe's reading end that closes with the submitter; None for a run of its own.
    """

    def __init__(
        self,
        folder: RunFolder,
        state: State,
        launch: Launch,
        attached: int | None = None,
    ) -> None:
        self.folder, self.state, self.store = folder, state, Store(state)
        self.document, self.submitted = read_document(folder), read_submitted(folder)
        self.jobs = self.document.jobs
        self.journal = Journal(folder)
        self.slots = Slots(self.document.machine.cpu, self.document.machine.memory)
        self.launch = launch
        self.outcomes: dict[str, Outcome] = {}
        self.decisions = Decisions(self.document.gates, Known.of(self.submitted), self.outcomes)
        self.done = {name: asyncio.Event() for name in self.jobs}
        self._lost: set[str] = set()
        """Steps that have no result, and will have none: they failed, or need one that did."""
        self.failure: tuple[str, str] | None = None
        self.fault: Exception | None = None
        self._stop = asyncio.Event()
        self._active: set[str] = set()
        self._attached = attached
        self._live = project_folders(Path(self.submitted.root))
        self._tidying: set[asyncio.Task[None]] = set()
        self.earlier = self._earlier()

    def _earlier(self) -> dict[str, dict[str, Any]]:
        """Return the results of the run that this one goes on from, by step."""
        resume = self.submitted.resume
        return {e["step"]: e for e in finished(self.state.run(resume))} if resume else {}

    # --- the run -------------------------------------------------------------------------------

    async def run(self) -> str:
        """Run all steps and return "succeeded", "failed" or "cancelled"."""
        self.journal.append(
            "run.start",
            pipeline=self.document.pipeline,
            parameters=self.submitted.parameters,
            tags=self.submitted.tags,
            files=self.submitted.files,
            datasets=self.submitted.datasets,
        )
        await self.launch.open()
        tasks = {name: asyncio.create_task(self._guarded(name)) for name in self.jobs}
        everything = asyncio.gather(*tasks.values())
        stopped = asyncio.create_task(self._stop.wait())
        self._on_signals()
        try:
            await asyncio.wait({everything, stopped}, return_when=asyncio.FIRST_COMPLETED)
            await self._wind_down(tasks, stopped)
            with contextlib.suppress(asyncio.CancelledError):
                await everything
        except Exception as problem:  # noqa: BLE001 - the run must end, and say why
            self._note_fault(problem)
        finally:
            stopped.cancel()
            await asyncio.gather(*self._tidying)
            status, error = self._end()
            try:
                self.journal.append("run.end", status=status, **error)
            except OSError:  # the disk is full: whoever asks will find that this process has ended
                traceback.print_exc()
            await self.launch.close()
            self.journal.close()
        return status

    def _note_fault(self, problem: Exception) -> None:
        """Keep the first error that is no step's fault, with its traceback in runner.log."""
        if self.fault is None:
            self.fault = LocalStorageError.of(problem, str(self.state.folder)) or problem
            traceback.print_exception(problem)

    @property
    def cancelled(self) -> bool:
        """Whether the run is to stop."""
        return self._stop.is_set()

    def _on_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(ValueError, NotImplementedError, RuntimeError):
                loop.add_signal_handler(number, self._stop.set)
        if self._attached is not None:
            loop.add_reader(self._attached, self._submitter_gone)

    def _submitter_gone(self) -> None:
        """Stop with the submitter: its end of the pipe is closed."""
        if self._attached is not None:
            asyncio.get_running_loop().remove_reader(self._attached)
        self._stop.set()

    async def _wind_down(
        self, tasks: dict[str, asyncio.Task[None]], stopped: asyncio.Task[Any]
    ) -> None:
        """After a fault let what runs end; after a cancellation stop it."""
        for name, task in tasks.items():
            if not task.done() and name not in self._active:
                task.cancel()
        left = [task for task in tasks.values() if not task.done()]
        ending = asyncio.gather(*left, return_exceptions=True)
        await asyncio.wait({ending, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if self.cancelled:
            await self.launch.stop()
        await ending

    def _end(self) -> tuple[str, dict[str, Any]]:
        if self.cancelled:
            return "cancelled", {}
        if self.failure is not None:
            step, message = self.failure
            return "failed", {
                "error": {"type": "StepFailed", "message": f"step '{step}': {message}"}
            }
        if isinstance(self.fault, LocalStorageError):
            return "failed", {"error": _error(self.fault)}
        if len(self.outcomes) < len(self.jobs):
            fault = "the runner broke off"
            if self.fault is not None:
                fault = f"{type(self.fault).__name__}: {self.fault}"
            message = f"{fault} (more in {self.folder.runner_log})"
            return "failed", {"error": {"type": "RunnerFailed", "message": message}}
        return "succeeded", {}

    # --- one step ------------------------------------------------------------------------------

    async def _guarded(self, name: str) -> None:
        """Run a step when all that it needs is there.

        A step that needs nothing of one that failed runs all the same, as on the clouds.
        """
        for before in self.jobs[name].upstream:
            await self.done[before].wait()
        if self._over:
            return
        try:
            if self._lost.isdisjoint(self.jobs[name].upstream):
                self.outcomes[name] = await self._step(name)
            else:
                self._lost.add(name)
        except StepFailedError:
            self._lost.add(name)
        except Exception as problem:
            self._note_fault(problem)
            raise
        self.done[name].set()

    async def _step(self, name: str) -> Outcome:
        job = self.jobs[name]
        if self.decisions.skipped(job):
            skipped = {
                n: {"type": t, "digest": None, "size": 0} for n, t in job.file.outputs.items()
            }
            reason = self.decisions.reason(job)
            self.journal.append(
                "step.end", name, 1, status="skipped", outputs=skipped, reason=reason
            )
            return Outcome(skipped=True)
        inputs, parameters = self.decisions.bind(job)
        basis = self.decisions.basis(job, inputs, parameters)
        key = basis.key
        result = self._remembered(name, job, key)
        if result is not None:
            self.journal.append(
                "step.cached", name, 1, origin=result.origin, key=key, **result.record()
            )
            self._note_latest(name, job, key)
            return Outcome(result.outputs, result.values)
        why = (
            (NO_CACHE,)
            if job.cache and not self.submitted.cache
            else why_it_runs(self.store, self.document.pipeline, name, job, basis)
        )
        return await self._attempts(StepRun(name, job, inputs, parameters, basis, why))

    def _note_latest(self, name: str, job: LocalJob, key: str) -> None:
        """Note which result a step has now; a disk that is full then only costs the reason."""
        if job.cache:
            with contextlib.suppress(OSError):
                self.store.note_latest(self.document.pipeline, name, key)

    def _remembered(self, name: str, job: LocalJob, key: str) -> Result | None:
        event = self.earlier.get(name)
        if event is not None and event.get("key") == key:
            attempt = {"execution": event["execution"], "step": name, "attempt": event["attempt"]}
            result = self.store.restore({**event, "origin": event.get("origin") or attempt})
            if result is not None:
                return result
        if job.cache and self.submitted.cache:
            return self.store.get(key)
        return None

    # --- attempts ------------------------------------------------------------------------------

    @property
    def _over(self) -> bool:
        """Whether nothing is to start any more."""
        return self.fault is not None or self.cancelled

    @property
    def _more(self) -> bool:
        """Whether steps are left that may be started later."""
        return len(self.outcomes) + len(self._active) + len(self._lost) < len(self.jobs)

    async def _attempts(self, step: StepRun) -> Outcome:
        retry = step.job.file.retry
        delay = retry.delay
        write_json(self.folder.step_file(step.name), step.job.content)
        for number in range(1, retry.retries + 2):
            again = delay if number <= retry.retries else None
            try:
                outcome = await self._attempt(step, number, again)
            finally:
                self._active.discard(step.name)
            if outcome is not None:
                return outcome
            await asyncio.sleep(delay)
            delay *= retry.backoff
        raise AssertionError("the last attempt either succeeds or raises")

    async def _attempt(self, step: StepRun, number: int, again: float | None) -> Outcome | None:
        """Make one attempt; None means that another is to follow, `again` seconds later."""
        attempt = Attempt(step, number, self.folder, self.state, self.submitted, self._live)
        code = contract.BAD_CODE
        error: dict[str, Any] | None = None
        try:
            code, seconds = await self._process(attempt)
            if code == contract.OK:
                result = await asyncio.to_thread(self._keep, attempt, step, seconds)
                self._tidy(attempt)
                return self._succeed(step, number, result)
        except WaterflowError as problem:
            error = _error(problem)
        except Exception as problem:  # noqa: BLE001 - a full disk, a file that the step has broken
            fault = LocalStorageError.of(problem, str(self.state.folder))
            text = "" if fault else "".join(traceback.format_exception(problem))
            error = _error(fault or problem, text)
        self._tidy(attempt)
        if code != contract.OK:
            self._heal(step, code, error)
        if self._over or code in contract.FINAL:
            again = None  # a retry would not be made, or could not go better
        if self.cancelled:
            self.journal.append("step.end", step.name, number, status="cancelled", outputs={})
            raise asyncio.CancelledError
        error = error or attempt.error(code)
        later = {} if again is None else {"retry_in": again}
        failure = {"status": "failed", "outputs": {}, "error": error, "code": code}
        self.journal.append("step.end", step.name, number, **failure, **later)
        if again is not None:
            return None
        self.failure = self.failure or (step.name, f"{error['type']}: {error['message']}")
        raise StepFailedError

    async def _process(self, attempt: Attempt) -> tuple[int, float]:
        """Run an attempt's process on its share of the machine; return its code and seconds."""
        step = attempt.step
        async with self.slots.take(step.job.cpu, step.job.memory):
            if self._over:
                raise asyncio.CancelledError
            self._active.add(step.name)
            self.journal.append(
                "step.start",
                step.name,
                attempt.number,
                parameters=step.shown,
                inputs=step.digests,
                tags={"waterflow.kind": step.job.file.work.kind},
                why=list(step.why),
            )
            began = time.monotonic()
            async with log_times.kept(self.folder.log(step.name, attempt.number)):
                request = attempt.request() | {"more": self._more}
                code = await self.launch.run(request, step.job.file.timeout)
            return attempt.ended(code), time.monotonic() - began

    def _tidy(self, attempt: Attempt) -> None:
        """Remove what served the attempt alone, while the run goes on."""
        task = asyncio.create_task(asyncio.to_thread(attempt.tidy))
        self._tidying.add(task)
        task.add_done_callback(self._tidying.discard)

    def _heal(self, step: StepRun, code: int, error: dict[str, Any] | None) -> None:
        """Drop inputs that were altered in the store: the next run makes them again."""
        refused = error is not None and error["type"] == "ArtifactError"
        if code == contract.BAD_INPUT or refused:
            self.store.heal(stored for stored in step.inputs.values() if stored is not None)

    def _keep(self, attempt: Attempt, step: StepRun, seconds: float) -> Result:
        """Take what an attempt made into the store, and remember it under its key."""
        result = attempt.collect(seconds)
        # What ran inline came from the live tree, which the key knows nothing of.
        if step.job.cache and not self.submitted.inline:
            self.store.put(step.key, result, step.basis, self.document.pipeline)
            self._note_latest(step.name, step.job, step.key)
        return result

    def _succeed(self, step: StepRun, number: int, result: Result) -> Outcome:
        self.journal.append(
            "step.end", step.name, number, status="succeeded", key=step.key, **result.record()
        )
        return Outcome(result.outputs, result.values)


def _error(problem: Exception, text: str = "") -> dict[str, Any]:
    """Return what the journal says of an error."""
    return {"type": type(problem).__name__, "message": str(problem), "traceback": text}


def fork_servers(folder: RunFolder, server: Server, helper: Helper | None) -> Launch:
    """Return how a run's attempts are started by fork servers.

    Args:
        folder: The run's folder.
        server: A server that was started already, for the user's steps.
        helper: The project's helper, where there is one.
    """
    submitted = read_submitted(folder)
    folders = project_folders(Path(submitted.root))
    settings = submitted.settings

    def forked(name: str, preload: Preload) -> Forked:
        started = server if name == STEPS else registry(preload)
        many = name == STEPS and len(document.jobs) >= MANY
        return Forked(
            started, preload, folders, settings.fork, settings.grace, folder.runner_log, many=many
        )

    def registry(preload: Preload) -> Server:
        if helper is not None and settings.fork:
            uri = submitted.tracking.uri
            held = holding.registry(preload.modules, preload.without, folders, uri, folder.state)
            borrowed = forkserver.borrow(helper, REGISTRY, held, forkserver.LATER)
            if borrowed is not None:
                return borrowed
        return forkserver.start(forkserver.LATER)

    document = read_document(folder)
    preloads = document.servers
    return Servers({name: forked(name, preloads[name]) for name in preloads}, early=REGISTRY)


def run(
    folder: RunFolder,
    state: State,
    launch: Launch,
    attached: int | None = None,
    helper: Helper | None = None,
) -> str:
    """Run one submitted run, tracking beside it, and return its status."""
    settings = read_submitted(folder).settings
    sending = Sending(folder, helper) if settings.send == "now" else None
    in_use = Lock(state.folder / "prune.lock")
    in_use.take(wait=True, shared=True)
    try:
        status = asyncio.run(_runner(folder, state, launch, attached).run())
    finally:
        in_use.release()
        if sending is not None and isinstance(launch, Inline):
            sending.leave()  # whoever runs inline need not wait
        elif sending is not None:
            sending.finish(settings.tracking_patience)
    return status


def _runner(folder: RunFolder, state: State, launch: Launch, attached: int | None) -> Runner:
    """Return the runner of a run; when it cannot even be made, the run ends with the reason."""
    try:
        return Runner(folder, state, launch, attached)
    except Exception as problem:
        fault = LocalStorageError.of(problem, str(folder.folder))
        error = {"type": "RunnerFailed", "message": f"{type(problem).__name__}: {problem}"}
        error = _error(fault) if fault else error
        with contextlib.closing(Journal(folder)) as journal:
            journal.append("run.end", status="failed", error=error)
        raise
