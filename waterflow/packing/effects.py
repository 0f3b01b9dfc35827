"""Which statements of a module's top do more than bind a name when the module is imported."""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING, Final

from waterflow.packing.bindings import Names
from waterflow.packing.harmless import BASES, CALLS, CHANGING, DECORATORS, METHODS
from waterflow.packing.references import Comprehension, arguments

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from waterflow.packing.sources import Source, Statement

_OWN_MAKING: Final = frozenset(
    {"__class_getitem__", "__init_subclass__", "__mro_entries__", "__set_name__"}
)
"""Methods that run when a class is made or written in brackets."""
_ENUM_MAKING: Final = frozenset({"__init__", "__new__", "_generate_next_value_", "_missing_"})
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
_OF_PARTS: Final = (
    ast.BinOp, ast.BoolOp, ast.Compare, ast.Dict, ast.FormattedValue, ast.IfExp, ast.JoinedStr,
    ast.List, ast.Set, ast.Slice, ast.Starred, ast.Subscript, ast.Tuple, ast.UnaryOp,
)  # fmt: skip
"""Expressions that are plain data where all their parts are."""


class Effects:
    """Tells definitions from statements with effects, for the modules of one bundle.

    Args:
        sources: The modules by name.

    Attributes:
        names: What their names are bound to.
    """

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self.names = Names(sources)
        self._known: dict[Statement, bool] = {}
        self._changed: dict[str, dict[str, list[Statement]]] = {}
        self._under_way: set[Statement] = set()
        self._targets: frozenset[str] = frozenset()

    def has_effect(self, source: Source, statement: Statement) -> bool:
        """Say whether running a statement may do more than bind its names.

        An import has none of its own: what it runs is another module.
        """
        if statement not in self._known:
            # What leads to itself is bound more than once, or not yet: nothing to rely on.
            self._known[statement] = True
            self._known[statement] = not self._is_definition(source, statement)
        return self._known[statement]

    def floats(self, source: Source, statement: Statement) -> bool:
        """Say whether a definition comes to the same wherever in its module it stands."""
        if self.has_effect(source, statement) or statement.alias is not None:
            return False
        if not statement.binds or self.changes(source, statement):
            return False
        if not all(self.names.is_single(source, name) for name in statement.binds):
            return False
        evaluated = list(_evaluated(statement.node))
        names = {
            one.id
            for part in evaluated
            for one in ast.walk(part)
            if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load)
        }
        attributes = {
            one.attr
            for part in evaluated
            for one in ast.walk(part)
            if isinstance(one, ast.Attribute)
        }
        return attributes.isdisjoint(self.names.stored) and all(
            self._is_settled(source, name) for name in names
        )

    def _is_settled(self, source: Source, name: str) -> bool:
        """Say whether a name means the same at every place where it is bound."""
        bound = source.by_name.get(name)
        if bound is None:
            return not self.names.is_starred(source, name) and name not in self.names.stored
        if not self.names.is_single(source, name):
            return False
        if bound[0].alias is not None:
            return not any(self.names.is_project(module) for module, _ in bound[0].aliases[name])
        return isinstance(bound[0].node, (*_FUNCTIONS, ast.ClassDef))

    def changes(self, source: Source, statement: Statement) -> frozenset[str]:
        """Return the names whose own values a statement changes, and nothing else.

        `NAMES.append("x")`, where `NAMES` is a list that was written down in this module and so is
        known by that name alone: who does not reach the name sees nothing of it.
        """
        node = statement.node
        if isinstance(node, ast.Delete):
            names = [one.id for one in node.targets if isinstance(one, ast.Name)]
            return frozenset(names) if len(names) == len(node.targets) else frozenset()
        place: ast.expr | None = None
        parts_used: list[ast.expr] = []
        if isinstance(node, ast.AugAssign):
            place, parts_used = node.target, [node.value]
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            place, parts_used = node.targets[0], [node.value]
            if not isinstance(place, ast.Subscript):
                return frozenset()
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            called = node.value.func
            parts_used = [*node.value.args, *(one.value for one in node.value.keywords)]
            if isinstance(called, ast.Attribute) and called.attr in CHANGING:
                place = called.value
        if isinstance(place, ast.Subscript):
            parts_used.append(place.slice)
            place = place.value
        if not isinstance(place, ast.Name) or not self._is_fresh(source, place.id):
            return frozenset()
        # What is put in by name would from then on be known by two.
        alone = not any(
            isinstance(one, ast.Name) and one.id in source.by_name
            for part in parts_used
            for one in ast.walk(part)
        )
        plain = alone and all(self._is_plain(source, one) for one in parts_used)
        return frozenset([place.id] if plain else ())

    def changed(self, source: Source, name: str) -> list[Statement]:
        """Return the statements that change a name's value without binding it."""
        if source.name not in self._changed:
            by_name = self._changed.setdefault(source.name, {})
            for one in source.statements:
                for changed in self.changes(source, one) - one.binds:
                    by_name.setdefault(changed, []).append(one)
        return self._changed[source.name].get(name, [])

    def _is_fresh(self, source: Source, name: str) -> bool:
        """Say whether all that a name is bound to was written down there, and nowhere else."""
        bound = source.by_name.get(name, ())
        values = [
            one.node.value
            for one in bound
            if isinstance(one.node, (ast.Assign, ast.AnnAssign)) and one.node.value is not None
        ]
        simple = len(values) == len([o for o in bound if not isinstance(o.node, ast.AugAssign)])
        if not simple or not values or not self.names.is_own(source, name):
            return False
        return all(
            not isinstance(one, ast.Name) and self._is_plain(source, value)
            for value in values
            for one in ast.walk(value)
        ) and all(len(t.targets) == 1 for t in (o.node for o in bound) if isinstance(t, ast.Assign))

    # --- statements -----------------------------------------------------------------------------

    def _is_definition(self, source: Source, statement: Statement) -> bool:
        node = statement.node
        if statement.alias is not None or statement.checking:
            return True
        if isinstance(node, _FUNCTIONS):
            return self._is_function(source, node, frozenset())
        if isinstance(node, ast.ClassDef):
            return self._is_class(source, node)
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            inert = self._is_assignment(source, node, frozenset())
            return inert or bool(self.changes(source, statement))
        if type(node).__name__ == "TypeAlias" or self.changes(source, statement):
            return True
        return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)

    def _is_assignment(
        self, source: Source, node: ast.Assign | ast.AnnAssign, own: frozenset[str]
    ) -> bool:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if isinstance(node, ast.AnnAssign) and not self._is_annotation(source, node.annotation):
            return False
        value = node.value
        for target in targets:
            if isinstance(target, ast.Tuple):
                display = isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts)
                if not display or not all(isinstance(one, ast.Name) for one in target.elts):
                    return False
            elif not isinstance(target, ast.Name):
                return False
        return value is None or self._is_inert(source, value, own)

    def _is_function(
        self,
        source: Source,
        node: ast.FunctionDef | ast.AsyncFunctionDef,
        own: frozenset[str],
    ) -> bool:
        defaults = [*node.args.defaults, *(one for one in node.args.kw_defaults if one is not None)]
        annotations = [one.annotation for one in arguments(node.args)]
        return (
            all(self._is_decorator(source, one, own) for one in node.decorator_list)
            and all(self._is_inert(source, one, own) for one in defaults)
            and all(
                one is None or self._is_annotation(source, one)
                for one in (*annotations, node.returns)
            )
        )

    def _is_decorator(self, source: Source, node: ast.expr, own: frozenset[str]) -> bool:
        if isinstance(node, ast.Attribute) and node.attr in ("setter", "getter", "deleter"):
            return isinstance(node.value, ast.Name) and node.value.id in own
        calls = 0
        arguments: list[ast.expr] = []
        while isinstance(node, ast.Call):
            calls += 1
            arguments += [*node.args, *(one.value for one in node.keywords)]
            node = node.func
        if not all(self._is_inert(source, one, own) for one in arguments):
            return False
        if self.names.resolve(source, node) in DECORATORS:
            return calls <= 1
        bound = source.by_name.get(node.id) if isinstance(node, ast.Name) else None
        if (
            bound is None
            or not isinstance(node, ast.Name)
            or not self.names.is_single(source, node.id)
        ):
            return False
        function = bound[0].node
        return (
            isinstance(function, ast.FunctionDef)
            and not self.has_effect(source, bound[0])
            and not function.decorator_list
            and _only_wraps(function, calls)
        )

    def _is_class(self, source: Source, node: ast.ClassDef) -> bool:
        if node.keywords or not all(self._is_base(source, one) for one in node.bases):
            return False
        if not all(self._is_decorator(source, one, frozenset()) for one in node.decorator_list):
            return False
        making = _OWN_MAKING if not node.bases else _OWN_MAKING | _ENUM_MAKING
        enum = any(
            (self.names.resolve(source, one) or "").startswith("enum.") for one in node.bases
        )
        own: set[str] = set()
        for one in node.body:
            if isinstance(one, _FUNCTIONS):
                if one.name in (making if enum else _OWN_MAKING):
                    return False
                if not self._is_function(source, one, frozenset(own)):
                    return False
                own.add(one.name)
            elif isinstance(one, (ast.Assign, ast.AnnAssign)):
                if not self._is_assignment(source, one, frozenset(own)):
                    return False
            elif not isinstance(one, ast.Pass) and not (
                isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)
            ):
                return False
        return True

    def _is_base(self, source: Source, node: ast.expr) -> bool:
        if isinstance(node, ast.Subscript):
            return self._is_base(source, node.value) and self._is_annotation(source, node.slice)
        name = self.names.resolve(source, node)
        if name is not None:
            return name in BASES or isinstance(getattr(builtins, name, None), type)
        if not isinstance(node, ast.Name) or not self.names.is_single(source, node.id):
            return False
        statement = source.by_name[node.id][0]
        return isinstance(statement.node, ast.ClassDef) and not self.has_effect(source, statement)

    # --- expressions ----------------------------------------------------------------------------

    def _is_annotation(self, source: Source, node: ast.expr) -> bool:
        """Say whether an annotation does nothing when it is looked up."""
        if source.future or isinstance(node, (ast.Constant, ast.Name)):
            return True
        if isinstance(node, ast.Attribute):
            return self._is_annotation(source, node.value)
        if isinstance(node, ast.Subscript):
            return self._is_annotation(source, node.value) and self._is_annotation(
                source, node.slice
            )
        if isinstance(node, ast.BinOp):
            return (
                isinstance(node.op, ast.BitOr)
                and self._is_annotation(source, node.left)
                and self._is_annotation(source, node.right)
            )
        if isinstance(node, (ast.Tuple, ast.List)):
            return all(self._is_annotation(source, one) for one in node.elts)
        return False

    def _is_inert(self, source: Source, node: ast.expr, own: frozenset[str]) -> bool:
        """Say whether evaluating an expression does nothing but make its value."""
        if isinstance(node, ast.Name):
            return True
        if isinstance(node, ast.Lambda):
            defaults = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
            return all(self._is_inert(source, one, own) for one in defaults)
        if isinstance(node, (ast.Tuple, ast.List)):
            return all(self._is_inert(source, one, own) for one in node.elts)
        if isinstance(node, ast.Dict):
            keys = all(one is not None and self._is_plain(source, one) for one in node.keys)
            return keys and all(self._is_inert(source, one, own) for one in node.values)
        if isinstance(node, ast.Attribute) and self._is_module_chain(source, node):
            return True
        return self._is_plain(source, node)

    def _is_module_chain(self, source: Source, node: ast.expr) -> bool:
        while isinstance(node, ast.Attribute):
            node = node.value
        if not isinstance(node, ast.Name) or not self.names.is_single(source, node.id):
            return False
        return source.by_name[node.id][0].alias is not None

    def _is_plain(self, source: Source, node: ast.expr | None) -> bool:
        """Say whether an expression is made of plain data, which no operator can change."""
        if node is None or isinstance(node, ast.Constant):
            return True
        if isinstance(node, ast.Name):
            return self._is_plain_name(source, node.id)
        if isinstance(node, _OF_PARTS):
            parts = (one for one in ast.iter_child_nodes(node) if isinstance(one, ast.expr))
            return all(self._is_plain(source, one) for one in parts)
        if isinstance(node, ast.Attribute):
            return self.names.resolve(source, node) is not None
        if isinstance(node, ast.Call):
            arguments = [*node.args, *(one.value for one in node.keywords)]
            known = self.names.resolve(source, node.func) in CALLS or self._is_method(
                source, node.func
            )
            return known and all(
                self._is_plain_loop(source, one)
                if isinstance(one, ast.GeneratorExp)
                else self._is_plain(source, one)
                for one in arguments
            )
        if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp)):
            return self._is_plain_loop(source, node)
        return False

    def _is_plain_loop(self, source: Source, node: Comprehension) -> bool:
        """Say whether a comprehension goes over plain data and makes plain data of it."""
        elements = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        before = self._targets
        try:
            for loop in node.generators:
                if loop.is_async or not self._is_plain(source, loop.iter):
                    return False
                targets = [one for one in ast.walk(loop.target) if isinstance(one, ast.Name)]
                self._targets |= {one.id for one in targets}
                if not all(self._is_plain(source, one) for one in loop.ifs):
                    return False
            return all(self._is_plain(source, one) for one in elements)
        finally:
            self._targets = before

    def _is_plain_name(self, source: Source, name: str) -> bool:
        if name in self._targets:
            return True
        bound = source.by_name.get(name)
        if bound is None:
            return self.names.resolve(source, ast.Name(name)) is not None
        if not self.names.is_own(source, name):
            return False
        return all(self._binds_plain(source, one, name) for one in bound)

    def _binds_plain(self, source: Source, statement: Statement, name: str) -> bool:
        if statement.alias is not None:
            return not any(self.names.is_project(module) for module, _ in statement.aliases[name])
        if statement in self._under_way:
            return False
        if isinstance(statement.node, _FUNCTIONS):
            return not self.has_effect(source, statement)
        self._under_way.add(statement)
        try:
            if not isinstance(statement.node, (ast.Assign, ast.AnnAssign)):
                return bool(self.changes(source, statement))
            return self._is_plain(source, statement.node.value)
        finally:
            self._under_way.discard(statement)

    def _is_method(self, source: Source, node: ast.expr) -> bool:
        """Say whether what is called is a method of plain data that changes nothing."""
        if not isinstance(node, ast.Attribute) or node.attr not in METHODS:
            return False
        names = {one.id for one in ast.walk(node.value) if isinstance(one, ast.Name)}
        return self._is_plain(source, node.value) and all(
            name in self._targets
            or all(
                isinstance(one.node, (ast.Assign, ast.AnnAssign))
                for one in source.by_name.get(name, ())
            )
            for name in names
        )


