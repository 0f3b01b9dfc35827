"""Plain MLflow calls in a process that is set up as a step's is."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from waterflow.tracking.spool import Spool, clear_foreign_mlflow, point_mlflow_at, read

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
for name in ("a", "b"):
    with mlflow.start_run(nested=True, run_name=name):
        mlflow.log_param("depth", name)
        mlflow.log_text("x", "n.txt")
mlflow.end_run()

with mlflow.start_run() as run:  # a second run of a script is the step's run again
    mlflow.log_metric("late", 1)
    client = mlflow.MlflowClient()
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
        timeout=120,
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
        "a/depth": "a",
        "b/depth": "b",
    }
    assert {e["key"]: e["value"] for e in events if e["kind"] == "tag"} == {"team": "risk"}
    files = {e["path"]: tmp_path / "spool" / e["file"] for e in events if e["kind"] == "artifact"}
    assert set(files) == {
        "notes/hello.txt",
        "d.json",
        "bin/plain.bin",
        "f.png",
        "a/n.txt",
        "b/n.txt",
    }
    assert files["notes/hello.txt"].read_text() == "hello"
    assert files["bin/plain.bin"].read_bytes() == b"12"
    [data] = [e for e in events if e["kind"] == "dataset"]
    assert (data["name"], data["digest"], data["context"]) == ("raw", "d1", "training")
    assert "s3://b/k" in data["source"]


def test_autologging_and_log_model_write_into_the_spool(tmp_path: Path) -> None:
    events = run_step(AUTOLOG, tmp_path)
    params = {e["key"] for e in events if e["kind"] == "param"}
    assert {"C", "solver", "max_iter"} <= params
    files = {e["path"] for e in events if e["kind"] == "artifact"}
    assert {"clf/MLmodel", "clf/model.skops"} <= files


@pytest.mark.parametrize("code", ["mlflow.register_model('runs:/x/m', 'name')"])
def test_the_registry_is_not_reached_from_inside_a_step(tmp_path: Path, code: str) -> None:
    with pytest.raises(AssertionError, match="Model registry functionality is unavailable"):
        run_step(f"import mlflow\n{code}", tmp_path)
