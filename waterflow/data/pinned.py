"""What pinned data is, and the errors that all ways to reach data have in common."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from waterflow.artifacts.folder import MANIFEST
from waterflow.errors import ArtifactError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Pinned:
    """Outside data and what it was at one moment.

    Attributes:
        uri: As the user wrote it.
        version: What tells this content from a later one (`etag:...`, `md5:...`, `version:...`);
            None where neither it nor `sha256` can be had: a step that reads it is not cached.
        sha256: Digest of a local file; for a folder, of the canonical JSON of its files.
        size: Bytes, where known.
        local: The local file or folder; for dvc, where it would lie in the workspace.
    """

    uri: str
    version: str | None = None
    sha256: str | None = None
    size: int | None = None
    local: Path | None = None


def listing_version(objects: Mapping[str, tuple[str, int]]) -> str:
    """Return the version of all objects below a prefix.

    Args:
        objects: What follows the prefix in each key, from the slash on -> version and size.
    """
    text = json.dumps(dict(objects), sort_keys=True)
    return f"listing:{hashlib.sha256(text.encode()).hexdigest()}"


def changed(pinned: Pinned, now: object) -> ArtifactError:
    """Return the error of data that is no longer what was pinned.

    Args:
        pinned: What was pinned.
        now: The version that it has now.
    """
    was = pinned.version or f"sha256:{pinned.sha256}"
    return ArtifactError(
        f"Data at {pinned.uri} changed since it was pinned: it was {was} and is {now}. "
        "Submit the run again"
    )


def gone(uri: str) -> ArtifactError:
    """Return the error of pinned data that is there no more."""
    return ArtifactError(f"Data at {uri} is gone. Bring it back")


def absent(uri: str, why: str = "") -> ConfigurationError:
    """Return the error of data that is not there.

    Args:
        uri: Its address.
        why: What of the address is missing, where that is known.
    """
    return ConfigurationError(
        f"Data at {uri} is not there{f': {why}' if why else ''}. Check the address"
    )


def unreachable(uri: str, error: Exception) -> ConfigurationError:
    """Return the error of data that nobody gives."""
    return ConfigurationError(
        f"Data at {uri} cannot be reached: {error}. Check the address and the network"
    )


def refuse_manifest(pinned: Pinned, name: str) -> None:
    """Refuse data whose own name artifacts need for themselves.

    Args:
        pinned: The data.
        name: The name of its file or folder.

    Raises:
        ArtifactError: It is that of an artifact's manifest.
    """
    if name == MANIFEST:
        raise ArtifactError(
            f"Data at {pinned.uri} has the name of the artifact's own manifest. Give it another "
            "name, or name the folder that it lies in"
        )
