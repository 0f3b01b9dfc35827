from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from mlflow import MlflowClient
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

from tests.servers import Server, failing, free_port
from tests.tracking.journal import Run, every
from waterflow import artifacts
from waterflow.artifacts import dump_estimator
from waterflow.errors import ArtifactError, TrackingError
from waterflow.tracking.registration import register
from waterflow.tracking.replay import Replayer
from waterflow.tracking.store import artifact_location

EXAMPLE = pd.DataFrame({"x": [0.0, 1.0, 2.0], "y": [1.0, 0.5, 0.25]})


def model(folder: Path, seed: float = 0.0) -> tuple[Path, str]:
    """A model's artifact folder as a step leaves it."""
    folder.mkdir()
    fitted = LogisticRegression().fit(EXAMPLE + np.array([[seed, 0.0]]), [0, 1, 1])
    skops.io.dump(fitted, folder / "model.skops")
    data = (folder / "model.skops").read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    files = {"model.skops": {"sha256": sha256, "size": len(data)}}
    manifest = {
        "version": 1,
        "type": "estimator",
        "sha256": sha256,
        "size": len(data),
        "files": files,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder, sha256


@pytest.fixture
def settings(uri: str, state: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("WATERFLOW_TRACKING_LEASE", str(state / "tracking.lease"))
    return {
        "name": "fraud", "alias": "challenger", "example": EXAMPLE, "metrics": {"auc": 0.9},
        "trusted_types": (), "tracking_uri": uri, "experiment": "exp", "execution": "e1",
        "step": "register", "attempt": 1, "run_started_ms": 1000,
        "tags": {"waterflow.pipeline": "fraud"},
    }  # fmt: skip


def put(model_at: tuple[Path, str], settings: dict[str, Any], **other: Any) -> dict[str, Any]:
    return register(model_at[0], artifact_sha256=model_at[1], **(settings | other))


def test_a_version_has_the_model_its_signature_its_tags_and_the_alias(
    settings: dict[str, Any], uri: str, tmp_path: Path
) -> None:
    import mlflow.sklearn

    at = model(tmp_path / "model")
    assert put(at, settings) == {
        "name": "fraud",
        "version": "1",
        "uri": "models:/fraud/1",
        "created": True,
    }
    client = MlflowClient(uri, uri)
    version = client.get_model_version_by_alias("fraud", "challenger")
    assert version.version == "1" or version.version == 1
    assert version.tags == {
        "waterflow.artifact_sha256": at[1], "waterflow.execution": "e1",
        "waterflow.step": "register", "waterflow.run_started": "1000",
        "waterflow.pipeline": "fraud", "metric.auc": "0.9",
    }  # fmt: skip
    assert version.description == "auc 0.9"
    parent, child = sorted(every(client, "exp"), key=lambda run: run["name"])
    assert (child["parent"], version.run_id) == (parent["id"], child["id"])
    assert {"model/MLmodel", "model/model.skops", "model/input_example.json"} <= set(
        child["artifacts"]
    )
    local = client.download_artifacts(child["id"], "model", str(tmp_path))
    loaded = mlflow.sklearn.load_model(local)
    assert list(loaded.predict(EXAMPLE)) == [0, 1, 1]
    signature = mlflow.models.get_model_info(local).signature
    assert signature is not None
    assert signature.inputs.input_names() == ["x", "y"]


def test_the_same_model_again_is_the_same_version(
    settings: dict[str, Any], uri: str, tmp_path: Path
) -> None:
    at = model(tmp_path / "model")
    put(at, settings)
    again = put(at, settings, attempt=2)
    assert again == {"name": "fraud", "version": "1", "uri": "models:/fraud/1", "created": False}
    assert len(MlflowClient(uri, uri).search_model_versions("name = 'fraud'")) == 1


def test_an_alias_only_moves_forward(settings: dict[str, Any], uri: str, tmp_path: Path) -> None:
    client = MlflowClient(uri, uri)

    def holder() -> str:
        return str(client.get_model_version_by_alias("fraud", "challenger").version)

    old, new = model(tmp_path / "old", 0.0), model(tmp_path / "new", 1.0)
    put(new, settings, execution="late", run_started_ms=2000)
    assert put(old, settings, execution="early", run_started_ms=1000)["version"] == "2"
    assert holder() == "1"
    put(old, settings, execution="latest", run_started_ms=3000)
    assert holder() == "2"
    put(new, settings, execution="between", run_started_ms=2500)
    assert holder() == "2"


def test_two_runs_at_once_make_one_version(
    settings: dict[str, Any], uri: str, tmp_path: Path
) -> None:
    at = model(tmp_path / "model")
    with ThreadPoolExecutor() as pool:
        futures = [pool.submit(put, at, settings, execution=name) for name in ("e1", "e2")]
    results = [future.result() for future in futures]
    assert sorted(result["created"] for result in results) == [False, True], results
    assert len(MlflowClient(uri, uri).search_model_versions("name = 'fraud'")) == 1


def test_the_job_and_the_replayer_share_one_run(
    settings: dict[str, Any], uri: str, state: Path, tmp_path: Path
) -> None:
    run = Run("e1")
    run.start()
    replayer = Replayer(
        uri,
        "exp",
        lease=state / "tracking.lease",
        artifact_location=artifact_location(uri, state),  # else it is ./mlruns
    )
    replayer.apply(
        [run.events[0], run.begin("register", tags={"waterflow.kind": "register"})], tmp_path
    )
    put(model(tmp_path / "model"), settings)
    replayer.apply([run.finish("register"), run.end()], tmp_path)
    runs = every(MlflowClient(uri), "exp")
    assert [(run["name"], run["status"]) for run in runs] == [
        ("e1", "FINISHED"),
        ("register", "FINISHED"),
    ]


def test_an_altered_or_another_model_is_refused(
    settings: dict[str, Any], uri: str, tmp_path: Path
) -> None:
    folder, sha256 = model(tmp_path / "model")
    with pytest.raises(ArtifactError, match="not the one to register"):
        put((folder, "0" * 64), settings)
    with (folder / "model.skops").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(ArtifactError, match=r"altered 'model\.skops'"):
        put((folder, sha256), settings)
    whole = (folder / "model.skops").read_bytes()[:-1]
    (folder / "model.skops").write_bytes(whole)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"type": "array"}))
    with pytest.raises(ArtifactError, match="register takes a model"):
        put((folder, sha256), settings)
    assert every(MlflowClient(uri), "exp") == []


