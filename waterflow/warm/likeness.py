"""Makes a fork of the helper the process that its run would have started plainly."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_PYTHONS_OWN: Final = frozenset({"SIGPIPE", "SIGXFSZ", "SIGINT", "SIGKILL", "SIGSTOP"})
"""Signals that Python itself arranges in every process, or that nobody can."""


def described(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return what a process started by this one would inherit, but for its open files.

    Args:
        environment: Its environment. Limits, priority and namespaces need not be told: they are
            part of which helper is asked.
    """
    mask = os.umask(0o077)
    os.umask(mask)
    return {
        "environment": dict(environment),
        "folder": str(Path.cwd()),
        "umask": mask,
        "ignored": [one.name for one in _signals() if signal.getsignal(one) is signal.SIG_IGN],
        "blocked": [int(one) for one in signal.pthread_sigmask(signal.SIG_BLOCK, [])],
    }


def _signals() -> list[signal.Signals]:
    return [one for one in signal.Signals if one.name not in _PYTHONS_OWN]


def assume(description: Mapping[str, Any], log: int, nice: int) -> None:
    """Be, in a fork, what was described: a session of its own, with nothing on standard input.

    Args:
        description: What `described` has returned.
        log: The file for standard output and error.
        nice: How far it steps back further.
    """
    os.setsid()
    signal.set_wakeup_fd(-1)
    ignored = set(description["ignored"])
    for one in _signals():
        with contextlib.suppress(OSError, ValueError):
            signal.signal(one, signal.SIG_IGN if one.name in ignored else signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.umask(description["umask"])
    os.chdir(description["folder"])
    variables: dict[str, str] = description["environment"]
    for name in os.environ.keys() - variables.keys():
        del os.environ[name]
    os.environ.update(variables)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=False)  # pyright: ignore[reportAttributeAccessIssue]
    if nice:
        os.nice(nice)
    signal.pthread_sigmask(signal.SIG_SETMASK, description["blocked"])
