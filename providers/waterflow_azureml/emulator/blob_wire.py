"""The Blob service's words: what requests name, conditions, ranges, headers, XML."""

from __future__ import annotations

import re
from email.utils import formatdate, parsedate_to_datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, unquote
from xml.sax.saxutils import escape

from waterflow.emulation.wire import Reply
from waterflow_azureml.emulator.errors import XML, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from waterflow_azureml.emulator.routes import Request
    from waterflow_azureml.emulator.storage import Account, Blob, Container
    from waterflow_azureml.emulator.world import World

VERSION: Final = "2025-05-05"
_RANGE: Final = re.compile(r"bytes=(\d+)-(\d*)")
_CONTAINER: Final = re.compile(r"[a-z0-9](?:-?[a-z0-9])*")
_KEPT: Final = {
    "x-ms-blob-content-type": "Content-Type",
    "x-ms-blob-content-encoding": "Content-Encoding",
    "x-ms-blob-content-language": "Content-Language",
    "x-ms-blob-content-disposition": "Content-Disposition",
    "x-ms-blob-cache-control": "Cache-Control",
}
"""Header of a request -> header that the blob is served with from then on."""
_SPECIAL: Final = frozenset({"$root", "$web", "$logs"})


def account(world: World, request: Request) -> Account:
    """Return the storage account that a request names by its host.

    Raises:
        Refusal: There is none, or it takes no shared keys and the request is signed with one.
    """
    name = request.host.partition(".")[0]
    held = world.blobs.accounts.get(name)
    if held is None:
        raise Refusal(
            404,
            "ResourceNotFound",
            f"There is no storage account {name} in this emulator: name it in a profile, or make "
            "it by Azure Resource Manager.",
        )
    if not held.keys and request.headers.get("authorization", "").startswith("SharedKey"):
        text = "Key based authentication is not permitted on this storage account."
        raise Refusal(403, "KeyBasedAuthenticationNotPermitted", text)
    return held


def container(world: World, request: Request, name: str) -> tuple[Account, Container]:
    """Return the account and the container that a request names.

    Raises:
        Refusal: One of them is not there.
    """
    held = account(world, request)
    if name not in held.containers:
        raise Refusal(404, "ContainerNotFound", "The specified container does not exist.")
    return held, held.containers[name]


def check_container(name: str) -> None:
    """Refuse a name that no container can have.

    https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata

    Raises:
        Refusal: It is one.
    """
    if name not in _SPECIAL and not (3 <= len(name) <= 63 and _CONTAINER.fullmatch(name)):
        text = "The specified resource name contains invalid characters, or its length is wrong."
        raise Refusal(400, "InvalidResourceName", text)


def check_blob(name: str) -> None:
    """Refuse a name that no blob can have.

    Raises:
        Refusal: It is one.
    """
    if len(name) > 1024 or name.count("/") > 254:
        text = "The specified resource name length is not within the permissible limits."
        raise Refusal(400, "OutOfRangeInput", text)


def blob(held: Container, name: str, version: str | None = None) -> Blob:
    """Return a blob, or an earlier version of one.

    Args:
        held: The container.
        name: The blob's name.
        version: The version's id; None for the current one.

    Raises:
        Refusal: It is not there.
    """
    current = held.blobs.get(name)
    if version is None and current is not None:
        return current
    for one in (*held.earlier.get(name, ()), *([current] if current else ())):
        if version is not None and one.version == version:
            return one
    raise Refusal(404, "BlobNotFound", "The specified blob does not exist.")


def conditions(headers: Mapping[str, str], held: Blob | None, prefix: str = "") -> None:
    """Refuse a request whose conditions a blob does not meet.

    Args:
        headers: The request's.
        held: The blob; None when there is none.
        prefix: What the conditions' headers begin with: `x-ms-source-`.

    Raises:
        Refusal: 412, or 409 for a blob that must not be there.
    """
    text = "The condition specified using HTTP conditional header(s) is not met."
    code = "SourceConditionNotMet" if prefix else "ConditionNotMet"
    unmet = Refusal(412, code, text)
    match, none = headers.get(f"{prefix}if-match"), headers.get(f"{prefix}if-none-match")
    if match is not None and not _matches(match, held):
        raise unmet
    if none is not None and _matches(none, held):
        if none.strip() == "*" and not prefix:
            raise Refusal(409, "BlobAlreadyExists", "The specified blob already exists.")
        raise unmet
    since = _time(headers.get(f"{prefix}if-modified-since"))
    before = _time(headers.get(f"{prefix}if-unmodified-since"))
    if held is None:
        return
    if since is not None and int(held.modified) <= since.timestamp():
        raise unmet
    if before is not None and int(held.modified) > before.timestamp():
        raise unmet


def read_conditions(headers: Mapping[str, str], held: Blob) -> Reply | None:
    """Return the answer that says a blob is as it was; None when it is to be read.

    Args:
        headers: The request's.
        held: The blob.

    Raises:
        Refusal: 412: it is another than the one that was meant.
    """
    none, since = headers.get("if-none-match"), _time(headers.get("if-modified-since"))
    same = none is not None and _matches(none, held)
    if same or (since is not None and int(held.modified) <= since.timestamp()):
        return Reply(304, b"", properties(held))
    conditions({n: v for n, v in headers.items() if n != "if-none-match"}, held)
    return None


