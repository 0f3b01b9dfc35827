"""Azure Resource Manager's requests about what stands around a workspace."""

from __future__ import annotations

import copy
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from waterflow_azureml.emulator import blob_wire, datastores, documents, identity
from waterflow_azureml.emulator.errors import Refusal, invalid
from waterflow_azureml.emulator.routes import (
    GROUP,
    LOGIN,
    MANAGEMENT,
    METADATA,
    How,
    Request,
    Route,
    Scope,
    json_answer,
)
from waterflow_azureml.emulator.workspaces import ACCOUNTS, GROUPS, IDENTITIES, TENANT, VAULTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from waterflow.emulation.wire import Reply
    from waterflow_azureml.emulator.resources import Record
    from waterflow_azureml.emulator.storage import Account
    from waterflow_azureml.emulator.vaults import Vaults
    from waterflow_azureml.emulator.world import World

_SUBSCRIPTION: Final = "/subscriptions/{subscription}"
_LOCATIONS: Final = ("eastus", "eastus2", "westus2", "westeurope", "northeurope", "uksouth")
_WORKSPACES: Final = "Microsoft.MachineLearningServices/workspaces"
_OURS: Final = frozenset({ACCOUNTS, VAULTS, IDENTITIES, "workspaces"})


def _nothing(_world: World, _record: Record) -> None:
    return None


def _as_it_is(_world: World, _record: Record, envelope: dict[str, Any]) -> dict[str, Any]:
    return envelope


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A type of resource beside workspaces.

    Attributes:
        type: `Microsoft.Storage/storageAccounts`.
        path: Its path below its provider: `storageAccounts/{name}`.
        located: Whether it has a region.
        made: Makes what it stands for, and keeps it as the document says.
        gone: Removes that.
        shown: Completes what is answered of it.
    """

    type: str
    path: str
    located: bool = True
    made: Callable[[World, Record], None] = _nothing
    gone: Callable[[World, Record], None] = _nothing
    shown: Callable[[World, Record, dict[str, Any]], dict[str, Any]] = _as_it_is

    @property
    def operation(self) -> str:
        """What its operations' names begin with."""
        return self.type.rpartition("/")[2]

    @property
    def base(self) -> str:
        """The path of its provider within a group."""
        return f"{GROUP}/providers/{self.type.partition('/')[0]}"


def _routes(kind: Neighbour) -> list[Route]:
    def place(request: Request, names: dict[str, str]) -> str:
        provider = kind.type.partition("/")[0]
        return f"{request.scope.id}/providers/{provider}/{kind.path.format(**names)}"

    def get(world: World, request: Request, **names: str) -> Reply:
        return json_answer(_answered(world, kind, _require(world, place(request, names))))

    def put(world: World, request: Request, **names: str) -> Reply:
        _require_group(world, request.scope)
        where = place(request, names)
        before = world.resources.get(where)
        body = copy.deepcopy(request.json)
        if request.method == "PATCH":
            body = documents.merged(_require(world, where).body, body)
        _check(kind, body)
        if kind.path.count("{") > 1 or "/" in kind.path.partition("{")[0].rstrip("/"):
            owner = where.rpartition("/blobServices")[0] or where.rpartition("/federated")[0]
            _require(world, owner)
        record = world.resources.put(where, kind.type, body)
        kind.made(world, record)
        status = 201 if before is None and request.method == "PUT" else 200
        return json_answer(_answered(world, kind, record), status)

    def delete(world: World, request: Request, **names: str) -> Reply:
        record = world.resources.get(place(request, names))
        if record is None:
            return json_answer(None, 204)
        kind.gone(world, record)
        world.resources.delete(record.id)
        return json_answer(None)

    def listing(world: World, request: Request, **names: str) -> Reply:
        start = request.scope.id
        if names:
            start = place(request, {**names, "name": "x"}).rpartition("/")[0]
        held = world.resources.below(start, kind.type)
        return json_answer({"value": [_answered(world, kind, record) for record in held]})

    path, name = f"{kind.base}/{kind.path}", kind.operation
    above = path.rpartition("/")[0]
    routes = [
        Route("GET", MANAGEMENT, path, f"{name}.get", get, How.STATE),
        Route("PUT", MANAGEMENT, path, f"{name}.create", put, How.RECORD),
        Route("PATCH", MANAGEMENT, path, f"{name}.update", put, How.RECORD),
        Route("DELETE", MANAGEMENT, path, f"{name}.delete", delete, How.RECORD),
        Route("GET", MANAGEMENT, above, f"{name}.list", listing, How.STATE),
    ]
    if kind.path.count("/") == 1:
        whole = f"{_SUBSCRIPTION}/providers/{kind.type}"
        routes.append(Route("GET", MANAGEMENT, whole, f"{name}.list", listing, How.STATE))
    return routes


