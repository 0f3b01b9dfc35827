"""Builds and profiles for the tests of the compiler for Kubeflow Pipelines."""

from waterflow_kubeflow import checks
from waterflow_kubeflow.compiler import compile_kubeflow
from waterflow_kubeflow.profile import KubeflowSettings

from tests.providers.builds import Compilations, build, function, pipeline
from waterflow import spec

__all__ = ["build", "function", "pipeline"]

REQUIRED = {"host": "https://kubeflow.example.com/pipeline", "bucket": "s3://ml-data"}
IMAGE = "registry.example.com/tool:1"
_OWN = Compilations(
    name="kubeflow",
    provider="kubeflow",
    required=REQUIRED,
    settings=KubeflowSettings,
    compiler=compile_kubeflow,
    errors=checks.document_errors,
    image=IMAGE,
)
profile, container, compiled = _OWN.profile, _OWN.container, _OWN.compiled
assembled, valid = _OWN.assembled, _OWN.valid


def one(name="a", environment=None, **wants):
    """Return a pipeline of one step that asks for something of a machine."""
    options = {} if environment is None else {"environment": environment}
    return pipeline(function(name, resources=spec.Resources(**wants), **options))
