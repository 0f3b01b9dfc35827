"""The tables in which MLflow keeps runs in a SQLite file: a run goes there in one transaction.

MLflow's client writes a run in three requests, each with queries of its own: some fifteen
milliseconds where this takes one. It stays the way into every other store, and into tables that are
not column by column those known here.
"""

from __future__ import annotations

import contextlib
import math
import time
import uuid
import weakref
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from waterflow.tracking.client import NAME
from waterflow.tracking.store import BUSY, SQLITE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Generator, Iterable

    from waterflow.tracking.pending import Pending

_USER: Final = "mlflow.user"

_Metric = tuple[str, float, int, int]
"""Key, value, timestamp in ms, step."""

_COLUMNS: Final = {
    "runs": (
        "run_uuid VARCHAR(32)", "name VARCHAR(250)", "source_type VARCHAR(20)",
        "source_name VARCHAR(500)", "entry_point_name VARCHAR(50)", "user_id VARCHAR(256)",
        "status VARCHAR(9)", "start_time BIGINT", "end_time BIGINT", "source_version VARCHAR(50)",
        "lifecycle_stage VARCHAR(20)", "artifact_uri VARCHAR(200)", "experiment_id INTEGER",
        "deleted_time BIGINT",
    ),
    "tags": ("key VARCHAR(250)", "value VARCHAR(8000)", "run_uuid VARCHAR(32)"),
    "params": ("key VARCHAR(250)", "value VARCHAR(8000)", "run_uuid VARCHAR(32)"),
    "metrics": (
        "key VARCHAR(250)", "value FLOAT", "timestamp BIGINT", "run_uuid VARCHAR(32)",
        "step BIGINT", "is_nan BOOLEAN",
    ),
    "latest_metrics": (
        "key VARCHAR(250)", "value FLOAT", "timestamp BIGINT", "step BIGINT", "is_nan BOOLEAN",
        "run_uuid VARCHAR(32)",
    ),
}  # fmt: skip
"""What MLflow's tables of runs are made of, in order.
https://github.com/mlflow/mlflow/blob/v3.17.2/mlflow/store/tracking/dbmodels/models.py
"""

_ADD_METRIC: Final = (
    "INSERT OR IGNORE INTO metrics (key, value, timestamp, step, is_nan, run_uuid) "
    "VALUES (?, ?, ?, ?, 0, ?)"
)
# The latest is the one of the highest step, then time, then value, as MLflow has it:
# SqlAlchemyStore._update_latest_metrics_if_necessary in
# https://github.com/mlflow/mlflow/blob/v3.17.2/mlflow/store/tracking/sqlalchemy_store.py
_NOTE_LATEST: Final = (
    "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) "
    "VALUES (?, ?, ?, ?, 0, ?) ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value, "
    "timestamp = excluded.timestamp, step = excluded.step, is_nan = 0 "
    "WHERE (excluded.step, excluded.timestamp, excluded.value) > (step, timestamp, value)"
)


