"""What Azure bills for a job, by what run history tells of it: pure."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from waterflow.cloud.service import Usage
from waterflow_azureml.machines import table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow_azureml.machines import VmSize


def usage(compute: Mapping[str, Any], started: int | None, ended: int | None) -> list[Usage]:
    """Return the machines that a job is billed for, from its start to its end.

    Azure bills virtual machines by the second. A cluster's are billed too while they wait for jobs
    that do not come; no job's record has that.
    https://learn.microsoft.com/azure/machine-learning/concept-plan-manage-cost

    Args:
        compute: `compute` of the job in run history; empty for one that was answered by another's
            result.
        started: When it began, in milliseconds since the epoch.
        ended: When it ended.
    """
    size = str(compute.get("vmSize") or "")
    if not size or started is None or ended is None:
        return []
    known = _by_size().get(size.lower())
    # What low priority costs changes with the region and the day: nobody is told it.
    dedicated = str(compute.get("priority") or "Dedicated").lower() == "dedicated"
    return [
        Usage(
            machine=size if known is None else known.type,
            seconds=(ended - started) / 1000,
            count=int(compute.get("instanceCount") or 1),
            price=known.price if known is not None and dedicated else None,
        )
    ]


@cache
def _by_size() -> Mapping[str, VmSize]:
    """Return the VM sizes by their names in small letters: Azure writes them as it likes."""
    return {name.lower(): size for name, size in table().items()}
