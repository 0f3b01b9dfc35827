"""Workspaces: made, found, and what comes with each: storage, a vault, datastores."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from waterflow_azureml.emulator.errors import Refusal
from waterflow_azureml.emulator.routes import Scope

if TYPE_CHECKING:
    from waterflow_azureml.emulator.resources import Record, Resources
    from waterflow_azureml.emulator.storage import Blobs
    from waterflow_azureml.emulator.vaults import Vaults

LOCATION: Final = "eastus"
"""The region of whoever names none."""
KIND: Final = "workspaces"
GROUPS: Final = "Microsoft.Resources/resourceGroups"
ACCOUNTS: Final = "Microsoft.Storage/storageAccounts"
VAULTS: Final = "Microsoft.KeyVault/vaults"
IDENTITIES: Final = "Microsoft.ManagedIdentity/userAssignedIdentities"
"""What stands around a workspace, by type."""
ARTIFACTS: Final = "azureml"
"""The container of logs and artifacts."""
STORE, FILES = "workspaceblobstore", "workspaceartifactstore"
TENANT: Final = "11111111-1111-4111-8111-111111111111"


@dataclass(frozen=True)
class Workspace:
    """A workspace.

    Attributes:
        record: Its document.
        scope: Where it is.
    """

    record: Record
    scope: Scope

    @property
    def location(self) -> str:
        """Its region."""
        return str(self.record.body["location"])

    @property
    def guid(self) -> str:
        """Its id within Azure ML."""
        return str(self.record.properties["workspaceId"])

    @property
    def account(self) -> str:
        """The name of its storage account."""
        return str(self.record.properties["storageAccount"]).rpartition("/")[2]

    @property
    def container(self) -> str:
        """The container of its default datastore."""
        return f"azureml-blobstore-{self.guid}"

    @property
    def vault(self) -> str:
        """The name of its key vault."""
        return str(self.record.properties["keyVault"]).rpartition("/")[2]

    @property
    def host(self) -> str:
        """The host of its own services."""
        return f"{self.location}.api.azureml.ms"


class Workspaces:
    """The workspaces that there are.

    Args:
        resources: Where their documents are.
        blobs: Where their storage accounts are.
        vaults: Where their key vaults are.
    """

    def __init__(self, resources: Resources, blobs: Blobs, vaults: Vaults) -> None:
        self._resources, self._blobs, self._vaults = resources, blobs, vaults

    def get(self, scope: Scope) -> Workspace | None:
        """Return a workspace; None when there is none."""
        record = self._resources.get(scope.id)
        return None if record is None else Workspace(record, scope)

    def require(self, scope: Scope) -> Workspace:
        """Return a workspace.

        Raises:
            Refusal: There is none.
        """
        workspace = self.get(scope)
        if workspace is None:
            kind = "Microsoft.MachineLearningServices/workspaces"
            raise Refusal(
                404,
                "ResourceNotFound",
                f"The Resource '{kind}/{scope.workspace}' under resource group '{scope.group}' was "
                "not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
            )
        return workspace

    def create(self, scope: Scope, body: dict[str, Any] | None = None) -> Workspace:
        """Make a workspace, or change it, with all that comes with one.

        Args:
            scope: Where it is to be.
            body: What is said of it: `location`, `properties`, and the like.
        """
        with self._resources.lock:
            before = self.get(scope)
            old = before.record.body if before else {}
            body = {**old, **(body or {})}
            properties = {**old.get("properties", {}), **body.get("properties", {})}
            location = body.setdefault("location", LOCATION)
            properties = {**_defaults(scope, location), **properties}
            properties["provisioningState"] = "Succeeded"
            body |= {"properties": properties}
            body.setdefault("kind", "Default")
            body.setdefault("sku", {"name": "Basic", "tier": "Basic"})
            body.setdefault("tags", {})
            identity = dict(body.get("identity") or {"type": "SystemAssigned"})
            body["identity"] = {
                "principalId": str(uuid.uuid5(uuid.NAMESPACE_URL, scope.id)),
                "tenantId": TENANT,
            } | identity
            record = self._resources.put(scope.id, KIND, body)
            workspace = Workspace(record, scope)
            if before is None:
                self._furnish(workspace)
            return workspace

    def _furnish(self, workspace: Workspace) -> None:
        """Make what every workspace has: its vault, and datastores."""
        scope, properties = workspace.scope, workspace.record.properties
        group = Scope(scope.subscription, scope.group).id
        location = {"location": workspace.location}
        for identity, kind in (
            (group, GROUPS),
            (properties["storageAccount"], ACCOUNTS),
            (properties["keyVault"], VAULTS),
        ):
            if self._resources.get(identity) is None:
                self._resources.put(identity, kind, location)
        self._vaults.make(workspace.vault)
        held = ((STORE, workspace.container, True), (FILES, ARTIFACTS, False))
        for name, container, default in held:
            self._blobs.container(workspace.account, container)
            body = datastore(workspace.scope, workspace.account, container, default=default)
            self._resources.put(f"{workspace.scope.id}/datastores/{name}", "datastores", body)


def datastore(
    scope: Scope, account: str, container: str, *, default: bool = False
) -> dict[str, Any]:
    """Return a datastore over a container, to which the jobs' own identity has access.

    Args:
        scope: The workspace.
        account: The storage account.
        container: The container.
        default: Whether it is the workspace's default one.
    """
    return {
        "properties": {
            "datastoreType": "AzureBlob",
            "accountName": account,
            "containerName": container,
            "endpoint": "core.windows.net",
            "protocol": "https",
            "isDefault": default,
            "credentials": {"credentialsType": "None"},
            "serviceDataAccessAuthIdentity": "None",
            "subscriptionId": scope.subscription,
            "resourceGroup": scope.group,
            "tags": {},
            "properties": {},
        }
    }


def _defaults(scope: Scope, location: str) -> dict[str, Any]:
    """Return what the service says of a workspace about which little was said."""
    mark = hashlib.sha256(scope.id.lower().encode()).hexdigest()
    stem = "".join(letter for letter in scope.workspace.lower() if letter.isalnum())[:8]
    group = f"/subscriptions/{scope.subscription}/resourceGroups/{scope.group}/providers"
    host = f"{location}.api.azureml.ms"
    return {
        "friendlyName": scope.workspace,
        "description": "",
        "workspaceId": str(uuid.uuid5(uuid.NAMESPACE_URL, scope.id.lower())),
        "storageAccount": f"{group}/Microsoft.Storage/storageAccounts/{stem}storage{mark[:8]}",
        "keyVault": f"{group}/Microsoft.KeyVault/vaults/{stem}kv{mark[:8]}",
        "applicationInsights": f"{group}/Microsoft.Insights/components/{stem}insights{mark[:8]}",
        "hbiWorkspace": False,
        "publicNetworkAccess": "Enabled",
        "discoveryUrl": f"https://{host}/discovery",
        "mlFlowTrackingUri": f"azureml://{host}/mlflow/v1.0{scope.id}",
        "workspaceHubConfigs": None,
        "v1LegacyMode": False,
        "allowPublicAccessWhenBehindVnet": False,
        "systemDatastoresAuthMode": "identity",
        "managedNetwork": {"isolationMode": "Disabled", "outboundRules": {}},
        "tenantId": TENANT,
    }
