"""Custom jobs: those that are asked for, and those in which pipelines run their tasks."""

from __future__ import annotations

import time
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from waterflow_kfp.emulator.containers import ContainerJob, Launcher
from waterflow_kfp.emulator.errors import TaskError
from waterflow_kfp.emulator.work import Work, of_custom_job

from waterflow.emulation.clock import written as moment_text
from waterflow.emulation.jobs import JobState
from waterflow_vertex.emulator import metadata, sdk
from waterflow_vertex.emulator.documents import listed
from waterflow_vertex.emulator.entries import entry
from waterflow_vertex.emulator.errors import Refusal, invalid, unanswered, unready
from waterflow_vertex.emulator.machines import chosen
from waterflow_vertex.emulator.routes import VERTEX, Call, How
from waterflow_vertex.emulator.rpcs import Rpc, Service

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from waterflow.emulation.sandbox import Lines, Write
    from waterflow_vertex.emulator.places import Project
    from waterflow_vertex.emulator.world import World

    Ended = Callable[[ContainerJob], None]

_JOBS: Final = f"{sdk.VERTEX}.types.job_service"
KINDS: Final = {"CustomJob": partial(sdk.vertex, "custom_job", "CustomJob")}
LOST: Final = "Internal error occurred: the emulator ended while the job ran."
_LOGS_AT: Final = (
    "To find out more about why your job exited please check the logs: "
    "https://console.cloud.google.com/logs/viewer?resource=ml_job%2Fjob_id%2F{job}"
)
_WORDS: Final[Mapping[str, tuple[int, str]]] = {
    "exit": (3, f"The replica {{host}} exited with a non-zero status of {{code}}. {_LOGS_AT}"),
    "timeout": (4, "The job has reached its timeout of {timeout:g} seconds and was cancelled."),
    "capacity": (
        8,
        (
            "Resources are insufficient in region. Please try a different region or use a "
            "different accelerator."
        ),
    ),
    "limit": (
        8,
        (
            "The following quota metrics exceed quota limits: "
            "aiplatform.googleapis.com/custom_model_training_cpus"
        ),
    ),
    "internal": (13, "Internal error occurred for the current attempt."),
    "image": (3, f"The image {{image}} could not be pulled. {_LOGS_AT}"),
    "fail": (3, f"The replica {{host}} exited with a non-zero status of 1. {_LOGS_AT}"),
    "interrupted": (14, "The job was preempted too often."),
    "ended": (13, LOST),
}
_STATES: Final = {
    JobState.QUEUED: "JOB_STATE_PENDING",
    JobState.RUNNING: "JOB_STATE_RUNNING",
    JobState.STOPPING: "JOB_STATE_CANCELLING",
    JobState.COMPLETED: "JOB_STATE_SUCCEEDED",
    JobState.FAILED: "JOB_STATE_FAILED",
    JobState.STOPPED: "JOB_STATE_CANCELLED",
}
_FINAL: Final = ("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED")


def new_number() -> str:
    """Return a new id of a resource."""
    return str(uuid.uuid4().int >> 65)


