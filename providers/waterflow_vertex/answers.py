"""What Vertex AI answers about pipeline jobs, read: pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.cloud.states import NativeRun, joined, milliseconds
from waterflow.provider.state import Status
from waterflow_vertex.errors import failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

STATES: Final = {
    "PIPELINE_STATE_UNSPECIFIED": Status.RUNNING,
    "PIPELINE_STATE_QUEUED": Status.RUNNING,
    "PIPELINE_STATE_PENDING": Status.RUNNING,
    "PIPELINE_STATE_RUNNING": Status.RUNNING,
    "PIPELINE_STATE_SUCCEEDED": Status.SUCCEEDED,
    "PIPELINE_STATE_FAILED": Status.FAILED,
    "PIPELINE_STATE_CANCELLING": Status.RUNNING,
    "PIPELINE_STATE_CANCELLED": Status.CANCELLED,
    "PIPELINE_STATE_PAUSED": Status.RUNNING,
}
"""https://cloud.google.com/vertex-ai/docs/reference/rest/v1/PipelineState"""
STOPPING: Final = "PIPELINE_STATE_CANCELLING"
TASKS: Final = {
    "PENDING": Status.PENDING,
    "RUNNING": Status.RUNNING,
    "SUCCEEDED": Status.SUCCEEDED,
    "CANCEL_PENDING": Status.RUNNING,
    "CANCELLING": Status.RUNNING,
    "CANCELLED": Status.CANCELLED,
    "FAILED": Status.FAILED,
    "SKIPPED": Status.CACHED,
    "NOT_TRIGGERED": Status.SKIPPED,
}
"""State of a task; SKIPPED is one that the cache has answered.
https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.pipelineJobs#state"""
_STATE_NAMES: Final = (
    "PIPELINE_STATE_UNSPECIFIED", "PIPELINE_STATE_QUEUED", "PIPELINE_STATE_PENDING",
    "PIPELINE_STATE_RUNNING", "PIPELINE_STATE_SUCCEEDED", "PIPELINE_STATE_FAILED",
    "PIPELINE_STATE_CANCELLING", "PIPELINE_STATE_CANCELLED", "PIPELINE_STATE_PAUSED",
)  # fmt: skip
JOB: Final = "job"
_ENDED_BADLY: Final = frozenset({"FAILED", "CANCELLED", "CANCELLING", "CANCEL_PENDING"})
_FOLDER: Final = re.compile(r"(?P<number>[^/]+)/(?P<job>[^/]+)/(?P<task>[^/]+)/[^/]+/?")
_FRACTION: Final = re.compile(r"\.(\d{6})\d+")


@dataclass(frozen=True)
class TaskRun(NativeRun):
    """One task of a pipeline job.

    Attributes:
        folder: Where its job has its outputs: what follows the pipeline root in their addresses,
            with a slash at its end; "" where none is known.
        machines: The ids of the custom jobs that ran it, one an attempt of Vertex AI's, the latest
            last; none where the cache has answered.
    """

    folder: str = ""
    machines: tuple[str, ...] = ()


def state(job: Mapping[str, Any]) -> str:
    """Return the state of a pipeline job by its name."""
    return str(job.get("state") or _STATE_NAMES[0])


def task_runs(job: Mapping[str, Any], root: str) -> dict[str, TaskRun]:
    """Return the tasks that a pipeline job has begun or passed over, by name.

    One that is iterated is there as one, made of all.

    Those are left out that were never begun as one before them has failed: nobody passed them over.

    Args:
        job: The pipeline job.
        root: The pipeline root's address, without a slash at its end.
    """
    number, _, name = str(job["name"]).partition("projects/")[2].partition("/")
    execution = name.rpartition("/")[2]
    details: dict[str, list[Mapping[str, Any]]] = {}
    for detail in (job.get("jobDetail") or {}).get("taskDetails") or ():
        details.setdefault(str(detail.get("taskName")), []).append(detail)
    before = dependencies(job.get("pipelineSpec") or {})
    runs: dict[str, TaskRun] = {}
    for name, listed in details.items():
        own = [
            _task_run(name, detail, f"{number}/{execution}", root)
            for detail in listed
            if detail.get("state") != "NOT_TRIGGERED" or not _stopped(name, details, before)
        ]
        if own:
            runs[name] = own[0] if len(own) == 1 else joined(name, own)
    return runs


def _task_run(name: str, detail: Mapping[str, Any], execution: str, root: str) -> TaskRun:
    status = TASKS.get(str(detail.get("state")), Status.PENDING)
    own = f"{execution}/{detail.get('taskName')}_{detail.get('taskId')}/"
    folder = next(_folders(detail, root), own if status is not Status.CACHED else "")
    origin = folder.split("/")[1] if folder else execution.rpartition("/")[2]
    machines = tuple(_machines(detail.get("executorDetail") or {}))
    job = f"pipelineJobs/{origin}/tasks/{folder.split('/')[2]}" if folder else ""
    if status in (Status.SKIPPED, Status.PENDING):
        job = ""
    return TaskRun(
        native=name,
        status=status,
        job=job,
        kind=JOB if job else "",
        origin=origin,
        started=moment(detail.get("startTime")),
        ended=moment(detail.get("endTime")),
        failure=failure(detail.get("error")),
        folder=folder,
        machines=machines,
    )


def _folders(detail: Mapping[str, Any], root: str) -> Iterator[str]:
    """Yield what follows the pipeline root in the addresses of a task's outputs."""
    outputs: Mapping[str, Mapping[str, Any]] = detail.get("outputs") or {}
    for listed in outputs.values():
        for artifact in listed.get("artifacts") or ():
            uri = str(artifact.get("uri") or "")
            if uri.startswith(f"{root}/"):
                place = _FOLDER.fullmatch(uri[len(root) + 1 :])
                if place is not None:
                    yield f"{place['number']}/{place['job']}/{place['task']}/"


def _machines(detail: Mapping[str, Any]) -> Iterator[str]:
    container: Mapping[str, Any] = detail.get("containerDetail") or {}
    custom: Mapping[str, Any] = detail.get("customJobDetail") or {}
    names = [
        *(container.get("failedMainJobs") or ()),
        container.get("mainJob"),
        *(custom.get("failedJobs") or ()),
        custom.get("job"),
    ]
    for name in dict.fromkeys(names):
        if name:
            yield str(name).rpartition("/")[2]


def _stopped(
    name: str,
    details: Mapping[str, Iterable[Mapping[str, Any]]],
    before: Mapping[str, tuple[str, ...]],
) -> bool:
    """Say whether a task was never begun as one before it has failed or was stopped."""
    for one in before.get(name, ()):
        known = {str(detail.get("state")) for detail in details.get(one) or ()}
        if known & _ENDED_BADLY:
            return True
        if "NOT_TRIGGERED" in known and _stopped(one, details, before):
            return True
    return False


def dependencies(spec: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return for each task of a PipelineSpec those that it waits for, within its own DAG."""
    dags = [spec.get("root") or {}, *(spec.get("components") or {}).values()]
    return {
        name: tuple(cast("list[str]", task.get("dependentTasks") or ()))
        for dag in dags
        for name, task in ((dag.get("dag") or {}).get("tasks") or {}).items()
    }


def moment(text: Any) -> int | None:
    """Return a moment that Google wrote, in milliseconds since the epoch."""
    if not text:
        return None
    return milliseconds(datetime.fromisoformat(_FRACTION.sub(r".\1", str(text))))
