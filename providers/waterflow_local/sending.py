"""Sending a run to MLflow beside its steps: by the project's helper, or by a process of its own."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from waterflow.tracking.writer import NICE
from waterflow_local import holding
from waterflow_local.document import read_submitted
from waterflow_local.folders import Lock
from waterflow_local.paths import project_folders

if TYPE_CHECKING:
    import socket

    from waterflow.warm.asking import Helper
    from waterflow_local.folders import RunFolder

_LOOK: Final = 0.05
_STARTING: Final = 6
"""How much more patience it has before its first word: MLflow takes seconds to import."""


class Sending:
    """What sends one run, and the lock that says so before anybody can ask.

    Args:
        folder: The run's folder.
        helper: The project's helper, where there is one.
    """

    def __init__(self, folder: RunFolder, helper: Helper | None) -> None:
        self._folder = folder
        self._lock = Lock(folder.sending)
        self._lock.take(wait=True)
        self._fork: socket.socket | None = None
        self._said = b""
        self._process: subprocess.Popen[bytes] | None = None
        with folder.runner_log.open("ab") as log:
            if helper is not None:
                self._fork = self._borrow(helper, log.fileno())
        if self._fork is None:
            self._process = self._start()

    def _borrow(self, helper: Helper, log: int) -> socket.socket | None:
        """Let the helper fork it."""
        submitted = read_submitted(self._folder)
        document = {
            "call": f"{holding.__name__}:write",
            "nice": NICE,
            "folder": str(self._folder.folder),
            "stock": holding.sending(
                project_folders(Path(submitted.root)),
                submitted.tracking.uri,
                self._folder.state,
            ),
        }
        return helper.fork("tracking", document, os.environ, [log, self._lock.fileno()])

    def _start(self) -> subprocess.Popen[bytes]:
        """Start it as a process of its own, which goes on when this one has ended."""
        lock = self._lock.fileno()
        module = [sys.executable, "-P", "-m", "waterflow.tracking.writer"]
        with self._folder.runner_log.open("ab") as log:
            return subprocess.Popen(
                [*module, str(self._folder.folder), str(lock)],
                pass_fds=[lock],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def leave(self) -> None:
        """Wait for nothing: it sends the rest by itself."""
        if self._fork is not None:
            self._fork.close()
        self._lock.release()

    def finish(self, patience: float) -> None:
        """Let it send what is left, for as long as it gets on; what remains is kept.

        Args:
            patience: Seconds without progress after which it is ended.
        """
        progress = self._folder.folder / "tracking.json"
        seen, since = 0, time.monotonic()
        while not self._ended():
            stamp = progress.stat().st_mtime_ns if progress.exists() else 0
            if stamp != seen:
                seen, since = stamp, time.monotonic()
            elif time.monotonic() - since > patience * (1 if seen else _STARTING):
                self._terminate()
                break
        self._lock.release()

    def _ended(self) -> bool:
        """Look for a moment whether it has ended; where the helper's has died, start another."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_LOOK)
                return True
            return False
        if self._fork is None or not select.select([self._fork], [], [], _LOOK)[0]:
            return False
        with contextlib.suppress(ConnectionResetError):
            if said := self._fork.recv(1024):
                self._said += said
                return False
        self._fork.close()
        self._fork = None
        if not self._said.endswith(b"done\n"):
            self._process = self._start()
            return False
        return True

    def _terminate(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
        elif self._said:  # it has not ended, so this is still its id
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(self._said.split()[0]), signal.SIGTERM)
