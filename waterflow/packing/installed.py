"""What is really installed of a library, whatever its version says: one digest of its files."""

from __future__ import annotations

import base64
import contextlib
import csv
import hashlib
import os
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

from waterflow.data.fingerprints import Fingerprints, text_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_OF_INSTALLING: Final = frozenset(
    {"INSTALLER", "RECORD", "RECORD.jws", "RECORD.p7s", "REQUESTED", "direct_url.json"}
)
"""Files of a .dist-info that tell how a library came here, and not what it is."""
_CODE: Final = (".py", ".so", ".pyd", ".dylib", ".dll")


class Contents:
    """Finds the digests of installed libraries, asking about each file's size and time only.

    What the installer wrote down, RECORD, has a digest of every file. A file of another size, or
    one that is newer than RECORD, is read; its digest is remembered by its size and times.

    Args:
        state: The project's state folder, where digests are remembered.
    """

    def __init__(self, state: Path) -> None:
        self._state = state
        self._known: dict[str, str | None] = {}

    def of(self, distributions: Iterable[str]) -> dict[str, str]:
        """Return the digests of some libraries; one of which nothing is known is left out.

        Args:
            distributions: Their names.
        """
        digests: dict[str, str] = {}
        with contextlib.ExitStack() as stack:
            files = _Files(stack, self._state)
            for name in distributions:
                if name not in self._known:
                    self._known[name] = _content(name, files)
                if (digest := self._known[name]) is not None:
                    digests[name] = digest
        return digests


class _Files:
    """Digests of files, remembered; the store is opened when the first is asked for."""

    def __init__(self, stack: contextlib.ExitStack, state: Path) -> None:
        self._stack, self._state = stack, state
        self._fingerprints: Fingerprints | None = None

    def sha256(self, file: Path) -> str | None:
        if self._fingerprints is None:
            self._fingerprints = self._stack.enter_context(Fingerprints(self._state))
        try:
            return self._fingerprints.sha256(file)
        except OSError:
            return None


def _content(name: str, files: _Files) -> str | None:
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    folder = Path(str(distribution.locate_file("")))
    record = _record(distribution)
    if record is None:
        return _of_files(distribution, folder, files)
    text, written = record
    lines: list[str] = []
    for path, digest, size in _entries(text):
        place = f"{folder}{os.sep}{path}"
        try:
            status = os.stat(place)  # noqa: PTH116 - thousands of them, and a Path is slow
        except OSError:
            lines.append(f"{path} missing")
            continue
        if str(status.st_size) != size or status.st_mtime_ns > written:
            digest = _as_recorded(files.sha256(Path(place)))  # noqa: PLW2901 - the file's own
        lines.append(f"{path} {digest}")
    return text_digest("\n".join(sorted(lines)))


def _record(distribution: metadata.Distribution) -> tuple[str, int] | None:
    """Return what the installer wrote down, and when; None where it did not."""
    text = distribution.read_text("RECORD")
    place: Path | None = getattr(distribution, "_path", None)
    if not text or place is None:
        return None
    return text, (Path(place) / "RECORD").stat().st_mtime_ns


def _entries(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield the path, digest and size of each file that is the library's own."""
    plain = '"' not in text
    rows = (
        (line.split(",") for line in text.splitlines())
        if plain
        else csv.reader([*text.splitlines()])
    )
    for row in rows:
        if len(row) != 3 or row[0].startswith(("..", "/")):
            continue
        path = row[0]
        folder, _, file = path.rpartition("/")
        if path.endswith(".pyc") or (folder.endswith(".dist-info") and file in _OF_INSTALLING):
            continue
        yield path, row[1], row[2]  # both are empty where the installer did not say: it is read


def _as_recorded(sha256: str | None) -> str:
    """Return a digest in hex as RECORD writes it."""
    if sha256 is None:
        return "missing"
    return f"sha256={base64.urlsafe_b64encode(bytes.fromhex(sha256)).decode().rstrip('=')}"


def _of_files(distribution: metadata.Distribution, folder: Path, files: _Files) -> str | None:
    """Return a digest over the files of a library that was installed without a RECORD."""
    listed = distribution.files
    paths = (
        [folder / str(one) for one in listed]
        if listed
        else [
            file
            for top in (distribution.read_text("top_level.txt") or "").split()
            for file in code_files(folder / top)
        ]
    )
    lines = [
        f"{file.name} {digest}"
        for file in sorted(paths)
        if file.suffix in _CODE and (digest := files.sha256(file)) is not None
    ]
    return text_digest("\n".join(lines)) if lines else None


def code_files(place: Path) -> Iterator[Path]:
    """Yield the files of a module or package that hold code.

    Args:
        place: Its folder, or its path without `.py`.
    """
    if place.is_dir():
        yield from (file for file in place.rglob("*") if file.suffix in _CODE and file.is_file())
    elif place.with_suffix(".py").is_file():
        yield place.with_suffix(".py")


def digest_of(files: Iterable[tuple[str, Path]]) -> str | None:
    """Return one digest over files and the names they go by; None where there are none."""
    digest, count = hashlib.sha256(), 0
    for name, file in sorted(files):
        digest.update(f"{name}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
        count += 1
    return f"sha256:{digest.hexdigest()}" if count else None
