"""What a spool has of the step's run and of those within it, in MLflow's own entities."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from mlflow.entities import (
    LifecycleStage,
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunStatus,
    RunTag,
)

from waterflow.tracking.spool import NESTED, Spool, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow.tracking.spool import Event

PARENT: Final = "mlflow.parentRunId"
NAME: Final = "mlflow.runName"


@dataclass
class Recorded:
    """One run, as far as the spool tells.

    Attributes:
        run_id: Its id here; "" is the step's own.
        name: Its name.
        parent: The run that it is within; "" for the step's own.
        start: When it started, in ms since the epoch.
        end: When it ended; None while it runs.
        status: MLflow's word.
    """

    run_id: str
    name: str
    parent: str
    start: int
    end: int | None = None
    status: str = "RUNNING"
    metrics: dict[str, Metric] = field(default_factory=dict[str, Metric])
    params: dict[str, str] = field(default_factory=dict[str, str])
    tags: dict[str, str] = field(default_factory=dict[str, str])

    def take(self, kind: str, event: Event) -> None:
        """Take what an event says of the run."""
        if kind == "metric":
            metric = to_metric(event)
            last = self.metrics.get(metric.key)
            if last is None or (metric.step, metric.timestamp) >= (last.step, last.timestamp):
                self.metrics[metric.key] = metric
        elif kind == "param":
            self.params[event["key"]] = event["value"]
        elif kind == "tag":
            self.tags[event["key"]] = event["value"]
        elif kind == "end":
            self.status, self.end = event["status"], event["end"]


class RecordedRuns:
    """The runs that a spool tells of, whichever process wrote it.

    Args:
        spool: The spool of one attempt; what others wrote to the same file is passed over.
        start: When the step's run started, in ms since the epoch.
    """

    def __init__(self, spool: Spool, start: int) -> None:
        self._spool = spool
        self._lock = threading.RLock()
        self._offset = 0
        self._own = Recorded("", spool.step, "", start)
        self._nested: dict[str, Recorded] = {}

    def find(self, run_id: str) -> Recorded | None:
        """Return a run by its id, the step's own or one within it."""
        with self._lock:
            self._refresh()
            return self._own if run_id == self._spool.run_id else self._nested.get(run_id)

    def every(self) -> list[Recorded]:
        """Return the step's run and all within it."""
        with self._lock:
            self._refresh()
            return [self._own, *self._nested.values()]

    def history(self, run: Recorded, key: str) -> Iterator[Metric]:
        """Yield all values of a metric."""
        for event, _ in read(self._spool.path):
            if self._whose(event) == (run.run_id, "metric") and event["key"] == key:
                yield to_metric(event)

    def to_run(self, run: Recorded, experiment: str, artifact_uri: str) -> Run:
        """Return a run as MLflow has it.

        Args:
            run: The run.
            experiment: The id of its experiment.
            artifact_uri: Where its artifacts are.
        """
        with self._lock:
            tags = [RunTag(key, value) for key, value in run.tags.items() if key != NAME]
            params = [Param(key, value) for key, value in run.params.items()]
            metrics = list(run.metrics.values())
        name = run.tags.get(NAME) or run.name
        tags.append(RunTag(NAME, name))
        if run.run_id:
            tags.append(RunTag(PARENT, run.parent or self._spool.run_id))
        info = RunInfo(
            run_id=run.run_id or self._spool.run_id,
            experiment_id=experiment,
            user_id="",
            status=run.status,
            start_time=run.start,
            end_time=run.end,
            lifecycle_stage=LifecycleStage.ACTIVE,
            artifact_uri=artifact_uri,
            run_name=name,
        )
        return Run(info, RunData(metrics, params, tags))

    def own_ends(self, status: int | None, end: int | None) -> Recorded:
        """Note what this process says of the step's run, whose end is the step's, not MLflow's."""
        if status is not None:
            self._own.status = RunStatus.to_string(status)
        self._own.end = end
        return self._own

    def _whose(self, event: Event) -> tuple[str | None, str]:
        """Return which run an event is of, and its kind there; None for another attempt's."""
        kind = str(event["kind"])
        if event.get("attempt") != self._spool.attempt:
            return None, kind
        if kind.startswith(NESTED):
            return str(event["run"]), kind.removeprefix(NESTED)
        return "", kind

    def _refresh(self) -> None:
        for event, offset in read(self._spool.path, self._offset):
            self._offset = offset
            run_id, kind = self._whose(event)
            if run_id is None:
                continue
            if run_id and kind == "start":
                self._nested[run_id] = Recorded(
                    run_id, event["name"], event["parent"], event["start"]
                )
            run = self._nested.get(run_id) if run_id else self._own
            if run is not None:
                run.take(kind, event)


def to_metric(event: Event) -> Metric:
    """Return a metric's value as MLflow has it."""
    stamp: Any = event.get("timestamp") or event["time"]
    return Metric(event["key"], float(event["value"]), stamp, int(event.get("at") or 0))
