"""The plan: jobs, machines, limits with no account; times and changes where SageMaker answers."""

import json

import pytest

from tests.providers.sagemaker.cloud import CLOUD, project_at
from waterflow.runs.plan import make_plan
from waterflow.testing.remote_project import PROFILE


def planned(project, pipeline, **parameters):
    with project.call(pipeline, **parameters) as call:
        return make_plan(call, project.root, PROFILE)


def lonely(tmp_path, monkeypatch, **settings):
    """Return a project on a machine that knows no account and reaches no cloud."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    return project_at(tmp_path / "project", bucket="lonely", **settings)


def test_without_an_account_the_plan_says_what_will_run(tmp_path, monkeypatch):
    plan = planned(lonely(tmp_path, monkeypatch), "spotted", rounds=3, place="x")
    (learn,) = plan.steps
    assert (learn.kind, learn.spot) == ("training", True)
    assert learn.machine.startswith("ml.")
    assert learn.price_per_hour > 0
    assert (learn.seconds, learn.cost) == (None, None)
    assert not plan.problems
    assert any("credentials" in note for note in plan.notes)
    assert any("no times of earlier runs" in note for note in plan.notes)
    assert 'fan_out="jobs"' in plan.lacks
    (own,) = [one for one in plan.lacks if one.startswith("requirements")]
    assert "All libraries are the image's" in own
    assert 'set libraries = "wheelhouse" under [profiles.remote]' in own
    assert any("not known what the cache will answer" in note for note in plan.notes)
    assert learn.cache == "unknown"


def test_the_plan_shows_how_near_the_limits_are(tmp_path, monkeypatch):
    plan = planned(lonely(tmp_path, monkeypatch), "judged")
    limits = {one.what: one for one in plan.limits}
    assert 0 < limits["bytes of the definition"].used < limits["bytes of the definition"].most
    assert limits["parameters"].used == 3
    assert limits["inputs of a processing job"].most == 10
    assert limits["channels of a training job"].step in {"score", "good"}


def test_the_plan_names_roles_and_actions(tmp_path, monkeypatch):
    key = "arn:aws:kms:us-east-1:123456789012:key/0d1f"
    plan = planned(lonely(tmp_path, monkeypatch, kms_key=key), "chain")
    by_who = {one.who: set() for one in plan.permissions}
    for one in plan.permissions:
        by_who[one.who].update(one.actions)
    role = by_who["arn:aws:iam::123456789012:role/jobs"]
    assert {"s3:GetObject", "s3:PutObject", "sagemaker:CreateProcessingJob"} <= role
    assert "kms:Decrypt" in role
    assert {"sagemaker:StartPipelineExecution", "iam:PassRole"} <= by_who["submitter"]
    assert "sagemaker:CreateProcessingJob" not in by_who["submitter"]


@pytest.fixture
def at_emulator(emulator):
    with CLOUD.pointing(emulator):
        yield


def test_times_come_from_mlflow_and_changes_from_what_is_deployed(tmp_path, at_emulator, server):
    project = project_at(tmp_path / "project", tracking=server.url)
    assert planned(project, "chain").last_run is None
    run = project.submit("chain")
    assert project.finish(run).status == "succeeded"
    assert run.wait(timeout=300).unsent == 0
    plan = planned(project, "chain")
    assert plan.last_run == f"the deployed pipeline {project.prefix}-chain"
    assert plan.changes == ()
    assert {(step.cache, step.cached_from) for step in plan.steps} == {("cached", run.id)}
    assert (plan.seconds, plan.cost) == (0, 0)
    assert plan.full_seconds > 0
    # Another number: both steps run, and cost what they did.
    plan = planned(project, "chain", number=5)
    assert {(step.cache, step.cached_from) for step in plan.steps} == {("will run", None)}
    assert all(step.seconds > 0 and step.cost > 0 for step in plan.steps)
    assert plan.cost == pytest.approx(sum(step.cost for step in plan.steps)) == plan.full_cost
    project.change("def chain(number: int = 1)", "def chain(number: int = 2)")
    (change,) = planned(project, "chain").changes
    assert (change.what, change.name, change.change) == ("parameter", "number", "changed")
    shown = project.cli("plan", "kit_runs.py:chain", "--permissions")
    assert shown.returncode == 0, shown.stderr
    assert "will run" in shown.stdout
    assert "this run: about" in shown.stdout
    assert "iam:PassRole" in shown.stdout
    assert "~ parameter number" in shown.stdout
    shown = project.json("plan", "kit_runs.py:chain")
    assert shown["permissions"][0]["actions"]
    assert json.dumps(shown["limits"])
