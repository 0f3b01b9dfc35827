"""A job's containers, run side by side until they end or are made to."""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from waterflow_sagemaker.emulator import sandbox
from waterflow_sagemaker.emulator.errors import JobError
from waterflow_sagemaker.emulator.isolation import Level

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from waterflow_sagemaker.emulator.world import World

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
class Request:
    """What a cluster runs.

    Attributes:
        command: The program and its arguments.
        environment: Variables of the job's own.
        image: The image.
        instances: The number of containers.
        kind: The machine type that the job asked for.
        isolated: Whether it is cut off from the network.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    image: str
    instances: int
    kind: str
    isolated: bool


class Cluster:
    """The containers of one attempt of a job.

    Args:
        world: What all jobs share.
        request: What it runs.
        folder: A new folder for the containers.

    Raises:
        JobError: This machine cannot run it.
    """

    def __init__(self, world: World, request: Request, folder: Path) -> None:
        if world.isolation.level is Level.SYMLINK and request.instances > 1:
            raise JobError(
                "InternalServerError: the emulator can run one container at a time on this "
                "machine: /opt/ml is a link here"
            )
        self._world, self._request = world, request
        # Each job has loopback addresses of its own, so that the same port serves many jobs.
        number = next(_NUMBERS) % 60000
        block = f"127.{1 + number // 250}.{1 + number % 250}"
        self.hosts = {f"algo-{i}": f"{block}.{i}" for i in range(1, request.instances + 1)}
        named = self.hosts if world.isolation.mounts else {}
        self.folders = {host: folder / host for host in self.hosts}
        self.roots = {host: sandbox.prepare(place, named) for host, place in self.folders.items()}
        self.wake = threading.Event()
        """Set it to make `run` look at once."""

    def path(self, host: str, inside: str) -> Path:
        """Return where a path under /opt/ml is on this machine."""
        return self.roots[host] / inside.removeprefix("/opt/ml").lstrip("/")

    def resources(self, host: str) -> dict[str, Any]:
        """Return what resourceconfig.json says to a container."""
        hosts = list(self.hosts)
        group = "homogeneousCluster"
        return {
            "current_host": host,
            "current_instance_type": self._request.kind,
            "current_group_name": group,
            "hosts": hosts,
            "instance_groups": [
                {
                    "instance_group_name": group,
                    "instance_type": self._request.kind,
                    "hosts": hosts,
                }
            ],
            "network_interface_name": "lo",
        }

    def run(
        self,
        *,
        write: Callable[[str], Callable[[list[tuple[int, str]]], None]],
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
            for host in self.hosts:
                running.append(self._start(host, write(host)))  # noqa: PERF401 - closed below
            return self._watch(running, check, grace)
        except OSError as error:
            raise JobError(f"InternalServerError: the container cannot start: {error}") from error
        finally:
            for container in running:
                container.close()

    def _start(
        self, host: str, write: Callable[[list[tuple[int, str]]], None]
    ) -> sandbox.Container:
        folder, request, world = self.folders[host], self._request, self._world
        environment = {
            "PATH": world.images.path(request.image),
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
            "LANG": "C.UTF-8",
            "AWS_REGION": world.region,
            **({} if request.isolated else world.endpoint),
        }
        environment.pop("AWS_DEFAULT_REGION", None)  # SageMaker sets none in its containers
        environment |= request.environment
        spec = sandbox.Spec(
            command=request.command,
            environment=environment,
            folder=folder,
            network=not request.isolated,
        )
        return sandbox.Container(world.isolation, spec, write, self.wake)

    def _watch(
        self,
        running: list[sandbox.Container],
        check: Callable[[], End | None],
        grace: Callable[[End], float],
    ) -> tuple[End, int]:
        while True:
            codes = [container.poll() for container in running]
            failed = next((code for code in codes if code), None)
            if failed is not None or None not in codes:
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
