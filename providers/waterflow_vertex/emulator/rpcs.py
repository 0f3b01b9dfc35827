"""Methods of Google's services, answered over HTTP and gRPC by the same handlers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final

from waterflow_vertex.emulator import sdk
from waterflow_vertex.emulator.errors import invalid, unanswered
from waterflow_vertex.emulator.routes import NAME, Call, How, Request, Route, json_answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.emulation.wire import Reply
    from waterflow_vertex.emulator.world import World

_SYSTEM: Final = frozenset({
    "alt", "$alt", "key", "fields", "$fields", "prettyPrint", "$prettyPrint", "quotaUser",
    "access_token", "oauth_token", "callback", "$.xgafv", "$httpHeaders", "uploadType",
    "upload_protocol", "$userProject", "userProject",
})  # fmt: skip
"""Query parameters that every method takes.

https://cloud.google.com/apis/docs/system-parameters
"""
_OPERATIONS: Final = frozenset({
    "CancelOperation", "DeleteOperation", "GetOperation", "ListOperations", "WaitOperation",
    "GetLocation", "ListLocations",
})  # fmt: skip
"""Methods that every service of Vertex AI has; they have services of their own."""


Answer = Callable[["World", Call, Any], Any]
"""Takes the world, who calls, and the request; returns the response."""


@dataclass(frozen=True)
class Rpc:
    """One method.

    Attributes:
        name: Its name: `CreatePipelineJob`.
        answer: What answers it.
        how: What stands behind a success.
        permission: The permission that it needs.
        request: The class of its request; None for the service's own of its name.
        uris: The requests over HTTP that mean it; empty for those of Google's client.
    """

    name: str
    answer: Answer
    how: How
    permission: str = ""
    request: Any = None
    uris: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Service:
    """A service of Google's.

    Attributes:
        name: Its full name: `google.cloud.aiplatform.v1.PipelineService`.
        host: A glob of its hosts.
        package: The package of its client; "" where none with HTTP is installed.
        module: Its module in that.
        messages: The module of its requests.
        rpcs: What it answers.
        instead: Method -> what to do instead, for some that are refused.
    """

    name: str
    host: str
    package: str
    module: str
    messages: str
    rpcs: tuple[Rpc, ...]
    instead: Mapping[str, str] = field(default_factory=dict[str, str])

    @cached_property
    def methods(self) -> dict[str, Rpc]:
        """All methods by name, those too that are refused."""
        held = {rpc.name: rpc for rpc in self.rpcs}
        for name in self._rules:
            if name not in held and name not in _OPERATIONS:
                held[name] = Rpc(name, partial(self._refuse, name), How.REFUSED)
        return held

    def _refuse(self, name: str, *_: object) -> Any:
        short = self.name.rpartition(".")[2]
        raise unanswered(f"{short}.{name}", self.instead.get(name, self.instead.get("*", "")))

    @cached_property
    def _rules(self) -> dict[str, list[dict[str, str]]]:
        return sdk.rules(self.package, self.module) if self.package else {}

    def request(self, rpc: Rpc) -> Any:
        """Return the class of a method's request; None where it is not known."""
        if rpc.request is not None:
            return rpc.request() if isinstance(rpc.request, partial) else rpc.request
        try:
            return sdk.message(self.messages, f"{rpc.name}Request")
        except AttributeError:
            return None

    def routes(self) -> list[Route]:
        """Return the routes of all its methods."""
        held: list[Route] = []
        for rpc in self.methods.values():
            uris = rpc.uris or tuple(
                (rule["method"].upper(), rule["uri"], rule.get("body", ""))
                for rule in self._rules.get(rpc.name, ())
            )
            for method, uri, body in uris:
                names = tuple(match[1] for match in NAME.finditer(uri))
                handler = partial(_over_http, self, rpc, body, names)
                held.append(
                    Route(method, self.host, uri, rpc.name, handler, rpc.how, rpc.permission)
                )
        return held


def _over_http(
    service: Service,
    rpc: Rpc,
    body: str,
    names: tuple[str, ...],
    world: World,
    request: Request,
    call: Call,
    *values: str,
) -> Reply:
    """Answer a method that was called over HTTP."""
    if rpc.how is How.REFUSED:
        rpc.answer(world, call, None)
    kind = service.request(rpc)
    whole = _whole(kind, request, body, dict(zip(names, values, strict=True)))
    answer = rpc.answer(world, call, sdk.parse(kind, whole))
    style = request.argument("$alt") or request.argument("alt")
    return json_answer(sdk.written(answer, numbers="enum-encoding=int" in style))


def _whole(kind: Any, request: Request, body: str, names: Mapping[str, str]) -> dict[str, Any]:
    """Return a request over HTTP as the JSON of its message."""
    whole: dict[str, Any] = {}
    if body == "*":
        whole = dict(request.json)
    elif body:
        whole = {body: request.json}
    elif request.body.strip() and request.json:
        raise invalid("Invalid JSON payload received. The method takes no body.")
    for name, values in request.query.items():
        if name in _SYSTEM:
            continue
        if body == "*":
            raise invalid(
                f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query '
                "parameter. Field could not be found in request message."
            )
        sdk.set_path(whole, name, values if sdk.repeated(kind, name) else _read(values[-1]))
    for name, value in names.items():
        sdk.set_path(whole, name, value)
    return whole


def _read(text: str) -> Any:
    """Return a query parameter as JSON has it."""
    return {"true": True, "false": False}.get(text, text)
