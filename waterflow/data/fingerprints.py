"""Digests of local files and folders, remembered so that an unchanged file is read once."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from waterflow.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A file changed again within one tick of the clock keeps its time: too young to be remembered.
_SETTLED_NS: Final = 1_000_000_000


def digest(path: Path, hashed: Callable[[Path], str]) -> tuple[str, int]:
    """Return the digest and size of a file or folder.

    Args:
        path: The file or folder.
        hashed: What gives the sha256 of one file.

    Returns:
        For a file its sha256; for a folder the sha256 of the canonical JSON of its files, each
        with sha256 and size. And the size in bytes.
    """
    if path.is_file():
        return hashed(path), path.stat().st_size
    files = {
        file.relative_to(path).as_posix(): {"sha256": hashed(file), "size": file.stat().st_size}
        for file in walk(path)
    }
    text = json.dumps(files, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest(), sum(
        int(one["size"]) for one in files.values()
    )


def walk(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder in order, symbolic links followed.

    Raises:
        ConfigurationError: A link is broken or leads in a circle, or a file is no regular one.
    """
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            raise ConfigurationError(
                f"Data at {folder}: {place} leads back into a folder that was seen. "
                "Remove the symbolic link"
            )
        seen.add(real)
        folders.sort()
        for name in sorted(names):
            file = Path(place) / name
            if not file.exists():
                raise ConfigurationError(f"Data at {folder}: {file} is a broken link. Remove it")
            if not stat.S_ISREG(file.stat().st_mode):
                raise ConfigurationError(f"Data at {folder}: {file} is no regular file. Remove it")
            yield file


def hash_file(path: Path) -> str:
    """Return the sha256 of a file's content, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class Fingerprints:
    """Digests of local files, remembered by path, size, times and inode; a context manager.

    Args:
        state: The project's state folder.
    """

    def __init__(self, state: Path) -> None:
        self._path = state / "fingerprints.db"
        self._base: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        # Only a help: a store that cannot be opened or written costs a second reading of the file.
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(self._path, timeout=5.0)
            self._base.execute(
                "CREATE TABLE IF NOT EXISTS fingerprints "
                "(path TEXT PRIMARY KEY, mark TEXT NOT NULL, sha256 TEXT NOT NULL)"
            )
        except (OSError, sqlite3.Error):
            self._close()
        return self

    def __exit__(self, *_: object) -> None:
        if self._base is not None:
            with suppress(sqlite3.Error):
                self._base.commit()
        self._close()

    def _close(self) -> None:
        if self._base is not None:
            self._base.close()
            self._base = None

    def sha256(self, file: Path) -> str:
        """Return the sha256 of a file's content, in hex."""
        before = _mark(file)
        if self._base is None:
            return hash_file(file)
        try:
            row = self._base.execute(
                "SELECT mark, sha256 FROM fingerprints WHERE path = ?", (str(file),)
            ).fetchone()
            if row is not None and row[0] == before:
                return str(row[1])
            sha256 = hash_file(file)
            settled = time.time_ns() - file.stat().st_mtime_ns > _SETTLED_NS
            if settled and _mark(file) == before:
                self._base.execute(
                    "INSERT OR REPLACE INTO fingerprints VALUES (?, ?, ?)",
                    (str(file), before, sha256),
                )
        except sqlite3.Error:
            return hash_file(file)
        return sha256


def _mark(file: Path) -> str:
    stat = file.stat()
    # The change time too: a copy that keeps the modification time still moves it.
    return f"{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}:{stat.st_dev}:{stat.st_ino}"


def text_digest(text: str) -> str:
    """Return the sha256 of a text's UTF-8 bytes, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()
