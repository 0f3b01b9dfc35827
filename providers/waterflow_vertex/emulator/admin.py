"""What stands around: projects, service accounts and their credentials, services, quotas."""

from __future__ import annotations

import base64
import re
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from waterflow.emulation.clock import written
from waterflow.emulation.paging import page
from waterflow_vertex.emulator import sdk
from waterflow_vertex.emulator.documents import cut
from waterflow_vertex.emulator.errors import Refusal, invalid, missing
from waterflow_vertex.emulator.identity import LIFE, required, subject
from waterflow_vertex.emulator.places import USUAL_SERVICES
from waterflow_vertex.emulator.routes import (
    CREDENTIALS,
    IAM,
    PROJECTS,
    QUOTAS,
    Call,
    How,
    Request,
    Route,
    json_answer,
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
_ACCOUNT: Final = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")


def members(request: Request, *known: str) -> dict[str, Any]:
    """Return a request's body, whose members are all known.

    Raises:
        Refusal: One is not.
    """
    body = request.json
    for name in body:
        if name not in known:
            text = f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.'
            raise invalid(text, **{name: "Cannot find field."})
    return body


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


def _texts(value: Any, name: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise invalid(f"Invalid value at '{name}': a list of texts is expected.")
    return value


def _test_v1(world: World, request: Request, call: Call, project: str) -> Reply:
    """Answer which permissions the caller has: here everybody has all."""
    del call
    world.projects.get(project)
    asked = _texts(members(request, "permissions").get("permissions", []), "permissions")
    return json_answer({"permissions": asked} if asked else {})


def _policy_v1(world: World, request: Request, call: Call, project: str) -> Reply:
    del call
    held = world.projects.get(project, "resourcemanager.projects.getIamPolicy")
    place = f"projects/{held.id}"
    if request.path.endswith(":setIamPolicy"):
        policy = members(request, "policy", "updateMask").get("policy")
        if not isinstance(policy, dict):
            raise invalid("policy is required.", policy="is required")
        kind = sdk.message(f"{sdk.IAM}.policy_pb2", "Policy")
        world.projects.policies[place] = sdk.written(sdk.parse(kind, policy))
    return json_answer(world.projects.policies.get(place, {"version": 1, "etag": "BwY="}))


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


# --- service accounts -----------------------------------------------------------------------------


def _find(world: World, email: str, project: str = "-") -> str:
    if project != "-":
        world.projects.get(project, "iam.serviceAccounts.get")
    held = world.projects.account(email)
    if held is None:
        raise missing(f"Unknown service account: {email}")
    return held


def _account(world: World, email: str) -> dict[str, Any]:
    owner = next(
        (one for one in world.projects.all() if email in world.projects.accounts(one)), None
    )
    project = owner.id if owner else "-"
    return {
        "name": f"projects/{project}/serviceAccounts/{email}",
        "projectId": project,
        "uniqueId": subject(email),
        "email": email,
        "oauth2ClientId": subject(email),
        "etag": "MDEwMjE5MjA=",
    }


def _get_account(world: World, request: Request, call: Call, project: str, email: str) -> Reply:
    del request, call
    return json_answer(_account(world, _find(world, email, project)))


def _list_accounts(world: World, request: Request, call: Call, project: str) -> Reply:
    del request, call
    held = world.projects.get(project, "iam.serviceAccounts.list")
    emails = world.projects.accounts(held)
    return json_answer({"accounts": [_account(world, one) for one in emails]} if emails else {})


def _create_account(world: World, request: Request, call: Call, project: str) -> Reply:
    del call
    held = world.projects.get(project, "iam.serviceAccounts.create")
    body = members(request, "accountId", "serviceAccount")
    name = required(body.get("accountId"), "accountId")
    if not _ACCOUNT.fullmatch(name):
        raise invalid(f"Account id '{name}' is invalid.")
    email = f"{name}@{held.id}.iam.gserviceaccount.com"
    if world.projects.account(email):
        raise Refusal("ALREADY_EXISTS", f"Service account {name} already exists within project.")
    world.projects.add_account(email)
    return json_answer(_account(world, email))


def _test_account(world: World, request: Request, call: Call, project: str, email: str) -> Reply:
    del call
    _find(world, email, project)
    asked = _texts(members(request, "permissions").get("permissions", []), "permissions")
    return json_answer({"permissions": asked} if asked else {})


def _access_token(world: World, request: Request, call: Call, email: str) -> Reply:
    del call
    body = members(request, "delegates", "scope", "lifetime")
    scopes = _texts(body.get("scope"), "scope")
    issued = world.identities.issue(_find(world, email), " ".join(scopes))
    end = datetime.fromtimestamp(int(time.time()) + LIFE, UTC).isoformat().replace("+00:00", "Z")
    return json_answer({"accessToken": issued["access_token"], "expireTime": end})


def _id_token(world: World, request: Request, call: Call, email: str) -> Reply:
    del call
    body = members(
        request, "delegates", "audience", "includeEmail", "organizationNumberIncluded",
        "useEmailAzp",
    )  # fmt: skip
    audience = required(body.get("audience"), "audience")
    token = world.identities.identity(
        _find(world, email), audience, more=bool(body.get("includeEmail"))
    )
    return json_answer({"token": token})


def _sign_blob(world: World, request: Request, call: Call, email: str) -> Reply:
    del call
    body = members(request, "delegates", "payload")
    _find(world, email)
    try:
        payload = base64.b64decode(required(body.get("payload"), "payload"), validate=True)
    except ValueError:
        raise invalid("Invalid value at 'payload': Base64 is expected.") from None
    signed = base64.b64encode(world.identities.sign(payload)).decode()
    return json_answer({"keyId": "waterflow-emulator", "signedBlob": signed})


# --- services and quotas --------------------------------------------------------------------------


def _service(project: Project, name: str) -> dict[str, Any]:
    enabled = name.removesuffix(".googleapis.com") in USUAL_SERVICES
    return {
        "name": f"projects/{project.number}/services/{name}",
        "config": {"name": name},
        "state": "ENABLED" if enabled else "DISABLED",
        "parent": f"projects/{project.number}",
    }


def _get_service(world: World, request: Request, call: Call, project: str, name: str) -> Reply:
    del request, call
    held = world.projects.get(project, "serviceusage.services.get")
    return json_answer(_service(held, name))


def _some_services(world: World, request: Request, call: Call, project: str) -> Reply:
    del call
    held = world.projects.get(project, "serviceusage.services.get")
    names = request.query.get("names") or []
    pattern = re.compile(rf"projects/({re.escape(project)}|{held.number})/services/([^/]+)")
    matches = [pattern.fullmatch(name) for name in names]
    if not names or not all(matches):
        raise invalid(f"'names' has to name services of 'projects/{project}'.")
    return json_answer({"services": [_service(held, match[2]) for match in matches if match]})


def _list_services(world: World, request: Request, call: Call, project: str) -> Reply:
    del call
    held = world.projects.get(project, "serviceusage.services.list")
    wish = request.argument("filter")
    if wish not in ("", "state:ENABLED", "state:DISABLED"):
        raise invalid(f"Invalid filter '{wish}'.")
    names = [] if wish == "state:DISABLED" else sorted(USUAL_SERVICES)
    try:
        size = int(request.argument("pageSize") or 50)
        part, token = page(names, size, request.argument("pageToken") or None)
    except ValueError as error:
        raise invalid(str(error)) from None
    body: dict[str, Any] = {}
    if part:
        body["services"] = [_service(held, f"{one}.googleapis.com") for one in part]
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


_SA: Final = "/v1/projects/{project}/serviceAccounts"
_AS: Final = "/v1/projects/-/serviceAccounts/{email=*}"
ROUTES: Final = [
    Route("GET", PROJECTS, "/v1/projects", "projects.list", _list_v1, How.STATE,
          "resourcemanager.projects.list"),
    Route("GET", PROJECTS, "/v1/projects/{project}", "projects.get", _get_v1, How.STATE,
          "resourcemanager.projects.get"),
    Route("GET", IAM, _SA, "serviceAccounts.list", _list_accounts, How.STATE,
          "iam.serviceAccounts.list"),
    Route("POST", IAM, _SA, "serviceAccounts.create", _create_account, How.RECORD,
          "iam.serviceAccounts.create"),
    Route("GET", IAM, f"{_SA}/{{email}}", "serviceAccounts.get", _get_account, How.STATE,
          "iam.serviceAccounts.get"),
    Route("GET", USAGE, "/v1/projects/{project}/services", "services.list", _list_services,
          How.STATE, "serviceusage.services.list"),
    Route("GET", USAGE, "/v1/projects/{project}/services/{name}", "services.get", _get_service,
          How.STATE, "serviceusage.services.get"),
    Route("GET", USAGE, "/v1/projects/{project}/services:batchGet", "services.batchGet",
          _some_services, How.STATE, "serviceusage.services.get"),
    Route("GET", QUOTAS,
          "/v1/projects/{project}/locations/{location}/services/{name}/quotaInfos/{quota}",
          "quotaInfos.get", _quota, How.STATE, "cloudquotas.quotas.get"),
    Route("GET", QUOTAS, "/v1/projects/{project}/locations/{location}/services/{name}/quotaInfos",
          "quotaInfos.list", _quotas, How.STATE, "cloudquotas.quotas.get"),
]  # fmt: skip


def _verb(
    host: str, path: str, verb: str, operation: str, handler: Any, how: How, permission: str = ""
) -> Route:
    return Route("POST", host, f"{path}:{verb}", operation, handler, how, permission)


_ONE: Final = "/v1/projects/{project}"
ROUTES.extend([
    _verb(PROJECTS, _ONE, "testIamPermissions", "projects.testIamPermissions", _test_v1, How.STATE),
    _verb(PROJECTS, _ONE, "getIamPolicy", "projects.getIamPolicy", _policy_v1, How.STATE,
          "resourcemanager.projects.getIamPolicy"),
    _verb(PROJECTS, _ONE, "setIamPolicy", "projects.setIamPolicy", _policy_v1, How.RECORD,
          "resourcemanager.projects.setIamPolicy"),
    _verb(IAM, f"{_SA}/{{email}}", "testIamPermissions", "serviceAccounts.testIamPermissions",
          _test_account, How.STATE),
    _verb(CREDENTIALS, _AS, "generateAccessToken", "generateAccessToken", _access_token, How.RUN,
          "iam.serviceAccounts.getAccessToken"),
    _verb(CREDENTIALS, _AS, "generateIdToken", "generateIdToken", _id_token, How.RUN,
          "iam.serviceAccounts.getOpenIdToken"),
    _verb(CREDENTIALS, _AS, "signBlob", "signBlob", _sign_blob, How.RUN,
          "iam.serviceAccounts.signBlob"),
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
