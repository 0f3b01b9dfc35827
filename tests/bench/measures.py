"""The measures: each runs Waterflow and its baseline in turn and returns ratios."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WATERFLOW: Final = str(Path(sys.executable).with_name("waterflow"))
_ROUNDS: Final = 3


@dataclass(frozen=True)
class Row:
    """One line of the table: both figures as text, their ratio, and its limit."""

    name: str
    ours: str
    baseline: str
    ratio: float
    limit: float


def _time(command: list[str], folder: Path) -> float:
    begun = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    seconds = time.perf_counter() - begun
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return seconds


def _run(folder: Path, pipeline: str, *options: str) -> dict[str, Any]:
    command = [WATERFLOW, "run", f"small.py:{pipeline}", "--json", *options]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    state: dict[str, Any] = json.loads(done.stdout)
    return state


def in_turn(
    rounds: int,
    *actions: Callable[[], float],
    of: Callable[[Sequence[float]], float] = statistics.median,
) -> list[float]:
    """Return each action's median over rounds in which they take turns, after one to warm up.

    Where differences of the figures are wanted `of=min` is better: what disturbs a round only adds.
    """
    for action in actions:
        action()
    rounds_of_values = [[action() for action in actions] for _ in range(rounds)]
    return [of(values) for values in zip(*rounds_of_values, strict=True)]


def help_text(folder: Path) -> list[Row]:
    """`waterflow --help` against a bare Python that imports three modules of its own library."""
    bare = [sys.executable, "-c", "import argparse, json, pathlib"]
    ours, base = in_turn(
        9, lambda: _time([WATERFLOW, "--help"], folder), lambda: _time(bare, folder)
    )
    return [Row("waterflow --help / bare Python start", _ms(ours), _ms(base), ours / base, 4.0)]


def chain(folder: Path) -> list[Row]:
    """A step's marginal wall time in chains of 10, 50, 100 against plain functions with MLflow.

    Once until the command returns, and once until MLflow has all, as it has for the functions.
    """
    plain = folder / "plain"
    plain.mkdir()

    def ours(steps: int, *, tracked: bool) -> Callable[[], float]:
        options = ["-p", f"steps={steps}", "--no-cache", "--json"]
        command = [WATERFLOW, "run", "tables.py:chain", *options]

        def run() -> float:
            seconds = _time([*command, *["--wait-tracking"] * tracked], folder)
            _await_tracking(folder)
            return seconds

        return run

    def base(steps: int) -> Callable[[], float]:
        return lambda: _time([sys.executable, "plain.py", str(steps), str(plain)], folder)

    lengths = (10, 50, 100)
    actions = {
        name: action
        for steps in lengths
        for name, action in (
            (("ended", steps), ours(steps, tracked=False)),
            (("tracked", steps), ours(steps, tracked=True)),
            (("plain", steps), base(steps)),
        )
    }
    seconds = dict(zip(actions, in_turn(_ROUNDS, *actions.values(), of=min), strict=True))
    rows: list[Row] = []
    for what, until, whole in (("ended", "it has ended", 0.6), ("tracked", "MLflow has it", 1.0)):
        for low, high, limit in ((10, 50, 1.0), (50, 100, 1.0), (10, 100, whole)):
            step, step_base = (
                (seconds[one, high] - seconds[one, low]) / (high - low) for one in (what, "plain")
            )
            name = f"chain of {low} to {high}: a step more, until {until}"
            rows.append(Row(name, _ms(step), _ms(step_base), step / step_base, limit))
    return rows


def _await_tracking(folder: Path) -> None:
    """Wait until no process sends a run of a folder to MLflow any more."""
    while True:
        done = subprocess.run(
            [WATERFLOW, "status", "--json"], cwd=folder, capture_output=True, check=True
        )
        if not json.loads(done.stdout)["sending"]:
            return


def cached(folder: Path) -> list[Row]:
    """A run of 50 steps that is all cached against one of a single cached step."""

    def run(steps: int) -> Callable[[], float]:
        options = ["-p", f"steps={steps}", "--json"]
        return lambda: _time([WATERFLOW, "run", "tables.py:chain", *options], folder)

    many, one = in_turn(5, run(50), run(1))
    return [Row("50 cached steps / 1 cached step", _s(many), _s(one), many / one, 1.2)]


def branches(folder: Path) -> list[Row]:
    """32 branches that sleep 0.2 s on 8 slots, from submit to the last result, against a pool.

    The submitter's own Python is not counted; that of the runner, which it starts, is. So is that
    of the program with the pool.
    """

    def ours() -> float:
        state = _run(folder, "branches", "--no-cache")
        return (state["ended"] - state["started"]) / 1000

    def pool() -> float:
        return _time([sys.executable, "pool.py"], folder)

    seconds, base = in_turn(5, ours, pool)
    return [
        Row(
            "32 sleeping branches on 8 slots / process pool",
            _s(seconds),
            _s(base),
            seconds / base,
            1.3,
        )
    ]


def definition(folder: Path) -> list[Row]:
    """From a pipeline of 1,000 steps to its spec, against 0.3 s."""
    code = (
        "import sys, time; sys.path.insert(0, '.'); import small; from waterflow import spec; "
        "small.counting(steps=2).spec; begun = time.perf_counter(); "
        "spec.digest(small.counting(steps=1000).spec); print(time.perf_counter() - begun)"
    )

    def ours() -> float:
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        return float(done.stdout)

    (seconds,) = in_turn(5, ours)
    name = "definition to spec, 1,000 steps / 0.3 s"
    return [Row(name, _s(seconds), "0.30 s", seconds / 0.3, 1.0)]


RUNNER: Final = "waterflow_local"
WRITER: Final = "waterflow.tracking.writer"


def memory(folder: Path) -> list[Row]:
    """The runner's and the tracking writer's memory late in a run of 1,000 steps against early."""
    command = [WATERFLOW, "run", "small.py:counting", "-p", "steps=1000", "--no-cache", "--json"]
    command += ["--wait-tracking"]
    # To a file: nobody would empty a pipe, and the outcome of 1,000 steps does not fit into one.
    with (folder / "outcome").open("w") as outcome:
        alone = os.environ | {"CI": "true"}  # the helper's forks are not known by their module
        process = subprocess.Popen(command, cwd=folder, stdout=outcome, stderr=outcome, env=alone)
    samples: dict[str, list[tuple[int, int]]] = {}
    while process.poll() is None:
        done = {RUNNER: _steps_done(folder), WRITER: _steps_sent(folder)}
        for name, resident in _resident(str(folder)).items():
            if name in done:
                samples.setdefault(name, []).append((done[name], resident))
        time.sleep(0.1)
    if process.returncode:
        raise RuntimeError((folder / "outcome").read_text()[-2000:])
    rows: list[Row] = []
    for name, who in ((RUNNER, "the runner"), (WRITER, "the tracking writer")):
        early = [size for count, size in samples[name] if 100 <= count < 300]
        late = [size for count, size in samples[name] if count >= 900]
        first, last = statistics.median(early), statistics.median(late)
        label = f"memory of {who}, after 900 steps / after 100"
        rows.append(Row(label, _mb(last), _mb(first), last / first, 1.1))
    return rows


def _steps_done(folder: Path) -> int:
    journals = sorted((folder / ".waterflow" / "runs").glob("*/events.jsonl"))
    return journals[-1].read_bytes().count(b'"step.end"') if journals else 0


def _steps_sent(folder: Path) -> int:
    """Return how many steps MLflow has got: the writer is far behind while it imports MLflow."""
    states = sorted((folder / ".waterflow" / "runs").glob("*/tracking.json"))
    try:
        return int(json.loads(states[-1].read_text())["sent"]) // 2 if states else 0
    except (OSError, ValueError):
        return 0


def _resident(folder: str) -> dict[str, int]:
    """Return the resident bytes of this project's background processes by module."""
    memory: dict[str, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode().split("\0")
            pages = int((entry / "statm").read_text().split()[1])
        except (OSError, IndexError):
            continue
        if "-m" in words and any(folder in word for word in words):
            memory[words[words.index("-m") + 1]] = pages * os.sysconf("SC_PAGE_SIZE")
    return memory


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def _s(seconds: float) -> str:
    return f"{seconds:.2f} s"


def _mb(size: float) -> str:
    return f"{size / 2**20:.0f} MiB"


ALL: Final = (help_text, chain, cached, branches, definition, memory)
