"""Fault specifications: what `--fault` may say, for every emulator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from waterflow.errors import ConfigurationError
from waterflow.provider.emulators import FAULTS

if TYPE_CHECKING:
    from collections.abc import Collection


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
