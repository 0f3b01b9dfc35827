"""PyTorch's tensors and states, from step to step; with `make torch`, which brings PyTorch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from waterflow import artifacts
from waterflow.artifacts import compatible, own

ROOT = Path(artifacts.__file__).parents[2]
PLACE = ROOT / ".tools" / "torch"

torch_is_there = pytest.mark.skipif(not PLACE.is_dir(), reason="PyTorch is not here: make torch")

PROGRAM = """
import sys
from collections import OrderedDict
from pathlib import Path

import torch

from waterflow.artifacts import Context, by_name, type_name
from waterflow.errors import ArtifactError

CONTEXT = Context()


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
        self.second.weight = self.first.weight  # two names of one memory
        self.norm = torch.nn.BatchNorm1d(2)

    def forward(self, x):
        return self.norm(self.first(x) + self.second(x))


def trip(name, value, place):
    place.mkdir()
    by_name(name).save(value, place, CONTEXT)
    read = by_name(name).load(place, None, CONTEXT)
    again = place.with_name(place.name + "-again")
    again.mkdir()
    by_name(name).save(read, again, CONTEXT)
    data = (place / "tensors.safetensors").read_bytes()
    assert data == (again / "tensors.safetensors").read_bytes(), place.name
    return read, data


def refused(name, value, place, message):
    place.mkdir()
    try:
        by_name(name).save(value, place, CONTEXT)
    except ArtifactError as error:
        assert message in str(error), error
        assert list(place.iterdir()) == []
    else:
        raise AssertionError(f"{place.name} was written")


folder = Path(sys.argv[1])
torch.manual_seed(0)
TENSORS = {
    "number": torch.tensor(3.5), "transposed": torch.arange(6).reshape(2, 3).T,
    "every_other": torch.rand(6)[::2], "with_gradient": torch.rand(3, requires_grad=True),
    "parameter": torch.nn.Parameter(torch.rand(2)), "conjugate": torch.tensor([1j]).conj(),
    "frozen": torch.nn.Parameter(torch.rand(2), requires_grad=False),
    "booleans": torch.tensor([True, False]), "brain": torch.rand(2).to(torch.bfloat16),
    "half": torch.rand(2).half(), "double": torch.rand(2).double(), "empty": torch.empty(0, 3),
    "unsigned": torch.tensor([2**16 - 1], dtype=torch.uint16),
    "infinite": torch.tensor([-torch.inf]),
}
for name, tensor in TENSORS.items():
    read, _ = trip("tensor", tensor, folder / name)
    assert type(read) is type(tensor), name
    assert (read.dtype, read.shape) == (tensor.dtype, tensor.shape), name
    assert read.requires_grad == tensor.requires_grad, name
    assert torch.equal(read, tensor), name

net = Net()
net(torch.rand(8, 3))
net.eval()
state = net.state_dict()
read, data = trip("tensors", state, folder / "state")
assert type(read) is OrderedDict and list(read) == list(state) and read._metadata == state._metadata
other = Net()
other.load_state_dict(read)
rows = torch.rand(4, 3)
assert torch.equal(other.eval()(rows), net(rows))
read, _ = trip("tensors", {"b": rows, "a": rows}, folder / "plain_dict")
assert type(read) is dict and list(read) == ["b", "a"]

refused("tensor", torch.eye(2).to_sparse(), folder / "sparse", "sparse or quantized")
refused("tensor", torch.rand(2, dtype=torch.complex128), folder / "wide", "complex128")
refused("tensor", [1.0], folder / "list", "A torch.Tensor is expected")
refused("tensors", {"a": 3}, folder / "number_in_it", "under 'a', a int")
refused("tensors", {1: rows}, folder / "number_for_a_name", "tensors by name")
refused("tensors", net, folder / "module", "A dict of tensors is expected")

for annotation, name in {
    torch.Tensor: "tensor", torch.nn.Parameter: "tensor", dict[str, torch.Tensor]: "tensors",
    OrderedDict[str, torch.Tensor]: "tensors", list[torch.Tensor]: "list[tensor]", Net: None,
}.items():
    assert type_name(annotation) == name, annotation

import hashlib

print(hashlib.sha256(data).hexdigest())
"""


def python(folder: Path, seed: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{PLACE}", "PYTHONHASHSEED": str(seed)},
    )  # fmt: skip


@torch_is_there
def test_tensors_and_states_come_back_and_are_the_same_file_in_every_process(
    tmp_path: Path,
) -> None:
    digests: set[str] = set()
    for seed in (1, 2):
        place = tmp_path / str(seed)
        place.mkdir()
        done = python(tmp_path, seed, "-W", "ignore", "-c", PROGRAM, str(place))
        assert done.returncode == 0, done.stderr
        digests.add(done.stdout)
    assert len(digests) == 1


FLOW = """
import torch

import waterflow as wf


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, x):
        return self.layer(x)


@wf.step
def train() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return Net().state_dict()


@wf.step
def answer(state: dict[str, torch.Tensor]) -> bool:
    net = Net()
    net.load_state_dict(state)
    torch.manual_seed(0)
    return torch.equal(net(torch.ones(1, 2)), Net()(torch.ones(1, 2)))


@wf.pipeline
def flow():
    same = answer(train())
    with wf.when(same):
        done()


@wf.step
def done() -> str:
    return "the same"


@wf.step
def whole() -> Net:
    return Net()


@wf.pipeline
def refused():
    whole()
"""


@torch_is_there
def test_a_state_is_handed_on_and_a_module_says_how_to(tmp_path: Path) -> None:
    (tmp_path / "waterflow.toml").write_text('[profiles.local]\nsend = "later"\n')
    (tmp_path / "flow.py").write_text(FLOW)
    ran = python(tmp_path, 0, "-m", "waterflow.cli", "run", "flow.py:flow", "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert '"skipped"' not in ran.stdout
    told = python(tmp_path, 0, "-m", "waterflow.cli", "validate", "flow.py:refused")
    assert told.returncode == 2
    assert "model.state_dict()" in told.stderr
    assert "wf.serializer(Net, save=..., load=...)" in told.stderr


def test_a_state_is_no_list_of_its_tensors() -> None:
    assert compatible("tensors", "tensors")
    assert not compatible("tensors", "tensor")
    assert not compatible("tensor", "array")
    assert own.modules(["tensors", "list[tensor]"]) == []
