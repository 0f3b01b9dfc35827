"""Which files of a project stay out of bundles: git's own answer, .gitignore, .waterflowignore."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from pathspec import GitIgnoreSpec

from waterflow.errors import ConfigurationError
from waterflow.project import STATE, git

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

NEVER: Final = frozenset({".git", STATE, "__pycache__"})
"""Folders that no pattern can bring into a bundle."""


class Ignore:
    """Answers for one root, as its files were when the first question was asked.

    `.waterflowignore` has the last word: its `!pattern` takes a file that git ignores.

    Args:
        root: The project's root, absolute.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._own = _Rules(root, ".waterflowignore")
        self._git = _Rules(root, ".gitignore")
        self._listed: frozenset[str] | None = None
        self._listing = False
        self._known: dict[str, str | None] = {}

    def why(self, files: Iterable[Path]) -> dict[Path, str]:
        """Return those files that are ignored, each with the name of what ignores it.

        Args:
            files: Absolute paths under the root.
        """
        paths = {file: file.relative_to(self._root).as_posix() for file in files}
        self._answer([path for path in paths.values() if path not in self._known])
        reasons = {file: self._known[path] for file, path in paths.items()}
        return {file: why for file, why in reasons.items() if why is not None}

    def _answer(self, paths: list[str]) -> None:
        unsure: list[str] = []
        for path in paths:
            own = self._own.check(path)
            if own is not None:
                self._known[path] = ".waterflowignore" if own else None
            else:
                unsure.append(path)
        if not unsure:
            return
        listed = self._git_files()
        if listed is None:
            for path in unsure:
                self._known[path] = ".gitignore" if self._git.check(path) else None
            return
        unlisted = [path for path in unsure if path not in listed]
        ignored = self._git_ignored(unlisted) if unlisted else frozenset[str]()
        for path in unsure:
            self._known[path] = "git's ignore rules" if path in ignored else None

    def _git_files(self) -> frozenset[str] | None:
        """Return the files that git tracks or would add; None outside a repository."""
        if not self._listing:
            self._listing = True
            answer = git(self._root, "ls-files", "-z", "-co", "--exclude-standard")
            self._listed = None if answer is None else _paths(answer)
        return self._listed

    def _git_ignored(self, paths: list[str]) -> frozenset[str]:
        # What git does not list may lie beyond a symbolic link or in a submodule: not ignored.
        # check-ignore fails on such a path, and answers 1 (None here) when it ignores nothing.
        question = os.fsencode("\0".join(paths)) + b"\0"
        answer = git(self._root, "check-ignore", "-z", "--stdin", stdin=question)
        if answer is None and len(paths) > 1:
            return frozenset[str]().union(*(self._git_ignored([path]) for path in paths))
        return frozenset[str]() if answer is None else _paths(answer)


class _Rules:
    """The ignore files of one name, in the root and in the folders below it."""

    def __init__(self, root: Path, name: str) -> None:
        self._root, self._name = root, name
        self._specs: dict[str, GitIgnoreSpec | None] = {}

    def check(self, path: str) -> bool | None:
        """Say whether a path is ignored; None where no rule speaks of it."""
        parts = path.split("/")
        for depth in range(len(parts) - 1, -1, -1):
            spec = self._spec("/".join(parts[:depth]))
            answer = spec.check_file("/".join(parts[depth:])).include if spec else None
            if answer is not None:
                return answer
        return None

    def _spec(self, folder: str) -> GitIgnoreSpec | None:
        if folder not in self._specs:
            file = self._root / folder / self._name
            try:
                text = file.read_text(encoding="utf-8") if file.is_file() else None
                spec = None if text is None else GitIgnoreSpec.from_lines(text.splitlines())
            except (OSError, ValueError) as error:
                raise ConfigurationError(
                    f"{file} cannot be read: {error}. Correct it, then run again"
                ) from None
            self._specs[folder] = spec
        return self._specs[folder]


def _paths(answer: bytes) -> frozenset[str]:
    return frozenset(os.fsdecode(path) for path in answer.split(b"\0") if path)
