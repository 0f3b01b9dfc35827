"""Sending what MLflow has not got yet of a cloud's runs, by one machine at a time."""

from __future__ import annotations

import contextlib
import json
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow.cloud.events import RUN_END, RUN_START
from waterflow.cloud.lease import Lease
from waterflow.errors import TrackingError
from waterflow.provider import REPORT, Sent
from waterflow.provider.state import Status
from waterflow.tracking import store
from waterflow.tracking.client import STEP, UnreachableError, call, connect, short_waits
from waterflow.tracking.pages import TrackedRun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from waterflow import spec
    from waterflow.cloud.events import Event, Events
    from waterflow.cloud.runs import Execution, Look, Runs

_HISTORY: Final = 500
"""Step runs that are looked at for durations."""
_AT: Final = "@"


@dataclass
class Progress:
    """What of a run MLflow has got.

    Attributes:
        uri: The tracking URI that it went to.
        experiment: The experiment.
        sent: The parts sent whole, with the highest attempt of each: step runs, and the run's own
            start and end.
        runs: The runs in MLflow; None before any is known.
    """

    uri: str
    experiment: str
    sent: dict[str, int] = field(default_factory=dict[str, int])
    runs: TrackedRun | None = None

    def attempts(self, step: str) -> int:
        """Return how many attempts of a step were sent, those before a resumption too."""
        return max(
            (count for name, count in self.sent.items() if name.rpartition(_AT)[0] == step),
            default=0,
        )


