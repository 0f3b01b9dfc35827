"""The artifact folder: its payload, its manifest, and how both are written, moved and verified.

An artifact is a folder of payload files and `manifest.json`, which is written last: a folder
without a manifest that matches its files was left by a step that did not finish, and is refused.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final, cast

from waterflow.errors import ArtifactError

VERSION: Final = 1
"""The version of the manifest that this release writes and reads."""

MANIFEST: Final = "manifest.json"

_MARKER: Final = ".manifest.json.tmp"
"""The manifest while the payload is still on its way: it marks what may be cleared away."""

_NAMED: Final = ("path", "data")
"""Types whose payload is one file or folder under the user's own name, which counts."""

_SMALL: Final = 1 << 20
_HASH_LENGTH: Final = 64


@dataclass(frozen=True)
class FileEntry:
    """One payload file: the sha256 of its bytes in hex, and its size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Manifest:
    """What an artifact is made of.

    Attributes:
        type: The artifact type, as the spec names it.
        sha256: The artifact's digest in hex; None for a skipped output.
        size: Bytes of all payload files.
        files: Payload files by their name relative to the folder, with `/` between the parts.
        skipped: The step that makes it was skipped: there is no payload.
    """

    type: str
    sha256: str | None
    size: int
    files: dict[str, FileEntry] = field(default_factory=dict[str, FileEntry])
    skipped: bool = False

    def to_json(self) -> bytes:
        """Return the manifest as canonical JSON."""
        document: dict[str, Any] = {"version": VERSION, "type": self.type}
        if self.skipped:
            document["skipped"] = True
        else:
            document["sha256"] = self.sha256
            document["size"] = self.size
            document["files"] = _entries(self.files)
        return canonical(document)

    @classmethod
    def from_json(cls, text: bytes | str) -> Manifest:
        """Read a manifest.

        Raises:
            ArtifactError: It is no JSON, of an unknown version, or contradicts itself.
        """
        try:
            document: Any = json.loads(text)
        except ValueError as error:
            raise ArtifactError(f"it is not valid JSON ({error})") from None
        if not isinstance(document, dict) or "version" not in document:
            raise ArtifactError("it is not a manifest: a JSON object with a version is expected")
        content = cast("dict[str, Any]", document)
        if content["version"] != VERSION:
            raise ArtifactError(
                f"it has version {content['version']!r}, and this release reads version {VERSION}"
            )
        manifest = _parse(content)
        if manifest is None:
            raise ArtifactError("a field of it is missing or has an unexpected value")
        if manifest.skipped:
            return manifest
        if manifest.sha256 != digest(manifest.type, manifest.files):
            raise ArtifactError("its sha256 does not follow from its list of files")
        return manifest


def canonical(document: object) -> bytes:
    """Return canonical JSON: sorted keys, no white space, UTF-8."""
    text = json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def digest(type_name: str, files: dict[str, FileEntry]) -> str:
    """Return an artifact's sha256 in hex.

    It is the file's own where the payload is one file that the type's serializer named, so that it
    can be compared with any other tool's; otherwise that of the canonical JSON of `files`.
    """
    if len(files) == 1 and type_name not in _NAMED and not type_name.startswith("list["):
        ((name, entry),) = files.items()
        if "/" not in name:
            return entry.sha256
    return hashlib.sha256(canonical(_entries(files))).hexdigest()


def seal(folder: Path, type_name: str) -> Manifest:
    """Write the manifest of a folder whose payload is complete.

    Args:
        folder: The folder; a manifest that it has already is replaced.
        type_name: The artifact type, as the spec names it.

    Raises:
        ArtifactError: The payload holds a symbolic link, something that is neither file nor
            folder, a name that is not UTF-8, or a file that takes the manifest's name.
    """
    if (folder / MANIFEST).is_file() and not _has_manifest(folder):
        raise ArtifactError(
            f"{folder} holds a payload file called {MANIFEST}, which is the name of the artifact's "
            "manifest. Give the file another name."
        )
    files = {name: _entry(path) for name, path in _payload(folder).items()}
    size = sum(entry.size for entry in files.values())
    manifest = Manifest(type_name, digest(type_name, files), size, files)
    _write(folder, manifest)
    return manifest


def seal_raw(folder: Path, type_name: str) -> Manifest:
    """Seal a folder that a program has written which knows nothing of artifacts.

    All that it wrote comes to lie in one folder below, which has the name of `folder`: whoever
    reads it sees the program's files and no others, a `manifest.json` of the program's own too.

    Args:
        folder: What the program was given to write to: still a folder, or a file instead.
        type_name: The artifact type, as the spec names it.

    Raises:
        ArtifactError: The program has removed it, or wrote what an artifact cannot hold.
    """
    aside = folder.with_name(f".{folder.name}.raw")
    try:
        folder.rename(aside)
    except FileNotFoundError:
        raise ArtifactError(
            f"The program has left nothing at {folder}, where its output belongs. Write files to "
            "the folder that it is given."
        ) from None
    folder.mkdir()
    aside.rename(folder / folder.name)
    return seal(folder, type_name)


def entry(folder: Path) -> Path | None:
    """Return the one file or folder that is an artifact's payload; None for an empty payload.

    Object stores keep no empty folders, so that an empty folder may come back as nothing.

    Args:
        folder: The folder of a "path" or "data" artifact.

    Raises:
        ArtifactError: The payload is more than one file or folder.
    """
    entries = sorted(path for path in folder.iterdir() if path.name != MANIFEST)
    if len(entries) > 1:
        raise ArtifactError(
            f"{folder} is expected to hold one file or folder, and it holds "
            f"{_some([path.name for path in entries])}. Run the step that makes it again."
        )
    return entries[0] if entries else None


def seal_skipped(folder: Path, type_name: str) -> Manifest:
    """Write the manifest of an output whose step was skipped.

    Args:
        folder: The folder, made if missing.
        type_name: The artifact type, as the spec names it.

    Raises:
        ArtifactError: The folder holds a payload.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if files := _payload(folder):
        raise ArtifactError(
            f"{folder} cannot be marked as skipped: it holds {_some(list(files))}. "
            "Give an empty folder."
        )
    manifest = Manifest(type_name, None, 0, skipped=True)
    _write(folder, manifest)
    return manifest


