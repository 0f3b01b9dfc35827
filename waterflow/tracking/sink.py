"""The sink: the few requests that write to one MLflow run what is pending."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow.tracking.client import call, find_runs, is_refusal, make
from waterflow.tracking.names import encodable, file_name
from waterflow.tracking.pending import Pending, fit, note_refused

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from waterflow.tracking.run_tables import RunTables

METRICS: Final = 1000
"""Entries that one request may have in all."""

PARAMS: Final = 100
"""Parameters that one request may have."""

TAGS: Final = 100
"""Tags that one request may have."""

_DIGEST: Final = 36


class Sink:
    """Writes to the runs of one store.

    Args:
        client: The store's client.
        tables: The store's tables, where they may be written to.
    """

    def __init__(self, client: MlflowClient, tables: RunTables | None = None) -> None:
        self.client, self.uri, self.tables = client, client.tracking_uri, tables

    def write(self, run_id: str, pending: Pending) -> None:
        """Write all that is pending to its run.

        Raises:
            MlflowException: The run is gone.
            TrackingError: MLflow cannot be reached or failed.
        """
        fit(pending)
        tables = self.tables
        if tables is not None:
            call(self.uri, lambda: tables.add_to_run(run_id, pending))
        self._batches(run_id, pending)
        self._files(run_id, pending)
        self._datasets(run_id, pending)
        if pending.end is not None:
            self.terminate(run_id, *pending.end)

    def create(self, experiment: str, pending: Pending, identity: dict[str, str]) -> str:
        """Make a run with as many of its tags as one request takes; return its id.

        Args:
            experiment: The experiment's id.
            pending: What is to be written to the run.
            identity: The tags that no other run has together.
        """
        fit(pending)
        tables = self.tables
        if tables is not None:
            made = call(self.uri, lambda: tables.add_run(pending, identity))
            if made is not None:
                return made
        first = dict(list(pending.tags.items())[: TAGS - len(identity)])
        run = make(
            self.uri,
            lambda: self.client.create_run(
                experiment,
                start_time=pending.start or None,
                tags=first | identity,
                run_name=pending.name,
            ),
            lambda: next(find_runs(self.client, experiment, identity), None),
        )
        for key in first:
            del pending.tags[key]
        return run.info.run_id

    def _batches(self, run_id: str, pending: Pending) -> None:
        from mlflow.entities import Metric, Param, RunTag

        metrics = [Metric(*metric) for metric in pending.metrics]
        params = [Param(key, value) for key, value in pending.params.items()]
        tags = [RunTag(key, value) for key, value in pending.tags.items()]
        while metrics or params or tags:
            # 1000 entries in all fit one request.
            batch_params, params = params[:PARAMS], params[PARAMS:]
            batch_tags, tags = tags[:TAGS], tags[TAGS:]
            room = METRICS - len(batch_params) - len(batch_tags)
            batch_metrics, metrics = metrics[:room], metrics[room:]
            self._batch(run_id, batch_metrics, batch_params, batch_tags, pending)

    def _batch(
        self, run_id: str, metrics: list[Any], params: list[Any], tags: list[Any], pending: Pending
    ) -> None:
        from mlflow.exceptions import MlflowException

        try:
            call(self.uri, lambda: self.client.log_batch(run_id, metrics, params, tags))
        except MlflowException as error:
            if not is_refusal(error):
                raise
            if len(metrics) + len(params) + len(tags) > 1:
                # One bad entry must not take the others with it.
                for entry in metrics:
                    self._batch(run_id, [entry], [], [], pending)
                for entry in params:
                    self._batch(run_id, [], [entry], [], pending)
                for entry in tags:
                    self._batch(run_id, [], [], [entry], pending)
                return
            entry = (metrics + params + tags)[0]
            note_refused(pending, type(entry).__name__, dict(entry), str(error.message))

    def _files(self, run_id: str, pending: Pending) -> None:
        for path, name in {name: (path, name) for path, name in pending.files}.values():
            if path.exists():
                self._upload(run_id, path, name)
            else:
                note = f"waterflow/refused/missing-{file_name(name)}.json"
                pending.texts[note] = json.dumps({"artifact": name, "refused": "the file is gone"})
        for name, text in pending.texts.items():
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, Path(name).name)
                path.write_text(encodable(text), encoding="utf-8")
                self._upload(run_id, path, name)

    def _upload(self, run_id: str, path: Path, name: str) -> None:
        """Log a file under a name, which need not be the file's own."""
        target = Path(name)
        under = None if target.parent == Path() else target.parent.as_posix()

        def send(local: Path) -> None:
            if local.is_dir():
                self.client.log_artifacts(run_id, str(local), name)
            else:
                self.client.log_artifact(run_id, str(local), under)

        if path.is_dir() or path.name == target.name:
            call(self.uri, lambda: send(path))
            return
        with tempfile.TemporaryDirectory() as folder:
            linked = Path(folder, target.name)
            linked.symlink_to(path.absolute())
            call(self.uri, lambda: send(linked))

    def _datasets(self, run_id: str, pending: Pending) -> None:
        if not pending.datasets:
            return
        from mlflow.entities import Dataset, DatasetInput, InputTag

        inputs = [
            DatasetInput(
                Dataset(
                    name=encodable(str(data["name"]))[:500],
                    # MLflow's digest has 36 characters; a sha256 is told apart by as many.
                    digest=str(data.get("digest") or "unknown")[:_DIGEST],
                    source_type=str(data.get("source_type") or "uri"),
                    source=encodable(str(data.get("source") or "")),
                ),
                [InputTag("mlflow.data.context", str(data["context"])[:500])]
                if data.get("context")
                else [],
            )
            for data in pending.datasets
        ]
        call(self.uri, lambda: self.client.log_inputs(run_id, inputs))

    def terminate(self, run_id: str, status: str, end: int) -> None:
        """End a run.

        Args:
            run_id: The run.
            status: MLflow's word.
            end: When it ended, in ms since the epoch.
        """
        call(self.uri, lambda: self.client.set_terminated(run_id, status, end))
