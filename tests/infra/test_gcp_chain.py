"""Google Cloud's landing zone from `pulumi up` to a run: its profile is all a run is told."""

import sys
import time
from urllib.parse import quote

from waterflow_vertex.connections import LOGGING, STORAGE, Google
from waterflow_vertex.emulator import Emulator
from waterflow_vertex.emulator.calls import RECORD
from waterflow_vertex.emulator.preparing import PROJECT, REGION

from tests.infra import chain, gcp_access
from tests.infra.conftest import part
from tests.providers.vertex.cloud import CLOUD, JOBS, SECRETS
from tests.providers.vertex.emulated import container, pipeline

logs = part("gcp", "logs")
FINAL = ("PIPELINE_STATE_FAILED", "PIPELINE_STATE_SUCCEEDED", "PIPELINE_STATE_CANCELLED")
IAM = f"https://iam.googleapis.com/v1/projects/{PROJECT}"
MANAGER = f"https://cloudresourcemanager.googleapis.com/v1/projects/{PROJECT}"
USAGE = f"https://serviceusage.googleapis.com/v1/projects/{PROJECT}/services"
ME = f"submitter@{PROJECT}.iam.gserviceaccount.com"
"""Whoever submits has the submitters' roles, as infra/README.md says."""
EXAMINED = {
    "project", "APIs", "bucket's place", "your rights", "image", "quota", "mlflow",
}  # fmt: skip
"""What doctor looks at on Google Cloud, beside the jobs' account."""


class Project:
    """A project: what it has by type of resource, the types being Pulumi's."""

    def __init__(self):
        self.google = Google("A test", PROJECT)
        self.first = self.names()

    def all(self, url, entries, **query):
        return list(self.google.pages("List", url, entries, query))

    def roles(self):
        return self.all(f"{IAM}/roles", "roles", view="FULL")

    def policies(self):
        """Return the bindings of all that roles are given on."""
        policies = {"project": self._bindings("POST", f"{MANAGER}:getIamPolicy")}
        for one in self.all(f"{STORAGE}/storage/v1/b", "items", project=PROJECT):
            name = one["name"]
            policies[f"buckets/{name}"] = self._bindings(
                "GET", f"{STORAGE}/storage/v1/b/{name}/iam"
            )
        for one in self.all(f"{IAM}/serviceAccounts", "accounts"):
            email = one["email"]
            url = f"{IAM}/serviceAccounts/{quote(email)}:getIamPolicy"
            policies[f"serviceAccounts/{email}"] = self._bindings("POST", url)
        for one in self.all(SECRETS, "secrets"):
            name = one["name"].rpartition("/")[2]
            policies[f"secrets/{name}"] = self._bindings("GET", f"{SECRETS}/{name}:getIamPolicy")
        return policies

    def _bindings(self, method, url):
        body = {} if method == "POST" else None
        return self.google.call("GetIamPolicy", method, url, body).get("bindings", [])

    def names(self):
        roles = self.roles()
        return {
            "Bucket": {
                one["name"] for one in self.all(f"{STORAGE}/storage/v1/b", "items", project=PROJECT)
            },
            "Account": {one["email"] for one in self.all(f"{IAM}/serviceAccounts", "accounts")},
            "IAMCustomRole": {one["name"] for one in roles},
            "Secret": {one["name"].rpartition("/")[2] for one in self.all(SECRETS, "secrets")},
        }

    def new(self):
        """Return the names of what was not there at first."""
        return {kind: sorted(names - self.first[kind]) for kind, names in self.names().items()}

    def services(self):
        return {
            one["name"].rpartition("/")[2]
            for one in self.all(USAGE, "services", filter="state:ENABLED")
        }


def test_a_stack_s_profile_is_all_that_a_run_needs(server, tmp_path, monkeypatch):
    settings = {
        "project": PROJECT,
        "region": REGION,
        "submitters": [f"serviceAccount:{ME}"],
        "secrets": ["token", "other"],
        "mlflow_uri": server.url,
        "image_tag": "1",
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
    }
    record = tmp_path / "calls"
    monkeypatch.setenv(RECORD, str(record))
    with Emulator(grace=2) as emulator, CLOUD.pointing(emulator):
        project = Project()
        monkeypatch.setenv("GOOGLE_OAUTH_ACCESS_TOKEN", project.google.token())
        with chain.landing_zone("gcp", settings, steady=True) as zone:
            outputs, profile = zone["outputs"], zone["outputs"]["profile"]["settings"]
            assert project.new() == zone["names"], "what the stack made, and nothing else"
            assert all(zone["names"].values())
            assert "pubsub.googleapis.com" in project.services()
            deployers = len(chain.calls(record))
            examined = {*EXAMINED, f"service account {profile['service_account']}"}
            runs = f"gs://{profile['bucket']}/waterflow/runs/"
            with chain.project(tmp_path / "shop", {}):
                checks, plan, run = chain.use(outputs, examined, runs)
            assert profile["bucket"] in checks["bucket's place"]["found"]
            called = chain.calls(record, deployers)
            look(project, outputs, plan, run)
            fail(project, profile)
            hold(project, profile, called)
            assert project.new() == zone["names"], "the run needed nothing else"
        assert not any(project.new().values()), "destroyed"
        assert not any(any(ones) for ones in project.policies().values()), "and nobody has a role"


