"""The programs in the control input of SageMaker's jobs."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from waterflow.cloud.control import programs_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

_HERE: Final = Path(__file__).parents[1] / "job"


@cache
def job_files() -> Mapping[str, bytes]:
    """Return the programs that travel in every control input, by name."""
    names = {"launch.py": "launch.py", "waterflow_secrets.py": "secrets.py"}
    return {name: (_HERE / file).read_bytes() for name, file in names.items()}


@cache
def programs() -> str:
    """Return what stands for the programs in the digests of control inputs."""
    return programs_digest(job_files().values())
