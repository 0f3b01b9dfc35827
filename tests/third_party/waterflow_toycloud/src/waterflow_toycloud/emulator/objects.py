"""The toy cloud's objects: the part of S3's protocol that obstore speaks."""

from __future__ import annotations

import base64
import hashlib
import threading
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from waterflow.emulation.clock import written
from waterflow.emulation.wire import Reply, read_body

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from waterflow.emulation.clock import Clock
    from waterflow.emulation.wire import Environ

_PAGE = 1000
_XML = (("Content-Type", "application/xml"),)


@dataclass(frozen=True)
class Stored:
    """An object: its bytes, and when it was written, in seconds since the epoch."""

    body: bytes
    moment: float

    @property
    def tag(self) -> str:
        """What tells its content, in quotes as HTTP has it."""
        return f'"{hashlib.md5(self.body, usedforsecurity=False).hexdigest()}"'


class Objects:
    """The part that has the objects.

    Args:
        clock: The time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock, self._lock = clock, threading.RLock()
        self.buckets: dict[str, dict[str, Stored]] = {}
        self._uploads: dict[str, dict[int, bytes]] = {}

    # --- for jobs -------------------------------------------------------------------------------

    def below(self, address: str) -> Iterator[tuple[str, bytes]]:
        """Yield what lies at an address or below it: the place from there, and the bytes."""
        bucket, _, name = address.removeprefix("toy://").partition("/")
        folder = f"{name.rstrip('/')}/"
        for key, stored in sorted(self.buckets.get(bucket, {}).items()):
            if key == name:
                yield key.rpartition("/")[2], stored.body
            elif key.startswith(folder):
                yield key[len(folder) :], stored.body

    def read(self, address: str) -> bytes:
        """Return the object at an address; KeyError when there is none."""
        bucket, _, key = address.removeprefix("toy://").partition("/")
        return self.buckets[bucket][key].body

    def write(self, address: str, body: bytes) -> None:
        """Write an object."""
        bucket, _, key = address.removeprefix("toy://").partition("/")
        self.buckets[bucket][key] = Stored(body, self._clock.now())

    def fetch(self, address: str, folder: Path) -> None:
        """Bring what lies at an address or below it into a folder."""
        for place, body in self.below(address):
            file = folder / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(body)

    # --- for clients ----------------------------------------------------------------------------

    def answer(self, environ: Environ, path: str) -> Reply:
        """Answer a request, of which `path` is the part after /objects/."""
        bucket, _, key = unquote(path).partition("/")
        method = environ["REQUEST_METHOD"]
        query = {
            name: value
            for name, (value,) in parse_qs(environ["QUERY_STRING"], keep_blank_values=True).items()
        }
        body = read_body(environ)
        with self._lock:
            if method == "PUT" and not key:
                self.buckets.setdefault(bucket, {})
                return Reply(200, b"", _XML)
            if bucket not in self.buckets:
                return _refusal(404, "NoSuchBucket", f"there is no bucket {bucket}")
            if not key and "delete" in query:
                return self._delete(bucket, body)
            if not key:
                return self._list(bucket, query)
            if "uploads" in query or "uploadId" in query:
                return self._in_parts(bucket, key, method, query, body)
            if method == "PUT":
                return self._put(bucket, key, environ, body)
            if method == "DELETE":
                self.buckets[bucket].pop(key, None)
                return Reply(204, b"", _XML)
            stored = self.buckets[bucket].get(key)
            if stored is None or environ.get("HTTP_IF_MATCH", stored.tag) != stored.tag:
                code = (404, "NoSuchKey") if stored is None else (412, "PreconditionFailed")
                return _refusal(*code, key)
        return _whole(stored, method)

    def _put(self, bucket: str, key: str, environ: Environ, body: bytes) -> Reply:
        objects = self.buckets[bucket]
        before = objects.get(key)
        matches = environ.get("HTTP_IF_MATCH")
        if (environ.get("HTTP_IF_NONE_MATCH") == "*" and before is not None) or (
            matches is not None and (before is None or before.tag != matches)
        ):
            return _refusal(412, "PreconditionFailed", key)
        source = environ.get("HTTP_X_AMZ_COPY_SOURCE")
        if source is not None:
            origin, _, name = unquote(source).lstrip("/").partition("/")
            stored = self.buckets.get(origin, {}).get(name)
            if stored is None:
                return _refusal(404, "NoSuchKey", name)
            body = stored.body
        stored = objects[key] = Stored(body, self._clock.now())
        answer = f"<CopyObjectResult><ETag>{escape(stored.tag)}</ETag></CopyObjectResult>"
        return Reply(200, answer.encode() if source else b"", (*_XML, ("ETag", stored.tag)))

    def _in_parts(
        self, bucket: str, key: str, method: str, query: dict[str, str], body: bytes
    ) -> Reply:
        if "uploads" in query:
            upload = f"upload-{len(self._uploads)}"
            self._uploads[upload] = {}
            return _answer("InitiateMultipartUploadResult", f"<UploadId>{upload}</UploadId>")
        parts = self._uploads[query["uploadId"]]
        if method == "PUT":
            parts[int(query["partNumber"])] = body
            return Reply(200, b"", (*_XML, ("ETag", Stored(body, 0).tag)))
        if method == "DELETE":
            parts.clear()
            return Reply(204, b"", _XML)
        content = b"".join(parts[number] for number in sorted(parts))
        stored = self.buckets[bucket][key] = Stored(content, self._clock.now())
        return _answer("CompleteMultipartUploadResult", f"<ETag>{escape(stored.tag)}</ETag>")

    def _delete(self, bucket: str, body: bytes) -> Reply:
        """Remove the objects that a request names, as obstore does one too."""
        keys = [
            element.text or ""
            for element in ET.fromstring(body).iter()
            if element.tag.rpartition("}")[2] == "Key"
        ]
        for key in keys:
            self.buckets[bucket].pop(key, None)
        deleted = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
        return _answer("DeleteResult", deleted)

    def _list(self, bucket: str, query: dict[str, str]) -> Reply:
        after = query.get("continuation-token") or query.get("start-after") or ""
        keys = sorted(
            key
            for key in self.buckets[bucket]
            if key.startswith(query.get("prefix", "")) and key > after
        )
        more = len(keys) > _PAGE
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(stored.body)}</Size>"
            f"<LastModified>{written(stored.moment)}</LastModified>"
            f"<ETag>{escape(stored.tag)}</ETag></Contents>"
            for key in keys[:_PAGE]
            for stored in [self.buckets[bucket][key]]
        )
        token = keys[_PAGE - 1] if more else ""
        following = f"<NextContinuationToken>{escape(token)}</NextContinuationToken>"
        truncated = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        return _answer("ListBucketResult", f"{truncated}{following if more else ''}{entries}")

    # --- its state ------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return all objects as JSON."""
        return {
            bucket: {
                key: [base64.b64encode(stored.body).decode(), stored.moment]
                for key, stored in objects.items()
            }
            for bucket, objects in self.buckets.items()
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Take the objects of a snapshot."""
        self.buckets = {
            bucket: {
                key: Stored(base64.b64decode(body), moment)
                for key, (body, moment) in objects.items()
            }
            for bucket, objects in saved.items()
        }


def _whole(stored: Stored, method: str) -> Reply:
    headers = (
        ("ETag", stored.tag),
        ("Last-Modified", formatdate(stored.moment, usegmt=True)),
        ("Content-Type", "application/octet-stream"),
    )
    if method == "HEAD":  # no body, and the length of what it would be
        return _Head(200, b"", (*headers, ("X-Length", str(len(stored.body)))))
    return Reply(200, stored.body, headers)


class _Head(Reply):
    """An answer to HEAD: the length is that of the object, and the body stays away."""

    def send(self, start: Any) -> list[bytes]:
        """Begin the answer, without a body."""
        headers = [(name, value) for name, value in self.headers if name != "X-Length"]
        start("200 OK", [*headers, ("Content-Length", dict(self.headers)["X-Length"])])
        return []


def _answer(root: str, content: str) -> Reply:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}>{content}</{root}>'
    return Reply(200, text.encode(), _XML)


def _refusal(status: int, code: str, message: str) -> Reply:
    text = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return Reply(status, text.encode(), _XML)
