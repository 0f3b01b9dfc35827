"""Tracking of runs on SageMaker: all of it, once, whoever sends it and whatever is down."""

import json
import os
import signal

import boto3
import pytest
from mlflow import MlflowClient
from waterflow_sagemaker.emulator import Emulator

from tests.providers.sagemaker.runs_kit import Project, door, pointed, until
from tests.servers import free_port
from waterflow.cloud import lease
from waterflow.provider.state import Status
from waterflow.runs import submit as submitting


@pytest.fixture(scope="module")
def service():
    """An emulator of this file's own: its clock is put forward."""
    with Emulator(grace=2) as running:
        yield running


@pytest.fixture
def pointing(service):
    with pointed(service):
        yield service


@pytest.fixture
def project(pointing, server, tmp_path):
    role = "arn:aws:iam::123456789012:role/scheduler"
    return Project(tmp_path / "project", server.url, scheduler_role=role, cache_days=1)


def tracked(server, execution):
    """Return a run in MLflow, and its children by step and attempt; nothing is there twice."""
    client = MlflowClient(tracking_uri=server.url)
    experiments = [one.experiment_id for one in client.search_experiments()]
    found = client.search_runs(experiments, f"tags.`waterflow.execution` = '{execution}'")
    children = {
        (one.data.tags["waterflow.step"], int(one.data.tags["waterflow.attempt"])): one
        for one in found
        if "waterflow.step" in one.data.tags
    }
    (parent,) = [one for one in found if "waterflow.step" not in one.data.tags]
    assert len(children) == len(found) - 1
    return parent, children


def test_what_mlflow_missed_is_sent_later_and_once(pointing, server, tmp_path):
    port = free_port()
    project = Project(tmp_path / "project", f"http://127.0.0.1:{port}")
    marker = tmp_path / "marker"
    done = project.cli(
        "run", "run_pipelines.py:fragile", "--run-id", "one", "-p", f"marker={marker}"
    )
    assert done.returncode == 1, done.stderr
    assert "breaks failed: ValueError: there is no marker ✗" in done.stdout
    assert "raise ValueError" in done.stdout
    assert "https://us-east-1.console.aws.amazon.com/sagemaker/home" in done.stdout
    assert "MLflow has not got 4 of its tracking events yet; nothing is lost" in done.stdout
    failed = project.provider.sync("one")
    assert (failed.sent, failed.left) == (0, 4)
    assert f"127.0.0.1:{port}" in failed.error
    with server.door(port):
        other = project.copied(tmp_path / "elsewhere")
        done = other.cli("sync", "--json")
        assert json.loads(done.stdout) == [{"run": "one", "sent": 4, "left": 0, "error": None}]
        assert project.cli("sync").stdout == "MLflow has got everything.\n"
        state = project.fresh("one").state
        parent, children = tracked(server, state.execution)
        assert (parent.info.run_name, parent.info.status) == ("one", "FAILED")
        assert parent.data.params["number"] == "1"
        assert {key: one.info.status for key, one in children.items()} == {
            ("first", 1): "FINISHED", ("breaks", 1): "FAILED",
        }  # fmt: skip
        broken = children["breaks", 1].data.tags
        assert broken["waterflow.error.message"] == "there is no marker ✗"
        assert broken["waterflow.job"] == state.steps["breaks"].job
        # Gone on from, the same run there ends well, with one more attempt.
        marker.touch()
        run = project.submit("fragile", {"resume": "one"}, marker=str(marker))
        assert project.finish(run).status is Status.SUCCEEDED
        assert project.provider.sync(run.id).left == 0
        parent, children = tracked(server, state.execution)
        assert parent.info.status == "FINISHED"
        assert parent.data.metrics == {"breaks.tries": 2.0}
        assert parent.data.tags["waterflow.error.message"] == ""
        assert {key: one.info.status for key, one in children.items()} == {
            ("first", 1): "FINISHED", ("breaks", 1): "FAILED", ("breaks", 2): "FINISHED",
            ("after", 1): "FINISHED",
        }  # fmt: skip


@pytest.mark.parametrize("follower", ["itself", "another"])
def test_who_sends_and_is_killed_is_followed(pointing, server, tmp_path, monkeypatch, follower):
    with door(server.url) as before:
        project = Project(tmp_path / "project", before.url)
        run = project.submit("chain")
        assert project.finish(run).status is Status.SUCCEEDED
        before.hold("runs/create", "after", count=2)
        sender = project.start_cli("sync", run.id)
        assert before.reached.wait(60), sender.communicate()
        other = project.copied(tmp_path / "elsewhere")
        for one in (project, other):
            told = one.provider.sync(run.id)
            assert (told.sent, told.error) == (0, "Another is sending this run.")
        os.kill(sender.pid, signal.SIGKILL)
        sender.communicate()
        before.open.set()
        assert other.provider.sync(run.id).error is not None
        if follower == "itself":  # which knows at once that it is gone
            sent = project.provider.sync(run.id)
        else:  # which knows when the lease has not been renewed for long
            monkeypatch.setattr(lease, "SECONDS", 2.0)
            sent = until(lambda: (told := other.provider.sync(run.id)).error is None and told)
        assert (sent.sent, sent.left, sent.error) == (4, 0, None)
        parent, children = tracked(server, run.state.execution)
        assert set(children) == {("first", 1), ("second", 1)}
        assert {one.info.status for one in (parent, *children.values())} == {"FINISHED"}


