"""Emulators of clouds: what one is, where packages name theirs, and how faults are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, cast

from waterflow.errors import ConfigurationError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from importlib.metadata import EntryPoint
    from pathlib import Path
    from types import TracebackType

    from waterflow.project.profile import Profile

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


PASSING: Final = "WATERFLOW_EMULATOR_PASSING"
"""The variable that tells a command that its cloud ends with it: nothing can be done later."""
SHARED: Final = "WATERFLOW_EMULATOR_SHARED"
"""The variable that names folders which emulated jobs may change, as PATH names folders."""


@dataclass(frozen=True)
class Image:
    """What stands for a container image.

    Attributes:
        folder: The environment, whose `bin` comes first on PATH.
        command: What runs for a job that names no program; none when it has none of its own.
    """

    folder: Path
    command: tuple[str, ...] = ()


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

    def refused(self) -> dict[str, int]:
        """Return the hosts that were not let through, and how often each was tried."""
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
    """Makes an emulator; its arguments but `profiles` are the verb's options.

    `profiles` are of the provider with the emulator's name. What their stacks would have made,
    such as a bucket, is there when the emulator has started; one that cannot be read is told among
    what was prepared.
    """

    def __call__(
        self,
        *,
        images: Mapping[str, Path | Image] | None = None,
        faults: str | None = None,
        state: Path | None = None,
        profiles: Sequence[Profile] = (),
        shared: Sequence[Path] = (),
        allowed: Sequence[str] = (),
    ) -> Emulator:
        """Return an emulator that is not started yet.

        Raises:
            ConfigurationError: An option is wrong.
            MissingDependencyError: A library is not installed.
        """
        ...


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
    installed = emulators()
    point = installed.get(name)
    if point is None:
        raise ConfigurationError(
            f"There is no emulator '{name}'; there are: {', '.join(installed) or 'none'}. "
            f"Next: waterflow emulate {next(iter(installed), 'NAME')}"
        )
    try:
        make: Callable[..., Any] = point.load()
    except ModuleNotFoundError as error:
        raise missing(error.name or point.module, name) from error
    return cast("EmulatorClass", make)


def missing(library: str, name: str) -> MissingDependencyError:
    """Return the error of an emulator whose library is not installed.

    Args:
        library: The library's import name.
        name: The emulator's name.
    """
    return MissingDependencyError(
        library, f"The emulator '{name}'", f'pip install "waterflow[{name},{EXTRA}]"'
    )
