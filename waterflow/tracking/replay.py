"""The replayer: tracking events in, MLflow runs out; the same events again change nothing."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from waterflow.errors import TrackingError
from waterflow.tracking import event_fields
from waterflow.tracking.client import (
    ATTEMPT,
    KIND,
    NAME,
    NESTED_RUN,
    STEP,
    UnreachableError,
    child_name,
    child_tags,
    connect,
    experiment_id,
    find_child,
    find_parent,
    find_runs,
    nested_tags,
    parent_tags,
)
from waterflow.tracking.client import EXECUTION as EXECUTION_TAG
from waterflow.tracking.locks import locked
from waterflow.tracking.names import GROUP, calls, valid_key
from waterflow.tracking.pages import TrackedRun
from waterflow.tracking.pending import Pending
from waterflow.tracking.run_tables import RunTables
from waterflow.tracking.sink import METRICS, TAGS, Sink
from waterflow.tracking.spool import NESTED
from waterflow.tracking.waits import short_waits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from mlflow import MlflowClient

    from waterflow.tracking.spool import Event

_ORIGINS: Final = 8
_STATUS: Final = {
    "succeeded": "FINISHED",
    "failed": "FAILED",
    "cancelled": "KILLED",
    "skipped": "FINISHED",
}

_Key = tuple[str, str | None, int, str]
"""Execution, step (None for the execution's own run), attempt, and the run within the step's."""


class Replayer:
    """Writes tracking events to MLflow: a run per execution, and under it one per attempt.

    Args:
        uri: The tracking URI.
        experiment: The experiment's name; made when it is missing.
        lease: A file that is locked while a run that others may make too is searched and made.
        artifact_location: Where the artifacts of an experiment made here go.

    What MLflow holds is searched once, when the first event of an execution arrives; after an
    error it is searched again, because a request that failed here may have succeeded there.
    """

    def __init__(
        self,
        uri: str,
        experiment: str,
        *,
        lease: Path | None = None,
        artifact_location: str | None = None,
    ) -> None:
        self.uri, self.experiment = uri, experiment
        self._lease, self._location = lease, artifact_location
        self._handlers: dict[str, Callable[[Event, Path], None]] = {
            "run.start": self._run_start,
            "run.end": self._run_end,
            "step.start": self._step_start,
            "step.end": self._step_end,
            "step.cached": self._step_cached,
            "metric": self._user_metric,
            "param": self._user_param,
            "tag": self._user_tag,
            "artifact": self._user_artifact,
            "dataset": self._user_dataset,
            "nested.start": self._nested_start,
            "nested.end": self._nested_end,
        }
        for kind in ("metric", "param", "tag", "artifact", "dataset"):
            self._handlers[f"{NESTED}{kind}"] = self._handlers[kind]
        self._connected: tuple[MlflowClient, str] | None = None
        self._written: dict[str, dict[str | None, str]] = {}
        self._forget()

    def _forget(self) -> None:
        self._pending: dict[_Key, Pending] = {}
        self._parents: dict[str, str] = {}
        self._who: dict[str, dict[str, str]] = {}
        self._calls: dict[str, tuple[dict[str, str], dict[str, str]]] = {}
        self._known: dict[_Key, str] = {}
        self._newest: tuple[int, int] = (0, 0)
        self._origins: dict[str, dict[_Key, str]] = {}
        self._within: dict[_Key, str] = {}

    def apply(self, events: Iterable[Event], folder: Path) -> None:
        """Write events.

        Args:
            events: In the order in which they were written.
            folder: What the paths in them are relative to.

        Raises:
            TrackingError: MLflow cannot be reached or failed; give the same events again later.
        """
        for event in events:
            self.feed(event, folder)
        self.flush()

    def feed(self, event: Event, folder: Path) -> None:
        """Take one event; it is written with the next `flush`, or before when much is waiting.

        Raises:
            TrackingError: As for `apply`.
        """
        handler = self._handlers.get(str(event.get("kind")))
        if handler is None or "execution" not in event:
            return  # a later release may write kinds that this one does not know
        self._guarded(lambda: handler(event, folder))

    def flush(self) -> None:
        """Write all events taken so far.

        Raises:
            TrackingError: As for `apply`.
        """
        self._guarded(self._flush_all)

    def tracked(self, execution: str) -> TrackedRun | None:
        """Return the runs in MLflow that this has written of an execution; None where it has none.

        Args:
            execution: The execution.
        """
        written = self._written.get(execution, {})
        run = written.get(None)
        if run is None or self._connected is None:
            return None
        steps = {step: one for step, one in written.items() if step is not None}
        return TrackedRun(experiment=self._connected[1], run=run, steps=steps)

    def _guarded(self, do: Callable[[], None]) -> None:
        try:
            with short_waits():
                do()
        except BaseException as error:
            self._forget()
            if isinstance(error, TrackingError) or not isinstance(error, Exception):
                raise
            raise UnreachableError(self.uri, error) from error

    # --- the kinds of events ------------------------------------------------------------------

    def _run_start(self, event: Event, folder: Path) -> None:
        execution = event["execution"]
        if execution in self._parents:
            self._forget()  # told twice: go by what MLflow holds
        pending = self._run(event)
        pending.name = str(event.get("name") or execution)
        pending.start = event["time"]
        pending.tags |= {"waterflow.pipeline": str(event.get("pipeline", ""))}
        pending.tags |= event_fields.texts(event.get("tags"))
        self._who[execution] = event_fields.who(pending.tags)
        self._calls[execution] = calls(pending.tags)
        self._add_params(pending, event.get("parameters"))
        for name, path in (event.get("files") or {}).items():
            pending.files.append((folder / path, name))
        pending.datasets += event.get("datasets") or []

    def _run_end(self, event: Event, _: Path) -> None:
        self._flush_all()  # the steps first: their last values are read back
        pending = self._run(event)
        self._end(pending, event)
        self._sum_up(event, pending)
        self._flush_all()

    def _step_start(self, event: Event, _: Path) -> None:
        pending = self._run(event)
        pending.start = event["time"]
        labels, groups = self._calls.get(event["execution"], ({}, {}))
        if group := groups.get(event["step"]):
            pending.tags[GROUP] = group
        if label := labels.get(event["step"]):
            # As a tag too: a job that has made its run itself did not know the label.
            pending.name = child_name(label, self._key(event)[2])
            pending.tags[NAME] = pending.name
        pending.tags |= event_fields.texts(event.get("tags"))
        # A register step needs the run before its first event here arrives, and makes it itself.
        pending.search = pending.search or pending.tags.get(KIND) == "register"
        for name, digest in (event.get("inputs") or {}).items():
            if digest:
                pending.tags[f"waterflow.input.{name}.sha256"] = str(digest)
        self._add_params(pending, event.get("parameters"))

    def _step_end(self, event: Event, _: Path) -> None:
        if event["status"] == "skipped":
            self._parent_of(event).tags[f"waterflow.skipped.{event['step']}"] = "true"
            started = self._pending.get(self._key(event))
            if started is not None and started.run_id is None:
                del self._pending[self._key(event)]  # a job starts before it knows
            if started is None or started.run_id is None:
                return
        key = self._key(event)
        for nested in [one for one in self._pending if one[:3] == key[:3] and one != key]:
            self._flush(nested)  # which may write the step's run, too
        pending = self._run(event)
        pending.start = pending.start or event["time"]
        pending.tags |= event_fields.output_tags(event)
        self._end(pending, event)
        self._flush(key)
        for known in (self._known, self._within):
            for nested in [one for one in known if one[:3] == key[:3]]:
                del known[nested]

    def _nested_start(self, event: Event, _: Path) -> None:
        pending = self._run(event)
        pending.name, pending.start = str(event["name"]), int(event["start"])
        self._within[self._key(event)] = str(event["parent"])

    def _nested_end(self, event: Event, _: Path) -> None:
        self._run(event).end = str(event["status"]), int(event["end"])

    def _step_cached(self, event: Event, _: Path) -> None:
        """Let the execution's own run link to the run that did the work, and show its metrics."""
        pending, step = self._parent_of(event), event["step"]
        origin = event["origin"]
        at: _Key = (str(origin["execution"]), origin["step"], int(origin["attempt"]), "")
        pending.tags[f"waterflow.cached.{step}"] = f"{at[0]}/{at[1]}/{at[2]}"
        run_id = self._find_origin(at)
        if run_id is not None:
            pending.tags[f"waterflow.cached.{step}.run_id"] = run_id
            self._written.setdefault(str(event["execution"]), {})[step] = run_id
        for metric in event.get("metrics") or []:
            named = {**metric, "key": f"{step}.{metric['key']}"}
            self._add_metric(pending, {"time": event["time"], **named})

    def _parent_of(self, event: Event) -> Pending:
        """Return what the execution's own run is to get."""
        return self._run({"execution": event["execution"], "kind": "run.", "time": event["time"]})

    def _user_metric(self, event: Event, _: Path) -> None:
        pending = self._run(event)
        self._add_metric(pending, event)
        if len(pending.metrics) >= METRICS:
            self._flush(self._key(event))

    def _user_param(self, event: Event, _: Path) -> None:
        pending = self._run(event)
        if event["key"] in pending.params and pending.params[event["key"]] != event["value"]:
            self._flush(self._key(event))  # so that MLflow itself decides, and the first stays
            pending = self._run(event)
        self._add_params(pending, {event["key"]: event["value"]})

    def _user_tag(self, event: Event, _: Path) -> None:
        self._run(event).tags[str(event["key"])] = str(event["value"])

    def _user_artifact(self, event: Event, folder: Path) -> None:
        pending = self._run(event)
        pending.files.append((folder / event["file"], event["path"]))
        if len(pending.files) >= TAGS:
            self._flush(self._key(event))

    def _user_dataset(self, event: Event, _: Path) -> None:
        self._run(event).datasets.append(event)

    # --- gathering what a run is to get -------------------------------------------------------

    def _key(self, event: Event) -> _Key:
        step = event.get("step")
        if str(event["kind"]).startswith("run.") or not isinstance(step, str):
            return event["execution"], None, 0, ""
        attempt = int(event.get("attempt") or 1)
        nested = str(event["kind"]).startswith(NESTED)
        return event["execution"], step, attempt, str(event["run"]) if nested else ""

    def _run(self, event: Event) -> Pending:
        key = self._key(event)
        known = self._pending.get(key)
        if known is not None:
            return known
        pending = Pending(start=event["time"])
        execution, step, attempt, _ = key
        if step is None:
            pending.name = execution
        else:
            pending.name = child_name(step, attempt)  # a run within it tells its own
            self._parent(execution)
            pending.run_id = self._known.get(key)
            if pending.run_id is None:
                # Made only by who writes this journal, so one not seen before is new; but an
                # event no newer than the newest may be told for the second time.
                stamp = (int(event["time"]), event_fields.number(event))
                starts = event["kind"] in ("step.start", "nested.start")
                pending.search = not starts or stamp <= self._newest
                if starts:
                    self._newest = max(self._newest, stamp)
        self._pending[key] = pending
        return pending

    def _add_params(self, pending: Pending, params: dict[str, Any] | None) -> None:
        for name, value in (params or {}).items():
            text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
            pending.params[str(name)] = text

    def _add_metric(self, pending: Pending, event: Event) -> None:
        at = event.get("at", event.get("step"))
        stamp = int(event.get("timestamp") or event["time"])
        value = float(event["value"])
        pending.metrics.append(
            (valid_key(str(event["key"])), value, stamp, at if isinstance(at, int) else 0)
        )

    def _end(self, pending: Pending, event: Event) -> None:
        status = str(event["status"])
        pending.tags["waterflow.status"] = status
        pending.end = (_STATUS.get(status, "FAILED"), int(event["time"]))
        error = event.get("error")
        if not error:
            return
        if not isinstance(error, dict):
            error = {"type": "Error", "message": str(error)}
        pending.tags["waterflow.error.type"] = str(error.get("type", ""))
        pending.tags["waterflow.error.message"] = str(error.get("message", ""))
        text = error.get("traceback") or f"{error.get('type')}: {error.get('message')}\n"
        pending.texts["error.txt"] = str(text)

    # --- finding ------------------------------------------------------------------------------

    def _client(self) -> tuple[MlflowClient, str]:
        if self._connected is None:
            client = connect(self.uri)
            self._connected = client, experiment_id(client, self.experiment, self._location)
        return self._connected

    @cached_property
    def _sink(self) -> Sink:
        client, experiment = self._client()
        return Sink(client, RunTables.of(self.uri, experiment))

    def _parent(self, execution: str) -> str:
        """Return the run of an execution, found or made; a found one's children are learnt."""
        if execution in self._parents:
            return self._parents[execution]
        key: _Key = (execution, None, 0, "")
        pending = self._pending.get(key) or Pending(name=execution)
        client, experiment = self._client()
        with locked(self._lease):
            run = find_parent(client, experiment, execution)
            if run is None:
                run_id = self._sink.create(experiment, pending, parent_tags(execution))
            else:
                run_id = run.info.run_id
                self._who.setdefault(execution, event_fields.who(run.data.tags))
                self._calls.setdefault(execution, calls(run.data.tags))
                self._known |= self._children(execution)
        self._parents[execution] = pending.run_id = run_id
        self._written.setdefault(execution, {})[None] = run_id
        return run_id

    def _children(self, execution: str) -> dict[_Key, str]:
        client, experiment = self._client()
        children: dict[_Key, str] = {}
        for run in find_runs(client, experiment, {EXECUTION_TAG: execution}):
            tags = run.data.tags
            if STEP in tags:
                attempt = int(tags.get(ATTEMPT, "1"))
                children[execution, tags[STEP], attempt, ""] = run.info.run_id
            elif NESTED_RUN in tags:
                step, attempt, nested = tags[NESTED_RUN].split("/")
                children[execution, step, int(attempt), nested] = run.info.run_id
        return children

    def _find_origin(self, key: _Key) -> str | None:
        if key in self._known:
            return self._known[key]
        execution = key[0]
        if execution not in self._origins:
            while len(self._origins) >= _ORIGINS:
                del self._origins[next(iter(self._origins))]
            self._origins[execution] = self._children(execution)
        return self._origins[execution].get(key)

    def _sum_up(self, event: Event, pending: Pending) -> None:
        """Give the execution's run the last value of each step's metrics; end what was left."""
        client, experiment = self._client()
        execution, end = event["execution"], int(event["time"])
        latest: dict[str, tuple[int, float, int]] = {}
        for run in find_runs(client, experiment, {EXECUTION_TAG: execution}):
            step = run.data.tags.get(STEP)
            if run.info.status == "RUNNING" and NESTED_RUN in run.data.tags:
                # Its process has ended, and has not come to tell.
                status = "FINISHED" if event["status"] == "succeeded" else "FAILED"
                self._sink.terminate(run.info.run_id, status, end)
            if step is None:
                continue
            if run.info.status == "RUNNING" and event["status"] != "succeeded":
                status = "KILLED" if event["status"] == "cancelled" else "FAILED"
                self._sink.terminate(run.info.run_id, status, end)
            attempt = int(run.data.tags.get(ATTEMPT, "1"))
            for key, value in run.data.metrics.items():
                name = valid_key(f"{step}.{key}")
                if name not in latest or latest[name][0] <= attempt:
                    latest[name] = attempt, float(value), int(run.info.end_time or end)
        pending.metrics += [(name, value, stamp, 0) for name, (_, value, stamp) in latest.items()]

    # --- writing ------------------------------------------------------------------------------

    def _flush_all(self) -> None:
        # A run comes before those within it: they name it.
        for key in sorted(self._pending, key=lambda key: (key[1] is not None, key[3] != "")):
            self._flush(key)

    def _flush(self, key: _Key) -> None:
        pending = self._pending.get(key)
        if pending is None:
            return  # written already, for one within it
        execution, step, attempt, nested = key
        ended = pending.end is not None
        if step is None:
            run_id = self._parent(execution)
        elif nested:
            run_id = pending.run_id or self._nested(key, pending)
        else:
            run_id = pending.run_id or self._child(execution, step, attempt, pending)
        self._sink.write(run_id, pending)
        if step is not None and not nested:
            self._written.setdefault(execution, {})[step] = run_id
        del self._pending[key]
        if step is not None:
            if ended:
                self._known.pop(key, None)  # so that memory does not grow with the steps done
            else:
                self._known[key] = run_id

    def _child(self, execution: str, step: str, attempt: int, pending: Pending) -> str:
        parent = self._parent(execution)
        tags = child_tags(execution, step, attempt, parent)
        pending.tags = self._who.get(execution, {}) | pending.tags
        client, experiment = self._client()
        if pending.search:
            with locked(self._lease):
                run = find_child(client, experiment, execution, step, attempt)
                if run is not None:
                    return run.info.run_id
                return self._create(experiment, pending, tags)
        return self._create(experiment, pending, tags)

    def _create(self, experiment: str, pending: Pending, tags: dict[str, str]) -> str:
        """Make a step's run; MLflow takes no name that differs between argument and tag."""
        pending.name = pending.tags.pop(NAME, pending.name)
        return self._sink.create(experiment, pending, tags)

    def _nested(self, key: _Key, pending: Pending) -> str:
        """Return the run of one that a step has started within its own, found or made."""
        execution, step, attempt, nested = key
        if step is None:
            raise AssertionError("a run within a step's has a step")
        parent = self._enclosing((execution, step, attempt, self._within.get(key, "")))
        tags = nested_tags(execution, step, attempt, nested, parent)
        client, experiment = self._client()
        if pending.search:
            identity = {name: tags[name] for name in (EXECUTION_TAG, NESTED_RUN)}
            run = next(find_runs(client, experiment, identity), None)
            if run is not None:
                return run.info.run_id
        return self._sink.create(experiment, pending, tags)

    def _enclosing(self, key: _Key) -> str:
        """Return the run that another is within."""
        self._flush(key)
        if key not in self._known:
            execution, step, attempt, nested = key
            client, experiment = self._client()
            # It has ended, or was written before this process began.
            if nested:
                self._known |= self._children(execution)
            elif step is not None:
                run = find_child(client, experiment, execution, step, attempt)
                if run is not None:
                    self._known[key] = run.info.run_id
        return self._known.get(key) or self._parent(key[0])
