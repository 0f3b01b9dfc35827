"""Tells which attempt a process comes from that has outlived its parents (Linux)."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from waterflow.runtime.contract import SPOOL

if TYPE_CHECKING:
    from collections.abc import Collection

_PR_SET_PDEATHSIG: Final = 1


def end_with_parent() -> None:
    """Ask the kernel to kill this process when the one that forked it dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def adopted(own: Collection[int]) -> list[int]:
    """Return the children of this process that it has not started itself.

    Args:
        own: The pids of those that it has.
    """
    try:
        text = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    except OSError:
        return []
    return [pid for pid in map(int, text.split()) if pid not in own]


def place(pid: int) -> str:
    """Return a path that tells whose attempt a process comes from, or "".

    A process that was started anew has its spool in the environment; one that was only forked
    still writes to the attempt's log, or is in its folder.
    """
    proc = Path(f"/proc/{pid}")
    with contextlib.suppress(OSError):
        for entry in (proc / "environ").read_bytes().split(b"\0"):
            if entry.startswith(f"{SPOOL}=".encode()):
                return os.fsdecode(entry.partition(b"=")[2])
    for link in ("fd/1", "fd/2", "cwd"):
        with contextlib.suppress(OSError):
            target = str((proc / link).readlink())
            if "/steps/" in target:
                return target
    return ""
