"""The supervisor of a job: runs each attempt in a child process, so that its death is seen."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow import artifacts
from waterflow.runtime import completion, contract, descendants
from waterflow.runtime.logged import LogReader
from waterflow.runtime.passing import Passing
from waterflow.tracking import spool as spools

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType

    from waterflow.runtime.contract import Invocation

GRACE: Final = 10.0
"""Seconds between SIGTERM and SIGKILL."""
_POLL: Final = 0.1
"""Seconds after which a signal or a timeout is noticed at the latest."""


def main(arguments: list[str]) -> int:
    """Run a step's attempts and return the exit code of the last."""
    gc.freeze()  # all that is imported here stays to the end: nobody need look for garbage in it
    try:
        job = contract.parse(arguments)
    except contract.UsageError as error:
        print(f"waterflow: {error}", file=sys.stderr)
        return contract.USAGE
    return _Supervisor(job, arguments).run()


def run_within(arguments: list[str], environment: Mapping[str, str]) -> int:
    """Run a step's attempts in the launcher's process; what it then does, it does in any case.

    Args:
        arguments: The command line.
        environment: What the attempts' processes are to have in theirs.
    """
    os.environ.update(environment)
    if isinstance(sys.stdout, io.TextIOWrapper):  # it is of a process that is not PYTHONUNBUFFERED
        sys.stdout.reconfigure(line_buffering=True)
    try:
        return main(arguments)
    except Exception:  # noqa: BLE001 - as an interpreter tells it that ends by it
        traceback.print_exc()
        return contract.FAILED


