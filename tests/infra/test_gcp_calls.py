"""Google Cloud's landing zone is tight, by measurement: its roles, and what suites called."""

from waterflow_vertex import permissions as adapter

from tests.infra.conftest import part
from tests.infra.record import RECORDS
from tests.infra.tightness import TightRoles

zone = part("gcp", "permissions")
ROLES = {
    adapter.SUBMITTER: (zone.OF_SUBMITTERS, zone.OF_SCHEDULERS),
    adapter.JOBS: (zone.OF_JOBS,),
}
"""Who calls, as the emulator knows them -> their roles: whoever runs the suites keeps schedules."""
_BY_VERTEX = "Vertex AI does it in the account's name: a job for each step, and lineage"
_MOUNTED = "Cloud Storage's mount at /gcs does it, which is a folder in the emulator's jobs"
_SCHEDULES = (
    "`waterflow schedule` asks it; test_submission.py holds the request, without an emulator"
)
_CLOUD_RUN = "MLflow on Cloud Run: the recorded suites track to a server of MLflow's own"
BY_VERTEX = (
    *(f"aiplatform.artifacts.{verb}" for verb in ("create", "get", "list", "update")),
    *(f"aiplatform.contexts.{verb}" for verb in (
        "addContextArtifactsAndExecutions", "addContextChildren", "create", "get", "list",
        "queryContextLineageSubgraph", "update")),
    *(f"aiplatform.customJobs.{verb}" for verb in ("cancel", "create", "get", "list")),
    *(f"aiplatform.executions.{verb}" for verb in (
        "addExecutionEvents", "create", "get", "list", "queryExecutionInputsAndOutputs", "update")),
    *(f"aiplatform.metadataStores.{verb}" for verb in ("get", "list")),
    "aiplatform.pipelineJobs.get", "iam.serviceAccounts.actAs", "iam.serviceAccounts.get",
    "logging.logEntries.create",
)  # fmt: skip
NEVER_CALLED = {
    adapter.SUBMITTER: {
        **{
            f"aiplatform.schedules.{verb}": _SCHEDULES
            for verb in ("get", "pause", "resume", "update")
        },
        "iam.serviceAccounts.getOpenIdToken": _CLOUD_RUN,
        "run.routes.invoke": _CLOUD_RUN,
        "serviceusage.services.list": "doctor asks for several services at once; whether that "
        "takes this permission or services.get alone was not measured",
    },
    adapter.JOBS: {
        **dict.fromkeys(BY_VERTEX, _BY_VERTEX),
        "artifactregistry.repositories.downloadArtifacts": "images, which no emulator pulls",
        "run.routes.invoke": _CLOUD_RUN,
        "storage.buckets.get": _MOUNTED,
        "storage.objects.create": _MOUNTED,
        "storage.objects.delete": _MOUNTED,
        "storage.objects.get": _MOUNTED,
        "storage.objects.list": _MOUNTED,
    },
}
"""Permissions that a role allows and the suites never call -> why it allows them."""


class TestGoogle(TightRoles):
    record, never = RECORDS["gcp"], NEVER_CALLED

    def allowed(self, who):
        return {name for role in ROLES[who] for name in zone.allowed(role)}
