"""A real MLflow server for tests, with doors before it: on a port of choice, and slow."""

from __future__ import annotations

import contextlib
import os
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.request
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_PATIENCE: Final = 90.0


class Door(socketserver.ThreadingTCPServer):
    """A TCP proxy before a server that can let each connection wait first.

    Args:
        port: Its own port; 0 for a free one.
        behind: The server's port.
        delay: Seconds that each connection waits.
    """

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, behind: int, delay: float) -> None:
        self.behind, self.delay = behind, delay
        super().__init__(("127.0.0.1", port), _Connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients hang up on slow servers."""


class _Connection(socketserver.BaseRequestHandler):
    server: Door  # pyright: ignore[reportIncompatibleVariableOverride]

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


class TrackingServer:
    """A server that answers.

    Args:
        port: Its port on this machine.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    @contextlib.contextmanager
    def door(self, port: int = 0, delay: float = 0.0) -> Generator[str]:
        """Open another address of it while the block runs, and give that.

        Args:
            port: The door's port; 0 for a free one.
            delay: Seconds that each connection waits.
        """
        with Door(port, self.port, delay) as opened:
            thread = threading.Thread(target=opened.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            try:
                yield f"http://127.0.0.1:{opened.server_address[1]}"
            finally:
                opened.shutdown()
                thread.join()


@contextlib.contextmanager
def tracking_server(folder: Path) -> Generator[TrackingServer]:
    """Run an MLflow server while the block runs.

    Args:
        folder: Where it keeps everything; a database `mlflow.db` that lies there is used.
    """
    port = free_port()
    command = [
        *(sys.executable, "-m", "waterflow.tracking.serving", "--workers", "1"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]
    environ = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=environ, start_new_session=True
        )
        try:
            end = time.monotonic() + _PATIENCE
            while not _answers(f"http://127.0.0.1:{port}"):
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < end, f"MLflow does not answer within {_PATIENCE:g} s"
                time.sleep(0.05)
            yield TrackingServer(port)
        finally:
            os.killpg(process.pid, 15)
            process.wait(300)


def free_port() -> int:
    """Return a port of this machine that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    # Not urlopen: it keeps the proxies of its first request, and an emulator's may be gone.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/health", timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False
