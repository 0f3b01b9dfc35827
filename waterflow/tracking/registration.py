"""What a `register` step runs: one model version in MLflow's registry, with its alias."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow import artifacts
from waterflow.artifacts.models import FORMAT
from waterflow.errors import ArtifactError, TrackingError
from waterflow.tracking import saving, store
from waterflow.tracking.client import (
    KIND,
    LEASE,
    UnreachableError,
    call,
    child_name,
    child_tags,
    connect,
    error_code,
    experiment_id,
    find_child,
    find_parent,
    make,
    parent_tags,
)
from waterflow.tracking.locks import locked
from waterflow.tracking.waits import short_waits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlflow import MlflowClient
    from mlflow.entities import Run

_ARTIFACT: Final = "model"
_DIGEST: Final = "waterflow.artifact_sha256"
_STARTED: Final = "waterflow.run_started"
_RUN_TIMEOUT: Final = 30
"""Seconds: other runs of this machine wait meanwhile."""
_UPLOAD_TIMEOUT: Final = 120


def register(
    model_folder: Path,
    *,
    name: str,
    alias: str | None,
    example: Any,
    metrics: dict[str, float] | None,
    trusted_types: Sequence[str],
    tracking_uri: str,
    experiment: str,
    execution: str,
    step: str,
    attempt: int,
    run_started_ms: int,
    artifact_sha256: str,
    tags: dict[str, str] | None = None,
    code: Path | None = None,
) -> dict[str, Any]:
    """Make a model version of a model artifact, unless the registry has one of the same bytes.

    Args:
        model_folder: The model's artifact folder, with its manifest.
        name: The registered model; made when it is missing.
        alias: What is to point to the version. It only moves forward: a run that started earlier
            never takes it from a later one.
        example: Rows as the model takes them: what the signature is inferred from.
        metrics: Metrics of the model: tags of the version.
        trusted_types: Classes the model file may hold beyond Waterflow's own list.
        tracking_uri: Where MLflow is.
        experiment: The run's experiment.
        execution: The run's id.
        step: The register step's name.
        attempt: Its attempt.
        run_started_ms: When the run started, in ms since the epoch.
        artifact_sha256: The digest the artifact must have.
        tags: Further tags of the version: pipeline, code digest.
        code: The folder of the job's code bundle, whose modules the version carries where the
            model's classes are among them; None for the modules that are imported here.

    Returns:
        name, version, uri (`models:/name/version`) and created, false when it was there already.

    Raises:
        ArtifactError: The artifact is not the one that was recorded, or no model; or the model
            does not take the example.
        TrackingError: The registry cannot be reached or refused.
    """
    folder = Path(model_folder)
    _verify(folder, artifact_sha256)
    lease = Path(os.environ[LEASE]) if os.environ.get(LEASE) else None
    version_tags = {str(key): str(value) for key, value in (tags or {}).items()} | {
        _DIGEST: artifact_sha256,
        _STARTED: str(run_started_ms),
        "waterflow.execution": execution,
        "waterflow.step": step,
    }
    version_tags |= {f"metric.{key}": repr(float(value)) for key, value in (metrics or {}).items()}
    try:
        with short_waits(timeout=5, retries=1):
            if tracking_uri.startswith("sqlite:") and lease is not None:
                store.prepare(tracking_uri, lease.parent)
            client = connect(tracking_uri)
            # The first request shows within seconds whether there is anybody; the rest may be slow.
            place = experiment_id(
                client, experiment, store.artifact_location(tracking_uri, _state(lease))
            )
        with short_waits(timeout=_RUN_TIMEOUT, retries=2):
            run = _Run(client, place, execution, step, attempt, run_started_ms, lease)
            run_id = run.find_or_create()
        with short_waits(timeout=_UPLOAD_TIMEOUT, retries=2), locked(_model_lease(lease, name)):
            registry = _Registry(client, name)
            version, created = registry.find(artifact_sha256), False
            if version is None:
                model = saving.RegisteredModel(folder, name, example, tuple(trusted_types), code)
                source = _upload(client, run_id, model, version_tags)
                version, created = registry.create(source, run_id, version_tags, metrics), True
            if alias:
                registry.point(alias, version, run_started_ms)
    except UnreachableError as error:
        raise _not_registered(name, error) from error
    except (TrackingError, ArtifactError):
        raise
    except Exception as error:
        if type(error).__module__.startswith(("mlflow", "requests", "sqlalchemy", "urllib3")):
            raise _not_registered(name, UnreachableError(tracking_uri, error)) from error
        raise
    return {
        "name": name,
        "version": str(version),
        "uri": f"models:/{name}/{version}",
        "created": created,
    }


def _not_registered(name: str, error: UnreachableError) -> TrackingError:
    return TrackingError(
        f"Model '{name}' is not registered: {error.problem}. Once it can be reached, go on with "
        "--resume: what the steps before made is kept"
    )


def _state(lease: Path | None) -> Path:
    return lease.parent if lease is not None else Path.cwd()


def _model_lease(lease: Path | None, name: str) -> Path | None:
    """Return the lock of one model's versions: an upload must not hold up other runs."""
    if lease is None:
        return None
    return lease.with_name(f"{lease.name}-{hashlib.sha256(name.encode()).hexdigest()[:16]}")


