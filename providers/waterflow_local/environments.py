"""Virtual environments for steps with requirements that this environment does not meet."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from importlib import metadata
from typing import TYPE_CHECKING

from waterflow.cache import text_digest
from waterflow.errors import ConfigurationError
from waterflow_local.folders import Lock

if TYPE_CHECKING:
    from pathlib import Path

    from waterflow import spec

_READY = ".waterflow-ready"


def interpreters(pipeline: spec.Pipeline, folder: Path) -> dict[str, str]:
    """Return the Python of each step that needs one of its own.

    Args:
        pipeline: The spec.
        folder: Where environments are kept, one for each set of requirements.

    Raises:
        ConfigurationError: A requirement cannot be read or installed.
    """
    return {
        step.name: str(_environment(step.environment.requirements, folder))
        for step in pipeline.steps
        if not _met(step.environment.requirements)
    }


def _met(requirements: tuple[str, ...]) -> bool:
    """Say whether this environment meets all requirements."""
    from packaging.requirements import InvalidRequirement, Requirement

    for text in requirements:
        try:
            wanted = Requirement(text)
        except InvalidRequirement as error:
            raise ConfigurationError(
                f"requirements: {text!r} is no PEP 508 requirement: {error}"
            ) from None
        if wanted.marker is not None and not wanted.marker.evaluate():
            continue
        try:
            found = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            return False
        if wanted.url is not None or not wanted.specifier.contains(found, prereleases=True):
            return False
    return True


def _environment(requirements: tuple[str, ...], folder: Path) -> Path:
    """Return the Python of an environment with the requirements on top of this one's libraries."""
    name = text_digest("\n".join([sys.version, sys.prefix, *sorted(requirements)]))[:16]
    place = folder / name
    python = place / "bin" / "python"
    folder.mkdir(parents=True, exist_ok=True)
    with Lock(folder / f"{name}.lock"):
        if (place / _READY).exists():
            return python
        shutil.rmtree(place, ignore_errors=True)
        uv = shutil.which("uv")
        ours = importlib.util.find_spec("pip") is not None
        # An environment that uv made holds no pip; the new one then gets Python's own copy.
        bare = ["--without-pip"] if uv or ours else []
        _call([sys.executable, "-m", "venv", *bare, str(place)])
        site = next((place / "lib").glob("python*/site-packages"))
        inherited = [path for path in sys.path if path.endswith("site-packages")]
        (site / "inherited.pth").write_text("\n".join(inherited) + "\n")
        if uv:
            installer = [uv, "pip", "install", "--python", str(python)]
        elif ours:
            installer = [sys.executable, "-m", "pip", "--python", str(python), "install"]
        else:
            installer = [str(python), "-m", "pip", "install"]
        _call([*installer, *requirements])
        (place / _READY).touch()
    return python


def _call(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise ConfigurationError(f"The environment of a step could not be made:\n{tail}")
