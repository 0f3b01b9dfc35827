"""What an image holds, as a job sees it: the same that `importlib.metadata` says."""

from __future__ import annotations

import importlib.metadata
import sys
from typing import TYPE_CHECKING

import pytest

from waterflow.runtime.installed import lacking

if TYPE_CHECKING:
    from pathlib import Path


def _distribution(folder: Path, entry: str, name: str, version: str, file: str = "METADATA"):
    (folder / entry).mkdir(parents=True)
    (folder / entry / file).write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


@pytest.mark.parametrize(
    ("pin", "met"),
    [
        ("plain==1.2", True),
        ("plain==1.20", False),
        ("Plain==1.2", True),
        ("dashed-name.dotted==2.0+cu118", True),
        ("dashed_name_dotted==2.0+cu118", True),
        ("twice==1.0", True),
        ("twice==2.0", False),
        ("egg==3.1", True),
        ("egg==3.2", False),
        ("egg-first==1.0", False),
        ("egg-first==0.9", True),
        ("hollow==1.0", False),
        ("renamed==1.0.0", True),
        ("absent==1.0", False),
    ],
)
def test_a_pin_is_met_by_what_metadata_names(pin, met, tmp_path, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    _distribution(first, "plain-1.2.dist-info", "plain", "1.2")
    _distribution(first, "dashed_name.dotted-2.0+cu118.dist-info", "dashed-name", "2.0+cu118")
    _distribution(first, "twice-1.0.dist-info", "twice", "1.0")
    _distribution(second, "twice-2.0.dist-info", "twice", "2.0")
    _distribution(first, "egg-3.1.egg-info", "egg", "3.1", "PKG-INFO")
    _distribution(first, "egg_first.egg-info", "egg-first", "0.9", "PKG-INFO")
    _distribution(second, "egg_first-1.0.dist-info", "egg-first", "1.0")
    (first / "hollow-1.0.dist-info").mkdir()
    # A folder's name and what is in it may write one version in two ways.
    _distribution(first, "renamed-1.0.dist-info", "renamed", "1.0.0")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "gone"), str(first), str(second), *sys.path])
    assert lacking([pin]) == ([] if met else [pin])


def test_what_is_no_pin_is_not_met():
    version = importlib.metadata.version("pytest")
    pins = ["pytest>=1", "pytest", f"pytest=={version}"]
    assert lacking(pins) == pins[:2]


def test_a_finder_that_a_library_brings_changes_nothing(tmp_path, monkeypatch):
    import importlib_metadata

    (tmp_path / "hollow-1.0.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "meta_path", [importlib_metadata.MetadataPathFinder(), *sys.meta_path])
    assert lacking(["hollow==1.0"]) == ["hollow==1.0"]
