"""What the tests of the helper run; copied into a project of each test's."""

import os
import signal
import sys
import time
from pathlib import Path

import held_library

import waterflow as wf


@wf.step(cpu=0.5)
def make(number: int, salt: int) -> Path:
    folder = Path("made")
    folder.mkdir()
    (folder / "text.txt").write_text(f"{held_library.VALUE}/{salt}/{number}\n" * 100)
    time.sleep(0.02)
    return folder


@wf.step(cpu=0.5)
def join(left: Path, right: Path) -> str:
    return "".join((side / "text.txt").read_text() for side in (left, right))


@wf.pipeline
def small(salt: int = 0) -> None:
    join(make.options(name="left")(1, salt), make.options(name="right")(2, salt))


@wf.step(cache=False)
def look() -> dict[str, object]:
    mask = os.umask(0o77)
    os.umask(mask)
    return {
        "environment": dict(os.environ),
        "umask": mask,
        "stdin": str(Path("/proc/self/fd/0").readlink()),
        "stdout": str(Path("/proc/self/fd/1").readlink()),
        "signals": [s.name for s in signal.Signals if signal.getsignal(s) is signal.SIG_IGN],
        "blocked": [int(s) for s in signal.pthread_sigmask(signal.SIG_BLOCK, [])],
        "limits": Path("/proc/self/limits").read_text(),
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "session": os.getsid(0) == os.getsid(os.getppid()),
        "path": sys.path,
        "files": sorted(str(p.readlink()) for p in Path("/proc/self/fd").iterdir() if p.exists()),
        "value": held_library.VALUE,
        "imported_in": held_library.PROCESS,
        "process": os.getpid(),
    }


@wf.pipeline
def looking() -> None:
    look()
