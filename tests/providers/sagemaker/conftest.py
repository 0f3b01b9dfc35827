"""An emulator for each worker, unmodified boto3 bound to it, and what a test makes there."""

import contextlib
import itertools
import json
import os
import textwrap
import time
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from waterflow_sagemaker.emulator import Emulator

from tests.providers.sagemaker.calls import pointed
from tests.providers.sagemaker.pipelines_kit import BUCKET, FAULTS, Pipelines

ROLE = "arn:aws:iam::123456789012:role/waterflow-test"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/tests:1"
FINAL = {"Completed", "Failed", "Stopped"}
_NUMBERS = itertools.count(1)
_CLIENTS = {}


def until(condition, seconds=300.0, what="it"):
    """Poll until a condition holds, and return what it gave."""
    end = time.monotonic() + seconds
    while not (outcome := condition()):
        assert time.monotonic() < end, f"{what} did not come about within {seconds} s"
        time.sleep(0.1)
    return outcome


class Aws:
    """Unmodified boto3 at an emulator, with a bucket and names of the test's own."""

    role, image = ROLE, IMAGE

    def __init__(self, emulator, bucket=None):
        self.emulator = emulator
        self.bucket = bucket or f"test-{os.getpid()}-{next(_NUMBERS)}"
        if bucket is None:
            self("s3").create_bucket(Bucket=self.bucket)

    def __call__(self, service, **config):
        key = (self.emulator.endpoint, service, str(sorted(config.items())))
        if key not in _CLIENTS:  # to make one takes longer than most tests
            settings = Config(**{"retries": {"max_attempts": 0}, "read_timeout": 60, **config})
            _CLIENTS[key] = boto3.session.Session(
                aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1"
            ).client(service, endpoint_url=self.emulator.endpoint, config=settings)
        return _CLIENTS[key]

    def execution_role(self, name):
        """Return the ARN of a role of SageMaker's that may do all with it, made when it is new."""
        client = self("iam")
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        with contextlib.suppress(client.exceptions.EntityAlreadyExistsException):
            client.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
        policy = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
        client.attach_role_policy(RoleName=name, PolicyArn=policy)
        return client.get_role(RoleName=name)["Role"]["Arn"]

    def uri(self, key):
        return f"s3://{self.bucket}/{key}"

    def name(self, stem="job"):
        return f"{stem}-{os.getpid()}-{next(_NUMBERS)}"

    def put(self, key, body, **more):
        data = body if isinstance(body, bytes) else textwrap.dedent(body).encode()
        self("s3").put_object(Bucket=self.bucket, Key=key, Body=data, **more)
        return self.uri(key)

    def get(self, key):
        return self("s3").get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def keys(self, prefix=""):
        listing = self("s3").list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [one["Key"] for one in listing.get("Contents", [])]

    # --- jobs -------------------------------------------------------------------------------------

    def processing(self, program, *arguments, name=None, inputs=None, outputs=None, **more):
        """Start a processing job that runs a program.

        `inputs` and `outputs`: name -> URI; a URI that ends in .manifest names a manifest file.
        """
        name = name or self.name()
        code = self.put(f"code/{name}/main.py", program)
        root = "/opt/ml/processing"
        instances = more.pop("instances", 1)
        mode = more.pop("mode", "EndOfJob")
        request = {
            "ProcessingJobName": name,
            "RoleArn": ROLE,
            "AppSpecification": {
                "ImageUri": IMAGE,
                "ContainerEntrypoint": ["python3", f"{root}/code/main.py"],
            },
            "ProcessingResources": {
                "ClusterConfig": {
                    "InstanceCount": instances,
                    "InstanceType": "ml.m5.large",
                    "VolumeSizeInGB": 10,
                }
            },
            "ProcessingInputs": [
                _input("code", code, f"{root}/code"),
                *(_input(key, uri, f"{root}/{key}") for key, uri in (inputs or {}).items()),
            ],
            "ProcessingOutputConfig": {
                "Outputs": [
                    {
                        "OutputName": key,
                        "S3Output": {
                            "S3Uri": uri,
                            "LocalPath": f"{root}/{key}",
                            "S3UploadMode": mode,
                        },
                    }
                    for key, uri in (outputs or {}).items()
                ]
            },
            **more,
        }
        if arguments:
            request["AppSpecification"]["ContainerArguments"] = list(arguments)
        self("sagemaker").create_processing_job(**request)
        return name

    def training(self, program, *arguments, name=None, channels=None, **more):
        """Start a training job that runs a program; `channels`: name -> URI."""
        name = name or self.name()
        code = self.put(f"code/{name}/main.py", program)
        metrics = more.pop("metrics", {})
        instances = more.pop("instances", 1)
        compression = more.pop("compression", "GZIP")
        algorithm = {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/main.py"],
            "MetricDefinitions": [{"Name": key, "Regex": text} for key, text in metrics.items()],
            **more.pop("algorithm", {}),
        }
        if arguments:
            algorithm["ContainerArguments"] = list(arguments)
        self("sagemaker").create_training_job(
            **{
                "TrainingJobName": name,
                "RoleArn": ROLE,
                "AlgorithmSpecification": algorithm,
                "InputDataConfig": [
                    _channel(key, uri) for key, uri in {"code": code, **(channels or {})}.items()
                ],
                "OutputDataConfig": {
                    "S3OutputPath": self.uri("models"),
                    "CompressionType": compression,
                },
                "ResourceConfig": {
                    "InstanceCount": instances,
                    "InstanceType": "ml.m5.large",
                    "VolumeSizeInGB": 10,
                },
                "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
                **more,
            }
        )
        return name

    def describe(self, name):
        client = self("sagemaker")
        try:
            return client.describe_processing_job(ProcessingJobName=name)
        except client.exceptions.ClientError:
            return client.describe_training_job(TrainingJobName=name)

    def wait(self, name):
        def ended():
            description = self.describe(name)
            status = description.get("ProcessingJobStatus") or description["TrainingJobStatus"]
            return description if status in FINAL else None

        return until(ended, what=f"the end of {name}")

    def streams(self, name, kind="Processing"):
        client, group = self("logs"), f"/aws/sagemaker/{kind}Jobs"
        try:
            listing = client.describe_log_streams(
                logGroupName=group, logStreamNamePrefix=f"{name}/"
            )
        except client.exceptions.ResourceNotFoundException:
            return {}
        return {
            one["logStreamName"]: client.get_log_events(
                logGroupName=group, logStreamName=one["logStreamName"], startFromHead=True
            )["events"]
            for one in listing["logStreams"]
        }

    def lines(self, name, kind="Processing"):
        return [one["message"] for events in self.streams(name, kind).values() for one in events]


