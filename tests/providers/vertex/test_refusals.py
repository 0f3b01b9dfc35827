"""What is refused before anything is created: one message, which names the thing and a way out."""

import re

import google.cloud.aiplatform_v1.types as api
import pytest
from waterflow_vertex import checks, limits
from waterflow_vertex.provider import VertexProvider

from tests.providers.builds import ROOT, build, function, pipeline
from tests.providers.vertex.builds import compiled, container, executor, profile
from waterflow import spec
from waterflow.errors import (
    ConfigurationError,
    DefinitionError,
    UnsupportedFeatureError,
    WaterflowError,
)

GIB = 2**30
DAY = 86_400.0
KEY = "projects/p/locations/us-central1/keyRings/r/cryptoKeys/k"


def one(**wants):
    """Return a pipeline of one step that asks for something of a machine."""
    return pipeline(function("a", resources=spec.Resources(**wants)))


def timed(timeout, retries=0, **wants):
    resources = spec.Resources(spot=True, **wants)
    return pipeline(function("a", timeout=timeout, retry=spec.Retry(retries), resources=resources))


def tool(command=("run",), inputs=None, **options):
    """Return a pipeline with a container step."""
    outputs = options.pop("outputs", ())
    return pipeline(
        function("text"),
        function("other"),
        container("tool", command, inputs or {}, outputs, **options),
        parameters={"source": spec.Parameter("data", None, optional=True)},
    )


def steps(**settings):
    return {"steps": {"a": settings}}


def setting(name, value, said):
    return ({name: value}, None, ConfigurationError, said)


def lacking(said, settings=None, **wants):
    return (settings or {}, one(**wants), UnsupportedFeatureError, said)


