"""The landing zone: its parts put together, and the profile that the application gets of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

import pulumi
import pulumi_azure_native as azure
from pulumi_azure_native import authorization, resources
from waterflow_infra import landing
from waterflow_infra.profile import Profile

from landing_zone import logs, machines, permissions
from landing_zone.alarms import Alarms, AlarmsArgs
from landing_zone.budget import Budget, BudgetArgs
from landing_zone.clusters import Clusters, ClustersArgs, clusters
from landing_zone.component import Component
from landing_zone.doors import Doors
from landing_zone.identities import (
    Grant,
    Identity,
    IdentityArgs,
    Role,
    RoleArgs,
    give,
    people,
)
from landing_zone.images import Images, ImagesArgs
from landing_zone.network import Network, NetworkArgs
from landing_zone.place import Place
from landing_zone.settings import Settings
from landing_zone.storage import Storage, StorageArgs
from landing_zone.vaults import Vault, VaultArgs
from landing_zone.workspace import Workspace, WorkspaceArgs

if TYPE_CHECKING:
    from collections.abc import Sequence


def build() -> None:
    """Make what the stack's settings say, and export the profile."""
    settings = landing.stack_settings(Settings)
    names = settings.names
    provider = azure.Provider(
        names.zone, subscription_id=settings.subscription, location=settings.region
    )
    client = authorization.get_client_config(opts=pulumi.InvokeOptions(provider=provider))
    place = Place(
        subscription=settings.subscription or client.subscription_id,
        tenant=client.tenant_id,
        region=settings.region,
        group=settings.resource_group or names.zone,
    )
    zone = LandingZone.of_stack(settings, place, provider)
    pulumi.export("workspace", zone.workspace.name)
    pulumi.export("account", zone.storage.account)
    pulumi.export("registry", zone.images.host)
    pulumi.export("vault", zone.secrets.name)
    if zone.ci is not None:
        pulumi.export("ci_client", zone.ci.client_id)
        pulumi.export("tenant", place.tenant)


