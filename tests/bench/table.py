"""The table that a bench ends with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.measures import Row


def show(rows: Sequence[Row]) -> None:
    """Print what was measured against what."""
    table = Table("measure", "Waterflow", "baseline", "ratio", "limit", "")
    for row in rows:
        verdict = "[green]holds" if row.ratio <= row.limit else "[red]exceeded"
        table.add_row(
            row.name, row.ours, row.baseline, f"{row.ratio:.2f}", f"{row.limit:.2f}", verdict
        )
    Console(width=140 if not Console().is_terminal else None).print(table)
