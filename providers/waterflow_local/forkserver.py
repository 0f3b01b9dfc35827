"""Starts the fork server: kept apart so that it is on its way before anything heavy is imported."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from waterflow_local import threads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.warm.asking import Helper

MODULES: Final = (
    "waterflow.language.pipeline", "waterflow.artifacts.plain", "waterflow.artifacts.tables",
    "waterflow.artifacts.models", "waterflow.artifacts.files", "waterflow.artifacts.own",
    "waterflow.artifacts.registry", "waterflow.artifacts.tensors", "waterflow.runtime.fan",
)  # fmt: skip
"""Waterflow's own modules that a step's process needs."""
LATER: Final = 5
"""How far the registry's server steps back: the user's steps come first."""


@dataclass
class Server:
    """A fork server that was started.

    Attributes:
        connection: Our end of the socket to it.
        process: Its process; None where the project's helper has forked it.
        nice: How far it steps back for others on a busy machine.
    """

    connection: socket.socket
    process: subprocess.Popen[bytes] | None
    nice: int


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process that imports libraries for others.

    Args:
        variables: The environment of who starts it.
    """
    settings = dict(variables) | threads.environment(1, {}) | {"PYTHONHASHSEED": "0"}
    # pyarrow's jemalloc starts a thread of its own, and a fork keeps just the one that forks.
    settings.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")
    return settings


def start(nice: int = 0) -> Server:
    """Start a fork server, which ends when its socket closes.

    Args:
        nice: How far it steps back for others on a busy machine.
    """
    ours, theirs = socket.socketpair()
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
            env=environment(os.environ),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    return Server(ours, process, nice)


def borrow(helper: Helper, name: str, stock: dict[str, Any], nice: int = 0) -> Server | None:
    """Let the project's helper fork a fork server; None where it cannot even be asked.

    Args:
        helper: The helper.
        name: What the server is for.
        stock: What it is to have imported.
        nice: How far it steps back for others on a busy machine.
    """
    document = {"call": "waterflow_local.holding:serve_launcher", "stock": stock, "nice": nice}
    connection = helper.fork(name, document, environment(helper.variables), [2])
    return None if connection is None else Server(connection, None, nice)
