"""Builds and profiles for the tests of Vertex AI's compiler."""

from waterflow_vertex import checks
from waterflow_vertex.compiler import compile_vertex
from waterflow_vertex.profile import VertexSettings

from tests.providers.builds import Compilations

REQUIRED = {"project": "ml-project", "bucket": "ml-bucket"}
OWN = Compilations(
    name="google",
    provider="vertex",
    required=REQUIRED,
    settings=VertexSettings,
    compiler=compile_vertex,
    errors=checks.document_errors,
    image="us-docker.pkg.dev/ml-project/ml/tool:1",
)
profile, container, compiled = OWN.profile, OWN.container, OWN.compiled


def executor(document, task):
    """Return the executor of a task."""
    return document.definition["pipelineSpec"]["deploymentSpec"]["executors"][f"exec-{task}"]
