"""The door to an emulator at a cloud's own host names: a proxy on loopback that ends their TLS."""

from __future__ import annotations

import fnmatch
import logging
import os
import select
import socket
import socketserver
import ssl
import threading
import urllib.request
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from waterflow.emulation.server import HOST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from waterflow.emulation.certificates import Authority
    from waterflow.emulation.wire import App, Environ, Start

RECORD: Final = "WATERFLOW_EMULATOR_REFUSED"
"""The variable that names a file in which the doors of all emulators note what they refuse."""

_LOG: Final = logging.getLogger(__name__)
_CHUNK: Final = 1 << 16
_LONGEST_HEAD: Final = 1 << 14
_PATIENCE: Final = 30.0
"""Seconds that a client has to say where it wants to go and to shake hands."""


class Door:
    """A proxy that clients pass by `HTTPS_PROXY`; it answers from its making until it is closed.

    A SDK that builds its addresses itself needs no override of them: it finds the emulator at
    `https://management.azure.com` or `https://storage.googleapis.com`. All hosts that are not the
    cloud's are refused, so that nothing leaves the machine unseen.

    Args:
        hosts: Globs of the host names that are the emulator's: `*.googleapis.com`.
        authority: What certifies them.
        port: The port of the emulator's plain HTTP server.
        grpc_port: The port of its insecure gRPC server; None when it has none.
        allowed: Globs of other hosts to which bytes are handed on unread.
    """

    def __init__(
        self,
        hosts: Sequence[str],
        authority: Authority,
        port: int,
        grpc_port: int | None = None,
        allowed: Sequence[str] = (),
    ) -> None:
        self.refused: Counter[str] = Counter()
        """The other hosts that clients named, in their order, and how often."""
        lock = threading.Lock()
        protocols = ("h2", "http/1.1") if grpc_port else ("http/1.1",)

        def enter(host: str) -> ssl.SSLContext | None:
            if not _is_of(host, hosts):
                with lock:
                    self.refused[host] += 1
                    _note(host)
                return None
            return authority.context(host, protocols=protocols)

        def passes(host: str) -> bool:
            return _is_of(host, allowed)

        class Handler(_Handler):
            admit = staticmethod(enter)
            pass_on = staticmethod(passes)
            ports = (port, grpc_port or port)

        self._server = _Server((HOST, 0), Handler)
        self.address = f"http://{HOST}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def variables(self) -> dict[str, str]:
        """The variables that lead clients through the door."""
        return {"HTTPS_PROXY": self.address, "https_proxy": self.address}

    def close(self) -> None:
        """Let nobody in any more."""
        self._server.shutdown()
        self._server.server_close()


def behind(app: App, hosts: Sequence[str]) -> App:
    """Return an application that sees requests to some hosts as made over TLS, as they were.

    Args:
        app: The application behind the door.
        hosts: Globs of the host names.
    """

    def seen(environ: Environ, start: Start) -> Iterable[bytes]:
        if _is_of(str(environ.get("HTTP_HOST", "")).partition(":")[0], hosts):
            environ["wsgi.url_scheme"] = "https"
        return app(environ, start)

    return seen


def _is_of(host: str, hosts: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(host.lower(), glob) for glob in hosts)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


class _Handler(socketserver.BaseRequestHandler):
    admit: Callable[[str], ssl.SSLContext | None]
    pass_on: Callable[[str], bool]
    ports: tuple[int, int]

    def handle(self) -> None:
        client: socket.socket = self.request
        client.settimeout(_PATIENCE)
        try:
            host, destination_port = _destination(client)
            if self.pass_on(host):
                self._hand_on(client, host, destination_port)
                return
            context = self.admit(host) if host else None
            if context is None:
                text = f"{host or 'that'} is not the emulated cloud's\n".encode()
                client.sendall(
                    b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: "
                    + str(len(text)).encode()
                    + b"\r\n\r\n"
                    + text
                )
                return
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with context.wrap_socket(client, server_side=True) as tls:
                http, grpc = self.ports
                port = grpc if tls.selected_alpn_protocol() == "h2" else http
                with socket.create_connection((HOST, port), _PATIENCE) as server:
                    _relay(tls, server)
        except (
            OSError,
            ValueError,
        ):  # a client that goes away, or does not trust us, is no affair of ours
            return

    @staticmethod
    def _hand_on(client: socket.socket, host: str, port: int) -> None:
        """Let a client through to a host, by the proxy that leads out of here if there is one."""
        proxy = None
        if not urllib.request.proxy_bypass(host):
            proxy = urllib.request.getproxies().get("https")
        way = urlsplit(proxy) if proxy else None
        to = (host, port) if way is None else (way.hostname or "", way.port or 80)
        with socket.create_connection(to, _PATIENCE) as server:
            if way is None:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:  # its answer is the client's
                server.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            _relay(client, server)


def _note(host: str) -> None:
    _LOG.warning("%s is refused, as it is not the emulated cloud's", host)
    record = os.environ.get(RECORD)
    if record:
        with Path(record).open("a", encoding="utf-8") as file:
            file.write(f"{host}\n")


def _destination(client: socket.socket) -> tuple[str, int]:
    """Return the host and port of a CONNECT request; "" and 0 for another request."""
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _LONGEST_HEAD:
        # Byte for byte at the end: what follows the head is the client's TLS.
        data = client.recv(1)
        if not data:
            return "", 0
        head += data
    method, _, rest = head.decode("latin-1").partition(" ")
    host, _, port = rest.split(" ")[0].rpartition(":")
    return (host.strip("[]"), int(port)) if method == "CONNECT" else ("", 0)


def _relay(client: socket.socket, server: socket.socket) -> None:
    """Hand bytes on in both directions until one side ends."""
    client.settimeout(None)
    server.settimeout(None)
    while True:
        # What TLS has read already no descriptor shows.
        pending = isinstance(client, ssl.SSLSocket) and client.pending()
        ready = [client] if pending else select.select([client, server], [], [])[0]
        for source in ready:
            data = source.recv(_CHUNK)
            if not data:
                return
            (server if source is client else client).sendall(data)
