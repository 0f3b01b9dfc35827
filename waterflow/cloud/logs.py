"""Logs of jobs, merged by time, without what only Waterflow or the cloud reads."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from waterflow.errors import UnknownNameError
from waterflow.provider import LogLine
from waterflow.provider.answers import overwritten
from waterflow.tracking.spool import FRAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow.cloud.runs import Look, Runs
    from waterflow.cloud.states import NativeRun

_POLL: Final = 2.0
"""Seconds between two looks at the logs of a run that is followed, at most."""


class Logs:
    """The logs of one profile's runs.

    Args:
        runs: The runs.
    """

    def __init__(self, runs: Runs) -> None:
        self._runs, self._service = runs, runs.service

    def lines(self, run_id: str, step: str | None, follow: bool) -> Iterator[LogLine]:
        """Yield the lines of steps' logs in the order of their times.

        Args:
            run_id: The run.
            step: Only this step.
            follow: Go on until the run ends.

        Raises:
            NotFoundError: There is no such run, or no such step in it.
        """
        execution = self._runs.execution(run_id)
        names = [one.name for one in execution.spec.steps]
        if step is not None and step not in names:
            raise UnknownNameError(
                f"Run '{run_id}' has no step '{step}'; it has: {', '.join(names)}.",
                name=step,
                known=names,
                provider=self._service.provider,
                operation="read logs",
            )
        cursor: dict[str, str] = {}
        pause = min(_POLL, self._runs.poll)
        while True:
            # Looked before reading: what a step wrote last is then surely read.
            look = self._runs.look(run_id)
            yield from sorted(self._new(look, step, cursor), key=lambda line: line.time or 0)
            if look.state.status.final or not follow:
                return
            time.sleep(pause)

    def _new(self, look: Look, step: str | None, cursor: dict[str, str]) -> Iterator[LogLine]:
        """Yield the lines that have come since the last call with this cursor."""
        for run in look.steps.values():
            own = look.execution.step_of(run)
            # What the cache answered was logged by another run.
            if own is None or step not in (None, own.name):
                continue
            for job in run.jobs:
                if job.origin != look.execution.id:
                    continue
                for moment, text in self._service.log(job, cursor):
                    # A frame may come in the middle of a line that a step is about to write.
                    shown, frame, _ = text.partition(FRAME)
                    if (shown or not frame) and self._service.shows(shown):
                        yield LogLine(step=own.name, text=overwritten(shown), time=moment)

    def raw(self, run: NativeRun) -> list[str]:
        """Return all lines of a step's log, those for Waterflow too."""
        return [text for _, text in self._service.log(run, {})]

    def printed(self, run: NativeRun) -> Iterator[tuple[int, str]]:
        """Yield what the first machine of a step has printed: milliseconds and line."""
        return self._service.log(run, {}, first_machine=True)


def split_lines(content: bytes) -> list[str]:
    """Return the lines of a log: a carriage return or a form feed within one ends none.

    Args:
        content: What was read of it.
    """
    return content.decode("utf-8", "replace").removesuffix("\n").split("\n")
