"""What Vertex AI bills for a custom job, by the job itself: pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from waterflow.cloud.service import Usage
from waterflow_vertex.answers import moment
from waterflow_vertex.machines import attached

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from waterflow_vertex.machines import VertexMachine

INCREMENT: Final = 30
"""Seconds by which custom training is billed: https://cloud.google.com/vertex-ai/pricing"""
_NONE: Final = "ACCELERATOR_TYPE_UNSPECIFIED"


def usage(job: Mapping[str, Any]) -> list[Usage]:
    """Return the machines that a custom job is billed for, from its start to its end.

    What is begun of an increment is billed whole.

    Args:
        job: What GetCustomJob answers.
    """
    started, ended = moment(job.get("startTime")), moment(job.get("endTime"))
    if started is None or ended is None:
        return []
    spec: Mapping[str, Any] = job.get("jobSpec") or {}
    pools: Sequence[Mapping[str, Any]] = spec.get("workerPoolSpecs") or ()
    seconds = math.ceil((ended - started) / 1000 / INCREMENT) * INCREMENT
    # What spot machines cost changes with the day.
    spot = str((spec.get("scheduling") or {}).get("strategy") or "") == "SPOT"
    return [
        Usage(
            machine=_shown(machine),
            seconds=seconds,
            count=int(pool.get("replicaCount") or 1),
            price=None if spot else _price(machine),
        )
        for pool in pools
        if (machine := pool.get("machineSpec") or {}).get("machineType")
    ]


def _shown(machine: Mapping[str, Any]) -> str:
    way = _way(machine)
    if way is None or not way.is_attached:
        return str(machine["machineType"])
    return f"{way.type} + {way.gpus} {way.gpu}"


def _price(machine: Mapping[str, Any]) -> float | None:
    way = _way(machine)
    return None if way is None else way.price


def _way(machine: Mapping[str, Any]) -> VertexMachine | None:
    """Return the machine type with what is attached to it; None for one that is not known."""
    kind = machine.get("acceleratorType") or _NONE
    accelerator = None if kind == _NONE else kind
    count = int(machine.get("acceleratorCount") or 0) if accelerator else 0
    ways = attached().get(str(machine["machineType"]), ())
    return next((w for w in ways if w.accelerator == accelerator and w.gpus == count), None)
