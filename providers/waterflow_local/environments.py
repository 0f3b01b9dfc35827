"""Virtual environments for steps with requirements that this environment does not meet."""

from __future__ import annotations

import shutil
import sys
import venv
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from waterflow import spec
from waterflow.data.fingerprints import text_digest
from waterflow.errors import ConfigurationError
from waterflow.packing import wheelhouse
from waterflow_local.document import Interpreter
from waterflow_local.folders import Lock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.packing.wheelhouse import Wheelhouse
    from waterflow_local.folders import State

_READY = ".waterflow-ready"


def interpreters(
    pipeline: spec.Pipeline, state: State, images: Mapping[str, str]
) -> dict[str, Interpreter]:
    """Return the Python of each step that needs one of its own.

    Args:
        pipeline: The spec.
        state: The project's state: where environments and wheelhouses are kept.
        images: Image -> the folder that stands for it; "" for this machine's own programs.

    Raises:
        ConfigurationError: A requirement cannot be read or installed, or an image's folder holds
            no Python.
    """
    pythons: dict[str, Interpreter] = {}
    for step in pipeline.steps:
        image = None if isinstance(step.run, spec.Container) else step.environment.image
        if image is not None and images.get(image):
            pythons[step.name] = Interpreter(_inside(step, image, images[image]))
        elif unmet(step, images):
            own = step.environment.requirements
            contents = "\n".join(
                f"{one} {digest}" for one, digest in sorted(wheelhouse.file_contents(own).items())
            )
            wheels = wheelhouse.resolve(own, state.wheelhouses, contents=contents)
            python = _environment(wheels, state.environments)
            pythons[step.name] = Interpreter(str(python), wheels.digest)
    return pythons


def unmet(step: spec.Step, images: Mapping[str, str]) -> bool:
    """Say whether a step needs libraries that must be resolved before its content key is known.

    Args:
        step: The step.
        images: Image -> the folder that stands for it; "" for this machine's own programs.

    Raises:
        ConfigurationError: A requirement cannot be read.
    """
    image = None if isinstance(step.run, spec.Container) else step.environment.image
    stands = image is not None and bool(images.get(image))
    return not stands and not _met(step.environment.requirements)


def _inside(step: spec.Step, image: str, folder: str) -> str:
    """Return the Python of the folder that stands for a function step's image."""
    python = Path(folder).absolute() / "bin" / "python"
    if not python.is_file():
        raise ConfigurationError(
            f"Step '{step.name}' runs in image {image!r}, for which {folder} stands, and there is "
            f"no {python}. Make an environment there: python -m venv {folder}"
        )
    if step.environment.requirements:
        raise ConfigurationError(
            f"Step '{step.name}' has requirements and an image for which {folder} stands. Install "
            f"them there, and take either from the step: {python} -m pip install ..."
        )
    return str(python)


def _met(requirements: tuple[str, ...]) -> bool:
    """Say whether this environment meets all requirements."""
    from packaging.requirements import InvalidRequirement, Requirement

    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise ConfigurationError(
                f"requirements: {text!r} is no PEP 508 requirement: {error}"
            ) from None
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            return False
        fits = requirement.specifier.contains(version, prereleases=True)
        if requirement.url is not None or not fits:
            return False
    return True


def _environment(wheels: Wheelhouse, folder: Path) -> Path:
    """Return the Python of an environment with the wheels on top of this one's libraries."""
    name = text_digest("\n".join([sys.version, sys.prefix, wheels.digest]))[:16]
    place = folder / name
    python = place / "bin" / "python"
    folder.mkdir(parents=True, exist_ok=True)
    with Lock(folder / f"{name}.lock"):
        if not (place / _READY).exists():
            shutil.rmtree(place, ignore_errors=True)
            venv.create(place, with_pip=False, symlinks=True)
            site = next((place / "lib").glob("python*/site-packages"))
            inherited = [path for path in sys.path if path.endswith("site-packages")]
            (site / "inherited.pth").write_text("\n".join(inherited) + "\n")
            wheelhouse.install(wheels, python)
            (place / _READY).touch()
    return python
