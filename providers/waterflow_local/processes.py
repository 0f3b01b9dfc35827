"""The runner's side of its processes: the fork server, and this process itself for `--inline`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final, Protocol

from waterflow.errors import ProviderError
from waterflow.runtime import execute
from waterflow.runtime.contract import TIMED_OUT
from waterflow_local import following, forkserver

if TYPE_CHECKING:
    from pathlib import Path

    from waterflow_local.document import Preload
    from waterflow_local.forkserver import Server

_DIED: Final = 128 + signal.SIGKILL
_BORROWED: Final = 60.0
"""Seconds in which the helper's fork is to be ready; importing for the first time is in it."""


class Launch(Protocol):
    """Starts an attempt and waits for its end."""

    async def open(self) -> None:
        """Get ready for attempts."""
        ...

    async def run(self, request: dict[str, Any], timeout: float | None) -> int:
        """Run one attempt and return its exit code."""
        ...

    async def stop(self) -> None:
        """End what still runs."""
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...


class Forked:
    """Attempts as children of a fork server.

    Args:
        server: The server, started.
        preload: Modules to import before the first fork, and which to go without meanwhile.
        folders: The live tree, from which nothing may be imported.
        fork: Whether attempts are forked without exec.
        grace: Seconds between SIGTERM and SIGKILL.
        log: Where what it prints itself is found.
        many: Whether there are so many attempts that it is worth while to prepare for them.
    """

    def __init__(
        self,
        server: Server,
        preload: Preload,
        folders: list[str],
        fork: bool,
        grace: float,
        log: Path,
        *,
        many: bool = False,
    ) -> None:
        self._many = many
        self._server, self._preload, self._fork, self._grace = server, preload, fork, grace
        self._log = log
        self._folders = folders
        self._preloaded: asyncio.Future[None] | None = None
        self._jobs: dict[int, asyncio.Future[int]] = {}
        self._over: set[int] = set()
        self._count = 0
        self._stopping = False
        self._writer: asyncio.StreamWriter | None = None
        self._listener: asyncio.Task[None] | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._needed = asyncio.Event()

    async def open(self) -> None:
        """Connect to the server."""
        reader = await self._connect(self._server)
        self._listener = asyncio.create_task(self._listen(reader))

    async def _connect(self, server: Server) -> asyncio.StreamReader:
        if self._writer is not None:
            self._writer.close()
        self._server = server
        reader, self._writer = await asyncio.open_unix_connection(
            sock=server.connection, limit=1 << 22
        )
        return reader

    def preload(self) -> asyncio.Future[None]:
        """Let the server import its libraries, once, and return what is done when it has."""
        if self._preloaded is None:
            self._preloaded = asyncio.get_running_loop().create_future()
            if self._gone:  # `run` tells
                self._preloaded.set_result(None)
                return self._preloaded
            self._ask_to_preload()
            if self._server.process is None:
                loop = asyncio.get_running_loop()
                self._patience = loop.call_later(_BORROWED, self._give_up)
            self._needed.set()
        return self._preloaded

    def _give_up(self) -> None:
        """Hear no more of the helper: `_listen` goes on without."""
        with contextlib.suppress(OSError):
            self._server.connection.shutdown(socket.SHUT_RDWR)

    def _ask_to_preload(self) -> None:
        self._send(
            {
                "do": "preload",
                "fork": self._fork,
                "many": self._many,
                "folders": self._folders,
                "modules": self._preload.modules,
                "without": self._preload.without,
            }
        )

    def _send(self, request: dict[str, Any]) -> None:
        if self._writer is not None:
            self._writer.write(json.dumps(request).encode() + b"\n")

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while True:
            with contextlib.suppress(ConnectionError):
                await self._hear(reader)
            if self._server.process is not None or self._ready or self._stopping:
                break
            # The helper is gone, or what it holds is no longer so: this run does without.
            await self._needed.wait()
            reader = await self._connect(forkserver.start(self._server.nice))
            self._ask_to_preload()
        for job in self._jobs.values():  # the server was killed, and its children with it
            if not job.done():
                job.set_result(_DIED)
        self._jobs.clear()
        if self._preloaded is not None and not self._preloaded.done():
            self._preloaded.set_result(None)

    @property
    def _gone(self) -> bool:
        """Whether no server answers any more."""
        return self._listener is not None and self._listener.done()

    @property
    def _ready(self) -> bool:
        return self._preloaded is not None and self._preloaded.done()

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            answer = json.loads(line)
            if "preloaded" in answer and self._preloaded is not None:
                self._preloaded.set_result(None)
                if self._patience is not None:
                    self._patience.cancel()
            if "ended" in answer:
                self._over.add(answer["job"])
            if "code" in answer:
                self._over.discard(answer["job"])
                job = self._jobs.pop(answer["job"], None)
                if job is not None and not job.done():
                    job.set_result(answer["code"])

    async def run(self, request: dict[str, Any], timeout: float | None) -> int:
        """Run one attempt and return its exit code; 124 when it took longer than it may.

        Raises:
            ProviderError: The server has ended before, and cannot start it.
        """
        if not self._stopping:  # a step's time runs from its own start
            await asyncio.shield(self.preload())
        if self._stopping:
            return _DIED
        if self._gone:
            raise ProviderError(
                "the process that starts steps has ended, most often for want of memory. What it "
                f"said is in {self._log}. Run again",
                provider="local",
                operation="launch",
            )
        self._count += 1
        number = self._count
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._jobs[number] = ended
        self._send({"do": "launch", "job": number, **request})
        try:
            return await asyncio.wait_for(asyncio.shield(ended), timeout)
        except TimeoutError:
            if number in self._over:  # in time: only its log is still read
                return await ended
            await self._end(number, ended)
            return TIMED_OUT

    async def _end(self, number: int, ended: asyncio.Future[int]) -> None:
        for name, patience in ((signal.SIGTERM, self._grace), (signal.SIGKILL, None)):
            self._send({"do": "signal", "job": number, "signal": int(name)})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(ended), patience)
                return

    async def stop(self) -> None:
        """Ask every attempt to end, then make it; none starts any more."""
        self._stopping = True
        self._end_idle()
        await asyncio.gather(*(self._end(n, job) for n, job in list(self._jobs.items())))

    def _end_idle(self) -> None:
        """End a server that has launched nothing: it may be importing, and hears nothing then."""
        if self._count == 0 and self._server.process is not None:
            self._server.process.kill()

    async def close(self) -> None:
        """End the server."""
        self._end_idle()
        if self._patience is not None:
            self._patience.cancel()
        if self._listener is not None:
            self._listener.cancel()
        if self._writer is not None:
            self._writer.close()
        self._server.connection.close()
        if self._server.process is not None:
            await asyncio.to_thread(self._server.process.wait)