def read(folder: Path) -> Manifest:
    """Return a folder's manifest without looking at the payload.

    Raises:
        ArtifactError: There is none, or it is not a valid manifest.
    """
    try:
        text = (folder / MANIFEST).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise ArtifactError(
            f"{folder} is not a finished artifact: it has no {MANIFEST}. The step that makes it "
            "did not finish; run it again."
        ) from None
    try:
        return Manifest.from_json(text)
    except ArtifactError as error:
        raise ArtifactError(
            f"{folder / MANIFEST} cannot be used: {error}. Run the step that makes it again."
        ) from None


def verify(folder: Path) -> Manifest:
    """Return a folder's manifest after hashing every payload file.

    Raises:
        ArtifactError: There is no valid manifest, or files are missing, extra or altered.
    """
    if differences := faults(folder):
        raise ArtifactError(
            f"The artifact in {folder} is not what its step wrote: {differences}. Run the "
            "step that makes it again."
        )
    return read(folder)


def faults(folder: Path) -> str:
    """Return how an artifact's files differ from its manifest; "" where they do not.

    Raises:
        ArtifactError: There is no valid manifest.
    """
    manifest = read(folder)
    files = _payload(folder)
    differences: list[str] = []
    if missing := manifest.files.keys() - files.keys():
        differences.append(f"missing {_some(sorted(missing))}")
    if extra := files.keys() - manifest.files.keys():
        differences.append(f"not in the manifest {_some(sorted(extra))}")
    if altered := [
        name
        for name, entry in manifest.files.items()
        if name in files and not _matches(files[name], entry)
    ]:
        differences.append(f"altered {_some(altered)}")
    return "; ".join(differences)


def complete(folder: Path) -> Manifest | None:
    """Return a folder's manifest if each file that it lists is there with its size.

    Nothing is hashed: whoever reads the artifact does that. None where a file is missing, cut
    short, or where there is no valid manifest.
    """
    try:
        manifest = read(folder)
        sizes = {name: (folder / name).stat().st_size for name in manifest.files}
    except (ArtifactError, OSError):
        return None
    whole = all(sizes[name] == file.size for name, file in manifest.files.items())
    return manifest if whole else None


def publish(built: Path, target: Path) -> Manifest:
    """Move a sealed artifact into a folder that may be a mount point.

    The target itself is never renamed or removed. Whenever this is interrupted, the target has no
    manifest, and the next call clears away what was left.

    Args:
        built: A sealed folder. Its payload is moved out of it.
        target: The folder to fill, made if missing. An artifact in it is replaced.

    Raises:
        ArtifactError: `built` is not sealed, or `target` holds files that belong to no artifact.
    """
    manifest = read(built)
    _clear(target)
    (target / _MARKER).write_bytes(manifest.to_json())
    copying = False
    folders = {target}
    for name in manifest.files:
        source, goal = built / name, target / name
        if goal.parent not in folders:
            goal.parent.mkdir(parents=True, exist_ok=True)
            folders.add(goal.parent)
        if not copying:
            try:
                source.rename(goal)
                continue
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                copying = True  # another device, as a cloud's mount is
        shutil.copyfile(source, goal)
        source.unlink()
    (target / _MARKER).replace(target / MANIFEST)
    (built / MANIFEST).unlink()
    return manifest


