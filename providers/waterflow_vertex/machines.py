"""Google's machine types and accelerators for jobs of Vertex AI, as machines.json lists them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from waterflow.cloud import machines

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILE: Final = Path(__file__).with_name("machines.json")
_ATTACHING: Final = "n1"
"""The family to whose machines accelerators are attached; those of others have what they have."""


@dataclass(frozen=True, kw_only=True)
class VertexMachine(machines.Machine):
    """A machine type, with the accelerators that are attached to it.

    Attributes:
        accelerator: Its accelerators' kind, in Vertex AI's own word; None without.
        family: Its family, by which Google counts quotas.
        container: Whether Vertex AI may choose it for a container that says CPUs and memory only.
    """

    accelerator: str | None
    family: str
    container: bool

    @property
    def is_attached(self) -> bool:
        """Whether its accelerators are attached, and not its own."""
        return self.gpus > 0 and self.family == _ATTACHING


@cache
def prices() -> machines.Table[VertexMachine]:
    """Return the machine types, with where and when their prices hold."""
    return machines.read(_FILE, VertexMachine)


def table() -> Mapping[str, VertexMachine]:
    """Return the machine types by name, as they are without anything attached."""
    return prices().machines


@cache
def attached() -> Mapping[str, tuple[VertexMachine, ...]]:
    """Return the ways of each machine type to be had: as it is, and with accelerators attached.

    https://cloud.google.com/vertex-ai/docs/training/configure-compute tells how many of a kind a
    machine takes.
    """
    content = json.loads(_FILE.read_bytes())
    rows = [
        dict(zip(content["accelerator_columns"], row, strict=True))
        for row in content["accelerators"]
    ]
    ways: dict[str, tuple[VertexMachine, ...]] = {}
    for name, machine in table().items():
        more = (
            replace(
                machine,
                gpus=row["count"],
                gpu=row["gpu"],
                accelerator=row["accelerator"],
                price=round((machine.price or 0.0) + row["price"], 5),
            )
            for row in rows
            if machine.family == _ATTACHING and machine.vcpu <= row["vcpu"]
        )
        ways[name] = (machine, *more)
    return ways


def known(machine: str) -> str:
    """Return a sentence that names the known machine types most like a name."""
    return machines.known(table(), machine)
