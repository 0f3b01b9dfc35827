"""Vertex ML Metadata: stores, contexts, executions and artifacts, as they are recorded here."""

from __future__ import annotations

import re
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from waterflow_vertex.emulator import sdk
from waterflow_vertex.emulator.documents import listed
from waterflow_vertex.emulator.errors import invalid, missing
from waterflow_vertex.emulator.routes import VERTEX, Call, How
from waterflow_vertex.emulator.rpcs import Rpc, Service

if TYPE_CHECKING:
    from waterflow_vertex.emulator.world import World

_SERVICE: Final = f"{sdk.VERTEX}.types.metadata_service"
_THINGS: Final = {"Artifact": "artifacts", "Execution": "executions", "Context": "contexts"}
_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
KINDS: Final = {
    "MetadataStore": partial(sdk.vertex, "metadata_store", "MetadataStore"),
    "Artifact": partial(sdk.vertex, "artifact", "Artifact"),
    "Execution": partial(sdk.vertex, "execution", "Execution"),
    "Context": partial(sdk.vertex, "context", "Context"),
}


def store(world: World, parent: str) -> Any:
    """Return the default store of a location, made when it is first needed: so does Vertex AI."""
    name = f"{parent}/metadataStores/default"
    with world.documents.lock:
        one = world.documents.find("MetadataStore", name)
        if one is None:
            one = sdk.vertex("metadata_store", "MetadataStore")(name=name)
            moment = world.documents.now()
            for field in (one.create_time, one.update_time):
                sdk.stamp(field, moment)
            world.documents.add("MetadataStore", name, one)
    return one


def record(world: World, job: Any) -> None:
    """Note what a pipeline job has made: its contexts, executions and artifacts."""
    detail = job.job_detail
    for context in (detail.pipeline_context, detail.pipeline_run_context):
        world.documents.put("Context", context.name, sdk.copied(context))
    for task in detail.task_details:
        world.documents.put("Execution", task.execution.name, sdk.copied(task.execution))
        for some in task.outputs.values():
            for artifact in some.artifacts:
                world.documents.put("Artifact", artifact.name, sdk.copied(artifact))


def _get(kind: str) -> Any:
    def get(world: World, call: Call, request: Any) -> Any:
        name = world.projects.canonical(call, request.name)
        if kind == "MetadataStore" and name.endswith("/metadataStores/default"):
            return store(world, name.removesuffix("/metadataStores/default"))
        return world.documents.get(kind, name)

    return get


def _stores(world: World, call: Call, request: Any) -> Any:
    parent = world.projects.parent(call, request.parent)
    store(world, parent)
    kind = sdk.message(_SERVICE, "ListMetadataStoresResponse")
    held = world.documents.below("MetadataStore", parent)
    return listed(request, kind, "metadata_stores", held)


def _create_store(world: World, call: Call, request: Any) -> Any:
    parent = world.projects.parent(call, request.parent)
    name = f"{parent}/metadataStores/{request.metadata_store_id or uuid.uuid4().hex}"
    one = sdk.copied(request.metadata_store)
    one.name = name
    moment = world.documents.now()
    for field in (one.create_time, one.update_time):
        sdk.stamp(field, moment)
    world.documents.add("MetadataStore", name, one)
    kind = sdk.message(_SERVICE, "CreateMetadataStoreOperationMetadata")
    return world.operations.done(parent, world.clock.now(), kind(), one)


def _parent(world: World, call: Call, name: str) -> str:
    """Return the name of a store that there is."""
    whole = world.projects.canonical(call, name)
    if whole.endswith("/metadataStores/default"):
        store(world, whole.removesuffix("/metadataStores/default"))
    world.documents.get("MetadataStore", whole)
    return whole


def _create(kind: str) -> Any:
    member = kind.lower()

    def create(world: World, call: Call, request: Any) -> Any:
        parent = _parent(world, call, request.parent)
        identity = getattr(request, f"{member}_id") or str(uuid.uuid4())
        if not _ID.fullmatch(identity):
            raise invalid(f"{member}_id '{identity}' is invalid: it must match {_ID.pattern}")
        one = sdk.copied(getattr(request, member))
        one.name = f"{parent}/{_THINGS[kind]}/{identity}"
        moment = world.documents.now()
        for field in (one.create_time, one.update_time):
            sdk.stamp(field, moment)
        one.etag = str(int(moment * 1000))
        return world.documents.add(kind, one.name, one)

    return create


def _list(kind: str) -> Any:
    def list_(world: World, call: Call, request: Any) -> Any:
        parent = _parent(world, call, request.parent)
        held = world.documents.below(kind, f"{parent}/{_THINGS[kind]}")
        answer = sdk.message(_SERVICE, f"List{kind}sResponse")
        return listed(request, answer, f"{kind.lower()}s", held, usual=100)

    return list_


def _update(kind: str) -> Any:
    member = kind.lower()

    def update(world: World, call: Call, request: Any) -> Any:
        wish = getattr(request, member)
        name = world.projects.canonical(call, wish.name)
        with world.documents.lock:
            held = world.documents.find(kind, name)
            if held is None:
                if not request.allow_missing:
                    raise missing(f"The {kind} '{name}' is not found.")
                held = type(wish)(name=name)
                sdk.stamp(held.create_time, world.documents.now())
            one = sdk.copied(held)
            if request.update_mask.paths:
                sdk.masked(one, wish, request.update_mask)
            else:
                one.MergeFrom(wish)
            one.name = name
            moment = world.documents.now()
            sdk.stamp(one.update_time, moment)
            one.etag = str(int(moment * 1000))
            world.documents.put(kind, name, one)
        return one

    return update


def _delete(kind: str) -> Any:
    def delete(world: World, call: Call, request: Any) -> Any:
        name = _get(kind)(world, call, request).name
        world.documents.remove(kind, name)
        metadata = sdk.vertex("operation", "DeleteOperationMetadata")()
        parent = "/".join(name.split("/")[:4])
        return world.operations.done(parent, world.clock.now(), metadata)

    return delete


def _rpcs() -> tuple[Rpc, ...]:
    held: list[Rpc] = []
    for kind, collection in _THINGS.items():
        permission = f"aiplatform.{collection}"
        held += [
            Rpc(f"Create{kind}", _create(kind), How.RECORD, f"{permission}.create"),
            Rpc(f"Get{kind}", _get(kind), How.STATE, f"{permission}.get"),
            Rpc(f"List{kind}s", _list(kind), How.STATE, f"{permission}.list"),
            Rpc(f"Update{kind}", _update(kind), How.RECORD, f"{permission}.update"),
            Rpc(f"Delete{kind}", _delete(kind), How.RECORD, f"{permission}.delete"),
        ]
    return tuple(held)


_STORE: Final = "aiplatform.metadataStores"
SERVICES: Final = (
    Service(
        "google.cloud.aiplatform.v1.MetadataService", VERTEX, sdk.VERTEX, "metadata_service",
        _SERVICE,
        (
            *_rpcs(),
            Rpc("CreateMetadataStore", _create_store, How.RECORD, f"{_STORE}.create"),
            Rpc("GetMetadataStore", _get("MetadataStore"), How.STATE, f"{_STORE}.get"),
            Rpc("ListMetadataStores", _stores, How.STATE, f"{_STORE}.list"),
        ),
        {"*": "track runs with MLflow"},
    ),
)  # fmt: skip
