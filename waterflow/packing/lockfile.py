"""The lock of a project's libraries, for the lineage of a run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from waterflow.errors import ConfigurationError
from waterflow.tracking import distributions

if TYPE_CHECKING:
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
    versions = distributions.installed()
    return "".join(f"{name}=={versions[name]}\n" for name in sorted(versions))
