"""Key vaults: their secrets with all versions, and those that are deleted and can come back."""

from __future__ import annotations

import threading
import uuid
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from waterflow.emulation.clock import Clock


@dataclass
class Version:
    """A version of a secret.

    Attributes:
        identity: Its id.
        value: The secret.
        created: When, in seconds since the epoch.
        updated: When it was last changed.
        enabled: Whether it can be read.
        begin: Before which moment it cannot be read; None for none.
        end: After which moment it is over; None for never.
        kind: The content type; None for none.
        tags: The user's.
    """

    identity: str
    value: str
    created: float
    updated: float
    enabled: bool = True
    begin: float | None = None
    end: float | None = None
    kind: str | None = None
    tags: dict[str, str] = field(default_factory=dict[str, str])


@dataclass
class Vault:
    """A key vault.

    Attributes:
        name: Its name, the first part of its host.
        secrets: Name -> versions, the newest last.
        deleted: Name -> versions of secrets that are deleted and not purged.
        moments: Name -> when it was deleted.
    """

    name: str
    secrets: dict[str, list[Version]] = field(default_factory=dict[str, list[Version]])
    deleted: dict[str, list[Version]] = field(default_factory=dict[str, list[Version]])
    moments: dict[str, float] = field(default_factory=dict[str, float])


class Vaults:
    """The part that has all key vaults.

    Args:
        clock: The time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._vaults: dict[str, Vault] = {}
        self.lock = threading.RLock()
        """Held by who looks and then changes."""

    def get(self, name: str) -> Vault | None:
        """Return a vault; None when there is none."""
        return self._vaults.get(name.lower())

    def make(self, name: str) -> Vault:
        """Return a vault, made where there is none."""
        return self._vaults.setdefault(name.lower(), Vault(name.lower()))

    def remove(self, name: str) -> None:
        """Remove a vault with all in it."""
        self._vaults.pop(name.lower(), None)

    def put(self, vault: Vault, name: str, value: str) -> Version:
        """Add a version to a secret, made where there is none."""
        moment = float(int(self._clock.now()))
        version = Version(uuid.uuid4().hex, value, moment, moment)
        vault.secrets.setdefault(name, []).append(version)
        return version

    def now(self) -> float:
        """Return the time, in seconds since the epoch."""
        return self._clock.now()

    def snapshot(self) -> list[dict[str, Any]]:
        """Return all vaults as JSON."""
        return [asdict(vault) for vault in self._vaults.values()]

    def restore(self, saved: list[dict[str, Any]]) -> None:
        """Take the vaults of a snapshot."""
        for one in saved:
            self._vaults[one["name"]] = Vault(
                one["name"], _secrets(one["secrets"]), _secrets(one["deleted"]), one["moments"]
            )


def _secrets(saved: dict[str, list[dict[str, Any]]]) -> dict[str, list[Version]]:
    return {name: [Version(**one) for one in versions] for name, versions in saved.items()}
