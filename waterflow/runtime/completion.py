"""How an attempt's process ends: what its function has started is awaited, exit handlers run.

Then it leaves a mark, by which whoever started it knows a whole end from one that was cut short.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys
import threading
import types
import weakref
from concurrent.futures import Executor
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow.runtime.contract import BAD_CODE, FAILED, OK
from waterflow.tracking.spool import failure

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

RETURNED: Final = "WATERFLOW_RETURNED"
"""Environment variable: the file that an attempt makes when it has ended well."""

_PATIENCE: Final = 10.0
"""Seconds after which it is said what an ended function is still awaited for."""

CUT_SHORT: Final = (
    "the process ended with exit code 0 before the step had ended: its code, or a library's, has "
    "ended the process, as os._exit(0) does. Let the function return instead"
)
"""What is told of an attempt whose process ended as if all were well, and left no mark."""


# --- seen from outside ---------------------------------------------------------------------------


def exit_code(code: int, mark: Path, spool: Path, attempt: int) -> int:
    """Return the exit code that an attempt's end counts for.

    Args:
        code: The process's own.
        mark: The file that it makes when it has ended well.
        spool: The attempt's spool, in which it tells of its failure. A process that the step's own
            code has ended can end with any number, also one by which the runtime means something.
        attempt: The attempt's number.
    """
    if code == OK:
        return OK if mark.exists() else FAILED
    return FAILED if code <= BAD_CODE and failure(spool, attempt) is None else code


# --- inside the process --------------------------------------------------------------------------


class Ending:
    """The end of an attempt in this process.

    Args:
        alone: Whether the process is the attempt's own, and so ends with it; not so `--inline`.
    """

    def __init__(self, *, alone: bool) -> None:
        self._alone = alone
        self._before = set(threading.enumerate())
        self._handlers = atexit._ncallbacks()  # noqa: SLF001 - nothing else tells  # pyright: ignore[reportPrivateUsage]
        # No child of the step's is to leave the mark.
        self._mark = os.environ.pop(RETURNED, None)

    def keep_libraries(self) -> None:
        """Let no collection of garbage look again at what is imported by now, the last one neither.

        That takes a fifth of the seconds of a step that imports pandas and scikit-learn. What goes
        when nothing refers to it any more goes as before: only what is here by now and refers to
        itself is kept until the process ends. So it is done in a process of the attempt's own.
        """
        if self._alone:
            gc.freeze()

    def await_threads(self) -> None:
        """Wait for the threads that are no daemons and that the attempt has started."""
        while threads := self._threads():
            with _told():
                for thread in threads:
                    thread.join()

    def _threads(self) -> list[threading.Thread]:
        threads: list[threading.Thread] = []
        for thread in set(threading.enumerate()) - self._before:
            pool = _pool(thread)
            if pool is not None and not self._alone:
                continue  # another step of this process may go on with it
            if pool is not None:
                pool.shutdown(wait=False)  # what was handed to it is still done
            if not thread.daemon and thread is not threading.current_thread():
                threads.append(thread)
        return threads

    def run_exit_handlers(self) -> None:
        """Run what the step's code has registered with `atexit`; what one raises goes to the log.

        Processes that are no daemons are awaited here, and the others ended: multiprocessing's
        own handler does so.
        """
        if self._alone:
            run: Callable[[], None] = atexit._run_exitfuncs  # noqa: SLF001 - as the interpreter does  # pyright: ignore[reportPrivateUsage]
            with _told() if self._may_last() else nullcontext():
                run()

    def _may_last(self) -> bool:
        """Return whether there is anything that exit handlers may wait for."""
        added = atexit._ncallbacks() != self._handlers  # noqa: SLF001 - as above  # pyright: ignore[reportPrivateUsage]
        return added or threading.active_count() > 1 or bool(_processes())

    def mark(self) -> None:
        """Leave the mark that the attempt has ended well."""
        if self._mark is not None:
            Path(self._mark).touch()


def _pool(thread: threading.Thread) -> Executor | None:
    """Return the pool of concurrent.futures, or of loky, whose worker or manager a thread is.

    Such threads never end by themselves: pools stop them when the interpreter ends.
    """
    arguments: Any = getattr(thread, "_args", None) or (None,)
    reference: Any = getattr(thread, "executor_reference", arguments[0])
    pool: object = reference() if isinstance(reference, weakref.ref) else None
    return pool if isinstance(pool, Executor) else None


@contextlib.contextmanager
def _told() -> Generator[None]:
    """Say what is waited for, should the block take long."""
    over = threading.Event()

    def tell() -> None:
        if not over.wait(_PATIENCE):
            names = [one.name for one in threading.enumerate() if _holds(one)]
            names += [one.name for one in _processes() if one.is_alive()]
            print(
                "waterflow: the function has returned; waiting for what it has started: "
                f"{', '.join(sorted(names)) or 'exit handlers'}. Threads and processes that need "
                "not be awaited are made with daemon=True",
                file=sys.stderr,
                flush=True,
            )

    thread = threading.Thread(target=tell, name="waterflow-waiting", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _processes() -> Iterable[Any]:
    """Return the processes that multiprocessing has started here."""
    # active_children() would wait for those that have ended.
    return getattr(sys.modules.get("multiprocessing.process"), "_children", ())


def _holds(thread: threading.Thread) -> bool:
    return not thread.daemon and thread is not threading.main_thread()


# --- the children of the process -----------------------------------------------------------------


def stand_alone() -> None:
    """Make this process one that user code can start processes from, by any method."""
    # multiprocessing imports the main module in each process that it spawns. What it would find
    # here is the runtime's own, which may not even be there to import.
    _KEPT.append(sys.modules["__main__"])
    sys.modules["__main__"] = types.ModuleType("__main__")


_KEPT: Final[list[types.ModuleType]] = []
"""Modules whose functions still run here, though nothing imports them by name any more."""
