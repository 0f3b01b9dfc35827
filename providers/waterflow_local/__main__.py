"""`python -m waterflow_local RUN_FOLDER [DESCRIPTOR]`: the process that runs one submitted run.

The descriptor is that of a pipe that closes with the submitter. The run's lock is inherited, and
held until this process ends.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waterflow_local import forkserver

if TYPE_CHECKING:
    import socket

    from waterflow.warm.asking import Helper
    from waterflow_local.forkserver import Server


def main() -> None:
    """Run the run whose folder is the first argument."""
    _run(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)


def take_over(submitter: socket.socket, document: dict[str, Any], *files: int) -> None:
    """Run a run in a fork of the project's helper, once its submitter says so.

    Args:
        submitter: Where it is told to go; until then it does nothing.
        document: Names the run's folder.
        files: The run's lock, and the pipe that closes with the submitter if it is to.
    """
    from waterflow.warm import wire

    if wire.ready(submitter):
        submitter.close()
        _run(Path(document["folder"]), files[1] if len(files) > 1 else None)


def _run(place: Path, attached: int | None) -> None:
    helper = _helper(place)
    server = (helper and _borrowed(place, helper)) or forkserver.start()
    from waterflow_local import runner
    from waterflow_local.folders import RunFolder, State, write_json

    folder = RunFolder(place)
    write_json(folder.process, {"pid": os.getpid()})
    launch = runner.fork_servers(folder, server, helper)
    runner.run(folder, State(folder.state), launch, attached, helper)


def _helper(place: Path) -> Helper | None:
    """Return the project's helper, if it is to have one."""
    settings = _read(place / "submission.json")["settings"]
    if not settings.get("warm") or not settings["fork"]:
        return None
    from waterflow.warm import asking

    environment = forkserver.environment(asking.environment(os.environ))
    return asking.helper(place.parent.parent, settings["warm"], os.environ, environment)


def _borrowed(place: Path, helper: Helper) -> Server | None:
    """Return a fork server for the user's steps that the helper forks."""
    from waterflow_local import holding
    from waterflow_local.paths import project_folders

    root = Path(_read(place / "submission.json")["root"])
    modules = _read(place / "document.json")["servers"]["steps"]["modules"]
    return forkserver.borrow(helper, "steps", holding.steps(modules, project_folders(root)))


def _read(file: Path) -> dict[str, Any]:
    # Plainly: what reads it as what it is takes longer to import than the file to read.
    return json.loads(file.read_bytes())


if __name__ == "__main__":
    main()
