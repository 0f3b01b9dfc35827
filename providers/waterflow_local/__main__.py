"""`python -m waterflow_local RUN_FOLDER [DESCRIPTOR]`: the process that runs one submitted run.

The descriptor is that of a pipe that closes with the submitter. The run's lock is inherited, and
held until this process ends.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from waterflow_local import forkserver


def main() -> None:
    """Run the run whose folder is the first argument."""
    server = forkserver.start()
    from waterflow_local import runner
    from waterflow_local.folders import RunFolder, State, write_json

    folder = RunFolder(Path(sys.argv[1]))
    write_json(folder.process, {"pid": os.getpid()})
    attached = int(sys.argv[2]) if len(sys.argv) > 2 else None
    state = State(folder.folder.parent.parent)
    runner.run(folder, state, runner.fork_servers(folder, server), attached)


if __name__ == "__main__":
    main()
