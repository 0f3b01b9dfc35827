"""Tracking of runs on SageMaker: what jobs left in the bucket and in their logs goes to MLflow."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow import spec
from waterflow.errors import TrackingError
from waterflow.graph import to_mermaid, to_svg
from waterflow.provider import Sent
from waterflow.provider.state import Status
from waterflow.runtime.logged import LogReader
from waterflow.tracking import store
from waterflow.tracking.client import STEP, UnreachableError, call, connect, short_waits
from waterflow.tracking.spool import finite, parse_frames
from waterflow_sagemaker.runs.lease import Lease
from waterflow_sagemaker.runs.results import Made, place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow_sagemaker.client import Client, Execution
    from waterflow_sagemaker.runs.logs import Logs
    from waterflow_sagemaker.runs.results import Results

_HISTORY: Final = 500
"""Step runs that are looked at for durations."""
_BEGUN: Final = "run.start"
_ENDED: Final = "run.end"
_AT: Final = "@"

Event = dict[str, Any]


@dataclass
class Progress:
    """What of a run MLflow has got.

    Attributes:
        uri: The tracking URI that it went to.
        experiment: The experiment.
        sent: The step runs sent whole, `run.start` and `run.end`, with the highest attempt of each.
    """

    uri: str
    experiment: str
    sent: dict[str, int] = field(default_factory=dict[str, int])

    def attempts(self, step: str) -> int:
        """Return how many attempts of a step were sent, those before a resumption too."""
        return max(
            (count for name, count in self.sent.items() if name.rpartition(_AT)[0] == step),
            default=0,
        )


class Tracking:
    """The tracking of one profile's runs.

    Args:
        client: The runs.
        results: What they have made.
        logs: Their logs.
        uri: MLflow's address now.
        experiment: The profile's experiment; None for the pipeline's name.
        state: The project's state folder.
    """

    def __init__(
        self,
        client: Client,
        results: Results,
        logs: Logs,
        uri: str,
        experiment: str | None,
        state: Path,
    ) -> None:
        self._client, self._results, self._logs = client, results, logs
        self.uri, self._experiment, self._state = uri, experiment, state

    def where(self, found: Execution) -> tuple[str, str]:
        """Return the tracking URI and the experiment of a run."""
        if found.record is not None:
            return found.record.tracking["uri"], found.record.tracking["experiment"]
        return self.uri, self._experiment or found.pipeline

    def durations(self, pipeline: spec.Pipeline) -> dict[str, list[float]]:
        """Return how long the steps of a pipeline took on SageMaker, in seconds, latest first.

        Raises:
            TrackingError: MLflow cannot be used.
        """
        from mlflow.exceptions import MlflowException

        uri, found = self.uri, dict[str, list[float]]()
        store.prepare(uri, self._state)
        client = connect(uri)
        with short_waits():
            try:
                experiment: Any = call(
                    uri,
                    lambda: client.get_experiment_by_name(self._experiment or pipeline.name),
                )
                if experiment is None:
                    return {}
                runs: Any = call(
                    uri,
                    lambda: client.search_runs(
                        [experiment.experiment_id],
                        "attributes.status = 'FINISHED' "
                        "and tags.`waterflow.job` LIKE 'pipelines-%'",
                        max_results=_HISTORY,
                    ),
                )
            except MlflowException as error:
                raise UnreachableError(uri, error) from error
        for run in runs:
            seconds = (run.info.end_time - run.info.start_time) / 1000
            found.setdefault(run.data.tags.get(STEP, ""), []).append(seconds)
        return found

    # --- what is left ---------------------------------------------------------------------------

    def left(self, run_id: str) -> int:
        """Return how many step runs, and the run itself, are still to be sent."""
        sent = self._progress(self._client.execution(run_id)).sent
        return sum(name not in sent for name in self._wanted(run_id))

    def _wanted(self, run_id: str) -> dict[str, str | None]:
        """Return what is to be sent of a run by now: its name -> the step."""
        state = self._client.status(run_id)
        found: dict[str, str | None] = {_BEGUN: None}
        for name, one in state.steps.items():
            if one.status.final and one.status is not Status.NOT_RUN:
                # Failed steps run again, and runs end again, when they are resumed.
                found[f"{name}{_AT}{one.job or one.started or ''}"] = name
        if state.status.final:
            found[f"{_ENDED}{_AT}{state.ended or ''}"] = None
        return found

    def _progress(self, found: Execution) -> Progress:
        uri, experiment = self.where(found)
        text = self._client.storage.get(_progress_name(found))
        if text is not None:
            saved: dict[str, Any] = json.loads(text)
            # Another store knows nothing of what this one was sent.
            if (saved["uri"], saved["experiment"]) == (uri, experiment):
                return Progress(uri, experiment, dict(saved["sent"]))
        return Progress(uri, experiment)

    # --- sending --------------------------------------------------------------------------------

    def sync(self, run_id: str) -> Sent:
        """Send what MLflow has not got yet; sending again what it has changes nothing.

        Returns:
            What was sent and what is left; errors are told in it, not raised.
        """
        found = self._client.execution(run_id)
        folder = self._state / "sagemaker"
        with Lease(self._client.storage, f"tracking/{found.id}.lease", folder) as lease:
            if not lease.held:
                return Sent(sent=0, left=self.left(run_id), error="Another is sending this run.")
            progress = self._progress(found)
            before = len(progress.sent)
            error = None
            try:
                self._send(run_id, found, progress, lease)
            except TrackingError as raised:
                error = str(raised)
            finally:
                if len(progress.sent) > before:
                    self._save(found, progress)
            sent = len(progress.sent) - before
        return Sent(sent=sent, left=self.left(run_id), error=error)

    def _send(self, run_id: str, found: Execution, progress: Progress, lease: Lease) -> None:
        wanted = {
            name: step for name, step in self._wanted(run_id).items() if name not in progress.sent
        }
        if not wanted:
            return
        from waterflow.tracking.replay import Replayer

        store.prepare(progress.uri, self._state)
        replayer = Replayer(
            progress.uri,
            progress.experiment,
            lease=self._state / "tracking.lease",
            artifact_location=store.artifact_location(progress.uri, self._state),
        )
        for count, (name, step) in enumerate(wanted.items()):
            if not lease.held:
                raise TrackingError("Another machine has taken over to send this run.")
            before = progress.attempts(step) if step is not None else 0
            with tempfile.TemporaryDirectory(prefix="waterflow-tracking-") as folder:
                events = list(self._events(run_id, found, name, step, Path(folder)))
                for event in events:
                    if event.get("attempt"):
                        event["attempt"] = int(event["attempt"]) + before
                replayer.apply(events, Path(folder))
            progress.sent[name] = max(
                (int(event.get("attempt") or 0) for event in events), default=before
            )
            if count % 10 == 9:
                self._save(found, progress)

    def _save(self, found: Execution, progress: Progress) -> None:
        text = json.dumps({"uri": progress.uri, "experiment": progress.experiment,
                           "sent": progress.sent})  # fmt: skip
        self._client.storage.put(_progress_name(found), text.encode())

    # --- events ---------------------------------------------------------------------------------

    def _events(
        self, run_id: str, found: Execution, name: str, step: str | None, folder: Path
    ) -> Iterator[Event]:
        """Yield the events of one step run, or of the run's own start or end."""
        if step is not None:
            yield from self._of_step(run_id, found, step, folder)
        elif name == _BEGUN:
            yield self._begun(run_id, found, folder)
        else:
            yield from self._ended(run_id, found)

    def _event(self, kind: str, found: Execution, moment: int | None, **fields: Any) -> Event:
        moment = int(time.time() * 1000) if moment is None else moment
        return {"id": f"{found.id}/{kind}", "kind": kind, "time": moment, "execution": found.id,
                "step": None, "attempt": None, **fields}  # fmt: skip

    def _begun(self, run_id: str, found: Execution, folder: Path) -> Event:
        state = self._client.status(run_id)
        build, record = found.build, found.record
        files = {
            "spec.json": build["spec"],
            "graph.svg": to_svg(found.spec),
            "graph.mmd": to_mermaid(found.spec),
            "requirements.lock": build["lock"],
        }
        for name, text in files.items():
            (folder / name).write_text(text)
        links = {
            "waterflow.run": run_id,
            "waterflow.native_execution": found.arn,
            "waterflow.url": state.url or "",
        }
        return self._event(
            _BEGUN, found, state.started,
            name=run_id, pipeline=found.pipeline,
            parameters=self._client.parameters(found),
            tags=(record.tags if record is not None else build["tags"]) | links,
            files={name: name for name in files},
            datasets=[
                {"name": Path(uri).name or uri, "digest": digest, "source": uri,
                 "source_type": "uri" if "://" in uri else "local", "context": "input"}
                for uri, digest in build["data"].items()
            ],
        )  # fmt: skip

    def _ended(self, run_id: str, found: Execution) -> Iterator[Event]:
        state = self._client.status(run_id)
        error = {"error": {"type": "RunFailed", "message": state.error}} if state.error else {}
        if not error and found.record is not None and found.record.resumed is not None:
            for key in ("type", "message"):  # what it failed of at first
                tag = {"key": f"waterflow.error.{key}", "value": ""}
                yield self._event("tag", found, state.ended, **tag)
        yield self._event(_ENDED, found, state.ended, status=str(state.status), **error)

    def _of_step(self, run_id: str, found: Execution, name: str, folder: Path) -> Iterator[Event]:
        state = self._client.status(run_id).steps[name]
        run = next(
            (one for one in self._client.steps(run_id).values()
             if one.native in found.natives and found.natives[one.native].step == name), None,
        )  # fmt: skip
        if run is None:  # skipped
            yield self._event("step.end", found, None) | {
                "step": name, "attempt": 1, "status": str(Status.SKIPPED), "outputs": {},
            }  # fmt: skip
            return
        made = Made(found.spec.step(name), run, place(run))
        if state.status is Status.CACHED:
            yield self._cached(found, made, folder)
            return
        if isinstance(made.step.run, spec.Container):
            start, end = self._job_events(found, made)
            yield start
            yield from self._printed(found, made)
            yield end
            return
        events = (
            self._results.events(made, folder)
            if state.status is Status.SUCCEEDED
            else list(parse_frames(self._logs.raw(run)))
        )
        yield from _whole(events, self._job_events(found, made))

    def _printed(self, found: Execution, made: Made) -> Iterator[Event]:
        """Yield the metrics that a container has printed: no runtime of ours read its log there."""
        if made.step.metrics:
            printed = _Printed(found.id, made.step.name)
            main = threading.current_thread() is threading.main_thread()
            reader = LogReader(made.step.metrics, printed, watched=main)
            for moment, line in self._logs.printed(made.run):
                printed.moment = moment
                reader.feed(f"{line}\n".encode())
            yield from printed.events

    def _cached(self, found: Execution, made: Made, folder: Path) -> Event:
        container = isinstance(made.step.run, spec.Container)
        events = (
            list(self._printed(found, made)) if container else self._results.events(made, folder)
        )
        attempt = max((event["attempt"] for event in events), default=1)
        metrics = {
            event["key"]: {"key": event["key"], "value": event["value"]}
            for event in events
            if event["kind"] == "metric" and event["attempt"] == attempt
        }
        origin = {"execution": made.run.origin, "step": made.step.name, "attempt": attempt}
        return self._event("step.cached", found, made.run.ended) | {
            "step": made.step.name, "attempt": 1, "origin": origin,
            "metrics": list(metrics.values()),
        }  # fmt: skip

    def _job_events(self, found: Execution, made: Made) -> list[Event]:
        """Return the start and end that SageMaker itself tells of a job."""
        run = made.run
        base = {"step": made.step.name, "attempt": 1}
        error = {}
        if run.status is Status.FAILED:
            error = {"error": {"type": "JobFailed", "message": run.failure or "no reason given",
                               "traceback": ""}}  # fmt: skip
        links = {"waterflow.job": run.job} if run.job else {}
        return [
            self._event("step.start", found, run.started) | base
            | {"parameters": {}, "inputs": {}, "tags": links},
            self._event("step.end", found, run.ended) | base
            | {"status": str(run.status), "outputs": {}, **error},
        ]  # fmt: skip


