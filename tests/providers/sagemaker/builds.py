"""Builds and profiles for the compiler's tests, made without looking at any code."""

from waterflow_sagemaker import checks
from waterflow_sagemaker.compiler import compile_sagemaker
from waterflow_sagemaker.profile import SageMakerSettings

from tests.providers.builds import (
    MLFLOW,
    ROOT,
    Compilations,
    build,
    function,
    local_data,
    pipeline,
    source,
    stable,
)

__all__ = ["MLFLOW", "ROOT", "build", "function", "local_data", "pipeline", "source", "stable"]

ROLE = "arn:aws:iam::123456789012:role/waterflow"
IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/tool:1"
REQUIRED = {"region": "eu-central-1", "role": ROLE, "bucket": "my-bucket"}
_OWN = Compilations(
    name="aws",
    provider="sagemaker",
    required=REQUIRED,
    settings=SageMakerSettings,
    compiler=compile_sagemaker,
    errors=checks.document_errors,
    image=IMAGE,
)
profile, container, compiled = _OWN.profile, _OWN.container, _OWN.compiled
assembled, valid = _OWN.assembled, _OWN.valid


def training(*steps):
    """Return settings by which steps are training jobs."""
    return {"steps": {name: {"job": "training"} for name in steps}}


def definition(document):
    return document.definition


def native_steps(document):
    """Return all steps of a definition by name, those in branches too."""
    natives = {}

    def walk(steps):
        for step in steps:
            natives[step["Name"]] = step
            if step["Type"] == "Condition":
                walk(step["Arguments"]["IfSteps"])
                walk(step["Arguments"]["ElseSteps"])

    walk(definition(document)["Steps"])
    return natives
