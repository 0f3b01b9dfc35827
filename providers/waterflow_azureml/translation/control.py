"""The programs in the control input of Azure ML's jobs."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from waterflow.cloud.control import job_programs, programs_digest
from waterflow_azureml.job import tracking

if TYPE_CHECKING:
    from collections.abc import Mapping

BEHIND: Final = "behind.py"
"""The program that a step behind gates starts."""
GATE: Final = "gate.py"
"""The program that a gate starts."""
TRACKING: Final = "waterflow_azureml_tracking"
"""The module by which MLflow speaks to a workspace."""
_JOB: Final = Path(__file__).parents[1] / "job"


@cache
def job_files() -> Mapping[str, bytes]:
    """Return the programs that travel in every control input, by name."""
    others = {BEHIND: _JOB / "behind.py", GATE: _JOB / "gate.py"}
    others |= {"waterflow_secrets.py": _JOB / "secrets.py", f"{TRACKING}.py": _JOB / "tracking.py"}
    return job_programs(_JOB / "place.py", others) | {
        # MLflow finds plug-ins among distributions: a folder of that name on the path is one.
        f"{TRACKING}-1.dist-info/METADATA": tracking.METADATA.encode(),
        f"{TRACKING}-1.dist-info/entry_points.txt": tracking.ENTRY_POINTS.encode(),
    }


@cache
def programs() -> str:
    """Return what stands for the programs in the digests of control inputs."""
    return programs_digest(job_files().values())
