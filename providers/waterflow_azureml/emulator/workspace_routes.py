"""Azure Resource Manager's requests about workspaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from waterflow_azureml.emulator import models
from waterflow_azureml.emulator.errors import Refusal
from waterflow_azureml.emulator.routes import (
    MANAGEMENT,
    PROVIDER,
    WORKSPACE,
    How,
    Request,
    Route,
    Scope,
    json_answer,
)
from waterflow_azureml.emulator.workspaces import KIND

if TYPE_CHECKING:
    from waterflow.emulation.wire import Reply
    from waterflow_azureml.emulator.world import World


def _get(world: World, request: Request) -> Reply:
    record = world.workspaces.require(request.scope).record
    return json_answer({**record.envelope(KIND), "etag": record.tag})


def _list(world: World, request: Request) -> Reply:
    held = world.resources.below(request.scope.id, KIND)
    return json_answer({"value": [record.envelope(KIND) for record in held]})


def _create(world: World, request: Request) -> Reply:
    before = world.workspaces.get(request.scope)
    if request.method == "PATCH":
        models.check("WorkspaceUpdateParameters", request.json)
        world.workspaces.require(request.scope)
    else:
        models.check("Workspace", request.json)
        group = Scope(request.scope.subscription, request.scope.group)
        if world.resources.get(group.id) is None:
            text = f"Resource group '{group.group}' could not be found."
            raise Refusal(404, "ResourceGroupNotFound", text)
        if before is None and not request.json.get("location"):
            raise Refusal(400, "LocationRequired", "The location property is required.")
    workspace = world.workspaces.create(request.scope, request.json)
    return json_answer(workspace.record.envelope(KIND))


def _delete(world: World, request: Request) -> Reply:
    return json_answer(None, 200 if world.resources.delete(request.scope.id) else 204)


_EVERY: Final = (
    "/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/workspaces"
)
ROUTES: Final = [
    Route("GET", MANAGEMENT, WORKSPACE, "workspaces.get", _get, How.STATE),
    Route("PUT", MANAGEMENT, WORKSPACE, "workspaces.create", _create, How.RECORD),
    Route("PATCH", MANAGEMENT, WORKSPACE, "workspaces.update", _create, How.RECORD),
    Route("DELETE", MANAGEMENT, WORKSPACE, "workspaces.delete", _delete, How.RECORD),
    Route("GET", MANAGEMENT, f"{PROVIDER}/workspaces", "workspaces.list", _list, How.STATE),
    Route("GET", MANAGEMENT, _EVERY, "workspaces.list", _list, How.STATE),
]
