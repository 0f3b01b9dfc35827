"""Modules and files that a step reaches when it runs: taken along, or told with `include=`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.packing.dynamic_table import TAKEN, TOLD, project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packing.dynamic_table import Case

RUN = """
import json, sys
from waterflow.cli.targets import load
from waterflow.errors import RunError
answers = {}
for name in sys.argv[1:]:
    run = load(f"pipeline.py:{name}").call().submit()
    try:
        run.wait(300)
    except RunError:
        pass
    for step in run.state.steps.values():
        ended = step.status == "succeeded"
        key = step.name if name == "reaching" else name
        answers[key] = run.artifact(step.name).load() if ended else str(step.error)
print(json.dumps(answers))
"""


def run(folder: Path, cases: dict[str, Case], *pipelines: str) -> dict[str, str]:
    """Run pipelines of the cases' steps locally; return what each step gave, or its error."""
    for path, text in project(cases).items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    environment = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", RUN, *pipelines],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answers: dict[str, str] = json.loads(done.stdout)
    return answers


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return run(tmp_path_factory.mktemp("taken"), TAKEN, "reaching")


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return run(tmp_path_factory.mktemp("told"), TOLD, *TOLD)


@pytest.mark.parametrize("name", TAKEN)
def test_what_can_be_seen_is_taken_along(name: str, taken: dict[str, str]) -> None:
    assert taken[name] == TAKEN[name].result.replace("PKG", name)


@pytest.mark.parametrize("name", TOLD)
def test_what_cannot_be_seen_is_told_with_the_way_to_take_it(
    name: str, refused: dict[str, str]
) -> None:
    assert TOLD[name].result.replace("PKG", name) in refused[name]