def _check(kind: Neighbour, body: dict[str, Any]) -> None:
    if kind.located and not isinstance(body.get("location"), str):
        raise Refusal(400, "LocationRequired", "The location property is required.")
    for member in ("properties", "tags", "sku"):
        if body.get(member) is not None and not isinstance(body[member], dict):
            raise invalid(f"{member} must be an object, not {body[member]!r}")


def _answered(world: World, kind: Neighbour, record: Record) -> dict[str, Any]:
    envelope = record.envelope("")
    envelope["type"] = kind.type
    if envelope.get("properties") is None:
        envelope["properties"] = {}
    if kind.located:
        envelope["properties"]["provisioningState"] = "Succeeded"
    return kind.shown(world, record, envelope)


def _require(world: World, where: str) -> Record:
    record = world.resources.get(where)
    if record is None:
        kind = where.rpartition("/providers/")[2]
        group = where.partition("/resourceGroups/")[2].partition("/")[0]
        raise Refusal(
            404,
            "ResourceNotFound",
            f"The Resource '{kind}' under resource group '{group}' was not found. For more details "
            "please go to https://aka.ms/ARMResourceNotFoundFix",
        )
    return record


def _require_group(world: World, scope: Scope) -> Record:
    record = world.resources.get(Scope(scope.subscription, scope.group).id)
    if record is None:
        text = f"Resource group '{scope.group}' could not be found."
        raise Refusal(404, "ResourceGroupNotFound", text)
    return record


# --- storage accounts -----------------------------------------------------------------------------


def _account(world: World, record: Record) -> Account:
    return world.blobs.account(record.id.partition("/storageAccounts/")[2].partition("/")[0])


def _account_made(world: World, record: Record) -> None:
    properties, account = record.body.get("properties") or {}, _account(world, record)
    account.keys = properties.get("allowSharedKeyAccess", True) is not False
    account.hierarchical = properties.get("isHnsEnabled", False) is True


def _account_gone(world: World, record: Record) -> None:
    world.blobs.accounts.pop(record.name, None)


def _account_shown(world: World, record: Record, envelope: dict[str, Any]) -> dict[str, Any]:
    del world
    hosts = {kind: f"https://{record.name}.{kind}.core.windows.net/" for kind in ("blob", "dfs")}
    location = envelope["location"]
    more = {"primaryEndpoints": hosts, "primaryLocation": location, "statusOfPrimary": "available"}
    envelope["properties"] = {"minimumTlsVersion": "TLS1_2", **envelope["properties"], **more}
    envelope.setdefault("sku", {"name": "Standard_LRS", "tier": "Standard"})
    envelope.setdefault("kind", "StorageV2")
    return envelope


def _service_made(world: World, record: Record) -> None:
    properties = record.body.get("properties") or {}
    _account(world, record).versioned = properties.get("isVersioningEnabled", False) is True


def _container_made(world: World, record: Record) -> None:
    blob_wire.check_container(record.name)
    world.blobs.container(_account(world, record).name, record.name)


def _container_gone(world: World, record: Record) -> None:
    _account(world, record).containers.pop(record.name, None)


def _keys(world: World, request: Request, name: str) -> Reply:
    record = _require(world, f"{request.scope.id}/providers/{ACCOUNTS}/{name}")
    key = datastores.key(record.name)
    names = ("key1", "key2")
    return json_answer(
        {"keys": [{"keyName": one, "value": key, "permissions": "FULL"} for one in names]}
    )


