"""Files and folders that source names by where a module lies, read from its expressions."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

OWN: Final = ""
"""The anchor of what lies beside the module's own file."""
_FILE: Final = "\0"  # the module's own file, as the last part of a place

_DEPTH: Final = 12
"""How far names are followed: one may be made of itself."""
_SAME: Final = frozenset({
    "Path", "PurePath", "str", "fspath", "abspath", "realpath", "normpath", "expanduser", "resolve",
    "absolute", "as_posix", "as_file", "enter_context", "__str__", "fsdecode",
})  # fmt: skip
_LISTING: Final = frozenset({"iterdir", "walk", "listdir", "scandir", "rglob"})
_WRITING: Final = frozenset({
    "mkdir", "makedirs", "write_text", "write_bytes", "touch", "unlink", "rmdir", "remove",
    "rmtree", "rename", "replace", "savefig", "to_csv", "to_parquet", "to_json", "symlink_to",
})  # fmt: skip
_ELSEWHERE: Final = frozenset({"Data", "insert", "append", "addsitedir", "submit", "basicConfig"})
"""Calls whose paths are none that a job reads from its bundle: data, `sys.path`."""
_RESOURCES: Final = frozenset({
    "open_text", "open_binary", "read_text", "read_binary", "path", "contents", "is_resource",
    "get_data", "resource_filename", "resource_string", "resource_stream", "resource_listdir",
    "PackageLoader",
})  # fmt: skip
"""Functions that take a package and a file's path in it."""


@dataclass(frozen=True, slots=True)
class Place:
    """A file or folder by where it lies.

    Attributes:
        anchor: Whose folder the parts begin in: OWN, a package's dotted name, or "module:NAME" for
            a path that another module has under a name.
        parts: Names and glob patterns below it; ".." for the folder above.
        listed: Whether the folder's contents are gone through.
    """

    anchor: str
    parts: tuple[str, ...] = ()
    listed: bool = False

    def above(self) -> Place:
        """Return the folder that it lies in."""
        if self.parts and self.parts[-1] != "..":
            return Place(self.anchor, self.parts[:-1])
        return Place(self.anchor, (*self.parts, ".."))

    def below(self, text: str) -> Place:
        """Return what lies below it under a relative path."""
        parts = [one for one in text.replace("\\", "/").split("/") if one not in ("", ".")]
        place = self
        for part in parts:
            place = place.above() if part == ".." else Place(self.anchor, (*place.parts, part))
        return place