class _Printed:
    """Gathers the metrics that are found in a log, as events of the moment of their line.

    Args:
        execution: The execution.
        step: The step that printed them.
    """

    def __init__(self, execution: str, step: str) -> None:
        self._execution, self._step = execution, step
        self.moment = 0
        self.events: list[Event] = []

    def append(self, kind: str, **fields: Any) -> None:
        """Take one metric."""
        self.events.append({
            "id": f"{self._step}/1/printed.{len(self.events)}", "kind": kind, "time": self.moment,
            "execution": self._execution, "step": self._step, "attempt": 1,
            "key": fields["key"], "value": finite(fields["value"]), "at": fields["step"],
        })  # fmt: skip


def _whole(told: list[Event], job: list[Event]) -> Iterator[Event]:
    """Yield a job's own events, with a start and an end where it could not tell them.

    Args:
        told: What the job told.
        job: Its start and end as SageMaker tells them.
    """
    start, end = job
    if not told:
        yield from job
        return
    attempt = max(int(event["attempt"]) for event in told)
    for event in told:
        if event["kind"] == "step.start":
            event["tags"] = {**(event.get("tags") or {}), **start["tags"]}
        yield event
    last = [event for event in told if event["kind"] == "step.end" and event["attempt"] == attempt]
    if not last:
        yield end | {"attempt": attempt}


def _progress_name(found: Execution) -> str:
    return f"tracking/{found.id}.json"
