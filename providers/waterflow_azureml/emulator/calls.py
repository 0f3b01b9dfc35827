"""The record of calls: which permissions the submitter and the jobs' identities have needed."""

from __future__ import annotations

import json
import os
import threading
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from waterflow_azureml.emulator import identity
from waterflow_azureml.emulator.routes import BLOB, DFS, MANAGEMENT, VAULT

if TYPE_CHECKING:
    from waterflow_azureml.emulator.routes import Request, Route

RECORD: Final = "WATERFLOW_EMULATOR_CALLS"
"""The variable that names the file to which calls are added, one JSON line each."""
_HOSTS: Final = {
    BLOB: "Microsoft.Storage/storageAccounts",
    DFS: "Microsoft.Storage/storageAccounts",
    VAULT: "Microsoft.KeyVault/vaults",
}


class Principal(StrEnum):
    """Who calls."""

    SUBMITTER = "submitter"
    """Whoever uses the emulator with the identity that it hands out."""
    JOBS = "jobs"
    """An identity of jobs."""


class Calls:
    """Writes down each permission that a request has needed, once for each who needed it where.

    Whoever brings a token of another cloud, or signs with a key, is not recorded.

    Args:
        file: Where to; None for the file that the environment names, or for no record.
    """

    def __init__(self, file: Path | None = None) -> None:
        named = os.environ.get(RECORD)
        self._file = file or (Path(named) if named else None)
        self._lock = threading.Lock()
        self._seen: set[str] = set()

    def note(self, route: Route, request: Request) -> None:
        """Note a request that was let through.

        Args:
            route: What it means.
            request: The request, with its scope.
        """
        if self._file is None or not route.permission:
            return
        held = identity.claims(request)
        name = (held or {}).get("xms_mirid")
        if name is None:
            return
        entry = {
            "principal": Principal.SUBMITTER if name == identity.USER else Principal.JOBS,
            "action": route.permission,
            "data": route.host in _HOSTS,
            "operation": route.operation,
            "resource": _resource(route, request),
        }
        line = json.dumps(entry, sort_keys=True)
        with self._lock:
            if line not in self._seen:
                self._seen.add(line)
                with self._file.open("a", encoding="utf-8") as file:
                    file.write(f"{line}\n")


def _resource(route: Route, request: Request) -> str:
    """Return what a request was about: an ARM id, or an account or vault by its type and name."""
    kind = _HOSTS.get(route.host)
    if kind is not None:
        container = request.path.strip("/").partition("/")[0] if route.host != VAULT else ""
        place = f"{kind}/{request.host.partition('.')[0]}"
        return f"{place}/{container}" if container else place
    return request.path if route.host == MANAGEMENT else request.scope.id
