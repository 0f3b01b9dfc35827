"""Which environment of this machine stands for a container image."""

from __future__ import annotations

import fnmatch
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from waterflow.errors import ConfigurationError
from waterflow.provider.emulators import Image

if TYPE_CHECKING:
    from collections.abc import Mapping

_SYSTEM: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Images:
    """The environments by image.

    Args:
        environments: Image (a URI, a repository with or without its registry, or a glob) -> what
            stands for it.
        shims: A folder for the default environment's `python3`.
    """

    def __init__(self, environments: Mapping[str, Image], shims: Path) -> None:
        self._environments = dict(environments)
        self._default = _own_bin(shims)

    def path(self, image: str) -> str:
        """Return the PATH of a container of an image; an unknown image is the default one."""
        environment = self.find(image)
        first = self._default if environment is None else str(environment.folder / "bin")
        return f"{first}:{_SYSTEM}"

    def command(self, image: str) -> tuple[str, ...]:
        """Return what an image runs for a job that names no program; none when none was named."""
        environment = self.find(image)
        return () if environment is None else environment.command

    def find(self, image: str) -> Image | None:
        """Return what stands for an image; None when none was named."""
        whole = image.partition("@")[0]
        untagged = whole[: whole.rfind(":")] if ":" in whole.rpartition("/")[2] else whole
        names = [image, whole, untagged, whole.rpartition("/")[2], untagged.rpartition("/")[2]]
        for name in names:
            if name in self._environments:
                return self._environments[name]
        for pattern, environment in self._environments.items():
            if any(fnmatch.fnmatchcase(name, pattern) for name in names):
                return environment
        return None


def check(images: Mapping[str, Path | Image]) -> dict[str, Image]:
    """Return what stands for images, with absolute folders.

    Raises:
        ConfigurationError: A folder is not an environment.
    """
    environments: dict[str, Image] = {}
    for name, one in images.items():
        image = one if isinstance(one, Image) else Image(one)
        place = Path(os.path.abspath(image.folder))  # noqa: PTH100 - a link to one stays one
        if not (place / "bin").is_dir():
            raise ConfigurationError(
                f"--image {name}={image.folder}: {place} is no environment: it has no folder "
                f"'bin'. Make one: python3 -m venv {image.folder}"
            )
        environments[name] = Image(place, image.command)
    return environments


def _own_bin(shims: Path) -> str:
    """Return a folder in which `python3` is the interpreter that runs this."""
    folder = Path(sys.executable).parent
    python = folder / "python3"
    if python.exists() and python.samefile(sys.executable) and (folder / "python").exists():
        return str(folder)
    # A link would hide a virtual environment's configuration from the interpreter; a script not.
    shims.mkdir(parents=True, exist_ok=True)
    for name in ("python3", "python"):
        shim = shims / name
        shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
        shim.chmod(0o755)
    return f"{shims}:{folder}"
