"""Azure: how resources are named and addressed there, and which changes make a new resource.

Addresses after Azure's resource ids; replacements after azure-native's own reading of the
vendor's API definitions: what an address holds cannot be changed in place, nor can a location.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from standin.provider import Cloud, Facts, Form

if TYPE_CHECKING:
    from collections.abc import Mapping

    from standin.values import Properties

SUBSCRIPTION = "/subscriptions/{subscriptionId}"
GROUP = SUBSCRIPTION + "/resourceGroups/{resourceGroupName}"


def _in_group(address: str, name: str, *replaces: str, typed: bool = True, **others: Any) -> Facts:
    """Return the facts of what is in a resource group.

    Args:
        address: Its provider and kinds, such as "Microsoft.KeyVault/vaults", the names of what it
            is part of in braces.
        name: The property that holds its own name.
        replaces: What else cannot be changed in place.
        typed: Whether the SDK knows its type as an output.
        others: Other facts.
    """
    parents = [part[1:-1] for part in address.split("/") if part.startswith("{")]
    kind = "/".join(part for part in address.split("/") if not part.startswith("{"))
    computed = {"name": "{" + name + "}", **others.pop("computed", {})}
    computed |= {"type": kind} if typed else {}
    return Facts(
        name=name,
        id=f"{GROUP}/providers/{address}/{{{name}}}",
        computed={key: value for key, value in computed.items() if key != name},
        replaces=("resourceGroupName", *parents, name, *replaces),
        joint="",
        **others,
    )


FACTS: dict[str, Facts] = {
    f"azure-native:{token}": facts
    for token, facts in {
        "resources:ResourceGroup": Facts(
            name="resourceGroupName",
            id=GROUP,
            computed={"name": "{resourceGroupName}", "type": "Microsoft.Resources/resourceGroups"},
            replaces=("resourceGroupName", "location"),
            joint="",
            length=90,
        ),
        # Storage
        "storage:StorageAccount": _in_group(
            "Microsoft.Storage/storageAccounts",
            "accountName",
            "location",
            "isHnsEnabled",
            length=24,
            computed={
                "primaryEndpoints": {
                    "blob": "https://{accountName}.blob.core.windows.net/",
                    "dfs": "https://{accountName}.dfs.core.windows.net/",
                }
            },
        ),
        "storage:BlobServiceProperties": _in_group(
            "Microsoft.Storage/storageAccounts/{accountName}/blobServices", "blobServicesName"
        ),
        "storage:BlobContainer": _in_group(
            "Microsoft.Storage/storageAccounts/{accountName}/blobServices/default/containers",
            "containerName",
        ),
        "storage:ManagementPolicy": _in_group(
            "Microsoft.Storage/storageAccounts/{accountName}/managementPolicies",
            "managementPolicyName",
        ),
        # Secrets and identity
        "keyvault:Vault": _in_group(
            "Microsoft.KeyVault/vaults", "vaultName", "location", length=24
        ),
        "managedidentity:UserAssignedIdentity": _in_group(
            "Microsoft.ManagedIdentity/userAssignedIdentities",
            "resourceName",
            "location",
            computed={
                "clientId": "{client}",
                "principalId": "{uuid}",
                "tenantId": "{tenantId}",
            },
            length=128,
        ),
        "managedidentity:FederatedIdentityCredential": _in_group(
            "Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}"
            "/federatedIdentityCredentials",
            "federatedIdentityCredentialResourceName",
            length=120,
        ),
        "authorization:RoleDefinition": Facts(
            name="roleDefinitionId",
            id="{scope}/providers/Microsoft.Authorization/roleDefinitions/{roleDefinitionId}",
            computed={
                "name": "{roleDefinitionId}",
                "type": "Microsoft.Authorization/roleDefinitions",
            },
            replaces=("scope", "roleDefinitionId"),
            joint="",
        ),
        "authorization:RoleAssignment": Facts(
            name="roleAssignmentName",
            id="{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}",
            computed={
                "name": "{roleAssignmentName}",
                "type": "Microsoft.Authorization/roleAssignments",
            },
            replaces=(
                "scope",
                "roleAssignmentName",
                "principalId",
                "principalType",
                "roleDefinitionId",
            ),
            joint="",
        ),
        # Images, logs
        "containerregistry:Registry": _in_group(
            "Microsoft.ContainerRegistry/registries",
            "registryName",
            "location",
            computed={"loginServer": "{registryName}.azurecr.io"},
            length=50,
        ),
        "operationalinsights:Workspace": _in_group(
            "Microsoft.OperationalInsights/workspaces",
            "workspaceName",
            "location",
            computed={"customerId": "{uuid}"},
        ),
        "applicationinsights:Component": _in_group(
            "Microsoft.Insights/components", "resourceName", "location", length=255
        ),
        "monitor:DiagnosticSetting": Facts(
            id="{resourceUri}/providers/Microsoft.Insights/diagnosticSettings/{name}",
            computed={"type": "Microsoft.Insights/diagnosticSettings"},
            replaces=("resourceUri", "name"),
            joint="",
        ),
        "monitor:ActionGroup": _in_group(
            "Microsoft.Insights/actionGroups", "actionGroupName", length=260
        ),
        "monitor:ScheduledQueryRule": _in_group(
            "Microsoft.Insights/scheduledQueryRules",
            "ruleName",
            "location",
            "scopes",
            length=260,
            # The SDK lists those of another service's filters under the same name.
            # https://learn.microsoft.com/azure/templates/microsoft.insights/scheduledqueryrules
            values={
                "criteria.allOf.operator": (
                    "Equals",
                    "GreaterThan",
                    "GreaterThanOrEqual",
                    "LessThan",
                    "LessThanOrEqual",
                )
            },
        ),
        "consumption:Budget": Facts(
            name="budgetName",
            id="{scope}/providers/Microsoft.Consumption/budgets/{budgetName}",
            computed={"name": "{budgetName}", "type": "Microsoft.Consumption/budgets"},
            replaces=("scope", "budgetName", "timeGrain"),
            joint="",
        ),
        # Azure ML
        "machinelearningservices:Workspace": _in_group(
            "Microsoft.MachineLearningServices/workspaces",
            "workspaceName",
            "location",
            "storageAccount",
            "keyVault",
            "hbiWorkspace",
            computed={
                "mlFlowTrackingUri": "azureml://{location}.api.azureml.ms/mlflow/v1.0"
                + GROUP
                + "/providers/Microsoft.MachineLearningServices/workspaces/{workspaceName}",
                "workspaceId": "{uuid}",
                "tenantId": "{tenantId}",
            },
            length=33,
        ),
        "machinelearningservices:Compute": _in_group(
            "Microsoft.MachineLearningServices/workspaces/{workspaceName}/computes",
            "computeName",
            "location",
            "properties.computeType",
            "properties.properties.vmSize",
            "properties.properties.vmPriority",
            "properties.properties.enableNodePublicIp",
            length=24,
        ),
        "machinelearningservices:Datastore": _in_group(
            "Microsoft.MachineLearningServices/workspaces/{workspaceName}/datastores", "name"
        ),
        # Networks
        "network:VirtualNetwork": _in_group(
            "Microsoft.Network/virtualNetworks", "virtualNetworkName", "location"
        ),
        "network:Subnet": _in_group(
            "Microsoft.Network/virtualNetworks/{virtualNetworkName}/subnets", "subnetName"
        ),
        "network:NetworkSecurityGroup": _in_group(
            "Microsoft.Network/networkSecurityGroups", "networkSecurityGroupName", "location"
        ),
        "network:PrivateEndpoint": _in_group(
            "Microsoft.Network/privateEndpoints", "privateEndpointName", "location", "subnet"
        ),
        "network:PrivateDnsZoneGroup": _in_group(
            "Microsoft.Network/privateEndpoints/{privateEndpointName}/privateDnsZoneGroups",
            "privateDnsZoneGroupName",
            typed=False,
        ),
        "privatedns:PrivateZone": _in_group(
            "Microsoft.Network/privateDnsZones", "privateZoneName", "location"
        ),
        "privatedns:VirtualNetworkLink": _in_group(
            "Microsoft.Network/privateDnsZones/{privateZoneName}/virtualNetworkLinks",
            "virtualNetworkLinkName",
            "location",
            "virtualNetwork",
        ),
    }.items()
}


def _client(_: Properties, words: Mapping[str, str]) -> Properties:
    return {
        "clientId": "00000000-0000-4000-8000-00000000c11e",
        "objectId": "00000000-0000-4000-8000-0000000000ab",
        "subscriptionId": words["subscriptionId"],
        "tenantId": words["tenantId"],
    }


def _identities_out(identity: Properties) -> Properties:
    """Return an identity as Azure shows it: a list goes in, and who each is comes out."""
    own = identity.get("userAssignedIdentities")
    if not isinstance(own, list):
        return identity
    shown = {
        one: {"clientId": one.rpartition("/")[2], "principalId": one.rpartition("/")[2]}
        for one in own
    }
    return {**identity, "userAssignedIdentities": shown}


def _identities_back(identity: Properties) -> Properties:
    own = identity.get("userAssignedIdentities")
    return {**identity, "userAssignedIdentities": list(own)} if own else identity


CLOUD = Cloud(
    forms={"identity": Form(_identities_out, _identities_back)},
    facts=FACTS,
    functions={"azure-native:authorization:getClientConfig": _client},
    surroundings={
        "subscriptionId": "00000000-0000-4000-8000-000000005ab5",
        "tenantId": "00000000-0000-4000-8000-0000000007e1",
        "location": "eastus",
    },
)
