"""Runs on SageMaker when requests fail, machines are missing or taken away, and steps die."""

import boto3
import pytest
from waterflow_sagemaker.emulator import Emulator

from tests.providers.sagemaker.runs_kit import Project, door, pointed
from waterflow.errors import NotFoundError, ProviderError, StepFailed
from waterflow.provider.state import Status

FLAKY = "throttle=0.2,error503=0.1,lost=0.1,slow=0.1,slow-for=0.3,seed=11"
JOBS = (
    "capacity=wait_for:1,capacity=first:99,limit=exits:99,image=say:99,"
    "spot=1,spot-after=600,spot-grace=2"
)


@pytest.fixture
def pointing(emulator):
    with pointed(emulator):
        yield emulator


@pytest.fixture
def project(pointing, tmp_path):
    return Project(tmp_path / "project")


@pytest.fixture(scope="module")
def hostile():
    """An emulator in which jobs meet faults."""
    with Emulator(grace=2, faults=JOBS) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def starved(hostile, tmp_path_factory):
    """A run that takes its time to fail, watched by a user: what it came to is looked at last."""
    with pointed(hostile):
        project = Project(tmp_path_factory.mktemp("starved") / "project")
        watcher = project.start_cli("run", "run_pipelines.py:starved", "--run-id", "dry")
        project.watcher = watcher
    with watcher:  # the test that reads its words may be another worker's
        yield project
        watcher.kill()


# --- requests -------------------------------------------------------------------------------------


def test_nothing_is_lost_or_done_twice_when_requests_fail(tmp_path):
    with Emulator(grace=2, faults=FLAKY) as emulator, pointed(emulator):
        project = Project(tmp_path / "project", poll=0.5)
        run, same = (project.submit("chain", {"run_id": "only"}, number=7) for _ in range(2))
        assert same.state.execution == run.state.execution
        assert project.finish(run).status is Status.SUCCEEDED
        assert project.values(run) == {"first": 8, "second": "one 8"}
        assert [line.text for line in run.logs()] == ["first → 7 ✓"]
        assert [state.run for state in project.provider.runs()] == ["only"]
        broken = project.submit("exiting")
        with pytest.raises(StepFailed, match="exits") as caught:
            broken.check(project.finish(broken))
        assert "going ✗" in caught.value.log_tail


# --- machines -------------------------------------------------------------------------------------


def test_what_passes_is_waited_for(hostile, tmp_path):
    with pointed(hostile):
        project = Project(tmp_path / "project")
        (tmp_path / "bell").touch()
        state = project.finish(project.submit("waiting", bell=str(tmp_path / "bell")))
        assert state.status is Status.SUCCEEDED


def test_an_interrupted_spot_job_goes_on_from_its_checkpoint(hostile, tmp_path):
    with pointed(hostile):
        project = Project(tmp_path / "project")
        run = project.submit("spotted", rounds=4, place=str(tmp_path / "told"))
        assert project.finish(run).status is Status.SUCCEEDED
        begun = [int(line) for line in (tmp_path / "told").read_text().split()]
        assert begun[0] == 0
        assert begun[1] > 0
        assert project.values(run)["learn"] == [str(begun[1]), "4"]
        (summary,) = boto3.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
        job = boto3.client("sagemaker").describe_training_job(
            TrainingJobName=summary["TrainingJobName"]
        )
        assert job["EnableManagedSpotTraining"]
        told = [one["Status"] for one in job["SecondaryStatusTransitions"]]
        assert "Interrupted" in told


# --- training -------------------------------------------------------------------------------------


