"""The network of jobs, where the zone is private: no way in, and Google's services within it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pulumi
from pulumi_gcp import compute, dns, servicenetworking

from landing_zone.component import Component

if TYPE_CHECKING:
    from landing_zone.place import Place

_PEERED_BITS: Final = 20
"""Addresses that Vertex AI's and Cloud SQL's machines have, peered: a /20."""
_DOMAINS: Final = ("googleapis.com", "pkg.dev", "run.app")
"""What is answered within: services, images, Cloud Run."""


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """What the network is made of.

    Attributes:
        place: Where it is.
        cidr: Addresses of its subnet.
        endpoint: The address, outside of every subnet, by which Google's services are reached.
    """

    place: Place
    cidr: str
    endpoint: str


class Network(Component[NetworkArgs]):
    """A network without a way to or from the internet."""

    def _make(self, name: str, args: NetworkArgs) -> None:
        project = args.place.project
        network = compute.Network(
            name, project=project, auto_create_subnetworks=False, opts=self.child()
        )
        subnet = compute.Subnetwork(
            name,
            project=project,
            region=args.place.region,
            network=network.id,
            ip_cidr_range=str(ipaddress.IPv4Network(args.cidr)),
            private_ip_google_access=True,
            log_config={"aggregation_interval": "INTERVAL_10_MIN", "flow_sampling": 0.1},
            opts=self.child(),
        )
        peered = compute.GlobalAddress(
            f"{name}-peered",
            project=project,
            purpose="VPC_PEERING",
            address_type="INTERNAL",
            prefix_length=_PEERED_BITS,
            network=network.id,
            opts=self.child(),
        )
        connection = servicenetworking.Connection(
            name,
            network=network.id,
            service="servicenetworking.googleapis.com",
            reserved_peering_ranges=[peered.name],
            opts=self.child(),
        )
        compute.Firewall(
            f"{name}-closed",
            project=project,
            network=network.id,
            direction="INGRESS",
            priority=65000,
            denies=[{"protocol": "all"}],
            source_ranges=["0.0.0.0/0"],
            opts=self.child(),
        )
        self._services(name, args, network)
        self.id, self.subnet, self.name = network.id, subnet.id, network.name
        self.after: list[pulumi.Resource] = [connection]
        self.register_outputs({"id": self.id})

    def _services(self, name: str, args: NetworkArgs, network: compute.Network) -> None:
        """Make the endpoint (private service connect) of Google's services, and its names."""
        project = args.place.project
        address = compute.GlobalAddress(
            f"{name}-services",
            project=project,
            purpose="PRIVATE_SERVICE_CONNECT",
            address_type="INTERNAL",
            address=args.endpoint,
            network=network.id,
            opts=self.child(),
        )
        compute.GlobalForwardingRule(
            f"{name}-services",
            # Of an endpoint for Google's services: letters and digits, at most 20.
            name="waterflowservices",
            project=project,
            target="all-apis",
            network=network.id,
            ip_address=address.id,
            load_balancing_scheme="",
            opts=self.child(),
        )
        for domain in _DOMAINS:
            label = f"{name}-{domain.replace('.', '-')}"
            zone = dns.ManagedZone(
                label,
                project=project,
                dns_name=f"{domain}.",
                visibility="private",
                private_visibility_config={"networks": [{"network_url": network.id}]},
                opts=self.child(),
            )
            dns.RecordSet(
                label,
                project=project,
                managed_zone=zone.name,
                name=f"{domain}.",
                type="A",
                ttl=300,
                rrdatas=[address.address],
                opts=self.child(),
            )
            dns.RecordSet(
                f"{label}-all",
                project=project,
                managed_zone=zone.name,
                name=f"*.{domain}.",
                type="CNAME",
                ttl=300,
                rrdatas=[f"{domain}."],
                opts=self.child(),
            )
