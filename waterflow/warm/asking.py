"""How a run uses its project's helper, and starts it: every way that fails leads to doing without.

It imports the standard library only: the runner asks before it imports anything heavy.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow.warm import identity, likeness, wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SHARED: Final = "WATERFLOW_HELPERS"
"""Environment variable: the folder of helpers that several projects share, even where CI is set."""

_CI: Final = "CI"
_PLACE: Final = "warm"
_PATIENCE: Final = 2.0
"""Seconds in which a helper that lives takes a request."""
_NAME: Final = re.compile(r"[0-9a-f]{16}\.sock")


def folder(state: Path, variables: Mapping[str, str]) -> Path:
    """Return where a project's helpers have their sockets.

    Args:
        state: The project's state folder.
        variables: The environment.
    """
    return Path(variables.get(SHARED) or state / _PLACE)


def seconds(idle: float, variables: Mapping[str, str]) -> float:
    """Return after how long without a run a helper ends; 0 where there is to be none.

    Args:
        idle: What the profile says.
        variables: The environment: continuous integration has one run, and nobody waits there.
    """
    if sys.platform != "linux":
        return 0.0
    if not all(map(os.path.isabs, identity.python_path(variables))):
        return 0.0  # what they lead to depends on the working folder
    return 0.0 if in_ci(variables) and not variables.get(SHARED) else idle


def in_ci(variables: Mapping[str, str]) -> bool:
    """Say whether this is continuous integration, whose jobs take all their processes with them.

    Args:
        variables: The environment.
    """
    return variables.get(_CI, "").lower() in ("true", "1", "yes")


class Helper:
    """A connection to a helper, which keeps it from ending.

    Args:
        connection: The connection.
        variables: The environment of what is forked.
    """

    def __init__(self, connection: socket.socket, variables: Mapping[str, str]) -> None:
        self._connection = connection
        self._variables = variables

    def fork(
        self,
        name: str,
        document: dict[str, Any],
        environment: Mapping[str, str],
        files: list[int],
        kind: int = socket.SOCK_STREAM,
    ) -> socket.socket | None:
        """Ask for a fork, and return the end of a socket to it; None where the helper is gone.

        The socket closes without a word where the helper could not do it after all.

        Args:
            name: What it is for, to be shown.
            document: What it is to go on as (`call`), how far it steps back (`nice`), and what it
                is to have imported: a `stock`, or whatever there is `like` another purpose's.
            environment: Its environment.
            files: Its log, and what else it is given.
            kind: Of the socket.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
        request = wire.packed(document | {"process": likeness.described(environment)})
        try:
            wire.send(
                self._connection,
                {"do": "fork", "for": name},
                [request, theirs.fileno(), *files],
            )
        except OSError:
            ours.close()
            return None
        finally:
            theirs.close()
            os.close(request)
        return ours

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment of the run that asks."""
        return self._variables

    def close(self) -> None:
        """Let it end, in its time."""
        self._connection.close()


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return what a helper has of a run's environment."""
    return identity.environment(variables)


def helper(
    state: Path, idle: float, variables: Mapping[str, str], own: Mapping[str, str]
) -> Helper | None:
    """Return a connection to the helper that fits this process; it is started where it is missing.

    Args:
        state: The project's state folder.
        idle: Seconds without a run after which it ends; 0 for none.
        variables: The environment.
        own: The environment that one which is started gets.
    """
    idle = seconds(idle, variables)
    if idle <= 0:
        return None
    try:
        place = folder(state, variables) / f"{identity.key(state.parent, variables)}.sock"
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = wire.connect(place, _PATIENCE) or _started(place, idle, own)
    except OSError:  # a file system without sockets or locks
        return None
    return None if connection is None else Helper(connection, variables)


def living(state: Path, variables: Mapping[str, str]) -> Helper | None:
    """Return a connection to the helper that fits this process, if it is there.

    Args:
        state: The project's state folder.
        variables: The environment.
    """
    if seconds(1.0, variables) <= 0 or not folder(state, variables).is_dir():
        return None
    place = folder(state, variables) / f"{identity.key(state.parent, variables)}.sock"
    connection = wire.connect(place, _PATIENCE) if place.exists() else None
    return None if connection is None else Helper(connection, variables)


def _started(place: Path, idle: float, own: Mapping[str, str]) -> socket.socket | None:
    """Start a helper, or wait for the one that another run is just starting."""
    until = time.monotonic() + _PATIENCE
    while (lock := _lock(place)) is None:
        connection = wire.connect(place, _PATIENCE)
        if connection is not None or time.monotonic() > until:
            return connection
        time.sleep(0.01)
    try:
        with wire.listen(place) as listener, place.with_suffix(".log").open("wb") as log:
            kept = [listener.fileno(), lock]
            subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    __package__ or "",
                    *map(str, kept),
                    f"{idle:g}",
                    str(place.absolute()),
                ],
                pass_fds=kept,
                env=own,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
    finally:
        os.close(lock)
    return wire.connect(place, _PATIENCE)


def _lock(place: Path) -> int | None:
    """Return a descriptor with the lock of a helper's place; None where a helper lives there."""
    descriptor = os.open(place.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


# --- for who looks at helpers ---------------------------------------------------------------------


def shown(state: Path, variables: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield what each helper of a project tells of itself.

    Args:
        state: The project's state folder.
        variables: The environment.
    """
    for place in _places(state, variables):
        with contextlib.suppress(OSError, ValueError):
            connection = wire.connect(place, _PATIENCE)
            if connection is not None:
                with connection:
                    wire.send(connection, {"do": "show"})
                    answer, _ = wire.receive(connection)
                    if answer is not None:
                        yield answer


def stop(state: Path, variables: Mapping[str, str]) -> int:
    """End all helpers of a project, and return how many there were; runs go on.

    Args:
        state: The project's state folder.
        variables: The environment.
    """
    count = 0
    for place in _places(state, variables):
        connection = wire.connect(place, _PATIENCE)
        if connection is None:
            continue
        with connection, contextlib.suppress(OSError):
            wire.send(connection, {"do": "stop"})
            count += 1
            wire.receive(connection)  # it closes when it has ended what it held
    return count


def _places(state: Path, variables: Mapping[str, str]) -> list[Path]:
    if sys.platform != "linux":
        return []
    with contextlib.suppress(OSError):
        listing = folder(state, variables).iterdir()
        return sorted(place for place in listing if _NAME.fullmatch(place.name))
    return []


def memory(pid: int) -> str:
    """Return how much memory a process has to itself, forks that share it counted as one; or ""."""
    from waterflow.spec.quantities import show_size

    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return show_size(int(line.split()[1]) * 1024)
    return ""
