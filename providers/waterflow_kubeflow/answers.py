"""What a Kubeflow Pipelines API server answers about runs, read: pure.

A run's `task_details` are the nodes of its Argo workflow. A task X has a pod `X-driver`, which
looks at conditions and at the cache, and a node `X`; a container's holds the pod `executor`, which
is skipped where the cache has answered. A node that waits for one that has failed is skipped, and
its driver too.
https://github.com/kubeflow/pipelines/blob/master/backend/src/v2/compiler/argocompiler
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from waterflow.cloud.states import NativeRun, joined, milliseconds
from waterflow.provider.state import Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

STATES: Final = {
    "RUNTIME_STATE_UNSPECIFIED": Status.RUNNING,
    "PENDING": Status.RUNNING,
    "RUNNING": Status.RUNNING,
    "SUCCEEDED": Status.SUCCEEDED,
    "SKIPPED": Status.SUCCEEDED,
    "FAILED": Status.FAILED,
    "CANCELING": Status.RUNNING,
    "CANCELED": Status.CANCELLED,
    "PAUSED": Status.RUNNING,
}
"""State of a run. https://github.com/kubeflow/pipelines/blob/master/backend/api/v2beta1/run.proto"""
STOPPING: Final = "CANCELING"
JOB: Final = "job"
DRIVER: Final = "-driver"
EXECUTOR: Final = re.compile(r"executor(\(\d+\))?")
_FRACTION: Final = re.compile(r"\.(\d{6})\d+")


@dataclass(frozen=True)
class TaskRun(NativeRun):
    """One task of a run.

    Attributes:
        pods: The pods that have run it, the first first.
    """

    pods: tuple[str, ...] = ()


class Nodes:
    """The nodes of a run's workflow.

    Args:
        run: The run, as the API server has it.
    """

    def __init__(self, run: Mapping[str, Any]) -> None:
        self._id = str(run["run_id"])
        details: Mapping[str, Any] = run.get("run_details") or {}
        listed: list[Mapping[str, Any]] = details.get("task_details") or []
        self._by_pod = {str(one.get("pod_name")): one for one in listed}
        self._by_name: dict[str, list[Mapping[str, Any]]] = {}
        for one in listed:
            self._by_name.setdefault(str(one.get("display_name")), []).append(one)
        self._stopped = next(
            (
                moment(one.get("update_time"))
                for one in run.get("state_history") or ()
                if one.get("state") == STOPPING
            ),
            None,
        )

    def runs(self, names: Iterator[str] | list[str]) -> dict[str, TaskRun]:
        """Return those of tasks that were begun, or that a condition has passed over.

        One that is iterated is there as one, made of all.

        Args:
            names: The tasks.
        """
        runs: dict[str, TaskRun] = {}
        for name in names:
            nodes = self._by_name.get(name, [])
            drivers = self._by_name.get(f"{name}{DRIVER}", [])
            # A node comes after its driver, which nothing but their order tells.
            pairs = zip_longest(nodes, drivers)
            own = [run for one in pairs if (run := self._run(name, *one)) is not None]
            if own:
                runs[name] = own[0] if len(own) == 1 else joined(name, own)
        return runs

    def _run(
        self, name: str, node: Mapping[str, Any] | None, driver: Mapping[str, Any] | None
    ) -> TaskRun | None:
        if driver is not None and driver.get("state") == "SKIPPED":
            return None  # what it waits for has failed
        if node is None:
            if driver is None:
                return None
            status = self._status(driver)
            node, final = driver, status.final
            status = status if final and status is not Status.SUCCEEDED else Status.PENDING
            pods: list[Mapping[str, Any]] = []
        else:
            status = self._status(node)
            pods = [
                one for one in self._below(node) if EXECUTOR.fullmatch(str(one["display_name"]))
            ]
            if node.get("state") == "SKIPPED":
                status = Status.SKIPPED if driver is not None else Status.PENDING
            elif pods and all(one.get("state") == "SKIPPED" for one in pods):
                status = Status.CACHED
            elif not status.final and pods and pods[-1].get("state") == "PENDING":
                status = Status.PENDING
        ran = [one for one in pods if one.get("state") != "SKIPPED"]
        return TaskRun(
            native=name,
            status=status,
            job=f"{self._id}/{name}" if status not in (Status.SKIPPED, Status.CACHED) else "",
            kind=JOB if status is not Status.SKIPPED else "",
            origin=self._id if status is not Status.CACHED else "",
            started=moment((ran or [node])[0].get("start_time")),
            ended=moment(node.get("end_time")) if status.final else None,
            failure=_words(node, ran) if status is Status.FAILED else None,
            pods=tuple(str(one["pod_name"]) for one in ran),
        )

    def _status(self, node: Mapping[str, Any]) -> Status:
        status = STATES.get(str(node.get("state")), Status.RUNNING)
        ended = moment(node.get("end_time"))
        if status is Status.FAILED and self._stopped is not None and (ended or 0) >= self._stopped:
            return Status.CANCELLED  # its pod was ended from outside
        return status

    def _below(self, node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        for child in node.get("child_tasks") or ():
            below = self._by_pod.get(str(child.get("pod_name")))
            if below is not None:
                yield below
                yield from self._below(below)


def _words(node: Mapping[str, Any], pods: list[Mapping[str, Any]]) -> str | None:
    """Return why a task has failed, where the server says it: older ones leave that out."""
    for one in (*reversed(pods), node):
        words = str((one.get("error") or {}).get("message") or "").strip()
        if words:
            return f"{words.rstrip('.')}."
    return None


def moment(text: Any) -> int | None:
    """Return a moment that the server wrote, in milliseconds since the epoch; None for none."""
    if not text:
        return None
    at = milliseconds(datetime.fromisoformat(_FRACTION.sub(r".\1", str(text))))
    return at if at is not None and at > 0 else None
