"""How far maps have come whose items run within one job: what the job says of it in its log."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from waterflow import spec
from waterflow.errors import ProviderError
from waterflow.provider.state import ItemCounts, Status
from waterflow.tracking.spool import ITEMS, parse_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from waterflow.cloud.runs import Look
    from waterflow.cloud.service import Service
    from waterflow.cloud.states import NativeRun
    from waterflow.provider.state import RunState
    from waterflow.tracking.spool import Event

_PAUSE: Final = 10.0
"""Seconds between two readings of a log, at most: jobs write a line every few seconds."""
_SHARE: Final = 10
"""How many times as long as it took to read a log it is not read again."""
_PATIENCE: Final = 2.0
"""Seconds after which a look reads no further log: the next one goes on."""


@dataclass(frozen=True)
class _Known:
    """What a job has said, and when to ask it again, by the monotonic clock."""

    counts: ItemCounts | None
    due: float


class Items:
    """The items of one profile's running maps.

    Args:
        service: The cloud.
        poll: Seconds between two looks at a run, at first.
        clock: The clock that time is measured by, in seconds.
    """

    def __init__(
        self, service: Service[Any], poll: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._service, self._pause, self._clock = service, min(_PAUSE, 2 * poll), clock
        self._known: dict[str, _Known] = {}

    def add(self, look: Look, state: RunState) -> None:
        """Add to a state how far its running maps have come, as far as that is known in time.

        Args:
            look: The look at the run.
            state: Its state, to be added to.
        """
        running = [run for run in look.steps.values() if run.status is Status.RUNNING and run.job]
        mapped = [
            (step, run)
            for run in running
            if (step := look.execution.step_of(run)) is not None and within_job(step)
        ]
        began = self._clock()
        mapped.sort(key=lambda pair: self._due(pair[1]))
        for step, run in mapped:
            if self._due(run) <= self._clock() < began + _PATIENCE:
                self._ask(run)
            known = self._known.get(run.job)
            if known is not None and known.counts is not None:
                state.steps[step.name].items = known.counts

    def _due(self, run: NativeRun) -> float:
        known = self._known.get(run.job)
        return 0.0 if known is None else known.due

    def _ask(self, run: NativeRun) -> None:
        began = self._clock()
        counts = None
        with contextlib.suppress(ProviderError):  # the state is worth more than this
            counts = latest(parse_frames(self._service.log_tail(run)))
        if counts is None and run.job in self._known:
            counts = self._known[run.job].counts  # it has printed much since
        now = self._clock()
        self._known[run.job] = _Known(counts, now + max(self._pause, _SHARE * (now - began)))


def within_job(step: spec.Step) -> bool:
    """Say whether a step is a map whose items run within one job."""
    run = step.run
    return isinstance(run, spec.Function) and run.over is not None and run.fan_out == "processes"


def latest(events: Iterable[Event], *, over: bool = False) -> ItemCounts | None:
    """Return what the latest of a job's events says of a map's items; None where none does.

    Args:
        events: The events, in any order.
        over: Whether the map is over, be it that its job was ended.
    """
    counted = [event for event in events if event["kind"] == ITEMS]
    counted.sort(key=lambda event: event.get("time") or 0)
    for event in reversed(counted):
        with contextlib.suppress(msgspec.ValidationError):
            counts = msgspec.convert(
                {name: event.get(name) for name in ItemCounts.__struct_fields__}, ItemCounts
            )
            return msgspec.structs.replace(counts, running=0) if over else counts
    return None
