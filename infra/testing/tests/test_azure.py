"""The landing zone on Azure, from the stack's own files: made, watched, changed, destroyed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from standin import Stack
from suites.zones import ZoneSuite, kinds

if TYPE_CHECKING:
    from standin.result import Result
    from standin.state import Resource


VAULT = "azure-native:keyvault:Vault"
WORKSPACE = "azure-native:machinelearningservices:Workspace"


def last(address: str) -> str:
    """Return the last word of an address."""
    return address.rpartition("/")[2]


def grants(result: Result) -> dict[str, list[tuple[str, str]]]:
    """Return who has which role where: holder -> role and kind of resource."""
    holders = {one.outputs["principalId"]: one.name for one in result.of("UserAssignedIdentity")}
    roles = {one.outputs["name"]: one.name for one in result.of("RoleDefinition")}
    rows: dict[str, list[tuple[str, str]]] = {}
    for one in result.of("RoleAssignment"):
        principal = one.inputs["principalId"]
        role = roles[last(one.inputs["roleDefinitionId"])]
        where = one.inputs["scope"].split("/")[-2]
        rows.setdefault(holders.get(principal, principal), []).append((role, where))
    return {holder: sorted(pairs) for holder, pairs in rows.items()}


def named(result: Result, kind: str, end: str) -> Resource:
    return next(one for one in result.of(kind) if one.name.endswith(end))


class TestAzure(ZoneSuite):
    CLOUD = "azure"
    LEAST = 100
    PROTECTED = {"ResourceGroup", "StorageAccount", "BlobContainer", "Vault", "Registry",
                 "Workspace"}  # fmt: skip
    DRIFT = ("StorageAccount", "", {"allowSharedKeyAccess": True})
    BEARING = {
        "ResourceGroup", "StorageAccount", "Vault", "Registry", "Workspace", "Component",
        "UserAssignedIdentity", "Compute", "ActionGroup", "ScheduledQueryRule", "VirtualNetwork",
        "NetworkSecurityGroup", "PrivateEndpoint", "PrivateZone",
    }  # fmt: skip

    @pytest.mark.parametrize(
        ("config", "updated", "created", "replaced", "deleted"),
        [
            (
                {"retention_days": 60, "machine_families": ["DDSv5", "NCASv3_T4"], "spot": False},
                ["ManagementPolicy"],
                ["Compute"] * 4,
                [],
                ["Compute"] * 8,
            ),
            (
                {"private_network": True, "managed_network": "approved"},
                ["Registry", "StorageAccount", "Vault", "Vault", "Workspace"],
                [
                    "NetworkSecurityGroup",
                    *["PrivateDnsZoneGroup"] * 5,
                    *["PrivateEndpoint"] * 5,
                    *["PrivateZone"] * 5,
                    *["RoleAssignment"] * 4,
                    "RoleDefinition",
                    "Subnet",
                    "VirtualNetwork",
                    *["VirtualNetworkLink"] * 5,
                ],
                ["Compute"] * 16,
                [],
            ),
        ],
        ids=["machines", "private"],
    )
    def test_a_change_changes_what_it_says(
        self,
        dev: tuple[Stack, Result],
        config: dict[str, Any],
        updated: list[str],
        created: list[str],
        replaced: list[str],
        deleted: list[str],
    ) -> None:
        stack, _ = dev
        foreseen = stack.preview(config).require()
        assert kinds(foreseen, "update") == updated
        assert kinds(foreseen, "create") == created
        assert kinds(foreseen, "replace") == replaced
        assert kinds(foreseen, "delete") == deleted
        if deleted:
            clusters = foreseen.outputs["profile"]["settings"]["clusters"]
            assert {"nc4as-t4-v3", "d2ds-v5"} < clusters.keys()
            assert not [name for name in clusters if name.endswith("spot")]

    def test_folders_have_no_versions(self, dev: tuple[Stack, Result]) -> None:
        stack, made = dev
        for result, versions in (
            (made, True),
            (stack.preview({"hierarchical_namespace": True}).require(), False),
        ):
            (service,) = result.of("BlobServiceProperties")
            assert service.inputs["isVersioningEnabled"] is versions
            rules = result.of("ManagementPolicy")[0].inputs["policy"]["rules"]
            assert ("replaced-versions" in [one["name"] for one in rules]) is versions

    def test_no_key_and_no_password_opens_anything(
        self, prod: tuple[Stack, Result, Result]
    ) -> None:
        _, _, made = prod
        (account,) = made.of("StorageAccount")
        assert account.inputs["allowSharedKeyAccess"] is False
        assert account.inputs["isLocalUserEnabled"] is False
        (registry,) = made.of("Registry")
        assert registry.inputs["adminUserEnabled"] is False
        workspace = made.of(WORKSPACE)[0]
        assert workspace.inputs["systemDatastoresAuthMode"] == "Identity"
        (datastore,) = made.of("Datastore")
        assert datastore.inputs["properties"]["credentials"] == {"credentialsType": "None"}
        for vault in made.of(VAULT):
            assert vault.inputs["properties"]["enableRbacAuthorization"] is True
        for compute in made.of("Compute"):
            assert compute.inputs["properties"]["disableLocalAuth"] is True

    def test_nothing_is_reached_from_the_internet(self, prod: tuple[Stack, Result, Result]) -> None:
        _, _, made = prod
        for one in (*made.of("StorageAccount"), *made.of("Registry"), *made.of(WORKSPACE)):
            assert one.inputs["publicNetworkAccess"] == "Disabled", one.urn
        for one in made.of(VAULT):
            assert one.inputs["properties"]["publicNetworkAccess"] == "Disabled"
            assert one.inputs["properties"]["networkAcls"]["defaultAction"] == "Deny"
        for one in made.of("Compute"):
            assert one.inputs["properties"]["properties"]["enableNodePublicIp"] is False
        groups = {
            one.inputs["privateLinkServiceConnections"][0]["groupIds"][0]
            for one in made.of("PrivateEndpoint")
        }
        assert groups == {"blob", "vault", "registry", "amlworkspace"}
        workspace = made.of(WORKSPACE)[0]
        network = workspace.inputs["managedNetwork"]
        assert network["isolationMode"] == "AllowOnlyApprovedOutbound"
        assert {one["type"] for one in network["outboundRules"].values()} == {
            "FQDN",
            "PrivateEndpoint",
        }
        assert workspace.inputs["imageBuildCompute"] == "d2ds-v5"

    def test_each_has_the_roles_that_it_needs_where_it_needs_them(
        self, prod: tuple[Stack, Result, Result]
    ) -> None:
        _, _, made = prod
        group, account, vault, registry, workspace = (
            "resourceGroups", "storageAccounts", "vaults", "registries", "workspaces",
        )  # fmt: skip
        running = (account, "userAssignedIdentities", workspace)
        submitting = [
            ("examiners", group),
            *(("submitters", place) for place in (account, running[1], vault, workspace)),
        ]
        scheduling = [("schedulers", place) for place in running]
        people = "1a2b3c4d-0000-4000-8000-00000000000"
        assert grants(made) == {
            "waterflow-prod-jobs": [
                ("jobs", place) for place in (registry, account, vault, workspace)
            ],
            "waterflow-prod-ci": sorted([*submitting, *scheduling, ("ci", registry)]),
            f"{people}1": submitting,
            f"{people}2": scheduling,
            "waterflow-prod-workspace": sorted(
                [
                    *[("network", place) for place in (account, registry, vault, vault)],
                    *[("workspace", place) for place in (account, registry, vault, "components")],
                ]
            ),
        }
        own = named(made, VAULT, "own").id
        for one in made.of("RoleAssignment"):
            if one.inputs["scope"] == own:
                assert one.name.startswith("waterflow-prod-workspace")

    def test_data_is_reached_in_the_zone_s_containers_alone(
        self, prod: tuple[Stack, Result, Result]
    ) -> None:
        _, _, made = prod
        conditions = {
            one.name: one.inputs["condition"]
            for one in made.of("RoleAssignment")
            if last(one.inputs["scope"].rpartition("/")[0]) == "storageAccounts"
            and not one.name.startswith("waterflow-prod-workspace")
        }
        assert len(conditions) == 5
        for name, condition in conditions.items():
            assert "containers:name] StringEquals 'waterflow'" in condition, name
            assert condition.count("(") == condition.count(")")
            for verb in ("read", "write", "delete", "add/action"):
                assert f"containers/blobs/{verb}'}}" in condition

    def test_roles_are_the_group_s_alone_and_name_their_actions(
        self, prod: tuple[Stack, Result, Result]
    ) -> None:
        _, _, made = prod
        group = made.of("ResourceGroup")[0].id
        for role in made.of("RoleDefinition"):
            assert role.inputs["assignableScopes"] == [group]
            (allowed,) = role.inputs["permissions"]
            assert allowed["actions"] == sorted(set(allowed["actions"]))
            assert not [one for one in allowed["actions"] + allowed["dataActions"] if "*" in one]

    def test_grants_are_named_the_same_every_time(
        self, prod: tuple[Stack, Result, Result], dev: tuple[Stack, Result]
    ) -> None:
        _, foreseen, made = prod
        names = {one.name: one.inputs["roleAssignmentName"] for one in made.of("RoleAssignment")}
        assert names == {
            one.name: one.inputs["roleAssignmentName"] for one in foreseen.of("RoleAssignment")
        }
        others = {one.inputs["roleAssignmentName"] for one in dev[1].of("RoleAssignment")}
        assert len(set(names.values()) | others) == len(names) + len(others)

    def test_only_the_repository_s_production_workflows_submit(
        self, prod: tuple[Stack, Result, Result]
    ) -> None:
        _, _, made = prod
        (credential,) = made.of("FederatedIdentityCredential")
        assert credential.inputs["subject"] == "repo:example/shop:environment:production"
        assert credential.inputs["issuer"] == "https://token.actions.githubusercontent.com"
        assert credential.inputs["audiences"] == ["api://AzureADTokenExchange"]

    def test_every_resource_that_holds_data_records_who_came(
        self, prod: tuple[Stack, Result, Result], dev: tuple[Stack, Result]
    ) -> None:
        _, _, made = prod
        recorded = {one.inputs["resourceUri"] for one in made.of("DiagnosticSetting")}
        account = made.of("StorageAccount")[0].id
        holding = [
            *made.of(VAULT),
            *made.of("Registry"),
            made.of(WORKSPACE)[0],
        ]
        blobs = f"{account}/blobServices/default"
        assert recorded == {blobs, *(one.id for one in holding)}
        assert len(dev[1].of("DiagnosticSetting")) == len(recorded) - 1

    def test_each_alarm_says_what_to_do(self, prod: tuple[Stack, Result, Result]) -> None:
        _, _, made = prod
        rules = {one.name.rpartition("-")[2]: one.inputs for one in made.of("ScheduledQueryRule")}
        assert rules.keys() == {"failed", "failing", "stuck"}
        (group,) = made.of("ActionGroup")
        for name, rule in rules.items():
            assert "waterflow" in rule["description"], name
            assert rule["actions"]["actionGroups"] == [group.id]
            (criterion,) = rule["criteria"]["allOf"]
            assert criterion["query"].startswith("AmlRunStatusChangedEvent | where RunId ==")
        spans = {
            name: (one["evaluationFrequency"], one["windowSize"]) for name, one in rules.items()
        }
        assert spans == {
            "failed": ("PT5M", "PT15M"), "failing": ("PT15M", "PT1H"), "stuck": ("PT1H", "P2D"),
        }  # fmt: skip
        assert rules["failing"]["criteria"]["allOf"][0]["threshold"] == 2
