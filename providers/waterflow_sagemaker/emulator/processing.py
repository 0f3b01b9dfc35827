"""Processing jobs: inputs to folders, a program, folders to outputs."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, ClassVar, Final

from waterflow.emulation.clock import now
from waterflow.emulation.cluster import End
from waterflow.emulation.errors import JobError
from waterflow_sagemaker.definition.jobs import PROCESSING, in_processing
from waterflow_sagemaker.emulator import errors, inputs
from waterflow_sagemaker.emulator.containers import Containers
from waterflow_sagemaker.emulator.job import SageMakerJob

if TYPE_CHECKING:
    from datetime import datetime

    from waterflow_sagemaker.emulator.world import World

_DAY: Final = 86400
_MESSAGE: Final = 1024
"""Bytes of /opt/ml/output/message that become ExitMessage."""
_SYNC: Final = 0.5
"""Seconds between uploads of an output in mode Continuous."""


class ProcessingJob(SageMakerJob):
    """A processing job."""

    KIND: ClassVar[str] = "Processing"
    ROW: ClassVar[tuple[str, ...]] = (
        "ProcessingJobName", "ProcessingJobArn", "CreationTime", "ProcessingEndTime",
        "LastModifiedTime", "ProcessingJobStatus", "FailureReason", "ExitMessage",
    )  # fmt: skip

    def __init__(self, world: World, request: dict[str, Any]) -> None:
        super().__init__(world, request)
        self._started: datetime | None = None
        self._message: str | None = None
        self._timed_out = False
        self._deadline = self._next_sync = float("inf")
        self._containers: Containers | None = None
        self._seen: dict[tuple[str, str], dict[str, Any]] = {}

    @staticmethod
    def check(world: World, request: dict[str, Any]) -> None:
        """Refuse what only the service's own rules forbid.

        Raises:
            ServiceError: A path is not one that a job may use.
        """
        del world
        for one in (*request.get("ProcessingInputs", ()), *_outputs(request)):
            name = one.get("InputName", one.get("OutputName"))
            if "DatasetDefinition" in one:
                raise errors.invalid(
                    f"The emulator has no dataset definitions (input '{name}'): use S3Input."
                )
            if "FeatureStoreOutput" in one:
                raise errors.invalid(
                    f"The emulator has no feature store (output '{name}'): use S3Output."
                )
            place = one.get("S3Input", one.get("S3Output"))
            if place is None:
                raise errors.invalid(f"'{name}' needs S3Input or S3Output.")
            path = place.get("LocalPath")
            if path is None and not one.get("AppManaged"):
                raise errors.invalid(f"'{name}' needs LocalPath, as it is not AppManaged.")
            if path is not None and not in_processing(path):
                raise errors.invalid(
                    f"LocalPath '{path}' is not valid: it must be a folder under {PROCESSING}/"
                )

    @property
    def image(self) -> str:
        """The image of its containers."""
        return str(self.request["AppSpecification"]["ImageUri"])

    @property
    def machine(self) -> tuple[str, int]:
        """The machine type of its containers, and how many."""
        resources = self.request["ProcessingResources"]["ClusterConfig"]
        return resources["InstanceType"], resources["InstanceCount"]

    def describe(self) -> dict[str, Any]:
        """Return the answer of DescribeProcessingJob."""
        description = _whole(self.request)
        description |= {
            "ProcessingJobArn": self.arn,
            "ProcessingJobStatus": self.status,
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
            "ProcessingStartTime": self._started,
            "ProcessingEndTime": self.finished_at,
            "FailureReason": self.reason,
            "ExitMessage": self._message,
        }
        return {name: value for name, value in description.items() if value is not None}

    def work(self) -> str | None:
        """Do the job.

        Returns:
            Why the service has stopped it, when it did so by itself.

        Raises:
            JobError: It has failed.
        """
        app = self.request["AppSpecification"]
        entry = app.get("ContainerEntrypoint") or self.world.images.command(self.image)
        command = [*entry, *app.get("ContainerArguments", ())]
        if not command:
            raise JobError(
                "ClientError: the environment that stands for the image has no entry point of its "
                "own here: write ContainerEntrypoint, or name one: --image NAME=DIR:COMMAND"
            )
        containers = self._containers = Containers(
            self.world,
            self.folder,
            command=command,
            environment=self.request.get("Environment", {}),
            image=self.image,
            machine=self.machine,
            role=self.request["RoleArn"],
            isolated=self.request.get("NetworkConfig", {}).get("EnableNetworkIsolation", False),
        )
        self._fill(containers)
        with self.lock:
            self._started = self.modified = now()
        limit = self.request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", _DAY)
        self._deadline, self._next_sync = time.monotonic() + limit, time.monotonic() + _SYNC
        why, code = containers.run(write=self._log, check=self._check, grace=self.grace)
        self._read_message(containers)
        self._upload(continuous=True)
        if why is End.TIMEOUT:
            # It is stopped, not failed: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingStoppingCondition.html
            return "ClientError: Processing job runtime exceeded MaxRuntimeInSeconds provided"
        if why is End.DONE and code:
            raise JobError(
                f"AlgorithmError: {self._message or 'See job logs for more information'}, "
                f"exit code: {code}"
            )
        if why is End.DONE:
            self._upload(continuous=False)
        return None

    def _log(self, host: str) -> Any:
        return self.world.logs.open(self.group, self.log_stream(host))

    def _check(self) -> End | None:
        moment = time.monotonic()
        if self.stopping.is_set():
            return End.STOPPED
        if moment >= self._deadline:
            return End.TIMEOUT
        if moment >= self._next_sync:
            self._upload(continuous=True)
            self._next_sync = time.monotonic() + _SYNC
        return None

    def _fill(self, containers: Containers) -> None:
        for one in self.request.get("ProcessingInputs", ()):
            source = one["S3Input"]
            if one.get("AppManaged"):
                continue
            if source.get("S3InputMode") == "Pipe":
                raise JobError(
                    f"ClientError: the emulator has no input mode Pipe (input "
                    f"'{one['InputName']}'); use File"
                )
            objects = inputs.named(self.world.objects, source)
            if not objects:
                raise JobError(
                    f"ClientError: Failed to download data. S3 key: {source['S3Uri']} matched no "
                    "files on s3"
                )
            folders = [containers.ml(host, source["LocalPath"]) for host in containers.hosts]
            inputs.download(
                self.world.objects,
                objects,
                folders,
                sharded=source.get("S3DataDistributionType") == "ShardedByS3Key",
            )
        config = {name: value for name, value in self.describe().items() if name in _CONFIG}
        for host in containers.hosts:
            for output in _outputs(self.request):
                if not output.get("AppManaged"):
                    place = containers.ml(host, output["S3Output"]["LocalPath"])
                    place.mkdir(parents=True, exist_ok=True)
            for name in ("output", "config", "processing"):
                containers.ml(host, name).mkdir(exist_ok=True)
            folder = containers.ml(host, "config")
            (folder / "processingjobconfig.json").write_text(json.dumps(config))
            (folder / "resourceconfig.json").write_text(json.dumps(containers.resources(host)))

    def _read_message(self, containers: Containers) -> None:
        for host in containers.hosts:
            file = containers.ml(host, "output/message")
            if file.is_file():
                with self.lock:
                    self._message = file.read_bytes()[:_MESSAGE].decode("utf-8", "ignore")
                return

    def _upload(self, *, continuous: bool) -> None:
        containers = self._containers
        if containers is None:
            return
        kms = self.request.get("ProcessingOutputConfig", {}).get("KmsKeyId")
        for output in _outputs(self.request):
            target = output["S3Output"]
            live = target["S3UploadMode"] == "Continuous"
            if output.get("AppManaged") or live is not continuous:
                continue
            for host in containers.hosts:
                seen = self._seen.setdefault((host, output["OutputName"]), {})
                self.world.objects.send(
                    containers.ml(host, target["LocalPath"]), target["S3Uri"], kms, seen
                )


_CONFIG: Final = frozenset(
    {
        "ProcessingJobArn", "ProcessingJobName", "AppSpecification", "Environment",
        "ProcessingInputs", "ProcessingOutputConfig", "ProcessingResources", "RoleArn",
        "StoppingCondition", "NetworkConfig",
    }
)  # fmt: skip
"""What of a job its containers read in processingjobconfig.json."""


def _outputs(request: dict[str, Any]) -> list[dict[str, Any]]:
    return list(request.get("ProcessingOutputConfig", {}).get("Outputs", ()))


def _whole(request: dict[str, Any]) -> dict[str, Any]:
    """Return what a request says as Describe says it: with what the service fills in."""
    filled: dict[str, Any] = {"StoppingCondition": {"MaxRuntimeInSeconds": _DAY}}
    filled |= {name: value for name, value in request.items() if name != "Tags"}
    if "ProcessingInputs" in request:
        filled["ProcessingInputs"] = [
            {
                "AppManaged": False,
                **one,
                "S3Input": {
                    "S3DataDistributionType": "FullyReplicated",
                    "S3CompressionType": "None",
                    **one["S3Input"],
                },
            }
            for one in request["ProcessingInputs"]
        ]
    if "ProcessingOutputConfig" in request:
        config = request["ProcessingOutputConfig"]
        outputs = [{"AppManaged": False, **one} for one in config["Outputs"]]
        filled["ProcessingOutputConfig"] = {**config, "Outputs": outputs}
    return filled
