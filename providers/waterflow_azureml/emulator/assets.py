"""Assets: code, components, data, environments and models, each a name with versions."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from waterflow_azureml.emulator import documents, models
from waterflow_azureml.emulator.documents import Kind
from waterflow_azureml.emulator.errors import Refusal, conflict, invalid, unanswered
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

_MUTABLE: Final = frozenset(
    {"description", "tags", "properties", "isArchived", "isAnonymous", "stage", "autoDeleteSetting"}
)
"""What can be changed of a version once it is made."""
_LONGEST: Final = 255


@dataclass(frozen=True)
class Asset:
    """A kind of assets.

    Attributes:
        path: Where they are: `environments`.
        container: The SDK's model of a name.
        version: The SDK's model of a version.
        title: What refusals call one.
    """

    path: str
    container: str
    version: str
    title: str


ASSETS: Final = (
    Asset("codes", "CodeContainer", "CodeVersion", "code"),
    Asset("components", "ComponentContainer", "ComponentVersion", "component"),
    Asset("data", "DataContainer", "DataVersionBase", "data asset"),
    Asset("environments", "EnvironmentContainer", "EnvironmentVersion", "environment"),
    Asset("models", "ModelContainer", "ModelVersion", "model"),
)


def _kinds(asset: Asset) -> tuple[Kind, Kind]:
    def shown(world: World, record: Record, envelope: dict[str, Any]) -> dict[str, Any]:
        properties = envelope.setdefault("properties", {})
        names = [one.name for one in world.resources.below(record.id, f"{asset.path}/versions")]
        numbers = [int(name) for name in names if name.isdecimal()]
        properties["latestVersion"] = names[-1] if names else None
        properties["nextVersion"] = str(max(numbers, default=0) + 1)
        properties.setdefault("isArchived", False)
        properties["provisioningState"] = "Succeeded"
        return envelope

    def admit(
        world: World, request: Request, identity: str, body: dict[str, Any], old: Record | None
    ) -> None:
        del request
        name, version = identity.split("/")[-3], identity.rsplit("/", maxsplit=1)[-1]
        for text in (name, version):
            if len(text) > _LONGEST:
                raise invalid(f"The name or version '{text[:40]}...' is longer than {_LONGEST}.")
        properties = body.setdefault("properties", {})
        if old is not None:
            _unchanged(asset, f"{name}:{version}", old.properties, properties)
        owner = identity.rpartition("/versions/")[0]
        if world.resources.get(owner) is None:
            kind = properties.get("dataType")
            known = {"dataType": kind} if asset.path == "data" and kind else {}
            container = {"properties": {"isArchived": False, "tags": {}, **known}}
            world.resources.put(owner, asset.path, container)

    container = Kind(
        path=f"{asset.path}/{{name}}",
        model=asset.container,
        title=asset.title,
        shown=shown,
        listed=_filtered,
    )
    version = Kind(
        path=f"{asset.path}/{{name}}/versions/{{version}}",
        model=asset.version,
        title=asset.title,
        shown=_completed,
        listed=_filtered,
        admit=admit,
    )
    return container, version


def _unchanged(asset: Asset, name: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Refuse to change what a version is: its maker counts on it."""
    for member in sorted((old.keys() | new.keys()) - _MUTABLE):
        if old.get(member) == new.get(member) or new.get(member) is None:
            continue
        if member == "codeUri":
            raise conflict("Asset paths cannot be updated.")
        raise conflict(
            f"A {asset.title} {name} is there already, and it is immutable: its {member} cannot "
            "be changed. Use another version."
        )
    for member in old.keys() - _MUTABLE:
        new.setdefault(member, old[member])


def _completed(world: World, record: Record, envelope: dict[str, Any]) -> dict[str, Any]:
    del world
    properties = envelope.setdefault("properties", {})
    for member, value in (("isAnonymous", False), ("isArchived", False), ("tags", {})):
        if properties.get(member) is None:
            properties[member] = value
    held = properties.get("properties") or {}
    properties["properties"] = {
        name: value if isinstance(value, str) else str(value) for name, value in held.items()
    }
    if not record.kind.startswith("data"):
        properties["provisioningState"] = "Succeeded"
    if record.kind == "models/versions" and properties.get("flavors") is None:
        properties["flavors"] = {}
    if record.kind == "environments/versions":
        properties.setdefault("environmentType", "UserCreated")
        properties.setdefault("osType", "Linux")
    return envelope


