"""What is installed on the import path: distributions, what each brings and what it requires.

`importlib.metadata` has all of it, and reads every description for it as a letter is read: that
takes many times as long.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import re
import sys
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class _Distribution:
    """What is installed of one.

    Attributes:
        name: Its name, as PEP 503 writes names.
        version: Its version.
        modules: The top-level modules that it brings.
        requires: What it requires, each as PEP 508 writes it.
    """

    name: str
    version: str
    modules: frozenset[str]
    requires: tuple[str, ...]


def normal(name: str) -> str:
    """Return a distribution's name as PEP 503 writes it: `scikit-learn`.

    Args:
        name: The name as somebody wrote it.
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def installed() -> dict[str, str]:
    """Return the version of each distribution by its name."""
    return {name: one.version for name, one in _by_name().items()}


def requires(name: str) -> tuple[str, ...]:
    """Return what a distribution requires, extras' requirements too, as PEP 508 writes them.

    Args:
        name: The distribution's name; of one that is not installed nothing is known.
    """
    one = _by_name().get(normal(name))
    return one.requires if one else ()


def owners() -> dict[str, set[str]]:
    """Return the distributions that bring each top-level module."""
    names: dict[str, set[str]] = {}
    for one in _all():
        for module in one.modules:
            names.setdefault(module, set()).add(one.name)
    return names


def _by_name() -> dict[str, _Distribution]:
    """Return the distributions by name; of two the first on the path, as imports find it."""
    named: dict[str, _Distribution] = {}
    for one in _all():
        named.setdefault(one.name, one)
    return named


def _all() -> Iterator[_Distribution]:
    for entry in sys.path:
        with contextlib.suppress(OSError):
            yield from _at(entry, os.stat(entry or ".").st_mtime_ns)  # noqa: PTH116


@cache
def _at(entry: str, _changed: int) -> tuple[_Distribution, ...]:
    """Return what an entry of the path holds; `_changed` is when something came or went there."""
    return tuple(filter(None, map(_read, metadata.distributions(path=[entry]))))


def _read(item: metadata.Distribution) -> _Distribution | None:
    """Return what is known of a distribution; None for one that is half removed."""
    about = item.read_text("METADATA")
    head = (about or item.read_text("PKG-INFO") or "").partition("\n\n")[0]
    name = next(_field(head, "Name"), "")
    if not name:
        return None
    needs = _field(head, "Requires-Dist") if about else item.requires or ()
    version = next(_field(head, "Version"), "")
    return _Distribution(normal(name), version, frozenset(_modules(item)), tuple(needs))


def _field(head: str, name: str) -> Iterator[str]:
    """Yield the values of a field of what a distribution says of itself."""
    for match in re.finditer(rf"^{name}:[ \t]*(.*?)\s*$", head, re.MULTILINE | re.IGNORECASE):
        yield match[1]


def _modules(item: metadata.Distribution) -> Iterator[str]:
    listed = (item.read_text("top_level.txt") or "").split()
    if listed:
        yield from listed
        return
    record = item.read_text("RECORD")
    lines = record.splitlines() if record else map(str, item.files or ())
    seen: set[str] = set()
    for line in lines:
        path = line.lstrip('"').partition(",")[0]
        folder, slash, _ = path.partition("/")
        seen.add(folder if slash else inspect.getmodulename(path) or "")
    yield from (name for name in seen if name.isidentifier())
