"""Training jobs: channels to folders, a program, a model; with checkpoints and interruptions."""

from __future__ import annotations

import json
import math
import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from waterflow.emulation.clock import now
from waterflow.emulation.cluster import End
from waterflow.emulation.errors import JobError
from waterflow.emulation.faults import SpotPlan
from waterflow.emulation.jobs import JobState
from waterflow_sagemaker.definition.jobs import CHECKPOINTS
from waterflow_sagemaker.emulator import errors, inputs
from waterflow_sagemaker.emulator.artifacts import pack, upload_tree
from waterflow_sagemaker.emulator.containers import Containers
from waterflow_sagemaker.emulator.job import SageMakerJob
from waterflow_sagemaker.emulator.logs import Metrics
from waterflow_sagemaker.emulator.objects import split

if TYPE_CHECKING:
    from collections.abc import Callable

    from waterflow_sagemaker.emulator.world import World

_DAY: Final = 86400
_FAILURE: Final = 1024
"""Characters of /opt/ml/output/failure that become part of FailureReason."""
_SYNC: Final = 0.1
"""Seconds between looks at the checkpoints."""
_SPOT_SHARE: Final = 0.3
"""Of a spot machine's time, the share that is billed here: the true one changes by the hour."""
_WORDS: Final = {
    "Starting": "Starting the training job",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Interrupted": "Training job interrupted",
    "Restarting": "Preparing the instances for training",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "MaxWaitTimeExceeded": "Training job wait time exceeded MaxWaitTimeInSeconds provided",
}


_NOT_RUN: Final = {
    "ServerlessJobConfig": "has no serverless training and no models to fine-tune",
    "ModelPackageConfig": "has no serverless training and no models to fine-tune",
    "SessionChainingConfig": "has no session chaining",
}
"""Members of a request -> what the emulator lacks to do what they ask for."""


