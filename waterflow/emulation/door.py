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
from dataclasses import dataclass
from functools import partial
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
_ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"
_LONGEST_HEAD: Final = 1 << 14
_PLAIN: Final = "X-Waterflow-Plain"
"""The header by which the door says that a request came without TLS."""
_PLAIN_VARIABLE: Final = "HTTP_X_WATERFLOW_PLAIN"
_PATIENCE: Final = 30.0
"""Seconds that a client has to say where it wants to go and to shake hands."""


class Door:
    """A proxy that clients pass by `HTTPS_PROXY` and `HTTP_PROXY`, from its making to its end.

    A SDK that builds its addresses itself needs no override of them: it finds the emulator at
    `https://management.azure.com` or `https://storage.googleapis.com`. All hosts that are not the
    cloud's are refused, so that nothing leaves the machine unseen.

    Args:
        hosts: Globs of the host names that are the emulator's: `*.googleapis.com`.
        authority: What certifies them.
        port: The port of the emulator's plain HTTP server.
        grpc_port: The port of its insecure gRPC server; None when it has none.
        allowed: Globs of other hosts, with a port or without, to which bytes are handed on unread.
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

        def admits(host: str) -> bool:
            if _is_of(host, hosts):
                return True
            with lock:
                self.refused[host] += 1
                _note(host)
            return False

        def passes(host: str, port: int) -> bool:
            return _is_of(host, allowed) or _is_of(f"{host}:{port}", allowed)

        class Handler(_Handler):
            admit = staticmethod(admits)
            pass_on = staticmethod(passes)
            certify = staticmethod(partial(authority.context, protocols=protocols))
            ports = (port, grpc_port or port)

        self._server = _Server((HOST, 0), Handler)
        self.port = int(self._server.server_address[1])
        self.address = f"http://{HOST}:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def variables(self) -> dict[str, str]:
        """The variables that lead clients through the door."""
        names = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
        return dict.fromkeys(names, self.address)

    def take(self, connection: socket.socket) -> None:
        """Let a connection in that came by another way than the port."""
        self._server.process_request(connection, (HOST, 0))

    def close(self) -> None:
        """Let nobody in any more."""
        self._server.shutdown()
        self._server.server_close()


def behind(app: App, hosts: Sequence[str]) -> App:
    """Return an application that sees requests to some hosts as made over TLS, where they were.

    Args:
        app: The application behind the door.
        hosts: Globs of the host names.
    """

    def seen(environ: Environ, start: Start) -> Iterable[bytes]:
        host = str(environ.get("HTTP_HOST", "")).partition(":")[0]
        if environ.pop(_PLAIN_VARIABLE, None) is None and _is_of(host, hosts):
            environ["wsgi.url_scheme"] = "https"
        return app(environ, start)

    return seen


def _is_of(host: str, hosts: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(host.lower(), glob) for glob in hosts)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


class _Handler(socketserver.BaseRequestHandler):
    admit: Callable[[str], bool]
    pass_on: Callable[[str, int], bool]
    certify: Callable[[str], ssl.SSLContext]
    ports: tuple[int, int]

    def handle(self) -> None:
        client: socket.socket = self.request
        client.settimeout(_PATIENCE)
        try:
            request = _Request.read(client)
            if request is None:
                _refuse(client, "")
            elif self.pass_on(request.host, request.port):
                _hand_on(client, request)
            elif not self.admit(request.host):
                _refuse(client, request.host)
            elif request.plain:
                with socket.create_connection((HOST, self.ports[0]), _PATIENCE) as server:
                    server.sendall(request.head(_PLAIN + ": 1"))
                    _relay(client, server)
            else:
                self._answer(client, request.host)
        except (OSError, ValueError):
            # A client that goes away, or does not trust us, is no affair of ours.
            return

    def _answer(self, client: socket.socket, host: str) -> None:
        """End a client's TLS, and hand what it says to the emulator."""
        client.sendall(_ESTABLISHED)
        if not client.recv(1, socket.MSG_PEEK):
            return  # It has gone, and ssl leaves a socket open whose other end it does not find.
        with self.certify(host).wrap_socket(client, server_side=True) as tls:
            http, grpc = self.ports
            port = grpc if tls.selected_alpn_protocol() == "h2" else http
            with socket.create_connection((HOST, port), _PATIENCE) as server:
                _relay(tls, server)


