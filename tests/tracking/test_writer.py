from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import mlflow
import pytest
from mlflow import MlflowClient

from tests.servers import Server, free_port, wait_for
from tests.tracking.journal import Run, every
from waterflow.tracking import client, writer
from waterflow.tracking.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


def settle(folder: Path, uri: str, state: Path, **more: Any) -> None:
    settings = {"uri": uri, "experiment": "exp", "state": str(state)} | more
    (folder / "tracking-settings.json").write_text(json.dumps(settings))


def progress(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / "tracking.json").read_text())
    except FileNotFoundError:
        return {}


@contextmanager
def writing(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", "waterflow.tracking.writer", str(folder)])
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_a_run_is_sent_as_it_goes_and_the_writer_ends_with_it(
    folder: Path, uri: str, state: Path
) -> None:
    client = MlflowClient(uri)

    def metrics(name: str) -> dict[str, Any]:
        return next((r["metrics"] for r in every(client, "exp") if r["name"] == name), {})

    settle(folder, uri, state)
    run = Run("e1", folder)
    run.start()
    with writing(folder) as process:
        run.begin("train")
        path = folder / "steps" / "train" / "1" / "spool.jsonl"
        with Spool(path, execution="e1", step="train", attempt=1) as spool:
            (folder / "note.txt").write_text("hello")
            spool.append("metric", key="loss", value=1.0, step=0)
            wait_for(lambda: len(metrics("train").get("loss", ())) == 1)
            spool.append("metric", key="loss", value=0.5, step=1)
            spool.log_artifact(folder / "note.txt", "notes")
            wait_for(lambda: len(metrics("train").get("loss", ())) == 2)
            spool.append("metric", key="last", value=7.0)
            spool.append("step.end", status="failed", outputs={})  # the journal decides
        assert writer.sync(folder, wait=0.1).error == "Another process is sending this run."
        run.finish("train")
        wait_for(lambda: metrics("train").get("last"))
        run.end()
        assert process.wait(300) == 0
    state_now = progress(folder)
    assert state_now["complete"] is True
    assert state_now["error"] is None
    assert state_now["sent"] == 9
    assert list(state_now["offsets"]) == ["events.jsonl"]
    parent, child = every(client, "exp")
    assert (parent["status"], child["status"]) == ("FINISHED", "FINISHED")
    assert child["artifacts"] == ["notes/note.txt"]
    assert [value for value, _, _ in parent["metrics"]["train.last"]] == [7.0]
    assert writer.sync(folder) == writer.SyncResult(0, 0, None)


def test_a_killed_writer_loses_and_doubles_nothing(folder: Path, uri: str, state: Path) -> None:
    settle(folder, uri, state)
    run = Run("e1", folder)
    run.start()
    for number in range(5):
        run.step(f"s{number}", auc=number)
    with writing(folder):
        wait_for(lambda: progress(folder).get("sent", 0) >= 1)
    before = every(MlflowClient(uri), "exp")
    assert len(before) == 6
    # As if it had been killed after sending and before noting what was sent.
    state_then = progress(folder) | {"offsets": {"events.jsonl": 0}, "sent": 0}
    (folder / "tracking.json").write_text(json.dumps(state_then))
    assert writer.sync(folder).error is None
    assert every(MlflowClient(uri), "exp") == before
    run.end()
    assert writer.sync(folder) == writer.SyncResult(1, 0, None)
    assert progress(folder)["complete"] is True


def test_a_second_writer_leaves_at_once(folder: Path, uri: str, state: Path) -> None:
    settle(folder, uri, state)
    Run("e1", folder).start()
    with writing(folder) as first:
        wait_for(lambda: progress(folder).get("sent"))
        writer.write(folder)
        assert first.poll() is None


def test_the_writer_leaves_when_who_runs_the_steps_has_gone(
    folder: Path, uri: str, state: Path
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as runner:
        settle(folder, uri, state, parent=runner.pid)
        run = Run("e1", folder)
        run.start()
        with writing(folder) as process:
            wait_for(lambda: progress(folder).get("sent"))
            run.step("a", auc=1.0)
            runner.kill()
            runner.wait()
            assert process.wait(300) == 0
    assert progress(folder)["complete"] is False
    assert {r["name"] for r in every(MlflowClient(uri), "exp")} == {"e1", "a"}


def test_ctrl_c_does_not_stop_the_writer(folder: Path, uri: str, state: Path) -> None:
    settle(folder, uri, state)
    run = Run("e1", folder)
    run.start()
    with writing(folder) as process:
        wait_for(lambda: progress(folder).get("sent"))
        os.kill(process.pid, 2)
        run.end("cancelled")
        assert process.wait(300) == 0
    [parent] = every(MlflowClient(uri), "exp")
    assert parent["status"] == "KILLED"


def test_a_refused_server_delays_nobody_and_loses_nothing(
    folder: Path, server: Server, state: Path
) -> None:
    port = free_port()
    settle(folder, f"http://127.0.0.1:{port}", state)
    run = Run("refused", folder)
    run.start()
    run.step("train", auc=0.5)
    with writing(folder) as process:
        wait_for(lambda: progress(folder).get("error"))
        assert process.poll() is None
        run.end()
        assert process.wait(300) == 0
    assert progress(folder)["complete"] is False
    failed = writer.sync(folder)
    assert (failed.sent, failed.left) == (0, 5)
    assert "could not be used" in str(failed.error)
    with server.door(port):
        assert writer.sync(folder) == writer.SyncResult(5, 0, None)
    assert rest_runs(server, "refused") == {("pipeline", "FINISHED"), ("train", "FINISHED")}


def test_a_server_that_comes_back_is_found_again(folder: Path, server: Server, state: Path) -> None:
    port = free_port()
    settle(folder, f"http://127.0.0.1:{port}", state)
    run = Run("back", folder)
    run.start()
    with writing(folder) as process:
        wait_for(lambda: progress(folder).get("error"))
        with server.door(port):
            wait_for(lambda: progress(folder).get("sent"))
            run.end()
            assert process.wait(300) == 0
    assert progress(folder)["complete"] is True
    assert progress(folder)["error"] is None


def test_a_slow_server_gets_all_once(folder: Path, server: Server, state: Path) -> None:
    """Each connection waits longer than a request may, until the server is quick again."""
    run = Run("slow", folder)
    run.start()
    run.step("train", auc=0.5)
    run.end()
    port = free_port()
    settle(folder, f"http://127.0.0.1:{port}", state)
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "1"
    try:
        with server.door(port, delay=1.5):
            slow = writer.sync(folder)
            assert slow.left == 5
            assert "could not be used" in str(slow.error)
    finally:
        del os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"]
    with server.door(port, delay=0.3):
        assert writer.sync(folder) == writer.SyncResult(5, 0, None)
    assert rest_runs(server, "slow") == {("pipeline", "FINISHED"), ("train", "FINISHED")}


def test_what_a_server_holds_is_read_back_through_its_rest_interface(
    folder: Path, server: Server, state: Path
) -> None:
    settle(folder, server.url, state)
    (folder / "spec.json").write_text('{"a": 1}')
    run = Run("rest", folder)
    run.start(files={"spec.json": "spec.json"})
    run.begin("train")
    run.event("metric", step="train", attempt=1, key="auc", value=0.5, at=3)
    run.event("metric", step="train", attempt=1, key="nan", value="NaN", at=0)
    run.finish("train")
    run.end()
    assert writer.sync(folder) == writer.SyncResult(6, 0, None)
    runs = search(server, "rest")
    assert len(runs) == 2
    tags = [{tag["key"]: tag["value"] for tag in entry["data"]["tags"]} for entry in runs]
    [parent] = [r for r, t in zip(runs, tags, strict=True) if "waterflow.step" not in t]
    [(child, child_tags)] = [p for p in zip(runs, tags, strict=True) if "waterflow.step" in p[1]]
    assert child_tags["mlflow.parentRunId"] == parent["info"]["run_id"]
    assert {m["key"]: m["value"] for m in child["data"]["metrics"]} == {"auc": 0.5, "nan": "NaN"}
    listed = get(server, f"artifacts/list?run_id={parent['info']['run_id']}")
    assert [entry["path"] for entry in listed["files"]] == ["spec.json"]


def test_several_runs_at_once_share_a_fresh_store(tmp_path: Path) -> None:
    """Nobody prepares the store for them: each finds it missing."""
    state = tmp_path / ".waterflow"
    uri = f"sqlite:///{state / 'mlflow.db'}"
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
        settle(folder, uri, state)
        run = Run(folder.name, folder)
        run.start()
        run.step("train", auc=0.5)
        run.end()
    command = [sys.executable, "-m", "waterflow.tracking.writer"]
    processes = [subprocess.Popen([*command, str(folder)]) for folder in folders]
    assert [process.wait(300) for process in processes] == [0, 0]
    assert [progress(folder)["error"] for folder in folders] == [None, None]
    assert len(every(MlflowClient(uri), "exp")) == 4
    assert (state / "mlflow.db").read_bytes()[18] == 2  # the file header's mark of WAL


def test_starting_the_writer_costs_no_mlflow_until_there_is_something_to_send(
    folder: Path, uri: str, state: Path
) -> None:
    settle(folder, uri, state)
    code = "import sys, waterflow.tracking.writer; print('mlflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def test_a_spool_of_many_values_arrives_whole(folder: Path, uri: str, state: Path) -> None:
    settle(folder, uri, state)
    run = Run("e1", folder)
    run.start()
    run.begin("train")
    path = folder / "steps" / "train" / "1" / "spool.jsonl"
    with Spool(path, execution="e1", step="train", attempt=1) as spool:
        threads = [
            threading.Thread(
                target=lambda k=key: [
                    spool.append("metric", key=k, value=n, step=n) for n in range(1200)
                ]
            )
            for key in "ab"
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    run.finish("train")
    run.end()
    assert writer.sync(folder) == writer.SyncResult(2404, 0, None)
    child = every(MlflowClient(uri), "exp")[1]
    assert sorted(step for _, _, step in child["metrics"]["a"]) == list(range(1200))
    assert len(child["metrics"]["b"]) == 1200


def get(server: Server, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{server.url}/api/2.0/mlflow/{path}",
        data=json.dumps(body).encode() if body is not None else None,
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)


def search(server: Server, execution: str) -> list[dict[str, Any]]:
    experiment = get(server, "experiments/get-by-name?experiment_name=exp")["experiment"]
    body = {
        "experiment_ids": [experiment["experiment_id"]],
        "filter": f"tags.`waterflow.execution` = '{execution}'",
    }
    return get(server, "runs/search", body)["runs"]


def rest_runs(server: Server, execution: str) -> set[tuple[str, str]]:
    runs = search(server, execution)
    names = [
        {tag["key"]: tag["value"] for tag in run["data"]["tags"]}.get("waterflow.step", "pipeline")
        for run in runs
    ]
    assert len(names) == len(set(names))
    return {(name, run["info"]["status"]) for name, run in zip(names, runs, strict=True)}


@pytest.mark.parametrize("uri", ["mysql+pymysql://u@127.0.0.1/db", "https://mlflow.example"])
def test_speaking_to_a_server_leaves_the_tracking_uri_of_the_process_alone(uri: str) -> None:
    before = mlflow.get_tracking_uri(), os.environ.get("MLFLOW_TRACKING_URI")
    assert client.call(uri, lambda: "done") == "done"
    assert (mlflow.get_tracking_uri(), os.environ.get("MLFLOW_TRACKING_URI")) == before
