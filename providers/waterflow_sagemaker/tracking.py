"""Tracking of runs on SageMaker: what jobs left in the bucket and in their logs goes to MLflow."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow.errors import TrackingError
from waterflow.graph import to_mermaid, to_svg
from waterflow.provider import Sent
from waterflow.state import Status
from waterflow.tracking import store
from waterflow.tracking.client import STEP, call, connect, leased, short_waits, unreachable
from waterflow.tracking.spool import parse_frames
from waterflow_sagemaker.results import Made, place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow import spec
    from waterflow_sagemaker.client import Client, Execution
    from waterflow_sagemaker.logs import Logs
    from waterflow_sagemaker.results import Results

_LEASE: Final = 600
"""Seconds after which whoever was sending a run is taken for gone."""
_HISTORY: Final = 500
"""Step runs that are looked at for durations."""
_BEGUN: Final = "run.start"
_ENDED: Final = "run.end"

Event = dict[str, Any]


@dataclass
class Progress:
    """What of a run MLflow has got.

    Attributes:
        uri: The tracking URI that it went to.
        experiment: The experiment.
        sent: The step runs sent whole, and `run.start` and `run.end`.
    """

    uri: str
    experiment: str
    sent: list[str] = field(default_factory=list[str])


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
                raise unreachable(uri, error) from error
        for run in runs:
            seconds = (run.info.end_time - run.info.start_time) / 1000
            found.setdefault(run.data.tags.get(STEP, ""), []).append(seconds)
        return found

    # --- what is left ---------------------------------------------------------------------------

    def left(self, run_id: str) -> int:
        """Return how many step runs, and the run itself, are still to be sent."""
        found = self._client.execution(run_id)
        return len(self._wanted(run_id)) - len(self._progress(found).sent)

    def _wanted(self, run_id: str) -> list[str]:
        state = self._client.status(run_id)
        ended = [name for name, one in state.steps.items()
                 if one.status.final and one.status is not Status.NOT_RUN]  # fmt: skip
        return [_BEGUN, *ended, *([_ENDED] if state.status.final else [])]

    def _progress(self, found: Execution) -> Progress:
        uri, experiment = self.where(found)
        text = self._client.storage.get(_progress_name(found))
        if text is not None:
            saved: dict[str, Any] = json.loads(text)
            # Another store knows nothing of what this one was sent.
            if (saved["uri"], saved["experiment"]) == (uri, experiment):
                return Progress(uri, experiment, saved["sent"])
        return Progress(uri, experiment)

    # --- sending --------------------------------------------------------------------------------

    def sync(self, run_id: str) -> Sent:
        """Send what MLflow has not got yet; sending again what it has changes nothing.

        Returns:
            What was sent and what is left; errors are told in it, not raised.
        """
        found = self._client.execution(run_id)
        if not self._take(found):
            return Sent(
                sent=0, left=self.left(run_id), error="Another machine is sending this run."
            )
        try:
            progress = self._progress(found)
            wanted = [one for one in self._wanted(run_id) if one not in progress.sent]
            sent = 0
            try:
                sent = self._send(run_id, found, progress, wanted)
            except TrackingError as error:
                return Sent(sent=sent, left=len(wanted) - sent, error=str(error))
            return Sent(sent=sent, left=len(wanted) - sent)
        finally:
            self._client.storage.delete(_lease_name(found))

    def _send(self, run_id: str, found: Execution, progress: Progress, wanted: list[str]) -> int:
        if not wanted:
            return 0
        from waterflow.tracking.replay import Replayer

        store.prepare(progress.uri, self._state)
        replayer = Replayer(
            progress.uri,
            progress.experiment,
            lease=self._state / "tracking.lease",
            artifact_location=store.artifact_location(progress.uri, self._state),
        )
        for count, name in enumerate(wanted):
            with tempfile.TemporaryDirectory(prefix="waterflow-tracking-") as folder:
                events = list(self._events(run_id, found, name, Path(folder)))
                replayer.apply(events, Path(folder))
            progress.sent.append(name)
            if count % 10 == 9:
                self._save(found, progress)
        self._save(found, progress)
        return len(wanted)

    def _save(self, found: Execution, progress: Progress) -> None:
        text = json.dumps({"uri": progress.uri, "experiment": progress.experiment,
                           "sent": progress.sent})  # fmt: skip
        self._client.storage.put(_progress_name(found), text.encode())

    def _take(self, found: Execution) -> bool:
        """Become the one that sends this run, unless another machine is at it."""
        storage, name = self._client.storage, _lease_name(found)
        now = str(time.time()).encode()
        with leased(self._state / "sagemaker" / "take.lock"):
            if storage.put_new(name, now):
                return True
            held = storage.get(name)
            if held is not None and float(held) > time.time() - _LEASE:
                return False
            storage.put(name, now)
            return True

    # --- events ---------------------------------------------------------------------------------

    def _events(self, run_id: str, found: Execution, name: str, folder: Path) -> Iterator[Event]:
        """Yield the events of one step run, or of the run's own start or end."""
        if name == _BEGUN:
            yield self._begun(run_id, found, folder)
        elif name == _ENDED:
            yield self._ended(run_id, found)
        else:
            yield from self._of_step(run_id, found, name, folder)

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
        parameters = (
            record.parameters
            if record is not None
            else {name: one.default for name, one in found.spec.parameters.items()}
        )
        return self._event(
            _BEGUN, found, state.started,
            name=run_id, pipeline=found.pipeline, parameters=parameters,
            tags=build["tags"] | links, files={name: name for name in files},
            datasets=[
                {"name": Path(uri).name or uri, "digest": digest, "source": uri,
                 "source_type": "uri" if "://" in uri else "local", "context": "input"}
                for uri, digest in build["data"].items()
            ],
        )  # fmt: skip

    def _ended(self, run_id: str, found: Execution) -> Event:
        state = self._client.status(run_id)
        error = {"error": {"type": "RunFailed", "message": state.error}} if state.error else {}
        return self._event(_ENDED, found, state.ended, status=str(state.status), **error)

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
        events = (
            self._results.events(made, folder)
            if state.status is Status.SUCCEEDED
            else list(parse_frames(self._logs.raw(run)))
        )
        yield from _whole(events, self._job_events(found, made))

    def _cached(self, found: Execution, made: Made, folder: Path) -> Event:
        events = self._results.events(made, folder)
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


def _lease_name(found: Execution) -> str:
    return f"tracking/{found.id}.lease"
