"""Builds and profiles for the compiler's tests, made without looking at any code."""

import json
from dataclasses import replace

from waterflow_sagemaker import checks
from waterflow_sagemaker.compiler import compile_sagemaker
from waterflow_sagemaker.profile import SageMakerSettings

from tests.providers.builds import (
    MLFLOW,
    ROOT,
    build,
    function,
    local_data,
    pipeline,
    source,
    stable,
)
from waterflow import spec
from waterflow.project.profile import Profile
from waterflow.provider import Build
from waterflow.runs import submit

__all__ = ["MLFLOW", "build", "function", "local_data", "pipeline", "source", "stable"]

ROLE = "arn:aws:iam::123456789012:role/waterflow"
REQUIRED = {"region": "eu-central-1", "role": ROLE, "bucket": "my-bucket"}


def profile(settings=None, *, uri=MLFLOW, experiment=None):
    return Profile(
        "aws", "sagemaker", REQUIRED | (settings or {}), uri, experiment, "waterflow.toml"
    )


def training(*steps):
    """Return settings by which steps are training jobs."""
    return {"steps": {name: {"job": "training"} for name in steps}}


def container(name, command, inputs=None, outputs=(), **options):
    return spec.Step(
        name=name,
        run=spec.Container("123456789012.dkr.ecr.eu-central-1.amazonaws.com/tool:1", command),
        inputs=inputs or {},
        outputs={one: spec.Output("path", raw=True) for one in outputs},
        **options,
    )


def compiled(graph, settings=None, *, build_options=None, uri=MLFLOW, experiment=None):
    """Compile a spec, or a build: its runs are tracked as it says itself."""
    chosen = profile(settings, uri=uri, experiment=experiment)
    inputs = graph
    if not isinstance(inputs, Build):
        inputs = build(inputs, uri=uri, experiment=experiment, **(build_options or {}))
    return compile_sagemaker(inputs, chosen.convert(SageMakerSettings), chosen)


def assembled(call):
    """Return the build of a real pipeline, as one in AWS's image would see it."""
    return replace(submit.assemble(call, ROOT, profile()), python="3.12")


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


def valid(document):
    """Return a document after checking it against the service's own definitions."""
    assert checks.document_errors(definition(document)) == []
    assert json.loads(json.dumps(document.content)) == document.content
    return document
