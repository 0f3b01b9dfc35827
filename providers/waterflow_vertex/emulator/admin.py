"""What stands around: projects, their services and quotas."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from waterflow.emulation.clock import written
from waterflow.emulation.paging import page
from waterflow_vertex.emulator import sdk
from waterflow_vertex.emulator.bodies import members, policy, texts
from waterflow_vertex.emulator.documents import cut
from waterflow_vertex.emulator.errors import invalid
from waterflow_vertex.emulator.routes import (
    PROJECTS,
    QUOTAS,
    Call,
    How,
    Request,
    Route,
    json_answer,
    verb,
)
from waterflow_vertex.emulator.routes import (
    SERVICES as USAGE,
)
from waterflow_vertex.emulator.rpcs import Rpc, Service

if TYPE_CHECKING:
    from waterflow.emulation.wire import Reply
    from waterflow_vertex.emulator.places import Project
    from waterflow_vertex.emulator.world import World

_MANAGER: Final = f"{sdk.MANAGER}.types.projects"


# --- projects -------------------------------------------------------------------------------------


def _v1(project: Project) -> dict[str, Any]:
    return {
        "projectNumber": project.number,
        "projectId": project.id,
        "lifecycleState": "ACTIVE",
        "name": project.id,
        "createTime": written(project.created),
    }


def _get_v1(world: World, request: Request, call: Call, project: str) -> Reply:
    del request, call
    return json_answer(_v1(world.projects.get(project)))


def _list_v1(world: World, request: Request, call: Call) -> Reply:
    del call, request
    return json_answer({"projects": [_v1(one) for one in world.projects.all()]})


def _test_v1(world: World, request: Request, call: Call, project: str) -> Reply:
    """Answer which permissions the caller has: here everybody has all."""
    del call
    world.projects.get(project)
    permissions = texts(members(request, "permissions").get("permissions", []), "permissions")
    return json_answer({"permissions": permissions} if permissions else {})


def _policy_v1(world: World, request: Request, call: Call, project: str) -> Reply:
    del call
    held = world.projects.get(project, "resourcemanager.projects.getIamPolicy")
    return policy(world, request, f"projects/{held.id}")


def _project(one: Project) -> Any:
    project = sdk.message(_MANAGER, "Project")(
        name=f"projects/{one.number}", project_id=one.id, display_name=one.id, state="ACTIVE"
    )
    sdk.stamp(project.create_time, one.created)
    return project


def _get_project(world: World, call: Call, request: Any) -> Any:
    del call
    return _project(world.projects.get(request.name.removeprefix("projects/")))


def _search_projects(world: World, call: Call, request: Any) -> Any:
    del call
    from waterflow_vertex.emulator import filters

    test = filters.compiled(request.query)
    held = [_project(one) for one in world.projects.all()]
    held = [one for one in held if test({"id": one.project_id, **sdk.written(one, own_names=True)})]
    part, token = cut(held, request.page_size or 50, request)
    kind = sdk.message(_MANAGER, "SearchProjectsResponse")
    return kind(projects=part, next_page_token=token)


def _test_project(world: World, call: Call, request: Any) -> Any:
    del call
    world.projects.get(request.resource.removeprefix("projects/"))
    kind = sdk.message(f"{sdk.IAM}.iam_policy_pb2", "TestIamPermissionsResponse")
    return kind(permissions=list(request.permissions))


def _get_policy(world: World, call: Call, request: Any) -> Any:
    del call
    held = world.projects.get(request.resource.removeprefix("projects/"))
    kind = sdk.message(f"{sdk.IAM}.policy_pb2", "Policy")
    return sdk.parse(kind, world.projects.policies.get(f"projects/{held.id}", {"version": 1}))


def _set_policy(world: World, call: Call, request: Any) -> Any:
    del call
    held = world.projects.get(request.resource.removeprefix("projects/"))
    world.projects.policies[f"projects/{held.id}"] = sdk.written(request.policy)
    return request.policy


# --- services and quotas --------------------------------------------------------------------------


def _service(world: World, project: Project, name: str) -> dict[str, Any]:
    enabled = name.removesuffix(".googleapis.com") in world.projects.services(project)
    return {
        "name": f"projects/{project.number}/services/{name}",
        "config": {"name": name},
        "state": "ENABLED" if enabled else "DISABLED",
        "parent": f"projects/{project.number}",
    }


def _enable(world: World, request: Request, call: Call, project: str, name: str) -> Reply:
    """Enable a service, or disable it: what runs here answers all the same."""
    del call
    on = request.path.endswith(":enable")
    members(request, *(() if on else ("disableDependentServices", "checkIfServiceHasUsage")))
    held = world.projects.get(project, f"serviceusage.services.{'enable' if on else 'disable'}")
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*(\.[a-z0-9-]+)+", name):
        raise invalid(f"'{name}' is no name of a service.")
    world.projects.enable(held, name.removesuffix(".googleapis.com"), on=on)
    return json_answer(
        {
            "name": f"operations/acf.{name}",
            "done": True,
            "response": {"service": _service(world, held, name)} if on else {},
        }
    )


def _get_service(world: World, request: Request, call: Call, project: str, name: str) -> Reply:
    del request, call
    held = world.projects.get(project, "serviceusage.services.get")
    return json_answer(_service(world, held, name))


def _some_services(world: World, request: Request, call: Call, project: str) -> Reply:
    del call
    held = world.projects.get(project, "serviceusage.services.get")
    names = request.query.get("names") or []
    pattern = re.compile(rf"projects/({re.escape(project)}|{held.number})/services/([^/]+)")
    matches = [pattern.fullmatch(name) for name in names]
    if not names or not all(matches):
        raise invalid(f"'names' has to name services of 'projects/{project}'.")
    return json_answer(
        {"services": [_service(world, held, match[2]) for match in matches if match]}
    )


def _list_services(world: World, request: Request, call: Call, project: str) -> Reply:
    del call
    held = world.projects.get(project, "serviceusage.services.list")
    wish = request.argument("filter")
    if wish not in ("", "state:ENABLED", "state:DISABLED"):
        raise invalid(f"Invalid filter '{wish}'.")
    names = [] if wish == "state:DISABLED" else sorted(world.projects.services(held))
    try:
        size = int(request.argument("pageSize") or 50)
        part, token = page(names, size, request.argument("pageToken") or None)
    except ValueError as error:
        raise invalid(str(error)) from None
    body: dict[str, Any] = {}
    if part:
        body["services"] = [_service(world, held, f"{one}.googleapis.com") for one in part]
    if token:
        body["nextPageToken"] = token
    return json_answer(body)


def _quotas(
    world: World, request: Request, call: Call, project: str, location: str, name: str
) -> Reply:
    """Answer no limits: the machines here have none but this one's own."""
    del request, call, location, name
    world.projects.get(project, "cloudquotas.quotas.get")
    return json_answer({"quotaInfos": []})


