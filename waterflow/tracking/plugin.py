"""The MLflow plug-in: plain `mlflow` calls inside a step, written to the step's spool.

MLflow loads it by entry point while it is itself being imported, so it imports of MLflow only the
base classes and entities.
"""

# MLflow declares no results for what it leaves to stores, which reads as None.
# pyright: reportIncompatibleMethodOverride=false

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from mlflow.entities import (
    Experiment,
    FileInfo,
    LifecycleStage,
    LoggedModel,
    LoggedModelStatus,
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunStatus,
    RunTag,
)
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    FEATURE_DISABLED,
    INVALID_PARAMETER_VALUE,
    RESOURCE_DOES_NOT_EXIST,
)
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking.abstract_store import AbstractStore
from mlflow.utils.uri import append_to_uri_path

from waterflow.errors import TrackingError
from waterflow.tracking.spool import FILES, Event, Spool, from_uri, inner, read, step_run_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlflow.entities import DatasetInput

_EXPERIMENT: Final = "0"
_PARENT: Final = "mlflow.parentRunId"
_CONTEXT: Final = "mlflow.data.context"


class _Child:
    """A run started inside the step's own: its entries go to the step's run, under its name."""

    def __init__(self, name: str, start: int) -> None:
        self.name, self.start = name, start
        self.end: int | None = None
        self.status = RunStatus.RUNNING


