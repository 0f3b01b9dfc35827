"""`make bench`: measures each promise as a ratio and prints one table at the end."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from tests.bench import azureml, kfp, measures, projects, sagemaker, vertex, warm
from tests.bench.table import show


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
    show(rows)
    return int(any(row.ratio > row.limit for row in rows))


if __name__ == "__main__":
    sys.exit(main())
