"""How far this machine can wall a job in: the probe at start, and the command that does it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from waterflow.emulation import entering
from waterflow.emulation.network import ADDRESSES, Hub, Network, dies_with_us, tool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_PATIENCE: Final = 20.0
_PROCESSES: Final = max(1024, 128 * (os.cpu_count() or 1))
"""How many processes and threads a container may have at once."""
_NAMESPACED_PIDS: Final = (6, 14)
"""The kernel since which a process namespace has a greatest process id of its own."""


class Level(StrEnum):
    """What a job's view of its own paths rests on, best first."""

    NAMESPACES = "namespaces"
    MOUNTS = "mounts"
    SYMLINK = "symlink"
    REWRITTEN = "rewritten"


class Writes(StrEnum):
    """What becomes of what a job writes outside of its own folders, best first."""

    DISK = entering.DISK
    """It goes to an overlay in the container's folder, and ends with it."""
    MEMORY = entering.MEMORY
    """The same, but the overlay is in memory, for want of a file system that can hold one."""
    READ_ONLY = entering.READ_ONLY
    """There is no overlay here: it is refused."""
    THROUGH = entering.THROUGH
    """It stays."""


class Bound(StrEnum):
    """What bounds the processes of a container, so that a fork bomb ends in itself."""

    PIDS = "pids"
    """The greatest process id of its namespace."""
    USER = "user"
    """The limit of its user namespace's user."""
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Isolation:
    """How jobs are walled in on this machine.

    Attributes:
        level: What a job's view of its own paths rests on.
        paths: The paths that every job has for itself, such as /opt/ml; empty where a job has
            only a folder to run in.
        processes: Whether a job has a process namespace, and is process 1 in it.
        network: Whether a job has a network of its own, and can be cut off from this machine's.
        joined: Whether the containers of one job can each have one, and reach each other.
        writes: What becomes of what a job writes outside of its own folders.
        bound: What bounds the processes of a job.
        shared: Folders of this machine that all jobs may change.
        reason: Why it is no better; empty at the best level.
    """

    level: Level
    paths: tuple[str, ...] = ()
    processes: bool = False
    network: bool = False
    joined: bool = False
    writes: Writes = Writes.THROUGH
    bound: Bound = Bound.NONE
    shared: tuple[Path, ...] = ()
    reason: str = ""

    @property
    def mounts(self) -> bool:
        """Whether jobs side by side each have their own paths."""
        return self.level in (Level.NAMESPACES, Level.MOUNTS)

    def describe(self) -> str:
        """Return one line for the user."""
        bound = (
            "DEGRADED: nothing bounds its processes"
            if self.bound is Bound.NONE
            else f"it has {_PROCESSES} processes at most"
        )
        reason = f" ({self.reason})" if self.reason else ""
        return f"{self._view()}; {self._elsewhere()}; {bound}; {self._reach()}{reason}"

    def _reach(self) -> str:
        if not self.network:
            return (
                "DEGRADED: jobs share this machine's network and its ports, and network isolation "
                "takes the endpoint away, but not the network"
            )
        own = "it has a network of its own, and network isolation cuts it off"
        if self.joined:
            return own
        return (
            f"{own}; DEGRADED: jobs of several instances share this machine's network, or with "
            "network isolation do not reach each other"
        )

    def _elsewhere(self) -> str:
        return {
            Writes.DISK: "what it writes elsewhere is thrown away",
            Writes.MEMORY: "what it writes elsewhere is in memory, and thrown away",
            Writes.READ_ONLY: (
                "DEGRADED: elsewhere it can write nothing, as there is no overlay here"
            ),
            Writes.THROUGH: "DEGRADED: what it writes elsewhere stays",
        }[self.writes]

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
        network: Network | None = None,
        hosts: Path | None = None,
        own: Sequence[Path] = (),
        hidden: Path | None = None,
    ) -> list[str]:
        """Return the command that runs `command` walled in.

        Args:
            command: What runs in the container.
            mounts: Path in the job -> the folder of this machine that it sees there.
            stage: An empty folder of the container's own.
            folder: Where the command starts, as the job sees it.
            python: An interpreter of this machine.
            network: The network it has for itself; None for this machine's.
            hosts: What stands for /etc/hosts; None for the machine's own.
            own: Folders that it may change, at their own paths.
            hidden: A folder of which it sees its own only; None for none.
        """
        if not self.mounts:
            return list(command)
        container = {
            "writes": self.writes,
            "private": self.level is Level.NAMESPACES,
            "mounts": {path: str(place) for path, place in mounts.items()},
            "stage": str(stage),
            "start": folder,
            "own": [str(path) for path in (*own, *self.shared)],
            "hidden": None if hidden is None else str(hidden),
            "hosts": None if hosts is None else str(hosts),
            "pids": _PROCESSES if self.bound is Bound.PIDS else 0,
            "processes": _PROCESSES if self.bound is Bound.USER else 0,
            "network": None if network is None else network.settings,
        }
        hub = None if network is None else network.hub
        return [
            *dies_with_us(),
            *([] if hub is None else hub.enter),
            *_unshare(
                private=self.level is Level.NAMESPACES and hub is None,
                processes=self.processes,
                network=network is not None,
            ),
            python, "-I", "-S", entering.__file__, json.dumps(container),
            *command,
        ]  # fmt: skip


