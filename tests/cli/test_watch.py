"""What is printed of a run's states as they come."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from waterflow.cli.watch import Lines, counts
from waterflow.provider.state import RunState, Status, StepState

if TYPE_CHECKING:
    import pytest

T0 = 1_750_000_000_000


def state(**steps: StepState) -> RunState:
    return RunState(run="r", pipeline="p", steps=steps)


def step(name: str, status: Status, attempt: int = 0, **fields: object) -> StepState:
    return StepState(name=name, status=status, attempt=attempt, **fields)  # type: ignore[arg-type]


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [re.sub(r"^\d\d:\d\d:\d\d  ", "", line) for line in capsys.readouterr().out.splitlines()]


def test_each_change_is_told_once_in_the_order_of_time(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.show(state(a=step("a", Status.PENDING), b=step("b", Status.PENDING)))
    assert printed(capsys) == []
    # Between two looks b began and ended, and then a began.
    began = state(
        a=step("a", Status.RUNNING, 1, started=T0 + 3000),
        b=step("b", Status.SUCCEEDED, 1, started=T0, ended=T0 + 2000),
    )
    lines.show(began)
    assert printed(capsys) == ["b  running", "b  succeeded  2.00s", "a  running"]
    lines.show(began)
    assert printed(capsys) == []


def test_attempts_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.show(state(a=step("a", Status.RUNNING, 1, started=T0)))
    lines.show(state(a=step("a", Status.RUNNING, 2, started=T0, ended=T0 + 1000)))
    error = "ValueError: no\nsecond line"
    lines.show(state(a=step("a", Status.FAILED, 2, started=T0, ended=T0 + 5000, error=error)))
    assert printed(capsys) == [
        "a  running", "a  running (attempt 2)", "a  failed  5.00s",
    ]  # fmt: skip


def test_what_did_not_run_is_counted_and_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    ended = state(
        a=step("a", Status.CACHED, started=T0, ended=T0),
        b=step("b", Status.SKIPPED, ended=T0 + 1),
        c=step("c", Status.NOT_RUN),
    )
    Lines().show(ended)
    assert printed(capsys) == ["a  cached", "b  skipped"]
    assert counts(ended) == "1 cached, 1 skipped, 1 not run"


def test_calls_of_one_step_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    Lines().show(
        state(
            load=step("load", Status.CACHED),
            train=step("train", Status.RUNNING, 1, started=T0, label="train(c=0.1)"),
            **{"train-2": step("train-2", Status.SKIPPED, ended=T0 + 1, label="train(c=1)")},
        )
    )
    assert printed(capsys)[:2] == [
        "train    train(c=0.1)  running",
        "train-2  train(c=1)    skipped",
    ]
