"""Runs on SageMaker: started once, whoever is killed; found again; resumed; from any machine."""

import json
import os
import signal

import boto3
import pytest

from tests.providers.sagemaker.runs_kit import Project, door, pointed, until
from waterflow.errors import ArtifactError, ConflictError, NotFoundError
from waterflow.provider.state import Status


@pytest.fixture
def pointing(emulator):
    with pointed(emulator):
        yield emulator


@pytest.fixture
def project(pointing, tmp_path):
    return Project(tmp_path / "project")


# --- started once ---------------------------------------------------------------------------------


def test_one_id_is_one_execution(project):
    runs = [project.submit("single", {"run_id": "mine_1.x"}) for _ in range(2)]
    other = project.copied(project.root.with_name("other"))
    runs.append(other.submit("single", {"run_id": "mine_1.x"}))
    assert {run.state.execution for run in runs} == {runs[0].state.execution}
    assert project.finish(runs[0]).status is Status.SUCCEEDED
    assert len(project.executions("single")) == 1
    with pytest.raises(ConflictError, match="Choose another id"):
        project.submit("single", {"run_id": "mine_1.x"}, number=2)
    assert len(project.executions("single")) == 1


@pytest.mark.parametrize(
    ("at", "when"),
    [
        ("CreatePipeline", "after"),
        ("/submissions/", "after"),
        ("StartPipelineExecution", "after"),
    ],
)
def test_a_client_that_is_killed_is_followed_by_another(project, pointing, at, when):
    with door(pointing.endpoint) as before:
        before.hold(at, when)
        environ = os.environ | {"AWS_ENDPOINT_URL": before.url}
        command = ("submit", "run_pipelines.py:single", "--run-id", "cut")
        client = project.start_cli(*command, env=environ)
        # A killed client's request that was held is never served: it has no connection left.
        assert before.reached.wait(60), client.communicate()
        os.kill(client.pid, signal.SIGKILL)
        client.communicate()
        started = (at, when) == ("StartPipelineExecution", "after")
        if started:
            assert project.finish("cut").status is Status.SUCCEEDED
        else:
            with pytest.raises(NotFoundError, match=r"waterflow runs|--run-id cut"):
                project.fresh("cut").state  # noqa: B018
        run = project.submit("single", {"run_id": "cut"})
        assert project.finish(run).status is Status.SUCCEEDED
        assert project.values(run) == {"first": 2}
        assert len(project.executions("single")) == 1
        assert [state.run for state in project.provider.runs()] == ["cut"]


def test_replies_that_are_lost_start_nothing_twice(project, pointing, tmp_path, monkeypatch):
    with door(pointing.endpoint) as before:
        monkeypatch.setenv("AWS_ENDPOINT_URL", before.url)
        for name in (
            "CreatePipeline", "StartPipelineExecution", "/submissions/",
            "RetryPipelineExecution", "StopPipelineExecution",
        ):  # fmt: skip
            before.lose(name)
        marker = tmp_path / "marker"
        run = project.submit("fragile", marker=str(marker))
        assert project.finish(run).status is Status.FAILED
        marker.touch()
        again = project.submit("waiting", bell=str(tmp_path / "bell"))
        run = project.submit("fragile", {"resume": run.id}, marker=str(marker))
        again.cancel()
        assert project.finish(again).status is Status.CANCELLED
        assert project.finish(run).status is Status.SUCCEEDED
        assert set(before.lost.values()) == {0}
        assert [len(project.executions(name)) for name in ("fragile", "waiting")] == [1, 1]


def test_data_in_s3_goes_to_jobs_without_passing_through_this_machine(project, pointing):
    s3 = boto3.client("s3")
    for key in ("raw/a.csv", "raw/deep/b.csv"):
        s3.put_object(Bucket=project.bucket, Key=key, Body=b"x" * len(key))
    with door(pointing.endpoint) as before, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", before.url)
        runs = [project.submit("measuring", source=f"s3://{project.bucket}/{name}")
                for name in ("raw", "raw/a.csv")]  # fmt: skip
        assert not [one for one in before.seen if one.startswith(f"GET /{project.bucket}/raw/")]
        assert [one for one in before.seen if one.startswith(f"HEAD /{project.bucket}/raw/")]
    assert {project.finish(run).status for run in runs} == {Status.SUCCEEDED}
    assert project.values(runs[0]) == {"measure": {"raw/a.csv": 9, "raw/deep/b.csv": 14}}
    assert project.values(runs[1]) == {"measure": {"a.csv": 9}}


def tags_of(project, pipeline):
    found = boto3.client("sagemaker").list_tags(
        ResourceArn=f"arn:aws:sagemaker:us-east-1:123456789012:pipeline/{project.prefix}-{pipeline}"
    )
    return {tag["Key"]: tag["Value"] for tag in found["Tags"]}


