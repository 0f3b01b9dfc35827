"""The process of an emulator's service: a vendor's cloud put together, from options to its end."""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import logging
import os
import queue
import shutil
import signal
import sys
import threading
import warnings
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, runtime_checkable

from waterflow.emulation import isolation
from waterflow.emulation.faults import FaultRules, Faults
from waterflow.emulation.images import Images, check
from waterflow.emulation.middleware import Middleware
from waterflow.emulation.reach import HERE, Reach
from waterflow.emulation.schedules import Scheduler
from waterflow.emulation.server import Handler, Server
from waterflow.emulation.site import GRACE, Site, Slots
from waterflow.emulation.state import Component, State
from waterflow.errors import WaterflowError
from waterflow.provider.emulators import Image

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import FrameType

    from werkzeug.serving import WSGIRequestHandler

    from waterflow.emulation.door import Door
    from waterflow.emulation.wire import App, Environ, Reply

_LOG: Final = logging.getLogger(__name__)


@runtime_checkable
class Closable(Protocol):
    """A part that has something to end: jobs, threads."""

    def close(self) -> None:
        """End it, and wait until it has ended."""
        ...


class Cloud(ABC):
    """A vendor's cloud: its wire and its semantics, which the service puts together and serves.

    Its methods are called once each, in the order in which they stand here, but for the wire's
    (`identify`, `refusal`, `internal`), which are called for requests.
    """

    RULES: ClassVar[FaultRules] = FaultRules()
    """Which faults it has, and how names are understood."""
    PATHS: ClassVar[tuple[str, ...]] = ()
    """The paths that every job has for itself: `/opt/ml`, `/gcs`; none for a folder alone."""
    HOSTS: ClassVar[tuple[str, ...]] = ()
    """Globs of the cloud's host names, answered at through a door; none for no door."""
    STATE_VERSION: ClassVar[int] = 1
    """The version of what its parts keep."""

    @abstractmethod
    def application(self) -> App:
        """Return what answers requests."""

    def handler(self) -> type[WSGIRequestHandler]:
        """Return what reads requests from connections."""
        return Handler

    def grpc_port(self) -> int | None:
        """Return the port of its insecure gRPC server, for the door; None when it has none."""
        return None

    @abstractmethod
    def parts(self, site: Site, endpoint: str, state: Path | None) -> Mapping[str, Any]:
        """Make the parts of the cloud, in the order in which their state is loaded.

        A part may be a `state.Component` (it is kept with the state), `state.Prunable` (it keeps
        files of its own), `Closable`, and `schedules.Scheduler` (it is started, and has the clock
        that the owner moves). They are closed in this order too.

        Args:
            site: What all jobs share.
            endpoint: Where the service will answer.
            state: The folder of the state; None when nothing is kept.
        """

    def prepare(self, wishes: str) -> Iterable[str]:
        """Make what profiles name, and yield a line for each thing made.

        Args:
            wishes: What the emulator's `wishes` returned.
        """
        del wishes
        return ()

    def begin(self, parts: Mapping[str, Any]) -> None:  # noqa: B027 - few need it
        """Note that all is loaded and requests are about to be answered."""

    @abstractmethod
    def identify(self, environ: Environ) -> tuple[str, str]:
        """Return the service and the operation that a request names, its body left unread."""

    @abstractmethod
    def refusal(self, service: str, fault: str) -> Reply:
        """Return the vendor's words for a request that meets `throttle` or `error503`."""

    def internal(self, environ: Environ) -> bool:
        """Return whether a request is the emulator's own: no fault strikes it."""
        del environ
        return False


_NEW_OBJECTS: Final = 50_000
"""How many objects are made between two looks for garbage: imports make few that are any."""


def main(cloud: type[Cloud], arguments: list[str] | None = None) -> int:
    """Run an emulator's service until it is to end; print one JSON line when it is ready.

    Ends on SIGTERM and SIGINT, and, with --attached, when its standard input ends: that is, when
    the process that started it does. All jobs end with it.

    Args:
        cloud: The vendor's cloud.
        arguments: The command line; None for this process's own.

    Returns:
        The exit code.
    """
    gc.set_threshold(_NEW_OBJECTS)
    options = _options(arguments)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    warnings.simplefilter("ignore")  # they are libraries' own about their libraries
    # Not an Event: its lock may be held by what the signal's handler interrupts, which then waits
    # for itself.
    over: queue.SimpleQueue[None] = queue.SimpleQueue()

    def end(_number: int, _frame: FrameType | None) -> None:
        over.put(None)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    if options.attached:
        threading.Thread(target=_await_parent, args=(over,), daemon=True).start()
    try:
        service = Service(cloud(), options)
    except WaterflowError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return error.exit_code
    print(json.dumps(service.ready), flush=True)
    over.get()
    service.close()
    if options.attached:  # the one who made it may be gone
        shutil.rmtree(options.work, ignore_errors=True)
    gc.freeze()  # all memory goes with the process: the interpreter need not look it through
    return 0


