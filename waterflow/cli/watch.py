"""Watching a run: a live table on a terminal, one plain line a change elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

import click

from waterflow.cli.output import COLOURS, show_items, show_seconds, show_time, step_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow.provider.state import RunState, Status, StepState
    from waterflow.runs.run import Run

_NEAR: Final = 0.01
_FIRST: Final = 0.1
_LONGEST: Final = 2.0
"""Seconds between two looks: short at first, shorter where nobody far is asked, then a hundredth of
the time that has passed."""
_PATIENCE: Final = 1.0
"""Seconds after which a wait is explained."""


class View(Protocol):
    """Shows a run's states as they come."""

    def show(self, state: RunState) -> None:
        """Show what is new."""
        ...

    def close(self) -> None:
        """Leave what is to stay on the screen."""
        ...


def watch(run: Run, view: View) -> RunState:
    """Look at a run until it has ended; its tracking may still be on its way.

    Args:
        run: The run.
        view: What shows it.

    Returns:
        The final state.
    """
    began = time.monotonic()
    first = _FIRST if run.provider.capabilities.tracks_later else _NEAR
    try:
        with run.tracked(beside=True):
            while True:
                state = run.state
                run.explain(state)
                view.show(state)
                if state.status.final:
                    return state
                time.sleep(min(_LONGEST, max(first, (time.monotonic() - began) / 100)))
    finally:
        view.close()


def stop(run: Run) -> RunState:
    """Cancel a run and wait until it has stopped: a cloud takes its time to.

    Args:
        run: The run; one that has ended stays as it is.

    Returns:
        The final state.
    """
    run.cancel()
    pause = _FIRST
    while not (state := run.state).status.final:
        time.sleep(pause)
        pause = min(_LONGEST, pause * 1.5)
    return state


def settle(run: Run, state: RunState) -> RunState:
    """Wait until MLflow has got all of a run, or is given up; Ctrl-C leaves it to the background.

    Args:
        run: The run, which has ended.
        state: Its state.

    Returns:
        Its state then.
    """
    hinted = not sys.stderr.isatty()
    began = time.monotonic()
    with contextlib.suppress(KeyboardInterrupt):
        while state.sending:
            if not hinted and time.monotonic() - began > _PATIENCE:
                click.echo("  the rest is being sent to MLflow; Ctrl-C need not wait", err=True)
                hinted = True
            time.sleep(_FIRST)
            state = run.state
        state = run.settle(state)
    return state


def best_view(run: Run, *, quiet: bool, terminal: bool | None = None) -> View:
    """Return the view that fits: a table on a terminal, lines elsewhere.

    Args:
        run: The run.
        quiet: Standard output is for JSON: lines go to standard error.
        terminal: Whether this is a terminal; looked up when None.
    """
    if quiet:
        return Lines(err=True)
    if sys.stdout.isatty() if terminal is None else terminal:
        return Table(run.id)
    return Lines()


class Lines:
    """One line a change: time, step, state.

    Args:
        err: Whether lines go to standard error.
    """

    def __init__(self, *, err: bool = False) -> None:
        self._err = err
        self._seen: dict[str, tuple[Status, int]] = {}

    def show(self, state: RunState) -> None:
        """Print what has changed, oldest first."""
        changes: list[tuple[int, str, str]] = []
        for name, step in state.steps.items():
            if self._seen.get(name) == (step.status, step.attempt):
                continue
            changes += ((moment, name, text) for moment, text in self._changes(step))
            self._seen[name] = (step.status, step.attempt)
        titles = _titles(state) if changes else {}
        for moment, name, text in sorted(changes, key=lambda change: change[0]):
            when = show_time(moment, "%H:%M:%S")
            self._say(f"{when}  {titles[name]}  {text}")

    def _say(self, line: str) -> None:
        click.echo(line, err=self._err)

    def _changes(self, step: StepState) -> Iterator[tuple[int, str]]:
        """Yield the moments and words of a step's changes, those between two looks included."""
        from waterflow.provider.state import Status

        before, attempts = self._seen.get(step.name, (Status.PENDING, 0))
        now = int(time.time() * 1000)
        if step.status not in (Status.CACHED, Status.SKIPPED, Status.PENDING, Status.NOT_RUN):
            for attempt in range(attempts + 1, step.attempt + 1):
                first = attempt == 1
                moment = step.started if first else step.ended
                yield moment or now, running(step) if first else f"running (attempt {attempt})"
        if step.status != before and step.status.final and step.status is not Status.NOT_RUN:
            yield step.ended or now, ended(step)

    def close(self) -> None:
        """Leave the lines as they are."""


