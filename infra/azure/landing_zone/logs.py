"""The log workspace, the endpoints' telemetry, and what each resource records there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pulumi
from pulumi_azure_native import applicationinsights, monitor, operationalinsights

from landing_zone.component import Component

if TYPE_CHECKING:
    from collections.abc import Sequence

    from landing_zone.place import Place

OF_WORKSPACE: Final = (
    "AmlComputeClusterEvent",
    "AmlComputeClusterNodeEvent",
    "AmlComputeJobEvent",
    "AmlRunStatusChangedEvent",
    "EnvironmentChangeEvent",
    "ModelsChangeEvent",
    "PipelineChangeEvent",
    "RunEvent",
)
"""https://learn.microsoft.com/azure/machine-learning/monitor-azure-machine-learning-reference"""
OF_VAULT: Final = ("AuditEvent",)
OF_REGISTRY: Final = ("ContainerRegistryLoginEvents", "ContainerRegistryRepositoryEvents")
OF_BLOBS: Final = ("StorageDelete", "StorageRead", "StorageWrite")


@dataclass(frozen=True, kw_only=True)
class LogsArgs:
    """What the log workspace is made of.

    Attributes:
        place: Where it is.
        retention_days: Days for which logs are kept.
        protect: Whether it can be destroyed by no one command.
    """

    place: Place
    retention_days: int
    protect: bool


class Logs(Component[LogsArgs]):
    """The log workspace, which no key opens, and the telemetry that is kept in it."""

    def _make(self, name: str, args: LogsArgs) -> None:
        logs = operationalinsights.Workspace(
            name,
            resource_group_name=args.place.group,
            location=args.place.region,
            sku={"name": operationalinsights.WorkspaceSkuNameEnum.PER_GB2018},
            retention_in_days=args.retention_days,
            features={
                "disable_local_auth": True,
                "enable_log_access_using_only_resource_permissions": True,
            },
            opts=self.child(protect=args.protect),
        )
        self.id = logs.id
        self.telemetry_id = applicationinsights.Component(
            name,
            resource_group_name=args.place.group,
            location=args.place.region,
            kind="web",
            application_type=applicationinsights.ApplicationType.WEB,
            ingestion_mode=applicationinsights.IngestionMode.LOG_ANALYTICS,
            workspace_resource_id=logs.id,
            opts=self.child(),
        ).id
        self.register_outputs({"id": self.id})

    def record(self, noun: str, resource: pulumi.Input[str], categories: Sequence[str]) -> None:
        """Have a resource record here.

        Args:
            noun: What it is.
            resource: Its address.
            categories: What it records.
        """
        monitor.DiagnosticSetting(
            f"{noun}-logs",
            resource_uri=resource,
            name="waterflow",
            workspace_id=self.id,
            # Tables of their own, and not one of all Azure's services.
            log_analytics_destination_type="Dedicated",
            logs=[{"category": category, "enabled": True} for category in categories],
            opts=self.child(),
        )
