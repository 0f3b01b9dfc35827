"""The toy cloud's machines, as machines.json lists them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from waterflow.cloud.machines import Machine, Table, read


@cache
def table() -> Table[Machine]:
    """Return the machines, and when their prices hold."""
    return read(Path(__file__).with_name("machines.json"), Machine)
