"""The clusters that jobs run on: one for each size of machine, from zero and back to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi_azure_native import machinelearningservices as ml

from landing_zone import machines
from landing_zone.component import Component

if TYPE_CHECKING:
    from collections.abc import Sequence

    from landing_zone.place import Place


@dataclass(frozen=True, kw_only=True)
class ClustersArgs:
    """What the clusters are made of.

    Attributes:
        place: Where they are.
        workspace: The workspace's name.
        identity: Address of the jobs' identity.
        sizes: Sizes of machines, each of which has a cluster.
        nodes: The most machines of each.
        idle_minutes: Minutes after which an idle machine goes.
        spot: Whether each size has a cluster of spot machines too.
        own_network: Whether machines have addresses of the internet: not in a managed network.
    """

    place: Place
    workspace: pulumi.Input[str]
    identity: pulumi.Input[str]
    sizes: Sequence[str]
    nodes: int
    idle_minutes: int
    spot: bool
    own_network: bool


class Clusters(Component[ClustersArgs]):
    """The clusters; nobody logs in to their machines."""

    def _make(self, name: str, args: ClustersArgs) -> None:
        del name
        for cluster, (size, spot) in clusters(args.sizes, spot=args.spot).items():
            ml.Compute(
                cluster,
                compute_name=cluster,
                resource_group_name=args.place.group,
                workspace_name=args.workspace,
                location=args.place.region,
                identity={
                    "type": ml.ManagedServiceIdentityType.USER_ASSIGNED,
                    "user_assigned_identities": [args.identity],
                },
                properties={
                    "compute_type": "AmlCompute",
                    "disable_local_auth": True,
                    "properties": {
                        "vm_size": size,
                        "vm_priority": "LowPriority" if spot else "Dedicated",
                        "os_type": "Linux",
                        "scale_settings": {
                            "min_node_count": 0,
                            "max_node_count": args.nodes,
                            "node_idle_time_before_scale_down": f"PT{args.idle_minutes}M",
                        },
                        "enable_node_public_ip": not args.own_network,
                        "remote_login_port_public_access": "Disabled",
                    },
                },
                opts=self.child(),
            )
        self.register_outputs({})


def clusters(sizes: Sequence[str], *, spot: bool) -> dict[str, tuple[str, bool]]:
    """Return the clusters: name -> size, and whether their machines are spot machines.

    Args:
        sizes: Sizes of machines.
        spot: Whether each has a cluster of spot machines too.
    """
    kinds = (("", False), (machines.SPOT, True)) if spot else (("", False),)
    return {
        machines.cluster(size) + end: (size, is_spot) for size in sizes for end, is_spot in kinds
    }
