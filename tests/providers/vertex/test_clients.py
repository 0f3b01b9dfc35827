"""Google's own clients run pipelines and jobs, read logs and secrets, and learn what is refused."""

import json
import subprocess
import sys

import pytest
from google.api_core import exceptions
from google.cloud import aiplatform, aiplatform_v1
from google.cloud import logging as cloud_logging
from google.cloud import secretmanager_v1 as secretmanager

from tests.providers.vertex.emulated import (
    BUCKET,
    HOST,
    PARENT,
    PROJECT,
    REGION,
    container,
    ended,
    entered,
    pipeline,
)

ROOT = f"gs://{BUCKET}/suite"


@pytest.fixture(scope="module", autouse=True)
def _entered(emulator):
    with entered(emulator):
        yield


def client(kind, transport=None):
    return kind(transport=transport, client_options={"api_endpoint": HOST})


@pytest.fixture(scope="module")
def pipelines():
    return client(aiplatform_v1.PipelineServiceClient)


@pytest.fixture(scope="module")
def jobs():
    return client(aiplatform_v1.JobServiceClient)


def create(pipelines, spec, name, **runtime):
    job = {"pipeline_spec": spec, "runtime_config": {"gcs_output_directory": ROOT, **runtime}}
    return pipelines.create_pipeline_job(parent=PARENT, pipeline_job=job, pipeline_job_id=name)


def test_the_sdk_submits_a_pipeline_and_waits_for_it(tmp_path, monkeypatch):
    script = 'mkdir -p "$1"; echo "$0 to you" | tee "$1/said"'
    word, out = "{{$.inputs.parameters['word']}}", "{{$.outputs.artifacts['out'].path}}"
    spec = pipeline({"say": container(script, word, out)}, outputs=("say",))
    file = tmp_path / "pipeline.json"
    file.write_text(json.dumps(spec))
    aiplatform.init(project=PROJECT, location=REGION)
    job = aiplatform.PipelineJob(
        "suite", str(file), job_id="by-sdk", pipeline_root=ROOT, parameter_values={"word": "good"},
        labels={"suite": "clients"},
    )  # fmt: skip
    job.submit()
    monkeypatch.setattr("google.cloud.aiplatform.pipeline_jobs._JOB_WAIT_TIME", 0.1)
    job.wait()
    assert job.state.name == "PIPELINE_STATE_SUCCEEDED"
    task = next(one for one in job.task_details if one.task_name == "say")
    assert task.execution.metadata["input:word"] == "good"
    (artifact,) = task.outputs["out"].artifacts
    assert artifact.uri.startswith(f"{ROOT}/{job.resource_name.split('/')[1]}/by-sdk/say_")
    held = aiplatform.Artifact(artifact.name)
    assert (held.uri, held.schema_title) == (artifact.uri, "system.Artifact")
    again = aiplatform.PipelineJob.list(filter='labels.suite="clients" AND display_name="suite"')
    assert [one.resource_name for one in again] == [job.resource_name]
    main = task.executor_detail.container_detail.main_job
    custom = client(aiplatform_v1.JobServiceClient).get_custom_job(name=main)
    assert custom.state.name == "JOB_STATE_SUCCEEDED"
    number = main.rpartition("/")[2]
    wish = f'resource.type="ml_job" AND resource.labels.job_id="{number}"'
    entries = cloud_logging.Client(project=PROJECT).list_entries(filter_=wish)
    assert [one.payload["message"] for one in entries] == ["good to you"]
    with pytest.raises(exceptions.AlreadyExists):
        job.clone(job_id="by-sdk").submit()
    job.delete()
    with pytest.raises(exceptions.NotFound):
        aiplatform.PipelineJob.get(job.resource_name)


@pytest.mark.parametrize("transport", ["rest", "grpc"])
def test_both_transports_say_the_same(transport):
    pipelines = client(aiplatform_v1.PipelineServiceClient, transport)
    spec = pipeline({"fail": container("echo before; exit 3")})
    one = create(pipelines, spec, f"fails-{transport}")
    one = ended(lambda: pipelines.get_pipeline_job(name=one.name))
    assert one.state.name == "PIPELINE_STATE_FAILED"
    assert "The failed tasks are: [fail]" in one.error.message
    task = one.job_detail.task_details[1]
    assert task.error.message.startswith(
        "The replica workerpool0-0 exited with a non-zero status of 3."
    )
    wish = 'state="PIPELINE_STATE_FAILED" AND create_time>"2020-01-01T00:00:00Z"'
    page = pipelines.list_pipeline_jobs(
        {
            "parent": PARENT, "filter": wish,
            "order_by": "create_time desc", "page_size": 1, "read_mask": "name,state",
        }
    )  # fmt: skip
    first = next(iter(page.pages)).pipeline_jobs
    assert [(job.name, job.display_name) for job in first] == [(one.name, "")]
    with pytest.raises(exceptions.NotFound):
        pipelines.get_pipeline_job(name=f"{PARENT}/pipelineJobs/absent")
    # Over HTTP both have the status 400 alone.
    with pytest.raises(exceptions.BadRequest, match="must match"):
        create(pipelines, spec, "Not-An-Id")
    with pytest.raises(exceptions.BadRequest, match="does not exist"):
        create(pipelines, spec, "no-bucket", gcs_output_directory="gs://no-such-bucket/x")
    with pytest.raises(exceptions.MethodNotImplemented, match="CreateTrainingPipeline"):
        pipelines.create_training_pipeline(parent=PARENT, training_pipeline={})
    pipelines.delete_pipeline_job(name=one.name).result()


