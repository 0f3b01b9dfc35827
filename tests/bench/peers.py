"""`make bench-peers`: the same chain under ZenML, Metaflow and Kedro, side by side with Waterflow.

Each peer is installed into a throw-away environment. A chain passes a DataFrame of 1,000 x 10 from
step to step, through the peer's own store, and is run from the command line as its user would.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.bench import projects
from tests.bench.measures import WATERFLOW

_LENGTHS: Final = (10, 50)
_ROUNDS: Final = 1

_MAKE: Final = """
import sys

import numpy as np
import pandas as pd


def first() -> pd.DataFrame:
    values = np.random.default_rng(0).normal(size=(1000, 10))
    return pd.DataFrame(values, columns=list("abcdefghij"))
"""

_ZENML: Final = """
from chain import first
import sys

import pandas as pd
from zenml import pipeline, step


@step(enable_cache=False)
def make() -> pd.DataFrame:
    return first()


@step(enable_cache=False)
def add(data: pd.DataFrame) -> pd.DataFrame:
    return data + 1.0


@pipeline(enable_cache=False)
def chain(steps: int):
    data = make()
    for _ in range(steps - 1):
        data = add(data)


if __name__ == "__main__":
    chain(int(sys.argv[1]))
"""

_KEDRO: Final = """
from chain import first
import sys

from kedro.io import DataCatalog
from kedro.pipeline import node, pipeline
from kedro.runner import SequentialRunner
from kedro_datasets.pandas import ParquetDataset

if __name__ == "__main__":
    steps = int(sys.argv[1])
    nodes = [node(first, None, "d0")]
    nodes += [node(lambda d: d + 1.0, f"d{i}", f"d{i + 1}", name=f"n{i}") for i in range(steps - 1)]
    data = {f"d{i}": ParquetDataset(filepath=f"data/{i}.parquet") for i in range(steps)}
    SequentialRunner().run(pipeline(nodes), DataCatalog(data))
"""


def _metaflow(steps: int) -> str:
    body = ["from chain import first", "from metaflow import FlowSpec, step", "", ""]
    body += ["class ChainFlow(FlowSpec):"]
    names = ["start", *(f"add_{i}" for i in range(1, steps - 1)), "end"]
    for index, name in enumerate(names):
        work = "self.data = first()" if index == 0 else "self.data = self.data + 1.0"
        body += ["    @step", f"    def {name}(self):", f"        {work}"]
        if index + 1 < len(names):
            body += [f"        self.next(self.{names[index + 1]})"]
        body += [""]
    return "\n".join([*body, "", 'if __name__ == "__main__":', "    ChainFlow()", ""])


@dataclass(frozen=True)
class Peer:
    """A tool to compare with: what to install, and the command for a chain of some length."""

    name: str
    packages: tuple[str, ...]
    arguments: tuple[str, ...]


PEERS: Final = (
    Peer("Kedro (keeps no record of runs)", ("kedro", "kedro-datasets[pandas-parquetdataset]"),
         ("kedro_chain.py", "{steps}")),
    Peer("Metaflow", ("metaflow",), ("metaflow_{steps}.py", "--quiet", "run")),
    Peer("ZenML", ("zenml[local]",), ("zenml_chain.py", "{steps}")),
)  # fmt: skip


def _install(peer: Peer, folder: Path) -> str:
    uv = shutil.which("uv") or str(Path(".tools/bin/uv").absolute())
    python = folder / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    common = ("pandas", "pyarrow", "numpy")
    subprocess.run(
        [
            uv,
            "pip",
            "install",
            "--quiet",
            "--compile-bytecode",
            "--python",
            str(python),
            *peer.packages,
            *common,
        ],
        check=True,
    )
    return str(python)


def _prepare(folder: Path) -> dict[str, str]:
    """Write the peers' programs, and return an environment in which they keep to the folder."""
    projects.write(folder)
    files = {"chain.py": _MAKE, "zenml_chain.py": _ZENML, "kedro_chain.py": _KEDRO}
    files |= {f"metaflow_{steps}.py": _metaflow(steps) for steps in _LENGTHS}
    for name, text in files.items():
        (folder / name).write_text(text.lstrip())
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "ZENML_"))}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept | {
        "HOME": str(folder),
        "USERNAME": "bench",
        "ZENML_CONFIG_PATH": str(folder / "zenml"),
        "ZENML_ANALYTICS_OPT_IN": "false",
        "ZENML_LOGGING_VERBOSITY": "ERROR",
        "AUTO_OPEN_DASHBOARD": "false",
        "KEDRO_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
    }


def _seconds(command: list[str], folder: Path, environment: dict[str, str]) -> float:
    def once() -> float:
        begun = time.perf_counter()
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return time.perf_counter() - begun

    return statistics.median(once() for _ in range(_ROUNDS))


def main() -> int:
    """Install, run and compare."""
    table = Table("tool", *(f"{steps} steps, s" for steps in _LENGTHS), "a step more, ms")
    with tempfile.TemporaryDirectory(prefix="waterflow-peers-") as name:
        folder = Path(name)
        environment = _prepare(folder)
        ours = [
            WATERFLOW,
            "run",
            "tables.py:chain",
            "--no-cache",
            "--json",
            "--wait-tracking",
            "-p",
        ]
        commands: dict[str, list[list[str]]] = {
            "Waterflow (isolated, tracked in MLflow)": [[*ours, f"steps={n}"] for n in _LENGTHS]
        }
        for peer in PEERS:
            print(f"installing {peer.name} ...", file=sys.stderr, flush=True)
            python = _install(peer, folder / f"environment-{peer.packages[0].partition('[')[0]}")
            commands[peer.name] = [
                [python, *(a.format(steps=steps) for a in peer.arguments)] for steps in _LENGTHS
            ]
        for title, pair in commands.items():
            print(f"measuring {title} ...", file=sys.stderr, flush=True)
            _seconds(pair[0], folder, environment)  # what is made once is made now
            few, many = (_seconds(command, folder, environment) for command in pair)
            marginal = (many - few) / (_LENGTHS[1] - _LENGTHS[0]) * 1000
            table.add_row(title, f"{few:.2f}", f"{many:.2f}", f"{marginal:.0f}")
    Console(width=None if sys.stdout.isatty() else 100).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
