"""The patch of a dirty tree: how files differ from the commit that is checked out."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from waterflow.project.root import git

if TYPE_CHECKING:
    from collections.abc import Sequence


def patch(root: Path, paths: Sequence[str]) -> str | None:
    """Return what `git apply` makes of the commit that is checked out to have these files.

    New files are in it too. The project's own index is neither read nor written.

    Args:
        root: The project's folder.
        paths: Files, relative to it.

    Returns:
        The patch, empty where nothing differs; what is no text in UTF-8 is in git's own base85.
        None where git cannot tell.
    """
    if not paths:
        return ""
    with tempfile.TemporaryDirectory(prefix="waterflow-patch-") as place:
        attributes = Path(place, "attributes")
        index = {"GIT_INDEX_FILE": os.path.join(place, "index")}  # noqa: PTH118 - a variable's text
        if git(root, "read-tree", "HEAD", environment=index) is None:
            return None
        # Literal: a file's name may hold what git would take for a pattern.
        chosen = [f":(literal){path}" for path in paths]
        add = ("add", "--intent-to-add", "--force", "--", *chosen)
        if git(root, *add, environment=index) is None:
            return None
        for rule in ("", "* -diff\n"):
            attributes.write_text(rule, encoding="utf-8")
            answer = git(
                root,
                *("-c", f"core.attributesFile={attributes}", "-c", "core.autocrlf=false"),
                *("diff", "--binary", "--no-color", "--no-ext-diff", "--no-textconv"),
                *("--src-prefix=a/", "--dst-prefix=b/", "HEAD", "--", *chosen),
                environment=index,
            )
            if answer is None:
                return None
            try:
                return answer.decode()
            except UnicodeDecodeError:
                continue
    return None
