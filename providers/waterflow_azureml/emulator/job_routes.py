"""The routes of jobs at Azure Resource Manager: put, get, list, cancel, delete."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from waterflow.emulation.clock import written
from waterflow.emulation.paging import page
from waterflow_azureml.emulator import models
from waterflow_azureml.emulator.errors import conflict, invalid, missing
from waterflow_azureml.emulator.resources import WHO
from waterflow_azureml.emulator.routes import (
    MANAGEMENT,
    WORKSPACE,
    How,
    Request,
    Route,
    json_answer,
)

if TYPE_CHECKING:
    from waterflow.emulation.wire import Reply
    from waterflow_azureml.emulator.runs import Run
    from waterflow_azureml.emulator.world import World

_PAGE: Final = 100
_AGAIN: Final = "1"
"""Seconds after which a client asks again how far a cancellation is."""


def require(world: World, request: Request, name: str) -> Run:
    """Return the job that a request names.

    Raises:
        Refusal: There is none.
    """
    run = world.jobs.runs.get(request.scope.id, name)
    if run is None:
        raise missing(f"Could not find job or run '{name}' in the workspace.", "UserError")
    return run


def studio(run: Run) -> str:
    """Return where people look at a run."""
    return f"https://ml.azure.com/runs/{run.name}?wsid={run.workspace}"


def services(world: World, run: Run) -> dict[str, Any]:
    """Return the addresses of what shows a run, as a job tells them."""
    host = world.workspaces.require(run.scope).host
    return {
        "Tracking": {
            "jobServiceType": "Tracking",
            "endpoint": f"azureml://{host}/mlflow/v1.0{run.workspace}?",
            "port": None,
            "status": None,
            "errorMessage": None,
            "properties": None,
            "nodes": None,
        },
        "Studio": {
            "jobServiceType": "Studio",
            "endpoint": studio(run),
            "port": None,
            "status": None,
            "errorMessage": None,
            "properties": None,
            "nodes": None,
        },
    }


def envelope(world: World, run: Run) -> dict[str, Any]:
    """Return a job as ARM answers it; of a child nothing but its name, as the service has it."""
    whole: dict[str, Any] = {
        "id": run.id,
        "name": run.name,
        "type": "Microsoft.MachineLearningServices/workspaces/jobs",
        "properties": None,
        "systemData": {
            "createdAt": written(run.created),
            **WHO,
            **({"lastModifiedAt": written(run.moves[-1][1])} if run.moves else {}),
        },
    }
    if not run.parent:
        whole["properties"] = _properties(world, run)
    return whole


def _properties(world: World, run: Run) -> dict[str, Any]:
    body = copy.deepcopy(run.body)
    body |= {
        "jobType": run.kind,
        "displayName": run.display_name,
        "experimentName": run.experiment,
        "description": run.description or None,
        "tags": dict(run.tags),
        "properties": dict(run.properties),
        "isArchived": run.hidden,
        "status": run.status,
        "services": {**(body.get("services") or {}), **services(world, run)},
    }
    for key in ("inputs", "outputs"):
        body[key] = body.get(key) or {}
    if run.kind == "Pipeline":
        body["jobs"] = body.get("jobs") or {}
        body["settings"] = body.get("settings") or {}
    elif run.kind == "Command":
        body["parameters"] = None
        body["environmentVariables"] = body.get("environmentVariables") or {}
        body["resources"] = {"instanceCount": 1, "properties": {}, **(body.get("resources") or {})}
    return body


# --- its routes -----------------------------------------------------------------------------------


def _put(world: World, request: Request, name: str) -> Reply:
    models.check("JobBase", request.json)
    properties = request.json.get("properties")
    if not isinstance(properties, dict):
        raise invalid("The request's body must have 'properties'")
    workspace = world.workspaces.require(request.scope)
    run, new = world.jobs.create(workspace, name, properties)
    if run.parent:
        raise invalid(f"'{name}' is a child job: only its pipeline can be changed")
    return json_answer(envelope(world, run), 201 if new else 200)


def _get(world: World, request: Request, name: str) -> Reply:
    return json_answer(envelope(world, require(world, request, name)))


def _list(world: World, request: Request) -> Reply:
    query = request.query
    view = query.get("listViewType", "ActiveOnly")
    listed = [
        run
        for run in world.jobs.runs.all(request.scope.id)
        if view == "All" or run.hidden == (view == "ArchivedOnly")
    ]
    if kind := query.get("jobType"):
        listed = [run for run in listed if run.kind.lower() == kind.lower()]
    if tag := query.get("tag"):
        key, equals, value = tag.partition("=")
        listed = [
            run for run in listed if key in run.tags and (not equals or run.tags[key] == value)
        ]
    if held := query.get("properties"):
        key, equals, value = held.partition("=")
        listed = [
            run
            for run in listed
            if key in run.properties and (not equals or run.properties[key] == value)
        ]
    if query.get("scheduled", "").lower() == "true":
        listed = [run for run in listed if SCHEDULE in run.properties]
    if schedule := query.get("scheduleId"):
        listed = [run for run in listed if run.properties.get(SCHEDULE) == schedule]
    try:
        some, token = page(listed, _PAGE, query.get("$skip"))
    except ValueError as error:
        raise invalid(f"$skip: {error}") from None
    answer: dict[str, Any] = {"value": [envelope(world, run) for run in some]}
    if token is not None:
        answer["nextLink"] = f"{request.url}?{urlencode({**query, '$skip': token})}"
    return json_answer(answer)


def _cancel(world: World, request: Request, name: str) -> Reply:
    run = require(world, request, name)
    world.jobs.cancel(run)
    if run.final:
        return json_answer(None)
    return json_answer(None, 202, {"Location": _progress(request, run), "Retry-After": _AGAIN})


def _canceled(world: World, request: Request, name: str) -> Reply:
    run = require(world, request, name)
    if run.final:
        return json_answer(None)
    return json_answer(None, 202, {"Location": _progress(request, run), "Retry-After": _AGAIN})


def _progress(request: Request, run: Run) -> str:
    query = urlencode({"api-version": request.query.get("api-version", "2024-01-01-preview")})
    return f"https://{MANAGEMENT}{run.id}/cancellation?{query}"


def _delete(world: World, request: Request, name: str) -> Reply:
    run = world.jobs.runs.get(request.scope.id, name)
    if run is None:
        return json_answer(None, 204)
    if not run.final:
        raise conflict(f"The job '{name}' is {run.status}: cancel it before it is deleted.")
    world.jobs.remove(run)
    return json_answer(None)


SCHEDULE: Final = "azureml.scheduleId"
"""The property that names the schedule that has made a job."""

_JOB: Final = f"{WORKSPACE}/jobs/{{name}}"
ROUTES: Final = [
    Route("PUT", MANAGEMENT, _JOB, "jobs.create", _put, How.RUN),
    Route("GET", MANAGEMENT, _JOB, "jobs.get", _get, How.STATE),
    Route("GET", MANAGEMENT, f"{WORKSPACE}/jobs", "jobs.list", _list, How.STATE),
    Route("POST", MANAGEMENT, f"{_JOB}/cancel", "jobs.cancel", _cancel, How.RUN),
    Route("GET", MANAGEMENT, f"{_JOB}/cancellation", "jobs.canceled", _canceled, How.STATE,
          action="Microsoft.MachineLearningServices/workspaces/jobs/read"),
    Route("DELETE", MANAGEMENT, _JOB, "jobs.delete", _delete, How.RECORD),
]  # fmt: skip
