"""The toy cloud's machines, and which is the cheapest that offers what a step asks for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from waterflow.errors import UnsupportedFeatureError

if TYPE_CHECKING:
    from waterflow import spec

_GIB = 2**30


@dataclass(frozen=True)
class Machine:
    """A machine: its name, virtual CPUs, GiB of memory, and US dollars an hour."""

    name: str
    cpu: float
    memory: float
    price: float


@cache
def table() -> tuple[Machine, ...]:
    """Return the machines, the cheapest first."""
    content = json.loads(Path(__file__).with_name("machines.json").read_bytes())
    return tuple(Machine(*row) for row in content["machines"])


def choose(step: spec.Step) -> Machine:
    """Return the cheapest machine for a step.

    Raises:
        UnsupportedFeatureError: There is none.
    """
    resources = step.resources
    for machine in table():
        if machine.cpu >= resources.cpu and machine.memory * _GIB >= (resources.memory or 0):
            return machine
    most = table()[-1]
    raise UnsupportedFeatureError(
        step.name, f"cpu={resources.cpu:g}, memory={resources.memory}", "toycloud",
        f"The largest machine has {most.cpu:g} CPUs and {most.memory:g} GiB.",
    )  # fmt: skip
