"""Builds and profiles for the tests of Azure ML's compiler."""

import json
from dataclasses import replace

from waterflow_azureml import checks
from waterflow_azureml.compiler import compile_azureml
from waterflow_azureml.profile import AzureMLSettings

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

REQUIRED = {
    "subscription": "00000000-0000-4000-8000-000000000001",
    "resource_group": "ml-group",
    "workspace": "ml-work",
    "region": "westeurope",
    "account": "mlaccount",
}
CLUSTERS = {
    "cpu": {"machine": "Standard_D4ds_v5", "nodes": 4},
    "cpu-spot": {"machine": "Standard_D4ds_v5", "nodes": 4, "spot": True},
    "gpu": {"machine": "Standard_NC4as_T4_v3", "nodes": 2},
}
IMAGE = "mlregistry.azurecr.io/tool:1"
BASE = "azureml://datastores/waterflow/paths/waterflow"


def profile(settings=None, *, uri=MLFLOW, experiment=None):
    return Profile(
        "azure", "azureml", REQUIRED | (settings or {}), uri, experiment, "waterflow.toml"
    )


def container(name, command, inputs=None, outputs=(), **options):
    return spec.Step(
        name=name,
        run=spec.Container(IMAGE, command),
        inputs=inputs or {},
        outputs={one: spec.Output("path", raw=True) for one in outputs},
        **options,
    )


def register(**options):
    """Return a step that registers what the step "fit" has made."""
    return spec.Step(
        name="register",
        run=spec.Register(),
        outputs={"output": spec.Output("json")},
        inputs={"model": spec.Input("model", spec.FromStep("fit", "output"))},
        **options,
    )


def compiled(graph, settings=None, *, build_options=None, uri=MLFLOW, experiment=None):
    """Compile a spec, or a build: its runs are tracked as it says itself."""
    chosen = profile(settings, uri=uri, experiment=experiment)
    inputs = graph
    if not isinstance(inputs, Build):
        inputs = build(inputs, uri=uri, experiment=experiment, **(build_options or {}))
    return compile_azureml(inputs, chosen.convert(AzureMLSettings), chosen)


def assembled(call):
    """Return the build of a real pipeline, as one of one Python would see it."""
    return replace(submit.assemble(call, ROOT, profile()), python="3.12")


def node(document, name):
    return document.definition["jobs"][name]


def valid(document):
    """Return a document after checking it against the rules of its own."""
    assert checks.document_errors(document.definition) == []
    assert json.loads(json.dumps(document.content)) == document.content
    return document
