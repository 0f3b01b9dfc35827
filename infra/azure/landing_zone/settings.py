"""The stack's settings, as Pulumi.yaml declares them, and what must hold between them."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final, Literal

from waterflow_infra.settings import matching, together, within
from waterflow_infra.zone import ZoneSettings

from landing_zone.machines import FAMILIES

_UUID: Final = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_EXAMPLE: Final = "1a2b3c4d-0000-0000-0000-000000000000"
_PRINCIPAL: Final = rf"(user|group|app):{_UUID}"
_RESOURCE: Final = r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/"
_CONTAINER: Final = (
    rf"{_RESOURCE}Microsoft\.Storage/storageAccounts/[^/]+/blobServices/default/containers/[^/]+"
)
_SUBNET: Final = rf"{_RESOURCE}Microsoft\.Network/virtualNetworks/[^/]+/subnets/[^/]+"
_MOST_LETTERS: Final = 16
"""Of prefix and environment together: names of storage accounts have 24, eight of them Pulumi's."""
_STUCK_HOURS: Final = 47
"""Azure Monitor's queries look back two days at most."""
Isolation = Literal["none", "internet", "approved"]


@dataclass(frozen=True, kw_only=True)
class Settings(ZoneSettings):
    """The settings of a stack; Pulumi.yaml says what each is."""

    subscription: str | None
    resource_group: str | None
    schedulers: tuple[str, ...]
    data_containers: tuple[str, ...]
    cluster_nodes: int
    idle_minutes: int
    spot: bool
    redundancy: Literal["LRS", "ZRS", "GRS", "GZRS"]
    hierarchical_namespace: bool
    audit: bool
    managed_network: Isolation
    allowed_hosts: tuple[str, ...]
    allowed_ips: tuple[str, ...]
    vnet_cidr: str
    mlflow: Literal["workspace", "none"]
    subnet_id: str | None
    budget_scope: Literal["group", "subscription"]

    def __post_init__(self) -> None:
        together(
            lambda: matching("region", self.region, r"[a-z]+[a-z0-9]*", "eastus"),
            lambda: matching("prefix", self.prefix, r"[a-z][a-z0-9-]{1,13}[a-z0-9]", "waterflow"),
            self._check_names,
            *self.checks(FAMILIES),
            lambda: within("log_retention_days", self.log_retention_days, 30, 730),
            lambda: within("stuck_hours", self.stuck_hours, 1, _STUCK_HOURS),
            lambda: within("cluster_nodes", self.cluster_nodes, 1, 100),
            lambda: within("idle_minutes", self.idle_minutes, 1, 60),
            self._check_people,
            self._check_addresses,
            self._check_network,
        )

    @property
    def isolation(self) -> str:
        """The managed network's isolation, in Azure's words."""
        return {
            "none": "Disabled",
            "internet": "AllowInternetOutbound",
            "approved": "AllowOnlyApprovedOutbound",
        }[self.managed_network]

    @property
    def compact(self) -> str:
        """The zone's name for what takes letters and digits only."""
        return self.names.zone.replace("-", "")

    def _check_names(self) -> None:
        if len(self.compact) > _MOST_LETTERS:
            raise ValueError(
                f'prefix, environment: "{self.compact}" has {len(self.compact)} letters and '
                f"digits; names of storage accounts leave room for {_MOST_LETTERS}"
            )
        if self.resource_group is not None:
            matching("resource_group", self.resource_group, r"[-\w.()]{0,89}[-\w()]", "ml-dev")

    def _check_people(self) -> None:
        if self.subscription is not None:
            matching("subscription", self.subscription, _UUID, _EXAMPLE)
        for name in ("submitters", "schedulers"):
            for principal in getattr(self, name):
                matching(name, principal, _PRINCIPAL, f"group:{_EXAMPLE}, user:... or app:...")

    def _check_addresses(self) -> None:
        address = "/subscriptions/ID/resourceGroups/NAME/providers/"
        for container in self.data_containers:
            example = "Microsoft.Storage/storageAccounts/NAME/blobServices/default/containers/NAME"
            matching("data_containers", container, _CONTAINER, address + example)
        if self.subnet_id is not None:
            example = "Microsoft.Network/virtualNetworks/NAME/subnets/NAME"
            matching("subnet_id", self.subnet_id, _SUBNET, address + example)
        if self.mlflow_uri is not None:
            matching("mlflow_uri", self.mlflow_uri, r"https?://.+", "https://mlflow.example.com")
        for name in self.secrets:
            matching("secrets", name, r"[0-9a-zA-Z-]{1,127}", "database-password")

    def _check_network(self) -> None:
        if self.private_network and self.managed_network == "none":
            raise ValueError(
                "private_network closes storage, vaults and registry to the internet, so jobs "
                "need the managed network: managed_network is internet or approved"
            )
        if self.subnet_id is not None and not self.private_network:
            raise ValueError("subnet_id is of the private endpoints: set private_network too")
        if self.allowed_hosts and self.managed_network != "approved":
            raise ValueError("allowed_hosts are for managed_network approved; the others need none")
        for host in self.allowed_hosts:
            matching("allowed_hosts", host, r"(\*\.)?[\w-]+(\.[\w-]+)+", "pypi.org")
        for address in self.allowed_ips:
            _check_addresses_of("allowed_ips", address, "203.0.113.0/24", range(33))
        _check_addresses_of("vnet_cidr", self.vnet_cidr, "10.65.0.0/24", range(16, 28))


def _check_addresses_of(name: str, text: str, example: str, lengths: range) -> None:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}; write it as {example}") from None
    if network.prefixlen not in lengths:
        raise ValueError(f"{name}: /{network.prefixlen} is outside /{lengths[0]} to /{lengths[-1]}")
