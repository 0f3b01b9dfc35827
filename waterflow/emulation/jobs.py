"""The life of a job: it waits, runs, is stopped, fails or completes; and the table of all jobs."""

from __future__ import annotations

import contextlib
import shutil
import threading
from abc import ABC, abstractmethod
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Final, Generic, TypeVar

from waterflow.emulation.clock import now
from waterflow.emulation.errors import JobError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import datetime

    from waterflow.emulation.cluster import End
    from waterflow.emulation.site import Site

_PATIENCE: Final = 10.0
_PAUSE: Final = 0.2
"""Seconds between two looks for a machine."""


class JobState(StrEnum):
    """Where a job is in its life; each cloud has words of its own for it."""

    QUEUED = "queued"
    RUNNING = "running"
    STOPPING = "stopping"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def final(self) -> bool:
        """Whether a job keeps this state."""
        return self in (JobState.COMPLETED, JobState.FAILED, JobState.STOPPED)


class Job(ABC):
    """One job: its state, and the work that a thread does for it.

    Args:
        site: What all jobs share.
        name: Its name, unique within its kind.
    """

    KIND: ClassVar[str] = "job"
    """What kind of job it is: names and attempts are counted within it."""
    ALLOCATIONS: ClassVar[int] = 1
    """How often the cloud looks for a machine before a job that finds none has failed."""
    LONGEST_REASON: ClassVar[int] = 1024
    """The most characters of a reason that the cloud shows."""

    def __init__(self, site: Site, name: str) -> None:
        self.site, self.name = site, name
        self.created = self.modified = now()
        self.finished_at: datetime | None = None
        self.state = JobState.QUEUED
        self.reason: str | None = None
        self.ended = threading.Event()
        self.stopping = threading.Event()
        self.shutdown = False
        """Whether it ends because the emulator does: then without grace."""
        self.lock = threading.RLock()
        self.folder = site.work / self.KIND.lower() / name

    @abstractmethod
    def work(self) -> str | None:
        """Do the job; on return it has succeeded, unless it is to stop.

        Returns:
            Why the cloud has stopped it, when it did so by itself.

        Raises:
            JobError: It has failed.
        """

    @abstractmethod
    def failure(self, fault: str) -> str:
        """Return the cloud's words for the failure that a fault stands for.

        Args:
            fault: "capacity", "internal", "image" or "fail".
        """

    def run(self) -> None:
        """Do the job, come to a final state, and let go of everything."""
        state, reason = JobState.FAILED, None
        try:
            with self._machine():
                self._meet_faults()
                if not self.stopping.is_set():
                    reason = self.work()
            stopped = reason or self.stopping.is_set()
            state = JobState.STOPPED if stopped else JobState.COMPLETED
        except JobError as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - the job must end in a state whatever happens
            reason = f"InternalServerError: {type(error).__name__}: {error}"
        shutil.rmtree(self.folder, ignore_errors=True)
        with self.lock:
            self.state, self.reason = state, reason[: self.LONGEST_REASON] if reason else None
            self.finish()
            self.modified = now()
        self.ended.set()

    def finish(self) -> None:
        """Note the end; called with the lock held, the state being final."""
        self.finished_at = now()

    def stop(self) -> bool:
        """Make it end; return False when it has ended already."""
        with self.lock:
            if self.state.final:
                return False
            self.state, self.modified = JobState.STOPPING, now()
            self.stopping.set()
            return True

    def grace(self, why: End) -> float:
        """Return the seconds between SIGTERM and SIGKILL."""
        del why
        return 0.0 if self.shutdown else self.site.grace

    @contextlib.contextmanager
    def _machine(self) -> Generator[None]:
        """Wait for a machine, or until the job is to stop, and hold it."""
        held = self.site.slots.take(self.stopping)
        try:
            if held:
                with self.lock:
                    if self.state is JobState.QUEUED:
                        self.state = JobState.RUNNING
            yield
        finally:
            if held:
                self.site.slots.give_back()

    def _meet_faults(self) -> None:
        faults = self.site.faults
        if not faults.jobs:
            return
        tries = 1
        while faults.attempt("capacity", self.name, self.KIND):
            if tries == self.ALLOCATIONS:
                raise JobError(self.failure("capacity"))
            tries += 1
            if self.stopping.wait(_PAUSE):
                return
        for fault in ("internal", "image"):
            if faults.attempt(fault, self.name, self.KIND):
                raise JobError(self.failure(fault))
        if faults.fails(self.name):
            raise JobError(self.failure("fail"))


AnyJob = TypeVar("AnyJob", bound=Job)


class JobRefusedError(Exception):
    """A job cannot be started; the vendor says so in its own words."""


class JobExistsError(JobRefusedError):
    """There is a job of that name."""


class QuotaExceededError(JobRefusedError):
    """A quota is used up: the fault `limit`."""


class EmulatorEndingError(JobRefusedError):
    """The emulator is about to end."""


class JobTable(Generic[AnyJob]):
    """The jobs of one kind, by name, with the threads that do their work."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, AnyJob] = {}
        self._threads: list[threading.Thread] = []
        self._closed = False

    def start(self, job: AnyJob, on_end: Callable[[AnyJob], None] | None = None) -> None:
        """Start a job.

        Args:
            job: The job.
            on_end: Called once, from the job's thread, when its state is final.

        Raises:
            JobRefusedError: It cannot be started: one of its kinds says why.
        """
        with self._lock:
            if self._closed:
                raise EmulatorEndingError(job.name)
            if job.name in self._jobs:
                raise JobExistsError(job.name)
            if job.site.faults.attempt("limit", job.name, job.KIND):
                raise QuotaExceededError(job.name)
            self._jobs[job.name] = job
            thread = threading.Thread(target=self._run, args=(job, on_end), daemon=True)
            self._threads = [one for one in self._threads if one.is_alive()]
            self._threads.append(thread)
        thread.start()

    @staticmethod
    def _run(job: AnyJob, on_end: Callable[[AnyJob], None] | None) -> None:
        job.run()
        if on_end is not None:
            on_end(job)

    def add(self, job: AnyJob) -> None:
        """Add a job that has ended, such as one of a saved state."""
        self._jobs[job.name] = job

    def get(self, name: str) -> AnyJob | None:
        """Return a job; None when there is none of that name."""
        return self._jobs.get(name)

    def all(self) -> list[AnyJob]:
        """Return all jobs, the first first."""
        return list(self._jobs.values())

    def close(self) -> None:
        """Take no more jobs, end every one at once, and wait for it."""
        with self._lock:
            self._closed = True
            jobs = self.all()
        for job in jobs:
            if not job.ended.is_set():
                job.shutdown = True
                job.stopping.set()
        for thread in self._threads:
            thread.join(_PATIENCE)
