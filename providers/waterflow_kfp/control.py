"""The programs in the control input of jobs, whichever service runs them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from waterflow.cloud.control import job_programs

if TYPE_CHECKING:
    from collections.abc import Mapping

_JOB: Final = Path(__file__).parent / "job"


def job_files(others: Mapping[str, Path]) -> Mapping[str, bytes]:
    """Return the programs that travel in every control input, by name.

    Args:
        others: Name -> what a service's jobs need beside those that all do.
    """
    return job_programs(_JOB / "place.py", others)
