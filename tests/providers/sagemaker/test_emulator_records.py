"""What is given at create comes back at describe, whatever it is; what is deleted is gone."""

import itertools
import os

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.providers.sagemaker.pipelines_kit import document, fail
from tests.providers.sagemaker.requests_kit import model, value

NUMBERS = itertools.count(1)
SOME = settings(max_examples=12)
UNSENT = {"Tags", "ClientToken", "ClientRequestToken"}
"""What no description has: tags are listed apart."""


def given_members(noun, *, without=()):
    """Return a strategy of requests: what must be there, and any choice of all else."""
    shape = model("sagemaker").operation_model(f"Create{noun}").input_shape
    full = value(shape, whole=True)
    optional = sorted(set(full) - set(shape.required_members) - set(without))
    names = st.sets(st.sampled_from(optional)) if optional else st.just(set())
    return names.map(lambda some: {k: full[k] for k in {*shape.required_members, *some}})


def shown_as(shown, member):
    """Return a described value in the form in which the request gave it."""
    if isinstance(member, dict):
        return {k: shown_as(shown.get(k), inner) for k, inner in member.items()}
    if isinstance(member, list):
        return [shown_as(one, inner) for one, inner in zip(shown, member, strict=True)]
    if isinstance(member, float) and hasattr(shown, "timestamp"):
        return shown.timestamp()
    return shown


def comes_back(client, noun, request):
    """Create, describe, and hold one against the other; return the description."""
    verb = "".join(f"_{sign.lower()}" if sign.isupper() else sign for sign in noun)
    name = f"{noun}Name"
    request = request | {name: f"any-{os.getpid()}-{next(NUMBERS)}"}
    if noun == "ModelPackage" and "ModelPackageGroupName" in request:
        del request[name]
    answer = getattr(client, f"create{verb}")(**request)
    named = {name: request.get(name, answer.get(f"{noun}Arn"))}
    described = getattr(client, f"describe{verb}")(**named)
    members = {key: one for key, one in request.items() if key not in UNSENT}
    assert shown_as(described, members) == members
    output = model("sagemaker").operation_model(f"Describe{noun}").output_shape
    assert set(output.required_members) <= set(described)
    if "Tags" in request:
        listed = client.list_tags(ResourceArn=answer[f"{noun}Arn"])["Tags"]
        assert listed == request["Tags"]
    return named, described


@pytest.fixture
def client(aws):
    return aws("sagemaker", parameter_validation=False)


@pytest.mark.parametrize(
    ("noun", "without"),
    [
        ("Experiment", ()),
        ("TrialComponent", ()),
        ("ModelPackageGroup", ()),
        ("ModelPackage", ("ValidationSpecification", "ModelPackageGroupName", "ClientToken")),
        ("Model", ("PrimaryContainer",)),
        ("Model", ("Containers",)),
    ],
    ids=lambda one: one if isinstance(one, str) else "-".join(("without", *one)),
)
@SOME
@given(data=st.data())
def test_what_was_given_comes_back_until_it_is_deleted(client, noun, without, data):
    request = data.draw(given_members(noun, without=without))
    named, _ = comes_back(client, noun, request)
    verb = "".join(f"_{sign.lower()}" if sign.isupper() else sign for sign in noun)
    getattr(client, f"delete{verb}")(**named)
    with pytest.raises(ClientError):
        getattr(client, f"describe{verb}")(**named)


@SOME
@given(data=st.data())
def test_a_trial_and_an_endpoint_configuration_come_back_too(client, aws, data):
    experiment, served = aws.name("experiment"), aws.name("model")
    client.create_experiment(ExperimentName=experiment)
    trial = data.draw(given_members("Trial")) | {"ExperimentName": experiment}
    comes_back(client, "Trial", trial)
    client.create_model(ModelName=served, ExecutionRoleArn=aws.role)
    config = data.draw(given_members("EndpointConfig", without=("ShadowProductionVariants",)))
    variant = {"VariantName": "v", "ModelName": served, "InstanceType": "ml.m5.large"}
    variant |= {"InitialInstanceCount": 2}
    comes_back(client, "EndpointConfig", config | {"ProductionVariants": [variant]})


