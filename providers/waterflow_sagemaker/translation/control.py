"""The control input of a job: which programs lie in it, and the digest that it is kept under."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow.artifacts.folder import canonical
from waterflow.data.fingerprints import text_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

_HERE: Final = Path(__file__).parents[1] / "job"


@cache
def job_files() -> Mapping[str, bytes]:
    """Return the programs that travel in every control input, by name."""
    names = {"launch.py": "launch.py", "waterflow_secrets.py": "secrets.py"}
    return {name: (_HERE / file).read_bytes() for name, file in names.items()}


@cache
def _programs() -> str:
    return "\0".join(hashlib.sha256(content).hexdigest() for content in job_files().values())


def control_digest(launch: Mapping[str, Any], step: Mapping[str, Any], code: str | None) -> str:
    """Return the digest under which a step's control input is kept.

    Args:
        launch: launch.json.
        step: STEP.json.
        code: The digest of the step's bundle; None where it has none.
    """
    parts = [canonical(dict(launch)).decode(), canonical(dict(step)).decode(), code or ""]
    return text_digest("\0".join([*parts, _programs()]))
