"""Pipeline jobs: made of a pipeline's document, run, found, cancelled and deleted."""

from __future__ import annotations

import importlib
import re
import threading
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow_kfp.emulator.caching import Cache, Catalogue
from waterflow_kfp.emulator.errors import SpecError
from waterflow_kfp.emulator.execution import FAIL_FAST, FAIL_SLOW, Execution
from waterflow_kfp.emulator.layouts import VertexLayout

from waterflow_vertex.emulator import events, lineage, sdk
from waterflow_vertex.emulator.custom_jobs import account_of
from waterflow_vertex.emulator.details import described
from waterflow_vertex.emulator.documents import listed
from waterflow_vertex.emulator.errors import Refusal, invalid, unanswered, unready
from waterflow_vertex.emulator.routes import VERTEX, Call, How
from waterflow_vertex.emulator.rpcs import Rpc, Service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow_vertex.emulator.world import World

_SERVICE: Final = f"{sdk.VERTEX}.types.pipeline_service"
KIND: Final = "PipelineJob"
KINDS: Final = {KIND: partial(sdk.vertex, "pipeline_job", KIND)}
_ID: Final = re.compile(r"[a-z][-a-z0-9]{0,127}")
_LABEL_KEY: Final = re.compile(r"[^\W\dA-Z][\w-]{0,62}")
_LABEL_VALUE: Final = re.compile(r"[\w-]{0,63}")
_MOST_LABELS: Final = 64
_LONGEST_NAME: Final = 128
LOST: Final = "Internal error: the emulator ended while the pipeline ran."
_FINAL: Final = ("PIPELINE_STATE_SUCCEEDED", "PIPELINE_STATE_FAILED", "PIPELINE_STATE_CANCELLED")


def warm() -> None:
    """Load what the first pipeline needs."""
    importlib.import_module("kfp.pipeline_spec.pipeline_spec_pb2")


