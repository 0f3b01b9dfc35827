"""How the route is chosen that answers a request."""

from __future__ import annotations

import fnmatch
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from waterflow_azureml.emulator.calls import Calls
from waterflow_azureml.emulator.errors import Refusal
from waterflow_azureml.emulator.routes import MANAGEMENT, METADATA, SCOPE, Request, Route, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable

    from waterflow.emulation.wire import Reply
    from waterflow_azureml.emulator.world import World

FREE: Final = frozenset({"workspaces.get", "workspaces.create", "workspaces.delete"})
"""Operations that need no workspace to be there."""


class Router:
    """Chooses what answers a request.

    Args:
        routes: All there are; the first that fits answers.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._by_host: dict[tuple[str, str], list[Route]] = {}
        for route in self.routes:
            self._by_host.setdefault((route.host, route.method), []).append(route)
        self.calls = Calls()
        self._hosts = tuple(dict.fromkeys(route.host for route in self.routes))

    def choose(self, request: Request) -> tuple[Route, Request, dict[str, str]] | None:
        """Return the route of a request, the request with its scope, and the path's other names.

        Args:
            request: The request.
        """
        host = next((one for one in self._hosts if fnmatch.fnmatchcase(request.host, one)), "")
        for route in self._by_host.get((host, request.method), ()):
            if any(
                name not in request.query or (value and request.query[name] != value)
                for name, value in route.query.items()
            ):
                continue
            match = route.pattern.fullmatch(request.path)
            if match is None:
                continue
            names = {name: unquote(value) for name, value in match.groupdict().items()}
            scope = Scope(*(names.pop(name, "") for name in SCOPE))
            return route, replace(request, scope=scope), names
        return None

    def open(self, request: Request) -> bool:
        """Return whether a request needs no token: it asks what everybody may know."""
        return request.host == MANAGEMENT and request.path.lower() == METADATA

    def answer(self, world: World, request: Request) -> Reply:
        """Answer a request.

        Args:
            world: What there is.
            request: The request.

        Raises:
            Refusal: It is refused.
        """
        chosen = self.choose(request)
        if chosen is None:
            raise self.unknown(request)
        route, scoped, names = chosen
        if scoped.scope.workspace and route.operation not in FREE:
            world.workspaces.require(scoped.scope)
        world.operations.settle()
        self.calls.note(route, scoped)
        return route.handler(world, scoped, **names)

    def unknown(self, request: Request) -> Refusal:
        """Return the refusal of a request that no route takes."""
        return Refusal(
            501,
            "NotImplemented",
            f"Waterflow's emulator of Azure does not have {request.method} {request.host}"
            f"{request.path}: leave it out, or test it against Azure.",
        )