def _type(uri):
    return "ManifestFile" if uri.endswith(".manifest") else "S3Prefix"


def _input(name, uri, path):
    return {
        "InputName": name,
        "S3Input": {
            "S3Uri": uri,
            "LocalPath": path,
            "S3DataType": _type(uri),
            "S3InputMode": "File",
        },
    }


def _channel(name, uri):
    return {
        "ChannelName": name,
        "DataSource": {"S3DataSource": {"S3Uri": uri, "S3DataType": _type(uri)}},
    }


@pytest.fixture(scope="session", autouse=True)
def calls(tmp_path_factory):
    """The file in which all emulators of the session record what they are asked."""
    with pytest.MonkeyPatch.context() as patch:
        yield pointed(patch, tmp_path_factory.mktemp("calls"))


@pytest.fixture(scope="session")
def emulator(calls):
    """An emulator without faults, one for each worker."""
    with Emulator(grace=2) as running:
        yield running


@pytest.fixture
def aws(emulator):
    """boto3 at the session's emulator, with a fresh bucket and a role."""
    return Aws(emulator)


@pytest.fixture
def aws_at():
    """Give boto3 at an emulator that the test has started itself."""
    return Aws


@pytest.fixture
def eventually():
    """Poll until a condition holds."""
    return until


@pytest.fixture(autouse=True)
def _no_leaks():
    """No test changes the environment or the folder that the next one finds."""
    before, folder = dict(os.environ), Path.cwd()
    yield
    changed = {
        key
        for key in before.keys() ^ os.environ.keys()
        | {key for key in before.keys() & os.environ.keys() if before[key] != os.environ[key]}
        if key not in ("PYTEST_CURRENT_TEST", "_RJEM_MALLOC_CONF")  # the latter is Polars' own
    }
    assert not changed, f"the environment was changed: {sorted(changed)}"
    assert Path.cwd() == folder


@pytest.fixture(scope="session")
def faulty():
    """An emulator in which jobs of some names cannot start at once."""
    with Emulator(faults=FAULTS, grace=0.5) as running:
        yield running


@pytest.fixture
def service(faulty, aws_at):
    """Pipelines at that emulator."""
    return Pipelines(aws_at(faulty, BUCKET))
