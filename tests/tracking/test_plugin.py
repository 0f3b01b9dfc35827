"""Plain MLflow calls in a process that is set up as a step's is."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from waterflow.tracking.spool import Spool, clear_foreign_mlflow, point_mlflow_at, read
from waterflow.tracking.upstream import URI

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = """
import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException

mlflow.set_experiment("whatever the script says")
mlflow.log_metric("auc", 0.5, step=1)
mlflow.log_metric("auc", 0.75, step=2)
mlflow.log_metrics({"loss": float("nan"), "f1": 1.0})
mlflow.log_param("trees", 200)
mlflow.log_params({"depth": 3, "kind": "gb"})
mlflow.set_tags({"team": "risk"})
mlflow.log_text("hello", "notes/hello.txt")
mlflow.log_dict({"a": 1}, "d.json")
open("plain.bin", "wb").write(b"12")
mlflow.log_artifact("plain.bin", "bin")
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
mlflow.log_figure(plt.figure(), "f.png")
rows = pd.DataFrame({"x": [1.0]})
data = mlflow.data.from_pandas(rows, source="s3://b/k", name="raw", digest="d1")
mlflow.log_input(data, context="training")
try:
    mlflow.log_param("trees", 300)
except MlflowException as error:
    assert "cannot become '300'" in str(error)
else:
    raise AssertionError
own = mlflow.active_run().info.run_id
for name in ("a", "b"):
    with mlflow.start_run(nested=True, run_name=name):
        mlflow.log_param("depth", name)
        mlflow.log_metric("auc", 0.1)
        mlflow.log_text(name, "n.txt")
        with mlflow.start_run(nested=True) as inner:
            mlflow.log_input(data)
            assert inner.data.tags["mlflow.parentRunId"] != own
mlflow.end_run()
with mlflow.start_run(run_name="second") as second:  # a second run of a script is another
    mlflow.log_param("trees", 300)
    assert second.data.tags["mlflow.parentRunId"] == own
mlflow.log_metric("late", 1)  # without a run it is the step's
mlflow.end_run()

with mlflow.start_run(own) as run:
    client = mlflow.MlflowClient()
    children = mlflow.search_runs(
        filter_string=f"tags.`mlflow.parentRunId` = '{own}'", order_by=["attributes.run_name ASC"],
        output_format="list",
    )
    assert [(r.info.run_name, r.info.status) for r in children] == [
        ("a", "FINISHED"), ("b", "FINISHED"), ("second", "FINISHED"),
    ]
    assert client.get_run(children[0].info.run_id).data.params == {"depth": "a"}
    assert mlflow.artifacts.load_text(children[1].info.artifact_uri + "/n.txt") == "b"
    assert [m.value for m in client.get_metric_history(children[0].info.run_id, "auc")] == [0.1]
    read = client.get_run(run.info.run_id)
    assert read.data.metrics["auc"] == 0.75, read.data.metrics
    assert read.data.params["trees"] == "200"
    assert [m.value for m in client.get_metric_history(run.info.run_id, "auc")] == [0.5, 0.75]
    assert "d.json" in [f.path for f in client.list_artifacts(run.info.run_id)]
    assert open(client.download_artifacts(run.info.run_id, "notes/hello.txt")).read() == "hello"
    try:
        client.delete_run(run.info.run_id)
    except MlflowException as error:
        assert "cannot be deleted" in str(error)
    else:
        raise AssertionError
"""

AUTOLOG = """
import mlflow
import mlflow.sklearn
import numpy as np
from sklearn.linear_model import LogisticRegression

