"""An emulator's state on disk: the folder, its lock, and the file that holds every part's state.

Written when the emulator ends, so one that is killed keeps what it began with.
"""

from __future__ import annotations

import fcntl
import json
import os
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Protocol, cast, runtime_checkable

from waterflow.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TIME: Final = "$time"
_FILE: Final = "state.json"


@runtime_checkable
class Component(Protocol):
    """A part of an emulator that has a state."""

    def snapshot(self) -> Any:
        """Return the state as plain data; moments may be datetimes."""
        ...

    def restore(self, saved: Any, /) -> None:
        """Take back what `snapshot` returned."""
        ...


@runtime_checkable
class Prunable(Protocol):
    """A part that keeps files of its own beside the state, some of which go out of use."""

    def prune(self, saved: Any, /) -> None:
        """Remove the files that a snapshot does not name, once that is on disk."""
        ...


class State:
    """A folder with an emulator's state.

    Args:
        folder: The folder; made when it is not there.
        version: The version of what the parts snapshot; another one is not read.

    Raises:
        ConfigurationError: The folder cannot be used, or another emulator uses it.
    """

    def __init__(self, folder: Path, version: int = 1) -> None:
        self.folder, self._version = folder, version
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = (folder / "lock").open("w")
        except OSError as error:
            raise ConfigurationError(
                f"--state {folder}: the folder cannot be used: {error.strerror}. Name "
                "another folder"
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise ConfigurationError(
                f"--state {folder}: another emulator uses this folder. End it, or name another "
                "folder"
            ) from None

    def load(self, components: Mapping[str, Component]) -> None:
        """Give every part what was saved of it, in their order, if anything was.

        Args:
            components: Name -> part.

        Raises:
            ConfigurationError: What is there cannot be read, or is of another version.
        """
        file = self.folder / _FILE
        if not file.exists():
            return
        try:
            document = json.loads(file.read_text("utf-8"), object_hook=_revive)
            version = document["version"]
            if version == self._version:
                for name, component in components.items():
                    component.restore(document["parts"][name])
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise ConfigurationError(
                f"--state {self.folder}: {file.name} cannot be read ({type(error).__name__}: "
                f"{error}). Remove it, or name another folder"
            ) from error
        if version != self._version:
            raise ConfigurationError(
                f"--state {self.folder}: its version is {version}, this emulator has "
                f"{self._version}. Name another folder"
            )

    def save(self, components: Mapping[str, Component]) -> None:
        """Write every part's state; what was there stays whole until the new state is.

        Args:
            components: Name -> part.
        """
        parts = {name: one.snapshot() for name, one in components.items()}
        draft = self.folder / f"{_FILE}.new"
        with draft.open("w", encoding="utf-8") as file:
            file.write(json.dumps({"version": self._version, "parts": parts}, default=_plain))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.folder / _FILE)
        for name, component in components.items():
            if isinstance(component, Prunable):
                component.prune(parts[name])


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return {_TIME: value.isoformat()}
    raise TypeError(f"{type(value).__name__} cannot be kept")


def _revive(entry: dict[str, Any]) -> Any:
    if set(entry) == {_TIME}:
        return datetime.fromisoformat(cast("str", entry[_TIME]))
    return entry
