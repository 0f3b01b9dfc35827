"""What each of the zone's roles may do, action by action, and the reason of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_ML: Final = "Microsoft.MachineLearningServices/workspaces"
_BLOBS: Final = "Microsoft.Storage/storageAccounts/blobServices/containers"
_REGISTRY: Final = "Microsoft.ContainerRegistry/registries"
_OWN_CONTAINERS: Final = "azureml"
"""What the names of the workspace's own containers begin with."""


@dataclass(frozen=True, kw_only=True)
class Permission:
    """Some actions, and why they are allowed.

    Attributes:
        why: What they are for.
        actions: Actions on resources.
        data_actions: Actions on what is in them.
    """

    why: str
    actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """All that a role allows, each action once and in one order.

    Attributes:
        actions: Actions on resources.
        data_actions: Actions on what is in them.
    """

    actions: tuple[str, ...]
    data_actions: tuple[str, ...]


def allowed(permissions: Iterable[Permission]) -> Allowed:
    """Return what permissions allow together."""
    every = list(permissions)
    return Allowed(
        actions=tuple(sorted({action for one in every for action in one.actions})),
        data_actions=tuple(sorted({action for one in every for action in one.data_actions})),
    )


def _of(kind: str, *verbs: str) -> tuple[str, ...]:
    return tuple(f"{_ML}/{kind}/{verb}" for verb in verbs)


_DATA: Final = Permission(
    why="read and write code, data and results, and replace them",
    data_actions=tuple(
        f"{_BLOBS}/blobs/{verb}" for verb in ("read", "write", "add/action", "delete")
    ),
)
_TRACK: Final = Permission(
    why="track runs and register models in the workspace's MLflow",
    actions=(
        f"{_ML}/read",
        *_of("experiments", "read", "write"),
        *_of("experiments/runs", "read", "write"),
        *_of("metadata/artifacts", "read", "write"),
        *_of("models", "read", "write"),
        *_of("models/versions", "read", "write"),
    ),
)
_RUN: Final = (
    Permission(
        why="start runs, follow and cancel them",
        actions=(
            f"{_ML}/read",
            *_of("jobs", "read", "write", "cancel/action"),
            *_of("experiments", "read", "write"),
            *_of("experiments/runs", "read", "write", "submit/action"),
            *_of("metadata/artifacts", "read"),
            *_of("computes", "read"),
            *_of("datastores", "read"),
        ),
    ),
    Permission(
        why="register what runs are made of: components and environments",
        actions=(
            *_of("components/versions", "read", "write"),
            *_of("data/versions", "read"),
            *_of("environments", "read", "build/action"),
            *_of("environments/versions", "read", "write"),
        ),
    ),
    Permission(
        why="give jobs their identity",
        actions=("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",),
    ),
    _DATA,
)

OF_JOBS: Final = (
    _DATA,
    _TRACK,
    Permission(
        why="read the values of secrets",
        data_actions=("Microsoft.KeyVault/vaults/secrets/getSecret/action",),
    ),
    Permission(why="pull images", actions=(f"{_REGISTRY}/pull/read",)),
)
"""What jobs may do."""

OF_SUBMITTERS: Final = (
    *_RUN,
    _TRACK,
    Permission(
        why="see whether secrets are there, without their values",
        data_actions=("Microsoft.KeyVault/vaults/secrets/readMetadata/action",),
    ),
)
"""What whoever submits may do."""

OF_SCHEDULERS: Final = (
    *_RUN,
    Permission(why="keep schedules", actions=_of("schedules", "read", "write", "delete")),
)
"""What whoever keeps schedules may do: Azure ML starts what they start in that one's name."""

OF_EXAMINERS: Final = (
    Permission(
        why="see whether the jobs' identity is there, and what it and oneself may do",
        actions=(
            "Microsoft.Authorization/permissions/read",
            "Microsoft.Authorization/roleAssignments/read",
            "Microsoft.ManagedIdentity/userAssignedIdentities/read",
        ),
    ),
)
"""What `waterflow doctor` looks at, in the resource group; submitters may."""

OF_CI: Final = (
    Permission(
        why="push images",
        actions=(f"{_REGISTRY}/pull/read", f"{_REGISTRY}/push/write"),
    ),
)
"""What workflows may do beside that."""

OF_WORKSPACE: Final = (
    Permission(
        why="keep its own containers and shares, without the account's keys",
        actions=(
            "Microsoft.Storage/storageAccounts/read",
            "Microsoft.Storage/storageAccounts/blobServices/read",
            "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action",
            f"{_BLOBS}/read",
            f"{_BLOBS}/write",
            "Microsoft.Storage/storageAccounts/fileServices/read",
            "Microsoft.Storage/storageAccounts/fileServices/shares/read",
            "Microsoft.Storage/storageAccounts/fileServices/shares/write",
        ),
        data_actions=(
            f"{_BLOBS}/blobs/read",
            f"{_BLOBS}/blobs/write",
            f"{_BLOBS}/blobs/add/action",
            f"{_BLOBS}/blobs/delete",
        ),
    ),
    Permission(
        why="keep its connections' secrets in its own vault",
        actions=("Microsoft.KeyVault/vaults/read",),
        data_actions=(
            "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
            "Microsoft.KeyVault/vaults/secrets/getSecret/action",
            "Microsoft.KeyVault/vaults/secrets/setSecret/action",
            "Microsoft.KeyVault/vaults/secrets/delete",
        ),
    ),
    Permission(
        why="build the images of environments",
        actions=(
            f"{_REGISTRY}/read",
            f"{_REGISTRY}/pull/read",
            f"{_REGISTRY}/push/write",
            f"{_REGISTRY}/listBuildSourceUploadUrl/action",
            f"{_REGISTRY}/scheduleRun/action",
            f"{_REGISTRY}/runs/read",
            f"{_REGISTRY}/runs/listLogSasUrl/action",
        ),
    ),
    Permission(
        why="write the endpoints' telemetry",
        actions=("Microsoft.Insights/components/read",),
    ),
)
"""What the workspace itself may do, of the resources that it is made of."""

OF_MANAGED_NETWORK: Final = (
    Permission(
        why="have the managed network's private endpoints approved",
        actions=tuple(
            f"{kind}/{verb}"
            for kind in (
                "Microsoft.Storage/storageAccounts",
                "Microsoft.KeyVault/vaults",
                _REGISTRY,
            )
            for verb in (
                "privateEndpointConnections/read",
                "privateEndpointConnections/write",
                "privateEndpointConnectionsApproval/action",
                "read",
            )
        ),
    ),
)
"""What the workspace may do where its managed network leads to closed resources."""

BLOB_READER: Final = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
"""Storage Blob Data Reader, of other containers: the zone's own roles are its group's alone.

https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
"""


def containers_only(containers: Sequence[str], data_actions: Iterable[str]) -> str:
    """Return the condition that blobs are in some containers, or in the workspace's own.

    https://learn.microsoft.com/azure/role-based-access-control/conditions-format

    Args:
        containers: Their names.
        data_actions: The role's actions on data, of which those on blobs are meant.
    """
    actions = [action for action in data_actions if action.startswith(_BLOBS)]
    others = " AND ".join(f"!(ActionMatches{{'{action}'}})" for action in actions)
    name = f"@Resource[{_BLOBS}:name]"
    places = [
        *(f"{name} StringEquals '{container}'" for container in containers),
        f"{name} StringLike '{_OWN_CONTAINERS}*'",
    ]
    return f"(({others}) OR ({' OR '.join(places)}))"