class Places:
    """The places that one source file names.

    Args:
        tree: The file.
        nodes: All its nodes.
        module: The module's dotted name.
        here: Its package.
        package: Whether it is a package's `__init__`.
        texts: Gives the texts that an expression may be.
    """

    def __init__(
        self,
        tree: ast.Module,
        nodes: Sequence[ast.AST],
        module: str,
        here: str,
        *,
        package: bool,
        texts: Callable[[ast.AST], list[str] | None],
    ) -> None:
        self.tree, self.module, self.here, self.texts = tree, module, here, texts
        self.stem = "__init__" if package else module.rpartition(".")[2]
        self.modules: dict[str, str] = {}
        self._members: dict[str, str] = {}
        self._bound: dict[str, list[ast.expr]] = {}
        for node in nodes:
            self._note(node)
        self._known: dict[str, list[Place]] = {}

    def _note(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.asname or alias.name.partition(".")[0]
                self.modules[top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            base = self._base(node)
            for alias in node.names if base is not None else ():
                name = alias.asname or alias.name
                self.modules[name] = f"{base}.{alias.name}" if base else alias.name
                self._members[name] = f"{base}:{alias.name}"
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                self._bind(target, node.value)
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
            self._bind(node.target, node.value)
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                self._bind(item.optional_vars, item.context_expr)

    def _bind(self, target: ast.expr | None, value: ast.expr | None) -> None:
        if isinstance(target, ast.Name) and value is not None:
            self._bound.setdefault(target.id, []).append(value)

    def _base(self, node: ast.ImportFrom) -> str | None:
        if not node.level:
            return node.module
        parts = self.here.split(".") if self.here else []
        if node.level > len(parts):
            return None
        base = ".".join(parts[: len(parts) - node.level + 1])
        return f"{base}.{node.module}" if node.module else base

    # --- expressions --------------------------------------------------------------------------

    def is_place(self, node: ast.expr) -> bool:
        """Say whether an expression holds a place."""
        return any(self.of(one) for one in ast.walk(node) if isinstance(one, ast.expr))

    def of(self, node: ast.AST, depth: int = 0) -> list[Place]:
        """Return the places that an expression may stand for; none where it is no path."""
        if depth > _DEPTH:
            return []
        if isinstance(node, ast.Name):
            return self._name(node.id, depth)
        if isinstance(node, ast.Attribute):
            return self._attribute(node, depth)
        if isinstance(node, ast.Subscript):
            return self._parents(node, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Div, ast.Add)):
            return self._join(self.of(node.left, depth + 1), [node.right])
        if isinstance(node, ast.JoinedStr) and node.values:
            first = node.values[0]
            if isinstance(first, ast.FormattedValue):
                rest: list[ast.expr] = [ast.JoinedStr(node.values[1:])]
                return self._join(self.of(first.value, depth + 1), rest)
        if isinstance(node, ast.Call):
            return self._call(node, depth)
        return []

    def _name(self, name: str, depth: int) -> list[Place]:
        if name == "__file__":
            return [Place(OWN, (_FILE,))]
        if name not in self._known:
            self._known[name] = []  # a name that is made of itself adds nothing
            values = self._bound.get(name, ())
            places = [place for value in values for place in self.of(value, depth + 1)]
            if not values and name in self._members:
                places = [Place(self._members[name])]
            self._known[name] = places
        return self._known[name]

    def _attribute(self, node: ast.Attribute, depth: int) -> list[Place]:
        if node.attr == "parent":
            return [one.above() for one in self.of(node.value, depth + 1)]
        if node.attr == "__file__":
            return [one.below(_FILE) for one in self._package(node.value)]
        name = node.value.id if isinstance(node.value, ast.Name) else ""
        if name in self.modules and name not in self._bound:
            return [Place(f"{self.modules[name]}:{node.attr}")]
        return []

    def _parents(self, node: ast.Subscript, depth: int) -> list[Place]:
        held = node.value
        if isinstance(held, ast.Name) and held.id == "__path__":
            return [Place(OWN)]
        if isinstance(held, ast.Attribute) and held.attr == "__path__":
            return self._package(held.value)
        if not isinstance(held, ast.Attribute) or held.attr != "parents":
            return []
        if not isinstance(node.slice, ast.Constant) or not isinstance(node.slice.value, int):
            return []
        places = self.of(held.value, depth + 1)
        for _ in range(node.slice.value + 1):
            places = [one.above() for one in places]
        return places

    def _join(self, places: list[Place], parts: list[ast.expr]) -> list[Place]:
        for part in parts:
            texts = self.texts(part) or ["*"]
            places = [one.below(text) for one in places for text in texts]
        return places

    def _call(self, node: ast.Call, depth: int) -> list[Place]:
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        arguments = [one for one in node.args if not isinstance(one, ast.Starred)]
        if name == "files" and len(arguments) <= 1:
            return self._package(arguments[0]) if arguments else [Place(OWN)]
        if name == "dirname" and arguments:
            return [one.above() for one in self.of(arguments[0], depth + 1)]
        if name == "join" and arguments and not isinstance(called, ast.Name):
            places = self.of(arguments[0], depth + 1)
            if places:
                return self._join(places, arguments[1:])
        if name in _SAME and arguments and (places := self.of(arguments[0], depth + 1)):
            return self._join(places, arguments[1:])
        if isinstance(called, ast.Attribute):
            return self._method(self.of(called.value, depth + 1), name, arguments)
        return []

    def _method(self, own: list[Place], name: str, arguments: list[ast.expr]) -> list[Place]:
        if name in _SAME:
            return own
        if name in ("joinpath", "__truediv__"):
            return self._join(own, arguments)
        if name == "with_name":
            return self._join([one.above() for one in own], arguments[:1])
        if name in ("with_suffix", "with_stem"):
            texts = (self.texts(arguments[0]) if arguments else None) or ["*"]
            return [self._renamed(one, name, text) for one in own for text in texts]
        return []

    def _renamed(self, place: Place, how: str, text: str) -> Place:
        last = place.parts[-1] if place.parts else "*"
        stem = self.stem if last == _FILE else last.rpartition(".")[0] or last
        suffix = ".py" if last == _FILE else last[len(stem) :]
        return place.above().below(stem + text if how == "with_suffix" else text + suffix)

    def _package(self, node: ast.expr) -> list[Place]:
        if isinstance(node, ast.Name) and node.id in self.modules:
            return [Place(self.modules[node.id])]
        if isinstance(node, ast.Attribute):
            dotted = ast.unparse(node)
            alias = self.modules.get(dotted.partition(".")[0])
            return [Place(".".join([alias, *dotted.split(".")[1:]]))] if alias else []
        texts = [one for one in self.texts(node) or () if "*" not in one]
        return [Place(self._folder_of(one)) for one in texts]

    def _folder_of(self, name: str) -> str:
        """Return the anchor that a package's name is; OWN for the module itself."""
        return OWN if name in (self.module, self.here, "") else name

    # --- uses -----------------------------------------------------------------------------------

    def constants(self) -> dict[str, Place]:
        """Return the paths that the module has under a name."""
        named = {name: self._name(name, 0) for name in self._bound}
        return {name: places[0] for name, places in named.items() if places}

    def used(self) -> Iterator[Place]:
        """Yield the places that the file does more with than to give them a name."""
        for place in self._uses(self.tree):
            if place.parts[-1:] != (_FILE,):
                yield place

    def _uses(self, node: ast.AST) -> Iterator[Place]:
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr)):
            value = node.value
            if value is not None and not self.of(value):
                yield from self._uses(value)
            return
        if isinstance(node, ast.Call):
            yield from self._uses_of_call(node)
            return
        if isinstance(node, ast.expr):
            places = self.of(node)
            if places:
                yield from places
                return
        for child in ast.iter_child_nodes(node):
            yield from self._uses(child)

    def _uses_of_call(self, node: ast.Call) -> Iterator[Place]:
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if name in _ELSEWHERE or (name in ("open", "ZipFile") and _writes(node)):
            return
        if name in _RESOURCES and len(node.args) >= 1 and not self._is_method_of_place(called):
            places = self._package(node.args[0])
            if places:
                yield from self._resources(places, node, name)
                return
        places = self.of(node)
        if places:
            yield from places
            return
        if isinstance(called, ast.Attribute) and (own := self.of(called.value)):
            yield from self._uses_of_method(own, name, node)
            return
        listing = name in _LISTING or name in ("iter_modules", "walk_packages", "copytree")
        for argument in (*node.args, *(one.value for one in node.keywords)):
            for place in self._uses(argument):
                yield Place(place.anchor, place.parts, listed=True) if listing else place
        yield from self._uses(called) if not isinstance(called, ast.Name) else ()

    def _is_method_of_place(self, called: ast.expr) -> bool:
        places = self.of(called.value) if isinstance(called, ast.Attribute) else []
        return any(":" not in one.anchor for one in places)

    def _resources(self, places: list[Place], node: ast.Call, name: str) -> Iterator[Place]:
        if len(node.args) == 1:
            default = ["templates"] if name == "PackageLoader" else []
            places = [one.below(text) for one in places for text in default] or places
            yield from (Place(one.anchor, one.parts, listed=True) for one in places)
            return
        yield from self._join(places, node.args[1:2])

    def _uses_of_method(self, own: list[Place], name: str, node: ast.Call) -> Iterator[Place]:
        if name in _WRITING or (name == "open" and _writes(node, first=0)):
            return
        if name in ("glob", "rglob"):
            texts = (self.texts(node.args[0]) if node.args else None) or ["*"]
            deep = ["**"] if name == "rglob" else []
            for one in own:
                yield from (
                    Place(one.anchor, (*one.parts, *deep, *text.split("/"))) for text in texts
                )
        else:
            yield from (Place(one.anchor, one.parts, listed=name in _LISTING) for one in own)
        for argument in (*node.args, *(one.value for one in node.keywords)):
            yield from self._uses(argument)


def _writes(node: ast.Call, first: int = 1) -> bool:
    """Say whether an `open` is for writing."""
    modes = [*node.args[first : first + 1], *(k.value for k in node.keywords if k.arg == "mode")]
    return any(
        isinstance(one, ast.Constant)
        and isinstance(one.value, str)
        and not {"w", "a", "x"}.isdisjoint(one.value)
        for one in modes
    )
