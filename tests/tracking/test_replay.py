from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from tests.servers import Server, failing, free_port
from tests.tracking.journal import T0, Run, every
from waterflow.errors import TrackingError
from waterflow.tracking.client import (
    child_tags,
    experiment_id,
    find_child,
    find_parent,
    parent_tags,
)
from waterflow.tracking.replay import Replayer


@pytest.fixture
def replayer(uri: str, state: Path) -> Replayer:
    return make(uri, state)


def make(uri: str, state: Path) -> Replayer:
    return Replayer(uri, "exp", lease=state / "lease", artifact_location=str(state / "artifacts"))


@pytest.fixture
def client(uri: str) -> MlflowClient:
    return MlflowClient(uri)


def whole_run(folder: Path) -> list[dict[str, Any]]:
    (folder / "spec.json").write_text("{}")
    (folder / "fig.png").write_bytes(b"png")
    run = Run("e1")
    data = {
        "name": "raw",
        "digest": "f" * 64,
        "source": "s3://b/k",
        "source_type": "s3",
        "context": "in",
    }
    run.start(
        tags={"waterflow.git.commit": "abc"}, files={"spec.json": "spec.json"}, datasets=[data]
    )
    run.begin("train", tags={"waterflow.kind": "function"})
    run.event("param", step="train", attempt=1, key="lr", value="0.1")
    run.event("tag", step="train", attempt=1, key="team", value="risk")
    run.event("artifact", step="train", attempt=1, path="plots/f.png", file="fig.png")
    run.event("dataset", step="train", attempt=1, **data)
    run.finish(
        "train", status="failed", error={"type": "ValueError", "message": "no", "traceback": "TB"}
    )
    run.step("train", 2, auc=0.5)
    run.event("metric", step="train", attempt=2, key="auc", value=0.75, at=1, timestamp=T0 + 500)
    run.finish("skipped", status="skipped", outputs={})
    run.end()
    return run.events


def by_name(client: MlflowClient) -> dict[str, dict[str, Any]]:
    return {run["name"]: run for run in every(client, "exp")}


def test_a_run_becomes_a_parent_and_a_child_per_attempt(
    replayer: Replayer, client: MlflowClient, tmp_path: Path
) -> None:
    replayer.apply(whole_run(tmp_path), tmp_path)
    runs = by_name(client)
    assert set(runs) == {"e1", "train", "train (attempt 2)"}
    parent, first, second = runs["e1"], runs["train"], runs["train (attempt 2)"]
    assert (parent["status"], parent["start"], parent["params"]) == (
        "FINISHED",
        T0 + 1,
        {"trees": "3"},
    )
    assert parent["tags"]["waterflow.git.commit"] == "abc"
    assert parent["tags"]["waterflow.status"] == "succeeded"
    assert parent["artifacts"] == ["spec.json"]
    assert parent["datasets"] == first["datasets"] == [("raw", "f" * 36)]
    assert [value for value, _, _ in parent["metrics"]["train.auc"]] == [0.75]
    assert {first["parent"], second["parent"]} == {parent["id"]}
    assert first["status"] == "FAILED"
    assert first["params"] == {"depth": "2", "lr": "0.1"}
    assert first["artifacts"] == ["error.txt", "plots/f.png"]
    assert first["tags"] == {
        "waterflow.execution": "e1", "waterflow.step": "train", "waterflow.attempt": "1",
        "waterflow.kind": "function", "waterflow.status": "failed", "team": "risk",
        "waterflow.error.type": "ValueError", "waterflow.error.message": "no",
        "waterflow.input.data.sha256": "ab" * 32, "waterflow.output.out.sha256": "cd" * 32,
    }  # fmt: skip
    assert sorted(second["metrics"]["auc"]) == [(0.5, T0 + 9, 0), (0.75, T0 + 500, 1)]
    assert parent["tags"]["waterflow.skipped.skipped"] == "true"


