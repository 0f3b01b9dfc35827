"""Secret Manager: secrets, their versions, and what may read them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from waterflow_vertex.emulator import sdk
from waterflow_vertex.emulator.documents import listed
from waterflow_vertex.emulator.errors import invalid, missing, unready
from waterflow_vertex.emulator.routes import SECRETS, Call, How
from waterflow_vertex.emulator.rpcs import Rpc, Service

if TYPE_CHECKING:
    from waterflow_vertex.emulator.world import World

_SERVICE: Final = f"{sdk.SECRETS}.types.service"
_RESOURCES: Final = f"{sdk.SECRETS}.types.resources"
_LARGEST: Final = 64 * 1024
"""Bytes of the largest secret.

https://cloud.google.com/secret-manager/quotas
"""
_NAME_LENGTH: Final = 255


KINDS: Final = {
    "secret": partial(sdk.message, _RESOURCES, "Secret"),
    "secret version": partial(sdk.message, _RESOURCES, "SecretVersion"),
}


def _canonical(world: World, name: str, permission: str) -> str:
    """Return the name of a secret or a version, with the project's number."""
    head, slash, rest = name.partition("/secrets/")
    parts = head.split("/")
    if not slash or len(parts) < 2:
        raise invalid(f"Invalid resource name '{name}'.")
    parts[1] = world.projects.get(parts[1], permission).number
    return f"{'/'.join(parts)}/secrets/{rest}"


def make(world: World, project: str, name: str, value: bytes) -> None:
    """Make a secret with one version, for what a profile names."""
    call = Call("")
    kind = sdk.message(_RESOURCES, "Secret")
    request = sdk.message(_SERVICE, "CreateSecretRequest")(
        parent=f"projects/{project}", secret_id=name, secret=kind(replication={"automatic": {}})
    )
    secret = _create(world, call, request)
    add = sdk.message(_SERVICE, "AddSecretVersionRequest")(
        parent=secret.name, payload={"data": value}
    )
    _add(world, call, add)


def _create(world: World, call: Call, request: Any) -> Any:
    del call
    name = request.secret_id
    legal = name.replace("-", "").replace("_", "")
    if not 0 < len(name) <= _NAME_LENGTH or not (legal.isalnum() and legal.isascii()):
        raise invalid(f"Secret id '{name}' is invalid: letters, digits, '-' and '_' are allowed.")
    if not request.secret.HasField("replication") and "/locations/" not in request.parent:
        raise invalid("Secret.replication is required.", **{"secret.replication": "is required"})
    whole = _canonical(world, f"{request.parent}/secrets/{name}", "secretmanager.secrets.create")
    secret = sdk.copied(request.secret)
    secret.name = whole
    sdk.stamp(secret.create_time, world.documents.now())
    secret.etag = '"1"'
    return world.documents.add("secret", whole, secret)


def _get(world: World, call: Call, request: Any) -> Any:
    del call
    name = _canonical(world, request.name, "secretmanager.secrets.get")
    return world.documents.get("secret", name)


def _list(world: World, call: Call, request: Any) -> Any:
    del call
    parent = _canonical(world, f"{request.parent}/secrets/", "secretmanager.secrets.list")
    held = world.documents.below("secret", parent.removesuffix("/"))
    answer = listed(
        request, sdk.message(_SERVICE, "ListSecretsResponse"), "secrets", held, usual=25_000
    )
    answer.total_size = len(held)
    return answer


def _update(world: World, call: Call, request: Any) -> Any:
    del call
    name = _canonical(world, request.secret.name, "secretmanager.secrets.update")
    with world.documents.lock:
        secret = sdk.copied(world.documents.get("secret", name))
        sdk.masked(secret, request.secret, request.update_mask)
        secret.name = name
        secret.etag = f'"{int(secret.etag.strip(chr(34)) or 0) + 1}"'
        world.documents.put("secret", name, secret)
    return secret


def _delete(world: World, call: Call, request: Any) -> Any:
    name = _get(world, call, request).name
    for version in world.documents.below("secret version", name):
        world.documents.remove("secret version", version.name)
        world.secrets.forget(version.name)
    world.documents.remove("secret", name)
    world.projects.policies.pop(name, None)
    return sdk.message("google.protobuf.empty_pb2", "Empty")()


# --- versions -------------------------------------------------------------------------------------


def _add(world: World, call: Call, request: Any) -> Any:
    del call
    parent = _canonical(world, request.parent, "secretmanager.versions.add")
    secret = world.documents.get("secret", parent)
    data = request.payload.data
    if not data:
        raise invalid("SecretPayload.data is required.", **{"payload.data": "is required"})
    if len(data) > _LARGEST:
        raise invalid(f"The secret payload is larger than {_LARGEST} bytes.")
    if request.payload.HasField("data_crc32c"):
        import google_crc32c

        if google_crc32c.value(data) != request.payload.data_crc32c:
            raise invalid("The secret payload is not what its data_crc32c says.")
    with world.documents.lock:
        number = 1 + len(world.documents.below("secret version", parent))
        version = sdk.message(_RESOURCES, "SecretVersion")(
            name=f"{parent}/versions/{number}",
            state="ENABLED",
            etag='"1"',
            client_specified_payload_checksum=request.payload.HasField("data_crc32c"),
        )
        sdk.stamp(version.create_time, world.documents.now())
        if secret.replication.HasField("automatic"):
            version.replication_status.automatic.SetInParent()
        world.documents.add("secret version", version.name, version)
        world.secrets.put(version.name, data)
    return version


