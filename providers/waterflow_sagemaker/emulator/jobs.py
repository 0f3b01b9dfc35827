"""The jobs of the service: their names, their states, their threads; what differs is elsewhere."""

from __future__ import annotations

import contextlib
import shutil
import threading
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from waterflow_sagemaker.emulator import errors
from waterflow_sagemaker.emulator.errors import JobError, ServiceError
from waterflow_sagemaker.emulator.listing import listed
from waterflow_sagemaker.emulator.objects import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from waterflow_sagemaker.emulator.cluster import End
    from waterflow_sagemaker.emulator.world import World

FINAL: Final = frozenset({"Completed", "Failed", "Stopped"})
"""Statuses that a job keeps."""

_REASON: Final = 1024
"""The most characters of a FailureReason."""
_PATIENCE: Final = 10.0
_LOOK: Final = 0.2


class Job(ABC):
    """One job: its request, its state, and the thread that does its work.

    Args:
        world: What all jobs share.
        request: The request that made it, already checked.
    """

    noun: ClassVar[str]
    """"Processing" or "Training": as the service's field names begin."""
    ROW: ClassVar[tuple[str, ...]]
    """What of a description a list shows."""

    def __init__(self, world: World, request: dict[str, Any]) -> None:
        self.world, self.request = world, request
        self.name: str = request[f"{self.noun}JobName"]
        self.arn = job_arn(world.region, self.noun, self.name)
        self.created = self.modified = now()
        self.tags: list[dict[str, str]] = list(request.get("Tags") or [])
        self._ended: datetime | None = None
        self.status = "InProgress"
        self.reason: str | None = None
        self.ended = threading.Event()
        self.stopping = threading.Event()
        self.shutdown = False
        self.lock = threading.RLock()
        self.folder = world.work / self.noun.lower() / self.name
        self.group = f"/aws/sagemaker/{self.noun}Jobs"

    # --- what a kind of job says and does ---------------------------------------------------------

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return the answer of Describe."""

    @classmethod
    def row(cls, description: dict[str, Any]) -> dict[str, Any]:
        """Return the row in a list of a job of this kind."""
        return {name: description[name] for name in cls.ROW if name in description}

    def summary(self) -> dict[str, Any]:
        """Return its row in a list."""
        return self.row(self.describe())

    @abstractmethod
    def work(self) -> str | None:
        """Do the job; on return it has succeeded, unless it is to stop.

        Returns:
            Why the service has stopped it, when it did so by itself.

        Raises:
            JobError: It has failed.
        """

    # --- its life ---------------------------------------------------------------------------------

    def run(self) -> None:
        """Do the job, come to a final status, and let go of everything."""
        status, reason = "Failed", None
        try:
            with self._slot():
                self._faults()
                if not self.stopping.is_set():
                    reason = self.work()
            status = "Stopped" if reason or self.stopping.is_set() else "Completed"
        except JobError as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - the job must end in a status whatever happens
            reason = f"InternalServerError: {type(error).__name__}: {error}"
        shutil.rmtree(self.folder, ignore_errors=True)
        with self.lock:
            self.status, self.reason = status, reason[:_REASON] if reason else None
            self.finished()
            self.modified = now()
        self.ended.set()

    @contextlib.contextmanager
    def _slot(self) -> Generator[None]:
        """Wait until the machine can bear one more job, or until this one is to stop."""
        slots, taken = self.world.slots, False
        while not taken and not self.stopping.is_set():
            taken = slots.acquire(timeout=_LOOK)
        try:
            yield
        finally:
            if taken:
                slots.release()

    def finished(self) -> None:
        """Note the end; called with the lock held, the status being final."""
        self._ended = now()

    def stop(self) -> None:
        """Ask it to end.

        Raises:
            ServiceError: It has ended.
        """
        with self.lock:
            if self.status in FINAL:
                raise errors.invalid(
                    f"The request was rejected because the {self.noun.lower()} job is in status "
                    f"{self.status}."
                )
            self.status, self.modified = "Stopping", now()
            self.stopping.set()

    def log_stream(self, host: str) -> str:
        """Return the name of a new log stream."""
        return f"{self.name}/{host}-{int(now().timestamp())}"

    def grace(self, why: End) -> float:
        """Return the seconds between SIGTERM and SIGKILL."""
        del why
        return 0.0 if self.shutdown else self.world.grace

    def _faults(self) -> None:
        faults = self.world.faults
        if not faults.jobs:
            return
        scope = self.noun
        if faults.attempt("capacity", self.name, scope):
            raise JobError(
                "CapacityError: Unable to provision requested ML compute capacity. Please retry "
                "using a different ML instance type or after some time."
            )
        if faults.attempt("internal", self.name, scope):
            raise JobError(
                "InternalServerError: We encountered an internal error. Please try again."
            )
        if faults.attempt("image", self.name, scope):
            raise JobError(
                f"ClientError: Cannot pull the image {self.image}. Please check if your ECR "
                "repository and image exist and the role has proper pull permissions for "
                "SageMaker: ecr:BatchCheckLayerAvailability, ecr:BatchGetImage, "
                "ecr:GetDownloadUrlForLayer"
            )
        if faults.fails(self.name):
            raise JobError("AlgorithmError: the emulator was asked for this failure, exit code: 1")

    @property
    def image(self) -> str:
        """The image that it asked for."""
        return ""

    @property
    def machine(self) -> tuple[str, int]:
        """The machine type that it asked for, and how many."""
        return "", 0

    # --- the state on disk ------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"request": self.request, "description": self.describe(), "tags": self.tags}


class Ended(Job):
    """A job of an earlier emulator, which ended with it at the latest.

    Args:
        world: What all jobs share.
        saved: What `snapshot` returned.
        kind: Its kind.
    """

    def __init__(self, world: World, saved: Mapping[str, Any], kind: type[Job]) -> None:
        self.noun = kind.noun  # pyright: ignore[reportAttributeAccessIssue] - it came from a file
        super().__init__(world, saved["request"])
        self._description, self._kind = dict(saved["description"]), kind
        self.tags = saved["tags"]
        key = f"{kind.noun}JobStatus"
        if self._description[key] not in FINAL:
            self._description |= {
                key: "Failed",
                "FailureReason": "InternalServerError: the emulator ended while the job ran.",
            }
        self.status = self._description[key]
        self.created = self._description["CreationTime"]
        self.modified = self._description["LastModifiedTime"]
        self.ended.set()

    def describe(self) -> dict[str, Any]:
        """Return the answer of Describe."""
        return self._description

    def summary(self) -> dict[str, Any]:
        """Return its row in a list."""
        return self._kind.row(self._description)

    def work(self) -> str | None:
        """Do nothing: its work was another emulator's, and is over."""


