"""Run history: what was run, where it is in its life, its logs, what it took and made."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from waterflow.emulation.clock import written
from waterflow.emulation.paging import page
from waterflow_azureml.emulator.errors import invalid, missing
from waterflow_azureml.emulator.identity import DISCOVERY
from waterflow_azureml.emulator.job_routes import require, studio
from waterflow_azureml.emulator.routes import API, How, Request, Route, json_answer

if TYPE_CHECKING:
    from waterflow.emulation.wire import Reply
    from waterflow_azureml.emulator.runs import Run
    from waterflow_azureml.emulator.world import World

_PAGE: Final = 500
_SHORT: Final = "azureml://datastores/"
_TENANT_SCOPE: Final = (
    "/subscriptions/{subscription}/resourceGroups/{group}/providers/"
    "Microsoft.MachineLearningServices/workspaces/{workspace}"
)
_RUN_TYPES: Final = {
    "Command": "azureml.scriptrun",
    "Pipeline": "azureml.PipelineRun",
    "Sweep": "azureml.sweep",
}


def described(run: Run) -> dict[str, Any]:
    """Return a run as history tells it."""
    ended = run.ended
    duration = None if run.started is None or ended is None else _span(ended - run.started)
    return {
        "runNumber": run.number,
        "rootRunId": run.root,
        "createdUtc": written(run.created),
        "createdBy": {"userObjectId": "", "userName": "waterflow", "upn": None},
        "userId": "waterflow",
        "error": _error(run),
        "warnings": None,
        "revision": len(run.moves),
        "runUuid": run.uuid,
        "lastModifiedUtc": written(run.moves[-1][1]),
        "duration": duration,
        "cancelationReason": run.message if run.status == "Canceled" else None,
        "runId": run.name,
        "parentRunId": run.parent or None,
        "experimentId": run.experiment_id,
        "status": run.status,
        "startTimeUtc": None if run.started is None else written(run.started),
        "endTimeUtc": None if ended is None else written(ended),
        "displayName": run.display_name,
        "name": run.node or None,
        "dataContainerId": run.container_id,
        "description": run.description or None,
        "hidden": run.hidden,
        "runType": _RUN_TYPES[run.kind],
        "runTypeV2": {"orchestrator": None, "traits": [], "attribution": None, "computeType": None},
        "properties": dict(run.properties),
        "parameters": {},
        "tags": dict(run.tags),
        "target": run.compute.get("target"),
        "compute": run.compute or None,
        "services": {"Studio": {"type": "Studio", "endpoint": studio(run)}},
        "inputs": {
            name: {"assetId": one["uri"], "type": one["type"]}
            for name, one in run.inputs.items()
            if "uri" in one
        },
        "outputs": {
            name: {"assetId": one["asset"], "type": one["type"]}
            for name, one in run.outputs.items()
        },
    }


def _error(run: Run) -> dict[str, Any] | None:
    if not run.code:
        return None
    return {
        "error": {
            "code": run.code,
            "severity": None,
            "message": run.message,
            "messageFormat": None,
            "messageParameters": {},
            "referenceCode": None,
            "detailsUri": None,
            "target": None,
            "details": [],
            "innerError": {"code": "ExecutionFailed", "innerError": None},
            "additionalInfo": None,
        },
        "correlation": {"operation": run.uuid, "request": run.uuid[:8]},
        "environment": "eastus",
        "location": "eastus",
        "time": written(run.ended or run.created),
        "componentName": "execution-worker",
    }


def _span(seconds: float) -> str:
    text = str(timedelta(seconds=round(seconds, 3)))
    return text if ", " not in text else text.replace(" days, ", ".").replace(" day, ", ".")


# --- its routes -----------------------------------------------------------------------------------


def _discovery(world: World, request: Request) -> Reply:
    del world
    base = f"https://{request.host}"
    return json_answer(
        {
            "api": base,
            "catalog": base,
            "experimentation": base,
            "history": base,
            "hyperdrive": base,
            "pipelines": base,
            "modelmanagement": base,
            "notebooks": base,
            "studio": "https://ml.azure.com",
        }
    )


def _get(world: World, request: Request, run: str) -> Reply:
    return json_answer(described(require(world, request, run)))


def _details(world: World, request: Request, run: str) -> Reply:
    one = require(world, request, run)
    whole = described(one)
    kept = (
        "runUuid", "target", "status", "parentRunId", "createdBy", "error", "warnings", "tags",
        "properties", "parameters", "services", "revision", "runTypeV2", "compute", "runNumber",
        "rootRunId", "userId", "lastModifiedUtc", "duration", "inputs", "outputs",
    )  # fmt: skip
    return json_answer(
        {
            "runId": one.name,
            **{key: whole[key] for key in kept},
            "createdTimeUtc": whole["createdUtc"],
            "startTimeUtc": whole["startTimeUtc"],
            "endTimeUtc": whole["endTimeUtc"],
            "inputDatasets": [],
            "outputDatasets": [],
            "runDefinition": None,
            "logFiles": dict(one.logs),
            "jobCost": None,
            "settings": {},
        }
    )


def _children(world: World, request: Request, run: str) -> Reply:
    listed = [described(one) for one in world.jobs.runs.children(require(world, request, run))]
    try:
        size = int(request.query.get("$top", _PAGE))
        some, token = page(
            listed, max(1, min(size, _PAGE)), request.query.get("$continuationtoken")
        )
    except ValueError as error:
        raise invalid(str(error)) from None
    answer: dict[str, Any] = {"value": some, "continuationToken": token, "nextLink": None}
    if token is not None:
        query = urlencode({**request.query, "$continuationtoken": token})
        answer["nextLink"] = f"{request.url}?{query}"
    return json_answer(answer)


def _data(world: World, request: Request) -> Reply:
    name = request.json.get("runId")
    if not isinstance(name, str):
        raise invalid("The request must name a run: 'runId'")
    one = require(world, request, name)
    return json_answer(
        {"runMetadata": described(one), "runDefinition": None, "jobSpecification": None}
    )


def _change(world: World, request: Request, run: str, experiment: str = "") -> Reply:
    """Change the marks of a run, as the studio does."""
    one, body = require(world, request, run), request.json
    if experiment and experiment != one.experiment:
        raise missing(f"Experiment '{experiment}' has no run '{run}'.")
    refused = [key for key in body if key not in _CHANGEABLE and body[key] is not None]
    if refused:
        raise invalid(f"Waterflow's emulator lets nobody change {', '.join(refused)} of a run.")
    with world.jobs.runs.lock:
        for key in ("tags", "properties"):
            for name, value in (body.get(key) or {}).items():
                getattr(one, key)[name] = str(value)
        if body.get("hidden") is not None:
            one.hidden = bool(body["hidden"])
        one.display_name = body.get("displayName") or one.display_name
        if body.get("description") is not None:
            one.description = str(body["description"])
    return json_answer(described(one))


_CHANGEABLE: Final = frozenset(
    {"tags", "properties", "hidden", "displayName", "description", "runId"}
)


def _instances(world: World, request: Request, run: str, node: str) -> Reply:
    require(world, request, run)
    del node
    return json_answer({"instances": {}})


def _resolved_data(world: World, request: Request) -> Reply:
    return json_answer({"values": _resolved(world, request, "uri")})


def _resolved_models(world: World, request: Request) -> Reply:
    return json_answer({"values": _resolved(world, request, "path")})


def _resolved(world: World, request: Request, key: str) -> dict[str, dict[str, str]]:
    wanted = request.json.get("values")
    if not isinstance(wanted, list):
        raise invalid("The request must have 'values', a list of assets' ids")
    scope = request.scope
    long = (
        f"azureml://subscriptions/{scope.subscription}/resourcegroups/{scope.group}/workspaces/"
        f"{scope.workspace}"
    )
    values: dict[str, dict[str, str]] = {}
    for run in world.jobs.runs:
        if run.workspace.lower() != scope.id.lower():
            continue
        for output in run.outputs.values():
            if output["asset"] in wanted:
                whole = output["uri"].replace(_SHORT, f"{long}/datastores/", 1)
                values[output["asset"]] = {key: whole, "type": output["type"]}
    lacking = [str(one) for one in wanted if one not in values]
    if lacking:
        raise missing(f"There is no asset {', '.join(lacking)}.")
    return values


_HISTORY: Final = f"/history/v1.0{_TENANT_SCOPE}"
_RUN: Final = f"{_HISTORY}/runs/{{run}}"
ROUTES: Final = [
    Route("GET", API, DISCOVERY, "workspaces.discovery", _discovery, How.STATE),
    Route("GET", API, _RUN, "history.get", _get, How.STATE),
    Route("GET", API, f"{_RUN}/details", "history.details", _details, How.STATE),
    Route("GET", API, f"{_RUN}/children", "history.children", _children, How.STATE),
    Route("PATCH", API, _RUN, "history.change", _change, How.RECORD),
    Route("PATCH", API, f"{_HISTORY}/experiments/{{experiment}}/runs/{{run}}", "history.change",
          _change, How.RECORD),
    Route("POST", API, f"{_HISTORY}/rundata", "history.data", _data, How.STATE),
    Route("GET", API, f"{_RUN}/serviceinstances/{{node}}", "history.instances", _instances,
          How.STATE),
    Route("POST", API, f"/data/v1.0{_TENANT_SCOPE}/dataversion/batchGetResolvedUris",
          "data.resolve", _resolved_data, How.STATE),
    Route("POST", API, f"/modelregistry/v1.0{_TENANT_SCOPE}/models/batchGetResolvedUris",
          "models.resolve", _resolved_models, How.STATE),
]  # fmt: skip
