"""How far a map in a job has come: what its log says, and how often that is asked."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from waterflow import spec
from waterflow.cloud.items import Items, latest
from waterflow.cloud.states import NativeRun
from waterflow.errors import ProviderError
from waterflow.provider.state import ItemCounts, RunState, Status, StepState
from waterflow.tracking.spool import FRAME, parse_frames

if TYPE_CHECKING:
    from collections.abc import Iterator


def line(moment: int, done: int, **more: Any) -> str:
    event = {"kind": "items", "time": moment, "total": 9, "done": done, "failed": 0, "running": 2}
    return f"{FRAME}{json.dumps(event | more)}"


def test_the_latest_line_counts_in_whichever_order_they_come() -> None:
    lines = [line(5, 3), "noise", line(9, 4), line(1, 0), line(10, "many"), f"{FRAME}{{"]
    expected = ItemCounts(total=9, done=4, failed=0, running=2)
    assert latest(parse_frames(lines)) == latest(parse_frames(reversed(lines))) == expected
    assert str(latest(parse_frames(lines), over=True)) == "4 of 9 items done"
    assert latest(parse_frames(["noise", f'{FRAME}{{"kind":"metric"}}'])) is None


class Logs:
    """Answers with the end of a log, in its own time, and counts how often."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.asked, self.lines = seconds, 0, [line(1, 1)]
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def log_tail(self, run: NativeRun) -> Iterator[str]:
        del run
        self.asked += 1
        self.now += self.seconds
        if not self.lines:
            raise ProviderError("no log", provider="x", operation="read log")
        yield from self.lines


def look(status: Status, count: int = 1) -> tuple[Any, RunState]:
    names = [f"m{number}" for number in range(count)]
    steps = {n: spec.Step(n, spec.Function("m", "f", over="x")) for n in names}
    runs = {n: NativeRun(n, status, job=f"job-{n}") for n in names}
    state = RunState(run="r", pipeline="p", steps={n: StepState(name=n) for n in names})
    execution = SimpleNamespace(step_of=lambda run: steps[run.native])
    return SimpleNamespace(steps=runs, execution=execution), state


def counted(items: Items, status: Status = Status.RUNNING, count: int = 1) -> list[int | None]:
    seen, state = look(status, count)
    items.add(seen, state)
    return [one.items.done if one.items else None for one in state.steps.values()]


@pytest.mark.parametrize(
    ("poll", "seconds", "rest"), [(0.1, 0.0, 0.2), (0.001, 0.02, 0.2), (60, 0.0, 10), (60, 2, 20)]
)
def test_a_log_is_read_at_a_bounded_rate(poll: float, seconds: float, rest: float) -> None:
    logs = Logs(seconds)
    items = Items(logs, poll, logs.clock)  # type: ignore[arg-type]
    assert [counted(items) for _ in range(5)] == [[1]] * 5
    assert logs.asked == 1
    logs.lines = [line(2, 2)]
    logs.now += 0.9 * rest
    assert counted(items) == [1]
    logs.now += 0.2 * rest
    assert counted(items) == [2]
    logs.lines = []  # what is known stays while the log cannot be read
    logs.now += 1.1 * rest
    assert counted(items) == [2]
    assert logs.asked == 3
    assert counted(items, Status.PENDING) == [None]


def test_many_maps_take_a_look_no_longer_than_a_few() -> None:
    logs = Logs(0.3)
    items = Items(logs, 1000, logs.clock)  # type: ignore[arg-type]
    first = counted(items, count=12)
    assert logs.now == pytest.approx(2.1)
    assert first.count(1) == 7
    assert counted(items, count=12).count(1) == 12  # the next look goes on