def _verify(folder: Path, sha256: str) -> None:
    """Check that a folder is the model artifact that was recorded.

    Raises:
        ArtifactError: It is not.
    """
    manifest = artifacts.verify(folder)
    if artifacts.by_name(manifest.type).format != FORMAT:
        raise ArtifactError(
            f"A {manifest.type!r} cannot be registered: register takes a model: a scikit-learn "
            "estimator, or one of LightGBM, XGBoost or CatBoost."
        )
    if manifest.sha256 != sha256:
        raise ArtifactError(
            f"The model in {folder} is not the one to register: its sha256 is "
            f"{manifest.sha256}, asked for was {sha256}."
        )


class _Run:
    """The MLflow run of this attempt: searched, or made as the replayer would make it."""

    def __init__(
        self,
        client: MlflowClient,
        experiment: str,
        execution: str,
        step: str,
        attempt: int,
        started: int,
        lease: Path | None,
    ) -> None:
        self.client, self.experiment, self.execution = client, experiment, execution
        self.step, self.attempt, self.started, self.lease = step, attempt, started, lease

    def find_or_create(self) -> str:
        with locked(self.lease):
            parent = self._parent() or self._create(
                self.execution, parent_tags(self.execution), self.started, self._parent
            )
            child = self._child() or self._create(
                child_name(self.step, self.attempt),
                child_tags(self.execution, self.step, self.attempt, parent.info.run_id)
                | {KIND: "register"},
                None,
                self._child,
            )
            return child.info.run_id

    def _parent(self) -> Run | None:
        return find_parent(self.client, self.experiment, self.execution)

    def _child(self) -> Run | None:
        return find_child(self.client, self.experiment, self.execution, self.step, self.attempt)

    def _create(
        self, name: str, tags: dict[str, str], start: int | None, find: Callable[[], Run | None]
    ) -> Run:
        return make(
            self.client.tracking_uri,
            lambda: self.client.create_run(
                self.experiment, start_time=start, tags=tags, run_name=name
            ),
            find,
        )


def _upload(
    client: MlflowClient,
    run_id: str,
    model: saving.RegisteredModel,
    metadata: dict[str, str],
) -> str:
    """Save the model in MLflow's form, log it to the run, and return where it is."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary, _ARTIFACT)
        saving.save(model, path, {_DIGEST: metadata[_DIGEST]})
        call(
            client.tracking_uri,
            lambda: client.log_artifacts(run_id, str(path), _ARTIFACT),
        )
    run = call(client.tracking_uri, lambda: client.get_run(run_id))
    return f"{str(run.info.artifact_uri).rstrip('/')}/{_ARTIFACT}"


class _Registry:
    """One registered model."""

    def __init__(self, client: MlflowClient, name: str) -> None:
        self.client, self.name, self.uri = client, name, client.tracking_uri

    def _call(self, do: Callable[[], Any], unless: str = "") -> Any:
        """Call the registry; an error of the code `unless` gives None."""
        from mlflow.exceptions import MlflowException

        try:
            return call(self.uri, do)
        except MlflowException as error:
            if unless and error_code(error) == unless:
                return None
            raise

    def find(self, sha256: str) -> str | None:
        """Return the version that has these bytes."""
        quoted = self.name.replace("'", "''")
        query = f"name = '{quoted}' and tags.`{_DIGEST}` = '{sha256}'"
        versions: Any = self._call(lambda: self.client.search_model_versions(query))
        numbers = [int(v.version) for v in versions if v.tags.get(_DIGEST) == sha256]
        return str(min(numbers)) if numbers else None

    def create(
        self, source: str, run_id: str, tags: dict[str, str], metrics: dict[str, float] | None
    ) -> str:
        """Make a version, and the model when it is the first."""
        self._call(
            lambda: self.client.create_registered_model(self.name), "RESOURCE_ALREADY_EXISTS"
        )
        text = ", ".join(f"{key} {value:.6g}" for key, value in sorted((metrics or {}).items()))

        def create() -> str:
            version: Any = self.client.create_model_version(
                self.name, source, run_id, tags=tags, description=text or None
            )
            return str(version.version)

        return make(self.uri, create, lambda: self.find(tags[_DIGEST]))

    def point(self, alias: str, version: str, started: int) -> None:
        """Move an alias to the version, unless a later run's version has it."""
        holder: Any = self._call(lambda: self._holder(alias))
        if holder is not None and str(holder.version) != version:
            # A version that Waterflow did not make counts from when it was made.
            held_since = int(holder.tags.get(_STARTED) or holder.creation_timestamp or 0)
            if held_since > started:
                return
        mine: Any = self._call(lambda: self.client.get_model_version(self.name, version))
        if int(mine.tags.get(_STARTED) or 0) < started:
            # The same bytes again from a later run: the version is now as late as that run.
            self._call(
                lambda: self.client.set_model_version_tag(
                    self.name, version, _STARTED, str(started)
                )
            )
        if holder is None or str(holder.version) != version:
            self._call(lambda: self.client.set_registered_model_alias(self.name, alias, version))

    def _holder(self, alias: str) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return self.client.get_model_version_by_alias(self.name, alias)
        except MlflowException as error:
            # SQL stores answer that the alias is not there with INVALID_PARAMETER_VALUE.
            if error_code(error) in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise
