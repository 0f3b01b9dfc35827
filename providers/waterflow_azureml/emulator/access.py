"""Who may do what, as documents: role definitions and assignments, at any scope."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from waterflow_azureml.emulator import identity
from waterflow_azureml.emulator.errors import Refusal, conflict, invalid
from waterflow_azureml.emulator.routes import MANAGEMENT, How, Request, Route, json_answer

if TYPE_CHECKING:
    from waterflow.emulation.wire import Reply
    from waterflow_azureml.emulator.resources import Record
    from waterflow_azureml.emulator.world import World

_PROVIDER: Final = "/providers/Microsoft.Authorization"
DEFINITIONS: Final = "Microsoft.Authorization/roleDefinitions"
ASSIGNMENTS: Final = "Microsoft.Authorization/roleAssignments"
_GUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_FILTER: Final = re.compile(r"(principalId|assignedTo|roleName)(?:\(| eq )'([^']+)'\)?")
BUILT_IN: Final = {
    "Owner": "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    "Contributor": "b24988ac-6180-42a0-ab88-20f7382dd24c",
    "Reader": "acdd72a7-3385-48ef-bd42-f606fba81ae7",
    "AzureML Data Scientist": "f6c7c914-8db3-469d-8ca1-694a8f32e121",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Blob Data Reader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
    "Key Vault Secrets Officer": "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
    "AcrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
}
"""Azure's own roles by name: their ids are the same everywhere.

