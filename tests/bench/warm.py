"""Measures of the loop "edit, run, look": with the helper that keeps libraries imported."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.bench.measures import WATERFLOW, Row, in_turn
from waterflow.runtime import descendants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_DEMO: Final = Path(__file__).parents[2] / "pipelines" / "quickstart"
_BARE: Final = [sys.executable, "-c", "import sklearn, mlflow"]
_EDITED: Final = "    features, label = test.drop"
"""The line of the step `evaluate` before which something is written."""
_ROUNDS: Final = 3
_LIMIT: Final = 0.25
_FIRST_STATUS: Final = 0.4


def _environment(*, helper: bool) -> dict[str, str]:
    others = {name: value for name, value in os.environ.items() if name != "CI"}
    return others if helper else others | {"CI": "true"}


@contextmanager
def _demo(folder: Path) -> Iterator[Path]:
    """A copy of the demo that was run once; its helper ends with the block."""
    shutil.copytree(_DEMO, folder / "quickstart")
    environment = _environment(helper=True)
    _run(folder, environment)
    try:
        yield folder / "quickstart" / "pipeline.py"
    finally:
        subprocess.run([WATERFLOW, "warm", "--stop"], cwd=folder, check=True, env=environment)


def _run(folder: Path, environment: dict[str, str]) -> tuple[float, dict[str, float]]:
    """Run the demo; return the seconds that it took, and those of each step."""
    begun = time.perf_counter()
    done = subprocess.run(
        [WATERFLOW, "run", "quickstart", "--json"],
        cwd=folder, env=environment, capture_output=True, text=True, check=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    seconds = time.perf_counter() - begun
    steps = json.loads(done.stdout)["steps"]
    return seconds, {step["name"]: step["seconds"] or 0.0 for step in steps}


def _bare(folder: Path) -> float:
    begun = time.perf_counter()
    subprocess.run(_BARE, cwd=folder, check=True)
    return time.perf_counter() - begun


def again(folder: Path) -> list[Row]:
    """The demo's second run, and one after an edit, against a Python that imports its libraries."""
    warm = _environment(helper=True)
    with _demo(folder) as source:
        text = source.read_text()
        assert _EDITED in text

        def edited() -> float:
            changed = f"    edit = {time.monotonic_ns()}\n{_EDITED}"
            source.write_text(text.replace(_EDITED, changed))
            seconds, steps = _run(folder, warm)
            return seconds - steps["evaluate"]

        second, edit, base = in_turn(
            _ROUNDS, lambda: _run(folder, warm)[0], edited, lambda: _bare(folder)
        )
    imports = "a Python that imports scikit-learn and MLflow"
    return [
        Row(f"{name} / {imports}", f"{one:.2f} s", f"{base:.2f} s", one / base, _LIMIT)
        for name, one in (
            ("the demo's second run", second),
            ("the same after an edit of one step, without that step", edit),
        )
    ]


def status(folder: Path) -> list[Row]:
    """From the command to the first status of a second run on the screen, against 0.4 s."""

    def first() -> float:
        begun = time.perf_counter()
        with subprocess.Popen(
            [WATERFLOW, "run", "quickstart"],
            cwd=folder, env=_environment(helper=True), stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            line = process.stdout.readline()
            seconds = time.perf_counter() - begun
            process.stdout.read()
        assert b"cached" in line, line
        return seconds

    with _demo(folder):
        (seconds,) = in_turn(_ROUNDS, first)
    name = "the second run's first status / 0.4 s"
    return [Row(name, f"{seconds:.2f} s", "0.40 s", seconds / _FIRST_STATUS, 1.0)]


def computing(folder: Path) -> list[Row]:
    """A step's CPU seconds, isolated and tracked, against plain functions with MLflow."""
    descendants.adopt()
    plain = folder / "plain"
    plain.mkdir()

    def seconds(command: list[str]) -> Callable[[], float]:
        def run() -> float:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            environment = _environment(helper=False)
            subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
            while True:  # the runner and the writer outlive the command
                try:
                    os.wait()
                except ChildProcessError:
                    break
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)

        return run

    def ours(steps: int) -> Callable[[], float]:
        options = ["--no-cache", "--json", "--wait-tracking", "-p", f"steps={steps}"]
        return seconds([WATERFLOW, "run", "tables.py:chain", *options])

    def base(steps: int) -> Callable[[], float]:
        return seconds([sys.executable, "plain.py", str(steps), str(plain)])

    few, few_base, many, many_base = in_turn(
        _ROUNDS, ours(10), base(10), ours(100), base(100), of=min
    )
    step, step_base = (many - few) / 90, (many_base - few_base) / 90
    name = "CPU of a step more, chain of 10 to 100, isolated and tracked / plain with MLflow"
    return [Row(name, f"{step * 1000:.0f} ms", f"{step_base * 1000:.0f} ms", step / step_base, 1.0)]


ALL: Final = (again, status, computing)
