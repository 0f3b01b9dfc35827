"""What this machine offers, and how much of it a step takes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from waterflow.language.resources import parse_size
from waterflow.spec.quantities import show_size

if TYPE_CHECKING:
    from waterflow import spec
    from waterflow_local.profile import LocalSettings


@dataclass(frozen=True)
class Machine:
    """CPUs and bytes of memory that steps may use together."""

    cpu: float
    memory: int

    def __str__(self) -> str:
        return f"this machine, {self.cpu:g} CPU, {show_size(self.memory)}"


def this_machine(settings: LocalSettings) -> Machine:
    """Return what steps may use: the profile's figures, otherwise all there is."""
    memory = (
        parse_size(settings.memory, "memory")
        if settings.memory is not None
        else os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    )
    return Machine(settings.cpu or float(_cpus()), memory)


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def share(machine: Machine, resources: spec.Resources) -> tuple[float, int, tuple[str, ...]]:
    """Return the CPUs and bytes that a step takes of this machine, and what differs from its wish.

    A step that asks for more than there is runs alone.
    """
    notes: list[str] = []
    if resources.cpu > machine.cpu:
        notes.append(f"asks for {resources.cpu:g} CPU and runs alone on {machine.cpu:g}")
    memory = resources.memory or 0
    if memory > machine.memory:
        notes.append(
            f"asks for {show_size(memory)} and runs alone with {show_size(machine.memory)}"
        )
    if resources.gpu is not None:
        notes.append("runs without the accelerators it asks for (profile: gpu)")
    if resources.spot:
        notes.append("is never interrupted here (spot)")
    if resources.instances > 1:
        notes.append("runs on one machine (profile: instances)")
    return min(resources.cpu, machine.cpu), min(memory, machine.memory), tuple(notes)
