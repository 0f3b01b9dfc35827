"""Fixtures: a fresh SQLite store for each test."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from waterflow.tracking import store

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def state(blank_store: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(blank_store, tmp_path / ".waterflow"))


@pytest.fixture
def uri(state: Path) -> Iterator[str]:
    yield store.default_uri(state)
    close_stores()


def close_stores() -> None:
    """Close the databases that MLflow keeps open, so that no test leaves one to the next."""
    from mlflow.tracking._model_registry import utils as registry
    from mlflow.tracking._tracking_service import utils as tracking

    registry._get_store_registry()._get_store_with_resolved_uri.cache_clear()
    tracking._tracking_store_registry._get_store_with_resolved_uri.cache_clear()
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Tracking

    for kind in (Registry, Tracking):
        engines = getattr(kind, "_engine_map", None) or getattr(
            kind, "_db_uri_sql_alchemy_engine_map", {}
        )
        for engine in engines.values():
            engine.dispose()
        engines.clear()
