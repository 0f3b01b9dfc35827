"""MLflow's deployments client for SageMaker at the emulator: run, kept as a record, or refused."""

import json

import boto3
import pandas as pd
import pytest

from tests.providers.sagemaker.conftest import IMAGE, ROLE

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own, while it is imported
SETTINGS = {"execution_role_arn": ROLE, "image_url": IMAGE}


@pytest.fixture
def deployments(emulator, monkeypatch):
    """The client with the emulator's environment, and nothing else of AWS."""
    for name in emulator.unset:
        monkeypatch.delenv(name, raising=False)
    for name, text in emulator.environment.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    from mlflow.deployments import get_deploy_client

    return get_deploy_client("sagemaker:/us-east-1")


@pytest.fixture
def model(tmp_path):
    """What the client reads of a model: it unpacks none."""
    flavor = {"python_function": {"loader_module": "mlflow.sklearn", "python_version": "3.11"}}
    (tmp_path / "MLmodel").write_text(json.dumps({"flavors": flavor}))  # JSON is YAML
    return str(tmp_path)


def test_a_deployment_is_kept_as_a_record_and_says_so(deployments, model, aws, eventually):
    from mlflow.exceptions import MlflowException

    name = aws.name("deployment")
    settings = SETTINGS | {"synchronous": False, "archive": True, "tags": {"team": "shop"}}
    deployment = deployments.create_deployment(name, model, config=settings)
    assert deployment == {"name": name, "flavor": "python_function"}
    eventually(lambda: deployments.get_deployment(name)["EndpointStatus"] == "InService")
    assert name in [one["EndpointName"] for one in deployments.list_deployments()]

    client = aws("sagemaker")
    endpoint = client.describe_endpoint(EndpointName=name)
    (variant,) = client.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])[
        "ProductionVariants"
    ]
    container = client.describe_model(ModelName=variant["ModelName"])["PrimaryContainer"]
    assert container["Image"] == IMAGE
    bucket, _, key = container["ModelDataUrl"].removeprefix("s3://").partition("/")
    assert bucket == "mlflow-sagemaker-us-east-1-123456789012"
    assert aws("s3").head_object(Bucket=bucket, Key=key)["ContentLength"] > 0

    refusal = (
        "kept as a record: .* no prediction. Load the model in a job, or .*mlflow models serve"
    )
    with pytest.raises(MlflowException, match=refusal):
        deployments.predict(name, inputs=pd.DataFrame({"a": [1]}))
    with pytest.raises(MlflowException, match="already exists"):
        deployments.create_deployment(name, model, config=settings)

    deployments.update_deployment(name, model, config=settings | {"instance_count": 2})
    eventually(lambda: deployments.get_deployment(name)["EndpointStatus"] == "InService")
    changed = client.describe_endpoint(EndpointName=name)
    assert changed["EndpointConfigName"] != endpoint["EndpointConfigName"]
    assert changed["ProductionVariants"][0]["CurrentInstanceCount"] == 2

    deployments.delete_deployment(name, config={"synchronous": False, "archive": True})
    eventually(lambda: name not in [one["EndpointName"] for one in deployments.list_deployments()])
    with pytest.raises(MlflowException, match=f"Could not find endpoint .*{name}"):
        deployments.get_deployment(name)


def test_a_batch_transform_is_refused_by_name(deployments, model, aws):
    from mlflow.sagemaker import deploy_transform_job

    source = aws.put("rows.csv", "1,2\n")
    with pytest.raises(Exception, match="no transform job is run: predict in a processing job"):
        deploy_transform_job(
            aws.name("transform"),
            model,
            "S3Prefix",
            source,
            "text/csv",
            aws.uri("predictions"),
            **SETTINGS,
        )
    assert aws.keys("predictions") == []
