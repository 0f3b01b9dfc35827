"""What SageMaker bills for jobs, by the answers of Describe*Job as AWS's own model has them."""

from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.stub import Stubber
from waterflow_sagemaker import billing
from waterflow_sagemaker.machines import table

from waterflow.cloud.service import Usage

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
PRICE = table()["ml.m5.large"].price


def answered(operation, **answer):
    """Return an answer as boto3 hands it out, held against the service's model."""
    client = boto3.client(
        "sagemaker", "us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    with Stubber(client) as stub:
        stub.add_response(operation, answer)
        name = "TrainingJobName" if "training" in operation else "ProcessingJobName"
        return getattr(client, operation)(**{name: "job"})


def training(resources, **more):
    return answered(
        "describe_training_job",
        TrainingJobName="job",
        TrainingJobArn="arn:aws:sagemaker:us-east-1:123456789012:training-job/job",
        ModelArtifacts={"S3ModelArtifacts": "s3://bucket/model"},
        TrainingJobStatus="Completed",
        SecondaryStatus="Completed",
        AlgorithmSpecification={"TrainingInputMode": "File"},
        StoppingCondition={},
        CreationTime=NOON,
        ResourceConfig={"VolumeSizeInGB": 30, **resources},
        **more,
    )


def processing(**more):
    cluster = {"InstanceCount": 3, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 30}
    return answered(
        "describe_processing_job",
        ProcessingJobName="job",
        ProcessingJobArn="arn:aws:sagemaker:us-east-1:123456789012:processing-job/job",
        ProcessingResources={"ClusterConfig": cluster},
        AppSpecification={"ImageUri": "image"},
        ProcessingJobStatus="Completed",
        CreationTime=NOON,
        **more,
    )


TWO = {"InstanceType": "ml.m5.large", "InstanceCount": 2}
GROUPS = {
    "InstanceGroups": [
        {"InstanceType": "ml.m5.large", "InstanceCount": 1, "InstanceGroupName": "a"},
        {"InstanceType": "ml.new.large", "InstanceCount": 4, "InstanceGroupName": "b"},
    ]
}
TRAINING = {
    "each of its machines": (
        training(TWO, TrainingTimeInSeconds=90, BillableTimeInSeconds=90),
        [Usage(machine="ml.m5.large", seconds=90, count=2, price=PRICE)],
    ),
    "spot machines, for less of their time": (
        training(
            TWO,
            TrainingTimeInSeconds=500,
            BillableTimeInSeconds=100,
            EnableManagedSpotTraining=True,
        ),
        [Usage(machine="ml.m5.large", seconds=100, count=2, price=PRICE)],
    ),
    "groups of machines, one of a type without a known price": (
        training(GROUPS, BillableTimeInSeconds=60),
        [
            Usage(machine="ml.m5.large", seconds=60, count=1, price=PRICE),
            Usage(machine="ml.new.large", seconds=60, count=4, price=None),
        ],
    ),
    "nothing that it does not tell": (training(TWO), []),
}


@pytest.mark.parametrize(("job", "usages"), TRAINING.values(), ids=TRAINING)
def test_a_training_job_is_billed_for(job, usages):
    assert billing.of_training(job) == usages


def test_a_processing_job_is_billed_from_its_start_to_its_end():
    job = processing(
        ProcessingStartTime=NOON, ProcessingEndTime=NOON + timedelta(seconds=75, milliseconds=500)
    )
    usage = Usage(machine="ml.m5.large", seconds=75.5, count=3, price=PRICE)
    assert billing.of_processing(job) == [usage]


@pytest.mark.parametrize("times", [{}, {"ProcessingStartTime": NOON}])
def test_nothing_is_told_of_a_processing_job_that_has_not_ended(times):
    assert billing.of_processing(processing(**times)) == []
