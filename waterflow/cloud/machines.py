"""Machine types of a cloud: what they offer and cost, and the cheapest that fits a step."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from waterflow.errors import ConfigurationError, UnsupportedFeatureError
from waterflow.spec.quantities import show_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from waterflow.spec import Resources

GIB: Final = 2**30
_SHOWN: Final = 3


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine type; each cloud derives its own, with what only it knows.

    Attributes:
        type: Its name.
        vcpu: Virtual CPUs.
        memory: GiB.
        gpus: Accelerators.
        gpu: Their kind, in lower case, such as "nvidia-t4"; None without.
        price: US dollars an hour, on demand; None where it is not known.
        local: GB of the machine's own volume, where it has one in place of one that can be chosen.
    """

    type: str
    vcpu: float
    memory: float
    gpus: int
    gpu: str | None
    price: float | None
    local: int | None

    def __str__(self) -> str:
        gpus = f", {self.gpus} {self.gpu}" if self.gpus else ""
        return f"{self.type} ({self.vcpu:g} vCPU, {self.memory:g} GiB{gpus})"


M = TypeVar("M", bound=Machine)


@dataclass(frozen=True, kw_only=True)
class Table(Generic[M]):
    """A cloud's machine types, as its machines.json lists them.

    Attributes:
        machines: Name -> the machine type.
        region: Where the prices hold.
        date: When they do, as ISO 8601.
    """

    machines: Mapping[str, M]
    region: str
    date: str

    def note(self, region: str) -> str:
        """Return a note on the prices, for a plan.

        Args:
            region: Where the machines would be.
        """
        differ = "" if region == self.region else f"; those of {region} differ"
        return f"prices on demand of {self.region}, {self.date}{differ}"


def read(file: Path, make: Callable[..., M]) -> Table[M]:
    """Read a table: an object with `region`, `date`, `columns` and `machines`, rows of values.

    Args:
        file: machines.json.
        make: Makes a machine type of a row: its columns are the keywords.
    """
    content = json.loads(file.read_bytes())
    columns = content["columns"]
    machines = [make(**dict(zip(columns, row, strict=True))) for row in content["machines"]]
    return Table(
        machines={machine.type: machine for machine in machines},
        region=content["region"],
        date=content["date"],
    )


def cheapest(machines: Iterable[M], resources: Resources) -> M | None:
    """Return the cheapest machine that offers what a step asks for; None where none does."""
    fitting = (machine for machine in machines if not lacks(machine, resources))
    return min(
        fitting,
        key=lambda machine: (machine.price or 0.0, machine.vcpu, machine.type),
        default=None,
    )


def no_machine(
    machines: Iterable[Machine],
    resources: Resources,
    step: str,
    *,
    provider: str,
    job: str,
    hint: str = "",
) -> UnsupportedFeatureError:
    """Return the refusal of a wish that no machine meets; it names the nearest ones.

    Args:
        machines: The machines that were to choose from.
        resources: What the step asks for.
        step: The step's name.
        provider: The provider's name.
        job: What the machine was for: "a training job".
        hint: What to do, where there is more than asking for less.
    """
    nearest = sorted(machines, key=lambda machine: _distance(machine, resources))[:_SHOWN]
    shown = "; ".join(
        f"{machine} lacks {', '.join(lacks(machine, resources))}" for machine in nearest
    )
    return UnsupportedFeatureError(
        step,
        f"a machine with {describe(resources)} for {job}",
        provider,
        (f"The nearest: {shown}." if nearest else "The profile's `machines` allows none.")
        + (hint or " Ask for less, or allow more types in the profile: machines = [...]"),
    )


def named(table: Mapping[str, M], machine: str, resources: Resources, step: str) -> M:
    """Return the machine that a profile names for a step.

    Raises:
        ConfigurationError: There is no such machine, or it lacks what the step asks for.
    """
    where = f"The profile gives step '{step}' machine = \"{machine}\""
    if machine not in table:
        raise ConfigurationError(f"{where}, which is not known. {known(table, machine)}")
    missing = lacks(table[machine], resources)
    if missing:
        raise ConfigurationError(
            f"{where}, which lacks {', '.join(missing)}. The step asks for {describe(resources)}: "
            "name a larger one, or ask for less"
        )
    return table[machine]


def known(table: Mapping[str, Machine], machine: str) -> str:
    """Return a sentence that names the known machine types most like a name."""
    near = difflib.get_close_matches(machine, table, n=_SHOWN) or list(table)[:_SHOWN]
    return f"The nearest known: {', '.join(near)}"


def describe(resources: Resources) -> str:
    """Return what a step asks for, as words."""
    parts = [f"{resources.cpu:g} vCPU"]
    if resources.memory is not None:
        parts.append(f"{show_size(resources.memory)} of memory")
    if resources.gpu is not None:
        parts.append(f"{resources.gpu.count} {resources.gpu.kind or 'GPU'}")
    if resources.disk is not None:
        parts.append(f"{show_size(resources.disk)} of disk")
    return ", ".join(parts)


def lacks(machine: Machine, resources: Resources) -> list[str]:
    """Return what a step asks for and a machine has not, as words."""
    missing: list[str] = []
    if machine.vcpu < resources.cpu:
        missing.append(f"{resources.cpu:g} vCPU")
    if machine.memory * GIB < (resources.memory or 0):
        missing.append(f"{show_size(resources.memory or 0)} of memory")
    gpu = resources.gpu
    if gpu is not None and (machine.gpus < gpu.count or not _is_gpu(machine.gpu, gpu.kind)):
        missing.append(f"{gpu.count} {gpu.kind or 'GPU'}")
    if machine.local is not None and machine.local * 10**9 < (resources.disk or 0):
        missing.append(f"{show_size(resources.disk or 0)} of disk")
    return missing


def _is_gpu(has: str | None, kind: str | None) -> bool:
    if kind is None or has is None:
        return has is not None
    plain = kind.lower().replace("tesla-", "")
    return has == plain or has.startswith(f"{plain}-")  # an A100 may have more memory


def _distance(machine: Machine, resources: Resources) -> tuple[float, float]:
    """Return how far a machine is from what a step asks for, and what it costs."""
    gpu = resources.gpu
    short = max(0.0, 1 - machine.vcpu / resources.cpu) if resources.cpu else 0.0
    if resources.memory:
        short += max(0.0, 1 - machine.memory * GIB / resources.memory)
    if gpu is not None:
        short += max(0.0, 1 - machine.gpus / gpu.count)
        short += 0.0 if machine.gpus and _is_gpu(machine.gpu, gpu.kind) else 1.0
    if machine.local is not None and resources.disk:
        short += max(0.0, 1 - machine.local * 10**9 / resources.disk)
    return short, machine.price or 0.0