def test_versions_are_numbered_once_and_a_group_goes_when_it_is_empty(aws):
    client, group = aws("sagemaker"), aws.name("group")
    client.create_model_package_group(ModelPackageGroupName=group)
    arns = [
        client.create_model_package(ModelPackageGroupName=group)["ModelPackageArn"]
        for _ in range(2)
    ]
    assert [arn.rpartition("/")[2] for arn in arns] == ["1", "2"]
    first = client.describe_model_package(ModelPackageName=arns[0])
    assert first["ModelApprovalStatus"] == "PendingManualApproval"
    assert first["ModelPackageVersion"] == 1
    client.update_model_package(
        ModelPackageArn=arns[0],
        ModelApprovalStatus="Approved",
        CustomerMetadataProperties={"a": "1", "b": "2"},
    )
    client.update_model_package(ModelPackageArn=arns[0], CustomerMetadataPropertiesToRemove=["a"])
    first = client.describe_model_package(ModelPackageName=arns[0])
    assert first["CustomerMetadataProperties"] == {"b": "2"}
    approved = client.list_model_packages(
        ModelPackageGroupName=group, ModelApprovalStatus="Approved"
    )["ModelPackageSummaryList"]
    assert [one["ModelPackageArn"] for one in approved] == arns[:1]
    both = client.batch_describe_model_package(ModelPackageArnList=[arns[1], f"{arns[1]}0"])
    assert list(both["ModelPackageSummaries"]) == arns[1:]
    assert list(both["BatchDescribeModelPackageErrorMap"]) == [f"{arns[1]}0"]
    with pytest.raises(ClientError, match="still contains Model Packages"):
        client.delete_model_package_group(ModelPackageGroupName=group)
    client.delete_model_package(ModelPackageName=arns[1])
    third = client.create_model_package(ModelPackageGroupName=group)["ModelPackageArn"]
    assert third.endswith("/3")
    for arn in (arns[0], third):
        client.delete_model_package(ModelPackageName=arn)
    client.delete_model_package_group(ModelPackageGroupName=group)
    with pytest.raises(ClientError, match="does not exist"):
        client.describe_model_package_group(ModelPackageGroupName=group)


def test_a_description_has_what_clients_read_unasked(aws):
    training = aws.training("print(1)", OutputDataConfig={"S3OutputPath": aws.uri("models")})
    job = aws.wait(training)
    assert job["OutputDataConfig"]["KmsKeyId"] == ""
    assert job["OutputDataConfig"]["CompressionType"] == "GZIP"
    assert job["HyperParameters"] == {}
    assert job["InputDataConfig"][0]["CompressionType"] == "None"
    assert job["ModelArtifacts"]["S3ModelArtifacts"].endswith("/output/model.tar.gz")
    processing = aws.wait(aws.processing("print(1)"))
    assert processing["ProcessingInputs"][0]["AppManaged"] is False
    assert processing["StoppingCondition"] == {"MaxRuntimeInSeconds": 86400}


def test_an_endpoint_that_is_a_record_gives_no_prediction(aws):
    client, name = aws("sagemaker"), aws.name("endpoint")
    runtime = aws("sagemaker-runtime")
    with pytest.raises(ClientError, match=f"Endpoint {name} of account 123456789012 not found"):
        runtime.invoke_endpoint(EndpointName=name, Body=b"1")
    client.create_model(ModelName=name, ExecutionRoleArn=aws.role)
    variant = {"VariantName": "v", "ModelName": name, "InstanceType": "ml.m5.large"}
    client.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[variant | {"InitialInstanceCount": 1}]
    )
    client.create_endpoint(EndpointName=name, EndpointConfigName=name)
    with pytest.raises(ClientError, match="starts no container") as error:
        runtime.invoke_endpoint(EndpointName=name, Body=b"1")
    assert error.value.response["Error"]["Code"] == "ValidationError"


def test_what_a_pipeline_and_a_start_say_of_mlflow_comes_back(service):
    server = "arn:aws:sagemaker:us-east-1:123456789012:mlflow-app/app-ABCDEFGHIJKL"
    config = {"MlflowResourceArn": server, "MlflowExperimentName": "of-the-definition"}
    name = service.create(document(fail("end", "over")) | {"MlflowConfig": config})
    assert service.describe(service.start(name))["MLflowConfig"] == config
    other = {"MlflowExperimentName": "of-the-start", "RoleArn": f"{service.aws.role}-other"}
    described = service.describe(service.start(name, request=other))
    assert described["MLflowConfig"] == config | {"MlflowExperimentName": "of-the-start"}
    assert described["RoleArn"] == other["RoleArn"]
