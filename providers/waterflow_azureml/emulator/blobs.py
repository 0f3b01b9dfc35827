"""Requests about blobs: written whole or in blocks, read, copied, removed, described."""

from __future__ import annotations

import base64
import binascii
import copy
import hashlib
import time
import uuid
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from waterflow.emulation.wire import Reply
from waterflow_azureml.emulator import blob_wire
from waterflow_azureml.emulator.blob_wire import changed, common, conditions, element, xml
from waterflow_azureml.emulator.errors import Headless, Refusal, unanswered
from waterflow_azureml.emulator.routes import BLOB, Handler, How, Request, Route

if TYPE_CHECKING:
    from waterflow_azureml.emulator.storage import Blob
    from waterflow_azureml.emulator.world import World

_COPYING: Final = 0.2
"""Seconds that the service says it copies from one account to another."""
_LONGEST_BLOCK: Final = 64
_MOST_BLOCKS: Final = 50_000


def _put(world: World, request: Request, container: str, name: str) -> Reply:
    kind = request.headers.get("x-ms-blob-type")
    if "x-ms-copy-source" in request.headers:
        return _copied(world, request, container, name, whole=kind is not None)
    if kind not in ("BlockBlob", "AppendBlob"):
        if kind == "PageBlob":
            raise unanswered("page blobs", "use block blobs")
        raise Refusal(
            400, "MissingRequiredHeader", "The header x-ms-blob-type is missing or it is wrong."
        )
    blob_wire.check_blob(name)
    account, held = blob_wire.container(world, request, container)
    _check_digest(request)
    with world.blobs.lock:
        conditions(request.headers, held.blobs.get(name))
        kept = world.blobs.keep(request.body if kind == "BlockBlob" else b"")
        kept.kind, kept.headers = kind, blob_wire.served(request.headers)
        blob = world.blobs.place(account, held, name, kept, blob_wire.metadata(request.headers))
        held.blocks.pop(name, None)
        held.committed[name] = []
    return Reply(201, b"", (*changed(blob), ("Content-MD5", blob.md5)))


def _block(world: World, request: Request, container: str, name: str) -> Reply:
    """Keep a block, of the request's own bytes or of a part of another blob."""
    _, held = blob_wire.container(world, request, container)
    identity = _block_id(request.query.get("blockid", ""))
    _check_digest(request)
    if "x-ms-copy-source" in request.headers:
        _, _, source = blob_wire.source(world, request)
        data = world.blobs.path(source).read_bytes()
        wish = request.headers.get("x-ms-source-range")
        limits = blob_wire.part({"range": wish} if wish else {}, source.size)
        data = data if limits is None else data[slice(*limits)]
    else:
        data = request.body
    kept = world.blobs.keep(data)
    with world.blobs.lock:
        held.blocks.setdefault(name, {})[identity] = (kept.digest, kept.size)
    return Reply(201, b"", (*common(), ("Content-MD5", kept.md5)))


def _block_list(world: World, request: Request, container: str, name: str) -> Reply:
    """Make a blob of blocks."""
    account, held = blob_wire.container(world, request, container)
    try:
        listed = [(one.tag, (one.text or "").strip()) for one in ET.fromstring(request.body)]  # noqa: S314 - entities are of no use here
    except ET.ParseError as error:
        raise Refusal(400, "InvalidXmlDocument", f"The XML is not well-formed: {error}") from None
    if len(listed) > _MOST_BLOCKS:
        raise Refusal(400, "BlockListTooLong", "The block list has more than 50,000 blocks.")
    with world.blobs.lock:
        before = held.blobs.get(name)
        conditions(request.headers, before)
        fresh, kept = held.blocks.get(name, {}), held.committed_blocks(name)
        blocks: list[tuple[str, str, int]] = []
        for place, identity in listed:
            pools = {
                "Latest": ({**kept, **fresh}),
                "Uncommitted": fresh,
                "Committed": kept,
            }.get(place, {})
            if identity not in pools:
                raise Refusal(400, "InvalidBlockList", "The specified block list is invalid.")
            blocks.append((identity, *pools[identity]))
        made = world.blobs.joined([digest for _, digest, _ in blocks])
        made.headers = blob_wire.served(
            {n: v for n, v in request.headers.items() if n != "content-type"}
        )
        blob = world.blobs.place(account, held, name, made, blob_wire.metadata(request.headers))
        held.blocks.pop(name, None)
        held.committed[name] = blocks
    return Reply(201, b"", changed(blob))


