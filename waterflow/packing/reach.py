"""What a step's function can reach of the project's modules, and where that cannot be told."""

from __future__ import annotations

import ast
import copy
from typing import TYPE_CHECKING, Final

from waterflow.packing.bindings import is_library
from waterflow.packing.harmless import STEP
from waterflow.packing.references import EVERYTHING, references
from waterflow.packing.sources import canonical, text_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from waterflow.packing.effects import Effects
    from waterflow.packing.references import Chain, References
    from waterflow.packing.sources import Source, Statement

_ALL: Final = frozenset(
    {
        "builtins", "cloudpickle", "code", "codeop", "dill", "doctest", "gc", "hydra", "imp",
        "importlib", "inspect", "joblib.Memory", "joblib.load", "linecache", "logging.config",
        "marshal", "mock", "os.execl", "os.execle", "os.execlp", "os.execv", "os.execve",
        "os.execvp", "os.execvpe", "os.popen", "os.posix_spawn", "os.posix_spawnp", "os.spawnl",
        "os.spawnle", "os.spawnlp", "os.spawnv", "os.spawnve", "os.system", "pickle", "pkgutil",
        "pydoc", "runpy", "shelve", "subprocess", "symtable", "sys._current_frames",
        "sys._getframe", "sys.exc_info", "sys.executable", "sys.meta_path", "sys.modules",
        "sys.path", "sys.path_hooks", "sys.setprofile", "sys.settrace", "tokenize", "traceback",
        "unittest", "zipimport",
    }
)  # fmt: skip
"""What reads sources and frames, runs programs, or finds modules by names made at run time."""
_NONE: Final = frozenset({"importlib.metadata"})
"""What of these does not."""
_OWN: Final = frozenset(
    {
        "duckdb", "formulaic", "numexpr", "pandas.eval", "pandasql", "patsy", "polars.SQLContext",
        "polars.sql", "statsmodels.formula",
    }
)  # fmt: skip
"""Libraries that look names up in the frame that calls them."""
_BUILTINS_ALL: Final = frozenset(
    {
        "__builtins__", "__cached__", "__file__", "__import__", "__loader__", "__path__",
        "__spec__", "compile", "eval", "exec",
    }
)  # fmt: skip
_BUILTINS_OWN: Final = frozenset({"__annotations__", "dir", "globals", "locals", "vars"})


class Hidden(Exception):  # noqa: N818 - no error: the whole bundle counts
    """What a function reaches cannot be told."""


