"""Jobs on the emulator, by unmodified boto3: what they find, what they leave, how they end."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waterflow_sagemaker.emulator.objects import Objects

from tests.providers.sagemaker.jobs_kit import dumped, failing
from waterflow.emulation.images import Images
from waterflow.provider.emulators import Image

ROOT = "/opt/ml/processing"


# --- processing -----------------------------------------------------------------------------------


def test_processing_from_inputs_to_outputs(aws):
    aws.put("data/a.txt", b"alpha")
    aws.put("data/deep/b.txt", b"beta")
    name = aws.processing(
        """
        import json, os, pathlib, sys
        root = pathlib.Path("/opt/ml/processing")
        content = {str(p.relative_to(root / "data")): p.read_text()
                 for p in (root / "data").rglob("*") if p.is_file()}
        (root / "out" / "sub").mkdir()
        (root / "out" / "sub" / "all.json").write_text(json.dumps(content))
        pathlib.Path("/opt/ml/output/message").write_text("all is well")
        print(json.dumps(sys.argv))
        print(json.dumps(sorted(os.listdir("/opt/ml"))))
        print(json.dumps(json.load(open("/opt/ml/config/processingjobconfig.json"))))
        print(json.dumps(json.load(open("/opt/ml/config/resourceconfig.json"))))
        """,
        "--trees=3",
        inputs={"data": aws.uri("data")},
        outputs={"out": aws.uri("results/x")},
        Tags=[{"Key": "team", "Value": "red"}],
    )
    job = aws.wait(name)
    assert job["ProcessingJobStatus"] == "Completed", job
    assert job["ExitMessage"] == "all is well"
    assert "FailureReason" not in job
    assert job["CreationTime"] <= job["ProcessingStartTime"] <= job["ProcessingEndTime"]
    assert job["ProcessingJobArn"].endswith(f":processing-job/{name}")
    assert json.loads(aws.get("results/x/sub/all.json")) == {"a.txt": "alpha", "deep/b.txt": "beta"}
    argv, folders, config, resources = dumped(aws, name)
    assert argv == [f"{ROOT}/code/main.py", "--trees=3"]
    assert folders == ["config", "output", "processing"]
    assert config["ProcessingJobName"] == name
    assert config["AppSpecification"]["ContainerArguments"] == ["--trees=3"]
    assert resources["current_host"] == "algo-1"
    assert resources["hosts"] == ["algo-1"]
    client = aws("sagemaker")
    arn = job["ProcessingJobArn"]
    client.add_tags(ResourceArn=arn, Tags=[{"Key": "cost", "Value": "7"}])
    tags = {one["Key"]: one["Value"] for one in client.list_tags(ResourceArn=arn)["Tags"]}
    assert tags == {"team": "red", "cost": "7"}


def test_a_manifest_names_files_one_by_one(aws):
    aws.put("m/one.txt", b"1")
    aws.put("m/in/two.txt", b"2")
    aws.put("m/three.txt", b"3")
    manifest = aws.put(
        "list.manifest",
        json.dumps([{"prefix": aws.uri("m/")}, "one.txt", "in/two.txt"]).encode(),
    )
    program = f"""
        import json, pathlib
        root = pathlib.Path("{ROOT}/data")
        print(json.dumps(sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())))
        """
    name = aws.processing(program, inputs={"data": manifest})
    assert aws.wait(name)["ProcessingJobStatus"] == "Completed"
    assert dumped(aws, name) == [["in/two.txt", "one.txt"]]
    name = aws.training(program.replace(ROOT, "/opt/ml/input/data"), channels={"data": manifest})
    assert aws.wait(name)["TrainingJobStatus"] == "Completed"
    assert dumped(aws, name, "Training") == [["in/two.txt", "one.txt"]]
    aws.put("bad.manifest", b"{}")
    name = aws.processing(program, inputs={"data": aws.uri("bad.manifest")})
    assert "Failed to parse manifest" in aws.wait(name)["FailureReason"]


def test_the_container_has_a_clean_environment(aws):
    os.environ["WATERFLOW_TEST_LEAK"] = "1"
    try:
        name = aws.processing(
            "import json, os\nprint(json.dumps(dict(os.environ)))", Environment={"MINE": "yes"}
        )
        aws.wait(name)
    finally:
        del os.environ["WATERFLOW_TEST_LEAK"]
    (variables,) = dumped(aws, name)
    assert set(variables) == {
        "PATH", "HOME", "TMPDIR", "LANG", "MINE", "AWS_REGION",
        "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED",
        # What leads it to the door, and past it to itself.
        "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy",
        "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE",
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    }  # fmt: skip
    assert variables["AWS_ENDPOINT_URL"] == aws.emulator.endpoint
    assert {"localhost", "algo-1"} <= set(variables["NO_PROXY"].split(","))


def test_a_job_uses_the_emulator_itself(aws):
    name = aws.processing(
        f"""
        import boto3
        boto3.client("s3").put_object(Bucket="{aws.bucket}", Key="from-the-job", Body=b"hello")
        """
    )
    job = aws.wait(name)
    assert job["ProcessingJobStatus"] == "Completed", aws.lines(name)
    assert aws.get("from-the-job") == b"hello"


def test_two_jobs_side_by_side_each_have_their_own_opt_ml(aws):
    program = f"""
        import pathlib, time, sys
        import boto3
        s3 = boto3.client("s3")
        me, other = sys.argv[1:]
        pathlib.Path("/opt/ml/mark").write_text(me)
        s3.put_object(Bucket="{aws.bucket}", Key=f"here/{{me}}", Body=b"")
        for _ in range(600):
            if s3.list_objects_v2(Bucket="{aws.bucket}", Prefix=f"here/{{other}}")["KeyCount"]:
                break
            time.sleep(0.05)
        else:
            sys.exit("the other one did not come")
        print(pathlib.Path("/opt/ml/mark").read_text())
        """
    names = [aws.processing(program, me, other) for me, other in (("x", "y"), ("y", "x"))]
    for name, mark in zip(names, "xy", strict=True):
        assert aws.wait(name)["ProcessingJobStatus"] == "Completed", aws.lines(name)
        assert aws.lines(name) == [mark]
    assert not Path("/opt/ml/mark").exists()


@pytest.mark.parametrize(
    ("program", "reason", "message"),
    [
        ("raise SystemExit(3)", "AlgorithmError: See job logs for more information, exit code: 3",
         None),
        ("open('/opt/ml/output/message', 'w').write('no data'); raise SystemExit(1)",
         "AlgorithmError: no data, exit code: 1", "no data"),
        ("import ctypes; ctypes.string_at(0)",
         "AlgorithmError: See job logs for more information, exit code: 139", None),
    ],
    ids=["exit", "message", "signal"],
)  # fmt: skip
def test_a_failed_program(aws, program, reason, message):
    name = aws.processing(program, outputs={"out": aws.uri("never")})
    job = aws.wait(name)
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"] == reason
    assert job.get("ExitMessage") == message
    assert aws.keys("never") == []


def test_a_missing_input_fails_the_job_and_a_missing_bucket_too(aws):
    name = aws.processing("", inputs={"data": aws.uri("nothing/here")})
    job = aws.wait(name)
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"] == (
        f"ClientError: Failed to download data. S3 key: {aws.uri('nothing/here')} matched no files "
        "on s3"
    )
    name = aws.processing(
        f"open('{ROOT}/out/x', 'w').close()", outputs={"out": "s3://there-is-no-such-bucket/x"}
    )
    job = aws.wait(name)
    assert job["ProcessingJobStatus"] == "Failed"
    assert "The specified bucket does not exist" in job["FailureReason"]


def test_what_takes_too_long_is_stopped(aws):
    name = aws.processing(
        "import time; time.sleep(600)", StoppingCondition={"MaxRuntimeInSeconds": 1}
    )
    job = aws.wait(name)
    assert job["ProcessingJobStatus"] == "Stopped"
    assert "MaxRuntimeInSeconds" in job["FailureReason"]


@pytest.mark.parametrize("deaf", [False, True])
def test_stop_is_sigterm_and_then_sigkill(aws, eventually, deaf):
    name = aws.processing(
        f"""
        import signal, sys, time
        def stop(number, frame):
            print("told", flush=True)
            {"pass" if deaf else "sys.exit(0)"}
        signal.signal(signal.SIGTERM, stop)
        print("ready", flush=True)
        while True:
            time.sleep(0.1)
        """
    )
    eventually(lambda: aws.lines(name) == ["ready"])
    aws("sagemaker").stop_processing_job(ProcessingJobName=name)
    assert aws.wait(name)["ProcessingJobStatus"] == "Stopped"
    assert aws.lines(name) == ["ready", "told"]
    text = failing(lambda: aws("sagemaker").stop_processing_job(ProcessingJobName=name))
    assert "is in status Stopped" in text


def test_logs_are_live_and_have_the_time_of_writing(aws, eventually):
    before = time.time() * 1000
    name = aws.processing(
        f"""
        import pathlib, time, boto3, sys
        print("first"); sys.stdout.flush()
        s3 = boto3.client("s3")
        while not s3.list_objects_v2(Bucket="{aws.bucket}", Prefix="go")["KeyCount"]:
            time.sleep(0.05)
        print("second", file=sys.stderr)
        """
    )
    eventually(lambda: aws.lines(name) == ["first"])
    assert aws.describe(name)["ProcessingJobStatus"] == "InProgress"
    aws.put("go", b"")
    aws.wait(name)
    (stream,) = aws.streams(name).items()
    assert stream[0].startswith(f"{name}/algo-1-")
    first, second = stream[1]
    assert before - 1 <= first["timestamp"] <= second["timestamp"] <= time.time() * 1000 + 1
    assert second["message"] == "second"


def test_several_instances_each_with_files_of_their_own(aws):
    for letter in "abcd":
        aws.put(f"shards/{letter}", letter.encode())
    name = aws.name()
    aws.processing(
        """
        import json, os, socket
        resources = json.load(open("/opt/ml/config/resourceconfig.json"))
        host = resources["current_host"]
        print(json.dumps([host, resources["hosts"], sorted(os.listdir("/opt/ml/processing/data"))]))
        assert socket.gethostbyname("algo-1") != socket.gethostbyname("algo-2")
        open(f"/opt/ml/processing/out/{host}", "w").write(host)
        """,
        name=name,
        instances=2,
        outputs={"out": aws.uri("hosts")},
        inputs={"data": aws.uri("shards/")},
    )
    job = aws.wait(name)
    assert job["ProcessingJobStatus"] == "Completed", aws.lines(name)
    assert aws.keys("hosts") == ["hosts/algo-1", "hosts/algo-2"]
    said = sorted(dumped(aws, name))
    assert said == [[f"algo-{i}", ["algo-1", "algo-2"], list("abcd")] for i in (1, 2)]
    assert len(aws.streams(name)) == 2


def test_network_isolation_leaves_neither_network_nor_endpoint(aws):
    cut_off = aws.emulator.ready["isolation"]["network"]
    assert cut_off != ("DEGRADED: network" in aws.emulator.isolation)
    name = aws.processing(
        f"""
        import json, os, socket
        port = {aws.emulator.ready["port"]}
        with socket.socket() as mine, socket.socket() as to_mine:
            mine.bind(("127.0.0.1", 0)); mine.listen()
            to_mine.connect(mine.getsockname())
        try:
            socket.create_connection(("127.0.0.1", port), 2)
            outcome = "connected"
        except OSError as error:
            outcome = type(error).__name__
        print(json.dumps([outcome, "AWS_ENDPOINT_URL" in os.environ]))
        """,
        NetworkConfig={"EnableNetworkIsolation": True},
    )
    assert aws.wait(name)["ProcessingJobStatus"] == "Completed", aws.lines(name)
    assert dumped(aws, name) == [["ConnectionRefusedError" if cut_off else "connected", False]]


def test_continuous_outputs_are_there_while_the_job_runs(aws, eventually):
    name = aws.processing(
        f"""
        import time
        open("{ROOT}/out/part", "w").write("1")
        time.sleep(600)
        """,
        outputs={"out": aws.uri("live")},
        mode="Continuous",
    )
    eventually(lambda: aws.keys("live") == ["live/part"])
    aws("sagemaker").stop_processing_job(ProcessingJobName=name)
    assert aws.wait(name)["ProcessingJobStatus"] == "Stopped"


def test_refusals(aws):
    client = aws("sagemaker")
    name = aws.processing("")
    aws.wait(name)
    assert "name already exists" in failing(lambda: aws.processing("", name=name), "ResourceInUse")
    assert "failed to satisfy constraint" in failing(lambda: aws.processing("", name="a_b"))
    assert f"{ROOT}" in failing(
        lambda: aws.processing(
            "",
            ProcessingInputs=[
                {
                    "InputName": "x",
                    "S3Input": {
                        "S3Uri": aws.uri("code"),
                        "LocalPath": "/etc",
                        "S3DataType": "S3Prefix",
                        "S3InputMode": "File",
                    },
                }
            ],
        )
    )
    assert "Could not find" in failing(
        lambda: client.describe_processing_job(ProcessingJobName="nobody")
    )
    assert "not found" in failing(lambda: client.describe_training_job(TrainingJobName="nobody"))
    assert "ListApps" in failing(client.list_apps, "UnknownOperationException")


def test_lists_are_filtered_and_paged(aws):
    stem = aws.name("listed")
    names = [aws.processing("", name=f"{stem}-{i}") for i in range(3)]
    for name in names:
        aws.wait(name)
    client = aws("sagemaker")
    pages = client.get_paginator("list_processing_jobs").paginate(
        NameContains=stem, SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 2}
    )
    assert [
        one["ProcessingJobName"] for page in pages for one in page["ProcessingJobSummaries"]
    ] == names
    assert (
        client.list_processing_jobs(NameContains=stem, StatusEquals="Failed")[
            "ProcessingJobSummaries"
        ]
        == []
    )
    arn = aws.describe(names[0])["ProcessingJobArn"]
    assert client.list_tags(ResourceArn=arn)["Tags"] == []


# --- what belongs to no one job -------------------------------------------------------------------


def test_jobs_die_with_an_emulator_that_is_killed(aws_at, eventually):
    from waterflow_sagemaker.emulator import Emulator

    with Emulator() as emulator:
        aws = aws_at(emulator)
        name = aws.processing("import time; print('up', flush=True); time.sleep(600)")
        eventually(lambda: aws.lines(name) == ["up"])
        mark = f"/processing/{name}/"

        def alive():
            return [one for one in Path("/proc").iterdir() if _mentions(one, mark)]

        assert alive()
        os.kill(emulator.ready["pid"], signal.SIGKILL)
        eventually(lambda: not alive())
        assert "exit code" in eventually(emulator.ended)


def _mentions(process, mark):
    try:
        return mark in (process / "environ").read_text(errors="replace")
    except OSError:
        return False


@pytest.mark.parametrize("level", ["mounts", "symlink", "rewritten"])
def test_lesser_isolation(aws_at, level):
    from waterflow_sagemaker.emulator import Emulator

    there = Path("/opt/ml").exists()
    if os.geteuid() != 0 or there:
        level = "rewritten"  # what such a machine has instead
    with Emulator(isolation=level) as emulator:
        assert emulator.ready["isolation"]["level"] == level
        assert ("DEGRADED" in emulator.isolation) == (level != "mounts")
        aws = aws_at(emulator)
        names = [
            aws.processing(
                "import sys; open(sys.argv[1], 'w').write(sys.argv[2])",
                f"{ROOT}/out/x",
                letter,
                outputs={"out": aws.uri(f"out/{letter}")},
            )
            for letter in "ab"
        ]
        for name in names:
            assert aws.wait(name)["ProcessingJobStatus"] == "Completed", aws.lines(name)
        assert [aws.get(f"out/{letter}/x") for letter in "ab"] == [b"a", b"b"]
    assert Path("/opt/ml").exists() == there


def test_an_environment_stands_for_an_image(aws_at, tmp_path):
    from waterflow_sagemaker.emulator import Emulator

    tool = tmp_path / "env" / "bin" / "train"
    tool.parent.mkdir(parents=True)
    tool.write_text("#!/bin/sh\necho trained by mine > /opt/ml/model/m\n")
    tool.chmod(0o755)
    with Emulator(images={"tests": tmp_path / "env"}) as emulator:
        aws = aws_at(emulator)
        name = aws.training("", algorithm={"ContainerEntrypoint": ["train"]}, compression="NONE")
        assert aws.wait(name)["TrainingJobStatus"] == "Completed"
        assert aws.get(f"models/{name}/output/model/m") == b"trained by mine\n"


@given(
    registry=st.sampled_from(["", "1.dkr.ecr.us-east-1.amazonaws.com/", "localhost:5000/"]),
    name=st.sampled_from(["tests", "team/tests"]),
    tag=st.sampled_from(["", ":1", "@sha256:abc", ":1@sha256:abc"]),
)
def test_an_image_is_known_by_its_repository(registry, name, tag):
    images = Images({"tests": Image(Path("/x"))}, Path("/nowhere"))
    assert images.find(f"{registry}{name}{tag}") == Image(Path("/x"))
    assert images.find(f"{registry}other{tag}") is None


@given(st.data())
def test_what_a_prefix_names(data):
    keys = data.draw(
        st.sets(st.from_regex(r"[ab]{1,3}(/[ab]{1,2}){0,3}", fullmatch=True), min_size=1)
    )
    prefix = data.draw(st.from_regex(r"[ab]{1,3}(/[ab]{1,2}){0,2}/?", fullmatch=True))

    class Known(Objects):
        def keys(self, bucket, prefix):
            return sorted(key for key in keys if key.startswith(prefix))

        def elsewhere(self, bucket):
            return None

    entries = {one.key: one.place for one in Known("us-east-1").match(f"s3://b/{prefix}")}
    assert set(entries) == {key for key in keys if key.startswith(prefix)}
    assert len(set(entries.values())) == len(entries) or prefix.rstrip("/") in keys
    for key, place in entries.items():
        assert key.endswith(place)
        if key.startswith(prefix.rstrip("/") + "/"):
            assert place == key[len(prefix.rstrip("/")) + 1 :]
