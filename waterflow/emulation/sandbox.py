"""One container: a job's process under its own paths, its log, its signals, its end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from waterflow.emulation.isolation import Isolation, Level, let_go

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from waterflow.emulation.network import Network
    from waterflow.emulation.reach import Passage

    Lines = list[tuple[int, str]]
    """(milliseconds since the epoch, line), as they were written."""
    Write = Callable[[Lines], None]

_CHUNK: Final = 1 << 16
_LONGEST: Final = 1 << 20
_LAST_WORDS: Final = 5.0
"""Seconds to read what is left in the pipe after the process has ended."""
_OWN: Final = ("home", "tmp")
"""The folders in a container's folder that it may change, beside those that it mounts."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What a container runs.

    Attributes:
        command: The program and its arguments.
        environment: All of its variables.
        folder: Its folder on this machine, made by `prepare`.
        mounts: Path in the job -> the folder of this machine that it sees there.
        start: Where it starts, as the job sees it; None for a home of its own.
        network: The network that it has for itself; None for this machine's.
        ways: Its ways out of that network to this machine; None for none.
        hidden: A folder of this machine of which it sees its own only; None for none.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    mounts: Mapping[str, Path] = field(default_factory=dict[str, Path])
    start: str | None = None
    network: Network | None = None
    ways: Passage | None = None
    hidden: Path | None = None


class Container:
    """A container that runs from its making to its end.

    Args:
        isolation: How it is walled in.
        spec: What it runs.
        write: Takes lines as they come.
        wake: Set when it has ended.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(
        self, isolation: Isolation, spec: Spec, write: Write, wake: threading.Event
    ) -> None:
        self._isolation, self._write, self._wake = isolation, write, wake
        linked = isolation.level is Level.SYMLINK
        self._links = _Links(spec.mounts) if linked and spec.mounts else None
        start = spec.start or str(spec.folder / "home")
        command, environment = list(spec.command), dict(spec.environment)
        if isolation.level is Level.REWRITTEN:
            command = [_rewritten(word, spec.mounts) for word in command]
            environment = {
                name: _rewritten(text, spec.mounts) for name, text in environment.items()
            }
            start = _rewritten(start, spec.mounts)
        network, self._ways = spec.network, spec.ways
        hosts, self._stage = spec.folder / "hosts", spec.folder / "stage"
        self._process = subprocess.Popen(
            isolation.command(
                command,
                mounts=spec.mounts,
                stage=self._stage,
                folder=start,
                python=sys.executable,
                network=network,
                hosts=hosts if hosts.exists() else None,
                own=[spec.folder / name for name in _OWN],
                hidden=spec.hidden,
            ),
            env=environment,
            cwd=spec.folder / "home" if isolation.mounts else start,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=() if network is None else network.descriptors,
        )
        if self._ways is not None:
            self._ways.open()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def poll(self) -> int | None:
        """Return the exit code, as a shell counts signals; None while it runs."""
        code = self._process.poll()
        return 128 - code if code is not None and code < 0 else code

    def signal(self, number: int) -> None:
        """Send a signal to the container's first process."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._isolation.mounts and self._isolation.processes:
                # Ours is unshare, which forks: what it started is process 1 of the container.
                for child in children(self._process.pid):
                    os.kill(child, number)
            else:
                os.kill(self._process.pid, number)

    def kill(self) -> None:
        """End all its processes at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End what is left of it, and wait until its log is whole."""
        self.kill()
        self._process.wait()
        self._reader.join(_LAST_WORDS)
        if self._ways is not None:
            self._ways.close()
        let_go(self._stage)
        if self._links is not None:
            self._links.remove()

    def _read(self) -> None:
        pipe = self._process.stdout
        if pipe is not None:
            with contextlib.suppress(ValueError, OSError), pipe:
                self._lines(pipe)
        self._process.wait()
        self._wake.set()

    def _lines(self, pipe: IO[bytes]) -> None:
        rest = b""
        while chunk := os.read(pipe.fileno(), _CHUNK):
            moment = _milliseconds()
            *whole, rest = (rest + chunk).split(b"\n")
            if len(rest) > _LONGEST:
                whole, rest = [*whole, rest], b""
            self._write([(moment, line.decode("utf-8", "replace").rstrip("\r")) for line in whole])
        if rest:
            self._write([(_milliseconds(), rest.decode("utf-8", "replace"))])


class _Links:
    """A job's paths as links to one container's folders: only where nothing better works.

    Waits while a job of another emulator holds them.

    Args:
        mounts: Path in the job -> the folder of this machine.
    """

    def __init__(self, mounts: Mapping[str, Path]) -> None:
        lock = Path(tempfile.gettempdir()) / "waterflow-job-paths.lock"
        self._lock = lock.open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._paths = [Path(path) for path in mounts]
        for path, folder in zip(self._paths, mounts.values(), strict=True):
            if path.is_symlink():
                path.unlink()
            path.symlink_to(folder)

    def remove(self) -> None:
        """Let the next one have them."""
        for path in self._paths:
            path.unlink(missing_ok=True)
        self._lock.close()


def prepare(folder: Path, hosts: Mapping[str, str]) -> None:
    """Make what a container needs in its folder, beside the folders that it mounts.

    Args:
        folder: The folder.
        hosts: Name -> address of the job's containers; none for the machine's own hosts file.
    """
    for name in ("stage", *_OWN):
        (folder / name).mkdir(parents=True, exist_ok=True)
    if hosts:
        # IPv6's loopback has a name of its own, as a job's ways out listen at IPv4's.
        lines = ["127.0.0.1 localhost", "::1 ip6-localhost ip6-loopback"]
        lines += [f"{address} {name}" for name, address in hosts.items()]
        (folder / "hosts").write_text("\n".join(lines) + "\n", encoding="utf-8")


def children(parent: int) -> list[int]:
    """Return the ids of a process's children."""
    processes: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError, IndexError, ValueError):
            # The name, in parentheses, may hold anything: the parent comes second after it.
            if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                processes.append(int(entry.name))
    return processes


def _rewritten(text: str, mounts: Mapping[str, Path]) -> str:
    for path in sorted(mounts, reverse=True):  # what another holds comes first
        text = text.replace(path, str(mounts[path]))
    return text


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000