https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
"""


def _id(scope: str, kind: str, name: str) -> str:
    return f"/{scope}/providers/{kind}/{name}" if scope else f"/providers/{kind}/{name}"


def _answer(record: Record, kind: str) -> dict[str, Any]:
    answer = record.envelope("") | {"type": kind}
    answer.pop("systemData")
    return answer


def _put_definition(world: World, request: Request, name: str, scope: str = "") -> Reply:
    if not _GUID.fullmatch(name):
        raise Refusal(400, "RoleDefinitionIdInvalid", f"The role definition id '{name}' is no GUID")
    body = copy.deepcopy(request.json)
    properties = body.get("properties")
    if not isinstance(properties, dict) or not properties.get("roleName"):
        raise invalid("properties.roleName is required.")
    for entry in properties.get("permissions") or []:
        if not isinstance(entry, dict):
            raise invalid("properties.permissions must be a list of objects.")
    scopes = properties.setdefault("assignableScopes", [f"/{scope}"])
    if not isinstance(scopes, list) or not scopes:
        raise invalid("properties.assignableScopes must be a list of scopes.")
    # A role is one thing, under whichever scope it is asked for.
    held = next((one for one in _definitions(world) if one.name.lower() == name.lower()), None)
    properties.setdefault("type", "CustomRole")
    where = held.id if held else _id(scope, DEFINITIONS, name)
    record = world.resources.put(where, DEFINITIONS, body)
    return json_answer(_answer(record, DEFINITIONS), 201)


def _definitions(world: World) -> list[Record]:
    return [one for one in world.resources if one.kind == DEFINITIONS]


def _get_definition(world: World, request: Request, name: str, scope: str = "") -> Reply:
    del request
    for record in _definitions(world):
        if record.name.lower() == name.lower():
            return json_answer(_answer(record, DEFINITIONS))
    for title, one in BUILT_IN.items():
        if one == name.lower():
            return json_answer(_own(title, one, scope))
    text = f"The specified role definition with ID '{name}' does not exist."
    raise Refusal(404, "RoleDefinitionDoesNotExist", text)


def _own(title: str, name: str, scope: str) -> dict[str, Any]:
    subscription = "/".join(scope.split("/")[:2])
    properties = {"roleName": title, "type": "BuiltInRole", "assignableScopes": ["/"]}
    where = _id(subscription, DEFINITIONS, name)
    return {"id": where, "name": name, "type": DEFINITIONS, "properties": properties}


def _list_definitions(world: World, request: Request, scope: str = "") -> Reply:
    wish = dict(_FILTER.findall(request.query.get("$filter", "")))
    listed = [_own(title, one, scope) for title, one in BUILT_IN.items()]
    listed += [_answer(record, DEFINITIONS) for record in _definitions(world)]
    if "roleName" in wish:
        listed = [one for one in listed if one["properties"]["roleName"] == wish["roleName"]]
    return json_answer({"value": listed})


def _delete_definition(world: World, request: Request, name: str, scope: str = "") -> Reply:
    del request, scope
    for record in _definitions(world):
        if record.name.lower() == name.lower():
            uses = [
                one
                for one in world.resources
                if one.kind == ASSIGNMENTS
                and str(one.properties["roleDefinitionId"]).lower().endswith(name.lower())
            ]
            if uses:
                text = "There are existing role assignments referencing role"
                raise conflict(f"{text} (code: RoleDefinitionHasAssignments)", "Conflict")
            world.resources.delete(record.id)
            return json_answer(_answer(record, DEFINITIONS))
    return json_answer(None, 204)


def _put_assignment(world: World, request: Request, name: str, scope: str) -> Reply:
    if not _GUID.fullmatch(name):
        text = f"The role assignment ID '{name}' is not valid. It must be a GUID."
        raise Refusal(400, "InvalidRoleAssignmentId", text)
    body = copy.deepcopy(request.json)
    properties = body.get("properties")
    if not isinstance(properties, dict):
        raise invalid("properties is required.")
    for member in ("roleDefinitionId", "principalId"):
        if not isinstance(properties.get(member), str):
            raise invalid(f"properties.{member} is required.")
    where = _id(scope, ASSIGNMENTS, name)
    before = world.resources.get(where)
    wish = (properties["roleDefinitionId"].lower(), properties["principalId"].lower())
    for one in world.resources:
        if one.kind != ASSIGNMENTS or one.properties["scope"].lower() != f"/{scope}".lower():
            continue
        held = one.properties
        if (held["roleDefinitionId"].lower(), held["principalId"].lower()) == wish:
            text = "The role assignment already exists."
            raise conflict(f"{text} The ID of the existing role assignment is {one.name}.",
                           "RoleAssignmentExists")  # fmt: skip
    if before is not None:
        text = "Tenant ID, application ID, principal ID, and scope are not allowed to be updated."
        raise conflict(text, "RoleAssignmentUpdateNotPermitted")
    properties["scope"] = f"/{scope}"
    properties.setdefault("principalType", "ServicePrincipal")
    record = world.resources.put(where, ASSIGNMENTS, body)
    return json_answer(_answer(record, ASSIGNMENTS), 201)


def _get_assignment(world: World, request: Request, name: str, scope: str) -> Reply:
    del request
    record = world.resources.get(_id(scope, ASSIGNMENTS, name))
    if record is None:
        text = f"The role assignment '{name}' is not found."
        raise Refusal(404, "RoleAssignmentNotFound", text)
    return json_answer(_answer(record, ASSIGNMENTS))


def _delete_assignment(world: World, request: Request, name: str, scope: str) -> Reply:
    del request
    record = world.resources.get(_id(scope, ASSIGNMENTS, name))
    if record is None:
        return json_answer(None, 204)
    world.resources.delete(record.id)
    return json_answer(_answer(record, ASSIGNMENTS))


def _list_assignments(world: World, request: Request, scope: str) -> Reply:
    wish = dict(_FILTER.findall(unquote(request.query.get("$filter", ""))))
    place = f"/{scope}".lower()
    principal = wish.get("principalId") or wish.get("assignedTo")
    listed = []
    for record in world.resources:
        if record.kind != ASSIGNMENTS:
            continue
        own = str(record.properties["scope"]).lower()
        above = place == own or place.startswith(f"{own.rstrip('/')}/")
        below = own.startswith(f"{place}/") and "atScope" not in request.query.get("$filter", "")
        meant = principal is None or record.properties["principalId"] == principal
        if (above or below) and meant:
            listed.append(_answer(record, ASSIGNMENTS))
    return json_answer({"value": listed})


def _permissions(world: World, request: Request, scope: str) -> Reply:
    """Answer what the caller may do: all, unless roles are assigned to it."""
    claims = identity.claims(request) or {}
    place = f"/{scope}".lower()
    held: list[Any] = []
    for record in world.resources:
        if record.kind != ASSIGNMENTS or record.properties["principalId"] != claims.get("oid"):
            continue
        if not f"{place}/".startswith(f"{record.properties['scope'].lower().rstrip('/')}/"):
            continue
        role = str(record.properties["roleDefinitionId"]).rpartition("/")[2]
        for one in _definitions(world):
            if one.name.lower() == role.lower():
                held += one.properties.get("permissions") or []
    everything = {"actions": ["*"], "notActions": [], "dataActions": ["*"], "notDataActions": []}
    return json_answer({"value": held or [everything]})


def _routes(scope: str) -> list[Route]:
    definition = f"{scope}{_PROVIDER}/roleDefinitions"
    own = f"{definition}/{{name}}"
    return [
        Route("GET", MANAGEMENT, own, "roles.get", _get_definition, How.STATE),
        Route("PUT", MANAGEMENT, own, "roles.create", _put_definition, How.RECORD),
        Route("DELETE", MANAGEMENT, own, "roles.delete", _delete_definition, How.RECORD),
        Route("GET", MANAGEMENT, definition, "roles.list", _list_definitions, How.STATE),
    ]


_ANY: Final = "/{scope:path}"
_ASSIGNMENT: Final = f"{_ANY}{_PROVIDER}/roleAssignments"
ROUTES: Final = [
    *_routes(_ANY),
    *_routes(""),
    Route("GET", MANAGEMENT, f"{_ASSIGNMENT}/{{name}}", "assignments.get", _get_assignment,
          How.STATE),
    Route("PUT", MANAGEMENT, f"{_ASSIGNMENT}/{{name}}", "assignments.create", _put_assignment,
          How.RECORD),
    Route("DELETE", MANAGEMENT, f"{_ASSIGNMENT}/{{name}}", "assignments.delete",
          _delete_assignment, How.RECORD),
    Route("GET", MANAGEMENT, _ASSIGNMENT, "assignments.list", _list_assignments, How.STATE),
    Route("GET", MANAGEMENT, f"{_ANY}{_PROVIDER}/permissions", "permissions.list", _permissions,
          How.STATE),
]  # fmt: skip
