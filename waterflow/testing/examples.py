"""Remote conformance: a repository's own pipelines give the same artifacts as on this machine."""

from __future__ import annotations

import contextlib
import importlib
import shutil
import sys
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from waterflow.provider.state import Status
from waterflow.runs import submit as submitting
from waterflow.testing.remote_base import RemoteBase
from waterflow.testing.remote_project import PROFILE, RemoteProject

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from waterflow.provider.emulators import Emulator
    from waterflow.testing.tracking_server import TrackingServer

_HERE = "here"
_PATIENCE = 300.0


class ExamplesConformance(RemoteBase):
    """Each example runs on the cloud and on this machine: for those who have examples.

    Attributes:
        examples: Name of a pipeline -> where it is: `package.module`, in a package of the folder.
        examples_folder: The folder of that package.
    """

    examples: ClassVar[Mapping[str, str]]
    examples_folder: ClassVar[Path]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make a test for each example."""
        super().pytest_generate_tests(metafunc)
        if "example" in metafunc.fixturenames:
            metafunc.parametrize("example", list(self.examples))

    @pytest.fixture(scope="class")
    @classmethod
    def examples_project(
        cls, service: Emulator, server: TrackingServer, tmp_path_factory: pytest.TempPathFactory
    ) -> RemoteProject:
        """A project with a copy of the examples, and a profile for this machine besides."""
        importlib.import_module("sklearn")  # it changes the environment
        root, folder = tmp_path_factory.mktemp("examples") / "project", cls.examples_folder
        with cls.cloud.pointing(service):
            project = RemoteProject(cls.cloud, root, tracking=server.url, modules={})
        shutil.copytree(folder, root / folder.name, ignore=shutil.ignore_patterns("__pycache__"))
        tracking = {"tracking": {"uri": server.url}}
        project.add_profile(_HERE, like=None, provider="local", **tracking)
        return project

    def test_artifacts_have_the_digests_of_a_local_run(
        self, pointing: Emulator, examples_project: RemoteProject, example: str
    ) -> None:
        del pointing
        project = examples_project
        with _replaced(self.examples[example].partition(".")[0]), project.code():
            module: Any = importlib.import_module(self.examples[example])
            call = getattr(module, example)()
            here = submitting.submit(call, profile=_HERE, root=project.root)
            # One after the other: whoever registers an equal model later gets the same version.
            here.wait(_PATIENCE)
            there = submitting.submit(call, profile=PROFILE, root=project.root)
        state = project.finish(there)
        assert state.status is Status.SUCCEEDED, state
        remote, local = (
            {(one.step, one.output): one.sha256 for one in run.artifacts()} for run in (there, here)
        )
        assert remote == local
        assert {step.name for step in call.spec.steps} == {step for step, _ in remote}
        assert there.artifact("register").load() == here.artifact("register").load()


@contextlib.contextmanager
def _replaced(package: str) -> Generator[None]:
    """Forget a package that was imported before, and what is imported of it in the block."""

    def names() -> list[str]:
        return [name for name in sys.modules if name.partition(".")[0] == package]

    before = {name: sys.modules.pop(name) for name in names()}
    try:
        yield
    finally:
        for name in names():
            del sys.modules[name]
        sys.modules.update(before)
