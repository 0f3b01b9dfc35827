"""Endpoints: which models are deployed where, and how traffic is split, as records."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from waterflow_vertex.emulator import models, sdk
from waterflow_vertex.emulator.custom_jobs import new_number
from waterflow_vertex.emulator.documents import listed
from waterflow_vertex.emulator.errors import invalid, missing, unready
from waterflow_vertex.emulator.pipeline_jobs import check_labels
from waterflow_vertex.emulator.routes import VERTEX, Call, How
from waterflow_vertex.emulator.rpcs import Rpc, Service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow_vertex.emulator.world import World

_SERVICE: Final = f"{sdk.VERTEX}.types.endpoint_service"
KIND: Final = "Endpoint"
KINDS: Final = {KIND: partial(sdk.vertex, "endpoint", "Endpoint")}
_ID: Final = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?|\d{1,10}")
_WHOLE: Final = 100
_NEW: Final = "0"
"""The key in a traffic split of the model that is being deployed."""


def _create(world: World, call: Call, request: Any) -> Any:
    parent = world.projects.parent(call, request.parent)
    one = sdk.copied(request.endpoint)
    if not one.display_name:
        text = "Endpoint.display_name is required."
        raise invalid(text, **{"endpoint.display_name": "is required"})
    if one.deployed_models or one.traffic_split:
        raise invalid("An endpoint is made empty: deploy models with deployModel.")
    if request.endpoint_id and not _ID.fullmatch(request.endpoint_id):
        raise invalid(f"endpoint_id '{request.endpoint_id}' is invalid.")
    check_labels(one.labels)
    one.name = f"{parent}/endpoints/{request.endpoint_id or new_number()}"
    moment = world.documents.now()
    for field in (one.create_time, one.update_time):
        sdk.stamp(field, moment)
    one.etag = str(int(moment * 1000))
    world.documents.add(KIND, one.name, one)
    kind = sdk.message(_SERVICE, "CreateEndpointOperationMetadata")
    return world.operations.done(one.name, moment, kind(), one)


def _get(world: World, call: Call, request: Any) -> Any:
    return world.documents.get(KIND, world.projects.canonical(call, request.name))


def _list(world: World, call: Call, request: Any) -> Any:
    parent = world.projects.parent(call, request.parent)
    held = world.documents.below(KIND, f"{parent}/endpoints")
    return listed(request, sdk.message(_SERVICE, "ListEndpointsResponse"), "endpoints", held)


def _check_split(split: Mapping[str, int], known: set[str]) -> None:
    for key in split:
        if key not in known:
            raise invalid(
                f"The traffic split names the deployed model '{key}', which is not there."
            )
    if split and (sum(split.values()) != _WHOLE or any(one < 0 for one in split.values())):
        raise invalid(f"The traffic split must add up to {_WHOLE}.")


def _changed(world: World, one: Any) -> Any:
    moment = world.documents.now()
    sdk.stamp(one.update_time, moment)
    one.etag = str(int(moment * 1000))
    world.documents.put(KIND, one.name, one)
    return one


def _update(world: World, call: Call, request: Any) -> Any:
    with world.documents.lock:
        name = world.projects.canonical(call, request.endpoint.name)
        one = sdk.copied(world.documents.get(KIND, name))
        for path in request.update_mask.paths:
            head = sdk.snake(path.partition(".")[0])
            if head not in ("display_name", "description", "labels", "traffic_split"):
                raise invalid(f"The field '{path}' of an Endpoint cannot be updated.")
        sdk.masked(one, request.endpoint, request.update_mask)
        one.name = name
        check_labels(one.labels)
        _check_split(one.traffic_split, {each.id for each in one.deployed_models})
        return _changed(world, one)


def _delete(world: World, call: Call, request: Any) -> Any:
    one = _get(world, call, request)
    if one.deployed_models:
        raise unready(f"The Endpoint '{one.name}' has deployed models: undeploy them first.")
    world.documents.remove(KIND, one.name)
    metadata = sdk.vertex("operation", "DeleteOperationMetadata")()
    return world.operations.done(one.name.partition("/endpoints/")[0], world.clock.now(), metadata)


def _endpoint(world: World, call: Call, request: Any) -> Any:
    return sdk.copied(world.documents.get(KIND, world.projects.canonical(call, request.endpoint)))


def _deploy(world: World, call: Call, request: Any) -> Any:
    with world.documents.lock:
        one = _endpoint(world, call, request)
        deployed = sdk.copied(request.deployed_model)
        if not deployed.model:
            raise invalid("DeployedModel.model is required.")
        if not (deployed.HasField("dedicated_resources") or deployed.shared_resources
                or deployed.HasField("automatic_resources")):  # fmt: skip
            raise invalid("'automatic_resources', 'dedicated_resources' or 'shared_resources' "
                          "must be set in DeployedModel.")  # fmt: skip
        version = models.version(world, call, deployed.model)
        deployed.model, deployed.model_version_id = version.name, version.version_id
        deployed.display_name = deployed.display_name or version.display_name
        deployed.id = deployed.id or new_number()
        if any(each.id == deployed.id for each in one.deployed_models):
            raise invalid(f"There is a deployed model '{deployed.id}' at the endpoint.")
        sdk.stamp(deployed.create_time, world.documents.now())
        split = dict(request.traffic_split)
        known = {each.id for each in one.deployed_models}
        if split:
            _check_split(split, {*known, _NEW})
            split = {deployed.id if key == _NEW else key: part for key, part in split.items()}
        elif not known:
            split = {deployed.id: _WHOLE}
        else:
            split = dict(one.traffic_split)
        one.deployed_models.append(deployed)
        _split(one, split)
        _changed(world, one)
        _note(world, version, one, deployed.id)
    response = sdk.message(_SERVICE, "DeployModelResponse")(deployed_model=deployed)
    kind = sdk.message(_SERVICE, "DeployModelOperationMetadata")
    return world.operations.done(one.name, world.clock.now(), kind(), response)


def _split(one: Any, split: Mapping[str, int]) -> None:
    one.ClearField("traffic_split")
    for key, part in split.items():
        one.traffic_split[key] = part


def _note(world: World, version: Any, endpoint: Any, identity: str, *, gone: bool = False) -> None:
    """Note at a model's version where it is deployed."""
    changed = sdk.copied(version)
    held = [each for each in changed.deployed_models if each.deployed_model_id != identity]
    del changed.deployed_models[:]
    changed.deployed_models.extend(held)
    if not gone:
        changed.deployed_models.add(endpoint=endpoint.name, deployed_model_id=identity)
    models.keep(world, changed)


