"""Requests about containers of blobs: made, listed, removed, and many blobs at once."""

from __future__ import annotations

import re
import uuid
from email.utils import formatdate
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from waterflow.emulation.clock import written
from waterflow.emulation.errors import ServiceError
from waterflow.emulation.wire import Reply
from waterflow_azureml.emulator import blob_wire, blobs
from waterflow_azureml.emulator.blob_wire import common, element, xml
from waterflow_azureml.emulator.errors import Refusal, rendered, unanswered
from waterflow_azureml.emulator.routes import BLOB, How, Request, Route

if TYPE_CHECKING:
    from waterflow_azureml.emulator.storage import Blob, Container
    from waterflow_azureml.emulator.world import World

_MOST: Final = 5000
"""The most entries of a list's page."""
_MOST_AT_ONCE: Final = 256
_DATA: Final = "Microsoft.Storage/storageAccounts/blobServices/containers"


# --- lists ----------------------------------------------------------------------------------------


def _limits(request: Request) -> tuple[int, str]:
    text = request.query.get("maxresults", str(_MOST))
    if not text.isdecimal() or not int(text) >= 1:
        code = "OutOfRangeQueryParameterValue"
        raise Refusal(400, code, f"maxresults must be a whole number from 1, not '{text}'")
    return min(int(text), _MOST), request.query.get("marker", "")


def _containers(world: World, request: Request) -> Reply:
    account = blob_wire.account(world, request)
    size, marker = _limits(request)
    prefix = request.query.get("prefix", "")
    names = sorted(n for n in account.containers if n.startswith(prefix) and n >= marker)
    entries = "".join(
        f"<Container>{element('Name', name)}<Properties>"
        f"{element('Last-Modified', formatdate(account.containers[name].created, usegmt=True))}"
        f"{element('Etag', _tag(account.containers[name]))}"
        "<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>"
        "<HasImmutabilityPolicy>false</HasImmutabilityPolicy><HasLegalHold>false</HasLegalHold>"
        f"</Properties>{_pairs(account.containers[name].metadata)}</Container>"
        for name in names[:size]
    )
    following = names[size] if len(names) > size else ""
    return xml(
        f'EnumerationResults ServiceEndpoint="https://{request.host}/"',
        f"{element('Prefix', prefix)}{element('MaxResults', size)}"
        f"<Containers>{entries}</Containers>{element('NextMarker', following)}",
    )


def _blobs(world: World, request: Request, container: str) -> Reply:
    _, held = blob_wire.container(world, request, container)
    size, marker = _limits(request)
    query = request.query
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    include = query.get("include", "").split(",")
    start = query.get("startfrom", "")
    with world.blobs.lock:
        entries = _entries(held, prefix, delimiter, versions="versions" in include)
    chosen = [one for one in entries if one[0] >= max(marker.partition("\n")[0], start)]
    if "\n" in marker:  # the list goes on among the versions of one blob
        name, _, version = marker.partition("\n")
        chosen = [one for one in chosen if one[0] != name or _version(one[1]) >= version]
    text = "".join(_entry(*one, held, include) for one in chosen[:size])
    following = ""
    if len(chosen) > size:
        name, blob = chosen[size]
        following = f"{name}\n{_version(blob)}" if "versions" in include and blob else name
    more = f"{element('Delimiter', delimiter)}" if delimiter else ""
    place = f'EnumerationResults ServiceEndpoint="https://{request.host}/" ContainerName='
    return xml(
        f'{place}"{container}"',
        f"{element('Prefix', prefix)}{element('Marker', marker)}{element('MaxResults', size)}{more}"
        f"<Blobs>{text}</Blobs>{element('NextMarker', following)}",
    )


def _entries(
    held: Container, prefix: str, delimiter: str, *, versions: bool
) -> list[tuple[str, Blob | None]]:
    """Return names and blobs in order; None stands for all blobs below a prefix."""
    names = {*held.blobs, *(held.earlier if versions else ())}
    entries: list[tuple[str, Blob | None]] = []
    before = None
    for name in sorted(one for one in names if one.startswith(prefix)):
        rest = name[len(prefix) :]
        if delimiter and delimiter in rest:
            folder = prefix + rest.partition(delimiter)[0] + delimiter
            if folder != before:
                entries.append((folder, None))
            before = folder
            continue
        if versions:
            entries += [(name, one) for one in held.earlier.get(name, [])]
        if name in held.blobs:
            entries.append((name, held.blobs[name]))
    return entries