class Service:
    """A cloud's service, answering from its making until it is closed.

    Args:
        cloud: The vendor's cloud.
        options: What the command line says.

    Raises:
        ConfigurationError: The faults, an image or the state folder is wrong.
    """

    def __init__(self, cloud: Cloud, options: argparse.Namespace) -> None:
        faults = Faults.parse(options.fault, cloud.RULES)
        images = check(dict(options.image))
        self._state = State(options.state, cloud.STATE_VERSION) if options.state else None
        walls = isolation.probe(cloud.PATHS, options.isolation, options.shared)
        options.work.mkdir(parents=True, exist_ok=True)
        application = Middleware(cloud.application(), cloud, faults)
        self._server, self._door, access = _listen(cloud, options, application)
        single = walls.level is isolation.Level.SYMLINK
        site = Site(
            isolation=walls,
            images=Images(images, options.work / "bin"),
            faults=faults,
            work=options.work / "jobs",
            slots=Slots(1 if single else options.jobs),
            grace=options.grace,
            reach=_reach(cloud, options, self._server, self._door),
            access=_for_jobs(access),
        )
        folder = self._state.folder if self._state else None
        self._parts = cloud.parts(site, self._server.endpoint, folder)
        if self._state is not None:
            self._state.load(self._kept)
        prepared = list(cloud.prepare(options.prepare))
        for part in self._parts.values():
            if isinstance(part, Scheduler):
                application.controls["advance"] = lambda request, scheduler=part: {
                    "now": scheduler.advance(float(request["seconds"]))
                }
        door = self._door
        application.controls["refused"] = lambda _: dict(door.refused) if door else {}
        cloud.begin(self._parts)
        for part in self._parts.values():
            if isinstance(part, Scheduler):
                part.start()
        self._server.start()
        self.ready: dict[str, Any] = {
            "endpoint": self._server.endpoint,
            "port": self._server.port,
            "pid": os.getpid(),
            "prepared": prepared,
            "isolation": {
                "level": str(walls.level),
                "processes": walls.processes,
                "network": walls.network,
                "text": walls.describe(),
            },
            **access,
        }

    def close(self) -> None:
        """End all jobs, keep what is to be kept, and answer no more."""
        for name, part in self._parts.items():
            try:
                if isinstance(part, Closable):
                    part.close()
            except Exception:  # noqa: BLE001 - the others must end as well
                _LOG.exception("the %s of the emulator did not end well", name)
        if self._state is not None:
            self._state.save(self._kept)
        if self._door is not None:
            self._door.close()
        self._server.close()

    @property
    def _kept(self) -> dict[str, Component]:
        return {name: part for name, part in self._parts.items() if isinstance(part, Component)}


def _listen(
    cloud: Cloud, options: argparse.Namespace, application: Middleware
) -> tuple[Server, Door | None, dict[str, Any]]:
    """Take a port, and what says how clients reach it: authorities to trust, variables."""
    if not options.tls and not cloud.HOSTS:
        return Server(application, options.port, handler=cloud.handler()), None, {}
    from waterflow.emulation.certificates import LOOPBACK, Authority
    from waterflow.emulation.door import Door, behind

    authority = Authority(options.work)
    access: dict[str, Any] = {"authorities": str(authority.bundle)}
    if not cloud.HOSTS:
        context = authority.context(*LOOPBACK)
        return Server(application, options.port, context, cloud.handler()), None, access
    server = Server(behind(application, cloud.HOSTS), options.port, handler=cloud.handler())
    door = Door(cloud.HOSTS, authority, server.port, cloud.grpc_port(), options.allowed)
    return server, door, access | {"door": door.variables}


def _for_jobs(access: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables by which jobs reach hosts of the cloud's, and trust them."""
    if "authorities" not in access:
        return {}
    from waterflow.emulation.certificates import trusting

    return {**access.get("door", {}), **trusting(access["authorities"])}


def _reach(cloud: Cloud, options: argparse.Namespace, server: Server, door: Door | None) -> Reach:
    """Return what of this machine jobs reach from networks of their own."""
    own = {server.port: server.take}
    if door is not None:
        own[door.port] = door.take
    grpc = cloud.grpc_port()
    allowed = [int(port) for one in options.allowed for port in HERE.findall(one)]
    return Reach(own, allowed if grpc is None else [*allowed, grpc])


def _await_parent(over: queue.SimpleQueue[None]) -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 1024):
            pass
    over.put(None)


def _image(text: str) -> tuple[str, Image]:
    name, folder, command = json.loads(text)
    return name, Image(Path(folder), tuple(command))


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="an emulator's service")
    add = parser.add_argument
    add("--port", type=int, default=0, help="the port; 0 for a free one")
    add("--work", type=Path, required=True, help="a folder for what its jobs need while they run")
    add("--state", type=Path, help="keep the state in this folder")
    add("--prepare", default="{}", help="profile -> the things it names, in JSON")
    add("--fault", help="what is to go wrong")
    add(
        "--image",
        type=_image,
        action="append",
        default=[],
        help="name, folder and command, as JSON",
    )
    add("--shared", type=Path, action="append", default=[], help="a folder jobs may change")
    add("--allowed", action="append", default=[], help="a glob of other hosts clients may reach")
    add("--jobs", type=int, default=max(8, 2 * (os.cpu_count() or 1)), help="jobs at once")
    add("--grace", type=float, default=GRACE, help="seconds between SIGTERM and SIGKILL")
    add(
        "--isolation",
        type=isolation.Level,
        choices=list(isolation.Level),
        help="use this isolation instead of the best one",
    )
    add("--tls", action="store_true", help="answer over TLS, certified by an authority of its own")
    add("--attached", action="store_true", help="end when standard input does")
    return parser.parse_args(arguments)