def _undeploy(world: World, call: Call, request: Any) -> Any:
    with world.documents.lock:
        one = _endpoint(world, call, request)
        held = _deployed(one, request.deployed_model_id)
        left = {each.id for each in one.deployed_models} - {held.id}
        split = dict(request.traffic_split) or {
            key: part for key, part in one.traffic_split.items() if key != held.id
        }
        if sum(split.values()) != _WHOLE and left and one.traffic_split.get(held.id, 0):
            raise invalid(
                f"The deployed model '{held.id}' has traffic: give a traffic_split without it."
            )
        _check_split(split, left) if left else split.clear()
        kept = [each for each in one.deployed_models if each.id != held.id]
        version = models.version(world, call, f"{held.model}@{held.model_version_id}")
        del one.deployed_models[:]
        one.deployed_models.extend(kept)
        _split(one, split)
        _changed(world, one)
        _note(world, version, one, held.id, gone=True)
    response = sdk.message(_SERVICE, "UndeployModelResponse")()
    kind = sdk.message(_SERVICE, "UndeployModelOperationMetadata")
    return world.operations.done(one.name, world.clock.now(), kind(), response)


def _deployed(one: Any, identity: str) -> Any:
    for each in one.deployed_models:
        if each.id == identity:
            return sdk.copied(each)
    raise missing(f"There is no deployed model '{identity}' at the Endpoint '{one.name}'.")


def _mutate(world: World, call: Call, request: Any) -> Any:
    with world.documents.lock:
        one = _endpoint(world, call, request)
        identity = request.deployed_model.id
        changed = _deployed(one, identity)
        for each in one.deployed_models:
            if each.id == identity:
                sdk.masked(each, request.deployed_model, request.update_mask)
                each.id = identity
                changed = sdk.copied(each)
        _changed(world, one)
    response = sdk.message(_SERVICE, "MutateDeployedModelResponse")(deployed_model=changed)
    kind = sdk.message(_SERVICE, "MutateDeployedModelOperationMetadata")
    return world.operations.done(one.name, world.clock.now(), kind(), response)


def _rpc(name: str, answer: Any, how: How, verb: str) -> Rpc:
    return Rpc(name, answer, how, f"aiplatform.endpoints.{verb}")


SERVICES: Final = (
    Service(
        "google.cloud.aiplatform.v1.EndpointService", VERTEX, sdk.VERTEX, "endpoint_service",
        _SERVICE,
        (
            _rpc("CreateEndpoint", _create, How.RECORD, "create"),
            _rpc("GetEndpoint", _get, How.STATE, "get"),
            _rpc("ListEndpoints", _list, How.STATE, "list"),
            _rpc("UpdateEndpoint", _update, How.RECORD, "update"),
            _rpc("DeleteEndpoint", _delete, How.RECORD, "delete"),
            _rpc("DeployModel", _deploy, How.RECORD, "deploy"),
            _rpc("UndeployModel", _undeploy, How.RECORD, "undeploy"),
            _rpc("MutateDeployedModel", _mutate, How.RECORD, "deploy"),
        ),
        {"*": "use updateEndpoint"},
    ),
)  # fmt: skip
