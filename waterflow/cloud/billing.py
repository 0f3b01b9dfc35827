"""What a cloud bills for a run: its own records of the jobs, at the prices of their machines."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from waterflow.provider import Billed
from waterflow.provider.state import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from waterflow.cloud.runs import Look
    from waterflow.cloud.service import Service, Usage
    from waterflow.cloud.states import NativeRun

_AT_ONCE: Final = 8
_HOUR: Final = 3600


def billed(service: Service[Any], look: Look) -> list[Billed]:
    """Return what a cloud bills for a run's jobs that have ended, by step and gate.

    Args:
        service: The cloud, which is asked for each job.
        look: The run.

    Raises:
        ProviderError: The cloud cannot be asked.
    """
    jobs: dict[str, list[NativeRun]] = {}
    for run in look.steps.values():
        native = look.execution.natives.get(run.native)
        if native is not None:  # a step may stand in several branches
            own = jobs.setdefault(native.step or native.gate or native.name, [])
            own += [job for job in run.jobs if _has_run(job)]
    service.connect()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        asked = {
            name: [pool.submit(service.usage, job) for job in parts] for name, parts in jobs.items()
        }
        by_name = {
            name: [usage for one in answers for usage in one.result()]
            for name, answers in asked.items()
        }
    return [_billed(name, usages) for name, usages in by_name.items() if usages]


def _has_run(job: NativeRun) -> bool:
    return job.status.final and job.status is not Status.CACHED


def _billed(name: str, usages: Sequence[Usage]) -> Billed:
    costs = [
        None if one.price is None else one.seconds * one.count / _HOUR * one.price for one in usages
    ]
    known = [cost for cost in costs if cost is not None]
    return Billed(
        step=name,
        seconds=sum(one.seconds * one.count for one in usages),
        machine=", ".join(dict.fromkeys(one.machine for one in usages)),
        cost=sum(known) if len(known) == len(costs) else None,
    )