class Pipelines:
    """The pipeline jobs of all projects.

    Args:
        world: What there is.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._running: dict[str, Execution] = {}
        self._caches: dict[str, Cache] = {}
        self._catalogues: dict[str, Catalogue] = {}
        self._lock = threading.RLock()

    def cache(self, parent: str) -> Cache:
        """Return the earlier results of a location."""
        return self._caches.setdefault(parent, Cache())

    def catalogue(self, parent: str) -> Catalogue:
        """Return the artifacts of a location."""
        prefix = f"{parent}/metadataStores/default/artifacts/"
        return self._catalogues.setdefault(parent, Catalogue(self._world.clock, prefix))

    def create(
        self, call: Call, parent: str, asked: Any, identity: str, scheduled: float | None = None
    ) -> Any:
        """Make a pipeline job and start it.

        Args:
            call: Who asks for it.
            parent: Where, with the project's number.
            asked: The job.
            identity: Its id; "" to make one.
            scheduled: When a schedule has asked for it; None for none.

        Raises:
            Refusal: It cannot be.
        """
        one = checked(self._world, call, parent, asked)
        spec = cast("Mapping[str, Any]", sdk.written(one.pipeline_spec))
        name = identity or _made_up(spec)
        if not _ID.fullmatch(name):
            raise invalid(
                f"pipeline_job_id '{name}' is invalid: it must match {_ID.pattern}",
                pipeline_job_id=f"must match {_ID.pattern}",
            )
        one.name = f"{parent}/pipelineJobs/{name}"
        one.display_name = one.display_name or name
        lineage.store(self._world, parent)
        with self._lock:
            if self._world.documents.find(KIND, one.name) is not None:
                raise Refusal(
                    "ALREADY_EXISTS",
                    f'The PipelineJob "{one.name}" already exists, please use a different ID.',
                )
            execution = self._execution(one, spec, name, scheduled)
            moment = self._world.documents.now()
            for field in (one.create_time, one.update_time):
                sdk.stamp(field, moment)
            one.state = sdk.vertex("pipeline_state", "PipelineState").PIPELINE_STATE_PENDING
            self._world.documents.add(KIND, one.name, one)
            self._running[one.name] = execution
        answer = sdk.copied(one)
        execution.start()
        return answer

    def _execution(
        self, one: Any, spec: Mapping[str, Any], name: str, scheduled: float | None
    ) -> Execution:
        world, parent = self._world, one.name.partition("/pipelineJobs/")[0]
        number, runtime = parent.split("/")[1], one.runtime_config
        policies = sdk.vertex("pipeline_failure_policy", "PipelineFailurePolicy")
        fast = runtime.failure_policy == policies.PIPELINE_FAILURE_POLICY_FAIL_FAST
        labels = {**one.labels, "vertex-ai-pipelines-run": name[:63]}
        encryption = one.encryption_spec if one.HasField("encryption_spec") else None
        try:
            return Execution(
                spec,
                name=name,
                id=str(uuid.uuid4().int >> 65),
                resource_name=one.name,
                layout=VertexLayout(
                    runtime.gcs_output_directory or str(spec.get("defaultPipelineRoot", "")),
                    number, name, world.buckets.root,
                ),
                launcher=world.jobs.launcher(parent, one.service_account, labels, encryption),
                catalogue=self.catalogue(parent),
                clock=world.clock,
                parameters=_parameters(runtime),
                cache=self.cache(parent),
                failure_policy=FAIL_FAST if fast else FAIL_SLOW,
                scheduled=scheduled,
                on_change=lambda execution: self._changed(one.name, execution),
            )  # fmt: skip
        except SpecError as error:
            raise invalid(str(error)) from None

    def _changed(self, name: str, execution: Execution) -> None:
        """Keep what a run that has ended was."""
        if not execution.state.final:
            return
        with self._lock:
            one = self._world.documents.find(KIND, name)
            if one is not None and self._running.get(name) is execution:
                final = described(one, execution)
                lineage.record(self._world, final)
                events.note(self._world, final)
                self._world.documents.put(KIND, name, final)
            self._running.pop(name, None)

    def describe(self, one: Any) -> Any:
        """Return a job as it is now."""
        execution = self._running.get(one.name)
        return one if execution is None else described(one, execution)

    def get(self, name: str) -> Any:
        """Return a job as it is now.

        Raises:
            Refusal: There is none.
        """
        return self.describe(self._world.documents.get(KIND, name))

    def busy(self, name: str) -> bool:
        """Return whether a job has not ended."""
        return name in self._running

    def cancel(self, name: str) -> None:
        """Ask that a job be stopped; one that has ended stays as it is."""
        execution = self._running.get(name)
        if execution is not None:
            execution.cancel()

    def delete(self, name: str) -> None:
        """Remove a job that has ended.

        Raises:
            Refusal: It has not.
        """
        one = self.get(name)
        if self.busy(one.name):
            raise unready(f'The PipelineJob "{name}" is in a non-terminal state: cancel it first.')
        self._world.documents.remove(KIND, name)

    def close(self) -> None:
        """End all runs, and begin no more."""
        for name, execution in list(self._running.items()):
            execution.close()
            one = self._world.documents.find(KIND, name)
            if one is not None:
                self._world.documents.put(KIND, name, described(one, execution))

    def snapshot(self) -> dict[str, Any]:
        """Return earlier results and artifacts as JSON; the jobs are documents."""
        return {
            "caches": {name: one.snapshot() for name, one in self._caches.items()},
            "catalogues": {name: one.snapshot() for name, one in self._catalogues.items()},
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take a snapshot; what ran then has failed."""
        for name, one in saved["caches"].items():
            self.cache(name).restore(one)
        for name, one in saved["catalogues"].items():
            self.catalogue(name).restore(one)
        states = sdk.vertex("pipeline_state", "PipelineState")
        tasks = sdk.vertex("pipeline_job", "PipelineTaskDetail").State
        over = ("SUCCEEDED", "FAILED", "CANCELLED", "SKIPPED", "NOT_TRIGGERED")
        for one in self._world.documents.below(KIND, ""):
            if states(one.state).name in _FINAL:
                continue
            one.state = states.PIPELINE_STATE_FAILED
            one.error.code, one.error.message = 13, LOST
            sdk.stamp(one.end_time, self._world.clock.now())
            for task in one.job_detail.task_details:
                if tasks.Name(task.state) not in over:
                    task.state = tasks.Value("FAILED")
                    task.error.CopyFrom(one.error)


