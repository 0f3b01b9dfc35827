"""The Azure ML workspace, its network, and the datastore that jobs read and write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi_azure_native import machinelearningservices as ml

from landing_zone.component import Component

if TYPE_CHECKING:
    from collections.abc import Sequence

    from landing_zone.place import Place


@dataclass(frozen=True, kw_only=True)
class WorkspaceArgs:
    """What the workspace is made of.

    Attributes:
        place: Where it is.
        identity: Address of its own identity.
        jobs: Address of the jobs' identity, which serverless jobs take of the workspace.
        storage: Address of the storage account.
        vault: Address of its own vault.
        registry: Address of the registry.
        telemetry: Address of the endpoints' telemetry.
        isolation: The managed network's isolation, in Azure's words.
        hosts: Hosts that jobs may speak to, where it must be said.
        endpoints: Name -> address and kind of what else the managed network leads to.
        builder: The cluster that builds images, where the registry is closed; None for Azure's.
        public: Whether there is a way in from the internet, in Azure's words.
        after: What must be there before it.
        protect: Whether it can be destroyed by no one command.
    """

    place: Place
    identity: pulumi.Input[str]
    jobs: pulumi.Input[str]
    storage: pulumi.Input[str]
    vault: pulumi.Input[str]
    registry: pulumi.Input[str]
    telemetry: pulumi.Input[str]
    isolation: str
    hosts: Sequence[str]
    endpoints: Mapping[str, tuple[pulumi.Input[str], str]]
    builder: str | None
    public: str
    after: Sequence[pulumi.Resource]
    protect: bool


class Workspace(Component[WorkspaceArgs]):
    """The workspace. It comes to data by its identity, and hands out no keys."""

    def _make(self, name: str, args: WorkspaceArgs) -> None:
        self._args = args
        workspace = ml.Workspace(
            name,
            resource_group_name=args.place.group,
            location=args.place.region,
            kind="Default",
            sku={"name": "Basic", "tier": ml.SkuTier.BASIC},
            friendly_name=name,
            description="Waterflow's pipelines",
            identity={
                "type": ml.ManagedServiceIdentityType.USER_ASSIGNED,
                "user_assigned_identities": [args.identity, args.jobs],
            },
            primary_user_assigned_identity=args.identity,
            storage_account=args.storage,
            key_vault=args.vault,
            container_registry=args.registry,
            application_insights=args.telemetry,
            system_datastores_auth_mode=ml.SystemDatastoresAuthMode.IDENTITY,
            image_build_compute=args.builder,
            managed_network={
                "isolation_mode": args.isolation,
                # Made where hosts are named, and only then; the other kind costs three times that.
                "firewall_sku": "Basic" if args.hosts else None,
                "outbound_rules": self._outbound() if args.isolation != "Disabled" else None,
            },
            public_network_access=args.public,
            v1_legacy_mode=False,
            opts=self.child(depends_on=list(args.after), protect=args.protect),
        )
        self.id, self.name = workspace.id, workspace.name
        self.mlflow = workspace.ml_flow_tracking_uri
        self.register_outputs({"id": self.id, "name": self.name})

    def _outbound(self) -> dict[str, Any]:
        rules: dict[str, Any] = {
            name: {
                "type": "PrivateEndpoint",
                "category": "UserDefined",
                "destination": {"service_resource_id": address, "subresource_target": kind},
            }
            for name, (address, kind) in self._args.endpoints.items()
        }
        for host in self._args.hosts:
            rules[host.replace("*", "all").replace(".", "-")] = {
                "type": "FQDN",
                "category": "UserDefined",
                "destination": host,
            }
        return rules

    def datastore(
        self, name: str, account: pulumi.Input[str], container: pulumi.Input[str]
    ) -> ml.Datastore:
        """Make a datastore that holds no credentials: who reads does so by an own identity.

        Args:
            name: Its name.
            account: The storage account's name.
            container: The container's name.
        """
        return ml.Datastore(
            name,
            name=name,
            resource_group_name=self._args.place.group,
            workspace_name=self.name,
            skip_validation=True,
            properties={
                "datastore_type": "AzureBlob",
                "account_name": account,
                "container_name": container,
                "endpoint": "core.windows.net",
                "protocol": "https",
                "credentials": {"credentials_type": "None"},
                "service_data_access_auth_identity": "WorkspaceUserAssignedIdentity",
                "description": "Code, data and results of Waterflow's pipelines",
            },
            opts=self.child(),
        )
