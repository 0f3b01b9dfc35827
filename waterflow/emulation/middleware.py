"""Where requests enter an emulator: its own control routes, and the faults that strike requests."""

from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING, Any, Final

from waterflow.emulation.wire import App, Environ, Start, Wire, json_reply, read_body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from waterflow.emulation.faults import Faults

CONTROL: Final = "/_waterflow/"
"""Paths that are the emulator's own; no bucket's either, as their names have no underscores."""


class Middleware:
    """The application that the server runs.

    Args:
        app: What answers the requests that come through.
        wire: The vendor's wire.
        faults: What is to go wrong.
    """

    def __init__(self, app: App, wire: Wire, faults: Faults) -> None:
        self._app, self._wire, self._faults = app, wire, faults
        self.controls: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {}
        """What the emulator's owner may do with it beside the cloud's API, under CONTROL."""

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        """Answer one request."""
        path = str(environ.get("PATH_INFO", ""))
        if path.startswith(CONTROL):
            return self._control(path.removeprefix(CONTROL), environ, start)
        # To find out what a request names takes time.
        if not self._faults.shares or self._wire.internal(environ):
            return self._app(environ, start)
        return self._struck(environ, start, *self._wire.identify(environ))

    def _control(self, name: str, environ: Environ, start: Start) -> Iterable[bytes]:
        control = self.controls.get(name)
        if control is None or environ["REQUEST_METHOD"] != "POST":
            read_body(environ)
            return json_reply({"message": f"there is no {name}"}, 404).send(start)
        try:
            return json_reply(control(json.loads(read_body(environ)))).send(start)
        except (ValueError, KeyError, TypeError) as error:
            return json_reply({"message": f"{type(error).__name__}: {error}"}, 400).send(start)

    def _struck(
        self, environ: Environ, start: Start, service: str, operation: str
    ) -> Iterable[bytes]:
        faults = self._faults
        for fault in ("throttle", "error503"):
            if faults.request(fault, service, operation):
                read_body(environ)  # unread, it would break the connection
                return self._wire.refusal(service, fault).send(start)
        late = faults.request("slow", service, operation)
        lost = faults.request("lost", service, operation)
        if not lost:
            if late:
                time.sleep(faults.slow_for)
            return self._app(environ, start)
        for _ in self._app(environ, _unsaid):
            pass
        if late:
            time.sleep(faults.slow_for)
        # The request is carried out; its client sees the connection end without a reply.
        connection: socket.socket = environ["werkzeug.socket"]
        connection.shutdown(socket.SHUT_RDWR)
        raise ConnectionResetError


def _unsaid(*_: object) -> Callable[[bytes], None]:
    """Take the beginning of a reply that nobody will read."""

    def write(_data: bytes) -> None:
        return None

    return write