@pytest.mark.parametrize("cuts", [(), (1,), (2, 4)])
def test_runs_of_calls_have_their_labels(
    cuts: tuple[int, ...], uri: str, state: Path, client: MlflowClient, tmp_path: Path
) -> None:
    run = Run("e1")
    tags = {"waterflow.labels": {"train-2": "train(c=0.3)"}, "waterflow.groups": {"train-2": "g"}}
    run.start(tags={name: json.dumps(texts) for name, texts in tags.items()})
    run.step("train-2", 1, auc=0.5)
    run.step("train-2", 2, auc=0.6)
    # This one was made by its job, before who sends the rest has said what it is called.
    Replayer(uri, "exp").apply([], tmp_path)
    parent = client.create_run(
        experiment_id(client, "exp", None), tags=parent_tags("e1"), run_name="e1"
    )
    client.create_run(
        parent.info.experiment_id,
        tags=child_tags("e1", "train-2", 1, parent.info.run_id),
        run_name="train-2",
    )
    for begin, end in pairwise([0, *cuts, len(run.events)]):
        make(uri, state).apply(run.events[begin:end], tmp_path)
    assert set(by_name(client)) == {"e1", "train(c=0.3)", "train(c=0.3) (attempt 2)"}
    sent = find_child(client, parent.info.experiment_id, "e1", "train-2", 1)
    assert sent is not None
    assert (sent.data.metrics, sent.data.tags["waterflow.group"]) == ({"auc": 0.5}, "g")


@pytest.mark.parametrize("cuts", [(), (1,), (3, 8), tuple(range(1, 13))])
def test_the_same_events_again_change_nothing(
    uri: str, state: Path, client: MlflowClient, tmp_path: Path, cuts: tuple[int, ...]
) -> None:
    """A crash may come after any event was sent and before that was noted."""
    events = whole_run(tmp_path)
    for cut in cuts:
        make(uri, state).apply(events[:cut], tmp_path)
    replayer = make(uri, state)
    replayer.apply(events, tmp_path)
    before = every(client, "exp")
    replayer.apply(events, tmp_path)
    make(uri, state).apply(events, tmp_path)
    assert every(client, "exp") == before
    assert len(before) == 3


def test_cancelled_is_killed_and_what_was_left_running_ends(
    replayer: Replayer, client: MlflowClient, tmp_path: Path
) -> None:
    run = Run("e1")
    run.start()
    run.begin("a")
    run.finish("a", status="cancelled", outputs={})
    run.begin("b")
    run.end("cancelled", error={"type": "RunCancelled", "message": "by hand"})
    replayer.apply(run.events, tmp_path)
    runs = by_name(client)
    assert {name: run_["status"] for name, run_ in runs.items()} == dict.fromkeys(
        ("e1", "a", "b"), "KILLED"
    )
    assert runs["e1"]["tags"]["waterflow.error.message"] == "by hand"
    assert runs["e1"]["artifacts"] == ["error.txt"]


def test_a_cached_step_links_to_the_run_that_did_the_work(
    replayer: Replayer, client: MlflowClient, tmp_path: Path
) -> None:
    first = Run("e1")
    first.start()
    first.step("train", auc=0.9)
    first.end()
    replayer.apply(first.events, tmp_path)
    again = Run("e2")
    again.start()
    metrics = [{"key": "auc", "value": 0.9, "step": 4, "time": T0 + 3}]
    for step, execution in (("train", "e1"), ("other", "gone")):
        again.event(
            "step.cached",
            step=step,
            attempt=1,
            metrics=metrics,
            origin={"execution": execution, "step": "train", "attempt": 1},
            outputs={"out": {"type": "json", "digest": "cd", "size": 1}},
        )
    again.end()
    replayer.apply(again.events, tmp_path)
    runs = by_name(client)
    assert set(runs) == {"e1", "train", "e2"}
    tags = runs["e2"]["tags"]
    assert tags["waterflow.cached.train"] == "e1/train/1"
    assert tags["waterflow.cached.train.run_id"] == runs["train"]["id"]
    assert tags["waterflow.cached.other"] == "gone/train/1"
    assert "waterflow.cached.other.run_id" not in tags
    assert runs["e2"]["metrics"] == {
        "train.auc": [(0.9, T0 + 3, 4)],
        "other.auc": [(0.9, T0 + 3, 4)],
    }


