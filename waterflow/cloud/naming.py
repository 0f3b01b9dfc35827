"""Names as clouds take them: letters, digits and hyphens, of a bounded length, none given twice."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_OUTSIDE: Final = re.compile(r"[^A-Za-z0-9]+")
_DIGEST: Final = 8
"""Hex digits that tell long names apart."""


def entity(text: str, length: int) -> str:
    """Return text as a name of letters, digits and single hyphens.

    Args:
        text: Any text.
        length: The most characters; a longer name keeps its start and ends in a digest.
    """
    return shortened(_OUTSIDE.sub("-", text).strip("-") or "x", length, text, trimmed="-")


def shortened(name: str, length: int, text: str, *, trimmed: str = "") -> str:
    """Return a name that is not too long.

    Args:
        name: The name.
        length: The most characters; a longer name keeps its start and ends in a digest.
        text: What the digest is made of, so that what differs only in lost signs differs here.
        trimmed: Signs that the start which is kept does not end in.
    """
    if len(name) <= length:
        return name
    mark = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST]
    start = name[: length - _DIGEST - 1]
    return f"{start.rstrip(trimmed) if trimmed else start}-{mark}"


class Names:
    """Gives out names of steps, no name twice: a further copy's ends in `-2`, `-3` and so on.

    Args:
        length: The most characters of a name.
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self._taken: set[str] = set()

    def take(self, text: str) -> str:
        """Return a name for something that is called `text`, that nothing else has."""
        # Names of jobs are made of names of steps, and hold no underscores on most clouds.
        base = entity(text, self._length)
        name, number = base, 1
        while name in self._taken:
            number += 1
            end = f"-{number}"
            name = base[: self._length - len(end)].rstrip("-") + end
        self._taken.add(name)
        return name


def value_keys(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Return a key of letters, digits and underscores for each value that conditions read.

    Args:
        names: `output` or `output.key`, as the runtime is asked for them.
        taken: Keys that something else has, such as a job's own metrics.
    """
    keys: dict[str, str] = {}
    used = set(taken)
    for name in sorted(names):
        base = re.sub(r"[^A-Za-z0-9_]", "_", name)
        key, number = base, 1
        while key in used:
            number += 1
            key = f"{base}_{number}"
        used.add(key)
        keys[name] = key
    return keys
