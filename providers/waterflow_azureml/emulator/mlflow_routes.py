"""Requests to a workspace's MLflow: handed on to a real server, with Azure's gaps in between."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from waterflow.emulation.wire import Reply
from waterflow_azureml.emulator import artifacts
from waterflow_azureml.emulator.errors import Refusal
from waterflow_azureml.emulator.routes import API, WORKSPACE, How, Request, Route, json_answer

if TYPE_CHECKING:
    from waterflow_azureml.emulator.job_tracking import JobTracking
    from waterflow_azureml.emulator.tracking import Tracking
    from waterflow_azureml.emulator.world import World

_ANSWERED: Final = ("experiments", "runs", "metrics", "artifacts", "registered-models",
                    "model-versions")  # fmt: skip
"""The parts of MLflow's REST interface that the service has; `logged-models` is not among them."""
_PLACE: Final = re.compile(rb"(/experiments/)([^/\"]+)/([0-9a-f]{32}/artifacts)")
"""Where MLflow's own server says that a run's artifacts are."""
_METHODS: Final = ("GET", "POST", "PATCH", "PUT", "DELETE")


def _handed_on(world: World, request: Request, rest: str) -> Reply:
    kind = rest.removeprefix("2.0/mlflow/").partition("/")[0]
    if not rest.startswith("2.0/mlflow/") or kind not in _ANSWERED:
        text = f"Azure ML's MLflow server has no {request.method} /api/{rest}"
        raise Refusal(404, "ENDPOINT_NOT_FOUND", text)
    if rest == "2.0/mlflow/artifacts/list":
        return _listed(world, request)
    workspace = world.workspaces.require(request.scope)
    tracking: Tracking = world.parts["mlflow"]
    jobs: JobTracking = world.jobs.tracking
    query = urlencode(jobs.inward(workspace, request.query))
    target = f"/api/{rest}{f'?{query}' if query else ''}"
    content = json.dumps(jobs.inward(workspace, request.json)).encode() if request.body else b""
    headers = {"Content-Type": request.headers.get("content-type", "application/json")}
    answer = tracking.server(workspace).ask(request.method, target, content, headers)
    body = jobs.outward(workspace, _PLACE.sub(rb"\1\2/runs/\3", answer.body))
    return Reply(answer.status, body, (("Content-Type", answer.kind),))


def _listed(world: World, request: Request) -> Reply:
    """List a run's artifacts: where they are, MLflow's own server does not know."""
    run = request.query.get("run_id") or request.query.get("run_uuid") or ""
    if not run:
        raise Refusal(400, "INVALID_PARAMETER_VALUE", "Missing value for required parameter run_id")
    workspace = world.workspaces.require(request.scope)
    folder = request.query.get("path", "").strip("/")
    start = f"{folder}/" if folder else ""
    files: dict[str, dict[str, Any]] = {}
    for name, size in artifacts.sizes(world, workspace, run).items():
        if name.startswith(start):
            head, deeper, _ = name[len(start) :].partition("/")
            path = start + head
            if deeper:
                files[path] = {"path": path, "is_dir": True}
            else:
                files[path] = {"path": path, "is_dir": False, "file_size": str(size)}
    root = f"{artifacts.address(workspace, run)}"
    return json_answer({"root_uri": root, "files": list(files.values())})


ROUTES: Final = [
    Route(
        method, API, f"/mlflow/v{version}{WORKSPACE}/api/{{rest:path}}", "mlflow", _handed_on,
        How.RUN, action="Microsoft.MachineLearningServices/workspaces/experiments/runs/"
        f"{'read' if method == 'GET' else 'write'}",
    )
    for method in _METHODS
    for version in ("1.0", "2.0")
]  # fmt: skip
