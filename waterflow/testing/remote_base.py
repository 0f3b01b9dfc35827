"""What the parts of the remote suite share: emulators, the environment, a project."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from waterflow.provider.emulators import SHARED
from waterflow.testing.cloud_suite import CloudSuite
from waterflow.testing.passage import passage
from waterflow.testing.remote_project import RemoteProject

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from waterflow.provider.emulators import Emulator
    from waterflow.provider.state import RunState
    from waterflow.testing.passage import Passage


class RemoteBase(CloudSuite):
    """The cloud and its emulators: each is shared by a class's tests, and started if needed."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Give tests what they are made for; parts that do so call this of the next one."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _shared(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        """Let jobs signal in the tests' folders; what they write elsewhere is thrown away."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(SHARED, str(tmp_path_factory.getbasetemp()))
            yield

    @pytest.fixture(scope="class")
    @classmethod
    def service(cls) -> Iterator[Emulator]:
        """An emulator without faults; override it to share one with other tests."""
        with cls.cloud.start() as running:
            yield running

    @pytest.fixture(scope="class")
    @classmethod
    def forwarded(cls) -> Iterator[Emulator]:
        """An emulator whose clock tests put forward."""
        with cls.cloud.start() as running:
            yield running

    @pytest.fixture
    def pointing(self, service: Emulator) -> Iterator[Emulator]:
        """The emulator without faults, to which the environment points during the test."""
        with self.cloud.pointing(service):
            yield service

    @pytest.fixture
    def project(self, pointing: Emulator, tmp_path: Path) -> RemoteProject:
        """A project whose profile is at the emulator without faults."""
        del pointing
        return RemoteProject(self.cloud, tmp_path / "project")

    @contextlib.contextmanager
    def passing(self, running: Emulator) -> Generator[Passage]:
        """Open a passage before an emulator; whose requests pass it, the test decides."""
        with passage(running.endpoint, self.cloud.request_name) as opened:
            yield opened

    def first_request(self) -> str:
        """Return what the first request contains by which a pipeline or a run is made known."""
        return self.cloud.requests.get("deploy", self.cloud.requests["start"])


def statuses(state: RunState) -> dict[str, str]:
    """Return the status of each step of a run."""
    return {name: str(step.status) for name, step in state.steps.items()}
