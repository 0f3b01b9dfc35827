"""One real MLflow server for the tests of a process, with doors before it that can be slow."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import os
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from waterflow.tracking import store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"


def wait_for(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


@pytest.fixture(scope="session")
def blank_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project state with a store as `prepare` makes it: migrating one takes seconds."""
    state = tmp_path_factory.mktemp("blank") / ".waterflow"
    store.prepare(store.default_uri(state), state)
    return state


class Door(socketserver.ThreadingTCPServer):
    """A TCP proxy before the server that can let each connection wait first."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, behind: int, delay: float) -> None:
        self.behind, self.delay = behind, delay
        super().__init__(("127.0.0.1", port), _Passage)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients hang up on slow servers."""


class _Passage(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        time.sleep(self.server.delay)
        with socket.create_connection(("127.0.0.1", self.server.behind)) as inner:
            back = threading.Thread(target=_pump, args=(inner, self.request), daemon=True)
            back.start()
            _pump(self.request, inner)
            back.join(10)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


class Server:
    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    @contextlib.contextmanager
    def door(self, port: int = 0, delay: float = 0.0) -> Iterator[str]:
        with Door(port, self.port, delay) as door:
            thread = threading.Thread(target=door.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            try:
                yield f"http://127.0.0.1:{door.server_address[1]}"
            finally:
                door.shutdown()
                thread.join()

    @contextlib.contextmanager
    def losing(self, path: str, port: int = 0, times: int = 1) -> Iterator[str]:
        """Do all that is asked, but lose the first answers to what is posted to a path."""
        handler = _losing(self.port, path, times)
        with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as door:
            thread = threading.Thread(target=door.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            try:
                yield f"http://127.0.0.1:{door.server_address[1]}"
            finally:
                door.shutdown()
                thread.join()


def _losing(behind: int, path: str, times: int) -> type[http.server.BaseHTTPRequestHandler]:
    """Return what hands requests on, and keeps the first answers to a path's POSTs to itself."""
    left = [times]

    class Losing(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            inner = http.client.HTTPConnection("127.0.0.1", behind)
            inner.request(self.command, self.path, body, dict(self.headers))
            answer = inner.getresponse()
            text = answer.read()
            inner.close()
            if self.command == "POST" and self.path.endswith(path) and left[0]:
                left[0] -= 1
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() in ("content-type", "etag"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_PUT = do_GET  # noqa: N815 - the base class's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Losing


@contextlib.contextmanager
def failing() -> Iterator[tuple[str, list[str]]]:
    """Serve nothing but errors; the paths of the requests are kept."""
    paths: list[str] = []

    class Failure(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_error(503)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Failure) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", paths
        finally:
            server.shutdown()
            thread.join()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as reply:
            return reply.status == 200
    except OSError:
        return False


@pytest.fixture(scope="session")
def server(blank_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(blank_store / "mlflow.db", folder / "mlflow.db")
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--workers", "1"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    environ = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=environ, start_new_session=True
        )
        try:
            wait_for(lambda: _answers(f"http://127.0.0.1:{port}") or process.poll() is not None)
            assert process.poll() is None, (folder / "log").read_text()
            yield Server(port)
        finally:
            os.killpg(process.pid, 15)
            process.wait(20)
