"""Cloud Storage's XML API: objects at BUCKET/OBJECT, with listings and uploads as S3 has them."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from waterflow.emulation.clock import written
from waterflow.emulation.paging import page
from waterflow.emulation.wire import Reply
from waterflow_vertex.emulator import preconditions, ranges
from waterflow_vertex.emulator.blobs import OCTETS, Blob, check_name
from waterflow_vertex.emulator.errors import Refusal
from waterflow_vertex.emulator.objects import grouped
from waterflow_vertex.emulator.routes import STORAGE, How, Request, Route
from waterflow_vertex.emulator.uploads import finished

if TYPE_CHECKING:
    from pathlib import Path

    from waterflow_vertex.emulator.blobs import Bucket
    from waterflow_vertex.emulator.routes import Call
    from waterflow_vertex.emulator.world import World

_LARGEST_PAGE: Final = 1000
_NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"
_MEMBERS: Final = {
    "content-type": "contentType", "content-encoding": "contentEncoding",
    "content-disposition": "contentDisposition", "content-language": "contentLanguage",
    "cache-control": "cacheControl", "x-goog-storage-class": "storageClass",
    "x-goog-encryption-kms-key-name": "kmsKeyName", "x-goog-custom-time": "customTime",
}  # fmt: skip
_META: Final = "x-goog-meta-"
_MOST_PARTS: Final = 10_000


@dataclass
class _Upload:
    bucket: Bucket
    name: str
    about: dict[str, Any]
    parts: dict[int, tuple[Path, str]] = field(default_factory=dict[int, "tuple[Path, str]"])


_UPLOADS: Final[dict[str, _Upload]] = {}
"""The uploads of parts under way; they end with the emulator."""


def _about(request: Request) -> dict[str, Any]:
    held: dict[str, Any] = {
        member: request.headers[name]
        for name, member in _MEMBERS.items()
        if name in request.headers
    }
    more = {
        name.removeprefix(_META): value
        for name, value in request.headers.items()
        if name.startswith(_META)
    }
    return {"contentType": OCTETS, **held, **({"metadata": more} if more else {})}


def _xml(root: str, body: str, status: int = 200) -> Reply:
    text = f"<?xml version='1.0' encoding='UTF-8'?><{root} xmlns='{_NAMESPACE}'>{body}</{root}>"
    return Reply(status, text.encode(), (("Content-Type", "application/xml; charset=UTF-8"),))


def _done(one: Blob) -> Reply:
    told = ranges.headers(one)
    told["Content-Type"] = "text/html; charset=UTF-8"
    return Reply(200, b"", tuple(told.items()))


def _object(world: World, request: Request, bucket: str, name: str) -> tuple[Bucket, Blob]:
    held = world.buckets.get(bucket)
    text = request.argument("generation")
    number = preconditions.number(text, "generation") if text else None
    one = world.buckets.find_object(held, name, number)
    if one is None:
        raise Refusal("NOT_FOUND", "The specified key does not exist.", reason="NoSuchKey")
    preconditions.of_xml(request)(one)
    _etags(request, one)
    return held, one


def _etags(request: Request, one: Blob) -> None:
    tag = f'"{one.etag}"'
    match, other = request.headers.get("if-match"), request.headers.get("if-none-match")
    if match is not None and match not in ("*", tag, one.etag):
        raise Refusal("FAILED_PRECONDITION", "The ETag is another one.", status=412)
    if other is not None and other in ("*", tag, one.etag):
        raise Refusal("OUT_OF_RANGE", "Not Modified", status=304)


def _get(world: World, request: Request, call: Call, bucket: str, name: str) -> Reply:
    del call
    held, one = _object(world, request, bucket, name)
    return ranges.served(world.buckets.path(held, one), one, request)


def _head(world: World, request: Request, call: Call, bucket: str, name: str) -> Reply:
    del call
    _, one = _object(world, request, bucket, name)
    told = {**ranges.headers(one), "Content-Length": str(one.size)}
    return Reply(200, b"", tuple(told.items()))


def _hashes(request: Request) -> dict[str, str]:
    held: dict[str, str] = {}
    for part in request.headers.get("x-goog-hash", "").split(","):
        key, _, value = part.strip().partition("=")
        if value:
            held[{"md5": "md5Hash"}.get(key, key)] = value
    if request.headers.get("content-md5"):
        held["md5Hash"] = request.headers["content-md5"]
    return held


def _put(world: World, request: Request, call: Call, bucket: str, name: str) -> Reply:
    del call
    held, check = world.buckets.get(bucket), preconditions.of_xml(request)
    check_name(name)
    draft = world.buckets.draft()
    source = request.headers.get("x-goog-copy-source")
    if source is None:
        draft.write_bytes(request.body)
        one = finished(world, held, name, draft, _about(request), check, _hashes(request))
        return _done(one)
    other, _, key = unquote(source).strip("/").partition("/")
    place = world.buckets.get(other)
    text = request.headers.get("x-goog-copy-source-generation", "")
    number = preconditions.number(text, "generation") if text else None
    found = world.buckets.find_object(place, key, number)
    if found is None:
        raise Refusal("NOT_FOUND", "The specified key does not exist.", reason="NoSuchKey")
    draft.write_bytes(world.buckets.path(place, found).read_bytes())
    replaces = request.headers.get("x-goog-metadata-directive", "COPY").upper() == "REPLACE"
    about = _about(request) if replaces else {
        key: value for key, value in found.about.items() if key != "kmsKeyName"
    }  # fmt: skip
    one = finished(world, held, name, draft, about, check, {})
    return _xml(
        "CopyObjectResult",
        f'<ETag>"{one.etag}"</ETag><LastModified>{written(one.created)}</LastModified>',
    )


def _delete(world: World, request: Request, call: Call, bucket: str, name: str) -> Reply:
    del call
    held, one = _object(world, request, bucket, name)
    world.buckets.delete(held, one, forever=bool(request.argument("generation")))
    return Reply(204, b"", ())


def _list(world: World, request: Request, call: Call, bucket: str) -> Reply:
    del call
    held = world.buckets.get(bucket)
    prefix, delimiter = request.argument("prefix"), request.argument("delimiter")
    after = request.argument("start-after") or request.argument("marker")
    entries = grouped(list(world.buckets.list(held, prefix)), prefix, delimiter)
    if after:
        entries = [one for one in entries if (one if isinstance(one, str) else one.name) > after]
    size = preconditions.number(request.argument("max-keys") or str(_LARGEST_PAGE), "max-keys")
    try:
        part, token = page(
            entries,
            max(0, min(size, _LARGEST_PAGE)),
            request.argument("continuation-token") or None,
        )
    except ValueError as error:
        raise Refusal("INVALID_ARGUMENT", str(error)) from None
    body = f"<Name>{escape(bucket)}</Name><Prefix>{escape(prefix)}</Prefix>"
    body += f"<KeyCount>{len(part)}</KeyCount><MaxKeys>{size}</MaxKeys>"
    if delimiter:
        body += f"<Delimiter>{escape(delimiter)}</Delimiter>"
    body += f"<IsTruncated>{str(token is not None).lower()}</IsTruncated>"
    if token is not None:
        body += f"<NextContinuationToken>{token}</NextContinuationToken>"
    for one in part:
        if isinstance(one, str):
            body += f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>"
            continue
        body += (
            f"<Contents><Key>{escape(one.name)}</Key><Generation>{one.generation}</Generation>"
            f"<MetaGeneration>{one.metageneration}</MetaGeneration>"
            f'<LastModified>{written(one.created)}</LastModified><ETag>"{one.etag}"</ETag>'
            f"<Size>{one.size}</Size></Contents>"
        )
    return _xml("ListBucketResult", body)


def _head_bucket(world: World, request: Request, call: Call, bucket: str) -> Reply:
    del request, call
    world.buckets.get(bucket)
    return Reply(200, b"", ())


# --- uploads of parts -----------------------------------------------------------------------------


def _begin(world: World, request: Request, call: Call, bucket: str, name: str) -> Reply:
    del call
    held = world.buckets.get(bucket)
    check_name(name)
    key = uuid.uuid4().hex
    _UPLOADS[key] = _Upload(held, name, _about(request))
    return _xml(
        "InitiateMultipartUploadResult",
        f"<Bucket>{escape(bucket)}</Bucket><Key>{escape(name)}</Key><UploadId>{key}</UploadId>",
    )


def _upload(request: Request, bucket: str, name: str) -> _Upload:
    upload = _UPLOADS.get(request.argument("uploadId"))
    if upload is None or (upload.bucket.name, upload.name) != (bucket, name):
        text = "The requested upload was not found."
        raise Refusal("NOT_FOUND", text, reason="NoSuchUpload")
    return upload


def _part(world: World, request: Request, call: Call, bucket: str, name: str) -> Reply:
    del call
    upload = _upload(request, bucket, name)
    number = preconditions.number(request.argument("partNumber"), "partNumber")
    if not 1 <= number <= _MOST_PARTS:
        text = f"Part number must be from 1 to {_MOST_PARTS}."
        raise Refusal("INVALID_ARGUMENT", text, reason="InvalidArgument")
    draft = world.buckets.draft()
    draft.write_bytes(request.body)
    tag = f'"{hashlib.md5(request.body, usedforsecurity=False).hexdigest()}"'
    before = upload.parts.get(number)
    upload.parts[number] = (draft, tag)
    if before is not None:
        before[0].unlink(missing_ok=True)
    return Reply(200, b"", (("ETag", tag),))


def _complete(world: World, request: Request, call: Call, bucket: str, name: str) -> Reply:
    del call
    upload, check = _upload(request, bucket, name), preconditions.of_xml(request)
    try:
        root = ET.fromstring(request.body)  # noqa: S314 - expat bounds what entities can do
    except ET.ParseError as error:
        raise Refusal("INVALID_ARGUMENT", f"The XML is malformed: {error}") from None
    draft = world.buckets.draft()
    with draft.open("wb") as file:
        for one in root:
            said = {inner.tag.rpartition("}")[2]: (inner.text or "").strip() for inner in one}
            number = preconditions.number(said.get("PartNumber", ""), "PartNumber")
            held = upload.parts.get(number)
            if held is None or held[1].strip('"') != said.get("ETag", "").strip('"'):
                text = f"Part {number} was not uploaded as such."
                raise Refusal("INVALID_ARGUMENT", text, reason="InvalidPart")
            file.write(held[0].read_bytes())
    made = finished(world, upload.bucket, name, draft, upload.about, check, {})
    _forget(request)
    place = f"https://{STORAGE}/{bucket}/{name}"
    body = f"<Location>{escape(place)}</Location><Bucket>{escape(bucket)}</Bucket>"
    reply = _xml(
        "CompleteMultipartUploadResult",
        f'{body}<Key>{escape(name)}</Key><ETag>"{made.etag}"</ETag>',
    )
    told = ("x-goog-generation", str(made.generation))
    return Reply(reply.status, reply.body, (*reply.headers, told))


def _forget(request: Request) -> None:
    upload = _UPLOADS.pop(request.argument("uploadId"))
    for draft, _ in upload.parts.values():
        draft.unlink(missing_ok=True)


def _abort(world: World, request: Request, call: Call, bucket: str, name: str) -> Reply:
    del world, call
    _upload(request, bucket, name)
    _forget(request)
    return Reply(204, b"", ())


_NAMED: Final = "/{bucket}/{name=**}"


def _route(
    method: str, path: str, operation: str, handler: Any, how: How, verb: str, **query: str
) -> Route:
    return Route(method, STORAGE, path, operation, handler, how, f"storage.objects.{verb}", query)


ROUTES: Final = [
    _route("POST", _NAMED, "xml.initiate", _begin, How.RUN, "create", uploads=""),
    _route("POST", _NAMED, "xml.complete", _complete, How.RUN, "create", uploadId=""),
    _route("PUT", _NAMED, "xml.part", _part, How.RUN, "create", uploadId="", partNumber=""),
    _route("DELETE", _NAMED, "xml.abort", _abort, How.RUN, "create", uploadId=""),
    _route("PUT", _NAMED, "xml.put", _put, How.RUN, "create"),
    _route("GET", _NAMED, "xml.get", _get, How.STATE, "get"),
    _route("HEAD", _NAMED, "xml.head", _head, How.STATE, "get"),
    _route("DELETE", _NAMED, "xml.delete", _delete, How.RUN, "delete"),
    _route("GET", "/{bucket}", "xml.list", _list, How.STATE, "list"),
    _route("HEAD", "/{bucket}", "xml.bucket", _head_bucket, How.STATE, "list"),
]  # fmt: skip
