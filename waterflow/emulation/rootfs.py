"""The file system that a job sees: this machine's, of which it can change nothing but its own."""

from __future__ import annotations

import os
import re
import shlex
import stat
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_KERNEL: Final = frozenset({
    "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts",
    "devtmpfs", "efivarfs", "fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore",
    "rpc_pipefs", "securityfs", "sysfs", "tracefs",
})  # fmt: skip
"""File systems that are the kernel's face and hold no files."""
_FACES: Final = ("/dev", "/proc", "/sys")
_MOST: Final = 64
"""The most entries of a folder that are shown one by one, when something is mounted inside it."""
_KEPT: Final = ("nosuid", "nodev", "noexec", "noatime", "nodiratime", "relatime")
"""Options that a user namespace must repeat, as it may not drop them."""
_ESCAPE: Final = re.compile(r"\\([0-7]{3})")

_FUNCTIONS: Final = """
set -e
over() {
  mount -t overlay overlay -o "lowerdir=$1,upperdir=$s/$2,workdir=$s/$2.w$x" "$r$1" 2>"$e" ||
    { echo "$1: $(cat "$e")" >>"$e.all"; still "$1" "$3"; }
}
still() {
  mount --rbind "$1" "$r$1" 2>"$e" && mount -o "remount,bind,ro$2" "$r$1" 2>"$e" && return
  umount -l "$r$1" 2>"$e" || true  # rather nothing than what could be changed
}
through() { mount --rbind "$1" "$r$1"; }
"""


class Writes(StrEnum):
    """What becomes of what a job writes outside of its own folders, best first."""

    DISK = "disk"
    """It goes to an overlay in the job's folder, and ends with it."""
    MEMORY = "memory"
    """The same, but the overlay is in memory, for want of a file system that can hold one."""
    READ_ONLY = "read-only"
    """There is no overlay here: it is refused."""
    THROUGH = "through"
    """It stays."""


@dataclass(frozen=True, kw_only=True)
class Root:
    """The file system of one container.

    Attributes:
        writes: What becomes of what it writes elsewhere.
        mounts: Path in the job -> the folder of this machine that it sees there.
        stage: An empty folder of the container's own, for what the mounts need.
        own: Folders that it may change, at their own paths; they exist.
        hidden: A folder of which it sees but its own; None for none.
        hosts: What stands for /etc/hosts; None for the machine's own.
        start: Where its program starts, as the job sees it.
        processes: How many processes it may have, set in its process namespace; 0 for no limit.
        private: Whether the mounts are made in a user namespace.
    """

    writes: Writes
    mounts: Mapping[str, Path]
    stage: Path
    start: str
    own: Sequence[Path] = ()
    hidden: Path | None = None
    hosts: Path | None = None
    processes: int = 0
    private: bool = True
    _lines: list[str] = field(default_factory=list[str], init=False)

    def script(self) -> str:
        """Return what a shell runs, in namespaces of its own, to become the command after it."""
        leaves = _Machine.read().leaves(() if self._layered else [Path(p) for p in self.mounts])
        quoted = shlex.quote(str(self.stage))
        self._do(f"s={quoted}/layers r={quoted}/root e={quoted}/errors")
        self._do(f"x={',userxattr' if self.private else ''}")
        self._do('mkdir "$s" "$r"')
        if self.writes is Writes.MEMORY:
            self._do('mount -t tmpfs tmpfs "$s"')
        self._do('mount -t tmpfs -o mode=755 tmpfs "$r"')
        self._places(leaves)
        for number, leaf in enumerate(leaves):
            self._show(leaf, number)
        self._faces()
        self._folders()
        return "\n".join(
            [
                _FUNCTIONS,
                *self._lines,
                # What mount(8) says of its tries is no part of the job's log.
                'cd "$r"',
                "pivot_root . .",
                "umount -l .",
                f"cd {shlex.quote(self.start)}",
                "unset PWD OLDPWD",
                'exec "$@"',
            ]
        )

    @property
    def _layered(self) -> bool:
        return self.writes in (Writes.DISK, Writes.MEMORY)

    def _do(self, line: str) -> None:
        self._lines.append(line)

    def _places(self, leaves: Sequence[_Leaf]) -> None:
        """Make what things are mounted on."""
        folders = [leaf.path for leaf in leaves if leaf.folder]
        if folders:
            self._do("mkdir -p " + " ".join(f'"$r"{shlex.quote(str(path))}' for path in folders))
        for leaf in leaves:
            if leaf.target is not None:
                self._do(f'ln -s {shlex.quote(leaf.target)} "$r"{shlex.quote(str(leaf.path))}')
            elif not leaf.folder:
                self._do(f': >"$r"{shlex.quote(str(leaf.path))}')
        if self._layered:
            self._layers(leaves)

    def _layers(self, leaves: Sequence[_Leaf]) -> None:
        """Make the layers, with the folders in them that are mounted on."""
        layers: dict[int, list[str]] = {}
        for number, leaf in enumerate(leaves):
            if leaf.layered:
                # A layer's own top is what the job sees as the folder's mode.
                layers.setdefault(leaf.mode, []).append(f'"$s"/{number}')
        for mode, names in layers.items():
            self._do(f"mkdir -m {mode:o} {' '.join(names)}")
        works = [f"{name}.w" for names in layers.values() for name in names]
        if works:
            self._do(f"mkdir {' '.join(works)}")
        for path in map(Path, self.mounts):
            for number, leaf in enumerate(leaves):
                if leaf.layered and path != leaf.path and path.is_relative_to(leaf.path):
                    inside = shlex.quote(str(path.relative_to(leaf.path)))
                    self._do(f'mkdir -p "$s"/{number}/{inside}')

    def _show(self, leaf: _Leaf, number: int) -> None:
        path = shlex.quote(str(leaf.path))
        if leaf.target is not None or leaf.empty:
            return
        if leaf.face or self.writes is Writes.THROUGH:
            self._do(f"through {path}")
        elif leaf.layered and self._layered:
            self._do(f"over {path} {number} {shlex.quote(leaf.options)}")
        else:
            self._do(f"still {path} {shlex.quote(leaf.options)}")

    def _faces(self) -> None:
        if self.processes:
            self._do(f"echo {self.processes} >/proc/sys/kernel/pid_max")
        if self.writes is Writes.THROUGH:
            return
        # A root's job could change the machine by what the kernel shows, whatever its namespaces.
        self._do('mount --bind "$r/proc/sys" "$r/proc/sys"')
        self._do('mount -o remount,bind,ro,nosuid,nodev,noexec,relatime "$r/proc/sys"')
        if os.path.ismount("/dev/shm"):  # noqa: S108 - the machine's own, for all jobs otherwise
            self._do('mount -t tmpfs -o mode=1777 tmpfs "$r/dev/shm"')

    def _folders(self) -> None:
        """Bind the job's own folders, over all else."""
        if self.hidden is not None and self.writes is not Writes.THROUGH:
            self._do(f'mount -t tmpfs -o mode=755 tmpfs "$r"{shlex.quote(str(self.hidden))}')
        bound = {str(path): path for path in self.own} | dict(self.mounts)
        for path in sorted(bound):  # what holds another comes first
            inside = f'"$r"{shlex.quote(path)}'
            self._do(f"[ -d {inside} ] || mkdir -p {inside}")
            self._do(f"mount --bind {shlex.quote(str(bound[path]))} {inside}")
        if self.hosts is not None:
            self._do(f'mount --bind {shlex.quote(str(self.hosts))} "$r/etc/hosts"')