def probe(
    paths: Sequence[str] = (),
    level: Level | None = None,
    shared: Sequence[Path] = (),
    trial: Callable[[Isolation], str | None] | None = None,
) -> Isolation:
    """Find the best isolation that works here, by trying.

    Args:
        paths: The paths that every job is to have for itself.
        level: Try this level only.
        shared: Folders of this machine that all jobs may change.
        trial: Says why an isolation does not work, or None when it does; None for `failure`,
            which runs a container.
    """
    trial = trial or failure
    own = tuple(paths)
    failures: list[str] = []
    for candidate in (Level.NAMESPACES, Level.MOUNTS):
        if level not in (None, candidate) or (candidate is Level.MOUNTS and os.geteuid() != 0):
            continue
        for processes in (True, False):
            plain = Isolation(level=candidate, paths=own, processes=processes, shared=tuple(shared))
            best = replace(
                plain, writes=Writes.DISK, bound=_bound(plain), network=True, joined=True
            )
            if trial(best) is None:
                return replace(best, reason="; ".join(failures))
            reason = trial(plain)
            if reason is None:
                return _improved(plain, failures, trial)
            failures.append(f"{candidate}{'' if processes else ', processes shared'}: {reason}")
    reason = "; ".join(failures)
    if level in (None, Level.SYMLINK) and own and all(_linkable(Path(path)) for path in own):
        return Isolation(level=Level.SYMLINK, paths=own, reason=reason)
    return Isolation(level=Level.REWRITTEN, paths=own, reason=reason)


def _improved(
    plain: Isolation, failures: list[str], trial: Callable[[Isolation], str | None]
) -> Isolation:
    """Return what works with all that works beside it."""
    best = plain
    for writes in (Writes.DISK, Writes.MEMORY, Writes.READ_ONLY):
        reason = trial(replace(plain, writes=writes))
        if reason is None:
            best = replace(plain, writes=writes)
            break
        failures.append(f"{writes}: {reason}")
    bounded = replace(best, bound=_bound(plain))
    best = bounded if trial(bounded) is None else best
    alone = replace(best, network=True)
    for better, what in ((alone, "network"), (replace(alone, joined=True), "joined networks")):
        reason = trial(better)
        if reason is not None:
            failures.append(f"{what}: {reason}")
            break
        best = better
    return replace(best, reason="; ".join(failures))


def _bound(isolation: Isolation) -> Bound:
    """Return what can bound the processes of a job here."""
    if isolation.processes and _namespaced_pids():
        return Bound.PIDS
    # The kernel counts no process of root's.
    private = isolation.level is Level.NAMESPACES and os.geteuid() != 0
    return Bound.USER if private else Bound.NONE


def _namespaced_pids() -> bool:
    # Before, to set it would set it for the whole machine.
    version = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return version is not None and (int(version[1]), int(version[2])) >= _NAMESPACED_PIDS


def _linkable(path: Path) -> bool:
    return not path.exists() and os.access(path.parent, os.W_OK)


def failure(isolation: Isolation) -> str | None:
    """Return why an isolation does not work on this machine; None when it does.

    Args:
        isolation: What is tried, by a container that ends at once.
    """
    if shutil.which("unshare") is None:
        return "there is no command unshare"
    hub = None
    try:
        if isolation.joined:
            hub = Hub(private=isolation.level is Level.NAMESPACES)
        return _failure(isolation, hub)
    except OSError as error:
        return str(error)
    finally:
        if hub is not None:
            hub.close()


def _failure(isolation: Isolation, hub: Hub | None) -> str | None:
    with tempfile.TemporaryDirectory(prefix="waterflow-probe-") as name:
        folder = Path(name)
        mounts = {path: folder / f"mount-{number}" for number, path in enumerate(isolation.paths)}
        for place in (*mounts.values(), folder / "stage", folder / "home"):
            place.mkdir()
        for place in mounts.values():
            (place / "mark").touch()
        # The environment is what jobs must not change; where they write to a layer, they can.
        outside = Path(sys.prefix) / f".{folder.name}"
        test = " && ".join(["touch here", *(f"test -f '{path}/mark'" for path in mounts)])
        if isolation.writes is Writes.READ_ONLY:
            test += f" && ! touch '{outside}' 2>&1"
        elif isolation.writes is not Writes.THROUGH:
            test += f" && touch '{outside}'"
        network = Network(hub=hub, address=ADDRESSES.format(1)) if isolation.network else None
        command = isolation.command(
            [tool("sh"), "-c", test],
            mounts=mounts,
            stage=folder / "stage",
            folder=str(folder / "home"),
            python=sys.executable,
            network=network,
            own=[folder / "home"],
        )
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                timeout=_PATIENCE,
                check=False,
                text=True,
                pass_fds=() if network is None else network.descriptors,
            )
        except subprocess.TimeoutExpired as error:
            return str(error)
        finally:
            let_go(folder / "stage")
        if done.returncode == 0 and not outside.exists():
            return None
        outside.unlink(missing_ok=True)
        lines = done.stderr.strip().splitlines()
        errors = folder / "stage" / "errors"
        if errors.exists():
            lines += errors.read_text("utf-8", "replace").strip().splitlines()
    return (lines or [f"exit code {done.returncode}"])[-1]


def _unshare(*, private: bool, processes: bool, network: bool) -> list[str]:
    return [
        tool("unshare"),
        *(["-r"] if private else []),
        "-m", "--propagation", "private",
        *(["-p", "-f", "--mount-proc", "--kill-child=SIGKILL"] if processes else []),
        *(["-n", "-u"] if network else []),
    ]  # fmt: skip


def let_go(stage: Path) -> None:
    """Make what a container's mounts have left removable.

    Args:
        stage: The container's folder for them.
    """
    for work in stage.glob("layers/*.w/work"):  # it lets nobody in
        work.chmod(0o700)
