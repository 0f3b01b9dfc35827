"""MLflow that SageMaker manages: a run is tracked, and a model registered, by an ARN."""

from __future__ import annotations

import json
import os
import socket
import socketserver
import subprocess
import sys
import textwrap
import threading

import boto3
import pytest
from mlflow import MlflowClient
from waterflow_sagemaker.emulator import Emulator

from tests.providers.registering import PIPELINE
from tests.servers import wait_for
from waterflow.errors import ConfigurationError
from waterflow.tracking.store import artifact_location, resolve_uri

SERVER = "arn:aws:sagemaker:us-east-1:123456789012:mlflow-tracking-server/team"
APP = "arn:aws:sagemaker:us-east-1:123456789012:mlflow-app/app-1"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/managed:1"
PLUGIN = "sagemaker-mlflow==0.5.0"


class Heard(socketserver.ThreadingTCPServer):
    """A TCP proxy before MLflow that keeps what clients say."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, behind):
        self.behind, self.said = behind, []
        super().__init__(("127.0.0.1", 0), _Listening)

    def handle_error(self, request, client_address):
        pass

    @property
    def requests(self):
        """The heads of all requests, in lower case."""
        text = b"".join(part for parts in self.said for part in parts).decode("latin-1").lower()
        starts = ("get /api/", "post /api/", "patch /api/", "delete /api/")
        heads = text.replace("\r\n\r\n", "\n\0").split("\0")
        return [
            start + head.split(start, 1)[1] for head in heads for start in starts if start in head
        ]


class _Listening(socketserver.BaseRequestHandler):
    def handle(self):
        said = []
        self.server.said.append(said)
        with socket.create_connection(("127.0.0.1", self.server.behind)) as inner:
            back = threading.Thread(target=_pump, args=(inner, self.request), daemon=True)
            back.start()
            _pump(self.request, inner, said)
            back.join(10)


def _pump(source, target, kept=None):
    try:
        while data := source.recv(65536):
            if kept is not None:
                kept.append(data)
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.fixture(scope="module")
def endpoint(server):
    with Heard(server.port) as heard:
        thread = threading.Thread(target=heard.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        heard.url = f"http://127.0.0.1:{heard.server_address[1]}"
        yield heard
        heard.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    """A folder with AWS's plug-in, which the development environment is free of."""
    place = tmp_path_factory.mktemp("plugin")
    subprocess.run([sys.executable, "-m", "venv", str(place / "tool")], check=True)
    subprocess.run(
        [
            place / "tool/bin/python",
            "-m",
            "pip",
            "--quiet",
            "--disable-pip-version-check",
            "install",
            "--no-deps",
            "--target",
            place / "libraries",
            PLUGIN,
        ],
        check=True,
    )
    return place / "libraries"


@pytest.fixture(scope="module")
def image(plugin, endpoint, tmp_path_factory):
    """An environment with the plug-in, as an image of one's own has it."""
    folder = tmp_path_factory.mktemp("image")
    (folder / "bin").mkdir()
    python = folder / "bin" / "python3"
    python.write_text(
        f"#!/bin/sh\nexport PYTHONPATH='{plugin}' "
        f"SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT='{endpoint.url}'\n"
        f"exec '{sys.executable}' \"$@\"\n"
    )
    python.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def service(image, endpoint):
    # Only the image names it, which is where no job's reach is looked for.
    allowed = [endpoint.url.removeprefix("http://")]
    with Emulator(images={IMAGE: image}, grace=2, allowed=allowed) as emulator:
        yield emulator


@pytest.fixture
def project(tmp_path):
    """A project whose tracking is managed."""
    (tmp_path / "pipelines" / "managed").mkdir(parents=True)
    (tmp_path / "pipelines" / "managed" / "pipeline.py").write_text(PIPELINE)
    (tmp_path / "waterflow.toml").write_text(
        textwrap.dedent(f"""
        default_profile = "aws"

        [profiles.aws]
        provider = "sagemaker"
        region = "us-east-1"
        role = "arn:aws:iam::123456789012:role/jobs"
        bucket = "managed"
        image = "{IMAGE}"
        python = "{sys.version_info.major}.{sys.version_info.minor}"
        libraries = "image"
        poll = 0.2

        [tracking]
        uri = "{SERVER}"
        """)
    )
    return tmp_path


def waterflow(project, *words, code=0, **variables):
    done = subprocess.run(
        [sys.executable, "-m", "waterflow.cli", *words],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, **variables},
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout, done.stderr


_ORDINARY = """
import sys
from mlflow import MlflowClient
MlflowClient(sys.argv[1]).search_experiments()
print("WATERFLOW", file=sys.stderr, flush=True)
from waterflow.tracking.client import connect
print(len(connect(sys.argv[1]).search_experiments()) > 0)
"""


