"""The fork server: imports libraries once, then forks a process for each attempt of a step.

It is started by the runner with a socket, computes nothing (but what `rehearsal` does, in one
thread), imports no code of the user's, and ends with the runner: when the socket closes it kills
what still runs. While an attempt runs, the process of the next is forked, and waits. Requests and
answers are JSON, one a line.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
import traceback
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from waterflow.errors import LocalStorageError
from waterflow.runtime import descendants as reaping
from waterflow.runtime import execute
from waterflow.runtime.contract import BAD_STORAGE, UNFORESEEN
from waterflow.tracking import lean
from waterflow.warm.priority import step_back
from waterflow_local import descendants, following, heap, pages, paths, rehearsal, threads
from waterflow_local.forkserver import MODULES
from waterflow_local.spare import Spare, awaited

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

_READING: Final = 10.0
"""Seconds in which what an attempt has printed is to be read once it has ended."""
_ENDED: Final = "ended"
"""The file in which an attempt tells its exit code: to take its process down takes a while more."""


@dataclass
class _Follower:
    """A process that reads along in an attempt's log.

    Attributes:
        attempt: The attempt's process.
        tell: Where it is told that the attempt has ended.
        log: The log.
        answer: What the runner is told when both have ended; None while the attempt runs.
        until: When it is to have ended, by the monotonic clock; None while the attempt runs.
    """

    attempt: int
    tell: int
    log: str
    answer: dict[str, Any] | None = None
    until: float | None = None


class Launcher:
    """The server's state: the children that run.

    Args:
        connection: The socket to the runner.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.children: dict[int, int] = {}
        self.followers: dict[int, _Follower] = {}
        self.places: dict[int, str] = {}
        self.buffer = b""
        self.may_fork = False
        self.ending: set[int] = set()
        """Attempts that have told their exit code, and whose processes are still there."""
        self.spare: Spare | None = None
        self.pages = pages.shared()
        self.wake_read, self.wake_write = os.pipe()
        os.set_blocking(self.wake_write, False)
        os.set_blocking(self.wake_read, False)
        signal.signal(signal.SIGCHLD, _nothing)
        signal.set_wakeup_fd(self.wake_write, warn_on_full_buffer=False)
        for ignored in (signal.SIGINT, signal.SIGTERM):
            signal.signal(ignored, signal.SIG_IGN)  # the runner decides; its end closes the socket

    def serve(self) -> None:
        """Answer requests until the runner has gone."""
        while True:
            ready, _, _ = select.select([self.connection, self.wake_read], [], [], self._hurry())
            if self.wake_read in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self.wake_read, 4096)
                self._reap()
                self._look()
            if self.connection in ready:
                received = self.connection.recv(1 << 20)
                if not received:
                    self._end_all()
                    return
                self.buffer += received
                *lines, self.buffer = self.buffer.split(b"\n")
                for line in lines:
                    self._request(json.loads(line))

    def _request(self, request: dict[str, Any]) -> None:
        if request["do"] == "preload":
            self._preload(request)
        elif request["do"] == "launch":
            self._launch(request)
        else:
            number = signal.Signals(request["signal"])
            for pid, job in self.children.items():
                if job == request["job"]:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(pid, number)

    def _answer(self, answer: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.connection.sendall(json.dumps(answer).encode() + b"\n")

    def _preload(self, request: dict[str, Any]) -> None:
        paths.drop(request["folders"])  # children inherit this: they import the bundle's code only
        with lean.hidden(request["without"]):
            _import(request["modules"])
        prepare = request["many"] and request["fork"] and threads.alive() == 1
        if prepare:
            rehearsal.play()
        _settle()
        if prepare:
            heap.fill_holes()
        self.may_fork = request["fork"] and threads.alive() == 1
        self._answer({"preloaded": True})

    def _launch(self, request: dict[str, Any]) -> None:
        forks = self.may_fork and request["program"] is None and not request["anew"]
        pid = self._use_spare(request) if forks else None
        if pid is None:
            pid = self._fork(lambda: self._child(request))
        self.children[pid] = request["job"]
        self.places[pid] = str(_place(request))
        if request["metrics"]:
            self._follow(request, pid)
        self._answer({"job": request["job"], "pid": pid})
        if forks and request["more"]:
            self.spare = Spare.fork(self._fork, self._wait)

    def _fork(self, be: Callable[[], None]) -> int:
        """Fork a process of its own, in a group of its own, and return its id.

        Args:
            be: What it does; it ends the process itself.
        """
        # A signal for the attempt waits until its process no longer ignores it as this one does.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        pid = os.fork()
        if pid == 0:
            try:
                self._leave()
                be()
            except Exception:  # noqa: BLE001 - whoever reads the log is to know
                traceback.print_exc()
            finally:
                os._exit(UNFORESEEN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        return pid

    def _use_spare(self, request: dict[str, Any]) -> int | None:
        """Let the process that waits be an attempt's, and return its id; None without one."""
        spare, self.spare = self.spare, None
        if spare is None:
            return None
        if spare.use(request):
            return spare.pid
        self.ending.add(spare.pid)
        return None

    def _wait(self, orders: int) -> NoReturn:
        """Be an attempt's process before it is known which, and then that attempt's."""
        self.pages.take()
        request = awaited(orders)
        if request is None:
            os._exit(0)
        self._child(request)

    def _follow(self, request: dict[str, Any], attempt: int) -> None:
        """Start a process that reads an attempt's log, so that nothing stands in the step's way."""
        ended, tell = os.pipe()
        pid = self._fork(lambda: _read_along(request, ended))
        os.close(ended)
        self.followers[pid] = _Follower(attempt, tell, request["log"])

    def _leave(self) -> None:
        """Make a process of its own out of a fork of this one."""
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
        descendants.end_with_parent()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        self.connection.close()
        os.close(self.wake_read)
        os.close(self.wake_write)
        for follower in self.followers.values():
            os.close(follower.tell)
        if self.spare is not None:
            self.spare.close()

    def _child(self, request: dict[str, Any]) -> NoReturn:
        """Be an attempt's process."""
        code, pid = UNFORESEEN, os.getpid()
        try:
            _redirect(request["log"])
            _set_environment(request["environment"])
            os.chdir(request["folder"])
            program = request["program"]
            if program is None and (request["anew"] or not self.may_fork):
                program = paths.command(sys.executable, request["without"], request["arguments"])
            if program is not None:
                try:
                    os.execvpe(program[0], program, os.environ)  # noqa: S606
                except OSError as error:
                    print(
                        f"waterflow: {program[0]} cannot be run: {error.strerror}", file=sys.stderr
                    )
                    sys.stderr.flush()
                    os._exit(127)
            sys.path[:0] = request["path"]
            threads.limit(request["threads"], request["variables"])
            # What this server has made, such as a temporary folder, is not the step's to remove.
            registry: dict[Any, Any] = getattr(weakref.finalize, "_registry", {})
            for finalizer in list(registry):
                finalizer.atexit = False
            code = execute.main(request["arguments"], alone=True)
        except OSError as error:  # its log cannot even be written
            if LocalStorageError.of(error) is not None:
                code = BAD_STORAGE
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
                if os.getpid() == pid:  # and no fork of the step's that has come to this
                    if request["more"]:
                        self.pages.learn()  # before all: who has told is ended
                    (_place(request) / _ENDED).write_text(str(code))
                    os.kill(os.getppid(), signal.SIGCHLD)
            os._exit(code)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self.spare is not None and pid == self.spare.pid:
                self.spare.close()
                self.spare = None
                continue
            if pid in self.followers:
                self._followed(self.followers.pop(pid))
                continue
            if pid in self.children:
                code = os.waitstatus_to_exitcode(status)
                self._ended(pid, code if code >= 0 else 128 - code)
            else:  # one that has told so itself, or an adopted one, whose own children are adopted
                self.ending.discard(pid)
                self._end_adopted()

    def _look(self) -> None:
        """Take the word of attempts that have told that they end, and end what they have left."""
        for pid, place in list(self.places.items()):
            try:
                code = int((Path(place) / _ENDED).read_text())
            except (OSError, ValueError):
                continue
            self.ending.add(pid)
            reaping.kill(reaping.below(pid))
            self._ended(pid, code)

    def _ended(self, pid: int, code: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)  # whatever the step has left behind
        job = self.children.pop(pid)
        del self.places[pid]
        self._end_adopted()
        answer = {"job": job, "code": code}
        follower = next((one for one in self.followers.values() if one.attempt == pid), None)
        if follower is None:
            self._answer(answer)
        else:  # the attempt has ended when all that it printed was read
            follower.answer, follower.until = answer, time.monotonic() + _READING
            self._answer({"job": job, "ended": True})
            with contextlib.suppress(BrokenPipeError):
                os.write(follower.tell, b".")

    def _hurry(self) -> float | None:
        """Kill followers that are late, and return the seconds until the next one is."""
        due = {pid: one.until for pid, one in self.followers.items() if one.until is not None}
        now = time.monotonic()
        for pid in [pid for pid, until in due.items() if until <= now]:
            del due[pid]
            follower = self.followers[pid]
            follower.until = None  # its end comes as any child's does
            with contextlib.suppress(OSError), Path(follower.log).open("a") as log:
                log.write(
                    f"waterflow: not all of this log was read for metrics within {_READING:g}s of "
                    "the step's end. Write expressions that say more clearly what stands before "
                    "the value\n"
                )
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return max(0.0, min(due.values()) - now) if due else None

    def _followed(self, follower: _Follower) -> None:
        os.close(follower.tell)
        if follower.answer is not None:
            self._answer(follower.answer)

    def _end_adopted(self) -> None:
        """Kill what ended attempts have left running in sessions and groups of their own."""
        places = tuple(self.places.values())
        for pid in descendants.adopted(self._own):
            place = descendants.place(pid)
            # One that does not tell where it comes from may be of an attempt that still runs.
            if not places or (place and not any(place.startswith(f"{p}/") for p in places)):
                reaping.kill(reaping.below(pid))

    @property
    def _own(self) -> set[int]:
        """The processes that this one has forked and that have not ended."""
        spare = () if self.spare is None else (self.spare.pid,)
        return {*self.children, *self.ending, *self.followers, *spare}

    def _end_all(self) -> None:
        for pid in self._own:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        reaping.end_all()


def _read_along(request: dict[str, Any], ended: int) -> NoReturn:
    """Be the process that reads along in an attempt's log; what goes wrong stands there."""
    _redirect(request["log"])
    following.follow(request, ended)
    os._exit(0)


def _place(request: dict[str, Any]) -> Path:
    """Return the folder of an attempt."""
    return Path(request["spool"]).parent


def _import(modules: Iterable[str]) -> None:
    for name in modules:
        with contextlib.suppress(Exception):  # the step itself will tell, in its own log
            importlib.import_module(name)


def _settle() -> None:
    """Keep all objects that are there out of the collector's sight, and so in shared pages."""
    gc.collect()
    gc.freeze()


def _nothing(_signal: int, _frame: FrameType | None) -> None:
    """Take SIGCHLD, so that it wakes the server."""


def _set_environment(variables: dict[str, str]) -> None:
    """Make the environment this one; most of it is as it was."""
    before = dict(os.environ)
    for name in before.keys() - variables.keys():
        del os.environ[name]
    os.environ.update(dict(variables.items() - before.items()))


def _redirect(log: str) -> None:
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)
    for stream in (sys.stdout, sys.stderr):
        # Logs are read as UTF-8, whatever the terminal that the run was started from can show.
        stream.reconfigure(  # pyright: ignore[reportAttributeAccessIssue]
            encoding="utf-8", errors="backslashreplace", line_buffering=True
        )


def run(connection: socket.socket) -> None:
    """Serve a runner at the other end of a socket, until it has gone."""
    reaping.adopt()
    _import(MODULES)  # before it is asked to: the runner still imports what it needs itself
    _settle()
    Launcher(connection).serve()


def main() -> None:
    """Serve on the socket whose descriptor is the first argument; the second is for nice."""
    step_back(int(sys.argv[2]))
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        run(connection)


if __name__ == "__main__":
    main()
