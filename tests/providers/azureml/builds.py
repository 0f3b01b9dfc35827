"""Builds and profiles for the tests of Azure ML's compiler."""

from waterflow_azureml import checks
from waterflow_azureml.compiler import compile_azureml
from waterflow_azureml.profile import AzureMLSettings

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
from waterflow import spec

__all__ = ["MLFLOW", "ROOT", "build", "function", "local_data", "pipeline", "source", "stable"]

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
_OWN = Compilations(
    name="azure",
    provider="azureml",
    required=REQUIRED,
    settings=AzureMLSettings,
    compiler=compile_azureml,
    errors=checks.document_errors,
    image=IMAGE,
)
profile, container, compiled = _OWN.profile, _OWN.container, _OWN.compiled
assembled, valid = _OWN.assembled, _OWN.valid


def register(**options):
    """Return a step that registers what the step "fit" has made."""
    return spec.Step(
        name="register",
        run=spec.Register(),
        outputs={"output": spec.Output("json")},
        inputs={"model": spec.Input("model", spec.FromStep("fit", "output"))},
        **options,
    )


def node(document, name):
    return document.definition["jobs"][name]