def test_two_instances_know_each_other_and_the_first_writes(project, tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    run = project.submit("paired", place=str(place))
    assert project.finish(run).status is Status.SUCCEEDED
    told = [(place / rank).read_text().split("|") for rank in ("0", "1")]
    assert told[0] == ["algo-1", "7777", "0", "2", "algo-1,algo-2"]
    assert told[1] == ["algo-1", "7777", "1", "2", "algo-1,algo-2"]
    assert project.values(run)["together"]["RANK"] == "0"
    assert sorted(line.text for line in run.logs()) == ["rank 0", "rank 1"]


def test_values_of_all_kinds_decide(project):
    yes = project.submit("judged", {"run_id": "yes"})
    no = project.submit("judged", {"run_id": "no"}, value=0.2, text="no")
    for run, ran, skipped in ((yes, "yes", "no"), (no, "no", "yes")):
        state = project.finish(run)
        assert state.status is Status.SUCCEEDED
        for name in ("metric", "flag", "text", "entry", "mixed"):
            assert state.steps[f"{name}_{ran}"].status is Status.SUCCEEDED, name
            assert state.steps[f"{name}_{skipped}"].status is Status.SKIPPED, name


# --- steps that die -------------------------------------------------------------------------------


def test_the_service_s_own_pages_tell_why_a_step_failed(project):
    state = project.finish(project.submit("hard"))
    job = state.steps["killed"].job
    described = boto3.client("sagemaker").describe_processing_job(ProcessingJobName=job)
    assert described["ExitMessage"] == "the step ended with exit code 137"
    assert state.steps["killed"].error
    state = project.finish(project.submit("exiting"))
    job = state.steps["exits"].job
    described = boto3.client("sagemaker").describe_processing_job(ProcessingJobName=job)
    assert described["ExitMessage"] == state.steps["exits"].error
    assert "9" in described["ExitMessage"]


def test_lines_of_parallel_steps_come_in_their_order(project, tmp_path):
    run = project.submit("talking", place=str(tmp_path / "turn"))
    turns = [(name, turn) for turn in range(3) for name in ("left", "right")]
    expected = [(name, f"{name} {turn} é漢") for name, turn in turns]
    asked = (tmp_path / f"turn.{name}.{turn}" for name, turn in turns)
    next(asked).touch()
    followed = []
    for line in run.logs(follow=True):
        followed.append((line.step, line.text))
        for place in asked:  # the next line is asked for when this one was seen
            place.touch()
            break
    assert followed == expected
    assert [(line.step, line.text) for line in run.logs()] == expected
    for name in ("left", "right"):
        mine = [pair for pair in expected if pair[0] == name]
        assert [(line.step, line.text) for line in run.logs(name)] == mine
    assert run.status is Status.SUCCEEDED
    with pytest.raises(NotFoundError, match="it has: left, right"):
        list(run.logs("middle"))


# --- places that are not there --------------------------------------------------------------------


def test_a_bucket_that_is_not_there_is_told_before_anything_is_made(pointing, tmp_path):
    project = Project(tmp_path / "project", bucket="no-such-bucket-anywhere")
    with pytest.raises(ProviderError, match="no-such-bucket-anywhere"):
        project.submit("single")
    names = boto3.client("sagemaker").list_pipelines(PipelineNamePrefix=project.prefix)
    assert names["PipelineSummaries"] == []


@pytest.mark.parametrize(
    ("operation", "code", "message", "told"),
    [
        ("CreatePipeline", "ValidationException", "Unable to assume role X", "assume role X"),
        ("StartPipelineExecution", "AccessDeniedException", "not authorized", "not authorized"),
    ],
)
def test_what_is_refused_leaves_nothing_and_the_id_free(
    pointing, project, monkeypatch, operation, code, message, told
):
    with door(pointing.endpoint) as before, monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", before.url)
        before.refuse(operation, code, message)
        with pytest.raises(ProviderError, match=told) as caught:
            project.submit("single", {"run_id": "mine"})
        assert not caught.value.retryable
        assert caught.value.operation == operation
        before.refused.clear()
        with pytest.raises(NotFoundError, match="There is no run 'mine'"):
            project.provider.status("mine")
        assert project.executions("single") == []
        # What was wrong is put right, by which the run has become another.
        run = project.submit("single", {"run_id": "mine"}, number=2)
        assert project.finish(run).status is Status.SUCCEEDED


# --- what took its time ---------------------------------------------------------------------------


def test_no_machine_no_quota_and_no_image_are_told_in_the_service_s_words(hostile, starved):
    out, err = starved.watcher.communicate(timeout=150)
    assert starved.watcher.returncode == 1, err
    with pointed(hostile):
        state = starved.finish("dry")
        assert state.status is Status.FAILED
        steps = state.steps
        assert steps["second"].status is Status.NOT_RUN
        assert "CapacityError" in steps["first"].error
        assert "account-level service limit" in steps["exits"].error
        assert "Service Quotas" in steps["exits"].error
        assert "Cannot pull the image" in steps["say"].error
        for name in ("first", "exits", "say"):
            assert steps[name].error.splitlines()[0] in out
        assert "processing-jobs" in steps["first"].url
        assert steps["first"].url in out
        with pytest.raises(StepFailed, match="CapacityError") as caught:
            starved.fresh("dry").check(state)
        assert caught.value.url == steps["first"].url
