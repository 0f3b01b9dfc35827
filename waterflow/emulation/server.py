"""The HTTP server of an emulator: a thread a connection, on loopback, with TLS or without."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Final

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

if TYPE_CHECKING:
    import socket
    import ssl

    from waterflow.emulation.wire import App

HOST: Final = "127.0.0.1"
_LOOK: Final = 0.05
"""Seconds in which the server sees that it is to end."""


class Handler(WSGIRequestHandler):
    """Answers the requests of one connection, and keeps it open between them."""

    protocol_version = "HTTP/1.1"
    # Replies are small and come at once: waiting to fill a packet costs 40 ms each.
    disable_nagle_algorithm = True


class Server:
    """A server that has its port from its making, and answers from `start` to `close`.

    Args:
        app: What answers.
        port: The port; 0 for a free one.
        context: For TLS; None for plain HTTP.
        handler: What reads requests; the vendor may need another one.
    """

    def __init__(
        self,
        app: App,
        port: int = 0,
        context: ssl.SSLContext | None = None,
        handler: type[WSGIRequestHandler] = Handler,
    ) -> None:
        # A line for each request helps nobody.
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = _Server(app, port, context, handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_LOOK,), daemon=True
        )
        self.port = int(self._server.server_address[1])
        self.endpoint = f"{'http' if context is None else 'https'}://{HOST}:{self.port}"

    def start(self) -> None:
        """Begin to answer; requests that came before are answered too."""
        self._thread.start()

    def take(self, connection: socket.socket) -> None:
        """Answer a connection that came by another way than the port."""
        self._server.take(connection)

    def close(self) -> None:
        """Answer no more."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


class _Server(ThreadedWSGIServer):
    daemon_threads = True

    def __init__(
        self,
        app: App,
        port: int,
        context: ssl.SSLContext | None,
        handler: type[WSGIRequestHandler],
    ) -> None:
        super().__init__(HOST, port, app, handler)
        self.ssl_context = context

    def get_request(self) -> tuple[Any, Any]:
        connection, address = super().get_request()
        return self._secured(connection), address

    def take(self, connection: socket.socket) -> None:
        self.process_request(self._secured(connection), (HOST, 0))

    def _secured(self, connection: Any) -> Any:
        if self.ssl_context is not None:
            # Hands are shaken in the connection's own thread: a client that does not come to it
            # keeps nobody else waiting.
            connection = self.ssl_context.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection
