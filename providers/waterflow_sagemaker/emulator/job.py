"""One job of SageMaker's, processing or training: its request, its status, how it is described."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Final

from waterflow.emulation.clock import now
from waterflow.emulation.jobs import Job, JobState
from waterflow_sagemaker.emulator import errors
from waterflow_sagemaker.emulator.objects import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow_sagemaker.emulator.world import World

_STATUSES: Final = {
    JobState.QUEUED: "InProgress",
    JobState.RUNNING: "InProgress",
    JobState.STOPPING: "Stopping",
    JobState.STOPPED: "Stopped",
    JobState.COMPLETED: "Completed",
    JobState.FAILED: "Failed",
}
"""Where a job is in its life -> the service's word for it."""

_STATES: Final = {
    _STATUSES[state]: state for state in (JobState.STOPPED, JobState.COMPLETED, JobState.FAILED)
}

_FAILURES: Final = {
    "capacity": (
        "CapacityError: Unable to provision requested ML compute capacity. Please retry "
        "using a different ML instance type or after some time."
    ),
    "internal": "InternalServerError: We encountered an internal error. Please try again.",
    "image": (
        "ClientError: Cannot pull the image {image}. Please check if your ECR repository and "
        "image exist and the role has proper pull permissions for SageMaker: "
        "ecr:BatchCheckLayerAvailability, ecr:BatchGetImage, ecr:GetDownloadUrlForLayer"
    ),
    "fail": "AlgorithmError: the emulator was asked for this failure, exit code: 1",
}


class SageMakerJob(Job):
    """One job: its request, its state, and its work.

    Args:
        world: What all jobs share.
        request: The request that made it, already checked.
    """

    KIND: ClassVar[str]
    """"Processing" or "Training": as the service's field names begin."""
    ROW: ClassVar[tuple[str, ...]]
    """What of a description a list shows."""

    def __init__(self, world: World, request: dict[str, Any]) -> None:
        super().__init__(world, request[f"{self.KIND}JobName"])
        self.world, self.request = world, request
        self.arn = job_arn(world.region, self.KIND, self.name)
        self.folder = world.work / world.region / self.KIND.lower() / self.name
        self.tags: list[dict[str, str]] = list(request.get("Tags") or [])
        self.group = f"/aws/sagemaker/{self.KIND}Jobs"

    @property
    def status(self) -> str:
        """The service's word for where it is in its life."""
        return _STATUSES[self.state]

    @property
    @abstractmethod
    def image(self) -> str:
        """The image of its containers."""

    @property
    @abstractmethod
    def machine(self) -> tuple[str, int]:
        """The machine type of its containers, and how many."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return the answer of Describe."""

    def summary(self) -> dict[str, Any]:
        """Return its row in a list."""
        description = self.describe()
        return {name: description[name] for name in self.ROW if name in description}

    def failure(self, fault: str) -> str:
        """Return the service's words for the failure that a fault stands for."""
        return _FAILURES[fault].format(image=self.image)

    def end(self) -> None:
        """Answer Stop.

        Raises:
            ServiceError: It has ended.
        """
        if not self.stop():
            raise errors.invalid(
                f"The request was rejected because the {self.KIND.lower()} job is in status "
                f"{self.status}."
            )

    def log_stream(self, host: str) -> str:
        """Return the name of a new log stream."""
        return f"{self.name}/{host}-{int(now().timestamp())}"

    def snapshot(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"request": self.request, "description": self.describe(), "tags": self.tags}


class EndedJob(SageMakerJob):
    """A job of an earlier emulator, which ended with it at the latest.

    Args:
        world: What all jobs share.
        saved: What `snapshot` returned.
        kind: Its kind.
    """

    def __init__(self, world: World, saved: Mapping[str, Any], kind: type[SageMakerJob]) -> None:
        self.KIND = kind.KIND  # pyright: ignore[reportAttributeAccessIssue] - a file names it
        self.ROW = kind.ROW  # pyright: ignore[reportAttributeAccessIssue]
        super().__init__(world, saved["request"])
        self._description: dict[str, Any] = dict(saved["description"])
        self.tags = saved["tags"]
        key = f"{kind.KIND}JobStatus"
        if self._description[key] not in _STATES:
            self._description |= {
                key: "Failed",
                "FailureReason": "InternalServerError: the emulator ended while the job ran.",
            }
        self.state = _STATES[self._description[key]]
        self.created = self._description["CreationTime"]
        self.modified = self._description["LastModifiedTime"]
        self.ended.set()

    @property
    def image(self) -> str:
        """Nothing: it starts no container."""
        return ""

    @property
    def machine(self) -> tuple[str, int]:
        """Nothing: it starts no container."""
        return "", 0

    def describe(self) -> dict[str, Any]:
        """Return the answer of Describe."""
        return self._description

    def work(self) -> str | None:
        """Do nothing: its work was another emulator's, and is over."""


def job_arn(region: str, kind: str, name: str) -> str:
    """Return a job's ARN."""
    return f"arn:aws:sagemaker:{region}:{ACCOUNT}:{kind.lower()}-job/{name}"
