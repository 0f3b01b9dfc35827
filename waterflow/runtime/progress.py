"""How far a map has come, in a file that whoever watches the run reads meanwhile."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from concurrent.futures import Future

VARIABLE: Final = "WATERFLOW_MAP_PROGRESS"
"""Environment variable: the file, where somebody wants it."""
_PAUSE: Final = 0.2
"""Seconds between two writings."""


class Progress:
    """Counts the items of a map that have ended.

    Args:
        path: The file; None for none.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._total = self._done = self._failed = self._workers = 0
        self._written = 0.0

    @classmethod
    def from_environment(cls) -> Progress:
        """Return one that writes where this process's environment says."""
        path = os.environ.get(VARIABLE)
        return cls(Path(path) if path else None)

    def begin(self, total: int, workers: int) -> None:
        """Say how many items there are, and how many run at a time."""
        self._total, self._workers = total, workers
        self._write()

    def end(self, *, failed: bool) -> None:
        """Count an item that has ended."""
        with self._lock:
            self._failed += failed
            self._done += not failed
            if time.monotonic() - self._written >= _PAUSE:
                self._write()

    def ended(self, future: Future[Any]) -> None:
        """Count an item that a worker has ended; of one that never ran nothing is counted."""
        if not future.cancelled() and future.exception() is None:
            self.end(failed=future.result() is not None)

    def close(self) -> None:
        """Write how far it came."""
        with self._lock:
            self._workers = 0
            self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        if self._path is None:
            return
        left = self._total - self._done - self._failed
        counts = {
            "total": self._total,
            "done": self._done,
            "failed": self._failed,
            "running": min(self._workers, left),
        }
        partial = self._path.with_name(f".{self._path.name}")
        try:
            partial.write_text(json.dumps(counts), encoding="utf-8")
            partial.replace(self._path)
        except OSError:  # the disk is full: the step itself will say so, if it minds
            self._path = None
