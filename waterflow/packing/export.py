"""Steps of a notebook or of `__main__`, exported with what they name as the source of a module."""

from __future__ import annotations
import __future__

import ast
import builtins
import dis
import functools
import inspect
import io
import logging
import re
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.errors import DefinitionError
from waterflow.packing.free_names import eager_names, free_names, submodules

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Set by Python in every module, or meaningless in another one.
_OWN: Final = frozenset(
    {"__name__", "__doc__", "__package__", "__spec__", "__builtins__", "__loader__"}
)
# IPython adds display and get_ipython to builtins: what a job has is what Python itself brings.
_BUILTINS: Final = frozenset(
    name for name in dir(builtins) if name not in {"display", "get_ipython"}
)
_ADVICE: Final = (
    "Make it a parameter of the step, define it inside the step, or move it to a module that the "
    "step imports"
)


def export(function: object, *, module_name: str) -> str:
    """Return the source of a module that defines a function and all that it names.

    Taken along, recursively: imports, literals, other functions, steps and classes of the same
    notebook or script. The text depends on what is named alone.

    Args:
        function: A function, or a step made of one.
        module_name: The dotted name that the module will have.

    Raises:
        DefinitionError: The function's source is not known, or it names something that is neither
            importable nor written as source or literal (an open file, a DataFrame, a lambda).
    """
    plain = _plain(function)
    if plain is None:
        raise DefinitionError(
            f"A {_type_name(function)} cannot be exported: only functions and steps can"
        )
    plain = cast("FunctionType", inspect.unwrap(plain))
    work = _Export(plain.__name__, plain.__globals__, _location(plain.__code__))
    work.take(plain.__name__, function, definition=True)
    text = work.text(module_name)
    compile(text, f"<{module_name}>", "exec", dont_inherit=True)
    return text


@dataclass(slots=True)
class _Definition:
    """A function or class by its source.

    Attributes:
        source: The source, decorators included, without indentation.
        before: What must be defined before it: named by decorators, defaults, bases, annotations.
    """

    source: str
    before: frozenset[str]


