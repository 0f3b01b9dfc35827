"""The first program in a job's container: it starts the job's processes, and passes signals on.

It runs as a script, with nothing but the standard library: `launching.py COMMAND FOLDER FILE`.
The command is a text for the shell, the folder where it starts, and the file has, as JSON, the
variables that each process has beside the container's own. What several processes print is led by
their number.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from typing import IO, Any

SEPARATOR = "\x1f"
"""What stands between a process's number and what it printed."""


def main(command: str, folder: str, processes: list[dict[str, str]]) -> int:
    """Run the processes to their end; return the first exit code that is not 0, or 0."""
    shell = shutil.which("bash") or "/bin/sh"
    several = len(processes) > 1
    running: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, _frame: Any) -> None:
        for one in running:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(one.pid, number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    readers: list[threading.Thread] = []
    for number, variables in enumerate(processes):
        one = subprocess.Popen(
            [shell, "-c", command],
            cwd=folder,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if several else None,
            stderr=subprocess.STDOUT if several else None,
            start_new_session=True,
        )
        running.append(one)
        if one.stdout is not None:
            readers.append(threading.Thread(target=_copy, args=(number, one.stdout), daemon=True))
            readers[-1].start()
    code = _await(running)
    for reader in readers:
        reader.join(5)
    return code


def _await(running: list[subprocess.Popen[bytes]]) -> int:
    """Wait for all processes, of which one that fails ends the others; return the first failure."""
    left = {one.pid: one for one in running}
    first = 0
    while left:
        pid, status = os.wait()  # also of those that have lost their parents to us
        one = left.pop(pid, None)
        if one is None:
            continue
        one.returncode = os.waitstatus_to_exitcode(status)
        code = 128 - one.returncode if one.returncode < 0 else one.returncode
        first = first or code
        if code:
            for other in left:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(other, signal.SIGTERM)
    return first


def _copy(number: int, pipe: IO[bytes]) -> None:
    lead = f"{number}{SEPARATOR}".encode()
    for line in pipe:
        whole = lead + line
        os.write(1, whole if whole.endswith(b"\n") else whole + b"\n")


if __name__ == "__main__":
    with open(sys.argv[3], encoding="utf-8") as file:  # noqa: PTH123 - pathlib takes longer to load
        each = json.load(file)
    sys.exit(main(sys.argv[1], sys.argv[2], each))
