"""What MLflow takes as names and values, and how others are brought into that form."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

LABELS: Final = "waterflow.labels"
"""Tag of an execution's run: step -> what its call was given, as JSON."""

GROUPS: Final = "waterflow.groups"
GROUP: Final = "waterflow.group"
"""Tags of an execution's run, step -> the group in which it stands, and of the step's own."""

PARAM_LIMIT: Final = 6000
"""Characters in a parameter's value."""

TAG_LIMIT: Final = 8000
"""Characters in a tag's value."""

KEY_LIMIT: Final = 250
"""Characters in the name of a metric, a parameter or a tag."""


MODEL_LIMIT: Final = 256
"""Characters in a registered model's name: MLflow's column has no more."""

ALIAS_LIMIT: Final = 255
"""Characters in an alias of a registered model."""


def calls(tags: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return what the steps' calls were given, and in which groups they stand, by step."""
    return json.loads(tags.get(LABELS, "{}")), json.loads(tags.get(GROUPS, "{}"))


def valid_key(key: str) -> str:
    """Return a name that MLflow takes: letters, digits and `_-. :/`, at most 250 characters.

    One that it takes as it is stays. In any other, characters that it does not take become `_`, a
    name that is no plain relative path loses its slashes, and a digest of the whole is put at the
    end: what is written under two names is never under one in MLflow.
    """
    valid = re.sub(r"[^/\w.\- :]", "_", key)
    if _no_path(valid):
        valid = valid.replace("/", "_")
    if _no_path(valid):
        valid = f"_{valid.lstrip('.')}"
    if valid == key and len(key) <= KEY_LIMIT:
        return key
    return f"{valid[: KEY_LIMIT - 13]}-{_digest(key)}"


def model_name_mistake(name: str) -> str | None:
    """Say why MLflow's registry has no model of a name; None where it may have one."""
    if not name.strip():
        return "it is empty"
    if "/" in name or ":" in name:
        return "it has '/' or ':' in it"
    if _no_path(name):
        return "it stands for a folder"
    if len(name) > MODEL_LIMIT:
        return f"it has more than {MODEL_LIMIT} characters"
    return None


def alias_mistake(alias: str) -> str | None:
    """Say why MLflow's registry gives no version an alias; None where it would."""
    if not alias:
        return "it is empty"
    if not re.fullmatch(r"[\w\-]+", alias):
        return "it has other characters than letters, digits, '_' and '-'"
    if len(alias) > ALIAS_LIMIT:
        return f"it has more than {ALIAS_LIMIT} characters"
    if alias.lower() == "latest" or re.fullmatch(r"[vV]\d+", alias):
        return "MLflow keeps 'latest', and 'v' with a number, for versions themselves"
    return None


def _no_path(name: str) -> bool:
    """Say whether a name is no plain relative path, as MLflow asks."""
    normal = posixpath.normpath(name)
    return normal != name or normal == "." or normal.startswith(("..", "/"))


def cut(value: str, limit: int, kept: str) -> str:
    """Return a value no longer than `limit` characters; one that is cut says where it is whole."""
    if len(value) <= limit:
        return value
    note = f"... [cut; whole: artifact {kept}]"
    return value[: limit - len(note)] + note


def encodable(text: str) -> str:
    """Return a text that can be written as UTF-8: a name of a file need not be such a text."""
    return text.encode("utf-8", "backslashreplace").decode()


def file_name(text: str) -> str:
    """Return a file's name for any text: what is readable of it, and a digest of the rest."""
    plain = re.sub(r"[^\w.\-]", "_", text)[:60].strip(".") or "_"
    return plain if plain == text else f"{plain}-{_digest(text)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:12]
