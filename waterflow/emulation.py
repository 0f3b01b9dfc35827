"""Emulators of clouds: what one is, where packages name theirs, and how faults are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, cast

from waterflow.errors import ConfigurationError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from importlib.metadata import EntryPoint
    from pathlib import Path
    from types import TracebackType

    from waterflow.profile import Profile

GROUP: Final = "waterflow.emulators"
"""The entry-point group in which a package names its emulators."""

EXTRA: Final = "emulate"
"""The extra with the libraries of Waterflow's own emulators."""

FAULTS: Final = {
    "throttle": "the share of requests that are refused as too many: throttle=0.2",
    "error503": "the share of requests that the service fails to serve",
    "lost": "the share of requests that are carried out while the reply is lost",
    "slow": "the share of requests that are answered late",
    "slow-for": "seconds that a late reply is late by; default 1",
    "fail": "jobs that fail, by a glob of the job's or its step's name: fail=train*",
    "capacity": "attempts of a job that find no machine: capacity=train*:2",
    "limit": "attempts to start a job that a quota refuses: limit=train*:1",
    "internal": "attempts of a job that an internal error of the service ends",
    "image": "attempts of a job that cannot get their image",
    "spot": "interruptions of each job on interruptible machines: spot=2",
    "spot-after": "seconds after which one comes, when no checkpoint is written first; default 1",
    "spot-grace": "seconds that an interrupted job has to end; default 5",
    "seed": "makes the same requests meet the same faults: seed=7",
}
"""The faults that emulators can inject, with their meaning; each emulator names those it has."""


class Emulator(Protocol):
    """A cloud's service on this machine, in a process of its own that ends with the block."""

    @property
    def endpoint(self) -> str:
        """The address it answers at."""
        ...

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point unmodified SDKs at it."""
        ...

    @property
    def unset(self) -> tuple[str, ...]:
        """The variables that would point them elsewhere."""
        ...

    @property
    def isolation(self) -> str:
        """How far its jobs are walled in, in one line."""
        ...

    @property
    def prepared(self) -> tuple[str, ...]:
        """What was made in it for the profiles, a line each."""
        ...

    def ended(self) -> str | None:
        """Return why the service has ended by itself; None while it runs."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class EmulatorClass(Protocol):
    """Makes an emulator; `images`, `faults` and `state` are the verb's options.

    `profiles` are of the provider with the emulator's name. What their stacks would have made,
    such as a bucket, is there when the emulator has started; one that cannot be read is told among
    what was prepared.
    """

    def __call__(
        self,
        *,
        images: Mapping[str, Path] | None = None,
        faults: str | None = None,
        state: Path | None = None,
        profiles: Sequence[Profile] = (),
    ) -> Emulator:
        """Return an emulator that is not started yet.

        Raises:
            ConfigurationError: An option is wrong.
            MissingDependencyError: A library is not installed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Fault:
    """One item of a fault specification.

    Attributes:
        name: Which fault.
        target: What it is restricted to: an operation, a service; None for all.
        value: What follows the `=`.
    """

    name: str
    target: str | None
    value: str

    def number(self, least: float = 0.0, most: float = float("inf")) -> float:
        """Return the value as a number.

        Raises:
            ConfigurationError: It is none, or out of bounds.
        """
        try:
            found = float(self.value)
        except ValueError:
            found = float("nan")
        if not least <= found <= most:
            upper = "" if most == float("inf") else f" to {most:g}"
            raise ConfigurationError(
                f"--fault {self}: '{self.value}' is not a number from {least:g}{upper}. "
                f"{self.name} means {FAULTS.get(self.name, '')}"
            )
        return found

    def whole(self, least: int = 0) -> int:
        """Return the value as a whole number.

        Raises:
            ConfigurationError: It is none, or too small.
        """
        found = self.number(least)
        if found != int(found):
            raise ConfigurationError(f"--fault {self}: '{self.value}' is not a whole number")
        return int(found)

    def counted(self) -> tuple[str, int]:
        """Return the glob and the count of `GLOB:COUNT`.

        Raises:
            ConfigurationError: It is not written so.
        """
        glob, colon, count = self.value.rpartition(":")
        if not colon or not glob or not count.isdigit() or count == "0":
            raise ConfigurationError(
                f"--fault {self}: write the name and how many attempts: {self.name}=NAME:1"
            )
        return glob, int(count)

    def __str__(self) -> str:
        target = f":{self.target}" if self.target else ""
        return f"{self.name}{target}={self.value}"


def parse_faults(text: str | None, known: Collection[str], targets: Collection[str]) -> list[Fault]:
    """Read a fault specification: `throttle=0.2,throttle:CreateJob=0.5,seed=7`.

    Args:
        text: The specification; None for no faults.
        known: The faults that the emulator has.
        targets: Those that can be restricted.

    Raises:
        ConfigurationError: It is written wrongly.
    """
    found: list[Fault] = []
    for item in (text or "").split(","):
        if not item.strip():
            continue
        left, equals, value = (part.strip() for part in item.partition("="))
        name, colon, target = left.partition(":")
        if name not in known:
            raise ConfigurationError(
                f"--fault {item.strip()}: there is no fault '{name}'; there are: {', '.join(known)}"
            )
        if not equals or not value:
            raise ConfigurationError(
                f"--fault {item.strip()}: a value is missing. {name} means "
                f"{FAULTS.get(name, 'a fault')}; write it as {name}=VALUE"
            )
        if colon and (name not in targets or not target):
            raise ConfigurationError(
                f"--fault {item.strip()}: '{name}' cannot be restricted to '{target}'; "
                f"these can: {', '.join(targets)}"
            )
        found.append(Fault(name, target or None, value))
    return found


def emulators() -> dict[str, EntryPoint]:
    """Return the installed emulators by name; none of them is imported."""
    return {
        point.name: point
        for point in sorted(metadata.entry_points(group=GROUP), key=lambda point: point.name)
    }


def emulator(name: str) -> EmulatorClass:
    """Import what makes an emulator.

    Args:
        name: The emulator's name.

    Raises:
        ConfigurationError: No installed package gives it.
        MissingDependencyError: A library that it needs is not installed.
    """
    found = emulators()
    point = found.get(name)
    if point is None:
        raise ConfigurationError(
            f"There is no emulator '{name}'; there are: {', '.join(found) or 'none'}. "
            f"Next: waterflow emulate {next(iter(found), 'NAME')}"
        )
    try:
        made: Callable[..., Any] = point.load()
    except ModuleNotFoundError as error:
        raise missing(error.name or point.module, name) from error
    return cast("EmulatorClass", made)


def missing(library: str, name: str) -> MissingDependencyError:
    """Return the error of an emulator whose library is not installed.

    Args:
        library: The library's import name.
        name: The emulator's name.
    """
    return MissingDependencyError(
        library, f"The emulator '{name}'", f'pip install "waterflow[{name},{EXTRA}]"'
    )
