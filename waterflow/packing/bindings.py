"""What the names of a project's modules are bound to: by which statements, and by no other code."""

from __future__ import annotations

import ast
import builtins
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.packing.sources import Source


class Names:
    """Tells what a name stands for, in the modules of one bundle.

    Args:
        sources: The modules by name.

    Attributes:
        stored: The attributes that code sets, of whatever it may be.
    """

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources
        self.stored = frozenset(name for one in sources.values() for name in one.stored)
        # Whoever sets attributes of a module by names made at run time has the module in hand.
        self._free = any(one.sets for one in sources.values()) and any(
            one.holds or self._passes_modules(one) for one in sources.values()
        )

    def resolve(self, source: Source, node: ast.expr) -> str | None:
        """Return the full name of what a library or Python itself calls so; None for others."""
        attributes: list[str] = []
        while isinstance(node, ast.Attribute):
            attributes.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return None
        chain = ".".join(reversed(attributes))
        bound = source.by_name.get(node.id)
        if bound is None:
            known = hasattr(builtins, node.id) and not self.is_starred(source, node.id)
            known = known and node.id not in self.stored and not self._free
            name = node.id if known else None
        elif self.is_single(source, node.id) and bound[0].alias is not None:
            ((module, taken),) = bound[0].aliases[node.id]
            name = None if self.is_project(module) else ".".join((module, *taken))
        else:
            return None
        return name if name is None or not chain else f"{name}.{chain}"

    def is_project(self, module: str) -> bool:
        """Say whether a module, or what is imported by its first name, is the project's."""
        top = module.partition(".")[0]
        return module in self._sources or any(
            one == top or one.startswith(f"{top}.") for one in self._sources
        )

    def is_single(self, source: Source, name: str) -> bool:
        """Say whether nothing but one statement of the module binds a name in it."""
        return len(source.by_name.get(name, ())) == 1 and self.is_own(source, name)

    def is_own(self, source: Source, name: str) -> bool:
        """Say whether nothing but statements of the module's top bind a name in it."""
        return (
            name not in source.declared
            and name not in self.stored
            and not self._free
            and not self.is_starred(source, name)
        )

    def is_starred(self, source: Source, name: str) -> bool:
        """Say whether an import of everything may bind a name in a module."""
        seen, waiting = {source.name}, list(source.stars)
        while waiting:
            star = waiting.pop()
            inner = self._sources.get(star)
            if inner is None or name in inner.by_name or f"{star}.{name}" in self._sources:
                return True
            if star not in seen:
                seen.add(star)
                waiting.extend(inner.stars)
        return False

    def _passes_modules(self, source: Source) -> bool:
        """Say whether code hands on a module of the project as a value."""
        return any(
            ".".join((module, *taken)) in self._sources
            for one in source.statements
            for name, origins in one.aliases.items()
            if name in source.bare
            for module, taken in origins
        )


def is_library(module: str) -> bool:
    """Say whether a module that is not the project's is neither Python's nor Waterflow's own."""
    top = module.partition(".")[0]
    return bool(top) and top not in sys.stdlib_module_names and top != "waterflow"
