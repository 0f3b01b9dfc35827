"""The project's code behind a model's classes, as a model version carries it."""

from __future__ import annotations

import ast
import contextlib
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from waterflow.tracking import distributions

if TYPE_CHECKING:
    from collections.abc import Iterator

_OURS: Final = "waterflow"
"""What every bundle holds besides the project's modules, which import it only to define steps."""


@dataclass
class ModelCode:
    """Code that was gathered.

    Attributes:
        entries: The modules and packages, as files and folders.
        imports: The top-level names that they import.
    """

    entries: list[Path] = field(default_factory=list[Path])
    imports: set[str] = field(default_factory=set[str])


def gather(modules: set[str], bundle: Path | None, place: Path) -> ModelCode:
    """Copy the project's modules that a model needs; nothing where its classes are libraries'.

    Args:
        modules: The modules that the model's files name.
        bundle: The job's code bundle, which holds these modules with all that they import; None
            where the job runs in the live tree: there it is the whole of their packages.
        place: An empty folder to copy to.
    """
    tops = {module.partition(".")[0] for module in modules} - set(sys.stdlib_module_names)
    files = dict(_of_bundle(tops, bundle) if bundle is not None else _of_process(tops))
    code = ModelCode()
    for path, file in files.items():
        target = place / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)  # the content alone: a bundle's files are read-only
        code.imports |= _imports(file)
    if bundle is not None and _OURS in code.imports:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(
            bundle / _OURS, place / _OURS, ignore=ignored, copy_function=shutil.copyfile
        )
    code.entries = sorted(place.iterdir()) if files else []
    return code


def _of_bundle(tops: set[str], bundle: Path) -> Iterator[tuple[str, Path]]:
    """Yield a bundle's modules, by their path in it, where one of the names is among them."""
    if not any((bundle / top).is_dir() or (bundle / f"{top}.py").is_file() for top in tops):
        return
    for file in sorted(bundle.rglob("*.py")):
        path = file.relative_to(bundle)
        if path.parts[0] != _OURS:
            yield path.as_posix(), file


def _of_process(tops: set[str]) -> Iterator[tuple[str, Path]]:
    """Yield the files of imported modules that no distribution has, by their path."""
    libraries = distributions.owners()
    for top in sorted(tops - set(libraries) - {_OURS}):
        module = sys.modules.get(top)
        if module is None:
            continue
        folders = list(getattr(module, "__path__", ()))
        if not folders and module.__file__ is not None:
            yield f"{top}.py", Path(module.__file__)
        for folder in map(Path, folders):
            for file in sorted(folder.rglob("*.py")):
                yield f"{top}/{file.relative_to(folder).as_posix()}", file


def _imports(file: Path) -> set[str]:
    """Return the top-level names that a module imports."""
    names: set[str] = set()
    with contextlib.suppress(SyntaxError):
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Import):
                names.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names