def _version(world: World, call: Call, request: Any) -> Any:
    """Return the version that a request names: by number, alias or as the latest."""
    del call
    name = _canonical(world, request.name, "secretmanager.versions.access")
    parent, _, which = name.rpartition("/versions/")
    secret = world.documents.get("secret", parent)
    if which == "latest":
        held = world.documents.below("secret version", parent)
        if not held:
            raise missing(f"Secret [{parent}] not found or has no versions.")
        return held[-1]  # the one that was made last, whatever has become of it
    if which in secret.version_aliases:
        which = str(secret.version_aliases[which])
    return world.documents.get("secret version", f"{parent}/versions/{which}")


def _state(name: str) -> int:
    return sdk.message(_RESOURCES, "SecretVersion").State.Value(name)


def _access(world: World, call: Call, request: Any) -> Any:
    import google_crc32c

    version = _version(world, call, request)
    if version.state != _state("ENABLED"):
        word = sdk.message(_RESOURCES, "SecretVersion").State.Name(version.state)
        raise unready(f"Secret Version [{version.name}] is in {word} state.")
    data = world.secrets.data(version.name)
    return sdk.message(_SERVICE, "AccessSecretVersionResponse")(
        name=version.name, payload={"data": data, "data_crc32c": google_crc32c.value(data)}
    )


def _list_versions(world: World, call: Call, request: Any) -> Any:
    del call
    parent = _canonical(world, request.parent, "secretmanager.versions.list")
    world.documents.get("secret", parent)
    held = world.documents.below("secret version", parent)
    kind = sdk.message(_SERVICE, "ListSecretVersionsResponse")
    answer = listed(request, kind, "versions", held, usual=25_000)
    answer.total_size = len(held)
    return answer


def _turn(state: str) -> Any:
    def turn(world: World, call: Call, request: Any) -> Any:
        with world.documents.lock:
            version = sdk.copied(_version(world, call, request))
            if version.state == _state("DESTROYED"):
                raise unready(f"Secret Version [{version.name}] is in DESTROYED state.")
            version.state = _state(state)
            if state == "DESTROYED":
                sdk.stamp(version.destroy_time, world.documents.now())
                world.secrets.forget(version.name)
            world.documents.put("secret version", version.name, version)
        return version

    return turn


# --- who may --------------------------------------------------------------------------------------


def _policy(world: World, call: Call, request: Any) -> Any:
    del call
    name = _canonical(world, request.resource, "secretmanager.secrets.getIamPolicy")
    world.documents.get("secret", name)
    kind = sdk.message(f"{sdk.IAM}.policy_pb2", "Policy")
    held = world.projects.policies.get(name)
    return kind(etag=b"ACAB") if held is None else sdk.parse(kind, held)


def _set_policy(world: World, call: Call, request: Any) -> Any:
    del call
    name = _canonical(world, request.resource, "secretmanager.secrets.setIamPolicy")
    world.documents.get("secret", name)
    world.projects.policies[name] = sdk.written(request.policy)
    return request.policy


def _test(world: World, call: Call, request: Any) -> Any:
    del call
    name = _canonical(world, request.resource, "secretmanager.secrets.get")
    world.documents.get("secret", name)
    kind = sdk.message(f"{sdk.IAM}.iam_policy_pb2", "TestIamPermissionsResponse")
    return kind(permissions=list(request.permissions))


def _iam(name: str) -> Any:
    return partial(sdk.message, f"{sdk.IAM}.iam_policy_pb2", name)


def _rpc(name: str, answer: Any, how: How, verb: str, request: Any = None) -> Rpc:
    return Rpc(name, answer, how, f"secretmanager.{verb}" if verb else "", request)


SERVICES: Final = (
    Service(
        "google.cloud.secretmanager.v1.SecretManagerService", SECRETS, sdk.SECRETS,
        "secret_manager_service", _SERVICE,
        (
            _rpc("CreateSecret", _create, How.RECORD, "secrets.create"),
            _rpc("GetSecret", _get, How.STATE, "secrets.get"),
            _rpc("ListSecrets", _list, How.STATE, "secrets.list"),
            _rpc("UpdateSecret", _update, How.RECORD, "secrets.update"),
            _rpc("DeleteSecret", _delete, How.RUN, "secrets.delete"),
            _rpc("AddSecretVersion", _add, How.RUN, "versions.add"),
            _rpc("GetSecretVersion", _version, How.STATE, "versions.get"),
            _rpc("AccessSecretVersion", _access, How.RUN, "versions.access"),
            _rpc("ListSecretVersions", _list_versions, How.STATE, "versions.list"),
            _rpc("EnableSecretVersion", _turn("ENABLED"), How.RUN, "versions.enable"),
            _rpc("DisableSecretVersion", _turn("DISABLED"), How.RUN, "versions.disable"),
            _rpc("DestroySecretVersion", _turn("DESTROYED"), How.RUN, "versions.destroy"),
            _rpc("GetIamPolicy", _policy, How.STATE, "secrets.getIamPolicy",
                 _iam("GetIamPolicyRequest")),
            _rpc("SetIamPolicy", _set_policy, How.RECORD, "secrets.setIamPolicy",
                 _iam("SetIamPolicyRequest")),
            _rpc("TestIamPermissions", _test, How.STATE, "", _iam("TestIamPermissionsRequest")),
        ),
    ),
)  # fmt: skip