def test_a_pipeline_is_cancelled_and_its_job_with_it(pipelines, jobs):
    one = create(pipelines, pipeline({"wait": container("echo up; sleep 60")}), "cancelled")

    def running():
        details = pipelines.get_pipeline_job(name=one.name).job_detail.task_details
        mains = [task.executor_detail.container_detail.main_job for task in details]
        return next((main for main in mains if main), None)

    while running() is None:
        pass
    with pytest.raises(exceptions.FailedPrecondition):
        pipelines.delete_pipeline_job(name=one.name)
    pipelines.cancel_pipeline_job(name=one.name)
    done = ended(lambda: pipelines.get_pipeline_job(name=one.name))
    assert done.state.name == "PIPELINE_STATE_CANCELLED"
    assert ended(lambda: jobs.get_custom_job(name=running())).state.name == "JOB_STATE_CANCELLED"
    operation = pipelines.batch_delete_pipeline_jobs(parent=PARENT, names=[one.name])
    assert operation.result().pipeline_jobs[0].name == one.name


def test_earlier_results_stand_for_tasks(pipelines):
    script = 'mkdir -p "$0"; echo x > "$0/x"'
    executors = {"make": container(script, "{{$.outputs.artifacts['out'].path}}")}
    cached = {"cachingOptions": {"enableCache": True}}
    spec = pipeline(executors, name="cached", outputs=("make",), make=cached)
    for name, state in (("first", "SUCCEEDED"), ("second", "SKIPPED")):
        one = create(pipelines, spec, f"cached-{name}")
        one = ended(lambda one=one: pipelines.get_pipeline_job(name=one.name))
        assert one.job_detail.task_details[1].state.name == state


def test_a_custom_job_s_pools_run_side_by_side_and_know_each_other(jobs):
    script = (
        "python3 -c \"import os, json; c = json.loads(os.environ['CLUSTER_SPEC']); "
        "print(sorted(c['cluster']), c['task']['type'])\"; "
        'test "$AIP_MODEL_DIR" = gs://waterflow-data/out/model/; echo "$GREETING"; '
        'echo > "$(mktemp "/gcs/waterflow-data/$CLOUD_ML_JOB_ID-XXXXXX")"; '
        # The first ends when both are done, and the job with it.
        'while [ $(ls /gcs/waterflow-data | grep -c "$CLOUD_ML_JOB_ID-") != 2 ]; do sleep 0.1; done'
    )
    pool = {
        "machine_spec": {"machine_type": "n1-standard-4"},
        "replica_count": 1,
        "container_spec": {
            "image_uri": "python:3.11",
            "command": ["sh", "-ec", script],
            "env": [{"name": "GREETING", "value": "hi"}],
        },
    }
    asked = {
        "display_name": "pools",
        "job_spec": {
            "worker_pool_specs": [pool, pool],
            "base_output_directory": {"output_uri_prefix": "gs://waterflow-data/out"},
            "scheduling": {"strategy": "SPOT", "timeout": "600s"},
        },
    }
    one = jobs.create_custom_job(parent=PARENT, custom_job=asked)
    one = ended(lambda: jobs.get_custom_job(name=one.name))
    assert one.state.name == "JOB_STATE_SUCCEEDED", one.error
    logs = cloud_logging.Client(project=PROJECT)
    wish = f'resource.labels.job_id="{one.name.rpartition("/")[2]}"'
    said = {one.payload["message"] for one in logs.list_entries(filter_=wish)}
    both = "['workerpool0', 'workerpool1']"
    assert said == {f"{both} workerpool0", f"{both} workerpool1", "hi"}
    wrong = {**pool, "machine_spec": {"machine_type": "no-such-machine"}}
    asked["job_spec"]["worker_pool_specs"] = [wrong]
    with pytest.raises(exceptions.InvalidArgument, match="no-such-machine"):
        jobs.create_custom_job(parent=PARENT, custom_job=asked)