def _made_up(spec: Mapping[str, Any]) -> str:
    name = str((spec.get("pipelineInfo") or {}).get("name") or "pipeline")
    plain = re.sub(r"[^-a-z0-9]", "-", name.lower()).lstrip("-0123456789") or "pipeline"
    return f"{plain[:100]}-{uuid.uuid4().int % 10**14}"


def _parameters(runtime: Any) -> dict[str, Any]:
    """Return the values of parameters, as JSON has them."""
    from google.protobuf import json_format

    held = {name: json_format.MessageToDict(one) for name, one in runtime.parameter_values.items()}
    for name, one in runtime.parameters.items():  # those of documents before 2.1.0
        held[name] = getattr(one, str(one.WhichOneof("value") or "string_value"))
    return held


def checked(world: World, call: Call, parent: str, asked: Any) -> Any:
    """Return a pipeline job that is asked for, once all that can be wrong with it is looked at.

    Args:
        world: What there is.
        call: Who asks for it.
        parent: Where.
        asked: The job.

    Raises:
        Refusal: Something is wrong.
    """
    one = sdk.copied(asked)
    for field in ("name", "create_time", "start_time", "end_time", "update_time", "state",
                  "job_detail", "error", "schedule_name"):  # fmt: skip
        one.ClearField(field)  # the service sets them
    if one.template_uri:
        raise unanswered("pipeline templates of Artifact Registry", "send the pipeline itself")
    if not one.pipeline_spec.fields:
        raise invalid("pipeline_spec is required.", **{"pipeline_job.pipeline_spec": "is required"})
    if one.runtime_config.input_artifacts:
        raise unanswered("runtime_config.input_artifacts", "import the artifacts in the pipeline")
    if len(one.display_name) > _LONGEST_NAME:
        raise invalid(f"display_name has more than {_LONGEST_NAME} characters.")
    check_labels(one.labels)
    named = one.pipeline_spec.fields.get("defaultPipelineRoot")
    root = one.runtime_config.gcs_output_directory or (named.string_value if named else "")
    _check_root(world, root)
    one.runtime_config.gcs_output_directory = root
    one.service_account = account_of(world, call, world.projects.of(parent), one.service_account)
    return one


def _check_root(world: World, root: Any) -> None:
    if not isinstance(root, str) or not root.startswith("gs://"):
        raise invalid(
            f"runtime_config.gcs_output_directory '{root}' is not valid: gs://BUCKET/PATH is "
            "expected."
        )
    bucket = root.removeprefix("gs://").partition("/")[0]
    if world.buckets.find(bucket) is None:
        raise unready(
            f"The Cloud Storage bucket of `gcs_output_directory`: `{root}` does not exist: make "
            f"the bucket {bucket} first."
        )


def check_labels(labels: Any) -> None:
    """Refuse labels that Google does not take.

    https://cloud.google.com/resource-manager/docs/labels-overview#requirements

    Raises:
        Refusal: They are not.
    """
    if len(labels) > _MOST_LABELS:
        raise invalid(f"More than {_MOST_LABELS} labels.")
    for key, value in labels.items():
        if (
            not _LABEL_KEY.fullmatch(key)
            or not _LABEL_VALUE.fullmatch(value)
            or (value != value.lower() or key != key.lower())
        ):
            raise invalid(
                f"Label '{key}: {value}' is invalid: keys and values have at most 63 lower-case "
                "letters, digits, '_' and '-', and keys begin with a letter."
            )


