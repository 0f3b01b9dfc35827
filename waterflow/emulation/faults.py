"""Which faults an emulator injects: read from `--fault`, into requests by chance, jobs by name."""

from __future__ import annotations

import fnmatch
import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from waterflow.errors import ConfigurationError
from waterflow.provider.emulators import FAULTS

if TYPE_CHECKING:
    import re
    from collections.abc import Collection

REQUESTS: Final = ("throttle", "error503", "lost", "slow")
"""Faults of requests: `NAME=SHARE`, `NAME:OPERATION=SHARE` or `NAME:SERVICE=SHARE`."""

COUNTED: Final = ("capacity", "limit", "internal", "image")
"""Faults that hit the first attempts of jobs: `NAME=GLOB:COUNT`."""


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
            number = float(self.value)
        except ValueError:
            number = float("nan")
        if not least <= number <= most:
            upper = "" if most == float("inf") else f" to {most:g}"
            raise ConfigurationError(
                f"--fault {self}: '{self.value}' is not a number from {least:g}{upper}. "
                f"{self.name} means {FAULTS.get(self.name, '')}"
            )
        return number

    def whole(self, least: int = 0) -> int:
        """Return the value as a whole number.

        Raises:
            ConfigurationError: It is none, or too small.
        """
        number = self.number(least)
        if number == float("inf") or number != int(number):
            raise ConfigurationError(f"--fault {self}: '{self.value}' is not a whole number")
        return int(number)

    def counted(self) -> tuple[str, int]:
        """Return the glob and the count of `GLOB:COUNT`.

        Raises:
            ConfigurationError: It is not written so.
        """
        glob, colon, count = self.value.rpartition(":")
        if not colon or not glob or not count.isdecimal() or int(count) < 1:
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
    faults: list[Fault] = []
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
        faults.append(Fault(name, target or None, value))
    return faults


@dataclass(frozen=True, kw_only=True)
class FaultRules:
    """Which faults an emulator has, and how it understands names.

    Attributes:
        known: The faults that it has.
        services: The services whose requests meet a fault that names no service and no
            operation; empty for all. The store that jobs themselves use is best left out.
        step: What the name of a job that is one attempt at a pipeline's step looks like, with a
            group `step`; None where such names say nothing.
    """

    known: tuple[str, ...] = tuple(FAULTS)
    services: frozenset[str] = frozenset()
    step: re.Pattern[str] | None = None

    def matches(self, glob: str, job: str) -> bool:
        """Return whether a glob means a job: its name, or its step's."""
        attempt = self.step.fullmatch(job) if self.step else None
        if attempt and fnmatch.fnmatchcase(attempt["step"], glob.replace("_", "-")):
            return True
        return fnmatch.fnmatchcase(job, glob)

    def series(self, job: str) -> str:
        """Return what all attempts at one step share of their jobs' names; "" for other jobs."""
        attempt = self.step.fullmatch(job) if self.step else None
        return job[: attempt.end("step")] if attempt else ""


@dataclass
class Faults:
    """The faults of one emulator.

    Attributes:
        rules: Which there are, and how names are understood.
        shares: (fault, operation or service; None for the usual services) -> share of requests.
        slow_for: Seconds that a late reply is late by.
        failing: Globs of jobs that fail.
        counted: (fault, glob, how many attempts it hits).
        spot: Interruptions of each job on interruptible machines.
        spot_after: Seconds after which one comes when no checkpoint is written first.
        spot_grace: Seconds that an interrupted job has to end.
        seed: What makes requests' faults repeat; None for chance.
    """

    rules: FaultRules = field(default_factory=FaultRules)
    shares: dict[tuple[str, str | None], float] = field(default_factory=dict)
    slow_for: float = 1.0
    failing: list[str] = field(default_factory=list)
    counted: list[tuple[str, str, int]] = field(default_factory=list)
    spot: int = 0
    spot_after: float = 1.0
    spot_grace: float = 5.0
    seed: int | None = None
    _chances: dict[tuple[str, str], random.Random] = field(default_factory=dict)
    _hits: dict[tuple[str, str, str], int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def parse(cls, text: str | None, rules: FaultRules) -> Self:
        """Read what `--fault` says.

        Args:
            text: The specification; None for no faults.
            rules: Which faults there are, and how names are understood.

        Raises:
            ConfigurationError: It is written wrongly.
        """
        faults = cls(rules)
        for fault in parse_faults(text, rules.known, REQUESTS):
            faults._add(fault)
        return faults

    @property
    def jobs(self) -> bool:
        """Whether any fault hits jobs by name."""
        return bool(self.failing or self.counted)

    def request(self, fault: str, service: str, operation: str) -> bool:
        """Decide whether a request meets a fault.

        With a seed, the n-th request of an operation meets the same faults in every emulator,
        whatever comes between.

        Args:
            fault: One of REQUESTS.
            service: The service that the request is to.
            operation: The operation that it names.
        """
        share = self.shares.get((fault, operation))
        if share is None:
            share = self.shares.get((fault, service))
        if share is None and (not self.rules.services or service in self.rules.services):
            share = self.shares.get((fault, None))
        if not share:
            return False
        with self._lock:
            chance = self._chances.get((fault, operation))
            if chance is None:
                seed = None if self.seed is None else f"{self.seed}/{fault}/{operation}"
                chance = self._chances[fault, operation] = random.Random(seed)  # noqa: S311
            return chance.random() < share

    def fails(self, job: str) -> bool:
        """Return whether a job is to fail."""
        return any(self.rules.matches(glob, job) for glob in self.failing)

    def attempt(self, fault: str, job: str, scope: str = "") -> bool:
        """Decide whether an attempt of a job meets a fault, and count it.

        Args:
            fault: One of COUNTED.
            job: The job's name.
            scope: What else tells one sequence of attempts from another.
        """
        for name, glob, count in self.counted:
            if name != fault or not self.rules.matches(glob, job):
                continue
            key = (fault, glob, f"{scope}/{self.rules.series(job)}")
            with self._lock:
                self._hits[key] = self._hits.get(key, 0) + 1
                if self._hits[key] <= count:
                    return True
        return False

    def _add(self, fault: Fault) -> None:
        match fault.name:
            case "slow-for":
                self.slow_for = fault.number()
            case "spot-after":
                self.spot_after = fault.number()
            case "spot-grace":
                self.spot_grace = fault.number()
            case "spot":
                self.spot = fault.whole()
            case "seed":
                self.seed = fault.whole()
            case "fail":
                self.failing.append(fault.value)
            case name if name in COUNTED:
                self.counted.append((name, *fault.counted()))
            case name:
                self.shares[name, fault.target] = fault.number(0, 1)


class SpotPlan:
    """The interruptions that one job on interruptible machines still meets.

    Args:
        faults: What is to go wrong.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._left = faults.spot
        self._at = float("inf")

    def begin(self) -> None:
        """Note that an attempt begins now."""
        self._at = time.monotonic() + self._faults.spot_after if self._left else float("inf")

    def due(self, *, checkpointed: bool) -> bool:
        """Return whether an interruption comes now.

        Args:
            checkpointed: Whether the job has just written a checkpoint: that is the moment to
                interrupt it, as it then loses little.
        """
        return bool(self._left) and (checkpointed or time.monotonic() >= self._at)

    def spend(self) -> None:
        """Note that the job was interrupted."""
        self._left -= 1
