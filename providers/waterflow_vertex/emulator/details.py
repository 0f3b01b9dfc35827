"""A pipeline job as Vertex AI tells it: its state, and what became of each task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from waterflow_kfp.emulator.records import State

from waterflow_vertex.emulator import sdk

if TYPE_CHECKING:
    from waterflow_kfp.emulator.execution import Execution
    from waterflow_kfp.emulator.records import Artifact, Attempt, Task


_STATES: Final = {
    State.PENDING: "PIPELINE_STATE_PENDING",
    State.RUNNING: "PIPELINE_STATE_RUNNING",
    State.CANCELLING: "PIPELINE_STATE_CANCELLING",
    State.SUCCEEDED: "PIPELINE_STATE_SUCCEEDED",
    State.SKIPPED: "PIPELINE_STATE_SUCCEEDED",
    State.CANCELLED: "PIPELINE_STATE_CANCELLED",
    State.FAILED: "PIPELINE_STATE_FAILED",
    State.NOT_TRIGGERED: "PIPELINE_STATE_FAILED",
}
_EXECUTIONS: Final = {
    State.RUNNING: "RUNNING", State.SUCCEEDED: "COMPLETE", State.SKIPPED: "CACHED",
    State.FAILED: "FAILED", State.CANCELLED: "CANCELLED", State.CANCELLING: "RUNNING",
    State.PENDING: "NEW", State.NOT_TRIGGERED: "CANCELLED",
}  # fmt: skip
_SCHEMAS: Final = {
    "dag": "system.DagExecution", "loop": "system.DagExecution", "iteration": "system.DagExecution",
    "importer": "system.ImporterExecution",
}  # fmt: skip


def described(one: Any, execution: Execution) -> Any:
    """Return a job's document with what is known of its run now.

    Args:
        one: The document.
        execution: The run.
    """
    held = sdk.copied(one)
    states = sdk.vertex("pipeline_state", "PipelineState")
    tasks = list(execution.tasks)
    root = tasks[0]
    held.state = states[_STATES[root.state]]
    if root.started is not None:
        sdk.stamp(held.start_time, root.started)
    if root.ended is not None:
        sdk.stamp(held.end_time, root.ended)
    latest = max((task.history[-1].at for task in tasks if task.history), default=root.created)
    sdk.stamp(held.update_time, max(latest, sdk.seconds(held.create_time)))
    if root.error is not None:
        _fail(held.error, root.error)
    parent = held.name.partition("/pipelineJobs/")[0]
    store = f"{parent}/metadataStores/default"
    detail = held.job_detail
    del detail.task_details[:]
    pipeline = execution.pipeline.name
    detail.pipeline_context.CopyFrom(_context(store, pipeline, "system.Pipeline", held))
    run = _context(store, execution.name, "system.PipelineRun", held)
    run.parent_contexts.append(detail.pipeline_context.name)
    detail.pipeline_run_context.CopyFrom(run)
    for task in tasks:
        name = execution.name if not task.parent else task.name
        detail.task_details.append(_task(parent, store, task, name))
    return held


def _fail(field: Any, error: Any) -> None:
    field.code, field.message = error.code, error.message


def _context(store: str, name: str, schema: str, job: Any) -> Any:
    context = sdk.vertex("context", "Context")(
        name=f"{store}/contexts/{name}", display_name=name, schema_title=schema,
        schema_version="0.0.1",
    )  # fmt: skip
    context.create_time.CopyFrom(job.create_time)
    context.update_time.CopyFrom(job.update_time)
    return context


def _task(parent: str, store: str, task: Task, name: str) -> Any:
    kind = sdk.vertex("pipeline_job", "PipelineTaskDetail")
    detail = kind(
        task_id=int(task.id), parent_task_id=int(task.parent or 0), task_name=name,
        state=task.state.value,
    )  # fmt: skip
    sdk.stamp(detail.create_time, task.created)
    if task.started is not None:
        sdk.stamp(detail.start_time, task.started)
    if task.ended is not None:
        sdk.stamp(detail.end_time, task.ended)
    if task.error is not None:
        _fail(detail.error, task.error)
    for change in list(task.history):
        status = detail.pipeline_task_status.add(state=change.state.value)
        sdk.stamp(status.update_time, change.at)
        if change.error is not None:
            _fail(status.error, change.error)
    for field, values in ((detail.inputs, task.inputs), (detail.outputs, task.outputs)):
        for key, artifacts in values.artifacts.items():
            field[key].artifacts.extend([artifact(one) for one in artifacts])
    _executor(detail.executor_detail, parent, task)
    detail.execution.CopyFrom(_execution(store, task, name))
    return detail


def artifact(one: Artifact) -> Any:
    """Return an artifact as the metadata store tells it."""
    held = sdk.vertex("artifact", "Artifact")(
        name=one.name, uri=one.uri, schema_title=one.schema, schema_version=one.version,
        state="LIVE", display_name=str(one.metadata.get("display_name", "")),
    )  # fmt: skip
    sdk.stamp(held.create_time, one.created)
    sdk.stamp(held.update_time, one.created)
    held.metadata.update(dict(one.metadata))
    return held


def _executor(detail: Any, parent: str, task: Task) -> None:
    """Note which jobs have run a task."""

    def job(one: Attempt) -> str:
        return f"{parent}/customJobs/{one.job}"

    failed = [job(one) for one in task.attempts[:-1]]
    last = task.attempts[-1] if task.attempts else None
    if last is None:
        return
    if task.kind == "custom_job":
        detail.custom_job_detail.job = job(last)
        detail.custom_job_detail.failed_jobs.extend(failed)
    else:
        detail.container_detail.main_job = job(last)
        detail.container_detail.failed_main_jobs.extend(failed)


def _execution(store: str, task: Task, name: str) -> Any:
    held = sdk.vertex("execution", "Execution")(
        name=f"{store}/executions/{task.execution}", display_name=name,
        schema_title=_SCHEMAS.get(task.kind, "system.ContainerExecution"), schema_version="0.0.1",
        state=_EXECUTIONS[task.state],
    )  # fmt: skip
    sdk.stamp(held.create_time, task.created)
    sdk.stamp(held.update_time, task.history[-1].at if task.history else task.created)
    said = {f"input:{key}": value for key, value in task.inputs.parameters.items()}
    said |= {f"output:{key}": value for key, value in task.outputs.parameters.items()}
    if task.iteration is not None:
        said["iteration_index"] = task.iteration
    if task.cached_from:
        said["cached_task"] = task.cached_from
    held.metadata.update(said)
    return held
