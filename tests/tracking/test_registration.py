from __future__ import annotations

import hashlib
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from mlflow import MlflowClient
from sklearn.linear_model import LogisticRegression

from tests.tracking.conftest import Server, free_port
from tests.tracking.journal import Run, every
from waterflow.errors import ArtifactError, TrackingError
from waterflow.tracking.registration import register
from waterflow.tracking.replay import Replayer

if TYPE_CHECKING:
    from pathlib import Path

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
def asked(uri: str, state: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("WATERFLOW_TRACKING_LEASE", str(state / "tracking.lease"))
    return {
        "name": "fraud", "alias": "challenger", "example": EXAMPLE, "metrics": {"auc": 0.9},
        "trusted_types": (), "tracking_uri": uri, "experiment": "exp", "execution": "e1",
        "step": "register", "attempt": 1, "run_started_ms": 1000,
        "tags": {"waterflow.pipeline": "fraud"},
    }  # fmt: skip


def put(model_at: tuple[Path, str], asked: dict[str, Any], **other: Any) -> dict[str, Any]:
    return register(model_at[0], artifact_sha256=model_at[1], **(asked | other))


def test_a_version_has_the_model_its_signature_its_tags_and_the_alias(
    asked: dict[str, Any], uri: str, tmp_path: Path
) -> None:
    import mlflow.sklearn

    at = model(tmp_path / "model")
    assert put(at, asked) == {
        "name": "fraud", "version": "1", "uri": "models:/fraud/1", "created": True,
    }  # fmt: skip
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
    asked: dict[str, Any], uri: str, tmp_path: Path
) -> None:
    at = model(tmp_path / "model")
    put(at, asked)
    again = put(at, asked, attempt=2)
    assert again == {"name": "fraud", "version": "1", "uri": "models:/fraud/1", "created": False}
    assert len(MlflowClient(uri, uri).search_model_versions("name = 'fraud'")) == 1


def test_an_alias_only_moves_forward(asked: dict[str, Any], uri: str, tmp_path: Path) -> None:
    client = MlflowClient(uri, uri)

    def holder() -> str:
        return str(client.get_model_version_by_alias("fraud", "challenger").version)

    old, new = model(tmp_path / "old", 0.0), model(tmp_path / "new", 1.0)
    put(new, asked, execution="late", run_started_ms=2000)
    assert put(old, asked, execution="early", run_started_ms=1000)["version"] == "2"
    assert holder() == "1"
    put(old, asked, execution="latest", run_started_ms=3000)
    assert holder() == "2"
    put(new, asked, execution="between", run_started_ms=2500)
    assert holder() == "2"


def test_two_runs_at_once_make_one_version(asked: dict[str, Any], uri: str, tmp_path: Path) -> None:
    at = model(tmp_path / "model")
    with ThreadPoolExecutor() as pool:
        asked_for = [pool.submit(put, at, asked, execution=name) for name in ("e1", "e2")]
    results = [future.result() for future in asked_for]
    assert sorted(result["created"] for result in results) == [False, True], results
    assert len(MlflowClient(uri, uri).search_model_versions("name = 'fraud'")) == 1


def test_the_job_and_the_replayer_share_one_run(
    asked: dict[str, Any], uri: str, state: Path, tmp_path: Path
) -> None:
    run = Run("e1")
    run.start()
    replayer = Replayer(uri, "exp", lease=state / "tracking.lease")
    replayer.apply(
        [run.events[0], run.begin("register", tags={"waterflow.kind": "register"})], tmp_path
    )
    put(model(tmp_path / "model"), asked)
    replayer.apply([run.finish("register"), run.end()], tmp_path)
    runs = every(MlflowClient(uri), "exp")
    assert [(found["name"], found["status"]) for found in runs] == [
        ("e1", "FINISHED"), ("register", "FINISHED"),
    ]  # fmt: skip


def test_an_altered_or_another_model_is_refused(
    asked: dict[str, Any], uri: str, tmp_path: Path
) -> None:
    folder, sha256 = model(tmp_path / "model")
    with pytest.raises(ArtifactError, match="not the one to register"):
        put((folder, "0" * 64), asked)
    with (folder / "model.skops").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(ArtifactError, match="was altered"):
        put((folder, sha256), asked)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"type": "array"}))
    with pytest.raises(ArtifactError, match="register takes a scikit-learn estimator"):
        put((folder, sha256), asked)
    assert every(MlflowClient(uri), "exp") == []


def test_a_registry_that_is_not_there_fails_soon(asked: dict[str, Any], tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(TrackingError, match="could not be used"):
        put(model(tmp_path / "model"), asked, tracking_uri=f"http://127.0.0.1:{free_port()}")
    assert time.monotonic() - started < 15
    assert not [name for name in os.environ if name.startswith("MLFLOW_HTTP")]


def test_a_server_registers_as_a_file_does(
    asked: dict[str, Any], server: Server, tmp_path: Path
) -> None:
    at = model(tmp_path / "model")
    assert put(at, asked, tracking_uri=server.url)["created"] is True
    assert put(at, asked, tracking_uri=server.url, attempt=2)["created"] is False
    client = MlflowClient(server.url, server.url)
    assert client.get_model_version_by_alias("fraud", "challenger").tags["metric.auc"] == "0.9"
