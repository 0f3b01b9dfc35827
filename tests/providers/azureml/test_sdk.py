"""Azure's own SDK takes what is compiled: it loads, is valid, and is sent as it was meant."""

import inspect
import logging

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from waterflow_azureml import checks

from tests.providers.azureml.builds import (
    CLUSTERS,
    IMAGE,
    build,
    compiled,
    function,
    local_data,
    pipeline,
    valid,
)
from tests.providers.azureml.test_compiler import SETTINGS, every_feature
from waterflow import spec


@pytest.fixture(scope="module")
def load():
    """What loads a document as `az ml job create --file` does; the SDK takes seconds to import."""
    logging.getLogger("azure.ai.ml").setLevel(logging.ERROR)
    from azure.ai.ml import load_job

    def load(document, folder):
        file = folder / "pipeline.yml"
        text = yaml.safe_dump(document.definition, sort_keys=False)
        assert "&id" not in text  # nothing is written once and referred to
        file.write_text(text)
        job = load_job(file)
        result = job._validate()
        assert result.passed, result.error_messages
        return job

    return load


def rest(job):
    return job._to_rest_object().as_dict()["properties"]


@pytest.mark.parametrize("clusters", [{}, {"clusters": CLUSTERS}], ids=["serverless", "clusters"])
def test_each_feature_is_sent_as_it_is_meant(load, tmp_path, clusters):
    graph = build(every_feature(), data=[local_data("raw.csv")], uri="https://m")
    document = compiled(graph, SETTINGS | clusters)
    sent = rest(load(document, tmp_path))
    assert sent["displayName"] == document.pipeline
    assert sent["settings"]["continue_on_step_failure"] is True
    assert sent["inputs"]["trees"] == {"jobInputType": "literal", "value": "200"}
    assert "least" not in sent["inputs"]  # it must be given: the SDK sends no empty input
    jobs = sent["jobs"]
    assert list(jobs) == list(document.definition["jobs"])
    for name, node in document.definition["jobs"].items():
        one = jobs[name]
        assert one["display_name"] == name
        assert one["properties"] == node["properties"]
        assert one["identity"] == {"identity_type": "Managed", "client_id": SETTINGS["identity"]}
        assert one["inputs"].keys() == node["inputs"].keys()
        assert one["outputs"].keys() == node["outputs"].keys()
        component = yaml.safe_load(str(one["componentId"]))
        for part in ("command", "is_deterministic", "inputs", "outputs"):
            assert component[part] == node["component"][part], part
        assert component["environment"]["image"]
    assert jobs["fit"]["limits"]["timeout"] == "PT3H16M30S"
    assert jobs["shards"]["distribution"] == {
        "distribution_type": "PyTorch", "process_count_per_instance": 1,
    }  # fmt: skip
    assert jobs["tool"]["environment_variables"] == {"LEVEL": "2"}
    if clusters:
        assert jobs["fit"]["computeId"] == "cpu-spot"
        assert sent["settings"]["default_compute"] == "cpu"
    else:
        assert jobs["fit"]["queue_settings"] == {"job_tier": "Spot"}
        assert jobs["gpu"]["resources"] == {
            "instance_count": 1, "instance_type": "Standard_NC4as_T4_v3",
        }  # fmt: skip
        assert sent["settings"]["default_compute"] == "serverless"


def test_images_that_azure_builds_have_versions_by_their_content(load, tmp_path):
    def version(requirement):
        environment = spec.Environment(requirements=(requirement,))
        graph = pipeline(function("a", environment=environment))
        sent = rest(load(compiled(graph, {"build_images": True}), tmp_path))
        return yaml.safe_load(str(sent["jobs"]["a"]["componentId"]))["environment"]["version"]

    first, same, other = map(version, ("polars==1.0", "polars==1.0", "polars==1.1"))
    assert first == same
    assert first != other
    assert len(first) >= 32


