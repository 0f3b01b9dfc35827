"""The MLflow plug-in: plain `mlflow` calls inside a step, written to the step's spool.

MLflow loads it by entry point while it is itself being imported, so it imports of MLflow only the
base classes and entities.
"""

# MLflow declares no results for what it leaves to stores, which reads as None.
# pyright: reportIncompatibleMethodOverride=false

from __future__ import annotations

import inspect
import sys
import threading
import time
import uuid
from multiprocessing import parent_process
from typing import TYPE_CHECKING, Any, Final, NoReturn

from mlflow.entities import (
    Experiment,
    LifecycleStage,
    LoggedModel,
    LoggedModelStatus,
    Metric,
    Param,
    Run,
    RunInfo,
    RunStatus,
    RunTag,
    ViewType,
)
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    FEATURE_DISABLED,
    INVALID_PARAMETER_VALUE,
    RESOURCE_DOES_NOT_EXIST,
)
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking.abstract_store import AbstractStore

from waterflow.tracking.client import ATTEMPT, EXECUTION, NESTED_RUN, STEP, nested_tag
from waterflow.tracking.recorded import NAME, PARENT, Recorded, RecordedRuns
from waterflow.tracking.spool import NESTED, artifact_uri, from_uri, inner, step_run_id
from waterflow.tracking.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlflow.entities import DatasetInput

_OWN: Final = "0"
"""The id here of the experiment that the pipeline's runs are in."""
_NAMED: Final = "name:"
"""How the ids begin here of experiments that the step's code names."""
_CONTEXT: Final = "mlflow.data.context"
_NOTE: Final = "mlflow.note.content"


