"""The example pipelines give byte for byte the same artifacts on SageMaker as on this machine."""

import contextlib
import importlib
import shutil
import sys
from pathlib import Path

import pytest

from tests.providers.sagemaker.projects import PATIENCE, Project, environment, finished
from waterflow.provider.state import Status
from waterflow.runs import submit

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def project(emulator, server, tmp_path_factory):
    """The repository's own `pipelines`, in a project with a profile for the emulator."""
    root = tmp_path_factory.mktemp("examples")
    shutil.copytree(
        ROOT / "pipelines", root / "pipelines", ignore=shutil.ignore_patterns("__pycache__")
    )
    importlib.import_module("sklearn")  # it changes the environment
    with pytest.MonkeyPatch.context() as patch, environment(emulator, patch):
        found = Project(root, {}, bucket="examples", tracking=server.url)
        found.profiles["here"] = {"provider": "local", "tracking": {"uri": server.url}}
        found.write()
        yield found


@contextlib.contextmanager
def code(project):
    """Import `pipelines` from the project, whatever of that name was imported before."""
    before = {name: sys.modules.pop(name) for name in list(sys.modules)
              if name.partition(".")[0] == "pipelines"}  # fmt: skip
    try:
        with project.code():
            yield
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "pipelines"]:
            del sys.modules[name]
        sys.modules.update(before)


@pytest.mark.parametrize("name", ["quickstart", "fraud_detection"])
def test_artifacts_have_the_digests_of_a_local_run(project, name):
    with code(project):
        call = getattr(importlib.import_module(f"pipelines.{name}.pipeline"), name)()
        there = submit.submit(call, profile="aws", root=project.root)
        here = submit.submit(call, profile="here", root=project.root)
    here.wait(PATIENCE)
    state = finished(there)
    assert state.status is Status.SUCCEEDED, state
    found, wanted = (
        {(one.step, one.output): one.sha256 for one in run.artifacts()} for run in (there, here)
    )
    assert found == wanted
    assert {step.name for step in call.spec.steps} == {step for step, _ in found}
    assert there.artifact("register").load() == here.artifact("register").load()
