"""The versions of what a step's result depends on."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

from tests.providers.sagemaker.builds import build, function, pipeline
from waterflow.packing import libraries
from waterflow.packing.bundle import Bundler

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


@pytest.mark.parametrize(
    ("code", "named", "speaks"),
    [
        ("import importlib\nimportlib.import_module('mlflow')\n", {"mlflow"}, True),
        ("from importlib import import_module as load\nload('mlflow.sklearn')\n", {"mlflow"}, True),
        ("import importlib\nload = importlib.import_module\nload('mlflow')\n", {"mlflow"}, True),
        ("def f():\n    return __import__('mlflow')\n", {"mlflow"}, True),
        ("import importlib\nNAME = 'mlflow'\nimportlib.import_module(NAME)\n", {"mlflow"}, True),
        ("import pkgutil\npkgutil.resolve_name('mlflow:log_metric')\n", {"mlflow"}, True),
        ("import importlib\nimportlib.import_module('pandas')\n", {"pandas"}, False),
        ("import helper_of_mlflow_x\n", {"helper_of_mlflow_x"}, True),
        ("import importlib\nimportlib.import_module('helper_of_mlflow_x')\n",
         {"helper_of_mlflow_x"}, True),
        ("import importlib\nimportlib.import_module('no_such_library_x')\n", set[str](), False),
        ("NAME = 'mlflow'\n", set[str](), False),
        ("import importlib\nimportlib.import_module('json')\n", set[str](), False),
        ("import importlib\nimportlib.import_module('beside')\n", set[str](), False),
        ("import yaml\n", {"yaml"}, False),
    ],
)  # fmt: skip
def test_a_library_that_is_imported_by_name_counts_and_who_needs_mlflow_is_told(
    code: str, named: set[str], speaks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "helper_of_mlflow_x.py").touch()
    info = site / "helper_of_mlflow_x-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Name: helper-of-mlflow-x\nVersion: 1.0\nRequires-Dist: mlflow\n"
    )
    (info / "top_level.txt").write_text("helper_of_mlflow_x\n")
    (info / "RECORD").write_text("helper_of_mlflow_x.py,,\n")
    monkeypatch.syspath_prepend(str(site))
    project = tmp_path / "project"
    project.mkdir()
    (project / "step_x.py").write_text(code)
    (project / "beside.py").touch()
    packed = Bundler(project).build("step_x", ())
    assert set(packed.third_party) == named
    graph = pipeline(function("f"))
    build_ = replace(
        build(graph),
        bundles={"f": packed},
        versions={"f": libraries.versions(packed.third_party)},
    )
    assert build_.speaks_to_mlflow("f") == speaks