@dataclass(frozen=True)
class _Leaf:
    """One thing that is shown as a whole.

    Attributes:
        path: Where it is.
        folder: Whether it is one.
        face: Whether it is the kernel's, and shown as it is.
        target: Where a link leads; None when it is none.
        options: What a bind mount of it must repeat, each after a comma.
        mode: Its permissions.
        empty: Whether only the folder is there, and its entries are leaves of their own.
        layered: Whether an overlay can lie on it.
    """

    path: Path
    folder: bool = True
    face: bool = False
    target: str | None = None
    options: str = ""
    mode: int = 0o755
    empty: bool = False
    layered: bool = False


@dataclass(frozen=True)
class _Machine:
    """What is mounted on this machine: path -> (file system, options)."""

    mounted: Mapping[Path, tuple[str, tuple[str, ...]]]

    @classmethod
    def read(cls) -> _Machine:
        """Read it as it is now."""
        mounted: dict[Path, tuple[str, tuple[str, ...]]] = {}
        for line in Path("/proc/self/mountinfo").read_text("utf-8").splitlines():
            before, _, after = line.partition(" - ")
            words = before.split()
            path = Path(_ESCAPE.sub(lambda found: chr(int(found[1], 8)), words[4]))
            mounted[path] = (after.split()[0], tuple(words[5].split(",")))
        return cls(mounted)

    def leaves(self, split: Sequence[Path]) -> list[_Leaf]:
        """Return what to show one by one, so that the whole machine is seen.

        Args:
            split: Paths whose folders are not shown as a whole, as something is to be in them.
        """
        return list(self._below(Path("/"), [path for path in split if not path.exists()]))

    def _below(self, folder: Path, split: Sequence[Path]) -> Iterator[_Leaf]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            return
        for entry in entries:
            path = Path(entry.path)
            try:
                if entry.is_symlink():
                    yield _Leaf(path, folder=False, target=str(path.readlink()))
                    continue
                is_folder = entry.is_dir()
                mode = stat.S_IMODE(entry.stat().st_mode)
            except OSError:  # a mount that is another user's, or is dead
                continue
            yield from self._leaf(path, split, is_folder=is_folder, mode=mode)

    def _leaf(
        self, path: Path, split: Sequence[Path], *, is_folder: bool, mode: int
    ) -> Iterator[_Leaf]:
        if str(path) in _FACES or self.mounted.get(path, ("", ()))[0] in _KERNEL:
            yield _Leaf(path, face=True)
            return
        leaf = _Leaf(path, folder=is_folder, options=self._options(path), mode=mode)
        inside = any(path in other.parents for other in (*self.mounted, *split))
        if not is_folder or not inside:
            yield _layered(leaf) if is_folder else leaf
        elif _count(path) > _MOST and not any(path in other.parents for other in split):
            # The kernel takes no folder as a layer that hides mounts of another namespace in it.
            yield leaf
        else:
            yield _Leaf(path, mode=mode, empty=True)
            yield from self._below(path, split)

    def _options(self, path: Path) -> str:
        """Return the options of the mount that a path is on, which a bind must repeat."""
        for place in (path, *path.parents):
            if place in self.mounted:
                return "".join(f",{one}" for one in self.mounted[place][1] if one in _KEPT)
        return ""


def _layered(leaf: _Leaf) -> _Leaf:
    # The two characters are overlayfs's own in its options.
    plain = not any(sign in str(leaf.path) for sign in ",:\\")
    return _Leaf(leaf.path, options=leaf.options, mode=leaf.mode, layered=plain)


def _count(folder: Path) -> int:
    with os.scandir(folder) as entries:
        return sum(1 for _ in entries)


def let_go(stage: Path) -> None:
    """Make what the mounts have left removable: a layer's work folder lets nobody in."""
    for work in stage.glob("layers/*.w/work"):
        work.chmod(0o700)
