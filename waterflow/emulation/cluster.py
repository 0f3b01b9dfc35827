"""A job's containers, run side by side until they end or are made to."""

from __future__ import annotations

import contextlib
import signal
import tempfile
import threading
import time
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

from waterflow.emulation import sandbox
from waterflow.emulation.errors import JobError
from waterflow.emulation.isolation import Level
from waterflow.emulation.network import ADDRESSES, INTERFACE, Hub, Network
from waterflow.emulation.reach import Passage

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from waterflow.emulation.sandbox import Write
    from waterflow.emulation.site import Site

_LOOK: Final = 0.05
"""Seconds between looks at containers that run."""
_NUMBERS: Final = count(1)


class End(StrEnum):
    """Why a cluster has ended."""

    DONE = "done"
    STOPPED = "stopped"
    TIMEOUT = "timeout"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one container of a cluster has for itself, where it differs from the others.

    Attributes:
        command: The program and its arguments; None for what all run.
        environment: Variables beside those of all.
        image: The image; None for the one of all.
    """

    command: Sequence[str] | None = None
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    image: str | None = None


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What a cluster runs.

    Attributes:
        command: The program and its arguments.
        environment: The variables that the cloud and the job give; the image's own are added.
        image: The image.
        hosts: The name of each container's host.
        mounts: Path in the job -> the folder of this machine that all containers see there; None
            for a new folder of each container's own.
        start: Where the program starts, as the job sees it; None for a home of its own.
        network: Whether it may reach the network.
        led: Whether all end when the first container does.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    image: str
    hosts: Sequence[str] = ("main",)
    mounts: Mapping[str, Path | None] = field(default_factory=dict[str, "Path | None"])
    start: str | None = None
    network: bool = True
    led: bool = False


class Cluster:
    """The containers of one attempt of a job.

    Args:
        site: What all jobs share.
        workload: What it runs.
        folder: A new folder for the containers.

    Raises:
        JobError: This machine cannot run it.
    """

    def __init__(self, site: Site, workload: Workload, folder: Path) -> None:
        if site.isolation.level is Level.SYMLINK and len(workload.hosts) > 1:
            paths = " and ".join(workload.mounts)
            raise JobError(
                "InternalServerError: the emulator can run one container at a time on this "
                f"machine: {paths} is a link here"
            )
        self._site, self._workload = site, workload
        self._network = self._is_own()
        self._joined = self._network and site.isolation.joined and len(workload.hosts) > 1
        # Where jobs share a network, each has loopback addresses of its own in it.
        number = next(_NUMBERS) % 60000
        block = f"127.{1 + number // 250}.{1 + number % 250}"
        pattern = ADDRESSES if self._joined else f"{block}.{{}}"
        self.hosts = {name: pattern.format(i) for i, name in enumerate(workload.hosts, start=1)}
        """Host -> its address."""
        self.interface = INTERFACE if self._joined else "lo"
        """The network interface by which the containers reach each other."""
        named = self.hosts if site.isolation.mounts else {}
        self._folders = {host: folder / host for host in self.hosts}
        self._mounts: dict[str, dict[str, Path]] = {}
        for host, place in self._folders.items():
            sandbox.prepare(place, named)
            self._mounts[host] = {
                path: shared if shared is not None else place / f"mount-{number}"
                for number, (path, shared) in enumerate(workload.mounts.items())
            }
            for mounted in self._mounts[host].values():
                mounted.mkdir(parents=True, exist_ok=True)
        self.parts: Mapping[str, Part] = {}
        """What containers have for themselves, by host; set before `run`."""
        self.wake = threading.Event()
        """Set it to make `run` look at once."""

    def _is_own(self) -> bool:
        """Return whether each container has a network of its own, not this machine's."""
        isolation, workload = self._site.isolation, self._workload
        # Rather several that see each other than none that does.
        several = len(workload.hosts) > 1 and not isolation.joined
        return isolation.mounts and isolation.network and not (several and workload.network)

    def path(self, host: str, inside: str) -> Path:
        """Return where a path in a job is on this machine.

        Args:
            host: The container's host.
            inside: An absolute path below one of the mounts.

        Raises:
            ValueError: It is below none.
        """
        mounts = self._mounts[host]
        for mount in sorted(mounts, reverse=True):
            if inside == mount or inside.startswith(f"{mount}/"):
                return mounts[mount] / inside.removeprefix(mount).lstrip("/")
        raise ValueError(f"{inside} is below none of {', '.join(mounts) or 'no mounts'}")

    def run(
        self,
        *,
        write: Callable[[str], Write],
        check: Callable[[], End | None],
        grace: Callable[[End], float],
    ) -> tuple[End, int]:
        """Run the containers to their end.

        Args:
            write: Opens a host's log.
            check: Called again and again; says why the containers must end, or None.
            grace: Seconds between SIGTERM and SIGKILL, by the reason.

        Returns:
            Why they ended, and the first exit code that is not 0, or 0.

        Raises:
            JobError: They cannot be started.
        """
        running: list[sandbox.Container] = []
        try:
            with (
                tempfile.TemporaryDirectory(prefix="wf-", ignore_cleanup_errors=True) as links,
                self._hub() as hub,
            ):
                for host in self.hosts:
                    running.append(self._start(host, write(host), Path(links), hub))  # noqa: PERF401 - closed below
                return self._watch(running, check, grace)
        except OSError as error:
            raise JobError(f"InternalServerError: the container cannot start: {error}") from error
        finally:
            for container in running:
                container.close()

    @contextlib.contextmanager
    def _hub(self) -> Generator[Hub | None]:
        """Hold what joins the containers' networks; nothing for one container."""
        if not self._joined:
            yield None
            return
        hub = Hub(private=self._site.isolation.level is Level.NAMESPACES)
        try:
            yield hub
        finally:
            hub.close()

    def _start(self, host: str, write: Write, links: Path, hub: Hub | None) -> sandbox.Container:
        folder, workload, site = self._folders[host], self._workload, self._site
        part = self.parts.get(host, Part())
        command = workload.command if part.command is None else part.command
        # The path of a socket, as multiprocessing makes them there, has 107 characters at most.
        number = list(self.hosts).index(host) + 1
        short = links / str(number)
        short.symlink_to(folder / "tmp")
        environment = {
            "PATH": site.images.path(part.image or workload.image),
            "HOME": str(folder / "home"),
            "TMPDIR": str(short),
            "LANG": "C.UTF-8",
            **(self._access() if workload.network else {}),
            **workload.environment,
            **part.environment,
        }
        texts = (*command, *environment.values())
        network, ways = self._own_network(host, number, texts, hub)
        spec = sandbox.Spec(
            command=command,
            environment=environment,
            folder=folder,
            mounts=self._mounts[host],
            start=workload.start,
            network=network,
            ways=ways,
            hidden=site.work,
        )
        try:
            return sandbox.Container(site.isolation, spec, write, self.wake)
        except OSError:
            if ways is not None:
                ways.close()
            raise

    def _access(self) -> dict[str, str]:
        """Return the variables that lead a job to the door, past which it goes to its own hosts."""
        access = dict(self._site.access)
        if access:
            own = ",".join(("127.0.0.1", "localhost", "::1", *self.hosts, *self.hosts.values()))
            access |= {"NO_PROXY": own, "no_proxy": own}
        return access

    def _own_network(
        self, host: str, number: int, texts: Sequence[str], hub: Hub | None
    ) -> tuple[Network | None, Passage | None]:
        """Return the network of a container's own, and the ways out of it."""
        if not self._network:
            return None, None
        network = Network(name=host, hub=hub, number=number, address=self.hosts[host])
        if not self._workload.network:
            return network, None
        ports = self._site.reach.ports(texts, self._mounts[host].values())
        if not ports:
            return network, None
        ways = Passage(self._site.reach, ports)
        return replace(network, ports=ports, channel=ways.theirs.fileno()), ways

    def _watch(
        self,
        running: list[sandbox.Container],
        check: Callable[[], End | None],
        grace: Callable[[End], float],
    ) -> tuple[End, int]:
        while True:
            codes = [container.poll() for container in running]
            failed = next((code for code in codes if code), None)
            over = self._workload.led and codes[0] is not None
            if failed is not None or None not in codes or over:
                return End.DONE, failed or 0
            why = check()
            if why is not None:
                self._end(running, grace(why))
                codes = [container.poll() for container in running]
                return why, next((code for code in codes if code), 0)
            self.wake.wait(_LOOK)
            self.wake.clear()

    def _end(self, running: list[sandbox.Container], grace: float) -> None:
        for container in running:
            container.signal(signal.SIGTERM)
        deadline = time.monotonic() + grace
        while any(container.poll() is None for container in running):
            left = deadline - time.monotonic()
            if left <= 0:
                break
            self.wake.wait(min(left, _LOOK))
            self.wake.clear()
        for container in running:
            container.close()
