"""How Waterflow talks to MLflow: one kind of error, what is made once, runs by their tags."""

from __future__ import annotations

import contextlib
import os
import socket
import textwrap
import threading
import time
import urllib.request
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from waterflow.errors import TrackingError
from waterflow.tracking import lean
from waterflow.tracking.managed import managed, need_plugin
from waterflow.tracking.plugins import keep_in_scope
from waterflow.tracking.waits import retries_are_set, sent_once, short_waits

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from mlflow import MlflowClient
    from mlflow.entities import Run

EXECUTION: Final = "waterflow.execution"
STEP: Final = "waterflow.step"
ATTEMPT: Final = "waterflow.attempt"
KIND: Final = "waterflow.kind"
PARENT: Final = "mlflow.parentRunId"
NAME: Final = "mlflow.runName"
NESTED_RUN: Final = "waterflow.nested"
"""The tag of a run that a step has started within its own: step, attempt and the run's id there."""
PIPELINE: Final = "pipeline"
"""The kind of a run that stands for a whole execution."""

LEASE: Final = "WATERFLOW_TRACKING_LEASE"
"""Environment variable: the file that processes of one machine lock to make runs one at a time."""

_OWN: Final = frozenset({
    "http", "https", "sqlite", "postgresql", "mysql", "mssql", "file", "databricks", "uc",
})  # fmt: skip
"""Schemes of the tracking URIs that MLflow understands without a plug-in."""

_VARIABLE: Final = "MLFLOW_TRACKING_URI"
_AUTH: Final = "MLFLOW_TRACKING_AUTH"
_FORCING: Final = threading.RLock()
"""Held while a plug-in's URI is in force: the whole process has one."""

_KIND: Final = "mlflow.experimentKind"
_TRAINING: Final = "custom_model_development"
"""Tells MLflow's pages to open with runs and models, not with traces of language models."""

_KNOCK: Final = 3.0
"""Seconds after which a server that neither accepts nor refuses is left to MLflow's patience."""
_PORTS: Final = {"http": 80, "https": 443}
_PAGE: Final = 1000
_WORDS: Final = 300
_LOCKED_FOR: Final = 30.0

T = TypeVar("T")


def connect(uri: str) -> MlflowClient:
    """Return a client of the tracking server or store at `uri`.

    Raises:
        TrackingError: The URI is none that MLflow knows, the store cannot be opened, or nobody
            listens at the server's address.
        MissingDependencyError: MLflow knows it by a plug-in, which is not installed.
    """
    knock(uri)
    need_plugin(uri)
    tracker = managed(uri)
    if tracker is not None and tracker.auth is not None:
        # Who signs requests themselves is not overruled; other servers' are not signed.
        os.environ.setdefault(_AUTH, tracker.auth)
    lean.follow()
    with short_waits():
        with lean.uncollected():
            from mlflow import MlflowClient
        if uri.startswith(("http:", "https:")):
            keep_in_scope()
        return call(uri, lambda: MlflowClient(tracking_uri=uri, registry_uri=uri))


def knock(uri: str) -> None:
    """See whether somebody listens at a server's address, before MLflow is imported to ask it.

    To import MLflow takes seconds, to be refused takes none. A server behind a proxy is left to
    MLflow, which goes through that; so is one that the user has said how often to try.

    Raises:
        TrackingError: Nobody listens there.
    """
    address = urlsplit(uri)
    if address.scheme not in _PORTS or retries_are_set():
        return
    try:
        host, port = address.hostname or "", address.port or _PORTS[address.scheme]
        if not host or _has_proxy(address.scheme, host):
            return
        socket.create_connection((host, port), _KNOCK).close()
    except (TimeoutError, ValueError):
        return
    except OSError as error:
        raise UnreachableError(uri, error) from error


def _has_proxy(scheme: str, host: str) -> bool:
    proxies = urllib.request.getproxies()
    return bool({scheme, "all"} & proxies.keys()) and not urllib.request.proxy_bypass(host)


def error_code(error: Exception) -> str:
    """Return MLflow's name of an error, or ""."""
    return str(getattr(error, "error_code", ""))


def is_refusal(error: Exception) -> bool:
    """Say whether MLflow refused the request itself, so that it will never succeed."""
    return error_code(error) in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "INVALID_STATE")


def call(uri: str, do: Callable[[], T]) -> T:
    """Call MLflow, waiting for a locked database to become free.

    Raises:
        MlflowException: MLflow refused the request, or the thing is not there or there already.
        TrackingError: MLflow cannot be reached, or failed.
    """
    from mlflow.exceptions import MlflowException

    until = time.monotonic() + _LOCKED_FOR
    while True:
        try:
            with _in_force(uri):
                return do()
        except MlflowException as error:
            if "database is locked" in str(error) and time.monotonic() < until:
                time.sleep(0.1)
                continue
            if is_refusal(error) or error_code(error).startswith("RESOURCE_"):
                raise
            raise UnreachableError(uri, error) from error
        except TrackingError:
            raise
        except Exception as error:
            raise UnreachableError(uri, error) from error


def make(uri: str, do: Callable[[], T], find: Callable[[], T | None]) -> T:
    """Call MLflow to make a thing once, even where its answer is lost or late.

    MLflow's client sends a request again when no answer comes, and what the first one made is then
    there twice: its REST interface has no token that would tell the two for one. So such a request
    is sent once, and then it is seen what came of it.

    Args:
        uri: The tracking URI.
        do: Makes the thing.
        find: Searches it, by what no other has.

    Raises:
        MlflowException: MLflow refused the request.
        TrackingError: MLflow cannot be reached or failed, and has not made the thing so far.
    """
    for final in (False, True):
        try:
            with sent_once():
                return call(uri, do)
        except UnreachableError as error:
            thing = find()
            if thing is not None:
                return thing
            # After one that took too long, MLflow may still be at it.
            if final or error.late:
                raise
    raise AssertionError("the second try either returns or raises")


