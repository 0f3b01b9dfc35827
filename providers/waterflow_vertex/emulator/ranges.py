"""The bytes of objects as they are answered: whole, or the range that is asked for."""

from __future__ import annotations

import re
from email.utils import formatdate
from typing import TYPE_CHECKING, Final

from waterflow.emulation.wire import Reply
from waterflow_vertex.emulator.blobs import OCTETS
from waterflow_vertex.emulator.errors import Refusal

if TYPE_CHECKING:
    from pathlib import Path

    from waterflow_vertex.emulator.blobs import Blob
    from waterflow_vertex.emulator.routes import Request

_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")
_NAMES: Final = {
    "contentEncoding": "Content-Encoding", "contentDisposition": "Content-Disposition",
    "contentLanguage": "Content-Language", "cacheControl": "Cache-Control",
}  # fmt: skip


def headers(one: Blob) -> dict[str, str]:
    """Return the headers that tell of an object."""
    held = {
        "Content-Type": str(one.about.get("contentType") or OCTETS),
        "ETag": f'"{one.etag}"',
        "Last-Modified": formatdate(one.created, usegmt=True),
        "x-goog-generation": str(one.generation),
        "x-goog-metageneration": str(one.metageneration),
        "x-goog-stored-content-length": str(one.size),
        "x-goog-stored-content-encoding": str(one.about.get("contentEncoding") or "identity"),
        "x-goog-storage-class": str(one.about.get("storageClass") or "STANDARD"),
        "x-goog-hash": f"crc32c={one.crc32c}" + (f",md5={one.md5}" if one.md5 else ""),
        "Accept-Ranges": "bytes",
    }
    for name, header in _NAMES.items():
        if one.about.get(name):
            held[header] = str(one.about[name])
    for name, value in (one.about.get("metadata") or {}).items():
        if re.fullmatch(r"[\w.-]+", name) and value.isascii() and value.isprintable():
            held[f"x-goog-meta-{name}"] = value
    return held


def served(file: Path, one: Blob, request: Request) -> Reply:
    """Return the answer to a download.

    Args:
        file: The bytes.
        one: The object.
        request: What is asked for.

    Raises:
        Refusal: The range is none of the object's.
    """
    told = headers(one)
    span = _span(request.headers.get("range", ""), one.size)
    try:
        with file.open("rb") as stream:
            if span is None:
                return Reply(200, stream.read(), tuple(told.items()))
            first, last = span
            stream.seek(first)
            body = stream.read(last - first + 1)
    except FileNotFoundError:  # a job has just removed it
        raise Refusal("NOT_FOUND", f"No such object: {one.name}") from None
    told["Content-Range"] = f"bytes {first}-{last}/{one.size}"
    return Reply(206, body, tuple(told.items()))


def _span(text: str, size: int) -> tuple[int, int] | None:
    match = _RANGE.fullmatch(text.strip())
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        first, last = max(0, size - int(match[2])), size - 1
    else:
        first, last = int(match[1]), min(int(match[2] or size), size - 1)
    if first >= size or last < first:
        raise Refusal(
            "OUT_OF_RANGE", "The requested range cannot be satisfied.", status=416,
            headers=(("Content-Range", f"bytes */{size}"),), reason="InvalidRange",
        )  # fmt: skip
    return first, last
