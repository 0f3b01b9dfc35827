"""MLflow behind the spool: what a step reads of the store itself, and its registry.

It is there for a job that was told where MLflow is; imports MLflow only once it is asked for.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from waterflow.errors import WaterflowError
from waterflow.tracking import store
from waterflow.tracking.client import (
    LEASE,
    UnreachableError,
    call,
    connect,
    experiment_id,
    find_parent,
    make,
    parent_tags,
)
from waterflow.tracking.locks import locked
from waterflow.tracking.waits import short_waits

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Run

    from waterflow.tracking.spool import Spool

URI: Final = "WATERFLOW_TRACKING_URI"
"""Environment variable: where MLflow is, for a job that speaks to it."""
EXPERIMENT: Final = "WATERFLOW_EXPERIMENT"
"""Environment variable: the experiment of the job's run."""
STARTED: Final = "WATERFLOW_RUN_STARTED"
"""Environment variable: when the job's run started, in ms since the epoch."""

_PROXIED: Final = "mlflow-artifacts:"
_PAGE: Final = 1000
_TIMEOUT: Final = 60
"""Seconds without a byte after which a request has failed: models are large."""

T = TypeVar("T")


class Upstream:
    """The MLflow that a step's run goes to, as a step may use it while it runs.

    Args:
        spool: The step's spool, which says whose run it is.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self.uri = os.environ.get(URI, "")
        self.experiment = os.environ.get(EXPERIMENT) or "waterflow"
        lease = os.environ.get(LEASE)
        self._lease = Path(lease) if lease else None
        self._client: MlflowClient | None = None

    @property
    def known(self) -> bool:
        """Whether the job was told where MLflow is."""
        return bool(self.uri)

    def ask(self, what: str, do: Callable[[MlflowClient], T]) -> T:
        """Ask MLflow for something.

        Args:
            what: What it is for, for the message: "reading run x".
            do: Does it, with a client of MLflow's own.

        Raises:
            MlflowException: The job was not told where MLflow is, it cannot be reached, or it
                refuses.
        """
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import (
            FEATURE_DISABLED,
            TEMPORARILY_UNAVAILABLE,
        )

        if not self.known:
            raise MlflowException(
                f"Step '{self._spool.step}', {what}: the job was not told where MLflow is. A step "
                "is told whose modules import mlflow, or whose libraries require it, if its job "
                "can reach it: write `import mlflow` in the step's module, and name a server in "
                'the profile, [tracking] uri = "https://..."',
                FEATURE_DISABLED,
            )
        try:
            with self._speaking():
                client = self._connected()
                return call(self.uri, lambda: do(client))
        except WaterflowError as error:
            problem = error.problem if isinstance(error, UnreachableError) else str(error)
            raise MlflowException(
                f"Step '{self._spool.step}', {what}: {problem}", TEMPORARILY_UNAVAILABLE
            ) from error

    def _connected(self) -> MlflowClient:
        if self._client is None:
            state = self._lease.parent if self._lease is not None else Path.cwd()
            store.prepare(self.uri, state)
            self._client = connect(self.uri)
        return self._client

    @contextlib.contextmanager
    def _speaking(self) -> Generator[None]:
        """Leave the tracking URI in force as it is: some plug-ins need theirs in force."""
        import mlflow

        before = mlflow.get_tracking_uri()
        try:
            with short_waits(timeout=_TIMEOUT, retries=2):
                yield
        finally:
            if mlflow.get_tracking_uri() != before:
                mlflow.set_tracking_uri(before)

    # --- reading ----------------------------------------------------------------------------------

    def run(self, run_id: str) -> Run:
        """Return a run of the store.

        Raises:
            MlflowException: There is none, or MLflow cannot be reached.
        """
        return self._readable(self.ask(f"reading run {run_id}", lambda c: c.get_run(run_id)))

    def _readable(self, run: Run) -> Run:
        """Return a run whose artifacts can be read from here."""
        from mlflow.entities import Run, RunInfo

        info: Any = run.info
        fields = {
            name: getattr(info, name)
            for name in (
                "run_id", "experiment_id", "user_id", "status", "start_time", "end_time",
                "lifecycle_stage", "run_name",
            )
        }  # fmt: skip
        whole = RunInfo(**fields, artifact_uri=self.readable(str(info.artifact_uri)))
        return Run(whole, run.data, run.inputs, run.outputs)

    def readable(self, uri: str) -> str:
        """Return where artifacts are that a server hands out: it says so by its own address."""
        if not uri.startswith(_PROXIED) or not self.uri.startswith("http"):
            return uri
        from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

        return str(MlflowArtifactsRepository.resolve_uri(uri, self.uri))

    def logged_model(self, model_id: str) -> LoggedModel:
        """Return a logged model of the store.

        Raises:
            MlflowException: There is none, or MLflow cannot be reached.
        """
        model = self.ask(f"reading model {model_id}", lambda c: c.get_logged_model(model_id))
        model.artifact_location = self.readable(str(model.artifact_location))
        return model

    def search(self, names: list[str], ids: list[str], condition: str, view: Any) -> list[Run]:
        """Return all runs of experiments that meet a condition.

        Args:
            names: Experiments by name; one that is not there has no runs.
            ids: Experiments by id.
            condition: MLflow's filter string.
            view: Whether deleted runs count.

        Raises:
            MlflowException: The condition is none, or MLflow cannot be reached.
        """

        def every(client: MlflowClient) -> list[Run]:
            experiments = list(ids)
            for name in names:
                experiment: Any = client.get_experiment_by_name(name)
                if experiment is not None:
                    experiments.append(str(experiment.experiment_id))
            runs: list[Run] = []
            token: str | None = None
            while experiments:
                page: Any = client.search_runs(
                    experiments, condition, view, max_results=_PAGE, page_token=token
                )
                runs += page
                token = page.token
                if not token:
                    break
            return runs

        return [self._readable(run) for run in self.ask("searching runs", every)]

    # --- writing to the registry ------------------------------------------------------------------

    def upload(self, folder: Path, name: str) -> tuple[str, str]:
        """Put a model's files into the pipeline's own run, from where the registry takes them.

        The step's run may not be there yet: it is made by who sends the spool.

        Args:
            folder: The files.
            name: Their folder among the run's artifacts.

        Returns:
            The id of the run, and where the files are.

        Raises:
            MlflowException: MLflow cannot be reached.
        """

        def send(client: MlflowClient) -> tuple[str, str]:
            run = self._pipeline_run(client)
            client.log_artifacts(run.info.run_id, str(folder), name)
            return run.info.run_id, f"{str(run.info.artifact_uri).rstrip('/')}/{name}"

        return self.ask("registering a model", send)

    def _pipeline_run(self, client: MlflowClient) -> Run:
        state = self._lease.parent if self._lease is not None else Path.cwd()
        location = store.artifact_location(self.uri, state)
        experiment = experiment_id(client, self.experiment, location)
        execution = self._spool.execution
        started = int(os.environ.get(STARTED) or 0) or None

        def find() -> Run | None:
            return find_parent(client, experiment, execution)

        with locked(self._lease):
            return find() or make(
                self.uri,
                lambda: client.create_run(
                    experiment,
                    start_time=started,
                    tags=parent_tags(execution),
                    run_name=execution,
                ),
                find,
            )
