"""What writing and reading of tagged values must agree upon."""

from __future__ import annotations

from typing import Any, Final

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
