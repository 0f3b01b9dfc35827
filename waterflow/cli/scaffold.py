"""Writing a new project from the templates: all of its files, or none."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Final

from waterflow.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

FILES: Final = {
    "waterflow.toml": "waterflow.toml",
    "gitignore": ".gitignore",
    "README.md": "README.md",
    "pytest.ini": "pytest.ini",
    "pipeline.py": "pipelines/hello/pipeline.py",
    "steps.py": "pipelines/hello/steps.py",
    "conftest.py": "tests/conftest.py",
    "test_pipeline.py": "tests/test_pipeline.py",
}
"""Template (with `.tmpl` after its name) -> file of the project."""


def scaffold(root: Path) -> list[str]:
    """Make a project.

    Args:
        root: Its folder, made if it is not there.

    Returns:
        The files made, relative to it.

    Raises:
        ConfigurationError: One of them is there already, or cannot be written.
    """
    there = [name for name in FILES.values() if (root / name).exists()]
    if there:
        raise ConfigurationError(
            f"{root} already has {', '.join(there)}; nothing was written. Choose another folder: "
            "waterflow init FOLDER"
        )
    templates = resources.files("waterflow.cli") / "templates"
    try:
        for template, name in FILES.items():
            text = (templates / f"{template}.tmpl").read_text(encoding="utf-8")
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("{{project}}", root.name), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{root} cannot be written: {error.strerror}. Choose another folder"
        ) from None
    return list(FILES.values())
