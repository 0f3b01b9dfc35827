"""The programs in the control input of Azure ML's jobs."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from waterflow.cloud.control import job_programs, programs_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

BEHIND: Final = "behind.py"
"""The program that a step behind gates starts."""
GATE: Final = "gate.py"
"""The program that a gate starts."""
_JOB: Final = Path(__file__).parents[1] / "job"


@cache
def job_files() -> Mapping[str, bytes]:
    """Return the programs that travel in every control input, by name."""
    others = {BEHIND: _JOB / "behind.py", GATE: _JOB / "gate.py"}
    secrets = _JOB / "secrets.py"
    if secrets.exists():
        others["waterflow_secrets.py"] = secrets
    return job_programs(_JOB / "place.py", others)


@cache
def programs() -> str:
    """Return what stands for the programs in the digests of control inputs."""
    return programs_digest(job_files().values())