def _titles(state: RunState) -> dict[str, str]:
    """Return each step's name and what its call was given, in two columns."""
    several = any(step.label for step in state.steps.values())
    rows = [(one.name, one.label or "") if several else (one.name,) for one in state.steps.values()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return {
        row[0]: "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    }


def running(step: StepState) -> str:
    """Return that a step runs, and what differs from the earlier result of it, if there is one."""
    why = differences(step)
    return f"running ({why})" if why else "running"


def differences(step: StepState) -> str:
    """Return what differs from an earlier result of a step; "" where there is none."""
    from waterflow.runs.why import is_difference

    return "; ".join(one for one in step.why if is_difference(one))


def ended(step: StepState) -> str:
    """Return how a step ended, as the end of a line."""
    from waterflow.provider.state import Status

    if step.status is Status.SKIPPED and step.reason:
        return f"skipped: {step.reason}"
    if step.status in (Status.SKIPPED, Status.CACHED):
        return str(step.status)
    # What a failed one failed of is told once, at the run's end.
    words = [str(step.status), show_seconds(step_seconds(step)), show_items(step)]
    return "  ".join(word for word in words if word)


class Table:
    """A table of the steps that redraws itself.

    Args:
        title: What stands above it.
    """

    def __init__(self, title: str) -> None:
        from rich.console import Console
        from rich.live import Live

        self._title = title
        self._state: RunState | None = None
        self._console = Console()
        self._live: Any = Live(
            get_renderable=self._draw, console=self._console, refresh_per_second=8, transient=False
        )
        self._live.start()

    def show(self, state: RunState) -> None:
        """Redraw with the new state."""
        self._state = state
        self._live.refresh()

    def close(self) -> None:
        """Leave the last table on the screen."""
        self._live.stop()

    def _draw(self) -> Any:
        from rich.table import Table as Grid
        from rich.text import Text

        grid = Grid(
            title=self._title, title_justify="left", title_style="bold", box=None, pad_edge=False
        )
        labelled = self._state is not None and any(s.label for s in self._state.steps.values())
        for name in ("step", *(["call"] * labelled), "state", "attempt", "time", ""):
            grid.add_column(name, justify="right" if name in ("attempt", "time") else "left")
        if self._state is None:
            return grid
        steps = list(self._state.steps.values())
        shown = _most_telling(steps, max(5, self._console.height - 5))
        now = int(time.time() * 1000)
        for step in shown:
            status = str(step.status)
            grid.add_row(
                step.name,
                *([step.label or ""] * labelled),
                Text(status, style=COLOURS.get(status, "dim")),
                str(step.attempt) if step.attempt > 1 else "",
                "" if status in ("cached", "skipped") else show_seconds(step_seconds(step, now)),
                self._remark(step),
            )
        if len(shown) < len(steps):
            rest = f"{len(steps) - len(shown)} more: {counts(self._state)}"
            grid.add_row(Text(rest, style="dim"))
        return grid

    def _remark(self, step: StepState) -> Any:
        """Return what a row ends in: why a step is skipped, or failed while others still run."""
        from rich.text import Text

        if step.reason:
            return Text(step.reason, style="dim", overflow="ellipsis")
        if step.items is not None:
            style = "red" if step.items.failed else "dim"
            return Text(show_items(step), style=style, overflow="ellipsis")
        if (why := differences(step)) and str(step.status) == "running":
            return Text(why, style="dim", overflow="ellipsis")
        over = self._state is not None and self._state.status.final
        error = "" if over else (step.error or "").partition("\n")[0]  # the end tells it in full
        return Text(error, style="red", overflow="ellipsis")


def _most_telling(steps: list[StepState], room: int) -> list[StepState]:
    """Return the steps to show when not all fit: failed and running ones, then the latest."""
    if len(steps) <= room:
        return steps
    order = {"failed": 0, "running": 1}
    ranked = sorted(
        steps, key=lambda step: (order.get(str(step.status), 2), -(step.ended or step.started or 0))
    )
    kept = {step.name for step in ranked[:room]}
    return [step for step in steps if step.name in kept]


def counts(state: RunState) -> str:
    """Return how many steps are what: "3 succeeded, 2 cached"."""
    numbers: dict[str, int] = {}
    for step in state.steps.values():
        numbers[str(step.status)] = numbers.get(str(step.status), 0) + 1
    return ", ".join(f"{count} {status}" for status, count in numbers.items())
