"""How far a map has come, for whoever watches the run: in a file, or in the job's log."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from waterflow.tracking.spool import ITEMS

if TYPE_CHECKING:
    from concurrent.futures import Future

    from waterflow.tracking.spool import Spool

VARIABLE: Final = "WATERFLOW_MAP_PROGRESS"
"""Environment variable: the file, where somebody wants it."""
_FILE_PAUSE: Final = 0.2
"""Seconds between two writings of the file."""
_LOG_PAUSE: Final = 3.0
"""Seconds between two lines of the log, which clouds keep and bill."""

Counts = dict[str, int]


class Teller(Protocol):
    """Tells how far a map has come.

    Attributes:
        pause: Seconds between two times.
    """

    pause: float

    def tell(self, counts: Counts, *, last: bool) -> None:
        """Tell it.

        Args:
            counts: `total`, `done`, `failed`, `running`.
            last: Whether the map is over.

        Raises:
            OSError: It cannot be told.
        """
        ...


class FileTeller:
    """Keeps the latest counts in a file.

    Args:
        path: The file.
    """

    pause = _FILE_PAUSE

    def __init__(self, path: Path) -> None:
        self._path = path

    def tell(self, counts: Counts, *, last: bool) -> None:
        """Replace what the file says."""
        del last
        partial = self._path.with_name(f".{self._path.name}")
        partial.write_text(json.dumps(counts), encoding="utf-8")
        partial.replace(self._path)


class LogTeller:
    """Writes framed lines to the log, and what came of it at last to the spool, too.

    Args:
        spool: The spool of the attempt.
    """

    pause = _LOG_PAUSE

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def tell(self, counts: Counts, *, last: bool) -> None:
        """Write a line."""
        write = self._spool.append if last else self._spool.frame
        write(ITEMS, **counts)


def teller(spool: Spool) -> Teller | None:
    """Return what tells whoever watches this attempt; None where nobody does.

    Args:
        spool: The spool of the attempt.
    """
    path = os.environ.get(VARIABLE)
    if path:
        return FileTeller(Path(path))
    return None if spool.frames is None else LogTeller(spool)


class Progress:
    """Counts the items of a map that have ended.

    Args:
        teller: What tells of it; None for nothing.
    """

    def __init__(self, teller: Teller | None) -> None:
        self._teller = teller
        self._lock = threading.Lock()
        self._total = self._done = self._failed = self._workers = 0
        self._told = 0.0
        self._later: threading.Timer | None = None

    def begin(self, total: int, workers: int) -> None:
        """Say how many items there are, and how many run at a time."""
        self._total, self._workers = total, workers
        self._tell()

    def end(self, *, failed: bool) -> None:
        """Count an item that has ended."""
        with self._lock:
            self._failed += failed
            self._done += not failed
            if self._teller is None or self._later is not None:
                return
            wait = self._told + self._teller.pause - time.monotonic()
            if wait <= 0:
                self._tell()
                return
            # The next item may take hours, in which these counts would be missing.
            self._later = threading.Timer(wait, self._tell_late)
            self._later.daemon = True
            self._later.start()

    def ended(self, future: Future[Any]) -> None:
        """Count an item that a worker has ended; of one that never ran nothing is counted."""
        if not future.cancelled() and future.exception() is None:
            self.end(failed=future.result() is not None)

    def close(self) -> None:
        """Tell how far it came."""
        with self._lock:
            if self._later is not None:
                self._later.cancel()
            self._workers = 0
            self._tell(last=True)
            self._teller = None

    def _tell_late(self) -> None:
        with self._lock:
            self._later = None
            self._tell()

    def _tell(self, *, last: bool = False) -> None:
        self._told = time.monotonic()
        if self._teller is None:
            return
        left = self._total - self._done - self._failed
        counts = {
            "total": self._total,
            "done": self._done,
            "failed": self._failed,
            "running": min(self._workers, left),
        }
        try:
            self._teller.tell(counts, last=last)
        except (OSError, ValueError):  # full, or closed: the step itself says so, if it minds
            self._teller = None
