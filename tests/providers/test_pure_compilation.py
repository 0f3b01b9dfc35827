"""Compiling reads no environment: whatever is set, the same build gives the same bytes."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import json, sys
from pathlib import Path

sys.path.insert(0, sys.argv[2])
from tests.providers import builds
from tests.providers.azureml import builds as azureml
from tests.providers.sagemaker import builds as sagemaker
from waterflow_azureml.provider import AzureMLProvider
from waterflow_local.provider import LocalProvider
from waterflow_sagemaker.provider import SageMakerProvider

from waterflow import spec
from waterflow.project.profile import Profile

registering = builds.pipeline(
    builds.function("load", {"raw": spec.Input("data", spec.FromParameter("raw"))}, "dataframe"),
    builds.function("fit", {"x": "load"}, "model",
                    resources=spec.Resources(spot=sys.argv[1] != "kubeflow")),
    builds.function("measure", {"model": "fit"}, "metrics"),
    spec.Step(name="register", run=spec.Register(), outputs={"output": spec.Output("json")},
              inputs={"model": spec.Input("model", spec.FromStep("fit", "output"))},
              branch=spec.Branch("good", True)),
    gates=[spec.Gate("good", spec.Compare(
        spec.FromStep("measure", "output", "auc"), ">", spec.FromParameter("least")))],
    parameters={"least": spec.Parameter("number", 0.5, required=False),
                "raw": spec.Parameter("data", "raw.csv", required=False)},
)
build = builds.build(registering, data=[builds.local_data("raw.csv")], uri=builds.MLFLOW)
if sys.argv[1] == "local":
    profile = Profile("local", "local", {"cpu": 4, "memory": "8GiB"}, None, None, "built in")
    provider = LocalProvider(Path.cwd(), profile)
elif sys.argv[1] == "azureml":
    provider = AzureMLProvider(Path.cwd(), azureml.profile())
elif sys.argv[1] == "vertex":
    from waterflow_vertex.provider import VertexProvider

    settings = {"project": "my-project", "bucket": "my-bucket"}
    profile = Profile("google", "vertex", settings, builds.MLFLOW, None, "waterflow.toml")
    provider = VertexProvider(Path.cwd(), profile)
elif sys.argv[1] == "kubeflow":
    from waterflow_kubeflow.provider import KubeflowProvider

    settings = {"host": "https://kubeflow.example", "bucket": "s3://my-bucket"}
    profile = Profile("cluster", "kubeflow", settings, builds.MLFLOW, None, "waterflow.toml")
    provider = KubeflowProvider(Path.cwd(), profile)
else:
    provider = SageMakerProvider(Path.cwd(), sagemaker.profile())
document = provider.compile(build)
sdks = {"azure", "boto3", "botocore", "grpc", "kfp", "msrest", "obstore"}
loaded = {name.partition(".")[0] for name in sys.modules}
# Of `google` the environment itself makes the outermost package.
assert sdks.isdisjoint(loaded) and "google.auth" not in sys.modules
print(json.dumps([document.content, [repr(job) for job in document.jobs], document.notes]))
"""
HOSTILE = {
    "AZURE_CLIENT_ID": "theirs", "AZURE_SUBSCRIPTION_ID": "theirs", "AZUREML_RUN_ID": "theirs",
    "AZUREML_ROOT_RUN_ID": "theirs", "GOOGLE_CLOUD_PROJECT": "theirs",
    "GOOGLE_APPLICATION_CREDENTIALS": "/theirs.json", "KF_PIPELINES_ENDPOINT": "https://theirs",
    "AWS_ACCESS_KEY_ID": "AKIAHOSTILE", "AWS_DEFAULT_REGION": "mars-north-1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_PROFILE": "nobody", "AWS_REGION": "mars-north-1",
    "HOME": "/nonexistent", "MLFLOW_EXPERIMENT_NAME": "theirs",
    "MLFLOW_RUN_ID": "0" * 32, "MLFLOW_TRACKING_URI": "file:///theirs", "PYTHONHASHSEED": "7",
    "SAGEMAKER_ROLE": "theirs", "TZ": "Pacific/Kiritimati", "USER": "nobody",
    "WATERFLOW_BUCKET": "theirs", "WATERFLOW_EXECUTION": "theirs", "WATERFLOW_PROFILE": "theirs",
    "WATERFLOW_TRACKING_URI": "https://theirs.example",
}  # fmt: skip


def compiled(provider: str, environment: dict[str, str]) -> str:
    """Return what a process of its own compiles in an environment with nothing else in it."""
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, provider, str(ROOT)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.mark.parametrize("provider", ["local", "sagemaker", "azureml", "vertex", "kubeflow"])
def test_the_same_bytes_in_an_empty_and_in_a_hostile_environment(provider: str) -> None:
    empty = compiled(provider, {})
    assert "theirs" not in empty
    assert compiled(provider, HOSTILE) == empty
    assert compiled(provider, {"PYTHONHASHSEED": "1"}) == empty
    if provider != "local":
        assert "https://mlflow.example" in empty