def _filtered(world: World, request: Request, records: list[Record]) -> list[Record]:
    del world
    query = request.query
    view = query.get("listViewType", "ActiveOnly").lower()
    if view not in ("activeonly", "archivedonly", "all"):
        known = "ActiveOnly, ArchivedOnly, All"
        raise invalid(f"listViewType must be one of {known}, not '{query['listViewType']}'")
    held = [
        record
        for record in records
        if view == "all" or bool(record.properties.get("isArchived")) == (view == "archivedonly")
    ]
    if "hash" in query:
        held = [one for one in held if _hash(one) == query["hash"]]
    if "version" in query:
        held = [one for one in held if one.name == query["version"]]
    for tag in filter(None, (query.get("tags") or query.get("$tags") or "").split(",")):
        name, equals, value = tag.partition("=")
        held = [
            one
            for one in held
            if name in (one.properties.get("tags") or {})
            and (not equals or one.properties["tags"][name] == value)
        ]
    if "desc" in (query.get("$orderBy") or query.get("orderBy") or "").lower():
        held.reverse()
    return held


def _hash(record: Record) -> str | None:
    held = record.properties.get("properties") or {}
    return held.get("hash_sha256")


# --- what only some of them have ------------------------------------------------------------------


def _by_hash(world: World, request: Request, name: str) -> Reply:
    """Answer the look-up of code by what it holds, which is the whole workspace's."""
    if "hash" in request.query:
        held = world.resources.below(request.scope.id, _CODE.type)
    else:
        owner = f"{request.scope.id}/codes/{name}"
        documents.require(world, KINDS["codes"][0], owner)
        held = world.resources.below(owner, _CODE.type)
    return documents.paged(world, request, _CODE, _filtered(world, request, held))


def _pending(world: World, request: Request, name: str, version: str) -> Reply:
    """Make a container to upload a code or a data asset to."""
    models.check("PendingUploadRequestDto", request.json)
    wish = request.json.get("pendingUploadType", "None")
    if wish != "TemporaryBlobReference":
        raise invalid(f"pendingUploadType must be TemporaryBlobReference, not {wish}")
    workspace = world.workspaces.require(request.scope)
    mark = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{request.scope.id}/{name}/{version}".lower()))
    container = f"{mark[:8]}-{mark[9:]}"
    world.blobs.container(workspace.account, container)
    uri = f"https://{workspace.account}.blob.core.windows.net/{container}"
    return json_answer(
        {
            "pendingUploadId": mark,
            "pendingUploadType": "TemporaryBlobReference",
            "blobReferenceForConsumption": {
                "blobUri": uri,
                "storageAccountArmId": workspace.record.properties["storageAccount"],
                "credential": {
                    "credentialType": "SAS",
                    "sasUri": f"{uri}?sv=2023-11-03&sr=c&sp=racwl&sig=emulated",
                },
            },
        }
    )


def _publish(world: World, request: Request, name: str, version: str) -> Reply:
    del world, request
    raise unanswered(
        f"the publishing of {name}:{version}", "there is no registry here, only the workspace"
    )


KINDS: Final = {asset.path: _kinds(asset) for asset in ASSETS}
"""Where assets are -> the kinds of their names and versions."""
_CODE: Final = KINDS["codes"][1]
_VERSION: Final = f"{WORKSPACE}/{{kind}}/{{name}}/versions/{{version}}"


def _published(world: World, request: Request, kind: str, name: str, version: str) -> Reply:
    if kind not in KINDS:
        raise Refusal(404, "UserError", f"There is no kind of assets {kind}")
    return _publish(world, request, name, version)


ROUTES: Final = [
    Route(
        "GET", MANAGEMENT, f"{WORKSPACE}/codes/{{name}}/versions", "codes.versions.list", _by_hash,
        How.STATE,
    ),
    Route(
        "POST", MANAGEMENT, f"{WORKSPACE}/codes/{{name}}/versions/{{version}}/startPendingUpload",
        "codes.versions.upload", _pending, How.RUN,
    ),
    Route("POST", MANAGEMENT, f"{_VERSION}/publish", "assets.publish", _published, How.STATE),
    *(route for kinds in KINDS.values() for kind in kinds for route in documents.routes(kind)),
]  # fmt: skip