class TrainingJob(SageMakerJob):
    """A training job."""

    KIND: ClassVar[str] = "Training"
    ROW: ClassVar[tuple[str, ...]] = (
        "TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingEndTime", "LastModifiedTime",
        "TrainingJobStatus", "SecondaryStatus",
    )  # fmt: skip

    def __init__(self, world: World, request: dict[str, Any]) -> None:
        super().__init__(world, request)
        self._started: datetime | None = None
        self._seconds = 0.0
        self._transitions: list[dict[str, Any]] = []
        self._overdue: str | None = None
        self._interruptions = SpotPlan(world.faults) if self._spot else None
        self._deadline = self._waited = float("inf")
        self._next_sync = float("inf")
        self._seen: dict[str, dict[str, Any]] = {}
        definitions = request["AlgorithmSpecification"].get("MetricDefinitions", ())
        self._metrics = Metrics({one["Name"]: one["Regex"] for one in definitions})
        self._move("Starting")

    @staticmethod
    def check(world: World, request: dict[str, Any]) -> None:
        """Refuse what only the service's own rules forbid.

        Raises:
            ServiceError: A channel names no object, or something is asked for that is not run.
        """
        _check_program(request)
        modes = [request["AlgorithmSpecification"]["TrainingInputMode"]]
        for channel in request.get("InputDataConfig", ()):
            modes.append(channel.get("InputMode", modes[0]))
            source = channel["DataSource"].get("S3DataSource")
            if source is None:
                raise errors.invalid(
                    f"Channel '{channel['ChannelName']}': the emulator has S3DataSource only."
                )
            bucket, _ = split(source["S3Uri"])
            if world.objects.elsewhere(bucket) or not world.objects.match(source["S3Uri"]):
                raise errors.invalid(
                    f'No S3 objects found under S3 URL "{source["S3Uri"]}" given in input data '
                    "source. Please ensure that the bucket exists in the selected region "
                    f"({world.region}), that objects exist under that S3 prefix, and that the role "
                    f'"{request["RoleArn"]}" has "s3:ListBucket" permissions on bucket "{bucket}".'
                )
        if "Pipe" in modes:
            raise errors.invalid("The emulator has no input mode Pipe: use File or FastFile.")

    @property
    def image(self) -> str:
        """The image of its containers."""
        return str(self.request["AlgorithmSpecification"]["TrainingImage"])

    @property
    def machine(self) -> tuple[str, int]:
        """The machine type of its containers, and how many."""
        resources = self.request["ResourceConfig"]
        groups = resources.get("InstanceGroups") or [resources]
        return groups[0]["InstanceType"], sum(group["InstanceCount"] for group in groups)

    @property
    def _target(self) -> str:
        """Where its outputs go."""
        path: str = self.request["OutputDataConfig"]["S3OutputPath"]
        return f"{path.rstrip('/')}/{self.name}/output"

    @property
    def _plain(self) -> bool:
        """Whether they go there uncompressed."""
        return self.request["OutputDataConfig"].get("CompressionType") == "NONE"

    @property
    def _model(self) -> str:
        return "model/" if self._plain else "model.tar.gz"

    @property
    def _spot(self) -> bool:
        return bool(self.request.get("EnableManagedSpotTraining"))

    # --- what it says -----------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """Return the answer of DescribeTrainingJob."""
        billable = self._seconds * (_SPOT_SHARE if self._spot else 1)
        description = _whole(self.request)
        description |= {
            "TrainingJobArn": self.arn,
            "TrainingJobStatus": self.status,
            "SecondaryStatus": self._transitions[-1]["Status"],
            "SecondaryStatusTransitions": [dict(one) for one in self._transitions],
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
            "TrainingStartTime": self._started,
            "TrainingEndTime": self.finished_at,
            "FailureReason": self.reason if self.state is JobState.FAILED else None,
            # Whatever becomes of the job: the service's model requires it of each answer.
            "ModelArtifacts": {"S3ModelArtifacts": f"{self._target}/{self._model}"},
            "FinalMetricDataList": [
                {"MetricName": name, "Value": value, "Timestamp": datetime.fromtimestamp(at, UTC)}
                for name, (value, at) in self._metrics.last.items()
            ]
            or None,
            "TrainingTimeInSeconds": math.ceil(self._seconds) if self.finished_at else None,
            "BillableTimeInSeconds": math.ceil(billable) if self.finished_at else None,
        }
        return {name: value for name, value in description.items() if value is not None}

    def _move(self, status: str) -> None:
        with self.lock:
            moment = now()
            if self._transitions:
                self._transitions[-1]["EndTime"] = moment
            self._transitions.append(
                {"Status": status, "StartTime": moment, "StatusMessage": _WORDS[status]}
            )
            self.modified = moment

    # --- what it does -----------------------------------------------------------------------------

    def stop(self) -> bool:
        """Make it end; return False when it has ended already."""
        stopped = super().stop()
        if stopped:
            self._move("Stopping")
        return stopped

    def work(self) -> str | None:
        """Do the job.

        Returns:
            Why the service has stopped it, when it did so by itself.

        Raises:
            JobError: It has failed.
        """
        limits = self.request.get("StoppingCondition", {})
        limit = limits.get("MaxRuntimeInSeconds", _DAY)
        self._waited = time.monotonic() + limits.get("MaxWaitTimeInSeconds", float("inf"))
        while True:
            self._move("Downloading")
            self._started = self._started or now()
            begun = time.monotonic()
            self._deadline = begun + limit - self._seconds
            try:
                why, containers, failure = self._attempt()
                if why is not End.INTERRUPTED:
                    self._collect(containers, failed=failure is not None)
            finally:
                self._seconds += time.monotonic() - begun
            if failure is not None:
                raise JobError(failure)
            if why is not End.INTERRUPTED:
                return _WORDS[self._overdue] if self._overdue else None
            if self._interruptions is not None:
                self._interruptions.spend()
            self._move("Interrupted")
            self._move("Restarting")

    def finish(self) -> None:
        """Note the end."""
        super().finish()
        overdue = self._overdue if self.state is JobState.STOPPED else None
        self._move(overdue or self.status)
        if self.state is JobState.FAILED and self.reason:
            self._transitions[-1]["StatusMessage"] = self.reason
        self._transitions[-1]["EndTime"] = self.finished_at

    def grace(self, why: End) -> float:
        """Return the seconds between SIGTERM and SIGKILL."""
        if why is End.INTERRUPTED:
            return self.world.faults.spot_grace
        return super().grace(why)

    def _attempt(self) -> tuple[End, Containers, str | None]:
        """Run the containers once; return why they ended, themselves, and the failure if any."""
        request = self.request
        algorithm = request["AlgorithmSpecification"]
        # The service runs an image with the argument "train", which is the program's own name
        # where the image has none: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-dockerfile.html
        own = (*self.world.images.command(self.image), "train")
        entry = algorithm.get("ContainerEntrypoint") or own
        containers = Containers(
            self.world,
            self.folder / f"attempt-{len(self._transitions)}",
            command=[*entry, *algorithm.get("ContainerArguments", ())],
            environment={
                "TRAINING_JOB_NAME": self.name,
                "TRAINING_JOB_ARN": self.arn,
                **request.get("Environment", {}),
            },
            image=self.image,
            machine=self.machine,
            role=self.request["RoleArn"],
            isolated=request.get("EnableNetworkIsolation", False),
        )
        self._fill(containers)
        self._move("Training")
        if self._interruptions is not None:
            self._interruptions.begin()
        self._next_sync = time.monotonic() + _SYNC
        why, code = containers.run(
            write=self._log, check=lambda: self._check(containers), grace=self.grace
        )
        self._sync(containers)
        if why is End.TIMEOUT:
            why = End.STOPPED
        failure = self._failure(containers, code) if why is End.DONE and code else None
        return why, containers, failure

    def _check(self, containers: Containers) -> End | None:
        moment = time.monotonic()
        if self.stopping.is_set():
            return End.STOPPED
        if moment >= self._deadline or moment >= self._waited:
            over = moment >= self._deadline
            self._overdue = "MaxRuntimeExceeded" if over else "MaxWaitTimeExceeded"
            return End.TIMEOUT
        checkpointed = False
        if moment >= self._next_sync:
            checkpointed = self._sync(containers) > 0
            self._next_sync = time.monotonic() + _SYNC
        plan = self._interruptions
        return End.INTERRUPTED if plan and plan.due(checkpointed=checkpointed) else None

    def _log(self, host: str) -> Callable[[list[tuple[int, str]]], None]:
        write = self.world.logs.open(self.group, self.log_stream(host))

        def both(lines: list[tuple[int, str]]) -> None:
            write(lines)
            with self.lock:
                self._metrics.read(lines)

        return both

    def _failure(self, containers: Containers, code: int) -> str:
        for host in containers.hosts:
            file = containers.ml(host, "output/failure")
            if file.is_file():
                text = file.read_text("utf-8", "replace")[:_FAILURE].strip()
                return f"AlgorithmError: {text}, exit code: {code}"
        return f"AlgorithmError: , exit code: {code}"

    # --- its files --------------------------------------------------------------------------------

    def _fill(self, containers: Containers) -> None:
        channels: dict[str, Any] = {}
        for channel in self.request.get("InputDataConfig", ()):
            source = channel["DataSource"]["S3DataSource"]
            name, distribution = channel["ChannelName"], source.get("S3DataDistributionType")
            objects = inputs.named(self.world.objects, source)
            folders = [containers.ml(host, f"input/data/{name}") for host in containers.hosts]
            inputs.download(
                self.world.objects, objects, folders, sharded=distribution == "ShardedByS3Key"
            )
            channels[name] = {
                "TrainingInputMode": "File",
                "S3DistributionType": distribution or "FullyReplicated",
                "RecordWrapperType": channel.get("RecordWrapperType", "None"),
                **({"ContentType": channel["ContentType"]} if "ContentType" in channel else {}),
            }
        for host in containers.hosts:
            for name in ("model", "output/data", "input/data", "input/config", "code"):
                containers.ml(host, name).mkdir(parents=True, exist_ok=True)
            config = containers.ml(host, "input/config")
            for name, value in (
                ("hyperparameters", self.request.get("HyperParameters", {})),
                ("inputdataconfig", channels),
                ("resourceconfig", containers.resources(host)),
                ("checkpointconfig", self.request.get("CheckpointConfig")),
            ):
                if value is not None:
                    (config / f"{name}.json").write_text(json.dumps(value))
        self._restore(containers)

    @property
    def _checkpoints(self) -> tuple[str, str] | None:
        config = self.request.get("CheckpointConfig")
        return (config["S3Uri"], config.get("LocalPath", CHECKPOINTS)) if config else None

    def _restore(self, containers: Containers) -> None:
        if self._checkpoints is None:
            return
        uri, local = self._checkpoints
        folder = f"{uri.rstrip('/')}/"
        bucket, _ = split(uri)
        objects = [(bucket, one) for one in self.world.objects.match(folder)]
        folders = [containers.ml(host, local) for host in containers.hosts]
        inputs.download(self.world.objects, objects, folders, sharded=False)
        for host, place in zip(containers.hosts, folders, strict=True):
            seen = self._seen[host] = {}
            for file in place.rglob("*"):
                if file.is_file():
                    status = file.stat()
                    mark = (status.st_mtime_ns, status.st_size, status.st_ino)
                    seen[file.relative_to(place).as_posix()] = mark

    def _sync(self, containers: Containers) -> int:
        if self._checkpoints is None:
            return 0
        uri, local = self._checkpoints
        return sum(
            self.world.objects.send(containers.ml(host, local), uri, None, self._seen[host])
            for host in containers.hosts
        )

    def _collect(self, containers: Containers, *, failed: bool) -> None:
        """Upload what the containers made: data always, the model unless they failed."""
        self._move("Uploading")
        target, kms = self._target, self.request["OutputDataConfig"].get("KmsKeyId")
        for name, inside in (("output", "output/data"), ("model", "model")):
            if failed and name == "model":
                continue
            folders = [containers.ml(host, inside) for host in containers.hosts]
            if self._plain:
                upload_tree(self.world.objects, folders, f"{target}/{name}/", kms)
            elif (data := pack(folders)) is not None or name == "model":
                bucket, key = split(f"{target}/{name}.tar.gz")
                self.world.objects.write(bucket, key, data or pack(folders, empty=True) or b"", kms)