def test_two_machines_that_send_at_once_send_once(server, project, tmp_path):
    run = project.submit("chain", {"run_id": "both", "cache": False})
    assert project.finish(run).status is Status.SUCCEEDED
    other = project.copied(tmp_path / "elsewhere")
    senders = [one.start_cli("sync", "both", "--json") for one in (project, other)]
    told = [json.loads(sender.communicate(timeout=120)[0])[0] for sender in senders]
    assert sum(one["sent"] for one in told) == 4
    assert {one["error"] for one in told} <= {None, "Another is sending this run."}
    parent, children = tracked(server, project.fresh("both").state.execution)
    assert set(children) == {("first", 1), ("second", 1)}
    assert parent.info.status == "FINISHED"


def test_jobs_that_were_stopped_or_killed_are_tracked_as_such(server, project, tmp_path):
    stopped = project.submit("waiting", bell=str(tmp_path / "bell"))
    dead = project.submit("hard")
    until((tmp_path / "bell.here").exists, what="the step")
    stopped.cancel()
    assert project.finish(stopped).status is Status.CANCELLED
    assert project.finish(dead).status is Status.FAILED
    for run, step, ours, theirs in (
        (stopped, "wait_for", "cancelled", "KILLED"), (dead, "killed", "failed", "FAILED"),
    ):  # fmt: skip
        assert project.provider.sync(run.id).left == 0
        parent, children = tracked(server, run.state.execution)
        child = children[step, 1]
        assert (parent.info.status, child.info.status) == (theirs, theirs)
        assert child.data.tags["waterflow.status"] == ours
        assert child.info.end_time is not None
        assert child.data.tags["waterflow.job"] == run.state.steps[step].job


def test_a_scheduled_run_is_found_and_tracked_and_results_expire(pointing, server, project):
    with project.code() as module:
        provider, build, document = submitting.compile_call(module.nightly(), project.root, "aws")
    assert provider.schedules().apply(build, document, {"number": 7}) == "created"
    pointing.advance(86400)
    (started,) = project.executions("nightly")
    name = started["PipelineExecutionArn"].rpartition("/")[2]
    state = project.finish(name)
    assert (state.run, state.execution, state.status) == (name, name, Status.SUCCEEDED)
    assert [one.run for one in project.provider.runs()] == [name]
    assert project.values(project.fresh(name))["second"] == "one 8"
    assert project.provider.sync(name).left == 0
    parent, children = tracked(server, name)
    assert parent.data.params["number"] == "7"
    assert parent.data.tags["waterflow.run"] == name
    assert set(children) == {("first", 1), ("second", 1)}
    # A run of the same within the day is answered by it, and linked to it.
    run = project.submit("nightly", number=7)
    state = project.finish(run)
    assert {step.status for step in state.steps.values()} == {Status.CACHED}
    assert project.provider.sync(run.id).left == 0
    parent, none = tracked(server, state.execution)
    assert none == {}
    assert parent.data.tags["waterflow.cached.first"] == f"{name}/first/1"
    assert parent.data.tags["waterflow.cached.first.run_id"] == children["first", 1].info.run_id
    provider.schedules().delete(provider.schedules().list()[0].name)
    pointing.advance(2 * 86400)
    state = project.finish(project.submit("nightly", number=7))
    assert {step.status for step in state.steps.values()} == {Status.SUCCEEDED}


def test_what_steps_print_becomes_metrics_there_and_in_mlflow(server, project):
    run = project.submit("learning")
    state = project.finish(run)
    assert state.status is Status.SUCCEEDED, state
    assert state.steps["look"].status is Status.SUCCEEDED, "the condition read what was returned"
    assert project.provider.sync(run.id).left == 0
    _, children = tracked(server, state.execution)
    client = MlflowClient(tracking_uri=server.url)
    history = {
        name: [(one.step, one.value) for one in
               client.get_metric_history(children[step, 1].info.run_id, name)]
        for step, name in (
            ("fit", "output"), ("fit", "val:rate"), ("look", "seen"), ("count", "counted"),
        )
    }  # fmt: skip
    assert history == {
        "output": [(0, 1.0), (1, 0.5), (2, 0.25), (3, 0.0625)],
        "val:rate": [(0, 5.0)],
        "seen": [(0, 1.0), (1, 2.0)],
        "counted": [(0, 1.0), (1, 2.0)],
    }
    job = boto3.client("sagemaker").describe_training_job(TrainingJobName=state.steps["fit"].job)
    assert job["AlgorithmSpecification"]["MetricDefinitions"] == [
        {"Name": "output", "Regex": r"loss=(\S+)"},
        {"Name": "output_2", "Regex": "::waterflow-value:: output_2=([-+0-9.eE]+)"},
        {"Name": "val:rate", "Regex": "rate ([0-9]+)"},
    ]
    final = {one["MetricName"]: one["Value"] for one in job["FinalMetricDataList"]}
    assert final == {"output": 0.0625, "output_2": 0.75, "val:rate": 5.0}
    lines = [line.text for line in run.logs("fit")]
    assert sorted(lines) == ["0: loss=1.0", "1: loss=0.5", "2: loss=0.25", "loss=0.0625", "rate 5"]
