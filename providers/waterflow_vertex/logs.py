"""The logs of Vertex AI's custom jobs: entries of Cloud Logging, with times of their own."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from waterflow.tracking.spool import FRAME
from waterflow_vertex.answers import moment
from waterflow_vertex.connections import LOGGING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from waterflow_vertex.answers import TaskRun
    from waterflow_vertex.connections import Connections

_PAGE: Final = 1000
"""Entries in an answer: https://cloud.google.com/logging/quotas#api-limits"""
_TAIL: Final = 20
"""How many of a task's last lines for Waterflow are looked at."""
_LATE: Final = timedelta(seconds=30)
"""How much later than it was written an entry may come to be listed, before those after it."""
_FIRST: Final = "workerpool0-0"
"""The task of a custom job that is its first machine.
https://cloud.google.com/vertex-ai/docs/training/understanding-training-service#logging"""


class JobLogs:
    """The logs of the jobs of one profile.

    Args:
        connections: The ways to Google Cloud.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def lines(
        self, run: TaskRun, cursor: dict[str, str], *, first_machine: bool = False
    ) -> Iterator[tuple[int, str]]:
        """Yield the lines of a task's custom jobs that have come since the cursor.

        Args:
            run: The task, and its custom jobs, one an attempt.
            cursor: What each was read to; brought forward.
            first_machine: Only what the first of several machines has printed.

        Yields:
            Milliseconds since the epoch, and a line.
        """
        if not run.machines:
            return
        key = " ".join(run.machines)
        kept: dict[str, Any] = json.loads(cursor.get(key) or "{}")
        if kept.get("whole"):
            return  # it had ended when it was read last
        since = kept.get("since")
        wanted = _filter(run, since, first_machine=first_machine)
        seen: set[str] = set(kept.get("seen") or [])
        latest: dict[str, str] = dict.fromkeys(seen, str(since))
        for entry in self._entries(wanted):
            name, time = str(entry["insertId"]), str(entry["timestamp"])
            latest[name] = time
            if name in seen:
                continue
            for line in _text(entry).removesuffix("\n").split("\n"):
                yield moment(time) or 0, line
        cursor[key] = json.dumps(_kept(latest, whole=run.status.final))

    def tail(self, run: TaskRun) -> Iterator[str]:
        """Yield the last framed lines of a task's first machine, the latest first.

        Args:
            run: The task, and its custom jobs.
        """
        if not run.machines:
            return
        wanted = _filter(run, None, first_machine=True)
        wanted += f' AND (textPayload:"{FRAME}" OR jsonPayload.message:"{FRAME}")'
        answer = self._listed(wanted, "timestamp desc", _TAIL)
        for entry in answer.get("entries") or ():
            yield from _text(entry).split("\n")

    def _listed(
        self, wanted: str, order: str, size: int, token: str | None = None
    ) -> Mapping[str, Any]:
        """Return one page of the entries that a filter lets pass."""
        body: dict[str, Any] = {
            "resourceNames": [f"projects/{self._connections.settings.project}"],
            "filter": wanted,
            "orderBy": order,
            "pageSize": size,
            **({"pageToken": token} if token else {}),
        }
        answer: Mapping[str, Any] = self._connections.call(
            "ListLogEntries", "POST", f"{LOGGING}/v2/entries:list", body
        )
        return answer

    def _entries(self, wanted: str) -> Iterator[Mapping[str, Any]]:
        token: str | None = None
        while True:
            answer = self._listed(wanted, "timestamp asc", _PAGE, token)
            yield from answer.get("entries") or ()
            token = answer.get("nextPageToken")
            if not token:
                return


def _filter(run: TaskRun, since: str | None, *, first_machine: bool) -> str:
    """Return what lets a task's entries pass, those from a moment on.

    Args:
        run: The task, and its custom jobs.
        since: The moment; None for all that a task of its start can have written.
        first_machine: Only those of the first of several machines.
    """
    names = " OR ".join(f'"{one}"' for one in run.machines)
    wanted = f'resource.type="ml_job" AND resource.labels.job_id=({names})'
    if first_machine:
        wanted += f' AND resource.labels.task_name="{_FIRST}"'
    if since is None and run.started is not None:
        # Without a time Cloud Logging reads all that the project has kept for a month.
        begin = datetime.fromtimestamp(run.started / 1000, UTC) - timedelta(hours=1)
        since = begin.isoformat()
    return wanted if since is None else f'{wanted} AND timestamp>="{since}"'


def _kept(latest: Mapping[str, str], *, whole: bool) -> dict[str, Any]:
    """Return what a cursor notes: from when to read on, and which entries since then are known."""
    moments = {name: datetime.fromisoformat(time) for name, time in latest.items()}
    if not moments:
        return {"whole": whole} if whole else {}
    since = max(moments.values()) - _LATE
    seen = sorted(name for name, time in moments.items() if time >= since)
    return {"since": since.isoformat(), "seen": seen, "whole": whole}


def _text(entry: Mapping[str, Any]) -> str:
    """Return the text of an entry: a job's own lines come as JSON with their severity."""
    if "textPayload" in entry:
        return str(entry["textPayload"])
    payload: Any = entry.get("jsonPayload") or {}
    message = payload.get("message")
    return str(message) if message is not None else json.dumps(payload, sort_keys=True)
