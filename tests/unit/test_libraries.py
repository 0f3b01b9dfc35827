"""The versions of what a step's result depends on."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from typing import TYPE_CHECKING

from waterflow.packing import libraries

if TYPE_CHECKING:
    from pathlib import Path


def test_modules_bring_their_distributions_and_what_these_require() -> None:
    versions = libraries.versions(["sklearn", "yaml", "no_such_module_x"])
    assert versions["scikit-learn"] == metadata.version("scikit-learn")
    assert versions["pyyaml"] == metadata.version("pyyaml")
    assert versions["numpy"] == metadata.version("numpy")
    assert "pytest" not in versions


def test_distributions_count_too_where_they_are_installed() -> None:
    versions = libraries.versions([], ["pyarrow", "no-such-distribution-x"])
    assert versions == {"pyarrow": metadata.version("pyarrow")}


def test_a_module_without_a_version_counts_by_its_source(tmp_path: Path) -> None:
    package = tmp_path / "unversioned"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "rates.py").write_text("RATE = 1\n")
    code = "from waterflow.packing import libraries; print(libraries.versions(['unversioned']))"

    def versions() -> str:
        return subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONPATH": str(tmp_path)},
        ).stdout

    before = versions()
    assert "module unversioned" in before
    assert versions() == before
    (package / "rates.py").write_text("RATE = 2\n")
    assert versions() != before
