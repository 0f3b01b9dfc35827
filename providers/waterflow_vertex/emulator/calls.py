"""The record of calls: which permissions the submitter and the jobs' accounts have needed."""

from __future__ import annotations

import json
import os
import threading
from enum import StrEnum
from pathlib import Path
from typing import Final

from waterflow_vertex.emulator.identity import SUBMITTER

RECORD: Final = "WATERFLOW_EMULATOR_CALLS"
"""The variable that names the file to which calls are added, one JSON line each."""


class Principal(StrEnum):
    """Who calls."""

    SUBMITTER = "submitter"
    """Whoever uses the emulator with the account that it hands out."""
    JOBS = "jobs"
    """A service account of jobs."""


class Calls:
    """Writes down each permission that a request has needed, once for each who needed it where.

    Args:
        file: Where to; None for the file that the environment names, or for no record.
    """

    def __init__(self, file: Path | None = None) -> None:
        named = os.environ.get(RECORD)
        self._file = file or (Path(named) if named else None)
        self._lock = threading.Lock()
        self._seen: set[str] = set()

    def note(self, caller: str, permission: str, operation: str, resource: str) -> None:
        """Note a request that was let through.

        Args:
            caller: The caller's e-mail address; "" for a caller that needs none.
            permission: The IAM permission that it needs; "" for none.
            operation: What it means: `CreatePipelineJob`.
            resource: What it is about.
        """
        if self._file is None or not permission or not caller:
            return
        own = caller.partition("@")[0] == SUBMITTER
        entry = {
            "principal": Principal.SUBMITTER if own else Principal.JOBS,
            "account": caller,
            "action": permission,
            "operation": operation,
            "resource": resource,
        }
        line = json.dumps(entry, sort_keys=True)
        with self._lock:
            if line not in self._seen:
                self._seen.add(line)
                with self._file.open("a", encoding="utf-8") as file:
                    file.write(f"{line}\n")
