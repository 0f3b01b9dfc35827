"""Which faults the emulator injects: into requests by chance, into jobs by name and attempt."""

from __future__ import annotations

import fnmatch
import random
import re
import threading
from dataclasses import dataclass, field
from typing import Final

from waterflow.emulation.faults import Fault, parse_faults
from waterflow.provider.emulators import FAULTS

REQUESTS: Final = ("throttle", "error503", "lost", "slow")
"""Faults of requests: `NAME=SHARE`, `NAME:OPERATION=SHARE` or `NAME:SERVICE=SHARE`."""

SERVICES: Final = ("sagemaker", "logs", "scheduler")
"""Services whose requests meet a fault that names no service and no operation.

S3 is not among them, since a job's own traffic would fail too; ask for it: `throttle:s3=0.1`.
"""

_OF_STEP: Final = re.compile(r"pipelines-[a-z0-9]{12}-(?P<step>.+)-[A-Za-z0-9]{10}")


@dataclass
class Faults:
    """The faults asked for.

    Attributes:
        shares: (fault, operation or service; None for the usual services) -> share of requests.
        slow_for: Seconds that a late reply is late by.
        failing: Globs of jobs that fail.
        counted: (fault, glob, how many attempts it hits).
        spot: Interruptions of each spot job.
        spot_after: Seconds after which one comes when no checkpoint is written first.
        spot_grace: Seconds that an interrupted job has to end.
        seed: What makes requests' faults repeat; None for chance.
    """

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
            service: The service asked.
            operation: The operation asked for.
        """
        share = self.shares.get((fault, operation))
        if share is None:
            share = self.shares.get((fault, service))
        if share is None and service in SERVICES:
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
        """Tell whether a job is to fail."""
        return any(_matches(glob, job) for glob in self.failing)

    def attempt(self, fault: str, job: str, scope: str = "") -> bool:
        """Decide whether an attempt of a job meets a fault, and count it.

        Args:
            fault: "capacity", "limit", "internal" or "image".
            job: The job's name.
            scope: What else tells one sequence of attempts from another.
        """
        for name, glob, count in self.counted:
            if name != fault or not _matches(glob, job):
                continue
            found = _OF_STEP.fullmatch(job)
            # Attempts of a pipeline's step have names of their own; they share all but the end.
            series = job[: found.end("step")] if found else ""
            key = (fault, glob, f"{scope}/{series}")
            with self._lock:
                self._hits[key] = self._hits.get(key, 0) + 1
                if self._hits[key] <= count:
                    return True
        return False


def parse(text: str | None) -> Faults:
    """Read what `--fault` says.

    Raises:
        ConfigurationError: It is written wrongly.
    """
    found = Faults()
    for fault in parse_faults(text, tuple(FAULTS), REQUESTS):
        _apply(found, fault)
    return found


def _apply(found: Faults, fault: Fault) -> None:
    match fault.name:
        case "slow-for":
            found.slow_for = fault.number()
        case "spot-after":
            found.spot_after = fault.number()
        case "spot-grace":
            found.spot_grace = fault.number()
        case "spot":
            found.spot = fault.whole()
        case "seed":
            found.seed = fault.whole()
        case "fail":
            found.failing.append(fault.value)
        case "capacity" | "limit" | "internal" | "image":
            found.counted.append((fault.name, *fault.counted()))
        case _:
            found.shares[fault.name, fault.target] = fault.number(0, 1)


def _matches(glob: str, job: str) -> bool:
    found = _OF_STEP.fullmatch(job)
    if found and fnmatch.fnmatchcase(found["step"], glob.replace("_", "-")):
        return True
    return fnmatch.fnmatchcase(job, glob)