def _check_program(request: dict[str, Any]) -> None:
    """Refuse what names no program and machine, or asks for what is not run here."""
    for member, words in _NOT_RUN.items():
        if member in request:
            raise errors.invalid(f"The emulator {words}: leave out {member}.")
    for member in ("AlgorithmSpecification", "ResourceConfig"):
        if member not in request:
            raise errors.invalid(f"{member} is required: the emulator runs a container.")
    algorithm, resources = request["AlgorithmSpecification"], request["ResourceConfig"]
    for definition in algorithm.get("MetricDefinitions", ()):
        try:
            re.compile(definition["Regex"])
        except re.error as error:
            raise errors.invalid(
                f"The Regex of MetricDefinition '{definition['Name']}' is not valid: {error}"
            ) from None
    for group in resources.get("InstanceGroups") or [resources]:
        if "InstanceType" not in group or not group.get("InstanceCount"):
            raise errors.invalid(
                "ResourceConfig needs InstanceType and InstanceCount, or InstanceGroups."
            )
    if "TrainingImage" not in algorithm:
        raise errors.invalid(
            "The emulator has no AWS Marketplace algorithms: AlgorithmSpecification needs "
            "TrainingImage"
        )


def _whole(request: dict[str, Any]) -> dict[str, Any]:
    """Return what a request says as Describe says it: with what the service fills in.

    Clients read these members without asking whether they are there.
    """
    filled: dict[str, Any] = {
        "HyperParameters": {},
        "StoppingCondition": {"MaxRuntimeInSeconds": _DAY},
        "EnableNetworkIsolation": False,
        "EnableInterContainerTrafficEncryption": False,
        "EnableManagedSpotTraining": False,
        "ProfilingStatus": "Disabled",
    }
    filled |= {name: value for name, value in request.items() if name != "Tags"}
    filled["AlgorithmSpecification"] = {
        "EnableSageMakerMetricsTimeSeries": False,
        **request["AlgorithmSpecification"],
    }
    filled["OutputDataConfig"] = {
        "KmsKeyId": "",
        "CompressionType": "GZIP",
        **request["OutputDataConfig"],
    }
    if "InputDataConfig" in request:
        filled["InputDataConfig"] = [
            {
                "CompressionType": "None",
                "RecordWrapperType": "None",
                **channel,
                "DataSource": {
                    "S3DataSource": {
                        "S3DataDistributionType": "FullyReplicated",
                        **channel["DataSource"]["S3DataSource"],
                    }
                },
            }
            for channel in request["InputDataConfig"]
        ]
    return filled
