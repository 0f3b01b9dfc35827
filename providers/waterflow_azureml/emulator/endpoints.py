"""Online and batch endpoints and their deployments, as documents: nothing serves a model here."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from typing import TYPE_CHECKING, Any, Final

from waterflow_azureml.emulator import documents
from waterflow_azureml.emulator.documents import Kind
from waterflow_azureml.emulator.errors import Refusal, conflict, invalid, unanswered
from waterflow_azureml.emulator.routes import (
    INFERENCE,
    MANAGEMENT,
    WORKSPACE,
    How,
    Request,
    Route,
    json_answer,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from waterflow.emulation.wire import Reply
    from waterflow_azureml.emulator.resources import Record
    from waterflow_azureml.emulator.world import World

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]")
"""https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas#endpoint-limits"""
_LIFE: Final = 12 * 3600
_METHODS: Final = ("GET", "POST", "PUT", "DELETE")


def _check_name(identity: str, what: str) -> None:
    name = identity.rpartition("/")[2]
    if not _NAME.fullmatch(name):
        raise invalid(
            f"The {what}'s name '{name}' must have 3 to 32 letters, digits and hyphens, begin with "
            "a letter, and end with a letter or digit."
        )


def _endpoint(
    world: World, request: Request, identity: str, body: dict[str, Any], old: Record | None
) -> None:
    _check_name(identity, "endpoint")
    properties = body.setdefault("properties", {})
    if old is not None and old.properties.get("authMode") != properties.get("authMode"):
        raise invalid("The authMode of an endpoint cannot be changed: make another one.")
    for member, most in (("traffic", 100), ("mirrorTraffic", 50)):
        shares: dict[str, int] = properties.get(member) or {}
        if any(share < 0 for share in shares.values()) or sum(shares.values()) > most:
            raise invalid(f"{member} must have shares from 0 whose sum is at most {most}.")
        for deployment in shares:
            if world.resources.get(f"{identity}/deployments/{deployment}") is None:
                raise invalid(f"{member} names deployment '{deployment}', which there is not.")
    default = (properties.get("defaults") or {}).get("deploymentName")
    if default and world.resources.get(f"{identity}/deployments/{default}") is None:
        raise invalid(f"defaults names deployment '{default}', which there is not.")
    body.setdefault("location", world.workspaces.require(request.scope).location)
    # What clients sign in with is told by listKeys alone.
    properties.pop("keys", None)
    body.pop("keys", None)
    if old is not None and "keys" in old.body:
        body["keys"] = old.body["keys"]


def _deployment(
    world: World, request: Request, identity: str, body: dict[str, Any], old: Record | None
) -> None:
    del old
    _check_name(identity, "deployment")
    endpoint = identity.rpartition("/deployments/")[0]
    if world.resources.get(endpoint) is None:
        raise Refusal(404, "UserError", f"There is no endpoint {endpoint.rpartition('/')[2]}.")
    properties = body.get("properties") or {}
    model = properties.get("model")
    named = [model.get("assetId") if isinstance(model, dict) else model]
    named += [properties.get("environmentId")]
    named += [(properties.get("codeConfiguration") or {}).get("codeId")]
    for asset in filter(None, named):
        own = str(asset).lower().startswith(request.scope.id.lower())
        if own and world.resources.get(str(asset)) is None:
            raise invalid(f"There is no asset {str(asset)[len(request.scope.id) + 1 :]}.")
    body.setdefault("location", world.workspaces.require(request.scope).location)
    sku = body.get("sku") or {"name": "Default", "capacity": 1}
    body["sku"] = sku


def _online_shown(world: World, record: Record, envelope: dict[str, Any]) -> dict[str, Any]:
    del world
    base = f"https://{record.name}.{envelope['location']}.{INFERENCE.removeprefix('*.')}"
    envelope["properties"] |= {"scoringUri": f"{base}/score", "swaggerUri": f"{base}/swagger.json"}
    return _with_defaults(envelope, traffic={}, mirrorTraffic={}, publicNetworkAccess="Enabled")


def _batch_shown(world: World, record: Record, envelope: dict[str, Any]) -> dict[str, Any]:
    del world
    base = f"https://{record.name}.{envelope['location']}.{INFERENCE.removeprefix('*.')}"
    envelope["properties"] |= {"scoringUri": f"{base}/jobs", "swaggerUri": None}
    return _with_defaults(envelope)


def _deployment_shown(world: World, record: Record, envelope: dict[str, Any]) -> dict[str, Any]:
    del world
    if record.kind.startswith("online"):
        if envelope["properties"].get("scaleSettings") is None:
            envelope["properties"]["scaleSettings"] = {"scaleType": "Default"}
        return _with_defaults(envelope, environmentVariables={}, appInsightsEnabled=False)
    return _with_defaults(envelope, environmentVariables={})


def _with_defaults(envelope: dict[str, Any], **defaults: Any) -> dict[str, Any]:
    if envelope.get("tags") is None:
        envelope["tags"] = {}
    for member, value in {"properties": {}, **defaults}.items():
        if envelope["properties"].get(member) is None:
            envelope["properties"][member] = value
    return envelope


