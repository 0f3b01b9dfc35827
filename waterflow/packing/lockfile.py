"""The lock of a project's libraries, for the lineage of a run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from email.parser import HeaderParser
from importlib import metadata
from typing import TYPE_CHECKING, Final

from waterflow.errors import ConfigurationError

if TYPE_CHECKING:
    from email.message import Message
    from pathlib import Path

NAMES: Final = ("requirements.lock", "uv.lock", "poetry.lock", "requirements.txt")
"""The files looked for in a project's root, in this order."""


@dataclass(frozen=True, slots=True)
class Lock:
    """What pins a project's libraries.

    Attributes:
        path: The lock file; None where the text was made from what is installed.
        sha256: Digest of the text's bytes, in hex.
        text: The text.
    """

    path: Path | None
    sha256: str
    text: str


def read(root: Path) -> Lock:
    """Return the project's lock file, or a freeze of this environment where it has none.

    Args:
        root: The project's root.

    Raises:
        ConfigurationError: The lock file cannot be read as UTF-8 text.
    """
    for name in NAMES:
        path = root / name
        if not path.is_file():
            continue
        try:
            content = path.read_bytes()
            return Lock(path, hashlib.sha256(content).hexdigest(), content.decode("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"The lock file {path} cannot be read: {error}. Write it anew"
            ) from None
    text = freeze()
    return Lock(None, hashlib.sha256(text.encode()).hexdigest(), text)


def freeze() -> str:
    """Return what is installed here: one sorted `name==version` a line."""
    versions: dict[str, str] = {}
    for item in metadata.distributions():
        header = _header(item)
        name = _normal(header["Name"])
        # The first one on the path is the one that imports find.
        if name and name not in versions:
            versions[name] = header["Version"]
    return "".join(f"{name}=={versions[name]}\n" for name in sorted(versions))


def _header(item: metadata.Distribution) -> Message:
    """Return what a distribution says of itself, without the pages of its description."""
    text = item.read_text("METADATA") or item.read_text("PKG-INFO") or ""
    return HeaderParser().parsestr(text.partition("\n\n")[0])


def _normal(name: str | None) -> str:
    # Half-removed distributions have no name.
    return name.lower().replace("_", "-").replace(".", "-") if name else ""