def _evaluated(node: ast.AST) -> Iterator[ast.expr]:
    """Yield what is evaluated when a definition is made, annotations aside."""
    if isinstance(node, _FUNCTIONS):
        yield from (*node.decorator_list, *node.args.defaults)
        yield from (one for one in node.args.kw_defaults if one is not None)
    elif isinstance(node, ast.ClassDef):
        yield from (*node.decorator_list, *node.bases)
        for one in node.body:
            yield from _evaluated(one)
    elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
        yield node.value


def _only_wraps(function: ast.FunctionDef, calls: int) -> bool:
    """Say whether a decorator does nothing but define functions and return one of them.

    Args:
        function: The decorator.
        calls: How often it was called before it is given what it decorates.
    """
    inner: dict[str, ast.FunctionDef] = {}
    for node in function.body:
        if isinstance(node, ast.FunctionDef):
            if any(not _is_wraps(one) for one in node.decorator_list) or node.args.defaults:
                return False
            inner[node.name] = node
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.Name):
            if not calls:
                return True
            returned = inner.get(node.value.id)
            return (
                returned is not None
                and not returned.decorator_list
                and _only_wraps(returned, calls - 1)
            )
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            return False
    return True


def _is_wraps(node: ast.expr) -> bool:
    called = node.func if isinstance(node, ast.Call) else node
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", None)
    return name == "wraps"
