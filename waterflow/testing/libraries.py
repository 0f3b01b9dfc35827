"""Remote conformance: libraries that an image lacks, and what is told while they are brought."""

from __future__ import annotations

import ensurepip
import importlib
import json
import logging
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from waterflow.provider.state import Status
from waterflow.testing.remote_base import RemoteBase
from waterflow.testing.remote_project import RemoteProject
from waterflow.testing.wheels import wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from waterflow.provider.emulators import Emulator

_LIBRARY = "tiny_rate"
_LARGE = 17 * 1024 * 1024


class Libraries(RemoteBase):
    """Jobs bring what they need by the bucket, or say clearly what is missing."""

    @pytest.fixture(scope="class")
    @classmethod
    def wheels(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A folder in which pip finds all that there is, and asks nobody for more."""
        folder = tmp_path_factory.mktemp("wheels")
        wheel(folder, _LIBRARY, "1.0")
        return folder

    @pytest.fixture
    def installed(
        self, wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[Path]:
        """The library of the wheel, installed in this environment: where it is."""
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
        place = tmp_path / "installed"
        _install(wheels, place)
        sys.path.append(str(place))
        importlib.invalidate_caches()
        yield place
        sys.path.remove(str(place))
        sys.modules.pop(_LIBRARY, None)

    @pytest.fixture(scope="class")
    @classmethod
    def bare(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
        """An emulator with an image of this Python that has pip and nothing else."""
        folder = tmp_path_factory.mktemp("images") / "bare"
        base = os.path.realpath(sys.executable)
        subprocess.run([base, "-m", "venv", "--without-pip", folder], check=True)
        pip = next((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
        with zipfile.ZipFile(pip) as archive:  # as installing it does, in a tenth of the time
            archive.extractall(next(folder.glob("lib/python*/site-packages")))
        with cls.cloud.start(images={cls.cloud.bare_image: folder}) as running:
            yield running

    @pytest.fixture(scope="class")
    @classmethod
    def bare_project(
        cls, bare: Emulator, tmp_path_factory: pytest.TempPathFactory
    ) -> RemoteProject:
        """A project with profiles for the image that has no libraries."""
        cloud, brought = cls.cloud, {"libraries": "wheelhouse"}
        with cloud.pointing(bare):
            project = RemoteProject(cloud, tmp_path_factory.mktemp("libraries") / "project")
        project.add_profile("isolated", **brought, **cloud.without_network)
        project.add_profile("lacking", image=cloud.bare_image)
        project.add_profile("bare", image=cloud.bare_image, **brought)
        return project

    @pytest.fixture
    def libraries(self, bare: Emulator, bare_project: RemoteProject) -> Iterator[RemoteProject]:
        """That project, with the environment pointing at its emulator during the test."""
        with self.cloud.pointing(bare):
            yield bare_project

    def test_a_steps_own_requirement_is_installed_without_a_network(
        self, libraries: RemoteProject, installed: Path, tmp_path: Path
    ) -> None:
        requirement = wheel(tmp_path, "tiny_loan", "1.5")
        run = libraries.submit("lending", profile="isolated", requirement=requirement)
        state = libraries.finish(run)
        assert state.status is Status.SUCCEEDED, state
        assert run.artifact("lent").load() == "1.5"

    def test_an_image_without_libraries_gets_them_and_anew_when_they_were_rebuilt(
        self, libraries: RemoteProject, wheels: Path, installed: Path
    ) -> None:
        for text in ("1.0", "rebuilt"):  # under the same version
            wheel(wheels, _LIBRARY, "1.0", text)
            _install(wheels, installed)
            run = libraries.submit("using", profile="bare")
            state = libraries.finish(run)
            assert state.status is Status.SUCCEEDED, state
            assert run.artifact("word").load() == text
        wheel(wheels, _LIBRARY, "1.0")

    def test_an_image_that_must_have_the_libraries_and_has_not_is_told(
        self, libraries: RemoteProject, installed: Path
    ) -> None:
        run = libraries.submit("using", profile="lacking")
        state = libraries.finish(run)
        assert state.status is Status.FAILED
        message = (
            "the image lacks what the step needs: tiny-rate==1.0. Put it into the image, or let "
            'jobs bring their libraries: libraries = "wheelhouse" in the profile'
        )
        assert message in (state.steps["used"].error or "")
        assert state.steps["word"].status is Status.NOT_RUN
        assert any(message in line.text for line in run.logs("used"))


def _install(wheels: Path, place: Path) -> None:
    with zipfile.ZipFile(next(wheels.glob("*.whl"))) as archive:
        archive.extractall(place)


class Progress(RemoteBase):
    """What takes long before a run has begun: told by the command line, logged from Python."""

    @pytest.fixture(scope="class")
    @classmethod
    def slow(cls, service: Emulator, tmp_path_factory: pytest.TempPathFactory) -> RemoteProject:
        """A project of which some submissions take long."""
        with cls.cloud.pointing(service):
            return RemoteProject(cls.cloud, tmp_path_factory.mktemp("slow") / "project")

    @pytest.fixture
    def submitting(self, pointing: Emulator, slow: RemoteProject) -> RemoteProject:
        """That project, with the environment pointing at its emulator during the test."""
        del pointing
        return slow

    @pytest.fixture
    def lines(self, caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
        """What is logged, for a program that asks for it."""
        name = "waterflow.progress"
        caplog.set_level(logging.INFO, name)
        return lambda: [record.message for record in caplog.records if record.name == name]

    def _submitted(self, project: RemoteProject, *arguments: str) -> list[str]:
        done = project.cli("submit", *arguments, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["run"]
        return done.stderr.splitlines()

    def test_libraries_are_told_when_they_are_brought_and_not_again(
        self, submitting: RemoteProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        submitting.add_profile("wheels", libraries="wheelhouse")
        library = wheel(tmp_path, "waterflow_progress", "1.0")
        arguments = ("kit_runs.py:requiring", "--profile", "wheels", "-p", f"requirement={library}")
        resolving, uploading = self._submitted(submitting, *arguments)
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        assert resolving == f"Resolving 1 library for manylinux_2_28_x86_64, Python {python}"
        assert re.fullmatch(r"Uploading 1 wheel, [\d.]+ (B|KiB)", uploading)
        assert self._submitted(submitting, *arguments) == []

    def test_large_data_is_told_and_small_is_not(self, submitting: RemoteProject) -> None:
        (submitting.root / "large.bin").write_bytes(bytes(_LARGE))
        (submitting.root / "small.bin").write_bytes(b"1")
        measuring = "kit_runs.py:measuring"
        assert self._submitted(submitting, measuring, "-p", "source=small.bin") == []
        lines = self._submitted(submitting, measuring, "-p", "source=large.bin")
        assert lines == ["Uploading large.bin, 17 MiB"]

    def test_python_logs_it_and_prints_nothing(
        self,
        submitting: RemoteProject,
        lines: Callable[[], list[str]],
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        uri = self.cloud.uri(submitting.bucket, "elsewhere/raw.bin")
        self.cloud.write(uri, bytes(_LARGE))
        submitting.submit("measuring", source=uri)
        assert lines() == [f"Copying {uri}, 17 MiB"]
        assert capfd.readouterr() == ("", "")