def _entry(name: str, blob: Blob | None, held: Container, include: list[str]) -> str:
    if blob is None:
        return f"<BlobPrefix>{element('Name', name)}</BlobPrefix>"
    version = ""
    if "versions" in include and blob.version:
        version = element("VersionId", blob.version)
        if held.blobs.get(name) is blob:
            version += "<IsCurrentVersion>true</IsCurrentVersion>"
    served = "".join(
        element(one, blob.headers[one])
        for one in ("Content-Type", "Content-Encoding", "Content-Language", "Cache-Control")
        if one in blob.headers
    )
    copying = "".join(
        element(label, value)
        for header, value in (blob_wire.copied(blob) if blob.copy and "copy" in include else ())
        for label in ["".join(part.capitalize() for part in header.split("-")[2:])]
    )
    return (
        f"<Blob>{element('Name', name)}{version}<Properties>"
        f"{element('Creation-Time', formatdate(blob.created, usegmt=True))}"
        f"{element('Last-Modified', formatdate(blob.modified, usegmt=True))}"
        f"{element('Etag', blob.tag)}{element('Content-Length', blob.size)}{served}"
        f"{element('Content-MD5', blob.md5)}{element('BlobType', blob.kind)}"
        "<AccessTier>Hot</AccessTier><AccessTierInferred>true</AccessTierInferred>"
        "<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>"
        f"<ServerEncrypted>true</ServerEncrypted>{copying}</Properties>"
        f"{_pairs(blob.metadata) if 'metadata' in include else ''}</Blob>"
    )


def _version(blob: Blob | None) -> str:
    return blob.version if blob else ""


def _pairs(metadata: dict[str, str]) -> str:
    return f"<Metadata>{''.join(element(n, v) for n, v in metadata.items())}</Metadata>"


def _tag(held: Container) -> str:
    return f"0x8D{int(held.created * 1e6):X}"


# --- containers -----------------------------------------------------------------------------------


def _create(world: World, request: Request, container: str) -> Reply:
    blob_wire.check_container(container)
    account = blob_wire.account(world, request)
    with world.blobs.lock:
        if container in account.containers:
            text = "The specified container already exists."
            raise Refusal(409, "ContainerAlreadyExists", text)
        held = world.blobs.container(account.name, container)
        held.metadata = blob_wire.metadata(request.headers)
    return Reply(201, b"", _headers(held))


def _get(world: World, request: Request, container: str) -> Reply:
    _, held = blob_wire.container(world, request, container)
    pairs = ((f"x-ms-meta-{name}", value) for name, value in held.metadata.items())
    more = (("x-ms-lease-status", "unlocked"), ("x-ms-lease-state", "available"))
    return Reply(200, b"", (*_headers(held), *more, *pairs))


def _set_metadata(world: World, request: Request, container: str) -> Reply:
    _, held = blob_wire.container(world, request, container)
    held.metadata = blob_wire.metadata(request.headers)
    return Reply(200, b"", _headers(held))


def _delete(world: World, request: Request, container: str) -> Reply:
    account, _ = blob_wire.container(world, request, container)
    with world.blobs.lock:
        del account.containers[container]
    return Reply(202, b"", common())


def _headers(held: Container) -> tuple[tuple[str, str], ...]:
    moment = formatdate(held.created, usegmt=True)
    return (*common(), ("ETag", f'"{_tag(held)}"'), ("Last-Modified", moment))


def _refused(_world: World, request: Request, container: str = "") -> Reply:
    del container
    what = request.query.get("comp") or request.query.get("restype")
    raise unanswered(f"'{what}' of containers", "leave it out, or test it against Azure")


# --- accounts -------------------------------------------------------------------------------------


def _account(world: World, request: Request, container: str = "") -> Reply:
    del container
    account = blob_wire.account(world, request)
    return Reply(
        200,
        b"",
        (
            *common(),
            ("x-ms-sku-name", "Standard_LRS"),
            ("x-ms-account-kind", "StorageV2"),
            ("x-ms-is-hns-enabled", str(account.hierarchical).lower()),
        ),
    )


def _delegation(world: World, request: Request) -> Reply:
    """Issue the key with which SDKs sign addresses in a user's name."""
    blob_wire.account(world, request)
    held = dict(re.findall(rb"<(Start|Expiry)>([^<]+)</", request.body))
    moment = written(world.clock.now()).partition(".")[0] + "Z"
    start = held.get(b"Start", moment.encode()).decode()
    end = held.get(b"Expiry")
    if end is None:
        raise Refusal(400, "InvalidXmlDocument", "The element Expiry is missing.")
    value = "ZW11bGF0ZWQgdXNlciBkZWxlZ2F0aW9uIGtleSwgMzIgYnk="
    return xml(
        "UserDelegationKey",
        element("SignedOid", uuid.UUID(int=1))
        + element("SignedTid", uuid.UUID(int=2))
        + element("SignedStart", start)
        + element("SignedExpiry", end.decode())
        + element("SignedService", "b")
        + element("SignedVersion", blob_wire.VERSION)
        + element("Value", value),
    )


# --- many blobs at once ---------------------------------------------------------------------------


def _batch(world: World, request: Request, container: str = "") -> Reply:
    """Remove many blobs: each part of the body is a request of its own."""
    kind = request.headers.get("content-type", "")
    match = re.search(r'boundary="?([^";]+)"?', kind)
    if match is None:
        raise Refusal(400, "InvalidHeaderValue", "The Content-Type must be multipart/mixed.")
    parts = request.body.split(b"--" + match[1].encode())[1:-1]
    if len(parts) > _MOST_AT_ONCE:
        raise Refusal(400, "ExceedsMaxBatchRequestCount", "A batch has at most 256 requests.")
    boundary = f"batchresponse_{uuid.uuid4()}"
    texts: list[bytes] = []
    for number, one in enumerate(parts):
        reply = _part(world, request, container, one)
        lines = [
            f"--{boundary}", "Content-Type: application/http", f"Content-ID: {number}", "",
            f"HTTP/1.1 {reply.status} {'Accepted' if reply.status < 300 else 'Refused'}",
            *(f"{name}: {value}" for name, value in reply.headers),
            f"Content-Length: {len(reply.body)}", "", "",
        ]  # fmt: skip
        texts.append("\r\n".join(lines).encode() + reply.body + b"\r\n")
    texts.append(f"--{boundary}--\r\n".encode())
    headers = (*common(), ("Content-Type", f"multipart/mixed; boundary={boundary}"))
    return Reply(202, b"".join(texts), headers)


def _part(world: World, request: Request, container: str, text: bytes) -> Reply:
    _, _, inner = text.partition(b"\r\n\r\n")
    head = inner.decode("utf-8", "replace").partition("\r\n\r\n")[0].strip().split("\r\n")
    try:
        method, target, _ = head[0].split(" ")
    except ValueError:
        raise Refusal(400, "InvalidInput", "A part of the batch is no request.") from None
    place = urlsplit(target)
    held, _, name = place.path.lstrip("/").partition("/")
    if method != "DELETE" or not name or (container and unquote(held) != container):
        raise unanswered(f"{method} {place.path} in a batch", "batches remove blobs")
    pairs = (line.partition(":") for line in head[1:])
    headers = {one.strip().lower(): value.strip() for one, _, value in pairs}
    single = Request(
        method="DELETE", host=request.host, path=place.path, headers=headers,
        query=dict(parse_qsl(place.query)),
    )  # fmt: skip
    try:
        return blobs.delete(world, single, unquote(held), unquote(name))
    except ServiceError as error:
        return rendered(error, "blob")


_ONE: Final = "/{container}"
_CONTAINER: Final = {"restype": "container"}


ROUTES: Final = [
    Route(
        "GET", BLOB, "/", "containers.list", _containers, How.STATE, {"comp": "list"},
        f"{_DATA}/read",
    ),
    Route(
        "POST", BLOB, "/", "blobs.delegation", _delegation, How.RUN,
        {"restype": "service", "comp": "userdelegationkey"},
        "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action",
    ),
    *(
        Route(method, BLOB, path, "containers.account", _account, How.STATE,
              {"restype": "account", "comp": "properties"})
        for method in ("GET", "HEAD")
        for path in ("/", _ONE)
    ),
    Route("POST", BLOB, "/", "blobs.batch", _batch, How.RUN, {"comp": "batch"},
          f"{_DATA}/blobs/delete"),
    Route("POST", BLOB, _ONE, "blobs.batch", _batch, How.RUN, {"comp": "batch"},
          f"{_DATA}/blobs/delete"),
    Route("GET", BLOB, _ONE, "blobs.list", _blobs, How.STATE, {**_CONTAINER, "comp": "list"},
          f"{_DATA}/blobs/read"),
    Route("PUT", BLOB, _ONE, "containers.set_metadata", _set_metadata, How.RECORD,
          {**_CONTAINER, "comp": "metadata"}, f"{_DATA}/write"),
    *(
        Route(method, BLOB, path, "containers.refused", _refused, How.STATE, {"comp": ""})
        for method in ("GET", "PUT", "POST", "HEAD", "DELETE")
        for path in ("/", _ONE)
    ),
    Route("PUT", BLOB, _ONE, "containers.create", _create, How.RECORD, _CONTAINER,
          f"{_DATA}/write"),
    Route("GET", BLOB, _ONE, "containers.get", _get, How.STATE, _CONTAINER, f"{_DATA}/read"),
    Route("HEAD", BLOB, _ONE, "containers.get", _get, How.STATE, _CONTAINER, f"{_DATA}/read"),
    Route("DELETE", BLOB, _ONE, "containers.delete", _delete, How.RECORD, _CONTAINER,
          f"{_DATA}/delete"),
]  # fmt: skip
