"""What is written to MLflow's tables is what MLflow's client would have written there."""

from __future__ import annotations

import math
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient

from tests.tracking.conftest import close_stores
from tests.tracking.journal import T0, Run, every
from waterflow.errors import TrackingError
from waterflow.tracking import store
from waterflow.tracking.client import experiment_id
from waterflow.tracking.pending import Pending
from waterflow.tracking.replay import Replayer
from waterflow.tracking.run_tables import RunTables
from waterflow.tracking.sink import METRICS, Sink

if TYPE_CHECKING:
    from collections.abc import Callable


def replayer(uri: str, state: Path) -> Replayer:
    location = str(state / "artifacts")
    return Replayer(uri, "exp", lease=state / "lease", artifact_location=location)


def plain(run: Run) -> None:
    run.start(tags={"mlflow.user": "ada", "waterflow.git.commit": "abc"})
    run.step("train", auc=0.5, loss=1e-300)
    run.step("test", auc=0.75)
    run.end()


def failed(run: Run) -> None:
    run.start()
    run.begin("train")
    error = {"type": "ValueError", "message": "no", "traceback": "TB"}
    run.finish("train", status="failed", error=error)
    run.step("train", 2, auc=0.5)
    run.end("failed", error={"type": "StepFailed", "message": "it did"})


def values_twice(run: Run) -> None:
    """A parameter that is told twice, a tag that changes, values out of order and equal ones."""
    run.start()
    run.begin("train", parameters={"c": 1, "text": "ä", "nested": {"a": [1, None]}})
    for value in ("0.1", "0.1", "0.2"):
        run.event("param", step="train", attempt=1, key="lr", value=value)
    for team in ("risk", "fraud"):
        run.event("tag", step="train", attempt=1, key="team", value=team)
    for at, value in ((3, 0.5), (1, 0.25), (3, 0.5), (3, 0.75), (2, 9.0)):
        entries = {"key": "auc", "value": value, "at": at, "timestamp": T0 + 7}
        run.event("metric", step="train", attempt=1, **entries)
    run.event("tag", step="train", attempt=1, key="mlflow.note.content", value="a note")
    run.finish("train")
    run.end()


def odd_names(run: Run) -> None:
    run.start(tags={"long": "x" * 9000, "a=b": "c"})
    run.begin("train", parameters={"long": "y" * 7000, "sp ace/ü": "v"})
    run.event("metric", step="train", attempt=1, key="../auc?", value=1.0)
    run.event("metric", step="train", attempt=1, key="", value=1.0)
    run.finish("train")
    run.end()


def no_numbers(run: Run) -> None:
    run.start()
    run.step("train", nan=math.nan, inf=math.inf, low=-math.inf, one=1.0)
    run.end()


def no_whole_numbers(run: Run) -> None:
    run.start()
    run.begin("train")
    for at, stamp in ((2**63, T0), (-(2**63), T0), (1, -5), (2, 2**64), (3, T0)):
        entries = {"key": f"auc{at % 7}", "value": 0.5, "at": at, "timestamp": stamp}
        run.event("metric", step="train", attempt=1, **entries)
    run.finish("train")
    run.end()


def no_text(run: Run) -> None:
    """What names of files may hold, and UTF-8 has no bytes for."""
    run.start(name="a\udcff", tags={"mlflow.user": "\ud800"})
    run.begin("train", parameters={"path": "b\udcff", "\udcff": 1})
    data = {"name": "f\udcff", "digest": "f" * 64, "source": "/g\udcff", "source_type": "local"}
    run.event("dataset", step="train", attempt=1, **data)
    run.event("tag", step="train", attempt=1, key="c\udcff", value="\udcff" * 8001)
    error = {"type": "OSError", "message": "d\udcff is gone", "traceback": "in e\udcff"}
    run.finish("train", status="failed", error=error)
    run.end()


