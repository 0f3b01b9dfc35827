"""A container's own network: its name, its line to the others of its job, its ways out."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, Final

from waterflow.emulation import joining

ADDRESSES: Final = "10.0.0.{}"
"""The addresses of the containers of one job, by their number: each job has its own network."""
INTERFACE: Final = "eth0"
"""The interface by which they reach each other."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """The network that one container has for itself.

    Attributes:
        name: The container's host name.
        ports: The ports of its loopback at which it is led to the same ones of this machine's.
        channel: The descriptor by which it hands out the sockets that listen there; None without.
        hub: What joins it to the other containers of its job; None when it is alone.
        number: Its number within its job.
        address: Its address at the hub.
    """

    name: str = "main"
    ports: tuple[int, ...] = ()
    channel: int | None = None
    hub: Hub | None = None
    number: int = 1
    address: str = ""

    @property
    def settings(self) -> dict[str, Any]:
        """What the container's program reads."""
        return {
            "name": self.name,
            "ports": self.ports,
            "channel": self.channel,
            "hub": None if self.hub is None else self.hub.descriptor,
            "number": self.number,
            "address": self.address,
        }

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The descriptors that the container's program must inherit."""
        hub = () if self.hub is None else (self.hub.descriptor,)
        return hub if self.channel is None else (*hub, self.channel)


class Hub:
    """The network in the middle of a job's containers, until it is closed.

    Args:
        private: Whether the containers have a user namespace; else root makes them without.

    Raises:
        OSError: The kernel joins no networks here.
    """

    def __init__(self, *, private: bool) -> None:
        self._process = subprocess.Popen(
            [
                *dies_with_us(),
                tool("unshare"), *(["-r"] if private else []), "-n",
                sys.executable, "-I", "-S", joining.__file__,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        self.descriptor = -1
        try:
            assert self._process.stdout is not None  # noqa: S101 - it is a pipe of ours
            ready = self._process.stdout.readline() == joining.READY
            self.descriptor = os.open(f"/proc/{self._process.pid}/ns/net", os.O_RDONLY)
        except BaseException:
            self.close()
            raise
        if not ready:
            raise OSError(self.close() or "no network can be made")
        inside = ["-t", str(self._process.pid), "-U", "--preserve-credentials"]
        self.enter = [tool("nsenter"), *inside] if private else []
        """What a container's command begins with, to own what the hub owns."""

    def close(self) -> str:
        """Let go of it, which lasts as long as a container has a line to it.

        Returns:
            What it has complained of.
        """
        self._process.kill()
        said = self._process.communicate()[1].decode("utf-8", "replace").strip()
        if self.descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(self.descriptor)
            self.descriptor = -1
        return said


def dies_with_us() -> list[str]:
    """Return what a command begins with so that the kernel ends it when our thread ends."""
    program = shutil.which("setpriv")
    return [program, "--pdeathsig", "KILL"] if program else []


def tool(name: str) -> str:
    """Return where a program is."""
    return shutil.which(name) or name
