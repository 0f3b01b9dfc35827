"""Uses once what attempts use, before they are forked: what a library prepares then is there.

A first table that is written and read takes pandas and Arrow ten milliseconds, and each attempt is
the first of its own process. Nothing of the user's is touched, and no result is kept.
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import signal
import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow import artifacts
from waterflow_local import threads

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE: Final = 10.0
"""Seconds after which a trial is given up."""
_TIMES: Final = 3
"""How often each value is written and read: what the interpreter learns of code it learns late."""


@functools.cache
def play() -> bool:
    """Write and read a value of each type whose library is imported, once for all forks.

    A fork tries it first. Should a library start a thread by it, it is left to the attempts.

    Returns:
        Whether it was done, here or in the process that this one was forked from.
    """
    safe = _is_safe()
    if safe:
        _use()
    return safe


def _is_safe() -> bool:
    """Say whether a fork of this process that uses all has still one thread."""
    answers, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            _use()
            if threads.alive() == 1:
                os.write(tell, b"1")
        os._exit(0)
    os.close(tell)
    over = bool(select.select([answers], [], [], _PATIENCE)[0])
    safe = over and os.read(answers, 1) == b"1"
    os.close(answers)
    if not over:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):  # whoever ignores SIGCHLD need not wait
        os.waitpid(pid, 0)
    return safe


def _use() -> None:
    """Write and read a value of each type whose library is imported."""
    context = artifacts.Context(())
    with tempfile.TemporaryDirectory(prefix="waterflow-") as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind, value in _values():
            with contextlib.suppress(Exception):  # the step itself will tell, in its own log
                serializer = artifacts.by_name(kind)
                for time in range(_TIMES):
                    folder = Path(name, f"{kind}-{time}")
                    folder.mkdir()
                    serializer.save(value, folder, context)
                    artifacts.seal(folder, kind)
                    artifacts.verify(folder)
                    serializer.load(folder, type(value), context)


def _values() -> Iterator[tuple[str, Any]]:
    """Yield a type's name and a value of it, for types whose libraries are imported."""
    yield "json", {"number": 1.0, "text": "a"}
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if numpy is not None:
        yield "array", numpy.zeros(2)
    if pandas is not None and "pyarrow" in sys.modules:
        yield "dataframe", pandas.DataFrame({"number": [0.5, 1.5], "text": ["a", "b"]})
