"""The shape of requests and of routes: which request means which operation."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from waterflow.emulation.wire import Reply
from waterflow_vertex.emulator.errors import invalid

if TYPE_CHECKING:
    from waterflow.emulation.wire import Environ

VERTEX: Final = "*aiplatform.googleapis.com"
"""The hosts of Vertex AI, in all regions."""
STORAGE: Final = "storage.googleapis.com"
LOGGING: Final = "logging.googleapis.com"
SECRETS: Final = "secretmanager.googleapis.com"
PROJECTS: Final = "cloudresourcemanager.googleapis.com"
OAUTH: Final = "oauth2.googleapis.com"
CREDENTIALS: Final = "iamcredentials.googleapis.com"
IAM: Final = "iam.googleapis.com"
SERVICES: Final = "serviceusage.googleapis.com"
QUOTAS: Final = "cloudquotas.googleapis.com"
METADATA: Final = "metadata.google.internal"
"""The host of the metadata server, that jobs also find at GCE_METADATA_HOST."""
HERE: Final = "127.0.0.1"
"""This machine: where the metadata server is."""
HOSTS: Final = (
    VERTEX, STORAGE, LOGGING, SECRETS, PROJECTS, OAUTH, CREDENTIALS, IAM, SERVICES, QUOTAS,
    METADATA, f"{METADATA}.",
)  # fmt: skip

_SERVICES: Final = {
    VERTEX: "aiplatform", STORAGE: "storage", LOGGING: "logging", SECRETS: "secretmanager",
    PROJECTS: "cloudresourcemanager", OAUTH: "oauth2", CREDENTIALS: "iamcredentials", IAM: "iam",
    SERVICES: "serviceusage", QUOTAS: "cloudquotas", METADATA: "metadata", HERE: "metadata",
}  # fmt: skip
NAME: Final = re.compile(r"\{([\w.]+)(?:=([^}]+))?\}")
"""The names within a path, and what they match."""


class How(StrEnum):
    """What stands behind a success."""

    RUN = "run"
    """What the request asks for is done: a program runs, bytes are written, a token is issued."""
    RECORD = "record"
    """The resource is a document in the service too: it is kept, and given back as it was."""
    STATE = "state"
    """The answer is read from what is there."""
    REFUSED = "refused"
    """There is no success: it is refused by name."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request, as handlers see it.

    Attributes:
        method: `GET`.
        host: The host's name, without a port.
        path: The path, still quoted.
        query: Name -> values, unquoted.
        headers: Name in small letters -> value.
        body: The bytes.
    """

    method: str
    host: str
    path: str
    query: Mapping[str, list[str]] = field(default_factory=dict[str, "list[str]"])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""

    @cached_property
    def json(self) -> dict[str, Any]:
        """The body as a JSON object; empty for no body.

        Raises:
            Refusal: It is none.
        """
        return json_object(self.body)

    def argument(self, name: str, default: str = "") -> str:
        """Return a query parameter."""
        values = self.query.get(name)
        return values[-1] if values else default


@dataclass(frozen=True)
class Call:
    """Who calls, and where.

    Attributes:
        caller: The caller's e-mail address.
        host: The host that was called; "" over gRPC, where it is not told.
    """

    caller: str
    host: str = ""


def json_object(body: bytes) -> dict[str, Any]:
    """Return bytes as a JSON object; empty for none.

    Raises:
        Refusal: They are none.
    """
    if not body.strip():
        return {}
    try:
        value: Any = json.loads(body)
    except ValueError as error:
        raise invalid(f"Invalid JSON payload received. {error}") from None
    if not isinstance(value, dict):
        raise invalid("Invalid JSON payload received. The payload must be an object.")
    return value


Handler = Callable[..., Reply]
"""Takes the world, the request, and the names of the path."""


@dataclass(frozen=True)
class Route:
    """One operation over HTTP: the requests that mean it, and what answers them.

    Attributes:
        method: `GET`.
        host: A glob of host names.
        path: `/v1/{name=projects/*}`: a name without a pattern is one segment of the path; `**`
            is any number of segments.
        operation: Its name, for faults and for the record of calls: `CreatePipelineJob`.
        handler: What answers.
        how: What stands behind a success.
        permission: The permission that it needs; "" for none.
        query: Query parameters that it must have, and their values; "" for any.
        open: Whether it needs no token.
    """

    method: str
    host: str
    path: str
    operation: str
    handler: Handler
    how: How
    permission: str = ""
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    open: bool = False

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names in the path, in the order of the pattern's groups."""
        return tuple(match[1] for match in NAME.finditer(self.path))

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What matches its paths, a group for each name."""
        parts: list[str] = []
        end = 0
        for match in NAME.finditer(self.path):
            parts += [re.escape(self.path[end : match.start()])]
            parts += [f"({_segments(match[2] or '*')})"]
            end = match.end()
        parts.append(re.escape(self.path[end:]))
        return re.compile("".join(parts) + "/?")


def verb(
    host: str,
    path: str,
    word: str,
    operation: str,
    handler: Handler,
    how: How,
    permission: str = "",
) -> Route:
    """Return the route of a custom method: `POST {path}:{word}`."""
    return Route("POST", host, f"{path}:{word}", operation, handler, how, permission)


def _segments(template: str) -> str:
    """Return the expression of a template: `projects/*/locations/*`."""
    return "/".join(
        {"*": "[^/:]+" if "/" in template else "[^/]+", "**": ".+"}.get(part, re.escape(part))
        for part in template.split("/")
    )


def service(host: str) -> str:
    """Return what service a host is of; "" for none."""
    return next((name for glob, name in _SERVICES.items() if fnmatch.fnmatchcase(host, glob)), "")


def read(environ: Environ, *, body: bool = True) -> Request:
    """Return a request as WSGI has it.

    Args:
        environ: The request.
        body: Whether to read its body, which can be done once.
    """
    raw = str(environ.get("RAW_URI") or environ.get("REQUEST_URI") or environ["PATH_INFO"])
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_") or name in ("CONTENT_TYPE", "CONTENT_LENGTH")
    }
    content = b""
    if body:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        chunked = environ.get("wsgi.input_terminated")
        content = environ["wsgi.input"].read(*(() if chunked else (length,)))
    query: dict[str, list[str]] = {}
    for name, value in parse_qsl(str(environ.get("QUERY_STRING", "")), keep_blank_values=True):
        query.setdefault(name, []).append(value)
    return Request(
        method=str(environ["REQUEST_METHOD"]),
        host=str(environ.get("HTTP_HOST", HERE)).partition(":")[0].lower().rstrip("."),
        path=raw.partition("?")[0],
        query=query,
        headers=headers,
        body=content,
    )


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """Return an answer in JSON.

    Args:
        value: What is answered; None for no body.
        status: The HTTP status.
        headers: More headers.
    """
    body = b"" if value is None else json.dumps(value).encode()
    kind = (("Content-Type", "application/json; charset=UTF-8"),)
    return Reply(status, body, (*kind, *(headers or {}).items()))
