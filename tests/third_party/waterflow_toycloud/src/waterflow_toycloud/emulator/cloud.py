"""The toy cloud's wire: which request means what."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from waterflow.emulation.clock import Clock
from waterflow.emulation.jobs import JobRefusedError
from waterflow.emulation.paging import page
from waterflow.emulation.service import Cloud
from waterflow.emulation.tokens import TokenConflictError
from waterflow.emulation.wire import Environ, Reply, json_reply, read_body
from waterflow_toycloud.emulator.executions import Executions
from waterflow_toycloud.emulator.jobs import Jobs
from waterflow_toycloud.emulator.names import RULES
from waterflow_toycloud.emulator.objects import Objects
from waterflow_toycloud.emulator.schedules import ToySchedule, ToyScheduler

if TYPE_CHECKING:
    from pathlib import Path

    from waterflow.emulation.site import Site
    from waterflow.emulation.wire import App, Start

_VERBS = {"POST": "Create", "GET": "Get", "PUT": "Put", "DELETE": "Delete", "HEAD": "Head"}
_OBJECTS = "/objects/"


class ToyCloud(Cloud):
    """The toy cloud, put together."""

    RULES = RULES
    PATHS = ("/toy",)

    def application(self) -> App:
        """Return what answers requests."""
        return self._answer

    def parts(self, site: Site, endpoint: str, state: Path | None) -> dict[str, Any]:
        """Make the parts, in the order in which they end."""
        del endpoint, state
        clock = Clock()
        self.objects = Objects(clock)
        self.jobs = Jobs(site, self.objects)
        self.executions = Executions(self.jobs, self.objects, clock)
        self.schedules = ToyScheduler(clock, self.executions)
        return {
            "schedules": self.schedules, "executions": self.executions,
            "jobs": self.jobs, "objects": self.objects,
        }  # fmt: skip

    def identify(self, environ: Environ) -> tuple[str, str]:
        """Return the service and the operation that a request names."""
        verb = _VERBS.get(environ["REQUEST_METHOD"], "Unknown")
        if environ["PATH_INFO"].startswith(_OBJECTS):
            return "objects", f"{verb}Object"
        kind = environ["PATH_INFO"].strip("/").partition("/")[0]
        return "toy", f"{verb}{kind.capitalize().removesuffix('s')}"

    def refusal(self, service: str, fault: str) -> Reply:
        """Return the words for a request that meets a fault."""
        del service
        return json_reply({"code": fault}, {"throttle": 429, "error503": 503}[fault])

    def _answer(self, environ: Environ, start: Start) -> Any:
        path = environ["PATH_INFO"]
        if path.startswith(_OBJECTS):
            raw = environ.get("RAW_URI", path).partition("?")[0]
            return self.objects.answer(environ, raw.removeprefix(_OBJECTS)).send(start)
        try:
            return self._route(environ, path, read_body(environ)).send(start)
        except (JobRefusedError, TokenConflictError) as error:
            return _error(type(error).__name__, 409).send(start)
        except KeyError as error:
            return _error(f"NotFound {error}", 404).send(start)
        except ValueError as error:
            return _error(str(error), 400).send(start)

    def _route(self, environ: Environ, path: str, body: bytes) -> Reply:
        method = environ["REQUEST_METHOD"]
        query = {key: value for key, (value,) in parse_qs(environ["QUERY_STRING"]).items()}
        kind, name, verb = [*path.strip("/").split("/"), "", ""][:3]
        request = json.loads(body) if body else {}
        if kind == "schedules":
            return self._schedule(method, name, request)
        if kind == "executions":
            return self._execution(method, name, verb, query, request)
        if kind != "jobs":
            raise KeyError(kind)
        if method == "POST":
            return json_reply(self.jobs.create(request))
        table = self.jobs.table
        if not name:
            names = [job.name for job in table.all()]
            return _page("jobs", names, query)
        job = table.get(name)
        if job is None:
            raise KeyError(name)
        if verb == "log":
            return json_reply({"lines": job.log[int(query.get("after", 0)) :]})
        return json_reply({"stopped": job.stop()} if method == "DELETE" else job.describe())

    def _schedule(self, method: str, name: str, request: dict[str, Any]) -> Reply:
        schedules = self.schedules.by_name
        if method == "PUT":
            schedules[name] = ToySchedule(name, **request)
            self.schedules.run_due()  # it counts from now
        elif method == "DELETE":
            del schedules[name]
        elif name:
            return json_reply(asdict(schedules[name]))
        return json_reply({"schedules": [asdict(one) for one in schedules.values()]})

    def _execution(
        self, method: str, name: str, verb: str, query: dict[str, str], request: dict[str, Any]
    ) -> Reply:
        executions = self.executions
        if method == "POST":
            if verb == "retry":
                return json_reply(executions.retry(name, request["run"], request["token"]))
            return json_reply(
                executions.stop(name) if verb == "stop" else executions.start(request)
            )
        if not name:
            listed = executions.newest_first(query.get("pipeline"), query.get("prefix", ""))
            brief = [
                {key: one.describe()[key] for key in ("id", "pipeline", "started", "runs")}
                for one in listed
            ]
            return _page("executions", brief, query)
        execution = executions.get(name)
        with execution.lock:
            if verb == "steps":
                steps = [asdict(step) for step in execution.steps.values()]
                return json_reply({"steps": steps})
            return json_reply(execution.describe())


def _page(kind: str, items: list[Any], query: dict[str, str]) -> Reply:
    part, token = page(items, int(query.get("size", 100)), query.get("token"))
    return json_reply({kind: part, "token": token})


def _error(code: str, status: int) -> Reply:
    return json_reply({"code": code}, status)