@dataclass(slots=True)
class _Export:
    """One export: what was found so far, and where it is looked for."""

    step: str
    names: Mapping[str, Any]
    location: str
    future: bool = False
    imports: dict[str, None] = field(default_factory=dict[str, None])
    literals: dict[str, str] = field(default_factory=dict[str, str])
    definitions: dict[str, _Definition] = field(default_factory=dict[str, _Definition])
    done: set[str] = field(default_factory=set[str])
    written: dict[str, ast.ImportFrom] | None = None

    # --- one name ---------------------------------------------------------------------------------

    def take(self, name: str, value: object, *, definition: bool = False) -> None:
        """Export what a name stands for."""
        if name in self.done:
            return
        self.done.add(name)
        if not definition and (line := self._written_import(name, value)):
            self.imports[line] = None
        elif isinstance(value, ModuleType):
            self._module(name, value)
        elif (plain := _plain(value)) is not None:
            self._function(name, value, plain)
        elif isinstance(value, type):
            self._class(name, value)
        elif (literal := _literal(value)) is not None:
            self.literals[name] = literal
        else:
            self._refuse(name, value)

    def _module(self, name: str, module: ModuleType) -> None:
        path = module.__name__
        if sys.modules.get(path) is not module or path == "__main__" or module.__spec__ is None:
            self._refuse(name, module)
        self.imports[_import_line(path, name)] = None

    def _function(self, name: str, value: object, plain: FunctionType) -> None:
        inner = cast("FunctionType", inspect.unwrap(plain))
        if inner.__globals__ is not self.names:
            self._imported(name, value)
            return
        if inner.__name__ == "<lambda>":
            self._refuse(name, value, "a lambda", "Write it as a function with def")
        if inner.__closure__:
            held = ", ".join(inner.__code__.co_freevars)
            self._refuse(name, value, f"a function made inside another, holding {held}")
        self.future |= bool(inner.__code__.co_flags & __future__.annotations.compiler_flag)
        try:
            source = textwrap.dedent(inspect.getsource(inner))
        except (OSError, TypeError):
            self._refuse(name, value, "a function whose source is not known")
            return
        self._define(name, inner.__name__, source)

    def _class(self, name: str, value: type) -> None:
        if value.__module__ == "builtins":
            self.literals[name] = value.__qualname__
            return
        if value.__module__ != self.names.get("__name__"):
            self._imported(name, value)
            return
        source = None if "<locals>" in value.__qualname__ else self._class_source(value)
        if source is None:
            self._refuse(name, value, "a class whose source is not known")
            return
        for member in vars(value).values():
            if isinstance(member, FunctionType) and member.__globals__ is self.names:
                flags = member.__code__.co_flags
                self.future |= bool(flags & __future__.annotations.compiler_flag)
        # Annotations that were never evaluated stay so: their names may be for checkers alone.
        annotations = inspect.get_annotations(value).values()
        self.future |= bool(annotations) and all(isinstance(one, str) for one in annotations)
        self._define(name, value.__name__, source)

    def _define(self, name: str, own: str, source: str) -> None:
        try:
            tree = ast.parse(source)
        except SyntaxError:
            self._refuse(
                name, self.names.get(name), "a function that is not a statement of its own"
            )
            return
        if name != own:
            # A second name for it: the definition keeps its own.
            if (
                own in self.names
                and own not in self.done
                and self.names[own] is not self.names[name]
            ):
                self._refuse(name, self.names[name], f"'{own}' under a second name")
            if own not in self.done:
                self.done.add(own)
                self._define(own, own, source)
            self.definitions[name] = _Definition(f"{name} = {own}\n", frozenset({own}))
            return
        code, annotated = free_names(source, tree)
        self.definitions[name] = _Definition(source, frozenset())
        self._check_file(code)
        for one in sorted(code | annotated):
            if one in _OWN or one == own:
                continue
            if one in self.names:
                self.take(one, self.names[one])
            elif one in code and one not in _BUILTINS:
                raise DefinitionError(
                    f"Step '{self.step}' uses '{one}', which is not defined. Define it first, or "
                    "import it inside the step",
                    self.location,
                )
        for line in sorted(submodules(tree, self.names)):
            self.imports[line] = None
        eager = eager_names(tree, self.future) - {own}
        self.definitions[name].before = frozenset(eager)

    def _check_file(self, code: frozenset[str]) -> None:
        if "__file__" in code:
            raise DefinitionError(
                f"Step '{self.step}' uses '__file__', which names no file in a job. Give the file "
                "as a parameter with wf.Data(...), or move the step to a module and use include=",
                self.location,
            )

    # --- where things come from -------------------------------------------------------------------

    def _written_import(self, name: str, value: object) -> str | None:
        """Return the user's own `from m import n as name`, where it still gives the value."""
        if self.written is None:
            self.written = dict(_written_imports(_sources(self.names)))
        statement = self.written.get(name)
        if statement is None or statement.module is None:
            return None
        module = statement.module
        if statement.level:
            package = str(self.names.get("__package__") or "")
            if not package:
                return None
            parts = package.split(".")
            module = ".".join([*parts[: len(parts) - statement.level + 1], module])
        for alias in statement.names:
            if (alias.asname or alias.name) == name:
                holder = sys.modules.get(module)
                attribute = getattr(holder, alias.name, self) if holder is not None else self
                if attribute is value:
                    return _from_line(module, alias.name, name)
        return None

    def _imported(self, name: str, value: object) -> None:
        """Import a class or function from where it is defined, by its most public path."""
        module = str(getattr(value, "__module__", ""))
        own = str(getattr(value, "__qualname__", ""))
        parts = module.split(".")
        for depth in range(1, len(parts) + 1):
            path = ".".join(parts[:depth])
            holder = sys.modules.get(path)
            if holder is not None and path != "__main__" and holder.__dict__.get(own) is value:
                self.imports[_from_line(path, own, name)] = None
                return
        self._refuse(name, value)

    def _class_source(self, value: type) -> str | None:
        # inspect finds no class of a notebook before Python 3.13: the cells are searched, the
        # latest first. A class's first own method tells which of several definitions it is.
        lines = {
            (member.__code__.co_filename, member.__code__.co_firstlineno)
            for member in vars(value).values()
            if isinstance(member, FunctionType) and not member.__code__.co_filename.startswith("<")
        }
        candidates: list[str] = []
        for filename, source in _sources(self.names):
            for node in _statements(_parse(source)):
                if isinstance(node, ast.ClassDef) and node.name == value.__name__:
                    text = _segment(source, node)
                    held = any(
                        filename == file and node.lineno <= line <= (node.end_lineno or 0)
                        for file, line in lines
                    )
                    if held:
                        return text
                    candidates.append(text)
        return candidates[-1] if candidates else None

    # --- the text ---------------------------------------------------------------------------------

    def text(self, module_name: str) -> str:
        """Return the module's source: imports, literals, definitions."""
        parts = [f'"""Steps exported by Waterflow as {module_name}."""\n']
        if self.future:
            parts.append("from __future__ import annotations\n")
        if self.imports:
            parts.append("".join(f"{line}\n" for line in sorted(self.imports, key=_import_order)))
        if self.literals:
            order = self._in_order(self.literals)
            parts.append("".join(f"{name} = {self.literals[name]}\n" for name in order))
        parts.extend(f"\n{self.definitions[name].source.strip()}\n" for name in self._sorted())
        return "\n".join(parts)

    def _in_order(self, names: Mapping[str, object]) -> list[str]:
        position = {name: index for index, name in enumerate(self.names)}
        return sorted(names, key=lambda name: (position.get(name, -1), name))

    def _sorted(self) -> list[str]:
        """Return the definitions as they were made, but each after what its own making needs."""
        done: dict[str, None] = {}

        def put(name: str, above: frozenset[str]) -> None:
            if name in done or name in above or name not in self.definitions:
                return
            for other in self._in_order(dict.fromkeys(self.definitions[name].before)):
                put(other, above | {name})
            done[name] = None

        for name in self._in_order(self.definitions):
            put(name, frozenset())
        return list(done)

    def _refuse(self, name: str, value: object, what: str = "", advice: str = _ADVICE) -> None:
        kind = what or f"a {_type_name(value)}"
        raise DefinitionError(
            f"Step '{self.step}' uses '{name}', {kind}, which cannot be exported. {advice}",
            self.location,
        )


