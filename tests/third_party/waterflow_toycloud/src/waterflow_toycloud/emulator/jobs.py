"""The toy cloud's jobs: a command that finds its folder at /toy."""

from __future__ import annotations

import shutil
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from waterflow.emulation.cluster import Cluster, End, Workload
from waterflow.emulation.errors import JobError
from waterflow.emulation.faults import SpotPlan
from waterflow.emulation.jobs import Job, JobState, JobTable
from waterflow.emulation.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from waterflow.emulation.site import Site
    from waterflow_toycloud.emulator.objects import Objects

_FAULTS = {
    "capacity": "NoMachine: there is no machine of that kind now",
    "internal": "Broken: the toy cloud has failed",
    "image": "NoImage: the image cannot be pulled",
    "fail": "Failed: the job has failed",
}
QUOTA = "NoQuota: your account may have no more of these machines"


class ToyJob(Job):
    """One job; its request says `name`, `command`, and may say `image`, `environment`, `hosts`,
    `spot`, `inputs` (place below /toy/in -> addresses) and `output` (where /toy/out goes).
    """

    KIND: ClassVar[str] = "job"

    def __init__(self, site: Site, objects: Objects, request: dict[str, Any]) -> None:
        super().__init__(site, request["name"])
        self.objects, self.request = objects, request
        self.log: list[tuple[int, int, str]] = []
        self.message: str | None = None

    def failure(self, fault: str) -> str:
        """Return the cloud's words for a fault."""
        return _FAULTS[fault]

    def work(self) -> str | None:
        """Run the command until it ends and is not interrupted."""
        request = self.request
        hosts = [f"host-{number}" for number in range(request.get("hosts", 1))]
        workload = Workload(
            command=request["command"]
            if isinstance(request["command"], list)
            else ["sh", "-ec", request["command"]],
            environment={
                **request.get("environment", {}),
                "TOY_JOB": self.name,
                "TOY_HOSTS": ",".join(hosts),
            },
            image=request.get("image", "any"),
            hosts=hosts,
            mounts={"/toy": None},
            start="/toy",
        )
        plan = SpotPlan(self.site.faults) if request.get("spot") else None
        before: Cluster | None = None
        for attempt in range(1, 1000):
            cluster = Cluster(self.site, workload, self.folder / f"attempt-{attempt}")
            self._fill(cluster, before)
            if plan is not None:
                plan.begin()
            why, code = cluster.run(
                write=lambda host: partial(self._write, hosts.index(host)),
                check=partial(self._check, cluster, plan),
                grace=self.grace,
            )
            if why is End.INTERRUPTED and plan is not None:
                plan.spend()
                before = cluster
                continue
            self._take(cluster)
            if why is End.DONE and code:
                raise JobError(self.message or f"exit code {code}")
            return None
        raise JobError("it was interrupted too often")

    def _fill(self, cluster: Cluster, before: Cluster | None) -> None:
        for number, host in enumerate(cluster.hosts):
            folder = cluster.path(host, "/toy")
            for name in ("in", "out", "checkpoint"):
                (folder / name).mkdir(exist_ok=True)
            (folder / "rank").write_text(str(number))
            for place, addresses in self.request.get("inputs", {}).items():
                for address in addresses:
                    self.objects.fetch(address, folder / "in" / place)
        if before is not None:
            shutil.copytree(
                before.path("host-0", "/toy/checkpoint"),
                cluster.path("host-0", "/toy/checkpoint"),
                dirs_exist_ok=True,
            )

    def _take(self, cluster: Cluster) -> None:
        """Take what the first host has left: outputs, and a message."""
        folder = cluster.path("host-0", "/toy")
        message = folder / "message"
        self.message = message.read_text() if message.exists() else None
        output = self.request.get("output")
        if output is not None:
            for file in sorted((folder / "out").rglob("*")):
                if file.is_file():
                    place = file.relative_to(folder / "out").as_posix()
                    self.objects.write(f"{output}/{place}", file.read_bytes())

    def _check(self, cluster: Cluster, plan: SpotPlan | None) -> End | None:
        if self.stopping.is_set():
            return End.STOPPED
        if plan is None:
            return None
        files = cluster.path("host-0", "/toy/checkpoint").rglob("*")
        # What is still being written has another name than it will have.
        whole = any(file.is_file() and file.suffix != ".new" for file in files)
        return End.INTERRUPTED if plan.due(checkpointed=whole) else None

    def _write(self, host: int, lines: list[tuple[int, str]]) -> None:
        with self.lock:
            self.log += [(moment, host, line) for moment, line in lines]

    def describe(self) -> dict[str, Any]:
        """Return what the service tells of it."""
        with self.lock:
            return {"name": self.name, "state": str(self.state), "reason": self.reason}


class Jobs:
    """The part that has the jobs.

    Args:
        site: What all jobs share.
        objects: The objects.
    """

    def __init__(self, site: Site, objects: Objects) -> None:
        self.site, self._objects = site, objects
        self.table, self._tokens = JobTable[ToyJob](), Tokens()

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """Start a job, once for each token."""

        def act() -> dict[str, Any]:
            self.start(request)
            return {"name": request["name"]}

        return self._tokens.once("CreateJob", request.get("token"), request, act)

    def start(
        self, request: dict[str, Any], on_end: Callable[[ToyJob], None] | None = None
    ) -> ToyJob:
        """Start a job.

        Raises:
            JobRefusedError: It cannot be started.
        """
        job = ToyJob(self.site, self._objects, request)
        self.table.start(job, on_end)
        return job

    def close(self) -> None:
        """End all jobs."""
        self.table.close()

    def snapshot(self) -> dict[str, Any]:
        """Return all jobs as JSON."""
        jobs = [[job.request, job.describe(), job.log] for job in self.table.all()]
        return {"jobs": jobs, "tokens": self._tokens.snapshot()}

    def restore(self, saved: dict[str, Any]) -> None:
        """Take the jobs of a snapshot."""
        self._tokens.restore(saved["tokens"])
        for request, description, log in saved["jobs"]:
            job = ToyJob(self.site, self._objects, request)
            job.log = [(moment, host, line) for moment, host, line in log]
            job.state, job.reason = JobState(description["state"]), description["reason"]
            self.table.add(job)
