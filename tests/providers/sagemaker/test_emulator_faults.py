"""What the emulator lets go wrong when it is asked to, and what it keeps when it ends."""

import json

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from waterflow_sagemaker.emulator import Emulator, faults

from waterflow.errors import ConfigurationError

IDS = "pipelines-abcdefghij12"


def codes(call, times):
    """What each of several calls came to: "ok", or the error's code."""
    outcomes = []
    for _ in range(times):
        try:
            call()
            outcomes.append("ok")
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])
        except ConnectionClosedError:
            outcomes.append("lost")
    return outcomes


# --- requests -------------------------------------------------------------------------------------


def test_throttling_by_share_and_the_same_again_with_the_same_seed(aws_at):
    seen = []
    for _ in range(2):
        with Emulator(faults="throttle=0.5,error503:ListTrainingJobs=1,seed=7") as emulator:
            aws = aws_at(emulator)
            client = aws("sagemaker")
            seen.append(codes(client.list_processing_jobs, 24))
            # What comes between does not matter to it.
            seen[-1] += codes(client.list_pipelines, 4) + codes(client.list_processing_jobs, 8)
            training = set(codes(client.list_training_jobs, 12))
            assert training <= {"ServiceUnavailable", "ThrottlingException"}
            assert "ServiceUnavailable" in training
            aws.put("x", b"")  # S3 is left alone unless it is named
    assert seen[0] == seen[1]
    assert set(seen[0]) == {"ok", "ThrottlingException"}


def test_boto3_gets_over_throttling_and_503(aws_at):
    with Emulator(faults="throttle=0.2,error503=0.1,seed=1") as emulator:
        aws = aws_at(emulator)
        client = aws("sagemaker", retries={"mode": "standard", "max_attempts": 12})
        for _ in range(6):
            assert client.list_processing_jobs()["ProcessingJobSummaries"] == []


def test_a_lost_reply_is_to_a_request_that_was_carried_out(aws_at):
    with Emulator(faults="lost:CreateProcessingJob=1") as emulator:
        aws = aws_at(emulator)
        with pytest.raises(ConnectionClosedError):
            aws.processing("", name="once")
        assert aws.wait("once")["ProcessingJobStatus"] == "Completed"
        jobs = aws("sagemaker").list_processing_jobs()["ProcessingJobSummaries"]
        assert [one["ProcessingJobName"] for one in jobs] == ["once"]


def test_s3_is_hit_when_it_is_named(aws_at):
    with Emulator(faults="throttle:s3=1,throttle:ListPipelines=1") as emulator:
        aws = aws_at(emulator, bucket="unused")
        assert codes(aws("s3").list_buckets, 1) == ["SlowDown"]
        assert codes(aws("sagemaker").list_pipelines, 1) == ["ThrottlingException"]
        assert codes(aws("sagemaker").list_processing_jobs, 1) == ["ok"]
    with Emulator(faults="throttle:PutObject=1,error503:DescribeLogStreams=1") as emulator:
        aws = aws_at(emulator)
        assert codes(lambda: aws.put("x", b"data"), 1) == ["SlowDown"]
        assert codes(lambda: aws.keys("x"), 1) == ["ok"]
        assert codes(lambda: aws.streams("x"), 1) == ["ServiceUnavailable"]


def test_a_slow_reply_comes_late_and_whole(aws_at):
    with Emulator(faults="slow=1,slow-for=0.3") as emulator:
        aws = aws_at(emulator)
        quick = aws("sagemaker", read_timeout=0.1)
        with pytest.raises(Exception, match="timeout"):
            quick.list_processing_jobs()
        assert aws("sagemaker").list_processing_jobs()["ProcessingJobSummaries"] == []


# --- jobs -----------------------------------------------------------------------------------------


def test_jobs_fail_by_name_and_attempt(aws_at):
    spec = "fail=bad-*,capacity=train*:1,limit=big*:2,internal=odd:1,image=lost:1"
    with Emulator(faults=spec) as emulator:
        aws = aws_at(emulator)
        job = aws.wait(aws.processing("", name="bad-one"))
        assert job["FailureReason"].startswith("AlgorithmError: ")
        # Two attempts of one step of an execution, and the first one of another execution.
        attempts = [f"{IDS}-train-{end}" for end in ("aaaaaaaaaa", "bbbbbbbbbb")]
        attempts.append("pipelines-zzzzzzzzzz99-train-aaaaaaaaaa")
        ends = [aws.wait(aws.training("", name=name)) for name in attempts]
        assert ends[0]["FailureReason"].startswith("CapacityError: ")
        assert ends[1]["TrainingJobStatus"] == "Completed"
        assert ends[2]["TrainingJobStatus"] == "Failed"
        assert codes(lambda: aws.processing("", name="big"), 3) == [
            "ResourceLimitExceeded",
            "ResourceLimitExceeded",
            "ok",
        ]
        internal = aws.wait(aws.processing("", name="odd"))
        assert internal["FailureReason"].startswith("InternalServerError: ")
        assert "Cannot pull" in aws.wait(aws.processing("", name="lost"))["FailureReason"]
        assert aws.wait(aws.processing("", name="fine"))["ProcessingJobStatus"] == "Completed"


