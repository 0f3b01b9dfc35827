"""The Data Lake's API (dfs) over the same containers: paths, folders, and files appended to."""

from __future__ import annotations

import base64
import copy
import json
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from waterflow.emulation.paging import page
from waterflow.emulation.wire import Reply
from waterflow_azureml.emulator import blob_wire, blobs
from waterflow_azureml.emulator.blob_wire import changed, common
from waterflow_azureml.emulator.errors import Headless, Refusal, unanswered
from waterflow_azureml.emulator.routes import DFS, Handler, How, Request, Route
from waterflow_azureml.emulator.storage import FOLDER

if TYPE_CHECKING:
    from waterflow_azureml.emulator.storage import Blob, Container
    from waterflow_azureml.emulator.world import World

_MOST: Final = 5000
_DATA: Final = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"


def _missing() -> Refusal:
    return Refusal(404, "PathNotFound", "The specified path does not exist.")


def _is_folder(held: Container, path: str) -> bool:
    blob = held.blobs.get(path)
    if blob is not None:
        return blob.metadata.get(FOLDER) == "true"
    return any(name.startswith(f"{path}/") for name in held.blobs)


def _list(world: World, request: Request, filesystem: str) -> Reply:
    _, held = _filesystem(world, request, filesystem)
    query = request.query
    folder = query.get("directory", "").strip("/")
    if folder and not _is_folder(held, folder):
        raise _missing()
    recursive = query.get("recursive", "false").lower() == "true"
    text = query.get("maxresults") or query.get("maxResults") or str(_MOST)
    if not text.isdecimal() or not int(text) >= 1:
        code = "OutOfRangeQueryParameterValue"
        raise Refusal(400, code, f"maxResults must be a whole number from 1, not '{text}'")
    with world.blobs.lock:
        entries = _entries(held, folder, recursive=recursive)
    try:
        listed, following = page(entries, min(int(text), _MOST), query.get("continuation"))
    except ValueError:
        raise Refusal(400, "InvalidQueryParameterValue", "The continuation is invalid.") from None
    more = (("x-ms-continuation", following),) if following else ()
    body = json.dumps({"paths": list(listed)}).encode()
    return Reply(200, body, (*common(), ("Content-Type", "application/json"), *more))


def _entries(held: Container, folder: str, *, recursive: bool) -> list[dict[str, Any]]:
    start = f"{folder}/" if folder else ""
    paths: dict[str, Blob | None] = {}
    for name, blob in held.blobs.items():
        if not name.startswith(start) or name == start:
            continue
        parts = name[len(start) :].split("/")
        depths = range(1, len(parts)) if recursive else range(1, min(2, len(parts)))
        for depth in depths:
            paths.setdefault(start + "/".join(parts[:depth]), None)
        if recursive or len(parts) == 1:
            paths[name] = blob
    entries: list[dict[str, Any]] = []
    for path, blob in sorted(paths.items()):
        is_folder = blob is None or blob.metadata.get(FOLDER) == "true"
        entry: dict[str, Any] = {"name": path, "owner": "$superuser", "group": "$superuser"}
        entry |= {"permissions": "rwxr-x---" if is_folder else "rw-r-----"}
        entry["contentLength"] = str(blob.size if blob else 0)
        if is_folder:
            entry["isDirectory"] = "true"
        if blob is not None:
            entry["etag"] = blob.tag
            entry["lastModified"] = formatdate(blob.modified, usegmt=True)
        entries.append(entry)
    return entries


def _filesystem(world: World, request: Request, name: str) -> tuple[Any, Container]:
    try:
        return blob_wire.container(world, request, name)
    except Refusal as error:
        if error.code == "ContainerNotFound":
            text = "The specified filesystem does not exist."
            raise Refusal(404, "FilesystemNotFound", text) from None
        raise


def _create_filesystem(world: World, request: Request, filesystem: str) -> Reply:
    blob_wire.check_container(filesystem)
    account = blob_wire.account(world, request)
    if filesystem in account.containers:
        text = "The specified filesystem already exists."
        raise Refusal(409, "FilesystemAlreadyExists", text)
    world.blobs.container(account.name, filesystem)
    return Reply(201, b"", common())


def _has_filesystem(world: World, request: Request, filesystem: str) -> Reply:
    account, _ = _filesystem(world, request, filesystem)
    enabled = str(account.hierarchical).lower()
    return Headless(200, b"", (*common(), ("x-ms-namespace-enabled", enabled)))


def _delete_filesystem(world: World, request: Request, filesystem: str) -> Reply:
    account, _ = _filesystem(world, request, filesystem)
    del account.containers[filesystem]
    return Reply(202, b"", common())


def _create(world: World, request: Request, filesystem: str, path: str) -> Reply:
    """Make a file or a folder, or move one here."""
    account, held = _filesystem(world, request, filesystem)
    path = path.strip("/")
    blob_wire.check_blob(path)
    if "x-ms-rename-source" in request.headers:
        return _moved(world, request, filesystem, path)
    kind = request.query.get("resource", "")
    if kind not in ("file", "directory"):
        raise Refusal(400, "InvalidQueryParameterValue", "resource must be file or directory.")
    with world.blobs.lock:
        before = held.blobs.get(path)
        try:
            blob_wire.conditions(request.headers, before)
        except Refusal as error:
            if error.code == "BlobAlreadyExists":
                text = "The specified path already exists."
                raise Refusal(409, "PathAlreadyExists", text) from None
            raise
        if kind == "file" and before is None and _is_folder(held, path):
            text = "The resource type is invalid: it is a directory."
            raise Refusal(409, "ResourceTypeMismatch", text)
        kept = world.blobs.keep(b"")
        kept.headers = {
            "Content-Type": request.headers.get("x-ms-content-type") or "application/octet-stream"
        }
        metadata = {FOLDER: "true"} if kind == "directory" else {}
        blob = world.blobs.place(account, held, path, kept, metadata)
        held.blocks.pop(path, None)
    return Reply(201, b"", changed(blob))


def _moved(world: World, request: Request, filesystem: str, path: str) -> Reply:
    account, held = _filesystem(world, request, filesystem)
    source = unquote(request.headers["x-ms-rename-source"].partition("?")[0]).strip("/")
    origin, _, place = source.partition("/")
    _, there = _filesystem(world, request, origin)
    with world.blobs.lock:
        names = [n for n in there.blobs if n == place or n.startswith(f"{place}/")]
        if not names:
            text = "The source URI for a rename operation does not exist."
            raise Refusal(404, "SourcePathNotFound", text)
        blob_wire.conditions(request.headers, held.blobs.get(path))
        for name in names:
            blob = copy.deepcopy(there.blobs[name])
            world.blobs.place(account, held, path + name[len(place) :], blob, blob.metadata)
            del there.blobs[name]
    return Reply(201, b"", common())


def _patch(world: World, request: Request, filesystem: str, path: str) -> Reply:
    """Append to a file what is not seen yet, make it seen, or change what is said of it."""
    account, held = _filesystem(world, request, filesystem)
    action = request.query.get("action", "").lower()
    path = path.strip("/")
    with world.blobs.lock:
        blob = held.blobs.get(path)
        if blob is None:
            raise _missing()
        waiting = held.blocks.setdefault(path, {})
        length = blob.size + sum(size for _, size in waiting.values())
        if action == "append":
            if request.query.get("position") != str(length):
                text = "The uploaded data is not contiguous or the position is wrong."
                raise Refusal(400, "InvalidFlushPosition", text)
            kept = world.blobs.keep(request.body)
            waiting[f"{length:020d}"] = (kept.digest, kept.size)
            if request.query.get("flush", "false").lower() != "true":
                return Reply(202, b"", (*common(), ("x-ms-request-server-encrypted", "true")))
            length += kept.size
        elif action != "flush":
            if action == "setproperties":
                return _described(world, request, account, held, path)
            raise unanswered(f"the action '{action}' of paths", "use append, flush, setProperties")
        elif request.query.get("position") != str(length):
            text = "The uploaded data is not contiguous or the position query is not its length."
            raise Refusal(400, "InvalidFlushPosition", text)
        digests = [blob.digest, *(digest for _, (digest, _) in sorted(waiting.items()))]
        grown = world.blobs.joined(digests)
        grown.headers = blob.headers
        placed = world.blobs.place(account, held, path, grown, blob.metadata)
        held.blocks.pop(path, None)
    return Reply(200, b"", changed(placed))


