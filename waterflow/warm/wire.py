"""How runs and a helper speak: small packets over a Unix socket, with open files beside them."""

from __future__ import annotations

import array
import contextlib
import json
import os
import socket
import struct
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LARGEST: Final = 1 << 16
"""Bytes of a packet; what may be longer travels as a file."""
_FILES: Final = 8
_READY: Final = b"ready "
_GO: Final = b"go"


def peer_is_own(connection: socket.socket) -> bool:
    """Say whether who is at the other end runs as this user."""
    size = struct.calcsize("3i")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return struct.unpack("3i", credentials)[1] == os.geteuid()


@contextlib.contextmanager
def _reachable(place: Path):  # noqa: ANN202 - a generator for the block below
    """Give a socket's path in a form that is short enough, whatever the folder is called."""
    folder = os.open(place.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{place.name}"
    finally:
        os.close(folder)


def listen(place: Path) -> socket.socket:
    """Return a socket that only this user can connect to.

    Args:
        place: Its path; what is left there of another is removed.

    Raises:
        OSError: The file system takes no sockets.
    """
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        place.unlink(missing_ok=True)
        with _reachable(place) as path:
            # Made under another name: it has its mode before anybody can reach it.
            before = os.umask(0o177)
            try:
                server.bind(path)
            finally:
                os.umask(before)
        server.listen(64)
    except OSError:
        server.close()
        raise
    return server


def connect(place: Path, seconds: float) -> socket.socket | None:
    """Return a connection to the socket at a path, or None where nobody of this user listens.

    Args:
        place: The path.
        seconds: How long any request may take.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(seconds)
    try:
        with _reachable(place) as path:
            connection.connect(path)
        if peer_is_own(connection):
            return connection
    except OSError:
        pass
    connection.close()
    return None


def send(connection: socket.socket, message: dict[str, Any], files: Sequence[int] = ()) -> None:
    """Send a message with open files.

    Raises:
        OSError: The other end is gone, or does not listen.
    """
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))] if files else []
    connection.sendmsg([json.dumps(message).encode()], ancillary)


def receive(connection: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """Return the next message and its open files; None where the other end is gone.

    Raises:
        OSError: It took too long.
        ValueError: It is no message.
    """
    room = socket.CMSG_LEN(_FILES * array.array("i").itemsize)
    data, ancillary, _, _ = connection.recvmsg(LARGEST, room, socket.MSG_CMSG_CLOEXEC)
    files = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            files.frombytes(content[: len(content) - len(content) % files.itemsize])
    return (json.loads(data) if data else None), list(files)


def packed(document: dict[str, Any]) -> int:
    """Return a file in memory that holds a document: an environment may be longer than a packet."""
    file = os.memfd_create("waterflow-request", os.MFD_CLOEXEC)
    with open(file, "wb", closefd=False) as stream:
        stream.write(json.dumps(document).encode())
    return file


def unpacked(file: int) -> dict[str, Any]:
    """Return the document that a file in memory holds."""
    return json.loads(os.pread(file, os.fstat(file).st_size, 0))


def ready(asker: socket.socket, about: str = "") -> bool:
    """Say, in a fork, that it can do what it is for, and return whether it is to do it.

    Args:
        asker: The socket to who asked for the fork, of packets.
        about: What that is to know of it.
    """
    try:
        asker.sendall(_READY + about.encode())
        return asker.recv(len(_GO)) == _GO
    except OSError:
        return False


def go(fork: socket.socket, seconds: float) -> str | None:
    """Let a fork go on, and return what it says of itself; None where it never will.

    Args:
        fork: The socket to it, of packets.
        seconds: How long it has to be ready.
    """
    fork.settimeout(seconds)
    try:
        said = fork.recv(LARGEST)
        if not said.startswith(_READY):
            return None
        fork.sendall(_GO)
    except OSError:  # until it is told to go, it does nothing
        return None
    fork.settimeout(None)
    return said.removeprefix(_READY).decode()