@contextlib.contextmanager
def _in_force(uri: str) -> Generator[None]:
    """Let a plug-in's URI be the one in force in the block: a plug-in may serve no other.

    What was in force before is again: it decides where the process's other runs are tracked.
    https://github.com/aws/sagemaker-mlflow (auth_provider.py): the client's own URI is not asked.
    """
    if uri.partition(":")[0].partition("+")[0] in _OWN:  # a driver follows the plus sign
        yield
        return
    import mlflow

    with _FORCING:
        variable = os.environ.get(_VARIABLE)
        before: Any = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
        force: Any = mlflow.set_tracking_uri
        force(uri)
        try:
            yield
        finally:
            # MLflow writes the variable too, which is to say again what it said.
            force(None if before == variable else before)
            if variable is not None:
                os.environ[_VARIABLE] = variable


class UnreachableError(TrackingError):
    """MLflow could not be used.

    Args:
        uri: Where it was looked for.
        error: What came of it.

    Attributes:
        problem: What happened, without what to do about it.
        late: Whether a request took too long, so that MLflow may still be working on it.
    """

    def __init__(self, uri: str, error: BaseException) -> None:
        self.problem = f"MLflow at {uri} could not be used: {_reason(error)}"
        self.late = any("Timeout" in type(cause).__name__ for cause in _causes(error))
        super().__init__(
            f"{self.problem}. Nothing is lost: it stays in the spool. "
            "Once it can be reached: waterflow sync"
        )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and what it came from."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _reason(error: BaseException) -> str:
    """Return the system's own words where it said what is wrong, else MLflow's, shortened."""
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    return textwrap.shorten(str(error), _WORDS, placeholder=" ...").rstrip(".")


def experiment_id(client: MlflowClient, name: str, artifact_location: str | None = None) -> str:
    """Return the id of an experiment, which is made when it is missing.

    Raises:
        TrackingError: It was deleted, or MLflow cannot be used.
    """
    from mlflow.exceptions import MlflowException

    uri = client.tracking_uri
    experiment: Any = call(uri, lambda: client.get_experiment_by_name(name))
    if experiment is None:
        try:
            return call(
                uri, lambda: client.create_experiment(name, artifact_location, {_KIND: _TRAINING})
            )
        except MlflowException as error:
            if error_code(error) != "RESOURCE_ALREADY_EXISTS":
                raise UnreachableError(uri, error) from error
        experiment = call(uri, lambda: client.get_experiment_by_name(name))
    if experiment.lifecycle_stage != "active":
        raise TrackingError(
            f"The experiment '{name}' at {uri} was deleted. Bring it back: "
            f"mlflow experiments restore --experiment-id {experiment.experiment_id}"
        )
    return experiment.experiment_id


def find_runs(client: MlflowClient, experiment: str, tags: dict[str, str]) -> Iterator[Run]:
    """Yield an experiment's runs with all these tags."""
    condition = " and ".join(f"tags.`{name}` = {_quoted(value)}" for name, value in tags.items())
    token: str | None = None
    while True:
        page: Any = call(
            client.tracking_uri,
            lambda: client.search_runs(
                [experiment],
                condition,
                max_results=_PAGE,
                page_token=token,  # noqa: B023
            ),
        )
        yield from page
        token = page.token
        if not token:
            return


def _quoted(value: str) -> str:
    if "'" not in value:
        return f"'{value}'"
    return f'"{value}"'


def find_parent(client: MlflowClient, experiment: str, execution: str) -> Run | None:
    """Return the run that stands for an execution."""
    tags = {EXECUTION: execution, KIND: PIPELINE}
    return next(find_runs(client, experiment, tags), None)


def find_child(
    client: MlflowClient, experiment: str, execution: str, step: str, attempt: int
) -> Run | None:
    """Return the run that stands for an attempt of a step."""
    tags = {
        EXECUTION: execution,
        STEP: step,
        ATTEMPT: str(attempt),
    }
    return next(find_runs(client, experiment, tags), None)


def parent_tags(execution: str) -> dict[str, str]:
    """Return the tags by which an execution's run is found."""
    return {EXECUTION: execution, KIND: PIPELINE}


def child_tags(execution: str, step: str, attempt: int, parent: str) -> dict[str, str]:
    """Return the tags by which an attempt's run is found, and which put it under its parent."""
    return {EXECUTION: execution, STEP: step, ATTEMPT: str(attempt), PARENT: parent}


def nested_tag(step: str, attempt: int, run: str) -> str:
    """Return the value of the tag of a run within a step's: no other has it in an execution."""
    return f"{step}/{attempt}/{run}"


def nested_tags(execution: str, step: str, attempt: int, run: str, parent: str) -> dict[str, str]:
    """Return the tags by which a run within a step's is found, and which put it under its parent.

    It has none of the step's own tags, by which the step's run is found.
    """
    return {
        EXECUTION: execution,
        NESTED_RUN: nested_tag(step, attempt, run),
        KIND: "nested",
        PARENT: parent,
    }


def child_name(step: str, attempt: int) -> str:
    """Return the name under which an attempt shows in MLflow."""
    return step if attempt == 1 else f"{step} (attempt {attempt})"
