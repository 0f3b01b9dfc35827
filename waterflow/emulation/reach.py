"""What of this machine jobs in networks of their own still reach, and what leads them there."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import socket
import threading
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Take = Callable[[socket.socket], None]

_CHUNK: Final = 1 << 16
_LARGEST: Final = 1 << 16
"""Bytes of the largest file that is taken for settings."""
_MOST_FILES: Final = 10_000
"""How many files are looked at: a job may have very many, and waits for it."""
_SETTINGS: Final = frozenset(
    {".json", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf", ".env", ".properties"}
)
"""How the names of files end that hold settings."""
HERE: Final = re.compile(r"(?<![\w.])(?:127\.0\.0\.1|localhost|\[::1\]):(\d{1,5})\b")
"""How a port of this machine's loopback is named."""
_LISTENS: Final = "0A"


class Reach:
    """What jobs with networks of their own reach on this machine.

    A job reaches the emulator itself, and what listens at this machine's loopback where the job's
    arguments, its variables or its files of settings name it: `http://127.0.0.1:5000`, such as a
    tracking server. All other ports of a job's loopback are its own.

    Args:
        own: Port -> what takes a connection to it: the emulator's servers, in this process.
        always: Other ports that every job reaches.
    """

    def __init__(self, own: Mapping[int, Take] | None = None, always: Iterable[int] = ()) -> None:
        self._own, self._always = dict(own or {}), frozenset(always)

    def ports(self, texts: Iterable[str], folders: Iterable[Path]) -> tuple[int, ...]:
        """Return the ports that a job reaches.

        Args:
            texts: Its arguments and the values of its variables.
            folders: Folders with its files.
        """
        named = {int(port) for text in (*texts, *_settings(folders)) for port in HERE.findall(text)}
        named -= self._own.keys()
        others = (named & listening()) if named else named
        return tuple(sorted(self._own.keys() | self._always | others))

    def take(self, port: int, connection: socket.socket) -> None:
        """Lead a connection to a port of this machine's loopback."""
        take = self._own.get(port)
        if take is not None:
            take(connection)
            return
        threading.Thread(target=_lead, args=(connection, port), daemon=True).start()


class Passage:
    """The ways of one container to this machine, until it is closed.

    Args:
        reach: Where they lead.
        ports: The ports.
    """

    def __init__(self, reach: Reach, ports: tuple[int, ...]) -> None:
        self._reach, self._ports = reach, ports
        self._ours, self.theirs = socket.socketpair()
        """`theirs` is the container's end: it hands out the sockets that listen in its network."""
        self._end, self._ended = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def open(self) -> None:
        """Begin to lead connections; the container has its end by now."""
        self.theirs.close()
        self._thread.start()

    def close(self) -> None:
        """Lead no more connections."""
        self._end.close()
        if self._thread.is_alive():
            self._thread.join()
        for one in (self._ours, self.theirs, self._ended):
            one.close()

    def _serve(self) -> None:
        with contextlib.ExitStack() as stack, selectors.DefaultSelector() as ready:
            ready.register(self._ended, selectors.EVENT_READ)
            ready.register(self._ours, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    if key.fileobj is self._ended:
                        return
                    if key.fileobj is self._ours:
                        ready.unregister(self._ours)
                        for port, listener in self._listeners():
                            stack.enter_context(listener)
                            ready.register(listener, selectors.EVENT_READ, port)
                    else:
                        self._accept(key)

    def _listeners(self) -> list[tuple[int, socket.socket]]:
        try:
            _, descriptors, _, _ = socket.recv_fds(self._ours, 1, len(self._ports))
        except OSError:  # it could not be set up, and says so itself
            return []
        listeners = [socket.socket(fileno=one) for one in descriptors]
        for one in listeners:
            one.setblocking(False)  # a client may be gone before it is taken
        return [(one.getsockname()[1], one) for one in listeners]

    def _accept(self, key: selectors.SelectorKey) -> None:
        listener = key.fileobj
        assert isinstance(listener, socket.socket)  # noqa: S101 - the others are none of these
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            self._reach.take(key.data, connection)


def listening() -> frozenset[int]:
    """Return the ports at which something listens on this machine's loopback."""
    ports: set[int] = set()
    for name, places in (
        ("tcp", ("0100007F", "00000000")),
        ("tcp6", ("0" * 32, "0" * 24 + "01000000", "0000000000000000FFFF00000100007F")),
    ):
        with contextlib.suppress(OSError), Path("/proc/net", name).open(encoding="ascii") as table:
            for line in list(table)[1:]:
                _, local, _, state, *_ = line.split()
                address, _, port = local.partition(":")
                if state == _LISTENS and address in places:
                    ports.add(int(port, 16))
    return frozenset(ports)


def _settings(folders: Iterable[Path]) -> Iterable[str]:
    """Yield the texts of the files that hold settings."""
    files = (
        Path(place, name)
        for folder in folders
        for place, _, names in os.walk(folder)
        for name in names
    )
    for file in islice(files, _MOST_FILES):
        with contextlib.suppress(OSError):
            if file.suffix.lower() in _SETTINGS and file.stat().st_size <= _LARGEST:
                yield file.read_text("utf-8", "replace")


def _lead(connection: socket.socket, port: int) -> None:
    """Hand bytes on in both directions, each until it ends."""
    with connection:
        try:
            server = socket.create_connection(("localhost", port))
        except OSError:  # the job's client sees that the connection ends
            return
        with server:
            back = threading.Thread(target=_pump, args=(server, connection), daemon=True)
            back.start()
            _pump(connection, server)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