def part(headers: Mapping[str, str], size: int) -> tuple[int, int] | None:
    """Return the first byte and the one past the last of a range; None for all of a blob.

    Args:
        headers: The request's.
        size: The blob's.

    Raises:
        Refusal: The range begins past the end.
    """
    match = _RANGE.fullmatch((headers.get("x-ms-range") or headers.get("range") or "").strip())
    if match is None:
        return None
    begin = int(match[1])
    end = min(int(match[2]) + 1 if match[2] else size, size)
    if begin >= size:
        text = "The range specified is invalid for the current size of the resource."
        raise Refusal(416, "InvalidRange", text, headers=(("Content-Range", f"bytes */{size}"),))
    return begin, end


def metadata(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata that a request sends."""
    prefix = "x-ms-meta-"
    return {n[len(prefix) :]: v for n, v in headers.items() if n.startswith(prefix)}


def served(headers: Mapping[str, str]) -> dict[str, str]:
    """Return what a blob is to be served with, as a request says."""
    held = {name: headers[one] for one, name in _KEPT.items() if headers.get(one)}
    held.setdefault("Content-Type", headers.get("content-type") or "application/octet-stream")
    return held


def changed(held: Blob) -> tuple[tuple[str, str], ...]:
    """Return the headers of an answer that says what a blob has become."""
    version = (("x-ms-version-id", held.version),) if held.version else ()
    return (
        *common(),
        ("ETag", f'"{held.tag}"'),
        ("Last-Modified", formatdate(held.modified, usegmt=True)),
        ("x-ms-request-server-encrypted", "true"),
        *version,
    )


def properties(held: Blob, *, current: bool = True) -> tuple[tuple[str, str], ...]:
    """Return the headers that say what a blob is.

    Args:
        held: The blob.
        current: Whether it is no earlier version.
    """
    versions = (("x-ms-is-current-version", str(current).lower()),) if held.version else ()
    return (
        *(one for one in changed(held) if one[0] != "x-ms-request-server-encrypted"),
        *held.headers.items(),
        *((f"x-ms-meta-{name}", value) for name, value in held.metadata.items()),
        *versions,
        ("Accept-Ranges", "bytes"),
        ("x-ms-blob-type", held.kind),
        ("x-ms-creation-time", formatdate(held.created, usegmt=True)),
        ("x-ms-server-encrypted", "true"),
        ("x-ms-access-tier", "Hot"),
        ("x-ms-lease-status", "unlocked"),
        ("x-ms-lease-state", "available"),
        *(copied(held) if held.copy else ()),
    )


def copied(held: Blob) -> tuple[tuple[str, str], ...]:
    """Return the headers that say how the copy stands of which a blob was made."""
    copy = held.copy
    done = not held.copying
    progress = held.size if done else 0
    finished = (("x-ms-copy-completion-time", formatdate(copy["until"], usegmt=True)),)
    return (
        ("x-ms-copy-id", copy["id"]),
        ("x-ms-copy-source", copy["source"]),
        ("x-ms-copy-status", "success" if done else "pending"),
        ("x-ms-copy-progress", f"{progress}/{held.size}"),
        *(finished if done else ()),
    )


def common() -> tuple[tuple[str, str], ...]:
    """Return the headers of every answer."""
    return (("x-ms-version", VERSION),)


def xml(root: str, content: str, status: int = 200) -> Reply:
    """Return an answer in XML."""
    name = root.partition(" ")[0]
    text = f'<?xml version="1.0" encoding="utf-8"?><{root}>{content}</{name}>'
    return Reply(status, text.encode(), (*common(), *XML))


def element(name: str, value: object) -> str:
    """Return an XML element with text in it."""
    return f"<{name}>{escape(str(value))}</{name}>"


def source(world: World, request: Request) -> tuple[str, str, Blob]:
    """Return what is to be copied: its account, its address, and the blob.

    Raises:
        Refusal: It is nowhere in this emulator, or not as the request expects it.
    """
    address = request.headers["x-ms-copy-source"]
    match = re.fullmatch(
        r"https://([a-z0-9]+)\.(?:blob|dfs)\.core\.windows\.net/([^/?]+)/([^?]+)(?:\?(.*))?",
        address,
    )
    if match is None:
        raise Refusal(
            400,
            "InvalidHeaderValue",
            "Waterflow's emulator of Azure copies from https://ACCOUNT.blob.core.windows.net "
            f"only, not from {address.partition('?')[0]}",
        )
    held = world.blobs.accounts.get(match[1])
    there = held.containers.get(unquote(match[2])) if held else None
    if there is None:
        raise Refusal(404, "CannotVerifyCopySource", "The specified resource does not exist.")
    version = dict(parse_qsl(match[4] or "")).get("versionid")
    try:
        held_blob = blob(there, unquote(match[3]), version)
    except Refusal:
        text = "The specified blob does not exist."
        raise Refusal(404, "CannotVerifyCopySource", text) from None
    conditions(request.headers, held_blob, "x-ms-source-")
    return match[1], address.partition("?")[0], held_blob


def _matches(text: str, held: Blob | None) -> bool:
    if held is None:
        return False
    return text.strip() == "*" or held.tag in [one.strip().strip('"') for one in text.split(",")]


def _time(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        code = "InvalidHeaderValue"
        raise Refusal(400, code, f"'{text}' is no date of RFC 1123") from None
