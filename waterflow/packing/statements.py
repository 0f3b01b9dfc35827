"""What a statement does when it runs: the names that it binds, uses and changes, and its calls."""

from __future__ import annotations

import ast
import builtins
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Function = ast.FunctionDef | ast.AsyncFunctionDef
_COMPREHENSIONS: Final = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

_SETTING: Final = re.compile(
    r"(^|_)(seeds?|set|reset|config(ure)?|options?|filter(warnings)?|simplefilter|basicconfig"
    r"|dictconfig|fileconfig|disable|enable|register(er)?|unregister|use|install|patch|add|append"
    r"|extend|insert|update|setdefault|clear|pop|remove|init(ialize)?|allow|capturewarnings"
    r"|environ|putenv|setlocale|freeze|load_ext)(_|$)"
    r"|^set[A-Z]|^add[A-Z]|basicConfig|dictConfig|fileConfig|captureWarnings|getcontext"
    r"|filterwarnings|setlocale|putenv|chdir"
)
_ARGUMENTS: Final = frozenset({"parse_args", "parse_known_args", "parse_intermixed_args"})
_PROMPTS: Final = frozenset({"input", "getpass"})


@dataclass(slots=True)
class Effects:
    """What a statement does when it runs, in functions of the same module that it calls too.

    Attributes:
        binds: Names of the module that it gives a value.
        uses: Names of the module that it looks up.
        changes: Names whose value it changes from inside: `f.x = 1`, `CFG["a"] = 2`,
            `log.append(x)`, `@shape.register`; with the node that does.
        within: The functions in which a name is bound or changed; "" for the statement itself.
        settings: Those of `changes` that by their name set something, as `np.random.seed(0)`.
        command_line: The expression with which it reads the command line or asks the user.
    """

    binds: set[str] = field(default_factory=set[str])
    uses: set[str] = field(default_factory=set[str])
    changes: dict[str, ast.AST] = field(default_factory=dict[str, ast.AST])
    within: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    settings: dict[str, ast.AST] = field(default_factory=dict[str, ast.AST])
    command_line: ast.expr | None = None


def effects(statement: ast.stmt, functions: Mapping[str, Function]) -> Effects:
    """Return what a statement of a module's top does when it runs.

    Args:
        statement: The statement.
        functions: The module's own functions, which are followed where they are called.
    """
    reader = _Reader(functions)
    reader.run(statement)
    return reader.effects


def functions_of(statements: list[ast.stmt]) -> dict[str, Function]:
    """Return a module's functions by name, those under if, try, with and loops too."""
    named: dict[str, Function] = {}
    for statement in flat(statements):
        if isinstance(statement, Function):
            named[statement.name] = statement
    return named


