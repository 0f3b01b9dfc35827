"""Azure Resource Manager's requests about workspaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from waterflow_azureml.emulator.routes import (
    MANAGEMENT,
    PROVIDER,
    WORKSPACE,
    How,
    Request,
    Route,
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
    workspace = world.workspaces.create(request.scope, request.json)
    return json_answer(workspace.record.envelope(KIND))


def _delete(world: World, request: Request) -> Reply:
    return json_answer(None, 200 if world.resources.delete(request.scope.id) else 204)


ROUTES: Final = [
    Route("GET", MANAGEMENT, WORKSPACE, "workspaces.get", _get, How.STATE),
    Route("PUT", MANAGEMENT, WORKSPACE, "workspaces.create", _create, How.RECORD),
    Route("PATCH", MANAGEMENT, WORKSPACE, "workspaces.update", _create, How.RECORD),
    Route("DELETE", MANAGEMENT, WORKSPACE, "workspaces.delete", _delete, How.RECORD),
    Route("GET", MANAGEMENT, f"{PROVIDER}/workspaces", "workspaces.list", _list, How.STATE),
]
