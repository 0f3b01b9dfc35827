"""Azure's landing zone is tight, by measurement: its roles against what suites have called."""

from waterflow_azureml import permissions as adapter

from tests.infra.conftest import part
from tests.infra.record import RECORDS
from tests.infra.tightness import TightRoles

zone = part("azure", "permissions")
ROLES = {
    adapter.SUBMITTER: (zone.OF_SUBMITTERS, zone.OF_SCHEDULERS),
    adapter.JOBS: (zone.OF_JOBS,),
}
"""Who calls, as the emulator knows them -> their roles: whoever runs the suites keeps schedules."""
ML = "Microsoft.MachineLearningServices/workspaces"
BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
_HISTORY = "run history, at its own host: the emulator answers, and records no action of it"
_MLFLOW = "the workspace's own MLflow: the recorded suites track to a server of MLflow's own"
_BY_AZURE = "Azure does it in the caller's name while it takes a job"
_DOCTOR = "doctor asks it, and the recorded suites run no doctor; test_azure_chain.py does"
_MOVED = "inputs and outputs of jobs, which the emulator moves by itself"
_APPENDED = "Azure's role for writing blobs has it beside write"
TRACKED = {
    f"{ML}/{action}": _MLFLOW
    for action in (
        "experiments/read", "experiments/write", "metadata/artifacts/read",
        "metadata/artifacts/write", "models/read", "models/write", "models/versions/read",
        "models/versions/write",
    )
}  # fmt: skip
NEVER_CALLED = {
    adapter.SUBMITTER: TRACKED | {
        "Microsoft.KeyVault/vaults/secrets/readMetadata/action": _DOCTOR,
        "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action": _BY_AZURE,
        f"{BLOBS}/add/action": _APPENDED,
        f"{ML}/components/versions/read": _BY_AZURE,
        f"{ML}/computes/read": _DOCTOR,
        f"{ML}/data/versions/read": _BY_AZURE,
        f"{ML}/environments/build/action": _BY_AZURE,
        f"{ML}/environments/read": _BY_AZURE,
        f"{ML}/environments/versions/read": _BY_AZURE,
        f"{ML}/experiments/runs/read": _HISTORY,
        f"{ML}/experiments/runs/submit/action": _BY_AZURE,
        f"{ML}/experiments/runs/write": _HISTORY,
    },
    adapter.JOBS: TRACKED | {
        "Microsoft.ContainerRegistry/registries/pull/read": "images, which no emulator pulls",
        f"{BLOBS}/add/action": _APPENDED,
        f"{BLOBS}/delete": _MOVED,
        f"{BLOBS}/read": _MOVED,
        f"{BLOBS}/write": _MOVED,
        f"{ML}/experiments/runs/read": _MLFLOW,
        f"{ML}/experiments/runs/write": _MLFLOW,
        f"{ML}/read": _MLFLOW,
    },
}  # fmt: skip
"""Actions that a role allows and the suites never call -> why it allows them."""


class TestAzure(TightRoles):
    record, never = RECORDS["azure"], NEVER_CALLED

    def of(self, who, *, data):
        """Return the actions that the roles of one who calls allow, on data or otherwise."""
        every = [zone.allowed(role) for role in ROLES[who]]
        return {action for one in every for action in (one.data_actions if data else one.actions)}

    def allowed(self, who):
        return self.of(who, data=False) | self.of(who, data=True)

    def allows(self, call):
        return call["action"] in self.of(call["principal"], data=call["data"])