ONLINE: Final = Kind(
    path="onlineEndpoints/{endpoint}", model="OnlineEndpoint",
    patch="PartialMinimalTrackedResourceWithIdentity", title="online endpoint", admit=_endpoint,
    shown=_online_shown, lasting=True,
)  # fmt: skip
BATCH: Final = Kind(
    path="batchEndpoints/{endpoint}", model="BatchEndpoint",
    patch="PartialMinimalTrackedResourceWithIdentity", title="batch endpoint", admit=_endpoint,
    shown=_batch_shown, lasting=True,
)  # fmt: skip
DEPLOYMENTS: Final = (
    Kind(
        path="onlineEndpoints/{endpoint}/deployments/{name}", model="OnlineDeployment",
        patch="PartialMinimalTrackedResourceWithSku", title="online deployment",
        admit=_deployment, shown=_deployment_shown, lasting=True,
    ),
    Kind(
        path="batchEndpoints/{endpoint}/deployments/{name}", model="BatchDeployment",
        patch="PartialBatchDeploymentPartialMinimalTrackedResourceWithProperties",
        title="batch deployment", admit=_deployment, shown=_deployment_shown, lasting=True,
    ),
)  # fmt: skip


# --- keys -----------------------------------------------------------------------------------------


def _require(world: World, request: Request, kind: Kind, endpoint: str) -> Record:
    return documents.require(world, kind, kind.identity(request, {"endpoint": endpoint}))


def _key(record: Record, number: str) -> str:
    renewed: dict[str, str] = record.body.get("keys", {})
    seed = renewed.get(number, "")
    return hashlib.sha256(f"{record.id}/{number}/{seed}".encode()).hexdigest()[:32]


def _keys(kind: Kind) -> Callable[..., Reply]:
    def answer(world: World, request: Request, endpoint: str) -> Reply:
        record = _require(world, request, kind, endpoint)
        if record.properties.get("authMode") != "Key" and kind is ONLINE:
            raise conflict("Only an endpoint whose authMode is Key has keys.")
        keys = {f"{one}Key": _key(record, one) for one in ("primary", "secondary")}
        return json_answer(keys)

    return answer


def _renew(world: World, request: Request, endpoint: str) -> Reply:
    record = _require(world, request, ONLINE, endpoint)
    which = str(request.json.get("keyType", "")).lower()
    if which not in ("primary", "secondary"):
        raise invalid("keyType must be one of Primary, Secondary.")
    record.body.setdefault("keys", {})[which] = request.json.get("keyValue") or secrets.token_hex()
    location = str(record.body["location"])
    headers = world.operations.begin(record.id, "Updating", request.scope.subscription, location)
    return json_answer(None, 202, headers)


def _token(world: World, request: Request, endpoint: str) -> Reply:
    record = _require(world, request, ONLINE, endpoint)
    if record.properties.get("authMode") == "Key":
        raise conflict("An endpoint whose authMode is Key has keys, no tokens.")
    moment = int(time.time())
    return json_answer(
        {
            "accessToken": _key(record, "token"),
            "expiryTimeUtc": moment + _LIFE,
            "refreshAfterTimeUtc": moment + _LIFE // 2,
            "tokenType": "Bearer",
        }
    )


def _logs(world: World, request: Request, endpoint: str, name: str) -> Reply:
    names = {"endpoint": endpoint, "name": name}
    kind = DEPLOYMENTS[0]
    documents.require(world, kind, kind.identity(request, names))
    raise unanswered(f"the logs of deployment {name}", "it starts no container that serves a model")


def _invoked(_world: World, request: Request, rest: str = "") -> Reply:
    del rest
    name = request.host.partition(".")[0]
    raise unanswered(
        f"an answer of endpoint {name}",
        "it starts no container that serves a model, so there is no prediction. Load the model in "
        "a job, or serve it with `mlflow models serve`",
    )


_ONLINE: Final = f"{WORKSPACE}/{ONLINE.path}"
ROUTES: Final = [
    *(
        route
        for kind in (ONLINE, BATCH, *DEPLOYMENTS)
        for route in documents.routes(kind)
    ),
    Route("POST", MANAGEMENT, f"{_ONLINE}/listKeys", "onlineEndpoints.keys", _keys(ONLINE),
          How.RUN),
    Route("POST", MANAGEMENT, f"{WORKSPACE}/{BATCH.path}/listkeys", "batchEndpoints.keys",
          _keys(BATCH), How.RUN),
    Route("POST", MANAGEMENT, f"{_ONLINE}/regenerateKeys", "onlineEndpoints.renew", _renew,
          How.RUN),
    Route("POST", MANAGEMENT, f"{_ONLINE}/token", "onlineEndpoints.token", _token, How.RUN),
    Route("POST", MANAGEMENT, f"{_ONLINE}/deployments/{{name}}/getLogs", "onlineEndpoints.logs",
          _logs, How.STATE),
    *(
        Route(method, INFERENCE, "/{rest:path}", "endpoints.invoke", _invoked, How.STATE)
        for method in _METHODS
    ),
]  # fmt: skip
