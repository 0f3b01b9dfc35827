"""Processes that are forked ahead of the attempts that they will be: nobody can tell by an attempt.

Besides it is seen that they have what they are for, the pages of memory that attempts use.
"""

import os
import platform
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from waterflow_local import threads
from waterflow_local.spare import Spare, awaited

from .conftest import Status, until

STEPS = """
import os, random, signal, sys
from pathlib import Path

import numpy as np
import waterflow as wf

SEEN = []


def others() -> list[int]:
    parent = os.getppid()
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [pid for pid in map(int, children) if pid != os.getpid()]


@wf.step(cache=False)
def tells(number: int) -> dict[str, object]:
    SEEN.append(number)
    return {
        "pid": os.getpid(), "seen": SEEN, "group": os.getpgid(0) == os.getpid(),
        "open": sorted(fd.resolve().name for fd in Path("/proc/self/fd").iterdir() if fd.exists()),
        "cwd": Path.cwd().name, "variables": sorted(os.environ), "numpy": float(np.random.random()),
        "random": random.random(), "handler": signal.getsignal(signal.SIGINT) is signal.SIG_DFL,
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "number": number + 1, "others": others(), "path": [Path(p).name for p in sys.path[:2]],
    }


@wf.step(cache=False)
def kills(before: dict[str, object]) -> int:
    waiting = others()
    for pid in waiting:
        os.kill(pid, signal.SIGKILL)
    return len(waiting)


@wf.step(cache=False)
def after(number: int) -> int:
    return number + 1


@wf.step(cache=False)
def number_of(told: dict[str, object]) -> int:
    return told["number"]


@wf.pipeline
def telling() -> None:
    number = 0
    for index in range(6):
        told = tells.options(name=f"tells{index}")(number)
        number = number_of.options(name=f"number{index}")(told)


@wf.pipeline
def killing() -> None:
    killed = kills(tells(1))
    for index in range(3):
        killed = after.options(name=f"after{index}")(killed)
"""


def alive(pid):
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.fixture
def ahead(project):
    with (project.root / "local_pipelines.py").open("a") as file:
        file.write(textwrap.dedent(STEPS))
    return project


def test_an_attempt_is_the_same_whether_its_process_waited_for_it_or_not(ahead):
    run = ahead.submit("telling")
    assert ahead.finish(run).status is Status.SUCCEEDED, list(run.logs())
    told = [run.artifact(f"tells{index}").load() for index in range(6)]
    assert len({one.pop("pid") for one in told}) == 6
    waiting = {pid for one in told for pid in one.pop("others")}
    assert waiting, "no process was forked ahead"
    until(lambda: not any(map(alive, waiting)), what="the end of all processes")
    assert [one.pop("seen") for one in told] == [[index] for index in range(6)]
    for name in ("numpy", "random"):
        assert len({one.pop(name) for one in told}) == 6
    for index, one in enumerate(told):
        assert one.pop("number") == index + 1
        assert one == told[0]


def test_a_process_that_waits_may_be_killed(ahead):
    run = ahead.submit("killing")
    assert ahead.finish(run).status is Status.SUCCEEDED, list(run.logs())
    killed = run.artifact("kills").load()
    assert killed >= 1
    assert run.artifact("after2").load() == killed + 3


def fork(be):
    pid = os.fork()
    if pid == 0:
        try:
            be()
        finally:
            os._exit(9)
    return pid


def test_a_process_that_waits_hears_what_it_is_to_be_and_ends_where_it_is_to_be_nothing():
    def wait(orders):
        request = awaited(orders)
        os._exit(7 if request is None else request["code"])

    used, unused = Spare.fork(fork, wait), Spare.fork(fork, wait)
    assert used.use({"code": 5, "text": "x" * 200_000})
    unused.close()
    codes = [os.waitstatus_to_exitcode(os.waitpid(one.pid, 0)[1]) for one in (used, unused)]
    assert codes == [5, 7]
    gone = Spare.fork(fork, lambda orders: os.close(orders))
    os.waitpid(gone.pid, 0)
    assert not gone.use({"code": 5})