FIRST = spec.FromFirst((spec.FromStep("text", "output"), spec.FromStep("other", "output")))
REFUSED = [
    # --- the profile ------------------------------------------------------------------------------
    setting("project", "My Project", "no id of a project. Look it up: gcloud projects list"),
    setting("project", "p", 'project = "p" is no id of a project'),
    setting("region", "US Central", 'region = "US Central" is no region'),
    setting("region", "us-central1-a", 'region = "us-central1-a" is no region'),
    setting("bucket", "gs://ml", "write it without gs:// and without a path"),
    setting("bucket", "ml/runs", 'bucket = "ml/runs" is no name of a bucket'),
    setting("bucket", "goog-mine", 'bucket = "goog-mine" is no name of a bucket'),
    setting("network", "default", 'network = "default" is no network'),
    setting("kms_key", "key", 'kms_key = "key" is no key'),
    setting("kms_key", KEY.replace("us-central1", "europe-west4"), "keys of its own region only"),
    setting("service_account", "me@example.com", "is no service account, such as"),
    setting("cache_days", 7, "cache_days cannot be kept"),
    setting("parallel", 3, "parallel cannot be kept"),
    setting("machines", ["n1-standard-5"], "The nearest known: n1-standard-"),
    setting("image", "x", "needs its Python beside it"),
    setting("prefix", "/x", 'prefix = "/x" cannot begin'),
    setting("poll", 0, "poll = 0 must be above 0"),
    setting("tags", {"waterflow-x": "1"}, "not waterflow at the start"),
    setting("tags", {"Team": "1"}, 'tags."Team" is no label'),
    setting("tags", {"team": "My Team"}, "a label's value has lower-case letters"),
    setting("tags", {"team": "v" * 64}, "at most 63"),
    setting("tags", {f"k{n}": "" for n in range(60)}, "tags has 60 entries"),
    setting("workspace", "x", "has no setting 'workspace'"),
    setting("libraries", "conda", "Invalid enum value 'conda'"),
    setting("steps", {"b": {"python": "3.12"}}, "names no step of pipeline"),
    (steps(service_account="jobs"), None, ConfigurationError, "is no service account"),
    (steps(machine="n9-standard-4"), None, ConfigurationError, "is not known. The nearest known"),
    (steps(cluster="x"), None, ConfigurationError, "cluster"),
    # --- machines ---------------------------------------------------------------------------------
    lacking("a machine with 1000 vCPU for a job", cpu=1000),
    lacking("The nearest:", memory=2000 * GIB),
    lacking("1 nvidia-k80", gpu=spec.Gpu(1, "nvidia-k80")),
    lacking("3 nvidia-tesla-t5", gpu=spec.Gpu(3, "nvidia-tesla-t5")),
    lacking("64 GPU", gpu=spec.Gpu(64)),
    lacking("The nearest: e2-standard-4", {"machines": ["e2-standard-4"]}, memory=64 * GIB),
    lacking("1 GPU", {"machines": ["e2-standard-4"]}, gpu=spec.Gpu(1)),
    lacking("instances=1001", instances=1001),
    lacking("A job's disk has at most 63,970 GB", disk=70_000 * 10**9),
    (steps(machine="e2-standard-4"), one(cpu=64), ConfigurationError, "which lacks 64 vCPU"),
    (steps(machine="e2-standard-4"), one(gpu=spec.Gpu(1)), ConfigurationError, "lacks 1 GPU"),
    (steps(machine="n1-standard-64"), one(gpu=spec.Gpu(1, "nvidia-l4")), ConfigurationError,
     "can be attached: 4 nvidia-p100, 4 nvidia-t4, 8 nvidia-v100"),
    # --- steps ------------------------------------------------------------------------------------
    ({}, timed(DAY, 30), UnsupportedFeatureError, "A custom job may run for 7 days"),
    ({}, timed(8 * DAY), UnsupportedFeatureError, "Ask for less, or for fewer retries"),
    ({}, tool(timeout=8 * DAY), UnsupportedFeatureError, "A custom job may run for 7 days"),
    ({"libraries": "image", "image": "x", "python": "3.12"},
     pipeline(function("a", environment=spec.Environment(requirements=("x",)))),
     UnsupportedFeatureError, "requirements"),
    ({"image": "x y", "python": "3.12"}, one(), ConfigurationError, "cannot name an image"),
    ({"image": "x", "python": "3.9"}, one(), ConfigurationError, "Work in Python 3.9"),
    (steps(image="x"), one(), ConfigurationError, 'python = "3.12"'),
    # --- containers -------------------------------------------------------------------------------
    ({}, tool(environment=spec.Environment(secrets={"A": "b"})), UnsupportedFeatureError,
     "secrets of a container step"),
    ({}, tool(environment=spec.Environment(requirements=("x",))), UnsupportedFeatureError,
     "requirements of a container step"),
    ({}, tool(metrics={"loss": "(.)"}), UnsupportedFeatureError, "metrics of a container step"),
    ({}, tool(inputs={"x": spec.Input("any", spec.FromStep("text", "output", "key"))}),
     UnsupportedFeatureError, "the single entry 'key' as input 'x'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "graph", "error", "said"), REFUSED, ids=[said for *_, said in REFUSED]
)
def test_what_is_refused(settings, graph, error, said):
    graph = graph or pipeline(function("a"))
    with pytest.raises(WaterflowError) as raised:
        VertexProvider(ROOT, profile(settings)).compile(build(graph, uri="https://mlflow.example"))
    message = str(raised.value)
    assert isinstance(raised.value, error), message
    assert said in message
    assert "\n" not in message  # one message: nothing hides behind it, and nothing else is said


def test_the_table_is_as_long_as_it_should_be():
    assert len(REFUSED) + len(WRONG) >= 50


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("sqlite:///mlflow.db", "no job on Vertex AI can reach the tracking URI"),
        ("https://user:password@mlflow.example", "password"),
    ],
)
def test_a_registry_that_no_job_reaches(uri, said):
    register = spec.Step(
        name="register",
        run=spec.Register(),
        outputs={"output": spec.Output("json")},
        inputs={"model": spec.Input("model", spec.FromStep("fit", "output"))},
    )
    with pytest.raises(WaterflowError, match=said):
        compiled(pipeline(function("fit"), register), uri=uri)