def look(project, outputs, plan, run):
    """See that the run is what the plan said, with what the profile names."""
    profile = outputs["profile"]["settings"]
    (job,) = project.all(f"{JOBS}/pipelineJobs", "pipelineJobs")
    job = project.google.call("Get", "GET", f"{JOBS}/pipelineJobs/{job['name'].rpartition('/')[2]}")
    assert job["displayName"] == "waterflow-sums"
    assert job["serviceAccount"] == profile["service_account"] == outputs["service_account"]
    assert job["labels"].items() >= profile["tags"].items()
    root = job["runtimeConfig"]["gcsOutputDirectory"]
    assert root.startswith(f"gs://{outputs['bucket']}/waterflow/runs")
    machines = {one["name"]: one["machine"] for one in plan["steps"]}
    jobs = project.all(f"{JOBS}/customJobs", "customJobs")
    assert len(jobs) == len(run["steps"]) == len(machines)
    pools = [pool for one in jobs for pool in one["jobSpec"]["workerPoolSpecs"]]
    assert {one["jobSpec"]["serviceAccount"] for one in jobs} == {profile["service_account"]}
    assert {pool["containerSpec"]["imageUri"] for pool in pools} == {profile["image"]}
    assert {pool["machineSpec"]["machineType"] for pool in pools} == set(machines.values())


def fail(project, profile):
    """See that a run that fails, in two steps, is one entry of the log that alarms go by."""
    body = {
        "pipelineSpec": pipeline({"one": container("false"), "two": container("false")}),
        "runtimeConfig": {"gcsOutputDirectory": f"gs://{profile['bucket']}/waterflow/runs"},
        "serviceAccount": profile["service_account"],
    }
    query = {"pipelineJobId": "failing"}
    project.google.call("Create", "POST", f"{JOBS}/pipelineJobs", body, query=query)
    deadline = time.monotonic() + 60
    while project.google.call("Get", "GET", f"{JOBS}/pipelineJobs/failing")["state"] not in FINAL:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    entries = {"severity>=ERROR": 3, logs.failed_runs(PROJECT): 1}
    for words, number in entries.items():
        body = {
            "resourceNames": [f"projects/{PROJECT}"],
            "filter": f'{words} AND resource.labels.pipeline_job_id="failing"',
        }
        answer = project.google.call("List", "POST", f"{LOGGING}/v2/entries:list", body)
        assert len(answer["entries"]) == number, answer


def hold(project, profile, called):
    """See that the roles that the stack has given allow what was called, and not much else."""
    held = gcp_access.grants(project.policies(), project.roles())
    jobs, bucket = profile["service_account"], profile["bucket"]
    assert ME in {call["account"] for call in called} <= {ME, jobs}
    objects = f"/storage/v1/b/{bucket}/o/x"
    secret, other = (f"projects/{PROJECT}/secrets/{name}" for name in ("token", "absent"))
    moved = [  # what Vertex AI does for jobs, by their account
        *(_call(jobs, f"storage.objects.{verb}", objects) for verb in ("create", "get", "list")),
        _call(jobs, "aiplatform.customJobs.create", "projects/1/locations/us-central1"),
        _call(jobs, "iam.serviceAccounts.actAs", f"projects/{PROJECT}/serviceAccounts/{jobs}"),
        _call(jobs, "secretmanager.versions.access", f"{secret}/versions/latest:access"),
    ]
    beyond = [
        _call(jobs, "aiplatform.pipelineJobs.create", "projects/1/locations/us-central1"),
        _call(jobs, "storage.objects.get", "/storage/v1/b/waterflow-data/o/x"),
        _call(jobs, "secretmanager.versions.access", f"{other}/versions/latest:access"),
        _call(ME, "secretmanager.versions.access", f"{secret}/versions/latest:access"),
        _call(ME, "storage.objects.delete", "/waterflow-data/x"),
        _call(ME, "iam.serviceAccounts.actAs", f"projects/{PROJECT}/serviceAccounts/{ME}"),
        _call(ME, "resourcemanager.projects.setIamPolicy", f"/v1/projects/{PROJECT}:setIamPolicy"),
    ]
    for asking, lacking in ((called, 0), (moved, 0), (beyond, len(beyond))):
        refused = gcp_access.refused(asking, held)
        assert len(refused) == lacking, refused


def _call(account, action, resource):
    return {"account": account, "action": action, "resource": resource}
