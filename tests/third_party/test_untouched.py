"""A cloud of another package touches no file of Waterflow's, and Waterflow names no cloud."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.third_party.installing import installed

ROOT = Path(__file__).parents[2]
OWN = [ROOT / "waterflow", *sorted((ROOT / "providers").glob("waterflow_*"))]
BUILT_IN = sorted(path.name.removeprefix("waterflow_") for path in OWN[1:])
VENDORS = re.compile(
    r"sagemaker|azureml|vertex|kubeflow|toycloud|waterflow_(local|kfp)|"
    r"googleapis|amazonaws|windows\.net|boto3|aiplatform",
    re.IGNORECASE,
)
"""Words that are one cloud's."""


def _digest():
    files = [file for folder in OWN for file in sorted(folder.rglob("*")) if file.is_file()]
    kept = [file for file in files if "__pycache__" not in file.parts]
    return {str(f.relative_to(ROOT)): hashlib.sha256(f.read_bytes()).hexdigest() for f in kept}


@pytest.fixture(scope="module", autouse=True)
def untouched(tmp_path_factory):
    before = _digest()
    with installed("waterflow_toycloud", tmp_path_factory.mktemp("installed")) as place:
        yield place
    assert _digest() == before


SEEN = """
import json, sys
from importlib import metadata
from waterflow.data import stores
from waterflow.provider import discovery
from pathlib import Path
from waterflow.project.profile import Profile

before = {name for name in sys.modules if name.startswith("waterflow_")}
kind = discovery.provider("toycloud")
settings = {"provider": "toycloud", "bucket": "b"}
provider = kind(Path("."), Profile("toy", "toycloud", {"bucket": "b"}, None, None, "here"))
print(json.dumps({
    "providers": sorted(discovery.providers()),
    "file": sys.modules[kind.__module__].__file__,
    "others": sorted(
        name for name in sys.modules
        if name.startswith("waterflow_") and not name.startswith("waterflow_toycloud")
    ),
    "middle": [base.__module__ for base in kind.__mro__],
    "instances": provider.capabilities.instances,
    "emulators": sorted(p.name for p in metadata.entry_points(group="waterflow.emulators")),
}))
"""


def test_it_stands_on_the_middle_storey_from_its_own_package(untouched):
    done = subprocess.run([sys.executable, "-c", SEEN], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert Path(seen["file"]).is_relative_to(untouched)
    assert "waterflow.cloud.provider" in seen["middle"]
    assert seen["others"] == [], "it needs no provider of Waterflow's"
    assert "toycloud" in seen["providers"]
    assert "toycloud" in seen["emulators"]
    assert set(BUILT_IN) - {"kfp"} <= set(seen["providers"]), "those there were are still there"


def test_what_a_cloud_adds_outside_its_folder_is_names_in_pyproject():
    """The built-in clouds, which have no package of their own, need extras and entry points."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    points = project["project"]["entry-points"]
    packed = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    for name in BUILT_IN:
        assert f"providers/waterflow_{name}" in packed
        if name == "kfp":  # no provider: what two of them share
            continue
        assert points["waterflow.providers"][name].startswith(f"waterflow_{name}.")
        assert name in project["project"]["optional-dependencies"] or name == "local"


def _named(file):
    """Yield what a module names: identifiers, imports and texts, docstrings and comments aside."""
    tree = ast.parse(file.read_text())
    prose = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str) and id(node) not in prose:
                yield node.lineno, node.value
        elif isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None) or ""
            yield node.lineno, " ".join([module, *(alias.name for alias in node.names)])


def test_neither_the_core_nor_the_middle_names_a_cloud():
    named = [
        f"{file.relative_to(ROOT)}:{line}: {text:.80}"
        for file in sorted((ROOT / "waterflow").rglob("*.py"))
        for line, text in _named(file)
        if VENDORS.search(text)
    ]
    assert named == []


def test_the_scan_sees_what_it_should():
    provider = ROOT / "providers" / "waterflow_vertex" / "provider.py"
    assert any(VENDORS.search(text) for _, text in _named(provider))