class SpoolTrackingStore(AbstractStore):
    """MLflow's tracking store inside a step: one run, the step's, which is its spool.

    Every experiment is the run's own. A run started within another is folded into the step's run:
    its keys and artifacts stand under `<its name>/`; the files of a logged model
    under the model's. What a step cannot do here (delete, rename) is refused.
    """

    def __init__(self, store_uri: str, artifact_uri: str | None = None) -> None:
        super().__init__()
        del artifact_uri
        self._uri = store_uri
        self._spool = from_uri(store_uri)
        self._lock = threading.RLock()
        self._children: dict[str, _Child] = {}
        self._models: dict[str, LoggedModel] = {}
        self._own = _Child("", time.time_ns() // 1_000_000)
        self._offset = 0
        self._metrics: dict[str, Metric] = {}
        self._params: dict[str, str] = {}
        self._tags: dict[str, str] = {}

    # --- runs -------------------------------------------------------------------------------

    def create_run(
        self,
        experiment_id: str,
        user_id: str,
        start_time: int,
        tags: Sequence[RunTag],
        run_name: str,
    ) -> Run:
        """Start a run: the step's own again, or one within it, folded in under its name."""
        del experiment_id, user_id
        values = {tag.key: tag.value for tag in tags or []}
        run_id = self._spool.run_id
        if _PARENT in values:
            with self._lock:
                number = len(self._children) + 1
                name = str(run_name or f"run-{number}").replace("/", "-").strip(". ") or "run"
                if any(child.name == name for child in self._children.values()):
                    name = f"{name}-{number}"
                run_id = step_run_id(self._spool.run_id, name, number)
                self._children[run_id] = _Child(name, start_time)
        # MLflow's own tags (user, source) describe this process: the replay writes better ones.
        for key, value in values.items():
            if not key.startswith("mlflow.") or key == "mlflow.note.content":
                self._write("tag", run_id, key, value=value)
        return self.get_run(run_id)

    def get_run(self, run_id: str) -> Run:
        """Return the run as the spool holds it."""
        child = self._child(run_id)
        prefix = f"{child.name}/" if child.name else ""
        with self._lock:
            self._refresh()
            metrics = [
                Metric(key.removeprefix(prefix), metric.value, metric.timestamp, metric.step)
                for key, metric in self._metrics.items()
                if key.startswith(prefix)
            ]
            params = [
                Param(key.removeprefix(prefix), value)
                for key, value in self._params.items()
                if key.startswith(prefix)
            ]
            tags = [
                RunTag(key.removeprefix(prefix), value)
                for key, value in self._tags.items()
                if key.startswith(prefix)
            ]
        name = child.name or self._spool.step
        tags.append(RunTag("mlflow.runName", name))
        if child.name:
            tags.append(RunTag(_PARENT, self._spool.run_id))
        return Run(self._info(run_id, child), RunData(metrics, params, tags))

    def update_run_info(
        self, run_id: str, run_status: int, end_time: int | None, run_name: str | None
    ) -> RunInfo:
        """Note that a run goes on or has ended; the step's own end is the step's, not MLflow's."""
        del run_name
        child = self._child(run_id)
        if run_status is not None:  # pyright: ignore[reportUnnecessaryComparison]
            child.status = run_status
        child.end = end_time
        return self._info(run_id, child)

    def _search_runs(self, experiment_ids: Any, *_: Any, **__: Any) -> tuple[list[Run], None]:
        del experiment_ids
        return [self.get_run(run_id) for run_id in (self._spool.run_id, *self._children)], None

    def _info(self, run_id: str, child: _Child) -> RunInfo:
        return RunInfo(
            run_id=run_id,
            experiment_id=_EXPERIMENT,
            user_id="",
            status=RunStatus.to_string(child.status),
            start_time=child.start,
            end_time=child.end,
            lifecycle_stage=LifecycleStage.ACTIVE,
            artifact_uri=self._under(child.name),
            run_name=child.name or self._spool.step,
        )

    def _under(self, path: str) -> str:
        return append_to_uri_path(self._uri, quote(path)) if path else self._uri

    def _child(self, run_id: str) -> _Child:
        if run_id == self._spool.run_id:
            return self._own
        if run_id in self._children:
            return self._children[run_id]
        raise MlflowException(
            f"Run {run_id} is not this step's. Inside a step MLflow sees the step's run alone; "
            "hand values of other runs to the step as inputs.",
            RESOURCE_DOES_NOT_EXIST,
        )

    # --- entries ----------------------------------------------------------------------------

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric],
        params: Sequence[Param],
        tags: Sequence[RunTag],
    ) -> None:
        """Write metrics, parameters and tags to the spool."""
        for param in params or ():
            self.log_param(run_id, param)
        for metric in metrics or ():
            self.log_metric(run_id, metric)
        for tag in tags or ():
            self.set_tag(run_id, tag)

    def log_metric(self, run_id: str, metric: Metric) -> None:
        """Write one value of a metric."""
        self._write(
            "metric",
            run_id,
            metric.key,
            value=float(metric.value),
            step=metric.step or 0,
            timestamp=metric.timestamp,
        )

    def log_param(self, run_id: str, param: Param) -> Param:
        """Write a parameter; as in MLflow, its value may not change."""
        key, value = self._key(run_id, param.key), str(param.value)
        with self._lock:
            self._refresh()
            if self._params.get(key, value) != value:
                raise MlflowException(
                    f"Parameter {key!r} was logged as {self._params[key]!r} and cannot become "
                    f"{value!r}. Log the new value under another name, or as a tag.",
                    INVALID_PARAMETER_VALUE,
                )
            self._write("param", run_id, param.key, value=value)
        return param

    def set_tag(self, run_id: str, tag: RunTag) -> None:
        """Write a tag."""
        self._write("tag", run_id, tag.key, value=str(tag.value))

    def log_inputs(
        self,
        run_id: str,
        datasets: Sequence[DatasetInput] | None = None,
        models: Sequence[Any] | None = None,
    ) -> None:
        """Write which data sets were read."""
        del models
        self._child(run_id)
        for dataset in datasets or ():
            context = {tag.key: tag.value for tag in dataset.tags or ()}.get(_CONTEXT, "")
            data = dataset.dataset
            self._spool.append(
                "dataset",
                name=data.name,
                digest=data.digest,
                source=data.source,
                source_type=data.source_type,
                context=context,
            )

    def get_metric_history(
        self,
        run_id: str,
        metric_key: str,
        max_results: int | None = None,
        page_token: str | None = None,
    ) -> PagedList[Metric]:
        """Return all values of a metric."""
        del max_results, page_token
        key = self._key(run_id, metric_key)
        history = [
            _metric(event, metric_key)
            for event, _ in read(self._spool.path)
            if event["kind"] == "metric" and event["key"] == key
        ]
        return PagedList(history, None)

    def _key(self, run_id: str, key: str) -> str:
        child = self._child(run_id)
        return f"{child.name}/{key}" if child.name else key

    def _write(self, kind: str, run_id: str, key: str, **fields: Any) -> None:
        self._spool.append(kind, key=self._key(run_id, key), **fields)

    def _refresh(self) -> None:
        for event, offset in read(self._spool.path, self._offset):
            self._offset = offset
            if event["kind"] == "metric":
                key, metric = event["key"], _metric(event, event["key"])
                last = self._metrics.get(key)
                if last is None or (metric.step, metric.timestamp) >= (last.step, last.timestamp):
                    self._metrics[key] = metric
            elif event["kind"] == "param":
                self._params[event["key"]] = event["value"]
            elif event["kind"] == "tag":
                self._tags[event["key"]] = event["value"]

    # --- experiments: there is one ----------------------------------------------------------

    def get_experiment(self, experiment_id: str) -> Experiment:
        """Return the run's experiment, whichever is asked for."""
        del experiment_id
        return self._experiment("waterflow")

    def get_experiment_by_name(self, experiment_name: str) -> Experiment:
        """Return the run's experiment: the pipeline, not the step, chooses it."""
        return self._experiment(experiment_name)

    def create_experiment(self, name: str, artifact_location: str | None, tags: Any) -> str:
        """Return the id of the run's experiment."""
        del name, artifact_location, tags
        return _EXPERIMENT

    def search_experiments(self, *_: Any, **__: Any) -> PagedList[Experiment]:
        """Return the run's experiment."""
        return PagedList([self._experiment("waterflow")], None)

    def set_experiment_tag(self, experiment_id: str, tag: Any) -> None:
        """Write the tag to the step's run."""
        del experiment_id
        if not tag.key.startswith("mlflow."):
            self._write("tag", self._spool.run_id, tag.key, value=str(tag.value))

    def _experiment(self, name: str) -> Experiment:
        return Experiment(_EXPERIMENT, name, self._uri, LifecycleStage.ACTIVE)

    # --- logged models: their files become artifacts of the step's run ------------------------

    def create_logged_model(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: Sequence[Any] | None = None,
        params: Sequence[Any] | None = None,
        model_type: str | None = None,
    ) -> LoggedModel:
        """Take a model that `log_model` or autologging writes; its files go under its name."""
        del experiment_id, tags, params
        child = self._child(source_run_id or self._spool.run_id)
        now = time.time_ns() // 1_000_000
        with self._lock:
            number = len(self._models) + 1
            under = str(inner(child.name) / (name or f"model-{number}"))
            model = LoggedModel(
                experiment_id=_EXPERIMENT,
                model_id=f"m-{step_run_id(self._spool.run_id, under, number)}",
                name=name or f"model-{number}",
                artifact_location=self._under(under),
                creation_timestamp=now,
                last_updated_timestamp=now,
                model_type=model_type,
                source_run_id=source_run_id,
                status=LoggedModelStatus.PENDING,
            )
            self._models[model.model_id] = model
        return model

    def get_logged_model(self, model_id: str, allow_deleted: bool = False) -> LoggedModel:
        """Return a model that this process logged."""
        del allow_deleted
        if model_id not in self._models:
            raise MlflowException(
                f"Model {model_id} was not logged by this step. Inside a step MLflow sees the "
                "step's run alone; take the model as an input of the step.",
                RESOURCE_DOES_NOT_EXIST,
            )
        return self._models[model_id]

    def finalize_logged_model(self, model_id: str, status: LoggedModelStatus) -> LoggedModel:
        """Note that a model's files are all there."""
        model = self.get_logged_model(model_id)
        model.status = status
        return model

    def log_logged_model_params(self, model_id: str, params: Any) -> None:
        """Do nothing: the run has the same parameters."""

    def set_logged_model_tags(self, model_id: str, tags: Any) -> None:
        """Do nothing: the files are what is kept of a logged model."""

    def search_logged_models(self, *_: Any, **__: Any) -> PagedList[LoggedModel]:
        """Return the models that this process logged."""
        return PagedList(list(self._models.values()), None)

    def log_outputs(self, run_id: str, models: Any) -> None:
        """Do nothing: the run has the model's files."""

    def record_logged_model(self, run_id: str, mlflow_model: Any) -> None:
        """Do nothing: the run has the model's files."""

    # --- what a step cannot do here ---------------------------------------------------------

    def delete_tag(self, run_id: str, key: str) -> NoReturn:
        """Refuse: a spool only grows."""
        self._child(run_id)
        self._refuse_change(f"tag {key!r}")

    def delete_run(self, run_id: str) -> NoReturn:
        """Refuse: the step's run is the pipeline's."""
        self._refuse_change(f"run {run_id}")

    def restore_run(self, run_id: str) -> NoReturn:
        """Refuse: the step's run is the pipeline's."""
        self._refuse_change(f"run {run_id}")

    def delete_experiment(self, experiment_id: str) -> NoReturn:
        """Refuse: the experiment is the pipeline's."""
        self._refuse_change(f"experiment {experiment_id}")

    def restore_experiment(self, experiment_id: str) -> NoReturn:
        """Refuse: the experiment is the pipeline's."""
        self._refuse_change(f"experiment {experiment_id}")

    def rename_experiment(self, experiment_id: str, new_name: str) -> NoReturn:
        """Refuse: the experiment is the pipeline's."""
        del new_name
        self._refuse_change(f"experiment {experiment_id}")

    def _refuse_change(self, what: str) -> NoReturn:
        raise MlflowException(
            f"Step '{self._spool.step}': {what} cannot be deleted or changed from inside a step. "
            "Do it in MLflow after the run.",
            FEATURE_DISABLED,
        )


