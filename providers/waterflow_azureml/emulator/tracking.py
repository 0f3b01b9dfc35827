"""MLflow's servers behind workspaces: real ones, started when the first request comes."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from waterflow_azureml.emulator.errors import Refusal

if TYPE_CHECKING:
    from pathlib import Path

    from waterflow_azureml.emulator.workspaces import Workspace

_HOST: Final = "127.0.0.1"
_PATIENCE: Final = 120.0
"""Seconds that a server has to answer first: it makes its database."""
_GRACE: Final = 5.0


@dataclass(frozen=True)
class Answer:
    """What a server has answered.

    Attributes:
        status: The HTTP status.
        kind: The content type.
        body: The bytes.
    """

    status: int
    kind: str
    body: bytes


class Server:
    """One workspace's server.

    Args:
        folder: Where it keeps everything.
        artifacts: What the addresses of runs' artifacts begin with.
    """

    def __init__(self, folder: Path, artifacts: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as probe:
            probe.bind((_HOST, 0))
            self._port = int(probe.getsockname()[1])
        command = [
            sys.executable, "-m", "waterflow.tracking.serving",
            "--host", _HOST, "--port", str(self._port), "--workers", "1",
            "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
            "--no-serve-artifacts", "--default-artifact-root", artifacts,
        ]  # fmt: skip
        environment = {n: v for n, v in os.environ.items() if not n.startswith("MLFLOW_")} | {
            # The job workers, which nothing here uses, take 2 GB of memory.
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        # The keeper ends the server when this process is gone, be it killed.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "waterflow.cli.keeper", str(_GRACE), *command],
            env=environment,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait(self) -> None:
        """Return when it answers.

        Raises:
            Refusal: It has ended, or does not answer in time.
        """
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end and self._process.poll() is None:
            with contextlib.suppress(OSError):
                if self.ask("GET", "/health", b"", {}).status == 200:
                    return
            time.sleep(0.05)
        text = "The workspace's MLflow server does not start. See why: mlflow server --help"
        raise Refusal(503, "TEMPORARILY_UNAVAILABLE", text)

    def ask(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> Answer:
        """Hand a request on.

        Args:
            method: `POST`.
            target: The path and the query.
            body: The bytes.
            headers: Header -> value.
        """
        connection = http.client.HTTPConnection(_HOST, self._port, timeout=_PATIENCE)
        try:
            connection.request(method, target, body, headers)
            reply = connection.getresponse()
            kind = reply.getheader("Content-Type") or "application/json"
            return Answer(reply.status, kind, reply.read())
        finally:
            connection.close()

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(2 * _GRACE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class Tracking:
    """The part that has the servers.

    Args:
        folder: Where they keep everything, in a folder each.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._servers: dict[str, Server] = {}
        self._lock = threading.Lock()
        self._closed = False

    def server(self, workspace: Workspace) -> Server:
        """Return a workspace's server, started where there is none.

        Args:
            workspace: The workspace.

        Raises:
            Refusal: It does not start, or the emulator ends.
        """
        with self._lock:
            if self._closed:
                raise Refusal(503, "TEMPORARILY_UNAVAILABLE", "The emulator ends.")
            held = self._servers.get(workspace.guid)
            if held is None:
                held = Server(self._folder / workspace.guid, f"{address(workspace)}/experiments")
                try:
                    held.wait()
                except Refusal:
                    held.close()
                    raise
                self._servers[workspace.guid] = held
            return held

    def close(self) -> None:
        """End all servers."""
        with self._lock:
            self._closed = True
            for server in self._servers.values():
                server.close()


def address(workspace: Workspace) -> str:
    """Return what the addresses of a workspace's artifacts begin with."""
    return f"azureml://{workspace.host}/mlflow/v2.0{workspace.scope.id}"
