"""Lets processes that nobody waits for step back behind those that somebody does."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

_AUTOGROUP: Final = Path("/proc/self/autogroup")
"""How far this session steps back: Linux may share out time by session first, and nice counts only
within one then. https://man7.org/linux/man-pages/man7/sched.7.html"""


def step_back(nice: int) -> None:
    """Let other processes of this machine go first.

    Args:
        nice: How far, as of `os.nice`; 0 for not at all.
    """
    if nice:
        os.nice(nice)
        if os.getsid(0) == os.getpid():  # else others are in the session, the user's shell maybe
            with contextlib.suppress(OSError):
                _AUTOGROUP.write_text(str(nice))
