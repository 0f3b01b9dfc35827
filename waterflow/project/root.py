"""Where a project is: its root, its state folder, and what git says about it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from waterflow.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

STATE: Final = ".waterflow"
"""Name of the folder in which Waterflow keeps a project's state."""

STATE_VARIABLE: Final = "WATERFLOW_STATE"
"""Names a folder for the state outside of the project."""

_MARKS: Final = ("waterflow.toml", "pyproject.toml", ".git")
_GIT_TIMEOUT: Final = 20.0
# Set inside git hooks; they would point git at another repository than the project's.
_FOREIGN: Final = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")


@dataclass(frozen=True, slots=True)
class GitState:
    """The code's version, as git knows it.

    Attributes:
        commit: The full hash of the commit checked out; None outside a repository or before the
            first commit.
        dirty: Whether files under the root differ from that commit, new files included; None
            where git could not be asked.
    """

    commit: str | None
    dirty: bool | None


def find_root(start: Path) -> Path:
    """Return the root of the project that `start` lies in.

    Args:
        start: A file or folder.

    Returns:
        The nearest folder at or above `start` with a waterflow.toml; else with a pyproject.toml;
        else with a .git; else `start` itself (its folder, when it is a file). Absolute.
    """
    folder = start.resolve()
    if folder.is_file():
        folder = folder.parent
    for mark in _MARKS:
        for candidate in (folder, *folder.parents):
            if (candidate / mark).exists():
                return candidate
    return folder


def state_path(root: Path) -> Path:
    """Return where a project's state is, whether it is there or not.

    Args:
        root: The project's folder.

    Returns:
        `root/.waterflow`, or the folder that WATERFLOW_STATE names: absolute.
    """
    named = os.environ.get(STATE_VARIABLE)
    return Path(os.path.abspath(Path(named).expanduser())) if named else root / STATE  # noqa: PTH100 - links stay as named


def state_folder(root: Path) -> Path:
    """Return a project's state folder, made if it is not there, hidden from git.

    Raises:
        ConfigurationError: The folder cannot be made, or would be shipped with the code.
    """
    folder = state_path(root)
    if folder != root / STATE and folder.is_relative_to(root.resolve()):
        raise ConfigurationError(
            f"{STATE_VARIABLE} is {folder}, within the project, where it would count as code. Name "
            "a folder outside of it, or leave it out"
        )
    ignore = folder / ".gitignore"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"Waterflow keeps its state in {folder}, which cannot be written: {error.strerror}. "
            "Make the folder writable, or run from a project that is"
        ) from None
    return folder


def git(
    root: Path,
    *arguments: str,
    stdin: bytes | None = None,
    environment: Mapping[str, str] | None = None,
) -> bytes | None:
    """Run git in `root` and return what it prints.

    Args:
        root: The folder to run in.
        arguments: What follows `git`.
        stdin: What git reads.
        environment: Variables for git beyond this process's own.

    Returns:
        Its standard output; None where git is absent, fails, or takes longer than 20 seconds.
    """
    variables = {key: value for key, value in os.environ.items() if key not in _FOREIGN}
    # No lock on the index: asking must not disturb a git command that the user runs.
    variables["GIT_OPTIONAL_LOCKS"] = "0"
    variables |= environment or {}
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=root,
            env=variables,
            input=b"" if stdin is None else stdin,
            capture_output=True,
            timeout=_GIT_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def git_state(root: Path) -> GitState:
    """Return the commit that `root` is at and whether files under it differ from the commit."""
    answer = git(
        root, "status", "--porcelain=v2", "--branch", "--untracked-files=normal", "--", "."
    )
    if answer is None:
        return GitState(None, None)
    commit: str | None = None
    dirty = False
    for line in answer.decode("utf-8", "replace").splitlines():
        if line.startswith("# branch.oid "):
            head = line.removeprefix("# branch.oid ")
            commit = None if head == "(initial)" else head
        elif not line.startswith("#"):
            dirty = True
    return GitState(commit, dirty)
