"""Maps whose items may fail: what is left, what is told, and how far they have come."""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest

import waterflow as wf
from tests.unit import example_steps as steps
from tests.unit.tracing import refusal, traced
from waterflow import spec
from waterflow.errors import DefinitionError
from waterflow.language.mapped import Mapped
from waterflow.runtime import fan
from waterflow.runtime.failure import Failure
from waterflow.runtime.progress import FileTeller, LogTeller, Progress
from waterflow.spec.job import step_document
from waterflow.tracking.spool import Spool, parse_frames, read

if TYPE_CHECKING:
    from pathlib import Path


@wf.step
def reciprocal(x: int, over: float = 1.0) -> float:
    return over / x


@wf.step
def average(values: list[float]) -> float:
    return sum(values) / len(values)


@wf.step
def describe(failures: list[dict[str, Any]]) -> str:
    return "; ".join(f"{one['item']}: {one['message']}" for one in failures)


def test_results_and_failures_are_two_outputs() -> None:
    def pipeline() -> None:
        mapped = wf.map(reciprocal, steps.numbers(3), on_error="skip")
        average(mapped.results)
        describe(mapped.failures)

    document = traced(pipeline)
    step = document.step("reciprocal")
    assert step.outputs == {"results": spec.Output("json"), "failures": spec.Output("json")}
    assert isinstance(step.run, spec.Function)
    assert step.run.on_error == "skip"
    assert document.step("average").inputs["values"].source == spec.FromStep(
        "reciprocal", "results"
    )
    file = step_document(document, step, execution={"variable": "X"}, frames=False)
    assert file["run"]["on_error"] == "skip"
    plain = traced(lambda_free)
    assert b"on_error" not in spec.encode(plain)
    assert (
        "on_error"
        not in step_document(
            plain, plain.step("reciprocal"), execution={"variable": "X"}, frames=False
        )["run"]
    )


def lambda_free() -> None:
    wf.map(reciprocal, [1, 2])


def test_a_steps_own_fields_stay() -> None:
    def pipeline() -> None:
        mapped = wf.map(steps.split, steps.tables(2), on_error="skip")
        wf.map(steps.height, mapped.train)
        describe(mapped.failures)

    outputs = traced(pipeline).step("split").outputs
    assert {name: one.type for name, one in outputs.items()} == {
        "train": "list[dataframe]", "test": "list[dataframe]", "failures": "json",
    }  # fmt: skip


def test_outside_a_pipeline_it_is_the_same() -> None:
    assert wf.map(reciprocal, [1, 0, 2], on_error="skip") == Mapped(
        [1.0, 0.5], [{"item": 1, "type": "ZeroDivisionError", "message": "float division by zero"}]
    )
    with pytest.raises(ZeroDivisionError):
        wf.map(reciprocal, [0, 0], on_error="skip")
    assert wf.map(reciprocal, [], on_error="skip") == Mapped([], [])


def test_what_it_cannot_be_is_refused() -> None:
    def odd() -> None:
        wf.map(reciprocal, [1], on_error="go on")  # type: ignore[call-overload]  # here

    def jobs() -> None:
        wf.map(reciprocal, [1], fan_out="jobs", on_error="skip")  # here

    def nothing() -> None:
        wf.map(steps.notify, [wf.Metrics(a=1)], on_error="skip")  # here

    assert 'neither "fail" nor "skip"' in refusal(odd)
    assert "within one job" in refusal(jobs)
    assert "returns nothing to keep" in refusal(nothing)
    with pytest.raises(DefinitionError):
        wf.map(reciprocal, [1], on_error="no")  # type: ignore[call-overload]


@pytest.mark.parametrize("workers", [1, 3])
def test_the_others_go_on_and_the_file_says_how_far(tmp_path: Path, workers: int) -> None:
    written: list[int] = []

    def save(result: Any, index: int) -> None:
        (tmp_path / str(index)).write_text(str(result))

    failed = fan.run(
        reciprocal.function, {}, "x", [1, 0, 2, 0, 4], save, workers,
        skip=True, progress=Progress(FileTeller(tmp_path / "progress.json")),
    )  # fmt: skip
    assert {at: (one.kind, one.message) for at, one in failed.items()} == {
        1: ("ZeroDivisionError", "item 1: float division by zero"),
        3: ("ZeroDivisionError", "item 3: float division by zero"),
    }
    written = sorted(int(path.name) for path in tmp_path.glob("[0-9]"))
    assert written == [0, 2, 4]
    counts = json.loads((tmp_path / "progress.json").read_text())
    assert counts == {"total": 5, "done": 3, "failed": 2, "running": 0}
    with pytest.raises(Failure, match="none of the 2 items has succeeded; item 0"):
        fan.run(reciprocal.function, {}, "x", [0, 0], save, workers, skip=True)


@pytest.mark.parametrize("workers", [1, 3])
def test_the_log_says_how_far(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], workers: int
) -> None:
    with Spool(
        tmp_path / "spool.jsonl", execution="e", step="s", attempt=1, frames=sys.__stdout__
    ) as spool:
        teller = LogTeller(spool)
        teller.pause = 0.1
        fan.run(
            slow_last, {}, "x", [0, 0, 1], lambda *_: None, workers, progress=Progress(teller)
        )  # fmt: skip
        kept = [event for event, _ in read(spool.path)]
    told = list(parse_frames(capfd.readouterr().out.splitlines()))
    counts = [(one["total"], one["done"], one["failed"], one["running"]) for one in told]
    assert counts[0] == (3, 0, 0, workers)
    assert counts[-1] == (3, 3, 0, 0)
    # What the last item leaves unsaid for long is said of the others meanwhile.
    assert (3, 2, 0, 1) in counts
    assert len(counts) <= 5  # at the start, for each item, at the end
    assert [(one["kind"], one["done"]) for one in kept] == [("items", 3)]


def slow_last(x: int) -> None:
    time.sleep(x)


def test_items_that_never_ran_are_not_counted(tmp_path: Path) -> None:
    progress = Progress(FileTeller(tmp_path / "p.json"))
    progress.begin(4, 2)
    assert json.loads((tmp_path / "p.json").read_text())["running"] == 2
    cancelled: Future[Any] = Future()
    cancelled.cancel()
    progress.ended(cancelled)
    progress.end(failed=False)
    progress.close()
    assert json.loads((tmp_path / "p.json").read_text()) == {
        "total": 4, "done": 1, "failed": 0, "running": 0,
    }  # fmt: skip