# --- vaults and identities ------------------------------------------------------------------------


def _vault_made(world: World, record: Record) -> None:
    vaults: Vaults = world.parts["vaults"]
    vaults.make(record.name)


def _vault_gone(world: World, record: Record) -> None:
    vaults: Vaults = world.parts["vaults"]
    vaults.remove(record.name)


def _vault_shown(world: World, record: Record, envelope: dict[str, Any]) -> dict[str, Any]:
    del world
    uri = f"https://{record.name.lower()}.vault.azure.net/"
    envelope["properties"] = {"tenantId": TENANT, **envelope["properties"], "vaultUri": uri}
    return envelope


def _identity_shown(world: World, record: Record, envelope: dict[str, Any]) -> dict[str, Any]:
    del world
    held = envelope["properties"]
    client = held.get("clientId") or str(uuid.uuid5(uuid.NAMESPACE_URL, f"client/{record.id}"))
    envelope["properties"] = {
        "tenantId": TENANT,
        "clientId": client,
        "principalId": held.get("principalId") or identity.principal(client),
    }
    return envelope


# --- subscriptions and groups ---------------------------------------------------------------------


def _metadata(world: World, request: Request) -> Reply:
    """Tell where the cloud's services are, as SDKs ask before anything else."""
    del world, request
    login = f"https://{LOGIN}"
    return json_answer(
        [
            {
                "name": "AzureCloud",
                "portal": "https://portal.azure.com",
                "resourceManager": f"https://{MANAGEMENT}/",
                "microsoftGraphResourceId": "https://graph.microsoft.com/",
                "authentication": {
                    "loginEndpoint": f"{login}/",
                    "audiences": [
                        "https://management.core.windows.net/", f"https://{MANAGEMENT}/",
                    ],
                    "tenant": "common",
                    "identityProvider": "AAD",
                },
                "suffixes": {
                    "storage": "core.windows.net",
                    "keyVaultDns": "vault.azure.net",
                    "acrLoginServer": "azurecr.io",
                },
            }
        ]
    )  # fmt: skip


def _subscription(world: World, request: Request) -> Reply:
    del world
    return json_answer(_said(request.scope.subscription))


def _subscriptions(world: World, request: Request) -> Reply:
    del request
    held = {record.id.split("/")[2] for record in world.resources}
    return json_answer({"value": [_said(one) for one in sorted(held)]})


def _said(subscription: str) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{subscription}",
        "subscriptionId": subscription,
        "tenantId": TENANT,
        "displayName": "Waterflow's emulator",
        "state": "Enabled",
    }


def _locations(world: World, request: Request) -> Reply:
    del world
    base = request.scope.id
    return json_answer(
        {
            "value": [
                {"id": f"{base}/locations/{one}", "name": one, "displayName": one, "type": "Region"}
                for one in _LOCATIONS
            ]
        }
    )


def _group(record: Record) -> dict[str, Any]:
    answer = record.envelope("") | {"type": GROUPS}
    answer.pop("systemData")
    answer["properties"] = {"provisioningState": "Succeeded"}
    return answer


def _get_group(world: World, request: Request) -> Reply:
    return json_answer(_group(_require_group(world, request.scope)))


def _has_group(world: World, request: Request) -> Reply:
    held = world.resources.get(request.scope.id)
    return json_answer(None, 204 if held is not None else 404)


def _groups(world: World, request: Request) -> Reply:
    held = world.resources.below(request.scope.id, GROUPS)
    return json_answer({"value": [_group(record) for record in held]})


def _put_group(world: World, request: Request) -> Reply:
    body = copy.deepcopy(request.json)
    before = world.resources.get(request.scope.id)
    if request.method == "PATCH":
        body = documents.merged(_require_group(world, request.scope).body, body)
    if not isinstance(body.get("location"), str):
        raise Refusal(400, "LocationRequired", "The location property is required.")
    record = world.resources.put(request.scope.id, GROUPS, body)
    return json_answer(_group(record), 200 if before else 201)