def test_a_registry_that_is_not_there_is_told(settings: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="could not be used: Connection refused") as caught:
        put(model(tmp_path / "model"), settings, tracking_uri=f"http://127.0.0.1:{free_port()}")
    message = str(caught.value)
    assert message.startswith("Model 'fraud' is not registered: ")
    assert "--resume" in message
    assert "sync" not in message, "a registration is no event of the spool"


def test_a_registry_that_fails_is_not_asked_for_long(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    with failing() as (url, requests), pytest.raises(TrackingError, match="is not registered"):
        put(model(tmp_path / "model"), settings, tracking_uri=url)
    assert 1 <= len(requests) <= 2
    assert not [name for name in os.environ if name.startswith("MLFLOW_HTTP")]


def test_a_server_registers_as_a_file_does(
    settings: dict[str, Any], server: Server, tmp_path: Path
) -> None:
    at = model(tmp_path / "model")
    assert put(at, settings, tracking_uri=server.url)["created"] is True
    assert put(at, settings, tracking_uri=server.url, attempt=2)["created"] is False
    client = MlflowClient(server.url, server.url)
    assert client.get_model_version_by_alias("fraud", "challenger").tags["metric.auc"] == "0.9"


def test_an_example_with_the_label_in_it_is_cut_to_what_the_model_knows(
    settings: dict[str, Any], uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import mlflow.models

    table = EXAMPLE[["y", "x"]].assign(label=[0, 1, 1])
    put(model(tmp_path / "model"), settings, example=table)
    assert "which are left out: label" in capsys.readouterr().err
    client = MlflowClient(uri, uri)
    version = client.get_model_version_by_alias("fraud", "challenger")
    local = client.download_artifacts(str(version.run_id), "model", str(tmp_path))
    signature = mlflow.models.get_model_info(local).signature
    assert signature is not None
    assert signature.inputs.input_names() == ["x", "y"]


@pytest.mark.parametrize("example", [EXAMPLE[["x"]], {"x": 1}, ["a"]])
def test_an_example_that_the_model_rejects_is_named(
    settings: dict[str, Any], tmp_path: Path, example: Any
) -> None:
    with pytest.raises(ArtifactError, match=r"Model 'fraud' \(LogisticRegression\)") as caught:
        put(model(tmp_path / "model"), settings, example=example)
    assert "fitted with the columns x, y" in str(caught.value)


def test_a_job_registers_the_first_model_that_is_there(
    uri: str, state: Path, tmp_path: Path
) -> None:
    model(tmp_path / "model")
    artifacts.seal_skipped(tmp_path / "skipped", "estimator")
    options = [{"input": f"model.{index}", "type": "estimator"} for index in range(2)]
    step = {
        "version": 1, "pipeline": "p", "step": "register", "run": {"kind": "register"},
        "arguments": {"model": {"first": options}, "name": {"constant": "fraud"}},
        "outputs": {"output": "json"}, "values": {}, "timeout": None, "threads": 1,
        "retry": {"retries": 3, "delay": 1, "backoff": 1}, "variables": {}, "secrets": {},
        "trusted_types": [], "execution": {"variable": "NATIVE_ID"}, "frames": False,
    }  # fmt: skip

    def job(document: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        (tmp_path / "STEP.json").write_text(json.dumps(document))
        environment = os.environ | {
            "WATERFLOW_TRACKING_URI": uri, "NATIVE_ID": "e1",
            "WATERFLOW_TRACKING_LEASE": str(state / "tracking.lease"),
            "WATERFLOW_SPOOL": str(tmp_path / "spool.jsonl"),
        }  # fmt: skip
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "waterflow.runtime",
                str(tmp_path / "STEP.json"),
                "--input",
                f"model.0={tmp_path}/skipped",
                "--input",
                f"model.1={tmp_path}/model",
                "--output",
                f"output={tmp_path}/out",
            ],
            env=environment,
            text=True,
            capture_output=True,
            timeout=300,
            check=False,
        )

    done = job(step)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "value.json").read_text())["uri"] == "models:/fraud/1"
    done = job(
        step | {"arguments": {"model": {"list": options[1:]}, "name": {"constant": "fraud"}}}
    )
    assert done.returncode == 3
    assert done.stderr.count("was given a list. Register each by itself") == 1, done.stderr


