"""Jobs as MLflow sees them: each is a run that is known by the job's name, as in the service."""

from __future__ import annotations

import json
import re
import threading
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow_azureml.emulator.runs import Run, Runs
    from waterflow_azureml.emulator.tracking import Server, Tracking
    from waterflow_azureml.emulator.workspaces import Workspace

_ID: Final = re.compile(rb"\b[0-9a-f]{32}\b")
_RUNS: Final = ("run_id", "run_uuid")
_EXPERIMENTS: Final = ("experiment_id", "experiment_ids")
_API: Final = "/api/2.0/mlflow"
_JSON: Final = {"Content-Type": "application/json"}


class JobTracking:
    """Translates between jobs' names and the ids of an MLflow server, which makes its own.

    Args:
        runs: The records of all jobs.
        tracking: The servers.
    """

    def __init__(self, runs: Runs, tracking: Tracking) -> None:
        self._runs, self._tracking = runs, tracking
        self._lock = threading.Lock()

    def inward(self, workspace: Workspace, value: Any) -> Any:
        """Return what a client asks with the server's ids in the place of jobs' names.

        Args:
            workspace: The workspace whose server is asked.
            value: A body's JSON, or the query's parameters.
        """
        if isinstance(value, list):
            return [self.inward(workspace, one) for one in cast("list[Any]", value)]
        if not isinstance(value, dict):
            return value
        return {
            key: self._translated(workspace, key, one)
            for key, one in cast("Mapping[str, Any]", value).items()
        }

    def outward(self, workspace: Workspace, body: bytes) -> bytes:
        """Return what the server answers with jobs' names in the place of its ids."""
        place = workspace.scope.id.lower()
        names = {
            run.tracked.encode(): run.name.encode()
            for run in self._runs
            if run.tracked and run.workspace.lower() == place
        }
        return _ID.sub(lambda match: names.get(match[0], match[0]), body) if names else body

    def metric(self, workspace: Workspace, run: Run, name: str) -> float | None:
        """Return the last value of a metric that a job has logged; None where there is none."""
        if not run.tracked:
            return None
        answer = _asked(
            self._tracking.server(workspace), "GET", f"runs/get?run_id={quote(run.tracked)}"
        )
        listed = answer.get("run", {}).get("data", {}).get("metrics") or ()
        return next((float(one["value"]) for one in listed if one["key"] == name), None)

    def _translated(self, workspace: Workspace, key: str, value: Any) -> Any:
        if key in _RUNS and isinstance(value, str):
            run = self._runs.get(workspace.scope.id, value)
            return value if run is None else self._tracked(workspace, run)
        if key in _EXPERIMENTS:
            if isinstance(value, list):
                return [self._experiment(workspace, one) for one in cast("list[Any]", value)]
            return self._experiment(workspace, value)
        return self.inward(workspace, value)

    def _tracked(self, workspace: Workspace, run: Run) -> str:
        """Return the server's id of a job's run, which is made when it is first asked for."""
        with self._lock:
            if not run.tracked:
                server = self._tracking.server(workspace)
                body = {
                    "experiment_id": _experiment(server, run.experiment),
                    "run_name": run.display_name,
                    "start_time": int(run.created * 1000),
                    "tags": [{"key": "mlflow.rootRunId", "value": run.root}],
                }
                run.tracked = _asked(server, "POST", "runs/create", body)["run"]["info"]["run_id"]
            return run.tracked

    def _experiment(self, workspace: Workspace, identity: Any) -> Any:
        """Return the server's id of an experiment that jobs know by another one."""
        place = workspace.scope.id.lower()
        for run in self._runs:
            if run.experiment_id == identity and run.workspace.lower() == place:
                return _experiment(self._tracking.server(workspace), run.experiment)
        return identity


def _experiment(server: Server, name: str) -> str:
    """Return the id of an experiment, made where there is none of that name."""
    there = _asked(server, "GET", f"experiments/get-by-name?experiment_name={quote(name)}")
    if "experiment" in there:
        return str(there["experiment"]["experiment_id"])
    return str(_asked(server, "POST", "experiments/create", {"name": name})["experiment_id"])


def _asked(
    server: Server, method: str, path: str, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    content = json.dumps(body).encode() if body is not None else b""
    answer: Any = json.loads(server.ask(method, f"{_API}/{path}", content, _JSON).body or b"{}")
    return cast("dict[str, Any]", answer)
