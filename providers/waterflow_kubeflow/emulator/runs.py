"""Runs: pipelines that run, ran, or were put away."""

from __future__ import annotations

import contextlib
import json
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow_kfp.emulator.caching import Cache, Catalogue
from waterflow_kfp.emulator.containers import Launcher
from waterflow_kfp.emulator.errors import SpecError, TaskError
from waterflow_kfp.emulator.execution import FAIL_FAST, Execution, restored
from waterflow_kfp.emulator.layouts import KubeflowLayout
from waterflow_kfp.emulator.records import State

from waterflow.emulation.clock import written
from waterflow_kubeflow.emulator import lists, nodes
from waterflow_kubeflow.emulator.errors import ApiError, invalid, missing
from waterflow_kubeflow.emulator.faults import WORDS
from waterflow_kubeflow.emulator.pipelines import documents
from waterflow_kubeflow.emulator.preparing import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from waterflow_kfp.emulator.containers import ContainerJob
    from waterflow_kfp.emulator.records import Attempt, Task

    from waterflow.emulation.clock import Clock
    from waterflow.emulation.sandbox import Lines, Write
    from waterflow.emulation.site import Site
    from waterflow_kubeflow.emulator.experiments import Experiments
    from waterflow_kubeflow.emulator.objects import Objects
    from waterflow_kubeflow.emulator.pipelines import Pipelines
    from waterflow_kubeflow.emulator.secrets import Secrets

STATES: Final = {
    State.PENDING: "PENDING",
    State.RUNNING: "RUNNING",
    State.SUCCEEDED: "SUCCEEDED",
    State.CANCELLING: "CANCELING",
    State.CANCELLED: "CANCELED",
    State.FAILED: "FAILED",
    State.SKIPPED: "SUCCEEDED",
    State.NOT_TRIGGERED: "SKIPPED",
}


class Run:
    """One run.

    Args:
        body: The run as the API shows it, without what changes.
        tasks: Its tasks, where it is one of a saved state; else those of its execution.
    """

    def __init__(self, body: dict[str, Any], tasks: list[Task] | None = None) -> None:
        self.body = body
        self.execution: Execution | None = None
        self._tasks = tasks or []
        self.stopped_at: float | None = None

    @property
    def tasks(self) -> list[Task]:
        """Its tasks, the run itself first."""
        return self._tasks if self.execution is None else list(self.execution.tasks)

    @property
    def name(self) -> str:
        """The name of its workflow."""
        return f"{self.body['pipeline_name']}-{self.body['run_id'][:5]}"

    def pods(self) -> dict[str, Attempt]:
        """Return the tries of its tasks, by the pods that they are."""
        return {
            nodes.pod_of(attempt.job, f"{self.name}-{task.id}"): attempt
            for task in self.tasks
            for attempt in task.attempts
        }

    def describe(self) -> dict[str, Any]:
        """Return the run as the API shows it."""
        tasks = self.tasks
        root = tasks[0]
        state = STATES[root.state]
        if not root.state.final and self.stopped_at is not None:
            state = "CANCELING"
        history = [
            {"update_time": written(one.at), "state": STATES[one.state]} for one in root.history
        ]
        if self.stopped_at is not None:
            canceling = {"update_time": written(self.stopped_at), "state": "CANCELING"}
            history = sorted([*history, canceling], key=lambda one: one["update_time"])
        shown = {key: value for key, value in self.body.items() if key != "pipeline_name"}
        return {
            **shown,
            "state": state,
            "finished_at": "1970-01-01T00:00:00Z" if root.ended is None else written(root.ended),
            "state_history": history,
            "run_details": {
                "task_details": nodes.details(
                    shown["run_id"], self.name, tasks, over=root.state.final
                )
            },
        }


