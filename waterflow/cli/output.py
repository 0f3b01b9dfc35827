"""How answers look: JSON, tables (plain columns when not on a terminal), times, money."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from waterflow.cli.ending import ANSWERED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from waterflow.provider.state import RunState, StepState
    from waterflow.runs.changes import Change

COLOURS: Final = {
    "succeeded": "green",
    "cached": "cyan",
    "running": "yellow",
    "failed": "red",
    "cancelled": "magenta",
}
"""Status -> colour; the others have none."""


def print_json(value: Any) -> None:
    """Print a value as JSON, which is the verb's whole answer."""
    context = click.get_current_context(silent=True)
    if context is not None:
        context.meta[ANSWERED] = True
    click.echo(json_text(value))


def json_text(value: Any) -> str:
    """Return a value, structs included, as indented JSON with sorted keys."""

    def plain(struct: object) -> Any:
        import msgspec

        return msgspec.to_builtins(struct)

    # Where standard output cannot hold every letter, JSON's own escapes keep what is meant.
    ascii_only = "utf" not in (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=ascii_only, default=plain)


def write(text: str, output: str | None) -> None:
    """Print a text, or write it to a file.

    Raises:
        ConfigurationError: The file cannot be written.
    """
    if output is None:
        click.echo(text.rstrip("\n"))
        return
    from waterflow.errors import ConfigurationError

    try:
        Path(output).write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{output} cannot be written: {error.strerror}. Choose another file with -o"
        ) from None


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; a column that is empty in every row is left out."""
    kept = [i for i in range(len(columns)) if not rows or any(row[i] for row in rows)]
    columns = [columns[i] for i in kept]
    rows = [[row[i] for i in kept] for row in rows]
    if not sys.stdout.isatty():
        for line in aligned([columns, *rows]):
            click.echo(line)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        grid.add_column(name, overflow="fold")
    for row in rows:
        grid.add_row(*(Text(cell, style=COLOURS.get(cell, "")) for cell in row))
    Console().print(grid)


def show_changes(changes: Sequence[Change]) -> None:
    """Print what differs between two runs, a line each."""
    for change in changes:
        sign = {"added": "+", "removed": "-", "changed": "~"}[change.change]
        fields = f" ({'; '.join(change.fields)})" if change.fields else ""
        click.echo(f"  {sign} {change.what} {change.name}{fields}")


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines whose cells stand under each other."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def show_seconds(seconds: float | None) -> str:
    """Return a length of time, or nothing when there is none."""
    from waterflow.spec.quantities import show_duration

    return "" if seconds is None else show_duration(seconds)


def show_count(number: int, noun: str) -> str:
    """Return "1 step", "2 steps"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def show_time(milliseconds: int | None, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """Return a moment in local time."""
    if milliseconds is None:
        return ""
    from datetime import datetime

    return datetime.fromtimestamp(milliseconds / 1000).astimezone().strftime(form)


def show_money(dollars: float | None) -> str:
    """Return an amount in US dollars, or nothing when there is none."""
    from waterflow.spec import quantities

    return "" if dollars is None else quantities.show_money(dollars)


def show_items(step: StepState) -> str:
    """Return how far a map has come; nothing for other steps."""
    return "" if step.items is None else str(step.items)


def step_seconds(step: StepState, now: int | None = None) -> float | None:
    """Return how long a step has taken, in seconds: until `now` while it is under way."""
    end = step.ended if step.status.final else now
    if step.started is None or end is None:
        return None
    return max(0.0, (end - step.started) / 1000)


def run_document(state: RunState) -> dict[str, Any]:
    """Return a run's state as JSON with every field, whether set or not."""
    return {
        "run": state.run,
        "pipeline": state.pipeline,
        "status": str(state.status),
        "started": state.started,
        "ended": state.ended,
        "seconds": state.seconds,
        "error": state.error,
        "unsent": state.unsent,
        "sending": state.sending,
        "tracking_uri": state.tracking_uri,
        "url": state.url,
        "steps": [
            {
                "name": step.name,
                "label": step.label or step.name,
                "status": str(step.status),
                "attempt": step.attempt,
                "started": step.started,
                "ended": step.ended,
                "seconds": step_seconds(step),
                "error": step.error,
                "detail": step.detail,
                "reason": step.reason,
                "origin": step.origin,
                "job": step.job,
                "url": step.url,
                "why": list(step.why),
                "items": step.items,
            }
            for step in state.steps.values()
        ],
    }
