"""Custom roles of projects: what each allows, and which of them are deleted for now."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from waterflow.emulation.paging import page
from waterflow_vertex.emulator.bodies import checked, members, texts
from waterflow_vertex.emulator.errors import exists, invalid, missing, unready
from waterflow_vertex.emulator.identity import required
from waterflow_vertex.emulator.routes import IAM, Call, How, Request, Route, json_answer, verb

if TYPE_CHECKING:
    from waterflow.emulation.wire import Reply
    from waterflow_vertex.emulator.world import World

_ID: Final = re.compile(r"[a-zA-Z0-9_.]{3,64}")
_PERMISSION: Final = re.compile(r"[a-z][a-zA-Z0-9]*(\.[a-zA-Z0-9-]+){2,}")
_STAGES: Final = ("ALPHA", "BETA", "GA", "DEPRECATED", "DISABLED", "EAP")
_TEXTS: Final = ("title", "description", "stage")
_MEMBERS: Final = (*_TEXTS, "includedPermissions")
_USUAL_PAGE: Final = 300
_LARGEST_PAGE: Final = 1000


def _name(world: World, project: str, role: str, permission: str) -> str:
    return f"projects/{world.projects.get(project, permission).id}/roles/{role}"


def _find(world: World, project: str, role: str, permission: str) -> tuple[str, dict[str, Any]]:
    name = _name(world, project, role, permission)
    held = world.projects.roles.get(name)
    if held is None:
        raise missing(f"The role named {name} was not found.")
    return name, held


def _shown(name: str, held: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "etag": "BwY=", **held}


def _about(body: Any) -> dict[str, Any]:
    """Return what a client says of a role.

    Raises:
        Refusal: It cannot be so.
    """
    about = checked(body or {}, *_MEMBERS, "name", "etag", "deleted")
    for one in _TEXTS:
        if not isinstance(about.get(one, ""), str):
            raise invalid(f"Invalid value at 'role.{one}': a text is expected.")
    if about.get("stage", "GA") not in _STAGES:
        raise invalid(f"Invalid value at 'role.stage': {about['stage']}")
    for one in texts(about.get("includedPermissions", []), "role.includedPermissions"):
        if not _PERMISSION.fullmatch(one):
            raise invalid(f"Permission {one} is not valid.")
    return {name: about[name] for name in _MEMBERS if about.get(name)}


def _create(world: World, request: Request, call: Call, project: str) -> Reply:
    del call
    body = members(request, "roleId", "role")
    role = required(body.get("roleId"), "roleId")
    if not _ID.fullmatch(role):
        raise invalid(f"The role_id '{role}' is invalid: letters, digits, '_' and '.' are allowed.")
    name = _name(world, project, role, "iam.roles.create")
    if name in world.projects.roles:
        # A deleted one keeps its id: https://cloud.google.com/iam/docs/creating-custom-roles
        raise exists(f"A role named {role} in projects/{project} already exists.")
    world.projects.roles[name] = _about(body.get("role"))
    return json_answer(_shown(name, world.projects.roles[name]))


def _get(world: World, request: Request, call: Call, project: str, role: str) -> Reply:
    del request, call
    return json_answer(_shown(*_find(world, project, role, "iam.roles.get")))


def _list(world: World, request: Request, call: Call, project: str) -> Reply:
    del call
    start = _name(world, project, "", "iam.roles.list")
    deleted = request.argument("showDeleted") == "true"
    whole = request.argument("view") == "FULL"
    held = [
        (name, one)
        for name, one in sorted(world.projects.roles.items())
        if name.startswith(start) and (deleted or not one.get("deleted"))
    ]
    try:
        size = min(int(request.argument("pageSize") or _USUAL_PAGE), _LARGEST_PAGE)
        part, token = page(held, size, request.argument("pageToken") or None)
    except ValueError as error:
        raise invalid(str(error)) from None
    roles = [
        {key: value for key, value in _shown(*one).items() if whole or key != "includedPermissions"}
        for one in part
    ]
    more = {"nextPageToken": token} if token else {}
    return json_answer(({"roles": roles} if roles else {}) | more)


def _change(world: World, request: Request, call: Call, project: str, role: str) -> Reply:
    del call
    name, held = _find(world, project, role, "iam.roles.update")
    if held.get("deleted"):
        raise unready(f"You can't update role_id ({role}) because it has been marked for deletion.")
    about = _about(request.json)
    mask = request.argument("updateMask")
    named = [_camel(one.strip()) for one in mask.split(",")] if mask else list(_MEMBERS)
    for one in named:
        if one not in _MEMBERS:
            raise invalid(f"Invalid update_mask: '{one}'.", updateMask="is invalid")
    changed = {**held, **{one: about.get(one) for one in named}}
    world.projects.roles[name] = {key: value for key, value in changed.items() if value}
    return json_answer(_shown(name, world.projects.roles[name]))


def _camel(name: str) -> str:
    return "includedPermissions" if name == "included_permissions" else name


def _delete(world: World, request: Request, call: Call, project: str, role: str) -> Reply:
    """Mark a role as deleted: it allows nothing, and can be had back for seven days."""
    del call, request
    name, held = _find(world, project, role, "iam.roles.delete")
    if held.get("deleted"):
        raise unready(f"You can't delete role_id ({role}): it has been marked for deletion.")
    world.projects.roles[name] = {**held, "deleted": True}
    return json_answer(_shown(name, world.projects.roles[name]))


def _undelete(world: World, request: Request, call: Call, project: str, role: str) -> Reply:
    del call
    members(request, "etag")
    name, held = _find(world, project, role, "iam.roles.undelete")
    if not held.get("deleted"):
        raise unready(f"You can't undelete role_id ({role}): it has not been deleted.")
    world.projects.roles[name] = {key: one for key, one in held.items() if key != "deleted"}
    return json_answer(_shown(name, world.projects.roles[name]))


_ALL: Final = "/v1/projects/{project}/roles"
_ONE: Final = f"{_ALL}/{{role}}"
ROUTES: Final = [
    Route("POST", IAM, _ALL, "roles.create", _create, How.RECORD, "iam.roles.create"),
    Route("GET", IAM, _ALL, "roles.list", _list, How.STATE, "iam.roles.list"),
    Route("GET", IAM, _ONE, "roles.get", _get, How.STATE, "iam.roles.get"),
    Route("PATCH", IAM, _ONE, "roles.patch", _change, How.RECORD, "iam.roles.update"),
    Route("DELETE", IAM, _ONE, "roles.delete", _delete, How.RECORD, "iam.roles.delete"),
    verb(IAM, _ONE, "undelete", "roles.undelete", _undelete, How.RECORD, "iam.roles.undelete"),
]  # fmt: skip
