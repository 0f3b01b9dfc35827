"""What a `register` step runs: one model version in MLflow's registry, with its alias."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import re
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow import artifacts
from waterflow.errors import ArtifactError, TrackingError
from waterflow.tracking import store
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
_TYPES: Final = ("estimator", "model")
_RUN_TIMEOUT: Final = 30
"""Seconds: other runs of this machine wait meanwhile."""
_UPLOAD_TIMEOUT: Final = 120
_EXAMPLE_ROWS: Final = 5
_MODULE: Final = re.compile(r'"__module__":\s*"(\w+)')


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
) -> dict[str, Any]:
    """Make a model version of a model artifact, unless the registry has one of the same bytes.

    Args:
        model_folder: The model's artifact folder: skops, with its manifest.
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

    Returns:
        name, version, uri (`models:/name/version`) and created, false when it was there already.

    Raises:
        ArtifactError: The artifact is not the one that was recorded, or no skops model; or the
            model does not take the example.
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
                source = _upload(client, run_id, folder, name, example, trusted_types, version_tags)
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
    if manifest.type not in _TYPES:
        raise ArtifactError(
            f"A {manifest.type!r} cannot be registered: register takes a scikit-learn "
            f"estimator or a wf.Model (types {', '.join(_TYPES)}), kept as skops."
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
    folder: Path,
    name: str,
    example: Any,
    trusted_types: Sequence[str],
    metadata: dict[str, str],
) -> str:
    """Save the model in MLflow's form, log it to the run, and return where it is."""
    import skops.io
    from mlflow import sklearn as flavour  # pyright: ignore[reportPrivateImportUsage]
    from mlflow.exceptions import MlflowException

    from waterflow.artifacts import load_estimator

    file = _model_file(folder)
    save: Callable[..., None] = flavour.save_model
    estimator = load_estimator(file, tuple(trusted_types))
    rows, signature = (None, None) if example is None else _signature(estimator, name, example)
    with tempfile.TemporaryDirectory() as temporary, _quiet():
        path = Path(temporary, _ARTIFACT)
        try:
            save(
                estimator,
                str(path),
                serialization_format="skops",
                # `load_estimator` has just checked that all of these may be.
                skops_trusted_types=sorted(skops.io.get_untrusted_types(file=file)),
                pip_requirements=_requirements(file),
                signature=signature,
                input_example=rows,
                metadata={_DIGEST: metadata[_DIGEST]},
            )
        except (MlflowException, TypeError, ValueError) as error:
            raise ArtifactError(
                f"Model '{name}' ({type(estimator).__name__}) cannot be saved in MLflow's form: "
                f"{error}"
            ) from error
        call(
            client.tracking_uri,
            lambda: client.log_artifacts(run_id, str(path), _ARTIFACT),
        )
    run = call(client.tracking_uri, lambda: client.get_run(run_id))
    return f"{str(run.info.artifact_uri).rstrip('/')}/{_ARTIFACT}"


def _model_file(folder: Path) -> Path:
    """Return the one skops file of a model artifact."""
    files = sorted(folder.rglob("*.skops"))
    if len(files) != 1:
        raise ArtifactError(
            f"The model in {folder} has {len(files)} .skops files; register takes a scikit-learn "
            "estimator, which is one."
        )
    return files[0]


def _signature(estimator: Any, name: str, example: Any) -> tuple[Any, Any]:
    """Return rows of an example, and the signature that follows from what the model makes of them.

    Raises:
        ArtifactError: The model does not take the example.
    """
    from mlflow.models import infer_signature

    table = example
    try:
        if hasattr(table, "to_pandas"):  # Polars and Arrow, which MLflow's signatures do not know
            table = table.to_pandas()
        table = _without_unknown(estimator, name, table)
        rows = table[:_EXAMPLE_ROWS]
        with _quiet():
            return rows, infer_signature(table, estimator.predict(rows))
    except Exception as error:
        raise ArtifactError(
            f"Model '{name}' ({type(estimator).__name__}) does not take what register(example=...) "
            f"gives it: {error}. {_columns(estimator, table)}Give rows as its predict takes them, "
            "without the label: example=..."
        ) from error


def _without_unknown(estimator: Any, name: str, example: Any) -> Any:
    """Return a table without the columns that the model was not fitted with, such as the label."""
    known = [str(column) for column in getattr(estimator, "feature_names_in_", ())]
    columns = [str(column) for column in getattr(example, "columns", ())]
    extra = [column for column in columns if column not in known]
    if not known or not extra or not set(known) <= set(columns):
        return example
    print(
        f"waterflow: the example of model '{name}' has columns that the model was not fitted with, "
        f"which are left out: {', '.join(extra)}",
        file=sys.stderr,
    )
    return example[known]


def _columns(estimator: Any, example: Any) -> str:
    known = [str(column) for column in getattr(estimator, "feature_names_in_", ())]
    columns = [str(column) for column in getattr(example, "columns", ())]
    fitted = f"It was fitted with the columns {', '.join(known)}. " if known else ""
    return fitted + (f"The example has {', '.join(columns)}. " if columns else "")


def _requirements(file: Path) -> list[str]:
    """Return what loading the model needs, as installed here, so that nothing is guessed.

    Classes of the project's own modules belong to no distribution: they are not in the list.
    """
    with zipfile.ZipFile(file) as archive:
        named = set(_MODULE.findall(archive.read("schema.json").decode()))
    tops = named - set(sys.stdlib_module_names) - {"sklearn", "numpy", "scipy", "pandas"}
    packages = {"mlflow", "scikit-learn", "skops", "numpy", "pandas", "scipy"}
    if tops:
        holders = importlib.metadata.packages_distributions()
        packages |= {one for top in tops for one in holders.get(top, ())}
    pins: list[str] = []
    for package in sorted(packages):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            pins.append(f"{package}=={importlib.metadata.version(package)}")
    return pins


@contextlib.contextmanager
def _quiet() -> Any:
    """Hush what MLflow says while it saves: integer columns, its own deprecations."""
    import logging
    import warnings

    logger = logging.getLogger("mlflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


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