def _blocks(world: World, request: Request, container: str, name: str) -> Reply:
    _, held = blob_wire.container(world, request, container)
    wish = request.query.get("blocklisttype", "committed").lower()
    blob, fresh = held.blobs.get(name), held.blocks.get(name, {})
    if blob is None and not fresh:
        raise Refusal(404, "BlobNotFound", "The specified blob does not exist.")

    def listed(blocks: list[tuple[str, int]]) -> str:
        return "".join(
            f"<Block>{element('Name', identity)}{element('Size', size)}</Block>"
            for identity, size in blocks
        )

    text = ""
    if wish in ("committed", "all"):
        kept = [(identity, size) for identity, _, size in held.committed.get(name, [])]
        text += f"<CommittedBlocks>{listed(kept)}</CommittedBlocks>"
    if wish in ("uncommitted", "all"):
        waiting = [(identity, size) for identity, (_, size) in fresh.items()]
        text += f"<UncommittedBlocks>{listed(waiting)}</UncommittedBlocks>"
    reply = xml("BlockList", text)
    more = (*changed(blob), ("x-ms-blob-content-length", str(blob.size))) if blob else ()
    return Reply(200, reply.body, (*reply.headers, *more[2:]))


def _append(world: World, request: Request, container: str, name: str) -> Reply:
    account, held = blob_wire.container(world, request, container)
    with world.blobs.lock:
        blob = blob_wire.blob(held, name)
        conditions(request.headers, blob)
        if blob.kind != "AppendBlob":
            text = "The blob type is invalid for this operation."
            raise Refusal(409, "InvalidBlobType", text)
        place = request.headers.get("x-ms-blob-condition-appendpos")
        if place is not None and int(place) != blob.size:
            text = "The append position condition specified was not met."
            raise Refusal(412, "AppendPositionConditionNotMet", text)
        begin = blob.size
        addition = world.blobs.keep(request.body)
        grown = world.blobs.joined([blob.digest, addition.digest])
        blob.digest, blob.size, blob.md5 = grown.digest, grown.size, grown.md5
        blob.modified, blob.tag = world.blobs.stamp()
    del account
    more = (("x-ms-blob-append-offset", str(begin)), ("x-ms-blob-committed-block-count", "1"))
    return Reply(201, b"", (*changed(blob), *more))


def get(world: World, request: Request, container: str, name: str) -> Reply:
    """Read a blob, or a part of one."""
    _, held = blob_wire.container(world, request, container)
    if "snapshot" in request.query:
        raise unanswered("snapshots of blobs", "use versions, which an account can have enabled")
    blob = blob_wire.blob(held, name, request.query.get("versionid"))
    same = blob_wire.read_conditions(request.headers, blob)
    if same is not None:
        return same
    current = held.blobs.get(name) is blob
    headers = blob_wire.properties(blob, current=current)
    if request.method == "HEAD":
        more = (("Content-Length", str(blob.size)), ("Content-MD5", blob.md5))
        return Headless(200, b"", (*headers, *more))
    limits = blob_wire.part(request.headers, blob.size)
    path = world.blobs.path(blob)
    if limits is None:
        return Reply(200, path.read_bytes(), (*headers, ("Content-MD5", blob.md5)))
    begin, end = limits
    with path.open("rb") as file:
        file.seek(begin)
        data = file.read(end - begin)
    more = (
        ("Content-Range", f"bytes {begin}-{end - 1}/{blob.size}"),
        ("x-ms-blob-content-md5", blob.md5),
    )
    return Reply(206, data, (*headers, *more))


def delete(world: World, request: Request, container: str, name: str) -> Reply:
    """Remove a blob."""
    account, held = blob_wire.container(world, request, container)
    with world.blobs.lock:
        version = request.query.get("versionid")
        blob = blob_wire.blob(held, name, version)
        conditions(request.headers, blob)
        world.blobs.remove(account, held, name, version)
    permanent = str(not account.versioned).lower()
    return Reply(202, b"", (*common(), ("x-ms-delete-type-permanent", permanent)))


def _set_metadata(world: World, request: Request, container: str, name: str) -> Reply:
    account, held = blob_wire.container(world, request, container)
    with world.blobs.lock:
        before = blob_wire.blob(held, name)
        conditions(request.headers, before)
        blob = copy.deepcopy(before) if account.versioned else before
        blob.metadata = blob_wire.metadata(request.headers)
        world.blobs.touch(account, held, name, blob)
        held.blobs[name] = blob
    return Reply(200, b"", changed(blob))


def _get_metadata(world: World, request: Request, container: str, name: str) -> Reply:
    _, held = blob_wire.container(world, request, container)
    blob = blob_wire.blob(held, name, request.query.get("versionid"))
    pairs = ((f"x-ms-meta-{one}", value) for one, value in blob.metadata.items())
    return Reply(200, b"", (*changed(blob), *pairs))


def _set_properties(world: World, request: Request, container: str, name: str) -> Reply:
    _, held = blob_wire.container(world, request, container)
    with world.blobs.lock:
        blob = blob_wire.blob(held, name)
        conditions(request.headers, blob)
        blob.headers = blob_wire.served(
            {n: v for n, v in request.headers.items() if n != "content-type"}
        )
        blob.modified, blob.tag = world.blobs.stamp()
    return Reply(200, b"", changed(blob))


def _copied(world: World, request: Request, container: str, name: str, *, whole: bool) -> Reply:
    """Copy a blob: `whole` as one write that is over with its answer, or as a copy that goes on."""
    blob_wire.check_blob(name)
    account, held = blob_wire.container(world, request, container)
    origin, address, source = blob_wire.source(world, request)
    with world.blobs.lock:
        conditions(request.headers, held.blobs.get(name))
        blob: Blob = copy.deepcopy(source)
        sent = blob_wire.metadata(request.headers)
        blob.created = world.blobs.stamp()[0]
        world.blobs.place(account, held, name, blob, sent or source.metadata)
        held.committed[name] = []
        far = origin != account.name and request.headers.get("x-ms-requires-sync") != "true"
        until = time.time() + (_COPYING if far and not whole else 0.0)
        blob.copy = {"id": str(uuid.uuid4()), "source": address, "until": until}
    if whole:
        blob.copy = {}
        return Reply(201, b"", (*changed(blob), ("Content-MD5", blob.md5)))
    told = ("x-ms-copy-id", "x-ms-copy-status")
    state = [one for one in blob_wire.copied(blob) if one[0] in told]
    return Reply(202, b"", (*changed(blob), *state))


def _abort(world: World, request: Request, container: str, name: str) -> Reply:
    _, held = blob_wire.container(world, request, container)
    blob = blob_wire.blob(held, name)
    if not blob.copying or blob.copy["id"] != request.query.get("copyid"):
        text = "There is currently no pending copy operation."
        raise Refusal(409, "NoPendingCopyOperation", text)
    with world.blobs.lock:
        empty = world.blobs.keep(b"")
        blob.digest, blob.size, blob.md5, blob.copy = empty.digest, 0, empty.md5, {}
    return Reply(204, b"", common())


def _refused(_world: World, request: Request, container: str, name: str) -> Reply:
    del container, name
    what = request.query["comp"]
    raise unanswered(f"'{what}' of blobs", "leave it out, or test it against Azure")


def _block_id(text: str) -> str:
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error:
        raw = b""
    if not 0 < len(raw) <= _LONGEST_BLOCK:
        text = "The specified block id is invalid. It must be base64 of 1 to 64 bytes."
        raise Refusal(400, "InvalidQueryParameterValue", text)
    return text


def _check_digest(request: Request) -> None:
    digest = request.headers.get("content-md5")
    own = hashlib.md5(request.body, usedforsecurity=False).digest()
    if digest and digest != base64.b64encode(own).decode():
        text = "The MD5 value specified in the request did not match the one calculated."
        raise Refusal(400, "Md5Mismatch", text)


_BLOB: Final = "/{container}/{name:path}"
_DATA: Final = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"


def _route(
    method: str, operation: str, handler: Handler, comp: str = "", *, run: bool = True
) -> Route:
    verb = {"GET": "read", "HEAD": "read", "DELETE": "delete"}.get(method, "write")
    return Route(
        method, BLOB, _BLOB, f"blobs.{operation}", handler, How.RUN if run else How.STATE,
        {"comp": comp} if comp else {}, f"{_DATA}/{verb}",
    )  # fmt: skip


ROUTES: Final = [
    _route("PUT", "block", _block, "block"),
    _route("PUT", "block_list", _block_list, "blocklist"),
    _route("GET", "blocks", _blocks, "blocklist", run=False),
    _route("PUT", "append", _append, "appendblock"),
    _route("PUT", "set_metadata", _set_metadata, "metadata"),
    _route("GET", "metadata", _get_metadata, "metadata", run=False),
    _route("HEAD", "metadata", _get_metadata, "metadata", run=False),
    _route("PUT", "set_properties", _set_properties, "properties"),
    _route("PUT", "abort", _abort, "copy"),
    *(
        Route(method, BLOB, _BLOB, "blobs.refused", _refused, How.STATE, {"comp": ""})
        for method in ("GET", "PUT", "POST", "HEAD", "DELETE")
    ),
    _route("PUT", "put", _put),
    _route("GET", "get", get),
    _route("HEAD", "head", get, run=False),
    _route("DELETE", "delete", delete),
]
