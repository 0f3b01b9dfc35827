"""Runs `mlflow server` in one process: `python -m waterflow.tracking.serving OPTION...`.

MLflow's command imports MLflow to look at its options, and starts a process that imports it again
and serves. For one worker the first does as well, in half the seconds and half the memory.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from waterflow.tracking.lean import uncollected

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def main(options: Sequence[str]) -> None:
    """Serve until a signal ends it.

    Args:
        options: Those of `mlflow server`; `--workers 1` among them.
    """
    with uncollected():
        # First, as MLflow's server guards its addresses where it sees that it will be served.
        importlib.import_module("uvicorn")
        server: Any = importlib.import_module("mlflow.server")
        command: Any = importlib.import_module("mlflow.cli").cli
    gc.freeze()
    if hasattr(server, "_exec_cmd"):  # another release may start its server otherwise
        server._exec_cmd = _serve  # noqa: SLF001 - there is no other door
    command.main(["server", *options], prog_name="mlflow")


def _serve(command: Sequence[str], *, extra_env: Mapping[str, str], **how: Any) -> None:
    """Do here what MLflow would start a process for.

    Args:
        command: `PYTHON -m uvicorn` and its options.
        extra_env: The variables by which the server knows its options.
        how: How the process would be started.
    """
    del how
    import uvicorn.main

    os.environ.update(extra_env)
    place = list(command).index("uvicorn")
    uvicorn.main.main(list(command[place + 1 :]))


if __name__ == "__main__":
    main(sys.argv[1:])