def _described(world: World, request: Request, account: Any, held: Container, path: str) -> Reply:
    blob = held.blobs[path]
    pairs = (one.partition("=") for one in request.headers.get("x-ms-properties", "").split(","))
    folder = {FOLDER: "true"} if blob.metadata.get(FOLDER) == "true" else {}
    blob.metadata = folder | {
        name: base64.b64decode(value).decode("utf-8", "replace") for name, _, value in pairs if name
    }
    world.blobs.touch(account, held, path, blob)
    return Reply(200, b"", changed(blob))


def _get(world: World, request: Request, filesystem: str, path: str) -> Reply:
    path = path.strip("/")
    _, held = _filesystem(world, request, filesystem)
    folder = _is_folder(held, path)
    if path not in held.blobs and not folder:
        raise _missing()
    more = (("x-ms-resource-type", "directory" if folder else "file"),)
    more += (("x-ms-owner", "$superuser"), ("x-ms-group", "$superuser"))
    more += (("x-ms-permissions", "rwxr-x---" if folder else "rw-r-----"),)
    if path not in held.blobs:
        return Headless(200, b"", (*common(), *more, ("Content-Length", "0")))
    reply = blobs.get(world, request, filesystem, path)
    return type(reply)(reply.status, reply.body, (*reply.headers, *more))


def _delete(world: World, request: Request, filesystem: str, path: str) -> Reply:
    account, held = _filesystem(world, request, filesystem)
    path = path.strip("/")
    with world.blobs.lock:
        names = [name for name in held.blobs if name.startswith(f"{path}/")]
        if path not in held.blobs and not names:
            raise _missing()
        if path in held.blobs:
            blob_wire.conditions(request.headers, held.blobs[path])
        if names and request.query.get("recursive", "false").lower() != "true":
            text = "The recursive query parameter value must be true to delete a directory."
            raise Refusal(409, "DirectoryNotEmpty", text)
        for name in (*names, *([path] if path in held.blobs else [])):
            world.blobs.remove(account, held, name)
    return Reply(200, b"", common())


def _route(
    method: str, path: str, operation: str, handler: Handler, verb: str,
    query: dict[str, str] | None = None,
) -> Route:  # fmt: skip
    how = How.STATE if method in ("GET", "HEAD") and operation != "get" else How.RUN
    action = f"{_DATA}/{verb}"
    return Route(method, DFS, path, f"lake.{operation}", handler, how, query or {}, action)


_ALL: Final = {"resource": "filesystem"}
_PATH: Final = "/{filesystem}/{path:path}"
ROUTES: Final = [
    _route("GET", "/{filesystem}", "list", _list, "read", _ALL),
    _route("PUT", "/{filesystem}", "create_filesystem", _create_filesystem, "write", _ALL),
    _route("HEAD", "/{filesystem}", "has_filesystem", _has_filesystem, "read", _ALL),
    _route("DELETE", "/{filesystem}", "delete_filesystem", _delete_filesystem, "delete", _ALL),
    _route("PUT", _PATH, "create", _create, "write"),
    _route("PATCH", _PATH, "patch", _patch, "write"),
    _route("GET", _PATH, "get", _get, "read"),
    _route("HEAD", _PATH, "head", _get, "read"),
    _route("DELETE", _PATH, "delete", _delete, "delete"),
]