class Servers:
    """Attempts by several fork servers, each with libraries of its own.

    Args:
        servers: The server that a request names -> how it starts attempts.
        early: The server that gets ready at once.
    """

    def __init__(self, servers: dict[str, Forked], early: str) -> None:
        self._servers, self._early = servers, early

    async def open(self) -> None:
        """Connect to the servers, and let the early one import while others work."""
        for server in self._servers.values():
            await server.open()
        if self._early in self._servers:
            self._servers[self._early].preload()

    async def run(self, request: dict[str, Any], timeout: float | None) -> int:
        """Run one attempt on the server that the request names, and return its exit code."""
        return await self._servers[request["server"]].run(request, timeout)

    async def stop(self) -> None:
        """Ask every attempt to end, then make it; none starts any more."""
        await asyncio.gather(*(server.stop() for server in self._servers.values()))

    async def close(self) -> None:
        """End the servers."""
        await asyncio.gather(*(server.close() for server in self._servers.values()))


class Inline:
    """Attempts in this very process, one after the other, from the author's own tree.

    Args:
        root: The project's folder, from which modules are imported.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._along: following.Along | None = None

    async def open(self) -> None:
        """Nothing is needed beforehand."""

    async def run(self, request: dict[str, Any], timeout: float | None) -> int:
        """Run one attempt; its output goes to the terminal, and breakpoints work."""
        del timeout  # a debugger takes its time
        if request["program"] is not None and request["metrics"]:
            return await asyncio.to_thread(following.run_program, request)
        if request["program"] is not None:
            done = await asyncio.to_thread(
                subprocess.run,
                request["program"],
                check=False,
                env=request["environment"],
                cwd=request["folder"],
            )
            return done.returncode
        before, handler = dict(os.environ), signal.getsignal(signal.SIGTERM)
        path = sys.path[:]
        try:
            os.environ.update(request["environment"])
            if str(self._root) not in sys.path:
                sys.path.insert(0, str(self._root))
            self._along = self._along or following.Along()
            with self._along.attempt(request):
                return execute.main(request["arguments"])
        finally:
            sys.path[:] = path
            os.environ.clear()
            os.environ.update(before)
            signal.signal(signal.SIGTERM, handler)

    async def stop(self) -> None:
        """Nothing runs beside this."""

    async def close(self) -> None:
        """Nothing is held."""
