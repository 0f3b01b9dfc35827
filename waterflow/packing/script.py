"""Under which name, and with which source, jobs import a script that submits its own steps."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waterflow.artifacts.tagged.names import EXPORTED, STANDALONE
from waterflow.errors import DefinitionError
from waterflow.packing.cut import Cut, line_note, source_text
from waterflow.packing.submits import PLACE, Stopped, is_notebook, stopping_at_submit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import ModuleType


@dataclass(frozen=True, slots=True)
class Shipped:
    """A module as jobs get it.

    Attributes:
        module: The name by which a job imports it.
        text: Its source; None for the file as it is.
    """

    module: str
    text: str | None = None


def scope_of(function: Any, module: str) -> Mapping[str, Any]:
    """Return the names of the module that a step's function was defined in.

    Args:
        function: The function, or what a decorator of another module has made of it.
        module: The name that the module had when it was defined.
    """
    scope: Mapping[str, Any] = getattr(inspect.unwrap(function), "__globals__", {})
    if scope.get("__name__") == module:
        return scope
    return getattr(sys.modules.get(module), "__dict__", scope)


def ship(scope: Mapping[str, Any], names: Iterable[str], root: Path) -> Shipped | None:
    """Return what a job imports in place of the module of a script's step.

    Args:
        scope: The module's names.
        names: The names of all steps of this module that are submitted.
        root: The project's folder.

    Returns:
        None where the module is to be imported as it is, by its own name.

    Raises:
        DefinitionError: A step reaches what its jobs could not have.
    """
    file, name = scope.get("__file__"), str(scope.get("__name__"))
    if not isinstance(file, str) or is_notebook(scope):
        return None
    path = Path(os.path.abspath(file))  # noqa: PTH100 - without "..", links as they are
    if not path.is_file() or path.suffix == ".pyc":
        return None
    started = name == "__main__" or not all(part.isidentifier() for part in name.split("."))
    if not started and not path.is_relative_to(root) and not path.resolve().is_relative_to(root):
        return None
    module = module_name(scope, path, root) if started else name
    source = path.read_bytes()
    text = Cut(path, source, scope).text(frozenset(names))
    if module is None:
        text = source_text(source) if text is None else text
        return Shipped(f"{STANDALONE}{_identifier(path.stem)}", _mapped(text, path, root))
    return Shipped(module, text)


def is_imported(run: object, module: str) -> bool:
    """Say whether a job imports a script by another name than it has where it was started.

    The steps of a notebook are each in a module of their own, and so have no common name.

    Args:
        run: What a step was defined as.
        module: The name by which its job imports it.
    """
    started = getattr(run, "module", None) == "__main__"
    return started and not module.startswith(("__main__", EXPORTED))


def shipped_modules() -> dict[str, str]:
    """Return the source of each imported module that has submitted a run while it was imported."""
    texts: dict[str, str] = {}
    for name, module in list(sys.modules.items()):
        scope = getattr(module, "__dict__", {})
        if name == "__main__" or PLACE not in scope:
            continue
        path = Path(str(scope.get("__file__")))
        if path.is_file():
            text = Cut(path, path.read_bytes(), scope).text(frozenset())
            if text is not None:
                texts[name] = text
    return texts


def module_name(scope: Mapping[str, Any], path: Path, root: Path) -> str | None:
    """Return the name by which a job imports a script; None where its file's name is none.

    It is the one that `waterflow run FILE` uses, or that `python -m` was given.
    """
    spec = scope.get("__spec__")
    spec_name = str(getattr(spec, "name", ""))
    if "." in spec_name and not spec_name.startswith("__main__"):
        return spec_name
    file = linked(path, root)
    if not file.is_relative_to(root):
        return None
    base = root / "src" if file.is_relative_to(root / "src") else root
    parts = file.relative_to(base).with_suffix("").parts
    if not all(part.isidentifier() for part in parts) or parts[0] in sys.stdlib_module_names:
        return None
    return ".".join(parts) if _is_free(parts[0], root) else None


def linked(path: Path, root: Path) -> Path:
    """Return the file that a script is: of a link to a file of the project, that file."""
    target = path.resolve()
    return target if target.is_relative_to(root) else path


def _is_free(top: str, root: Path) -> bool:
    """Say whether a top-level name means the project's own module or folder, and no library's."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return True
    return spec is None or spec.origin is None or _below(spec.origin, root)


def _below(file: str, root: Path) -> bool:
    path = Path(file).resolve()
    inside = path.is_relative_to(root.resolve())
    prefixes = {Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()}
    return inside and not any(path.is_relative_to(prefix) for prefix in prefixes)


def _identifier(text: str) -> str:
    return "".join(one if one.isalnum() else "_" for one in text)


def _mapped(text: str, path: Path, root: Path) -> str:
    """Return a module's text with a note on where its lines come from, for tracebacks."""
    shown = path.relative_to(root) if path.is_relative_to(root) else path.name
    return f"{text.rstrip()}\n{line_note(1, str(shown), 1)}\n"


def import_definitions(name: str) -> ModuleType:
    """Import a module as far as its first submit, with the definitions that come after it.

    Raises:
        DefinitionError: A module that it imports submits a run.
    """
    try:
        with stopping_at_submit():
            return importlib.import_module(name)
    except Stopped as stopped:
        module = stopped.module
        if module is None or module.__name__ != name:
            raise DefinitionError(
                f"Importing module '{name}' would submit a run. Put the call of submit() under "
                '`if __name__ == "__main__":`',
                f"{stopped.file}:{stopped.line}",
            ) from None
    # Python forgets a module whose import ended early.
    sys.modules[name] = module
    parent, _, last = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], last, module)
    _define_rest(module)
    return module


def _define_rest(module: ModuleType) -> None:
    path = Path(str(module.__file__))
    cut = Cut(path, path.read_bytes(), vars(module))
    for node in cut.rest():
        compiled = compile(ast.Module([node], []), str(path), "exec", dont_inherit=False)
        exec(compiled, vars(module))  # noqa: S102 - the module's own statements
