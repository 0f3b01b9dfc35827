"""Data in files and folders of this machine: pinned by a digest of what is in them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from waterflow.data.fingerprints import Fingerprints, digest, hash_file
from waterflow.data.pinned import Pinned, changed
from waterflow.errors import ArtifactError, ConfigurationError


def pin(uri: str, path: Path, state: Path) -> Pinned:
    """Return a file or folder with the digest of its content.

    Args:
        uri: As the user wrote it.
        path: Where it is.
        state: The folder in which digests are remembered.

    Raises:
        ConfigurationError: It is not there.
    """
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - links stay as the user named them
    if not absolute.exists():
        raise ConfigurationError(
            f"Data at {uri!r} is not there: looked at {absolute}. Paths are relative to the "
            "project's root; correct it, or give it with -p NAME=PATH"
        )
    with Fingerprints(state) as known:
        sha256, size = digest(absolute, known.sha256)
    return Pinned(uri, sha256=sha256, size=size, local=absolute)


def fetch(pinned: Pinned, building: Path) -> str:
    """Copy it into a folder, and return its name.

    Raises:
        ArtifactError: It is gone or was changed.
    """
    source = pinned.local
    if source is None or not source.exists():
        raise ArtifactError(f"Data at {pinned.uri} is gone: looked at {source}. Bring it back")
    name = source.name or "data"
    copy(source, building / name)
    sha256, _ = digest(building / name, hash_file)
    if sha256 != pinned.sha256:
        raise changed(pinned, f"sha256:{sha256}")
    return name


def copy(source: Path, target: Path) -> None:
    """Copy a file, or a folder with all that is in it."""
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)
