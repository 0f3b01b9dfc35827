"""Jobs of containers on the kit: one container, or the worker pools of a custom job."""

from __future__ import annotations

import contextlib
import json
import re
import stat
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from waterflow.emulation.cluster import Cluster, End, Part, Workload
from waterflow.emulation.errors import JobError
from waterflow.emulation.faults import SpotPlan
from waterflow.emulation.jobs import Job, JobRefusedError, JobState, JobTable, QuotaExceededError
from waterflow_kfp.emulator.errors import INTERNAL, RESOURCE_EXHAUSTED, Failure, TaskError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from waterflow.emulation.sandbox import Lines, Write
    from waterflow.emulation.site import Site
    from waterflow_kfp.emulator.work import Pool, Work

    Ended = Callable[["ContainerJob"], None]
    Variables = Callable[["ContainerJob"], Mapping[str, str]]
    Sink = Callable[["ContainerJob", str], Write]

_STAND_INS: Final = Path(__file__).parent / "stand_ins"
_CHECKPOINTS: Final = re.compile(r"(?:/gcs/|gs://)[^\s'\"]*checkpoint[^\s'\",;]*")
"""An address of checkpoints, as arguments and variables name it: AIP_CHECKPOINT_DIR."""
_LOOK: Final = 0.2
"""Seconds between looks at checkpoints."""
_PORT: Final = 2222
"""Where the containers of a custom job reach each other."""
DEADLINE_EXCEEDED: Final = 4
STEP: Final = re.compile(r"[^~]+~(?P<step>[^~]+)~\d+")
"""What the name of a job that is one attempt at a task looks like, for the kit's faults."""

WORDS: Final[Mapping[str, tuple[int, str]]] = {
    "exit": (9, "The container {host} exited with a non-zero status of {code}."),
    "timeout": (DEADLINE_EXCEEDED, "The job ran longer than its timeout of {timeout:g} seconds."),
    "capacity": (RESOURCE_EXHAUSTED, "There is no capacity for the machines of this job."),
    "limit": (RESOURCE_EXHAUSTED, "A quota for the machines of this job is used up."),
    "internal": (INTERNAL, "An internal error has occurred."),
    "image": (9, "The image {image} cannot be pulled."),
    "fail": (9, "The emulator was asked for this failure."),
    "interrupted": (14, "The job's machines were taken away too often."),
    "ended": (INTERNAL, "The emulator ended while the job ran."),
}
"""What went wrong -> the code of google.rpc.Code, and the words; a cloud has words of its own.

They may name {host}, {code}, {timeout}, {image}, {machine}, {job}.
"""


