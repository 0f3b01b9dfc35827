"""Where the zone is, how Azure writes addresses there, and names that are always the same."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Final

_NAMESPACE: Final = uuid.UUID("5b1f9a54-6c0e-5d6f-9f0b-2b8f4c1d7e30")
"""Of the zone's own identifiers, and of nothing else."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the landing zone is.

    Attributes:
        subscription: The subscription's id.
        tenant: The directory's id.
        region: The region.
        group: The resource group's name.
    """

    subscription: str
    tenant: str
    region: str
    group: str

    @property
    def subscription_id(self) -> str:
        """The subscription's address."""
        return f"/subscriptions/{self.subscription}"

    @property
    def group_id(self) -> str:
        """The resource group's address."""
        return f"{self.subscription_id}/resourceGroups/{self.group}"

    def role(self, definition: str) -> str:
        """Return a role definition's address, as assignments name it.

        Args:
            definition: Its id.
        """
        provider = "providers/Microsoft.Authorization/roleDefinitions"
        return f"{self.subscription_id}/{provider}/{definition}"

    def identifier(self, *words: str) -> str:
        """Return a UUID that the same words always give in this group.

        Azure wants UUIDs for names of role definitions and assignments: a second `up`, or one
        after a lost state, meets those that are there and makes none beside them.

        Args:
            words: What it names.
        """
        return str(uuid.uuid5(_NAMESPACE, "/".join((self.subscription, self.group, *words))))
