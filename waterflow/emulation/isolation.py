"""How far this machine can wall a job in: the probe at start, and the command that does it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PATIENCE: Final = 20.0

# Arguments: the stage, a hosts file or "", the folder to start in, then what is to be done, then
# --, then the command. What is to be done:
#   over PATH FOLDER          show a folder at a path that exists
#   cover DIR                 begin a tmpfs that shows all that a folder holds
#   bind REST FOLDER          show a folder at a path in that tmpfs
#   place                     put the tmpfs in the folder's place; / becomes the root at the end
# So a path needs not exist beforehand, and nothing is made outside of the namespace.
_SETUP: Final = """
set -e
stage=$1 hosts=$2 folder=$3
shift 3
[ -z "$hosts" ] || mount --bind "$hosts" /etc/hosts
count=0 root=
while [ "$1" != -- ]; do
  case $1 in
  over)
    mount --bind "$3" "$2"
    shift 3 ;;
  cover)
    cover=${2%/} count=$((count + 1))
    into="$stage/$count"
    mkdir "$into"
    mount -t tmpfs tmpfs "$into"
    for child in "$cover"/* "$cover"/.[!.]*; do
      name=${child##*/}
      if [ -L "$child" ]; then ln -s "$(readlink "$child")" "$into/$name"; continue; fi
      [ -e "$child" ] || continue
      if [ -d "$child" ]; then mkdir "$into/$name"; else : > "$into/$name"; fi
      mount --rbind "$child" "$into/$name"
    done
    shift 2 ;;
  bind)
    mkdir -p "$into/$2"
    mount --bind "$3" "$into/$2"
    shift 3 ;;
  place)
    if [ -n "$cover" ]; then mount --rbind "$into" "$cover"; else root=$into; fi
    shift ;;
  esac
done
shift
if [ -n "$root" ]; then
  cd "$root"
  pivot_root . .
  umount -l .
fi
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
    """What a job's view of its own paths rests on, best first."""

    NAMESPACES = "namespaces"
    MOUNTS = "mounts"
    SYMLINK = "symlink"
    REWRITTEN = "rewritten"


@dataclass(frozen=True, kw_only=True)
class Isolation:
    """How jobs are walled in on this machine.

    Attributes:
        level: What a job's view of its own paths rests on.
        paths: The paths that every job has for itself, such as /opt/ml; empty where a job has
            only a folder to run in.
        processes: Whether a job has a process namespace, and is process 1 in it.
        network: Whether a job can be cut off from the network.
        reason: Why it is no better; empty at the best level.
    """

    level: Level
    paths: tuple[str, ...] = ()
    processes: bool = False
    network: bool = False
    reason: str = ""

    @property
    def mounts(self) -> bool:
        """Whether jobs side by side each have their own paths."""
        return self.level in (Level.NAMESPACES, Level.MOUNTS)

    def describe(self) -> str:
        """Return one line for the user."""
        network = (
            "network isolation cuts a job off"
            if self.network
            else "DEGRADED: network isolation takes the endpoint away, but not the network"
        )
        reason = f" ({self.reason})" if self.reason else ""
        return f"{self._view()}; {network}{reason}"

    def _view(self) -> str:
        paths = " and ".join(self.paths)
        if not paths:
            processes = "" if self.processes else "DEGRADED: jobs see each other's processes; "
            return f"{processes}each job has a folder of its own to run in"
        plural = len(self.paths) > 1
        return {
            Level.NAMESPACES: f"each job has its own {paths}, by user and mount namespaces",
            Level.MOUNTS: f"each job has its own {paths}, by a mount namespace of root's",
            Level.SYMLINK: (
                f"DEGRADED: {paths} {'are links' if plural else 'is a link'} that one job at a "
                "time holds; jobs of several instances fail"
            ),
            Level.REWRITTEN: (
                f"DEGRADED: there is no {paths}; {'they are' if plural else 'it is'} replaced in "
                "the arguments and the environment of a job, and a program that names "
                f"{'them itself does not find them' if plural else 'it itself does not find it'}"
            ),
        }[self.level]

    def command(
        self,
        command: Sequence[str],
        *,
        mounts: Mapping[str, Path],
        stage: Path,
        folder: str,
        python: str,
        network: bool,
        hosts: Path | None = None,
    ) -> list[str]:
        """Return the command that runs `command` walled in.

        Args:
            command: What runs in the container.
            mounts: Path in the job -> the folder of this machine that it sees there.
            stage: An empty folder of the container's own.
            folder: Where the command starts, as the job sees it.
            python: An interpreter of this machine.
            network: Whether it may reach the network.
            hosts: What stands for /etc/hosts; None for the machine's own.
        """
        if not self.mounts:
            return list(command)
        cut = self.network and not network
        inner = [python, "-I", "-S", "-c", _LOOPBACK, *command] if cut else list(command)
        return [
            *_dies_with_us(),
            *_unshare(self.level, processes=self.processes, network=cut),
            *_setup(mounts, stage, str(hosts or ""), folder),
            *inner,
        ]


