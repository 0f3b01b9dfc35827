"""One real MLflow server for the tests of a process, with doors before it that can be slow."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import os
import shutil
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from waterflow.testing.tracking_server import TrackingServer, free_port, tracking_server
from waterflow.tracking import store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["Server", "blank_store", "failing", "free_port", "served", "server", "wait_for"]

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"


def wait_for(condition: Callable[[], Any], seconds: float = 300.0) -> Any:
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


class Server(TrackingServer):
    """The server, with a door that loses answers."""

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


@pytest.fixture(scope="session")
def server(blank_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that tests of many modules share: its registry may hold the models of others."""
    with served(blank_store, tmp_path_factory.mktemp("server")) as running:
        yield running


@contextlib.contextmanager
def served(blank_store: Path, folder: Path) -> Iterator[Server]:
    """Start a server over a new store."""
    shutil.copy(blank_store / "mlflow.db", folder / "mlflow.db")
    with tracking_server(folder) as running:
        yield Server(running.port)