class RunTables:
    """The tables of one SQLite file, and the experiment whose runs are written to them.

    Args:
        connection: The file's, with no transaction begun.
        experiment: The experiment's id.
        location: Where the artifacts of the experiment's runs go.
    """

    def __init__(self, connection: sqlite3.Connection, experiment: str, location: str) -> None:
        self._connection, self._experiment = connection, int(experiment)
        weakref.finalize(self, connection.close)
        self._location = location.rstrip("/")

    @classmethod
    def of(cls, uri: str, experiment: str) -> RunTables | None:
        """Return the tables of a tracking store; None where MLflow's client is to write to it.

        Args:
            uri: The tracking URI.
            experiment: The id of an experiment that is there.
        """
        path = uri.removeprefix(SQLITE)
        if path == uri or "?" in path:
            return None
        import sqlite3  # no job needs it

        place = f"file:{quote(path)}?mode=rw"  # which makes no file
        try:
            connection = sqlite3.connect(
                place, timeout=BUSY, isolation_level=None, uri=True, check_same_thread=False
            )
        except sqlite3.Error:
            return None
        with contextlib.suppress(sqlite3.Error):
            connection.execute("PRAGMA foreign_keys = ON")
            location = _location(connection, experiment)
            if location and all(_as_known(connection, table) for table in _COLUMNS):
                return cls(connection, experiment, location)
        connection.close()
        return None

    def add_run(self, pending: Pending, identity: dict[str, str]) -> str | None:
        """Make a run with all its tags, parameters and metrics, in one stroke.

        It has ended where nothing but these is to be written to it. What is written is taken out
        of what is pending.

        Args:
            pending: What is to be written to the run.
            identity: The tags that no other run has together.

        Returns:
            The run's id; None where MLflow's client is to decide, and nothing was written.

        Raises:
            sqlite3.Error: The file cannot be written; it is as it was.
        """
        tags = {NAME: pending.name} | pending.tags | identity
        if tags[NAME] != pending.name or not pending.name or not _are_plain(pending.metrics):
            return None
        run = uuid.uuid4().hex
        end = None if pending.has_files else pending.end
        status, ended = end or ("RUNNING", None)
        with self._transaction():
            if not self._is_active("experiments", "experiment_id", self._experiment):
                return None
            self._connection.execute(
                "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, "
                "user_id, status, start_time, end_time, deleted_time, source_version, "
                "lifecycle_stage, artifact_uri, experiment_id) "
                "VALUES (?, ?, 'UNKNOWN', '', '', ?, ?, ?, ?, NULL, '', 'active', ?, ?)",
                (
                    run, pending.name, tags.get(_USER, "unknown"), status,
                    pending.start or time.time_ns() // 1_000_000, ended,
                    f"{self._location}/{run}/artifacts", self._experiment,
                ),
            )  # fmt: skip
            for table, entries in (("tags", tags), ("params", pending.params)):
                self._connection.executemany(
                    f"INSERT INTO {table} (key, value, run_uuid) VALUES (?, ?, ?)",  # noqa: S608
                    [(key, value, run) for key, value in entries.items()],
                )
            self._write_metrics(run, pending.metrics)
        pending.tags, pending.params, pending.metrics = {}, {}, []
        pending.end = None if end else pending.end
        return run

    def add_to_run(self, run: str, pending: Pending) -> None:
        """Add to a run what is pending of tags and metrics, and its end, in one stroke.

        It has ended where nothing but these is to be written to it. What is written is taken out
        of what is pending; the rest, or all of it, is for MLflow's client, which knows what to say
        of a run that is gone, of a second value of a parameter, and of another name.

        Args:
            run: The run's id.
            pending: What is to be written to the run.

        Raises:
            sqlite3.Error: The file cannot be written; it is as it was.
        """
        if pending.params or NAME in pending.tags or not _are_plain(pending.metrics):
            return
        end = None if pending.has_files else pending.end
        if not (pending.tags or pending.metrics or end):
            return
        with self._transaction():
            if not self._is_active("runs", "run_uuid", run):
                return
            self._connection.executemany(
                "INSERT OR REPLACE INTO tags (key, value, run_uuid) VALUES (?, ?, ?)",
                [(key, value, run) for key, value in pending.tags.items()],
            )
            self._write_metrics(run, pending.metrics)
            if end is not None:
                self._connection.execute(
                    "UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ?", (*end, run)
                )
        pending.tags, pending.metrics = {}, []
        pending.end = None if end else pending.end

    def _write_metrics(self, run: str, metrics: list[_Metric]) -> None:
        latest: dict[str, _Metric] = {}
        for metric in metrics:
            key, value, timestamp, step = metric
            before = latest.get(key)
            if before is None or (step, timestamp, value) > (before[3], before[2], before[1]):
                latest[key] = metric
        self._connection.executemany(_ADD_METRIC, ((*one, run) for one in metrics))
        self._connection.executemany(_NOTE_LATEST, ((*one, run) for one in latest.values()))

    def _is_active(self, table: str, key: str, value: str | int) -> bool:
        query = f"SELECT lifecycle_stage FROM {table} WHERE {key} = ?"  # noqa: S608
        return self._connection.execute(query, (value,)).fetchone() == ("active",)

    @contextlib.contextmanager
    def _transaction(self) -> Generator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # SQLite ends it itself where the disk is full
                self._connection.execute("ROLLBACK")
            raise


def _as_known(connection: sqlite3.Connection, table: str) -> bool:
    """Say whether a table has the columns that are known here, and no other."""
    columns: Iterable[Any] = connection.execute(f"PRAGMA table_info({table})")
    return tuple(f"{name} {kind}" for _, name, kind, *_ in columns) == _COLUMNS[table]


def _location(connection: sqlite3.Connection, experiment: str) -> str:
    """Return where an experiment's artifacts go; "" where only MLflow can say that of a run's."""
    query = "SELECT artifact_location FROM experiments WHERE experiment_id = ?"
    row = connection.execute(query, (experiment,)).fetchone()
    location = str(row[0] or "") if row else ""
    return "" if "?" in location or "#" in location else location


def _are_plain(metrics: Iterable[_Metric]) -> bool:
    """Say whether all values are such as a table holds as they are."""
    return all(math.isfinite(value) and timestamp >= 0 for _, value, timestamp, _ in metrics)
