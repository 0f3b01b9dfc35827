"""What is refused before anything is created: one message, which names the thing and a way out."""

import re

import pytest
from msgspec.structs import replace
from waterflow_azureml import checks, limits
from waterflow_azureml.compiler import check_size
from waterflow_azureml.provider import AzureMLProvider

from tests.providers.azureml.builds import (
    CLUSTERS,
    ROOT,
    build,
    compiled,
    container,
    function,
    pipeline,
    profile,
    register,
)
from waterflow import spec
from waterflow.errors import (
    ConfigurationError,
    DefinitionError,
    UnsupportedFeatureError,
    WaterflowError,
)

GIB = 2**30


def scheduled(schedule):
    return replace(pipeline(function("a")), schedule=schedule)


def one(name="a", **wants):
    """Return a pipeline of one step that asks for something of a machine."""
    return pipeline(function(name, resources=spec.Resources(**wants)))


def tool(command=("run",), inputs=None, **options):
    """Return a pipeline with a container step."""
    outputs = options.pop("outputs", ())
    return pipeline(
        function("text"),
        function("other"),
        container("tool", command, inputs or {}, outputs, **options),
        parameters={"source": spec.Parameter("data", None, optional=True),
                    "word": spec.Parameter("string", None, optional=True)},
    )  # fmt: skip


def steps(**settings):
    return {"steps": {"a": settings}}


def named(name):
    return pipeline(
        function("a", {"x": spec.FromParameter(name)}),
        parameters={name: spec.Parameter("integer", 1)},
    )


def secret(name):
    return pipeline(function("a", environment=spec.Environment(secrets={"KEY": name})))


