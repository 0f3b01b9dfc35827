"""The permissions that a compiled pipeline needs: Azure's actions, by who must be allowed them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from waterflow.provider import Permission

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow.cloud.document import CloudDocument
    from waterflow_azureml.profile import AzureMLSettings

SUBMITTER: Final = "submitter"
"""Whoever runs `waterflow run`."""
JOBS: Final = "jobs"
"""The identity of the jobs: the profile's, or each cluster's own."""
SCHEDULER: Final = "scheduler"
"""Whoever keeps schedules: Azure ML starts what they start in that one's name."""

_ML: Final = "Microsoft.MachineLearningServices/workspaces"
_BLOBS: Final = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"


def _ml(*actions: str) -> tuple[str, ...]:
    return tuple(f"{_ML}/{action}" for action in actions)


@dataclass(frozen=True, kw_only=True)
class Rights:
    """What one role allows, in Azure's two lists.

    Attributes:
        actions: What is asked of Azure Resource Manager.
        data: What is asked of the data itself: `dataActions`.
    """

    actions: tuple[str, ...] = ()
    data: tuple[str, ...] = ()


RUNNING: Final = _ml(
    "read",
    "jobs/read",
    "jobs/write",
    "jobs/cancel/action",
    "components/versions/read",
    "components/versions/write",
    "computes/read",
    "data/versions/read",
    "datastores/read",
    "environments/read",
    "environments/versions/read",
    "environments/versions/write",
    "environments/build/action",
    "experiments/read",
    "experiments/write",
    "experiments/runs/read",
    "experiments/runs/write",
    "experiments/runs/submit/action",
    "metadata/artifacts/read",
)
"""https://learn.microsoft.com/azure/role-based-access-control/permissions/ai-machine-learning"""
SCHEDULING: Final = _ml("schedules/read", "schedules/write", "schedules/delete")
TRACKING: Final = _ml(
    "read",
    "experiments/read",
    "experiments/write",
    "experiments/runs/read",
    "experiments/runs/write",
    "metadata/artifacts/read",
    "metadata/artifacts/write",
    "models/read",
    "models/write",
    "models/versions/read",
    "models/versions/write",
)
"""What a client that tracks runs and registers models in the workspace's own MLflow asks."""
BLOBS: Final = tuple(f"{_BLOBS}/{action}" for action in ("read", "write", "add/action", "delete"))
READING: Final = (f"{_BLOBS}/read",)
SECRETS: Final = ("Microsoft.KeyVault/vaults/secrets/getSecret/action",)
PULLING: Final = ("Microsoft.ContainerRegistry/registries/pull/read",)
ASSIGNING: Final = ("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",)

ROLES: Final = {
    SUBMITTER: Rights(actions=(*RUNNING, *TRACKING), data=BLOBS),
    JOBS: Rights(actions=(*TRACKING, *PULLING), data=(*BLOBS, *SECRETS)),
    SCHEDULER: Rights(actions=(*RUNNING, *SCHEDULING), data=BLOBS),
}
"""What each of them must be allowed at most, whatever a pipeline does."""


def needed(document: CloudDocument, settings: AzureMLSettings) -> list[Permission]:
    """Return all permissions that a compiled pipeline needs.

    Args:
        document: The compiled pipeline.
        settings: The profile's settings.
    """
    return list(_Needs(document, settings).all())


def role_definition(name: str, rights: Rights, scopes: list[str]) -> dict[str, Any]:
    """Return a custom role, as `az role definition create --role-definition` takes it.

    Args:
        name: Its name.
        rights: What it allows.
        scopes: The ids of resource groups or subscriptions in which it can be assigned.
    """
    return {
        "Name": name,
        "IsCustom": True,
        "Description": "Keeps to what Waterflow asks of Azure.",
        "Actions": sorted(set(rights.actions)),
        "NotActions": [],
        "DataActions": sorted(set(rights.data)),
        "NotDataActions": [],
        "AssignableScopes": scopes,
    }


class _Needs:
    """What one compiled pipeline needs.

    Args:
        document: The compiled pipeline.
        settings: The profile's settings.
    """

    def __init__(self, document: CloudDocument, settings: AzureMLSettings) -> None:
        self.document, self.settings = document, settings
        group = f"/subscriptions/{settings.subscription}/resourceGroups/{settings.resource_group}"
        providers = f"{group}/providers"
        self.workspace = (
            f"{providers}/Microsoft.MachineLearningServices/workspaces/{settings.workspace}"
        )
        self.container = (
            f"{providers}/Microsoft.Storage/storageAccounts/{settings.account}"
            f"/blobServices/default/containers/{settings.container}"
        )
        self.vault = f"{providers}/Microsoft.KeyVault/vaults/{settings.vault}"
        self.jobs = f"identity {settings.identity}" if settings.identity else JOBS

    def all(self) -> Iterator[Permission]:
        """Yield them, those of jobs first."""
        yield from self._of_jobs()
        yield _allowed(SUBMITTER, RUNNING, self.workspace, "to start runs and look at them")
        yield _allowed(SUBMITTER, BLOBS, self.container, "to bring code and data, read results")
        if self.settings.identity is not None:
            yield _allowed(
                SUBMITTER, ASSIGNING, f"identity {self.settings.identity}", "to give it to the jobs"
            )
        yield from self._of_data()
        if self._tracks():
            why = "to track runs in the workspace's MLflow"
            yield _allowed(SUBMITTER, TRACKING, self.workspace, why)
        yield _allowed(SUBMITTER, SCHEDULING, self.workspace, "to keep the pipeline's schedule")

    def _of_jobs(self) -> Iterator[Permission]:
        """Yield what the jobs' identity must be allowed."""
        why = "to read code and data, write results"
        yield _allowed(self.jobs, BLOBS, self.container, why)
        yield _allowed(self.jobs, PULLING, "the workspace's registry", "to pull images")
        if any(control.step.get("secrets") for control in self.document.control.values()):
            yield _allowed(self.jobs, SECRETS, self.vault, "to read secrets")
        if self._tracks():
            why = "to track runs, and register models"
            yield _allowed(self.jobs, TRACKING, self.workspace, why)

    def _tracks(self) -> bool:
        """Say whether jobs speak to the workspace's own MLflow."""
        return any(
            str((control.launch.get(key) or {}).get("uri", "")).startswith("azureml:")
            for control in self.document.control.values()
            for key in ("tracking", "registering")
        )

    def _of_data(self) -> Iterator[Permission]:
        """Yield what pinning and copying data in Blob Storage wants of the submitter."""
        from waterflow_azureml.addresses import blob_address

        places = sorted(
            f"{address.account}/{address.container}"
            for uri in self.document.data
            if (address := blob_address(uri)) is not None
        )
        for place in dict.fromkeys(places):
            account, _, container = place.partition("/")
            where = f"storage account {account}, container {container}"
            yield _allowed(SUBMITTER, READING, where, "to look at data, and to copy it")


def _allowed(who: str, actions: tuple[str, ...], resource: str, why: str) -> Permission:
    return Permission(who=who, actions=actions, resources=(resource,), why=why)