def test_a_plan_tells_of_limits_that_a_pipeline_comes_near_to():
    graph = pipeline(
        function("a"),
        function("b", timeout=100.0, resources=spec.Resources(instances=3)),
    )
    used = {limit.what: (limit.used, limit.step) for limit in limits.used(compiled(graph))}
    assert used["machines of a job"] == (3, "b")
    assert used["seconds of a custom job"] == (1000, "b")
    alone = {limit.what for limit in limits.used(compiled(pipeline(function("a"))))}
    assert alone == {"bytes of the pipeline job", "bytes of one argument of a job"}


# --- documents that no compiler of ours has made --------------------------------------------------


def changed(**changes):
    """Return a good document's definition, with parts replaced: "labels__x" -> value."""
    graph = pipeline(
        function("a"), function("b", {"x": "a"}, resources=spec.Resources(instances=2))
    )
    definition = compiled(graph).definition
    executors = definition["pipelineSpec"]["deploymentSpec"]["executors"]
    custom = executors["exec-b"]["customJob"]["customJob"]
    shortcuts = {
        "A": executors["exec-a"]["container"],
        "B": custom,
        "POOL": custom["jobSpec"]["workerPoolSpecs"][0],
    }
    for path, value in changes.items():
        part = definition
        *parents, name = re.split(r"__", path)
        for parent in parents:
            part = shortcuts[parent] if parent in shortcuts else part[parent]
        part[name] = value
    return definition


N1 = {"machineType": "n1-standard-4"}
WRONG = [
    ({"region": "x"}, "the pipeline job has a field 'region'"),
    ({"displayName": "x" * 129}, "displayName has 129 characters; Vertex AI takes 128"),
    ({"labels": {f"k{n}": "v" for n in range(65)}}, "labels has 65 labels; Vertex AI takes 64"),
    ({"labels": {"Team": "v"}}, "labels.Team: a label's name"),
    ({"labels": {"team": "My"}}, "labels.team is 'My'"),
    ({"labels": {"team": "v" * 64}}, "labels.team has 64 characters"),
    ({"runtimeConfig__timeout": 1}, "runtimeConfig has a field 'timeout'"),
    ({"runtimeConfig__gcsOutputDirectory": "s3://b"}, "which is no gs://BUCKET/PATH"),
    ({"runtimeConfig__failurePolicy": "NEVER"}, "runtimeConfig.failurePolicy is 'NEVER'"),
    ({"A__resources": {"cpuLimit": 97.0}}, "step 'a': its container has 97.0 vCPUs"),
    ({"A__resources": {"memoryLimit": 700.0}}, "step 'a': its container has 700.0 GBs"),
    ({"A__resources": {"accelerator": {"type": "TPU"}}}, "resources.accelerator.type is 'TPU'"),
    ({"A__args": ["x" * 131_073]}, "an argument of its job has 131,073 bytes"),
    ({"A__env": [{"name": f"N{n}", "value": ""} for n in range(101)]}, "has 101 variables"),
    ({"B__timeout": "1s"}, "its custom job has a field 'timeout'"),
    ({"B__jobSpec__x": "1s"}, "jobSpec has a field 'x'"),
    ({"B__jobSpec__scheduling": {"timeout": "700000s"}}, "scheduling.timeout has 700,000 seconds"),
    ({"B__jobSpec__scheduling": {"strategy": "CHEAP"}}, "scheduling.strategy is 'CHEAP'"),
    ({"B__jobSpec__scheduling": {"disable": True}}, "scheduling has a field 'disable'"),
    ({"POOL__replicaCount": "2"}, "the first pool has one machine"),
    ({"POOL__machineSpec": {"machineType": "x1"}}, "machineType is 'x1', which is not known"),
    ({"POOL__machineSpec": N1 | {"acceleratorType": "NVIDIA_L4", "acceleratorCount": 1}},
     "n1-standard-4 cannot have 1 NVIDIA_L4"),
    ({"POOL__machineSpec": {"machineType": "g2-standard-4"}}, "g2-standard-4 cannot have 0 None"),
    ({"POOL__machineSpec": N1 | {"gpu": 1}}, "machineSpec has a field 'gpu'"),
    ({"POOL__diskSpec": {"bootDiskSizeGb": 50}}, "bootDiskSizeGb is 50: at least 100"),
    ({"POOL__diskSpec": {"bootDiskSizeGb": 65_000}}, "bootDiskSizeGb has 65,000 GBs"),
    ({"POOL__containerSpec__image": "x"}, "containerSpec has a field 'image'"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "said"), WRONG, ids=[said for _, said in WRONG])
