"""The sizes of virtual machines that the emulated region has."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Size:
    """A size of virtual machines.

    Attributes:
        name: `Standard_D2ds_v5`.
        vcpu: Its cores.
        memory: Its memory in GB.
        gpus: Its GPUs.
        price: US dollars an hour.
        disk: Its temporary disk in GB.
        family: What quotas count it with.
    """

    name: str
    vcpu: int
    memory: float
    gpus: int
    price: float
    disk: int
    family: str


@cache
def sizes() -> dict[str, Size]:
    """Return all sizes by name: those that plans choose from."""
    text = (Path(__file__).parents[1] / "machines.json").read_text("utf-8")
    table = json.loads(text)
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["machines"]]
    return {
        row["type"]: Size(
            row["type"], row["vcpu"], row["memory"], row["gpus"], row["price"], row["local"],
            row["family"],
        )
        for row in rows
    }  # fmt: skip
