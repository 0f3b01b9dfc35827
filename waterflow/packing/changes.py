"""Which statements of a notebook's cells a step needs beside what it names: those with effects."""

from __future__ import annotations

import ast
import logging
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from waterflow.packing.cells import Ran, ran
from waterflow.packing.cut import is_foreign
from waterflow.packing.statements import is_setting, root

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

LOGGER: Final = logging.getLogger("waterflow.packing")

_ALWAYS: Final = frozenset({"os", "warnings", "logging", "locale", "sys"})
"""Modules whose settings hold for all code, whether a step names them or not."""
_OWN: Final = frozenset({"waterflow", "IPython", "ipykernel", "ipywidgets", "mlflow", "builtins"})
"""Modules whose settings are the notebook's own: where it tracks, what it displays."""


class Changes:
    """The statements with effects of one session.

    Args:
        names: The session's names.
    """

    def __init__(self, names: Mapping[str, Any]) -> None:
        self.names = names
        self.statements = ran(names)

    def of(
        self, definitions: Mapping[str, str], packages: Collection[str], taken: Collection[str]
    ) -> list[Ran]:
        """Return the statements that change what a step uses, in the order in which they ran.

        Args:
            definitions: The functions and classes of the notebook that it uses, by their source.
            packages: The top-level packages that it imports from.
            taken: All names that it uses.
        """
        chosen = [
            one
            for one in self.statements
            if not _only_defines(one)
            and (self._matters(one, definitions, packages) or self._keeps(one, taken))
        ]
        # A cell that is run again: its last time counts. Of seeds, only the last one does.
        latest: dict[str, Ran] = {}
        for one in chosen:
            key = _key(one)
            latest.pop(key, None)
            latest[key] = one
        return list(latest.values())

    def _matters(self, one: Ran, definitions: Mapping[str, str], packages: Collection[str]) -> bool:
        own = one.node.name if isinstance(one.node, _DEFINITIONS) else ""
        if own in definitions and definitions[own].strip() == one.source.strip():
            return False  # it is taken along as a definition
        for name, node in one.effects.changes.items():
            if name in definitions and name in one.effects.settings and own != name:
                if not self._is_made_anew(name, one):
                    return True
                continue
            if name not in one.effects.settings and "environ" not in ast.unparse(node):
                continue
            package = self.package(name)
            if package is None or package in _OWN or "sys.path" in ast.unparse(node):
                continue
            if package in packages or package in _ALWAYS or "seed" in _called(node):
                return True
        return _sets_variable(one)

    def _keeps(self, one: Ran, taken: Collection[str]) -> bool:
        """Say whether a statement is `wf.serializer(Class, ...)` for a class that a step names."""
        call = one.node.value if isinstance(one.node, ast.Expr) else None
        if not isinstance(call, ast.Call) or not call.args or _called(call) != "serializer":
            return False
        own = root(call.func)
        return own is not None and self.package(own) == "waterflow" and root(call.args[0]) in taken

    def _is_made_anew(self, name: str, one: Ran) -> bool:
        """Say whether a later cell has defined a name again, which undoes what was changed."""
        later = (other for other in self.statements if _is_before(one, other))
        return any(name in other.effects.binds for other in later)

    def package(self, name: str) -> str | None:
        """Return the top-level package of a library that a name stands for, or None."""
        value = self.names.get(name)
        if not is_foreign(value, self.names):
            return None
        own = value.__name__ if isinstance(value, ModuleType) else str(value.__module__)
        return own.partition(".")[0]

    def is_certain(self, one: Ran, definitions: Collection[str], packages: Collection[str]) -> bool:
        """Say whether a step surely uses what a statement changes."""
        return any(
            name in definitions or self.package(name) in packages for name in one.effects.settings
        )

    def tell_others(self, taken: list[Ran], direct: Collection[str], step: str) -> None:
        """Tell in one line what else was called for its effects on modules that a step names.

        Args:
            taken: The statements that are taken along.
            direct: The names of modules that the step uses.
            step: The step's name.
        """
        others = [
            one
            for one in self.statements
            if one not in taken
            and not one.shown
            and not _only_defines(one)
            and any(
                name in direct and self.package(name) not in _OWN
                for name in one.effects.changes.keys() - one.effects.settings.keys()
            )
        ]
        if others:
            first = "; ".join(f"{one.place}: `{shown(one)}`" for one in others[:3])
            more = f" and {len(others) - 3} more" if len(others) > 3 else ""
            LOGGER.warning(
                "waterflow: step '%s' runs without %s%s. Put what it needs of that into the step",
                step,
                first,
                more,
            )

    def changed_after(self, one: Ran, name: str) -> Ran | None:
        """Return a later statement that gave a name which a statement uses another value."""
        before = [s for s in self.statements if name in s.effects.binds and _is_before(s, one)]
        text = before[-1].source if before else None
        for later in self.statements:
            if _is_before(later, one) or later is one:
                continue
            again = name in later.effects.binds and later.source != text
            if again or (name in later.effects.changes and name in later.effects.settings):
                return later
        return None


_DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def shown(one: Ran) -> str:
    """Return a statement's first line, for messages."""
    text = one.source.strip().splitlines()[0]
    return text if len(text) <= 70 else f"{text[:67]}..."


def _is_before(one: Ran, other: Ran) -> bool:
    return (one.cell, one.line) < (other.cell, other.line)


def _only_defines(one: Ran) -> bool:
    """Say whether a statement does no more than to define, to import or to display."""
    if isinstance(one.node, (ast.Import, ast.ImportFrom)):
        return True
    return isinstance(one.node, _DEFINITIONS) and not one.effects.settings


def _called(node: ast.AST) -> str:
    value = node.value if isinstance(node, ast.Expr) else node
    if not isinstance(value, ast.Call):
        return ""
    called = value.func
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def _key(one: Ran) -> str:
    value = one.node.value if isinstance(one.node, ast.Expr) else None
    if isinstance(value, ast.Call) and "seed" in _called(value) and is_setting(_called(value)):
        return ast.unparse(value.func)
    return one.source


def _sets_variable(one: Ran) -> bool:
    return one.source.startswith("__import__('os').environ[")