class ContainerJob(Job):
    """One job: the containers of its pools, from their start to their end.

    Args:
        launcher: What all jobs share.
        work: What it runs.
        number: Its id; made where none is said.
    """

    KIND: ClassVar[str] = "container"
    LONGEST_REASON: ClassVar[int] = 8192
    ALLOCATIONS = 3

    def __init__(self, launcher: Launcher, work: Work, number: str = "") -> None:
        self.id = number or str(uuid.uuid4().int >> 65)
        super().__init__(launcher.site, f"{work.name}~{self.id}")
        self.launcher, self.spec = launcher, work
        self.folder = launcher.site.work / self.KIND / self.id
        self.code = INTERNAL
        """The code of google.rpc.Code of its failure."""
        self.started_at: float | None = None
        """When its containers first began, in seconds since the epoch."""
        self.interruptions = 0
        """How often its machines were taken away."""
        self.hosts = hosts(work)
        self._deadline = float("inf")
        self._plan: SpotPlan | None = None
        self._checkpoints: _Checkpoints | None = None

    # --- its life ---------------------------------------------------------------------------------

    @property
    def error(self) -> Failure | None:
        """Why it has failed; None where it has not."""
        if self.state is not JobState.FAILED:
            return None
        return Failure(self.reason or "", self.code)

    def failure(self, fault: str) -> str:
        """Return the cloud's words for the failure that a fault stands for."""
        return str(self._failed(fault))

    def grace(self, why: End) -> float:
        """Return the seconds between SIGTERM and SIGKILL."""
        if why is End.INTERRUPTED:
            return self.site.faults.spot_grace
        return super().grace(why)

    def work(self) -> str | None:
        """Do the job.

        Raises:
            JobError: It has failed.
        """
        self._plan = SpotPlan(self.site.faults) if self.spec.spot else None
        limit, spent = self.spec.timeout, 0.0
        for attempt in range(1, 1000):
            begun = time.monotonic()
            self._deadline = float("inf") if limit is None else begun + limit - spent
            try:
                why = self._attempt(self.folder / f"attempt-{attempt}")
            except TaskError as error:
                self.code = error.code
                raise JobError(str(error)) from error
            spent += time.monotonic() - begun
            if why is End.TIMEOUT:
                raise self._failed("timeout")
            if why is not End.INTERRUPTED:
                return None
            self.interruptions += 1
            if self._plan is not None:
                self._plan.spend()
        raise self._failed("interrupted")

    def _failed(self, what: str, code: int = 0) -> JobError:
        self.code, words = self.launcher.words[what]
        first = self.spec.pools[0]
        return JobError(
            words.format(
                host=next(iter(self.hosts)),
                code=code,
                timeout=self.spec.timeout or 0.0,
                image=first.image,
                machine=first.machine.kind or "of the job",
                job=self.id,
            )
        )

    # --- one attempt ------------------------------------------------------------------------------

    def _attempt(self, folder: Path) -> End:
        work, site = self.spec, self.site
        first = work.pools[0]
        cluster = Cluster(
            site,
            Workload(
                command=self._command(first),
                environment=self._environment(first),
                image=first.image,
                hosts=list(self.hosts),
                mounts=work.mounts,
                led=len(self.hosts) > 1,
            ),
            folder,
        )
        cluster.parts = {
            host: Part(
                command=self._command(pool),
                environment={**self._environment(pool), **self._place(cluster, host)},
                image=pool.image,
            )
            for host, pool in self.hosts.items()
        }
        if work.prepare is not None:
            for host in self.hosts:
                work.prepare(lambda path, host=host: cluster.path(host, path))
        if self._plan is not None:
            self._plan.begin()
            texts = [*cluster.parts[next(iter(self.hosts))].environment.values()]
            self._checkpoints = _Checkpoints(work, [*texts, *self._command(first)])
        self.started_at = self.started_at or time.time()
        why, code = cluster.run(write=self._writer, check=self._check, grace=self.grace)
        if why is End.DONE and code:
            raise self._failed("exit", code=code)
        if why is End.DONE and work.collect is not None:
            leader = next(iter(self.hosts))
            work.collect(lambda path: cluster.path(leader, path))
        return why

    def _check(self) -> End | None:
        if self.stopping.is_set():
            return End.STOPPED
        if time.monotonic() >= self._deadline:
            return End.TIMEOUT
        plan, checkpoints = self._plan, self._checkpoints
        if plan is None or checkpoints is None:
            return None
        return End.INTERRUPTED if plan.due(checkpointed=checkpoints.written()) else None

    def _writer(self, host: str) -> Write:
        return self.launcher.sink(self, host)

    # --- what its containers are given ------------------------------------------------------------

    def _command(self, pool: Pool) -> list[str]:
        program = list(pool.command) or list(self.site.images.command(pool.image))
        if not program:
            raise TaskError(
                f"The container of image {pool.image} names no command, and the emulator does not "
                "know what the image runs: say it with --image, or give a command"
            )
        return [*program, *pool.args]

    def _environment(self, pool: Pool) -> dict[str, str]:
        there = dict(self.launcher.variables(self))
        if any("pip install" in word for word in self._command(pool)):
            there["PATH"] = f"{self.site.images.path(pool.image)}:{_STAND_INS / 'bin'}"
            there["PYTHONPATH"] = str(_STAND_INS / "modules")
        return {**there, **pool.environment}

    def _place(self, cluster: Cluster, host: str) -> dict[str, str]:
        """Return what tells one of several containers where the others are."""
        if not self.launcher.clustered:
            return {}
        pools: dict[str, list[str]] = {}
        for name in self.hosts:
            reached = name if self.site.isolation.mounts else cluster.hosts[name]
            pools.setdefault(name.rpartition("-")[0], []).append(f"{reached}:{_PORT}")
        pool, _, index = host.rpartition("-")
        spec = {
            "cluster": pools,
            "environment": "cloud",
            "task": {"type": pool, "index": int(index)},
            "job": json.dumps(self.spec.origin.get("jobSpec", {})),
        }
        return {"CLUSTER_SPEC": json.dumps(spec)}


