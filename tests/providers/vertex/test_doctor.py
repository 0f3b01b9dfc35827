"""`waterflow doctor` with a profile of Vertex AI: each fault is made, and told with the way out."""

from __future__ import annotations

import json
import sys

import pytest
from click.testing import CliRunner
from waterflow_vertex.connections import STORAGE
from waterflow_vertex.emulator.preparing import PROJECT, REGION

from tests.providers.vertex.cloud import CLOUD, REGISTRY, google, make_secret
from tests.servers import free_port
from waterflow.cli import cli
from waterflow.testing.passage import Refusal, passage

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
OTHER = "3.9"
ACCOUNT = f"submitter@{PROJECT}.iam.gserviceaccount.com"
KEY = f"projects/{PROJECT}/locations/{REGION}/keyRings/r/cryptoKeys/k"
BUCKET, SECRET = "doctor", "doctor-token"
PIPELINE = """
import waterflow as wf


@wf.step(secrets={"TOKEN": wf.secret("SECRET")})
def fetch() -> int:
    return 1


@wf.pipeline
def secretive() -> None:
    fetch()
"""


@pytest.fixture(scope="module")
def service(emulator):
    """The session's emulator, with a bucket and a secret."""
    with CLOUD.pointing(emulator):
        CLOUD.make_bucket(BUCKET)
        make_secret(SECRET, "x")
    return emulator


class Project:
    """A project with a profile of Vertex AI, all of which is there at first."""

    def __init__(self, root, tracking, opened):
        self.root, self.tracking, self.opened = root, tracking, opened
        self.settings = {
            "project": PROJECT,
            "region": REGION,
            "bucket": BUCKET,
            "service_account": ACCOUNT,
            "image": f"{REGISTRY}/ml:{HERE}",
            "python": HERE,
        }
        self.secret = SECRET

    def examined(self):
        """Return the exit code and what was found, by name."""
        settings = [f"{key} = {json.dumps(value)}" for key, value in self.settings.items()]
        lines = ["[profiles.google]", 'provider = "vertex"', *settings,
                 "[tracking]", f'uri = "{self.tracking}"', ""]  # fmt: skip
        (self.root / "waterflow.toml").write_text("\n".join(lines))
        (self.root / "pipeline.py").write_text(PIPELINE.replace("SECRET", self.secret))
        result = CliRunner().invoke(cli, ["doctor", ".", "--profile", "google", "--json"])
        checks = {one["name"]: one for one in json.loads(result.stdout)["checks"]}
        return result.exit_code, checks

    def answer(self, request, body, status=200):
        """Let Google answer a request so, which the emulator has no way to be in."""
        self.opened.refuse(request, Refusal(status, "application/json", json.dumps(body).encode()))

    def deny(self, request):
        error = {"code": 403, "status": "PERMISSION_DENIED", "message": "The caller may not"}
        self.answer(request, {"error": error}, 403)


@pytest.fixture(scope="module")
def tracking(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('tracking')}/mlflow.db"


@pytest.fixture
def project(service, tracking, tmp_path):
    path, modules = list(sys.path), set(sys.modules)
    with (
        CLOUD.pointing(service),
        passage(service.endpoint, CLOUD.request_name) as opened,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.chdir(tmp_path)
        for name, value in CLOUD.through(opened.url).items():
            patch.setenv(name, value)
        yield Project(tmp_path, tracking, opened)
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if "pytest-of" in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]


def test_a_profile_whose_things_are_all_there_is_well(project):
    code, checks = project.examined()
    assert code == 0, checks
    cloud = {"credentials", "bucket", "project", "APIs", "bucket's place", "your rights", "image",
             f"service account {ACCOUNT}", "quota", f"secret {SECRET}", "mlflow"}  # fmt: skip
    assert {checks[name]["state"] for name in cloud} == {"ok"}
    assert checks["credentials"]["found"] == ACCOUNT
    objects = google().call("ListObjects", "GET", f"{STORAGE}/storage/v1/b/{BUCKET}/o")
    assert "items" not in objects, "nothing that was written to try the bucket stays"


def without_credentials(project, monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(project.root / "none.json"))


def setting(key, value):
    return lambda project, _: project.settings.update({key: value})


def answer(request, body):
    return lambda project, _: project.answer(request, body)


def absent_secret(project, _):
    project.secret = "nowhere"


def absent_mlflow(project, _):
    project.tracking = f"http://127.0.0.1:{free_port()}"


def spent_secret(project, _):
    project.answer(f"{SECRET}/versions/latest", {"name": "x", "state": "DISABLED"})


