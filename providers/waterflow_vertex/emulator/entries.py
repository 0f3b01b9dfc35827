"""The log entries that there are, as their JSON has them."""

from __future__ import annotations

import itertools
import threading
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from waterflow_vertex.emulator import filters

_MOST: Final = 200_000
"""Entries that are kept; the oldest go first."""


_NUMBERS: Final = itertools.count()


def insert_id() -> str:
    """Return the id of an entry that names none, after those of all entries before it.

    Cloud Logging orders entries of one log and time by it, and its agent numbers the lines of a
    program. https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry
    """
    return f"{time.time_ns() // 1000:013x}{next(_NUMBERS) % 16**7:07x}"


class Logs:
    """The part that has the log entries: message and JSON of each, in the order of their coming."""

    def __init__(self) -> None:
        self._entries: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def add(self, entries: list[dict[str, Any]]) -> None:
        """Keep entries, as their JSON has them.

        An entry with the log, time and insertId of another is the same one.
        """
        with self._lock:
            self._entries += entries
            if len(self._entries) > _MOST:
                del self._entries[:-_MOST]

    def find(
        self, test: filters.Test, resources: set[str], *, newest: bool
    ) -> list[dict[str, Any]]:
        """Return entries in the order of their times.

        Args:
            test: Which.
            resources: `projects/ID` of those to look at.
            newest: Whether the latest comes first.
        """
        with self._lock:
            held = list(self._entries)
        unique: dict[tuple[str, str, str], dict[str, Any]] = {}
        for one in held:
            if one["logName"].partition("/logs/")[0] in resources and test(one):
                unique.setdefault((one["logName"], one["timestamp"], one["insertId"]), one)
        return sorted(
            unique.values(), key=lambda one: (one["timestamp"], one["insertId"]), reverse=newest
        )

    def names(self, resources: set[str]) -> list[str]:
        """Return the names of the logs of projects."""
        with self._lock:
            names = {one["logName"] for one in self._entries}
        return sorted(name for name in names if name.partition("/logs/")[0] in resources)

    def remove(self, name: str) -> None:
        """Remove all entries of a log."""
        with self._lock:
            self._entries = [one for one in self._entries if one["logName"] != name]

    def snapshot(self) -> list[dict[str, Any]]:
        """Return all entries as JSON."""
        return self._entries

    def restore(self, saved: list[dict[str, Any]]) -> None:
        """Take the entries of a snapshot."""
        self._entries = list(saved)


def entry(name: str, moment: str, text: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return an entry as its JSON has it.

    Args:
        name: Its log: `projects/P/logs/L`.
        moment: Its time, as text.
        text: Its payload.
        more: Its other members.
    """
    return {
        "logName": name,
        "insertId": insert_id(),
        "timestamp": moment,
        "receiveTimestamp": moment,
        "jsonPayload": text,
        **more,
    }
