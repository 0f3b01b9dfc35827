"""The steps over time: where each one's bar stands, and which steps share a row."""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING, Any, Final

from waterflow.graph import Mark, together
from waterflow.report.words import css, length_of_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from waterflow.provider.state import StepState
    from waterflow.report.data import Report, Step

_FLAT: Final = 60
"""Steps up to which each has a row of its own."""
_ALIKE: Final = 6
"""Steps of one function from which on they share a row."""
_LANES: Final = 24
_TALL: Final = 72.0
_TICKS: Final = 5


def rows(report: Report) -> list[dict[str, Any]]:
    """Return the rows: one a step, or, of a large run, one for all steps that run the same."""
    start, span = _span(report)
    if len(report.steps) <= _FLAT:
        return [_row(step, report, start, span) for step in report.steps]
    families: dict[str, list[Step]] = {}
    for step in report.steps:
        families.setdefault(step.family, []).append(step)
    drawn: list[dict[str, Any]] = []
    for step in report.steps:
        members = families[step.family]
        if len(members) < _ALIKE:
            drawn.append(_row(step, report, start, span))
        elif step is members[0]:
            drawn.append(_family(members, report, start, span, len(drawn)))
    return drawn


def seconds(step: Step | StepState, now: int) -> float | None:
    """Return how long a step took, or has taken until now."""
    end = step.ended if step.status.final else now
    if step.started is None or end is None:
        return None
    return max(0.0, (end - step.started) / 1000)


def ticks(report: Report) -> list[dict[str, str]]:
    """Return the marks of the ruler above the rows: round numbers of seconds."""
    _, span = _span(report)
    every = _round(span / 1000 / _TICKS)
    count = int(span / 1000 / every)
    marks = ((number, number * every * 1000 / span * 100) for number in range(count + 1))
    return [
        {"left": f"{left:.2f}", "text": _tick(number * every)}
        for number, left in marks
        if left < 94
    ]


def _tick(seconds: float) -> str:
    return f"{seconds:g}s" if seconds < 60 else length_of_time(seconds)


def _round(seconds: float) -> float:
    if seconds >= 60:
        steps = (60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
        return next((one for one in steps if one >= seconds), math.ceil(seconds / 86400) * 86400)
    ten = 10.0 ** math.floor(math.log10(max(seconds, 0.001)))
    return next(factor * ten for factor in (1, 2, 5, 10) if factor * ten >= seconds * 0.999)


def _span(report: Report) -> tuple[int, int]:
    """Return the moment at the left end, and how many milliseconds the whole width is."""
    begun = [step.started for step in report.steps if step.started is not None]
    if report.started is not None:
        begun.append(report.started)
    start = min(begun, default=0)
    ends = [step.ended for step in report.steps if step.ended is not None]
    last = report.ended if report.ended is not None else report.now
    end = max(*ends, last, start) if begun else start
    return start, max(end - start, 1)


def _bar(step: Step, report: Report, start: int, span: int) -> dict[str, Any] | None:
    took = seconds(step, report.now)
    if took is None or step.started is None:
        return None
    left = max(0.0, min(99.5, (step.started - start) / span * 100))
    width = min(100 - left, max(0.25, took * 1000 / span * 100))
    return {"left": f"{left:.2f}", "width": f"{width:.2f}", "css": css(step.status)}


def _row(step: Step, report: Report, start: int, span: int) -> dict[str, Any]:
    took = seconds(step, report.now)
    running = step.started is not None and not step.status.final
    after = (step.started - start) / 1000 if step.started is not None else 0.0
    return {
        "members": None,
        "step": step,
        "bar": _bar(step, report, start, span),
        "took": "" if took is None else length_of_time(took),
        "since": step.started if running else None,
        "after": length_of_time(after) if after >= 0.001 else "",
    }


def _family(
    members: list[Step], report: Report, start: int, span: int, number: int
) -> dict[str, Any]:
    lanes = _lanes(members, report.now)
    count = max(lanes.values(), default=0) + 1
    pitch = min(8.0, _TALL / count)
    mark = together(Mark(css(step.status)) for step in members)
    bars: list[dict[str, Any]] = []
    for step in members:
        bar = _bar(step, report, start, span)
        if bar is not None:
            top = lanes[step.name] * pitch
            place = {"top": f"{top:.1f}", "height": f"{max(1.0, pitch - 1):.1f}"}
            bars.append(bar | place)
    times = [took for step in members if (took := seconds(step, report.now)) is not None]
    return {
        "id": number,
        "name": members[0].family,
        "members": [_row(step, report, start, span) for step in members],
        "css": mark.status,
        "text": mark.text,
        "bars": bars,
        "height": f"{max(12.0, count * pitch):.0f}",
        "took": f"{length_of_time(sum(times) / len(times))} each" if times else "",
    }


def _lanes(members: Iterable[Step], now: int) -> dict[str, int]:
    """Return a lane for each step that has begun: those that overlap lie in different ones."""
    lanes: dict[str, int] = {}
    free: list[int] = []
    busy: list[tuple[float, int]] = []
    begun = [step for step in members if step.started is not None]
    count = 0
    for step in sorted(begun, key=lambda one: (one.started or 0, one.name)):
        since = step.started or 0
        while busy and busy[0][0] <= since:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if free:
            lane = heapq.heappop(free)
        else:
            lane, count = count, count + 1
        lanes[step.name] = lane % _LANES
        heapq.heappush(busy, (since + (seconds(step, now) or 0.0) * 1000, lane))
    return lanes
