"""The vaults: one of the secrets that jobs read, and one that is the workspace's alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pulumi_azure_native import keyvault

from landing_zone.component import Component

if TYPE_CHECKING:
    from landing_zone.doors import Doors
    from landing_zone.place import Place

_KEPT_DAYS: Final = {True: 90, False: 7}
"""Days for which a deleted vault, and what was in it, can be had back: protected, and not."""


@dataclass(frozen=True, kw_only=True)
class VaultArgs:
    """What a vault is made of.

    Attributes:
        place: Where it is.
        vault: What its name begins with.
        doors: Who may come to it.
        protect: Whether it can be destroyed by no one command.
    """

    place: Place
    vault: str
    doors: Doors
    protect: bool


class Vault(Component[VaultArgs]):
    """A vault that roles open, and that nobody can empty for good."""

    def _make(self, name: str, args: VaultArgs) -> None:
        del name
        vault = keyvault.Vault(
            args.vault,
            resource_group_name=args.place.group,
            location=args.place.region,
            properties={
                "tenant_id": args.place.tenant,
                "sku": {"family": "A", "name": keyvault.SkuName.STANDARD},
                "enable_rbac_authorization": True,
                "enable_soft_delete": True,
                "enable_purge_protection": True,
                "soft_delete_retention_in_days": _KEPT_DAYS[args.protect],
                "public_network_access": args.doors.public,
                "network_acls": {
                    "default_action": args.doors.default,
                    "bypass": "AzureServices",
                    "ip_rules": [{"value": ip} for ip in args.doors.ips],
                },
            },
            opts=self.child(protect=args.protect),
        )
        self.id, self.name = vault.id, vault.name
        self.register_outputs({"id": self.id})
