"""Where a run comes from: who started it, with which command, from what state of the tree."""

from __future__ import annotations

import getpass
import os
import shlex
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow.packing import jobparts
from waterflow.packing.imports import search_path
from waterflow.project import leaks
from waterflow.project.patch import patch
from waterflow.provider import PATCH
from waterflow.spec.quantities import show_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from waterflow.provider import Build

LARGEST: Final = 2**20
"""Bytes of a patch above which it is left out."""
_HIDDEN: Final = "..."


def origin(build: Build, source: Path, words: Sequence[str]) -> dict[str, str]:
    """Return who starts a run and how, as tags, in MLflow's own words where it has them.

    Args:
        build: What is started.
        source: The file in which the pipeline is defined.
        words: The command line of this process.
    """
    notebook = in_notebook()
    tags = {
        "mlflow.user": _user(),
        "mlflow.source.name": _shown(build.root, source if source.is_file() else _notebook()),
        "mlflow.source.type": "NOTEBOOK" if notebook else "LOCAL",
        "waterflow.host": socket.gethostname(),
    }
    if build.git.commit is not None:
        tags["mlflow.source.git.commit"] = build.git.commit
    if not notebook and words:
        tags["waterflow.command"] = command_line(words)
    return tags


def changes(build: Build) -> tuple[dict[str, str], dict[str, str]]:
    """Return how the code that is shipped differs from its commit.

    Only files that the bundles hold are in it, so nothing that Waterflow would not ship.

    Args:
        build: What is started.

    Returns:
        Tags, and files to keep with the run: name -> text. Both empty where the tree is clean.
    """
    if build.git.commit is None or not build.git.dirty:
        return {}, {}
    text = patch(build.root, sorted(set(_shipped(build))))
    if not text:
        return {}, {}
    size = len(text.encode())
    if size > LARGEST:
        remark = f"left out: {show_size(size)}, more than {show_size(LARGEST)}"
        return {"waterflow.patch": f"{remark}. For the files: waterflow code RUN"}, {}
    return {"waterflow.patch": PATCH}, {PATCH: text}


def in_notebook() -> bool:
    """Say whether this process is a notebook's kernel: who only speaks to one imports it, too."""
    kernels: Any = sys.modules.get("ipykernel.kernelapp")
    return kernels is not None and kernels.IPKernelApp.initialized()


def command_line(words: Sequence[str]) -> str:
    """Return a command line as it was typed, without what looks like a secret.

    Args:
        words: What `sys.argv` holds.
    """
    first = Path(words[0])
    ours = first.name == "waterflow" or first.parts[-2:] == ("cli", "__main__.py")
    shown = ["waterflow"] if ours else ["python", first.name or words[0]]
    key = ""
    for word in words[1:]:
        name, equals, value = word.partition("=")
        name = name if equals else key
        value = value if equals else word
        secret = leaks.in_setting(name.lstrip("-"), value) or leaks.in_content("", word.encode())
        shown.append((f"{name}={_HIDDEN}" if equals else _HIDDEN) if secret else word)
        key = word if word.startswith("-") and not equals else ""
    return shlex.join(shown)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user that has no name
        return str(os.getuid())


def _notebook() -> Path:
    """Return the notebook whose cell is being run, by what its editor tells of it."""
    names = vars(sys.modules["__main__"])
    return Path(names.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME") or "notebook")


def _shown(root: Path, source: Path) -> str:
    try:
        return source.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return source.name


def _shipped(build: Build) -> Iterator[str]:
    """Yield the project's files that the bundles hold, relative to the root."""
    root = build.root.resolve()
    folders = search_path(root)
    own: Mapping[str, bytes] = jobparts.files()
    for bundle in {bundle.digest: bundle for bundle in build.bundles.values()}.values():
        for path, content in bundle.files.items():
            if path in own:
                continue
            places = (content,) if isinstance(content, Path) else (one / path for one in folders)
            for file in places:
                if file.is_file() and file.is_relative_to(root):
                    yield file.relative_to(root).as_posix()
                    break
