"""The storage account: the container of code, data and results, and what keeps and clears it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pulumi_azure_native import storage
from pulumi_azure_native.storage import ManagementPolicyRuleArgsDict as Rule

from landing_zone.component import Component

if TYPE_CHECKING:
    from landing_zone.doors import Doors
    from landing_zone.place import Place

_UNDELETE_DAYS: Final = 14
_VERSION_DAYS: Final = 30


@dataclass(frozen=True, kw_only=True)
class StorageArgs:
    """What the account is made of.

    Attributes:
        place: Where it is.
        account: What its name begins with: small letters and digits.
        container: The container's name.
        prefix: What the application's keys begin with.
        redundancy: How often Azure keeps it, and where: "LRS", "ZRS", "GRS" or "GZRS".
        hierarchical: Whether it has folders, as Data Lake Storage has.
        retention_days: Days until results of runs are deleted.
        checkpoint_days: Days until checkpoints are deleted.
        doors: Who may come to it.
        protect: Whether it can be destroyed by no one command.
    """

    place: Place
    account: str
    container: str
    prefix: str
    redundancy: str
    hierarchical: bool
    retention_days: int
    checkpoint_days: int
    doors: Doors
    protect: bool


class Storage(Component[StorageArgs]):
    """The account, which no key opens, and its container."""

    def _make(self, name: str, args: StorageArgs) -> None:
        account = storage.StorageAccount(
            args.account,
            resource_group_name=args.place.group,
            location=args.place.region,
            kind=storage.Kind.STORAGE_V2,
            sku={"name": f"Standard_{args.redundancy}"},
            access_tier=storage.AccessTier.HOT,
            is_hns_enabled=args.hierarchical,
            allow_shared_key_access=False,
            default_to_o_auth_authentication=True,
            allow_blob_public_access=False,
            allow_cross_tenant_replication=False,
            is_local_user_enabled=False,
            enable_https_traffic_only=True,
            minimum_tls_version=storage.MinimumTlsVersion.TLS1_2,
            public_network_access=args.doors.public,
            network_rule_set=storage.NetworkRuleSetArgs(
                default_action=storage.DefaultAction(args.doors.default),
                # What Azure's own logging and backup write: no workspace comes in by this.
                bypass=storage.Bypass.AZURE_SERVICES,
                ip_rules=[storage.IPRuleArgs(i_p_address_or_range=ip) for ip in args.doors.ips],
            ),
            opts=self.child(protect=args.protect),
        )
        storage.BlobServiceProperties(
            name,
            resource_group_name=args.place.group,
            account_name=account.name,
            blob_services_name="default",
            # Folders and versions do not go together:
            # https://learn.microsoft.com/azure/storage/blobs/versioning-overview
            is_versioning_enabled=not args.hierarchical,
            delete_retention_policy={"enabled": True, "days": _UNDELETE_DAYS},
            container_delete_retention_policy={"enabled": True, "days": _UNDELETE_DAYS},
            opts=self.child(),
        )
        container = storage.BlobContainer(
            name,
            resource_group_name=args.place.group,
            account_name=account.name,
            container_name=args.container,
            public_access=storage.PublicAccess.NONE,
            opts=self.child(protect=args.protect),
        )
        self._args = args
        storage.ManagementPolicy(
            name,
            resource_group_name=args.place.group,
            account_name=account.name,
            management_policy_name="default",
            policy={"rules": self._rules()},
            opts=self.child(),
        )
        self.id, self.account = account.id, account.name
        self.container = container.name
        self.container_id = container.id
        self.register_outputs({"account": self.account, "container": self.container})

    def _rules(self) -> list[Rule]:
        args = self._args
        rules = [
            self._expires("runs", args.retention_days),
            self._expires("checkpoints", args.checkpoint_days),
        ]
        if not args.hierarchical:
            rules.append(
                Rule(
                    name="replaced-versions",
                    type="Lifecycle",
                    enabled=True,
                    definition={
                        "filters": {"blob_types": ["blockBlob"]},
                        "actions": {
                            "version": {
                                "delete": {"days_after_creation_greater_than": _VERSION_DAYS}
                            },
                        },
                    },
                )
            )
        return rules

    def _expires(self, noun: str, days: int) -> Rule:
        args = self._args
        return Rule(
            name=noun,
            type="Lifecycle",
            enabled=True,
            definition={
                "filters": {
                    "blob_types": ["blockBlob"],
                    "prefix_match": [f"{args.container}/{args.prefix}/{noun}/"],
                },
                "actions": {
                    "base_blob": {"delete": {"days_after_modification_greater_than": days}}
                },
            },
        )