class Reach:
    """All that one function reaches.

    Args:
        sources: The modules of its bundle, by name.
        effects: What tells their definitions from statements with effects.
    """

    def __init__(self, sources: Mapping[str, Source], effects: Effects) -> None:
        self._sources, self._effects = sources, effects
        self._spaces = {one for name in sources for one in _parents(name)} - sources.keys()
        self.reached: dict[Statement, Source] = {}
        self.executed: dict[str, None] = {}
        self.libraries: dict[str, None] = {}
        self._waiting: list[Statement] = []
        self._whole: set[str] = set()

    def root(self, module: str, name: str) -> None:
        """Begin with a name of a module.

        Raises:
            Hidden: What it reaches cannot be told.
        """
        self._execute(module)
        source = self._sources.get(module)
        if source is None or not self._binds(source, name):
            raise Hidden(f"{name} is not written down in {module}")
        self._name(source, (name,))
        self._drain()

    def run(self, module: str) -> None:
        """Add a module that is imported whatever the function itself imports.

        Raises:
            Hidden: What it reaches cannot be told.
        """
        self._execute(module)
        self._drain()

    def take(self, module: str, name: str) -> None:
        """Add a name of a module that is found by its name when the step runs.

        Raises:
            Hidden: What it reaches cannot be told.
        """
        self._execute(module)
        self._name(self._sources[module], (name,))
        self._drain()

    # --- modules --------------------------------------------------------------------------------

    def _is_project(self, module: str) -> bool:
        return module in self._sources or module in self._spaces

    def _execute(self, module: str) -> None:
        """Note that a module is imported, and so what its top does."""
        parent = module.rpartition(".")[0]
        if parent and parent not in self.executed:
            self._execute(parent)
        source = self._sources.get(module)
        if source is None or module in self.executed:
            return
        self.executed[module] = None
        for one in source.statements:
            if one.checking:
                continue
            if one.imports is not None:
                self._import(source, one, *one.imports)
            if self._effects.has_effect(source, one):
                self._reach(source, one)

    def _import(self, source: Source, statement: Statement, module: str, name: str | None) -> None:
        if self._is_project(module):
            self._execute(module)
            if name is not None:
                self._execute(f"{module}.{name}")
            if name == "*":
                for inner, one in self._source_statements(module, "__all__"):
                    self._reach(inner, one)
                    for text in texts(one.node):
                        self._execute(f"{module}.{text}")
            return
        if name == "*":  # any name of the module may be the library's
            self._take_whole(source.name)
        if is_library(module):
            # A library that was imported for a name runs when it is first imported. One imported
            # for nothing else is imported for what that does.
            used = any(one in source.used for one in statement.binds)
            short = used and name is not None
            self.libraries[module.partition(".")[0] if short else f"{module} {name or ''}"] = None

    def _source_statements(self, module: str, name: str) -> Iterator[tuple[Source, Statement]]:
        source = self._sources.get(module)
        if source is not None:
            yield from ((source, one) for one in source.by_name.get(name, ()))

    def _take_whole(self, module: str) -> None:
        """Note that any name of a module may be looked up."""
        if module in self._whole:
            return
        self._whole.add(module)
        self._execute(module)
        source = self._sources.get(module)
        for one in source.statements if source is not None else ():
            assert source is not None  # noqa: S101 - for the type checker
            self._reach(source, one)
            for name, origins in one.aliases.items():
                for origin, taken in origins:
                    if self._is_project(origin) and name != "*":
                        self._module(source, origin, taken)
        for star in source.stars if source is not None else ():
            self._take_whole(star)

    # --- names ----------------------------------------------------------------------------------

    def _binds(self, source: Source, name: str) -> bool:
        seen = {source.name}
        waiting = [source]
        while waiting:
            one = waiting.pop()
            if name in one.by_name:
                return True
            for star in one.stars:
                if star in self._sources and star not in seen:
                    seen.add(star)
                    waiting.append(self._sources[star])
        return False

    def _name(self, source: Source, chain: Chain, seen: frozenset[str] = frozenset()) -> None:
        """Note that a name of a module is looked up."""
        name = chain[0]
        self._execute(source.name)
        bound = source.by_name.get(name, ())
        for one in self._effects.changed(source, name):
            self._reach(source, one)
        for one in bound:
            self._reach(source, one)
            for module, taken in one.aliases.get(name, ()):
                self._module(source, module, (*taken, *chain[1:]))
        for star in source.stars:
            inner = self._sources.get(star)
            if inner is not None and star not in seen:
                self._name(inner, chain, seen | {source.name, star})
            if self._is_project(f"{star}.{name}"):  # which its __all__ may name
                self._module(source, f"{star}.{name}", chain[1:])
        if bound or seen:
            return
        if name in _BUILTINS_ALL:
            raise Hidden(f"{name} in {source.name}")
        if name in _BUILTINS_OWN:
            self._take_whole(source.name)

    def _module(self, source: Source, module: str, chain: Chain) -> None:
        """Note what is taken from a module.

        Args:
            source: The module whose code takes it.
            module: The module.
            chain: What is taken of it; nothing where the module itself is a value.
        """
        if not self._is_project(module):
            self._library(source, module, chain)
            return
        if not chain:
            self._take_whole(module)
            return
        name, inner = chain[0], self._sources.get(module)
        below = f"{module}.{name}"
        met = False
        if inner is not None and self._binds(inner, name):
            self._name(inner, chain)
            met = True
        if self._is_project(below):
            self._execute(below)
            self._module(source, below, chain[1:])
            met = True
        if met or name in ("__name__", "__package__"):
            return
        if name in _BUILTINS_ALL:
            raise Hidden(f"{module}.{name} in {source.name}")
        self._take_whole(module)  # found by its __getattr__, or put there by whoever

    def _library(self, source: Source, module: str, chain: Chain) -> None:
        if module == "sys" and not chain:
            raise Hidden(f"sys, as a value, in {source.name}")
        self._check_library(source, module, chain)

    def _check_library(self, source: Source, module: str, chain: Chain) -> None:
        full = ".".join((module, *chain))
        prefixes = {*_parents(full), full}
        if not _NONE.isdisjoint(prefixes):
            return
        if not _ALL.isdisjoint(prefixes):
            raise Hidden(f"{full} in {source.name}")
        if not _OWN.isdisjoint(prefixes):
            self._take_whole(source.name)

    # --- statements -----------------------------------------------------------------------------

    def _reach(self, source: Source, statement: Statement) -> None:
        if statement not in self.reached:
            self.reached[statement] = source
            self._waiting.append(statement)

    def _drain(self) -> None:
        while self._waiting or self._derive():
            statement = self._waiting.pop() if self._waiting else None
            if statement is not None:
                self._follow(self.reached[statement], statement)

    def _follow(self, source: Source, statement: Statement) -> None:
        refers = code_of(self._effects, source, statement)[1]
        for reason in refers.hidden:
            if reason.startswith(EVERYTHING):
                raise Hidden(f"{reason.lstrip('*.')} in {source.name}")
            self._take_whole(source.name)
        for module in refers.modules:
            if self._is_project(module):
                self._execute(module)
            elif not any(self._is_project(one) for one in _parents(module)):
                self._check_library(source, module, ())
        for module, chain in refers.imported:
            self._module(source, module, chain)
        for chain in refers.names:
            self._name(source, chain)

    def _derive(self) -> bool:
        """Reach subclasses of what is reached: a value may be one wherever its base is named."""
        names = {one.node.name for one in self.reached if isinstance(one.node, ast.ClassDef)}
        for module in self.executed if names else ():
            source = self._sources[module]
            for one in source.statements:
                if isinstance(one.node, ast.ClassDef) and one not in self.reached:
                    bases = _base_names(source, one.node)
                    if bases is None or not names.isdisjoint(bases):
                        self._reach(source, one)
        return bool(self._waiting)

    # --- what it comes to -----------------------------------------------------------------------

    def lines(self) -> Iterator[str]:
        """Yield what tells the function's behaviour from all others, one line a fact."""
        yield f"libraries {', '.join(self.libraries)}"
        by_module: dict[str, set[Statement]] = {}
        for statement, source in self.reached.items():
            by_module.setdefault(source.name, set()).add(statement)
        loud = self._loud()
        for module in sorted(by_module.keys() | loud):
            source, held = self._sources[module], by_module.get(module, set())
            yield f"module {module}{' future' if source.future else ''}"
            loose = [one for one in held if self._effects.floats(source, one)]
            yield from sorted(self.digest(one) for one in loose)
            yield "in order"
            for one in source.statements:
                if one in held and one not in loose:
                    yield self.digest(one)
                if module in self.executed and not one.checking and one.imports is not None:
                    yield from (f"run {target}" for target in sorted(_targets(*one.imports) & loud))

    def digest(self, statement: Statement) -> str:
        """Return the digest of what a reached statement says."""
        return text_sha256(code_of(self._effects, self.reached[statement], statement)[0])

    def _loud(self) -> set[str]:
        """Return the modules that do something when they are imported, by themselves or others."""
        loud = {
            name
            for name in self.executed
            if any(
                self._effects.has_effect(self._sources[name], one)
                for one in self._sources[name].statements
            )
        }
        added = True
        while added:
            more = {name for name in self.executed if not loud.isdisjoint(self._imported(name))}
            added = bool(more - loud)
            loud |= more
        return loud

    def _imported(self, module: str) -> Iterable[str]:
        for one in self._sources[module].statements:
            if one.imports is not None and not one.checking:
                yield from _targets(*one.imports)


