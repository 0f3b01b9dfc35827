"""The default store: a SQLite file in the project's state, or whichever a run's settings name."""

from __future__ import annotations

import contextlib
import importlib.metadata
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow.errors import ConfigurationError, TrackingError
from waterflow.tracking import lean
from waterflow.tracking.locks import locked
from waterflow.tracking.managed import managed

if TYPE_CHECKING:
    from collections.abc import Mapping

SQLITE: Final = "sqlite:///"
BUSY: Final = 30.0
"""Seconds to wait for whoever else writes."""
_DATABASES: Final = ("sqlite", "postgresql", "mysql", "mssql")
"""Schemes of the stores that MLflow opens by itself: no server decides where files go."""


def default_uri(project_state: Path) -> str:
    """Return the tracking URI of the store in a project's state folder (`.waterflow`)."""
    return f"{SQLITE}{project_state.absolute() / 'mlflow.db'}"


def resolve_uri(profile_uri: str | None, environ: Mapping[str, str], state: Path) -> str:
    """Return the tracking URI: the profile's, else MLFLOW_TRACKING_URI, else the default.

    Args:
        profile_uri: The profile's setting.
        environ: The environment.
        state: The project's state folder; a relative SQLite path is seen from its parent.

    Raises:
        ConfigurationError: The URI names a folder: MLflow 3.13 gave up its file store; or it is
            no URI of the managed MLflow that its scheme is for.
    """
    uri = profile_uri or environ.get("MLFLOW_TRACKING_URI") or ""
    if not uri or uri.startswith("waterflow-spool:"):
        return default_uri(state)
    if uri.startswith(SQLITE):
        return f"{SQLITE}{state.absolute().parent / uri.removeprefix(SQLITE)}"
    where = "the profile" if profile_uri else "MLFLOW_TRACKING_URI"
    tracker = managed(uri)
    if tracker is not None:
        tracker.check(uri, where)
        return uri
    if uri.startswith("file:") or ("://" not in uri and uri not in ("databricks", "uc")):
        raise ConfigurationError(
            f"The tracking URI {uri!r} of {where} is a folder, and MLflow no longer keeps runs in "
            "folders. Name a database or a server, such as sqlite:///mlflow.db, or leave it out."
        )
    return uri


def artifact_location(uri: str, state: Path) -> str | None:
    """Return where an experiment made here keeps artifacts; None where the server decides."""
    return str(state.absolute() / "mlartifacts") if is_database(uri) else None


def is_database(uri: str) -> bool:
    """Say whether a tracking URI is a database's, which MLflow opens by itself."""
    # A driver follows the plus sign: postgresql+psycopg://...
    return uri.partition(":")[0].partition("+")[0] in _DATABASES


def prepare(uri: str, state: Path) -> None:
    """Bring a SQLite store to the form that this MLflow needs, once, whoever else is at it.

    Does nothing for any other URI. A store that is ready is known by a file beside it, without
    importing MLflow. Whoever is killed at it leaves none, or the one that there was.

    Args:
        uri: The tracking URI.
        state: The project's state folder.

    Raises:
        TrackingError: The store is not to be opened, or is of another MLflow and not ours.
    """
    if not uri.startswith(SQLITE):
        return
    database = Path(uri.removeprefix(SQLITE))
    version = importlib.metadata.version("mlflow")
    ready = database.with_name(f"{database.name}.ready")
    if _is_ready(database, ready, version):
        return
    # Several processes that migrate one fresh SQLite file crash each other.
    with locked(database.with_name(f"{database.name}.lock")):
        if not _is_ready(database, ready, version):
            _initialise(uri, database, state)
            ready.write_text(version, encoding="utf-8")


def _is_ready(database: Path, ready: Path, version: str) -> bool:
    try:
        return database.exists() and ready.read_text(encoding="utf-8") == version
    except FileNotFoundError:
        return False


def _initialise(uri: str, database: Path, state: Path) -> None:
    import logging

    lean.follow()
    # A hundred lines about migrations are no news to who runs a pipeline.
    for name in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.WARNING)
    location = artifact_location(uri, state) or ""
    try:
        if not database.exists() or not database.stat().st_size:
            _create(database, location)
        elif uri == default_uri(state):
            _upgrade(database, location)
        else:
            _open(database, location)
    except Exception as error:
        raise TrackingError(
            f"The MLflow store {database} cannot be opened: {error}. Move it away, or name "
            "another one in the profile's tracking setting."
        ) from error


def _create(database: Path, location: str) -> None:
    """Make a store under another name first: what is broken off in the making is no store."""
    unfinished = _unfinished(database)
    _open(unfinished, location)
    with contextlib.closing(sqlite3.connect(unfinished)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    unfinished.replace(database)


def _upgrade(database: Path, location: str) -> None:
    """Bring a store of an earlier MLflow to this one's form, from a copy where that broke off."""
    import sqlalchemy
    from mlflow.store.db import utils

    backup = database.with_name(f"{database.name}.backup")
    if backup.exists():
        _copy(backup, database)
    else:
        unfinished = _unfinished(database)
        _copy(database, unfinished)
        unfinished.replace(backup)
    helpers: Any = utils
    engine = sqlalchemy.create_engine(f"{SQLITE}{database}")
    if sqlalchemy.inspect(engine).has_table("experiments"):
        # The store's own engine keeps to foreign keys, and no table that has some can be altered.
        helpers._upgrade_db(engine)  # noqa: SLF001 - MLflow offers it as a command only
    engine.dispose()
    _open(database, location)
    backup.unlink()


def _unfinished(database: Path) -> Path:
    """Return where a database is made before it takes its name; nothing of an earlier one is."""
    place = database.with_name(f"{database.name}.unfinished")
    for leftover in database.parent.glob(f"{place.name}*"):
        leftover.unlink()
    return place


def _copy(source: Path, target: Path) -> None:
    """Copy a database into another, whoever else has them open."""
    with (
        contextlib.closing(sqlite3.connect(source, timeout=BUSY)) as read,
        contextlib.closing(sqlite3.connect(target, timeout=BUSY)) as written,
    ):
        read.backup(written)


def _open(database: Path, location: str) -> None:
    """Let MLflow open a store, which makes what is missing in it."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with contextlib.closing(sqlite3.connect(database, timeout=BUSY)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    SqlAlchemyStore(f"{SQLITE}{database}", location).engine.dispose()
