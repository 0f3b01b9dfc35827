"""The machine that a step gets, and the table against AWS's own lists."""

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from waterflow_sagemaker import machines

from waterflow import spec
from waterflow.errors import ConfigurationError, UnsupportedFeatureError

GIB = 2**30


@pytest.fixture(scope="module")
def model():
    return boto3.client("sagemaker", region_name="us-east-1").meta.service_model


def test_every_type_is_one_of_the_service(model):
    processing = set(model.shape_for("ProcessingInstanceType").enum)
    training = set(model.shape_for("TrainingInstanceType").enum)
    for name, machine in machines.table().items():
        assert name in training
        assert (name not in processing) == machine.training_only


def test_the_families_that_there_are():
    families = {name.split(".")[1] for name in machines.table()}
    assert families >= {
        "t3",
        "m5",
        "m6i",
        "m7i",
        "c5",
        "c6i",
        "r5",
        "g4dn",
        "g5",
        "g6",
        "p3",
        "p4d",
    }
    assert machines.prices().region == "us-east-1"
    assert all(one.price and one.basis in ("list", "derived") for one in machines.table().values())


@pytest.mark.parametrize(
    ("resources", "machine"),
    [
        ({}, "ml.t3.medium"),
        ({"cpu": 2, "memory": 8 * GIB}, "ml.t3.large"),
        ({"cpu": 4, "memory": 16 * GIB}, "ml.t3.xlarge"),
        ({"cpu": 16}, "ml.c5.4xlarge"),
        ({"cpu": 2, "memory": 60 * GIB}, "ml.r5.2xlarge"),
        ({"gpu": spec.Gpu()}, "ml.g4dn.xlarge"),
        ({"gpu": spec.Gpu(1, "nvidia-tesla-t4")}, "ml.g4dn.xlarge"),
        ({"gpu": spec.Gpu(1, "nvidia-l4")}, "ml.g6.xlarge"),
        ({"gpu": spec.Gpu(1), "disk": 200 * GIB}, "ml.g4dn.2xlarge"),
        ({"gpu": spec.Gpu(4)}, "ml.g4dn.12xlarge"),
        ({"gpu": spec.Gpu(8, "NVIDIA-V100")}, "ml.p3.16xlarge"),
    ],
)
def test_the_cheapest_that_fits(resources, machine):
    assert machines.choose(spec.Resources(**resources), [], "processing").type == machine


def test_only_training_jobs_have_an_a100():
    resources = spec.Resources(gpu=spec.Gpu(8, "nvidia-a100"))
    assert machines.choose(resources, [], "training").type == "ml.p4d.24xlarge"
    with pytest.raises(UnsupportedFeatureError, match='write job = "training"'):
        machines.choose(resources, [], "processing", "fit")


def test_the_profile_says_which_are_allowed():
    allowed = ["ml.m5.2xlarge", "ml.m5.xlarge"]
    assert machines.choose(spec.Resources(), allowed, "processing").type == "ml.m5.xlarge"
    with pytest.raises(UnsupportedFeatureError) as raised:
        machines.choose(spec.Resources(cpu=16), allowed, "processing", "fit")
    assert "Step 'fit'" in str(raised.value)
    assert "The nearest: ml.m5.2xlarge (8 vCPU, 32 GiB) lacks 16 vCPU" in str(raised.value)


def test_what_no_machine_has_names_the_nearest():
    with pytest.raises(UnsupportedFeatureError) as raised:
        machines.choose(spec.Resources(cpu=500, memory=2000 * GIB), [], "training", "fit")
    assert "ml.p5.48xlarge (192 vCPU, 2048 GiB, 8 nvidia-h100) lacks 500 vCPU" in str(raised.value)
    with pytest.raises(UnsupportedFeatureError, match="1 nvidia-b200"):
        machines.choose(spec.Resources(gpu=spec.Gpu(1, "nvidia-b200")), [], "training")


@pytest.mark.parametrize(
    ("name", "resources", "said"),
    [
        ("ml.m5.huge", {}, "not known. The nearest known: ml.m5."),
        ("ml.t3.medium", {"memory": 8 * GIB}, "lacks 8 GiB of memory"),
        ("ml.p4d.24xlarge", {}, 'Beside it write job = "training"'),
    ],
)
def test_a_machine_that_the_profile_names(name, resources, said):
    with pytest.raises(ConfigurationError) as raised:
        machines.named(name, spec.Resources(**resources), "processing", "fit")
    assert said in str(raised.value)
    assert machines.named("ml.m5.large", spec.Resources(), "processing", "fit").vcpu == 2


@given(
    st.floats(0.1, 200),
    st.integers(1, 2048),
    st.integers(0, 8),
    st.sampled_from(["processing", "training"]),
)
def test_what_is_chosen_offers_what_is_asked_and_none_is_cheaper(cpu, memory, gpus, kind):
    resources = spec.Resources(cpu=cpu, memory=memory * GIB, gpu=spec.Gpu(gpus) if gpus else None)
    fitting = [
        one
        for one in machines.table().values()
        if one.vcpu >= cpu
        and one.memory >= memory
        and one.gpus >= gpus
        and (kind == "training" or not one.training_only)
    ]
    if not fitting:
        with pytest.raises(UnsupportedFeatureError, match="The nearest"):
            machines.choose(resources, [], kind)
        return
    cheapest = machines.choose(resources, [], kind)
    assert cheapest in fitting
    assert cheapest.price == min(one.price for one in fitting)
