"""Steps of a notebook or of `__main__`, exported with what they name as the source of a module."""

from __future__ import annotations
import __future__

import ast
import builtins
import dis
import functools
import inspect
import io
import sys
import textwrap
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.errors import DefinitionError
from waterflow.packing import cells
from waterflow.packing.cells import Ran
from waterflow.packing.changes import LOGGER, Changes, shown
from waterflow.packing.cut import line_note
from waterflow.packing.free_names import eager_names, free_names, submodules
from waterflow.packing.literals import literal

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
    work = _Export(plain.__name__, plain.__globals__, _location(plain))
    work.take(plain.__name__, function, definition=True)
    work.take_changes()
    text = work.text(module_name)
    compile(text, f"<{module_name}>", "exec", dont_inherit=True)
    return text


@dataclass(slots=True)
class _Definition:
    """A function or class by its source.

    Attributes:
        source: The source, decorators included, without indentation.
        before: What must be defined before it: named by decorators, defaults, bases, annotations.
        origin: The cell or file that it stands in, and its line there.
    """

    source: str
    before: frozenset[str]
    origin: tuple[str, int] | None = None


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
    changes: list[Ran] = field(default_factory=list[Ran])
    left: set[int] = field(default_factory=set[int])

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
        elif (expression := literal(value)) is not None:
            self.literals[name] = expression
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
        code = inner.__code__
        origin = cells.origin(self.names, code.co_filename, code.co_firstlineno)
        self._define(name, inner.__name__, source, origin)

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
        self._define(name, value.__name__, *source)

    def _define(self, name: str, own: str, source: str, origin: tuple[str, int]) -> None:
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
                self._define(own, own, source, origin)
            self.definitions[name] = _Definition(f"{name} = {own}\n", frozenset({own}))
            return
        code, annotated = free_names(source, tree)
        self.definitions[name] = _Definition(source, frozenset(), origin)
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

    def _class_source(self, value: type) -> tuple[str, tuple[str, int]] | None:
        # inspect finds no class of a notebook before Python 3.13: the cells are searched, the
        # latest first. A class's first own method tells which of several definitions it is.
        lines = {
            (member.__code__.co_filename, member.__code__.co_firstlineno)
            for member in vars(value).values()
            if isinstance(member, FunctionType) and not member.__code__.co_filename.startswith("<")
        }
        candidates: list[tuple[str, tuple[str, int]]] = []
        for place, filename, source in _sources(self.names):
            for node in _statements(_parse(source)):
                if isinstance(node, ast.ClassDef) and node.name == value.__name__:
                    text = _segment(source, node), (place, _first_line(node))
                    held = any(
                        filename == file and node.lineno <= line <= (node.end_lineno or 0)
                        for file, line in lines
                    )
                    if held:
                        return text
                    candidates.append(text)
        return candidates[-1] if candidates else None

    # --- statements with effects --------------------------------------------------------------

    def take_changes(self) -> None:
        """Take along the statements of cells that change what is taken along, or set something.

        Raises:
            DefinitionError: One names what cannot be exported.
        """
        changes = Changes(self.names)
        seen: set[int] = set()
        while True:
            definitions = {name: one.source for name, one in self.definitions.items()}
            packages = {line.split()[1].partition(".")[0] for line in self.imports}
            chosen = changes.of(definitions, packages, self.done)
            fresh = [one for one in chosen if id(one) not in seen]
            if not fresh:
                break
            for one in fresh:
                seen.add(id(one))
                self._take_change(changes, one, changes.is_certain(one, definitions, packages))
        self.changes = [one for one in chosen if id(one) not in self.left]
        direct = {name for name in self.done if isinstance(self.names.get(name), ModuleType)}
        changes.tell_others(chosen, direct, self.step)

    def _take_change(self, changes: Changes, one: Ran, certain: bool) -> None:
        reason = self._obstacle(changes, one)
        if reason is None:
            return
        what = f"`{shown(one)}` sets what step '{self.step}' would run without"
        if certain:
            raise DefinitionError(
                f"{what}, and cannot be taken along: {reason}. Or write it into the step",
                one.place,
            )
        self.left.add(id(one))
        LOGGER.warning("waterflow: %s: %s: %s", one.place, what, reason)

    def _obstacle(self, changes: Changes, one: Ran) -> str | None:
        """Take along what a statement names, and return why it cannot be; None where it can."""
        if one.effects.command_line is not None:
            return f"it asks `{ast.unparse(one.effects.command_line):.40}`, which a job cannot"
        code, _ = free_names(one.source, ast.parse(one.source))
        for name in sorted(code - one.effects.binds - _BUILTINS - _OWN):
            if name not in self.names:
                return f"'{name}' is not defined any more"
            try:
                self.take(name, self.names[name])
            except DefinitionError as error:
                return str(error).removeprefix(f"{self.location}: ")
            later = changes.changed_after(one, name) if name in self.literals else None
            if later is not None:
                return f"'{name}' was changed after it, by {later.place}"
        return None

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
        notes: list[str] = []
        text = "\n".join(parts)
        changes = [(one.source, (f"In [{one.cell}]", one.line)) for one in self.changes]
        defined = [self.definitions[name] for name in self._sorted()]
        for source, origin in [*((one.source, one.origin) for one in defined), *changes]:
            text += "\n\n"
            if origin is not None and origin[0].startswith("In ["):
                notes.append(line_note(text.count("\n") + 1, *origin))
            text += f"{source.strip()}\n"
        return text + "".join(f"{note}\n" for note in ("", *notes) if notes)

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


def _type_name(value: object) -> str:
    kind = type(value)
    short = kind.__module__ in ("builtins", "__main__")
    return kind.__qualname__ if short else f"{kind.__module__}.{kind.__qualname__}"


# --- sources --------------------------------------------------------------------------------------


def _sources(names: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return (place, file name, source) of a script, or of a notebook's cells in order."""
    texts = enumerate(cells.texts(names))
    sources = [(f"In [{number}]", "", text) for number, text in texts]
    file = names.get("__file__")
    if isinstance(file, str) and (script := _script(file)) is not None:
        sources.append((file, file, script))
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


def _written_imports(sources: list[tuple[str, str, str]]) -> Iterator[tuple[str, ast.ImportFrom]]:
    for _, _, source in sources:
        for node in _statements(_parse(source)):
            if isinstance(node, ast.ImportFrom) and node.module != "__future__":
                for alias in node.names:
                    yield alias.asname or alias.name, node


def _first_line(node: ast.ClassDef) -> int:
    return min([node.lineno, *(one.lineno for one in node.decorator_list)])


def _segment(source: str, node: ast.ClassDef) -> str:
    lines = io.StringIO(source).readlines()[_first_line(node) - 1 : node.end_lineno]
    return textwrap.dedent("".join(lines))


def _location(function: FunctionType) -> str:
    code = function.__code__
    lines = [line for _, line in dis.findlinestarts(code) if line]
    first = min([code.co_firstlineno, *lines])
    place, line = cells.origin(function.__globals__, code.co_filename, first)
    return f"{place}, line {line}" if place.startswith("In [") else f"{place}:{line}"


# --- lines ----------------------------------------------------------------------------------------


def _import_line(path: str, name: str) -> str:
    return f"import {path}" if path == name else f"import {path} as {name}"


def _from_line(path: str, own: str, name: str) -> str:
    return f"from {path} import {own}" + ("" if own == name else f" as {name}")


def _import_order(line: str) -> tuple[bool, str]:
    return (line.startswith("from "), line)