class Runs:
    """The part that has the runs.

    Args:
        site: What all jobs share.
        clock: The time.
        objects: The objects.
        experiments: The experiments.
        pipelines: The pipelines.
        secrets: Kubernetes' Secrets.
    """

    def __init__(
        self,
        site: Site,
        clock: Clock,
        objects: Objects,
        experiments: Experiments,
        pipelines: Pipelines,
        secrets: Secrets,
    ) -> None:
        self._clock, self._objects = clock, objects
        self._experiments, self._pipelines = experiments, pipelines
        self._catalogue, self._cache = Catalogue(clock), Cache()
        self._lock = threading.RLock()
        self._by_id: dict[str, Run] = {}
        self._logs: dict[str, list[str]] = {}
        self._removed: set[str] = set()
        self._launcher = Launcher(
            site,
            sink=self._sink,
            words=WORDS,
            variables=lambda job: secrets.variables(job.spec.platform),
        )

    # --- starting -------------------------------------------------------------------------------

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Start a run of a spec in the request, or of a version that it names."""
        if not body.get("display_name"):
            raise invalid("The run name is empty. Please specify a valid name")
        reference: Mapping[str, Any] = body.get("pipeline_version_reference") or {}
        version = body.get("pipeline_version_id")
        if version and not reference:
            reference = {"pipeline_version_id": version}
        if bool(reference) == bool(body.get("pipeline_spec")):
            raise invalid("Either pipeline_spec or pipeline_version_reference must be given")
        spec: Any = body.get("pipeline_spec")
        if reference:
            spec = self._pipelines.latest(reference)["pipeline_spec"]
        shown = (
            {"pipeline_version_reference": dict(reference)}
            if reference
            else {"pipeline_spec": spec}
        )
        return self.start(body, spec, shown).describe()

    def start(
        self,
        body: Mapping[str, Any],
        spec: Any,
        shown: Mapping[str, Any],
        scheduled: float | None = None,
    ) -> Run:
        """Start a run.

        Args:
            body: What the request says of it.
            spec: The `pipeline_spec` that runs.
            shown: What it tells of that.
            scheduled: When a recurring run was due; None for none.

        Raises:
            ApiError: It cannot be run.
        """
        pipeline, platform = documents(spec)
        experiment = self._experiments.of(body.get("experiment_id"))
        config: Mapping[str, Any] = body.get("runtime_config") or {}
        number, now = str(uuid.uuid4()), self._clock.now()
        name = str(pipeline["pipelineInfo"]["name"])
        root = str(config.get("pipeline_root") or pipeline.get("defaultPipelineRoot") or ROOT)
        described: dict[str, Any] = {
            "experiment_id": experiment["experiment_id"],
            "run_id": number,
            "display_name": str(body["display_name"]),
            "storage_state": "AVAILABLE",
            "description": str(body.get("description", "")),
            **shown,
            "runtime_config": {
                "parameters": dict(config.get("parameters") or {}),
                "pipeline_root": root,
            },
            "service_account": str(body.get("service_account") or "pipeline-runner"),
            "created_at": written(now),
            "scheduled_at": written(now if scheduled is None else scheduled),
            "pipeline_name": name,
        }
        if body.get("recurring_run_id"):
            described["recurring_run_id"] = body["recurring_run_id"]
        run = Run(described)
        layout = KubeflowLayout(root, name, number, self._objects)
        try:
            run.execution = Execution(
                pipeline,
                name=run.name,
                id=number,
                layout=layout,
                launcher=self._launcher,
                catalogue=self._catalogue,
                clock=self._clock,
                parameters=config.get("parameters") or {},
                cache=self._cache,
                platform=platform,
                # Argo's rule: the workflows that the server makes leave `failFast` as it is, true.
                # github.com/kubeflow/pipelines: backend/src/v2/compiler/argocompiler/dag.go
                failure_policy=FAIL_FAST,
                scheduled=scheduled,
                on_job_end=self._publisher(layout),
            )
        except SpecError as error:
            raise invalid(str(error)) from None
        with self._lock:
            self._by_id[number] = run
        run.execution.start()
        return run

    # --- looking --------------------------------------------------------------------------------

    def _get(self, number: str) -> Run:
        if number not in self._by_id:
            raise missing("Run", number)
        return self._by_id[number]

    def get(self, number: str) -> dict[str, Any]:
        """Return a run."""
        return self._get(number).describe()

    def list(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return one page of the runs; of an experiment, where one is asked for."""
        experiment = query.get("experiment_id", "")
        with self._lock:
            runs = list(self._by_id.values())
        entries = [one.describe() for one in runs if experiment in ("", one.body["experiment_id"])]
        return lists.answer(entries, "runs", "run_id", query)

    def active(self, recurring: str) -> int:
        """Return how many runs of a recurring run have not ended."""
        with self._lock:
            runs = list(self._by_id.values())
        return sum(
            one.body.get("recurring_run_id") == recurring and not one.tasks[0].state.final
            for one in runs
        )

    def log(self, number: str, pod: str) -> str:
        """Return what a pod has printed; the server's words, after a good status, where it is gone.

        Raises:
            ApiError: There is no such run.
        """
        attempt = self._get(number).pods().get(pod)
        if attempt is not None and pod not in self._removed:
            return self._printed(attempt.job)
        message = (
            f"Failed to read logs for run {number}: InternalServerError: Failed to read logs from "
            f'pod {pod} due to error opening log stream: pods "{pod}" not found'
        )
        return json.dumps({"error_message": message, "error_details": message})

    def remove_pod(self, pod: str) -> dict[str, Any]:
        """Remove a pod that has ended, as a cluster does with those of old workflows.

        Raises:
            ApiError: There is no such pod, or it has not ended.
        """
        with self._lock:
            runs = list(self._by_id.values())
        attempt = next((one for run in runs if (one := run.pods().get(pod))), None)
        if attempt is None or pod in self._removed:
            raise ApiError("NOT_FOUND", f'pods "{pod}" not found')
        if not attempt.state.final:
            raise ApiError(
                "UNIMPLEMENTED", f'pods "{pod}" has not ended: end its run, the emulator kills none'
            )
        self._removed.add(pod)
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod}}

    def _printed(self, job: str) -> str:
        return "".join(f"{line}\n" for line in self._logs.get(job, []))

    def _publisher(self, layout: KubeflowLayout) -> Callable[[Task, int, ContainerJob], None]:
        """Return what leaves the logs of ended pods beside the outputs, as launchers do."""

        def publish(task: Task, number: int, job: ContainerJob) -> None:
            with tempfile.TemporaryDirectory() as folder, contextlib.suppress(TaskError):
                file = Path(folder, "log")
                file.write_text(self._printed(job.id), "utf-8")
                self._objects.take(file, layout.uri(task, f"executor-logs-{number}"))

        return publish

    def _sink(self, job: ContainerJob, host: str) -> Write:
        del host
        lines = self._logs.setdefault(job.id, [])

        def write(entries: Lines) -> None:
            lines.extend(line for _, line in entries)

        return write

    # --- ending ---------------------------------------------------------------------------------

    def terminate(self, number: str) -> dict[str, Any]:
        """End a run."""
        run = self._get(number)
        with self._lock:
            ending = run.stopped_at is not None
            if ending or run.execution is None or not run.execution.cancel():
                raise invalid(f"Failed to terminate a run {number}. Row not found")
            run.stopped_at = self._clock.now()
        return {}

    def archive(self, number: str) -> dict[str, Any]:
        """Put a run away."""
        self._get(number).body["storage_state"] = "ARCHIVED"
        return {}

    def unarchive(self, number: str) -> dict[str, Any]:
        """Take a run out again."""
        self._get(number).body["storage_state"] = "AVAILABLE"
        return {}

    def delete(self, number: str) -> dict[str, Any]:
        """Remove a run, ending it."""
        run = self._get(number)
        if run.execution is not None:
            run.execution.cancel()
        with self._lock:
            del self._by_id[number]
        return {}

    # --- its state ------------------------------------------------------------------------------

    def close(self) -> None:
        """End all jobs."""
        for run in list(self._by_id.values()):
            if run.execution is not None:
                run.execution.close()
        self._launcher.close()

    def snapshot(self) -> dict[str, Any]:
        """Return all runs as JSON."""
        return {
            "runs": [
                {
                    "body": run.body,
                    "tasks": [task.snapshot() for task in run.tasks],
                    "stopped_at": run.stopped_at,
                }
                for run in self._by_id.values()
            ],
            "logs": self._logs,
            "removed": sorted(self._removed),
            "catalogue": self._catalogue.snapshot(),
            "cache": self._cache.snapshot(),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Take the runs of a snapshot; those that ran are lost."""
        self._logs = {job: list(lines) for job, lines in saved["logs"].items()}
        self._removed = set(saved.get("removed", ()))
        self._catalogue.restore(saved["catalogue"])
        self._cache.restore(saved["cache"])
        for one in saved["runs"]:
            run = Run(dict(one["body"]), restored(one["tasks"], time.time()))
            run.stopped_at = one["stopped_at"]
            self._by_id[run.body["run_id"]] = run