def _delete_group(world: World, request: Request) -> Reply:
    record = _require_group(world, request.scope)
    for kind in NEIGHBOURS:
        for held in world.resources.below(record.id, kind.type):
            kind.gone(world, held)
    location = str(record.body["location"])
    headers = world.operations.begin(record.id, "Deleting", request.scope.subscription, location)
    return json_answer(None, 202, {n: v for n, v in headers.items() if n != "Azure-AsyncOperation"})


def _resources(world: World, request: Request) -> Reply:
    """List the resources of a group."""
    _require_group(world, request.scope)
    start = f"{request.scope.id}/".lower()
    held = [one for one in world.resources if one.id.lower().startswith(start)]
    listed = [
        {
            "id": one.id,
            "name": one.name,
            "type": _WORKSPACES if one.kind == "workspaces" else one.kind,
            "location": one.body.get("location"),
            "tags": one.body.get("tags") or {},
        }
        for one in held
        if one.kind in _OURS
    ]
    return json_answer({"value": listed})


NEIGHBOURS: Final = (
    Neighbour(
        type=f"{ACCOUNTS}/blobServices/containers",
        path="storageAccounts/{account}/blobServices/default/containers/{name}",
        located=False,
        made=_container_made,
        gone=_container_gone,
    ),
    Neighbour(
        type=f"{ACCOUNTS}/blobServices",
        path="storageAccounts/{account}/blobServices/{name}",
        located=False,
        made=_service_made,
    ),
    Neighbour(
        type=ACCOUNTS,
        path="storageAccounts/{name}",
        made=_account_made,
        gone=_account_gone,
        shown=_account_shown,
    ),
    Neighbour(
        type=VAULTS,
        path="vaults/{name}",
        made=_vault_made,
        gone=_vault_gone,
        shown=_vault_shown,
    ),
    Neighbour(
        type=f"{IDENTITIES}/federatedIdentityCredentials",
        path="userAssignedIdentities/{identity}/federatedIdentityCredentials/{name}",
        located=False,
    ),
    Neighbour(type=IDENTITIES, path="userAssignedIdentities/{name}", shown=_identity_shown),
)
"""What can be made beside workspaces; parts of a resource stand before it."""

_READ: Final = "Microsoft.Resources/subscriptions/resourceGroups"
ROUTES: Final = [
    Route("GET", MANAGEMENT, METADATA, "cloud.metadata", _metadata, How.STATE),
    Route("GET", MANAGEMENT, "/subscriptions", "subscriptions.list", _subscriptions, How.STATE),
    Route("GET", MANAGEMENT, _SUBSCRIPTION, "subscriptions.get", _subscription, How.STATE),
    Route(
        "GET", MANAGEMENT, f"{_SUBSCRIPTION}/locations", "subscriptions.locations", _locations,
        How.STATE,
    ),
    Route(
        "GET", MANAGEMENT, f"{_SUBSCRIPTION}/resourceGroups", "groups.list", _groups, How.STATE,
        action=f"{_READ}/read",
    ),
    Route("GET", MANAGEMENT, GROUP, "groups.get", _get_group, How.STATE, action=f"{_READ}/read"),
    Route("HEAD", MANAGEMENT, GROUP, "groups.get", _has_group, How.STATE, action=f"{_READ}/read"),
    Route("PUT", MANAGEMENT, GROUP, "groups.create", _put_group, How.RECORD,
          action=f"{_READ}/write"),
    Route("PATCH", MANAGEMENT, GROUP, "groups.update", _put_group, How.RECORD,
          action=f"{_READ}/write"),
    Route("DELETE", MANAGEMENT, GROUP, "groups.delete", _delete_group, How.RECORD,
          action=f"{_READ}/delete"),
    Route("GET", MANAGEMENT, f"{GROUP}/resources", "groups.resources", _resources, How.STATE,
          action=f"{_READ}/resources/read"),
    Route(
        "POST", MANAGEMENT, f"{GROUP}/providers/{ACCOUNTS}/{{name}}/listKeys",
        "storageAccounts.keys", _keys, How.RUN,
    ),
    *(route for kind in NEIGHBOURS for route in _routes(kind)),
]  # fmt: skip
