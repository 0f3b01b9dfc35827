"""The bytes of secrets' versions."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Secrets:
    """The part that has the bytes of secrets' versions."""

    def __init__(self) -> None:
        self._data: dict[str, bytes] = {}

    def put(self, name: str, data: bytes) -> None:
        """Keep the bytes of a version."""
        self._data[name] = data

    def data(self, name: str) -> bytes:
        """Return the bytes of a version."""
        return self._data[name]

    def forget(self, name: str) -> None:
        """Forget the bytes of a version."""
        self._data.pop(name, None)

    def snapshot(self) -> dict[str, str]:
        """Return all bytes as JSON."""
        return {name: base64.b64encode(data).decode() for name, data in self._data.items()}

    def restore(self, saved: Mapping[str, str]) -> None:
        """Take the bytes of a snapshot."""
        self._data = {name: base64.b64decode(text) for name, text in saved.items()}