SPOT = """
import pathlib, signal, sys, time
place = pathlib.Path("/opt/ml/checkpoints")
place.mkdir(exist_ok=True)
done = len(list(place.glob("epoch-*")))
def stop(number, frame):
    (place / f"told-{done}").write_text("SIGTERM")
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
print("starts at", done, flush=True)
(place / f"epoch-{done}").write_text(str(done))
while done < 2:
    time.sleep(0.1)
(pathlib.Path("/opt/ml/model") / "epochs").write_text(str(done + 1))
"""


def test_a_spot_job_is_interrupted_and_goes_on_from_its_checkpoint(aws_at):
    with Emulator(faults="spot=2,spot-after=600") as emulator:
        aws = aws_at(emulator)
        name = aws.training(
            SPOT,
            EnableManagedSpotTraining=True,
            StoppingCondition={"MaxRuntimeInSeconds": 300, "MaxWaitTimeInSeconds": 600},
            CheckpointConfig={"S3Uri": aws.uri("points")},
            compression="NONE",
        )
        job = aws.wait(name)
        assert job["TrainingJobStatus"] == "Completed", aws.lines(name, "Training")
        assert aws.get(f"models/{name}/output/model/epochs") == b"3"
        assert aws.lines(name, "Training") == [f"starts at {i}" for i in range(3)]
        moves = [one["Status"] for one in job["SecondaryStatusTransitions"]]
        again = ["Downloading", "Training", "Interrupted", "Restarting"]
        assert moves == [
            "Starting",
            *again,
            *again,
            "Downloading",
            "Training",
            "Uploading",
            "Completed",
        ]
        assert {"points/told-0", "points/told-1"} <= set(aws.keys("points"))
        assert job["BillableTimeInSeconds"] <= job["TrainingTimeInSeconds"]
        # A job on machines of its own is left alone.
        sure = aws.wait(aws.training("", name="sure"))
        assert sure["EnableManagedSpotTraining"] is False
        moves = [one["Status"] for one in sure["SecondaryStatusTransitions"]]
        assert "Interrupted" not in moves


# --- how faults are written -----------------------------------------------------------------------


def test_a_wrong_fault_is_an_error_before_anything_starts():
    with pytest.raises(ConfigurationError, match="--fault thottle=1: there is no fault 'thottle'"):
        Emulator(faults="thottle=1")


def test_the_services_that_jobs_need_are_left_alone_unless_named():
    assert faults.parse("throttle=1").request("throttle", "logs", "DescribeLogGroups")
    assert not faults.parse("throttle=1").request("throttle", "s3", "PutObject")


# --- state ----------------------------------------------------------------------------------------