WORD = {"w": spec.Input("string", spec.FromParameter("word"))}
FIRST = spec.FromFirst((spec.FromStep("text", "output"), spec.FromStep("other", "output")))
OF_CONTAINER = pipeline(
    container("tool", ("run", "{outputs.made}"), {}, ("made",)),
    function("gated", branch=("gate", True)),
    gates=[spec.Gate("gate", spec.Compare(spec.FromStep("tool", "made"), "==", spec.FromValue(1)))],
)
REFUSED = [
    # --- the profile ------------------------------------------------------------------------------
    ({"subscription": "mine"}, None, ConfigurationError, 'subscription = "mine" is no id of a'),
    ({"resource_group": "ends."}, None, ConfigurationError, 'resource_group = "ends." is no name'),
    ({"workspace": "x"}, None, ConfigurationError, 'workspace = "x" is no name of a workspace'),
    ({"region": "West Europe"}, None, ConfigurationError, 'region = "West Europe" is no Azure'),
    ({"account": "My-Account"}, None, ConfigurationError, 'account = "My-Account" is no name'),
    ({"container": "a/b"}, None, ConfigurationError, "write it without a path"),
    ({"datastore": "Ours"}, None, ConfigurationError, 'datastore = "Ours" is no name'),
    ({"vault": "https://v.vault.azure.net"}, None, ConfigurationError, "write it without https://"),
    ({"identity": "jobs"}, None, ConfigurationError, "az identity show --query clientId"),
    ({"cache_days": 7}, None, ConfigurationError, "cache_days cannot be kept"),
    ({"parallel": 3}, None, ConfigurationError, "parallel cannot be kept"),
    ({"machines": ["Standard_D4"]}, None, ConfigurationError, "The nearest known: Standard_D4"),
    ({"image": "x"}, None, ConfigurationError, "needs its Python beside it"),
    ({"build_images": True, "libraries": "image"}, None, ConfigurationError, "exclude each other"),
    ({"clusters": {"1x": {"machine": "Standard_D2ds_v5"}}}, None, ConfigurationError,
     'clusters."1x" is no name of a cluster'),
    ({"clusters": {"x1": {"machine": "Standard_X"}}}, None, ConfigurationError,
     'machine = "Standard_X" is not known'),
    ({"clusters": {"x1": {"machine": "Standard_D2ds_v5", "nodes": 0}}}, None, ConfigurationError,
     "nodes = 0 is too small"),
    (steps(cluster="none"), None, ConfigurationError, "is none of this profile's clusters: none"),
    ({"clusters": CLUSTERS} | steps(cluster="cpu", machine="Standard_D4ds_v5"), None,
     ConfigurationError, "cluster and machine exclude each other"),
    (steps(distribution="ray"), None, ConfigurationError, "Invalid enum value 'ray'"),
    (steps(shm_size="2 gigs"), None, ConfigurationError, 'shm_size = "2 gigs" is no size'),
    (steps(identity="me"), None, ConfigurationError, 'identity = "me" is no client id'),
    ({"tags": {"waterflow.x": "1"}}, None, ConfigurationError, "not waterflow at the start"),
    ({"tags": {"k": "v" * 1001}}, None, ConfigurationError, "a value has at most 1000"),
    ({"tags": {f"k{n}": "" for n in range(60)}}, None, ConfigurationError, "tags has 60 entries"),
    ({"bucket": "x"}, None, ConfigurationError, "has no setting 'bucket'"),
    ({"steps": {"b": {"python": "3.12"}}}, None, ConfigurationError, "names no step of pipeline"),
    # --- machines ---------------------------------------------------------------------------------
    ({}, one(cpu=1000), UnsupportedFeatureError, "a machine with 1000 vCPU for a job"),
    ({}, one(gpu=spec.Gpu(1, "nvidia-k80")), UnsupportedFeatureError, "1 nvidia-k80"),
    ({"machines": ["Standard_D2ds_v5"]}, one(memory=64 * GIB), UnsupportedFeatureError,
     "The nearest: Standard_D2ds_v5"),
    ({}, one(instances=101), UnsupportedFeatureError, "instances=101"),
    ({"clusters": CLUSTERS}, one(cpu=64), UnsupportedFeatureError, "a cluster with 64 vCPU"),
    ({"clusters": CLUSTERS}, one(instances=5), UnsupportedFeatureError, "lacks 5 nodes"),
    ({"clusters": {"only": {"machine": "Standard_D2ds_v5"}}}, one(spot=True),
     UnsupportedFeatureError, "only (Standard_D2ds_v5) lacks spot machines"),
    ({"clusters": CLUSTERS} | steps(cluster="gpu"), one(cpu=64), ConfigurationError,
     'cluster = "gpu", which lacks 64 vCPU'),
    (steps(machine="Standard_D2ds_v5"), one(cpu=64), ConfigurationError, "which lacks 64 vCPU"),
    (steps(distribution="mpi"), one(), ConfigurationError, "@wf.step(instances=2)"),
    # --- steps ------------------------------------------------------------------------------------
    ({}, pipeline(function("a", timeout=86_400.0, retry=spec.Retry(30))), UnsupportedFeatureError,
     "A job may run for 21 days"),
    ({}, pipeline(function("a", timeout=86_400.0 * 8, resources=spec.Resources(spot=True))),
     UnsupportedFeatureError, "On spot machines a job may run for 7 days"),
    ({}, pipeline(function("a", timeout=1.0, retry=spec.Retry(2000, 1, 1e6))),
     UnsupportedFeatureError, "may run for 21 days"),
    ({}, pipeline(spec.Step(name="a", run=spec.Function("m", "f", over="x", fan_out="jobs"))),
     UnsupportedFeatureError, 'Use fan_out="processes"'),
    ({}, secret("api-key"), ConfigurationError, 'vault = "NAME"'),
    ({"vault": "ml-vault"}, secret("api_key"), UnsupportedFeatureError, "the secret 'api_key'"),
    ({"vault": "ml-vault"}, secret("k" * 128), UnsupportedFeatureError, "1 to 127 letters"),
    ({"libraries": "image", "image": "x", "python": "3.12"},
     pipeline(function("a", environment=spec.Environment(requirements=("x",)))),
     UnsupportedFeatureError, "requirements"),
    ({"build_images": True, "image": "azureml:env:1", "python": "3.12"}, one(),
     UnsupportedFeatureError, "Azure builds on images only"),
    ({"image": "x y", "python": "3.12"}, one(), ConfigurationError, "cannot name an image"),
    ({"image": "x", "python": "3.9"}, one(), ConfigurationError, "Work in Python 3.9"),
    # --- names and values -------------------------------------------------------------------------
    ({}, named("ü"), DefinitionError, "Rename 'ü'"),
    ({}, named("waterflow_n"), DefinitionError, "Rename 'waterflow_n'"),
    ({}, scheduled("0 3 * 6 *"), DefinitionError, "cannot say months"),
    ({}, scheduled("0 3 1 * 1"), DefinitionError, "Leave one of them *"),
    # --- containers -------------------------------------------------------------------------------
    ({"vault": "v-1"}, tool(environment=spec.Environment(secrets={"A": "b"})),
     UnsupportedFeatureError, "secrets of a container step"),
    ({}, tool(environment=spec.Environment(requirements=("x",))), UnsupportedFeatureError,
     "requirements of a container step"),
    ({}, tool(retry=spec.Retry(1)), UnsupportedFeatureError, "retries of a container step"),
    ({}, tool(metrics={"loss": "(.)"}), UnsupportedFeatureError, "metrics of a container step"),
    ({}, tool(inputs={"x": spec.Input("any", spec.FromStep("text", "output", "key"))}),
     UnsupportedFeatureError, "the single entry 'key' as input 'x'"),
    ({}, tool(("run", "{inputs.x}"), {"x": spec.Input("any", FIRST)}), UnsupportedFeatureError,
     "input 'x' of a container step, which is one of several"),
    ({}, tool(("run", "{inputs.s}"), {"s": spec.Input("data", spec.FromParameter("source"))}),
     UnsupportedFeatureError, "outside data of a parameter as input 's'"),
    ({}, tool(("run", "x" * 140_000)), DefinitionError, "a job of Azure ML takes 131,072"),
    ({}, OF_CONTAINER, UnsupportedFeatureError, "a condition on what the container step 'tool'"),
    ({}, pipeline(container("tool", ("run", "{parameters.w}"), WORD),
                  function("a", {"w": spec.FromParameter("word")}),
                  parameters={"word": spec.Parameter("string", None, optional=True)}),
     UnsupportedFeatureError, "in a container's command and elsewhere"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "graph", "error", "said"), REFUSED, ids=[said for *_, said in REFUSED]
)
def test_what_is_refused(settings, graph, error, said):
    chosen = profile(settings)
    graph = graph or pipeline(function("a"))
    with pytest.raises(WaterflowError) as raised:
        AzureMLProvider(ROOT, chosen).compile(build(graph, uri="https://mlflow.example"))
    assert isinstance(raised.value, error)
    message = str(raised.value)
    assert said in message
    assert "\n" not in message  # one message: nothing hides behind it, and nothing else is said
    assert (
        "azureml" in message or "Azure" in message or isinstance(raised.value, ConfigurationError)
    )


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("sqlite:///mlflow.db", "no job on Azure ML can reach the tracking URI"),
        ("https://user:password@mlflow.example", "password"),
    ],
)
def test_a_registry_that_no_job_reaches(uri, said):
    with pytest.raises(WaterflowError, match=said):
        compiled(pipeline(function("fit"), register()), uri=uri)


