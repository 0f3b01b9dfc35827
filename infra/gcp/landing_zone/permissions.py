"""What each of the zone's roles may do, permission by permission, where, and the reason of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Scope = Literal["project", "bucket", "account", "secrets", "registry", "tracking"]
"""Where a role is given: of the project, or of one resource in it."""


@dataclass(frozen=True, kw_only=True)
class Permission:
    """Some permissions, and why they are given.

    Attributes:
        why: What they are for.
        scope: Where they are given.
        names: IAM's names.
    """

    why: str
    scope: Scope
    names: tuple[str, ...]


def allowed(permissions: Iterable[Permission], scope: Scope | None = None) -> tuple[str, ...]:
    """Return what permissions allow together, each once and in one order.

    Args:
        permissions: The permissions.
        scope: Where; None for everywhere.
    """
    names = {name for one in permissions if scope in (None, one.scope) for name in one.names}
    return tuple(sorted(names))


def _ai(kind: str, *verbs: str) -> tuple[str, ...]:
    return tuple(f"aiplatform.{kind}.{verb}" for verb in verbs)


_DATA: Final = Permission(
    why="read and write code, data and results, and replace them",
    scope="bucket",
    names=(
        "storage.buckets.get",
        *(f"storage.objects.{verb}" for verb in ("create", "delete", "get", "list")),
    ),
)
_TRACK: Final = Permission(
    why="track runs and register models in MLflow on Cloud Run",
    scope="tracking",
    names=("run.routes.invoke",),
)
_RUN: Final = (
    Permission(
        why="start runs, follow and cancel them, read their logs",
        scope="project",
        names=(
            *_ai("customJobs", "get"),
            *_ai("pipelineJobs", "cancel", "create", "get", "list"),
            "logging.logEntries.list",
        ),
    ),
    Permission(
        why="let jobs run as their account",
        scope="account",
        names=("iam.serviceAccounts.actAs", "iam.serviceAccounts.get"),
    ),
    _DATA,
)

OF_JOBS: Final = (
    _DATA,
    _TRACK,
    Permission(
        why="have a job for each step, and keep lineage, as Vertex AI does in the account's name",
        scope="project",
        names=(
            *_ai("artifacts", "create", "get", "list", "update"),
            *_ai(
                "contexts",
                "addContextArtifactsAndExecutions",
                "addContextChildren",
                "create",
                "get",
                "list",
                "queryContextLineageSubgraph",
                "update",
            ),
            *_ai("customJobs", "cancel", "create", "get", "list"),
            *_ai(
                "executions",
                "addExecutionEvents",
                "create",
                "get",
                "list",
                "queryExecutionInputsAndOutputs",
                "update",
            ),
            *_ai("metadataStores", "get", "list"),
            *_ai("pipelineJobs", "get"),
            "logging.logEntries.create",
        ),
    ),
    Permission(
        why="run the steps' jobs as itself",
        scope="account",
        names=("iam.serviceAccounts.actAs", "iam.serviceAccounts.get"),
    ),
    Permission(
        why="read the values of the secrets that are named",
        scope="secrets",
        names=("secretmanager.versions.access",),
    ),
    Permission(
        why="pull images",
        scope="registry",
        names=("artifactregistry.repositories.downloadArtifacts",),
    ),
)
"""What jobs may do."""

OF_SUBMITTERS: Final = (
    *_RUN,
    _TRACK,
    Permission(
        why="what waterflow doctor looks at: the project, its services and quotas",
        scope="project",
        names=(
            "cloudquotas.quotas.get",
            "resourcemanager.projects.get",
            "serviceusage.services.get",
            "serviceusage.services.list",
        ),
    ),
    Permission(
        why="have identity tokens for Cloud Run, which people's own credentials do not make",
        scope="account",
        names=("iam.serviceAccounts.getOpenIdToken",),
    ),
    Permission(
        why="see whether secrets are there, without their values",
        scope="secrets",
        names=("secretmanager.versions.get",),
    ),
)
"""What whoever submits may do."""

OF_SCHEDULERS: Final = (
    *_RUN,
    Permission(
        why="keep schedules",
        scope="project",
        names=_ai("schedules", "create", "delete", "get", "list", "pause", "resume", "update"),
    ),
)
"""What whoever keeps schedules may do: Vertex AI starts what they start as the jobs' account."""

OF_CI: Final = (
    Permission(
        why="push images",
        scope="registry",
        names=(
            "artifactregistry.repositories.downloadArtifacts",
            "artifactregistry.repositories.uploadArtifacts",
            "artifactregistry.tags.create",
            "artifactregistry.tags.update",
        ),
    ),
)
"""What workflows may do beside that."""

OF_TRACKING: Final = (
    Permission(
        why="keep MLflow's artifacts in the zone's bucket",
        scope="bucket",
        names=tuple(f"storage.objects.{verb}" for verb in ("create", "delete", "get", "list")),
    ),
    Permission(
        why="reach MLflow's database, and log in there by IAM",
        scope="project",
        names=("cloudsql.instances.connect", "cloudsql.instances.get", "cloudsql.instances.login"),
    ),
    Permission(
        why="write logs",
        scope="project",
        names=("logging.logEntries.create",),
    ),
)
"""What MLflow's own account may do."""
