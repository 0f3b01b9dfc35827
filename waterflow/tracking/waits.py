"""How long MLflow's client waits for an answer, and how often it sends a request.

MLflow reads both from the environment, which is the whole process's: what is asked for here is put
there while a block runs, and taken away when the last block of any thread has ended.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator

_TIMEOUT: Final = "MLFLOW_HTTP_REQUEST_TIMEOUT"
_RETRIES: Final = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
_ALWAYS: Final = {
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}

T = TypeVar("T")

_NAMES: Final = (_TIMEOUT, _RETRIES, *_ALWAYS)
_LOCK: Final = threading.Lock()
_blocks: list[dict[str, str]] = []
"""What the blocks that run now ask for, the first to begin first: it decides."""
_once: list[object] = []
"""The blocks in which a request is sent once: even one of them decides."""
_users: dict[str, str] = {}
"""What the environment said before the first block."""


@contextlib.contextmanager
def short_waits(timeout: int = 10, retries: int = 1) -> Generator[None]:
    """Let MLflow's client give up soon; what the user set in the environment stands.

    Args:
        timeout: Seconds without a byte after which a request has failed.
        retries: Further tries of a request.
    """
    block = {_TIMEOUT: str(timeout), _RETRIES: str(retries), **_ALWAYS}
    with _running(_blocks, block):
        yield


@contextlib.contextmanager
def sent_once() -> Generator[None]:
    """Let MLflow's client send each request once, whatever the user set in the environment."""
    with _running(_once, object()):
        yield


def retries_are_set() -> bool:
    """Say whether the user has set in the environment how often a request is sent."""
    with _LOCK:
        return _RETRIES in (_users if _blocks or _once else os.environ)


@contextlib.contextmanager
def _running(blocks: list[T], block: T) -> Generator[None]:
    """Have a block among those that run, and the environment say so."""
    with _LOCK:
        if not _blocks and not _once:
            _users.clear()
            _users.update({name: os.environ[name] for name in _NAMES if name in os.environ})
        blocks.append(block)
        _write()
    try:
        yield
    finally:
        with _LOCK:
            del blocks[next(i for i, other in enumerate(blocks) if other is block)]
            _write()


def _write() -> None:
    """Make the environment what the blocks that run ask for."""
    variables = (_blocks[0] if _blocks else {}) | _users
    if _once:
        variables[_RETRIES] = "0"
    for name in _NAMES:
        value = variables.get(name)
        if value == os.environ.get(name):
            continue  # as where one block runs within another
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
