"""Datastores: where a workspace's data is, and the secrets that open it."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any, Final

from waterflow_azureml.emulator import documents
from waterflow_azureml.emulator.documents import Kind
from waterflow_azureml.emulator.errors import Refusal, invalid, unanswered
from waterflow_azureml.emulator.routes import (
    MANAGEMENT,
    WORKSPACE,
    How,
    Request,
    Route,
    json_answer,
)

if TYPE_CHECKING:
    from waterflow.emulation.wire import Reply
    from waterflow_azureml.emulator.resources import Record
    from waterflow_azureml.emulator.world import World

_ANSWERED: Final = ("AzureBlob", "AzureDataLakeGen2")
_SECRETS: Final = {"AccountKey": "key", "Sas": "sasToken", "ServicePrincipal": "clientSecret"}


def key(account: str) -> str:
    """Return the shared key of a storage account."""
    return base64.b64encode(hashlib.sha512(f"key/{account}".encode()).digest()).decode()


def _admit(
    world: World, request: Request, identity: str, body: dict[str, Any], old: Record | None
) -> None:
    properties = body["properties"]
    kind = properties["datastoreType"]
    if kind not in _ANSWERED:
        raise unanswered(
            f"datastores of type {kind}", f"use one of {', '.join(_ANSWERED)}, or test it in Azure"
        )
    if kind == "AzureBlob" and not (
        properties.get("accountName") and properties.get("containerName")
    ):
        raise invalid("A blob datastore needs accountName and containerName")
    if properties.get("isDefault"):
        for record in world.resources.below(request.scope.id, "datastores"):
            if record.id.lower() != identity.lower():
                record.properties["isDefault"] = False
    if old is not None and old.properties.get("isDefault"):
        properties.setdefault("isDefault", True)
    # An account that this emulator has not met is Azure's storage too: it is empty.
    world.blobs.container(
        properties["accountName"], properties.get("containerName") or properties["filesystem"]
    )


def _shown(world: World, record: Record, envelope: dict[str, Any]) -> dict[str, Any]:
    del world, record
    properties = envelope["properties"]
    properties.setdefault("isDefault", False)
    for member, value in (("tags", {}), ("properties", {})):
        if properties.get(member) is None:
            properties[member] = value
    # What opens it is answered by listSecrets alone.
    (properties.get("credentials") or {}).pop("secrets", None)
    return envelope


def _listed(world: World, request: Request, records: list[Record]) -> list[Record]:
    del world
    query = request.query
    held = records
    if "isDefault" in query:
        wish = query["isDefault"].lower() == "true"
        held = [one for one in held if bool(one.properties.get("isDefault")) == wish]
    if query.get("names"):
        names = query["names"].split(",")
        held = [one for one in held if one.name in names]
    if query.get("searchText"):
        held = [one for one in held if query["searchText"].lower() in one.name.lower()]
    return held


KIND: Final = Kind(
    path="datastores/{name}",
    model="Datastore",
    title="datastore",
    admit=_admit,
    shown=_shown,
    listed=_listed,
)


def _secrets(world: World, request: Request, name: str) -> Reply:
    record = documents.require(world, KIND, f"{request.scope.id}/datastores/{name}")
    properties = record.properties
    held = properties.get("credentials") or {}
    kind = held.get("credentialsType", "None")
    if kind == "None":
        if properties.get("accountName") in world.blobs.accounts:
            account = world.blobs.accounts[properties["accountName"]]
            if not account.keys:
                raise Refusal(
                    400, "UserError", f"The storage account {account.name} takes no shared keys"
                )
        return json_answer(
            {"secretsType": "Sas", "sasToken": "sv=2023-11-03&sr=c&sp=rwdl&sig=emulated"}
        )
    if kind not in _SECRETS:
        raise unanswered(f"the secrets of credentials of type {kind}", "use AccountKey or Sas")
    member = _SECRETS[kind]
    secret = (held.get("secrets") or {}).get(member)
    if secret is None and kind == "AccountKey":
        secret = key(properties["accountName"])
    return json_answer({"secretsType": kind, member: secret})


ROUTES: Final = [
    *documents.routes(KIND),
    Route(
        "POST", MANAGEMENT, f"{WORKSPACE}/datastores/{{name}}/listSecrets",
        "datastores.secrets", _secrets, How.RUN,
    ),
]  # fmt: skip