def probe(paths: Sequence[str] = (), level: Level | None = None) -> Isolation:
    """Find the best isolation that works here, by trying.

    Args:
        paths: The paths that every job is to have for itself.
        level: Try this level only.
    """
    own = tuple(paths)
    failures: list[str] = []
    for candidate in (Level.NAMESPACES, Level.MOUNTS):
        if level not in (None, candidate) or (candidate is Level.MOUNTS and os.geteuid() != 0):
            continue
        for processes in (True, False):
            failure = _try(candidate, own, processes=processes, network=False)
            if failure is None:
                cut = _try(candidate, own, processes=processes, network=True) is None
                return Isolation(
                    level=candidate,
                    paths=own,
                    processes=processes,
                    network=cut,
                    reason="; ".join(failures),
                )
            failures.append(f"{candidate}{'' if processes else ', processes shared'}: {failure}")
    reason = "; ".join(failures)
    if level in (None, Level.SYMLINK) and own and all(_linkable(Path(path)) for path in own):
        return Isolation(level=Level.SYMLINK, paths=own, reason=reason)
    return Isolation(level=Level.REWRITTEN, paths=own, reason=reason)


def _linkable(path: Path) -> bool:
    return not path.exists() and os.access(path.parent, os.W_OK)


def _try(level: Level, paths: tuple[str, ...], *, processes: bool, network: bool) -> str | None:
    """Return why a level does not work; None when it does."""
    if shutil.which("unshare") is None:
        return "there is no command unshare"
    with tempfile.TemporaryDirectory(prefix="waterflow-probe-") as name:
        folder = Path(name)
        mounts = {path: folder / f"mount-{number}" for number, path in enumerate(paths)}
        for place in (*mounts.values(), folder / "stage", folder / "home"):
            place.mkdir()
        for place in mounts.values():
            (place / "mark").touch()
        test = " && ".join(["true", *(f"test -f '{path}/mark'" for path in paths)])
        command = [
            *_unshare(level, processes=processes, network=network),
            *_setup(mounts, folder / "stage", "", str(folder / "home")),
            _tool("sh"), "-c", test,
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


def _setup(mounts: Mapping[str, Path], stage: Path, hosts: str, folder: str) -> list[str]:
    """Return the command that mounts, then becomes what follows it."""
    covered: dict[Path, list[tuple[str, Path]]] = {}
    words: list[str] = []
    for path in sorted(mounts):  # what holds another comes first
        at = Path(path)
        if at.is_dir():
            words += ["over", path, str(mounts[path])]
            continue
        cover = next(parent for parent in at.parents if parent.is_dir())
        covered.setdefault(cover, []).append((str(at.relative_to(cover)), mounts[path]))
    # The deepest first: what shows all that a folder holds shows what is mounted in it before.
    for cover, inner in sorted(covered.items(), key=lambda item: -len(item[0].parts)):
        words += ["cover", str(cover)]
        for rest, place in inner:
            words += ["bind", rest, str(place)]
        words.append("place")
    return [_tool("sh"), "-c", _SETUP, "container", str(stage), hosts, folder, *words, "--"]


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
    tool = shutil.which("setpriv")
    return [tool, "--pdeathsig", "KILL"] if tool else []


def _tool(name: str) -> str:
    return shutil.which(name) or name
