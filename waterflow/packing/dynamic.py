"""What a module's source reaches when it runs: modules by their names, and files by their place."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from waterflow.packing.places import Place, Places
from waterflow.packing.statements import is_guard

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_DOTTED: Final = re.compile(r"\.*[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*)?")
_IMPORTERS: Final = frozenset({"import_module", "__import__", "run_module", "reload_module"})
_LOCATORS: Final = frozenset({
    "resolve_name", "locate", "import_string", "import_object", "import_from_string",
    "load_object", "load_class", "get_class", "get_object", "get_method", "instantiate",
    "dictConfig", "fileConfig",
})  # fmt: skip
"""Functions of several libraries that import what a dotted name says."""
_WALKERS: Final = frozenset({"iter_modules", "walk_packages"})
_DEPTH: Final = 8
"""How far names are followed: one may be made of itself."""
_LOOKING: Final = {
    "glob": "glob", "iglob": "glob", "walk": "os",
    "exists": "path", "isfile": "path", "isdir": "path",
    "rglob": None, "is_file": None, "is_dir": None,
}  # fmt: skip
"""Names by which a file is looked for: the module that has such a function, None where only a
`Path` has such a method."""
_METADATA: Final = frozenset({
    "entry_points", "iter_entry_points", "distribution", "get_distribution",
})  # fmt: skip


_CALLS: Final = re.compile(
    "|".join(
        [
            *_IMPORTERS,
            *_LOCATORS,
            *_WALKERS,
            *_METADATA,
            *_LOOKING,
            r"version\(",
            "lazy_loader",
            r"""['"]-m['"]""",
        ]
    ).encode()
)
_PLACES: Final = re.compile(
    rb"__file__|__path__|files\(|resource|get_data|PackageLoader"
    # What another module has under a name that is written as constants are.
    rb"|\bimport\b[^\n]*\b[A-Z][A-Z0-9_]+\b|^ +[A-Z][A-Z0-9_]+,?$|\b[a-z_]\w*\.[A-Z][A-Z0-9_]+\b",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Dynamic:
    """What one source file reaches when it runs.

    Attributes:
        names: Dotted names that it imports by a text, and those it may import: a module or what
            one holds; counted where the project has it.
        walks: Packages whose modules it goes through: "plugins.*" for those right below,
            "plugins.**" for all.
        places: Files and folders that it names by where a module lies.
        constants: Its own paths, for modules that import them by name.
        metadata: Whether it asks for the project's entry points or version.
        relative: Patterns that it looks for in the working folder without an error where nothing
            is there, such as `glob.glob("sql/*.sql")`; with their lines.
    """

    names: tuple[str, ...] = ()
    walks: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()
    constants: tuple[tuple[str, Place], ...] = ()
    metadata: bool = False
    relative: tuple[tuple[str, int], ...] = ()


def dynamic(
    tree: ast.Module, source: bytes, module: str, *, package: bool, imported: Sequence[str]
) -> Dynamic:
    """Read what a source file reaches when it runs, as far as its text tells.

    Args:
        tree: The file.
        source: Its bytes: most files have none of the words that are looked for.
        module: The module's dotted name.
        package: Whether it is a package's `__init__`.
        imported: The modules that it imports, by their full names.
    """
    calls, places = _CALLS.search(source), _PLACES.search(source)
    if calls is None and places is None:
        return Dynamic()
    return _Reader(tree, module, package, imported).read(places=places is not None)


class _Reader:
    def __init__(
        self, tree: ast.Module, module: str, package: bool, imported: Sequence[str]
    ) -> None:
        # What stands under `if __name__ == "__main__":` runs in no job.
        tree = ast.Module([one for one in tree.body if not is_guard(one)], [])
        self.tree, self.module, self.imported = tree, module, imported
        self.here = module if package else module.rpartition(".")[0]
        self.nodes = list(ast.walk(tree))
        self.texts = _Texts(self.nodes, module, self.here)
        self.places = Places(
            tree, self.nodes, module, self.here, package=package, texts=self.texts.patterns
        )
        self.aliases = dict(_aliases(self.nodes))
        self.names: dict[str, None] = {}
        self.walks: dict[str, None] = {}
        self.metadata = False
        self.relative: list[tuple[str, int]] = []

    def read(self, *, places: bool) -> Dynamic:
        """Return all that is reached.

        Args:
            places: Whether the file may name files by where a module lies.
        """
        for node in self.nodes:
            if isinstance(node, ast.Call):
                self._call(node)
            elif isinstance(node, (ast.List, ast.Tuple)):
                self._command(node)
        if any(name.partition(".")[0] == "lazy_loader" for name in self.imported) and self.here:
            self.walks[f"{self.here}.**"] = None
        return Dynamic(
            tuple(self.names),
            tuple(self.walks),
            tuple(dict.fromkeys(self.places.used())) if places else (),
            tuple(sorted(self.places.constants().items())) if places else (),
            self.metadata,
            tuple(self.relative),
        )

    def _call(self, node: ast.Call) -> None:
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        name = self.aliases.get(name, name)
        if name in _IMPORTERS and node.args:
            self._import(node)
        elif name in _LOCATORS:
            self._locate(node)
        elif name in _WALKERS:
            self._walk(node)
        elif name in _METADATA or (name == "version" and _root(called) in _METADATA_MODULES):
            self.metadata = True
            self._candidates()
        elif name in _LOOKING:
            self._look(node, name)

    def _look(self, node: ast.Call, name: str) -> None:
        """Note what is looked for in the working folder: there, nothing is no error."""
        called = node.func
        holder = called.value if isinstance(called, ast.Attribute) else None
        if isinstance(holder, ast.Call) and holder.args and _ends_in(holder.func, "Path"):
            base, below = holder.args[0], node.args[:1]  # Path("sql").glob("*.sql")
        elif node.args and _LOOKING[name] and (holder is None or _ends_in(holder, _LOOKING[name])):
            base, below = node.args[0], []
        else:  # of whichever folder a variable holds
            return
        if not isinstance(base, ast.Constant) or not isinstance(base.value, str):
            return
        pattern = PurePosixPath(base.value)
        for one in below:
            if isinstance(one, ast.Constant) and isinstance(one.value, str):
                pattern = pattern / ("**" if name == "rglob" else ".") / one.value
        if not pattern.is_absolute() and ".." not in pattern.parts and pattern.parts:
            self.relative.append((pattern.as_posix(), node.lineno))

    def _import(self, node: ast.Call) -> None:
        patterns = self.texts.patterns(node.args[0])
        if patterns is None:
            self._candidates()
            return
        base = self._package(node)
        for pattern in patterns:
            absolute = _absolute(pattern, base)
            if absolute is not None:
                self._take(absolute)

    def _package(self, node: ast.Call) -> str:
        """Return the package that a relative name is seen from."""
        package = node.args[1] if len(node.args) > 1 else None
        for keyword in node.keywords:
            if keyword.arg == "package":
                package = keyword.value
        patterns = None if package is None else self.texts.patterns(package)
        return patterns[0] if patterns and "*" not in patterns[0] else self.here

    def _take(self, pattern: str) -> None:
        head, star, tail = pattern.partition("*")
        if not star:
            self.names[pattern] = None
        elif "." in head:
            # `plugins.*`, and `plugins.model_*`; deeper where a dot follows.
            deep = "." in tail or not head.endswith(".")
            self.walks[f"{head.rpartition('.')[0]}.{'**' if deep else '*'}"] = None
        else:
            self._candidates()

    def _locate(self, node: ast.Call) -> None:
        first = self.texts.patterns(node.args[0]) if node.args else None
        if first is None:
            self._candidates()
            return
        for pattern in first:
            self._take(pattern.replace(":", "."))

    def _walk(self, node: ast.Call) -> None:
        path = node.args[0] if node.args else None
        for keyword in node.keywords:
            if keyword.arg == "path":
                path = keyword.value
        walked: list[str] = []
        for one in ast.walk(path) if path is not None else ():
            if isinstance(one, ast.Attribute) and one.attr == "__path__":
                walked.extend(self._meant(one.value))
            elif isinstance(one, ast.Name) and one.id == "__path__":
                walked.append(self.here)
        if not walked and (path is None or not self.places.is_place(path)):
            # Who knows which: its own package, and those that it imports.
            walked = [self.here, *self.imported]
        for name in walked:
            if name:
                self.walks[f"{name}.**"] = None

    def _meant(self, node: ast.expr) -> list[str]:
        """Return the modules that an expression may stand for."""
        dotted = ast.unparse(node)
        alias = self.places.modules.get(dotted.partition(".")[0])
        if alias is not None:
            return [".".join([alias, *dotted.split(".")[1:]])]
        return [self.here, *self.imported]

    def _candidates(self) -> None:
        """Count every text of the file that reads as a dotted name: one may be imported by it."""
        for node in self.nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
                if _DOTTED.fullmatch(text):
                    absolute = _absolute(text.replace(":", "."), self.here)
                    for name in (absolute, f"{self.here}.{text}" if self.here else None):
                        if name is not None:
                            self.names[name] = None

    def _command(self, node: ast.List | ast.Tuple) -> None:
        """Take `python -m module` along, as a list of a command's words has it."""
        for flag, word in zip(node.elts, node.elts[1:], strict=False):
            named = isinstance(flag, ast.Constant) and flag.value == "-m"
            if named and isinstance(word, ast.Constant) and isinstance(word.value, str):
                self.names[word.value] = None
                self.names[f"{word.value}.__main__"] = None


def _aliases(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, str]]:
    """Yield other names of functions: `import_module as load`, `load = importlib.import_module`."""
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            yield from ((one.asname, one.name) for one in node.names if one.asname)
        elif isinstance(node, ast.Assign) and isinstance(node.value, (ast.Attribute, ast.Name)):
            value = node.value
            name = value.attr if isinstance(value, ast.Attribute) else value.id
            yield from ((one.id, name) for one in node.targets if isinstance(one, ast.Name))


