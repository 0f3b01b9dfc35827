"""A bundle on its way to a job: extracted into a folder, or packed as an archive."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from waterflow.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow.packing.bundle import Bundle


def write(bundle: Bundle, folder: Path) -> Path:
    """Extract a bundle and return where it is: `folder/<digest>`.

    A bundle that is there already is not written again, unless its files were altered. Readers
    never see half of one. Its files and folders are read-only but for `__pycache__`.

    Raises:
        ConfigurationError: A file was changed since the bundle was built.
    """
    target = folder / bundle.digest
    if target.is_dir() and _is_whole(bundle, target):
        return target
    folder.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{bundle.digest[:12]}-", dir=folder))
    try:
        for path, content in _contents(bundle):
            file = building / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            file.chmod(0o555 if path in bundle.programs else 0o444)
        building.chmod(0o755)
        if target.is_dir():
            if _is_whole(bundle, target):  # Another process was faster: its copy is as good.
                return target
            _remove(target, Path(tempfile.mkdtemp(prefix=".trash-", dir=folder)))
        try:
            building.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return target


_COMPILED: Final = "__pycache__"
"""Where Python keeps what it has compiled, also in a bundle."""


def _is_whole(bundle: Bundle, target: Path) -> bool:
    """Say whether an extracted bundle holds its files, unaltered, and no others."""
    hashes: dict[str, str] = {}
    for parent, folders, names in os.walk(target):
        folders[:] = [name for name in folders if name != _COMPILED]
        for name in names:
            file = Path(parent) / name
            path = file.relative_to(target).as_posix()
            try:
                hashes[path] = hashlib.sha256(file.read_bytes()).hexdigest()
            except FileNotFoundError:
                return False  # another process is putting a whole one in its place
    return hashes == bundle.hashes


def _remove(folder: Path, trash: Path) -> None:
    """Remove a bundle, after moving it to `trash` in one stroke."""
    with contextlib.suppress(FileNotFoundError):  # another process was faster
        folder.rename(trash / folder.name)
    shutil.rmtree(trash, ignore_errors=True)


def archive(bundle: Bundle) -> bytes:
    """Return a bundle as a .tar.gz, whose bytes depend on the bundle alone.

    Raises:
        ConfigurationError: A file was changed since the bundle was built.
    """
    tarred = io.BytesIO()
    with tarfile.open(fileobj=tarred, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, content in _contents(bundle):
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            entry.mode = 0o755 if path in bundle.programs else 0o644
            tar.addfile(entry, io.BytesIO(content))
    packed = io.BytesIO()
    # A fourth of the time of level 9, for bytes that no one would notice.
    with gzip.GzipFile("", mode="wb", compresslevel=4, fileobj=packed, mtime=0) as stream:
        stream.write(tarred.getvalue())
    return packed.getvalue()


def _contents(bundle: Bundle) -> Iterator[tuple[str, bytes]]:
    for path, content in bundle.files.items():
        if isinstance(content, bytes):
            yield path, content
            continue
        data = content.read_bytes()
        if hashlib.sha256(data).hexdigest() != bundle.hashes[path]:
            raise ConfigurationError(f"{content} was changed while it was packed. Run again")
        yield path, data