def kept_account(**more):
    return answer(f"GET /v1/projects/-/serviceAccounts/{ACCOUNT}", {"email": ACCOUNT, **more})


NO_CPUS = {"dimensionsInfos": [{"applicableLocations": [REGION], "details": {"value": "0"}}]}
FAULTS = {
    "no credentials": (without_credentials, "credentials", "none.json",
                       "gcloud auth application-default login"),
    "no such bucket": (setting("bucket", "absent-bucket-of-nobody"), "bucket",
                       "absent-bucket-of-nobody", "waterflow profile show"),
    "bucket elsewhere": (setting("region", "europe-west4"), "bucket's place",
                         f"is in {REGION}, and the profile says europe-west4",
                         f'region = "{REGION}"'),
    "bucket of another key": (setting("kms_key", KEY), "bucket's place",
                              f"encrypts by keys of Google, and the profile says {KEY}",
                              "--default-encryption-key"),
    "project that goes": (answer(f"GET /v1/projects/{PROJECT}",
                                 {"projectId": PROJECT, "lifecycleState": "DELETE_REQUESTED"}),
                          "project", "is being deleted", "gcloud projects undelete"),
    "API not enabled": (answer("services:batchGet", {"services": []}), "APIs",
                        "secretmanager.googleapis.com", "gcloud services enable aiplatform"),
    "no rights": (answer(f"/v1/projects/{PROJECT}:testIamPermissions", {}), "your rights",
                  "aiplatform.pipelineJobs.create", "gcloud projects add-iam-policy-binding"),
    "no such account": (setting("service_account", f"absent@{PROJECT}.iam.gserviceaccount.com"),
                        f"service account absent@{PROJECT}.iam.gserviceaccount.com",
                        "there is none of that name", "gcloud iam service-accounts list"),
    "account disabled": (kept_account(disabled=True), f"service account {ACCOUNT}",
                         "it is disabled", "gcloud iam service-accounts enable"),
    "account of others": (answer(f"{ACCOUNT}:testIamPermissions", {}), f"service account {ACCOUNT}",
                          "iam.serviceAccounts.actAs", "roles/iam.serviceAccountUser"),
    "another Python": (setting("python", OTHER), "image",
                       f"has Python {OTHER}, and this environment {HERE}",
                       f"Work in Python {OTHER}"),
    "Python not said": (lambda p, _: p.settings.pop("python"), "profile", "cannot be used",
                        'python = "'),
    "no CPUs": (answer("/quotaInfos/", NO_CPUS), "quota", f"no CPU in {REGION}",
                "iam-admin/quotas"),
    "no such secret": (absent_secret, "secret nowhere", "there is no secret 'nowhere'",
                       "gcloud secrets create nowhere"),
    "secret disabled": (spent_secret, f"secret {SECRET}", "there is no secret",
                        f"gcloud secrets create {SECRET}"),
    "MLflow down": (absent_mlflow, "mlflow", "cannot be reached", "waterflow sync"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_each_fault_is_told_with_the_way_out(project, monkeypatch, fault):
    make, name, finding, hint = fault
    make(project, monkeypatch)
    code, checks = project.examined()
    assert code == 3
    assert checks[name]["state"] == "broken", checks
    assert finding in checks[name]["found"], checks[name]
    assert hint in checks[name]["hint"], checks[name]
    broken = [key for key, one in checks.items() if one["state"] == "broken"]
    assert broken == [name], "nothing else is wrong"


def test_a_project_that_is_not_there_or_not_for_who_asks_is_told(project):
    """Google tells nobody which of the two it is."""
    project.settings["project"] = "another-project"
    code, checks = project.examined()
    assert code == 3
    assert checks["your rights"]["state"] == "broken"
    assert "may not exist" in checks["your rights"]["found"]
    assert "waterflow profile show" in checks["your rights"]["hint"]


UNSEEN = {
    "project": f"GET /v1/projects/{PROJECT}",
    "APIs": "services:batchGet",
    "bucket's place": f"GET /storage/v1/b/{BUCKET}",
    "quota": "/quotaInfos/",
    f"service account {ACCOUNT}": f"GET /v1/projects/-/serviceAccounts/{ACCOUNT}",
    f"secret {SECRET}": f"/secrets/{SECRET}/versions/latest",
}


def test_what_may_not_be_looked_at_is_a_warning(project):
    """Runs do without it."""
    for request in UNSEEN.values():
        project.deny(request)
    code, checks = project.examined()
    assert code == 0, checks
    warned = {name: one["found"] for name, one in checks.items() if one["state"] == "warning"}
    assert UNSEEN.keys() <= warned.keys()
    assert all("The caller may not" in warned[name] for name in UNSEEN)