_IN_A_JOB = """
import google.auth, google.auth.transport.requests as transport, google.oauth2.id_token as tokens
from google.cloud import storage
credentials, project = google.auth.default()
print(type(credentials).__module__, project)
print(storage.Client().bucket("waterflow-data").blob("seen").exists())
token = tokens.fetch_id_token(transport.Request(), "https://mlflow.example")
import base64, json
claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
print(claims["aud"], claims["email"])
import requests
flavor = {"Metadata-Flavor": "Google"}
url = "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/email"
print(requests.get(url, headers=flavor).text)
from urllib.request import Request, urlopen
print(urlopen(Request(url, headers=flavor)).read().decode())
"""


def test_a_job_is_its_service_account(jobs):
    pool = {"machine_spec": {"machine_type": "e2-standard-4"}, "replica_count": 1,
            "container_spec": {"image_uri": "python:3.11",
                               "command": ["python3", "-c", _IN_A_JOB]}}  # fmt: skip
    asked = {"display_name": "who", "job_spec": {"worker_pool_specs": [pool]}}
    one = jobs.create_custom_job(parent=PARENT, custom_job=asked)
    one = ended(lambda: jobs.get_custom_job(name=one.name))
    logs = cloud_logging.Client(project=PROJECT)
    wish = f'resource.labels.job_id="{one.name.rpartition("/")[2]}" AND severity>=INFO'
    said = [one.payload["message"] for one in logs.list_entries(filter_=wish)]
    assert one.state.name == "JOB_STATE_SUCCEEDED", said
    account = one.job_spec.service_account
    assert said == [
        f"google.auth.compute_engine.credentials {PROJECT}", "False",
        f"https://mlflow.example {account}", account, account,
    ]  # fmt: skip
    asked["job_spec"]["service_account"] = "nobody@elsewhere.iam.gserviceaccount.com"
    with pytest.raises(exceptions.InvalidArgument, match="act as service_account"):
        jobs.create_custom_job(parent=PARENT, custom_job=asked)


def test_logs_are_written_and_found_again():
    logs = cloud_logging.Client(project=PROJECT)
    logger = logs.logger("suite")
    logger.log_text("first", severity="INFO", labels={"a.b/c": "d"})
    logger.log_struct({"n": 3, "inner": {"x": "y"}}, severity="ERROR")
    for wish, count in {
        'logName="projects/waterflow/logs/suite"': 2,
        'log_id("suite")': None,
        "severity>=WARNING": 1,
        'labels."a.b/c"="d"': 1,
        "jsonPayload.n>2 jsonPayload.inner.x:Y": 1,
        'textPayload=~"^f.*t$" OR jsonPayload.n=4': 1,
        'NOT textPayload:*  AND timestamp>="2020-01-01T00:00:00Z"': 1,
        'severity=(ERROR OR INFO) -"first"': 1,
        "severity>=": None,
    }.items():
        # The client tells of itself too, once a process.
        whole = f'NOT jsonPayload."logging.googleapis.com/diagnostic":* logName:"suite" {wish}'
        if count is None:
            with pytest.raises((exceptions.InvalidArgument, exceptions.MethodNotImplemented)):
                list(logs.list_entries(filter_=whole))
        else:
            assert len(list(logs.list_entries(filter_=whole))) == count, wish
    newest = next(iter(logs.list_entries(filter_='logName:"suite"', order_by="timestamp desc")))
    assert newest.severity == "ERROR"
    logger.delete()
    assert not list(logs.list_entries(filter_='logName:"suite"'))


@pytest.mark.parametrize("transport", ["rest", "grpc"])
def test_secrets_have_versions(transport):
    secrets = secretmanager.SecretManagerServiceClient(transport=transport)
    name = f"suite-{transport}"
    made = secrets.create_secret(
        parent=f"projects/{PROJECT}", secret_id=name, secret={"replication": {"automatic": {}}}
    )
    for value in (b"one", b"two"):
        secrets.add_secret_version(parent=made.name, payload={"data": value})
    latest = secrets.access_secret_version(name=f"{made.name}/versions/latest")
    assert (latest.payload.data, latest.name.rpartition("/")[2]) == (b"two", "2")
    secrets.disable_secret_version(name=f"{made.name}/versions/1")
    with pytest.raises(exceptions.GoogleAPICallError, match="DISABLED"):
        secrets.access_secret_version(name=f"projects/{PROJECT}/secrets/{name}/versions/1")
    assert len(list(secrets.list_secret_versions(parent=made.name))) == 2
    secrets.delete_secret(name=made.name)
    with pytest.raises(exceptions.NotFound):
        secrets.access_secret_version(name=latest.name)


def test_nobody_is_answered_without_a_token(emulator):
    done = subprocess.run(
        [sys.executable, "-c", (
            "import requests, sys\n"
            f"r = requests.get('https://{HOST}/v1/{PARENT}/pipelineJobs')\n"
            "print(r.status_code, r.json()['error']['status'])"
        )],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["401", "UNAUTHENTICATED"]
