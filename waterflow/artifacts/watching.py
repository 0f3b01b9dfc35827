"""Sees whether an artifact's files changed while a step had them: an input is for reading only."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from waterflow.artifacts.folder import MANIFEST, faults
from waterflow.errors import ArtifactError

if TYPE_CHECKING:
    from pathlib import Path

_Stamp = tuple[int, int, int, int]


class Watch:
    """What an input's folder looked like before the step.

    Modes keep nobody out who is root, as jobs in containers often are. So that it costs nothing to
    look, files are known by their size and times, and hashed only where these have changed.

    Args:
        folder: The folder, verified; or the file that a cloud gives for outside data.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._before = _stamps(folder)

    def refuse_change(self, name: str) -> None:
        """Refuse what the step has done to its input.

        Args:
            name: The input's name.

        Raises:
            ArtifactError: A file was changed, added or removed, and which.
        """
        now = _stamps(self.folder)
        if now == self._before:
            return
        if (self.folder / MANIFEST).is_file():
            differences = faults(self.folder)
        else:
            names = sorted(self._before.keys() ^ now.keys())
            names += [n for n in self._before.keys() & now.keys() if self._before[n] != now[n]]
            differences = f"changed {', '.join(repr(n) for n in names)}"
        if differences:
            raise ArtifactError(
                f"it changed its input '{name}': {differences}. An input is for reading only, and "
                "other steps read it too. Copy it first: shutil.copy(path, 'mine'), or "
                "shutil.copytree for a folder"
            )


def _stamps(folder: Path) -> dict[str, _Stamp]:
    """Return each file's size, times and number by its relative name."""
    stamps: dict[str, _Stamp] = {}
    if folder.is_file():
        return {folder.name: _stamp(folder.stat())}
    waiting = [(str(folder), "")]
    while waiting:
        place, prefix = waiting.pop()
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((entry.path, f"{prefix}{entry.name}/"))
                    continue
                stamps[prefix + entry.name] = _stamp(entry.stat(follow_symlinks=False))
    return stamps


def _stamp(status: os.stat_result) -> _Stamp:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
