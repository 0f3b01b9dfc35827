"""The control input of a job: the digest that its programs, its code and STEP.json are kept under.

In it lie `launch.json`, `step.json`, `bundle.tar.gz` and the programs that begin the job.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow.artifacts.folder import canonical
from waterflow.data.fingerprints import text_digest
from waterflow.runtime import launch as launcher

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LAUNCH: Final = "launch.py"
"""The program that a job starts."""


def job_programs(place: Path, others: Mapping[str, Path]) -> dict[str, bytes]:
    """Return the programs that travel in every control input, by name.

    Args:
        place: The cloud's own part of the launcher, whose class `Place` is what
            `waterflow.runtime.launch.Place` describes.
        others: Name -> what else the cloud's jobs need, such as a reader of secrets.
    """
    files = {LAUNCH: Path(launcher.__file__), f"{launcher.PLACE}.py": place, **others}
    return {name: file.read_bytes() for name, file in files.items()}


def programs_digest(programs: Iterable[bytes]) -> str:
    """Return one text that stands for the programs that travel in every control input."""
    return "\0".join(hashlib.sha256(content).hexdigest() for content in programs)


def control_digest(
    launch: Mapping[str, Any], step: Mapping[str, Any], code: str | None, programs: str
) -> str:
    """Return the digest under which a step's control input is kept.

    Args:
        launch: launch.json.
        step: STEP.json.
        code: What caches know the step's code by; None where it has none. Of two bundles of one
            key the first that was brought serves both.
        programs: What `programs_digest` gave.
    """
    parts = [canonical(dict(launch)).decode(), canonical(dict(step)).decode(), code or ""]
    return text_digest("\0".join([*parts, programs]))
