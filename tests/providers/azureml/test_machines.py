"""The table of VM sizes: what infra, plans and the emulator rely on."""

import re
from datetime import date

import pytest
from waterflow_azureml import machines

from waterflow.cloud.machines import cheapest
from waterflow.spec import Gpu, Resources


def test_every_size_is_whole_and_there_once():
    table = machines.table()
    assert len(table) >= 40
    for name, size in table.items():
        assert name == size.type
        assert re.fullmatch(r"Standard_[A-Z]+\d+[a-z]*(_[A-Z0-9]+)?_v\d", name)
        assert size.vcpu >= 2
        assert size.memory >= 4
        assert size.price is not None
        assert 0.02 < size.price / size.vcpu < 1.5
        assert (size.gpus > 0) is (size.gpu is not None)
        assert size.local is not None
        assert size.local > 10
        assert size.family.lower().startswith("standard")
    prices = machines.prices()
    assert prices.region == "eastus"
    assert date.fromisoformat(prices.date).year >= 2025


@pytest.mark.parametrize(
    ("series", "price"), [("D{}ds_v5", 0.0565), ("E{}ds_v5", 0.072), ("D{}s_v3", 0.048)]
)
def test_sizes_of_one_series_cost_by_their_cpus(series, price):
    for size in machines.table().values():
        if re.fullmatch(series.format(r"\d+"), size.type.removeprefix("Standard_")):
            if size.type.endswith("E64s_v3"):
                continue
            assert size.price == pytest.approx(price * size.vcpu, rel=0.01)


@pytest.mark.parametrize(
    ("wants", "least"),
    [
        (Resources(cpu=96), "Standard_D96ds_v5"),
        (Resources(cpu=48, memory=380 * 2**30), "Standard_E48ds_v5"),
        (Resources(gpu=Gpu(4)), "Standard_NC64as_T4_v3"),
        (Resources(gpu=Gpu(8, "nvidia-a100-80gb")), "Standard_ND96amsr_A100_v4"),
        (Resources(gpu=Gpu(1, "nvidia-a10")), "Standard_NV36ads_A10_v5"),
    ],
)
def test_the_cheapest(wants, least):
    size = cheapest(machines.table().values(), wants)
    assert size is not None
    assert size.type == least


def test_the_nearest_names():
    assert "Standard_D4ds_v5" in machines.known("Standard_D4ds_v6")