def test_what_the_checks_tell_of_a_document(changes, said):
    [error] = checks.document_errors(changed(**changes))
    assert said in error


def test_the_checks_find_nothing_in_what_is_compiled():
    assert checks.document_errors(changed()) == []


def test_the_fields_are_googles_own():
    for message, fields in checks.FIELDS.items():
        kind = api
        for part in message.split("."):
            kind = getattr(kind, part)
        known = {re.sub(r"_(\w)", lambda m: m[1].upper(), name) for name in kind.meta.fields}
        assert fields <= known, message
    strategies = set(api.Scheduling.Strategy.__members__)
    assert strategies >= checks.STRATEGIES


# --- where jobs run -------------------------------------------------------------------------------

CUSTOM = [
    ({}, {"instances": 3}, "3 machines"),
    ({}, {"spot": True}, "spot machines"),
    ({}, {"disk": 500 * 10**9}, "its disk"),
    ({}, {"cpu": 128}, "no container has n2-standard-128"),
    ({}, {"gpu": spec.Gpu(1, "nvidia-l4")}, "no container has 1 nvidia-l4"),
    ({"machines": ["n2-standard-4"]}, {}, "the profile allows some machines only"),
    (steps(machine="n2-standard-8"), {}, "the profile names its machine"),
    (steps(service_account="other@ml-project.iam.gserviceaccount.com"), {}, "a service account"),
]


@pytest.mark.parametrize(("settings", "wants", "said"), CUSTOM, ids=[said for *_, said in CUSTOM])
def test_what_makes_a_custom_job(settings, wants, said):
    shared = {"network": "projects/1/global/networks/n", "kms_key": KEY}
    document = compiled(one(**wants), shared | settings)
    assert checks.document_errors(document.definition) == []
    [row] = document.jobs
    assert row.kind == "customJob"
    assert said in row.notes[0]
    job = executor(document, "a")["customJob"]["customJob"]
    assert job["encryptionSpec"] == {"kmsKeyName": KEY}
    assert job["jobSpec"]["network"] == shared["network"]
    pools = job["jobSpec"]["workerPoolSpecs"]
    assert sum(int(pool["replicaCount"]) for pool in pools) == wants.get("instances", 1)
    assert pools[0]["machineSpec"]["machineType"] == row.machine
    assert ("scheduling" in job["jobSpec"]) is wants.get("spot", False)


def test_a_plain_step_is_a_container_for_which_google_finds_a_machine():
    document = compiled(one(cpu=4, memory=10 * GIB, gpu=spec.Gpu(2, "nvidia-t4")))
    [row] = document.jobs
    assert (row.kind, row.machine) == ("container", "n1-standard-4 + 2 nvidia-t4")
    resources = executor(document, "a")["container"]["resources"]
    assert resources["cpuLimit"] == 4.0
    assert resources["memoryLimit"] == pytest.approx(10 * GIB / 1e9)
    assert resources["accelerator"]["type"] == "NVIDIA_TESLA_T4"
    assert resources["accelerator"]["count"] == "2"


def test_names_of_parameters():
    graph = pipeline(
        function("a", {"x": spec.FromParameter("waterflow_n")}),
        parameters={"waterflow_n": spec.Parameter("integer", 1)},
    )
    with pytest.raises(DefinitionError, match="waterflow_n"):
        compiled(graph)