class CustomJobs:
    """The custom jobs of all projects.

    Args:
        world: What there is.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._running: dict[str, ContainerJob] = {}
        self._launchers: list[_Launcher] = []

    def launcher(
        self, parent: str, account: str, labels: Mapping[str, str], encryption: Any = None
    ) -> Launcher:
        """Return what starts jobs as custom jobs.

        Args:
            parent: Where: `projects/1/locations/us-central1`.
            account: As whom they run that say nobody.
            labels: What they are labelled with.
            encryption: Their encryption; None for none.
        """
        launcher = _Launcher(self._world, self, parent, account, labels, encryption)
        self._launchers = [one for one in self._launchers if one.busy]
        self._launchers.append(launcher)
        return launcher

    def keep(self, name: str, job: ContainerJob) -> None:
        """Take note of a job that runs."""
        self._running[name] = job

    def over(self, name: str, job: ContainerJob) -> None:
        """Take note of the end of a job."""
        one = self._world.documents.find("CustomJob", name)
        if one is not None:
            self._world.documents.put("CustomJob", name, _described(one, job, self._world))
        self._running.pop(name, None)

    def describe(self, one: Any) -> Any:
        """Return a job as it is now."""
        job = self._running.get(one.name)
        return one if job is None else _described(one, job, self._world)

    def cancel(self, name: str) -> None:
        """Ask that a job be stopped."""
        job = self._running.get(name)
        if job is not None:
            job.stop()

    def close(self) -> None:
        """End all jobs, and begin no more."""
        for launcher in self._launchers:
            launcher.close()

    def snapshot(self) -> None:
        """Return nothing: the jobs are documents."""

    def restore(self, saved: None) -> None:
        """Let what ran have failed."""
        del saved
        states = sdk.vertex("job_state", "JobState")
        for one in self._world.documents.below("CustomJob", ""):
            if states(one.state).name not in _FINAL:
                one.state = states.JOB_STATE_FAILED
                one.error.code, one.error.message = 13, LOST
                sdk.stamp(one.end_time, self._world.clock.now())


class _Launcher(Launcher):
    """Starts jobs, each of which is a custom job too."""

    def __init__(
        self,
        world: World,
        jobs: CustomJobs,
        parent: str,
        account: str,
        labels: Mapping[str, str],
        encryption: Any,
    ) -> None:
        super().__init__(
            world.site, sink=self._log, words=_WORDS, variables=self._injected, clustered=True
        )
        self._world, self._jobs, self._parent = world, jobs, parent
        self._account, self._labels, self._encryption = account, dict(labels), encryption
        self._project: Project = world.projects.of(parent)

    @property
    def busy(self) -> bool:
        """Whether a job of it runs."""
        return any(not job.state.final for job in self.jobs.all())

    def start(self, work: Work, on_end: Ended, *, number: str = "") -> ContainerJob:
        """Start a job.

        Raises:
            TaskError: It cannot be started.
        """
        key = number or new_number()
        name = f"{self._parent}/customJobs/{key}"
        documents = self._world.documents
        if documents.find("CustomJob", name) is None:
            documents.add("CustomJob", name, self._record(name, work))

        def ended(job: ContainerJob) -> None:
            self._complain(job)
            self._jobs.over(name, job)
            on_end(job)

        try:
            job = super().start(work, ended, number=key)
        except TaskError:
            documents.remove("CustomJob", name)
            raise
        self._jobs.keep(name, job)
        if job.ended.is_set():  # it was faster than we
            self._jobs.over(name, job)
        return job

    def _record(self, name: str, work: Work) -> Any:
        """Return the custom job of some work."""
        kind = sdk.vertex("custom_job", "CustomJob")
        held: dict[str, Any] = {"jobSpec": work.origin.get("jobSpec") or self._spec(work)}
        one = sdk.parse(kind, held)
        one.name, one.display_name = name, work.label or work.name.rpartition("~")[2]
        one.job_spec.service_account = one.job_spec.service_account or self._account
        for key, value in self._labels.items():
            one.labels[key] = value
        if self._encryption is not None:
            one.encryption_spec.CopyFrom(self._encryption)
        moment = self._world.documents.now()
        sdk.stamp(one.create_time, moment)
        sdk.stamp(one.update_time, moment)
        one.state = sdk.vertex("job_state", "JobState").JOB_STATE_PENDING
        return one

    @staticmethod
    def _spec(work: Work) -> dict[str, Any]:
        return {
            "workerPoolSpecs": [
                {
                    "machineSpec": chosen(pool.machine),
                    "replicaCount": str(pool.replicas),
                    "containerSpec": {
                        "imageUri": pool.image,
                        "command": list(pool.command),
                        "args": list(pool.args),
                        "env": [
                            {"name": key, "value": value} for key, value in pool.environment.items()
                        ],
                    },
                }
                for pool in work.pools
            ],
            "scheduling": {"disableRetries": True},
        }

    def _injected(self, job: ContainerJob) -> dict[str, str]:
        """Return the variables that Vertex AI sets in a job.

        https://cloud.google.com/vertex-ai/docs/training/code-requirements#environment-variables
        """
        location = self._parent.rpartition("/")[2]
        account = job.spec.service_account or self._account
        output = (job.spec.origin.get("jobSpec") or {}).get("baseOutputDirectory") or {}
        base = str(output.get("outputUriPrefix", "")).rstrip("/")
        folders = {
            "AIP_MODEL_DIR": "model",
            "AIP_CHECKPOINT_DIR": "checkpoints",
            "AIP_TENSORBOARD_LOG_DIR": "logs",
        }
        return {
            "CLOUD_ML_PROJECT_ID": self._project.number,
            "CLOUD_ML_JOB_ID": job.id,
            **({name: f"{base}/{part}/" for name, part in folders.items()} if base else {}),
            **metadata.variables(self._world, account, self._project.id, location),
        }

    # --- its logs ---------------------------------------------------------------------------------

    def _log(self, job: ContainerJob, host: str) -> Write:
        def write(lines: Lines) -> None:
            self._world.logs.add(
                [self._entry(job, host, at / 1000, line, "INFO", count)
                 for count, (at, line) in enumerate(lines)]
            )  # fmt: skip

        return write

    def _complain(self, job: ContainerJob) -> None:
        """Write why a job has failed, as the service does."""
        if job.state is JobState.FAILED and job.reason:
            self._world.logs.add([self._entry(job, "service", time.time(), job.reason, "ERROR", 0)])

    def _entry(
        self, job: ContainerJob, host: str, at: float, line: str, severity: str, count: int
    ) -> dict[str, Any]:
        # Lines of one moment keep their order.
        stamp = moment_text(at).replace("Z", f"{count % 1000:03d}Z")
        task = self._labels.get("vertex-ai-pipelines-task")
        return entry(
            f"projects/{self._project.id}/logs/{host}",
            stamp,
            {"message": line, "levelname": severity, "attrs": {"tag": host}},
            severity=severity,
            resource={
                "type": "ml_job",
                "labels": {
                    "job_id": job.id, "project_id": self._project.id, "task_name": host,
                },
            },
            labels={
                "ml.googleapis.com/job_id/log_area": "root",
                **({"ml.googleapis.com/task": task} if task else {}),
            },
        )  # fmt: skip


def _described(one: Any, job: ContainerJob, world: World) -> Any:
    """Return a job's document with what is known of it now."""
    held = sdk.copied(one)
    states = sdk.vertex("job_state", "JobState")
    held.state = states[_STATES[job.state]]
    sdk.stamp(held.update_time, world.clock.now())
    if job.started_at is not None:
        sdk.stamp(held.start_time, job.started_at)
    if job.finished_at is not None:
        held.end_time.FromDatetime(job.finished_at)
        sdk.stamp(held.update_time, job.finished_at.timestamp())
    if job.error is not None:
        held.error.code, held.error.message = job.error.code, job.error.message
    return held


