"""Helpers that the steps of several modules import, as a project's own modules do."""

import time
from pathlib import Path

import waterflow as wf

PATIENCE = 120.0
"""Seconds that a step waits for its test."""


def first_time() -> bool:
    """Say whether this is the step's first attempt, by a file that outlives attempts."""
    mark = wf.checkpoint_dir() / "been-here"
    if mark.exists():
        return False
    mark.touch()
    return True


def wait_for(path: str) -> None:
    """Wait until a file is there.

    Raises:
        TimeoutError: It never came.
    """
    until = time.monotonic() + PATIENCE
    while not Path(path).exists():
        if time.monotonic() > until:
            raise TimeoutError(path)
        time.sleep(0.02)


def lookup(key: str) -> int:
    """Fail as a user's helper fails: with one exception because of another."""
    try:
        return {"known": 1}[key]
    except KeyError as error:
        raise ValueError(f"no such entry: {key}") from error