class Jobs:
    """The jobs of the emulator, by kind and name.

    Args:
        world: What all jobs share.
    """

    OPERATIONS: ClassVar[dict[str, str]] = {
        f"{verb}{noun}Job{plural}": f"{verb.lower()}_{noun.lower()}_job{plural}"
        for noun in ("Processing", "Training")
        for verb, plural in (("Create", ""), ("Describe", ""), ("Stop", ""), ("List", "s"))
    }
    """The service's operations -> our methods."""

    def __init__(self, world: World) -> None:
        from waterflow_sagemaker.emulator.processing import ProcessingJob
        from waterflow_sagemaker.emulator.training import TrainingJob

        self._world = world
        self._lock = threading.Lock()
        self._kinds: dict[str, type[ProcessingJob | TrainingJob]] = {
            "processing": ProcessingJob,
            "training": TrainingJob,
        }
        self._jobs: dict[str, dict[str, Job]] = {kind: {} for kind in self._kinds}
        self._threads: list[threading.Thread] = []
        self._closed = False

    # --- for the engine of pipelines --------------------------------------------------------------

    def start(
        self,
        kind: str,
        request: dict[str, Any],
        on_end: Callable[[dict[str, Any]], None] | None = None,
    ) -> str:
        """Start a job, and return its ARN.

        Args:
            kind: "processing" or "training".
            request: The request that makes it, already checked.
            on_end: Called once, from a thread of its own, with the job's final description.

        Raises:
            ServiceError: The service refuses it.
        """
        made = self._kinds[kind]
        made.check(self._world, request)
        job = made(self._world, request)
        with self._lock:
            if self._closed:
                raise ServiceError("ServiceUnavailable", "The emulator is ending.", 503)
            if job.name in self._jobs[kind]:
                raise errors.in_use(
                    "Job name must be unique within an AWS account and region, and a job with "
                    f"this name already exists ({job.arn})"
                )
            if self._world.faults.attempt("limit", job.name, job.noun):
                raise _limit(job)
            self._jobs[kind][job.name] = job
            thread = threading.Thread(target=self._run, args=(job, on_end), daemon=True)
            self._threads = [one for one in self._threads if one.is_alive()]
            self._threads.append(thread)
        thread.start()
        return job.arn

    @staticmethod
    def _run(job: Job, on_end: Callable[[dict[str, Any]], None] | None) -> None:
        job.run()
        if on_end is not None:
            on_end(job.describe())

    def find(self, kind: str, name: str) -> Job | None:
        """Return a job; None when there is none of that name."""
        return self._jobs[kind].get(name)

    def describe(self, kind: str, name: str) -> dict[str, Any]:
        """Return a job's description.

        Raises:
            ServiceError: There is no such job.
        """
        job = self._found(kind, name)
        with job.lock:
            return job.describe()

    def stop(self, kind: str, name: str) -> None:
        """Ask a job to end.

        Raises:
            ServiceError: There is no such job, or it has ended.
        """
        self._found(kind, name).stop()

    def tags_of(self, arn: str) -> list[dict[str, str]] | None:
        """Return the tags of a resource, to be changed in place; None when it is not ours."""
        for jobs in self._jobs.values():
            for job in list(jobs.values()):
                if job.arn == arn:
                    return job.tags
        return None

    def close(self) -> None:
        """End every job at once, and wait for it."""
        with self._lock:
            self._closed = True
            jobs = [job for jobs in self._jobs.values() for job in jobs.values()]
        for job in jobs:
            if not job.ended.is_set():
                job.shutdown = True
                job.stopping.set()
        for thread in self._threads:
            thread.join(_PATIENCE)

    # --- the service's operations -----------------------------------------------------------------

    def create_processing_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer CreateProcessingJob."""
        return {"ProcessingJobArn": self.start("processing", request)}

    def describe_processing_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer DescribeProcessingJob."""
        return self.describe("processing", request["ProcessingJobName"])

    def stop_processing_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer StopProcessingJob."""
        self.stop("processing", request["ProcessingJobName"])
        return {}

    def list_processing_jobs(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer ListProcessingJobs."""
        return self._list("processing", request)

    def create_training_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer CreateTrainingJob."""
        return {"TrainingJobArn": self.start("training", request)}

    def describe_training_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer DescribeTrainingJob."""
        return self.describe("training", request["TrainingJobName"])

    def stop_training_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer StopTrainingJob."""
        self.stop("training", request["TrainingJobName"])
        return {}

    def list_training_jobs(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer ListTrainingJobs."""
        return self._list("training", request)

    def _list(self, kind: str, request: dict[str, Any]) -> dict[str, Any]:
        noun = self._kinds[kind].noun
        rows: list[dict[str, Any]] = []
        for job in list(self._jobs[kind].values()):
            with job.lock:
                rows.append(job.summary())
        page, token = listed(rows, request, noun)
        return {f"{noun}JobSummaries": page, **token}

    def _found(self, kind: str, name: str) -> Job:
        job = self.find(kind, name)
        if job is None:
            noun = self._kinds[kind].noun
            raise errors.invalid(
                "Requested resource not found."
                if noun == "Training"
                else f"Could not find requested job with name: {name}"
            )
        return job

    # --- the state on disk ------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return all jobs as plain data."""
        return {
            kind: [job.snapshot() for job in list(jobs.values())]
            for kind, jobs in self._jobs.items()
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take back what `snapshot` returned; jobs that ran then have failed."""
        for kind, jobs in saved.items():
            made = self._kinds[kind]
            for one in jobs:
                job = Ended(self._world, one, made)
                self._jobs[kind][job.name] = job


def job_arn(region: str, noun: str, name: str) -> str:
    """Return a job's ARN."""
    return f"arn:aws:sagemaker:{region}:{ACCOUNT}:{noun.lower()}-job/{name}"


def now() -> datetime:
    """Return this moment, at the service's precision."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _limit(job: Job) -> ServiceError:
    machine, count = job.machine
    return ServiceError(
        "ResourceLimitExceeded",
        f"The account-level service limit '{machine} for {job.noun.lower()} job usage' is 0 "
        f"Instances, with current utilization of 0 Instances and a request delta of {count} "
        "Instances. Please use AWS Service Quotas to request an increase for this quota. If AWS "
        "Service Quotas is not available, contact AWS support to request an increase for this "
        "quota.",
    )
