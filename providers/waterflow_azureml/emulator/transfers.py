"""How data gets into a job's folders, and from there to where its outputs are."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from waterflow_azureml.emulator.addresses import Place
    from waterflow_azureml.emulator.storage import Blobs

_WRITABLE: Final = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_DRAFT: Final = (".new", ".tmp", ".part")
"""How the names of files end that their writers rename when they are whole."""

Mark = tuple[int, int, int]


def bring(blobs: Blobs, place: Place, folder: Path, *, writable: bool) -> str | None:
    """Bring data into a folder.

    Args:
        blobs: Where it is.
        place: A blob, or a folder of blobs.
        folder: A new folder for it.
        writable: Whether the job may change what it sees.

    Returns:
        The name of the file in it, where it is one blob; "" for a folder; None when there is
        nothing.
    """
    path = place.path.strip("/")
    folder.mkdir(parents=True, exist_ok=True)
    names = blobs.names(place.account, place.container, path)
    if not names:
        return None
    single = path in names
    name = PurePosixPath(path).name if single else ""
    blobs.fetch(place.account, place.container, path, folder / name if single else folder)
    if not writable:
        for file in folder.rglob("*"):
            file.chmod(file.stat().st_mode & ~_WRITABLE)
    return name


def files(source: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files of a folder by their place in it; links out of it are left out."""
    top = source.resolve()
    for parent, folders, names in os.walk(source):
        folders.sort()
        for name in sorted(names):
            file = source.__class__(parent, name)
            if file.is_symlink() and not file.resolve().is_relative_to(top):
                continue
            if file.is_file():
                yield file.relative_to(source).as_posix(), file


class Mirror:
    """A folder or file of a job whose content follows it to where an output is.

    Args:
        blobs: Where outputs are.
        source: The folder, or the file.
        place: Where it goes.
        whole: Whether what the job removes goes away there too.
    """

    def __init__(self, blobs: Blobs, source: Path, place: Place, *, whole: bool) -> None:
        self._blobs, self._source, self._place, self._whole = blobs, source, place, whole
        self._seen: dict[str, Mark] = {}

    def note(self) -> None:
        """Take what the folder has now as what is there already."""
        self._seen = {name: _mark(file) for name, file in self._files()}

    def sync(self) -> int:
        """Send what has changed; return how many whole files were sent."""
        sent, present = 0, set[str]()
        for name, file in self._files():
            present.add(name)
            try:
                mark = _mark(file)
                if self._seen.get(name) == mark:
                    continue
                self._send(name, file)
            except FileNotFoundError:  # renamed meanwhile: it comes under its other name
                continue
            self._seen[name] = mark
            sent += not name.endswith(_DRAFT)
        for name in [name for name in self._seen if name not in present]:
            del self._seen[name]
            if self._whole:
                self._remove(name)
        return sent

    def _files(self) -> Iterator[tuple[str, Path]]:
        if self._source.is_file():
            yield "", self._source
        elif self._source.is_dir():
            yield from files(self._source)

    def _name(self, name: str) -> str:
        return "/".join(filter(None, (self._place.path.strip("/"), name)))

    def _send(self, name: str, file: Path) -> None:
        self._blobs.write(self._place.account, self._place.container, self._name(name), file)

    def _remove(self, name: str) -> None:
        with self._blobs.lock:
            held = self._blobs.container(self._place.account, self._place.container)
            held.blobs.pop(self._name(name), None)


def emptied(folder: Path) -> None:
    """Remove a folder of a job, whatever it may not change in it."""
    for parent, _, _ in os.walk(folder):
        with_rights = stat.S_IMODE(os.stat(parent).st_mode) | stat.S_IRWXU  # noqa: PTH116
        os.chmod(parent, with_rights)  # noqa: PTH101
    shutil.rmtree(folder, ignore_errors=True)


def _mark(file: Path) -> Mark:
    status = file.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino
