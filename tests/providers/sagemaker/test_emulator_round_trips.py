"""Jobs and pipelines with any choice of members: what create was given, describe shows."""

import copy
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.providers.sagemaker.pipelines_kit import BUCKET, document, fail
from tests.providers.sagemaker.requests_kit import model, value
from tests.providers.sagemaker.test_emulator_records import NUMBERS, UNSENT, shown_as

SOME = settings(max_examples=25)
OBJECT = f"s3://{BUCKET}/round-trips/object"
S3 = {"S3Uri": OBJECT, "S3DataType": "S3Prefix"}

WHOLE = {
    "ProcessingJob": {
        "ProcessingInputs": [
            {
                "InputName": "in",
                "AppManaged": True,
                "S3Input": {
                    **S3,
                    "LocalPath": "/opt/ml/processing/in",
                    "S3InputMode": "File",
                    "S3DataDistributionType": "ShardedByS3Key",
                    "S3CompressionType": "Gzip",
                },
            }
        ],
        "ProcessingOutputConfig": {
            "KmsKeyId": "alias/any",
            "Outputs": [
                {
                    "OutputName": "out",
                    "AppManaged": True,
                    "S3Output": {
                        "S3Uri": OBJECT,
                        "LocalPath": "/opt/ml/processing/out",
                        "S3UploadMode": "EndOfJob",
                    },
                }
            ],
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 77},
    },
    "TrainingJob": {
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "DataSource": {
                    "S3DataSource": {
                        **S3,
                        "S3DataDistributionType": "FullyReplicated",
                        "AttributeNames": ["a"],
                    }
                },
                "ContentType": "text/csv",
                "CompressionType": "Gzip",
                "RecordWrapperType": "RecordIO",
                "InputMode": "FastFile",
                "ShuffleConfig": {"Seed": 7},
            }
        ],
        "StoppingCondition": {"MaxRuntimeInSeconds": 77, "MaxWaitTimeInSeconds": 78},
        "MlflowConfig": {
            "MlflowResourceArn": "arn:aws:sagemaker:us-east-1:123456789012:mlflow-app/app-ABCDEF",
            "MlflowExperimentName": "experiment",
            "MlflowRunName": "run",
        },
    },
}
"""Where the model alone does not say what is right together: these instead."""
NEEDED = {
    "S3Input": {"S3InputMode", "LocalPath"},
    "ProcessingInputs": {"S3Input"},
    "Outputs": {"S3Output"},
    "S3Output": {"LocalPath"},
    "AlgorithmSpecification": {"TrainingImage"},
    "ResourceConfig": {"InstanceType", "InstanceCount"},
    "DataSource": {"S3DataSource"},
    "TrainingJob": {"AlgorithmSpecification", "ResourceConfig"},
    "StoppingCondition": {"MaxRuntimeInSeconds"},
}
"""Members without which this emulator, or AWS, refuses the whole."""
WITHOUT = {
    # One of two that exclude each other, and what is refused by name as not run.
    "AlgorithmName", "InstanceGroups", "ServerlessJobConfig", "ModelPackageConfig",
    "SessionChainingConfig", "PipelineDefinitionS3Location", "PipelineVersionAliases",
    # Whose values the tests' own words do not fit.
    "TrainingRepositoryAuthConfig", "TrainingPlanArn",
}  # fmt: skip


def thinned(draw, shape, full, name=""):
    """Return a value with some of the members that it may lack left out, at any depth."""
    if shape.type_name == "list":
        return [thinned(draw, shape.member, one, name) for one in full]
    if shape.type_name != "structure":
        return full
    needed = {*shape.required_members, *NEEDED.get(name, ())}
    optional = sorted(full.keys() - needed - WITHOUT)
    kept = draw(st.sets(st.sampled_from(optional))) if optional else set()
    return {
        key: thinned(draw, shape.members[key], one, key)
        for key, one in full.items()
        if key in needed or key in kept
    }


@st.composite
def requests(draw, noun):
    """Return a request of Create, with all that it must have and any choice of the rest."""
    shape = model("sagemaker").operation_model(f"Create{noun}").input_shape
    full = copy.deepcopy(value(shape, whole=True) | WHOLE.get(noun, {}))
    if noun == "TrainingJob":
        full["AlgorithmSpecification"]["TrainingInputMode"] = "File"
    return thinned(draw, shape, full, noun)


def shows(described, noun, request):
    """Hold what create was given against what describe shows."""
    output = model("sagemaker").operation_model(f"Describe{noun}").output_shape
    members = {
        key: one for key, one in request.items() if key not in UNSENT and key in output.members
    }
    assert shown_as(described, members) == members
    assert set(output.required_members) <= set(described)


@pytest.mark.parametrize("noun", ["ProcessingJob", "TrainingJob"])
@SOME
@given(data=st.data())
def test_a_job_shows_what_it_was_given(service, noun, data):
    """No machine is there for jobs of this name: they end before a container is made."""
    service.aws("s3").put_object(Bucket=BUCKET, Key="round-trips/object", Body=b"1")
    client = service.aws("sagemaker", parameter_validation=False)
    kind = noun.removesuffix("Job").lower()
    name = f"never-{kind}-{os.getpid()}-{next(NUMBERS)}"
    request = data.draw(requests(noun)) | {f"{noun}Name": name}
    arn = getattr(client, f"create_{kind}_job")(**request)[f"{noun}Arn"]
    described = getattr(client, f"describe_{kind}_job")(**{f"{noun}Name": name})
    shows(described, noun, request)
    assert client.list_tags(ResourceArn=arn)["Tags"] == request.get("Tags", [])


@SOME
@given(data=st.data())
def test_a_pipeline_shows_what_it_was_given(service, data):
    client = service.aws("sagemaker", parameter_validation=False)
    request = data.draw(requests("Pipeline"))
    number = next(NUMBERS)
    request |= {
        "PipelineName": f"any-{os.getpid()}-{number}",
        "PipelineDefinition": json.dumps(document(fail("end", f"over {number}"))),
        "ClientRequestToken": f"{os.getpid()}-{number}".rjust(40, "0"),
    }
    arn = client.create_pipeline(**request)["PipelineArn"]
    described = client.describe_pipeline(PipelineName=request["PipelineName"])
    shows(described, "Pipeline", request)
    assert client.list_tags(ResourceArn=arn)["Tags"] == request.get("Tags", [])
    changed = {"PipelineDescription": "changed", "RoleArn": f"{request['RoleArn']}-2"}
    client.update_pipeline(PipelineName=request["PipelineName"], **changed)
    shows(
        client.describe_pipeline(PipelineName=request["PipelineName"]),
        "Pipeline",
        request | changed,
    )
    client.delete_pipeline(
        PipelineName=request["PipelineName"], ClientRequestToken=request["ClientRequestToken"]
    )
    with pytest.raises(client.exceptions.ResourceNotFound):
        client.describe_pipeline(PipelineName=request["PipelineName"])
