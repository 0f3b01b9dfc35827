"""What is refused before anything is created: one message, which names the thing and a way out."""

import pytest
from waterflow_kubeflow import cron
from waterflow_kubeflow.provider import KubeflowProvider

from tests.providers.builds import ROOT
from tests.providers.kubeflow.builds import build, compiled, container, function, one, pipeline
from tests.providers.kubeflow.builds import profile as make_profile
from waterflow import spec
from waterflow.errors import (
    ConfigurationError,
    DefinitionError,
    UnsupportedFeatureError,
    WaterflowError,
)

SECRETS = spec.Environment(secrets={"KEY": "api-key"})
SLASHED = spec.Environment(secrets={"KEY": "a/b"})
REQUIREMENTS = spec.Environment(requirements=("x",))


def tool(command=("run",), **options):
    """Return a pipeline with a container step."""
    return pipeline(function("text"), container("tool", command, **options))


def steps(**settings):
    return {"steps": {"a": settings}}


def taint(**toleration):
    return {"tolerations": [toleration]}


REFUSED = [
    # --- the profile ------------------------------------------------------------------------------
    ({"host": "kubeflow"}, None, ConfigurationError, 'host = "kubeflow" is no address'),
    ({"host": "https://u:p@kubeflow"}, None, ConfigurationError, "without a user or a password"),
    ({"ui": "ftp://x"}, None, ConfigurationError, 'ui = "ftp://x" is no address'),
    ({"bucket": "ml-data"}, None, ConfigurationError, 'bucket = "ml-data" is no bucket'),
    ({"bucket": "s3://b/p"}, None, ConfigurationError, "what follows it as prefix"),
    ({"bucket": "gs://ml-data", "endpoint": "http://minio:9000"}, None, ConfigurationError,
     "endpoint is of S3 services only"),
    ({"bucket": "abfss://data@team.dfs.core.windows.net"}, None, ConfigurationError,
     "open S3, Cloud Storage and MinIO alone"),
    ({"bucket": "https://team.blob.core.windows.net/data"}, None, ConfigurationError,
     'Write "minio://BUCKET"'),
    ({"namespace": "My_Team"}, None, ConfigurationError, 'namespace = "My_Team" is no name'),
    ({"service_account": "a b"}, None, ConfigurationError, 'service_account = "a b" is no name'),
    ({"secret": "A"}, None, ConfigurationError, 'secret = "A" is no name of Kubernetes'),
    ({"token_env": "eyJ.x.y"}, None, ConfigurationError, "is no name of a variable"),
    ({"pull_secrets": ["A"]}, None, ConfigurationError, 'pull_secrets: "A" is no name'),
    ({"experiment": ""}, None, ConfigurationError, "is no name of an experiment"),
    ({"token_env": "A", "token_file": "b"}, None, ConfigurationError, "exclude each other"),
    ({"cache_days": 7}, None, ConfigurationError, "cache_days cannot be kept"),
    ({"parallel": 3}, None, ConfigurationError, "parallel cannot be kept"),
    ({"machines": ["n2"]}, None, ConfigurationError, "machines cannot be kept"),
    ({"image": "x"}, None, ConfigurationError, "needs its Python beside it"),
    ({"pull_policy": "Often"}, None, ConfigurationError, "Invalid enum value 'Often'"),
    ({"region_": "x"}, None, ConfigurationError, "has no setting 'region_'"),
    (steps(machine="n2"), None, ConfigurationError, "the machines are the cluster's"),
    (taint(key="a", operator="Exists", value="b"), None, ConfigurationError, "has no value"),
    (taint(value="b"), None, ConfigurationError, 'without a key has operator = "Exists"'),
    (taint(key="a", seconds=3), None, ConfigurationError, 'has effect = "NoExecute"'),
    ({"steps": {"b": {"python": "3.12"}}}, one(), ConfigurationError, "names no step of pipeline"),
    # --- steps ------------------------------------------------------------------------------------
    ({}, one(instances=2), UnsupportedFeatureError, "instances"),
    ({}, one(spot=True), UnsupportedFeatureError, "node_selector and tolerations"),
    ({}, one(environment=SECRETS), ConfigurationError, 'secret = "NAME"'),
    ({"secret": "s"}, one(environment=SLASHED), UnsupportedFeatureError, "the secret 'a/b'"),
    ({"libraries": "image", "image": "x", "python": "3.12"}, one(environment=REQUIREMENTS),
     UnsupportedFeatureError, "requirements"),
    ({"image": "x", "python": "3.9"}, one(), ConfigurationError, "Work in Python 3.9"),
    # --- containers -------------------------------------------------------------------------------
    ({}, tool(environment=REQUIREMENTS), UnsupportedFeatureError,
     "requirements of a container step"),
    ({}, tool(metrics={"loss": "(.)"}), UnsupportedFeatureError, "metrics of a container step"),
    ({}, tool(("run", "{{$.inputs}}")), DefinitionError, "would be taken for a placeholder"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "graph", "error", "words"), REFUSED, ids=[words for *_, words in REFUSED]
)
def test_what_cannot_be_kept_is_refused(settings, graph, error, words):
    inputs = build(graph or pipeline(function("a")), uri="https://mlflow.example")
    with pytest.raises(WaterflowError) as raised:
        KubeflowProvider(ROOT, make_profile(settings)).compile(inputs)
    assert isinstance(raised.value, error)
    message = str(raised.value)
    assert words in message
    assert "\n" not in message  # one message: nothing hides behind it, and nothing else is said