class Tracking:
    """The tracking of one profile's runs.

    Args:
        runs: The runs.
        events: What is to be sent of them.
        uri: MLflow's address now.
        experiment: The profile's experiment; None for the pipeline's name.
        state: The project's state folder.
        page: Makes the page of a run that has ended.
    """

    def __init__(
        self,
        runs: Runs,
        events: Events,
        uri: str,
        experiment: str | None,
        state: Path,
        page: Callable[[str], str],
    ) -> None:
        self._page = page
        self._runs, self._bucket, self._events = runs, runs.bucket, events
        self.uri, self._experiment, self._state = uri, experiment, state

    def destination(self, execution: Execution) -> tuple[str, str]:
        """Return the tracking URI and the experiment of a run."""
        if execution.record is not None:
            return execution.record.tracking["uri"], execution.record.tracking["experiment"]
        return self.uri, self._experiment or execution.pipeline

    def durations(self, pipeline: spec.Pipeline) -> dict[str, list[float]]:
        """Return how long the steps of a pipeline took on the cloud, in seconds, latest first.

        Raises:
            TrackingError: MLflow cannot be used.
        """
        uri, durations = self.uri, dict[str, list[float]]()
        store.prepare(uri, self._state)
        client = connect(uri)
        from mlflow.exceptions import MlflowException

        name = self._experiment or pipeline.name
        jobs = self._runs.service.job_names
        with short_waits():
            try:
                experiment: Any = call(uri, lambda: client.get_experiment_by_name(name))
                if experiment is None:
                    return {}
                runs: Any = call(
                    uri,
                    lambda: client.search_runs(
                        [experiment.experiment_id],
                        f"attributes.status = 'FINISHED' and tags.`waterflow.job` LIKE '{jobs}'",
                        max_results=_HISTORY,
                    ),
                )
            except MlflowException as error:
                raise UnreachableError(uri, error) from error
        for run in runs:
            seconds = (run.info.end_time - run.info.start_time) / 1000
            durations.setdefault(run.data.tags.get(STEP, ""), []).append(seconds)
        return durations

    # --- what is left ---------------------------------------------------------------------------

    def left(self, look: Look) -> int:
        """Return how many step runs, and the run itself, are still to be sent."""
        sent = self._progress(look.execution).sent
        return sum(name not in sent for name in _parts(look))

    def _progress(self, execution: Execution) -> Progress:
        uri, experiment = self.destination(execution)
        text = self._bucket.get(_progress_name(execution))
        if text is not None:
            saved: dict[str, Any] = json.loads(text)
            # Another store knows nothing of what this one was sent.
            if (saved["uri"], saved["experiment"]) == (uri, experiment):
                runs = TrackedRun.read(saved.get("runs"))
                return Progress(uri, experiment, dict(saved["sent"]), runs)
        return Progress(uri, experiment)

    def tracked(self, run_id: str) -> TrackedRun | None:
        """Return what MLflow knows a run by; None where nothing of it was sent from outside."""
        return self._progress(self._runs.execution(run_id)).runs

    # --- sending --------------------------------------------------------------------------------

    def sync(self, run_id: str) -> Sent:
        """Send what MLflow has not got yet; sending again what it has changes nothing.

        Returns:
            What was sent and what is left; errors are told in it, not raised.
        """
        execution = self._runs.execution(run_id)
        folder = self._state / self._runs.service.provider
        with Lease(self._bucket, f"tracking/{execution.id}.lease", folder) as lease:
            if not lease.held:
                left = self.left(self._runs.look(run_id))
                return Sent(sent=0, left=left, error="Another is sending this run.")
            progress = self._progress(execution)
            before = len(progress.sent)
            error = None
            try:
                self._send(self._runs.look(run_id), progress, lease)
            except TrackingError as raised:
                error = str(raised)
            finally:
                if len(progress.sent) > before:
                    self._save(execution, progress)
            sent = len(progress.sent) - before
        return Sent(sent=sent, left=self.left(self._runs.look(run_id)), error=error)

    def _send(self, look: Look, progress: Progress, lease: Lease) -> None:
        unsent = {name: step for name, step in _parts(look).items() if name not in progress.sent}
        if not unsent:
            return
        from waterflow.tracking.replay import Replayer

        store.prepare(progress.uri, self._state)
        replayer = Replayer(
            progress.uri,
            progress.experiment,
            lease=self._state / "tracking.lease",
            artifact_location=store.artifact_location(progress.uri, self._state),
        )
        for count, (name, step) in enumerate(unsent.items()):
            if not lease.held:
                raise TrackingError("Another machine has taken over to send this run.")
            before = progress.attempts(step) if step is not None else 0
            if name.startswith(RUN_END):
                self._save(look.execution, progress)  # the run's page links to its runs
            with tempfile.TemporaryDirectory(prefix="waterflow-tracking-") as folder:
                events = list(self._part(look, name, step, Path(folder)))
                for event in events:
                    if event.get("attempt"):
                        event["attempt"] = int(event["attempt"]) + before
                replayer.apply(events, Path(folder))
            written = replayer.tracked(look.execution.id)
            progress.runs = written if progress.runs is None else progress.runs.updated(written)
            progress.sent[name] = max(
                (int(event.get("attempt") or 0) for event in events), default=before
            )
            if count % 10 == 9:
                self._save(look.execution, progress)

    def _part(self, look: Look, name: str, step: str | None, folder: Path) -> Iterator[Event]:
        """Yield the events of one step run, or of the run's own start or end."""
        if step is not None:
            yield from self._events.step(look, step, folder)
        elif name == RUN_START:
            yield self._events.run_start(look, folder)
        else:
            *others, end = self._events.run_end(look)
            yield from others
            # An extra: what goes wrong with it costs the run's tracking nothing.
            with contextlib.suppress(Exception):
                html = self._page(look.execution.run)
                (folder / REPORT).write_text(html, encoding="utf-8")
                page = {"kind": "artifact", "id": f"{end['id']}/page", "path": REPORT}
                yield {**end, **page, "file": REPORT}
            yield end

    def _save(self, execution: Execution, progress: Progress) -> None:
        content = {
            "uri": progress.uri,
            "experiment": progress.experiment,
            "sent": progress.sent,
            "runs": None if progress.runs is None else asdict(progress.runs),
        }
        self._bucket.put(_progress_name(execution), json.dumps(content).encode())


def _parts(look: Look) -> dict[str, str | None]:
    """Return what is to be sent of a run by now: the name of each part -> its step, if any."""
    state = look.state
    parts: dict[str, str | None] = {RUN_START: None}
    for name, step in state.steps.items():
        if step.status.final and step.status is not Status.NOT_RUN:
            # Failed steps run again, and runs end again, when they are resumed.
            parts[f"{name}{_AT}{step.job or step.started or ''}"] = name
    if state.status.final:
        parts[f"{RUN_END}{_AT}{state.ended or ''}"] = None
    return parts


def _progress_name(execution: Execution) -> str:
    return f"tracking/{execution.id}.json"
