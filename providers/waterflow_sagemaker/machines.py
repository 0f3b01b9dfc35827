"""Machines: what SageMaker's instance types offer and cost, and which one a step gets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from waterflow.errors import ConfigurationError, UnsupportedFeatureError
from waterflow.spec.quantities import show_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from waterflow.spec import Resources

Kind = Literal["processing", "training"]
"""Kinds of SageMaker's jobs."""
GIB: Final = 2**30
_SHOWN: Final = 3


def as_training(step: str) -> str:
    """Return how a step becomes a training job, for messages."""
    return f'write job = "training" under [profiles.NAME.steps.{step}]'


@dataclass(frozen=True)
class Machine:
    """An instance type.

    Attributes:
        type: Its name.
        vcpu: Virtual CPUs.
        memory: GiB.
        gpus: Accelerators.
        gpu: Their kind; None without.
        price: US dollars an hour, on demand in `PRICED`; None where it is not known.
        local: GB of the instance's own volume, where it has one instead of an EBS volume.
        training_only: No processing job can have it.
        basis: Where the price comes from; "about" in machines.json says more.
    """

    type: str
    vcpu: float
    memory: float
    gpus: int
    gpu: str | None
    price: float | None
    local: int | None
    training_only: bool
    basis: str

    def __str__(self) -> str:
        gpus = f", {self.gpus} {self.gpu}" if self.gpus else ""
        return f"{self.type} ({self.vcpu:g} vCPU, {self.memory:g} GiB{gpus})"


@dataclass(frozen=True)
class Prices:
    """Where and when the table's prices hold.

    Attributes:
        region: The AWS region.
        date: The day, as ISO 8601.
    """

    region: str
    date: str


@cache
def _read() -> tuple[Mapping[str, Machine], Prices]:
    found = json.loads(Path(__file__).with_name("machines.json").read_bytes())
    machines = [Machine(*row) for row in found["machines"]]
    return {one.type: one for one in machines}, Prices(found["region"], found["date"])


def table() -> Mapping[str, Machine]:
    """Return the instance types by name."""
    return _read()[0]


def prices() -> Prices:
    """Return where and when the prices hold."""
    return _read()[1]


def choose(
    resources: Resources, allowed: Iterable[str], kind: Kind, step: str = "(a step)"
) -> Machine:
    """Return the cheapest machine that offers what a step asks for.

    Args:
        resources: What it asks for.
        allowed: The instance types to choose from; empty for all of the table.
        kind: The kind of job.
        step: The step's name, for the message.

    Raises:
        UnsupportedFeatureError: No machine offers it; the message names the nearest ones.
    """
    names = list(allowed) or list(table())
    there = [table()[name] for name in names if kind == "training" or not _only(name)]
    fitting = [one for one in there if not lacks(one, resources)]
    if fitting:
        return min(fitting, key=lambda one: (one.price or 0.0, one.vcpu, one.type))
    nearest = sorted(there, key=lambda one: _distance(one, resources))[:_SHOWN]
    shown = "; ".join(f"{one} lacks {', '.join(lacks(one, resources))}" for one in nearest)
    elsewhere = [table()[name] for name in names if _only(name)]
    hint = ""
    if kind == "processing" and any(not lacks(one, resources) for one in elsewhere):
        hint = f" Training jobs have machines that do: {as_training(step)}."
    raise UnsupportedFeatureError(
        step,
        f"a machine with {describe(resources)} for a {kind} job",
        "sagemaker",
        (f"The nearest: {shown}." if nearest else "The profile's `machines` allows none.")
        + (hint or " Ask for less, or allow more types in the profile: machines = [...]"),
    )


def named(machine: str, resources: Resources, kind: Kind, step: str) -> Machine:
    """Return the machine that a profile names for a step.

    Raises:
        ConfigurationError: There is no such machine, or it is not what the step asks for.
    """
    where = f"The profile gives step '{step}' machine = \"{machine}\""
    if machine not in table():
        raise ConfigurationError(f"{where}, which is not known. {known(machine)}")
    found = table()[machine]
    missing = lacks(found, resources)
    if missing:
        raise ConfigurationError(
            f"{where}, which lacks {', '.join(missing)}. The step asks for {describe(resources)}: "
            "name a larger one, or ask for less"
        )
    if kind == "processing" and found.training_only:
        raise ConfigurationError(
            f"{where}, which processing jobs cannot have. Beside it {as_training(step)}"
        )
    return found


def known(machine: str) -> str:
    """Return a sentence that names the known instance types most like a name."""
    import difflib

    near = difflib.get_close_matches(machine, table(), n=3) or list(table())[:_SHOWN]
    return f"The nearest known: {', '.join(near)}"


def describe(resources: Resources) -> str:
    """Return what a step asks for, as words."""
    found = [f"{resources.cpu:g} vCPU"]
    if resources.memory is not None:
        found.append(f"{show_size(resources.memory)} of memory")
    if resources.gpu is not None:
        found.append(f"{resources.gpu.count} {resources.gpu.kind or 'GPU'}")
    if resources.disk is not None:
        found.append(f"{show_size(resources.disk)} of disk")
    return ", ".join(found)


def lacks(machine: Machine, resources: Resources) -> list[str]:
    """Return what a step asks for and a machine has not, as words."""
    found: list[str] = []
    if machine.vcpu < resources.cpu:
        found.append(f"{resources.cpu:g} vCPU")
    if machine.memory * GIB < (resources.memory or 0):
        found.append(f"{show_size(resources.memory or 0)} of memory")
    gpu = resources.gpu
    if gpu is not None and (machine.gpus < gpu.count or not _is_kind(machine.gpu, gpu.kind)):
        found.append(f"{gpu.count} {gpu.kind or 'GPU'}")
    if machine.local is not None and machine.local * 10**9 < (resources.disk or 0):
        found.append(f"{show_size(resources.disk or 0)} of disk")
    return found


def _is_kind(has: str | None, asked: str | None) -> bool:
    if asked is None or has is None:
        return has is not None
    wanted = asked.lower().replace("tesla-", "")
    return has == wanted or has.startswith(f"{wanted}-")  # an A100 may have more memory


def _only(machine: str) -> bool:
    return table()[machine].training_only


def _distance(machine: Machine, resources: Resources) -> tuple[float, float]:
    """Return how far a machine is from what a step asks for, and what it costs."""
    gpu = resources.gpu
    short = max(0.0, 1 - machine.vcpu / resources.cpu) if resources.cpu else 0.0
    if resources.memory:
        short += max(0.0, 1 - machine.memory * GIB / resources.memory)
    if gpu is not None:
        short += max(0.0, 1 - machine.gpus / gpu.count)
        short += 0.0 if machine.gpus and _is_kind(machine.gpu, gpu.kind) else 1.0
    if machine.local is not None and resources.disk:
        short += max(0.0, 1 - machine.local * 10**9 / resources.disk)
    return short, machine.price or 0.0
