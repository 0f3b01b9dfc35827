"""The program that a container begins with: it mounts what a job sees, then becomes the job.

A job sees this machine, of which it can change nothing but its own folders. Every job waits for
this program, so it imports little, and mounts by the C library instead of by commands.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import stat
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

DISK: Final = "disk"
MEMORY: Final = "memory"
READ_ONLY: Final = "read-only"
THROUGH: Final = "through"
"""What becomes of what a job writes outside of its own folders: see `isolation.Writes`."""

_LAYERED: Final = (DISK, MEMORY)
_KERNEL: Final = frozenset({
    "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts",
    "devtmpfs", "efivarfs", "fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore",
    "rpc_pipefs", "securityfs", "sysfs", "tracefs",
})  # fmt: skip
"""File systems that are the kernel's face and hold no files."""
_FACES: Final = frozenset({"/dev", "/proc", "/sys"})
_SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - a container's own is mounted there
_MOST: Final = 64
"""The most entries of a folder that are shown one by one, when something is mounted inside it."""

_RDONLY, _REMOUNT, _BIND, _REC = 1, 32, 4096, 16384
_KEPT: Final = {
    "nosuid": 2, "nodev": 4, "noexec": 8, "noatime": 1024, "nodiratime": 2048,
    "relatime": 1 << 21,
}  # fmt: skip
"""Flags that a user namespace must repeat, as it may not drop them."""
_DETACH: Final = 2
_BACKLOG: Final = 128
_LONGEST_NAME: Final = 64
"""Characters of a host name that the kernel takes."""
_CANNOT_SET_UP, _CANNOT_RUN, _NOT_FOUND = 125, 126, 127
_C: Final = ctypes.CDLL(None, use_errno=True)


def main(arguments: Sequence[str]) -> int:
    """Become a command in a container.

    Args:
        arguments: The container, as `isolation.Isolation.command` writes it in JSON; the command.

    Returns:
        The exit code when it cannot: 125 when this machine does not allow it, and a shell's.
    """
    container: dict[str, Any] = json.loads(arguments[0])
    try:
        if container["network"] is not None:
            _connect(container["network"])
        _Root(container).enter()
        _bound(container)
    except OSError as error:
        print(f"the container cannot be set up: {error}", file=sys.stderr)
        return _CANNOT_SET_UP
    for name in ("PWD", "OLDPWD"):
        os.environ.pop(name, None)
    # The interpreter ignores these two, and what follows would do so too.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    command = list(arguments[1:])
    try:
        os.execvp(command[0], command)  # noqa: S606 - a container's command is one's own
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return _NOT_FOUND if isinstance(error, FileNotFoundError) else _CANNOT_RUN


class _Root:
    """The file system of one container.

    Args:
        container: How it is to be.
    """

    def __init__(self, container: Mapping[str, Any]) -> None:
        self._container = container
        self._writes: str = container["writes"]
        self._mounts: dict[str, str] = container["mounts"]
        self._layers = f"{container['stage']}/layers"
        self._root = f"{container['stage']}/root"
        self._number = 0
        self._mounted = _mounted()

    def enter(self) -> None:
        """Mount it, and make it this process's root."""
        for folder in (self._layers, self._root):
            os.mkdir(folder)
        if self._writes == MEMORY:
            _mount("tmpfs", self._layers, "tmpfs")
        _mount("tmpfs", self._root, "tmpfs", data="mode=755")
        # A folder in which something is to be made is no whole where it cannot be made in a layer.
        split = [] if self._writes in _LAYERED else [p for p in self._mounts if not _exists(p)]
        self._show_entries("/", split)
        self._close_the_kernel_s()
        self._bind_own()
        os.chdir(self._root)
        _call(_C.pivot_root, ".", b".", b".")
        _call(_C.umount2, ".", b".", _DETACH)
        os.chdir(self._container["start"])

    # --- the machine ------------------------------------------------------------------------------

    def _show_entries(self, folder: str, split: Sequence[str]) -> None:
        """Show what is in a folder, each entry as a whole where that can be."""
        for entry in _entries(folder):
            path = entry.path
            try:
                if entry.is_symlink():
                    os.symlink(os.readlink(path), self._root + path)
                elif not entry.is_dir():
                    with open(self._root + path, "wb"):
                        pass
                    self._show_whole(path, layered=False)
                else:
                    self._show_folder(path, split)
            except OSError as error:  # a mount that is another user's, or is dead: rather nothing
                self._note(path, error)

    def _show_folder(self, path: str, split: Sequence[str]) -> None:
        os.mkdir(self._root + path)
        if path in _FACES or self._mounted.get(path, ("", 0))[0] in _KERNEL:
            _mount(path, self._root + path, flags=_BIND | _REC)
        elif _within(path, split):
            self._show_entries(path, split)
        elif not _within(path, self._mounted):
            with os.scandir(path) as entries:
                empty = next(entries, None) is None
            os.chmod(self._root + path, stat.S_IMODE(os.stat(path).st_mode))
            if not empty or path in self._mounted:
                self._show_whole(path, layered=True)
        elif len(list(_entries(path))) <= _MOST:
            # The kernel takes no folder as a layer in which another namespace has mounts.
            self._show_entries(path, split)
        else:
            self._show_whole(path, layered=False)

    def _show_whole(self, path: str, *, layered: bool) -> None:
        place = self._root + path
        if layered and self._writes in _LAYERED:
            try:
                self._lay(path)
            except OSError as error:
                self._note(path, error)
            else:
                return
        _mount(path, place, flags=_BIND | _REC)
        if self._writes == THROUGH:
            return
        try:
            _mount("", place, flags=_REMOUNT | _BIND | _RDONLY | self._flags(path))
        except OSError:
            _C.umount2(os.fsencode(place), _DETACH)
            raise

    def _lay(self, path: str) -> None:
        """Lay an overlay on a folder."""
        self._number += 1
        upper, work = (f"{self._layers}/{self._number}{end}" for end in ("", ".w"))
        os.mkdir(upper)
        # A layer's own top is what the job sees as the folder's mode.
        os.chmod(upper, stat.S_IMODE(os.stat(path).st_mode))
        os.mkdir(work)
        for mount in self._mounts:
            if mount.startswith(f"{path}/"):
                os.makedirs(upper + mount.removeprefix(path))
        lower = "".join(f"\\{sign}" if sign in ",:\\" else sign for sign in path)
        data = f"lowerdir={lower},upperdir={upper},workdir={work}"
        data += ",userxattr" if self._container["private"] else ""
        _mount("overlay", self._root + path, "overlay", data=data)

    def _flags(self, path: str) -> int:
        """Return the flags of the mount that a path is on, which a bind must repeat."""
        while path not in self._mounted and path != "/":
            path = os.path.dirname(path)
        return self._mounted.get(path, ("", 0))[1]

    def _note(self, path: str, error: OSError) -> None:
        with open(f"{self._container['stage']}/errors", "a", encoding="utf-8") as errors:
            errors.write(f"{path}: {error.strerror}\n")

    # --- the container's own ----------------------------------------------------------------------

    def _close_the_kernel_s(self) -> None:
        if self._container["pids"]:
            with open("/proc/sys/kernel/pid_max", "w", encoding="ascii") as greatest:
                greatest.write(str(self._container["pids"]))
        if self._writes == THROUGH:
            return
        # A root's job could change the machine by what the kernel shows, whatever its namespaces.
        settings = f"{self._root}/proc/sys"
        _mount(settings, settings, flags=_BIND)
        keep = _KEPT["nosuid"] | _KEPT["nodev"] | _KEPT["noexec"] | _KEPT["relatime"]
        _mount("", settings, flags=_REMOUNT | _BIND | _RDONLY | keep)
        if _exists(_SHARED_MEMORY):
            _mount("tmpfs", self._root + _SHARED_MEMORY, "tmpfs", data="mode=1777")

    def _bind_own(self) -> None:
        """Bind the job's own folders, over all else."""
        hidden: str | None = self._container["hidden"]
        if hidden is not None and self._writes != THROUGH:
            _mount("tmpfs", self._root + hidden, "tmpfs", data="mode=755")
        bound = {path: path for path in self._container["own"]} | self._mounts
        for path in sorted(bound):  # what holds another comes first
            os.makedirs(self._root + path, exist_ok=True)
            _mount(bound[path], self._root + path, flags=_BIND)
        if self._container["hosts"] is not None:
            _mount(self._container["hosts"], f"{self._root}/etc/hosts", flags=_BIND)