def test_the_size_of_a_pipeline_job():
    graph = pipeline(*(function(f"step_{number}") for number in range(40)))
    document = compiled(graph)
    check_size(document)
    assert {limit.what for limit in limits.used(document)} >= {"steps of a pipeline"}
    large = dict(document.definition) | {"description": "x" * limits.BODY.most}
    object.__setattr__(document, "definition", large)
    with pytest.raises(DefinitionError, match=r"Azure ML takes 4,194,304\. Take several steps"):
        check_size(document)


def test_a_plan_tells_of_limits_that_a_pipeline_comes_near_to():
    graph = pipeline(
        function("a"),
        function("b", timeout=100.0, resources=spec.Resources(instances=3)),
    )
    used = {limit.what: (limit.used, limit.step) for limit in limits.used(compiled(graph))}
    assert used["nodes of a job"] == (3, "b")
    assert used["seconds of a job"] == (1000, "b")
    assert used["steps of a pipeline"] == (2, None)
    alone = {limit.what for limit in limits.used(compiled(pipeline(function("a"))))}
    assert alone == {
        "steps of a pipeline", "bytes of the pipeline job", "bytes of a job's command",
    }  # fmt: skip


# --- documents that no compiler of ours has made --------------------------------------------------


def changed(**changes):
    """Return a good document's definition, with parts replaced: "jobs.a.inputs.x" -> value."""
    graph = pipeline(
        function("a", {"n": spec.FromParameter("n")}), function("b", {"x": "a"}),
        parameters={"n": spec.Parameter("integer", 1)},
    )  # fmt: skip
    definition = compiled(graph).definition
    for path, value in changes.items():
        part = definition
        *parents, name = re.split(r"__", path)
        for parent in parents:
            part = part[parent]
        part[name] = value
    return definition


