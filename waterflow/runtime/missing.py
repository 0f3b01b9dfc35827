"""What a job says of a module or a file that its code bundle lacks: how to take it along."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from waterflow.runtime.contract import source_folders


def advice(error: BaseException) -> str:
    """Return how to take along what an exception says is missing; "" where that is not it.

    Args:
        error: What the user's code raised.
    """
    bundle, root = source_folders()
    if not bundle:
        return ""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        text = ""
        if isinstance(one, ModuleNotFoundError):
            text = _module(one.name or "", Path(bundle), Path(root))
        elif isinstance(one, ImportError):
            text = _member(one, Path(bundle), Path(root))
        elif isinstance(one, (FileNotFoundError, NotADirectoryError)):
            text = _file(one.filename, Path(bundle), Path(root))
        if text:
            return text
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    return ""


def _module(name: str, bundle: Path, root: Path) -> str:
    if not name or name.partition(".")[0] in sys.stdlib_module_names:
        return ""
    place = name.replace(".", "/")
    live = _in_project(root, (f"{place}.py", f"{place}/__init__.py", place))
    if live is not None:
        return (
            f"Module '{name}' is in the project, but not in the step's code bundle: nothing that "
            f"can be seen before the job runs imports it. Take it along: "
            f'@wf.step(include=["{live}"])'
        )
    top = name.partition(".")[0]
    if (bundle / top).is_dir() or (bundle / f"{top}.py").is_file():
        return (
            f"Package '{top}' is in the step's code bundle, but not module '{name}'. If it is in "
            f'the project, take it along: @wf.step(include=["{place}.py"])'
        )
    return (
        f"If '{name}' is a module of the project, take it along with @wf.step(include=[...]); if "
        "it is a library, install it here, or name it in @wf.step(requirements=[...])"
    )


def _member(error: ImportError, bundle: Path, root: Path) -> str:
    """Return what to do where `from package import module` lacks the module's file."""
    # Python 3.12 has the name as an attribute, name_from.
    member = re.match(r"cannot import name '(\w+)' from ", str(error))
    package, file = error.name, error.path
    if member is None or not package or not file or not _inside(file, bundle):
        return ""
    place = f"{package.replace('.', '/')}/{member[1]}"
    live = _in_project(root, (f"{place}.py", f"{place}/__init__.py"))
    if live is None:
        return ""
    return (
        f"Module '{package}.{member[1]}' is in the project, but not in the step's code bundle. "
        f'Take it along: @wf.step(include=["{live}"])'
    )


def _file(name: object, bundle: Path, root: Path) -> str:
    if not isinstance(name, (str, bytes, os.PathLike)):
        return ""
    path = Path(os.fsdecode(name))
    if not path.is_absolute():
        return _relative(path, root)
    if _inside(path, bundle):
        place = path.relative_to(bundle).as_posix()
        known = _in_project(root, (place,))
        return (
            f"{known or place} is {'in the project, but ' if known else ''}not in the step's code "
            f'bundle. Take it along: @wf.step(include=["{known or place}"])'
        )
    # Beside the bundle: a path that climbs above the folder from which modules are imported.
    for parent in bundle.parents:
        if path.is_relative_to(parent):
            place = path.relative_to(parent).as_posix()
            known = _in_project(root, (place,)) if len(parent.parts) > 1 else None
            if known is not None:
                return (
                    f"{known} is in the project, but lies above the step's modules, where a job "
                    f'has nothing. Take it along with @wf.step(include=["{known}"]) and read it '
                    "from the working folder, or give it as wf.Data"
                )
    return ""


def _relative(path: Path, root: Path) -> str:
    place = path.as_posix()
    if _in_project(root, (place,)) is not None:
        return (
            f"{place} is in the project, but a job's working folder is its own. Give the file as "
            f'wf.Data("{place}"), or take it along: @wf.step(include=["{place}"])'
        )
    if root == Path():  # the author's tree is not here to look into
        return (
            f"A job's working folder is its own. If {place} is a file of the project, give it as "
            f'wf.Data, or take it along: @wf.step(include=["{place}"])'
        )
    return ""


def _in_project(root: Path, places: tuple[str, ...]) -> str | None:
    """Return the first of several paths that the project has, relative to its root."""
    if not root.is_absolute():
        return None
    for place in places:
        for start in ("", "src/"):
            if (root / start / place).exists():
                return start + place
    return None


def _inside(path: str | Path, folder: Path) -> bool:
    return Path(path).is_relative_to(folder)
