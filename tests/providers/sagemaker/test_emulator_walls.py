"""What a job of the emulator, and a client of it, can do to this machine and beyond it: nothing."""

import sys
import tempfile
import venv
from pathlib import Path

import pytest
from waterflow_sagemaker.emulator import Emulator

from tests.emulate_verb import without_a_way_out
from waterflow.emulation.door import RECORD
from waterflow.provider.emulators import Image
from waterflow.testing.wheels import wheel

_MARK = "waterflow-test-mark"


@pytest.fixture
def walled(aws):
    if "thrown away" not in aws.emulator.isolation:
        pytest.skip(f"the kernel has no overlay for jobs: {aws.emulator.isolation}")
    return aws


def test_what_a_job_writes_outside_of_opt_ml_is_thrown_away(walled):
    places = [f"/{_MARK}", f"/etc/{_MARK}", f"{sys.prefix}/{_MARK}", f"/tmp/{_MARK}"]
    program = f"""
        import pathlib, shutil, sys
        for place in {places!r}:
            pathlib.Path(place).write_text("mine")
            print(pathlib.Path(place).read_text())
        shutil.rmtree(sys.prefix + "/include", ignore_errors=True)
    """
    name = walled.processing(program)
    assert walled.wait(name)["ProcessingJobStatus"] == "Completed", walled.lines(name)
    assert walled.lines(name) == ["mine"] * len(places)
    assert not [place for place in places if Path(place).exists()]
    name = walled.processing(
        f"import pathlib; print([p for p in {places!r} if pathlib.Path(p).exists()])"
    )
    walled.wait(name)
    assert walled.lines(name) == ["[]"]


def test_a_job_that_installs_changes_its_image_for_itself_only(aws_at, tmp_path, monkeypatch):
    """The issue's own job: `python3 -m pip install --no-deps`; and what it can reach."""
    wheel(tmp_path, "walled", "1.0")
    record = tmp_path / "refused"
    monkeypatch.setenv(RECORD, str(record))
    program = f"""
        import subprocess, sys, urllib.error, urllib.request
        for scheme in ("http", "https"):
            place = scheme + "://{{bucket}}.s3.us-east-1.amazonaws.com/from-outside"
            print(urllib.request.urlopen(place).read().decode(), flush=True)
        for place in ("http://elsewhere.example/a", "https://other.example/", "http://10.9.8.7/"):
            try:
                urllib.request.urlopen(place)
            except urllib.error.URLError as error:
                print(error, flush=True)
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index",
                        "--find-links", "{tmp_path}", "walled==1.0"], check=True)
        sys.exit(subprocess.run([sys.executable, "-c", "import walled; print(walled.VERSION)"])
                 .returncode)
    """
    # Not in the tests' own folder, which jobs may change.
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        with Emulator(images={"tests": Path(folder)}, grace=2) as emulator:
            aws = aws_at(emulator)
            aws.put("from-outside", b"an object", ACL="public-read")
            name = aws.processing(program.replace("{bucket}", aws.bucket))
            assert aws.wait(name)["ProcessingJobStatus"] == "Completed", aws.lines(name)
            assert aws.lines(name)[:2] == ["an object", "an object"]
            assert aws.lines(name)[-1] == "1.0"
            refused = ["elsewhere.example", "other.example", "10.9.8.7"]
            assert emulator.refused() == dict.fromkeys(refused, 1)
            assert record.read_text().split() == refused
            other = aws.processing("import walled")
            assert aws.wait(other)["ProcessingJobStatus"] == "Failed"
        assert not list(Path(folder).rglob("walled*"))


@pytest.mark.parametrize("isolated", [False, True], ids=["with-network", "network-isolation"])
def test_a_job_serves_at_a_port(walled, isolated):
    """A container that is cut off from the network can still reach itself."""
    program = """
        import http.server, socket, threading, urllib.request
        server = http.server.HTTPServer(("0.0.0.0", 8080), http.server.BaseHTTPRequestHandler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            urllib.request.urlopen(f"http://{socket.gethostname()}:8080/")
        except urllib.error.HTTPError as error:
            print("it answered", error.code, flush=True)
        server.shutdown()
    """
    more = {"NetworkConfig": {"EnableNetworkIsolation": True}} if isolated else {}
    name = walled.processing(program, **more)
    assert walled.wait(name)["ProcessingJobStatus"] == "Completed", walled.lines(name)
    assert "it answered 501" in walled.lines(name)


def test_network_isolation_is_real(walled):
    """A listener of this machine's own is reached by the one and not by the other."""
    host, port = walled.emulator.endpoint.removeprefix("http://").split(":")
    program = f"""
        import socket
        try:
            socket.create_connection(("{host}", {port}), 5).close()
            print("reached")
        except OSError as error:
            print("cut off")
        print([name for _, name in socket.if_nameindex()])
    """
    lines = []
    for isolated in (False, True):
        name = walled.processing(program, NetworkConfig={"EnableNetworkIsolation": isolated})
        walled.wait(name)
        lines += walled.lines(name)
    assert lines == ["reached", "['lo']", "cut off", "['lo']"]


