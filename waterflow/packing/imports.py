"""What a module imports, read from its source, and which file of the project each name means."""

from __future__ import annotations

import ast
import sys
import warnings
from dataclasses import dataclass, field
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING

from waterflow.errors import DefinitionError
from waterflow.packing.dynamic import Dynamic, dynamic

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Import:
    """One import statement, made absolute.

    Attributes:
        module: The dotted name imported, or imported from.
        names: What is taken from it; each may be a submodule or an attribute.
        star: Whether everything is taken.
    """

    module: str
    names: tuple[str, ...] = ()
    star: bool = False


@dataclass(frozen=True, slots=True)
class Scan:
    """What one source file says.

    Attributes:
        imports: Its imports, those inside functions too, those for type checkers alone not.
        exported: The strings of its `__all__`, where it is written out.
        dynamic: What it reaches when it runs, by name and by place.
    """

    imports: tuple[Import, ...]
    exported: tuple[str, ...] = ()
    dynamic: Dynamic = field(default_factory=Dynamic)


@dataclass(frozen=True, slots=True)
class Located:
    """Where a dotted name is in the project.

    Attributes:
        file: Its file; None for a namespace package.
        package: Whether it is a package.
        folders: Where its submodules are looked for.
    """

    file: Path | None
    package: bool
    folders: tuple[Path, ...] = ()


@dataclass(slots=True)
class Finder:
    """Finds modules below the search path, as Python would, without importing any."""

    paths: tuple[Path, ...]
    _located: dict[str, Located | None] = field(default_factory=dict[str, "Located | None"])

    def locate(self, name: str) -> Located | None:
        """Return where a dotted name lies below the search path, or None."""
        if name not in self._located:
            self._located[name] = self._locate(name)
        return self._located[name]

    def _locate(self, name: str) -> Located | None:
        parent, _, last = name.rpartition(".")
        folders: Sequence[Path] = self.paths
        if parent:
            above = self.locate(parent)
            if above is None or not above.package:
                return None
            folders = above.folders
        spaces: list[Path] = []
        for folder in folders:
            inside = folder / last
            if (inside / "__init__.py").is_file():
                return Located(inside / "__init__.py", package=True, folders=(inside,))
            for suffix in (*EXTENSION_SUFFIXES, ".py"):
                if (file := folder / f"{last}{suffix}").is_file():
                    return Located(file, package=False)
            if inside.is_dir():
                spaces.append(inside)
        # A regular module anywhere, the standard library included, wins over a bare folder.
        if not spaces or (not parent and last in sys.stdlib_module_names):
            return None
        return Located(None, package=True, folders=tuple(spaces))


def search_path(root: Path) -> tuple[Path, ...]:
    """Return the folders under `root` from which its modules are imported.

    They are the entries of `sys.path` under the root (an editable install, a script's folder), the
    root's `src` folder, and the root. Environments inside the root are left out.
    """
    folders: dict[Path, None] = {}
    prefixes = [Path(prefix).resolve() for prefix in (sys.prefix, sys.base_prefix)]
    for entry in sys.path:
        path = Path(entry or ".").resolve()
        inside = path.is_dir() and path.is_relative_to(root) and path != root
        hidden = any(part.startswith(".") for part in path.parts[len(root.parts) :])
        if inside and not hidden and not any(path.is_relative_to(one) for one in prefixes):
            folders[path] = None
    source = root / "src"
    if source.is_dir() and not (source / "__init__.py").exists():
        folders[source] = None
    folders[root] = None
    return tuple(folders)


def scan(source: bytes, module: str, *, package: bool, location: str) -> Scan:
    """Read the imports of a source file.

    Args:
        source: The file's bytes.
        module: The module's dotted name, to which relative imports refer.
        package: Whether it is a package's `__init__`.
        location: How errors name the file.

    Raises:
        DefinitionError: The file has a syntax error.
    """
    try:
        with warnings.catch_warnings():
            # An invalid escape in the user's string is Python's to report, when it is run.
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except SyntaxError as error:
        raise DefinitionError(
            f"Module '{module}' has a syntax error: {error.msg}. Correct it and run again",
            f"{location}:{error.lineno or 1}",
        ) from None
    except ValueError as error:
        raise DefinitionError(f"Module '{module}' is no Python source: {error}", location) from None
    here = module if package else module.rpartition(".")[0]
    imports: dict[Import, None] = {}
    for statement in _imports(tree):
        for one in _absolute(statement, here):
            imports[one] = None
    imported = [name for one in imports for name in _full_names(one)]
    at_run_time = dynamic(tree, source, module, package=package, imported=imported)
    return Scan(tuple(imports), _exported(tree), at_run_time)


def _full_names(one: Import) -> list[str]:
    return [one.module, *(f"{one.module}.{name}" for name in one.names)]


def _imports(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    waiting: list[ast.AST] = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, (ast.Import, ast.ImportFrom)):
            yield one
        elif isinstance(one, ast.If) and (checked := _type_checking(one.test)) is not None:
            waiting.extend(reversed(one.orelse if checked else one.body))
        elif not isinstance(one, ast.expr):
            waiting.extend(reversed(list(ast.iter_child_nodes(one))))


def _type_checking(test: ast.expr) -> bool | None:
    """Return True for `TYPE_CHECKING`, False for `not TYPE_CHECKING`, None for anything else."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = _type_checking(test.operand)
        return None if inner is None else not inner
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return True if name == "TYPE_CHECKING" else None


def _absolute(statement: ast.Import | ast.ImportFrom, package: str) -> Iterator[Import]:
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            yield Import(alias.name)
        return
    base = statement.module or ""
    if statement.level:
        parts = package.split(".") if package else []
        climbed = statement.level - 1
        if climbed >= len(parts):
            return  # Beyond the top: Python's own ImportError will say so.
        anchor = ".".join(parts[: len(parts) - climbed])
        base = f"{anchor}.{base}" if base else anchor
    names = tuple(alias.name for alias in statement.names)
    yield Import(base, tuple(name for name in names if name != "*"), "*" in names)


def _exported(tree: ast.Module) -> tuple[str, ...]:
    names: list[str] = []
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, (ast.AnnAssign, ast.AugAssign)):
            targets, value = [statement.target], statement.value
        else:
            continue
        named = any(isinstance(one, ast.Name) and one.id == "__all__" for one in targets)
        if named and isinstance(value, (ast.List, ast.Tuple)):
            constants = [one.value for one in value.elts if isinstance(one, ast.Constant)]
            names.extend(one for one in constants if isinstance(one, str))
    return tuple(names)