# --- values ---------------------------------------------------------------------------------------


def _plain(value: object) -> FunctionType | None:
    """Return the function of a function, a step or a wrapped function; None for anything else."""
    if type(value).__module__.partition(".")[0] == "waterflow":
        value = getattr(value, "function", None)
    if not isinstance(value, FunctionType) and callable(value):
        # functools.cache and its like leave the function that they wrap in reach.
        value = getattr(value, "__wrapped__", None)
    return value if isinstance(value, FunctionType) else None


def _literal(value: object, above: tuple[int, ...] = ()) -> str | None:
    """Return an expression that makes the value anew, or None."""
    if id(value) in above:
        return None
    kind = type(value)
    if value is None or kind in (bool, int, str, bytes):
        return repr(value)
    if isinstance(value, float) and kind is float:
        return repr(value) if value - value == 0 else f"float({str(value)!r})"
    if isinstance(value, Path):
        return f"__import__('pathlib').Path({str(value)!r})"
    if isinstance(value, re.Pattern):
        return f"__import__('re').compile({value.pattern!r}, {value.flags})"
    if kind is logging.Logger:
        return f"__import__('logging').getLogger({cast('logging.Logger', value).name!r})"
    if kind is dict:
        return _dict_literal(cast("dict[object, object]", value), (*above, id(value)))
    if kind in (tuple, list, set, frozenset):
        held = list(cast("list[object]", value))
        return _series_literal(kind, held, (*above, id(value)))
    return None


def _dict_literal(value: dict[object, object], above: tuple[int, ...]) -> str | None:
    pairs: list[str] = []
    for key, item in value.items():
        left, right = _literal(key, above), _literal(item, above)
        if left is None or right is None:
            return None
        pairs.append(f"{left}: {right}")
    return "{" + ", ".join(pairs) + "}"


def _series_literal(kind: type, held: list[object], above: tuple[int, ...]) -> str | None:
    literals = [_literal(item, above) for item in held]
    texts = [text for text in literals if text is not None]
    if len(texts) != len(literals):
        return None
    if kind is list:
        return f"[{', '.join(texts)}]"
    if kind is tuple:
        return f"({texts[0]},)" if len(texts) == 1 else f"({', '.join(texts)})"
    # A set has no order of its own, and each process gives it another one.
    inner = f"{{{', '.join(sorted(texts))}}}" if texts else ""
    if kind is set:
        return inner or "set()"
    return f"frozenset({inner})"


def _type_name(value: object) -> str:
    kind = type(value)
    short = kind.__module__ in ("builtins", "__main__")
    return kind.__qualname__ if short else f"{kind.__module__}.{kind.__qualname__}"


# --- sources --------------------------------------------------------------------------------------


def _sources(names: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the (file name, source) of a script, or of a notebook's cells in order."""
    sources: list[tuple[str, str]] = []
    cells = names.get("In")
    if isinstance(cells, list):
        sources.extend(("", cell) for cell in cast("list[object]", cells) if isinstance(cell, str))
    file = names.get("__file__")
    if isinstance(file, str) and (script := _script(file)) is not None:
        sources.append((file, script))
    return sources


@functools.lru_cache(maxsize=64)
def _script(file: str) -> str | None:
    import linecache

    lines = linecache.getlines(file)
    return "".join(lines) if lines else None


@functools.lru_cache(maxsize=1024)
def _parse(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):  # A cell that failed.
        return ast.Module([], [])


def _statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """Yield the statements that run with the module, those under if, try and with included."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.stmt):
            yield node
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                yield from _statements(node)
        elif isinstance(node, (ast.ExceptHandler, ast.match_case)):
            yield from _statements(node)


def _written_imports(sources: list[tuple[str, str]]) -> Iterator[tuple[str, ast.ImportFrom]]:
    for _, source in sources:
        for node in _statements(_parse(source)):
            if isinstance(node, ast.ImportFrom) and node.module != "__future__":
                for alias in node.names:
                    yield alias.asname or alias.name, node


def _segment(source: str, node: ast.ClassDef) -> str:
    first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
    lines = io.StringIO(source).readlines()[first - 1 : node.end_lineno]
    return textwrap.dedent("".join(lines))


def _location(code: CodeType) -> str:
    lines = [line for _, line in dis.findlinestarts(code) if line]
    return f"{code.co_filename}:{min([code.co_firstlineno, *lines])}"


# --- lines ----------------------------------------------------------------------------------------


def _import_line(path: str, name: str) -> str:
    return f"import {path}" if path == name else f"import {path} as {name}"


def _from_line(path: str, own: str, name: str) -> str:
    return f"from {path} import {own}" + ("" if own == name else f" as {name}")


def _import_order(line: str) -> tuple[bool, str]:
    return (line.startswith("from "), line)
