"""Service accounts: what is kept of them, who may act as them, and their short-lived tokens."""

from __future__ import annotations

import base64
import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from waterflow_vertex.emulator.bodies import checked, members, policy, texts
from waterflow_vertex.emulator.errors import Refusal, invalid, missing
from waterflow_vertex.emulator.identity import LIFE, required, subject
from waterflow_vertex.emulator.routes import (
    CREDENTIALS,
    IAM,
    Call,
    How,
    Request,
    Route,
    json_answer,
    verb,
)

if TYPE_CHECKING:
    from waterflow.emulation.wire import Reply
    from waterflow_vertex.emulator.world import World

_ACCOUNT: Final = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
_SAID: Final = ("displayName", "description")
_KEPT_BY_GOOGLE: Final = (
    "name", "projectId", "uniqueId", "email", "oauth2ClientId", "etag", "disabled",
)  # fmt: skip
"""Members of an account that clients may send and that change nothing."""


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
        **world.projects.about(email),
    }


def _about(body: Any) -> dict[str, str]:
    """Return what a client says of an account."""
    about = checked(body or {}, *_SAID, *_KEPT_BY_GOOGLE)
    return {name: str(about[name]) for name in _SAID if about.get(name)}


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
    world.projects.add_account(email, _about(body.get("serviceAccount")))
    return json_answer(_account(world, email))


def _change_account(world: World, request: Request, call: Call, project: str, email: str) -> Reply:
    del call
    held = _find(world, email, project)
    body = members(request, "serviceAccount", "updateMask")
    named = [one.strip() for one in str(body.get("updateMask") or "").split(",") if one.strip()]
    if not named or any(_camel(one) not in _SAID for one in named):
        raise invalid("updateMask has to name displayName or description.", updateMask="is invalid")
    said = _about(body.get("serviceAccount"))
    about = world.projects.about(held) | {_camel(one): said.get(_camel(one), "") for one in named}
    world.projects.add_account(held, {name: value for name, value in about.items() if value})
    return json_answer(_account(world, held))


def _camel(name: str) -> str:
    return "displayName" if name == "display_name" else name


def _delete_account(world: World, request: Request, call: Call, project: str, email: str) -> Reply:
    del call, request
    world.projects.remove_account(_find(world, email, project))
    return json_answer({})


def _policy(world: World, request: Request, call: Call, project: str, email: str) -> Reply:
    del call
    return policy(world, request, f"serviceAccounts/{_find(world, email, project)}")


def _test_account(world: World, request: Request, call: Call, project: str, email: str) -> Reply:
    del call
    _find(world, email, project)
    permissions = texts(members(request, "permissions").get("permissions", []), "permissions")
    return json_answer({"permissions": permissions} if permissions else {})


def _access_token(world: World, request: Request, call: Call, email: str) -> Reply:
    del call
    body = members(request, "delegates", "scope", "lifetime")
    scopes = texts(body.get("scope"), "scope")
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


_ALL: Final = "/v1/projects/{project}/serviceAccounts"
_ONE: Final = f"{_ALL}/{{email=*}}"
_AS: Final = "/v1/projects/-/serviceAccounts/{email=*}"
ROUTES: Final = [
    Route("GET", IAM, _ALL, "serviceAccounts.list", _list_accounts, How.STATE,
          "iam.serviceAccounts.list"),
    Route("POST", IAM, _ALL, "serviceAccounts.create", _create_account, How.RECORD,
          "iam.serviceAccounts.create"),
    Route("GET", IAM, _ONE, "serviceAccounts.get", _get_account, How.STATE,
          "iam.serviceAccounts.get"),
    Route("PATCH", IAM, _ONE, "serviceAccounts.patch", _change_account, How.RECORD,
          "iam.serviceAccounts.update"),
    Route("DELETE", IAM, _ONE, "serviceAccounts.delete", _delete_account, How.RECORD,
          "iam.serviceAccounts.delete"),
    verb(IAM, _ONE, "testIamPermissions", "serviceAccounts.testIamPermissions", _test_account,
         How.STATE),
    verb(IAM, _ONE, "getIamPolicy", "serviceAccounts.getIamPolicy", _policy, How.STATE,
         "iam.serviceAccounts.getIamPolicy"),
    verb(IAM, _ONE, "setIamPolicy", "serviceAccounts.setIamPolicy", _policy, How.RECORD,
         "iam.serviceAccounts.setIamPolicy"),
    verb(CREDENTIALS, _AS, "generateAccessToken", "generateAccessToken", _access_token, How.RUN,
         "iam.serviceAccounts.getAccessToken"),
    verb(CREDENTIALS, _AS, "generateIdToken", "generateIdToken", _id_token, How.RUN,
         "iam.serviceAccounts.getOpenIdToken"),
    verb(CREDENTIALS, _AS, "signBlob", "signBlob", _sign_blob, How.RUN,
         "iam.serviceAccounts.signBlob"),
]  # fmt: skip
