"""What a piece of source refers to: names of its module, imports, and what hides more."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Chain = tuple[str, ...]
"""A dotted name: the name looked up, then the attributes taken from it."""


@dataclass(slots=True)
class References:
    """What a piece of code refers to.

    Attributes:
        names: Names looked up in the module's globals, with the attributes taken from them.
        imported: The same for what the code imports itself: the module, and what is taken from it.
        modules: The modules that the code imports when it runs.
        hidden: Attributes, strings and calls that look names up where they cannot be seen.
    """

    names: dict[Chain, None] = field(default_factory=dict[Chain, None])
    imported: dict[tuple[str, Chain], None] = field(default_factory=dict[tuple[str, Chain], None])
    modules: dict[str, None] = field(default_factory=dict[str, None])
    hidden: dict[str, None] = field(default_factory=dict[str, None])


def references(nodes: Iterable[ast.AST], package: str) -> References:
    """Return what statements of a module's top refer to.

    Args:
        nodes: The statements, or parts of them.
        package: The package that relative imports refer to.
    """
    reader = _Reader(package)
    for node in nodes:
        reader.visit(node)
    return reader.references


def absolute(level: int, module: str | None, package: str) -> str | None:
    """Return the full name of what a `from` imports from; None beyond the top."""
    base = module or ""
    if not level:
        return base
    parts = package.split(".") if package else []
    if level > len(parts):
        return None
    anchor = ".".join(parts[: len(parts) - level + 1])
    return f"{anchor}.{base}" if base else anchor


@dataclass(slots=True)
class _Scope:
    """A function, a class body or a comprehension: the names that are its own."""

    bound: set[str]
    aliases: dict[str, list[tuple[str, Chain]]]
    is_class: bool = False
    declared: set[str] = field(default_factory=set[str])


Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_Definition = ast.FunctionDef | ast.AsyncFunctionDef

_ALL_FRAMES: Final = frozenset(
    {
        "__builtins__", "__code__", "__globals__", "__loader__", "__spec__", "__traceback__",
        "_getframe", "co_filename", "co_firstlineno", "f_back", "f_code", "f_globals", "f_lineno",
        "f_locals", "read_pickle", "tb_frame", "tb_lineno",
    }
)  # fmt: skip
"""Attributes through which code reads frames, sources and modules at large."""
_OWN_FRAME: Final = frozenset({"SQLContext", "eval", "query", "sql"})
"""Methods that look names up in the frame that calls them: `table.query("a > @LIMIT")`."""
_UNSAFE_KEYWORDS: Final = {"allow_pickle": True, "weights_only": False}
"""Keywords with which a loader finds classes by the names in a file."""

EVERYTHING: Final = "*"
"""Begins what is hidden beyond the module itself."""


class _Reader(ast.NodeVisitor):
    """Reads references, scope by scope."""

    def __init__(self, package: str) -> None:
        self.references = References()
        self._package = package
        self._scopes: list[_Scope] = []

    # --- names ----------------------------------------------------------------------------------

    def _look_up(self, chain: Chain) -> None:
        name = chain[0]
        for distance, scope in enumerate(reversed(self._scopes)):
            if scope.is_class and distance:
                continue  # what a class body binds is not seen by its methods
            if name in scope.declared:
                break
            if name in scope.bound:
                for module, taken in scope.aliases.get(name, ()):
                    self.references.imported[module, (*taken, *chain[1:])] = None
                if scope.is_class:
                    break  # it may not be bound yet, and then the global one is meant
                return
        self.references.names[chain] = None

    def visit_Name(self, node: ast.Name) -> None:
        scope = self._scopes[-1] if self._scopes else None
        stored = isinstance(node.ctx, ast.Store)
        if stored and scope is not None and scope.is_class and node.id not in scope.declared:
            return  # an attribute of the class
        self._look_up((node.id,))

    def visit_Global(self, node: ast.Global) -> None:
        for name in node.names:
            self.references.names[name,] = None

    def visit_Attribute(self, node: ast.Attribute) -> None:
        attributes = [node.attr]
        base = node.value
        while isinstance(base, ast.Attribute):
            attributes.append(base.attr)
            base = base.value
        for name in attributes:
            if name in _ALL_FRAMES:
                self.references.hidden[f"{EVERYTHING}.{name}"] = None
        if isinstance(base, ast.Name):
            self._look_up((base.id, *reversed(attributes)))
        else:
            self.visit(base)

    def visit_Call(self, node: ast.Call) -> None:
        called = node.func
        if isinstance(called, ast.Attribute) and called.attr in _OWN_FRAME:
            self.references.hidden[f".{called.attr}()"] = None
        for keyword in node.keywords:
            unsafe = _UNSAFE_KEYWORDS.get(keyword.arg or "")
            safe = isinstance(keyword.value, ast.Constant) and keyword.value.value is not unsafe
            if unsafe is not None and not safe:
                self.references.hidden[f"{EVERYTHING}{keyword.arg}="] = None
        self.generic_visit(node)

    # --- imports --------------------------------------------------------------------------------

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.references.modules[alias.name] = None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = absolute(node.level, node.module, self._package)
        if module is not None:
            self.references.modules[module] = None
            for alias in node.names:  # which may be a module too
                self.references.modules[f"{module}.{alias.name}"] = None

    # --- scopes ---------------------------------------------------------------------------------

    def _enter(self, scope: _Scope, nodes: Iterable[ast.AST]) -> None:
        self._scopes.append(scope)
        for node in nodes:
            self.visit(node)
        self._scopes.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def _function(self, node: _Definition) -> None:
        for one in node.decorator_list:
            self.visit(one)
        for parameter in getattr(node, "type_params", ()):
            self.visit(parameter)
        self._signature(node.args)
        if node.returns is not None:
            self._annotation(node.returns)
        scope = self._own(node.body)
        scope.bound |= {one.arg for one in arguments(node.args)} - scope.declared
        self._enter(scope, node.body)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._signature(node.args)
        scope = self._own([node.body])
        scope.bound |= {one.arg for one in arguments(node.args)}
        self._enter(scope, [node.body])

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for one in (*node.decorator_list, *node.bases, *node.keywords):
            self.visit(one)
        for parameter in getattr(node, "type_params", ()):
            self.visit(parameter)
        scope = self._own(node.body)
        scope.is_class = True
        self._enter(scope, node.body)

    def visit_ListComp(self, node: ast.ListComp) -> None:
        self._comprehension(node, [node.elt])

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self._comprehension(node, [node.elt])

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self._comprehension(node, [node.elt])

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._comprehension(node, [node.key, node.value])

    def _comprehension(self, node: Comprehension, elements: list[ast.expr]) -> None:
        first, *others = node.generators
        self.visit(first.iter)  # looked up outside: `[x for x in x]`
        targets = {
            one.id
            for generator in node.generators
            for one in ast.walk(generator.target)
            if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
        }
        parts: list[ast.AST] = [first.target, *first.ifs, *others, *elements]
        self._enter(_Scope(targets, {}), parts)

    def _own(self, body: Iterable[ast.AST]) -> _Scope:
        """Return a scope with the names that its statements bind."""
        scope = _Scope(set(), {})
        for node in own_nodes(body):
            if isinstance(node, ast.Global):
                scope.declared.update(node.names)
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    name = alias.asname or alias.name.partition(".")[0]
                    module = alias.name if alias.asname else name
                    scope.aliases.setdefault(name, []).append((module, ()))
            elif isinstance(node, ast.ImportFrom):
                module = absolute(node.level, node.module, self._package)
                for alias in node.names if module is not None else ():
                    name = alias.asname or alias.name
                    scope.aliases.setdefault(name, []).append((module or "", (alias.name,)))
            scope.bound.update(bound_by(node))
        outer = {
            name
            for node in own_nodes(body)
            if isinstance(node, ast.Nonlocal)
            for name in node.names
        }
        scope.bound -= scope.declared | outer
        return scope

    # --- signatures -----------------------------------------------------------------------------

    def _signature(self, node: ast.arguments) -> None:
        for one in (*node.defaults, *node.kw_defaults):
            if one is not None:
                self.visit(one)
        for parameter in arguments(node):
            if parameter.annotation is not None:
                self._annotation(parameter.annotation)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._annotation(node.annotation)
        self.visit(node.target)
        if node.value is not None:
            self.visit(node.value)

    def _annotation(self, node: ast.expr) -> None:
        self.visit(node)
        for one in ast.walk(node):
            if isinstance(one, ast.Constant) and isinstance(one.value, str):
                try:
                    self.visit(ast.parse(one.value, mode="eval").body)
                except (SyntaxError, ValueError):
                    continue


def arguments(node: ast.arguments) -> Iterator[ast.arg]:
    """Yield the parameters of a signature."""
    yield from (*node.posonlyargs, *node.args, *node.kwonlyargs)
    for one in (node.vararg, node.kwarg):
        if one is not None:
            yield one


def own_nodes(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield the nodes of one scope: not those within its functions, classes, comprehensions."""
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            continue
        if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            # `(a := ...)` within a comprehension binds around it.
            waiting += _walruses(node)
            continue
        waiting.extend(ast.iter_child_nodes(node))


def _walruses(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.NamedExpr):
            yield child.target
        if not isinstance(child, ast.Lambda):
            yield from _walruses(child)


def bound_by(node: ast.AST) -> Iterator[str]:
    """Yield the names that a node itself binds, or removes, in its scope."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, ast.Import):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in node.names)
    elif isinstance(node, (ast.ExceptHandler, ast.MatchStar, ast.MatchAs)):
        if node.name is not None:
            yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest is not None:
        yield node.rest
