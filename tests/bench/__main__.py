"""`make bench`: measures each promise as a ratio and prints one table at the end."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import azureml, kfp, measures, projects, sagemaker, vertex, warm
from tests.bench.table import show

if TYPE_CHECKING:
    from collections.abc import Iterator


def main() -> int:
    """Run every measure; return 1 when a ratio is above its limit."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a new process would compile everything anew
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        del os.environ[name]
    rows: list[measures.Row] = []
    names = sys.argv[1:]
    every = (*measures.ALL, *warm.ALL, *sagemaker.ALL, *azureml.ALL, *vertex.ALL, *kfp.ALL)
    known = {measure.__name__: measure for measure in every}
    if unknown := set(names) - known.keys():
        sys.exit(f"No measure {', '.join(sorted(unknown))}. There are: {', '.join(known)}")
    for measure in known.values():
        if names and measure.__name__ not in names:
            continue
        with tempfile.TemporaryDirectory(prefix="waterflow-bench-") as name:
            folder = Path(name)
            projects.write(folder)
            print(
                f"measuring {measure.__name__.replace('_', ' ')} ...", file=sys.stderr, flush=True
            )
            rows += measure(folder)
            _settle(folder)
    show(rows)
    return int(any(row.ratio > row.limit for row in rows))


def _settle(folder: Path) -> None:
    """End the helper of a measured project, and wait for what still sends its runs to MLflow.

    The next measure is to have the machine for itself.
    """
    subprocess.run([measures.WATERFLOW, "warm", "--stop"], cwd=folder, check=True)
    name = str(folder).encode()
    while any(name in command for command in _commands()):
        time.sleep(0.1)


def _commands() -> Iterator[bytes]:
    """Yield the command line of each process there is."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has just ended
            yield (process / "cmdline").read_bytes()


if __name__ == "__main__":
    sys.exit(main())
