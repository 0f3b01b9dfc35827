"""Regions in the emulator: names of their own, a state of their own, and buckets for all."""

from __future__ import annotations

import itertools
import json
import urllib.error
import urllib.request
from types import SimpleNamespace

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws
from waterflow_sagemaker.emulator.calls import Calls
from waterflow_sagemaker.emulator.endpoints import Endpoints
from waterflow_sagemaker.emulator.experiments import Experiments
from waterflow_sagemaker.emulator.identity import Identities
from waterflow_sagemaker.emulator.jobs import Jobs
from waterflow_sagemaker.emulator.keeping import ScheduleGroups, Streams
from waterflow_sagemaker.emulator.objects import Objects
from waterflow_sagemaker.emulator.pipelines import Pipelines
from waterflow_sagemaker.emulator.regions import Region, Regions
from waterflow_sagemaker.emulator.registry import ModelRegistry
from waterflow_sagemaker.emulator.schedules import PipelineScheduler
from waterflow_sagemaker.emulator.services import Services

from waterflow.emulation.clock import Clock

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/jobs"
IMAGE = f"{ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com/tests:1"
HERE, THERE = "us-east-1", "us-west-2"
_NUMBERS = itertools.count()
_CLIENTS = {}
DEFINITION = json.dumps(
    {
        "Version": "2020-12-01",
        "Steps": [{"Name": "stop", "Type": "Fail", "Arguments": {"ErrorMessage": "over"}}],
    }
)


def clients(emulator, region):
    """Return what makes a client of a service in a region."""

    def client(service):
        key = (emulator.endpoint, service, region)
        if key not in _CLIENTS:
            _CLIENTS[key] = boto3.session.Session(
                aws_access_key_id="test", aws_secret_access_key="test", region_name=region
            ).client(
                service,
                endpoint_url=emulator.endpoint,
                config=Config(retries={"max_attempts": 0}),
            )
        return _CLIENTS[key]

    return client


@pytest.fixture
def here(emulator):
    return clients(emulator, HERE)


@pytest.fixture
def there(emulator):
    return clients(emulator, THERE)


def unique(stem):
    return f"{stem}-{next(_NUMBERS)}"


def pipeline(client, name):
    answer = client("sagemaker").create_pipeline(
        PipelineName=name,
        PipelineDefinition=DEFINITION,
        RoleArn=ROLE,
        ClientRequestToken=f"{name:x<32}",
    )
    return answer["PipelineArn"]


def processing(client, name):
    answer = client("sagemaker").create_processing_job(
        ProcessingJobName=name,
        RoleArn=ROLE,
        AppSpecification={"ImageUri": IMAGE, "ContainerEntrypoint": ["true"]},
        ProcessingResources={
            "ClusterConfig": {
                "InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 10
            }
        },
    )  # fmt: skip
    return answer["ProcessingJobArn"]


def model(client, name):
    return client("sagemaker").create_model(ModelName=name, ExecutionRoleArn=ROLE)["ModelArn"]


def group(client, name):
    answer = client("sagemaker").create_model_package_group(ModelPackageGroupName=name)
    return answer["ModelPackageGroupArn"]


def experiment(client, name):
    return client("sagemaker").create_experiment(ExperimentName=name)["ExperimentArn"]


def schedule(client, name):
    return client("scheduler").create_schedule(
        Name=name,
        ScheduleExpression="rate(1 day)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": f"arn:aws:sagemaker:{THERE}:{ACCOUNT}:pipeline/{name}",
            "RoleArn": ROLE,
            "SageMakerPipelineParameters": {"PipelineParameterList": []},
        },
    )["ScheduleArn"]


def log_group(client, name):
    client("logs").create_log_group(logGroupName=name)
    [one] = client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return one["logGroupArn"]


def repository(client, name):
    answer = client("ecr").create_repository(repositoryName=name)["repository"]
    assert answer["repositoryUri"] == f"{ACCOUNT}.dkr.ecr.{THERE}.amazonaws.com/{name}"
    return answer["repositoryArn"]


def secret(client, name):
    return client("secretsmanager").create_secret(Name=name, SecretString="x")["ARN"]


def queue(client, name):
    address = client("sqs").create_queue(QueueName=name)["QueueUrl"]
    attributes = client("sqs").get_queue_attributes(QueueUrl=address, AttributeNames=["QueueArn"])
    return attributes["Attributes"]["QueueArn"]


def names(client, service, operation, answer, name, **request):
    listed = getattr(client(service), operation)(**request)[answer]
    return [one[name] for one in listed]


