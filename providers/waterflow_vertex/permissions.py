"""The permissions that a compiled pipeline needs: IAM's names, by who must be allowed them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from waterflow.provider import Permission

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from waterflow.cloud.document import CloudDocument
    from waterflow_vertex.profile import VertexSettings

SUBMITTER: Final = "submitter"
"""Whoever runs `waterflow run`."""
JOBS: Final = "jobs"
"""The service account of the jobs."""
SCHEDULER: Final = "scheduler"
"""Whoever keeps schedules: Vertex AI starts what they start as the jobs' service account."""


def _aiplatform(kind: str, *verbs: str) -> tuple[str, ...]:
    return tuple(f"aiplatform.{kind}.{verb}" for verb in verbs)


RUNNING: Final = (
    *_aiplatform("pipelineJobs", "cancel", "create", "get", "list"),
    *_aiplatform("customJobs", "get"),
    "logging.logEntries.list",
)
"""https://cloud.google.com/vertex-ai/docs/general/iam-permissions"""
LOOKING: Final = (
    "cloudquotas.quotas.get",
    "resourcemanager.projects.get",
    "serviceusage.services.get",
    "serviceusage.services.list",
)
"""What `waterflow doctor` looks at in the project beyond what runs need."""
SCHEDULING: Final = _aiplatform(
    "schedules", "create", "delete", "get", "list", "pause", "resume", "update"
)
OBJECTS: Final = (
    "storage.buckets.get",
    "storage.objects.create",
    "storage.objects.delete",
    "storage.objects.get",
    "storage.objects.list",
)
"""In the profile's bucket. What is overwritten needs `delete` too."""
READING: Final = ("storage.objects.get", "storage.objects.list")
STEPPING: Final = (
    *_aiplatform("artifacts", "create", "get", "list", "update"),
    *_aiplatform(
        "contexts",
        "addContextArtifactsAndExecutions",
        "addContextChildren",
        "create",
        "get",
        "list",
        "queryContextLineageSubgraph",
        "update",
    ),
    *_aiplatform("customJobs", "cancel", "create", "get", "list"),
    *_aiplatform(
        "executions",
        "addExecutionEvents",
        "create",
        "get",
        "list",
        "queryExecutionInputsAndOutputs",
        "update",
    ),
    *_aiplatform("metadataStores", "get", "list"),
    *_aiplatform("pipelineJobs", "get"),
)
"""What Vertex AI does for a pipeline as its service account: a job for each step, and lineage.

https://cloud.google.com/vertex-ai/docs/pipelines/configure-project#service-account
"""
LOGGING: Final = ("logging.logEntries.create",)
SECRETS: Final = ("secretmanager.versions.access",)
NAMING: Final = ("secretmanager.versions.get",)
"""Whether a secret is there, without its value."""
PULLING: Final = ("artifactregistry.repositories.downloadArtifacts",)
ACTING: Final = ("iam.serviceAccounts.actAs", "iam.serviceAccounts.get")
TRACKING: Final = ("run.routes.invoke",)
"""MLflow on Cloud Run, behind IAM."""
TOKENS: Final = ("iam.serviceAccounts.getOpenIdToken",)
"""A person's own credentials make no identity token for Cloud Run: the service account's do."""

ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    SUBMITTER: (*RUNNING, *LOOKING, *OBJECTS, *NAMING, *ACTING, *TRACKING, *TOKENS),
    JOBS: (*STEPPING, *LOGGING, *OBJECTS, *SECRETS, *PULLING, *ACTING, *TRACKING),
    SCHEDULER: (*RUNNING, *SCHEDULING, *OBJECTS, *ACTING),
}
"""What each of them must be allowed at most, whatever a pipeline does."""


def needed(document: CloudDocument, settings: VertexSettings) -> list[Permission]:
    """Return all permissions that a compiled pipeline needs.

    Args:
        document: The compiled pipeline.
        settings: The profile's settings.
    """
    return list(_Needs(document, settings).all())


def role_definition(title: str, permissions: tuple[str, ...]) -> dict[str, Any]:
    """Return a custom role, as `gcloud iam roles create --file` takes it.

    Args:
        title: Its title.
        permissions: What it allows.
    """
    return {
        "title": title,
        "description": "Keeps to what Waterflow asks of Google Cloud.",
        "stage": "GA",
        "includedPermissions": sorted(set(permissions)),
    }


class _Needs:
    """What one compiled pipeline needs.

    Args:
        document: The compiled pipeline.
        settings: The profile's settings.
    """

    def __init__(self, document: CloudDocument, settings: VertexSettings) -> None:
        self.document, self.settings = document, settings
        self.project = f"project {settings.project}"
        self.bucket = f"gs://{settings.bucket}"
        accounts = [settings.service_account, *(s.service_account for s in settings.steps.values())]
        self.accounts = sorted({account for account in accounts if account is not None})

    def all(self) -> Iterator[Permission]:
        """Yield them, those of jobs first."""
        yield from self._of_jobs()
        why = "to start runs and look at them"
        yield _allowed(SUBMITTER, RUNNING, self.project, why)
        why = "to bring code and data, read results"
        yield _allowed(SUBMITTER, OBJECTS, self.bucket, why)
        for account in self.accounts:
            why = "to let the jobs run as it"
            yield _allowed(SUBMITTER, ACTING, f"service account {account}", why)
        for bucket in self._outside():
            yield _allowed(SUBMITTER, READING, bucket, "to look at data, and to copy it")
        if self._tracks():
            yield _allowed(SUBMITTER, TRACKING, "MLflow on Cloud Run", "to track runs")
        yield _allowed(SUBMITTER, SCHEDULING, self.project, "to keep the pipeline's schedule")

    def _of_jobs(self) -> Iterator[Permission]:
        """Yield what the jobs' service accounts must be allowed."""
        for who in [f"service account {account}" for account in self.accounts] or [JOBS]:
            yield _allowed(who, STEPPING, self.project, "to run each step, and keep lineage")
            yield _allowed(who, LOGGING, self.project, "to write logs")
            yield _allowed(who, OBJECTS, self.bucket, "to read code and data, write results")
            yield _allowed(who, PULLING, "the registry of the images", "to pull images")
            if self._reads_secrets():
                yield _allowed(who, SECRETS, f"{self.project}, its secrets", "to read secrets")
            if self._tracks():
                why = "to track runs, and register models"
                yield _allowed(who, TRACKING, "MLflow on Cloud Run", why)

    def _reads_secrets(self) -> bool:
        return any(control.step.get("secrets") for control in self.document.control.values())

    def _tracks(self) -> bool:
        """Say whether jobs speak to an MLflow on Cloud Run."""
        return any(
            ".run.app" in str((control.launch.get(key) or {}).get("uri", ""))
            for control in self.document.control.values()
            for key in ("tracking", "registering")
        )

    def _outside(self) -> list[str]:
        """Return the buckets with data that is pinned and copied, besides the profile's."""
        buckets = {
            "/".join(uri.split("/")[:3]) for uri in self.document.data if uri.startswith("gs://")
        }
        return sorted(buckets - {self.bucket})


def _allowed(who: str, actions: tuple[str, ...], resource: str, why: str) -> Permission:
    return Permission(who=who, actions=actions, resources=(resource,), why=why)
