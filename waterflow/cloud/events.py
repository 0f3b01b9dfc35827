"""The tracking events of a cloud's run: its jobs' own, and the cloud's where they wrote none."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow import spec
from waterflow.graph import to_mermaid, to_svg
from waterflow.provider.state import Status
from waterflow.runs import lineage
from waterflow.runtime.logged import LogReader
from waterflow.tracking.spool import finite, parse_frames

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow.cloud.logs import Logs
    from waterflow.cloud.results import Result, Results
    from waterflow.cloud.runs import Execution, Look, Runs

RUN_START: Final = "run.start"
RUN_END: Final = "run.end"

Event = dict[str, Any]


class Events:
    """The events of one profile's runs.

    Args:
        runs: The runs.
        results: What they have made.
        logs: Their logs.
    """

    def __init__(self, runs: Runs, results: Results, logs: Logs) -> None:
        self._runs, self._results, self._logs = runs, results, logs

    def run_start(self, look: Look, folder: Path) -> Event:
        """Return the event of a run's start.

        Args:
            look: The run.
            folder: An empty folder, where the files go that it names.
        """
        execution = look.execution
        build, record = execution.build, execution.record
        files = {
            "spec.json": build.spec,
            "graph.svg": to_svg(execution.spec),
            "graph.mmd": to_mermaid(execution.spec),
            "requirements.lock": build.lock,
            lineage.CODE: lineage.code_text(build.code),
        }
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        kept = record.files if record is not None else {}
        for name, place in kept.items():
            content = self._runs.bucket.get(place)
            if content is not None:
                (folder / name).write_bytes(content)
        links = {
            "waterflow.run": execution.run,
            "waterflow.native_execution": execution.native,
            "waterflow.url": look.state.url or "",
        }
        return _event(
            RUN_START,
            execution,
            look.state.started,
            name=execution.run,
            pipeline=execution.pipeline,
            parameters=self._runs.parameters(execution),
            tags=(record.tags if record is not None else build.tags)
            | lineage.call_tags(execution.spec)
            | links,
            files={name: name for name in (*files, *kept) if (folder / name).exists()},
            datasets=[
                {
                    "name": Path(uri).name or uri,
                    "digest": digest,
                    "source": uri,
                    "source_type": "uri" if "://" in uri else "local",
                    "context": "input",
                }
                for uri, digest in build.data.items()
            ],
        )

    def run_end(self, look: Look) -> Iterator[Event]:
        """Yield the events of a run's end."""
        state, record = look.state, look.execution.record
        error = {"error": {"type": "RunFailed", "message": state.error}} if state.error else {}
        if not error and record is not None and record.resumed is not None:
            for key in ("type", "message"):  # what it failed of at first
                tag = {"key": f"waterflow.error.{key}", "value": ""}
                yield _event("tag", look.execution, state.ended, **tag)
        yield _event(RUN_END, look.execution, state.ended, status=str(state.status), **error)

    def step(self, look: Look, name: str, folder: Path) -> Iterator[Event]:
        """Yield the events of a step that has ended or was skipped.

        Args:
            look: The run.
            name: The step.
            folder: An empty folder, where the files go that they name.
        """
        execution, run = look.execution, look.native_run(name)
        if run is None or run.status is Status.SKIPPED:
            yield _event("step.end", execution, None) | {
                "step": name,
                "attempt": 1,
                "status": str(Status.SKIPPED),
                "outputs": {},
            }
            return
        result = self._results.of(execution.spec.step(name), run)
        status = look.state.steps[name].status
        if status is Status.CACHED:
            yield self._cached(execution, result, folder)
            return
        start, end = _job_events(execution, result)
        if isinstance(result.step.run, spec.Container):
            yield start
            yield from self._printed(execution, result)
            yield end
            return
        events = (
            self._results.events(result, folder)
            if status is Status.SUCCEEDED
            else list(parse_frames(self._logs.raw(run)))
        )
        yield from _whole(events, start, end)

    def _printed(self, execution: Execution, result: Result) -> Iterator[Event]:
        """Yield the metrics that a container has printed: no runtime of ours read its log there."""
        if result.step.metrics:
            metrics = _PrintedMetrics(execution.id, result.step.name)
            main = threading.current_thread() is threading.main_thread()
            reader = LogReader(result.step.metrics, metrics, watched=main)
            for moment, line in self._logs.printed(result.run):
                metrics.moment = moment
                reader.feed(f"{line}\n".encode())
            yield from metrics.events

    def _cached(self, execution: Execution, result: Result, folder: Path) -> Event:
        container = isinstance(result.step.run, spec.Container)
        events = (
            list(self._printed(execution, result))
            if container
            else self._results.events(result, folder)
        )
        attempt = max((event["attempt"] for event in events), default=1)
        metrics = {
            event["key"]: {"key": event["key"], "value": event["value"]}
            for event in events
            if event["kind"] == "metric" and event["attempt"] == attempt
        }
        step = result.step.name
        return _event("step.cached", execution, result.run.ended) | {
            "step": step,
            "attempt": 1,
            "origin": {"execution": result.run.origin, "step": step, "attempt": attempt},
            "metrics": list(metrics.values()),
        }


class _PrintedMetrics:
    """Gathers the metrics that are found in a log, as events of the moment of their line.

    Args:
        execution: The execution's short id.
        step: The step that printed them.
    """

    def __init__(self, execution: str, step: str) -> None:
        self._execution, self._step = execution, step
        self.moment = 0
        self.events: list[Event] = []

    def append(self, kind: str, **fields: Any) -> None:
        """Take one metric."""
        self.events.append(
            {
                "id": f"{self._step}/1/printed.{len(self.events)}",
                "kind": kind,
                "time": self.moment,
                "execution": self._execution,
                "step": self._step,
                "attempt": 1,
                "key": fields["key"],
                "value": finite(fields["value"]),
                "at": fields["step"],
            }
        )


def _event(kind: str, execution: Execution, moment: int | None, **fields: Any) -> Event:
    return {
        "id": f"{execution.id}/{kind}",
        "kind": kind,
        "time": int(time.time() * 1000) if moment is None else moment,
        "execution": execution.id,
        "step": None,
        "attempt": None,
        **fields,
    }


def _job_events(execution: Execution, result: Result) -> tuple[Event, Event]:
    """Return the start and the end of a job as the cloud itself tells them."""
    run = result.run
    base = {"step": result.step.name, "attempt": 1}
    error = {}
    if run.status is Status.FAILED:
        message = run.failure or "no reason given"
        error = {"error": {"type": "JobFailed", "message": message, "traceback": ""}}
    links = {"waterflow.job": run.job} if run.job else {}
    start = {"parameters": {}, "inputs": {}, "tags": links}
    end = {"status": str(run.status), "outputs": {}, **error}
    return (
        _event("step.start", execution, run.started) | base | start,
        _event("step.end", execution, run.ended) | base | end,
    )


def _whole(events: list[Event], start: Event, end: Event) -> Iterator[Event]:
    """Yield a job's own events, with a start and an end where it could write none.

    Args:
        events: What the job wrote.
        start: Its start as the cloud tells it.
        end: Its end as the cloud tells it.
    """
    if not events:
        yield start
        yield end
        return
    attempt = max(int(event["attempt"]) for event in events)
    for event in events:
        if event["kind"] == "step.start":
            event["tags"] = {**(event.get("tags") or {}), **start["tags"]}
        yield event
    if not any(event["kind"] == "step.end" and event["attempt"] == attempt for event in events):
        yield end | {"attempt": attempt}