RESOURCES = {
    "pipeline": (pipeline, "sagemaker:{}:pipeline/",
                 ("sagemaker", "list_pipelines", "PipelineSummaries", "PipelineName")),
    "processing job": (processing, "sagemaker:{}:processing-job/",
                       ("sagemaker", "list_processing_jobs", "ProcessingJobSummaries",
                        "ProcessingJobName")),
    "model": (model, "sagemaker:{}:model/", ("sagemaker", "list_models", "Models", "ModelName")),
    "model package group": (group, "sagemaker:{}:model-package-group/",
                            ("sagemaker", "list_model_package_groups",
                             "ModelPackageGroupSummaryList", "ModelPackageGroupName")),
    "experiment": (experiment, "sagemaker:{}:experiment/",
                   ("sagemaker", "list_experiments", "ExperimentSummaries", "ExperimentName")),
    "schedule": (schedule, "scheduler:{}:schedule/default/",
                 ("scheduler", "list_schedules", "Schedules", "Name")),
    "log group": (log_group, "logs:{}:log-group:",
                  ("logs", "describe_log_groups", "logGroups", "logGroupName")),
    "repository": (repository, "ecr:{}:repository/",
                   ("ecr", "describe_repositories", "repositories", "repositoryName")),
    "secret": (secret, "secretsmanager:{}:secret:",
               ("secretsmanager", "list_secrets", "SecretList", "Name")),
    "queue": (queue, "sqs:{}:", None),
}  # fmt: skip


@pytest.mark.parametrize("kind", RESOURCES)
def test_each_resource_is_of_its_region_alone(here, there, kind):
    make, form, listing = RESOURCES[kind]
    name = unique("regional")
    arn = make(there, name)
    place = f"{THERE}:{ACCOUNT}"
    assert arn.startswith("arn:aws:" + form.format(place) + name), arn
    if listing is not None:
        assert name in names(there, *listing)
        assert name not in names(here, *listing)
    else:
        with pytest.raises(here("sqs").exceptions.QueueDoesNotExist):
            here("sqs").get_queue_url(QueueName=name)


def test_a_pipeline_runs_where_it_is(here, there):
    name = unique("runs")
    arn = pipeline(there, name)
    client = there("sagemaker")
    execution = client.start_pipeline_execution(PipelineName=arn, ClientRequestToken="y" * 32)[
        "PipelineExecutionArn"
    ]
    assert execution.startswith(f"{arn}/execution/")
    for request in ({"PipelineName": name}, {"PipelineName": arn}):
        with pytest.raises(here("sagemaker").exceptions.ResourceNotFound):
            here("sagemaker").describe_pipeline(**request)
    with pytest.raises(here("sagemaker").exceptions.ResourceNotFound):
        here("sagemaker").describe_pipeline_execution(PipelineExecutionArn=execution)
    client.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "b"}])
    with pytest.raises(ClientError, match="Could not find resource"):
        here("sagemaker").list_tags(ResourceArn=arn)


def test_the_same_names_in_two_regions_are_two_things(here, there):
    name = unique("twice")
    for make in (pipeline, processing, model, group):
        arns = {make(client, name).split(":")[3] for client in (here, there)}
        assert arns == {HERE, THERE}


def test_a_job_knows_its_region_and_logs_there(here, there, aws_at, emulator, eventually):
    name = unique("knows")
    bucket = unique(f"region-of-{name}")
    there("s3").create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": THERE}
    )
    program = b"import os; print(os.environ['AWS_REGION']); open('/opt/ml/processing/o/f', 'w')"
    there("s3").put_object(Bucket=bucket, Key="code/main.py", Body=program)

    def run(client, name):
        client("sagemaker").create_processing_job(
            ProcessingJobName=name,
            RoleArn=ROLE,
            AppSpecification={
                "ImageUri": IMAGE,
                "ContainerEntrypoint": ["python3", "/opt/ml/processing/c/main.py"],
            },
            ProcessingResources={
                "ClusterConfig": {
                    "InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 10
                }
            },
            ProcessingInputs=[
                {
                    "InputName": "c",
                    "S3Input": {
                        "S3Uri": f"s3://{bucket}/code", "LocalPath": "/opt/ml/processing/c",
                        "S3DataType": "S3Prefix", "S3InputMode": "File",
                    },
                }
            ],
            ProcessingOutputConfig={
                "Outputs": [
                    {
                        "OutputName": "o",
                        "S3Output": {
                            "S3Uri": f"s3://{bucket}/out", "LocalPath": "/opt/ml/processing/o",
                            "S3UploadMode": "EndOfJob",
                        },
                    }
                ]
            },
        )  # fmt: skip

        def ended():
            job = client("sagemaker").describe_processing_job(ProcessingJobName=name)
            return job if job["ProcessingJobStatus"] in ("Completed", "Failed") else None

        return eventually(ended)

    assert run(there, name)["ProcessingJobStatus"] == "Completed"
    group = {"logGroupName": "/aws/sagemaker/ProcessingJobs", "logStreamNamePrefix": f"{name}/"}
    events = there("logs").filter_log_events(**group)["events"]
    assert [event["message"] for event in events] == [THERE]
    try:
        assert here("logs").filter_log_events(**group)["events"] == []
    except here("logs").exceptions.ResourceNotFoundException:
        pass  # no job has run here yet
    # A job's data is in its region: https://repost.aws/knowledge-center/sagemaker-s3-different-region
    failed = run(here, f"{name}-elsewhere")
    assert failed["ProcessingJobStatus"] == "Failed"
    assert f"The bucket is in this region: {THERE}" in failed["FailureReason"]


