"""The stack's settings, as Pulumi.yaml declares them, and what must hold between them."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from waterflow_infra.settings import mapping, matching, together, within
from waterflow_infra.zone import ZoneSettings

from landing_zone.machines import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Mapping

_PRINCIPAL: Final = r"(user|group|serviceAccount):[^@\s]+@[^@\s]+\.[^@\s]+"
_LABEL: Final = r"[a-z0-9_-]{0,63}"
_MOST_LETTERS: Final = 20
"""Of prefix and environment together: names of accounts have 30, and a noun at the end."""


@dataclass(frozen=True, kw_only=True)
class Settings(ZoneSettings):
    """The settings of a stack; Pulumi.yaml says what each is."""

    project: str
    schedulers: tuple[str, ...]
    data_buckets: tuple[str, ...]
    cmek: bool
    audit: bool
    vpc_cidr: str
    services_address: str
    mlflow: Literal["cloudrun", "none"]
    mlflow_image: str
    mlflow_tier: str
    billing_account: str | None

    def __post_init__(self) -> None:
        together(
            lambda: matching("project", self.project, r"[a-z][a-z0-9-]{4,28}[a-z0-9]", "shop-ml"),
            lambda: matching("region", self.region, r"[a-z]+-[a-z]+\d+", "us-central1"),
            lambda: matching("prefix", self.prefix, r"[a-z][a-z0-9-]{1,13}[a-z0-9]", "waterflow"),
            self._check_names,
            *self.checks(FAMILIES),
            self._check_labels,
            lambda: within("log_retention_days", self.log_retention_days, 1, 3650),
            lambda: within("stuck_hours", self.stuck_hours, 1, 720),
            self._check_people,
            self._check_addresses,
            self._check_network,
        )

    @property
    def stack_tags(self) -> Mapping[str, str]:
        """The labels of everything that the stack makes: a label has no slash."""
        tags = super().stack_tags
        return {**tags, "stack": tags["stack"].replace("/", "_")}

    def _check_names(self) -> None:
        zone = self.names.zone
        if len(zone) > _MOST_LETTERS:
            raise ValueError(
                f'prefix, environment: "{zone}" has {len(zone)} letters; names of service '
                f"accounts leave room for {_MOST_LETTERS}"
            )

    def _check_labels(self) -> None:
        for key, value in mapping(self.tags).items():
            matching("tags", key, r"[a-z][a-z0-9_-]{0,62}", "team=shop")
            matching("tags", value, _LABEL, "team=shop")

    def _check_people(self) -> None:
        for name in ("submitters", "schedulers"):
            for principal in getattr(self, name):
                matching(
                    name,
                    principal,
                    _PRINCIPAL,
                    "group:ml@example.com, user:... or serviceAccount:...",
                )

    def _check_addresses(self) -> None:
        for bucket in self.data_buckets:
            matching("data_buckets", bucket, r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]", "shop-raw")
        for name in self.secrets:
            matching("secrets", name, r"[0-9a-zA-Z_-]{1,255}", "database-password")
        if self.mlflow_uri is not None:
            matching("mlflow_uri", self.mlflow_uri, r"https?://.+", "https://mlflow.example.com")
        if self.billing_account is not None:
            matching(
                "billing_account",
                self.billing_account,
                r"[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}",
                "012345-6789AB-CDEF01",
            )
        if self.mlflow == "cloudrun" and self.mlflow_uri is not None:
            raise ValueError("mlflow_uri is an MLflow of your own: set mlflow to none")

    def _check_network(self) -> None:
        try:
            network = ipaddress.IPv4Network(self.vpc_cidr)
            endpoint = ipaddress.IPv4Address(self.services_address)
        except ValueError as error:
            raise ValueError(f"vpc_cidr, services_address: {error}") from None
        if network.prefixlen not in range(16, 29):
            raise ValueError(f"vpc_cidr: /{network.prefixlen} is outside /16 to /28")
        if endpoint in network:
            raise ValueError("services_address: it lies in vpc_cidr; it has to be outside of it")
