"""Processing jobs: inputs to folders, a program, folders to outputs."""

from __future__ import annotations

import json
import time
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar, Final

from waterflow_sagemaker.emulator import errors, inputs
from waterflow_sagemaker.emulator.cluster import Cluster, End, Request
from waterflow_sagemaker.emulator.errors import JobError
from waterflow_sagemaker.emulator.jobs import Job, now

if TYPE_CHECKING:
    from datetime import datetime

    from waterflow_sagemaker.emulator.world import World

ROOT: Final = "/opt/ml/processing"
_DAY: Final = 86400
_MESSAGE: Final = 1024
"""Bytes of /opt/ml/output/message that become ExitMessage."""
_SYNC: Final = 0.5
"""Seconds between uploads of an output in mode Continuous."""


class ProcessingJob(Job):
    """A processing job."""

    noun: ClassVar[str] = "Processing"
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
        self._cluster: Cluster | None = None
        self._seen: dict[tuple[str, str], dict[str, Any]] = {}

    @staticmethod
    def check(world: World, request: dict[str, Any]) -> None:
        """Refuse what only the service's own rules forbid.

        Raises:
            ServiceError: A path is not one that a job may use.
        """
        del world
        for one in (*request.get("ProcessingInputs", ()), *_outputs(request)):
            path = one.get("S3Input", one.get("S3Output", {})).get("LocalPath")
            if path is not None and not _inside(path, ROOT):
                raise errors.invalid(
                    f"LocalPath '{path}' is not valid: it must be a folder under {ROOT}/"
                )

    @property
    def image(self) -> str:
        """The image that it asked for."""
        return str(self.request["AppSpecification"]["ImageUri"])

    @property
    def machine(self) -> tuple[str, int]:
        """The machine type that it asked for, and how many."""
        resources = self.request["ProcessingResources"]["ClusterConfig"]
        return resources["InstanceType"], resources["InstanceCount"]

    def describe(self) -> dict[str, Any]:
        """Return the answer of DescribeProcessingJob."""
        found = {name: value for name, value in self.request.items() if name != "Tags"}
        found |= {
            "ProcessingJobArn": self.arn,
            "ProcessingJobStatus": self.status,
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
            "StoppingCondition": self.request.get("StoppingCondition")
            or {"MaxRuntimeInSeconds": _DAY},
            "ProcessingStartTime": self._started,
            "ProcessingEndTime": self._ended,
            "FailureReason": self.reason,
            "ExitMessage": self._message,
        }
        return {name: value for name, value in found.items() if value is not None}

    def work(self) -> str | None:
        """Do the job.

        Returns:
            Why the service has stopped it, when it did so by itself.

        Raises:
            JobError: It has failed.
        """
        app, (machine, count) = self.request["AppSpecification"], self.machine
        command = [*app.get("ContainerEntrypoint", ()), *app.get("ContainerArguments", ())]
        if not command:
            raise JobError(
                "ClientError: the environment that stands for the image has no entry point of its "
                "own here: write ContainerEntrypoint"
            )
        cluster = self._cluster = Cluster(
            self.world,
            Request(
                command=command,
                environment=self.request.get("Environment", {}),
                image=self.image,
                instances=count,
                kind=machine,
                isolated=self.request.get("NetworkConfig", {}).get("EnableNetworkIsolation", False),
            ),
            self.folder,
        )
        self._fill(cluster)
        with self.lock:
            self._started = self.modified = now()
        limit = self.request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", _DAY)
        self._deadline, self._next_sync = time.monotonic() + limit, time.monotonic() + _SYNC
        why, code = cluster.run(write=self._log, check=self._check, grace=self.grace)
        self._read_message(cluster)
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

    def _fill(self, cluster: Cluster) -> None:
        for one in self.request.get("ProcessingInputs", ()):
            source = one.get("S3Input")
            if source is None:
                raise JobError(
                    f"ClientError: the emulator has no dataset definitions (input "
                    f"'{one['InputName']}'); use S3Input"
                )
            if source.get("S3InputMode") == "Pipe":
                raise JobError(
                    f"ClientError: the emulator has no input mode Pipe (input "
                    f"'{one['InputName']}'); use File"
                )
            found = inputs.named(self.world.objects, source)
            if not found:
                raise JobError(
                    f"ClientError: Failed to download data. S3 key: {source['S3Uri']} matched no "
                    "files on s3"
                )
            folders = [cluster.path(host, source["LocalPath"]) for host in cluster.hosts]
            inputs.download(
                self.world.objects, found, folders,
                sharded=source.get("S3DataDistributionType") == "ShardedByS3Key",
            )  # fmt: skip
        config = {name: value for name, value in self.describe().items() if name in _CONFIG}
        for host in cluster.hosts:
            for output in _outputs(self.request):
                if "S3Output" in output:
                    place = cluster.path(host, output["S3Output"]["LocalPath"])
                    place.mkdir(parents=True, exist_ok=True)
            for name in ("output", "config", "processing"):
                cluster.path(host, name).mkdir(exist_ok=True)
            folder = cluster.path(host, "config")
            (folder / "processingjobconfig.json").write_text(json.dumps(config))
            (folder / "resourceconfig.json").write_text(json.dumps(cluster.resources(host)))

    def _read_message(self, cluster: Cluster) -> None:
        for host in cluster.hosts:
            file = cluster.path(host, "output/message")
            if file.is_file():
                with self.lock:
                    self._message = file.read_bytes()[:_MESSAGE].decode("utf-8", "ignore")
                return

    def _upload(self, *, continuous: bool) -> None:
        cluster = self._cluster
        if cluster is None:
            return
        kms = self.request.get("ProcessingOutputConfig", {}).get("KmsKeyId")
        for output in _outputs(self.request):
            target = output.get("S3Output")
            if target is None or (target["S3UploadMode"] == "Continuous") is not continuous:
                continue
            for host in cluster.hosts:
                seen = self._seen.setdefault((host, output["OutputName"]), {})
                self.world.objects.send(
                    cluster.path(host, target["LocalPath"]), target["S3Uri"], kms, seen
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


def _inside(path: str, root: str) -> bool:
    pure = PurePosixPath(path)
    return ".." not in pure.parts and pure.is_relative_to(root) and str(pure) != root
