"""Azure's VM sizes for Azure ML compute, as machines.json lists them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from waterflow.cloud import machines

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class VmSize(machines.Machine):
    """A VM size.

    Attributes:
        family: Its family, by which Azure counts quotas.
    """

    family: str


@cache
def prices() -> machines.Table[VmSize]:
    """Return the VM sizes, with where and when their prices hold."""
    return machines.read(Path(__file__).with_name("machines.json"), VmSize)


def table() -> Mapping[str, VmSize]:
    """Return the VM sizes by name."""
    return prices().machines


def known(machine: str) -> str:
    """Return a sentence that names the known VM sizes most like a name."""
    return machines.known(table(), machine)