def test_buckets_are_for_all_by_name_and_each_in_a_region(here, there):
    east, west, bucket = here("s3"), there("s3"), unique("bucket-of-the-west")
    with pytest.raises(ClientError) as caught:
        west.create_bucket(Bucket=bucket)
    assert caught.value.response["Error"]["Code"] == "IllegalLocationConstraintException"
    west.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": THERE})
    for client in (east, west):
        assert bucket in [one["Name"] for one in client.list_buckets()["Buckets"]]
        assert client.get_bucket_location(Bucket=bucket)["LocationConstraint"] == THERE
    # boto3 is shown the way, and goes it by itself.
    east.put_object(Bucket=bucket, Key="from/the east", Body=b"x" * 100_000)
    assert west.get_object(Bucket=bucket, Key="from/the east")["ContentLength"] == 100_000
    headers = east.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amz-bucket-region"] == THERE
    with pytest.raises(ClientError) as caught:
        west.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": THERE})
    assert caught.value.response["Error"]["Code"] in (
        "BucketAlreadyOwnedByYou", "BucketAlreadyExists"
    )  # fmt: skip


def test_what_does_not_follow_is_told_where_the_bucket_is(there, emulator):
    bucket = unique("redirects")
    there("s3").create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": THERE}
    )

    class Staying(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), Staying)
    scope = f"AWS4-HMAC-SHA256 Credential=test/20260101/{HERE}/s3/aws4_request, Signature=0"
    request = urllib.request.Request(
        f"{emulator.endpoint}/{bucket}/key", headers={"Authorization": scope}
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        opener.open(request)
    assert (caught.value.code, caught.value.headers["x-amz-bucket-region"]) == (301, THERE)
    text = caught.value.read().decode()
    assert "<Code>PermanentRedirect</Code>" in text
    assert f"<Endpoint>{bucket}.s3.{THERE}.amazonaws.com</Endpoint>" in text


@pytest.fixture
def kept(monkeypatch):
    """Everything that the emulator keeps, in this process, and a clock that goes when moved."""
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with mock_aws():
        yield SimpleNamespace(make=_parts, client=lambda service, region: boto3.client(
            service, region_name=region, aws_access_key_id="a", aws_secret_access_key="b"
        ))  # fmt: skip


def _parts():
    clock = Clock()

    def region(name):
        services, objects = Services("http://127.0.0.1:9", name), Objects(name)
        return Region(
            pipelines=Pipelines(None, services, objects, clock, name),
            endpoints=Endpoints(clock, name),
            registry=ModelRegistry(clock, name),
            experiments=Experiments(clock, name),
            jobs=Jobs(SimpleNamespace(region=name)),
        )

    regions = Regions(region)
    schedules = PipelineScheduler(lambda name: regions[name].pipelines, clock, Calls(Identities()))
    parts = {"logs": Streams(), "scheduler": ScheduleGroups(), "schedules": schedules}
    return parts | {"regions": regions}


def test_a_schedule_starts_what_is_in_its_region(kept):
    parts = kept.make()
    regions, name = parts["regions"], "nightly"
    request = {"PipelineName": name, "PipelineDefinition": DEFINITION, "RoleArn": ROLE}
    regions[THERE].pipelines.create_pipeline(request)
    for place in (HERE, THERE):  # in the one there is no such pipeline
        schedule(lambda service, place=place: kept.client(service, place), name)
    parts["schedules"].advance(86_400)
    listed = regions[THERE].pipelines.list_pipeline_executions({"PipelineName": name})
    executions = listed["PipelineExecutionSummaries"]
    assert executions
    assert all(f":{THERE}:" in one["PipelineExecutionArn"] for one in executions)
    assert regions[HERE].pipelines.list_pipelines({})["PipelineSummaries"] == []
    parts["schedules"].close()
    regions.close()


def test_the_state_of_every_region_is_kept(kept):
    parts = kept.make()
    for place in (HERE, THERE):
        parts["regions"][place].endpoints.create_model(
            {"ModelName": f"of-{place}", "ExecutionRoleArn": ROLE}
        )
        logs = kept.client("logs", place)
        logs.create_log_group(logGroupName="/kept")
        logs.create_log_stream(logGroupName="/kept", logStreamName=place)
        schedule(lambda service, place=place: kept.client(service, place), f"of-{place}")
    saved = {name: part.snapshot() for name, part in parts.items()}
    with mock_aws():
        again = kept.make()
        for name, part in again.items():
            part.restore(saved[name])
        for place in (HERE, THERE):
            listed = again["regions"][place].endpoints.list_models({})["Models"]
            assert [one["ModelName"] for one in listed] == [f"of-{place}"]
            streams = kept.client("logs", place).describe_log_streams(logGroupName="/kept")
            assert [one["logStreamName"] for one in streams["logStreams"]] == [place]
            schedules = kept.client("scheduler", place).list_schedules()["Schedules"]
            assert [one["Name"] for one in schedules] == [f"of-{place}"]
        again["regions"].close()
    parts["regions"].close()