def test_limits_and_names_are_brought_into_mlflows_form(
    replayer: Replayer, client: MlflowClient, tmp_path: Path
) -> None:
    run = Run("e1")
    run.start(parameters={f"p{n}": n for n in range(250)} | {"long": "x" * 7000})
    run.begin("a", tags={f"t{n}": "v" for n in range(250)} | {"long": "y" * 9000})
    for n in range(2500):
        run.event("metric", step="a", attempt=1, key="loss", value=n, at=n)
    for key, value in (
        ("a%b@1", 1.0),
        ("/abs//x", 2.0),
        ("k" * 300, 3.0),
        ("nan", "NaN"),
        ("inf", "Infinity"),
    ):
        run.event("metric", step="a", attempt=1, key=key, value=value, at=0)
    run.finish("a")
    run.end()
    replayer.apply(run.events, tmp_path)
    runs = by_name(client)
    assert len(runs["e1"]["params"]) == 251
    assert len(runs["e1"]["params"]["long"]) <= 6000
    assert "[cut; whole: artifact waterflow/params/long.txt]" in runs["e1"]["params"]["long"]
    whole = client.download_artifacts(runs["e1"]["id"], "waterflow/params/long.txt", str(tmp_path))
    assert Path(whole).read_text() == "x" * 7000
    assert len([tag for tag in runs["a"]["tags"] if tag.startswith("t")]) == 250
    assert len(runs["a"]["tags"]["long"]) <= 8000
    assert len(runs["a"]["metrics"]["loss"]) == 2500
    assert {"nan", "inf"} <= set(runs["a"]["metrics"])
    assert {key[:-13] for key in runs["a"]["metrics"]} >= {"a_b_1", "_abs__x", "k" * 237}
    assert math.isnan(runs["a"]["metrics"]["nan"][0][0])
    assert runs["a"]["metrics"]["inf"][0][0] > 1e300
    assert max(map(len, runs["a"]["metrics"])) == 250


def test_what_mlflow_refuses_is_kept_and_holds_nothing_else_up(
    replayer: Replayer, client: MlflowClient, tmp_path: Path
) -> None:
    run = Run("e1")
    run.start()
    run.begin("a")
    for key, value in (("x", "1"), ("x", "2"), ("y", "3")):
        run.event("param", step="a", attempt=1, key=key, value=value)
    run.event("artifact", step="a", attempt=1, path="gone.txt", file="files/gone.txt")
    run.finish("a")
    run.end()
    replayer.apply(run.events, tmp_path)
    entry = by_name(client)["a"]
    assert entry["params"] == {"depth": "2", "x": "1", "y": "3"}
    assert entry["status"] == "FINISHED"
    assert any(name.startswith("waterflow/refused/Param-x_2") for name in entry["artifacts"])
    assert "waterflow/refused/missing-gone.txt.json" in entry["artifacts"]


def test_a_register_steps_run_made_by_its_job_is_taken_over(
    uri: str, state: Path, client: MlflowClient, tmp_path: Path
) -> None:
    run = Run("e1")
    run.start()
    events = [run.begin("register", tags={"waterflow.kind": "register"}), run.finish("register")]
    experiment = experiment_id(client, "exp", str(state / "artifacts"))
    parent = client.create_run(experiment, tags=parent_tags("e1")).info.run_id
    own = client.create_run(experiment, tags=child_tags("e1", "register", 1, parent))
    make(uri, state).apply([run.events[0], *events, run.end()], tmp_path)
    runs = every(client, "exp")
    assert len(runs) == 2
    [child] = [entry for entry in runs if entry["parent"]]
    assert (child["id"], child["status"]) == (own.info.run_id, "FINISHED")


def test_two_replayers_at_once_make_one_experiment_and_one_parent(
    uri: str, state: Path, client: MlflowClient, tmp_path: Path
) -> None:
    run = Run("e1")
    run.start()
    with ThreadPoolExecutor() as pool:
        done = [pool.submit(make(uri, state).apply, run.events, tmp_path) for _ in range(4)]
    assert [future.result() for future in done] == [None] * 4
    assert len(every(client, "exp")) == 1


def test_a_deleted_experiment_is_told_with_the_way_back(
    replayer: Replayer, client: MlflowClient, tmp_path: Path
) -> None:
    number = client.create_experiment("exp")
    client.delete_experiment(number)
    with pytest.raises(TrackingError, match=f"restore --experiment-id {number}"):
        replayer.apply([Run("e1").start()], tmp_path)


