"""The stack's settings, as Pulumi.yaml declares them, and what must hold between them."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final, Literal

from waterflow_infra.settings import matching, together, within
from waterflow_infra.zone import ZoneSettings

from landing_zone.machines import FAMILIES

_MOST_ZONES: Final = 4
_LOG_DAYS: Final = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
)  # fmt: skip
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"""
_ARN: Final = r"arn:aws[a-z-]*:"
_MLFLOW: Final = rf"https?://.+|{_ARN}sagemaker:[a-z0-9-]+:\d{{12}}:mlflow-(tracking-server|app)/.+"


@dataclass(frozen=True, kw_only=True)
class Settings(ZoneSettings):
    """The settings of a stack; Pulumi.yaml says what each is."""

    github_oidc_provider: str | None
    data_buckets: tuple[str, ...]
    cache_days: int
    customer_managed_keys: bool
    kms_key_arn: str | None
    manage_log_groups: bool
    audit: bool
    vpc_cidr: str
    availability_zones: int
    subnet_ids: tuple[str, ...]
    security_group_ids: tuple[str, ...]
    mlflow: Literal["app", "server", "none"]
    mlflow_size: Literal["Small", "Medium", "Large"]
    budget_scope: Literal["account", "tagged"]

    def __post_init__(self) -> None:
        together(
            lambda: matching("region", self.region, r"[a-z]{2,}(-[a-z]+)+-\d+", "eu-central-1"),
            # What buckets, roles and SageMaker's names take, with room for Pulumi's own endings.
            lambda: matching("prefix", self.prefix, r"[a-z][a-z0-9-]{0,18}[a-z0-9]", "waterflow"),
            *self.checks(FAMILIES),
            lambda: within("cache_days", self.cache_days, 1, 3650),
            # A result that may still answer a step must be there.
            lambda: within("retention_days", self.retention_days, self.cache_days + 1, 36500),
            lambda: within("stuck_hours", self.stuck_hours, 1, 24 * 27),
            self._check_people,
            self._check_addresses,
            self._check_logs,
            self._check_network,
        )

    @property
    def private(self) -> bool:
        """Whether jobs run in a network: a new one, or one that is there."""
        return self.private_network or bool(self.subnet_ids)

    def _check_people(self) -> None:
        role = rf"{_ARN}iam::\d{{12}}:(role|user)/.+"
        for arn in self.submitters:
            matching("submitters", arn, role, "arn:aws:iam::123456789012:role/data-scientists")
        if self.github_oidc_provider is not None:
            matching(
                "github_oidc_provider",
                self.github_oidc_provider,
                rf"{_ARN}iam::\d{{12}}:oidc-provider/token\.actions\.githubusercontent\.com",
                "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com",
            )

    def _check_addresses(self) -> None:
        if self.kms_key_arn is not None:
            example = "arn:aws:kms:eu-central-1:123456789012:key/1a2b3c4d-..."
            matching("kms_key_arn", self.kms_key_arn, rf"{_ARN}kms:.+:key/.+", example)
        if self.mlflow_uri is not None:
            matching("mlflow_uri", self.mlflow_uri, _MLFLOW, "https://mlflow.example.com or an ARN")

    def _check_logs(self) -> None:
        if self.log_retention_days not in _LOG_DAYS:
            raise ValueError(
                f"log_retention_days: CloudWatch Logs does not keep logs for "
                f"{self.log_retention_days} days, but for one of: "
                f"{', '.join(str(days) for days in _LOG_DAYS)}"
            )

    def _check_network(self) -> None:
        if bool(self.subnet_ids) != bool(self.security_group_ids):
            raise ValueError("subnet_ids and security_group_ids go together: give both or neither")
        if self.subnet_ids and self.private_network:
            raise ValueError(
                "private_network makes a new network, and subnet_ids name one that is there: "
                "keep one of them"
            )
        within("availability_zones", self.availability_zones, 1, _MOST_ZONES)
        try:
            network = ipaddress.ip_network(self.vpc_cidr)
        except ValueError as error:
            raise ValueError(f"vpc_cidr: {error}; write it as 10.64.0.0/20") from None
        if not 16 <= network.prefixlen <= 24:
            raise ValueError(f"vpc_cidr: /{network.prefixlen} is outside /16 to /24")
