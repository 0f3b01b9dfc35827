"""A script gives the same results, of the same code, however it is started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.packing.script_table import SCRIPTS, text

if TYPE_CHECKING:
    from pathlib import Path

RUN_PATHS = """
import json, runpy, sys, types
from waterflow.runs.submit import compile_call
sys.path.insert(0, ".")
answers = {}
for name in sys.argv[1:]:
    scope = runpy.run_path(f"{name}.py", run_name="__main__")
    run = scope["run"]
    run.wait(300)
    sys.modules["__main__"] = types.ModuleType("__main__")  # as it is while a script runs
    vars(sys.modules["__main__"]).update(scope)
    build = compile_call(scope[f"pipeline_{name}"]())[1]
    answers[name] = [run.artifact("probe").load(), build.digest, build.bundles["probe"].digest]
print(json.dumps(answers))
"""
LOAD_TARGETS = """
import json, sys
from waterflow.cli.targets import load
from waterflow.runs.submit import compile_call
answers = {}
for name in sys.argv[1:]:
    build = compile_call(load(f"{name}.py").call())[1]
    answers[name] = [build.digest, build.bundles["probe"].digest]
print(json.dumps(answers))
"""


def python(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": ""},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scripts")
    (root / "waterflow.toml").write_text('[profiles.local]\nsend = "later"\n')
    for name, script in SCRIPTS.items():
        (root / f"{name}.py").write_text(text(name))
        for path, content in script.files.items():
            (root / path).write_text(content)
    return root


@pytest.fixture(scope="module")
def started_as_scripts(project: Path) -> dict[str, list[str]]:
    answers: dict[str, list[str]] = json.loads(python(project, "-c", RUN_PATHS, *SCRIPTS))
    return answers


@pytest.fixture(scope="module")
def started_as_targets(project: Path) -> dict[str, list[str]]:
    answers: dict[str, list[str]] = json.loads(python(project, "-c", LOAD_TARGETS, *SCRIPTS))
    return answers


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_s_job_has_what_the_script_had_at_its_submit(
    name: str, started_as_scripts: dict[str, list[str]]
) -> None:
    assert started_as_scripts[name][0] == SCRIPTS[name].result


@pytest.mark.parametrize("name", SCRIPTS)
def test_waterflow_run_takes_the_same_code_as_python(
    name: str, started_as_scripts: dict[str, list[str]], started_as_targets: dict[str, list[str]]
) -> None:
    assert started_as_targets[name] == started_as_scripts[name][1:]
