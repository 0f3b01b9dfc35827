"""The service's operations on processing and training jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from waterflow.emulation.errors import ServiceError
from waterflow.emulation.jobs import JobExistsError, JobTable, QuotaExceededError
from waterflow.emulation.jobs import JobRefusedError as Refused
from waterflow_sagemaker.emulator import errors, rights
from waterflow_sagemaker.emulator.calls import Principal
from waterflow_sagemaker.emulator.job import EndedJob, SageMakerJob
from waterflow_sagemaker.emulator.listing import listed
from waterflow_sagemaker.emulator.processing import ProcessingJob
from waterflow_sagemaker.emulator.rights import Right
from waterflow_sagemaker.emulator.training import TrainingJob

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from waterflow_sagemaker.emulator.world import World

_KINDS: dict[str, type[ProcessingJob | TrainingJob]] = {
    "processing": ProcessingJob,
    "training": TrainingJob,
}


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
        self._world = world
        self._tables: dict[str, JobTable[SageMakerJob]] = {kind: JobTable() for kind in _KINDS}

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
        _KINDS[kind].check(self._world, request)
        job = _KINDS[kind](self._world, request)
        try:
            self._tables[kind].start(job, on_end and (lambda ended: on_end(ended.describe())))
        except Refused as error:
            raise _refusal(job, error) from None
        self._record(job, piped=on_end is not None)
        return job.arn

    def _record(self, job: SageMakerJob, *, piped: bool) -> None:
        """Write down what a job's start asks of IAM.

        Args:
            job: The job.
            piped: Whether a pipeline has started it: it does so by its role, and follows it.
        """
        world, request = self._world, job.request
        asked = list(rights.of_job(job.KIND, job.image, request, world.region))
        if piped:
            # Pipelines tag what they start.
            asked += rights.job(job.KIND, {"Tags": True, **request}, world.region)
            asked += [Right(f"sagemaker:Describe{job.KIND}Job", job.arn)]
        world.calls.add(Principal.JOBS, asked, world.region)

    def describe(self, kind: str, name: str) -> dict[str, Any]:
        """Return a job's description.

        Raises:
            ServiceError: There is no such job.
        """
        job = self._job(kind, name)
        with job.lock:
            return job.describe()

    def stop(self, kind: str, name: str) -> None:
        """Make a job end.

        Raises:
            ServiceError: There is no such job, or it has ended.
        """
        job = self._job(kind, name)
        job.end()
        right = Right(f"sagemaker:Stop{job.KIND}Job", job.arn)
        self._world.calls.add(Principal.JOBS, [right], self._world.region)

    def tags_of(self, arn: str) -> list[dict[str, str]] | None:
        """Return the tags of a resource, to be changed in place; None when it is not ours."""
        for table in self._tables.values():
            for job in table.all():
                if job.arn == arn:
                    return job.tags
        return None

    def close(self) -> None:
        """End every job at once, and wait for it."""
        for table in self._tables.values():
            table.close()

    # --- the service's operations -----------------------------------------------------------------

    def create_processing_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer CreateProcessingJob."""
        return {"ProcessingJobArn": self.start("processing", request)}

    def describe_processing_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer DescribeProcessingJob."""
        return self.describe("processing", request["ProcessingJobName"])

    def stop_processing_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer StopProcessingJob."""
        self._job("processing", request["ProcessingJobName"]).end()
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
        self._job("training", request["TrainingJobName"]).end()
        return {}

    def list_training_jobs(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer ListTrainingJobs."""
        return self._list("training", request)

    def _list(self, kind: str, request: dict[str, Any]) -> dict[str, Any]:
        noun = _KINDS[kind].KIND
        rows: list[dict[str, Any]] = []
        for job in self._tables[kind].all():
            with job.lock:
                rows.append(job.summary())
        summaries, token = listed(rows, request, noun)
        return {f"{noun}JobSummaries": summaries, **token}

    def _job(self, kind: str, name: str) -> SageMakerJob:
        job = self._tables[kind].get(name)
        if job is None:
            raise errors.invalid(
                "Requested resource not found."
                if kind == "training"
                else f"Could not find requested job with name: {name}"
            )
        return job

    # --- the state on disk ------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return all jobs as plain data."""
        return {
            kind: [job.snapshot() for job in table.all()] for kind, table in self._tables.items()
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take back what `snapshot` returned; jobs that ran then have failed."""
        for kind, jobs in saved.items():
            for one in jobs:
                self._tables[kind].add(EndedJob(self._world, one, _KINDS[kind]))


def _refusal(job: SageMakerJob, reason: Refused) -> ServiceError:
    """Return the service's words for why a job cannot be started."""
    if isinstance(reason, JobExistsError):
        return errors.in_use(
            "Job name must be unique within an AWS account and region, and a job with "
            f"this name already exists ({job.arn})"
        )
    if isinstance(reason, QuotaExceededError):
        machine, count = job.machine
        return ServiceError(
            "ResourceLimitExceeded",
            f"The account-level service limit '{machine} for {job.KIND.lower()} job usage' is 0 "
            "Instances, with current utilization of 0 Instances and a request delta of "
            f"{count} Instances. Please use AWS Service Quotas to request an increase for this "
            "quota. If AWS Service Quotas is not available, contact AWS support to request an "
            "increase for this quota.",
        )
    return ServiceError("ServiceUnavailable", "The emulator is ending.", 503)
