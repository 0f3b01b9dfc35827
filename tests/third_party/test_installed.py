"""A provider and a serializer of another package: installed, found, and held to the suite."""

import importlib
import importlib.metadata
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from waterflow.artifacts import registry
from waterflow.provider import discovery
from waterflow.testing import ProviderConformance

SOURCE = Path(__file__).with_name("waterflow_sequential")


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory):
    """Build the package's wheel and install it into a folder that is on everybody's path.

    The wheel is unpacked, which is what installing a pure one means: uv's environments have no pip.
    """
    place = tmp_path_factory.mktemp("installed")
    source = shutil.copytree(SOURCE, place / "source", ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)]
    done = subprocess.run(build, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = place.glob("*.whl")
    site = place / "site-packages"
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(site)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        patch.setenv("PYTHONPATH", str(site))
        importlib.invalidate_caches()
        registry.extensions.cache_clear()
        yield site
    registry.extensions.cache_clear()
    for name in [name for name in sys.modules if name.startswith("waterflow_sequential")]:
        del sys.modules[name]


def test_it_is_an_installed_package(installed):
    found = importlib.metadata.distribution("waterflow-sequential")
    assert found.version == "0.1.0"
    assert Path(str(found.locate_file("waterflow_sequential"))).parent == installed


def test_the_provider_is_found_beside_the_built_in_ones():
    assert {"local", "sequential"} <= set(discovery.providers())
    assert discovery.provider("sequential").name == "sequential"


def test_the_serializer_is_found(tmp_path):
    from fractions import Fraction

    from waterflow.artifacts import Context, by_name, type_name

    assert type_name(Fraction) == "fraction"
    by_name("fraction").save(Fraction(1, 3), tmp_path, Context())
    assert by_name("fraction").load(tmp_path, Fraction, Context()) == Fraction(1, 3)


def test_the_package_stands_on_the_core_alone():
    for file in SOURCE.rglob("*.py"):
        assert "waterflow_local" not in file.read_text()


class TestSequential(ProviderConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def profile(cls):
        return {"provider": "sequential", "folder": ".runs"}
