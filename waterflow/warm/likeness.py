"""Makes a fork of the helper the process that its run would have started plainly."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow.warm.priority import step_back

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
        renew_streams(nothing.fileno(), log, log)
    os.umask(description["umask"])
    os.chdir(description["folder"])
    variables: dict[str, str] = description["environment"]
    for name in os.environ.keys() - variables.keys():
        del os.environ[name]
    os.environ.update(variables)
    step_back(nice)
    signal.pthread_sigmask(signal.SIG_SETMASK, description["blocked"])


def renew_streams(*files: int) -> None:
    """Let standard input, output and error be these files, as Python itself opens them.

    The streams that there were are of other files: whether one can seek in them is remembered.
    """
    for number, file in enumerate(files):
        os.dup2(file, number)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        before = getattr(sys, f"__{name}__")
        stream = open(  # noqa: SIM115 - a descriptor, for the process's whole life
            number,
            "w" if number else "r",
            encoding=before.encoding,
            errors=before.errors,
            buffering=1 if number == 2 or os.isatty(number) else -1,
            closefd=False,
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
