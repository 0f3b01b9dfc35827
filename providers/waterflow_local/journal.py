"""The journal of a run: events appended by its runner, and the state that follows from them."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from waterflow.errors import LocalStorageError
from waterflow.provider.state import ItemCounts, RunState, Status, StepState
from waterflow.tracking.spool import read
from waterflow_local.document import read_document, read_submitted
from waterflow_local.folders import Lock, RunFolder, read_json

if TYPE_CHECKING:
    from collections.abc import Iterable


class Journal:
    """Appends a run's events.

    Args:
        folder: The run's folder.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(folder.journal, flags, 0o644)
        size = os.fstat(self._fd).st_size
        # The last writer may have been killed within a line.
        self._torn = bool(size) and os.pread(self._fd, 1, size - 1) != b"\n"
        self._count = 0
        self._session = size

    def append(
        self, kind: str, step: str | None = None, attempt: int | None = None, **fields: Any
    ) -> None:
        """Write one event.

        Raises:
            OSError: The disk is full; what was written of the event is passed over by readers, and
                the next event starts on a line of its own.
        """
        self._count += 1
        event = {
            "id": f"journal/{self._session}/{self._count}",
            "kind": kind,
            "time": int(time.time() * 1000),
            "execution": self._folder.id,
            "step": step,
            "attempt": attempt,
            **fields,
        }
        line = json.dumps(event, separators=(",", ":")).encode() + b"\n"
        if self._torn:
            line = b"\n" + line
        while line:  # a disk that fills up takes a part, and says so at the next write
            written = os.write(self._fd, line)
            self._torn = self._torn or written < len(line)
            line = line[written:]
        self._torn = False

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


class Reader:
    """Follows a run's journal and keeps its state.

    Args:
        folder: The run's folder.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        document, submitted = read_document(folder), read_submitted(folder)
        self.state = RunState(
            run=folder.id,
            pipeline=document.pipeline,
            steps={name: StepState(name=name) for name in document.jobs},
            started=submitted.created,
            tracking_uri=submitted.tracking.uri,
        )
        self._copies: dict[str, StepState] = {}
        """The steps as they were told last, in their order."""
        self._changed = list(self.state.steps)
        self._offset = 0
        self._reading = threading.Lock()  # a notebook's table follows the run beside `wait`
        self._maps = [n for n, job in document.jobs.items() if job.file.work.over is not None]

    def refresh(self) -> RunState:
        """Read what has come since, see whether the runner still lives, and return the state."""
        with self._reading:
            self._read_on()
            state = copy.copy(self.state)  # who has it is to see it as it is now
            for name in self._changed:
                self._copies[name] = copy.copy(self.state.steps[name])
            self._changed.clear()
            state.steps = dict(self._copies)
            return state

    def _read_on(self) -> None:
        self._read()
        if not self.state.status.final:
            lock = Lock(self._folder.lock)
            if lock.take():
                try:
                    self._read()
                    if not self.state.status.final:
                        self._bury()
                        self._read()
                finally:
                    lock.release()
        for name in self._maps:
            self._read_progress(self.state.steps[name])

    def _read_progress(self, step: StepState) -> None:
        """Note how far a map has come; that of one that is over stays as it was at its end."""
        if step.attempt and (step.items is None or not step.status.final or step.items.running):
            with contextlib.suppress(OSError, ValueError):
                step.items = ItemCounts(**read_json(self._folder.progress(step.name, step.attempt)))
                self._changed.append(step.name)

    def _bury(self) -> None:
        """Write the end that a killed runner could not write."""
        error = {"type": "RunnerDied", "message": "the process that ran it was killed"}
        open_steps = [s for s in self.state.steps.values() if s.status is Status.RUNNING]
        try:
            with contextlib.closing(Journal(self._folder)) as journal:
                for step in open_steps:
                    journal.append(
                        "step.end",
                        step.name,
                        step.attempt,
                        status="failed",
                        outputs={},
                        error=error,
                    )
                journal.append("run.end", status="failed", error=error)
        except OSError as unwritten:
            # The disk is full, or not ours to write: the truth is told all the same, and written
            # down by the next who can.
            fault = LocalStorageError.of(unwritten, str(self._folder.journal))
            if fault is not None:
                error = {"type": type(fault).__name__, "message": str(fault)}
            now = {"time": int(time.time() * 1000), "status": "failed", "error": error}
            for step in open_steps:
                self._apply({"kind": "step.end", "step": step.name, **now})
            self._apply({"kind": "run.end", **now})

    def _read(self) -> None:
        if not self._folder.journal.exists():
            return
        for event, offset in read(self._folder.journal, self._offset):
            self._apply(event)
            self._offset = offset

    def _apply(self, event: dict[str, Any]) -> None:
        apply(self.state, event)
        step = event.get("step")
        # What a run's end means for steps is the state's affair.
        self._changed += self.state.steps if step is None else {step} & self.state.steps.keys()


def apply(state: RunState, event: dict[str, Any]) -> None:
    """Let one event change a run's state."""
    kind, time_ = event["kind"], event["time"]
    if kind == "run.start":
        state.move(Status.RUNNING)
        state.started = time_
    elif kind == "run.end":
        state.ended = time_
        error = event.get("error")
        state.error = error["message"] if error else None
        if error and error["type"] == LocalStorageError.__name__:
            state.error = f"{error['type']}: {error['message']}"  # by which it is known
        state.move(Status(event["status"]))
    elif event.get("step") in state.steps:
        _apply_step(state.steps[event["step"]], event)


def _apply_step(step: StepState, event: dict[str, Any]) -> None:
    kind = event["kind"]
    if kind == "step.start":
        step.move(Status.RUNNING)
        step.attempt = event["attempt"]
        step.started = step.started or event["time"]
        step.why = tuple(event.get("why", ()))
        step.error = step.detail = None
    elif kind == "step.cached":
        step.started = step.ended = event["time"]
        step.origin = event["origin"].get("execution")
        step.move(Status.CACHED)
    elif kind == "step.end":
        step.ended, step.reason = event["time"], event.get("reason")
        error = event.get("error")
        if error:
            step.error, step.detail = f"{error['type']}: {error['message']}", error.get("traceback")
        if event.get("retry_in") is None:
            step.move(Status(event["status"]))


def finished(folder: RunFolder) -> Iterable[dict[str, Any]]:
    """Yield the events that tell a step's results: ends and answers from the cache."""
    if folder.journal.exists():
        for event, _ in read(folder.journal):
            if event["kind"] == "step.cached" or (
                event["kind"] == "step.end" and event["status"] in ("succeeded", "skipped")
            ):
                yield event
