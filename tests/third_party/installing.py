"""Packages of others, built and installed as a user installs them."""

import contextlib
import importlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from waterflow.artifacts import registry


@contextlib.contextmanager
def installed(package, place):
    """Build a package's wheel and install it into a folder that is on everybody's path.

    The wheel is unpacked, which is what installing a pure one means: uv's environments have no pip.
    """
    folder = Path(__file__).with_name(package)
    source = shutil.copytree(folder, place / "source", ignore=shutil.ignore_patterns("__pycache__"))
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
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]
