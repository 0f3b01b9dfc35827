"""HTTP as WSGI has it: bodies read, replies written, and what faults must know of a wire."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

Environ = dict[str, Any]
Start = Callable[..., Any]
App = Callable[[Environ, Start], Iterable[bytes]]


@dataclass(frozen=True)
class Reply:
    """A whole answer to a request.

    Attributes:
        status: The HTTP status.
        body: The bytes.
        headers: Header -> value; the length is added.
    """

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)

    def send(self, start: Start) -> Iterable[bytes]:
        """Begin the answer, and return its body."""
        phrase = HTTPStatus(self.status).phrase
        start(f"{self.status} {phrase}", [*self.headers, ("Content-Length", str(len(self.body)))])
        return [self.body]


def json_reply(value: Any, status: int = 200) -> Reply:
    """Return an answer in JSON."""
    return Reply(status, json.dumps(value).encode())


def read_body(environ: Environ) -> bytes:
    """Return a request's body; it can be read once."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    return environ["wsgi.input"].read(length) if length else b""


class Wire(Protocol):
    """What the middleware must know of a vendor's wire to let faults strike at it."""

    def identify(self, environ: Environ) -> tuple[str, str]:
        """Return the service and the operation that a request names; "" for what it does not say.

        The body must be left unread.
        """
        ...

    def refusal(self, service: str, fault: str) -> Reply:
        """Return the vendor's words for a request that meets `throttle` or `error503`."""
        ...

    def internal(self, environ: Environ) -> bool:
        """Return whether a request is the emulator's own: no fault strikes it."""
        ...
