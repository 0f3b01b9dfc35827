"""Mistakes that people make on Azure, one a function, and its resources called as the function."""

from collections.abc import Callable

import pulumi
from pulumi_azure_native import (
    authorization,
    containerregistry,
    keyvault,
    managedidentity,
    network,
    operationalinsights,
    storage,
)
from pulumi_azure_native import machinelearningservices as ml

config = pulumi.Config()
TAGS = {"stack": "mistakes/dev", "environment": "dev"}
GROUP = "/subscriptions/1/resourceGroups/ml"
ROLES = "/subscriptions/1/providers/Microsoft.Authorization/roleDefinitions"
READER = f"{ROLES}/acdd72a7-3385-48ef-bd42-f606fba81ae7"
PRINCIPAL = "1a2b3c4d-0000-4000-8000-000000000001"
MISTAKES: dict[str, Callable[[str], object]] = {}


def mistake(function: Callable[[str], object]) -> Callable[[str], object]:
    MISTAKES[function.__name__] = function
    return function


def account(name: str, *, expires: bool = True, folders: bool = False, **others: object) -> object:
    """A storage account as it should be, but for what others say."""
    settings: dict[str, object] = {
        "sku": {"name": "Standard_LRS"},
        "allow_shared_key_access": False,
        "allow_blob_public_access": False,
        "enable_https_traffic_only": True,
        "minimum_tls_version": "TLS1_2",
        "is_hns_enabled": folders,
        **others,
    }
    own = storage.StorageAccount(
        name, resource_group_name="ml", kind="StorageV2", tags=TAGS, **settings
    )
    storage.BlobServiceProperties(
        name,
        resource_group_name="ml",
        account_name=own.name,
        blob_services_name="default",
        is_versioning_enabled=True,
        delete_retention_policy={"enabled": True, "days": 7},
    )
    if expires:
        storage.ManagementPolicy(
            name,
            resource_group_name="ml",
            account_name=own.name,
            management_policy_name="default",
            policy={"rules": []},
        )
    return own


def vault(name: str, **others: object) -> object:
    """A vault as it should be, but for what others say."""
    properties: dict[str, object] = {
        "tenant_id": PRINCIPAL,
        "sku": {"family": "A", "name": "standard"},
        "enable_rbac_authorization": True,
        "enable_purge_protection": True,
        **others,
    }
    properties = {key: value for key, value in properties.items() if value is not None}
    return keyvault.Vault(name, resource_group_name="ml", properties=properties, tags=TAGS)


def cluster(name: str, **others: object) -> object:
    """A GPU cluster as it should be, but for what others say."""
    settings = {
        "vm_size": "Standard_NC4as_T4_v3",
        "remote_login_port_public_access": "Disabled",
        "scale_settings": {"min_node_count": 0, "max_node_count": 2},
        **others,
    }
    return ml.Compute(
        name,
        resource_group_name="ml",
        workspace_name="ml",
        properties={
            "compute_type": "AmlCompute",
            "disable_local_auth": True,
            "properties": settings,
        },
        tags=TAGS,
    )


@mistake
def unknown_argument(name: str) -> object:
    return account(name, allow_keys=False)


@mistake
def wrong_type(name: str) -> object:
    return operationalinsights.Workspace(
        name,
        resource_group_name="ml",
        retention_in_days="thirty",
        features={"disable_local_auth": True},
        tags=TAGS,
    )


@mistake
def text_for_list(name: str) -> object:
    return managedidentity.FederatedIdentityCredential(
        name,
        resource_group_name="ml",
        resource_name_="ci",
        issuer="https://token.actions.githubusercontent.com",
        subject="repo:shop/ml:ref:refs/heads/main",
        audiences="api://AzureADTokenExchange",
    )


@mistake
def misspelt_inside(name: str) -> object:
    return vault(name, enable_rbac=True)


@mistake
def missing_inside(name: str) -> object:
    return vault(name, tenant_id=None)


@mistake
def bad_enum(name: str) -> object:
    return account(name, sku={"name": "Standard_LSR"})


@mistake
def duplicate_name(name: str) -> object:
    vault(name)
    return vault(name)


@mistake
def shared_key(name: str) -> object:
    return account(name, allow_shared_key_access=True)


@mistake
def public_account(name: str) -> object:
    return account(name, allow_blob_public_access=True)


@mistake
def old_tls(name: str) -> object:
    return account(name, minimum_tls_version="TLS1_1")


@mistake
def kept_for_ever(name: str) -> object:
    return account(name, expires=False)


@mistake
def no_purge_protection(name: str) -> object:
    return vault(name, enable_purge_protection=None)


@mistake
def administrator(name: str) -> object:
    return containerregistry.Registry(
        name, resource_group_name="ml", sku={"name": "Basic"}, admin_user_enabled=True, tags=TAGS
    )


@mistake
def contributor(name: str) -> object:
    return authorization.RoleAssignment(
        name,
        principal_id=PRINCIPAL,
        role_definition_id=f"{ROLES}/b24988ac-6180-42a0-ab88-20f7382dd24c",
        scope=GROUP,
    )


@mistake
def whole_subscription(name: str) -> object:
    return authorization.RoleAssignment(
        name, principal_id=PRINCIPAL, role_definition_id=READER, scope="/subscriptions/1"
    )


@mistake
def starred_role(name: str) -> object:
    return authorization.RoleDefinition(
        name,
        scope=GROUP,
        assignable_scopes=[GROUP],
        permissions=[{"actions": ["Microsoft.MachineLearningServices/workspaces/*/read"]}],
    )


@mistake
def every_branch(name: str) -> object:
    return managedidentity.FederatedIdentityCredential(
        name,
        resource_group_name="ml",
        resource_name_="ci",
        issuer="https://token.actions.githubusercontent.com",
        subject="repo:shop/ml:*",
        audiences=["api://AzureADTokenExchange"],
    )


@mistake
def waiting_gpus(name: str) -> object:
    return cluster(name, scale_settings={"min_node_count": 1, "max_node_count": 2})


@mistake
def open_login(name: str) -> object:
    return cluster(name, remote_login_port_public_access="Enabled")


@mistake
def open_group(name: str) -> object:
    rule = {
        "name": "all",
        "priority": 100,
        "direction": "Inbound",
        "access": "Allow",
        "protocol": "Tcp",
        "source_address_prefix": "*",
    }
    return network.NetworkSecurityGroup(
        name, resource_group_name="ml", security_rules=[rule], tags=TAGS
    )


@mistake
def no_tags(name: str) -> object:
    return managedidentity.UserAssignedIdentity(name, resource_group_name="ml")


@mistake
def versions_and_folders(name: str) -> object:
    return account(name, folders=True)


@mistake
def capitals(name: str) -> object:
    return account(name, account_name="WaterflowDev")


for name in config.require_object("mistakes"):
    MISTAKES[name](name)
