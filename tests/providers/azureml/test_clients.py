"""Clients that we did not write, unmodified, at the emulator: the MLClient of azure-ai-ml."""

import json
import textwrap

import pytest
from waterflow_azureml.emulator import Emulator, preparing
from waterflow_azureml.emulator.zones import zone, zones

from tests.providers.azureml.wire import pointed
from tests.providers.azureml.workspace import FINAL, until

pytestmark = pytest.mark.filterwarnings("ignore")
PIPELINE = "https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json"


@pytest.fixture(scope="module")
def emulator():
    with Emulator(grace=3) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def ml(emulator):
    """The SDK's client, led here by the environment alone."""
    with pointed(emulator), pytest.MonkeyPatch.context() as patch:
        patch.setenv("AZUREML_RUN_POLLING_INTERVAL_MIN", "0")
        from azure.ai.ml import MLClient
        from azure.identity import DefaultAzureCredential

        scope = preparing.DEFAULT
        yield MLClient(DefaultAzureCredential(), scope.subscription, scope.group, scope.workspace)
        assert emulator.refused() == {}  # nothing was asked outside: no telemetry either


COMPONENT = """\
    $schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
    name: train
    version: 0.0.4
    type: command
    inputs:
      rows: {type: uri_folder}
      rate: {type: number, default: 1.0, min: 0, max: 10}
      note: {type: string, optional: true}
    outputs:
      model: {type: uri_folder}
    code: src
    environment:
      image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04
      conda_file: conda.yml
    command: >-
      python train.py --rows ${{inputs.rows}} --model ${{outputs.model}} --rate ${{inputs.rate}}
      $[[--note "${{inputs.note}}"]]
    """


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder as people have it: sources, data, an environment's file."""
    folder = tmp_path_factory.mktemp("project")
    files = {
        "src/prepare.py": """\
            import pathlib, sys
            source, target = map(pathlib.Path, sys.argv[1:3])
            rows = source.read_text().split()
            (target / "rows.txt").write_text("\\n".join(rows[: int(sys.argv[3])]))
            print("kept", sys.argv[3], "of", len(rows))
            """,
        "src/train.py": """\
            import argparse, pathlib
            parser = argparse.ArgumentParser()
            for name in ("--rows", "--model", "--rate", "--note"):
                parser.add_argument(name)
            options = parser.parse_args()
            rows = (pathlib.Path(options.rows) / "rows.txt").read_text().split()
            total = sum(map(int, rows)) * float(options.rate)
            (pathlib.Path(options.model) / "model.txt").write_text(str(total))
            print("note", options.note, "total", total)
            """,
        "data/numbers.txt": "1 2 3 4 5",
        "train.yml": COMPONENT,
        "conda.yml": "channels: [conda-forge]\ndependencies: [python=3.11, {pip: [mlflow]}]\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text))
    return folder


def _yaml(place, name, text):
    (place / name).write_text(textwrap.dedent(text))
    return place / name


def _ended(ml, name):
    def ended():
        job = ml.jobs.get(name)
        return job if job.status in FINAL else None

    return until(ended, f"the end of {name}")


def _steps(ml, name):
    return {child.display_name: child for child in ml.jobs.list(parent_job_name=name)}


TRAINING = f"""\
    $schema: {PIPELINE}
    type: pipeline
    display_name: training
    experiment_name: clients
    tags: {{team: data}}
    inputs:
      keep: 3
      rate: 0.5
      numbers:
        type: uri_file
        path: data/numbers.txt
    outputs:
      model:
        type: uri_folder
        mode: upload
    settings:
      default_compute: azureml:cpu-cluster
      default_datastore: azureml:workspaceblobstore
      continue_on_step_failure: false
    jobs:
      prepare:
        type: command
        code: src
        environment: azureml:python-plain@latest
        command: >-
          python prepare.py ${{{{inputs.source}}}} ${{{{outputs.rows}}}} ${{{{inputs.keep}}}}
        inputs:
          source: ${{{{parent.inputs.numbers}}}}
          keep: ${{{{parent.inputs.keep}}}}
        outputs:
          rows:
      train:
        type: command
        component: train.yml
        inputs:
          rows: ${{{{parent.jobs.prepare.outputs.rows}}}}
          rate: ${{{{parent.inputs.rate}}}}
        outputs:
          model: ${{{{parent.outputs.model}}}}
    """


@pytest.fixture(scope="module")
def compute(ml):
    from azure.ai.ml.entities import AmlCompute, Environment

    ml.environments.create_or_update(Environment(name="python-plain", image="python:3.11"))
    cluster = AmlCompute(name="cpu-cluster", size="Standard_D2s_v3", max_instances=4)
    return ml.compute.begin_create_or_update(cluster).result().name


@pytest.fixture(scope="module")
def training(ml, place, compute):
    """A pipeline as its YAML says it, submitted, streamed to its end."""
    from azure.ai.ml import load_job

    job = ml.jobs.create_or_update(load_job(_yaml(place, "pipeline.yml", TRAINING)))
    ml.jobs.stream(job.name)
    return job.name


def test_pipeline_of_plain_yaml(ml, training, tmp_path):
    job = ml.jobs.get(training)
    assert (job.status, job.display_name, job.tags) == ("Completed", "training", {"team": "data"})
    assert job.services["Studio"].endpoint.startswith("https://ml.azure.com/runs/")
    steps = _steps(ml, training)
    assert {name: step.status for name, step in steps.items()} == {
        "prepare": "Completed", "train": "Completed",
    }  # fmt: skip
    ml.jobs.download(steps["train"].name, download_path=tmp_path, all=True)
    assert (tmp_path / "named-outputs/model/model.txt").read_text() == "3.0"
    log = (tmp_path / "artifacts/user_logs/std_log.txt").read_text()
    assert log == "note None total 3.0\n"


def test_a_pipeline_that_is_submitted_again_is_reused(ml, place, training):
    from azure.ai.ml import load_job

    job = ml.jobs.create_or_update(load_job(place / "pipeline.yml"))
    assert _ended(ml, job.name).status == "Completed"
    before, again = _steps(ml, training), _steps(ml, job.name)
    for name, step in again.items():
        assert step.properties["azureml.isreused"] == "true"
        assert step.properties["azureml.reusedrunid"] == before[name].name


def test_pipeline_by_the_dsl(ml, place, compute, tmp_path):
    from azure.ai.ml import Input, Output, command, dsl, load_component
    from azure.ai.ml.entities import Data

    data = ml.data.create_or_update(
        Data(name="numbers", version="7", type="uri_file", path=str(place / "data/numbers.txt"))
    )
    prepare = command(
        name="prepare",
        inputs={"source": Input(type="uri_file"), "keep": Input(type="integer", default=2)},
        outputs={"rows": Output(type="uri_folder", mode="rw_mount")},
        code=str(place / "src"),
        command="python prepare.py ${{inputs.source}} ${{outputs.rows}} ${{inputs.keep}}",
        environment="python-plain@latest",
    )
    train = load_component(place / "train.yml")

    @dsl.pipeline(name="by-dsl", compute=compute)
    def inner(source: Input(type="uri_file"), rate: float = 2.0):
        made = prepare(source=source)
        trained = train(rows=made.outputs.rows, rate=rate, note="from the dsl")
        return {"model": trained.outputs.model}

    @dsl.pipeline(compute=compute)
    def outer(source: Input(type="uri_file"), rate: float):
        one = inner(source=source, rate=rate)
        two = train(rows=prepare(source=source, keep=5).outputs.rows)
        two.set_resources(instance_count=1)
        return {"first": one.outputs.model, "second": two.outputs.model}

    job = outer(source=Input(type="uri_file", path=f"azureml:{data.name}:{data.version}"), rate=3)
    job.outputs.first = Output(type="uri_folder", mode="upload", name="models", version="1")
    job = ml.jobs.create_or_update(job, experiment_name="clients")
    assert _ended(ml, job.name).status == "Completed"
    ml.jobs.download(job.name, download_path=tmp_path, all=True)
    texts = {p.parent.name: p.read_text() for p in (tmp_path / "named-outputs").rglob("model.txt")}
    assert texts == {"first": "9.0", "second": "15.0"}
    assert ml.data.get("models", version="1").path.endswith("/model/")


def test_command_job(ml, place, compute, tmp_path):
    from azure.ai.ml import load_job

    text = """\
        $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
        type: command
        display_name: alone
        experiment_name: clients
        code: src
        command: >-
          echo $GREETING $AZUREML_RUN_ID;
          python prepare.py ${{inputs.source}} ${{outputs.rows}} ${{inputs.keep}}
        environment: azureml:python-plain@latest
        environment_variables: {GREETING: hello}
        inputs:
          keep: 4
          source: {type: uri_file, path: "azureml://datastores/workspaceblobstore/paths/n.txt"}
        outputs:
          rows: {type: uri_folder, path: "azureml://datastores/workspaceblobstore/paths/o/${{name}}"}
        compute: azureml:cpu-cluster
        resources: {instance_count: 1}
        limits: {timeout: 60}
        queue_settings: {job_tier: standard}
        """
    from azure.storage.blob import BlobServiceClient

    store = ml.datastores.get("workspaceblobstore")
    service = BlobServiceClient(
        f"https://{store.account_name}.blob.core.windows.net", credential=ml._credential
    )
    service.get_blob_client(store.container_name, "n.txt").upload_blob("9 8 7 6 5")
    job = ml.jobs.create_or_update(load_job(_yaml(place, "command.yml", text)))
    ml.jobs.stream(job.name)
    assert ml.jobs.get(job.name).status == "Completed"
    ml.jobs.download(job.name, download_path=tmp_path, all=True)
    assert (tmp_path / "named-outputs/rows/rows.txt").read_text() == "9\n8\n7\n6"
    log = (tmp_path / "artifacts/user_logs/std_log.txt").read_text()
    assert log == f"hello {job.name}\nkept 4 of 5\n"


def test_a_job_is_found_changed_and_put_away(ml, training):
    assert training in [job.name for job in ml.jobs.list()]
    ml.jobs.update(training, tags={"seen": "yes"}, description="looked at")
    job = ml.jobs.get(training)
    assert (job.tags, job.description) == ({"team": "data", "seen": "yes"}, "looked at")
    ml.jobs.archive(training)
    assert training not in [job.name for job in ml.jobs.list()]
    ml.jobs.restore(training)
    assert training in [job.name for job in ml.jobs.list()]


def test_failure(ml, place, compute, capsys):
    from azure.ai.ml import load_job
    from azure.ai.ml.exceptions import JobException

    text = f"""\
        $schema: {PIPELINE}
        type: pipeline
        experiment_name: clients
        settings: {{default_compute: azureml:cpu-cluster}}
        jobs:
          broken:
            type: command
            command: echo before; exit 7
            environment: azureml:python-plain@latest
          other:
            type: command
            command: echo other
            environment: azureml:python-plain@latest
        """
    job = ml.jobs.create_or_update(load_job(_yaml(place, "broken.yml", text)))
    with pytest.raises(JobException, match="broken"):
        ml.jobs.stream(job.name)
    steps = _steps(ml, job.name)
    assert (steps["broken"].status, steps["other"].status) == ("Failed", "Completed")


def test_cancellation(ml, compute):
    from azure.ai.ml import command

    wait = command(
        command="echo up; sleep 60", environment="python-plain@latest", compute="serverless"
    )
    job = ml.jobs.create_or_update(wait)
    until(lambda: ml.jobs.get(job.name).status == "Running", "the start")
    ml.jobs.begin_cancel(job.name).result()
    assert ml.jobs.get(job.name).status == "Canceled"


def test_sweep(ml, place, compute):
    from azure.ai.ml import load_job

    text = """\
        $schema: https://azuremlschemas.azureedge.net/latest/sweepJob.schema.json
        type: sweep
        experiment_name: clients
        trial:
          command: echo ${{inputs.x}} ${{search_space.rate}} ${{search_space.kind}}
          environment: azureml:python-plain@latest
        inputs: {x: 1}
        compute: azureml:cpu-cluster
        sampling_algorithm: {type: random, seed: 5}
        search_space:
          rate: {type: uniform, min_value: 0.1, max_value: 0.2}
          kind: {type: choice, values: [a, b]}
        objective: {goal: maximize, primary_metric: score}
        limits: {max_total_trials: 3, max_concurrent_trials: 3, timeout: 600}
        """
    job = ml.jobs.create_or_update(load_job(_yaml(place, "sweep.yml", text)))
    assert _ended(ml, job.name).status == "Completed"
    trials = list(ml.jobs.list(parent_job_name=job.name))
    points = [json.loads(trial.tags["hyperparameters"]) for trial in trials]
    assert len(points) == 3
    assert all(0.1 <= point["rate"] <= 0.2 and point["kind"] in "ab" for point in points)


def test_what_is_not_run_is_refused_by_name(ml, place, compute):
    from azure.ai.ml import load_job
    from azure.core.exceptions import HttpResponseError

    text = """\
        type: sweep
        experiment_name: clients
        trial: {command: "true ${{search_space.x}}", environment: "azureml:python-plain@latest"}
        compute: azureml:cpu-cluster
        sampling_algorithm: bayesian
        search_space: {x: {type: choice, values: [1]}}
        objective: {goal: maximize, primary_metric: score}
        limits: {max_total_trials: 1, max_concurrent_trials: 1}
        """
    with pytest.raises(HttpResponseError, match="draws no values by 'bayesian'"):
        ml.jobs.create_or_update(load_job(_yaml(place, "bayes.yml", text)))


def test_schedule(ml, emulator, place, training):
    from azure.ai.ml import load_job
    from azure.ai.ml.entities import CronTrigger, JobSchedule

    job = load_job(place / "pipeline.yml")
    schedule = JobSchedule(
        name="hourly", trigger=CronTrigger(expression="30 * * * *", time_zone="UTC"), create_job=job
    )
    made = ml.schedules.begin_create_or_update(schedule).result()
    assert (made.is_enabled, made.provisioning_state) == (True, "Succeeded")
    emulator.advance(3600)
    (name,) = [job.name for job in ml.jobs.list() if job.name.startswith("hourly-")]
    assert _ended(ml, name).status == "Completed"
    assert ml.schedules.trigger("hourly").job_name != name
    assert [one.name for one in ml.schedules.list()] == ["hourly"]
    ml.schedules.begin_disable("hourly").result()
    emulator.advance(3600)
    assert len([job for job in ml.jobs.list() if job.name.startswith("hourly-")]) == 2
    ml.schedules.begin_delete("hourly").result()


def test_every_time_zone_of_the_sdk_is_known(ml):
    from azure.ai.ml.constants import TimeZone

    names = {one.value.lower() for one in TimeZone}
    assert names == set(zones())
    assert all(zone(name) for name in names)
