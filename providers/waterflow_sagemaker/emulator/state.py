"""The emulator's state on disk: the file, its lock, and what is in it.

Written when the emulator ends, so one that is killed keeps what it began with. Kept are jobs,
pipelines and their executions, models and endpoints (what our own parts snapshot), and of moto's
services S3 buckets with their objects, CloudWatch logs and schedules. Not kept is all else: IAM,
ECR, KMS, SQS, EventBridge, Secrets Manager, the Model Registry; nor older versions of S3 objects,
their tags, and the settings of buckets other than versioning.
"""

from __future__ import annotations

import fcntl
import json
import os
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from waterflow.errors import ConfigurationError
from waterflow_sagemaker.emulator.keeping import Buckets, ScheduleGroups, Streams

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

VERSION: Final = 1
_TIME: Final = "$time"


class Component(Protocol):
    """A part of the emulator that has a state."""

    def snapshot(self) -> Any:
        """Return the state as plain data; moments may be datetimes."""
        ...

    def restore(self, saved: Any, /) -> None:
        """Take back what `snapshot` returned."""
        ...


class State:
    """A folder with an emulator's state.

    Args:
        folder: The folder; made when it is not there.
        region: The region.

    Raises:
        ConfigurationError: The folder cannot be used, or another emulator uses it.
    """

    def __init__(self, folder: Path, region: str) -> None:
        self._folder = folder
        self._buckets = Buckets(folder / "objects")
        # Schedules fire by what a part of ours knows of them, so they are there before it.
        self._moto: dict[str, Component] = {
            "buckets": self._buckets,
            "logs": Streams(region),
            "scheduler": ScheduleGroups(region),
        }
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
        """Give everything what was saved, if anything was.

        Raises:
            ConfigurationError: What is there cannot be read, or is of another version.
        """
        file = self._folder / "state.json"
        if not file.exists():
            return
        try:
            found = json.loads(file.read_text("utf-8"), object_hook=_revive)
            version = found["version"]
            if version == VERSION:
                for name, component in {**self._moto, **components}.items():
                    component.restore(found["parts"][name])
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise ConfigurationError(
                f"--state {self._folder}: {file.name} cannot be read ({type(error).__name__}: "
                f"{error}). Remove it, or name another folder"
            ) from error
        if version != VERSION:
            raise ConfigurationError(
                f"--state {self._folder}: its version is {version}, this emulator has {VERSION}. "
                "Name another folder"
            )

    def save(self, components: Mapping[str, Component]) -> None:
        """Write everything; what was there stays whole until the new state is."""
        parts = {name: one.snapshot() for name, one in {**self._moto, **components}.items()}
        draft = self._folder / "state.json.new"
        with draft.open("w", encoding="utf-8") as file:
            json.dump({"version": VERSION, "parts": parts}, file, default=_plain)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._folder / "state.json")
        self._buckets.prune(parts["buckets"])


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return {_TIME: value.isoformat()}
    raise TypeError(f"{type(value).__name__} cannot be kept")


def _revive(found: dict[str, Any]) -> Any:
    return datetime.fromisoformat(found[_TIME]) if set(found) == {_TIME} else found
