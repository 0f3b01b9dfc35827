"""An edit reruns what it touches: code keys against running everything, over hundreds of edits."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.packing.edited_project import FILES, INCLUDED, STEPS
from tests.packing.edits_by_hand import EDITS
from tests.packing.generated_edits import generated
from waterflow.errors import WaterflowError
from waterflow.packing.bundle import Bundle, Bundler
from waterflow.packing.code_key import CodeKeys

if TYPE_CHECKING:
    from collections.abc import Iterator

NEEDLESS = {"by hand": 1000, "part 1": 350, "part 2": 350, "part 3": 350}
"""The most reruns to the same result: of each table's edits times the steps."""

UNSEEN = (
    "a comment",
    "a comment behind code",
    "a comment goes",
    "blank lines",
    "a line broken in two",
    "other quotes",
    "a number written otherwise",
    "a comment in a helper",
    "the step's options",
    "an option for a step without",
    "a constant nothing uses",
    "a helper nothing uses",
    "two helpers change places",
    "a new helper",
    "a new step",
    "an import from Python's library",
    "an import of a module of the project",
    "an import behind TYPE_CHECKING",
)
"""Edits that rerun nothing else."""


def write(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return root


def keys(root: Path) -> dict[str, str | None]:
    """Return each step's code key, as a submit finds it; None for one that cannot be packed."""
    bundler, finder = Bundler(root, paths=[root]), CodeKeys()
    bundles: dict[tuple[str, ...], Bundle] = {}
    answers: dict[str, str | None] = {}
    for step in STEPS:
        include = (INCLUDED,) if step == "words" else ()
        try:
            if include not in bundles:
                bundles[include] = bundler.build("steps", include)
            answers[step] = finder.of(bundles[include], step).digest
        except WaterflowError:
            answers[step] = None
    return answers


class Truth:
    """A process that runs every step of a project anew."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("edit_truth.py")), json.dumps(STEPS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def outcomes(self, root: Path) -> dict[str, str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{root}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


@dataclass
class Verdict:
    """What an edit did.

    Attributes:
        right: Steps that were kept with the same result, or rerun to another one.
        needless: Steps that are rerun to the same result.
        stale: Steps of which an old result would stand for another one.
    """

    right: list[str] = field(default_factory=list)
    needless: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Truth, dict, dict]]:
    truth = Truth()
    root = write(tmp_path_factory.mktemp("base"), FILES)
    yield truth, keys(root), truth.outcomes(root)
    truth.close()


def judge(base: tuple[Truth, dict, dict], root: Path, file: str, text: str) -> Verdict:
    truth, before, expected = base
    write(root, {**FILES, file: text})
    after, outcomes = keys(root), truth.outcomes(root)
    verdict = Verdict()
    if "" in outcomes:  # the steps cannot be imported, so no run is submitted
        return verdict
    for step in STEPS:
        kept, same = before[step] == after[step], outcomes[step] == expected[step]
        place = verdict.right if kept == same else verdict.stale if kept else verdict.needless
        place.append(step)
    return verdict


def test_the_project_runs(base):
    _, before, outcomes = base
    assert None not in before.values()
    assert not [text for text in outcomes.values() if "Error" in text], outcomes


def sums(verdicts: dict[str, Verdict]) -> tuple[int, int, dict[str, list[str]]]:
    """Return how often a step was right, how often rerun needlessly, and what is stale."""
    return (
        sum(len(one.right) for one in verdicts.values()),
        sum(len(one.needless) for one in verdicts.values()),
        {edit: one.stale for edit, one in verdicts.items() if one.stale},
    )


def test_no_edit_made_by_hand_leaves_a_stale_result(base, tmp_path):
    verdicts: dict[str, Verdict] = {}
    for number, edit in enumerate(EDITS):
        text = FILES.get(edit.file, "")
        assert text.count(edit.before) == 1 or not edit.before, edit.id
        after = text.replace(edit.before, edit.after) if edit.before else text + edit.after
        verdicts[edit.id] = judge(base, tmp_path / str(number), edit.file, after)
    right, needless, stale = sums(verdicts)
    assert stale == {}
    assert len(verdicts) > 150
    assert right > 2 * needless
    assert needless <= NEEDLESS["by hand"], needless
    for edit in UNSEEN:  # nothing but `words`, which finds its own file and so counts all of it
        assert verdicts[edit].needless == ["words"], edit


@pytest.mark.parametrize("part", range(3), ids=lambda part: f"part {part + 1} of 3")
def test_no_generated_edit_leaves_a_stale_result(base, tmp_path, part):
    verdicts = {
        edit.id: judge(base, tmp_path / str(number), edit.file, after)
        for number, (edit, after) in enumerate(list(generated(FILES))[part::3])
    }
    right, needless, stale = sums(verdicts)
    assert stale == {}
    assert right > 4 * needless
    assert needless <= NEEDLESS[f"part {part + 1}"], needless
