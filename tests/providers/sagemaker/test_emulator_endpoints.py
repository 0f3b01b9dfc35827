"""The emulator's models, endpoint configurations and endpoints, through unmodified boto3."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from waterflow_sagemaker.emulator import Emulator
from waterflow_sagemaker.emulator.endpoints import Endpoints

from waterflow.emulation.clock import Clock

ARN = "arn:aws:sagemaker:us-east-1:123456789012"


class Served:
    """An endpoint with two variants of one model, under names of its own."""

    def __init__(self, aws: Any) -> None:
        self.aws, self.client = aws, aws("sagemaker")
        self.name = aws.name("endpoint")
        self.model()

    def model(self) -> None:
        place = self.aws.uri("model.tar.gz")
        self.client.create_model(
            ModelName=self.name,
            ExecutionRoleArn=self.aws.role,
            PrimaryContainer={"Image": self.aws.image, "ModelDataUrl": place},
            Tags=[{"Key": "team", "Value": "fraud"}],
        )

    def config(self, name: str, **variants: dict[str, Any]) -> str:
        variants = [
            {
                "VariantName": variant,
                "ModelName": self.name,
                "InstanceType": "ml.m7i.large",
                "InitialInstanceCount": 1,
                "InitialVariantWeight": 1.0,
                **settings,
            }
            for variant, settings in variants.items()
        ]
        self.client.create_endpoint_config(
            EndpointConfigName=f"{self.name}-{name}",
            ProductionVariants=variants,
            DataCaptureConfig={
                "EnableCapture": True,
                "InitialSamplingPercentage": 50,
                "DestinationS3Uri": self.aws.uri("captured"),
                "CaptureOptions": [{"CaptureMode": "Input"}],
            },
        )
        return f"{self.name}-{name}"

    def describe(self) -> dict[str, Any]:
        return self.client.describe_endpoint(EndpointName=self.name)

    def variants(self) -> dict[str, tuple[float, float, int, int]]:
        return {
            one["VariantName"]: (
                one["CurrentWeight"],
                one["DesiredWeight"],
                one["CurrentInstanceCount"],
                one["DesiredInstanceCount"],
            )
            for one in self.describe()["ProductionVariants"]
        }

    def wait(self) -> None:
        waiter = self.client.get_waiter("endpoint_in_service")
        waiter.wait(EndpointName=self.name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})


@pytest.fixture
def served(aws):
    return Served(aws)


def test_an_endpoint_comes_into_service_and_changes(served):
    client = served.client
    first = served.config("one", blue={"InitialVariantWeight": 3.0}, green={})
    client.create_endpoint(EndpointName=served.name, EndpointConfigName=first)
    fresh = served.describe()
    assert fresh["EndpointStatus"] == "Creating"
    with pytest.raises(ClientError, match="in-progress"):
        client.update_endpoint(EndpointName=served.name, EndpointConfigName=first)
    served.wait()
    assert served.variants() == {"blue": (3, 3, 1, 1), "green": (1, 1, 1, 1)}
    assert served.describe()["DataCaptureConfig"]["CaptureStatus"] == "Started"
    assert served.describe()["CreationTime"] == fresh["CreationTime"]

    client.update_endpoint_weights_and_capacities(
        EndpointName=served.name,
        DesiredWeightsAndCapacities=[
            {"VariantName": "green", "DesiredWeight": 9.0, "DesiredInstanceCount": 4}
        ],
    )
    assert served.describe()["EndpointStatus"] == "Updating"
    assert served.variants() == {"blue": (3, 3, 1, 1), "green": (1, 9, 1, 4)}
    served.wait()
    assert served.variants() == {"blue": (3, 3, 1, 1), "green": (9, 9, 4, 4)}

    second = served.config("two", green={}, red={})
    client.update_endpoint(
        EndpointName=served.name, EndpointConfigName=second, RetainAllVariantProperties=True
    )
    assert served.describe()["EndpointConfigName"] == first
    served.wait()
    assert served.describe()["EndpointConfigName"] == second
    assert served.variants() == {"green": (9, 9, 4, 4), "red": (1, 1, 1, 1)}
    client.delete_endpoint(EndpointName=served.name)
    with pytest.raises(ClientError) as error:
        served.describe()
    assert error.value.response["Error"] == {
        "Code": "ValidationException",
        "Message": f'Could not find endpoint "{ARN}:endpoint/{served.name}".',
    }


def test_names_are_taken_once_and_what_is_named_must_be_there(served):
    client = served.client
    config = served.config("one", blue={})
    with pytest.raises(ClientError, match="Cannot create already existing model"):
        served.model()
    with pytest.raises(ClientError, match="already existing endpoint configuration"):
        served.config("one", blue={})
    with pytest.raises(ClientError, match=r'Could not find model ".*:model/none"'):
        served.config("other", blue={"ModelName": "none"})
    with pytest.raises(ClientError, match="Could not find endpoint configuration"):
        client.create_endpoint(EndpointName=served.name, EndpointConfigName="none")
    client.create_endpoint(EndpointName=served.name, EndpointConfigName=config)
    with pytest.raises(ClientError, match="already existing endpoint"):
        client.create_endpoint(EndpointName=served.name, EndpointConfigName=config)
    served.wait()
    with pytest.raises(ClientError, match="not present within endpoint configuration"):
        client.update_endpoint_weights_and_capacities(
            EndpointName=served.name,
            DesiredWeightsAndCapacities=[{"VariantName": "none", "DesiredWeight": 1}],
        )


def test_all_of_them_are_described_listed_tagged_and_deleted(served):
    client, name = served.client, served.name
    config = served.config("one", blue={})
    client.create_endpoint(EndpointName=name, EndpointConfigName=config)
    model = client.describe_model(ModelName=name)
    assert model["ModelArn"] == f"{ARN}:model/{name}"
    assert model["PrimaryContainer"]["Image"] == served.aws.image
    described = client.describe_endpoint_config(EndpointConfigName=config)
    assert described["ProductionVariants"][0]["InstanceType"] == "ml.m7i.large"
    assert [one["ModelName"] for one in client.list_models(NameContains=name)["Models"]] == [name]
    configs = client.list_endpoint_configs(NameContains=name)["EndpointConfigs"]
    assert [one["EndpointConfigName"] for one in configs] == [config]
    served.wait()
    listed = client.list_endpoints(NameContains=name, StatusEquals="InService")["Endpoints"]
    assert [one["EndpointName"] for one in listed] == [name]
    assert client.list_endpoints(NameContains=name, StatusEquals="Failed")["Endpoints"] == []
    client.add_tags(ResourceArn=model["ModelArn"], Tags=[{"Key": "a", "Value": "b"}])
    tags = client.list_tags(ResourceArn=model["ModelArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "fraud"}, {"Key": "a", "Value": "b"}]
    client.delete_endpoint(EndpointName=name)
    client.delete_endpoint_config(EndpointConfigName=config)
    client.delete_model(ModelName=name)
    assert client.list_models(NameContains=name)["Models"] == []


def test_a_kept_state_has_them(tmp_path, aws_at):
    with Emulator(state=tmp_path) as emulator:
        served = Served(aws_at(emulator))
        config = served.config("one", blue={"InitialInstanceCount": 3})
        served.client.create_endpoint(EndpointName=served.name, EndpointConfigName=config)
    with Emulator(state=tmp_path) as emulator:
        served.client = aws_at(emulator, served.aws.bucket)("sagemaker")
        served.wait()
        assert served.variants() == {"blue": (1, 1, 3, 3)}


def test_serverless_variants_keep_what_an_update_does_not_name():
    clock = Clock()
    endpoints = Endpoints(clock, "us-east-1", takes=60)
    endpoints.create_model({"ModelName": "m"})
    serverless = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    variant = {"VariantName": "v", "ModelName": "m", "ServerlessConfig": serverless}
    endpoints.create_endpoint_config({"EndpointConfigName": "c", "ProductionVariants": [variant]})
    endpoints.create_endpoint({"EndpointName": "e", "EndpointConfigName": "c"})
    assert "ProductionVariants" not in endpoints.describe_endpoint({"EndpointName": "e"})
    clock.advance(60)
    desired = [{"VariantName": "v", "ServerlessUpdateConfig": {"MaxConcurrency": 9}}]
    endpoints.update_endpoint_weights_and_capacities(
        {"EndpointName": "e", "DesiredWeightsAndCapacities": desired}
    )
    clock.advance(60)
    [shown] = endpoints.describe_endpoint({"EndpointName": "e"})["ProductionVariants"]
    assert shown["CurrentServerlessConfig"] == {"MemorySizeInMB": 2048, "MaxConcurrency": 9}
    assert "CurrentInstanceCount" not in shown
