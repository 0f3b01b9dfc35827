"""Who may come to storage, vaults and registry: everybody with a role, some networks, or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, kw_only=True)
class Doors:
    """The ways in from the internet.

    Attributes:
        private: Whether there is a network of private endpoints.
        ips: Networks that may come in beside it, and with some no other.
    """

    private: bool
    ips: Sequence[str] = ()

    @property
    def public(self) -> str:
        """Whether there is a way in from the internet at all, in Azure's words."""
        return "Disabled" if self.private and not self.ips else "Enabled"

    @property
    def closed(self) -> bool:
        """Whether whoever has a role is not let in from everywhere."""
        return self.private or bool(self.ips)

    @property
    def default(self) -> str:
        """What becomes of who is in no rule, in Azure's words."""
        return "Deny" if self.closed else "Allow"