def test_tags_of_the_profile_reach_a_pipeline_that_is_there(pointing, tmp_path):
    first = Project(tmp_path / "first", **{"tags.team": "risk", "tags.stage": "test"})
    first.finish(first.submit("single"))
    client = boto3.client("sagemaker")
    arn = client.describe_pipeline(PipelineName=f"{first.prefix}-single")["PipelineArn"]
    client.add_tags(ResourceArn=arn, Tags=[{"Key": "owner", "Value": "somebody else"}])
    later = Project(
        tmp_path / "later", bucket=first.bucket, prefix=first.prefix, **{"tags.team": "fraud"}
    )
    later.finish(later.submit("single"))
    assert tags_of(first, "single") == {
        "team": "fraud", "owner": "somebody else", "waterflow:pipeline": "single",
    }  # fmt: skip


def test_two_pipelines_of_one_native_name_do_not_replace_each_other(project):
    project.change("def chain(", "def two_parts(")
    project.submit("two_parts").cancel()
    other = project.copied(project.root.with_name("other"))
    other.change("@wf.pipeline\ndef two_parts(", '@wf.pipeline(name="two-parts")\ndef two_parts(')
    with pytest.raises(ConflictError, match="'two_parts', and 'two-parts' would have the same"):
        other.submit("two_parts")
    assert len(project.executions("two-parts")) == 1


def test_what_starts_is_what_this_submit_wrote(project, pointing):
    other = project.copied(project.root.with_name("other"))
    other.change('VERSION = "one"', 'VERSION = "two"')
    with door(pointing.endpoint) as before:
        before.hold("StartPipelineExecution", "before")
        environ = os.environ | {"AWS_ENDPOINT_URL": before.url}
        command = ("submit", "run_pipelines.py:chain", "--run-id", "slow")
        client = project.start_cli(*command, env=environ)
        assert before.reached.wait(60), client.communicate()
        later = other.submit("chain", {"run_id": "quick"})
        before.open.set()
        out, err = client.communicate(timeout=60)
        assert (client.returncode, out) == (0, "slow\n"), err
    assert {project.finish(run).status for run in ("slow", later)} == {Status.SUCCEEDED}
    assert project.values(project.fresh("slow"))["second"] == "one 2"
    assert project.values(later)["second"] == "two 2"


def test_two_that_submit_first_at_once_both_run(project, pointing):
    other = project.copied(project.root.with_name("other"))
    other.change('VERSION = "one"', 'VERSION = "two"')
    with door(pointing.endpoint) as before:
        before.hold("CreatePipeline", "before")
        environ = os.environ | {"AWS_ENDPOINT_URL": before.url}
        command = ("submit", "run_pipelines.py:chain", "--run-id", "second")
        client = project.start_cli(*command, env=environ)
        assert before.reached.wait(60), client.communicate()
        other.submit("chain", {"run_id": "first"})
        before.open.set()
        _, err = client.communicate(timeout=60)
        assert client.returncode == 0, err
    assert {project.finish(run).status for run in ("first", "second")} == {Status.SUCCEEDED}
    assert project.values(project.fresh("second"))["second"] == "one 2"
    assert project.values(other.fresh("first"))["second"] == "two 2"


# --- from another machine -------------------------------------------------------------------------


def test_a_run_is_found_from_another_machine(project, tmp_path):
    bell = tmp_path / "bell"
    done = project.cli(
        "submit", "run_pipelines.py:waiting", "-p", f"bell={bell}", "-p", "talk=3",
        "--run-id", "far", "--json",
    )  # fmt: skip
    assert json.loads(done.stdout)["run"] == "far", done.stderr
    until((tmp_path / "bell.here").exists, what="the step")
    other = project.copied(tmp_path / "elsewhere")
    provider = other.provider
    state = until(lambda: (s := provider.status("far")).steps["wait_for"].job and s)
    assert (state.status, state.pipeline) == (Status.RUNNING, "waiting")
    follower = other.start_cli("logs", "far", "--follow", "--json")
    lines = [json.loads(follower.stdout.readline()) for _ in range(3)]
    assert [line["text"] for line in lines] == [f"{n} grüße ☂" for n in range(3)]
    bell.touch()  # only now: the lines above came while it ran
    rest, err = follower.communicate(timeout=60)
    assert follower.returncode == 0, err
    assert [json.loads(line)["text"] for line in rest.splitlines()] == ["the bell has rung"]
    assert other.finish("far").status is Status.SUCCEEDED
    (found,) = provider.artifacts("far")
    folder = tmp_path / "fetched"
    done = other.cli("artifacts", "far", "--download", str(folder))
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "wait_for.output" / "value.json").read_text()) == "rung"
    shown = other.json("runs")
    assert [(run["run"], run["status"]) for run in shown] == [("far", "succeeded")]
    key = found.uri.removeprefix(f"s3://{project.bucket}/") + "value.json"
    boto3.client("s3").put_object(Bucket=project.bucket, Key=key, Body=b'"wrong"')
    with pytest.raises(ArtifactError, match="is not what its step wrote") as caught:
        provider.download("far", "wait_for", "output")
    assert f"'wait_for.output' at {found.uri}" in str(caught.value)


