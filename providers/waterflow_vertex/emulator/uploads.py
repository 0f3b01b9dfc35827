"""Cloud Storage's uploads over the JSON API: simple, of several parts, and resumable."""

from __future__ import annotations

import re
import threading
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from waterflow.emulation.wire import Reply
from waterflow_vertex.emulator import preconditions
from waterflow_vertex.emulator.blobs import OCTETS, check_name, sums
from waterflow_vertex.emulator.errors import Refusal
from waterflow_vertex.emulator.objects import described, object_about
from waterflow_vertex.emulator.routes import (
    STORAGE,
    How,
    Request,
    Route,
    json_answer,
    json_object,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from waterflow_vertex.emulator.blobs import Blob, Bucket
    from waterflow_vertex.emulator.routes import Call
    from waterflow_vertex.emulator.world import World

_PATH: Final = "/upload/storage/v1/b/{bucket}/o"
_RANGE: Final = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_UNIT: Final = 256 * 1024
"""Bytes of which parts of a resumable upload are multiples, but for the last."""
_GONE: Final = 499


@dataclass
class Session:
    """A resumable upload under way.

    Attributes:
        bucket: Where to.
        name: The object's name.
        about: What the client says of it.
        draft: The bytes so far.
        check: The preconditions.
        size: How many bytes there are.
        done: The object, once it is whole.
        lock: Held by the request that adds to it.
    """

    bucket: Bucket
    name: str
    about: dict[str, Any]
    draft: Path
    check: Callable[[Blob | None], None]
    hashes: dict[str, str]
    size: int = 0
    done: Blob | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


_SESSIONS: Final[dict[str, Session]] = {}
"""The uploads under way; they end with the emulator."""


def finished(
    world: World,
    bucket: Bucket,
    name: str,
    draft: Path,
    about: dict[str, Any],
    check: Callable[[Blob | None], None],
    hashes: dict[str, str],
) -> Blob:
    """Make the object of an upload.

    Raises:
        Refusal: Its bytes are not those that the client has meant, or it cannot be made.
    """
    md5, crc32c, _ = sums(draft)
    for name_of, held in (("md5Hash", md5), ("crc32c", crc32c)):
        said = hashes.get(name_of)
        if said and said != held:
            text = f"Provided {name_of} '{said}' doesn't match calculated {name_of} '{held}'."
            raise Refusal("INVALID_ARGUMENT", text, reason="invalid")
    try:
        return world.buckets.put(bucket, name, draft, about, check=check)
    finally:
        draft.unlink(missing_ok=True)


def _hashes(body: dict[str, Any], request: Request) -> dict[str, str]:
    held = {key: str(body[key]) for key in ("md5Hash", "crc32c") if body.get(key)}
    for part in request.headers.get("x-goog-hash", "").split(","):
        key, _, value = part.strip().partition("=")
        if value:
            held[{"md5": "md5Hash"}.get(key, key)] = value
    return held


def _insert(world: World, request: Request, call: Call, bucket: str) -> Reply:
    del call
    held, kind = world.buckets.get(bucket), request.argument("uploadType")
    check = preconditions.of_json(request)
    if kind == "resumable":
        return _begin(world, request, held, check)
    media, data = request.headers.get("content-type", ""), request.body
    body: dict[str, Any] = {}
    if kind == "multipart":
        body, media, data = _parts(request)
    elif kind != "media":
        raise Refusal("INVALID_ARGUMENT", f"Invalid upload type '{kind}'.", reason="invalid")
    name = _name(request, body)
    about = _about(request, body, media)
    draft = world.buckets.draft()
    draft.write_bytes(data)
    one = finished(world, held, name, draft, about, check, _hashes(body, request))
    return json_answer(described(held, one))


def _name(request: Request, body: dict[str, Any]) -> str:
    name = body.get("name") or request.argument("name")
    if not isinstance(name, str) or not name:
        raise Refusal("INVALID_ARGUMENT", "Required parameter: name", reason="required")
    check_name(name)
    return name


def _about(request: Request, body: dict[str, Any], media: str) -> dict[str, Any]:
    about = {"contentType": media or OCTETS, **object_about(body)}
    for argument in ("contentEncoding", "kmsKeyName"):
        if request.argument(argument):
            about[argument] = request.argument(argument)
    return about


def _parts(request: Request) -> tuple[dict[str, Any], str, bytes]:
    """Return the metadata, the type and the bytes of an upload of two parts."""
    match = re.search(r'boundary="?([^";]+)"?', request.headers.get("content-type", ""))
    if match is None:
        text = "A multipart upload must have a boundary."
        raise Refusal("INVALID_ARGUMENT", text, reason="invalid")
    pieces = request.body.split(b"--" + match[1].encode("latin-1", "replace"))
    if len(pieces) != 4:
        text = "A multipart upload must have exactly two parts."
        raise Refusal("INVALID_ARGUMENT", text, reason="invalid")
    split = [piece.partition(b"\r\n\r\n") for piece in pieces[1:3]]
    headers, _, data = split[1]
    kind = re.search(rb"(?i)content-type:\s*([^\r\n]+)", headers)
    media = kind[1].decode("latin-1").strip() if kind else ""
    return json_object(split[0][2]), media, data.removesuffix(b"\r\n")


def _begin(
    world: World, request: Request, bucket: Bucket, check: Callable[[Blob | None], None]
) -> Reply:
    body = request.json
    name = _name(request, body)
    check(world.buckets.find_object(bucket, name))
    about = _about(request, body, request.headers.get("x-upload-content-type", ""))
    key, draft = uuid.uuid4().hex, world.buckets.draft()
    draft.touch()
    hashes = _hashes(body, request)
    _SESSIONS[key] = Session(bucket, name, about, draft, check, hashes)
    place = f"https://{STORAGE}/upload/storage/v1/b/{bucket.name}/o"
    location = f"{place}?uploadType=resumable&upload_id={key}"
    return json_answer(None, 200, {"Location": location, "X-GUploader-UploadID": key})


def _session(request: Request) -> Session:
    session = _SESSIONS.get(request.argument("upload_id"))
    if session is None:
        raise Refusal("NOT_FOUND", "Upload session not found.", reason="notFound")
    return session


def _continue(world: World, request: Request, call: Call, bucket: str) -> Reply:
    del call, bucket
    session = _session(request)
    with session.lock:
        if session.done is not None:
            return json_answer(described(session.bucket, session.done))
        text = request.headers.get("content-range", "")
        match = _RANGE.fullmatch(text.strip()) if text else None
        if text and match is None:
            raise Refusal("INVALID_ARGUMENT", f"Invalid Content-Range '{text}'.", reason="invalid")
        total: int | None = len(request.body) if match is None else _number(match[3])
        if match is not None and match[1]:
            first, last = int(match[1]), int(match[2])
            if last - first + 1 != len(request.body):
                raise Refusal("INVALID_ARGUMENT", "Invalid Content-Range.", reason="invalid")
            if first > session.size:
                raise Refusal("UNAVAILABLE", "A part is missing.", reason="backendError")
            data = request.body[session.size - first :]
            if total is None and len(request.body) % _UNIT:
                text = f"Chunks must be multiples of {_UNIT} bytes."
                raise Refusal("INVALID_ARGUMENT", text, reason="invalid")
        else:
            data = request.body if match is None else b""
        with session.draft.open("ab") as file:
            file.write(data)
        session.size += len(data)
        if total is None or session.size < total:
            told = {"Range": f"bytes=0-{session.size - 1}"} if session.size else {}
            return _resume(told)
        session.done = finished(
            world, session.bucket, session.name, session.draft, session.about, session.check,
            session.hashes,
        )  # fmt: skip
        return json_answer(described(session.bucket, session.done))


def _number(text: str) -> int | None:
    return None if text == "*" else int(text)


def _resume(headers: dict[str, str]) -> Reply:
    return Reply(308, b"", tuple(headers.items()))


def _cancel(world: World, request: Request, call: Call, bucket: str) -> Reply:
    del world, call, bucket
    session = _session(request)
    session.draft.unlink(missing_ok=True)
    _SESSIONS.pop(request.argument("upload_id"))
    # https://cloud.google.com/storage/docs/performing-resumable-uploads#cancel-upload
    return _Closed(_GONE, b"")


class _Closed(Reply):
    """An answer with a status that HTTP has no words for."""

    def send(self, start: Any) -> Any:
        """Begin the answer."""
        start("499 Client Closed Request", [("Content-Length", "0")])
        return []


ROUTES: Final = [
    Route("PUT", STORAGE, _PATH, "objects.insert", _continue, How.RUN, "storage.objects.create",
          {"upload_id": ""}),
    Route("DELETE", STORAGE, _PATH, "objects.insert", _cancel, How.RUN, "storage.objects.create",
          {"upload_id": ""}),
    Route("POST", STORAGE, _PATH, "objects.insert", _insert, How.RUN, "storage.objects.create"),
]  # fmt: skip
