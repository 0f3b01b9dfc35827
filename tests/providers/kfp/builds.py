"""Builds and profiles for the tests of both compilers of pipeline specs."""

import json

from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2
from waterflow_kfp import validate
from waterflow_kubeflow.compiler import compile_kubeflow
from waterflow_kubeflow.profile import KubeflowSettings
from waterflow_vertex.compiler import compile_vertex
from waterflow_vertex.profile import VertexSettings

from tests.providers.builds import Compilations
from waterflow import spec

PROJECT = {"project": "my-project", "bucket": "my-bucket"}
CLUSTER = {"host": "https://kubeflow.example", "bucket": "s3://my-bucket"}


def parse(document):
    """Parse a pipeline spec into the official proto, in which nothing is unknown."""
    plain = json.loads(json.dumps(document))
    json_format.ParseDict(plain["deploymentSpec"], pipeline_spec_pb2.PipelineDeploymentConfig())
    return json_format.ParseDict(plain, pipeline_spec_pb2.PipelineSpec())


def problems(document):
    parse(document)
    return validate.errors(document)


def _of_kubeflow(definition):
    platform = definition["platform_spec"]["platforms"]["kubernetes"]
    for executor in platform["deploymentSpec"]["executors"].values():
        json_format.ParseDict(executor, kubernetes_executor_config_pb2.KubernetesExecutorConfig())
    return problems(definition["pipeline_spec"])


VERTEX = Compilations(
    name="google",
    provider="vertex",
    required=PROJECT,
    settings=VertexSettings,
    compiler=compile_vertex,
    errors=lambda definition: problems(definition["pipelineSpec"]),
    image="us-docker.pkg.dev/my-project/images/tool:1",
)
KUBEFLOW = Compilations(
    name="cluster",
    provider="kubeflow",
    required=CLUSTER,
    settings=KubeflowSettings,
    compiler=compile_kubeflow,
    errors=_of_kubeflow,
    image="registry.example/tool:1",
)


def specs(graph, **options):
    """Return a pipeline's specs on both services, after checking them."""
    vertex = VERTEX.valid(VERTEX.compiled(graph, **options))
    kubeflow = KUBEFLOW.valid(KUBEFLOW.compiled(graph, **options))
    return [vertex.definition["pipelineSpec"], kubeflow.definition["pipeline_spec"]]


def gated(gates, *steps):
    return [spec.Gate(*gate) for gate in gates], steps
