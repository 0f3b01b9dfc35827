"""Keeps the author's live tree off the import path of steps; also the script that starts one anew.

A step's code comes from its bundle alone: what the bundle lacks is an ImportError, and is never
read from a tree that may have changed since. As a script (`python -P paths.py FOLDERS ARGUMENTS`)
it imports the standard library only, since the interpreter may be one without Waterflow.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection

SCRIPT: Final = str(Path(__file__).resolve())


def project_folders(root: Path) -> list[str]:
    """Return the folders from which this process would import the project's own modules.

    Args:
        root: The project's folder.
    """
    from waterflow.packing.imports import search_path

    root = root.resolve()
    return list(dict.fromkeys(map(str, (*search_path(root), root / "src", Path.cwd()))))


def without(entries: list[str], folders: Collection[str]) -> list[str]:
    """Return the entries of an import path that are none of the folders, and not the cwd."""
    return [entry for entry in entries if entry and os.path.realpath(entry) not in folders]


def drop(folders: Collection[str]) -> None:
    """Import nothing from the folders any more, whatever put them on the import path."""
    sys.path[:] = without(sys.path, folders)
    sys.meta_path[:] = [finder for finder in sys.meta_path if not _editable(finder, folders)]
    sys.path_importer_cache.clear()


def is_editable(folder: str) -> bool:
    """Say whether modules of a folder are imported by an editable install's finder."""
    return any(_editable(finder, [folder]) for finder in sys.meta_path)


def _editable(finder: Any, folders: Collection[str]) -> bool:
    """Say whether a finder is that of an editable install (setuptools) of one of the folders."""
    module = sys.modules.get(getattr(finder, "__module__", ""))
    mapping: dict[str, str] = getattr(module, "MAPPING", None) or {}
    return (
        module is not None
        and module.__name__.startswith("__editable__")
        and any(
            str(parent) in folders
            for place in mapping.values()
            for parent in Path(os.path.realpath(place)).parents
        )
    )


def command(python: str, folders: Collection[str], arguments: list[str]) -> list[str]:
    """Return the command that starts an attempt in a fresh interpreter.

    Args:
        python: The interpreter.
        folders: From where it must import nothing.
        arguments: Those of `waterflow.runtime.execute`.
    """
    return [python, "-P", SCRIPT, os.pathsep.join(folders), *arguments]


if __name__ == "__main__":
    drop(sys.argv.pop(1).split(os.pathsep))
    runpy.run_module("waterflow.runtime.execute", run_name="__main__", alter_sys=True)