def _bound(container: Mapping[str, Any]) -> None:
    """Bound the processes of this user namespace's user, where their ids are not bounded."""
    if container["processes"]:
        import resource

        most = resource.getrlimit(resource.RLIMIT_NPROC)[1]
        wish: int = container["processes"]
        count = wish if most == resource.RLIM_INFINITY else min(most, wish)
        resource.setrlimit(resource.RLIMIT_NPROC, (count, count))


def _connect(network: Mapping[str, Any]) -> None:
    """Set the container's own network up: its name, its ways to others, its ways out."""
    import socket

    socket.sethostname(network["name"][:_LONGEST_NAME])
    _raise_loopback()
    if network["hub"] is not None:
        import runpy

        # Beside this program, of which no package is known here.
        place = os.path.join(os.path.dirname(__file__), "joining.py")
        runpy.run_path(place)["join"](network["hub"], network["number"], network["address"])
        os.close(network["hub"])
    if network["channel"] is None:
        return
    with socket.socket(fileno=network["channel"]) as channel, contextlib.ExitStack() as stack:
        listeners: list[int] = []
        for port in network["ports"]:
            listener = stack.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen(_BACKLOG)
            listeners.append(listener.fileno())
        socket.send_fds(channel, [b"."], listeners)


def _raise_loopback() -> None:
    """Bring the loopback up: a new network namespace's is down, a container's is up."""
    import fcntl
    import socket
    import struct

    up, running, set_flags = 0x1, 0x40, 0x8914
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sH14s", b"lo", up | running, b""))


def _mounted() -> dict[str, tuple[str, int]]:
    """Return what is mounted on this machine: path -> file system, and the flags to repeat."""
    mounted: dict[str, tuple[str, int]] = {}
    with open("/proc/self/mountinfo", "rb") as file:
        for line in file:
            before, _, after = line.partition(b" - ")
            words = before.split()
            # Blanks in it are written in octal, as a literal of Python's.
            path = words[4].decode("unicode_escape").encode("latin-1")
            flags = sum(_KEPT.get(one, 0) for one in words[5].decode().split(","))
            mounted[os.fsdecode(path)] = (after.split()[0].decode(), flags)
    return mounted


def _within(folder: str, paths: Iterable[str]) -> bool:
    return any(path.startswith(f"{folder}/") for path in paths)


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        yield from entries


def _exists(path: str) -> bool:
    return os.path.exists(path)


def _mount(source: str, place: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    text = [os.fsencode(word) for word in (source, place, kind)]
    _call(_C.mount, place, *text, flags, os.fsencode(data) or None)


def _call(function: Any, place: str, *arguments: Any) -> None:
    """Call a function of the C library.

    Raises:
        OSError: It has failed.
    """
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), place)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
