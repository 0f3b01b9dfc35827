"""What one helper differs from another by: all that decides how an import in it would turn out.

It imports the standard library only, and is asked before every run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import site
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_LOCKS: Final = ("requirements.lock", "uv.lock", "poetry.lock", "requirements.txt")
"""As `waterflow.packing.lockfile` has them, which is not imported for this."""

_SESSION: Final = re.compile(
    r"PWD|OLDPWD|SHLVL|_|COLUMNS|LINES|WINDOWID|TERM_SESSION_ID|TMUX|TMUX_PANE|STY|GPG_TTY"
    r"|(SSH|VSCODE|WEZTERM|KITTY|ITERM|WT|GNOME_TERMINAL|KONSOLE)_\w*"
    r"|XDG_SESSION_\w+|DBUS_SESSION_BUS_ADDRESS|INVOCATION_ID|JOURNAL_STREAM|PYTEST_CURRENT_TEST"
)
"""Variables that tell a terminal or a login from another; no library's import asks for them."""

_RUNS: Final = re.compile(r"WATERFLOW_\w*|MLFLOW_TRACKING_\w*")
"""Variables that are a run's own: its secrets, where it is tracked and as whom."""

_BROUGHT: Final[dict[str, str]] = {
    "KMP_DUPLICATE_LIB_OK": "True",
    "KMP_INIT_AT_FORK": "FALSE",
    "PYARROW_IGNORE_TIMEZONE": "1",
    "SPARK_LOCAL_IP": "127.0.0.1",
}
"""What scikit-learn and pandera set by themselves, for all that who has imported them starts.

https://github.com/scikit-learn/scikit-learn/blob/main/sklearn/__init__.py
https://github.com/unionai-oss/pandera/blob/main/pandera/external_config.py
"""

_TICK: Final = 20_000_000
"""Nanoseconds by which the stamps of files may be behind the clock: the kernel's last tick."""
_LIMITS: Final = ("cgroup", "oom_score_adj", "timens_offsets")
_STATUS: Final = ("Groups:", "CapEff:", "CapBnd:", "NoNewPrivs:", "Seccomp:", "Cpus_allowed:")


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return what a helper has of a run's environment: what is not the run's or the terminal's.

    Args:
        variables: The run's environment.
    """
    kept = {
        name: value
        for name, value in variables.items()
        if not _SESSION.fullmatch(name)
        and not _RUNS.fullmatch(name)
        and _BROUGHT.get(name) != value
    }
    if entries := python_path(kept):
        kept["PYTHONPATH"] = os.pathsep.join(entries)
    return kept


def leave_out(brought: Mapping[str, str]) -> None:
    """Count no longer, in this process and its forks, what libraries have set when imported.

    Args:
        brought: Variables with the values that they were given: who has them is as one without.
    """
    _BROUGHT.update(brought)


def python_path(variables: Mapping[str, str]) -> list[str]:
    """Return the entries of PYTHONPATH, but those that are empty and mean the working folder."""
    return [entry for entry in variables.get("PYTHONPATH", "").split(os.pathsep) if entry]


def key(root: Path, variables: Mapping[str, str]) -> str:
    """Return the name of the helper that serves a process like this one.

    Args:
        root: The project's folder.
        variables: The run's environment. All of it counts but for what `environment` leaves out:
            which variables a library reads when it is imported, nobody can list.
    """
    parts: dict[str, Any] = {
        "python": [sys.executable, sys.version, sys.prefix, sys.base_prefix],
        "environment": sorted(environment(variables).items()),
        "libraries": [_listing(place) for place in _places(root, variables)],
        "lock": [_digest(root / name) for name in _LOCKS],
        "process": list(_process()),
    }
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _digest(file: Path) -> str | None:
    with contextlib.suppress(OSError):
        return hashlib.sha256(file.read_bytes()).hexdigest()
    return None


def _places(root: Path, variables: Mapping[str, str]) -> Iterator[str]:
    """Yield the folders that libraries are installed in, but none of the project's own."""
    places = [*python_path(variables), *site.getsitepackages()]
    if site.ENABLE_USER_SITE:
        places.append(site.getusersitepackages())
    own = {os.path.realpath(folder) for folder in (root, root / "src", Path.cwd())}
    for place in places:
        if os.path.realpath(place) not in own:
            yield place


def _listing(place: str) -> list[Any]:
    """Return what is installed in a folder: names, and when what tells its content was written.

    An installer writes a library's RECORD anew; a .pth file or an editable install's finder is
    read whenever Python starts. What is changed behind RECORD's back the helper sees itself, by
    the files that it has imported.
    """
    entries: list[Any] = [place]
    with contextlib.suppress(OSError), os.scandir(place) as listing:
        for entry in sorted(listing, key=lambda one: one.name):
            name = entry.name
            if name == "__pycache__":
                continue
            if name.endswith((".dist-info", ".egg-info")):
                entries.append([name, *_stamps(Path(entry.path), ("RECORD", "METADATA"))])
            elif name.endswith((".pth", ".egg-link")) or name.startswith("__editable__"):
                entries.append([name, *_stamps(Path(entry.path), ("",))])
            else:
                entries.append(name)
    return entries


def _stamps(folder: Path, names: Iterable[str]) -> Iterator[list[int]]:
    for name in names:
        with contextlib.suppress(OSError):
            status = (folder / name if name else folder).stat()
            yield [status.st_mtime_ns, status.st_size, status.st_ino]


def _process() -> Iterator[Any]:
    """Yield what a process is given when it starts and cannot take back or give itself."""
    yield [os.getresuid(), os.getresgid(), os.getpriority(os.PRIO_PROCESS, 0)]
    if sys.platform == "win32":
        return
    import resource

    yield [
        [name, *resource.getrlimit(getattr(resource, name))]
        for name in sorted(dir(resource))
        if name.startswith("RLIMIT_")
    ]
    proc = Path("/proc/self")
    with contextlib.suppress(OSError):
        yield Path("/proc/sys/kernel/random/boot_id").read_text()
    for name in _LIMITS:
        with contextlib.suppress(OSError):
            yield (proc / name).read_text()
    with contextlib.suppress(OSError):
        yield sorted(str(link.readlink()) for link in (proc / "ns").iterdir())
    with contextlib.suppress(OSError):
        yield [line for line in (proc / "status").read_text().splitlines()
               if line.startswith(_STATUS)]  # fmt: skip


class Loaded:
    """The files that this process has imported, and whether they are still what it imported.

    It is made before the first import that it is to answer for; a file that changed later than
    that is not known to be what was imported.
    """

    def __init__(self) -> None:
        self._began = time.time_ns() - _TICK
        self._stamps: dict[str, tuple[int, int, int] | None] = {}
        self._doubtful = False

    def note(self) -> None:
        """Take in what has been imported since."""
        for path in _files():
            if path not in self._stamps:
                self._stamps[path] = _stamp(path)
                with contextlib.suppress(OSError):
                    self._doubtful |= os.stat(path).st_ctime_ns > self._began  # noqa: PTH116

    def stale(self) -> bool:
        """Say whether a file is no longer what was imported."""
        return self._doubtful or any(_stamp(path) != one for path, one in self._stamps.items())


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - thousands of them, and a Path is slow
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _files() -> Iterator[str]:
    """Yield the files of all modules, and the shared libraries that they brought."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and os.path.isabs(file):  # noqa: PTH117 - as above
            yield file
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/maps").read_text().splitlines():
            path = line[line.find("/") :] if "/" in line else ""
            if ".so" in path and not path.endswith(" (deleted)"):
                yield path
