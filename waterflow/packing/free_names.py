"""Which global names a piece of source uses, and which of them while it is being defined."""

from __future__ import annotations

import ast
import symtable
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def free_names(source: str, tree: ast.Module) -> tuple[frozenset[str], frozenset[str]]:
    """Return the global names that the code uses, and those in its annotations."""
    bare = _Bare().visit(ast.parse(source))
    code: set[str] = set()
    waiting = [symtable.symtable(ast.unparse(bare), "<step>", "exec")]
    while waiting:
        table = waiting.pop()
        waiting.extend(table.get_children())
        code.update(one.get_name() for one in table.get_symbols() if one.is_global())
    annotated = {name for one in _annotations(tree) for name in _annotation_names(one)}
    return frozenset(code), frozenset(annotated)


class _Bare(ast.NodeTransformer):
    """Takes annotations away."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(0)
        return self.generic_visit(node)


def _annotations(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.arg, ast.AnnAssign)) and node.annotation is not None:
            yield node.annotation
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.returns is not None:
            yield node.returns


def _annotation_names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            yield from _annotation_names(ast.parse(node.value, mode="eval").body)
        except SyntaxError:
            return
    elif isinstance(node, ast.Subscript):
        yield from _annotation_names(node.value)
        base = node.value.attr if isinstance(node.value, ast.Attribute) else None
        base = node.value.id if isinstance(node.value, ast.Name) else base
        if base == "Literal":  # Its strings are values, not names.
            return
        inner = node.slice
        if base == "Annotated" and isinstance(inner, ast.Tuple) and inner.elts:
            yield from _annotation_names(inner.elts[0])
            for note in inner.elts[1:]:
                yield from (one.id for one in ast.walk(note) if isinstance(one, ast.Name))
            return
        yield from _annotation_names(inner)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _annotation_names(child)


def eager_names(tree: ast.Module, future: bool) -> set[str]:
    """Return the names that are looked up while the definition itself is made."""
    names: set[str] = set()

    def look(node: ast.AST) -> None:
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Lambda):
            look(node.args)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for one in node.decorator_list:
                look(one)
            look(node.args)
            if node.returns is not None and not future:
                look(node.returns)
        elif isinstance(node, ast.arg):
            if node.annotation is not None and not future:
                look(node.annotation)
        else:
            for child in ast.iter_child_nodes(node):
                look(child)

    look(tree)
    return names


def submodules(tree: ast.Module, names: Mapping[str, Any]) -> Iterator[str]:
    """Yield imports for `a.b` where `a` is an imported module and `b` a module below it."""
    for expression in ast.walk(tree):
        node, chain = expression, list[str]()
        while isinstance(node, ast.Attribute):
            chain.append(node.attr)
            node = node.value
        if not chain or not isinstance(node, ast.Name):
            continue
        module = names.get(node.id)
        for part in reversed(chain):
            if not isinstance(module, ModuleType):
                break
            path = f"{module.__name__}.{part}"
            below = sys.modules.get(path)
            if below is None or getattr(module, part, None) is not below:
                break
            # Under a private name: only the import itself is wanted.
            yield f"import {path} as _{path.replace('.', '_')}"
            module = below
