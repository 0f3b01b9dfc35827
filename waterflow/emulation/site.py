"""What all jobs of one emulator share on this machine."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from waterflow.emulation.reach import Reach

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from waterflow.emulation.faults import Faults
    from waterflow.emulation.images import Images
    from waterflow.emulation.isolation import Isolation

GRACE: Final = 10.0
"""Seconds between SIGTERM and SIGKILL, unless said otherwise; clouds give more."""

_LOOK: Final = 0.2


class Slots:
    """The machines of an emulator: so many jobs run at once, the others wait.

    Args:
        count: How many jobs run at once.
    """

    def __init__(self, count: int) -> None:
        self._free = threading.Semaphore(count)

    def take(self, stopping: threading.Event) -> bool:
        """Wait for a machine; return False when the job is to stop before there is one."""
        while not stopping.is_set():
            if self._free.acquire(timeout=_LOOK):
                return True
        return False

    def give_back(self) -> None:
        """Let the next job have the machine."""
        self._free.release()


@dataclass(frozen=True, kw_only=True)
class Site:
    """What all jobs of one emulator share on this machine.

    Attributes:
        isolation: How jobs are walled in.
        images: Which environments stand for images.
        faults: What is to go wrong.
        work: Where jobs' folders are.
        slots: Limits the jobs that run at once to what the machine can bear.
        grace: Seconds between SIGTERM and SIGKILL.
        reach: What of this machine jobs reach from networks of their own.
        access: The variables that lead a job to the emulator's door, and make it trusted.
    """

    isolation: Isolation
    images: Images
    faults: Faults
    work: Path
    slots: Slots
    grace: float = GRACE
    reach: Reach = field(default_factory=Reach)
    access: Mapping[str, str] = field(default_factory=dict[str, str])
