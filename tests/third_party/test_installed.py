"""A provider and a serializer of another package: installed, found, and held to the suite."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from tests.third_party.installing import installed
from waterflow.provider import discovery
from waterflow.testing import ProviderConformance


@pytest.fixture(scope="module", autouse=True)
def site(tmp_path_factory):
    with installed("waterflow_sequential", tmp_path_factory.mktemp("installed")) as place:
        yield place


def test_it_is_an_installed_package(site):
    distribution = importlib.metadata.distribution("waterflow-sequential")
    assert distribution.version == "0.1.0"
    assert Path(str(distribution.locate_file("waterflow_sequential"))).parent == site


def test_the_provider_is_found_beside_the_built_in_ones():
    assert {"local", "sequential"} <= set(discovery.providers())
    assert discovery.provider("sequential").name == "sequential"


SERIALIZED = """
import sys
from fractions import Fraction
from pathlib import Path
from waterflow.artifacts import Context, by_name, type_name

assert type_name(Fraction) == "fraction"
folder = Path(sys.argv[1])
by_name("fraction").save(Fraction(1, 3), folder, Context())
print(by_name("fraction").load(folder, Fraction, Context()))
"""
"""In a process of its own: in this one a project's serializer may have come before."""


def test_the_serializer_is_found(tmp_path):
    program = [sys.executable, "-c", SERIALIZED, str(tmp_path)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.stdout == "1/3\n", done.stderr


def test_the_package_stands_on_the_core_alone():
    for file in Path(__file__).with_name("waterflow_sequential").rglob("*.py"):
        assert "waterflow_local" not in file.read_text()


class TestSequential(ProviderConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def profile(cls):
        return {"provider": "sequential", "folder": ".runs"}
