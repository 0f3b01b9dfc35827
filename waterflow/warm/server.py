"""The helper: `python -m waterflow.warm SOCKET LOCK IDLE FOLDER KEY`.

It waits for runs of one user in one project, hands each request to the process that holds what it
needs, and ends when nobody has used it for a while, when its socket is taken away, or when a
library has changed. It imports nothing of what it is for itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow.warm import holder, wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from waterflow.warm.identity import Loaded

_HOLDERS: Final = 4
"""Sets of libraries that are held at once; the one not used for longest goes."""
_LOOK: Final = 5.0
"""Seconds between two looks at whether the socket is still there."""


@dataclass
class _Holder:
    """A process that holds a set of libraries.

    Attributes:
        pid: The process.
        orders: Where it is asked.
        name: What it is for.
        used: When it was last asked, by the helper's clock.
        forks: How often.
    """

    pid: int
    orders: socket.socket
    name: str
    used: float
    forks: int = 0


@dataclass
class Helper:
    """The helper's state.

    Args:
        listener: Its socket.
        place: The socket's path.
        idle: Seconds without a run after which it ends.
        loaded: The files that it has imported.
        clock: The clock that idleness is measured by, in seconds.
    """

    listener: socket.socket
    place: Path
    idle: float
    loaded: Loaded
    clock: Callable[[], float] = time.monotonic
    _runs: set[socket.socket] = field(default_factory=set[socket.socket])
    _holders: dict[str, _Holder] = field(default_factory=dict[str, _Holder])
    _refused: set[str] = field(default_factory=set[str])
    _askers: set[socket.socket] = field(default_factory=set[socket.socket])
    _over: bool = False

    def __post_init__(self) -> None:
        self._started = int(time.time() * 1000)
        self._used = self.clock()
        self._inode = self.place.stat().st_ino

    def serve(self) -> None:
        """Serve runs until it is to end."""
        while not self._over:
            self.turn(_LOOK)
        self.end()

    def turn(self, patience: float) -> None:
        """Take what has come within some seconds, and see whether to go on.

        Args:
            patience: Seconds to wait at most.
        """
        left = self.left()
        wait = max(0.0, patience if left is None else min(patience, left))
        ready, _, _ = select.select([self.listener, *self._runs], [], [], wait)
        for connection in ready:
            if connection is self.listener:
                self._accept()
            else:
                self._hear(connection)
        self._reap()
        left = self.left()
        self._over = self._over or (left is not None and left <= 0) or not self._in_place()

    def left(self) -> float | None:
        """Return the seconds after which it ends; None while a run uses it."""
        return None if self._runs else self._used + self.idle - self.clock()

    @property
    def over(self) -> bool:
        """Whether it is to end."""
        return self._over

    def end(self) -> None:
        """Let nobody come any more, and end what it holds; who was forked goes on."""
        if self._in_place():
            self.place.unlink(missing_ok=True)
        self.listener.close()
        for one in list(self._holders):
            self._drop(one)
        for run in self._runs:
            run.close()

    def _in_place(self) -> bool:
        try:
            return self.place.stat().st_ino == self._inode
        except OSError:
            return False

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self.listener.accept()
            if wire.peer_is_own(connection):
                connection.settimeout(1)
                self._runs.add(connection)
            else:
                connection.close()

    def _hear(self, connection: socket.socket) -> None:
        files: list[int] = []
        try:
            message, files = wire.receive(connection)
            if message is None:
                self._leave(connection)
            else:
                self._answer(connection, message, files)
        except (OSError, ValueError, LookupError, TypeError):
            self._leave(connection)
        finally:
            for file in files:
                os.close(file)

    def _leave(self, connection: socket.socket) -> None:
        self._runs.discard(connection)
        connection.close()
        if connection in self._askers:  # to look at it is not to use it
            self._askers.discard(connection)
        else:
            self._used = self.clock()

    def _answer(self, connection: socket.socket, message: dict[str, Any], files: list[int]) -> None:
        if message["do"] == "fork":
            if self.loaded.stale():
                self._over = True  # the next run starts another
            else:
                self._fork(message, files)
        elif message["do"] == "show":
            self._askers.add(connection)
            wire.send(connection, self._shown(connection))
        elif message["do"] == "stop":
            self._over = True

    # --- holders -------------------------------------------------------------------------------

    def _fork(self, message: dict[str, Any], files: list[int]) -> None:
        """Pass a request on; who asked sees its connection close where that cannot be done."""
        document = wire.unpacked(files[0])
        if "like" in document:
            like = [n for n, held in self._holders.items() if held.name == document["like"]]
            if not like:
                return
            name = max(like, key=lambda held: self._holders[held].used)
        else:
            name = json.dumps(document["stock"], sort_keys=True)
        if name in self._refused:
            return
        one = self._holders.get(name)
        if one is None:
            while len(self._holders) >= _HOLDERS:
                self._drop(min(self._holders, key=lambda held: self._holders[held].used))
            one = self._holders[name] = self._start(document["stock"], str(message["for"]), files)
        one.used, one.forks = self.clock(), one.forks + 1
        try:
            wire.send(one.orders, {"do": "fork"}, files)
        except OSError:  # it has ended in the meantime; `_reap` sees why
            self._drop(name)

    def _start(self, stock: dict[str, Any], name: str, files: list[int]) -> _Holder:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            try:
                ours.close()
                self._forget(files)
                holder.hold(theirs, stock, self.loaded)
            finally:
                os._exit(1)
        theirs.close()
        ours.settimeout(1)
        return _Holder(pid, ours, name, self.clock())

    def _forget(self, files: list[int]) -> None:
        """Close, in a holder, what is the helper's: its end is to be seen by all runs."""
        self.listener.close()
        for run in self._runs:
            run.close()
        for one in self._holders.values():
            one.orders.close()
        for descriptor in (*KEPT, *files):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _drop(self, name: str) -> None:
        one = self._holders.pop(name)
        one.orders.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(one.pid, 0)

    def _reap(self) -> None:
        """See which holders have ended, and why."""
        for name, one in list(self._holders.items()):
            with contextlib.suppress(ChildProcessError):
                pid, status = os.waitpid(one.pid, os.WNOHANG)
                if pid == 0:
                    continue
                code = os.waitstatus_to_exitcode(status)
                if code == holder.THREADED:
                    self._refused.add(name)
                self._over = self._over or code == holder.STALE
            one.orders.close()
            self._holders.pop(name)

    def _shown(self, asker: socket.socket) -> dict[str, Any]:
        runs = self._runs - {asker}
        left = None if runs else self._used + self.idle - self.clock()
        return {
            "pid": os.getpid(),
            "started": self._started,
            "runs": len(runs),
            "idle": self.idle,
            "left": left,
            "holders": [
                {"for": one.name, "pid": one.pid, "forks": one.forks}
                for one in self._holders.values()
            ],
        }


KEPT: Final[list[int]] = []
"""Descriptors that the helper alone keeps open: the lock that says that it lives."""


def main(arguments: list[str], loaded: Loaded) -> None:
    """Be the helper that the arguments describe."""
    descriptor, lock, idle, place = arguments[:4]
    KEPT.append(int(lock))
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    loaded.note()
    listener = socket.socket(fileno=int(descriptor))
    for own in (int(descriptor), int(lock)):
        os.set_inheritable(own, False)
    Helper(listener, Path(place), float(idle), loaded).serve()
    sys.exit(0)