class _Supervisor:
    """The attempts of one job."""

    def __init__(self, job: Invocation, arguments: list[str]) -> None:
        self.job, self.arguments = job, arguments
        self.stopped, self._code = False, contract.OK
        self.tracks = contract.rank() == 0
        os.environ.setdefault(contract.SPOOL, str(self._beside_outputs()))

    def _beside_outputs(self) -> Path:
        if self.job.outputs:
            return min(self.job.outputs.values()).parent / "spool.jsonl"
        return Path.cwd() / "spool.jsonl"

    def run(self) -> int:
        """Run attempts until one succeeds or none is left."""
        signal.signal(signal.SIGTERM, self._stop)
        descendants.adopt()
        retry = self.job.file.retry
        delay = retry.delay
        code = contract.OK
        for attempt in range(1, retry.retries + 2):
            code = self._attempt(attempt)
            if code == contract.OK or code in contract.FINAL or attempt > retry.retries:
                break
            if not self.stopped:
                print(
                    f"waterflow: attempt {attempt} ended with {code}; next in {delay:g}s",
                    file=sys.stderr,
                )
                self._pause(delay)
            if self.stopped:
                return 128 + signal.SIGTERM
            delay *= retry.backoff
        return code

    def _pause(self, seconds: float) -> None:
        """Wait, but not once the job is to end."""
        until = time.monotonic() + seconds
        while not self.stopped and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _POLL))

    def _attempt(self, attempt: int) -> int:
        file = self.job.file
        spool = spools.Spool(
            Path(os.environ[contract.SPOOL]),
            execution=contract.execution_id(file),
            step=self.job.step,
            attempt=attempt,
            frames=sys.stdout if file.frames and self.tracks else None,
        )
        with spool:
            if self.tracks:
                spool.append(
                    "step.start",
                    parameters=self.job.parameters,
                    inputs=self._digests(),
                    tags={"waterflow.kind": file.work.kind},
                )
            code = self._run_child(attempt, spool)
            if self.tracks:
                spool.append("step.end", **self._ending(code, spool))
        return code

    def _run_child(self, attempt: int, spool: spools.Spool) -> int:
        """Run the attempt's process and return what its exit code counts for."""
        with tempfile.TemporaryDirectory(prefix="waterflow-", ignore_cleanup_errors=True) as folder:
            mark = Path(folder, "returned")
            code = self._process(attempt, spool, mark)
            self._code = code
            return completion.exit_code(code, mark, spool.path, attempt)

    def _process(self, attempt: int, spool: spools.Spool, mark: Path) -> int:
        """Run the attempt's process, its output read where metrics are looked for in it."""
        command = [sys.executable, "-m", "waterflow.runtime.execute", *self.arguments]
        how: dict[str, Any] = {
            "env": {
                **os.environ,
                contract.ATTEMPT: str(attempt),
                completion.RETURNED: str(mark),
            },
            "start_new_session": True,
        }
        timeout = self.job.file.timeout
        definitions = self.job.file.metrics
        if not definitions or not self.tracks:
            child = subprocess.Popen(command, **how)
            return self._wait(child, _waiting(child), timeout)
        reader = LogReader(definitions, spool, watched=True)
        with Passing(command, reader, **how) as passing:
            return self._wait(passing.child, passing.wait, timeout)

    def _wait(
        self,
        child: subprocess.Popen[Any],
        wait: Callable[[float], int | None],
        timeout: float | None,
    ) -> int:
        """Wait for the child; end it, with all that it started, when time is up or SIGTERM came."""
        until = None if timeout is None else time.monotonic() + timeout
        kill_at: float | None = None
        late = False
        while (code := wait(_POLL)) is None:
            now = time.monotonic()
            if kill_at is None and (self.stopped or (until is not None and now > until)):
                late = not self.stopped
                if late:
                    print(f"waterflow: the attempt took longer than {timeout:g}s", file=sys.stderr)
                self._signal(child, signal.SIGTERM)
                kill_at = now + GRACE
            elif kill_at is not None and now > kill_at:
                self._signal(child, signal.SIGKILL)
        self._signal(child, signal.SIGKILL)  # whatever the step has left behind
        descendants.end_all()  # and what has gone into sessions of its own
        if late:
            return contract.TIMED_OUT
        return code if code >= 0 else 128 - code

    def _signal(self, child: subprocess.Popen[Any], number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, number)

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        # Only noted here: what waits for the child holds a lock that a handler would wait for.
        self.stopped = True

    def _digests(self) -> dict[str, str]:
        return {
            name: artifacts.read(folder).sha256 or "skipped"
            for name, folder in self.job.inputs.items()
            if (folder / artifacts.MANIFEST).is_file()
        }

    def _ending(self, code: int, spool: spools.Spool) -> dict[str, Any]:
        """Return what is to be told of an attempt's end."""
        if code != contract.OK:
            status = "cancelled" if self.stopped else "failed"
            return {"status": status, "outputs": {}, "error": self._error(code, spool)}
        outputs: dict[str, Any] = {}
        skipped = False
        for name, folder in self.job.outputs.items():
            manifest = artifacts.read(folder)
            skipped = skipped or manifest.skipped
            outputs[name] = {
                "type": manifest.type,
                "digest": manifest.sha256,
                "size": manifest.size,
            }
        return {"status": "skipped" if skipped else "succeeded", "outputs": outputs}

    def _error(self, code: int, spool: spools.Spool) -> dict[str, str]:
        failure = spools.failure(spool.path, spool.attempt)
        if failure is not None and code < contract.TIMED_OUT:
            return failure
        message = ending(self._code if code == contract.FAILED else code)
        if self._code == contract.OK:
            print(f"waterflow: {message}", file=sys.stderr)
        return {"type": "ProcessEnded", "message": message, "traceback": ""}


def _waiting(child: subprocess.Popen[Any]) -> Callable[[float], int | None]:
    """Return what waits so many seconds for a child, and gives its exit code or None."""

    def wait(seconds: float) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return child.wait(seconds)
        return None

    return wait


def ending(code: int) -> str:
    """Say what an exit code means, for attempts that could not tell themselves.

    Args:
        code: The process's own; 0 is that of one which has ended before its step had.
    """
    if code == contract.OK:
        return completion.CUT_SHORT
    if code == contract.TIMED_OUT:
        return "it took longer than its timeout"
    if code == 128 + signal.SIGKILL:
        return "it was killed (SIGKILL), most often for want of memory: ask for more with memory="
    if code > 128:
        try:
            return f"it was ended by {signal.Signals(code - 128).name}"
        except ValueError:
            return f"it was ended by signal {code - 128}"
    if code == contract.BAD_STORAGE:
        return "its disk is full, or a place that it writes to cannot be written"
    return f"it ended with exit code {code}"