class _Checkpoints:
    """The folders of Cloud Storage in which a job keeps its checkpoints, and their files.

    Args:
        work: What the job runs.
        texts: Its arguments and the values of its variables.
    """

    def __init__(self, work: Work, texts: Sequence[str]) -> None:
        root = work.mounts.get("/gcs")
        places = {one for text in texts for one in _CHECKPOINTS.findall(text)}
        self._folders = [
            root / place.removeprefix("/gcs/").removeprefix("gs://")
            for place in sorted(places)
            if root is not None
        ]
        self._before = self._last = self._seen()
        self._next = 0.0

    def written(self) -> bool:
        """Return whether a checkpoint was written since the attempt began, and is whole."""
        if not self._folders or time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + _LOOK
        last, self._last = self._last, self._seen()
        return self._last == last != self._before

    def _seen(self) -> frozenset[tuple[str, int, int]]:
        files = (file for folder in self._folders for file in folder.rglob("*"))
        seen: set[tuple[str, int, int]] = set()
        for file in files:
            with contextlib.suppress(OSError):
                about = file.stat()
                if stat.S_ISREG(about.st_mode):
                    seen.add((str(file), about.st_mtime_ns, about.st_size))
        return frozenset(seen)


class Launcher:
    """What all jobs of one emulator share, and the table of them.

    Args:
        site: What all jobs of the kit share.
        sink: Opens the log of a job's host.
        words: What went wrong -> code and words, where they differ from WORDS.
        variables: Returns the variables that the cloud gives a job.
        clustered: Whether jobs are told of their cluster in CLUSTER_SPEC, as custom jobs are.
    """

    def __init__(
        self,
        site: Site,
        *,
        sink: Sink | None = None,
        words: Mapping[str, tuple[int, str]] | None = None,
        variables: Variables | None = None,
        clustered: bool = False,
    ) -> None:
        self.site, self.clustered = site, clustered
        self.words = {**WORDS, **(words or {})}
        self.sink: Sink = sink or (lambda _job, _host: _drop)
        self.variables: Variables = variables or (lambda _job: {})
        self.jobs = JobTable[ContainerJob]()

    def start(self, work: Work, on_end: Ended, *, number: str = "") -> ContainerJob:
        """Start a job.

        Args:
            work: What it runs.
            on_end: Called once, from the job's thread, when its state is final.
            number: Its id; made where none is said.

        Raises:
            TaskError: It cannot be started.
        """
        job = ContainerJob(self, work, number)
        try:
            self.jobs.start(job, on_end)
        except QuotaExceededError:
            job.failure("limit")
            raise TaskError(job.failure("limit"), job.code) from None
        except JobRefusedError:
            raise TaskError(job.failure("ended"), job.code) from None
        return job

    def close(self) -> None:
        """End all jobs, and start no more."""
        self.jobs.close()


def hosts(work: Work) -> dict[str, Pool]:
    """Return the pool of each container, by the container's host: "workerpool0-0"."""
    return {
        f"workerpool{number}-{replica}": pool
        for number, pool in enumerate(work.pools)
        for replica in range(pool.replicas)
    }


def _drop(_lines: Lines) -> None:
    pass