WRITTEN = """
import os, resource
from waterflow_local import pages

used, region = pages.UsedPages(), bytearray(2048 * 4096)
region[::4096] = b"\\2" * 2048
both, first, second = range(0, 1000), range(1000, 1500), range(1500, 2000)


def in_fork(*which, ahead: bool = False, learn: bool = False) -> int:
    # Write to some pages in a fork, and return how many faults the kernel had to mend for it.
    answers, tell = os.pipe()
    if os.fork() == 0:
        if ahead:
            used.take()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for some in which:
            for page in some:
                region[page * 4096] = 1
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
        if learn:
            used.learn()
        os.write(tell, b"%d" % faults)
        os._exit(0)
    os.close(tell)
    told = os.read(answers, 20)
    os.close(answers)
    os.wait()
    return int(told)


def faults() -> str:
    return " ".join(f"{in_fork(some, ahead=True)}" for some in (both, first, second))


in_fork(both, first, learn=True)
print(faults())
in_fork(both, second, learn=True)
print(faults())
in_fork(second, learn=True)
print(faults())
in_fork(first, learn=True)  # it is no news any more
print(faults())
assert region[0] == 2
"""


@pytest.mark.skipif(
    tuple(map(int, platform.release().split(".")[:2])) < (5, 14),
    reason="only from Linux 5.14 on can a process ask for its own copies (MADV_POPULATE_WRITE)",
)
def test_pages_that_two_of_the_first_have_written_to_are_copied_ahead(tmp_path):
    told = [int(number) > 400 for number in rehearse(WRITTEN, tmp_path)]
    one, two, three, four = (told[at : at + 3] for at in (0, 3, 6, 9))
    assert one == [True, True, True], "one lesson is none"
    assert two == [False, True, True]
    assert three == four == [False, True, False]


HOLES = """
import os, resource, sys
from waterflow_local import heap

blocks = [bytes(700) for _ in range(20_000)]  # above what Python keeps in pools of its own
del blocks[::2]


def faults() -> int:
    answers, tell = os.pipe()
    if (child := os.fork()) == 0:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        new = [bytes(700) for _ in range(2_000)]
        os.write(tell, b"%d" % (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before))
        os._exit(0)
    os.waitpid(child, 0)
    return int(os.read(answers, 20))


print(faults())
heap.fill_holes()
print(faults())
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="other C libraries lay out their heaps otherwise"
)
def test_small_blocks_of_a_fork_lie_together_once_the_holes_are_filled(tmp_path):
    before, after = map(int, rehearse(HOLES, tmp_path))
    assert before > 500
    assert after < before / 1.5


REHEARSED = """
import os, random, sys, tempfile
import numpy, pandas, pyarrow.parquet
from pathlib import Path
from waterflow_local import rehearsal

random.seed(1); numpy.random.seed(1)
before = set(os.listdir(tempfile.gettempdir())), dict(os.environ), os.getcwd()
done = rehearsal.play()
after = set(os.listdir(tempfile.gettempdir())), dict(os.environ), os.getcwd()
drawn = random.random(), float(numpy.random.random())
random.seed(1); numpy.random.seed(1)
assert before == after and drawn == (random.random(), float(numpy.random.random()))
assert len(os.listdir("/proc/self/task")) == 1
print(done)
"""


def rehearse(program, folder):
    settings = dict(os.environ) | threads.environment(1, {})
    settings |= {"JE_ARROW_MALLOC_CONF": "background_thread:false", "TMPDIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=settings, capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    return done.stdout.split()


def test_a_rehearsal_leaves_nothing_behind(tmp_path):
    assert rehearse(REHEARSED, tmp_path) == ["True"]
    assert not list(tmp_path.iterdir())


def test_a_library_that_starts_a_thread_is_left_to_the_attempts(tmp_path):
    threaded = """
import threading
from waterflow import artifacts
from waterflow_local import rehearsal

def by_name(kind):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    raise ValueError(kind)

artifacts.by_name = by_name
print(rehearsal.play(), threading.active_count())
"""
    assert rehearse(threaded, tmp_path) == ["False", "1"]