# --- its methods ----------------------------------------------------------------------------------


def _empty() -> Any:
    return sdk.message("google.protobuf.empty_pb2", "Empty")()


def _create(world: World, call: Call, request: Any) -> Any:
    parent = world.projects.parent(call, request.parent)
    return world.pipelines.create(call, parent, request.pipeline_job, request.pipeline_job_id)


def _get(world: World, call: Call, request: Any) -> Any:
    return world.pipelines.get(world.projects.canonical(call, request.name))


def _list(world: World, call: Call, request: Any) -> Any:
    parent = world.projects.parent(call, request.parent)
    held = [world.pipelines.describe(one) for one in world.documents.below(KIND, parent)]
    kind = sdk.message(_SERVICE, "ListPipelineJobsResponse")
    # https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.pipelineJobs/list
    return listed(request, kind, "pipeline_jobs", held, usual=100)


def _cancel(world: World, call: Call, request: Any) -> Any:
    world.pipelines.cancel(_get(world, call, request).name)
    return _empty()


def _deletion(world: World, parent: str, response: Any = None) -> Any:
    kind = sdk.vertex("operation", "DeleteOperationMetadata")
    return world.operations.done(parent, world.clock.now(), kind(), response)


def _delete(world: World, call: Call, request: Any) -> Any:
    name = world.projects.canonical(call, request.name)
    world.pipelines.delete(name)
    return _deletion(world, name.partition("/pipelineJobs/")[0])


def _named(world: World, call: Call, request: Any) -> tuple[str, list[Any]]:
    parent = world.projects.parent(call, request.parent)
    if not request.names:
        raise invalid("names is required.", names="is required")
    names = [world.projects.canonical(call, one) for one in request.names]
    return parent, [world.pipelines.get(one) for one in names]


def _batch_cancel(world: World, call: Call, request: Any) -> Any:
    parent, held = _named(world, call, request)
    for one in held:
        world.pipelines.cancel(one.name)
    response = sdk.message(_SERVICE, "BatchCancelPipelineJobsResponse")(pipeline_jobs=held)
    kind = sdk.message(_SERVICE, "BatchCancelPipelineJobsOperationMetadata")
    return world.operations.done(parent, world.clock.now(), kind(), response)


def _batch_delete(world: World, call: Call, request: Any) -> Any:
    parent, held = _named(world, call, request)
    busy = [one.name for one in held if world.pipelines.busy(one.name)]
    if busy:
        raise unready(f"These pipeline jobs run, cancel them first: {', '.join(busy)}")
    for one in held:
        world.pipelines.delete(one.name)
    response = sdk.message(_SERVICE, "BatchDeletePipelineJobsResponse")(pipeline_jobs=held)
    return _deletion(world, parent, response)


def _rpc(name: str, answer: Any, how: How, verb: str) -> Rpc:
    return Rpc(name, answer, how, f"aiplatform.pipelineJobs.{verb}")


SERVICES: Final = (
    Service(
        "google.cloud.aiplatform.v1.PipelineService", VERTEX, sdk.VERTEX, "pipeline_service",
        _SERVICE,
        (
            _rpc("CreatePipelineJob", _create, How.RUN, "create"),
            _rpc("GetPipelineJob", _get, How.STATE, "get"),
            _rpc("ListPipelineJobs", _list, How.STATE, "list"),
            _rpc("CancelPipelineJob", _cancel, How.RUN, "cancel"),
            _rpc("DeletePipelineJob", _delete, How.RUN, "delete"),
            _rpc("BatchCancelPipelineJobs", _batch_cancel, How.RUN, "cancel"),
            _rpc("BatchDeletePipelineJobs", _batch_delete, How.RUN, "delete"),
        ),
        {"*": "use a pipeline job or a custom job"},
    ),
)  # fmt: skip
