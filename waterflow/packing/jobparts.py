"""The part of Waterflow that every bundle carries, so that a job needs no Waterflow installed."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from waterflow.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

JOB_PARTS: Final = ("__init__", "errors", "language", "artifacts", "runtime", "tracking")
"""The modules and packages of Waterflow that a job needs, relative to `waterflow/`."""

_PACKAGE: Final = Path(__file__).resolve().parents[1]


@cache
def files() -> Mapping[str, bytes]:
    """Return the files by their path in a bundle.

    Raises:
        ConfigurationError: Waterflow is not whole, or runs without being installed.
    """
    parts: dict[str, bytes] = {}
    for part in JOB_PARTS:
        module, package = _PACKAGE / f"{part}.py", _PACKAGE / part
        held = [module] if module.is_file() else sorted(package.rglob("*.py"))
        if not held:
            raise ConfigurationError(
                f"Waterflow is not whole: {module} is missing. "
                "Install it anew, with --force-reinstall"
            )
        for file in held:
            parts[f"waterflow/{file.relative_to(_PACKAGE).as_posix()}"] = file.read_bytes()
    return MappingProxyType(parts | _distribution_files(frozenset(parts)))


@cache
def hashes() -> Mapping[str, str]:
    """Return the sha256 of each file, in hex, by its path in a bundle."""
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in files().items()}
    return MappingProxyType(digests)


def _distribution_files(paths: frozenset[str]) -> dict[str, bytes]:
    """Return what makes MLflow find the spool plug-in where Waterflow is not installed."""
    try:
        own = metadata.distribution("waterflow")
    except metadata.PackageNotFoundError:
        raise ConfigurationError(
            "Waterflow runs from a folder without being installed. Run: pip install -e ."
        ) from None
    groups: dict[str, list[str]] = {}
    for point in own.entry_points:
        # MLflow warns of an entry point that it cannot load: only what the bundle holds is named.
        place = point.module.replace(".", "/")
        present = f"{place}.py" in paths or f"{place}/__init__.py" in paths
        if point.group.startswith("mlflow.") and present:
            groups.setdefault(point.group, []).append(f"{point.name} = {point.value}")
    text = "\n".join(
        "\n".join([f"[{group}]", *sorted(groups[group]), ""]) for group in sorted(groups)
    )
    about = f"Metadata-Version: 2.1\nName: waterflow\nVersion: {own.version}\n"
    folder = f"waterflow-{own.version}.dist-info"
    return {f"{folder}/METADATA": about.encode(), f"{folder}/entry_points.txt": text.encode()}
