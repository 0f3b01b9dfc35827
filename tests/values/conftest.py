"""Runs the processes that write and read a table of values, once for each table."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(verb: str, table: str, folder: Path, seed: str = "0") -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.values.process", verb, table, str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed,
             "HOME": str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, str], dict[str, str], Path]:
    """What the writer and the reader said of each value of the test module's table."""
    table: Any = request.module.table
    folder = tmp_path_factory.mktemp("values")
    return run("write", table.__name__, folder), run("read", table.__name__, folder), folder