mlflow.sklearn.autolog(log_models=False, log_datasets=False, log_post_training_metrics=False)
model = LogisticRegression().fit(np.array([[0.0], [1.0]]), np.array([0, 1]))
mlflow.sklearn.log_model(model, name="clf", pip_requirements=["scikit-learn"])
"""


def run_step(code: str, folder: Path) -> list[dict]:
    spool = Spool(folder / "spool" / "spool.jsonl", execution="e", step="train", attempt=1)
    environ = {**os.environ, "MLFLOW_TRACKING_URI": "http://127.0.0.1:1", "MLFLOW_RUN_ID": "x"}
    clear_foreign_mlflow(environ)
    point_mlflow_at(spool, environ)
    environ["MPLCONFIGDIR"] = str(folder)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environ,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    spool.close()
    assert done.returncode == 0, done.stderr
    return [event for event, _ in read(spool.path)]


def test_plain_calls_become_events_of_the_step(tmp_path: Path) -> None:
    events = run_step(PLAIN, tmp_path)
    assert {(e["execution"], e["step"], e["attempt"]) for e in events} == {("e", "train", 1)}
    metrics = [(e["key"], e["value"], e["at"]) for e in events if e["kind"] == "metric"]
    assert metrics == [
        ("auc", 0.5, 1),
        ("auc", 0.75, 2),
        ("loss", "NaN", 0),
        ("f1", 1.0, 0),
        ("late", 1.0, 0),
    ]
    assert {e["key"]: e["value"] for e in events if e["kind"] == "param"} == {
        "trees": "200",
        "depth": "3",
        "kind": "gb",
    }
    assert {e["key"]: e["value"] for e in events if e["kind"] == "tag"} == {"team": "risk"}
    files = {e["path"]: tmp_path / "spool" / e["file"] for e in events if e["kind"] == "artifact"}
    assert set(files) == {
        "notes/hello.txt",
        "d.json",
        "bin/plain.bin",
        "f.png",
    }
    assert files["notes/hello.txt"].read_text() == "hello"
    assert files["bin/plain.bin"].read_bytes() == b"12"
    [data] = [e for e in events if e["kind"] == "dataset"]
    assert (data["name"], data["digest"], data["context"]) == ("raw", "d1", "training")
    assert "s3://b/k" in data["source"]
    starts = {e["run"]: e for e in events if e["kind"] == "nested.start"}
    assert [e["name"] for e in starts.values()] == ["a", "run-2", "b", "run-4", "second"]
    inner = [e["parent"] for e in starts.values() if e["parent"]]
    assert [starts[run]["name"] for run in inner] == ["a", "b"]
    params = [(starts[e["run"]]["name"], e["key"], e["value"])
              for e in events if e["kind"] == "nested.param"]  # fmt: skip
    assert params == [("a", "depth", "a"), ("b", "depth", "b"), ("second", "trees", "300")]
    notes = [e for e in events if e["kind"] == "nested.artifact"]
    assert [(tmp_path / "spool" / e["file"]).read_text() for e in notes] == ["a", "b"]
    assert len([e for e in events if e["kind"] == "nested.dataset"]) == 2
    assert {e["status"] for e in events if e["kind"] == "nested.end"} == {"FINISHED"}


def test_autologging_and_log_model_write_into_the_spool(tmp_path: Path) -> None:
    events = run_step(AUTOLOG, tmp_path)
    params = {e["key"] for e in events if e["kind"] == "param"}
    assert {"C", "solver", "max_iter"} <= params
    files = {e["path"] for e in events if e["kind"] == "artifact"}
    assert {"clf/MLmodel", "clf/model.skops"} <= files


SEARCH = """
import mlflow
import mlflow.sklearn
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

mlflow.sklearn.autolog(log_models=False, log_datasets=False, log_post_training_metrics=False)
rows = np.arange(8.0).reshape(-1, 1)
labels = np.arange(8) % 2
GridSearchCV(LogisticRegression(), {"C": [0.5, 1.0]}, cv=2).fit(rows, labels)
for c in (3.0, 4.0):
    LogisticRegression(C=c).fit(rows, labels)
mlflow.log_metric("after", 1.0)
"""


def test_what_autologging_tries_are_runs_within_the_steps(tmp_path: Path) -> None:
    events = run_step(SEARCH, tmp_path)
    tried = [e["value"] for e in events if e["kind"] == "nested.param" and e["key"] == "C"]
    assert sorted(tried) == ["0.5", "1.0", "3.0", "4.0"]
    own = {e["key"]: e["value"] for e in events if e["kind"] == "param"}
    assert own["best_C"] in ("0.5", "1.0")
    assert "after" in {e["key"] for e in events if e["kind"] == "metric"}


LATER = """
import mlflow
mlflow.log_param("attempt", 2)
"""


def test_another_attempts_parameters_do_not_stand_in_the_way(tmp_path: Path) -> None:
    place = tmp_path / "spool" / "spool.jsonl"
    with Spool(place, execution="e", step="train", attempt=0) as before:
        before.append("param", key="attempt", value="1")
    events = run_step(LATER, tmp_path)
    assert [(e["attempt"], e["value"]) for e in events] == [(0, "1"), (1, "2")]


@pytest.mark.parametrize(
    "code",
    [
        "mlflow.register_model('models:/x/1', 'name')",
        "mlflow.pyfunc.load_model('models:/name/1')",
        "mlflow.search_registered_models()",
        "mlflow.MlflowClient().set_registered_model_alias('name', 'best', '1')",
    ],
)
def test_without_an_address_the_registry_is_refused_with_the_way_out(
    tmp_path: Path, code: str
) -> None:
    with pytest.raises(AssertionError, match="the job was not told where MLflow is") as caught:
        run_step(f"import mlflow\n{code}", tmp_path)
    assert '[tracking] uri = "https://..."' in str(caught.value)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("mlflow.MlflowClient().log_metric('f' * 32, 'a', 1)", "is not this step's"),
        ("mlflow.MlflowClient().set_tag('f' * 32, 'a', 'b')", "is not this step's"),
        ("mlflow.get_run('f' * 32)", "MLflow at http://127.0.0.1:1 could not be used"),
        ("mlflow.search_runs()", "MLflow at http://127.0.0.1:1 could not be used"),
        ("mlflow.search_registered_models()", "MLflow at http://127.0.0.1:1 could not be used"),
    ],
)
def test_what_cannot_be_reached_or_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, message: str
) -> None:
    monkeypatch.setenv(URI, "http://127.0.0.1:1")
    with pytest.raises(AssertionError, match=message):
        run_step(f"import mlflow\n{code}", tmp_path)


def test_an_unreachable_store_stops_nothing_that_only_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URI, "http://127.0.0.1:1")
    code = "import mlflow\nmlflow.set_experiment('x')\nmlflow.log_metric('a', 1)"
    [event] = run_step(code, tmp_path)
    assert (event["kind"], event["key"]) == ("metric", "a")