def _unheard(_job: ContainerJob) -> None:
    """Take the end of a job that nobody waits for."""


# --- its methods ----------------------------------------------------------------------------------


def account_of(world: World, call: Call, project: Project, asked: str) -> str:
    """Return as whom a job runs.

    Args:
        world: What there is.
        call: Who asks for it.
        project: The project.
        asked: The service account that it says; "" for none.

    Raises:
        Refusal: There is no such account.
    """
    account = asked or project.usual_account
    if world.projects.account(account) is None:
        raise Refusal(
            "INVALID_ARGUMENT",
            f"You do not have permission to act as service_account: {account}. "
            "(or it may not exist).",
        )
    # https://cloud.google.com/vertex-ai/docs/general/custom-service-account
    place = f"projects/{project.id}/serviceAccounts/{account}"
    world.calls.note(call.caller, "iam.serviceAccounts.actAs", "actAs", place)
    return account


def _create(world: World, call: Call, request: Any) -> Any:
    parent = world.projects.parent(call, request.parent)
    one = sdk.copied(request.custom_job)
    project = world.projects.of(parent)
    if not one.display_name:
        raise invalid("display_name is required.", **{"custom_job.display_name": "is required"})
    if not one.job_spec.worker_pool_specs:
        text = "List of found errors: 1.Field: job_spec.worker_pool_specs; Message: is required."
        raise invalid(text, **{"job_spec.worker_pool_specs": "is required"})
    if one.job_spec.persistent_resource_id:
        raise unanswered("persistent resources", "leave persistent_resource_id out")
    if one.job_spec.enable_web_access or one.job_spec.enable_dashboard_access:
        raise unanswered("web access to jobs", "leave enable_web_access out")
    account = account_of(world, call, project, one.job_spec.service_account)
    key = new_number()
    one.name = f"{parent}/customJobs/{key}"
    try:
        fields = of_custom_job(sdk.written(one))
    except TaskError as error:
        raise invalid(str(error)) from None
    for pool in fields["pools"]:
        if not pool.image:
            raise invalid("container_spec.image_uri is required.")
        chosen(pool.machine)
    launcher = world.jobs.launcher(
        parent, account, dict(one.labels),
        one.encryption_spec if one.HasField("encryption_spec") else None,
    )  # fmt: skip
    fields |= {"service_account": account, "label": one.display_name}
    work = Work(name=one.display_name, mounts={"/gcs": world.buckets.root}, **fields)
    try:
        launcher.start(work, _unheard, number=key)
    except TaskError as error:
        raise Refusal("RESOURCE_EXHAUSTED", str(error)) from None
    return world.jobs.describe(world.documents.get("CustomJob", one.name))