# --- parts of the above ------------------------------------------------------------------------


def _entries(files: dict[str, FileEntry]) -> dict[str, dict[str, str | int]]:
    return {name: {"sha256": file.sha256, "size": file.size} for name, file in files.items()}


def _parse(content: dict[str, Any]) -> Manifest | None:
    """Return the manifest, or None when a field is not as it should be."""
    type_name = content.get("type")
    if not isinstance(type_name, str) or not type_name:
        return None
    if content.get("skipped") is True:
        return Manifest(type_name, None, 0, skipped=True)
    listed: Any = content.get("files")
    if not isinstance(listed, dict):
        return None
    files: dict[str, FileEntry] = {}
    for name, entry in cast("dict[str, Any]", listed).items():
        # A name is joined to folders: it must not lead out of them.
        if not name or PurePosixPath(name).is_absolute() or ".." in name.split("/"):
            return None
        if not isinstance(entry, dict):
            return None
        fields = cast("dict[str, Any]", entry)
        sha256, size = fields.get("sha256"), fields.get("size")
        if not isinstance(sha256, str) or len(sha256) != _HASH_LENGTH or type(size) is not int:
            return None
        files[name] = FileEntry(sha256, size)
    if content.get("size") != sum(entry.size for entry in files.values()):
        return None
    return Manifest(type_name, content.get("sha256"), content["size"], files)


def _payload(folder: Path) -> dict[str, Path]:
    """Return the payload files by relative name, sorted."""
    files: dict[str, Path] = {}
    waiting = [(str(folder), "")]
    while waiting:
        place, prefix = waiting.pop()
        with os.scandir(place) as entries:
            for entry in entries:
                name = prefix + entry.name
                if name in (MANIFEST, _MARKER):
                    continue
                if entry.is_symlink():
                    raise ArtifactError(
                        f"{entry.path} is a symbolic link. An artifact holds files and folders "
                        "only: write the file itself."
                    )
                if entry.is_dir():
                    waiting.append((entry.path, name + "/"))
                elif entry.is_file():
                    files[_utf8(name)] = Path(entry.path)
                else:
                    raise ArtifactError(
                        f"{entry.path} is neither a file nor a folder. An artifact holds files "
                        "and folders only."
                    )
    return dict(sorted(files.items()))


def _utf8(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ArtifactError(
            f"The file name {name!r} is not valid UTF-8. Give the file another name."
        ) from None
    return name


def _entry(path: Path) -> FileEntry:
    size = path.stat().st_size
    if size <= _SMALL:
        content = path.read_bytes()
        return FileEntry(hashlib.sha256(content).hexdigest(), len(content))
    with path.open("rb", buffering=0) as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        return FileEntry(sha256, stream.tell())


def _matches(path: Path, entry: FileEntry) -> bool:
    return path.stat().st_size == entry.size and _entry(path) == entry


def _write(folder: Path, manifest: Manifest) -> None:
    # No fsync: after a power failure a file cut short does not match, and is refused all the same.
    marker = folder / _MARKER
    marker.write_bytes(manifest.to_json())
    marker.replace(folder / MANIFEST)


def _has_manifest(folder: Path) -> bool:
    try:
        read(folder)
    except ArtifactError:
        return False
    return True


def _clear(target: Path) -> None:
    """Empty a folder that holds an artifact or what an interrupted `publish` left of one."""
    target.mkdir(parents=True, exist_ok=True)
    names = [entry.name for entry in os.scandir(target)]
    if not names:
        return
    if _MARKER not in names:
        if not _has_manifest(target):
            raise ArtifactError(
                f"{target} holds {_some(sorted(names))}, which belongs to no artifact. "
                "Give an empty folder for the output."
            )
        # From here on it is no artifact, and still known as something that may be cleared.
        (target / MANIFEST).replace(target / _MARKER)
    for entry in os.scandir(target):
        if entry.name == _MARKER:
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            Path(entry.path).unlink()


def _some(names: list[str]) -> str:
    """Return the first names, and how many more there are."""
    shown = ", ".join(f"'{name}'" for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
