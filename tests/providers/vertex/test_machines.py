"""The table of machine types: what infra, plans and the emulator rely on."""

import re
from datetime import date

import pytest
from google.cloud.aiplatform_v1.types import AcceleratorType
from waterflow_vertex import machines

from waterflow.cloud.machines import cheapest
from waterflow.spec import Gpu, Resources

WAYS = [way for ways in machines.attached().values() for way in ways]


def test_every_machine_is_whole_and_there_once():
    table = machines.table()
    assert len(table) >= 60
    for name, machine in table.items():
        assert name == machine.type
        assert re.fullmatch(r"[a-z]\d-[a-z]+-\d+g?", name)
        assert name.startswith(f"{machine.family}-")
        assert machine.vcpu >= 2
        assert machine.memory > machine.vcpu / 2
        assert machine.price is not None
        assert 0.02 < machine.price / machine.vcpu < 0.9
        assert (machine.gpus > 0) is (machine.gpu is not None) is (machine.accelerator is not None)
        assert machine.local is None
        assert not (machine.container and (machine.gpus or machine.vcpu > 96 or machine.vcpu < 4))
    prices = machines.prices()
    assert prices.region == "us-central1"
    assert date.fromisoformat(prices.date).year >= 2025


def test_accelerators_are_called_as_in_googles_own_definitions():
    for way in WAYS:
        if way.accelerator is not None:
            assert way.accelerator in AcceleratorType.__members__
            assert way.gpu is not None
            words = way.accelerator.lower().replace("tesla_", "").split("_")
            assert set(way.gpu.split("-")) - {"40gb"} <= set(words)


def test_accelerators_are_attached_to_n1_alone():
    assert {way.family for way in WAYS if way.is_attached} == {"n1"}
    ways = {(way.type, way.gpus, way.gpu): way for way in WAYS}
    assert len(ways) == len(WAYS)
    plain, both = ways["n1-standard-4", 0, None], ways["n1-standard-4", 1, "nvidia-t4"]
    assert plain.price == pytest.approx(0.21849885, rel=1e-3)
    assert both.price == pytest.approx(plain.price + 0.4025, rel=1e-3)
    assert ("n1-standard-64", 1, "nvidia-t4") not in ways
    assert ("n1-standard-32", 1, "nvidia-v100") not in ways


@pytest.mark.parametrize(
    ("series", "vcpu", "gib"),
    [
        ("e2", 0.02181159, 0.00292353),
        ("n1", 0.031611, 0.004237),
        ("n2", 0.031611, 0.004237),
        ("c2", 0.03398, 0.00455),
    ],
)
def test_machines_cost_compute_engines_price_and_the_fee(series, vcpu, gib):
    some = [machine for machine in machines.table().values() if machine.family == series]
    assert some
    for machine in some:
        cost = machine.vcpu * vcpu + machine.memory * gib
        assert machine.price == pytest.approx(1.15 * cost, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "price"), [("n1-standard-4", 0.21849885), ("e2-standard-4", 0.154126276)]
)
def test_prices_are_those_that_google_publishes_where_they_were_read(name, price):
    assert machines.table()[name].price == pytest.approx(price, rel=1e-4)


@pytest.mark.parametrize(
    ("wants", "least"),
    [
        (Resources(cpu=96), "n1-highcpu-96"),
        (Resources(cpu=48, memory=380 * 2**30), "n2-highmem-48"),
        (Resources(memory=800 * 2**30), "n2-highmem-128"),
        (Resources(gpu=Gpu(1, "nvidia-l4")), "g2-standard-4"),
        (Resources(gpu=Gpu(8, "nvidia-a100-80gb")), "a2-ultragpu-8g"),
        (Resources(gpu=Gpu(8, "nvidia-h100")), "a3-highgpu-8g"),
        (Resources(gpu=Gpu(1, "nvidia-tesla-t4")), "n1-highmem-2"),
        (Resources(cpu=8, gpu=Gpu(2, "nvidia-t4")), "n1-standard-8"),
    ],
)
def test_the_cheapest(wants, least):
    machine = cheapest(WAYS, wants)
    assert machine is not None
    assert machine.type == least


def test_the_nearest_names():
    assert "n1-standard-4" in machines.known("n1-standard-5")