_METADATA_MODULES: Final = frozenset({"metadata", "importlib", "importlib_metadata"})


def _ends_in(node: ast.expr, name: str | None) -> bool:
    """Say whether an expression is a name, or an attribute called so."""
    return name is not None and name in (getattr(node, "attr", None), getattr(node, "id", None))


def _root(node: ast.AST) -> str | None:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _absolute(name: str, package: str) -> str | None:
    level = len(name) - len(name.lstrip("."))
    if not level:
        return name
    parts = package.split(".") if package else []
    if level > len(parts):
        return None
    return ".".join([*parts[: len(parts) - level + 1], name[level:]])


class _Texts:
    """What texts an expression may stand for, as far as the file tells; `*` for the rest."""

    def __init__(self, nodes: Sequence[ast.AST], module: str, here: str) -> None:
        self._bound: dict[str, list[ast.expr]] = {}
        self._own = {"__name__": module, "__package__": here}
        for node in nodes:
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        self._bound.setdefault(target.id, []).append(node.value)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                if node.value is not None:
                    self._bound.setdefault(node.target.id, []).append(node.value)
            elif isinstance(node, (ast.For, ast.comprehension)):
                self._loop(node.target, node.iter)

    def _loop(self, target: ast.expr, items: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self._bound.setdefault(target.id, []).append(_Items(items))
        elif isinstance(target, ast.Tuple):
            for one in target.elts:
                if isinstance(one, ast.Name):
                    self._bound.setdefault(one.id, []).append(_Items(items))

    def patterns(self, node: ast.AST, depth: int = 0) -> list[str] | None:
        """Return the texts that an expression may be; None where the file does not tell."""
        if depth > _DEPTH:
            return None
        if isinstance(node, ast.Constant):
            return [node.value] if isinstance(node.value, str) else None
        if isinstance(node, ast.Name):
            return self._name(node.id, depth)
        if isinstance(node, _Items):
            return self._items(node.items, depth)
        if isinstance(node, ast.JoinedStr):
            return self._joined(node.values, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._joined([node.left, node.right], depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            formats = self.patterns(node.left, depth + 1)
            return None if formats is None else [re.sub(r"%\w", "*", one) for one in formats]
        if isinstance(node, ast.IfExp):
            chosen = (self.patterns(one, depth + 1) for one in (node.body, node.orelse))
            return _both(*chosen)
        if isinstance(node, ast.Subscript):
            return self._items(node.value, depth)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            return self._method(node.func, depth)
        return None

    def _name(self, name: str, depth: int) -> list[str] | None:
        if name in self._own:
            return [self._own[name]]
        texts: list[str] | None = []
        for value in self._bound.get(name, ()):
            texts = _both(texts, self.patterns(value, depth + 1))
        return texts or None

    def _items(self, node: ast.expr, depth: int) -> list[str] | None:
        """Return the texts that a list, a tuple, a set or a dict holds, its keys too."""
        if depth > _DEPTH:
            return None
        texts: list[str] | None = []
        if isinstance(node, ast.Name):
            for value in self._bound.get(node.id, ()):
                texts = _both(texts, self._items(value, depth + 1))
            return texts or None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            return self._items(node.func.value, depth + 1)  # NAMES.items(), NAMES.values()
        if isinstance(node, ast.Dict):
            elements: list[ast.expr] = [one for one in (*node.keys, *node.values) if one]
        elif isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            elements = node.elts
        else:
            return None
        for one in elements:
            inner = one.elts if isinstance(one, (ast.Tuple, ast.List)) else [one]
            for each in inner:
                texts = _both(texts, self.patterns(each, depth + 1))
        return texts or None

    def _joined(self, parts: Sequence[ast.expr], depth: int) -> list[str] | None:
        whole = [""]
        for part in parts:
            value = part.value if isinstance(part, ast.FormattedValue) else part
            texts = self.patterns(value, depth + 1) or ["*"]
            whole = [one + text for one in whole for text in texts][:100]
        return None if all(set(one) <= {"*"} for one in whole) else whole

    def _method(self, called: ast.Attribute, depth: int) -> list[str] | None:
        if called.attr == "format":
            formats = self.patterns(called.value, depth + 1)
            return None if formats is None else [re.sub(r"\{[^}]*\}", "*", one) for one in formats]
        if called.attr in ("get", "pop"):
            return self._items(called.value, depth + 1)
        return None


class _Items(ast.expr):
    """One of the items of an expression, as a loop gives them."""

    def __init__(self, items: ast.expr) -> None:
        super().__init__()
        self.items = items


def _both(left: list[str] | None, right: list[str] | None) -> list[str] | None:
    return None if left is None or right is None else left + right
