"""How far a map in a job has come: what its log says, and how often that is asked."""

from __future__ import annotations

import json
import time
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

    def log_tail(self, run: NativeRun) -> Iterator[str]:
        del run
        self.asked += 1
        time.sleep(self.seconds)
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


@pytest.mark.parametrize(("poll", "seconds"), [(0.1, 0.0), (0.001, 0.02)])
def test_a_log_is_read_at_a_bounded_rate(poll: float, seconds: float) -> None:
    logs = Logs(seconds)
    items = Items(logs, poll)  # type: ignore[arg-type]
    assert [counted(items) for _ in range(5)] == [[1]] * 5
    assert logs.asked == 1
    logs.lines = [line(2, 2)]
    time.sleep(0.25)
    assert counted(items) == [2]
    logs.lines = []  # what is known stays while the log cannot be read
    time.sleep(0.25)
    assert counted(items) == [2]
    assert logs.asked == 3
    assert counted(items, Status.PENDING) == [None]


def test_many_maps_take_a_look_no_longer_than_a_few() -> None:
    logs = Logs(0.3)
    items = Items(logs, 1000)  # type: ignore[arg-type]
    began = time.monotonic()
    first = counted(items, count=12)
    assert time.monotonic() - began < 3
    assert None in first
    assert counted(items, count=12).count(1) > first.count(1)  # the next look goes on
