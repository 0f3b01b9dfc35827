"""Steps that start processes and threads, each in one of the ways that libraries do."""

import atexit
import ctypes
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import shared_memory
from pathlib import Path
from typing import Any

from kit_helpers import first_time

import waterflow as wf

METHODS = ("fork", "spawn", "forkserver")
NUMBERS = [1, 2, 3]
SQUARES = [1, 4, 9]
_kept: list[Any] = []


def square(number: int) -> int:
    """Return what a worker is asked for; workers import it by name."""
    return number * number


def _put(queue: Any, number: int) -> None:
    queue.put(square(number))


def _append(squares: Any, number: int) -> None:
    squares.append(square(number))


def _fill(name: str) -> None:
    memory = shared_memory.SharedMemory(name)
    buffer: Any = memory.buf
    buffer[:3] = bytes(SQUARES)
    del buffer
    memory.close()


def _processes(context: Any) -> list[int]:
    queue = context.Queue()
    workers = [context.Process(target=_put, args=(queue, number)) for number in NUMBERS]
    for worker in workers:
        worker.start()
    squares = [queue.get(timeout=100) for _ in workers]
    for worker in workers:
        worker.join()
    return sorted(squares)


def _pool(context: Any) -> list[int]:
    with context.Pool(2) as pool:
        return pool.map(square, NUMBERS)


def _executor(context: Any) -> list[int]:
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        return list(pool.map(square, NUMBERS))


def _manager(context: Any) -> list[int]:
    with context.Manager() as manager:
        squares = manager.list()
        workers = [context.Process(target=_append, args=(squares, one)) for one in NUMBERS]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return sorted(squares)


def _memory(context: Any) -> list[int]:
    memory = shared_memory.SharedMemory(create=True, size=3)
    worker = context.Process(target=_fill, args=(memory.name,))
    worker.start()
    worker.join()
    buffer: Any = memory.buf
    squares = list(buffer[:3])
    del buffer
    memory.close()
    memory.unlink()
    return squares


def _load(indices: Any, batches: Any, done: Any) -> None:
    """Load batches until the loader is done, as a worker of torch's DataLoader does."""
    while not done.is_set():
        index = indices.get()
        if index is None:
            break
        batches.put((index, [square(number) for number in NUMBERS[index : index + 1]]))


class Loader:
    """Loads batches in worker processes, with what torch's DataLoader uses of multiprocessing."""

    def __init__(self, context: Any) -> None:
        self.done = context.Event()
        self.batches = context.Queue()
        self.queues = [context.Queue() for _ in range(2)]
        self.workers = [
            context.Process(target=_load, args=(queue, self.batches, self.done), daemon=True)
            for queue in self.queues
        ]
        for worker in self.workers:
            worker.start()

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the batches in their order, and end the workers."""
        for index in range(len(NUMBERS)):
            self.queues[index % 2].put(index)
        batches = dict(self.batches.get(timeout=100) for _ in NUMBERS)
        yield from (batch for _, batch in sorted(batches.items()))
        self.done.set()
        for worker, queue in zip(self.workers, self.queues, strict=True):
            queue.put(None)
            worker.join()


def _loader(context: Any) -> list[int]:
    return [number for batch in Loader(context) for number in batch]


WAYS: dict[str, Callable[[Any], list[int]]] = {
    "processes": _processes,
    "pool": _pool,
    "executor": _executor,
    "manager": _manager,
    "memory": _memory,
    "loader": _loader,
}


@wf.step(cpu=0.2)
def by_method(way: str, method: str) -> list[int]:
    """Let processes square numbers."""
    return WAYS[way](multiprocessing.get_context(method))


@wf.step(cpu=0.2)
def by_joblib() -> list[int]:
    """Let joblib's own workers square numbers; scikit-learn's n_jobs goes this way."""
    import joblib

    squares: Any = joblib.Parallel(n_jobs=2)(joblib.delayed(square)(one) for one in NUMBERS)
    return list(squares)


@wf.step(cpu=0.2)
def by_command() -> list[int]:
    """Let another interpreter import this module."""
    program = f"import kit_processes as k; print([k.square(one) for one in {NUMBERS}])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return [int(number) for number in done.stdout.strip()[1:-1].split(",")]


@wf.step(cpu=0.2)
def ended_at_once(times: int = 30) -> list[int]:
    """Return the exit codes of workers that are ended when they have only just been forked."""
    codes: list[int] = []
    for _ in range(times):
        worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
        worker.start()
        worker.terminate()
        worker.join(20)
        codes.append(worker.exitcode or 0)
        worker.kill()
    return codes


def _report(number: int) -> None:
    print(f"worker {number} speaks")
    wf.log_metrics({"reported": float(number)}, step=number)


@wf.step(cpu=0.2)
def reporting() -> str:
    """Let spawned workers print, and log to the step's run."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        pool.map(_report, NUMBERS)
    return "reported"