def test_a_run_is_cancelled_from_another_machine(project, tmp_path):
    run = project.submit("waiting", {"run_id": "stop"}, bell=str(tmp_path / "bell"))
    until((tmp_path / "bell.here").exists, what="the step")
    other = project.copied(tmp_path / "elsewhere")
    done = other.cli("cancel", "stop")
    assert (done.returncode, done.stdout) == (0, "stop cancelled\n"), done.stderr
    state = project.finish(run)
    assert (state.status, state.steps["wait_for"].status) == (Status.CANCELLED, Status.CANCELLED)
    other.provider.cancel("stop")  # it has ended: it stays as it is
    # What was cancelled can be gone on from, and be cancelled again.
    (tmp_path / "bell.here").unlink()
    again = other.submit("waiting", {"resume": "stop"}, bell=str(tmp_path / "bell"))
    until((tmp_path / "bell.here").exists, what="the step")
    again.cancel()
    assert project.finish(again).status is Status.CANCELLED
    assert len(project.executions("waiting")) == 1


# --- resumed --------------------------------------------------------------------------------------


def test_a_failed_run_is_resumed_and_finished_steps_stand(project, tmp_path):
    marker = tmp_path / "marker"
    lame = {"marker": str(marker), "number": 5}
    failed = project.finish(project.submit("fragile", {"run_id": "lame"}, **lame))
    assert failed.status is Status.FAILED
    jobs = {name: step.job for name, step in failed.steps.items()}
    assert failed.steps["after"].status is Status.NOT_RUN
    assert failed.steps["breaks"].error == "ValueError: there is no marker ✗"
    assert "raise ValueError" in failed.steps["breaks"].detail
    with pytest.raises(ConflictError, match=f"-p marker={marker} -p number=5"):
        project.submit("fragile", {"resume": "lame", "run_id": "no"}, marker="else")
    other = project.copied(tmp_path / "other")
    other.change('print("about to break ✗", flush=True)', "print('now')")
    with pytest.raises(ConflictError, match="ran another version of its code"):
        other.submit("fragile", {"resume": "lame"}, **lame)
    marker.touch()
    run = project.submit("fragile", {"resume": "lame"}, **lame)
    assert project.submit(
        "fragile", {"resume": "lame", "run_id": run.id}, **lame
    ).id == run.id  # fmt: skip
    state = project.finish(run)
    assert state.status is Status.SUCCEEDED
    assert state.steps["first"].job == jobs["first"]
    assert state.steps["breaks"].job != jobs["breaks"]
    assert project.values(run) == {"first": 6, "breaks": 1, "after": 7}
    assert [one.run for one in project.provider.runs()] == [run.id, "lame"]
    assert len(project.executions("fragile")) == 1
    with pytest.raises(ConflictError, match="has succeeded: there is nothing to go on with"):
        project.submit("fragile", {"resume": run.id}, **lame)
    with pytest.raises(NotFoundError, match="There is no run 'never'"):
        project.submit("fragile", {"resume": "never"}, **lame)


# --- the cache ------------------------------------------------------------------------------------


def _statuses(project, run):
    return {name: str(step.status) for name, step in project.finish(run).steps.items()}


def test_the_cache_answers_what_has_not_changed(project):
    ran = {"first": "succeeded", "always": "succeeded"}
    cached = {"first": "cached", "always": "succeeded"}
    assert _statuses(project, project.submit("mixed", {"cache": False})) == ran
    # What ran without the cache asked for nothing, and left nothing.
    assert _statuses(project, project.submit("mixed")) == ran
    run = project.submit("mixed")
    assert _statuses(project, run) == cached
    assert project.values(run) == {"first": 2, "always": 1}
    assert {line.step for line in run.logs()} <= {"always"}
    (project.root / "unrelated.py").write_text("value = 1\n")
    assert _statuses(project, project.submit("mixed")) == cached
    other = project.copied(project.root.with_name("other"))
    other.change('VERSION = "one"', 'VERSION = "two"')
    changed = other.submit("mixed")
    assert _statuses(other, changed) == dict.fromkeys(ran, "succeeded")
