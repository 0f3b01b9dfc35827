"""A toy cloud on the emulation kit alone: jobs with a folder at /toy, schedules, JSON over HTTP."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from waterflow.emulation.clock import Clock
from waterflow.emulation.cluster import Cluster, End, Workload
from waterflow.emulation.errors import JobError
from waterflow.emulation.faults import SpotPlan
from waterflow.emulation.jobs import Job, JobRefusedError, JobState, JobTable
from waterflow.emulation.paging import page
from waterflow.emulation.process import EmulatorProcess
from waterflow.emulation.schedules import Scheduler
from waterflow.emulation.service import Cloud, main
from waterflow.emulation.tokens import TokenConflictError, Tokens
from waterflow.emulation.wire import App, Environ, Reply, Start, json_reply, read_body

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOSTS = ("*.toy.example",)


class ToyJob(Job):
    """A command that finds a folder at /toy; what it prints is its log."""

    def __init__(self, site: Any, request: dict[str, Any]) -> None:
        super().__init__(site, request["name"])
        self.request, self.log, self.result = request, list[str](), None

    def failure(self, fault: str) -> str:
        return f"the toy cloud has met the fault {fault}"

    def work(self) -> str | None:
        plan = SpotPlan(self.site.faults) if self.request.get("spot") else None
        workload = Workload(
            command=["sh", "-ec", self.request["command"]],
            environment=self.request.get("environment", {}),
            image=self.request.get("image", "any"),
            hosts=[f"host-{number}" for number in range(self.request.get("hosts", 1))],
            mounts={"/toy": None},
            start="/toy",
        )
        attempts = 0
        while True:
            attempts += 1
            cluster = Cluster(self.site, workload, self.folder / f"attempt-{attempts}")
            if plan:
                plan.begin()

            check = partial(self._check, cluster, plan)
            why, code = cluster.run(write=lambda _: self.write, check=check, grace=self.grace)
            if why is End.INTERRUPTED and plan:
                plan.spend()
                continue
            if why is End.DONE and code:
                raise JobError(f"exit code {code}")
            result = cluster.path("host-0", "/toy/result")
            self.result = result.read_text() if result.exists() else None
            return None

    def _check(self, cluster: Cluster, plan: SpotPlan | None) -> End | None:
        if self.stopping.is_set():
            return End.STOPPED
        due = plan and plan.due(checkpointed=cluster.path("host-0", "/toy/point").exists())
        return End.INTERRUPTED if due else None

    def write(self, lines: list[tuple[int, str]]) -> None:
        with self.lock:
            self.log += [line for _, line in lines]

    def describe(self) -> dict[str, Any]:
        with self.lock:
            return {
                "name": self.name,
                "state": str(self.state),
                "reason": self.reason,
                "log": list(self.log),
                "result": self.result,
            }


class ToyJobs:
    """The part that has the jobs."""

    def __init__(self, site: Any) -> None:
        self.site, self.table, self.tokens = site, JobTable[ToyJob](), Tokens()

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        def act() -> dict[str, Any]:
            self.table.start(ToyJob(self.site, request))
            return {"name": request["name"]}

        return self.tokens.once("CreateJob", request.get("token"), request, act)

    def close(self) -> None:
        self.table.close()

    def snapshot(self) -> dict[str, Any]:
        jobs = [(job.request, job.describe()) for job in self.table.all()]
        return {"jobs": jobs, "tokens": self.tokens.snapshot()}

    def restore(self, saved: dict[str, Any]) -> None:
        self.tokens.restore(saved["tokens"])
        for request, description in saved["jobs"]:
            job = ToyJob(self.site, request)
            job.log, job.result = description["log"], description["result"]
            job.state = JobState(description["state"])
            self.table.add(job)


@dataclass(frozen=True)
class Every:
    """A schedule: a command every so many seconds."""

    key: str
    seconds: float
    command: str
    enabled: bool = True

    @property
    def expression(self) -> str:
        return f"every {self.seconds}"

    def next(self, after: float, begin: float) -> float | None:
        return begin + max(1, (after - begin) // self.seconds + 1) * self.seconds


class ToyScheduler(Scheduler):
    """The part that has the schedules."""

    def __init__(self, clock: Clock, jobs: ToyJobs) -> None:
        super().__init__(clock)
        self.jobs, self.every = jobs, dict[str, Every]()

    def schedules(self) -> list[Every]:
        return list(self.every.values())

    def fire(self, key: str, moment: float) -> str | None:
        name = f"{key}-{moment:.0f}"
        return self.jobs.create({"name": name, "command": self.every[key].command})["name"]

    def snapshot(self) -> dict[str, Any]:
        every = [(one.key, one.seconds, one.command) for one in self.every.values()]
        return {"every": every, "fired": super().snapshot()}

    def restore(self, saved: Any) -> None:
        self.every = {one[0]: Every(*one) for one in saved["every"]}
        super().restore(saved["fired"])


class ToyCloud(Cloud):
    """The toy's wire."""

    PATHS = ("/toy",)

    def application(self) -> App:
        return self.answer

    def parts(self, site: Any, endpoint: str, state: Path | None) -> dict[str, Any]:
        self.jobs = ToyJobs(site)
        self.schedules = ToyScheduler(Clock(), self.jobs)
        return {"schedules": self.schedules, "jobs": self.jobs}

    def prepare(self, wishes: str) -> Iterator[str]:
        yield f"Made for the toy: {wishes}"

    def identify(self, environ: Environ) -> tuple[str, str]:
        verb = {"POST": "Create", "GET": "Get", "PUT": "Put", "DELETE": "Stop"}
        return "toy", verb[environ["REQUEST_METHOD"]] + "Job"

    def refusal(self, service: str, fault: str) -> Reply:
        return json_reply({"code": fault}, {"throttle": 429, "error503": 503}[fault])

    def answer(self, environ: Environ, start: Start) -> Any:
        body = read_body(environ)
        try:
            return self.route(environ, body).send(start)
        except (JobRefusedError, TokenConflictError) as error:
            return json_reply({"code": type(error).__name__}, 409).send(start)
        except (KeyError, ValueError) as error:
            return json_reply({"code": repr(error)}, 400).send(start)

    def route(self, environ: Environ, body: bytes) -> Reply:
        method = environ["REQUEST_METHOD"]
        kind, _, name = environ["PATH_INFO"].strip("/").partition("/")
        if kind == "address":
            return json_reply(f"{environ['wsgi.url_scheme']}://{environ['HTTP_HOST']}")
        if kind == "schedules":
            self.schedules.every[name] = Every(name, **json.loads(body))
            return json_reply({})
        if method == "POST":
            return json_reply(self.jobs.create(json.loads(body)))
        if not name:
            query = {key: one for key, (one,) in parse_qs(environ["QUERY_STRING"]).items()}
            names = [job.name for job in self.jobs.table.all()]
            part, token = page(names, int(query.get("size", 10)), query.get("token"))
            return json_reply({"jobs": part, "token": token})
        job = self.jobs.table.get(name)
        if job is None:
            return json_reply({"code": "NotFound"}, 404)
        if method == "DELETE":
            return json_reply({"stopped": job.stop()})
        return json_reply(job.describe())


class DoorCloud(ToyCloud):
    """The same cloud at host names of its own."""

    HOSTS = HOSTS


class Emulator(EmulatorProcess):
    """The toy cloud in a process of its own."""

    NAME, TITLE, MODULE = "toy", "the toy cloud", "toycloud"

    def variables(self, folder: Path) -> dict[str, str]:
        return {"TOY_ENDPOINT": self.endpoint}

    def misleading(self) -> tuple[str, ...]:
        return ("TOY_PROFILE",)


class DoorEmulator(Emulator):
    """The toy cloud, answering at `https://api.toy.example`."""

    MODULE = "toydoor"

    def variables(self, folder: Path) -> dict[str, str]:
        return {"TOY_ENDPOINT": "https://api.toy.example"}


if __name__ == "__main__":
    sys.exit(main(ToyCloud))