class SpoolTrackingStore(AbstractStore):
    """MLflow's tracking store inside a step: what it writes goes to the spool.

    The step's run is there from the start: it gets what is logged without a run, and the first run
    that a script starts. Any other, and one with `nested=True`, becomes a run of its own below it.
    Runs of others are read from the store itself, if the job was told where that is. The experiment
    is the pipeline's to choose: one that the step's code sets is the same under another name. What
    a step cannot do here (delete, rename) is refused.
    """

    def __init__(self, store_uri: str, artifact_uri: str | None = None) -> None:
        super().__init__()
        del artifact_uri
        self._uri = store_uri
        self._spool = from_uri(store_uri)
        self._lock = threading.RLock()
        self._runs = RecordedRuns(self._spool, time.time_ns() // 1_000_000)
        self._opened = False
        self._models: dict[str, LoggedModel] = {}
        self._upstream = Upstream(self._spool)

    # --- runs -------------------------------------------------------------------------------

    def create_run(
        self,
        experiment_id: str,
        user_id: str,
        start_time: int,
        tags: Sequence[RunTag],
        run_name: str,
    ) -> Run:
        """Start a run: the step's own for what is logged without any, and for a script's first."""
        del experiment_id, user_id
        values = {tag.key: tag.value for tag in tags or []}
        if PARENT not in values and self._means_own():
            return self.get_run(self._spool.run_id)
        run_id = uuid.uuid4().hex
        with self._lock:
            parent = self._runs.find(values.get(PARENT, ""))
            number = len(self._runs.every())
            self._spool.append(
                f"{NESTED}start",
                run=run_id,
                name=str(run_name or values.get(NAME) or f"run-{number}"),
                parent=parent.run_id if parent is not None else "",
                start=start_time or time.time_ns() // 1_000_000,
            )
        # MLflow's own tags (user, source) describe this process: the replay writes better ones.
        for key, value in values.items():
            if not key.startswith("mlflow.") or key == _NOTE:
                self._write("tag", run_id, key, value=value)
        return self.get_run(run_id)

    def _means_own(self) -> bool:
        """Say whether the run that MLflow is starting is the step's own.

        Stores are not told whether something is logged without a run, nor of `nested=True` where
        no run is active: `mlflow.start_run` knows. Runs that workers start are their own.
        """
        implied, how = _calls("_get_or_start_run") is not None, _calls("start_run") or {}
        first = not self._opened and how.get("nested") is False and parent_process() is None
        self._opened = self._opened or implied or first
        return implied or first

    def get_run(self, run_id: str) -> Run:
        """Return a run: as the spool has it, or another's as the store has it."""
        run = self._runs.find(run_id)
        if run is not None:
            return self._to_run(run)
        if self._upstream.known:
            return self._upstream.run(run_id)
        return self._to_run(self._writable(run_id))

    def update_run_info(
        self, run_id: str, run_status: int, end_time: int | None, run_name: str | None
    ) -> RunInfo:
        """Note that a run goes on or has ended; the step's own end is the step's, not MLflow's."""
        run = self._writable(run_id)
        if run.run_id == "":
            return self._to_run(self._runs.own_ends(run_status, end_time)).info
        if run_name:
            self._write("tag", run_id, NAME, value=run_name)
        if run_status is not None and RunStatus.is_terminated(run_status):  # pyright: ignore[reportUnnecessaryComparison]
            self._spool.append(
                f"{NESTED}end",
                run=run_id,
                status=RunStatus.to_string(run_status),
                end=end_time or time.time_ns() // 1_000_000,
            )
        return self.get_run(run_id).info

    def _search_runs(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None = None,
        run_view_type: Any = None,
        max_results: int = 1000,
        order_by: list[str] | None = None,
        page_token: str | None = None,
    ) -> tuple[list[Run], str | None]:
        from mlflow.utils.search_utils import SearchUtils

        ids = list(map(str, experiment_ids))
        here = {_OWN, self._active()}
        view = ViewType.ACTIVE_ONLY if run_view_type is None else run_view_type
        runs: list[Run] = []
        if here.intersection(ids) and view != ViewType.DELETED_ONLY:
            runs = SearchUtils.filter(list(map(self._to_run, self._runs.every())), filter_string)
        if self._upstream.known:
            names = [one.removeprefix(_NAMED) for one in ids if one.startswith(_NAMED)]
            if here.intersection(ids):
                names.append(self._upstream.experiment)
            numbers = [one for one in ids if one != _OWN and not one.startswith(_NAMED)]
            others = self._upstream.search(names, numbers, filter_string or "", view)
            runs += [run for run in others if not self._is_here(run)]
        ordered = SearchUtils.sort(runs, order_by or [])
        page: Any
        token: Any
        page, token = SearchUtils.paginate(ordered, page_token, max_results)
        return page, token.decode() if isinstance(token, bytes) else token

    def _is_here(self, run: Run) -> bool:
        """Say whether a run of the store is one that the spool tells of, and knows better."""
        tags: dict[str, str] = run.data.tags
        spool = self._spool
        if tags.get(EXECUTION) != spool.execution:
            return False
        own = f"{spool.step}/{spool.attempt}"
        return own == f"{tags.get(STEP)}/{tags.get(ATTEMPT)}" or tags.get(
            NESTED_RUN, ""
        ).startswith(nested_tag(spool.step, spool.attempt, ""))

    def _to_run(self, run: Recorded) -> Run:
        return self._runs.to_run(run, self._active(), artifact_uri(self._spool, run.run_id))

    def _writable(self, run_id: str) -> Recorded:
        run = self._runs.find(run_id)
        if run is not None:
            return run
        raise MlflowException(
            f"Run {run_id} is not this step's. Inside a step MLflow writes to the step's run and "
            "to those within it alone"
            + ("." if self._upstream.known else "; hand values of other runs to it as inputs."),
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
        value = str(param.value)
        with self._lock:
            before = self._writable(run_id).params.get(param.key, value)
            if before != value:
                raise MlflowException(
                    f"Parameter {param.key!r} was logged as {before!r} and cannot become "
                    f"{value!r}. Log the new value under another name, as a tag, or in a run of "
                    "its own: with mlflow.start_run(nested=True)",
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
        for dataset in datasets or ():
            context = {tag.key: tag.value for tag in dataset.tags or ()}.get(_CONTEXT, "")
            data = dataset.dataset
            self._append(
                "dataset",
                run_id,
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
        run = self._runs.find(run_id)
        if run is not None:
            return PagedList(list(self._runs.history(run, metric_key)), None)
        what = f"reading metric {metric_key!r} of run {run_id}"
        history = self._upstream.ask(what, lambda c: c.get_metric_history(run_id, metric_key))
        return PagedList(list(history), None)

    def _write(self, kind: str, run_id: str, key: str, **fields: Any) -> None:
        self._append(kind, run_id, key=key, **fields)

    def _append(self, kind: str, run_id: str, **fields: Any) -> None:
        run = self._writable(run_id)
        if run.run_id:
            self._spool.append(f"{NESTED}{kind}", run=run.run_id, **fields)
        else:
            self._spool.append(kind, **fields)

    # --- experiments: the step's code may name them, the pipeline chooses ----------------------

    def get_experiment(self, experiment_id: str) -> Experiment:
        """Return an experiment: the run's own, under any name, or another of the store."""
        if experiment_id.startswith(_NAMED):
            return self._experiment(experiment_id.removeprefix(_NAMED), experiment_id)
        if experiment_id == _OWN or not self._upstream.known:
            return self._experiment(self._upstream.experiment, _OWN)
        what = f"reading experiment {experiment_id}"
        return self._upstream.ask(what, lambda client: client.get_experiment(experiment_id))

    def get_experiment_by_name(self, experiment_name: str) -> Experiment:
        """Return the experiment of a name; whether the store has it is seen when it is searched."""
        own = experiment_name == self._upstream.experiment
        return self._experiment(experiment_name, _OWN if own else f"{_NAMED}{experiment_name}")

    def create_experiment(self, name: str, artifact_location: str | None, tags: Any) -> str:
        """Return the id of an experiment."""
        del artifact_location, tags
        return str(self.get_experiment_by_name(name).experiment_id)

    def search_experiments(self, *args: Any, **how: Any) -> PagedList[Experiment]:
        """Return the store's experiments, or the run's own where it cannot be asked."""
        if not self._upstream.known:
            return PagedList([self._experiment(self._upstream.experiment, _OWN)], None)
        page: Any = self._upstream.ask(
            "searching experiments", lambda client: client.search_experiments(*args, **how)
        )
        return page

    def set_experiment_tag(self, experiment_id: str, tag: Any) -> None:
        """Write the tag to the step's run."""
        del experiment_id
        if not tag.key.startswith("mlflow."):
            self._write("tag", self._spool.run_id, tag.key, value=str(tag.value))

    def _experiment(self, name: str, experiment_id: str) -> Experiment:
        return Experiment(experiment_id, name, self._uri, LifecycleStage.ACTIVE)

    def _active(self) -> str:
        """Return the id of the experiment that the step's code has set: its runs are in that.

        MLflow refuses to go on with a run that is in another.
        """
        fluent: Any = sys.modules.get("mlflow.tracking.fluent")
        return getattr(fluent, "_active_experiment_id", None) or _OWN

    # --- logged models: their files become artifacts of their run -----------------------------

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
        run = self._writable(source_run_id or self._spool.run_id)
        now = time.time_ns() // 1_000_000
        with self._lock:
            number = len(self._models) + 1
            under = str(inner(name or f"model-{number}"))
            places = {one.artifact_location for one in self._models.values()}
            if artifact_uri(self._spool, run.run_id, under) in places:
                under = f"{under}-{number}"  # two models of one name are two
            model = LoggedModel(
                experiment_id=self._active(),
                model_id=f"m-{step_run_id(self._spool.run_id, under, time.time_ns())}",
                name=name or f"model-{number}",
                artifact_location=artifact_uri(self._spool, run.run_id, under),
                creation_timestamp=now,
                last_updated_timestamp=now,
                model_type=model_type,
                source_run_id=source_run_id,
                status=LoggedModelStatus.PENDING,
            )
            self._models[model.model_id] = model
        return model

    def get_logged_model(self, model_id: str, allow_deleted: bool = False) -> LoggedModel:
        """Return a model that this process logged, or another of the store."""
        del allow_deleted
        if model_id in self._models:
            return self._models[model_id]
        return self._upstream.logged_model(model_id)

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
        self._writable(run_id)
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


def _calls(function: str) -> dict[str, Any] | None:
    """Return the variables of the call of one of MLflow's functions that is under way, if any."""
    frame = inspect.currentframe()
    while frame is not None:
        code = frame.f_code
        if code.co_name == function and code.co_filename.endswith("fluent.py"):
            return frame.f_locals
        frame = frame.f_back
    return None