def _quota(
    world: World, request: Request, call: Call, project: str, location: str, name: str, quota: str
) -> Reply:
    """Answer a quota without values: the machines here have no limits but their own."""
    del request, call
    held = world.projects.get(project, "cloudquotas.quotas.get")
    at = f"projects/{held.number}/locations/{location}/services/{name}/quotaInfos/{quota}"
    return json_answer({"name": at, "quotaId": quota, "service": name})


def _iam_request(name: str) -> Any:
    return partial(sdk.message, f"{sdk.IAM}.iam_policy_pb2", name)


ROUTES: Final = [
    Route("GET", PROJECTS, "/v1/projects", "projects.list", _list_v1, How.STATE,
          "resourcemanager.projects.list"),
    Route("GET", PROJECTS, "/v1/projects/{project}", "projects.get", _get_v1, How.STATE,
          "resourcemanager.projects.get"),
    Route("GET", USAGE, "/v1/projects/{project}/services", "services.list", _list_services,
          How.STATE, "serviceusage.services.list"),
    Route("GET", USAGE, "/v1/projects/{project}/services/{name}", "services.get", _get_service,
          How.STATE, "serviceusage.services.get"),
    Route("GET", USAGE, "/v1/projects/{project}/services:batchGet", "services.batchGet",
          _some_services, How.STATE, "serviceusage.services.get"),
    verb(USAGE, "/v1/projects/{project}/services/{name}", "enable", "services.enable", _enable,
         How.RECORD, "serviceusage.services.enable"),
    verb(USAGE, "/v1/projects/{project}/services/{name}", "disable", "services.disable", _enable,
         How.RECORD, "serviceusage.services.disable"),
    Route("GET", QUOTAS,
          "/v1/projects/{project}/locations/{location}/services/{name}/quotaInfos/{quota}",
          "quotaInfos.get", _quota, How.STATE, "cloudquotas.quotas.get"),
    Route("GET", QUOTAS, "/v1/projects/{project}/locations/{location}/services/{name}/quotaInfos",
          "quotaInfos.list", _quotas, How.STATE, "cloudquotas.quotas.get"),
]  # fmt: skip


_ONE: Final = "/v1/projects/{project}"
ROUTES.extend([
    verb(PROJECTS, _ONE, "testIamPermissions", "projects.testIamPermissions", _test_v1, How.STATE),
    verb(PROJECTS, _ONE, "getIamPolicy", "projects.getIamPolicy", _policy_v1, How.STATE,
          "resourcemanager.projects.getIamPolicy"),
    verb(PROJECTS, _ONE, "setIamPolicy", "projects.setIamPolicy", _policy_v1, How.RECORD,
          "resourcemanager.projects.setIamPolicy"),
])  # fmt: skip

SERVICES: Final = (
    Service(
        "google.cloud.resourcemanager.v3.Projects", PROJECTS, sdk.MANAGER, "projects", _MANAGER,
        (
            Rpc("GetProject", _get_project, How.STATE, "resourcemanager.projects.get"),
            Rpc("SearchProjects", _search_projects, How.STATE, "resourcemanager.projects.get"),
            Rpc("TestIamPermissions", _test_project, How.STATE, "",
                _iam_request("TestIamPermissionsRequest")),
            Rpc("GetIamPolicy", _get_policy, How.STATE, "resourcemanager.projects.getIamPolicy",
                _iam_request("GetIamPolicyRequest")),
            Rpc("SetIamPolicy", _set_policy, How.RECORD, "resourcemanager.projects.setIamPolicy",
                _iam_request("SetIamPolicyRequest")),
        ),
    ),
)  # fmt: skip
