"""What writing and reading of tagged values must agree upon."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable

EXPORTED: Final = "waterflow_exported_"
"""How the modules begin that hold the steps of a script or notebook: a class there is `__main__`'s,
whichever step's module has its copy."""

NEEDS: Final = "A value that a step returned"
"""What asks for a library, in the message when it is missing."""

FACTORIES: Final[dict[str, Any]] = {
    kind.__name__: kind for kind in (int, float, str, bool, list, dict, set, tuple)
}
"""What a defaultdict may make its values with."""


def home(kind: type) -> str:
    """Return a class's module and name as files have them."""
    module = "__main__" if kind.__module__.startswith(EXPORTED) else kind.__module__
    return f"{module}:{kind.__qualname__}"


STANDALONE: Final = "waterflow_script_"
"""How the name begins of a script whose file's name is no module's."""


def is_script(module: str, file: str | None = None) -> bool:
    """Say whether a module is a script, as its jobs call it.

    Args:
        module: The module's name.
        file: The script; None for the one that this process runs.
    """
    if file is None:
        file = str(getattr(sys.modules.get("__main__"), "__file__", None) or "")
    stem = Path(file).stem
    plain = "".join(one if one.isalnum() else "_" for one in stem)
    return bool(stem) and (module == f"{STANDALONE}{plain}" or module.rpartition(".")[2] == stem)


OWN: Final = ("$dataclass", "$namedtuple", "$enum")
"""Tags of values whose classes are the user's own; the class's name stands first."""


def renamed(content: Any, name: Callable[[str], str]) -> Any:
    """Return encoded content with other names for the classes of the user's own.

    Args:
        content: What `encode` gave.
        name: Gives the new name of a class.
    """
    if isinstance(content, list):
        return [renamed(item, name) for item in cast("list[Any]", content)]
    if not isinstance(content, dict):
        return content
    entries = {key: renamed(item, name) for key, item in cast("dict[str, Any]", content).items()}
    for tag in OWN:
        if len(entries) == 1 and tag in entries:
            first, *rest = entries[tag]
            return {tag: [name(first), *rest]}
    return entries
