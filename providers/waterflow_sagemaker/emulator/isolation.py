"""How far this machine can wall a job in: the probe at start, and the command that does it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

ML: Final = "/opt/ml"
"""Where every SageMaker container finds its files."""

_PATIENCE: Final = 20.0

# Given: the stage, the job's ml folder, a hosts file or "", where to start, then the command.
# /opt itself is replaced by a tmpfs that shows all it held: so /opt/ml needs not exist beforehand.
_SETUP: Final = """
set -e
stage=$1 ml=$2 hosts=$3 folder=$4
shift 4
mount -t tmpfs tmpfs "$stage"
for child in /opt/* /opt/.[!.]*; do
  name=${child##*/}
  [ -e "$child" ] && [ "$name" != ml ] || continue
  if [ -d "$child" ]; then mkdir "$stage/$name"; else : > "$stage/$name"; fi
  mount --rbind "$child" "$stage/$name"
done
mkdir "$stage/ml"
mount --bind "$ml" "$stage/ml"
mount --rbind "$stage" /opt
[ -z "$hosts" ] || mount --bind "$hosts" /etc/hosts
cd "$folder"
unset PWD OLDPWD
exec "$@"
"""

# A new network namespace has its loopback down, a container's is up.
_LOOPBACK: Final = """
import fcntl, os, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    fcntl.ioctl(s, 0x8914, struct.pack("16sH14s", b"lo", 0x1 | 0x40, b""))
os.execvpe(sys.argv[1], sys.argv[1:], os.environ)
"""


class Level(StrEnum):
    """What a job's view of /opt/ml rests on, best first."""

    NAMESPACES = "namespaces"
    MOUNTS = "mounts"
    SYMLINK = "symlink"
    REWRITTEN = "rewritten"


_WORDS: Final = {
    Level.NAMESPACES: "each job has its own /opt/ml, by user and mount namespaces",
    Level.MOUNTS: "each job has its own /opt/ml, by a mount namespace of root's",
    Level.SYMLINK: (
        "DEGRADED: /opt/ml is a link that one job at a time holds; jobs of several instances fail"
    ),
    Level.REWRITTEN: (
        "DEGRADED: there is no /opt/ml; it is replaced in the arguments and the environment of a "
        "job, and a program that names it itself does not find it"
    ),
}


@dataclass(frozen=True, kw_only=True)
class Isolation:
    """What the probe found.

    Attributes:
        level: What a job's view of /opt/ml rests on.
        processes: Whether a job has a process namespace, and is process 1 in it.
        network: Whether a job can be cut off from the network.
        reason: Why it is no better; empty at the best level.
    """

    level: Level
    processes: bool = False
    network: bool = False
    reason: str = ""

    @property
    def mounts(self) -> bool:
        """Whether jobs side by side each have an /opt/ml."""
        return self.level in (Level.NAMESPACES, Level.MOUNTS)

    def describe(self) -> str:
        """Return one line for the user."""
        network = (
            "network isolation cuts a job off"
            if self.network
            else "DEGRADED: network isolation takes the endpoint away, but not the network"
        )
        reason = f" ({self.reason})" if self.reason else ""
        return f"{_WORDS[self.level]}; {network}{reason}"

    def command(
        self, command: list[str], *, folder: Path, python: str, network: bool, hosts: Path | None
    ) -> list[str]:
        """Return the command that runs `command` walled in.

        Args:
            command: What runs in the container.
            folder: The container's folder on this machine: `ml`, `stage` and `home` are in it.
            python: An interpreter of this machine.
            network: Whether it may reach the network.
            hosts: What stands for /etc/hosts; None for the machine's own.
        """
        if not self.mounts:
            return command
        cut = self.network and not network
        if cut:
            command = [python, "-I", "-S", "-c", _LOOPBACK, *command]
        return [
            *_dies_with_us(),
            *_unshare(self.level, processes=self.processes, network=cut),
            _tool("sh"), "-c", _SETUP, "container",
            str(folder / "stage"), str(folder / "ml"), str(hosts or ""), str(folder / "home"),
            *command,
        ]  # fmt: skip


def probe(wanted: Level | None = None) -> Isolation:
    """Find the best level that works here, by trying.

    Args:
        wanted: Try this level only.
    """
    failures: list[str] = []
    for level in (Level.NAMESPACES, Level.MOUNTS):
        if wanted not in (None, level) or (level is Level.MOUNTS and os.geteuid() != 0):
            continue
        for processes in (True, False):
            failure = _try(level, processes=processes, network=False)
            if failure is None:
                cut = _try(level, processes=processes, network=True) is None
                return Isolation(
                    level=level, processes=processes, network=cut, reason="; ".join(failures)
                )
            failures.append(f"{level}{'' if processes else ', processes shared'}: {failure}")
    reason = "; ".join(failures)
    if wanted in (None, Level.SYMLINK) and not Path(ML).exists() and os.access("/opt", os.W_OK):
        return Isolation(level=Level.SYMLINK, reason=reason)
    return Isolation(level=Level.REWRITTEN, reason=reason)


def _try(level: Level, *, processes: bool, network: bool) -> str | None:
    if shutil.which("unshare") is None:
        return "there is no command unshare"
    with tempfile.TemporaryDirectory(prefix="waterflow-probe-") as made:
        folder = Path(made)
        for name in ("ml", "stage", "home"):
            (folder / name).mkdir()
        (folder / "ml" / "mark").touch()
        command = [
            *_unshare(level, processes=processes, network=network),
            _tool("sh"), "-c", _SETUP, "container",
            str(folder / "stage"), str(folder / "ml"), "", str(folder / "home"),
            _tool("test"), "-f", f"{ML}/mark",
        ]  # fmt: skip
        try:
            done = subprocess.run(
                command, capture_output=True, timeout=_PATIENCE, check=False, text=True
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
    if done.returncode == 0:
        return None
    return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]


def _unshare(level: Level, *, processes: bool, network: bool) -> list[str]:
    return [
        _tool("unshare"),
        *(["-r"] if level is Level.NAMESPACES else []),
        "-m", "--propagation", "private",
        *(["-p", "-f", "--mount-proc", "--kill-child=SIGKILL"] if processes else []),
        *(["-n"] if network else []),
    ]  # fmt: skip


def _dies_with_us() -> list[str]:
    # The kernel kills a job whose server was killed, before the server could do it.
    found = shutil.which("setpriv")
    return [found, "--pdeathsig", "KILL"] if found else []


def _tool(name: str) -> str:
    return shutil.which(name) or name
