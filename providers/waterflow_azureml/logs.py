"""The logs of Azure ML's jobs: files in Blob Storage that grow, one a process of a machine."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

from waterflow.cloud.logs import split_lines
from waterflow.cloud.states import milliseconds
from waterflow.errors import NotFoundError
from waterflow_azureml.connections import STORAGE_SCOPE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow.cloud.states import NativeRun
    from waterflow_azureml.connections import Connections

_SHOWN: Final = re.compile(r"user_logs/std_log.*\.txt|(azureml-logs|logs/azureml)/20_image_build.*")
"""What programs print, and what the build of their image has printed.
https://learn.microsoft.com/azure/machine-learning/how-to-log-view-metrics#view-and-download-logs"""
_FIRST: Final = re.compile(r"user_logs/std_log[\D]*[0]*(?:_ps)?\.txt")
"""What the first process has printed, as azure-ai-ml knows it."""
_TAIL: Final = 64 << 10
"""How many of a log's last bytes are looked at."""
_NOTHING_NEW: Final = 416
_PARTIAL: Final = 206


def lines(
    connections: Connections,
    run: NativeRun,
    cursor: dict[str, str],
    *,
    first_machine: bool = False,
) -> Iterator[tuple[int, str]]:
    """Yield the lines of a job's logs that have come since the cursor, one file after the other.

    Azure notes no time of a line. A file's last change is that of its last line, and never later
    than what a later look finds.

    Args:
        connections: The ways to Azure.
        run: The step, and its job.
        cursor: Where each file was read to; brought forward.
        first_machine: Read what the first process has printed alone.

    Yields:
        Milliseconds since the epoch, and a line.
    """
    files = _files(connections, run)
    pattern = _FIRST if first_machine else _SHOWN
    for name in sorted(files):
        if pattern.fullmatch(name):
            key = f"{run.job} {name}"
            yield from _file(connections, files[name], key, cursor, whole=run.status.final)


def tail(connections: Connections, run: NativeRun) -> Iterator[str]:
    """Yield the last lines of what a job's first process has printed, the first of them cut.

    Args:
        connections: The ways to Azure.
        run: The step, and its job.
    """
    for name, url in _files(connections, run).items():
        if _FIRST.fullmatch(name):
            head = _sent(connections, "HEAD", url)
            size = int(head.headers.get("Content-Length") or 0) if head.status_code < 400 else 0
            begin = max(size - _TAIL, 0)
            # Blob Storage knows no range that is counted from the end.
            end: Any = _sent(connections, "GET", url, begin) if size else None
            if end is not None and end.status_code < 400:
                yield from split_lines(end.body()[-_TAIL:])


def _files(connections: Connections, run: NativeRun) -> dict[str, str]:
    """Return the addresses of a job's log files by name."""
    if not run.job:
        return {}
    try:
        details = connections.history("GetRunDetails", f"runs/{run.job}/details")
    except NotFoundError:
        return {}  # it found no machine, so it has printed nothing
    files: dict[str, str] = details.get("logFiles") or {}
    return files


def _sent(connections: Connections, method: str, url: str, begin: int | None = None) -> Any:
    """Return the answer to a request for a log file, from a byte on, whether it is there or not."""
    signed = "sig" in parse_qs(urlsplit(url).query)
    headers = {} if begin is None else {"Range": f"bytes={begin}-"}
    return connections.send(
        "ReadLog",
        method,
        url,
        # A datastore that goes by identities gives addresses that nothing is signed in.
        scope=None if signed else STORAGE_SCOPE,
        headers={**headers, "x-ms-version": "2023-11-03"},
        passed=lambda status: status < 400 or status in (404, _NOTHING_NEW),
    )


def _file(
    connections: Connections, url: str, key: str, cursor: dict[str, str], *, whole: bool
) -> Iterator[tuple[int, str]]:
    start = int(cursor.get(key, "0"))
    response = _sent(connections, "GET", url, start)
    if response.status_code >= 400:
        return
    content: bytes = response.body()
    if response.status_code != _PARTIAL:
        content = content[start:]  # whoever knows no ranges sends all of it
    if not whole:  # the rest of its last line is yet to come
        content = content[: content.rfind(b"\n") + 1]
    if not content:
        return
    cursor[key] = str(start + len(content))
    changed = response.headers.get("Last-Modified")
    moment = (milliseconds(parsedate_to_datetime(changed)) or 0) if changed else 0
    for line in split_lines(content):
        yield moment, line
