"""Keeps a server: runs a command, and ends all of it when standard input ends.

`python -m waterflow.cli.keeper GRACE COMMAND...`, in a session of its own. Whoever starts it holds
the other end of a pipe; however that one ends, nothing of the server is left behind.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from typing import Final

_LOOK: Final = 0.2
"""Seconds between two looks at the command."""


def main(arguments: list[str]) -> int:
    """Run a command until it ends or standard input does.

    Args:
        arguments: Seconds that the command has to end by itself, and the command.

    Returns:
        The command's exit code. Where standard input ends, this ends with all of its group.
    """
    grace, command = float(arguments[0]), arguments[1:]
    # What ends the group is not to end its keeper, who sees to it that all have gone; the command
    # does not inherit a handler.
    signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    while child.poll() is None:
        if select.select([0], [], [], _LOOK)[0] and not os.read(0, 1024):
            os.killpg(0, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(grace)
            os.killpg(0, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(0, signal.SIGTERM)  # what it has left behind
    return child.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