def test_the_state_is_kept_when_asked(aws_at, tmp_path, eventually):
    place = tmp_path / "state"
    with Emulator(state=place) as emulator:
        aws = aws_at(emulator)
        aws("s3").put_bucket_versioning(
            Bucket=aws.bucket, VersioningConfiguration={"Status": "Enabled"}
        )
        done = aws.processing("print('kept')", name="done", Tags=[{"Key": "a", "Value": "b"}])
        before = aws.wait(done)
        trained = aws.wait(aws.training("", name="trained"))
        aws.put("deep/ä b.txt", b"bytes", Metadata={"who": "me"}, ServerSideEncryption="AES256")
        etag = aws("s3").head_object(Bucket=aws.bucket, Key="deep/ä b.txt")["ETag"]
        aws("scheduler").create_schedule(
            Name="nightly",
            ScheduleExpression="rate(1 days)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": "arn:aws:sagemaker:us-east-1:123456789012:pipeline/p",
                "RoleArn": aws.role,
            },
        )
        with pytest.raises(ClientError, match="ValidationException"):
            aws("scheduler").create_schedule(
                Name="odd",
                ScheduleExpression="rate(never)",
                FlexibleTimeWindow={"Mode": "OFF"},
                Target={"Arn": "arn:aws:sqs:us-east-1:123456789012:q", "RoleArn": aws.role},
            )
        running = aws.processing("import time; time.sleep(600)", name="running")
        eventually(lambda: "ProcessingStartTime" in aws.describe(running))
        with pytest.raises(ConfigurationError, match="another emulator uses this folder"):
            Emulator(state=place).start()
    with Emulator(state=place) as emulator:
        aws = aws_at(emulator, bucket=aws.bucket)
        after = aws.describe(done)
        for one in (before, after):
            one.pop("ResponseMetadata")
        assert after == before
        again = aws.describe("trained")
        assert again["SecondaryStatusTransitions"] == trained["SecondaryStatusTransitions"]
        assert aws.lines(done) == ["kept"]
        kept = aws("scheduler").get_schedule(Name="nightly")
        assert kept["ScheduleExpression"] == "rate(1 days)"
        assert aws.get("deep/ä b.txt") == b"bytes"
        head = aws("s3").head_object(Bucket=aws.bucket, Key="deep/ä b.txt")
        assert (head["ETag"], head["Metadata"]) == (etag, {"who": "me"})
        assert head["ServerSideEncryption"] == "AES256"
        assert aws("s3").get_bucket_versioning(Bucket=aws.bucket)["Status"] == "Enabled"
        arn = after["ProcessingJobArn"]
        assert aws("sagemaker").list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
        assert aws.describe(running)["ProcessingJobStatus"] in ("Failed", "Stopped")
        names = [
            one["ProcessingJobName"]
            for one in aws("sagemaker").list_processing_jobs(SortOrder="Ascending")[
                "ProcessingJobSummaries"
            ]
        ]
        assert names == ["done", "running"]
        with pytest.raises(ClientError, match="already exists"):
            aws.processing("", name="done")


@pytest.mark.parametrize("text", ["", "[]", '{"version": 99}', '{"version": 1}'])
def test_a_broken_state_is_one_clear_error(tmp_path, text):
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(ConfigurationError, match="--state") as caught:
        Emulator(state=tmp_path).start()
    assert "another folder" in str(caught.value)


def test_two_emulators_side_by_side_know_nothing_of_each_other(aws_at):
    with Emulator() as one, Emulator() as two:
        here, there = aws_at(one), aws_at(two)
        assert one.endpoint != two.endpoint
        here.wait(here.processing("print('here')", name="same"))
        there.wait(there.processing("print('there')", name="same"))
        assert (here.lines("same"), there.lines("same")) == (["here"], ["there"])
        assert json.dumps(one.ready["isolation"]) == json.dumps(two.ready["isolation"])


PIPELINE = {
    "Version": "2020-12-01",
    "Parameters": [],
    "Steps": [
        {
            "Name": "only",
            "Type": "Processing",
            "Arguments": {
                "RoleArn": "arn:aws:iam::123456789012:role/waterflow-test",
                "ProcessingResources": {
                    "ClusterConfig": {
                        "InstanceCount": 1,
                        "InstanceType": "ml.m5.large",
                        "VolumeSizeInGB": 10,
                    }
                },
                "AppSpecification": {
                    "ImageUri": "any",
                    "ContainerEntrypoint": ["python3", "-c", "print('by the schedule')"],
                },
            },
        }
    ],
}


def test_a_schedule_fires_when_the_clock_is_moved(aws_at, eventually):
    with Emulator() as emulator:
        aws = aws_at(emulator)
        client = aws("sagemaker")
        arn = client.create_pipeline(
            PipelineName="nightly",
            RoleArn=aws.role,
            PipelineDefinition=json.dumps(PIPELINE),
            ClientRequestToken="t" * 32,
        )["PipelineArn"]
        aws("scheduler").create_schedule(
            Name="at-three",
            ScheduleExpression="cron(0 3 * * ? *)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": arn, "RoleArn": aws.role},
        )
        assert (
            client.list_pipeline_executions(PipelineName="nightly")["PipelineExecutionSummaries"]
            == []
        )
        emulator.advance(24 * 3600 + 1)

        def ended():
            listed = client.list_pipeline_executions(PipelineName="nightly")
            return [
                one["PipelineExecutionStatus"]
                for one in listed["PipelineExecutionSummaries"]
                if one["PipelineExecutionStatus"] != "Executing"
            ]

        assert set(eventually(ended)) == {"Succeeded"}
        job, *_ = client.list_processing_jobs()["ProcessingJobSummaries"]
        assert aws.lines(job["ProcessingJobName"]) == ["by the schedule"]
