"""What Cloud Storage keeps of a bucket and of one generation of an object, and their names."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from waterflow_vertex.emulator.errors import Refusal

if TYPE_CHECKING:
    from pathlib import Path

_LONGEST: Final = 1024
"""Bytes of the longest object name."""
_CHUNK: Final = 1 << 20
OCTETS: Final = "application/octet-stream"


@dataclass(frozen=True)
class Blob:
    """One generation of an object.

    Attributes:
        name: The object's name.
        generation: Its generation.
        metageneration: How often its metadata were changed, and one.
        size: Its size in bytes.
        md5: Its digest, in Base64; "" for composed objects.
        crc32c: Its checksum, in Base64.
        created: When it was made, in seconds since the epoch.
        updated: When its metadata were changed.
        about: What clients say of it: `contentType`, `metadata`, `kmsKeyName`.
        parts: Of how many objects it was composed; 0 for none.
        deleted: When it stopped being the live one; None while it is.
        seen: What the file of the live one looked like; None for one that is no file there.
    """

    name: str
    generation: int
    metageneration: int
    size: int
    md5: str
    crc32c: str
    created: float
    updated: float
    about: dict[str, Any] = field(default_factory=dict[str, Any])
    parts: int = 0
    deleted: float | None = None
    seen: tuple[int, int, int] | None = None

    @property
    def etag(self) -> str:
        """What tells it from all others of its name."""
        return base64.b64encode(f"{self.generation}/{self.metageneration}".encode()).decode()


@dataclass
class Bucket:
    """A bucket.

    Attributes:
        name: Its name.
        project: The number of its project.
        created: When it was made, in seconds since the epoch.
        about: What clients say of it: `location`, `versioning`, `labels`.
        metageneration: How often it was changed, and one.
        live: Name -> the live generation.
        archived: All others that are kept.
    """

    name: str
    project: str
    created: float
    about: dict[str, Any]
    metageneration: int = 1
    updated: float = 0.0
    live: dict[str, Blob] = field(default_factory=dict[str, Blob])
    archived: list[Blob] = field(default_factory=list[Blob])

    @property
    def versioned(self) -> bool:
        """Whether generations are kept that are not live any more."""
        return bool((self.about.get("versioning") or {}).get("enabled"))


def check_name(name: str) -> None:
    """Refuse what is no object's name.

    https://cloud.google.com/storage/docs/objects#naming

    Raises:
        Refusal: It is none.
    """
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        length = 0
    if not 1 <= length <= _LONGEST or set(name) & {"\n", "\r", "\0"} or name in (".", ".."):
        text = f"Invalid object name: {name[:80]!r}"
        raise Refusal("INVALID_ARGUMENT", text, reason="invalid")


def sums(file: Path) -> tuple[str, str, int]:
    """Return a file's MD5 and CRC32C, in Base64, and its size."""
    import google_crc32c

    digest, check, size = hashlib.md5(usedforsecurity=False), google_crc32c.Checksum(), 0
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            check.update(chunk)
            size += len(chunk)
    return (
        base64.b64encode(digest.digest()).decode(),
        base64.b64encode(check.digest()).decode(),
        size,
    )


def blob(saved: dict[str, Any]) -> Blob:
    """Return a generation as it was kept."""
    seen = saved["seen"]
    whole: dict[str, Any] = {**saved, "seen": None if seen is None else tuple(seen)}
    return Blob(**whole)
