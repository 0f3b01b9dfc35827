"""What is installed counts by its content: reinstalled, edited in place, without a RECORD."""

from __future__ import annotations

import base64
import hashlib
import os
import sys
from typing import TYPE_CHECKING

import pytest

from waterflow.packing import installed

if TYPE_CHECKING:
    from pathlib import Path

NAME = "tiny_library_x"


def recorded(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


class Site:
    """A folder with one library in it, as an installer leaves it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder.parent / "state"
        self.module = folder / NAME / "__init__.py"
        self.info = folder / f"{NAME}-1.0.dist-info"

    def install(self, code: str, *, record: bool = True, installer: str = "pip") -> None:
        files = {
            f"{NAME}/__init__.py": code.encode(),
            f"{self.info.name}/METADATA": f"Name: {NAME}\nVersion: 1.0\n".encode(),
            f"{self.info.name}/INSTALLER": installer.encode(),
            f"{self.info.name}/top_level.txt": NAME.encode(),
        }
        for path, content in files.items():
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            os.utime(target, ns=(10**18, 10**18))
        if record:
            lines = [f"{p},sha256={recorded(c)},{len(c)}" for p, c in files.items()]
            lines += [f"{self.info.name}/RECORD,,", f"{NAME}/__pycache__/x.pyc,,", "../bin/x,a=b,1"]
            (self.info / "RECORD").write_text("\n".join(lines))
            os.utime(self.info / "RECORD", ns=(10**18 + 1, 10**18 + 1))

    def digest(self) -> str | None:
        return installed.Contents(self.state).of([NAME]).get(NAME)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    site = Site(tmp_path / "site")
    site.folder.mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(site.folder)])
    return site


def test_the_same_again_is_the_same_whoever_installed_it(site):
    site.install("A = 1\n")
    before = site.digest()
    assert before is not None
    assert site.digest() == before
    site.install("A = 1\n", installer="uv")
    assert site.digest() == before


def test_another_content_under_the_same_version_is_another(site):
    site.install("A = 1\n")
    before = site.digest()
    site.install("A = 2\n")
    assert site.digest() != before


@pytest.mark.parametrize("edited", ["A = 2\n", "A = 100\n"], ids=["of one size", "of another"])
def test_a_file_edited_in_place_is_another_until_it_is_as_it_was(site, edited):
    site.install("A = 1\n")
    before = site.digest()
    site.module.write_text(edited)
    assert site.digest() not in (before, None)
    site.module.write_text("A = 1\n")
    assert site.digest() == before


def test_a_file_that_is_gone_is_another(site):
    site.install("A = 1\n")
    before = site.digest()
    site.module.unlink()
    assert site.digest() not in (before, None)


def test_without_a_record_the_files_themselves_count(site):
    site.install("A = 1\n", record=False)
    before = site.digest()
    assert before is not None
    site.module.write_text("A = 2\n")
    assert site.digest() != before


def test_a_record_without_digests_has_its_files_read(site):
    site.install("A = 1\n")
    lines = (site.info / "RECORD").read_text().splitlines()
    (site.info / "RECORD").write_text("\n".join(f"{one.partition(',')[0]},," for one in lines))
    before = site.digest()
    site.module.write_text("A = 2\n")
    assert site.digest() not in (before, None)


def test_what_is_not_installed_has_no_digest(site):
    assert installed.Contents(site.state).of(["no-such-library-x"]) == {}


def test_untouched_files_are_not_read(site, monkeypatch):
    site.install("A = 1\n")
    before = site.digest()
    site.module.write_text("B = 1\n")
    os.utime(site.module, ns=(10**18, 10**18))  # of the size and the time that were recorded
    assert site.digest() == before
