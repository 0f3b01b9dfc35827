"""A client that we did not write, unmodified, at the emulator: kfp's own."""

import os
from pathlib import Path

import pytest
import requests
from waterflow_kubeflow.connections import Connections
from waterflow_kubeflow.profile import KubeflowSettings

from tests.providers.kubeflow.cloud import CLOUD
from waterflow.errors import AuthenticationError, NotFoundError, ProviderError

pytestmark = pytest.mark.filterwarnings("ignore")
SETTINGS = KubeflowSettings(host="http://kubeflow.example.com", bucket="s3://ml-data")


@pytest.fixture(scope="module")
def pointed(emulator):
    with CLOUD.pointing(emulator):
        yield emulator


@pytest.fixture(scope="module")
def client(pointed):
    import kfp

    token = Path(os.environ["KF_PIPELINES_SA_TOKEN_PATH"]).read_text()
    return kfp.Client(host=pointed.endpoint, existing_token=token)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A pipeline that kfp has compiled: Python and container components, a condition."""
    from kfp import compiler, dsl

    @dsl.component(base_image="python:3.11")
    def add(a: int, b: int) -> int:
        print("adding", a, b)
        return a + b

    @dsl.container_component
    def write(x: int, text: dsl.Output[dsl.Artifact]):
        script = 'mkdir -p "$(dirname "$1")"; echo "$0" > "$1"'
        return dsl.ContainerSpec(image="x", command=["sh", "-c", script], args=[x, text.path])

    @dsl.component(base_image="python:3.11")
    def read(text: dsl.Input[dsl.Artifact]) -> str:
        with open(text.path) as file:  # noqa: PTH123 - it runs in a job
            return file.read().strip()

    @dsl.pipeline(name="foreign")
    def foreign(a: int = 1):
        total = add(a=a, b=2)
        read(text=write(x=total.output).outputs["text"])
        with dsl.If(total.output == 3):
            add(a=5, b=5).set_display_name("then")
        with dsl.Else():
            add(a=6, b=6)

    file = tmp_path_factory.mktemp("package") / "foreign.yaml"
    compiler.Compiler().compile(foreign, str(file))
    return str(file)


def test_a_pipeline_of_kfps_own_runs_to_its_end_and_is_cached(client, package):
    runs = []
    for name in ("first", "second"):
        run = client.create_run_from_pipeline_package(
            package, arguments={"a": 1}, run_name=name, experiment_name="kit"
        )
        runs.append(client.wait_for_run_completion(run.run_id, 120, 0.2))
    assert [run.state for run in runs] == ["SUCCEEDED", "SUCCEEDED"]
    first, second = (_nodes(run) for run in runs)
    assert first["read"] == first["add"] == "SUCCEEDED"
    assert {name: s for name, s in first.items() if name.startswith("condition-3")} == {
        "condition-3": "SKIPPED", "condition-3-driver": "SUCCEEDED",
    }  # fmt: skip
    assert first["executor"] == "SUCCEEDED"
    assert second["executor"] == "SKIPPED"
    details = runs[0].run_details.task_details
    printed = [
        text
        for one in details
        if one.display_name == "executor" and (text := _log(runs[0].run_id, one.pod_name))
    ]
    assert any("adding 1 2" in text for text in printed)


def _nodes(run):
    return {one.display_name: one.state for one in run.run_details.task_details}


def _log(run, pod):
    token = Path(os.environ["KF_PIPELINES_SA_TOKEN_PATH"]).read_text()
    address = f"{os.environ['KF_PIPELINES_ENDPOINT']}/apis/v1alpha1/runs/{run}/nodes/{pod}/log"
    return requests.get(address, headers={"Authorization": f"Bearer {token}"}, timeout=30).text


def test_pipelines_versions_and_recurring_runs(client, package, pointed):
    pipeline = client.upload_pipeline(package, pipeline_name="kept")
    version = client.upload_pipeline_version(
        package, pipeline_version_name="two", pipeline_id=pipeline.pipeline_id
    )
    assert client.get_pipeline_id("kept") == pipeline.pipeline_id
    versions = client.list_pipeline_versions(pipeline.pipeline_id).pipeline_versions
    assert [one.display_name for one in versions] == ["kept", "two"]
    assert client.list_pipelines(page_size=1).total_size >= 1
    experiment = client.create_experiment("recurring")
    recurring = client.create_recurring_run(
        experiment.experiment_id, "nightly", cron_expression="0 0 3 * * *", params={"a": 7},
        pipeline_id=pipeline.pipeline_id, version_id=version.pipeline_version_id,
    )  # fmt: skip
    pointed.advance(24 * 3600)
    started = client.list_runs(experiment_id=experiment.experiment_id).runs
    assert [one.recurring_run_id for one in started] == [recurring.recurring_run_id]
    assert started[0].runtime_config.parameters == {"a": 7}
    client.disable_recurring_run(recurring.recurring_run_id)
    assert client.get_recurring_run(recurring.recurring_run_id).status == "DISABLED"
    client.terminate_run(started[0].run_id)
    client.archive_run(started[0].run_id)
    kept = client.get_run(started[0].run_id)
    assert kept.storage_state == "ARCHIVED"
    assert kept.state in ("CANCELING", "CANCELED")
    client.delete_recurring_run(recurring.recurring_run_id)
    assert client.list_recurring_runs(experiment_id=experiment.experiment_id).total_size is None
    client.delete_pipeline_version(pipeline.pipeline_id, version.pipeline_version_id)
    client.delete_experiment(experiment.experiment_id)


REFUSED = [
    ("POST", "runs", {}, 400, 3, "name is empty"),
    ("POST", "runs", {"display_name": "x"}, 400, 3, "Either pipeline_spec or"),
    ("POST", "runs", {"display_name": "x", "spec": {}}, 400, 3, 'unknown field "spec"'),
    ("POST", "runs", {"display_name": 1.5}, 400, 3, "invalid value"),
    ("POST", "runs", {"display_name": "x", "pipeline_spec": {"root": 1}}, 400, 3, "pipeline spec"),
    ("GET", "runs/nobody", None, 404, 5, "Run nobody not found"),
    ("POST", "runs/nobody:terminate", None, 404, 5, "not found"),
    ("POST", "runs/nobody:retry", None, 501, 12, "unknown operation"),
    ("GET", "runs?filter=%7B", None, 400, 3, "filter"),
    ("GET", "runs?sort_by=mood", None, 400, 3, "sort_by"),
    ("GET", "runs?page_token=%21", None, 400, 3, "no token of a list"),
    ("GET", "runs?page_size=x", None, 400, 3, "invalid literal"),
    ("POST", "experiments", {}, 400, 3, "Experiment name is empty"),
    ("POST", "experiments", {"display_name": "Default"}, 409, 6, "already exists"),
    ("POST", "pipelines/upload", {}, 400, 3, "uploadfile"),
    ("POST", "visualizations/x", {}, 501, 12, "unknown operation"),
    ("POST", "recurringruns", {"display_name": "x", "max_concurrency": "11"}, 400, 3, "at most 10"),
    ("POST", "recurringruns", {"display_name": "x", "max_concurrency": "1"}, 400, 3, "trigger"),
    ("POST", "recurringruns", {"display_name": "x", "max_concurrency": "1",
     "trigger": {"cron_schedule": {"cron": "never"}}}, 400, 3, "robfig"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status", "code", "words"), REFUSED)
def test_what_is_wrong_is_refused_in_the_servers_words(
    pointed, method, path, body, status, code, words
):
    token = Path(os.environ["KF_PIPELINES_SA_TOKEN_PATH"]).read_text()
    answer = requests.request(
        method, f"{pointed.endpoint}/apis/v2beta1/{path}", json=body, timeout=30,
        headers={"Authorization": f"Bearer {token}"},
    )  # fmt: skip
    told = answer.json()
    assert (answer.status_code, told["code"]) == (status, code)
    assert words in told["message"]
    assert told["error"] == told["message"] == told["details"][0]["message"]


def test_who_asks_is_asked(pointed, tmp_path, monkeypatch):
    other = tmp_path / "token"
    other.write_text("somebody")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(other))
    with pytest.raises(AuthenticationError, match="token_env, token_file or cookie_env"):
        Connections(SETTINGS).call("ListRuns", "GET", "runs")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(AuthenticationError, match="cannot be read"):
        Connections(SETTINGS).call("ListRuns", "GET", "runs")
    monkeypatch.setenv("SESSION", "authservice_session=emulated-service-account-token")
    settings = KubeflowSettings(host="http://x", bucket="s3://ml-data", cookie_env="SESSION")
    assert Connections(settings).call("ListRuns", "GET", "runs", query={"page_size": 1}) is not None


def test_what_is_not_there_is_told_so(pointed):
    with pytest.raises(NotFoundError, match="Run nobody not found") as raised:
        Connections(SETTINGS).call("GetRun", "GET", "runs/nobody")
    assert isinstance(raised.value, ProviderError)
    assert raised.value.native_code == "NOT_FOUND"
