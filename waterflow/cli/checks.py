"""What `waterflow doctor` looks at: each check can fail, and says what to do then."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from email.utils import parsedate_to_datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow.errors import WaterflowError
from waterflow.project import git, git_state, state_folder, state_path
from waterflow.project import profile as profiles
from waterflow.provider import Check, discovery
from waterflow.spec.quantities import show_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from waterflow import spec
    from waterflow.project.profile import Profile

LIBRARIES: Final = (
    "click",
    "mlflow",
    "msgspec",
    "pandas",
    "pyarrow",
    "rich",
    "scikit-learn",
    "skops",
)
OLDEST: Final = (3, 11)
LITTLE: Final = 2 * 1024**3
TOO_LITTLE: Final = 200 * 1024**2
"""Bytes of free disk below which a run is likely to fail."""
_TIMEOUT: Final = 3.0
_SKEW: Final = 120.0
"""Seconds by which clocks may differ: signed requests to clouds are refused a little later."""


def examine(root: Path, profile: str | None, pipeline: spec.Pipeline | None) -> list[Check]:
    """Look at everything.

    Args:
        root: The project's folder.
        profile: The profile's name; None for the project's default.
        pipeline: A pipeline whose own needs are looked at too.
    """
    checks = [
        _python(),
        _libraries(),
        *_state(root),
        _fork(),
        _warm(root),
        _git(root),
        *_providers(),
    ]
    try:
        chosen = profiles.load(root, profile)
        provider = discovery.provider(chosen.provider)(root, chosen)
        provider.check_settings()
    except WaterflowError as error:
        return [*checks, Check("profile", "broken", "cannot be used", str(error))]
    checks.append(Check("profile", "ok", f"{chosen.name} (provider {chosen.provider})"))
    return [*checks, *provider.examine(pipeline), *_tracking(root, chosen)]


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST:
        return Check("python", "broken", version, "Install Python 3.11 or newer.")
    return Check("python", "ok", f"{version}, {sys.executable}")


def _libraries() -> Check:
    versions: dict[str, str | None] = {}
    for name in ("waterflow", *LIBRARIES):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    missing = [name for name in LIBRARIES if name not in versions]
    shown = ", ".join(f"{name} {version}" for name, version in versions.items())
    if missing:
        return Check(
            "libraries",
            "broken",
            f"missing: {', '.join(missing)}",
            f"Run: pip install {' '.join(missing)}",
        )
    return Check("libraries", "ok", shown)


# --- the state folder -----------------------------------------------------------------------------


def _state(root: Path) -> Iterator[Check]:
    """Check that the state folder can be written and locked and has room; also the clock."""
    try:
        folder = state_folder(root)
        written = _try_writing(folder)
    except (WaterflowError, OSError) as error:
        yield Check(
            "state",
            "broken",
            f"{root / '.waterflow'} cannot be used: {error}",
            "Make the folder writable, on a file system with locks.",
        )
        return
    yield Check("state", "ok", f"{folder} is writable, with locks and renames")
    free = shutil.disk_usage(folder).free
    room = Check("disk", "ok", f"{show_size(free)} free")
    if free < LITTLE:
        state = "broken" if free < TOO_LITTLE else "warning"
        hint = "Make room, or forget old results: waterflow cache clear --older-than 7d"
        room = Check("disk", state, f"{show_size(free)} free", hint)
    yield room
    skew = abs(written - time.time())
    if skew > _SKEW or time.time() < 1_700_000_000:
        yield Check(
            "clock",
            "warning",
            f"differs by {skew:.0f}s from the file system's",
            "Set the clock: runs are ordered by it.",
        )
    else:
        yield Check("clock", "ok", time.strftime("%Y-%m-%d %H:%M:%S %z"))


def _try_writing(folder: Path) -> float:
    """Write, lock and rename a file as a run does; return its time of writing.

    Raises:
        OSError: One of them cannot be done.
    """
    import fcntl

    handle, name = tempfile.mkstemp(prefix=".doctor-", dir=folder)
    path = Path(name)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(handle, b"waterflow doctor\n")
        os.fsync(handle)
        path = path.rename(path.with_name(path.name + ".renamed"))
        return path.stat().st_mtime
    finally:
        os.close(handle)
        path.unlink(missing_ok=True)


# --- processes ------------------------------------------------------------------------------------

_FORK: Final = """
import os, sys
pid = os.fork()
if pid == 0:
    import waterflow.runtime.execute
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def _fork() -> Check:
    """Start a process of its own as steps do, and fork it."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _FORK], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check(
            "processes",
            "broken",
            f"no process can be started: {error}",
            "Check the limits on processes: ulimit -u",
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        hint = 'Choose start = "spawn" under [profiles.local], or reinstall Waterflow.'
        return Check("processes", "broken", f"a forked process failed: {last}", hint)
    return Check("processes", "ok", "each step runs in a process of its own, forked")


def _warm(root: Path) -> Check:
    """Tell of the helper that keeps libraries imported; to have none is no fault."""
    from waterflow.project import state_path
    from waterflow.warm import asking

    helpers = list(asking.shown(state_path(root), os.environ))
    if not helpers:
        return Check("helper", "ok", "none runs; a local run starts it, where the profile has it")
    shown = [
        f"process {one['pid']} holds libraries for "
        + (", ".join(held["for"] for held in one["holders"]) or "nothing yet")
        for one in helpers
    ]
    return Check("helper", "ok", "; ".join(shown))


def _git(root: Path) -> Check:
    if shutil.which("git") is None:
        return Check("git", "warning", "not installed", "Install git: runs record the commit.")
    if git(root, "rev-parse", "--show-toplevel") is None:
        return Check(
            "git",
            "warning",
            f"{root} is no repository",
            "Run: git init. Runs then record the commit.",
        )
    state = git_state(root)
    if state.commit is None:
        return Check("git", "warning", "no commit yet", "Commit: runs then record it.")
    changes = ", with changes" if state.dirty else ""
    return Check("git", "ok", f"commit {state.commit[:12]}{changes}")


def _providers() -> Iterator[Check]:
    try:
        points = discovery.providers()
    except WaterflowError as error:
        yield Check("providers", "broken", "two of one name", str(error))
        return
    if profiles.LOCAL not in points:
        yield Check("provider local", "broken", "not installed", "Install Waterflow anew")
    for name in points:
        try:
            provider: Any = discovery.provider(name)
        except WaterflowError as error:
            state = "broken" if name == profiles.LOCAL else "warning"
            yield Check(f"provider {name}", state, "cannot be loaded", str(error))
        else:
            yield Check(f"provider {name}", "ok", f"{provider.__module__}.{provider.__qualname__}")


# --- MLflow ---------------------------------------------------------------------------------------


def _tracking(root: Path, chosen: Profile) -> Iterator[Check]:
    from waterflow.tracking.managed import managed, need_plugin
    from waterflow.tracking.store import resolve_uri

    try:
        uri = resolve_uri(chosen.tracking_uri, os.environ, state_path(root))
    except WaterflowError as error:
        yield Check("mlflow", "broken", "no usable address", str(error))
        return
    try:
        need_plugin(uri)
    except WaterflowError as error:
        yield Check("mlflow", "broken", uri, str(error))
        return
    kinds: dict[str, Callable[[str], Iterator[Check]]] = {"sqlite": _sqlite, "http": _server}
    for prefix, check in kinds.items():
        if uri.startswith(prefix) and managed(uri) is None:
            yield from check(uri)
            return
    yield from _asked(uri)


def _asked(uri: str) -> Iterator[Check]:
    """Ask a store that is neither a database of ours nor a plain server: a managed one."""
    from waterflow.tracking.client import UnreachableError, call, connect
    from waterflow.tracking.waits import short_waits

    try:
        with short_waits():
            client = connect(uri)
            call(uri, lambda: client.search_experiments(max_results=1))
    except WaterflowError as error:
        yield Check.of("mlflow", error, "broken")
    except Exception as error:  # noqa: BLE001 - a plug-in's own, whatever it is
        yield Check.of("mlflow", UnreachableError(uri, error), "broken")
    else:
        yield Check("mlflow", "ok", uri)


def _sqlite(uri: str) -> Iterator[Check]:
    database = Path(uri.removeprefix("sqlite:///"))
    if not database.exists():
        yield Check("mlflow", "ok", f"{database} (made by the first run)")
        return
    try:
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as store:
            count = store.execute("SELECT count(*) FROM runs").fetchone()[0]
    except sqlite3.Error as error:
        yield Check(
            "mlflow",
            "broken",
            f"{database}: {error}",
            "Move the file away; the next run makes a new one.",
        )
        return
    yield Check("mlflow", "ok", f"{database}, {count} runs")


def _server(uri: str) -> Iterator[Check]:
    base = uri.rstrip("/")
    try:
        with urllib.request.urlopen(f"{base}/health", timeout=_TIMEOUT) as answer:  # noqa: S310 - http(s)
            date: str = answer.headers.get("Date") or ""
    except urllib.error.HTTPError as error:
        with error:
            if error.code not in (401, 403, 404):  # a server that wants to know who asks is there
                yield Check(
                    "mlflow",
                    "broken",
                    f"{base} answers {error.code} {error.reason}",
                    "Look at the server. Runs go on; later: waterflow sync",
                )
                return
            date = error.headers.get("Date") or ""
    except OSError as error:
        reason = getattr(error, "reason", error)
        yield Check(
            "mlflow",
            "broken",
            f"{base} cannot be reached: {reason}",
            "Start the server, or correct the address. Runs go on and lose nothing, but "
            "`register` needs it; afterwards: waterflow sync",
        )
        return
    yield Check("mlflow", "ok", base)
    with contextlib.suppress(TypeError, ValueError):
        skew = abs(parsedate_to_datetime(date).timestamp() - time.time())
        if skew > _SKEW:
            yield Check(
                "clock",
                "warning",
                f"differs by {skew:.0f}s from the MLflow server's",
                "Set the clock: clouds refuse signed requests then.",
            )
