"""The program that holds the network of a job of several containers, and what joins one to it.

The kernel lets only the one who owns both of two networks lay a line between them, so the
containers of such a job share a user namespace, which this program owns. It imports little, as
every such job waits for it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys
from typing import Final

READY: Final = b"ready\n"
"""What the program prints when containers can join."""

_BRIDGE: Final = b"hub"
_INTERFACE: Final = "eth0"
_MASK: Final = "255.255.255.0"
_NEW_NETWORK: Final = 0x40000000
_UP, _RUNNING = 0x1, 0x40
_SET_FLAGS, _SET_ADDRESS, _SET_MASK = 0x8914, 0x8916, 0x891C
"""The requests of netdevice(7)."""
_NEW_LINK: Final = 16
_REQUEST, _ACKNOWLEDGE, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x200, 0x400
_NAME, _MASTER, _LINK, _NAMESPACE = 3, 10, 18, 28
_KIND, _DATA, _PEER = 1, 2, 1
"""What rtnetlink(7) calls the parts of a message about an interface."""
_C: Final = ctypes.CDLL(None, use_errno=True)


def main() -> int:
    """Hold a network with a bridge in it, until standard input ends."""
    try:
        _new_link(_BRIDGE, b"bridge")
    except OSError as error:
        print(f"containers cannot be joined: {error.strerror}", file=sys.stderr)
        return 1
    os.write(1, READY)
    while os.read(0, 1024):
        pass
    return 0


def join(hub: int, number: int, address: str) -> None:
    """Give this process's network an interface that leads to the hub.

    Args:
        hub: A descriptor of the hub's network.
        number: The container's number within its job.
        address: Its address.

    Raises:
        OSError: The kernel refuses.
    """
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        _enter(hub)
        # It cannot be up before the line is whole.
        peer = _interface(_INTERFACE.encode(), up=False) + _attribute(
            _NAMESPACE, struct.pack("I", own)
        )
        _new_link(
            f"to-{number}".encode(), b"veth", _attribute(_PEER, peer), socket.if_nametoindex("hub")
        )
        _enter(own)
    finally:
        os.close(own)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for request, text in ((_SET_ADDRESS, address), (_SET_MASK, _MASK)):
            place = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(text))
            fcntl.ioctl(control, request, struct.pack("16s16s", _INTERFACE.encode(), place))
        up = struct.pack("16sH14s", _INTERFACE.encode(), _UP | _RUNNING, b"")
        fcntl.ioctl(control, _SET_FLAGS, up)


def _enter(network: int) -> None:
    if _C.setns(network, _NEW_NETWORK) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _new_link(name: bytes, kind: bytes, data: bytes = b"", master: int = 0) -> None:
    """Make an interface that is up."""
    link = _attribute(_KIND, kind) + (_attribute(_DATA, data) if data else b"")
    body = _interface(name) + _attribute(_LINK, link)
    body += _attribute(_MASTER, struct.pack("I", master)) if master else b""
    flags = _REQUEST | _ACKNOWLEDGE | _EXCLUSIVE | _CREATE
    message = struct.pack("=IHHII", 16 + len(body), _NEW_LINK, flags, 1, 0) + body
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.bind((0, 0))
        kernel.send(message)
        (number,) = struct.unpack_from("=i", kernel.recv(4096), 16)
    if number:
        raise OSError(-number, os.strerror(-number))


def _interface(name: bytes, *, up: bool = True) -> bytes:
    flags = _UP if up else 0
    head = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, 0, flags, flags)
    return head + _attribute(_NAME, name + b"\0")


def _attribute(kind: int, data: bytes) -> bytes:
    length = 4 + len(data)
    return struct.pack("=HH", length, kind) + data + b"\0" * (-length % 4)


if __name__ == "__main__":
    sys.exit(main())
