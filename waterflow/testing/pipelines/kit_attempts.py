"""Steps whose first attempt fails, each in a way of its own, and whose next one succeeds."""

import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from kit_helpers import first_time, lookup, wait_for

import waterflow as wf


@wf.step(cpu=0.2, retries=3, retry_delay=0.2, backoff=2)
def flaky(fails: int) -> list[float]:
    """Fail some times; return when each attempt began, in seconds since the epoch."""
    record = wf.checkpoint_dir() / "times"
    times = [float(line) for line in record.read_text().split()] if record.exists() else []
    times.append(time.time())
    record.write_text(" ".join(map(repr, times)))
    if len(times) <= fails:
        raise RuntimeError(f"failure {len(times)}")
    return times


@wf.step(cpu=0.2, retries=1, retry_delay=0.1)
def killed() -> str:
    """End as by the kernel that wants memory back."""
    print("about to be killed")
    if first_time():
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


@wf.step(cpu=0.2, retries=1, retry_delay=0.1)
def leaves() -> str:
    """End the process from within."""
    if first_time():
        sys.exit("I am leaving")
    return "stayed"


@wf.step(cpu=0.2, retries=1, retry_delay=0.1)
def wrong_type() -> int:
    """Return another type than is declared."""
    answer: Any = "three" if first_time() else 3
    return answer


@wf.step(cpu=0.2, retries=1, retry_delay=0.1)
def unwritable() -> dict[str, Any]:
    """Return what no file format holds."""
    return {"value": object() if first_time() else 1}


@wf.step(cpu=0.2, retries=1, retry_delay=0.1)
def forgetful() -> wf.Metrics:
    """Leave out the entry that a condition needs."""
    return wf.Metrics() if first_time() else wf.Metrics(auc=1.0)


@wf.step(cpu=0.2, retries=1, retry_delay=0.1)
def hidden_import() -> str:
    """Import by a name that no look at the source can find."""
    if first_time():
        importlib.import_module("_".join(["kit", "hidden"]))
    return "imported nothing"


@wf.step(cpu=0.2)
def fragile(item: int) -> int:
    """Fail for one item of a map."""
    if item == 3 and first_time():
        raise ValueError("an unlucky item")
    return item


@wf.step(cpu=0.2, retries=1, retry_delay=0.1, timeout=6)
def slow() -> bool:
    """Take too long, with a child; then tell whether the child still lives."""
    note = wf.checkpoint_dir() / "child"
    if first_time():
        child = subprocess.Popen(["sleep", "600"])
        note.write_text(str(child.pid))
        time.sleep(600)
    return _alive(int(note.read_text()))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@wf.step(retries=1, retry_delay=0.1)
def breaks(text: str) -> str:
    """Fail for good, in a helper of the project's."""
    print("before the failure")
    return f"{text}{lookup('unknown')}"


@wf.step
def waits(path: str) -> str:
    """Print, then wait for a file."""
    print("waiting for the file", flush=True)
    wait_for(path)
    print("found it")
    return "waited"
