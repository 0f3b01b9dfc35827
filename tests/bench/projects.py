"""The pipelines that are measured, and the same work without Waterflow."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TABLES = """
import numpy as np
import pandas as pd
import waterflow as wf


@wf.step
def make(rows: int = 1000) -> pd.DataFrame:
    values = np.random.default_rng(0).normal(size=(rows, 10))
    return pd.DataFrame(values, columns=list("abcdefghij"))


@wf.step
def add(data: pd.DataFrame) -> pd.DataFrame:
    result = data + 1.0
    wf.log_metrics({f"mean_{name}": float(result[name].mean()) for name in "abcde"})
    return result


@wf.pipeline
def chain(steps: wf.Static[int] = 10):
    data = make()
    for _ in range(steps - 1):
        data = add(data)
"""

SMALL = """
import time

import waterflow as wf


@wf.step
def number(index: int) -> int:
    return index + 1


@wf.pipeline
def counting(steps: wf.Static[int] = 10):
    value = number(0)
    for _ in range(steps - 1):
        value = number(value)


@wf.step
def rest(index: int, seconds: float = 0.2) -> int:
    time.sleep(seconds)
    return index


@wf.pipeline
def branches(count: wf.Static[int] = 32):
    for index in range(count):
        rest(index)
"""

PLAIN_CHAIN = """
import sys, time

begun = time.perf_counter()
import mlflow
import numpy as np
import pandas as pd
from pathlib import Path

steps, folder = int(sys.argv[1]), Path(sys.argv[2])
mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
name = f"chain-{time.time_ns()}"
experiment = mlflow.create_experiment(name, artifact_location=str(folder / "a"))


def tracked(name, function, path):
    with mlflow.start_run(run_name=name, nested=True, experiment_id=experiment):
        mlflow.log_params({"rows": 1000})
        result = function()
        result.to_parquet(path)
        mlflow.log_metrics({f"mean_{column}": float(result[column].mean()) for column in "abcde"})


def make():
    values = np.random.default_rng(0).normal(size=(1000, 10))
    return pd.DataFrame(values, columns=list("abcdefghij"))


with mlflow.start_run(experiment_id=experiment):
    tracked("make", make, folder / "0.parquet")
    for index in range(1, steps):
        source = folder / f"{index - 1}.parquet"
        tracked(f"add-{index}", lambda: pd.read_parquet(source) + 1.0, folder / f"{index}.parquet")
"""

POOL = """
import time
from concurrent.futures import ProcessPoolExecutor

if __name__ == "__main__":
    with ProcessPoolExecutor(8) as pool:
        list(pool.map(time.sleep, [0.2] * 32))
"""


def write(folder: Path) -> None:
    """Write the measured project and its baselines into a folder."""
    (folder / "waterflow.toml").write_text("[profiles.local]\nprovider = 'local'\ncpu = 8\n")
    files = {"tables.py": TABLES, "small.py": SMALL, "plain.py": PLAIN_CHAIN, "pool.py": POOL}
    for name, text in files.items():
        (folder / name).write_text(textwrap.dedent(text).lstrip())
