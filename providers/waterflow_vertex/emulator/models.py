"""The model registry: models, their versions and aliases, as records; nothing serves them here."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from waterflow_vertex.emulator import sdk
from waterflow_vertex.emulator.custom_jobs import new_number
from waterflow_vertex.emulator.documents import listed
from waterflow_vertex.emulator.errors import invalid, missing, unready
from waterflow_vertex.emulator.pipeline_jobs import check_labels
from waterflow_vertex.emulator.routes import VERTEX, Call, How
from waterflow_vertex.emulator.rpcs import Rpc, Service

if TYPE_CHECKING:
    from waterflow_vertex.emulator.world import World

_SERVICE: Final = f"{sdk.VERTEX}.types.model_service"
KIND: Final = "Model"
KINDS: Final = {KIND: partial(sdk.vertex, "model", "Model")}
_ALIAS: Final = re.compile(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]")
_ID: Final = re.compile(r"[a-z0-9_-]{1,63}")
_DEFAULT: Final = "default"


def split(name: str) -> tuple[str, str]:
    """Return a model's name without its version, and the version or alias; "" for none."""
    head, _, version = name.partition("@")
    return head, version


def versions(world: World, model: str) -> list[Any]:
    """Return the versions of a model, the first first."""
    return [
        one for one in world.documents.below(KIND, model.rpartition("/")[0]) if one.name == model
    ]


def version(world: World, call: Call, name: str) -> Any:
    """Return a version of a model: the one that a name says, or the default one.

    Raises:
        Refusal: There is none.
    """
    model, wish = split(world.projects.canonical(call, name))
    held = versions(world, model)
    if not held:
        raise missing(f"The Model '{model}' is not found.")
    wish = wish or _DEFAULT
    for one in held:
        if wish == one.version_id or wish in one.version_aliases:
            return one
    raise missing(f"The Model version '{model}@{wish}' is not found.")


def keep(world: World, one: Any) -> None:
    """Keep a version of a model."""
    world.documents.put(KIND, f"{one.name}@{one.version_id}", one)


def _checked(world: World, one: Any) -> None:
    if not one.display_name:
        raise invalid("Model.display_name is required.", **{"model.display_name": "is required"})
    if not one.HasField("container_spec") and not one.HasField("base_model_source"):
        raise invalid("Model.container_spec is required for a custom-trained model.")
    if one.HasField("container_spec") and not one.container_spec.image_uri:
        raise invalid("Model.container_spec.image_uri is required.")
    if one.artifact_uri:
        bucket = one.artifact_uri.removeprefix("gs://").partition("/")[0]
        if not one.artifact_uri.startswith("gs://") or world.buckets.find(bucket) is None:
            raise unready(f"There is nothing at Model.artifact_uri '{one.artifact_uri}'.")
    check_labels(one.labels)


def _upload(world: World, call: Call, request: Any) -> Any:
    parent = world.projects.parent(call, request.parent)
    one = sdk.copied(request.model)
    _checked(world, one)
    with world.documents.lock:
        before: list[Any] = []
        if request.parent_model:
            model, _ = split(world.projects.canonical(call, request.parent_model))
            before = versions(world, model)
            if not before:
                raise missing(f"The parent Model '{model}' is not found.")
        else:
            identity = request.model_id or new_number()
            if not _ID.fullmatch(identity):
                raise invalid(f"model_id '{identity}' is invalid: it must match {_ID.pattern}")
            model = f"{parent}/models/{identity}"
            if versions(world, model):
                raise invalid(f"The Model '{model}' exists: name it as parent_model.")
        aliases = list(one.version_aliases)
        _check_aliases(aliases)
        one.name = model
        one.version_id = str(1 + max((int(each.version_id) for each in before), default=0))
        del one.version_aliases[:]
        if not before and _DEFAULT not in aliases:
            aliases.append(_DEFAULT)
        moment = world.documents.now()
        for field in (one.version_create_time, one.version_update_time, one.update_time):
            sdk.stamp(field, moment)
        sdk.stamp(one.create_time, moment)
        if before:
            one.create_time.CopyFrom(before[0].create_time)
        one.etag = str(int(moment * 1000))
        one.supported_deployment_resources_types[:] = [1]
        keep(world, one)
        _move(world, model, one.version_id, aliases, [])
    response = sdk.message(_SERVICE, "UploadModelResponse")(
        model=model, model_version_id=one.version_id
    )
    kind = sdk.message(_SERVICE, "UploadModelOperationMetadata")
    return world.operations.done(model, world.clock.now(), kind(), response)


def _check_aliases(aliases: list[str]) -> None:
    for alias in aliases:
        if not _ALIAS.fullmatch(alias):
            raise invalid(
                f"Version alias '{alias}' is invalid: it must match {_ALIAS.pattern}, so that it "
                "is told from a version id."
            )