def texts(node: ast.AST) -> Iterator[str]:
    """Yield the texts that are written down in a piece of code."""
    for one in ast.walk(node):
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value


def code_of(effects: Effects, source: Source, statement: Statement) -> tuple[str, References]:
    """Return what a statement says and what it refers to, without the step's own options.

    What `@wf.step(...)` asks for stands in the spec.
    """
    node = statement.node
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or effects.has_effect(
        source, statement
    ):
        return statement.text, statement.references
    kept = [
        one
        for one in node.decorator_list
        if effects.names.resolve(source, one.func if isinstance(one, ast.Call) else one) not in STEP
    ]
    if len(kept) == len(node.decorator_list):
        return statement.text, statement.references
    if statement.bare is None:
        bare = copy.copy(node)
        bare.decorator_list = kept
        statement.bare = canonical(bare), references([bare], statement.package)
    return statement.bare


def _targets(module: str, name: str | None) -> set[str]:
    """Return the modules that an import may run."""
    return {*_parents(module), module, f"{module}.{name}"}


def _parents(module: str) -> Iterator[str]:
    parts = module.split(".")
    for count in range(1, len(parts)):
        yield ".".join(parts[:count])


def _base_names(source: Source, node: ast.ClassDef) -> set[str] | None:
    """Return the names that a class's bases may have; None where they cannot be told."""
    names: set[str] = set()
    for base in node.bases:
        for one in ast.walk(base):
            if isinstance(one, ast.Attribute):
                names.add(one.attr)
            elif isinstance(one, ast.Call):
                return None
            elif isinstance(one, ast.Name):
                names.add(one.id)
                for bound in source.by_name.get(one.id, ()):
                    if isinstance(bound.node, ast.Assign) and not _is_type_variable(bound.node):
                        return None
                    names.update(t[-1] for _, t in bound.aliases.get(one.id, ()) if t)
    return names


def _is_type_variable(node: ast.Assign) -> bool:
    return isinstance(node.value, ast.Call) and "TypeVar" in ast.unparse(node.value.func)
