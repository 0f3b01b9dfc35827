"""Whole documents: what becomes of each feature, what is refused, and how long it takes."""

import importlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from waterflow_sagemaker.compiler import check_size

import waterflow as wf
from tests.providers.sagemaker.builds import (
    ROOT,
    assembled,
    build,
    compiled,
    container,
    definition,
    function,
    local_data,
    native_steps,
    pipeline,
    stable,
    training,
    valid,
)
from waterflow import spec
from waterflow.cloud.document import Wheelhouse
from waterflow.data import Pinned
from waterflow.errors import ConfigurationError, DefinitionError, UnsupportedFeatureError

# Imported here, as what they import sets environment variables of its own.
EXAMPLES = {
    name: getattr(importlib.import_module(f"pipelines.{name}.pipeline"), name)
    for name in ("fraud_detection", "quickstart")
}
OTHER = "arn:aws:iam::123456789012:role/other"


@wf.step(spot=True)
def coin() -> bool:
    """Return a boolean."""
    return True


@wf.pipeline
def traced() -> None:
    """Run one step on a spot machine."""
    coin()


def arguments(document, name):
    return native_steps(document)[name]["Arguments"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples(name, snapshot):
    document = valid(compiled(assembled(EXAMPLES[name]())))
    assert stable(document.content) == snapshot
    assert [job.kind for job in document.jobs] == ["processing"] * len(document.jobs)


# --- one of each feature ------------------------------------------------------------------------

FEATURES = {
    "training": pipeline(
        function("score", outputs="number"),
        function("use", {"x": "score"}),
        function("gated", branch=("gate", True)),
        gates=[spec.Gate("gate", spec.Compare(spec.FromStep("score", "output"), ">",
                                              spec.FromValue(1)))],
    ),
    "spot": pipeline(
        function("fit", resources=spec.Resources(cpu=4, spot=True), timeout=3600.0,
                 retry=spec.Retry(2, 10.0, 2.0)),
    ),
    "instances": pipeline(
        function("load"),
        function("fit", {"x": "load"}, resources=spec.Resources(instances=2)),
    ),
    "parameters": pipeline(
        function("fit", {name: spec.FromParameter(name) for name in
                         ("count", "rate", "word", "yes", "plain", "fixed")}),
        function("gated", branch=("gate", True)),
        gates=[spec.Gate("gate", spec.All((
            spec.Compare(spec.FromParameter("count"), ">", spec.FromValue(1)),
            spec.Compare(spec.FromParameter("rate"), "<", spec.FromParameter("fixed")),
            spec.Compare(spec.FromParameter("yes"), "==", spec.FromValue(True)),
        )))],
        parameters={
            "count": spec.Parameter("integer", 3), "rate": spec.Parameter("number", 0.1),
            "word": spec.Parameter("string", "naïve ✓"), "yes": spec.Parameter("boolean", True),
            "plain": spec.Parameter("json", required=True),
            "fixed": spec.Parameter("integer", 7, static=True),
        },
    ),
    "data": pipeline(
        function("fixed", {"raw": spec.Input("data", spec.FromData("data/raw.csv")),
                           "again": spec.Input("path", spec.FromData("data/raw.csv"))}),
        function("given", {"raw": spec.Input("data", spec.FromParameter("source")),
                           "maybe": spec.Input("data", spec.FromParameter("extra"))}),
        parameters={"source": spec.Parameter("data", "data/raw.csv"),
                    "extra": spec.Parameter("data", None, optional=True)},
    ),
    "container": pipeline(
        function("text"),
        container("program", ("run", "--from={inputs.text}", "{inputs.raw}", "{outputs.made}",
                              "{parameters.times}", "{parameters.word}", "{not} {inputs.other}"),
                  {"text": spec.Input("any", spec.FromStep("text", "output")),
                   "raw": spec.Input("data", spec.FromData("data/raw.csv")),
                   "times": spec.Input("integer", spec.FromParameter("times")),
                   "word": spec.Input("string", spec.FromParameter("word"))},
                  ("made", "more"), environment=spec.Environment(variables={"MODE": "fast"})),
        function("read", {"x": spec.Input("path", spec.FromStep("program", "made"))}),
        parameters={"times": spec.Parameter("integer", 2), "word": spec.Parameter("string", "ü")},
    ),
    "environment": pipeline(
        function("fit", environment=spec.Environment(
            requirements=("xgboost>=2",), variables={"MODE": "fast"}, secrets={"TOKEN": "api"},
        )),
    ),
    "fan_out": pipeline(
        spec.Step(name="mapped", run=spec.Function("steps", "square", over="items"),
                  inputs={"items": spec.Input("list[integer]", spec.FromValue([1, 2]))},
                  outputs={"output": spec.Output("list[integer]")},
                  resources=spec.Resources(cpu=4)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FEATURES)
def test_one_of_each_feature(name, snapshot):
    data = [local_data("data/raw.csv")] if name in ("data", "container") else []
    inputs = build(FEATURES[name], versions={"fit": {"pandas": "2.2.3"}}, data=data)
    settings = training("score") if name == "training" else {}
    assert stable(valid(compiled(inputs, settings)).content) == snapshot


def test_the_profiles_settings(snapshot):
    graph = pipeline(
        function("load", resources=spec.Resources(disk=100 * 2**30)),
        function("fit", {"x": "load"}, resources=spec.Resources(gpu=spec.Gpu())),
    )
    document = valid(
        compiled(
            graph,
            {
                "subnets": ["subnet-1"],
                "security_groups": ["sg-1"],
                "network_isolation": True,
                "encrypt_traffic": True,
                "kms_key": "alias/ours",
                "tags": {"team": "risk"},
                "parallel": 4,
                "cache_days": 7,
                "prefix": "team/ours",
                "steps": {
                    "fit": {
                        "job": "training",
                        "role": OTHER,
                        "subnets": [],
                        "security_groups": [],
                        "network_isolation": False,
                        "kms_key": "alias/other",
                    }
                },
            },
            experiment="Card fraud / 2026",
        )
    )
    assert stable(document.content["request"]) == snapshot
    assert document.pipeline == "team-ours-a-pipeline"
    assert "encrypted by hardware" in document.jobs[1].notes[0]


def test_all_forms_of_gates(monkeypatch, snapshot):
    folder = ROOT / "waterflow" / "testing" / "pipelines"
    monkeypatch.syspath_prepend(str(folder))
    module = importlib.import_module("kit_pipelines")
    values: dict[str, Any] = {
        "whole": 1, "real": 0.5, "yes": True, "text": "x", "nested": {}, "reals": [],
    }  # fmt: skip
    document = valid(compiled(assembled(module.plain(**values))))
    conditions = {
        name: step["Arguments"]["Conditions"]
        for name, step in native_steps(document).items()
        if step["Type"] == "Condition"
    }
    assert conditions == snapshot
    spread = {job.step: job.notes for job in document.jobs if job.notes}
    assert spread.keys() >= {"equal_first", "unequal_first", "neither"}


# --- particular rules ---------------------------------------------------------------------------


def test_nothing_of_a_run_and_no_change_without_a_change():
    inputs = build(FEATURES["spot"], versions={"fit": {"pandas": "2.2.3"}})
    assert compiled(inputs).content == compiled(inputs).content
    committed = compiled(replace(inputs, git=replace(inputs.git, commit="e" * 40)))
    one, other = definition(compiled(inputs)), definition(committed)
    assert one["Steps"] == other["Steps"]
    assert one["Metadata"] != other["Metadata"]


def test_a_change_of_one_steps_code_changes_that_step_alone():
    inputs = build(pipeline(function("a"), function("b", {"x": "a"})))
    changed = dict(inputs.bundles, b=replace(inputs.bundles["b"], digest="f" * 64))
    both = (inputs, replace(inputs, bundles=changed))
    before, after = (native_steps(compiled(one)) for one in both)
    assert before["a"] == after["a"]
    assert before["b"] != after["b"]


def test_what_is_cached():
    unpinned = Pinned("https://example.org/raw.csv")
    graph = pipeline(
        function("yes"),
        function("no", cache=False),
        function("pinned", {"x": spec.Input("data", spec.FromData("raw.csv"))}),
        function("unpinned", {"x": spec.Input("data", spec.FromData(unpinned.uri))}),
        spec.Step(
            name="register",
            run=spec.Register(),
            inputs={"model": spec.Input("model", spec.FromStep("yes", "output"))},
            outputs={"output": spec.Output("json")},
        ),
    )
    document = compiled(graph, build_options={"data": [local_data("raw.csv"), unpinned]})
    enabled = {name: step["CacheConfig"] for name, step in native_steps(document).items()}
    assert enabled.pop("yes") == enabled.pop("pinned") == {"Enabled": True, "ExpireAfter": "P30D"}
    assert enabled == {name: {"Enabled": False} for name in ("no", "unpinned", "register")}
    assert document.notes[1] == "never cached, as they read data that has no version: unpinned"


def test_where_data_lies():
    data = [
        local_data("data/raw.csv"),
        local_data("other/raw.csv"),
        local_data("data/other.csv"),
        Pinned("s3://elsewhere/pinned.csv", version="etag:1"),
        Pinned("s3://elsewhere/unpinned/"),
        Pinned("https://example.org/unpinned.csv"),
    ]
    addresses = compiled(pipeline(function("a")), build_options={"data": data}).data
    assert addresses["data/raw.csv"] == addresses["other/raw.csv"] != addresses["data/other.csv"]
    assert re.fullmatch(r"s3://my-bucket/waterflow/data/[0-9a-f]{64}", addresses["data/raw.csv"])
    assert addresses["s3://elsewhere/pinned.csv"].startswith("s3://my-bucket/waterflow/data/")
    assert addresses["s3://elsewhere/unpinned/"] == "s3://elsewhere/unpinned/"
    assert "/data/unpinned-" in addresses["https://example.org/unpinned.csv"]


def test_a_default_that_was_not_pinned_is_left_out():
    graph = pipeline(
        function("a", {"x": spec.Input("data", spec.FromParameter("source"))}),
        parameters={"source": spec.Parameter("data", "default.csv")},
    )
    document = compiled(graph, build_options={"data": [local_data("given.csv")]})
    assert definition(document)["Parameters"] == [{"Name": "source", "Type": "String"}]


@pytest.mark.parametrize("job", ["processing", "training"])
def test_times(job):
    def limit(**options):
        document = compiled(pipeline(function("fit", **options)), {"steps": {"fit": {"job": job}}})
        return arguments(document, "fit")["StoppingCondition"]["MaxRuntimeInSeconds"]

    assert limit() == 5 * 86_400
    assert limit(timeout=60.0) == 60 + 900
    assert limit(timeout=60.0, retry=spec.Retry(2, 10.0, 2.0)) == 3 * 60 + 10 + 20 + 900
    days = {"processing": 5, "training": 28}[job]
    with pytest.raises(UnsupportedFeatureError, match=f"A {job} job may run for {days} days"):
        limit(timeout=days * 86_400.0)


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (function("fit", resources=spec.Resources(spot=True)), "spot machines are"),
        (function("fit", resources=spec.Resources(instances=2)), "several machines are"),
        (container("fit", ("ls", "/opt/ml/model")), "its command names /opt/ml/model, which only"),
    ],
)
def test_what_a_step_asks_for_decides_its_kind_of_job(step, why):
    (job,) = compiled(pipeline(step)).jobs
    assert job.kind == "training"
    assert why in job.notes[0]
    (job,) = compiled(pipeline(step), training("fit")).jobs
    assert not any(why in note for note in job.notes)
    with pytest.raises(UnsupportedFeatureError, match=f"a processing job: {why}"):
        compiled(pipeline(step), {"steps": {"fit": {"job": "processing"}}})


def test_a_spot_job_may_wait():
    document = compiled(FEATURES["spot"], {"spot_wait": 60})
    stopping = arguments(document, "fit")["StoppingCondition"]
    assert stopping["MaxWaitTimeInSeconds"] == stopping["MaxRuntimeInSeconds"] + 60
    control = document.control["fit"]
    place = arguments(document, "fit")["CheckpointConfig"]
    assert place["S3Uri"] == f"s3://my-bucket/waterflow/checkpoints/{control.digest}"
    assert control.launch["checkpoint"] is True


def test_names_of_steps_and_of_values():
    graph = pipeline(
        function("a_b", outputs={"m": "metrics"}),
        function("a.b", outputs={"m": "metrics"}),
        function("x" * 80),
        function("use", {"x": "a_b.m"}, branch=("gate", True)),
        gates=[
            spec.Gate(
                "gate",
                spec.All(
                    tuple(
                        spec.Compare(spec.FromStep("a_b", "m", key), ">", spec.FromValue(0))
                        for key in ("p 1", "p-1", "p_1")
                    )
                ),
            )
        ],
    )
    document = valid(compiled(graph))
    names = definition(document)["Metadata"]["waterflow"]["steps"]
    assert [name for name, step in names.items() if step in ("a_b", "a.b")] == ["a-b", "a-b-2"]
    assert all(len(name) <= 64 for name in names)
    keys = document.control["a-b"].launch["values"]
    assert keys == {"m.p 1": "m_p_1", "m.p-1": "m_p_1_2", "m.p_1": "m_p_1_3"}


def test_a_register_step_is_told_of_the_registry():
    graph = pipeline(
        function("fit", outputs="model"),
        function("load", outputs="dataframe"),
        spec.Step(
            name="register",
            run=spec.Register(),
            inputs={
                "model": spec.Input("model", spec.FromStep("fit", "output")),
                "example": spec.Input("any", spec.FromStep("load", "output")),
            },
            outputs={"output": spec.Output("json")},
        ),
    )
    uri = "arn:aws:sagemaker:eu-central-1:123456789012:mlflow-app/app"
    inputs = build(
        graph,
        versions={"fit": {"xgboost": "2.1.0"}, "register": {"skops": "0.16.0"}},
        uri=uri,
        experiment="ours",
    )
    document = valid(compiled(inputs, uri=uri, experiment="ours"))
    launch = document.control["register"].launch
    assert launch["registering"]["uri"] == uri
    assert launch["registering"]["experiment"] == "ours"
    assert launch["registering"]["tags"]["waterflow.provider"] == "sagemaker"
    assert {"skops", "xgboost", "mlflow", "pyarrow", "pandas"} <= {
        pin.partition("==")[0] for pin in launch["pins"]
    }
    found_environment = arguments(document, "register")["Environment"]
    assert found_environment == {"WATERFLOW_RUN_STARTED": {"Get": "Execution.StartDateTime"}}
    with pytest.raises(UnsupportedFeatureError, match="the registry with network_isolation"):
        compiled(inputs, {"network_isolation": True}, uri=uri)


@pytest.mark.parametrize("uri", [None, "sqlite:///mlflow.db"])
def test_a_registry_that_no_job_reaches(uri):
    graph = pipeline(spec.Step(name="register", run=spec.Register()))
    with pytest.raises(
        ConfigurationError, match=r"no job on SageMaker can reach.*\[tracking\] uri"
    ):
        compiled(graph, uri=uri)
    compiled(pipeline(function("fit")), uri=uri)


def test_the_libraries_of_a_step():
    versions = {"fit": {"pandas": "2.2.3", "waterflow": "0.1", "module ours": "sha256:1"}}
    graph = pipeline(function("fit"), function("nothing"))
    document = compiled(build(graph, versions=versions))
    (digest,) = document.wheelhouses
    assert document.wheelhouses[digest] == Wheelhouse(
        platform="manylinux_2_28_x86_64", python="3.12", requirements=("pandas==2.2.3",)
    )
    assert document.content["wheelhouses"][digest]["requirements"] == ["pandas==2.2.3"]
    assert [one["InputName"] for one in arguments(document, "fit")["ProcessingInputs"]] == [
        "control",
        "wheels",
    ]
    assert document.control["nothing"].launch["wheels"] is False
    of_image = compiled(build(graph, versions=versions), {"libraries": "image"})
    assert of_image.wheelhouses == {}
    launch = of_image.control["fit"].launch
    assert (launch["wheels"], launch["pins"]) == (False, ["pandas==2.2.3"])
    asking = pipeline(function("fit", environment=spec.Environment(requirements=("x",))))
    with pytest.raises(UnsupportedFeatureError, match='libraries = "wheelhouse"'):
        compiled(asking, {"libraries": "image"})


def chain(number):
    steps = [function("s0", {"p": spec.FromParameter("p")})]
    steps += [
        function(f"s{n}", {"x": f"s{n - 1}", "p": spec.FromParameter("p")})
        for n in range(1, number)
    ]
    return build(pipeline(*steps, parameters={"p": spec.Parameter("integer", 1)}))


def test_the_size_of_a_definition():
    check_size(compiled(chain(100)))
    with pytest.raises(
        DefinitionError, match=r"characters for 1000 steps; SageMaker takes 1,048,576"
    ):
        check_size(compiled(chain(1000)))


def test_time_grows_with_the_number_of_steps_and_not_with_its_square():
    """Count calls, which a busy machine does not change."""

    def calls(inputs):
        count = 0

        def counted(_frame, event, _argument):
            nonlocal count
            count += event == "call"

        compiled(inputs)  # caches are warm
        sys.setprofile(counted)
        try:
            compiled(inputs)
        finally:
            sys.setprofile(None)
        return count

    assert calls(chain(400)) < 4.5 * calls(chain(100))


def test_no_cloud_sdk_is_imported():
    program = (
        "import sys, tests.providers.sagemaker.builds as b\n"
        "b.compiled(b.pipeline(b.function('a')))\n"
        "sdks = ('boto3', 'botocore', 'sagemaker', 'moto', 'pandas')\n"
        "print([name for name in sdks if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_data_of_one_name_and_version_at_two_addresses_is_kept_apart():
    places = [f"https://data.example/{year}/train.csv" for year in (2024, 2025)]
    data = [Pinned(uri, 'etag:"66a1-1f4"') for uri in places]
    addresses = compiled(pipeline(function("a")), build_options={"data": data}).data
    assert len(set(addresses.values())) == 2


def test_the_same_object_at_two_addresses_is_kept_once():
    data = [Pinned(f"s3://{bucket}/train.csv", "etag:66a1") for bucket in ("one", "two")]
    addresses = compiled(pipeline(function("a")), build_options={"data": data}).data
    assert len(set(addresses.values())) == 1


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("s3://b/my%20data.csv", "my%20data.csv"),
        ("s3://b/deep/a#1.csv", "a#1.csv"),
        ("s3://b/what?.csv", "what?.csv"),
        ("s3://b/folder/", "folder"),
        ("s3://b", "b"),
        ("https://h/my%20data.csv?x=1", "my data.csv"),
        ("dvc://raw/data.csv@main", "data.csv"),
        ("raw/data.csv", "data.csv"),
    ],
)
def test_a_container_finds_its_data_under_the_name_that_it_has(uri, name):
    source = spec.Input("data", spec.FromData(uri))
    step = container("look", ("cat", "{inputs.raw}"), {"raw": source})
    document = compiled(pipeline(step), build_options={"data": [Pinned(uri, "md5:66a1")]})
    assert name in json.dumps(definition(document), ensure_ascii=False)


def test_a_traced_pipeline():
    document = compiled(build(traced().spec))
    assert native_steps(document)["coin"]["Arguments"]["EnableManagedSpotTraining"] is True