def _move(world: World, model: str, to: str, added: list[str], removed: list[str]) -> None:
    """Give aliases to a version, which others lose: an alias means one version."""
    for one in versions(world, model):
        held = [each for each in one.version_aliases if each not in (*added, *removed)]
        if one.version_id == to:
            held += [each for each in added if each not in held]
        if list(one.version_aliases) != held:
            changed = sdk.copied(one)
            changed.version_aliases[:] = held
            sdk.stamp(changed.version_update_time, world.documents.now())
            keep(world, changed)


def _get(world: World, call: Call, request: Any) -> Any:
    return version(world, call, request.name)


def _list(world: World, call: Call, request: Any) -> Any:
    parent = world.projects.parent(call, request.parent)
    held = [
        one
        for one in world.documents.below(KIND, f"{parent}/models")
        if _DEFAULT in one.version_aliases
    ]
    return listed(request, sdk.message(_SERVICE, "ListModelsResponse"), "models", held)


def _list_versions(world: World, call: Call, request: Any) -> Any:
    model, _ = split(version(world, call, request.name.partition("@")[0]).name)
    kind = sdk.message(_SERVICE, "ListModelVersionsResponse")
    return listed(request, kind, "models", versions(world, model), newest=False)


def _update(world: World, call: Call, request: Any) -> Any:
    with world.documents.lock:
        one = sdk.copied(version(world, call, request.model.name))
        name, number = one.name, one.version_id
        allowed = {"display_name", "description", "labels", "version_description"}
        for path in request.update_mask.paths:
            head = sdk.snake(path.partition(".")[0])
            if head == "version_aliases":
                raise invalid("version_aliases cannot be updated: use mergeVersionAliases.")
            if head not in allowed:
                raise invalid(f"The field '{path}' of a Model cannot be updated.")
        sdk.masked(one, request.model, request.update_mask)
        check_labels(one.labels)
        one.name, one.version_id = name, number
        moment = world.documents.now()
        sdk.stamp(one.update_time, moment)
        one.etag = str(int(moment * 1000))
        keep(world, one)
    return one


def _deployed(world: World, model: str, number: str = "") -> str:
    """Return the endpoint at which a model is deployed; "" for none."""
    for endpoint in world.documents.below("Endpoint", ""):
        for one in endpoint.deployed_models:
            if one.model == model and number in ("", one.model_version_id):
                return str(endpoint.name)
    return ""


def _deletion(world: World, name: str) -> Any:
    metadata = sdk.vertex("operation", "DeleteOperationMetadata")()
    return world.operations.done(name.partition("/models/")[0], world.clock.now(), metadata)


def _delete(world: World, call: Call, request: Any) -> Any:
    model = version(world, call, request.name.partition("@")[0]).name
    place = _deployed(world, model)
    if place:
        raise unready(f"The Model '{model}' is deployed at '{place}': undeploy it first.")
    for one in versions(world, model):
        world.documents.remove(KIND, f"{model}@{one.version_id}")
    return _deletion(world, model)


def _delete_version(world: World, call: Call, request: Any) -> Any:
    one = version(world, call, request.name)
    if _DEFAULT in one.version_aliases:
        raise unready(f"The version {one.version_id} is the default one: move 'default' first.")
    place = _deployed(world, one.name, one.version_id)
    if place:
        raise unready(f"The Model version is deployed at '{place}': undeploy it first.")
    world.documents.remove(KIND, f"{one.name}@{one.version_id}")
    return _deletion(world, one.name)


def _merge(world: World, call: Call, request: Any) -> Any:
    with world.documents.lock:
        one = version(world, call, request.name)
        added = [each for each in request.version_aliases if not each.startswith("-")]
        removed = [each[1:] for each in request.version_aliases if each.startswith("-")]
        if not request.version_aliases:
            raise invalid("version_aliases is required.", version_aliases="is required")
        _check_aliases([*added, *removed])
        if _DEFAULT in removed:
            raise invalid("The alias 'default' can be moved, but not removed.")
        _move(world, one.name, one.version_id, added, removed)
        return version(world, call, f"{one.name}@{one.version_id}")


def _rpc(name: str, answer: Any, how: How, verb: str) -> Rpc:
    return Rpc(name, answer, how, f"aiplatform.models.{verb}")


SERVICES: Final = (
    Service(
        "google.cloud.aiplatform.v1.ModelService", VERTEX, sdk.VERTEX, "model_service", _SERVICE,
        (
            _rpc("UploadModel", _upload, How.RECORD, "upload"),
            _rpc("GetModel", _get, How.STATE, "get"),
            _rpc("ListModels", _list, How.STATE, "list"),
            _rpc("ListModelVersions", _list_versions, How.STATE, "list"),
            _rpc("UpdateModel", _update, How.RECORD, "update"),
            _rpc("DeleteModel", _delete, How.RECORD, "delete"),
            _rpc("DeleteModelVersion", _delete_version, How.RECORD, "delete"),
            _rpc("MergeVersionAliases", _merge, How.RECORD, "update"),
        ),
        {"*": "keep what belongs to models in MLflow"},
    ),
)  # fmt: skip
