"""Every estimator of scikit-learn: another process reads what was written, byte for byte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).with_name("every_estimator.py")

TIMED = {"GridSearchCV", "RandomizedSearchCV"}
"""Hold how long their fits took, which is part of what they are: another training, another file."""

REFUSED = {"Birch"}
"""skops has no form for its tree."""


def report(folder: Path, seed: int, *other: Path) -> dict[str, dict[str, Any]]:
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(folder), *map(str, other)],
        env=os.environ | {"PYTHONHASHSEED": str(seed), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "report.json").read_text())


def test_every_estimator_is_the_same_file_and_model_in_another_process(tmp_path: Path) -> None:
    first = report(tmp_path / "1", 1)
    second = report(tmp_path / "2", 2, tmp_path / "1")
    assert len(first) > 200
    refused = {name for name, entry in second.items() if "refused" in entry}
    assert refused == REFUSED, {name: second[name] for name in refused}
    kept = set(first) - refused

    def unlike(one: str, two: str) -> set[str]:
        return {name for name in kept if first[name][one] != second[name][two]}

    assert unlike("digest", "digest") - TIMED == set(), "fitted anew, under another hash seed"
    assert unlike("digest", "rewritten") == set(), "read, and written again"
    assert {n for n in kept if first[n]["digest"] != first[n]["asked"]} == set(), (
        "after predictions"
    )
    for what in ("class", "parameters"):
        assert {name for name in kept if not second[name][what]} == set(), what
    assert {name for name in kept - TIMED if not second[name]["answers"]} == set()
