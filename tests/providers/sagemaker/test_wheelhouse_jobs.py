"""Libraries that an image lacks: jobs bring them by S3, or say clearly what is missing."""

import ensurepip
import importlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from waterflow_sagemaker.emulator import Emulator

from tests.providers.sagemaker.projects import Project, environment
from tests.wheels import wheel
from waterflow.provider.state import Status

BARE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/bare:1"
LIBRARY = "tiny_rate"

PIPELINES = '''
import waterflow as wf


@wf.step
def lent() -> str:
    """Import what only the step's own requirements bring."""
    import waterflow_tiny_loan

    return waterflow_tiny_loan.VERSION


@wf.step
def used() -> str:
    """Import what this environment has, and the image has not."""
    import tiny_rate

    return tiny_rate.VERSION


@wf.step
def told(version: str) -> str:
    """Need no library."""
    return f"version {version}"


@wf.pipeline
def lending(requirement: wf.Static[str]):
    lent.options(requirements=[requirement])()


@wf.pipeline
def using():
    told(used())
'''


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """A folder in which pip finds all that there is, and asks nobody for more."""
    folder = tmp_path_factory.mktemp("wheels")
    wheel(folder, LIBRARY, "1.0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(folder))
        yield folder


@pytest.fixture(scope="module")
def installed(wheels, tmp_path_factory):
    """The library of the wheel, installed in this environment."""
    place = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(next(wheels.glob("*.whl"))) as archive:
        archive.extractall(place)
    sys.path.append(str(place))
    importlib.invalidate_caches()
    yield place
    sys.path.remove(str(place))
    sys.modules.pop(LIBRARY, None)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """An environment of this Python that has pip and nothing else."""
    folder = tmp_path_factory.mktemp("images") / "bare"
    base = os.path.realpath(sys.executable)
    subprocess.run([base, "-m", "venv", "--without-pip", folder], check=True)
    pip = next((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
    with zipfile.ZipFile(pip) as archive:  # as installing it does, in a tenth of the time
        archive.extractall(next(folder.glob("lib/python*/site-packages")))
    return {BARE: folder}


@pytest.fixture(scope="module")
def service(images):
    with (
        Emulator(images=images, grace=2) as emulator,
        pytest.MonkeyPatch.context() as patch,
        environment(emulator, patch),
    ):
        yield emulator


@pytest.fixture(scope="module")
def project(service, installed, tmp_path_factory):
    found = Project(tmp_path_factory.mktemp("project"), {"pipes": PIPELINES}, bucket="wheel-jobs")
    found.profile("isolated", libraries="wheelhouse", network_isolation=True)
    found.profile("lacking", image=BARE)
    found.profile("bare", image=BARE, libraries="wheelhouse")
    return found


def pipes(name, **parameters):
    return getattr(importlib.import_module("pipes"), name)(**parameters)


def test_a_steps_own_requirement_is_installed_without_a_network(project, tmp_path):
    requirement = wheel(tmp_path, "waterflow_tiny_loan", "1.5")
    run, state = project.run(lambda: pipes("lending", requirement=requirement), "isolated")
    assert state.status is Status.SUCCEEDED, state
    assert run.artifact("lent").load() == "1.5"


def test_an_image_without_libraries_gets_them(project):
    run, state = project.run(lambda: pipes("using"), "bare")
    assert state.status is Status.SUCCEEDED, state
    assert run.artifact("told").load() == "version 1.0"


def test_an_image_that_must_have_the_libraries_and_has_not_is_told(project):
    run, state = project.run(lambda: pipes("using"), "lacking")
    assert state.status is Status.FAILED
    told = (
        "the image lacks what the step needs: tiny-rate==1.0. Put it into the image, or let jobs "
        'bring their libraries: libraries = "wheelhouse" in the profile'
    )
    assert told in state.steps["used"].error
    assert state.steps["told"].status is Status.NOT_RUN
    assert any(told in line.text for line in run.logs("used"))
