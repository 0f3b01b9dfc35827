"""What the project says of itself to `importlib.metadata`: its name, version and entry points."""

from __future__ import annotations

import tomllib
from importlib import metadata
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def files(root: Path) -> dict[str, bytes]:
    """Return the project's metadata as files by their path in a bundle; none without a name.

    Args:
        root: The project's root, whose pyproject.toml is read.
    """
    project = _project(root)
    name = project.get("name")
    if not isinstance(name, str):
        return {}
    version = project.get("version") or _installed(name)
    lines: list[str] = []
    for group, points in sorted(_groups(project).items()):
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in sorted(points.items())), ""]
    folder = f"{name.replace('-', '_')}-{version}.dist-info"
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    return {
        f"{folder}/METADATA": about.encode(),
        f"{folder}/entry_points.txt": "\n".join(lines).encode(),
    }


def entry_modules(root: Path) -> Iterator[str]:
    """Yield the modules that the project's entry points name, but for its commands."""
    for group, points in _groups(_project(root)).items():
        if group not in ("console_scripts", "gui_scripts"):
            yield from (value.partition(":")[0].strip() for value in points.values())


def _project(root: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    table = content.get("project")
    return cast("dict[str, Any]", table) if isinstance(table, dict) else {}


def _groups(project: dict[str, Any]) -> dict[str, dict[str, str]]:
    tables = dict(cast("dict[str, Any]", project.get("entry-points") or {}))
    tables["console_scripts"] = project.get("scripts")
    return {
        group: {str(key): str(value) for key, value in cast("dict[str, Any]", points).items()}
        for group, points in tables.items()
        if isinstance(points, dict) and points
    }


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "0"
