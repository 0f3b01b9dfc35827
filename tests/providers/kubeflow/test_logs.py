"""Logs of pods: from the API server, and where the cluster has removed them, from the bucket."""

import pytest
import requests

from tests.providers.kubeflow.cloud import CLOUD, api, project_at
from waterflow.provider.state import Status


@pytest.fixture(scope="module")
def ended(emulator, tmp_path_factory):
    """A run that has failed after a step of it has succeeded, and its project."""
    with CLOUD.pointing(emulator):
        folder = tmp_path_factory.mktemp("logs")
        project = project_at(folder / "project")
        run = project.submit("fragile", marker=str(folder / "never"))
        assert project.finish(run).status is Status.FAILED
        yield project, run


def pods(run):
    """Return the pods that have run a run's steps."""
    details = api("GET", f"apis/v2beta1/runs/{run.state.execution}")["run_details"]["task_details"]
    return [one["pod_name"] for one in details if one["display_name"].startswith("executor")]


def printed(project, run):
    """Return what is shown to another machine: lines by step, and why each has failed."""
    fresh = project.fresh(run.id)
    lines = [(line.step, line.text) for line in fresh.logs()]
    return lines, {name: step.error for name, step in fresh.state.steps.items()}


def logs_in(project):
    """Return the names of the objects in which launchers leave logs."""
    return [name for name, _ in project.provider.bucket.names("runs") if "executor-logs" in name]


def rename(project, suffix):
    """Let the logs in the bucket be those of a server of another version."""
    bucket = project.provider.bucket
    for name in logs_in(project):
        content = bucket.get(name)
        bucket.delete(name)
        if suffix is not None:
            bucket.put(f"{name.rpartition('-')[0]}{suffix}", content)


def test_the_log_of_a_pod_that_is_gone_is_read_from_the_bucket(ended):
    project, run = ended
    before = printed(project, run)
    lines, errors = before
    assert ("breaks", "about to break ✗") in lines
    assert errors["breaks"] == "ValueError: there is no never ✗"
    assert len(pods(run)) == len(logs_in(project)) >= 2
    for pod in pods(run):
        api("DELETE", f"api/v1/namespaces/kubeflow/pods/{pod}")
        with pytest.raises(requests.HTTPError, match="404"):
            api("DELETE", f"api/v1/namespaces/kubeflow/pods/{pod}")
    assert printed(project, run) == before
    rename(project, "")  # as servers before 2.17 call it
    assert printed(project, run) == before
    rename(project, None)  # as a server that is set up to publish none
    lines, errors = printed(project, run)
    assert lines == []
    assert "exit code 1" in errors["breaks"]  # the server's own words
