"""A module of the project as a row of statements: what each binds, refers to and looks like."""

from __future__ import annotations

import ast
import hashlib
import warnings
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final

from waterflow.packing.references import absolute, bound_by, own_nodes, references

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from waterflow.packing.references import Chain, References

DOCSTRING: Final = "__doc__"


@dataclass(eq=False)
class Statement:
    """A statement of a module's top, or one name of an import there.

    Attributes:
        node: The statement.
        package: The package that its relative imports refer to.
        alias: The name of an import that this is about; None for the whole statement.
        checking: Whether it stands behind TYPE_CHECKING, and so never runs.
        bare: What a step says and refers to without its own options, once that was asked for.
    """

    node: ast.stmt
    package: str
    alias: ast.alias | None = None
    checking: bool = False
    bare: tuple[str, References] | None = None

    @cached_property
    def binds(self) -> frozenset[str]:
        """The names that it binds in the module."""
        if isinstance(self.node, ast.Import) and self.alias is not None:
            return frozenset([self.alias.asname or self.alias.name.partition(".")[0]])
        if self.alias is not None:
            return frozenset([self.alias.asname or self.alias.name])
        if _is_text(self.node):
            return frozenset([DOCSTRING])
        return frozenset(name for one in own_nodes([self.node]) for name in bound_by(one))

    @cached_property
    def aliases(self) -> dict[str, list[tuple[str, Chain]]]:
        """Name -> the modules, and what of them, that it may be bound to by an import."""
        imports: dict[str, list[tuple[str, Chain]]] = {}
        for node in own_nodes([self.node]):
            if isinstance(node, ast.Import):
                for alias in self._names(node):
                    top = alias.name.partition(".")[0]
                    module = alias.name if alias.asname else top
                    imports.setdefault(alias.asname or top, []).append((module, ()))
            elif isinstance(node, ast.ImportFrom):
                module = absolute(node.level, node.module, self.package)
                for alias in self._names(node) if module is not None else ():
                    name = alias.asname or alias.name
                    imports.setdefault(name, []).append((module or "", (alias.name,)))
        return imports

    def _names(self, node: ast.Import | ast.ImportFrom) -> list[ast.alias]:
        return node.names if self.alias is None else [self.alias]

    @property
    def imports(self) -> tuple[str, str | None] | None:
        """What an import of one name runs: the module, and what is taken; None for others."""
        if self.alias is None:
            return None
        if isinstance(self.node, ast.ImportFrom):
            module = absolute(self.node.level, self.node.module, self.package)
            return None if module is None else (module, self.alias.name)
        return self.alias.name, None

    @cached_property
    def classes(self) -> frozenset[str]:
        """The names that it may bind to a class."""
        if isinstance(self.node, ast.ClassDef):
            return self.binds
        calls = any(isinstance(one, (ast.ClassDef, ast.Call)) for one in ast.walk(self.node))
        defines = isinstance(self.node, (ast.FunctionDef, ast.AsyncFunctionDef))
        return self.binds if calls and not defines and self.alias is None else frozenset()

    @cached_property
    def references(self) -> References:
        """What it refers to."""
        return references(self._parts, self.package)

    @cached_property
    def _parts(self) -> list[ast.AST]:
        return [] if self.alias is not None else [self.node]

    @cached_property
    def text(self) -> str:
        """What it says, without comments, layout and places."""
        if self.alias is not None:
            origin = self.imports or ("", None)
            return f"import {origin[0]} {origin[1] or ''} as {self.alias.asname or ''}"
        return canonical(self.node)

    @cached_property
    def label(self) -> str:
        """How people call it."""
        if isinstance(self.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return f"{self.node.name}()"
        if isinstance(self.node, ast.ClassDef):
            return f"class {self.node.name}"
        if self.alias is not None:
            return f"import {self.alias.asname or self.alias.name}"
        if _is_text(self.node):
            return "docstring"
        if isinstance(self.node, (ast.Assign, ast.AnnAssign, ast.AugAssign)) and self.binds:
            return ", ".join(sorted(self.binds))
        first = ast.unparse(self.node).partition("\n")[0]
        return f"`{first[:57]}...`" if len(first) > _SHORT else f"`{first}`"


_SHORT: Final = 60


def _is_text(node: ast.stmt) -> bool:
    value = node.value if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


@dataclass(eq=False)
class Source:
    """A module of the project, parsed.

    Attributes:
        name: Its dotted name.
        statements: Its statements in order; what never runs and says nothing is left out.
        future: Whether its annotations are not looked up when a definition is made.
        used: All names looked up in it, at any place.
        stored: Attributes that its code sets on anything: `module.name = ...`.
        declared: Names that its functions bind in the module, by `global`.
        bare: The names looked up that no attribute is taken from.
        sets: Whether it sets attributes by names that are not written down.
        holds: Whether it has modules in hand other than by importing them.
    """

    name: str
    statements: tuple[Statement, ...]
    future: bool = False
    used: frozenset[str] = frozenset()
    stored: frozenset[str] = frozenset()
    declared: frozenset[str] = frozenset()
    bare: frozenset[str] = frozenset()
    sets: bool = False
    holds: bool = False
    by_name: dict[str, list[Statement]] = field(default_factory=dict[str, list[Statement]])
    stars: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for one in self.statements:
            for name in one.binds - {"*"}:
                self.by_name.setdefault(name, []).append(one)
        self.stars = tuple(
            module
            for one in self.statements
            for module, taken in one.aliases.get("*", ())
            if taken == ("*",)
        )


@lru_cache(maxsize=4096)
def parse(name: str, content: bytes, *, package: bool) -> Source:
    """Parse a module.

    Args:
        name: Its dotted name.
        content: Its source.
        package: Whether it is a package's `__init__`.

    Raises:
        SyntaxError: It is no Python.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as when its imports are read
        tree = ast.parse(content)
    here = name if package else name.rpartition(".")[0]
    meaning = _meaning(tree)
    names, stored, declared, bases = set[ast.Name](), set[str](), set[str](), set[ast.Name]()
    sets = holds = future = False
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            holds = holds or node.id in _HOLDERS
            sets = sets or node.id in _SETTERS
            if isinstance(node.ctx, ast.Load):
                names.add(node)
        elif isinstance(node, ast.Attribute):
            holds = holds or node.attr in _HOLDERS
            sets = sets or node.attr in _SETTERS
            if isinstance(node.value, ast.Name):
                bases.add(node.value)
            if not isinstance(node.ctx, ast.Load):
                stored.add(node.attr)
        elif isinstance(node, ast.Call):
            stored.update(_set_by_call(node))
        elif isinstance(node, ast.Global):
            declared.update(node.names)
        elif isinstance(node, ast.ImportFrom):
            holds = holds or any(one.name in _HOLDERS for one in node.names)
            if node.module == "__future__":
                future = future or any(one.name == "annotations" for one in node.names)
    return Source(
        name,
        tuple(one for one in _split(tree.body, here, meaning) if not _says_nothing(one.node, tree)),
        future,
        frozenset(one.id for one in names),
        frozenset(stored),
        frozenset(declared),
        frozenset(one.id for one in names - bases),
        sets,
        holds,
    )


_SETTERS: Final = frozenset(
    {"setattr", "__setattr__", "delattr", "__delattr__", "__dict__", "vars"}
)
"""With these, what is set cannot always be read off."""
_HOLDERS: Final = frozenset({"modules", "globals", "import_module", "__import__", "_getframe"})
"""With these, code has a module in hand that it names nowhere."""


def _set_by_call(node: ast.Call) -> Iterator[str]:
    """Yield the attribute that `setattr(thing, "name", value)` and its like set."""
    for one in node.args[1:2]:
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value


def _says_nothing(node: ast.stmt, tree: ast.Module) -> bool:
    """Say whether a statement is a text that is not the module's docstring."""
    return _is_text(node) and node is not tree.body[0]


@dataclass(frozen=True)
class _Meaning:
    """What two names mean in a module: whether they are Python's own there.

    Attributes:
        checking: Whether TYPE_CHECKING is that of `typing`.
        name: Whether `__name__` is the module's.
    """

    checking: bool
    name: bool


def _meaning(tree: ast.Module) -> _Meaning:
    bound = [
        name
        for node in ast.walk(tree)
        if not isinstance(node, ast.ImportFrom)
        or node.module not in ("typing", "typing_extensions")
        for name in bound_by(node)
    ]
    return _Meaning("TYPE_CHECKING" not in bound, "__name__" not in bound)


def _split(body: Iterable[ast.stmt], package: str, meaning: _Meaning) -> Iterator[Statement]:
    for node in body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                yield Statement(node, package, alias)
        elif (
            isinstance(node, ast.If)
            and meaning.checking
            and (checked := type_checking(node.test)) is not None
        ):
            hidden, run = (node.body, node.orelse) if checked else (node.orelse, node.body)
            for one in _split(hidden, package, meaning):
                one.checking = True
                yield one
            yield from _split(run, package, meaning)
        elif not isinstance(node, ast.Pass) and not (meaning.name and _is_main(node)):
            yield Statement(node, package)


def type_checking(test: ast.expr) -> bool | None:
    """Return True for `TYPE_CHECKING`, False for `not TYPE_CHECKING`, None for anything else."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = type_checking(test.operand)
        return None if inner is None else not inner
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return True if name == "TYPE_CHECKING" else None


def _is_main(node: ast.stmt) -> bool:
    """Say whether a statement is `if __name__ == "__main__":`, which no job enters."""
    if not isinstance(node, ast.If) or node.orelse or not isinstance(node.test, ast.Compare):
        return False
    sides = [node.test.left, *node.test.comparators]
    names = [one.id for one in sides if isinstance(one, ast.Name)]
    values = [one.value for one in sides if isinstance(one, ast.Constant)]
    equal = len(node.test.ops) == 1 and isinstance(node.test.ops[0], ast.Eq)
    return equal and names == ["__name__"] and values == ["__main__"]


# --- what code says -------------------------------------------------------------------------------

_SILENT: Final = frozenset({"ctx", "kind", "type_comment", "type_ignores"})


def canonical(node: ast.AST) -> str:
    """Return a piece of code as text that comments, layout, places and Python's version leave."""
    parts: list[str] = []
    _write(node, parts)
    return "".join(parts)


def _write(value: object, parts: list[str]) -> None:
    if isinstance(value, ast.AST):
        parts.append(f"{type(value).__name__}(")
        for name in value._fields:
            inner = getattr(value, name, None)
            absent = inner is None and not isinstance(value, (ast.Constant, ast.MatchSingleton))
            if name in _SILENT or absent or inner == []:
                continue
            parts.append(f"{name}=")
            _write(inner, parts)
        parts.append(")")
    elif isinstance(value, list):
        parts.append("[")
        for one in value:  # pyright: ignore[reportUnknownVariableType]
            _write(one, parts)  # pyright: ignore[reportUnknownArgumentType]
            parts.append(",")
        parts.append("]")
    else:
        parts.append(f"{type(value).__name__} {value!r}")


def text_sha256(text: str) -> str:
    """Return the sha256 of text, which may hold halves of surrogate pairs, in hex."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