@pytest.mark.parametrize("path", ["runs/create", "model-versions/create"])
def test_what_is_made_is_made_once_although_its_answer_is_lost(
    path: str, settings: dict[str, Any], server: Server, tmp_path: Path
) -> None:
    name = path.replace("/", "-")
    with server.losing(path) as url:
        record = put(
            model(tmp_path / "model"), settings, tracking_uri=url, name=name, execution=name
        )
    assert (record["version"], record["created"]) == ("1", True)
    client = MlflowClient(server.url, server.url)
    (version,) = client.search_model_versions(f"name = '{name}'")
    experiment = client.get_experiment_by_name(settings["experiment"])
    runs = client.search_runs([experiment.experiment_id], f"tags.`waterflow.execution` = '{name}'")
    steps = {run.data.tags.get("waterflow.step"): run.info.run_id for run in runs}
    assert len(runs) == 2, "the run's own, and the step's"
    assert version.run_id == steps["register"]
    assert client.get_model_version_by_alias(name, "challenger").version == version.version


def test_the_requirements_name_what_the_model_file_names(
    settings: dict[str, Any], uri: str, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    trusted = ("joblib.hashing.hash",)
    dump_estimator(FunctionTransformer(joblib.hash), folder / "model.skops", trusted)
    sha256 = artifacts.seal(folder, "estimator").sha256 or ""
    put((folder, sha256), settings, example=None, trusted_types=trusted)
    client = MlflowClient(uri, uri)
    version = client.get_model_version_by_alias("fraud", "challenger")
    local = client.download_artifacts(str(version.run_id), "model", str(tmp_path))
    assert f"joblib=={joblib.__version__}" in Path(local, "requirements.txt").read_text().split()
