"""A run's tasks as the API server shows them: the nodes of an Argo workflow.

https://github.com/kubeflow/pipelines/blob/master/backend/src/apiserver/server/api_converter.go
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from waterflow_kfp.emulator.records import State

from waterflow.emulation.clock import written

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from waterflow_kfp.emulator.records import Task

STATES: Final = {
    State.PENDING: "PENDING",
    State.RUNNING: "RUNNING",
    State.SUCCEEDED: "SUCCEEDED",
    State.SKIPPED: "SUCCEEDED",
    State.CANCELLING: "RUNNING",
    State.CANCELLED: "FAILED",
    State.FAILED: "FAILED",
    State.NOT_TRIGGERED: "SKIPPED",
}
"""State of a task -> that of its node: an earlier result is a node that has succeeded, and what was
ended from outside one that has failed."""
_POD: Final = frozenset({"container", "custom_job"})
_NEVER: Final = "1970-01-01T00:00:00Z"


def details(run: str, workflow: str, tasks: Sequence[Task], *, over: bool) -> list[dict[str, Any]]:
    """Return a run's `task_details`.

    Args:
        run: The run's id.
        workflow: The workflow's name, with which the names of pods begin.
        tasks: Its tasks, the run itself first.
        over: Whether the run has ended.
    """
    nodes: list[dict[str, Any]] = []
    below: dict[str, list[Task]] = {}
    for task in tasks[1:]:
        below.setdefault(task.parent, []).append(task)

    def node(pod: str, name: str, state: str, task: Task, children: Iterable[str] = ()) -> str:
        entry: dict[str, Any] = {
            "run_id": run,
            "task_id": "",
            "display_name": name,
            "create_time": written(tasks[0].created),
            "start_time": _when(task.started or task.created),
            "end_time": _when(task.ended if state not in ("PENDING", "RUNNING") else None),
            "state": state,
            "pod_name": pod,
        }
        if state == "FAILED" and task.error is not None:
            entry["error"] = task.error.describe()
        if listed := [{"pod_name": child} for child in children]:
            entry["child_tasks"] = listed
        nodes.append(entry)
        return pod

    def within(task: Task) -> list[str]:
        pods: list[str] = []
        for child in below.get(task.id, ()):
            pods += shown(child)
        return pods

    def shown(task: Task) -> list[str]:
        base = f"{workflow}-{task.id}"
        driven = task.state is not State.NOT_TRIGGERED or not _left_out(task, below, tasks)
        if task.kind == "importer" and driven:
            return [node(base, task.name, STATES[task.state], task)]
        driver = "SUCCEEDED" if driven else "SKIPPED"
        pods = [node(f"{base}-driver", f"{task.name}-driver", driver, task)]
        children = _executors(task, base, node) if task.kind in _POD else within(task)
        return [*pods, node(base, task.name, STATES[task.state], task, children)]

    root = tasks[0]
    top = [node(f"{workflow}-root-driver", "root-driver", "SUCCEEDED", root)]
    top.append(node(f"{workflow}-root", "root", STATES[root.state], root, within(root)))
    node(workflow, workflow, STATES[root.state], root, top)
    del over
    return nodes


def _executors(task: Task, base: str, node: Any) -> list[str]:
    if task.state in (State.SKIPPED, State.NOT_TRIGGERED):
        return [node(f"{base}-executor", "executor", "SKIPPED", task)]
    several = len(task.attempts) > 1
    pods: list[str] = []
    for number, attempt in enumerate(task.attempts):
        name = f"executor({number})" if several else "executor"
        state = STATES[attempt.state] if attempt.state.final else STATES[task.state]
        pods.append(node(pod_of(attempt.job, base), name, state, task))
    return pods


def pod_of(job: str, base: str) -> str:
    """Return the name of the pod of a job."""
    return f"{base}-{job}"


def _left_out(task: Task, below: dict[str, list[Task]], tasks: Sequence[Task]) -> bool:
    """Say whether a task was not begun as what it waits for has not come to its end."""
    del below
    return not task.inputs.parameters and not task.inputs.artifacts and _broken(task, tasks)


def _broken(task: Task, tasks: Sequence[Task]) -> bool:
    return any(
        one.parent == task.parent and one.state in (State.FAILED, State.CANCELLED) for one in tasks
    )


def _when(moment: float | None) -> str:
    return _NEVER if moment is None else written(moment)