def test_a_dead_server_is_told_in_the_systems_words(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    message = f"{url} could not be used: Connection refused. Nothing is lost.*waterflow sync"
    with pytest.raises(TrackingError, match=message):
        Replayer(url, "exp").apply([Run("e1").start()], tmp_path)


def test_a_failing_server_is_not_asked_for_long(tmp_path: Path) -> None:
    with failing() as (url, paths), pytest.raises(TrackingError, match=f"{url} could not be used"):
        Replayer(url, "exp").apply([Run("e1").start()], tmp_path)
    assert 1 <= len(paths) <= 2


def test_a_run_is_made_once_although_its_answer_is_lost(server: Server, tmp_path: Path) -> None:
    run = Run("lost-answers")
    run.start()
    run.step("train", auc=0.5)
    run.end()
    with server.losing("runs/create", times=2) as url:
        Replayer(url, "lost answers").apply(run.events, tmp_path)
    client = MlflowClient(server.url)
    experiment = client.get_experiment_by_name("lost answers")
    runs = client.search_runs([experiment.experiment_id])
    assert {entry.data.tags.get("waterflow.step"): entry.info.status for entry in runs} == {
        None: "FINISHED",
        "train": "FINISHED",
    }
    assert len(runs) == 2


def test_runs_are_found_by_awkward_names(uri: str, client: MlflowClient) -> None:
    experiment = client.create_experiment("exp")
    execution = "arn:aws:x:1:pipeline/it's"
    own = client.create_run(experiment, tags=parent_tags(execution)).info.run_id
    client.create_run(experiment, tags=child_tags(execution, "train[0]", 1, own))
    parent = find_parent(client, experiment, execution)
    assert parent is not None
    assert parent.info.run_id == own
    assert find_child(client, experiment, execution, "train[0]", 1) is not None
    assert find_child(client, experiment, execution, "train[0]", 2) is None


# --- runs within a step's -------------------------------------------------------------------------


def nested(run: Run, name: str, parent: str = "", step: str = "a", **entries: Any) -> str:
    """Have a step start a run within its own, and end it."""
    begun = nested_start(run, name, parent, step)
    for key, value in entries.items():
        kind = "metric" if isinstance(value, float) else "param"
        run.event(f"nested.{kind}", step=step, attempt=1, run=begun, key=key, value=value)
    run.event("nested.end", step=step, attempt=1, run=begun, status="FINISHED", end=T0 + run.count)
    return begun


def nested_start(run: Run, name: str, parent: str = "", step: str = "a") -> str:
    begun = f"{name}-{run.count}"
    run.event(
        "nested.start", step=step, attempt=1, run=begun, name=name, parent=parent,
        start=T0 + run.count,
    )  # fmt: skip
    return begun


def sweep(tmp_path: Path) -> Run:
    run = Run("e1")
    run.start()
    run.begin("a")
    outer = nested(run, "outer", depth="1", loss=0.5)
    nested(run, "inner", outer, depth="2")
    (tmp_path / "n.txt").write_text("kept")
    last = nested_start(run, "last")
    run.event("nested.artifact", step="a", attempt=1, run=last, path="n.txt", file="n.txt")
    run.event("nested.tag", step="a", attempt=1, run=last, key="kind", value="last")
    run.event("metric", step="a", attempt=1, key="loss", value=0.25, at=0)
    run.finish("a")
    run.end()
    return run


def swept(client: MlflowClient) -> dict[str, Any]:
    runs = by_name(client)
    assert runs["outer"]["parent"] == runs["last"]["parent"] == runs["a"]["id"]
    assert runs["inner"]["parent"] == runs["outer"]["id"]
    assert runs["outer"]["params"] == {"depth": "1"}
    assert [value for value, _, _ in runs["outer"]["metrics"]["loss"]] == [0.5]
    assert runs["inner"]["params"] == {"depth": "2"}
    assert (runs["last"]["artifacts"], runs["last"]["tags"]["kind"]) == (["n.txt"], "last")
    assert [value for value, _, _ in runs["a"]["metrics"]["loss"]] == [0.25]
    assert {name: run["status"] for name, run in runs.items()} == dict.fromkeys(
        ("e1", "a", "outer", "inner", "last"), "FINISHED"
    )
    assert set(runs["e1"]["metrics"]) == {"a.loss"}
    return runs


def test_runs_within_a_steps_are_runs_below_it(
    replayer: Replayer, client: MlflowClient, tmp_path: Path
) -> None:
    replayer.apply(sweep(tmp_path).events, tmp_path)
    swept(client)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_runs_within_a_steps_are_the_same_when_they_are_sent_in_parts_and_again(
    replayer: Replayer, client: MlflowClient, uri: str, state: Path, tmp_path: Path, size: int
) -> None:
    events = sweep(tmp_path).events
    for start in range(0, len(events), size):
        replayer.apply(events[start : start + size], tmp_path)
    before = swept(client)
    replayer.apply(events, tmp_path)
    make(uri, state).apply(events, tmp_path)
    assert swept(client) == before


def test_each_part_may_be_sent_by_another_process(
    client: MlflowClient, uri: str, state: Path, tmp_path: Path
) -> None:
    events = sweep(tmp_path).events
    for event in events:
        make(uri, state).apply([event], tmp_path)
    swept(client)
