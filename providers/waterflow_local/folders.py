"""Where the local provider keeps things below `.waterflow`, and how they are written safely."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from waterflow.tracking.writer import LOCK


@dataclass(frozen=True)
class State:
    """The project's state folder: what all runs of a project share."""

    folder: Path

    @property
    def runs(self) -> Path:
        """One folder a run."""
        return self.folder / "runs"

    @property
    def artifacts(self) -> Path:
        """Artifacts by their content."""
        return self.folder / "artifacts"

    @property
    def cache(self) -> Path:
        """Results of steps by the digest of all that went into them."""
        return self.folder / "cache"

    @property
    def latest(self) -> Path:
        """Which result each step had last."""
        return self.folder / "latest"

    @property
    def bundles(self) -> Path:
        """Code bundles by their digest."""
        return self.folder / "bundles"

    @property
    def environments(self) -> Path:
        """Virtual environments of steps with requirements of their own."""
        return self.folder / "environments"

    @property
    def wheelhouses(self) -> Path:
        """Wheels of requirements, by their digest."""
        return self.folder / "wheelhouses"

    @property
    def data(self) -> Path:
        """Which artifact holds which outside data."""
        return self.folder / "data"

    def run(self, run_id: str) -> RunFolder:
        """Return a run's folder, whether it is there or not."""
        return RunFolder(self.runs / run_id)


@dataclass(frozen=True)
class RunFolder:
    """One run's folder."""

    folder: Path

    @property
    def id(self) -> str:
        """The run's id."""
        return self.folder.name

    @property
    def state(self) -> Path:
        """The project's state folder."""
        return self.folder.parent.parent

    @property
    def document(self) -> Path:
        """The compiled document."""
        return self.folder / "document.json"

    @property
    def submission(self) -> Path:
        """How the run was started."""
        return self.folder / "submission.json"

    @property
    def journal(self) -> Path:
        """What happened, one event a line: the run's only truth."""
        return self.folder / "events.jsonl"

    @property
    def lock(self) -> Path:
        """Held by whoever runs the run, for as long as that lives."""
        return self.folder / "runner.lock"

    @property
    def sending(self) -> Path:
        """The lock of whoever sends the run to MLflow."""
        return self.folder / LOCK

    @property
    def runner_log(self) -> Path:
        """What the runner itself printed."""
        return self.folder / "runner.log"

    @property
    def process(self) -> Path:
        """The runner's process id."""
        return self.folder / "runner.json"

    def step_file(self, step: str) -> Path:
        """STEP.json of a step."""
        return self.folder / "steps" / step / "STEP.json"

    def attempt(self, step: str, attempt: int) -> Path:
        """The folder of one attempt."""
        return self.folder / "steps" / step / str(attempt)

    def progress(self, step: str, attempt: int) -> Path:
        """How far a map of one attempt has come."""
        return self.attempt(step, attempt) / "progress.json"

    def log(self, step: str, attempt: int) -> Path:
        """What one attempt printed."""
        return self.attempt(step, attempt) / "output.log"


class Lock:
    """A lock that the kernel frees when its holder dies.

    Args:
        path: The lock's file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    def take(self, *, wait: bool = False, shared: bool = False) -> bool:
        """Take the lock; return False when another holds it and `wait` is not asked."""
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)  # others may lock what is there
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(fd, kind | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(fd)
            return False
        self._fd = fd
        return True

    def held(self) -> bool:
        """Say whether somebody holds the lock now; asking writes nothing."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def fileno(self) -> int:
        """Return the descriptor that holds the lock, to hand to a child."""
        if self._fd is None:
            raise ValueError(f"{self.path} is not held")
        return self._fd

    def release(self) -> None:
        """Let go."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> Self:
        self.take(wait=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file so that a reader sees the old one or the new one, never half of it."""
    fd, name = _beside(path)
    try:
        with os.fdopen(fd, "w") as file:
            file.write(json.dumps(value, separators=(",", ":")))  # in C, as json.dump is not
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _beside(path: Path) -> tuple[int, str]:
    """Make a file beside another, whose folder is made when it is missing."""
    try:
        return tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_bytes())


def protect(folder: Path) -> None:
    """Make a folder's files read-only; folders stay as they are, so that they can be removed."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent) / name
            path.chmod(path.stat().st_mode & 0o555 | 0o444)


def remove(folder: Path) -> None:
    """Remove a folder with all it holds; what cannot go stays."""
    shutil.rmtree(folder, ignore_errors=True)


def put_aside(folder: Path, shelf: Path) -> None:
    """Take a folder from its place in one stroke, and remove it then.

    Args:
        folder: The folder; nothing happens when it is not there.
        shelf: A folder on the same file system, where `.trash-*` is swept when nothing runs.
    """
    trash = Path(tempfile.mkdtemp(prefix=".trash-", dir=shelf))
    with contextlib.suppress(FileNotFoundError):
        folder.rename(trash / folder.name)
    remove(trash)
