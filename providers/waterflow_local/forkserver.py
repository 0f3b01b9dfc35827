"""Starts the fork server: kept apart so that it is on its way before anything heavy is imported."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import dataclass

from waterflow_local import threads


@dataclass(frozen=True)
class Server:
    """A fork server that was started: its process, and our end of the socket to it."""

    process: subprocess.Popen[bytes]
    connection: socket.socket


def start(nice: int = 0) -> Server:
    """Start a fork server, which ends when its socket closes.

    Args:
        nice: How far it steps back for others on a busy machine.
    """
    ours, theirs = socket.socketpair()
    environment = dict(os.environ) | threads.environment(1, {}) | {"PYTHONHASHSEED": "0"}
    # pyarrow's jemalloc starts a thread of its own, and a fork keeps just the one that forks.
    environment.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")
    with theirs:
        process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "waterflow_local.launcher",
                str(theirs.fileno()),
                str(nice),
            ],
            pass_fds=[theirs.fileno()],
            env=environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    return Server(process, ours)
