"""The skops file made canonical: equal estimators give equal bytes, whichever process wrote them.

skops names shared objects and array files by `id()`, stamps the time and walks sets in hash order.
Here what it wrote is rewritten within the same format: array files named by their content, ids
renumbered in order of appearance and left out where nothing is shared, sets sorted, dates fixed.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import json
from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.artifacts.base import library
from waterflow.artifacts.files import without_padding_noise

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCHEMA: Final = "schema.json"

_LEAVES: Final = frozenset({"JsonNode", "TypeNode", "FunctionNode"})
"""Immutable: whether two of them are one object means nothing, and differs between processes."""

_UFUNC_HOMES: Final = ("numpy", "scipy.special")
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_FAST: Final = 1
"""zlib's level: a tenth of the size at a fraction of the default level's time."""


_ADDRESSES: Final = frozenset({"_stop_words_id"})
"""Attributes that hold the `id()` of another, by which scikit-learn knows what it has checked."""

_CACHES: Final = frozenset({("MultiLabelBinarizer", "_cached_dict")})
"""Attributes that a prediction fills, and makes anew where they are None."""

_TREES: Final = ("sklearn.neighbors._kd_tree", "sklearn.neighbors._ball_tree")
_COUNTERS: Final = slice(7, 11)
"""Where a tree's state counts how often it was asked, and what that took."""


def canonical(data: bytes, beside: Mapping[str, bytes] = MappingProxyType({})) -> bytes:
    """Return a skops file in its canonical form.

    Args:
        data: What `skops.io.dumps` has just given: modules that it names are imported.
        beside: Further files of the archive, which skops passes over.
    """
    import zipfile

    with zipfile.ZipFile(io.BytesIO(data)) as source:
        schema: dict[str, Any] = json.loads(source.read(SCHEMA))
        stored = {name: source.read(name) for name in source.namelist() if name != SCHEMA}
    members = _name_by_content(schema, stored)
    for node in _nodes(schema):
        _settle(node)
    for node in _nodes(schema):
        if node["__loader__"] == "SetNode":
            for item in _nodes(node["content"]):
                item.pop("__id__", None)
            node["content"].sort(key=json.dumps)
    _renumber(schema)
    members[SCHEMA] = json.dumps(schema, separators=(",", ":")).encode()
    return pack(members | dict(beside))


def member(data: bytes, name: str) -> bytes | None:
    """Return a file of the archive; None where it has none of that name."""
    import zipfile

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(name) if name in archive.namelist() else None


def pack(members: dict[str, bytes]) -> bytes:
    """Return a zip archive of the members: sorted, with a fixed date, mode and compression."""
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = 3
            info.external_attr = 0o600 << 16
            archive.writestr(info, members[name], zipfile.ZIP_DEFLATED, _FAST)
    return buffer.getvalue()


def _nodes(root: object) -> Iterator[dict[str, Any]]:
    """Yield skops' nodes, each before those inside it, in the order of the file."""
    waiting: list[Any] = [root]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            node = cast("dict[str, Any]", value)
            # A user's dict may have any key; its values are nodes, never text.
            if isinstance(node.get("__loader__"), str):
                yield node
            waiting.extend(reversed(node.values()))
        elif isinstance(value, list):
            waiting.extend(reversed(cast("list[Any]", value)))


def _name_by_content(schema: dict[str, Any], stored: dict[str, bytes]) -> dict[str, bytes]:
    """Name the files after their content in the schema; return them under these names."""
    names: dict[str, str] = {}
    members: dict[str, bytes] = {}
    for name, content in stored.items():
        stem, dot, suffix = name.rpartition(".")
        if suffix == "npy":
            content = _without_noise(content)  # noqa: PLW2901
        names[name] = hashlib.sha256(content).hexdigest()[:24] + (dot + suffix if stem else "")
        members[names[name]] = content
    for node in _nodes(schema):
        if isinstance(node.get("file"), str):
            node["file"] = names[node["file"]]
    return members


def _without_noise(content: bytes) -> bytes:
    """Return an npy file with zeros between the fields of its records."""
    if b"'descr': [" not in content[:64]:
        return content
    numpy = library("numpy", "A scikit-learn estimator as an artifact")
    array = numpy.load(io.BytesIO(content), allow_pickle=False)
    buffer = io.BytesIO()
    numpy.save(buffer, without_padding_noise(array), allow_pickle=False)
    return buffer.getvalue()


def _settle(node: dict[str, Any]) -> None:
    """Remove from one node what depends on the process that wrote it."""
    if node["__loader__"] in _LEAVES:
        node.pop("__id__", None)
    if node["__loader__"] == "ObjectNode":
        _forget(node)
    if node["__loader__"] != "FunctionNode":
        return
    # A ufunc without `__module__` is put down to the first loaded module that has its name.
    name: str = node["__class__"]
    function = getattr(importlib.import_module(node["__module__"]), name, None)
    if type(function).__name__ != "ufunc":
        return
    for home in _UFUNC_HOMES:
        if getattr(importlib.import_module(home), name, None) is function:
            node["__module__"] = home
            return


def _forget(node: dict[str, Any]) -> None:
    """Remove from an object what it remembers of the process, and of what it was asked there."""
    state: Any = node.get("content")
    if not isinstance(state, dict):
        return
    content: Any = cast("dict[str, Any]", state).get("content")
    if node["__module__"] in _TREES and isinstance(content, list):
        for counter in cast("list[dict[str, Any]]", content)[_COUNTERS]:
            counter["content"] = "0"
    if not isinstance(content, dict):
        return
    attributes = cast("dict[str, Any]", content)
    for name in _ADDRESSES & set(attributes):
        # Each attribute has its name's type at the same place of another list.
        state["key_types"]["content"].pop(list(attributes).index(name))
        del attributes[name]
    for name in attributes:
        if (node["__class__"], name) in _CACHES:
            attributes[name] = dict(_NONE)


_NONE: Final = {
    "__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": "null",
    "is_json": True,
}  # fmt: skip
"""None, as skops writes it."""


def _renumber(schema: dict[str, Any]) -> None:
    """Number the objects that occur more than once; the others need no id."""
    nodes = [node for node in _nodes(schema) if "__id__" in node]
    times = Counter(node["__id__"] for node in nodes)
    numbers: dict[int, int] = {}
    for node in nodes:
        old = node.pop("__id__")
        if times[old] > 1:
            # From 1: skops takes 0 for no id.
            node["__id__"] = numbers.setdefault(old, len(numbers) + 1)
