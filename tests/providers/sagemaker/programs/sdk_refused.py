"""What of the SDK's steps Waterflow does not take: `python sdk_refused.py FOLDER` prints why."""

import copy
import functools
import json
import sys
from pathlib import Path

import boto3
from sagemaker.core.workflow.parameters import ParameterString
from sagemaker.core.workflow.properties import PropertyFile
from sagemaker.mlops.workflow.fail_step import FailStep

folder = Path(sys.argv[1])
sys.path.insert(0, str(folder))
import sdk_steps  # noqa: E402
from waterflow_sagemaker import sdk  # noqa: E402

import waterflow as wf  # noqa: E402
from waterflow.errors import UnsupportedFeatureError  # noqa: E402

boto3.client("s3").create_bucket(Bucket=sdk_steps.BUCKET)
DATA = wf.Data("letters.txt")
FILE = PropertyFile(name="notes", output_name="notes", path="note.txt")


@functools.cache
def built():
    """Return a processing step and its request, which takes the SDK seconds."""
    step = sdk_steps.prepare_step(str(folder))
    return step, step.to_request()


def processing(change=lambda request: None):
    """Return a processing step whose request is changed before it is read."""
    step, request = map(copy.copy, built())
    request["Arguments"] = copy.deepcopy(request["Arguments"])
    change(request["Arguments"])
    step.to_request = lambda: request
    return step


def crowd(arguments):
    arguments["ProcessingResources"]["ClusterConfig"]["InstanceCount"] = 2


def unknown_machine(arguments):
    arguments["ProcessingResources"]["ClusterConfig"]["InstanceType"] = "ml.m5.huge"


def parameter(arguments):
    arguments["AppSpecification"]["ContainerArguments"][1] = ParameterString("rows")


def vpc(arguments):
    arguments["NetworkConfig"] = {"EnableNetworkIsolation": True}


def manifest(arguments):
    arguments["ProcessingInputs"][0]["S3Input"]["S3DataType"] = "ManifestFile"


def elsewhere(arguments):
    arguments["ProcessingInputs"][0]["S3Input"]["S3Uri"] = ParameterString("source")


def shared(arguments):
    arguments["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["LocalPath"] = (
        "/opt/ml/processing/output"
    )


CASES = {
    "another kind of step": lambda: (FailStep("stop", "no"), {}),
    "hyperparameters": lambda: (
        sdk_steps.learn_step(str(folder), hyperparameters={"depth": 3}), {"train": DATA}
    ),
    "property files": lambda: (
        sdk_steps.prepare_step(str(folder), property_files=[FILE]), {"letters": DATA}
    ),
    "two machines": lambda: (processing(crowd), {"letters": DATA}),
    "an unknown machine": lambda: (processing(unknown_machine), {"letters": DATA}),
    "a parameter of the SDK": lambda: (processing(parameter), {"letters": DATA}),
    "a network": lambda: (processing(vpc), {"letters": DATA}),
    "a manifest": lambda: (processing(manifest), {"letters": DATA}),
    "an input of the SDK's pipeline": lambda: (processing(elsewhere), {}),
    "an input that it has not": lambda: (processing(), {"letters": DATA, "words": DATA}),
    "outputs in each other": lambda: (processing(shared), {"letters": DATA}),
}  # fmt: skip


def refusal(case):
    """Return the error that a case ends in."""
    step, inputs = case()

    @wf.pipeline
    def refused() -> None:
        sdk.step(step, inputs=inputs, parameters={"times": 1})

    try:
        document = refused().spec
    except UnsupportedFeatureError as error:
        return str(error)
    return f"taken: {document}"


print(json.dumps({name: refusal(case) for name, case in CASES.items()}))