def test_the_plug_in_has_nothing_to_say_of_an_ordinary_server(plugin, server):
    """The extra sagemaker-sdk installs it: it fails at each request to a server not its own."""
    done = subprocess.run(
        [sys.executable, "-c", _ORDINARY, server.url],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(plugin)},
    )
    assert done.stdout == "True\n", done.stderr
    before, after = done.stderr.split("WATERFLOW\n")
    assert "unexpected error during resolving request headers" in before, "it is the true one"
    assert after == ""


def test_a_run_and_its_model_land_in_a_managed_mlflow(project, service, plugin, endpoint, server):
    around = {
        **service.environment,
        "PYTHONPATH": str(plugin),
        "SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT": endpoint.url,
    }
    boto3.client(
        "s3",
        endpoint_url=service.endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    ).create_bucket(Bucket="managed")
    client = MlflowClient(tracking_uri=server.url, registry_uri=server.url)
    # A managed MLflow keeps artifacts in a bucket, and clients write them there themselves.
    experiment = client.create_experiment("managed", "s3://managed/mlflow")

    output, _ = waterflow(project, "run", "pipelines/managed", "--json", **around)

    state = json.loads(output)
    assert state["status"] == "succeeded"
    assert state["models"] == [
        {"name": "managed", "version": state["models"][0]["version"], "uri": "models:/managed/1"}
    ]
    version = client.get_model_version("managed", "1")
    assert version.source.startswith("s3://managed/mlflow/")
    runs = wait_for(lambda: client.search_runs([experiment]), 10)
    steps = {run.data.tags.get("waterflow.step"): run for run in runs}
    assert set(steps) == {None, "fit", "judge", "register"}
    assert steps["fit"].data.metrics["loss"] == 0.25
    assert steps["judge"].data.metrics == {"at_two": pytest.approx(2.0)}
    assert all(run.info.status == "FINISHED" for run in runs)

    # Signed, and for the server that the ARN names: by the client and by the job.
    heads = endpoint.requests
    assert any("/registered-models/create" in head for head in heads)
    assert any("/runs/log-batch" in head for head in heads)
    for head in heads:
        assert f"x-mlflow-sm-tracking-server-arn: {SERVER}" in head, head
        assert "authorization: aws4-hmac-sha256" in head, head

    output, _ = waterflow(project, "plan", "pipelines/managed", "--json", **around)
    plan = json.loads(output)
    assert plan["full_seconds"] > 0
    needed = [one for one in plan["permissions"] if one["resources"] == [SERVER]]
    assert {one["who"] for one in needed} == {"arn:aws:iam::123456789012:role/jobs", "submitter"}
    assert all("sagemaker-mlflow:CreateModelVersion" in one["actions"] for one in needed)
    assert not [action for one in needed for action in one["actions"] if "*" in action]


def test_the_job_that_registers_has_the_plugin_among_its_libraries(project, plugin):
    output, _ = waterflow(project, "compile", "pipelines/managed", PYTHONPATH=str(plugin))
    control = json.loads(output)["control"]
    assert PLUGIN in control["register"]["launch"]["pins"]
    assert PLUGIN not in control["judge"]["launch"]["pins"]


@pytest.mark.parametrize("profile", ["aws", "local"])
def test_without_the_plugin_nothing_starts_and_the_error_says_how_to_get_it(project, profile):
    output, error = waterflow(project, "run", "pipelines/managed", "--profile", profile, code=3)
    assert not output
    assert 'pip install "waterflow[sagemaker-mlflow]"' in error
    assert SERVER in error


def test_doctor_and_ui_know_managed_mlflow(project, plugin):
    output, _ = waterflow(project, "doctor", "--json", code=3)
    assert "waterflow[sagemaker-mlflow]" in output
    output, _ = waterflow(project, "ui", "--no-open", PYTHONPATH=str(plugin))
    assert SERVER in output


@pytest.mark.parametrize("arn", [SERVER, APP, SERVER.replace("arn:aws:", "arn:aws-us-gov:")])
def test_an_arn_is_an_address_whose_server_decides_where_artifacts_are(arn, tmp_path):
    assert resolve_uri(arn, {}, tmp_path) == arn
    assert resolve_uri(None, {"MLFLOW_TRACKING_URI": arn}, tmp_path) == arn
    assert artifact_location(arn, tmp_path) is None


@pytest.mark.parametrize(
    "arn", ["arn:aws:s3:::bucket", SERVER.rpartition("/")[0], SERVER.replace("123456789012", "")]
)
def test_an_arn_of_something_else_is_refused(arn, tmp_path):
    with pytest.raises(ConfigurationError, match="not an ARN of a managed MLflow"):
        resolve_uri(arn, {}, tmp_path)
