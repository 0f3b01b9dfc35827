"""The page of a run that goes on: served on loopback alone, under an address nobody can guess."""

from __future__ import annotations

import contextlib
import hmac
import json
import secrets
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, Self

from waterflow.errors import ProviderError
from waterflow.report.gather import Gathering
from waterflow.report.page import page

if TYPE_CHECKING:
    from collections.abc import Callable

    from waterflow.provider import Provider
    from waterflow.provider.state import RunState

HOST: Final = "127.0.0.1"
_PAUSE: Final = 1.0
"""Seconds between two looks at a run."""
_ALIVE: Final = 15.0
"""Seconds after which a silent stream says that it is alive."""


class _Board:
    """The newest page, and a bell for who waits for the next."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.html, self.said = "", ""
        self.number = 0
        self.ended = self.closed = False

    def pin(self, html: str, said: str, *, ended: bool) -> None:
        with self._changed:
            self.html, self.said, self.ended = html, said, ended
            self.number += 1
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def newer(self, number: int) -> int:
        """Wait for a page after one; return its number, or the same where none came in time."""
        with self._changed:
            self._changed.wait_for(lambda: self.closed or self.number > number, _ALIVE)
            return self.number


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, board: _Board, token: str) -> None:
        self.board, self.token = board, token
        super().__init__((HOST, 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a browser that has gone is no error."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        board = self.server.board
        # A name that leads to this machine is not enough: a page elsewhere could have one.
        host = self.headers.get("Host", "")
        parts = self.path.partition("?")[0].split("/")
        known = len(parts) == 3 and hmac.compare_digest(
            parts[1].encode(), self.server.token.encode()
        )
        if host != f"{HOST}:{self.server.server_address[1]}" or not known:
            self.send_error(HTTPStatus.NOT_FOUND)
        elif parts[2] == "":
            self._head("text/html; charset=utf-8")
            self.wfile.write(board.html.encode())
        elif parts[2] == "events":
            self._head("text/event-stream")
            with contextlib.suppress(OSError):
                self._events(board)
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _head(self, kind: str) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.end_headers()

    def _events(self, board: _Board) -> None:
        number = 0
        while not board.closed:
            newest = board.newer(number)
            if newest == number:
                self.wfile.write(b": alive\n\n")
            else:
                number = newest
                self._send("page", json.dumps(board.html))
                self._send("said", board.said)
                if board.ended:
                    self._send("end", "")
                    return
            self.wfile.flush()

    def _send(self, name: str, text: str) -> None:
        self.wfile.write(f"event: {name}\ndata: {text}\n\n".encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Say nothing of each request."""


class LivePage:
    """Serves a run's page while the block runs.

    Args:
        provider: The provider.
        run_id: The run.
        explain: Notes in a state why its steps ran.

    Attributes:
        url: Its address, with a random part.
    """

    def __init__(
        self, provider: Provider, run_id: str, explain: Callable[[RunState], None]
    ) -> None:
        self._provider, self._run, self._explain = provider, run_id, explain
        self._gathering = Gathering(provider, run_id)
        self._board = _Board()
        token = secrets.token_urlsafe(24)
        self._server = _Server(self._board, token)
        self.url = f"http://{HOST}:{self._server.server_address[1]}/{token}/"
        self._seen: object = None
        self._statuses: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._look()
        thread = threading.Thread(target=self._server.serve_forever, name="report", daemon=True)
        thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._board.close()
        self._server.shutdown()
        self._server.server_close()

    def follow(self) -> None:
        """Show what is new until the run has ended."""
        while not self._board.ended:
            time.sleep(_PAUSE)
            # A service that does not answer now may do so at the next look.
            with contextlib.suppress(ProviderError):
                self._look()

    def stay(self) -> None:
        """Go on serving the finished page until Ctrl-C."""
        threading.Event().wait()

    def finished(self) -> str:
        """Return the page as a file: it follows nothing any more."""
        return page(self._gathering.report(self._explained()))

    def _explained(self) -> RunState:
        state = self._provider.status(self._run)
        self._explain(state)
        return state

    def _look(self) -> None:
        state = self._explained()
        seen = (
            state.status,
            [(s.status, s.attempt, s.started, s.items) for s in state.steps.values()],
        )
        if seen == self._seen:
            return
        html = page(self._gathering.report(state), live=True)
        statuses = {name: str(step.status) for name, step in state.steps.items()}
        news = _news(self._statuses, statuses, str(state.status))
        self._seen, self._statuses = seen, statuses
        self._board.pin(html, news, ended=state.status.final)


def _news(before: dict[str, str], now: dict[str, str], run: str) -> str:
    """Return what has changed, as a screen reader says it."""
    if not before:
        return f"The run is {run}."
    words = [f"{name} {status}" for name, status in now.items() if before.get(name) != status]
    if len(words) > 3:
        words = [*words[:3], f"and {len(words) - 3} more"]
    return ", ".join([*words, *([] if run == "running" else [f"the run {run}"])]) + "."