def many(run: Run) -> None:
    run.start()
    run.begin("train", parameters={f"p{index}": index for index in range(250)})
    for index in range(2 * METRICS + 3):
        entries = {"key": f"m{index % 7}", "value": float(index), "at": index // 7}
        run.event("metric", step="train", attempt=1, **entries)
    for index in range(120):
        run.event("tag", step="train", attempt=1, key=f"t{index}", value=str(index))
    run.finish("train")
    run.end()


def named_otherwise(run: Run) -> None:
    run.start(name="theirs")
    run.begin("train", tags={"mlflow.runName": "its own"})
    run.event("tag", step="train", attempt=1, key="mlflow.runName", value="another")
    run.finish("train")
    run.end()


def nested(run: Run) -> None:
    run.start()
    run.begin("train")
    begun = {"run": "n1", "name": "fold", "start": T0 + 5, "parent": ""}
    run.event("nested.start", step="train", attempt=1, **begun)
    inside = {"run": "n1", "key": "auc", "value": 0.5}
    run.event("nested.metric", step="train", attempt=1, **inside)
    run.event("nested.end", step="train", attempt=1, run="n1", status="FINISHED", end=T0 + 9)
    run.finish("train")
    run.end()


def not_ended(run: Run) -> None:
    run.start()
    run.begin("train")
    run.event("metric", step="train", attempt=1, key="auc", value=0.5, at=0)


CASES = (
    plain,
    failed,
    values_twice,
    odd_names,
    no_numbers,
    no_whole_numbers,
    no_text,
    many,
    named_otherwise,
    nested,
    not_ended,
)


def comparable(client: MlflowClient) -> list[dict[str, Any]]:
    runs = every(client, "exp")
    names = {run["id"]: run["name"] for run in runs}
    return [run | {"id": None, "parent": names.get(run["parent"])} for run in runs]


@pytest.mark.parametrize("events_at_once", [1, 10_000], ids=["one by one", "all at once"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_run_reads_as_if_the_client_had_written_it(
    case: Callable[[Run], None],
    events_at_once: int,
    blank_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Run("e1")
    case(run)
    written: dict[str, list[dict[str, Any]]] = {}
    used: list[str] = []
    add = RunTables.add_run

    def add_run(self: RunTables, pending: Pending, identity: dict[str, str]) -> str | None:
        made = add(self, pending, identity)
        used.append(str(made))
        return made

    monkeypatch.setattr(RunTables, "add_run", add_run)
    for way in ("tables", "client"):
        state = Path(shutil.copytree(blank_store, tmp_path / way))
        if way == "client":
            monkeypatch.setattr(RunTables, "of", lambda *_: None)
        to = replayer(store.default_uri(state), state)
        for at in range(0, len(run.events), events_at_once):
            to.apply(run.events[at : at + events_at_once], tmp_path)
        written[way] = comparable(MlflowClient(store.default_uri(state)))
    close_stores()
    assert repr(written["tables"]) == repr(written["client"])  # as text: NaN is not NaN
    assert len(written["tables"]) >= 2
    assert len(used) >= 2


metrics = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.sampled_from([0.0, -1.5, 2.0, 1e300]),
        st.integers(T0, T0 + 2),
        st.integers(0, 2),
    ),
    max_size=8,
)


@pytest.fixture(scope="module")
def shelf(blank_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(blank_store, tmp_path_factory.mktemp("tables") / ".waterflow"))


@settings(max_examples=40, deadline=None)
@given(batches=st.lists(metrics, min_size=1, max_size=3))
def test_the_latest_value_is_the_one_that_mlflow_would_take(
    shelf: Path, batches: list[list[tuple[str, float, int, int]]]
) -> None:
    uri = store.default_uri(shelf)
    client = MlflowClient(uri)
    experiment = experiment_id(client, "exp", str(shelf / "artifacts"))
    values: list[Any] = []
    for tables in (None, RunTables.of(uri, experiment)):
        sink = Sink(client, tables)
        run = sink.create(experiment, Pending(name="r", start=T0, metrics=list(batches[0])), {})
        sink.write(run, Pending(metrics=list(batches[0])))  # again: it changes nothing
        for batch in batches[1:]:
            sink.write(run, Pending(metrics=list(batch)))
        data = client.get_run(run).data
        history = {
            key: sorted((m.value, m.timestamp, m.step) for m in client.get_metric_history(run, key))
            for key in data.metrics
        }
        values.append((data.metrics, history))
    assert values[0] == values[1]
    close_stores()


def test_the_tables_of_this_mlflow_are_known(uri: str, state: Path) -> None:
    experiment = experiment_id(MlflowClient(uri), "exp", str(state / "artifacts"))
    assert RunTables.of(uri, experiment) is not None


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE runs ADD COLUMN colour VARCHAR(5)",
        "ALTER TABLE latest_metrics RENAME COLUMN is_nan TO nan",
        "UPDATE experiments SET artifact_location = 's3://bucket/a?b=c'",
        "UPDATE experiments SET artifact_location = NULL",
    ],
)
def test_tables_that_are_not_known_are_left_to_the_client(
    uri: str, state: Path, change: str
) -> None:
    experiment = experiment_id(MlflowClient(uri), "exp", str(state / "artifacts"))
    with closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as database, database:
        database.execute(change)
    assert RunTables.of(uri, experiment) is None


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:5000", "postgresql://u@h/d", "sqlite://", "sqlite:///:memory:",
        "sqlite:///missing.db", "sqlite:///mlflow.db?timeout=3",
    ],
)  # fmt: skip
def test_other_stores_are_left_to_the_client(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert RunTables.of(uri, "1") is None
    assert not list(tmp_path.iterdir())


def test_a_store_may_lie_in_a_folder_of_any_name(blank_store: Path, tmp_path: Path) -> None:
    place = Path(shutil.copytree(blank_store, tmp_path / "a #1% b" / ".waterflow"))
    uri = store.default_uri(place)
    experiment = experiment_id(MlflowClient(uri), "exp", str(tmp_path / "artifacts"))
    assert RunTables.of(uri, experiment) is not None
    close_stores()


def test_what_cannot_be_written_whole_is_not_there_at_all_and_comes_later(
    uri: str, state: Path
) -> None:
    run = Run("e1")
    plain(run)
    to, client = replayer(uri, state), MlflowClient(uri)
    to.apply(run.events[:1], state)
    file = uri.removeprefix("sqlite:///")
    with closing(sqlite3.connect(file)) as database, database:
        refuse = "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        database.execute(f"CREATE TRIGGER full BEFORE INSERT ON metrics {refuse}")
    with pytest.raises(TrackingError, match="disk is full"):
        to.apply(run.events[1:], state)
    assert [one["name"] for one in every(client, "exp")] == ["e1"]
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("DROP TRIGGER full")
    to.apply(run.events, state)
    found = {one["name"]: one for one in every(client, "exp")}
    assert set(found) == {"e1", "test", "train"}
    assert [value for value, _, _ in found["train"]["metrics"]["auc"]] == [0.5]
    assert found["test"]["status"] == found["e1"]["status"] == "FINISHED"


def test_a_run_that_was_deleted_meanwhile_is_told_as_mlflow_tells_it(uri: str, state: Path) -> None:
    client = MlflowClient(uri)
    run = Run("e1")
    plain(run)
    to = replayer(uri, state)
    to.apply(run.events[:3], state)
    (train,) = (one for one in every(client, "exp") if one["name"] == "train")
    client.delete_run(train["id"])
    with pytest.raises(TrackingError, match=r"deleted|active"):
        to.apply(run.events[3:], state)
