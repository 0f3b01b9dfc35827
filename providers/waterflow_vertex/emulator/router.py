"""How the route is chosen that answers a request."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING
from urllib.parse import unquote

from waterflow_vertex.emulator.errors import Refusal
from waterflow_vertex.emulator.routes import HERE, METADATA, Request, Route, service

if TYPE_CHECKING:
    from collections.abc import Iterable


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
        self._hosts = tuple(dict.fromkeys(route.host for route in self.routes))

    def choose(self, request: Request) -> tuple[Route, dict[str, str]] | None:
        """Return the route of a request, and the path's names; None where there is none.

        Args:
            request: The request.
        """
        asked = METADATA if request.host == HERE else request.host
        host = next((one for one in self._hosts if fnmatch.fnmatchcase(asked, one)), "")
        for route in self._by_host.get((host, request.method), ()):
            if any(
                name not in request.query or (value and value not in request.query[name])
                for name, value in route.query.items()
            ):
                continue
            match = route.pattern.fullmatch(request.path)
            if match is not None:
                values = (unquote(value) for value in match.groups())
                return route, dict(zip(route.names, values, strict=True))
        return None

    def unknown(self, request: Request) -> Refusal:
        """Return the refusal of a request that no route takes."""
        return Refusal(
            "UNIMPLEMENTED",
            f"Waterflow's emulator of Google Cloud does not have {request.method} "
            f"https://{request.host}{request.path}: leave it out, or test it against Google Cloud.",
        )


def shape_of(request: Request) -> str:
    """Return the shape in which a request's refusals are told."""
    name = service(request.host)
    if name == "storage":
        first = request.path.strip("/").partition("/")[0]
        own = first in ("storage", "upload", "download", "resumable", "batch")
        return "storage" if own else "xml"
    return "oauth" if name == "oauth2" else "json"
