"""The store of a project: made and upgraded whole, whenever whoever does it is killed."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from mlflow.tracking import MlflowClient

from tests.tracking.conftest import close_stores
from waterflow.tracking import store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_KILLED = """
import os, sys
from pathlib import Path
import sqlalchemy
from waterflow.tracking import store

state, last = Path(sys.argv[1]), int(sys.argv[2])
statements = 0

@sqlalchemy.event.listens_for(sqlalchemy.Engine, "before_cursor_execute")
def count(*_):
    global statements
    statements += 1
    if statements == last:
        os.kill(os.getpid(), 9)

store.prepare(store.default_uri(state), state)
print(statements)
"""


def _prepared(state: Path, last: int) -> subprocess.CompletedProcess[str]:
    """Prepare a store in a process that is killed at one of its statements."""
    command = [sys.executable, "-c", _KILLED, str(state), str(last)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@contextmanager
def _opened(state: Path) -> Iterator[MlflowClient]:
    store.prepare(store.default_uri(state), state)
    try:
        yield MlflowClient(store.default_uri(state))
    finally:
        close_stores()


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store as MLflow's first version with databases made it, with a run in it."""
    from mlflow.store.tracking.dbmodels.initial_models import Base
    from sqlalchemy import create_engine

    database = tmp_path_factory.mktemp("old") / "mlflow.db"
    engine = create_engine(f"sqlite:///{database}")
    Base.metadata.create_all(engine)
    engine.dispose()
    connection = sqlite3.connect(database)
    with connection:
        connection.execute("INSERT INTO experiments VALUES (0, 'Default', '/old', 'active')")
        connection.execute(
            "INSERT INTO runs (run_uuid, name, source_type, source_name, user_id, status, "
            "start_time, lifecycle_stage, artifact_uri, experiment_id) "
            "VALUES ('aaaa', 'kept', 'LOCAL', 'x', 'me', 'FINISHED', 1, 'active', '/old/a', 0)"
        )
    connection.close()
    return database


@pytest.mark.parametrize("last", [20, 200])
def test_who_is_killed_while_making_a_store_leaves_none(tmp_path: Path, last: int) -> None:
    killed = _prepared(tmp_path, last)
    assert killed.returncode == -9, killed.stdout
    assert not (tmp_path / "mlflow.db").exists()
    with _opened(tmp_path) as client:
        run = client.create_run("0")
        assert client.get_run(run.info.run_id).info.artifact_uri.startswith(str(tmp_path))
    names = {file.name for file in tmp_path.iterdir()}
    assert names <= {f"mlflow.db{end}" for end in ("", "-wal", "-shm", ".lock", ".ready")}


@pytest.mark.parametrize("last", [30, 180])
def test_who_is_killed_while_upgrading_a_store_loses_nothing(
    tmp_path: Path, old: Path, last: int
) -> None:
    (tmp_path / "mlflow.db").write_bytes(old.read_bytes())
    for _ in range(2):
        killed = _prepared(tmp_path, last)
        assert killed.returncode == -9, killed.stdout
    with _opened(tmp_path) as client:
        assert client.get_run("aaaa").info.run_name == "kept"
        assert client.create_run("0").info.status == "RUNNING"
    assert not list(tmp_path.glob("*.backup*")) + list(tmp_path.glob("*.unfinished*"))