def test_instances_of_an_isolated_job_reach_each_other_and_nothing_else(walled):
    """As AWS's `EnableNetworkIsolation` has it: all calls but those between a cluster's peers.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html
    """
    if "DEGRADED: jobs" in walled.emulator.isolation:
        pytest.skip(f"jobs have no network of their own here: {walled.emulator.isolation}")
    port = walled.emulator.endpoint.rpartition(":")[2]
    program = f"""
        import json, socket, time
        config = json.load(open("/opt/ml/input/config/resourceconfig.json"))
        own, name = config["current_host"], config["network_interface_name"]
        (other,) = set(config["hosts"]) - {{own}}
        assert name in [one for _, one in socket.if_nameindex()], name
        server = socket.create_server(("0.0.0.0", 8080))
        while True:
            try:
                connection = socket.create_connection((other, 8080), 5)
                break
            except OSError:
                time.sleep(0.05)
        mine, _ = server.accept()
        mine.sendall(own.encode())
        print(own, "hears", connection.recv(100).decode(), flush=True)
        connection.sendall(b"done")
        mine.recv(100)
        for host in ("127.0.0.1", other):
            try:
                socket.create_connection((host, {port}), 5)
            except ConnectionRefusedError:
                print(own, "is cut off", flush=True)
    """
    name = walled.training(program, instances=2, EnableNetworkIsolation=True)
    job = walled.wait(name)
    lines = sorted(walled.lines(name, "Training"))
    assert job["TrainingJobStatus"] == "Completed", lines
    cut = [[f"algo-{number} is cut off"] * 2 for number in (1, 2)]
    assert lines == ["algo-1 hears algo-2", *cut[0], "algo-2 hears algo-1", *cut[1]]


def test_a_fork_bomb_ends_in_itself(walled):
    if "nothing bounds" in walled.emulator.isolation:
        pytest.skip(f"no cgroup bounds a job's processes here: {walled.emulator.isolation}")
    program = """
        import os, signal
        count = 0
        try:
            while True:
                if os.fork() == 0:
                    signal.pause()
                count += 1
        except BlockingIOError:
            print("bounded", 100 < count < 20_000, flush=True)
    """
    name = walled.processing(program)
    assert walled.wait(name)["ProcessingJobStatus"] == "Completed", walled.lines(name)
    assert walled.lines(name) == ["bounded True"]
    after = walled.processing("print('unharmed')")
    walled.wait(after)
    assert walled.lines(after) == ["unharmed"]


# --- images ---------------------------------------------------------------------------------------


def test_an_image_s_command_runs_for_jobs_that_name_none(aws_at, tmp_path):
    (tmp_path / "env" / "bin").mkdir(parents=True)
    tool = tmp_path / "env" / "bin" / "entry"
    tool.write_text('#!/bin/sh\necho "$@" >/opt/ml/output/message; echo entry "$@"\n')
    tool.chmod(0o755)
    image = Image(tmp_path / "env", ("entry", "--own"))
    with Emulator(images={"tests": image}, grace=2) as emulator:
        aws = aws_at(emulator)
        name = aws.processing("", AppSpecification={"ImageUri": aws.image})
        assert aws.wait(name)["ProcessingJobStatus"] == "Completed"
        assert aws.lines(name) == ["entry --own"]
        name = aws.processing(
            "", AppSpecification={"ImageUri": aws.image, "ContainerArguments": ["a", "b"]}
        )
        aws.wait(name)
        assert aws.lines(name) == ["entry --own a b"]
        name = aws.training("", algorithm={"ContainerEntrypoint": ["entry", "given"]})
        aws.wait(name)
        assert aws.lines(name, "Training") == ["entry given"]


# --- nothing leaves the machine -------------------------------------------------------------------

_CLIENT = """
import boto3, requests
sts = boto3.client("sts", endpoint_url="https://sts.us-east-1.amazonaws.com")
print(sts.get_caller_identity()["Account"])
from sagemaker.core.helper.session_helper import Session
print(Session().account_id())
for name in ("sagemaker", "s3", "logs", "scheduler", "iam", "ecr"):
    client = boto3.client(name)
    assert "amazonaws.com" in client.meta.endpoint_url, client.meta.endpoint_url
s3 = boto3.client("s3")
s3.create_bucket(Bucket="through-the-door")
s3.put_object(Bucket="through-the-door", Key="a/b c", Body=b"x" * 100_000)
print(len(s3.get_object(Bucket="through-the-door", Key="a/b c")["Body"].read()))
print(boto3.client("sagemaker").list_processing_jobs()["ProcessingJobSummaries"])
print([role["RoleName"] for role in boto3.client("iam").list_roles()["Roles"]])
try:
    requests.get("https://elsewhere.example/")
except requests.exceptions.ProxyError:
    print("refused")
"""


def test_sdks_are_answered_where_there_is_no_way_out(tmp_path):
    """No override of an endpoint is left: all go by the names that the SDKs build."""
    done = without_a_way_out("sagemaker", _CLIENT, tmp_path, "AWS_ENDPOINT_URL")
    lines = done.stdout.splitlines()
    role = "AmazonSageMaker-ExecutionRole"
    assert lines == ["123456789012", "123456789012", "100000", "[]", f"['{role}']", "refused"]
    assert "amazonaws.com (" not in done.stderr
