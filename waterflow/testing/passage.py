"""An HTTP passage before a service, at which a test holds, loses and refuses requests."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Generator

Side = Literal["before", "after"]
"""Whether a request is held before it is served, or after."""
Naming = Callable[[str, str, Mapping[str, str]], str]
"""Makes a request's name of its method, its path with the query, and its headers."""

_PATIENCE = 300.0


@dataclass(frozen=True)
class Refusal:
    """A service's answer to a request that it refuses.

    Attributes:
        status: HTTP's status.
        content_type: The type of the body.
        body: The body.
    """

    status: int
    content_type: str
    body: bytes


def path_name(method: str, path: str, headers: Mapping[str, str]) -> str:
    """Return a request's name where the path says which operation it is."""
    del headers
    return f"{method} {path}"


class Passage(ThreadingHTTPServer):
    """Hands requests on to a service; can hold one, lose the first replies to some, refuse others.

    Args:
        endpoint: The service's address, over http.
        naming: What requests are known by here.

    Attributes:
        url: The passage's own address.
        names: The names of the requests that came, in their order.
        reached: Set when the request that is to be held is held.
        opened: Set by a test to let it go on.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, endpoint: str, naming: Naming = path_name) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.host, self.naming = endpoint.removeprefix("http://"), naming
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.names: list[str] = []
        self.reached, self.opened = threading.Event(), threading.Event()
        self.unlost: dict[str, int] = {}
        self._refusals: dict[str, Refusal] = {}
        self._held: tuple[str, Side] | None = None
        self._number = 1

    def hold(self, part: str, side: Side, number: int = 1) -> None:
        """Hold a request.

        Args:
            part: What its name contains.
            side: Whether it is held before it is served, or after.
            number: Which one of those that contain it.
        """
        self._held = part, side
        self._number = number
        self.reached.clear()
        self.opened.clear()

    def lose(self, part: str, count: int = 1) -> None:
        """Serve the first requests whose name contains a text, and lose the replies.

        How many are still to be lost is in `unlost`.
        """
        self.unlost[part] = count

    def refuse(self, part: str, refusal: Refusal) -> None:
        """Refuse the requests whose name contains a text, until `relent`."""
        self._refusals[part] = refusal

    def relent(self) -> None:
        """Refuse nothing any more."""
        self._refusals.clear()

    # --- what the requests ask ------------------------------------------------------------------

    def refusal(self, name: str) -> Refusal | None:
        """Return how a request is refused; None for one that is served."""
        return next((one for part, one in self._refusals.items() if part in name), None)

    def losing(self, name: str) -> bool:
        """Say whether the reply to a request is lost, and count it."""
        for part, count in self.unlost.items():
            if part in name and count:
                self.unlost[part] -= 1
                return True
        return False

    def pause(self, name: str, side: Side) -> None:
        """Let a request wait if it is the one to be held."""
        if self._held is None or self._held[0] not in name or self._held[1] != side:
            return
        self._number -= 1
        if self._number == 0:
            self.reached.set()
            self.opened.wait(_PATIENCE)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients are killed."""


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Passage  # pyright: ignore[reportIncompatibleVariableOverride]

    def _pass(self) -> None:
        passage = self.server
        name = passage.naming(self.command, self.path, dict(self.headers))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        passage.names.append(name)
        passage.pause(name, "before")
        refusal = passage.refusal(name)
        if refusal is not None:
            self._answer(refusal.status, [("Content-Type", refusal.content_type)], refusal.body)
            return
        inner = http.client.HTTPConnection(passage.host, timeout=_PATIENCE)
        inner.request(self.command, self.path, body, dict(self.headers))
        reply = inner.getresponse()
        content = reply.read()
        inner.close()
        passage.pause(name, "after")
        if passage.losing(name):
            self.close_connection = True
            return
        headers = [
            (name, value)
            for name, value in reply.getheaders()
            if name.lower() not in ("transfer-encoding", "connection", "server")
            and (name.lower() != "content-length" or self.command == "HEAD")
        ]
        self._answer(reply.status, headers, content)

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_PATCH = _pass  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        """Say nothing."""


@contextlib.contextmanager
def passage(endpoint: str, naming: Naming = path_name) -> Generator[Passage]:
    """Open a passage before a service while the block runs.

    Args:
        endpoint: The service's address, over http.
        naming: What requests are known by at the passage.
    """
    with Passage(endpoint, naming) as opened:
        thread = threading.Thread(target=opened.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield opened
        finally:
            opened.opened.set()
            opened.shutdown()
            thread.join()
