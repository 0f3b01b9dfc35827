"""What MLflow takes as names and values, and how others are brought into that form."""

from __future__ import annotations

import hashlib
import posixpath
import re
from typing import Final

PARAM_LIMIT: Final = 6000
"""Characters in a parameter's value."""

TAG_LIMIT: Final = 8000
"""Characters in a tag's value."""

KEY_LIMIT: Final = 250
"""Characters in the name of a metric, a parameter or a tag."""


def valid_key(key: str) -> str:
    """Return a name that MLflow takes: letters, digits and `_-. :/`, at most 250 characters.

    Other characters become `_`; a name that is no plain relative path loses its slashes; the end
    of one that is too long gives way to a digest of the whole.
    """
    valid = re.sub(r"[^/\w.\- :]", "_", key)
    if posixpath.normpath(valid) != valid or valid.startswith(("/", "..")):
        valid = valid.replace("/", "_")
    if valid in ("", ".", ".."):
        valid = "_" * max(len(valid), 1)
    if len(valid) > KEY_LIMIT:
        valid = f"{valid[: KEY_LIMIT - 13]}-{_digest(key)}"
    return valid


def cut(value: str, limit: int, kept: str) -> str:
    """Return a value no longer than `limit` characters; one that is cut says where it is whole."""
    if len(value) <= limit:
        return value
    note = f"... [cut; whole: artifact {kept}]"
    return value[: limit - len(note)] + note


def file_name(text: str) -> str:
    """Return a file's name for any text: what is readable of it, and a digest of the rest."""
    plain = re.sub(r"[^\w.\-]", "_", text)[:60].strip(".") or "_"
    return plain if plain == text else f"{plain}-{_digest(text)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:12]
