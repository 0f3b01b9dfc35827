"""Looking at what runs on Azure ML need of Azure: the workspace, roles, clusters, secrets."""

from __future__ import annotations

import fnmatch
import sys
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.cloud.examining import looked_at, python_check
from waterflow.errors import NotFoundError
from waterflow.provider import Check
from waterflow_azureml.connections import AUTHORIZATION, VAULT_SCOPE
from waterflow_azureml.permissions import RUNNING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from waterflow import spec
    from waterflow_azureml.connections import Connections

IDENTITIES: Final = "2023-01-31"
_STACK: Final = "See infra/README.md for the stack that makes it"


class Examination:
    """One look at what a profile names in Azure.

    Args:
        connections: The ways to Azure.
    """

    def __init__(self, connections: Connections) -> None:
        self._azure, self._settings = connections, connections.settings

    def all(self, pipeline: spec.Pipeline | None) -> Iterator[Check]:
        """Yield every finding.

        Args:
            pipeline: A pipeline whose secrets are looked at too.
        """
        looks: list[tuple[str, Callable[[], str | Check]]] = [("workspace", self._workspace)]
        checks = list(looked_at(*looks[0]))
        yield from checks
        if any(check.state != "ok" for check in checks):
            return  # of what is in it nothing can be told
        settings = self._settings
        yield from looked_at("datastore", self._datastore)
        yield from looked_at("your rights", self._rights, needed=False)
        identities = [settings.identity, *(one.identity for one in settings.steps.values())]
        for client in dict.fromkeys(identities):
            if client is not None:
                name = f"identity {client}"
                yield from looked_at(name, lambda c=client: self._identity(c), needed=False)
        for cluster in settings.clusters:
            name = f"cluster {cluster}"
            yield from looked_at(name, lambda c=cluster: self._cluster(c))
        yield from self._images()
        steps = pipeline.steps if pipeline is not None else ()
        for secret in sorted({n for step in steps for n in step.environment.secrets.values()}):
            name = f"secret {secret}"
            yield from looked_at(name, lambda s=secret: self._secret(s), needed=False)

    # --- the workspace --------------------------------------------------------------------------

    def _workspace(self) -> str | Check:
        settings = self._settings
        try:
            described = self._azure.described
        except NotFoundError as error:
            return Check(
                "workspace",
                "broken",
                f"there is no workspace '{settings.workspace}': {error.native_code}",
                "Correct the profile's subscription, resource_group and workspace: "
                f"az ml workspace list -g {settings.resource_group}. {_STACK}",
            )
        location = str(described.get("location", settings.region)).replace(" ", "").lower()
        if location != settings.region:
            return Check(
                "workspace",
                "broken",
                f"'{settings.workspace}' is in {location}, and the profile says {settings.region}",
                f'Write in the profile: region = "{location}"',
            )
        return f"{settings.workspace} in {location}"

    def _datastore(self) -> str | Check:
        """See that the profile's datastore is over its very container."""
        settings = self._settings
        path = f"{self._azure.workspace}/datastores/{settings.datastore}"
        try:
            kept = self._azure.arm("GetDatastore", "GET", path)["properties"]
        except NotFoundError:
            return Check(
                "datastore",
                "broken",
                f"the workspace has no datastore '{settings.datastore}'",
                f"Make it over the container '{settings.container}' of '{settings.account}': "
                f"az ml datastore create --file FILE. {_STACK}",
            )
        where = f"{kept.get('accountName')}/{kept.get('containerName') or kept.get('filesystem')}"
        if where != f"{settings.account}/{settings.container}":
            return Check(
                "datastore",
                "broken",
                f"'{settings.datastore}' is over {where}, and the profile says "
                f"{settings.account}/{settings.container}: jobs would write elsewhere",
                "Correct account, container or datastore in the profile",
            )
        return f"{settings.datastore} is over {where}"

    # --- rights ---------------------------------------------------------------------------------

    def _rights(self) -> str | Check:
        """See what Azure says who asks may do in the workspace.

        https://learn.microsoft.com/rest/api/authorization/permissions/list-for-resource
        """
        path = f"{self._azure.workspace}/providers/Microsoft.Authorization/permissions"
        held = self._azure.pages("ListPermissions", path, version=AUTHORIZATION, query={})
        missing = _missing(RUNNING, list(held))
        if missing:
            return Check(
                "your rights",
                "broken",
                f"you may not do in the workspace what runs need: {', '.join(missing)}",
                "Have a role assigned that allows it, such as AzureML Data Scientist: "
                "az role assignment create. What a pipeline needs: "
                "waterflow plan TARGET --permissions",
            )
        return "you may do in the workspace what runs need"

    def _identity(self, client: str) -> str | Check:
        """See that there is a user-assigned identity, and that it may use the container."""
        settings = self._settings
        path = f"{self._azure.group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
        listed = self._azure.pages("ListIdentities", path, version=IDENTITIES, query={})
        identity = next(
            (one for one in listed if one["properties"].get("clientId") == client), None
        )
        name = f"identity {client}"
        if identity is None:
            return Check(
                name,
                "warning",
                f"the resource group {settings.resource_group} has no identity of that client id",
                "Correct `identity` in the profile: az identity list --query '[].clientId'. "
                f"{_STACK}",
            )
        principal = identity["properties"]["principalId"]
        container = (
            f"{self._azure.group}/providers/Microsoft.Storage/storageAccounts/{settings.account}"
            f"/blobServices/default/containers/{settings.container}"
        )
        assigned = self._azure.pages(
            "ListRoleAssignments",
            f"{container}/providers/Microsoft.Authorization/roleAssignments",
            version=AUTHORIZATION,
            query={"$filter": f"assignedTo('{principal}')"},
        )
        if not list(assigned):
            return Check(
                name,
                "broken",
                f"'{identity['name']}' has no role on the container {settings.container}: its "
                "jobs can read and write nothing",
                "Assign it one: az role assignment create --role "
                f"'Storage Blob Data Contributor' --assignee {principal} --scope {container}",
            )
        return f"{identity['name']} has a role on the container {settings.container}"

    # --- where jobs run -------------------------------------------------------------------------

    def _cluster(self, name: str) -> str | Check:
        """See that there is a cluster, as the profile describes it."""
        said = self._settings.clusters[name]
        try:
            kept = self._azure.arm("GetCompute", "GET", f"{self._azure.workspace}/computes/{name}")
        except NotFoundError:
            return Check(
                f"cluster {name}",
                "broken",
                f"the workspace has no cluster '{name}'",
                f"Make it: az ml compute create --type AmlCompute -n {name} --size {said.machine} "
                f"--min-instances 0 --max-instances {said.nodes}. {_STACK}",
            )
        about = kept["properties"].get("properties") or {}
        machine = str(about.get("vmSize", ""))
        nodes = int((about.get("scaleSettings") or {}).get("maxNodeCount", said.nodes))
        spot = str(about.get("vmPriority", "")).lower() == "lowpriority"
        told = f"{nodes} of {machine}{' spot' if spot else ''}"
        if (machine.lower(), spot) != (said.machine.lower(), said.spot) or nodes < said.nodes:
            return Check(
                f"cluster {name}",
                "broken",
                f"it has {told}, and the profile says {said.nodes} of {said.machine}"
                f"{' spot' if said.spot else ''}",
                f"Correct clusters.{name} in the profile",
            )
        return f"{name}: {told}"

    def _images(self) -> Iterator[Check]:
        """Yield a finding for each image that the profile names."""
        settings, profile = self._settings, "profiles.NAME"
        here = f"{sys.version_info.major}.{sys.version_info.minor}"
        if settings.image is not None:
            yield python_check("image", settings.image, settings.python, profile)
        elif settings.python is not None and settings.python != here:
            yield python_check("image", "Azure ML's image", settings.python, profile)
        for step, own in settings.steps.items():
            if own.image is not None:
                python = own.python or settings.python
                where = f"{profile}.steps.{step}"
                yield python_check(f"image of {step}", own.image, python, where)

    # --- secrets --------------------------------------------------------------------------------

    def _secret(self, name: str) -> str | Check:
        """See that there is a secret; its value is not read, but its versions are listed."""
        vault = self._settings.vault
        if vault is None:
            return Check(
                f"secret {name}",
                "broken",
                "the profile names no Key Vault",
                'Write in the profile: vault = "NAME"',
            )
        url = f"https://{vault}.vault.azure.net/secrets/{name}/versions"
        answer = self._azure.send(
            "ListSecretVersions", "GET", url, scope=VAULT_SCOPE, query={"api-version": "7.4"}
        ).json()
        if not any(_enabled(one) for one in answer.get("value") or ()):
            return Check(
                f"secret {name}",
                "broken",
                f"there is no secret '{name}' in the vault {vault}",
                f"Make it: az keyvault secret set --vault-name {vault} --name {name} --value ...",
            )
        return f"is in the vault {vault}"


def _enabled(version: Mapping[str, Any]) -> bool:
    return bool((version.get("attributes") or {}).get("enabled", True))


def _missing(actions: tuple[str, ...], held: list[Mapping[str, Any]]) -> list[str]:
    """Return the actions that none of several roles allows."""
    return [action for action in actions if not any(_allows(one, action) for one in held)]


def _allows(role: Mapping[str, Any], action: str) -> bool:
    """Say whether a role allows an action.

    https://learn.microsoft.com/azure/role-based-access-control/role-definitions#actions-format
    """
    allowed, denied = (cast("list[str]", role.get(key) or []) for key in ("actions", "notActions"))
    return _matches(action, allowed) and not _matches(action, denied)


def _matches(action: str, patterns: list[str]) -> bool:
    low = action.lower()
    return any(fnmatch.fnmatchcase(low, pattern.lower()) for pattern in patterns)