def _metric(event: Event, key: str) -> Metric:
    stamp = event.get("timestamp") or event["time"]
    return Metric(key, float(event["value"]), stamp, int(event.get("at") or 0))


class SpoolArtifactRepository(ArtifactRepository):
    """MLflow's artifact store inside a step: the folder beside the spool."""

    def __init__(
        self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
    ) -> None:
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        # MLflow puts a slash and the artifact's path behind the spool's own.
        parts = urlsplit(artifact_uri)
        path = whole = PurePosixPath(unquote(parts.path))
        while not Path(path).is_file() and path != path.parent:
            path = path.parent
        self._under = inner(str(whole.relative_to(path)))
        self._spool: Spool = from_uri(urlunsplit(parts._replace(path=quote(str(path)))))

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Copy a file beside the spool and write its event."""
        self._log(Path(local_file), artifact_path)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Copy what a folder holds beside the spool and write its events."""
        for entry in sorted(Path(local_dir).iterdir()):
            self._log(entry, artifact_path)

    def _log(self, path: Path, artifact_path: str | None) -> None:
        try:
            self._spool.log_artifact(path, str(self._under / inner(artifact_path or "")))
        except TrackingError as error:
            raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from error

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """Return what a folder of the run's artifacts holds."""
        top = self._spool.folder / FILES / self._under
        folder = top / inner(path or "")
        if not folder.is_dir():
            return []
        return [
            FileInfo(
                entry.relative_to(top).as_posix(),
                entry.is_dir(),
                None if entry.is_dir() else entry.stat().st_size,
            )
            for entry in sorted(folder.iterdir())
            if not entry.name.startswith(".")
        ]

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        source = self._spool.folder / FILES / self._under / inner(remote_file_path)
        if not source.is_file():
            raise MlflowException(
                f"There is no artifact {remote_file_path}.", RESOURCE_DOES_NOT_EXIST
            )
        shutil.copyfile(source, local_path)