# --- what is left when a function returns ---------------------------------------------------------


def _late(folder: Path) -> None:
    time.sleep(0.5)
    (folder / "late").write_text("late")


@wf.step(cpu=0.2)
def leaves_a_thread() -> Path:
    """Return a folder into which a thread still writes."""
    folder = Path("threaded")
    folder.mkdir()
    threading.Thread(target=_late, args=(folder,)).start()
    return folder


@wf.step(cpu=0.2)
def leaves_work_in_pools() -> Path:
    """Return a folder into which a pool still writes; another pool waits, and none is shut down."""
    folder = Path("pooled")
    folder.mkdir()
    threads, processes = ThreadPoolExecutor(1), ProcessPoolExecutor(1)
    threads.submit(_late, folder)
    processes.submit(square, 3)
    _kept.extend((threads, processes))
    return folder


@wf.step(cpu=0.2)
def leaves_processes() -> list[int]:
    """Leave processes that would run for ever: daemons of multiprocessing, and a command's."""
    daemon = multiprocessing.get_context("spawn").Process(
        target=time.sleep, args=(600,), daemon=True
    )
    daemon.start()
    command = subprocess.Popen(["sleep", "600"])
    away = subprocess.Popen(["sleep", "600"], start_new_session=True)
    _kept.extend((command, away))
    return [daemon.pid or 0, command.pid, away.pid]


def _at_exit() -> None:
    print("the exit handler speaks")
    wf.log_metrics({"at_exit": 1.0})


@wf.step(cpu=0.2)
def leaves_an_exit_handler() -> str:
    """Leave something to be done when the process ends."""
    atexit.register(_at_exit)
    return "registered"


@wf.step(cpu=0.2)
def names(folder: Path) -> list[str]:
    """Return what a folder holds."""
    return sorted(path.name for path in folder.iterdir())


# --- ends that look like good ones ----------------------------------------------------------------


def _exit_from_a_library() -> None:
    ctypes.CDLL(None).exit(0)


def _exit_from_a_handler() -> None:
    atexit.register(os._exit, 0)


def _exit_from_a_thread() -> None:
    thread = threading.Thread(target=os._exit, args=(0,))
    thread.start()
    thread.join()


ENDS: dict[str, tuple[Callable[[], Any], str, str]] = {
    "os_exit": (lambda: os._exit(0), "ProcessEnded", "before the step had ended"),
    "library": (_exit_from_a_library, "ProcessEnded", "before the step had ended"),
    "handler": (_exit_from_a_handler, "ProcessEnded", "before the step had ended"),
    "thread": (_exit_from_a_thread, "ProcessEnded", "before the step had ended"),
    "sys_exit": (lambda: sys.exit(0), "SystemExit", "sys.exit(0)"),
    "refusal": (lambda: os._exit(3), "ProcessEnded", "exit code 3"),
}
"""How the first attempt of a step ends, and what is told of it."""


@wf.step(cpu=0.2, retries=1, retry_delay=0.1)
def ending(how: str) -> None:
    """End the process; the next attempt returns."""
    if first_time():
        ENDS[how][0]()
