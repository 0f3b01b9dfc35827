"""Google Cloud's landing zone is tight, by measurement: its roles, and what suites have called."""

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
_DOCTOR = "doctor asks it, and the recorded suites run no doctor; test_gcp_chain.py does"
_BY_VERTEX = "Vertex AI does it in the account's name: a job for each step, and lineage"
_MOUNTED = "by Cloud Storage's mount at /gcs, which is a folder in the emulator's jobs"
_CLOUD_RUN = "MLflow on Cloud Run: the recorded suites track to a server of MLflow's own"
NEVER_CALLED = {
    adapter.SUBMITTER: {},
    adapter.JOBS: {},
}
"""Permissions that a role allows and the suites never call -> why it allows them."""


class TestGoogle(TightRoles):
    record, never = RECORDS["gcp"], NEVER_CALLED

    def allowed(self, who):
        return {name for role in ROLES[who] for name in zone.allowed(role)}
