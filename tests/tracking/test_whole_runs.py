"""Real runs, as MLflow's own client finds them: lineage, and a server that was away."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mlflow import MlflowClient

from tests.servers import free_port, served
from waterflow.provider.state import Status
from waterflow.runs.lineage import code_digest
from waterflow.testing.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers import Server


@pytest.fixture(scope="module")
def server(blank_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of this file's own.

    The conformance suites register the same bytes under the same name: where one of them has run
    in this process before, the version that the registry finds is the other's.
    """
    with served(blank_store, tmp_path_factory.mktemp("whole")) as running:
        yield running


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def world(tmp_path: Path, port: int) -> Iterator[World]:
    """A project whose MLflow server is away."""
    tracking = {"uri": f"http://127.0.0.1:{port}"}
    world = World(tmp_path, {"provider": "local", "send": "later", "tracking": tracking})
    yield world
    world.close()


def committed(root: Path) -> str:
    """Put a project under version control and return the commit."""
    for command in (
        ("init", "-q"),
        ("add", "."),
        ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "all"),
    ):
        subprocess.run(["git", *command], cwd=root, check=True)
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=root, check=True, capture_output=True, text=True
    )
    return head.stdout.strip()


def entries(client: MlflowClient, run: str) -> dict[str, list[Any]]:
    """Return a run's entries in MLflow by step, attempt after attempt; the pipeline's own is ""."""
    places = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(places, f"tags.`waterflow.execution` = '{run}'")
    steps: dict[str, list[Any]] = {}
    for entry in sorted(runs, key=lambda entry: int(entry.data.tags.get("waterflow.attempt", 0))):
        steps.setdefault(entry.data.tags.get("waterflow.step", ""), []).append(entry)
    return steps


def statuses(steps: dict[str, list[Any]]) -> dict[str, list[str]]:
    return {step: [entry.info.status for entry in attempts] for step, attempts in steps.items()}


def test_a_server_that_was_away_gets_all_and_the_run_goes_on(
    world: World, port: int, server: Server
) -> None:
    world.path("hold").touch()
    call = world.call("tracked", hold=str(world.path("hold")), secret=False, requirements=False)
    away = world.submit(call)
    state = world.finish(away)
    assert state.status is Status.FAILED
    assert state.steps["learn"].status is Status.SUCCEEDED, "tracking fails no other step"
    assert "is not registered" in (state.steps["register"].error or "")
    assert away.state.unsent > 0

    with server.door(port, delay=0.2):  # slow at first
        sent = world.provider.sync(away.id)
        assert (sent.left, sent.error) == (0, None)
    with server.door(port):
        again = world.submit(call, resume=away.id)
        assert world.finish(again).status is Status.SUCCEEDED
        assert world.provider.sync(again.id).left == 0

    client = MlflowClient(tracking_uri=server.url, registry_uri=server.url)
    before, after = entries(client, away.id), entries(client, again.id)
    assert statuses(before) == {
        "": ["FAILED"], "surroundings": ["FINISHED"], "track": ["FINISHED"],
        "examples": ["FINISHED"], "learn": ["FINISHED"], "measure": ["FINISHED"],
        "register": ["FAILED"] * 3,
    }  # fmt: skip
    assert before["measure"][0].data.metrics == {"highest": pytest.approx(6.0)}
    assert after.keys() == {"", "register"}
    assert statuses(after)[""] == ["FINISHED"]
    # A machine that is busy enough answers the step's first request too late; another follows.
    *failed, finished = after["register"]
    assert {attempt.info.status for attempt in failed} <= {"FAILED"}
    assert finished.info.status == "FINISHED"
    version = client.get_model_version_by_alias("conformance", "challenger")
    assert version.run_id == finished.info.run_id
    assert len(client.search_model_versions("name = 'conformance'")) == 1


def test_a_run_names_its_commit_code_lock_and_data(world: World, port: int, server: Server) -> None:
    source, opened = world.root / "source.txt", world.path("open")
    source.write_text("the data")
    opened.touch()
    commit = committed(world.root)
    (world.root / "kit_unrelated.py").write_text("ANSWER = 44\n")
    build, _ = world.compile("cached", hold=str(opened))
    with server.door(port):
        run = world.start("cached", "cached", hold=str(opened))
        assert world.finish(run).status is Status.SUCCEEDED
        assert world.provider.sync(run.id).left == 0

    client = MlflowClient(tracking_uri=server.url)
    (parent,) = entries(client, run.id)[""]
    tags = parent.data.tags
    assert (tags["waterflow.git_commit"], tags["waterflow.git_dirty"]) == (commit, "true")
    assert tags["waterflow.pipeline_digest"] == build.digest
    assert tags["waterflow.lock_digest"] == build.lock.sha256
    lock = client.download_artifacts(parent.info.run_id, "requirements.lock", str(world.root))
    assert hashlib.sha256(Path(lock).read_bytes()).hexdigest() == build.lock.sha256
    page = client.download_artifacts(parent.info.run_id, "report.html", str(world.root))
    assert commit in Path(page).read_text(encoding="utf-8")
    code = {name: bundle.digest for name, bundle in build.bundles.items()}
    listed = client.download_artifacts(parent.info.run_id, "code.json", str(world.root))
    assert json.loads(Path(listed).read_text()) == code
    assert tags["waterflow.code_digest"] == code_digest(build)
    (data,) = build.data.values()
    assert [value for name, value in tags.items() if name.startswith("waterflow.data.")] == [
        data.sha256
    ]
    (dataset,) = parent.inputs.dataset_inputs
    assert "source.txt" in dataset.dataset.source
