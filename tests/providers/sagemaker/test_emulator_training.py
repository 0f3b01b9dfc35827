"""Training jobs on the emulator, by unmodified boto3: channels, models, metrics, checkpoints."""

import io
import tarfile

from tests.providers.sagemaker.jobs_kit import dumped, failing

ROOT = "/opt/ml/processing"


def test_training_from_channels_to_a_model(aws):
    aws.put("train/a.csv", b"1,2")
    name = aws.training(
        """
        import json, os, pathlib
        ml = pathlib.Path("/opt/ml")
        print(json.dumps(json.loads((ml / "input/config/hyperparameters.json").read_text())))
        print(json.dumps(json.loads((ml / "input/config/inputdataconfig.json").read_text())))
        print(json.dumps(os.environ["TRAINING_JOB_NAME"]))
        (ml / "model" / "weights").write_text((ml / "input/data/train/a.csv").read_text())
        (ml / "output/data/notes.txt").write_text("n")
        for value in (0.5, 0.25):
            print(json.dumps(f"loss={value};"))
        """,
        channels={"train": aws.uri("train/")},
        metrics={"loss": "loss=([0-9.]+);"},
        HyperParameters={"trees": "7"},
    )
    job = aws.wait(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["SecondaryStatus"] == "Completed"
    moves = [one["Status"] for one in job["SecondaryStatusTransitions"]]
    assert moves == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == aws.uri(
        f"models/{name}/output/model.tar.gz"
    )
    (metric,) = job["FinalMetricDataList"]
    assert (metric["MetricName"], metric["Value"]) == ("loss", 0.25)
    assert job["BillableTimeInSeconds"] == job["TrainingTimeInSeconds"] >= 1
    with tarfile.open(fileobj=io.BytesIO(aws.get(f"models/{name}/output/model.tar.gz"))) as archive:
        assert archive.extractfile("weights").read() == b"1,2"
    assert f"models/{name}/output/output.tar.gz" in aws.keys("models")
    hyper, channels, said, *_ = dumped(aws, name, "Training")
    assert hyper == {"trees": "7"}
    assert set(channels) == {"code", "train"}
    assert channels["train"]["TrainingInputMode"] == "File"
    assert said == name


def test_an_uncompressed_model_is_a_tree(aws):
    name = aws.training(
        """
        import pathlib
        (pathlib.Path("/opt/ml/model/a/b")).mkdir(parents=True)
        pathlib.Path("/opt/ml/model/a/b/c.txt").write_text("c")
        """,
        compression="NONE",
    )
    job = aws.wait(name)
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == aws.uri(f"models/{name}/output/model/")
    assert aws.keys(f"models/{name}/") == [f"models/{name}/output/model/a/b/c.txt"]


def test_the_words_of_a_failed_training(aws):
    name = aws.training(
        "open('/opt/ml/output/failure', 'w').write('no gradient'); raise SystemExit(2)"
    )
    job = aws.wait(name)
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: no gradient, exit code: 2"
    model = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert model == aws.uri(f"models/{name}/output/model.tar.gz")  # it says where, not that
    assert aws.keys(f"models/{name}") == []
    text = failing(lambda: aws.training("", channels={"data": aws.uri("nothing")}))
    assert f'No S3 objects found under S3 URL "{aws.uri("nothing")}"' in text
    name = aws.training("", algorithm={"ContainerEntrypoint": ["no-such-program"]})
    assert aws.wait(name)["FailureReason"] == "AlgorithmError: , exit code: 127"


def test_a_stopped_training_keeps_the_model_it_saved_in_time(aws, eventually):
    name = aws.training(
        """
        import signal, sys, time
        def stop(number, frame):
            open("/opt/ml/model/late", "w").write("saved")
            sys.exit(0)
        signal.signal(signal.SIGTERM, stop)
        print("ready", flush=True)
        while True:
            time.sleep(0.1)
        """,
        compression="NONE",
    )
    eventually(lambda: aws.lines(name, "Training") == ["ready"])
    aws("sagemaker").stop_training_job(TrainingJobName=name)
    job = aws.wait(name)
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Stopped"
    assert aws.get(f"models/{name}/output/model/late") == b"saved"


def test_a_training_that_takes_too_long(aws):
    name = aws.training(
        "import time; time.sleep(600)", StoppingCondition={"MaxRuntimeInSeconds": 1}
    )
    job = aws.wait(name)
    assert job["TrainingJobStatus"] == "Stopped"
    assert job["SecondaryStatus"] == "MaxRuntimeExceeded"


def test_distributed_training_gathers_one_model(aws):
    name = aws.training(
        """
        import json, os, socket
        resources = json.load(open("/opt/ml/input/config/resourceconfig.json"))
        host = resources["current_host"]
        if host == "algo-1":
            with socket.create_server((host, 29500)) as server:
                for _ in resources["hosts"][1:]:
                    connection, _ = server.accept()
                    connection.close()
        else:
            import time
            while True:
                try:
                    socket.create_connection(("algo-1", 29500), 5).close()
                    break
                except OSError:
                    time.sleep(0.05)
        open(f"/opt/ml/model/{host}", "w").write(host)
        """,
        instances=3,
        compression="NONE",
    )
    job = aws.wait(name)
    assert job["TrainingJobStatus"] == "Completed", aws.lines(name, "Training")
    model = f"models/{name}/output/model"
    assert aws.keys(model) == [f"{model}/algo-{i}" for i in (1, 2, 3)]


def test_checkpoints_are_kept_and_found_again(aws):
    program = """
        import os, pathlib
        place = pathlib.Path("/opt/ml/checkpoints")
        before = sorted(p.name for p in place.iterdir()) if place.exists() else []
        place.mkdir(exist_ok=True)
        (place / f"{len(before)}").write_text("x")
        print(before)
        """
    for before in ("[]", "['0']"):
        name = aws.training(program, CheckpointConfig={"S3Uri": aws.uri("points")})
        assert aws.wait(name)["TrainingJobStatus"] == "Completed"
        assert aws.lines(name, "Training") == [before]
    assert aws.keys("points") == ["points/0", "points/1"]


def test_kms_keys_are_used(aws):
    name = aws.training(
        "open('/opt/ml/model/m', 'w').write('m')",
        compression="GZIP",
        OutputDataConfig={"S3OutputPath": aws.uri("secret"), "KmsKeyId": "alias/mine"},
    )
    aws.wait(name)
    head = aws("s3").head_object(Bucket=aws.bucket, Key=f"secret/{name}/output/model.tar.gz")
    assert head["ServerSideEncryption"] == "aws:kms"
    assert head["SSEKMSKeyId"] == "alias/mine"
