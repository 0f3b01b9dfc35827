"""Requests to key vaults about secrets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from waterflow.emulation.paging import page
from waterflow_azureml.emulator.errors import Refusal, unanswered
from waterflow_azureml.emulator.routes import VAULT, Handler, How, Request, Route, json_answer

if TYPE_CHECKING:
    from waterflow.emulation.wire import Reply
    from waterflow_azureml.emulator.vaults import Vault, Vaults, Version
    from waterflow_azureml.emulator.world import World

_NAME: Final = re.compile(r"[0-9a-zA-Z-]{1,127}")
_PAGE: Final = 25
_LONGEST: Final = 25_600
_KEPT: Final = 90
"""Days for which what is deleted can come back."""
_MEMBERS: Final[dict[str, tuple[type, ...]]] = {
    "value": (str,),
    "contentType": (str,),
    "tags": (dict,),
    "attributes": (dict,),
}
_ATTRIBUTES: Final[dict[str, tuple[type, ...]]] = {
    "enabled": (bool,),
    "nbf": (int,),
    "exp": (int,),
    "created": (int,),
    "updated": (int,),
    "recoveryLevel": (str,),
    "recoverableDays": (int,),
}


def _vault(world: World, request: Request) -> tuple[Vaults, Vault]:
    vaults: Vaults = world.parts["vaults"]
    name = request.host.partition(".")[0]
    vault = vaults.get(name)
    if vault is None:
        raise Refusal(
            404,
            "VaultNotFound",
            f"There is no key vault {name} in this emulator: name it in a profile, or make it by "
            "Azure Resource Manager.",
        )
    return vaults, vault


def _versions(vault: Vault, name: str) -> list[Version]:
    if name not in vault.secrets:
        raise Refusal(
            404,
            "SecretNotFound",
            f"A secret with (name/id) {name} was not found in this key vault. If you recently "
            "deleted this secret you may be able to recover it using the correct recovery command.",
        )
    return vault.secrets[name]


def _version(vault: Vault, name: str, identity: str) -> Version:
    for one in _versions(vault, name):
        if one.identity == identity:
            return one
    raise Refusal(
        404, "SecretNotFound", f"A secret with (name/id) {name}/{identity} was not found in this "
        "key vault.",
    )  # fmt: skip


def _bundle(
    request: Request, name: str, version: Version, *, value: bool = True, whole: bool = True
) -> dict[str, Any]:
    identity = f"https://{request.host}/secrets/{name}"
    attributes = {
        "enabled": version.enabled,
        "nbf": version.begin,
        "exp": version.end,
        "created": int(version.created),
        "updated": int(version.updated),
        "recoveryLevel": "Recoverable+Purgeable",
        "recoverableDays": _KEPT,
    }
    answer = {
        "value": version.value if value else None,
        "id": f"{identity}/{version.identity}" if whole else identity,
        "attributes": {one: held for one, held in attributes.items() if held is not None},
        "tags": version.tags,
        "contentType": version.kind,
    }
    return {one: held for one, held in answer.items() if held is not None}


def _check(body: dict[str, Any], members: dict[str, tuple[type, ...]]) -> None:
    for name, value in body.items():
        if name not in members:
            raise Refusal(400, "BadParameter", f"Property '{name}' is not known.")
        right = isinstance(value, members[name]) and not (
            isinstance(value, bool) and bool not in members[name]
        )
        if value is not None and not right:
            raise Refusal(400, "BadParameter", f"Property '{name}' has invalid value.")


def _change(version: Version, body: dict[str, Any]) -> None:
    attributes = body.get("attributes") or {}
    if attributes.get("enabled") is not None:
        version.enabled = attributes["enabled"]
    version.begin = attributes.get("nbf", version.begin)
    version.end = attributes.get("exp", version.end)
    version.kind = body.get("contentType", version.kind)
    if body.get("tags") is not None:
        version.tags = {str(one): str(held) for one, held in body["tags"].items()}


def _body(request: Request, *, value: bool) -> dict[str, Any]:
    body = request.json
    _check(body, _MEMBERS)
    _check(body.get("attributes") or {}, _ATTRIBUTES)
    if value and body.get("value") is None:
        raise Refusal(400, "BadParameter", "The request body must have the property 'value'.")
    if len(body.get("value") or "") > _LONGEST:
        raise Refusal(400, "BadParameter", "Property 'value' is longer than 25600 characters.")
    return body


def _set(world: World, request: Request, name: str) -> Reply:
    vaults, vault = _vault(world, request)
    if not _NAME.fullmatch(name):
        text = f"The request URI contains an invalid name: {name}"
        raise Refusal(400, "BadParameter", text)
    body = _body(request, value=True)
    with vaults.lock:
        if name in vault.deleted:
            raise Refusal(
                409,
                "Conflict",
                f"Secret {name} is currently in a deleted but recoverable state, and its name "
                "cannot be reused; in this state, the secret can only be recovered or purged.",
            )
        version = vaults.put(vault, name, body["value"])
        _change(version, body)
    return json_answer(_bundle(request, name, version))


def _get(world: World, request: Request, name: str, version: str = "") -> Reply:
    vaults, vault = _vault(world, request)
    held = _version(vault, name, version) if version else _versions(vault, name)[-1]
    moment = vaults.now()
    if not held.enabled:
        raise Refusal(403, "Forbidden", "Operation get is not allowed on a disabled secret.")
    if (held.begin is not None and moment < held.begin) or (
        held.end is not None and moment > held.end
    ):
        text = "Operation get is not allowed on an expired or not yet valid secret."
        raise Refusal(403, "Forbidden", text)
    return json_answer(_bundle(request, name, held))


def _update(world: World, request: Request, name: str, version: str = "") -> Reply:
    vaults, vault = _vault(world, request)
    body = _body(request, value=False)
    with vaults.lock:
        held = _version(vault, name, version) if version else _versions(vault, name)[-1]
        _change(held, body)
        held.updated = float(int(vaults.now()))
    return json_answer(_bundle(request, name, held, value=False))


def _list(world: World, request: Request) -> Reply:
    _, vault = _vault(world, request)
    entries = [
        _bundle(request, name, versions[-1], value=False, whole=False)
        for name, versions in sorted(vault.secrets.items())
    ]
    return _paged(request, entries)


def _list_versions(world: World, request: Request, name: str) -> Reply:
    _, vault = _vault(world, request)
    held = _versions(vault, name)
    return _paged(request, [_bundle(request, name, one, value=False) for one in held])


def _delete(world: World, request: Request, name: str) -> Reply:
    vaults, vault = _vault(world, request)
    with vaults.lock:
        _versions(vault, name)
        vault.deleted[name] = vault.secrets.pop(name)
        vault.moments[name] = float(int(vaults.now()))
    return json_answer(_remains(request, vault, name))


def _deleted(world: World, request: Request, name: str) -> Reply:
    _, vault = _vault(world, request)
    _check_deleted(vault, name)
    return json_answer(_remains(request, vault, name))


def _list_deleted(world: World, request: Request) -> Reply:
    _, vault = _vault(world, request)
    return _paged(request, [_remains(request, vault, name) for name in sorted(vault.deleted)])


def _recover(world: World, request: Request, name: str) -> Reply:
    vaults, vault = _vault(world, request)
    with vaults.lock:
        _check_deleted(vault, name)
        vault.secrets[name] = vault.deleted.pop(name)
    return json_answer(_bundle(request, name, vault.secrets[name][-1], value=False))


def _purge(world: World, request: Request, name: str) -> Reply:
    vaults, vault = _vault(world, request)
    with vaults.lock:
        _check_deleted(vault, name)
        del vault.deleted[name]
    return json_answer(None, 204)


def _check_deleted(vault: Vault, name: str) -> None:
    if name not in vault.deleted:
        text = f"Deleted Secret not found: {name}"
        raise Refusal(404, "SecretNotFound", text)


def _remains(request: Request, vault: Vault, name: str) -> dict[str, Any]:
    moment = int(vault.moments[name])
    return {
        **_bundle(request, name, vault.deleted[name][-1], value=False),
        "recoveryId": f"https://{request.host}/deletedsecrets/{name}",
        "deletedDate": moment,
        "scheduledPurgeDate": moment + _KEPT * 86_400,
    }


def _paged(request: Request, entries: list[dict[str, Any]]) -> Reply:
    text = request.query.get("maxresults", str(_PAGE))
    if not text.isdecimal() or not 1 <= int(text) <= _PAGE:
        raise Refusal(400, "BadParameter", f"maxresults must be from 1 to {_PAGE}, not '{text}'")
    try:
        held, following = page(entries, int(text), request.query.get("$skiptoken"))
    except ValueError as error:
        raise Refusal(400, "BadParameter", f"$skiptoken: {error}") from None
    version = request.query.get("api-version", "7.4")
    more = f"{request.url}?api-version={version}&maxresults={text}&$skiptoken={following}"
    return json_answer({"value": list(held), "nextLink": more if following else None})


def _refused(_world: World, request: Request, rest: str = "") -> Reply:
    raise unanswered(
        f"{request.method} {request.path} of key vaults", f"{rest or 'it'} is not kept: only "
        "secrets are",
    )  # fmt: skip


def _route(
    method: str, path: str, operation: str, handler: Handler, how: How, action: str
) -> Route:
    permission = f"Microsoft.KeyVault/vaults/secrets/{action}"
    return Route(method, VAULT, path, f"secrets.{operation}", handler, how, action=permission)


_SECRET: Final = "/secrets/{name}"  # noqa: S105 - a path
_GONE: Final = "/deletedsecrets/{name}"
_READ: Final = "readMetadata/action"
ROUTES: Final = [
    _route("PUT", _SECRET, "set", _set, How.RECORD, "setSecret/action"),
    _route("GET", "/secrets", "list", _list, How.STATE, _READ),
    _route("GET", f"{_SECRET}/versions", "versions", _list_versions, How.STATE, _READ),
    _route("GET", _SECRET, "get", _get, How.STATE, "getSecret/action"),
    _route("GET", f"{_SECRET}/{{version}}", "get", _get, How.STATE, "getSecret/action"),
    _route("PATCH", _SECRET, "update", _update, How.RECORD, "update/action"),
    _route("PATCH", f"{_SECRET}/{{version}}", "update", _update, How.RECORD, "update/action"),
    _route("DELETE", _SECRET, "delete", _delete, How.RECORD, "delete"),
    _route("GET", "/deletedsecrets", "list_deleted", _list_deleted, How.STATE, _READ),
    _route("GET", _GONE, "deleted", _deleted, How.STATE, _READ),
    _route("POST", f"{_GONE}/recover", "recover", _recover, How.RECORD, "recover/action"),
    _route("DELETE", _GONE, "purge", _purge, How.RECORD, "purge/action"),
    *(
        Route(method, VAULT, "/{rest:path}", "secrets.refused", _refused, How.STATE)
        for method in ("GET", "PUT", "POST", "PATCH", "DELETE")
    ),
]
