"""The registry of the container images of steps, and of those that Azure ML builds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pulumi_azure_native import containerregistry
from waterflow_infra.zone import UNTAGGED_DAYS

from landing_zone.component import Component

if TYPE_CHECKING:
    from landing_zone.doors import Doors
    from landing_zone.place import Place


@dataclass(frozen=True, kw_only=True)
class ImagesArgs:
    """What the registry is made of.

    Attributes:
        place: Where it is.
        registry: What its name begins with: letters and digits.
        doors: Who may come to it.
        protect: Whether it can be destroyed by no one command.
    """

    place: Place
    registry: str
    doors: Doors
    protect: bool


class Images(Component[ImagesArgs]):
    """The registry: no administrator's password, and nobody pulls without a role."""

    def _make(self, name: str, args: ImagesArgs) -> None:
        del name
        # Networks, private endpoints and rules of expiry are of the dearest kind only.
        premium = args.doors.closed
        registry = containerregistry.Registry(
            args.registry,
            resource_group_name=args.place.group,
            location=args.place.region,
            sku={"name": "Premium" if premium else "Basic"},
            admin_user_enabled=False,
            anonymous_pull_enabled=False,
            public_network_access=args.doors.public,
            network_rule_bypass_options="AzureServices",
            network_rule_set={
                "default_action": args.doors.default,
                "ip_rules": [
                    {"i_p_address_or_range": ip, "action": "Allow"} for ip in args.doors.ips
                ],
            }
            if premium
            else None,
            policies=containerregistry.PoliciesArgs(
                azure_ad_authentication_as_arm_policy=(
                    containerregistry.AzureADAuthenticationAsArmPolicyArgs(status="enabled")
                ),
                retention_policy=containerregistry.RetentionPolicyArgs(
                    status="enabled", days=UNTAGGED_DAYS
                )
                if premium
                else None,
            ),
            opts=self.child(protect=args.protect),
        )
        self.id, self.host = registry.id, registry.login_server
        self.register_outputs({"host": self.host})