@dataclass(frozen=True)
class _Request:
    """What a client says to a proxy first.

    Attributes:
        method: `CONNECT`, or the method of a request without TLS.
        host: Where it is to go.
        port: The port there.
        target: The rest of its address.
        version: `HTTP/1.1`.
        headers: Its headers, as they came.
    """

    method: str
    host: str
    port: int
    target: str
    version: str
    headers: tuple[str, ...]

    @property
    def plain(self) -> bool:
        """Whether it is a request without TLS."""
        return self.method != "CONNECT"

    @classmethod
    def read(cls, client: socket.socket) -> _Request | None:
        """Read it; None for what is said to no proxy."""
        head = b""
        while b"\r\n\r\n" not in head and len(head) < _LONGEST_HEAD:
            # Byte for byte at the end: what follows the head is the client's TLS, or a body.
            data = client.recv(1)
            if not data:
                return None
            head += data
        first, *headers = head.decode("latin-1").strip("\r\n").split("\r\n")
        method, _, rest = first.partition(" ")
        target, _, version = rest.rpartition(" ")
        connects = method == "CONNECT"
        if not connects and not target.lower().startswith("http://"):
            return None
        place = urlsplit(f"//{target}" if connects else target)
        path = f"{place.path or '/'}{f'?{place.query}' if place.query else ''}"
        host = place.hostname or ""
        port = place.port or (443 if connects else 80)
        return cls(method, host, port, path, version, tuple(headers)) if host else None

    def head(self, *more: str, proxy: bool = False) -> bytes:
        """Return what is said to the server, or to another proxy, in its place.

        The connection serves one request: the next one may be to another host.

        Args:
            more: Headers to add.
            proxy: Whether it is said to a proxy.
        """
        dropped = ("connection", "proxy-connection", "keep-alive", _PLAIN.lower())
        kept = [one for one in self.headers if one.partition(":")[0].lower() not in dropped]
        place = f"{self.host}:{self.port}"
        target = f"http://{place}{self.target}" if proxy else self.target
        lines = [f"{self.method} {target} {self.version}", *kept, *more, "Connection: close"]
        return "".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1")


def _refuse(client: socket.socket, host: str) -> None:
    text = f"{host or 'that'} is not the emulated cloud's\n"
    if host:
        text += f"To let programs reach it: waterflow emulate --allow {host}\n"
    body = text.encode("latin-1")
    client.sendall(
        b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Type: text/plain\r\n"
        b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body
    )


def _hand_on(client: socket.socket, request: _Request) -> None:
    """Let a client through to a host, by the proxy that leads out of here if there is one."""
    host, port = request.host, request.port
    proxy = None
    if not urllib.request.proxy_bypass(host):
        proxy = urllib.request.getproxies().get("http" if request.plain else "https")
    way = urlsplit(proxy) if proxy else None
    to = (host, port) if way is None else (way.hostname or "", way.port or 80)
    with socket.create_connection(to, _PATIENCE) as server:
        if request.plain:
            server.sendall(request.head(proxy=way is not None))
        elif way is None:
            client.sendall(_ESTABLISHED)
        else:  # its answer is the client's
            server.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        _relay(client, server)


def _note(host: str) -> None:
    _LOG.warning("%s is refused, as it is not the emulated cloud's", host)
    record = os.environ.get(RECORD)
    if record:
        with Path(record).open("a", encoding="utf-8") as file:
            file.write(f"{host}\n")


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
