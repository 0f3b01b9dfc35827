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
from waterflow_azureml.emulator.errors import invalid

if TYPE_CHECKING:
    from waterflow.emulation.wire import Environ

MANAGEMENT: Final = "management.azure.com"
"""The host of Azure Resource Manager."""
API: Final = "*.api.azureml.ms"
"""The hosts of a workspace's own services: history, artifacts, MLflow."""
BLOB: Final = "*.blob.core.windows.net"
DFS: Final = "*.dfs.core.windows.net"
VAULT: Final = "*.vault.azure.net"
LOGIN: Final = "login.microsoftonline.com"
INFERENCE: Final = "*.inference.ml.azure.com"
"""The hosts of endpoints that serve models."""
HERE: Final = "127.0.0.1"
"""This machine: where the token endpoint of the managed identity is."""

METADATA: Final = "/metadata/endpoints"
"""The path at which Azure Resource Manager tells where a cloud's services are."""
GROUP: Final = "/subscriptions/{subscription}/resourceGroups/{group}"
PROVIDER: Final = f"{GROUP}/providers/Microsoft.MachineLearningServices"
WORKSPACE: Final = f"{PROVIDER}/workspaces/{{workspace}}"
"""The path of a workspace at Azure Resource Manager; its parts are the request's scope."""

_SERVICES: Final = {
    MANAGEMENT: "azureml", API: "azureml", INFERENCE: "inference", BLOB: "blob", DFS: "dfs",
    VAULT: "vault", LOGIN: "login", HERE: "login",
}  # fmt: skip
SCOPE: Final = ("subscription", "group", "workspace")
NAME: Final = re.compile(r"\{(\w+)(:path)?\}")
"""The names within a path."""
_VERBS: Final = {
    "GET": "read",
    "HEAD": "read",
    "PUT": "write",
    "PATCH": "write",
    "DELETE": "delete",
}


class How(StrEnum):
    """What stands behind a success."""

    RUN = "run"
    """What the request asks for is done: a program runs, bytes are written, a token is issued."""
    RECORD = "record"
    """The resource is a document in the service too: it is kept, and given back as it was."""
    STATE = "state"
    """The answer is read from what is there."""


@dataclass(frozen=True)
class Scope:
    """Where in the cloud a request is about.

    Attributes:
        subscription: The subscription's id.
        group: The resource group.
        workspace: The workspace; "" where there is none in the path.
    """

    subscription: str
    group: str
    workspace: str = ""

    @property
    def id(self) -> str:
        """The ARM id of the workspace; of the group or the subscription where there is none."""
        path = f"/subscriptions/{self.subscription}"
        if self.group:
            path += f"/resourceGroups/{self.group}"
        if not self.workspace:
            return path
        return f"{path}/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace}"


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request, as handlers see it.

    Attributes:
        method: `GET`.
        host: The host's name, without a port.
        path: The path, still quoted.
        query: Name -> value, unquoted; the last one of a name.
        headers: Name in small letters -> value.
        body: The bytes.
        scope: Where it is about, for paths below a subscription.
    """

    method: str
    host: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    scope: Scope = field(default_factory=lambda: Scope("", ""))

    @cached_property
    def json(self) -> dict[str, Any]:
        """The body as a JSON object; empty for no body.

        Raises:
            Refusal: It is none.
        """
        if not self.body.strip():
            return {}
        try:
            value: Any = json.loads(self.body)
        except ValueError as error:
            raise invalid(f"The request's body is no JSON: {error}") from None
        if not isinstance(value, dict):
            raise invalid("The request's body must be a JSON object")
        return value

    @property
    def url(self) -> str:
        """Its address, without the query."""
        return f"https://{self.host}{self.path}"


Handler = Callable[..., Reply]
"""Takes the world, the request, and the names of the path that are not its scope."""


@dataclass(frozen=True)
class Route:
    """One operation: the requests that mean it, and what answers them.

    Attributes:
        method: `GET`.
        host: A glob of host names.
        path: `/a/{name}`: a name is one segment of the path; `{name:path}` one or more. Letters'
            case tells no two paths apart at Azure Resource Manager.
        operation: Its name, for faults and for the record of calls: `jobs.create`.
        handler: What answers.
        how: What stands behind a success.
        query: Query parameters that it must have, and their values; "" for any.
        action: The permission that it needs; "" where its path says it, as Azure's rule is.
    """

    method: str
    host: str
    path: str
    operation: str
    handler: Handler
    how: How
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    action: str = ""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What matches its paths."""
        parts: list[str] = []
        end = 0
        for match in NAME.finditer(self.path):
            parts += [re.escape(self.path[end : match.start()])]
            parts += [f"(?P<{match[1]}>{'.+' if match[2] else '[^/]+'})"]
            end = match.end()
        parts.append(re.escape(self.path[end:]))
        flags = 0 if self.host in (BLOB, DFS) else re.IGNORECASE
        return re.compile("".join(parts) + "/?", flags)

    @property
    def permission(self) -> str:
        """The action that a role must allow for it; "" for what needs none.

        https://learn.microsoft.com/azure/role-based-access-control/resource-provider-operations
        """
        if self.action or self.host != MANAGEMENT or "/providers/" not in self.path:
            return self.action
        kept = [
            part
            for part in self.path.rpartition("/providers/")[2].split("/")
            if part and not part.startswith("{")
        ]
        verb = _VERBS.get(self.method, "action")
        return "/".join([*kept, verb])


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
    path = raw.partition("?")[0]
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
    return Request(
        method=str(environ["REQUEST_METHOD"]),
        host=str(environ.get("HTTP_HOST", HERE)).partition(":")[0].lower(),
        path=re.sub("/{2,}", "/", path) if service_of(environ) != "blob" else path,
        query=dict(parse_qsl(str(environ.get("QUERY_STRING", "")), keep_blank_values=True)),
        headers=headers,
        body=content,
    )


def service_of(environ: Environ) -> str:
    """Return what service a request is to."""
    held = service(str(environ.get("HTTP_HOST", HERE)).partition(":")[0].lower())
    # MLflow's requests are to a workspace's own host, and have MLflow's words.
    if held == "azureml" and str(environ.get("PATH_INFO", "")).startswith("/mlflow/"):
        return "mlflow"
    return held


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """Return an answer in JSON.

    Args:
        value: What is answered; None for no body.
        status: The HTTP status.
        headers: More headers.
    """
    body = b"" if value is None else json.dumps(value).encode()
    kind = (("Content-Type", "application/json; charset=utf-8"),)
    return Reply(status, body, (*kind, *(headers or {}).items()))