@settings(max_examples=60, derandomize=True)
@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(0, 6))
def test_pipelines_by_chance_violate_no_rule(random_pipeline, seed, steps, gates):
    call = random_pipeline(seed, steps, gates, image=IMAGE)()
    valid(compiled(build(call.spec)))


@settings(max_examples=8, derandomize=True)
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(0, 4))
def test_pipelines_by_chance_are_valid_to_the_sdk(
    load, random_pipeline, tmp_path, seed, steps, gates
):
    call = random_pipeline(seed, steps, gates, image=IMAGE)()
    load(compiled(build(call.spec)), tmp_path)


# --- our rules, held against the SDK's ------------------------------------------------------------


def schemas():
    """Return the SDK's schemas of the parts that we write."""
    from azure.ai.ml._schema.assets.environment import AnonymousEnvironmentSchema
    from azure.ai.ml._schema.component.command_component import AnonymousCommandComponentSchema
    from azure.ai.ml._schema.job import job_limits
    from azure.ai.ml._schema.job.distribution import (
        MPIDistributionSchema,
        PyTorchDistributionSchema,
        TensorFlowDistributionSchema,
    )
    from azure.ai.ml._schema.job.identity import ManagedIdentitySchema
    from azure.ai.ml._schema.job_resource_configuration import JobResourceConfigurationSchema
    from azure.ai.ml._schema.pipeline.component_job import CommandSchema
    from azure.ai.ml._schema.pipeline.pipeline_job import PipelineJobSchema
    from azure.ai.ml._schema.pipeline.settings import PipelineJobSettingsSchema
    from azure.ai.ml._schema.queue_settings import QueueSettingsSchema

    return {
        "pipeline": PipelineJobSchema, "settings": PipelineJobSettingsSchema,
        "node": CommandSchema, "component": AnonymousCommandComponentSchema,
        "environment": AnonymousEnvironmentSchema, "resources": JobResourceConfigurationSchema,
        "queue_settings": QueueSettingsSchema, "limits": job_limits.CommandJobLimitsSchema,
        "identity": ManagedIdentitySchema, "pytorch": PyTorchDistributionSchema,
        "mpi": MPIDistributionSchema, "tensorflow": TensorFlowDistributionSchema,
    }  # fmt: skip


def test_every_field_of_our_rules_is_one_of_the_sdks():
    from azure.ai.ml import command

    assert schemas().keys() == checks.FIELDS.keys()
    for part, schema in schemas().items():
        known = set(schema(context={"base_path": "."}).fields) | {"$schema"}
        if part == "node":  # whose further fields go to the builder of commands
            known |= set(inspect.signature(command).parameters)
        assert checks.FIELDS[part] <= known, part


def test_every_choice_of_our_rules_is_one_of_the_sdks():
    from azure.ai.ml.constants import AssetTypes, DistributionType, InputOutputModes
    from azure.ai.ml.constants._job.job import JobTierNames

    modes = {value for name, value in vars(InputOutputModes).items() if not name.startswith("_")}
    types = {value for name, value in vars(AssetTypes).items() if not name.startswith("_")}
    kinds = {value for name, value in vars(DistributionType).items() if not name.startswith("_")}
    assert checks.CHOICES["input mode"] | checks.CHOICES["output mode"] <= modes
    assert checks.CHOICES["folder"] <= types
    assert checks.CHOICES["distribution"] <= kinds
    assert checks.CHOICES["job_tier"] <= {one.lower() for one in JobTierNames.ALLOWED_NAMES}


@pytest.mark.parametrize(
    ("name", "good"), [("a1_b", True), ("_a", True), ("A", False), ("a-b", False), ("1a", False)]
)
def test_a_nodes_name_is_what_the_sdk_takes(name, good):
    from azure.ai.ml._utils.utils import is_valid_node_name

    assert is_valid_node_name(name) is good is bool(checks.KEY.fullmatch(name))
