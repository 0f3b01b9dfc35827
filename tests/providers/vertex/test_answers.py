"""What Vertex AI tells of a pipeline job's tasks, read."""

from __future__ import annotations

import pytest
from waterflow_vertex import answers

from waterflow.provider.state import Status

ROOT = "gs://b/w/runs"
JOB = "projects/12/locations/r/pipelineJobs/now-1"
CUSTOM = "projects/12/locations/r/customJobs"


def detail(name, state, **more):
    return {"taskName": name, "taskId": "-7", "state": state, **more}


def outputs(place):
    return {"outputs": {"result": {"artifacts": [{"uri": f"{ROOT}/{place}/result"}]}}}


def read(*details, tasks=None):
    spec = {"root": {"dag": {"tasks": tasks or {}}}, "components": {}}
    job = {"name": JOB, "pipelineSpec": spec, "jobDetail": {"taskDetails": list(details)}}
    return answers.task_runs(job, ROOT)


STATES = {
    "PENDING": (Status.PENDING, ""),
    "RUNNING": (Status.RUNNING, "pipelineJobs/now-1/tasks/a_-7"),
    "CANCEL_PENDING": (Status.RUNNING, "pipelineJobs/now-1/tasks/a_-7"),
    "CANCELLING": (Status.RUNNING, "pipelineJobs/now-1/tasks/a_-7"),
    "CANCELLED": (Status.CANCELLED, "pipelineJobs/now-1/tasks/a_-7"),
    "SUCCEEDED": (Status.SUCCEEDED, "pipelineJobs/now-1/tasks/a_-7"),
    "FAILED": (Status.FAILED, "pipelineJobs/now-1/tasks/a_-7"),
    "NOT_TRIGGERED": (Status.SKIPPED, ""),
}


@pytest.mark.parametrize("state", STATES)
def test_states_of_tasks(state):
    run = read(detail("a", state, startTime="2026-01-01T00:00:01.123456789Z"))["a"]
    assert (run.status, run.job) == STATES[state]
    assert run.started == 1_767_225_601_123
    assert run.origin == "now-1"


def test_what_the_cache_answered_names_its_origin():
    run = read(detail("a", "SKIPPED", **outputs("12/before-2/a_33")))["a"]
    assert run.status is Status.CACHED
    assert (run.origin, run.folder) == ("before-2", "12/before-2/a_33/")
    assert run.job == "pipelineJobs/before-2/tasks/a_33"
    assert run.machines == ()


def test_a_task_that_was_tried_again_has_all_its_custom_jobs():
    container = {"failedMainJobs": [f"{CUSTOM}/1"], "mainJob": f"{CUSTOM}/2"}
    run = read(detail("a", "RUNNING", executorDetail={"containerDetail": container}))["a"]
    assert run.machines == ("1", "2")
    custom = {"job": f"{CUSTOM}/3"}
    run = read(detail("a", "FAILED", executorDetail={"customJobDetail": custom}))["a"]
    assert run.machines == ("3",)


def test_what_an_error_says_is_told():
    run = read(detail("a", "FAILED", error={"code": 9, "message": "It broke."}))["a"]
    assert run.failure == "It broke (FAILED_PRECONDITION)."


def test_what_waited_for_a_failed_task_was_not_passed_over():
    tasks = {"b": {"dependentTasks": ["a"]}, "c": {"dependentTasks": ["b"]}, "d": {}}
    states = (("a", "FAILED"), *((name, "NOT_TRIGGERED") for name in "bcd"))
    runs = read(*(detail(name, state) for name, state in states), tasks=tasks)
    assert {name: run.status for name, run in runs.items()} == {
        "a": Status.FAILED,
        "d": Status.SKIPPED,
    }


def test_outputs_that_lie_elsewhere_say_nothing_of_an_origin():
    elsewhere = {"outputs": {"x": {"artifacts": [{"uri": "gs://other/1/2/3/4"}]}}}
    run = read(detail("a", "SUCCEEDED", **elsewhere))["a"]
    assert run.folder == "12/now-1/a_-7/"