def flat(statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run with the module, those under if, try, with and loops too."""
    for statement in statements:
        yield statement
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        for node in ast.iter_child_nodes(statement):
            if isinstance(node, ast.stmt):
                yield from flat([node])
            elif isinstance(node, (ast.ExceptHandler, ast.match_case)):
                yield from flat(node.body)


def is_guard(statement: ast.stmt) -> bool:
    """Say whether a statement is `if __name__ == "__main__":`, which no job runs."""
    return isinstance(statement, ast.If) and _is_main(statement.test)


def _is_main(test: ast.expr) -> bool:
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return any(_is_main(one) for one in test.values)
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return False
    if not isinstance(test.ops[0], ast.Eq):
        return False
    sides = [test.left, test.comparators[0]]
    named = any(isinstance(one, ast.Name) and one.id == "__name__" for one in sides)
    main = any(isinstance(one, ast.Constant) and one.value == "__main__" for one in sides)
    return named and main


def is_setting(name: str) -> bool:
    """Say whether a function's name tells that calling it sets something for all that follows."""
    return _SETTING.search(name) is not None


def may_change(definition: ast.stmt, name: str) -> bool:
    """Say whether a function or class may change a name of its module where it is called."""
    for node in ast.walk(definition):
        if isinstance(node, ast.Global) and name in node.names:
            return True
        if isinstance(node, (ast.Attribute, ast.Subscript)) and root(node) == name:
            if not isinstance(node.ctx, ast.Load):
                return True
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and root(node.func) == name:
                return True
            plain = isinstance(node.func, ast.Name) and hasattr(builtins, node.func.id)
            if not plain and any(root(one) == name for one in node.args):
                return True
    return False


def root(node: ast.AST) -> str | None:
    """Return the name at the root of `name.a["b"].c`, or None where it is something else."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


class _Reader:
    """Walks what runs: not the bodies of functions that are only defined."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        self.effects = Effects()
        self.functions = functions
        self._followed: set[str] = set()
        self._inside = [""]
        self._local: list[set[str]] = [set()]  # what is no name of the module

    def run(self, node: ast.AST) -> None:
        """Read a node that runs."""
        if isinstance(node, Function):
            self._definition(node)
        elif isinstance(node, ast.Lambda):
            self._all(node.args.defaults + [one for one in node.args.kw_defaults if one])
        elif isinstance(node, ast.ClassDef):
            self._class(node)
        elif isinstance(node, _COMPREHENSIONS):
            self._comprehension(node)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                self._bind((alias.asname or alias.name).partition(".")[0])
        elif isinstance(node, ast.ExceptHandler):
            if node.name:
                self._bind(node.name)
            self._children(node)
        elif isinstance(node, ast.Name):
            self._name(node)
        elif not isinstance(node, ast.arg):
            self._other(node)

    def _other(self, node: ast.AST) -> None:
        self._change(node)
        self._children(node)
        if isinstance(node, ast.Call):
            self._call(node)
        elif isinstance(node, ast.Attribute):
            self._command_line(node)

    def _children(self, node: ast.AST) -> None:
        self._all(list(ast.iter_child_nodes(node)))

    def _all(self, nodes: list[ast.AST] | list[ast.expr] | list[ast.stmt]) -> None:
        for one in nodes:
            self.run(one)

    def _bind(self, name: str) -> None:
        if name not in self._local[-1]:
            self._binds(name)

    def _binds(self, name: str) -> None:
        self.effects.binds.add(name)
        self.effects.within.setdefault(name, set()).add(self._inside[-1])

    def _name(self, node: ast.Name) -> None:
        if node.id in self._local[-1]:
            return
        if isinstance(node.ctx, ast.Store):
            self._binds(node.id)
        else:
            self.effects.uses.add(node.id)

    def _definition(self, node: Function) -> None:
        self._bind(node.name)
        self._decorators(node)
        self._all(node.args.defaults + [one for one in node.args.kw_defaults if one])
        if len(self._local) > 1 and self._followed:
            self._body(node)  # inside one that is called: who knows who calls this one

    def _class(self, node: ast.ClassDef) -> None:
        self._bind(node.name)
        self._decorators(node)
        self._all(node.bases)
        self._all([one.value for one in node.keywords])
        bound = {one.id for one in ast.walk(node) if _stores(one)}
        bound |= {one.name for one in node.body if isinstance(one, (*_DEFINED,))}
        self._local.append(self._local[-1] | bound)
        self._all(node.body)
        self._local.pop()

    def _decorators(self, node: Function | ast.ClassDef) -> None:
        for decorator in node.decorator_list:
            self.run(decorator)
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            name = root(called)
            # `@shape.register` changes `shape`; `@wf.step` and `@functools.cache` do not change
            # their modules, which whoever asks can tell by what the name stands for.
            if isinstance(called, ast.Attribute) and name is not None:
                self._changed(name, decorator, called.attr)
            elif name is not None:
                self._follow(name)

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    ) -> None:
        bound = {one.id for one in ast.walk(node) if _stores(one)}
        self._local.append(self._local[-1] | bound)
        self._children(node)
        self._local.pop()

    def _call(self, node: ast.Call) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in ("setattr", "delattr") and node.args:
            changed = root(node.args[0])
            if changed is not None:
                self._changed(changed, node, "set")
        last = node.func.attr if isinstance(node.func, ast.Attribute) else name
        if last in _ARGUMENTS or (last in _PROMPTS and name not in self.functions):
            self.effects.command_line = self.effects.command_line or node
        self._follow(name)

    def _follow(self, name: str) -> None:
        """Read the body of a function of the module that is called."""
        if name in self.functions and name not in self._followed | self._local[-1]:
            self._followed.add(name)
            self._inside.append(name)
            self._body(self.functions[name])
            self._inside.pop()

    def _body(self, function: Function) -> None:
        outer = {
            name
            for one in ast.walk(function)
            if isinstance(one, (ast.Global, ast.Nonlocal))
            for name in one.names
        }
        arguments = {one.arg for one in ast.walk(function.args) if isinstance(one, ast.arg)}
        bound = {one.id for one in ast.walk(function) if _stores(one)}
        for one in ast.walk(function):
            if isinstance(one, (ast.Import, ast.ImportFrom)):
                bound |= {(a.asname or a.name).partition(".")[0] for a in one.names}
            elif isinstance(one, _DEFINED) and one is not function:
                bound.add(one.name)
        self._local.append((self._local[-1] | arguments | bound) - outer)
        self._all(function.body)
        self._local.pop()

    def _change(self, node: ast.AST) -> None:
        if isinstance(node, (ast.Attribute, ast.Subscript)):
            if not isinstance(node.ctx, ast.Load) and (name := root(node)) is not None:
                self._changed(name, node, "set")
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            self._changed(node.target.id, node, "set")
            self.effects.uses.add(node.target.id)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            called = node.value.func
            name = root(called)
            if isinstance(called, ast.Attribute) and name is not None:
                self._changed(name, node, called.attr)
            elif isinstance(called, ast.Name):
                self._changed(called.id, node, called.id)

    def _changed(self, name: str, node: ast.AST, how: str) -> None:
        if name in self._local[-1] or (how == name and name in self.functions):
            return
        self.effects.changes.setdefault(name, node)
        self.effects.within.setdefault(name, set()).add(self._inside[-1])
        if how == "set" or is_setting(how):
            self.effects.settings.setdefault(name, node)

    def _command_line(self, node: ast.Attribute) -> None:
        if node.attr == "argv" and isinstance(node.value, ast.Name) and node.value.id == "sys":
            self.effects.command_line = self.effects.command_line or node


_DEFINED: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _stores(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