@pytest.mark.parametrize(
    ("schedule", "six"),
    [
        ("0 3 * * 1", "0 0 3 * * 1"),
        ("*/15 * * * *", "0 0,15,30,45 * * * *"),
        ("0 3 1 6 *", "0 0 3 1 6 *"),
        ("30 2 * * MON-FRI", "0 30 2 * * 1-5"),
        ("0 0 1,15 * *", "0 0 0 1,15 * *"),
    ],
)
def test_a_schedule_has_seconds_before_its_fields(schedule, six):
    trigger = cron.trigger(schedule)
    assert trigger == {"cron_schedule": {"cron": six}}
    assert cron.shown(trigger) == f"{six.partition(' ')[2]} UTC"


def test_pods_are_told_by_the_fields_of_kubernetes():
    """The shapes are those that kfp-kubernetes itself writes for the same wishes."""
    from google.protobuf import json_format
    from kfp import dsl, kubernetes
    from kfp.compiler import Compiler  # noqa: F401 - registers the compiler's own checks

    settings = {
        "secret": "team-secrets",
        "node_selector": {"pool": "ml"},
        "tolerations": [
            {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"},
            {"key": "spot", "value": "yes", "effect": "NoExecute", "seconds": 30},
        ],
        "pull_policy": "Always",
        "pull_secrets": ["registry"],
    }
    graph = pipeline(function("a", environment=SECRETS))
    document = compiled(graph, settings)
    platforms = document.definition["platform_spec"]["platforms"]
    ours = platforms["kubernetes"]["deploymentSpec"]["executors"]["exec-a"]

    @dsl.container_component
    def a():
        return dsl.ContainerSpec(image="x", command=["true"])

    @dsl.pipeline
    def twin():
        task = a()
        kubernetes.use_secret_as_env(task, "team-secrets", {"api-key": "WATERFLOW_SECRET_API_KEY"})
        kubernetes.add_node_selector(task, "pool", "ml")
        kubernetes.add_toleration(task, key="gpu", operator="Exists", effect="NoSchedule")
        kubernetes.add_toleration(
            task, key="spot", operator="Equal", value="yes", effect="NoExecute",
            toleration_seconds=30,
        )  # fmt: skip
        kubernetes.set_image_pull_policy(task, "Always")
        kubernetes.set_image_pull_secrets(task, ["registry"])

    theirs = json_format.MessageToDict(twin.platform_spec)
    theirs = theirs["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-a"]
    assert _plain(ours) == _plain(theirs)


def _plain(config):
    """Return a pod's settings as the official proto reads them, secrets' names in one way."""
    from google.protobuf import json_format
    from kfp.kubernetes import kubernetes_executor_config_pb2 as protos

    read = json_format.ParseDict(config, protos.KubernetesExecutorConfig())
    for one_ in (*read.secret_as_env, *read.image_pull_secret):
        if not one_.secret_name:
            one_.secret_name = one_.secret_name_parameter.runtime_value.constant.string_value
        one_.ClearField("secret_name_parameter")
        if hasattr(one_, "optional"):
            one_.ClearField("optional")
    return json_format.MessageToDict(read)