LONG = {f"k{n}": "v" for n in range(51)}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"compute_target": "x"}, "the pipeline job has a field 'compute_target'"),
        ({"settings__timeout": 1}, "settings has a field 'timeout'"),
        ({"jobs__a__retry": 1}, "step 'a': its node has a field 'retry'"),
        ({"jobs__a__component__code": "."}, "step 'a': its component has a field 'code'"),
        ({"jobs__a__resources__instance_count": 101}, "takes 100"),
        ({"jobs__a__limits": {"timeout": 22 * 86_400}}, "takes 1,814,400"),
        ({"jobs__a__queue_settings": {"job_tier": "cheap"}}, "queue_settings.job_tier is 'cheap'"),
        ({"jobs__a__identity": {"type": "root"}}, "identity.type is 'root'"),
        ({"jobs__a__component__distribution": {"type": "ray"}}, "distribution.type is 'ray'"),
        ({"jobs__a__component__distribution": {"type": "mpi", "x": 1}}, "has a field 'x'"),
        ({"jobs__a__component__environment": {"dockerfile": "x"}}, "has a field 'dockerfile'"),
        ({"jobs__b__inputs__x": "${{parent.jobs.c.outputs.output}}"}, "does not come before it"),
        ({"jobs__b__inputs__x": "${{parent.jobs.a.outputs.none}}"}, "which 'a' has not"),
        ({"jobs__b__inputs__x": "${{parent.inputs.none}}"}, "input 'none', which there is not"),
        ({"jobs__b__inputs__x": "${{jobs.a}}"}, "which is no binding"),
        ({"jobs__b__inputs__more": "1"}, "inputs.more is not declared"),
        ({"jobs__b__component__inputs__x": {"type": "mltable"}}, "inputs.x has type 'mltable'"),
        ({"jobs__b__component__inputs__x": {"type": "uri_folder", "mode": "eval"}}, "mode 'eval'"),
        ({"jobs__b__component__command": "echo ${{inputs.y}}"}, "names inputs.y, which is not"),
        ({"jobs__b__component__command": "echo ${{parent.inputs.n}}"}, "is nothing of its own"),
        ({"jobs__b__component__command": "x" * 131_073}, "its command has 131,073 bytes"),
        ({"jobs__B": changed()["jobs"]["a"]}, "lower-case letters"),
        ({"display_name": "x" * 256}, "display_name has 256 characters; Azure ML takes 255"),
        ({"tags": LONG}, "tags has 51 tags; Azure ML takes 50"),
        ({"tags": {"k": "v" * 1001}}, "tags.k has 1,001 characters"),
    ],
)
def test_what_the_checks_tell_of_a_document(changes, said):
    assert checks.document_errors(changed()) == []
    [error] = checks.document_errors(changed(**changes))
    assert said in error


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"n": "1"}, None),
        ({"m": "1"}, "the pipeline has no parameter 'm'"),
        ({"n": "x" * 40_000}, "parameter 'n' has 40,000 characters; Azure ML takes 32,768"),
        ({"n": "a\n"}, "cannot end in a line break"),
    ],
)
def test_what_the_checks_tell_of_a_runs_parameters(parameters, said):
    errors = checks.submission_errors(changed(), parameters)
    assert (said is None) is (errors == [])
    assert all(said in error for error in errors)
