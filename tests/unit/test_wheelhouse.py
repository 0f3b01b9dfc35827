"""Requirements become wheels under a digest, and are installed from them with no index."""

from __future__ import annotations

import logging
import subprocess
import sys
import venv
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from waterflow.errors import ConfigurationError
from waterflow.packing import wheelhouse
from waterflow.testing.wheels import wheel

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wheelhouses")


def test_two_at_once_get_the_same_wheels(place: Path, tmp_path: Path) -> None:
    requirement = wheel(tmp_path, version="4.0")
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: wheelhouse.resolve([requirement], place), range(2))
    assert first == second
    assert len(first.wheels) == 1


def test_requirements_are_resolved_once_and_installed_offline(place: Path, tmp_path: Path) -> None:
    requirement = wheel(tmp_path)
    wheels = wheelhouse.resolve([requirement], place)
    assert [wheel_.name for wheel_ in wheels.wheels] == ["tiny_rate-1.0-py3-none-any.whl"]
    assert wheels.folder == place / wheels.digest
    (tmp_path / "tiny_rate-1.0-py3-none-any.whl").unlink()
    assert wheelhouse.resolve([requirement], place) == wheels
    venv.create(tmp_path / "environment", with_pip=False, symlinks=True)
    python = tmp_path / "environment" / "bin" / "python"
    wheelhouse.install(wheels, python)
    code = "import tiny_rate; print(tiny_rate.VERSION)"
    assert subprocess.check_output([python, "-c", code], text=True) == "1.0\n"


def test_resolving_is_told_when_it_is_done(
    place: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "waterflow.progress")
    requirement = wheel(tmp_path, version="6.0")
    for _ in range(2):
        wheelhouse.resolve([requirement], place)
    assert [one.message for one in caplog.records] == ["Resolving 1 library for this machine"]


def test_what_was_built_anew_under_its_version_is_resolved_anew(
    place: Path, tmp_path: Path
) -> None:
    requirement = wheel(tmp_path, version="7.0")
    (file,) = tmp_path.iterdir()
    first = file.read_bytes()
    wheel(tmp_path, version="7.0", text="rebuilt")
    digests: list[str] = []
    for content in (first, file.read_bytes(), first):
        file.write_bytes(content)
        known = wheelhouse.file_contents([requirement, "numpy>=2", "gone @ file:///x.whl"])
        assert {*known} == {requirement}
        digests.append(wheelhouse.resolve([requirement], place, contents=known[requirement]).digest)
    assert digests[0] == digests[2] != digests[1]


def test_a_folder_that_is_required_counts_by_its_code(tmp_path: Path) -> None:
    (tmp_path / "my lib.py").write_text("A = 1\n")
    requirement = f"lib @ {tmp_path.as_uri()}"
    before = wheelhouse.file_contents([requirement])
    assert {*before} == {requirement}
    (tmp_path / "my lib.py").write_text("A = 2\n")
    assert wheelhouse.file_contents([requirement]) != before


def test_other_wheels_have_another_digest(place: Path, tmp_path: Path) -> None:
    first = wheelhouse.resolve([wheel(tmp_path)], place)
    other = wheelhouse.resolve([wheel(tmp_path, version="2.0")], place)
    assert first.digest != other.digest


def test_wheels_for_another_machine_are_fetched_not_built(place: Path, tmp_path: Path) -> None:
    target = wheelhouse.TargetPlatform("manylinux2014_aarch64", f"3.{sys.version_info.minor}")
    wheels = wheelhouse.resolve([wheel(tmp_path)], place, target)
    assert len(wheels.wheels) == 1


def test_an_altered_wheelhouse_is_made_anew(place: Path, tmp_path: Path) -> None:
    requirement = wheel(tmp_path, version="3.0")
    wheels = wheelhouse.resolve([requirement], place)
    wheels.wheels[0].write_bytes(b"altered")
    again = wheelhouse.resolve([requirement], place)
    assert again == wheels
    assert again.wheels[0].read_bytes() != b"altered"


def test_what_cannot_be_resolved_is_told_and_leaves_nothing(place: Path, tmp_path: Path) -> None:
    before = {path.name for path in place.iterdir()}
    with pytest.raises(ConfigurationError, match="could not be resolved"):
        wheelhouse.resolve([f"nothing @ {(tmp_path / 'nothing.whl').as_uri()}"], place)
    left = {path.name for path in place.iterdir()} - before
    assert left <= {".lock", ".pip"}  # what the first resolving of all makes


def test_a_newer_machine_takes_older_wheels() -> None:
    tags = wheelhouse.platforms("manylinux_2_28_x86_64")
    assert tags[0] == "manylinux_2_28_x86_64"
    assert tags.index("manylinux_2_17_x86_64") + 1 == tags.index("manylinux2014_x86_64")
    assert tags[-1] == "manylinux1_x86_64"
    assert "manylinux_2_31_x86_64" not in tags
    assert wheelhouse.platforms("macosx_14_0_arm64") == ["macosx_14_0_arm64"]


def test_wheels_for_another_machine_are_resolved(place: Path, tmp_path: Path) -> None:
    requirement = wheel(tmp_path, version="5.0")
    wheels = wheelhouse.resolve(
        [requirement], place, wheelhouse.TargetPlatform("manylinux_2_28_aarch64", "3.12")
    )
    assert [wheel_.name for wheel_ in wheels.wheels] == ["tiny_rate-5.0-py3-none-any.whl"]
