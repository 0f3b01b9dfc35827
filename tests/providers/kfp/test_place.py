"""What runs inside the jobs of pipeline specs: where things lie, and what a failure leaves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from waterflow_kfp.job import place

from waterflow.runtime.launch import comparable

if TYPE_CHECKING:
    from pathlib import Path

UUID = "0f3c2b1a-1111-4222-8333-944445555666"
VERTEX = "123/the-run/fit_-77/waterflow"
KUBEFLOW = f"pipeline/the-run/fit/{UUID}/waterflow"
OLD_KUBEFLOW = "pipeline/the-run/fit/waterflow"
DEPTHS = {VERTEX: 3, KUBEFLOW: 4, OLD_KUBEFLOW: 4}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "HERE", tmp_path / "here")


def placed(root: Path, result: str = VERTEX, **paths: str) -> place.Place:
    """Return the place of a job whose outputs lie below a root."""
    settings = {
        "outputs": ["model"], "inputs": {}, "results": {}, "marks": True,
        "depth": DEPTHS.get(result, 3),
    }  # fmt: skip
    at = {"result": str(root / result), "out.model": str((root / result).with_name("model"))}
    return place.Place(settings, at | paths)


# --- who it is ------------------------------------------------------------------------------------


@pytest.mark.parametrize("result", DEPTHS)
def test_the_execution_is_known_by_where_outputs_lie(tmp_path: Path, result: str) -> None:
    here = placed(tmp_path, result, checkpoint="/gcs/b/checkpoints/fit")
    assert here.execution == "the-run"
    assert str(here.checkpoint) == "/gcs/b/checkpoints/fit/the-run"
    assert placed(tmp_path, result).checkpoint is None
    assert here.variables() == {}
    assert placed(tmp_path, result, started="12").variables() == {"WATERFLOW_RUN_STARTED": "12"}


def test_outputs_that_lie_elsewhere_are_told() -> None:
    settings = {"outputs": [], "inputs": {}, "marks": False, "depth": 3}
    with pytest.raises(LookupError, match="start the step as a task of a pipeline"):
        _ = place.Place(settings, {"result": "/x/waterflow"}).execution


def cluster(kind: str, index: int, **machines: int) -> dict[str, str]:
    """Return what a custom job tells a machine of its cluster."""
    hosts = {
        name: [f"{name}-{number}.example:2222" for number in range(count)]
        for name, count in machines.items()
    }
    text = {"cluster": hosts, "task": {"type": kind, "index": index}, "environment": "cloud"}
    return {"CLUSTER_SPEC": json.dumps(text)}


ONE, TWO = "workerpool0-0.example", "workerpool1-0.example"


@pytest.mark.parametrize(
    ("variables", "rank", "hosts"),
    [
        ({}, 0, ["localhost"]),
        ({"CLUSTER_SPEC": ""}, 0, ["localhost"]),
        ({"CLUSTER_SPEC": "no json"}, 0, ["localhost"]),
        ({"CLUSTER_SPEC": "[]"}, 0, ["localhost"]),
        (cluster("workerpool0", 0, workerpool0=1), 0, [ONE]),
        (cluster("workerpool0", 0, workerpool0=1, workerpool1=2), 0,
         [ONE, TWO, "workerpool1-1.example"]),
        (cluster("workerpool1", 1, workerpool1=2, workerpool0=1), 2,
         [ONE, TWO, "workerpool1-1.example"]),
    ],
)  # fmt: skip
def test_machines_of_one_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], rank: int,
    hosts: list[str],
) -> None:  # fmt: skip
    monkeypatch.delenv("CLUSTER_SPEC", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    here = placed(tmp_path)
    assert (here.rank, here.hosts) == (rank, hosts)


# --- a failure's mark -----------------------------------------------------------------------------

ENDED = {
    "its own": (['{"event": "step.end", "status": "failed"}'], True),
    "one after others": (['{"event": "step.end", "status": "retried"}',
                          '{"event": "step.end", "status": "failed"}'], True),
    "from outside": (['{"event": "step.end", "status": "cancelled"}'], False),
    "before it could say": (['{"event": "step.start"}'], False),
    "before it began": (None, False),
}  # fmt: skip


@pytest.mark.parametrize("result", DEPTHS)
@pytest.mark.parametrize("end", ENDED)
def test_a_task_that_failed_for_good_is_not_run_again(
    tmp_path: Path, result: str, end: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines, final = ENDED[end]
    here = placed(tmp_path, result)
    if lines is not None:
        (here.output / "spool.jsonl").write_text("\n".join(lines))
    here.tell("ValueError: no ✗")
    assert capsys.readouterr().err == "waterflow: ValueError: no ✗\n"
    spool = tmp_path / result / "spool.jsonl"
    assert spool.is_file() is (lines is not None)
    (mark,) = tmp_path.rglob("*.failed.json")
    assert mark.parent.name == "the-run"
    assert json.loads(mark.read_text()) == {"reason": "ValueError: no ✗", "final": final}
    if final:
        with pytest.raises(LookupError, match=r"ValueError: no ✗ .*not tried again"):
            placed(tmp_path, result)
    else:
        placed(tmp_path, result)


def test_only_the_first_machine_leaves_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in cluster("workerpool1", 0, workerpool0=1, workerpool1=1).items():
        monkeypatch.setenv(name, value)
    here = placed(tmp_path)
    here.tell("no")
    here.publish({})
    assert not list(tmp_path.rglob("*.json"))


# --- inputs ---------------------------------------------------------------------------------------

LYING = {
    "an artifact": (["manifest.json", "value.json"], True),
    "what nobody makes": (["none"], False),
    "a file that is called so": (["manifest.json", "none"], True),
    "a program that was skipped": ([".waterflow-skipped"], False),
}


@pytest.mark.parametrize("what", LYING)
def test_what_was_not_made_is_not_there(tmp_path: Path, what: str) -> None:
    names, there = LYING[what]
    source = tmp_path / "source"
    source.mkdir()
    for name in names:
        (source / name).touch()
    settings = {"outputs": [], "inputs": {"x": {"from": "a", "output": "o"}}, "marks": False}
    here = place.Place(settings, {"in.a": str(source)})
    folder = here.artifacts("a")
    assert (folder / "o").is_dir() is there
    assert here.artifacts("a") == folder, "two inputs may be of one"


def test_outside_data_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    file = tmp_path / "raw" / "a.csv"
    file.write_text("1")
    settings: dict[str, Any] = {"outputs": [], "inputs": {}, "marks": False}
    here = place.Place(settings, {"in.one": str(file), "in.all": str(file.parent)})
    assert [one.name for one in here.data("one").iterdir()] == ["a.csv"]
    assert (here.data("one") / "a.csv").read_text() == "1"
    assert here.data("all") == file.parent


# --- scalars --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (3, "integer", "3"), (3.0, "number", "3.0"), (0.1, "number", "0.1"),
        (2**53 + 1, "integer", str(2**53 + 1)),
        pytest.param(10**400, "number", "1.7976931348623157e+308", id="large"),
        pytest.param(-(10**400), "any", "-inf", id="large and negative"),
        (float("inf"), "number", "1.7976931348623157e+308"),
        (float("-inf"), "number", "-1.7976931348623157e+308"),
        (True, "boolean", "true"), (False, "boolean", "false"),
        ("a ✗", "text", "a ✗"), ("a", "any", "a"), (3, "any", "3.0"), (None, "any", "null"),
        (3, "kind", "number"), (True, "kind", "number"), ("3", "kind", "text"),
        (None, "kind", "null"), ("no", "number", "0.0"),
    ],
)  # fmt: skip
def test_scalars_as_output_parameters_hold_them(value: Any, form: str, text: str) -> None:
    assert place.written(comparable(value), form) == text


@pytest.mark.parametrize(
    ("form", "text"),
    [("kind", "skipped"), ("number", "0"), ("integer", "0"), ("boolean", "false"), ("text", ""),
     ("any", "")],
)  # fmt: skip
def test_what_there_is_none_of_has_a_text_of_its_type(form: str, text: str) -> None:
    assert place.written(None, form) == text


def test_no_comparison_is_made_of_what_is_no_number() -> None:
    with pytest.raises(SystemExit, match="is NaN"):
        place.written({"number": float("nan"), "text": "NaN"}, "number")


def test_scalars_are_left_where_conditions_read_them(tmp_path: Path) -> None:
    here = placed(tmp_path, **{"value.auc": str(tmp_path / "values" / "auc")})
    here._settings["results"] = {"auc": {"value": "key", "form": "number"}}
    here.publish({"key": comparable(0.25)})
    assert (tmp_path / "values" / "auc").read_text() == "0.25"


def test_checkpoints_go_when_a_step_has_ended_well(tmp_path: Path) -> None:
    here = placed(tmp_path, checkpoint=str(tmp_path / "checkpoints"))
    for execution in ("the-run", "another"):
        (tmp_path / "checkpoints" / execution).mkdir(parents=True)
    here.drop_checkpoint()
    assert [one.name for one in (tmp_path / "checkpoints").iterdir()] == ["another"]
