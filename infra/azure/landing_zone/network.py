"""The network of those who submit: private endpoints, and the names that lead to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pulumi
from pulumi_azure_native import network, privatedns

from landing_zone.component import Component

if TYPE_CHECKING:
    from landing_zone.place import Place

ZONES: Final = {
    "blob": ("privatelink.blob.core.windows.net",),
    "dfs": ("privatelink.dfs.core.windows.net",),
    "vault": ("privatelink.vaultcore.azure.net",),
    "registry": ("privatelink.azurecr.io",),
    "amlworkspace": ("privatelink.api.azureml.ms", "privatelink.notebooks.azure.net"),
}
"""Kind of endpoint -> its names. https://learn.microsoft.com/azure/private-link/private-endpoint-dns"""


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """What the network is made of.

    Attributes:
        place: Where it is.
        cidr: Its addresses.
        subnet: Address of a subnet that is there, in place of a new network; whose network it is
            has its own names.
        targets: Noun -> address, and kind of endpoint, of what it leads to.
    """

    place: Place
    cidr: str
    subnet: str | None
    targets: Mapping[str, tuple[pulumi.Input[str], str]]


class Network(Component[NetworkArgs]):
    """The private endpoints, in a network that is peered to yours, or in a subnet of yours."""

    def _make(self, name: str, args: NetworkArgs) -> None:
        self._name, self._args = name, args
        self._zones: dict[str, pulumi.Output[str]] = {}
        subnet: pulumi.Input[str]
        if args.subnet is None:
            subnet, address = self._new()
            kinds = {kind for _, kind in args.targets.values()}
            for zone in sorted(zone for kind in kinds for zone in ZONES[kind]):
                self._zones[zone] = self._zone(zone, address)
        else:
            subnet = args.subnet
        for noun, (target, kind) in args.targets.items():
            self._endpoint(noun, target, kind, subnet)
        self.register_outputs({})

    def _new(self) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        """Make a network of one subnet; return the subnet's address and its own."""
        args = self._args
        group = network.NetworkSecurityGroup(
            self._name,
            resource_group_name=args.place.group,
            location=args.place.region,
            security_rules=[
                {
                    "name": "https-from-networks",
                    "description": "Peered networks come to the endpoints",
                    "priority": 100,
                    "direction": "Inbound",
                    "access": "Allow",
                    "protocol": "Tcp",
                    "source_address_prefix": "VirtualNetwork",
                    "source_port_range": "*",
                    "destination_address_prefix": args.cidr,
                    "destination_port_range": "443",
                },
                {
                    "name": "nothing-else",
                    "description": "Nobody else, and nothing out",
                    "priority": 4096,
                    "direction": "Inbound",
                    "access": "Deny",
                    "protocol": "*",
                    "source_address_prefix": "*",
                    "source_port_range": "*",
                    "destination_address_prefix": "*",
                    "destination_port_range": "*",
                },
            ],
            opts=self.child(),
        )
        own = network.VirtualNetwork(
            self._name,
            resource_group_name=args.place.group,
            location=args.place.region,
            address_space={"address_prefixes": [args.cidr]},
            opts=self.child(),
        )
        subnet = network.Subnet(
            self._name,
            resource_group_name=args.place.group,
            virtual_network_name=own.name,
            subnet_name="endpoints",
            address_prefix=args.cidr,
            default_outbound_access=False,
            network_security_group={"id": group.id},
            # Without this the group's rules are not asked for private endpoints.
            private_endpoint_network_policies="Enabled",
            opts=self.child(),
        )
        return subnet.id, own.id

    def _zone(self, zone: str, address: pulumi.Output[str]) -> pulumi.Output[str]:
        group = self._args.place.group
        made = privatedns.PrivateZone(
            f"{self._name}-{zone}",
            private_zone_name=zone,
            resource_group_name=group,
            location="Global",
            opts=self.child(),
        )
        privatedns.VirtualNetworkLink(
            f"{self._name}-{zone}",
            private_zone_name=made.name,
            resource_group_name=group,
            location="Global",
            registration_enabled=False,
            virtual_network={"id": address},
            opts=self.child(),
        )
        return made.id

    def _endpoint(
        self, noun: str, target: pulumi.Input[str], kind: str, subnet: pulumi.Input[str]
    ) -> None:
        args, name = self._args, f"{self._name}-{noun}"
        endpoint = network.PrivateEndpoint(
            name,
            resource_group_name=args.place.group,
            location=args.place.region,
            subnet={"id": subnet},
            private_link_service_connections=[
                {"name": noun, "private_link_service_id": target, "group_ids": [kind]}
            ],
            opts=self.child(),
        )
        if self._zones:
            network.PrivateDnsZoneGroup(
                name,
                private_dns_zone_group_name="default",
                private_endpoint_name=endpoint.name,
                resource_group_name=args.place.group,
                private_dns_zone_configs=[
                    {"name": zone.replace(".", "-"), "private_dns_zone_id": self._zones[zone]}
                    for zone in ZONES[kind]
                ],
                opts=self.child(),
            )