class LandingZone(landing.LandingZone[Settings, Place]):
    """All that Waterflow needs on Azure."""

    CLOUD: ClassVar = Component.CLOUD

    def _make_parts(self) -> None:
        settings = self._settings
        self._doors = Doors(private=settings.private_network, ips=settings.allowed_ips)
        self._group = self._resource_group()
        self.storage = self._storage()
        self.secrets = self._vault("secrets", "sec")
        self._own_vault = self._vault("workspace", "own")
        self.images = Images(
            self._names.of("images"),
            ImagesArgs(
                place=self._place,
                registry=settings.compact,
                doors=self._doors,
                protect=settings.protect,
            ),
            self._within(),
        )
        self._logs = logs.Logs(
            self._names.of("logs"),
            logs.LogsArgs(
                place=self._place,
                retention_days=settings.log_retention_days,
                protect=settings.protect,
            ),
            self._within(),
        )
        self.jobs = self._identity("jobs")
        self.ci = self._workflows()
        self.workspace = self._workspace()
        self._datastore = self.workspace.datastore(
            self.datastore, self.storage.account, self.storage.container
        )
        self._clusters()
        self._permit()
        self._watch()
        if settings.private_network:
            self._network()

    @property
    def datastore(self) -> str:
        """The name of the datastore: letters, digits and underscores."""
        return self._settings.prefix.replace("-", "_")

    def profile(self) -> Profile:
        """Return what the application is told of it."""
        settings, place = self._settings, self._place
        image = None
        if settings.image_tag is not None:
            image = pulumi.Output.concat(
                self.images.host, f"/{settings.prefix}:{settings.image_tag}"
            )
        return Profile(
            name=settings.profile_name,
            provider="azureml",
            settings={
                "subscription": place.subscription,
                "resource_group": place.group,
                "workspace": self.workspace.name,
                "region": place.region,
                "account": self.storage.account,
                "container": self.storage.container,
                "datastore": self.datastore,
                "prefix": settings.prefix,
                "identity": self.jobs.client_id,
                "vault": self.secrets.name,
                "clusters": {
                    name: {"machine": size, "nodes": settings.cluster_nodes, "spot": spot}
                    for name, (size, spot) in self._sized.items()
                },
                "machines": machines.sizes(settings.machine_families),
                "image": image,
                "python": None if image is None else settings.python,
                "tags": dict(settings.own_tags),
            },
            tracking={"uri": self._tracking},
        )

    @property
    def _tracking(self) -> pulumi.Input[str] | None:
        settings = self._settings
        if settings.mlflow_uri is not None or settings.mlflow == "none":
            return settings.mlflow_uri
        return self.workspace.mlflow

    # --- parts ----------------------------------------------------------------------------------

    def _within(self, **options: Any) -> pulumi.ResourceOptions:
        """Return the options of a part that is made in the resource group."""
        return self.child(depends_on=self._group, **options)

    def _resource_group(self) -> list[pulumi.Resource]:
        if self._settings.resource_group is not None:
            return []
        group = resources.ResourceGroup(
            self._names.zone,
            resource_group_name=self._place.group,
            location=self._place.region,
            opts=self.child(protect=self._settings.protect),
        )
        return [group]

    def _storage(self) -> Storage:
        settings = self._settings
        return Storage(
            self._names.of("data"),
            StorageArgs(
                place=self._place,
                account=settings.compact,
                container=settings.prefix,
                prefix=settings.prefix,
                redundancy=settings.redundancy,
                hierarchical=settings.hierarchical_namespace,
                retention_days=settings.retention_days,
                checkpoint_days=settings.checkpoint_days,
                doors=self._doors,
                protect=settings.protect,
            ),
            self._within(),
        )

    def _vault(self, noun: str, short: str) -> Vault:
        return Vault(
            self._names.of(noun),
            VaultArgs(
                place=self._place,
                # Of 24 letters, eight are Pulumi's.
                vault=f"{self._settings.compact[:13]}{short}",
                doors=self._doors,
                protect=self._settings.protect,
            ),
            self._within(),
        )

    def _identity(self, noun: str, **args: Any) -> Identity:
        return Identity(
            self._names.of(noun), IdentityArgs(place=self._place, **args), self._within()
        )

    def _workflows(self) -> Identity | None:
        settings = self._settings
        if settings.ci_repository is None:
            return None
        return self._identity(
            "ci", repository=settings.ci_repository, subjects=settings.ci_subjects
        )

    def _workspace(self) -> Workspace:
        settings = self._settings
        own = self._identity("workspace")
        role = self._role(
            "workspace", "The workspace, of what it is made of", permissions.OF_WORKSPACE
        )
        given = [
            role.give(own.holder, noun, scope)
            for noun, scope in (
                ("storage", self.storage.id),
                ("vault", self._own_vault.id),
                ("registry", self.images.id),
                ("telemetry", self._logs.telemetry_id),
            )
        ]
        if settings.managed_network != "none":
            network = self._role(
                "network", "The workspace's managed network", permissions.OF_MANAGED_NETWORK
            )
            given += [
                network.give(own.holder, noun, scope)
                for noun, scope in (
                    ("storage", self.storage.id),
                    ("vault", self._own_vault.id),
                    ("registry", self.images.id),
                    ("secrets", self.secrets.id),
                )
            ]
        hosts = list(settings.allowed_hosts)
        if settings.mlflow_uri is not None and settings.managed_network == "approved":
            hosts.append(urlsplit(settings.mlflow_uri).hostname or "")
        builder = None
        if self._doors.closed:
            builder = machines.cluster(machines.sizes(settings.machine_families)[0])
        return Workspace(
            self._names.zone,
            WorkspaceArgs(
                place=self._place,
                identity=own.id,
                jobs=self.jobs.id,
                storage=self.storage.id,
                vault=self._own_vault.id,
                registry=self.images.id,
                telemetry=self._logs.telemetry_id,
                isolation=settings.isolation,
                hosts=hosts,
                endpoints={"secrets": (self.secrets.id, "vault")} if self._doors.closed else {},
                builder=builder,
                public=self._doors.public,
                after=given,
                protect=settings.protect,
            ),
            self._within(),
        )

    @property
    def _sized(self) -> dict[str, tuple[str, bool]]:
        settings = self._settings
        return clusters(machines.sizes(settings.machine_families), spot=settings.spot)

    def _clusters(self) -> None:
        settings = self._settings
        Clusters(
            self._names.of("clusters"),
            ClustersArgs(
                place=self._place,
                workspace=self.workspace.name,
                identity=self.jobs.id,
                sizes=machines.sizes(settings.machine_families),
                nodes=settings.cluster_nodes,
                idle_minutes=settings.idle_minutes,
                spot=settings.spot,
                own_network=settings.managed_network != "none",
            ),
            self.child(),
        )

    def _watch(self) -> None:
        settings, names = self._settings, self._names
        records: dict[str, tuple[pulumi.Input[str], Sequence[str]]] = {
            "workspace": (self.workspace.id, logs.OF_WORKSPACE),
            "secrets": (self.secrets.id, logs.OF_VAULT),
            "vault": (self._own_vault.id, logs.OF_VAULT),
            "registry": (self.images.id, logs.OF_REGISTRY),
        }
        if settings.audit:
            blobs = pulumi.Output.concat(self.storage.id, "/blobServices/default")
            records["blobs"] = (blobs, logs.OF_BLOBS)
        for noun, (resource, categories) in records.items():
            self._logs.record(names.of(noun), resource, categories)
        alarms = Alarms(
            names.of("runs"),
            AlarmsArgs(
                place=self._place,
                zone=names.zone,
                logs=self._logs.id,
                emails=settings.alert_emails,
                failing_runs=settings.failing_runs,
                stuck_hours=settings.stuck_hours,
            ),
            self._within(),
        )
        whole = settings.budget_scope == "subscription"
        Budget(
            names.of("budget"),
            BudgetArgs(
                dollars=settings.monthly_budget,
                scope=self._place.subscription_id if whole else self._place.group_id,
                group_id=alarms.group_id,
                emails=settings.alert_emails,
            ),
            self._within(),
        )

    def _network(self) -> None:
        settings = self._settings
        targets: dict[str, tuple[pulumi.Input[str], str]] = {
            "blob": (self.storage.id, "blob"),
            "secrets": (self.secrets.id, "vault"),
            "vault": (self._own_vault.id, "vault"),
            "registry": (self.images.id, "registry"),
            "workspace": (self.workspace.id, "amlworkspace"),
        }
        if settings.hierarchical_namespace:
            targets["dfs"] = (self.storage.id, "dfs")
        Network(
            self._names.of("network"),
            NetworkArgs(
                place=self._place,
                cidr=settings.vnet_cidr,
                subnet=settings.subnet_id,
                targets=targets,
            ),
            self._within(),
        )

    # --- permissions ----------------------------------------------------------------------------

    def _role(self, noun: str, description: str, parts: Sequence[permissions.Permission]) -> Role:
        return Role(
            noun,
            RoleArgs(
                place=self._place,
                # Titles are of the whole directory, so the group and the subscription are in it.
                title=f"Waterflow {self._place.group} {noun} ({self._place.subscription[:8]})",
                description=description,
                allowed=permissions.allowed(parts),
            ),
            self._within(),
        )

    def _permit(self) -> None:
        """Say who may do what, on the resources that it is about and no others."""
        settings = self._settings
        submitting = people(settings.submitters)
        scheduling = people(settings.schedulers) if settings.schedulers else list(submitting)
        if self.ci is not None:
            submitting.append(self.ci.holder)
            scheduling.append(self.ci.holder)
        workspace = {"workspace": self.workspace.id}
        running = {**workspace, "identity": self.jobs.id}
        data = self.storage.id
        jobs = self._role("jobs", "Jobs of Waterflow's pipelines", permissions.OF_JOBS)
        jobs.give_data(self.jobs.holder, data, self._containers(permissions.OF_JOBS))
        for noun, scope in {**workspace, **self._secrets(), "registry": self.images.id}.items():
            jobs.give(self.jobs.holder, noun, scope)
        submitters = self._role(
            "submitters", "Whoever submits pipelines", permissions.OF_SUBMITTERS
        )
        for holder in submitting:
            submitters.give_data(holder, data, self._containers(permissions.OF_SUBMITTERS))
            for noun, scope in {**running, "secrets": self.secrets.id}.items():
                submitters.give(holder, noun, scope)
        schedulers = self._role("schedulers", "Whoever keeps schedules", permissions.OF_SCHEDULERS)
        for holder in scheduling:
            schedulers.give_data(holder, data, self._containers(permissions.OF_SCHEDULERS))
            for noun, scope in running.items():
                schedulers.give(holder, noun, scope)
        examiners = self._role(
            "examiners", "What waterflow doctor looks at", permissions.OF_EXAMINERS
        )
        for holder in submitting:
            examiners.give(holder, "group", self._place.group_id)
        if self.ci is not None:
            ci = self._role("ci", "Workflows that push images", permissions.OF_CI)
            ci.give(self.ci.holder, "registry", self.images.id)
        for holder in (self.jobs.holder, *submitting):
            for scope in settings.data_containers:
                reader = Grant(
                    noun=scope,
                    role="reader",
                    role_id=self._place.role(permissions.BLOB_READER),
                    scope=scope,
                )
                give(self, self._place, holder, reader)

    def _containers(self, parts: Sequence[permissions.Permission]) -> str:
        """Return the condition of what a role allows of data: in which containers."""
        actions = permissions.allowed(parts).data_actions
        return permissions.containers_only([self._settings.prefix], actions)

    def _secrets(self) -> dict[str, pulumi.Input[str]]:
        """Return what secrets jobs may read: those that are named, or all of the zone's vault."""
        if not self._settings.secrets:
            return {"secrets": self.secrets.id}
        return {
            f"secret-{name}": pulumi.Output.concat(self.secrets.id, "/secrets/", name)
            for name in self._settings.secrets
        }