def _get(world: World, call: Call, request: Any) -> Any:
    name = world.projects.canonical(call, request.name)
    return world.jobs.describe(world.documents.get("CustomJob", name))


def _list(world: World, call: Call, request: Any) -> Any:
    parent = world.projects.parent(call, request.parent)
    held = [world.jobs.describe(one) for one in world.documents.below("CustomJob", parent)]
    kind = sdk.message(_JOBS, "ListCustomJobsResponse")
    return listed(request, kind, "custom_jobs", held, usual=100)


def _cancel(world: World, call: Call, request: Any) -> Any:
    world.jobs.cancel(_get(world, call, request).name)
    return sdk.message("google.protobuf.empty_pb2", "Empty")()


def _delete(world: World, call: Call, request: Any) -> Any:
    one = _get(world, call, request)
    states = sdk.vertex("job_state", "JobState")
    if states(one.state).name not in _FINAL:
        raise unready(f"The CustomJob '{one.name}' runs: cancel it first.")
    world.documents.remove("CustomJob", one.name)
    parent = one.name.partition("/customJobs/")[0]
    kind = sdk.vertex("operation", "DeleteOperationMetadata")
    return world.operations.done(parent, world.clock.now(), kind())


def _rpc(name: str, answer: Any, how: How, verb: str) -> Rpc:
    return Rpc(name, answer, how, f"aiplatform.customJobs.{verb}")


SERVICES: Final = (
    Service(
        "google.cloud.aiplatform.v1.JobService", VERTEX, sdk.VERTEX, "job_service", _JOBS,
        (
            _rpc("CreateCustomJob", _create, How.RUN, "create"),
            _rpc("GetCustomJob", _get, How.STATE, "get"),
            _rpc("ListCustomJobs", _list, How.STATE, "list"),
            _rpc("CancelCustomJob", _cancel, How.RUN, "cancel"),
            _rpc("DeleteCustomJob", _delete, How.RUN, "delete"),
        ),
        {"*": "run the program in a custom job or a pipeline, or test it against Google Cloud"},
    ),
)  # fmt: skip
