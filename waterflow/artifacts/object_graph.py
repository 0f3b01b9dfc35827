"""What a model is made of: its parts by path, and those that no model file can hold as they are.

skops follows every attribute and knows no circles: a scorer that holds its own model would be
written for ever. Such attributes are left out while the file is written, noted beside it, and set
again when it has been read.
"""

from __future__ import annotations

import contextlib
import types
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.artifacts.stamps import is_stamped

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

Link = tuple[str, Any]
"""("attribute", name) or ("item", index or key): the way from a part to one in it."""

_TABLES: Final = frozenset({"DataFrame", "Series", "Index", "LazyFrame", "Table", "ExtensionArray"})
_TABLE_LIBRARIES: Final = ("pandas", "polars", "pyarrow")
_LEAVES: Final = (
    str, bytes, int, float, complex, bool, type(None), type, types.FunctionType,
    types.BuiltinFunctionType, types.ModuleType,
)  # fmt: skip


@dataclass(frozen=True)
class Circle:
    """An attribute that holds a part which it is itself in, or a method of such a part.

    Attributes:
        path: The way to the attribute, from the model.
        depth: How many links of that way lead to the part that it holds.
        method: The method's name; empty where it is the part itself.
    """

    path: tuple[Link, ...]
    depth: int
    method: str = ""

    @property
    def needless(self) -> bool:
        """Whether the class has the same method under the same name: nothing is lost with it."""
        return self.depth == len(self.path) - 1 and self.method == self.path[-1][1]


@dataclass
class Survey:
    """What was found in a model.

    Attributes:
        circles: The attributes that hold a part around them.
        closed: The paths of circles that no attribute closes, but an item of a list or a dict.
        tables: The paths of tables, each with its type's name.
        stamped: The models that bear the time of their training.
    """

    circles: list[Circle] = field(default_factory=list[Circle])
    closed: list[tuple[Link, ...]] = field(default_factory=list[tuple[Link, ...]])
    tables: list[tuple[tuple[Link, ...], str]] = field(
        default_factory=list[tuple[tuple[Link, ...], str]]
    )
    stamped: list[object] = field(default_factory=list[object])


def survey(model: object) -> Survey:
    """Look at every part of a model once."""
    result = Survey()
    around: dict[int, int] = {}
    seen: dict[int, object] = {}  # the objects themselves: an id is theirs only while they live

    def visit(value: object, path: tuple[Link, ...]) -> None:
        if isinstance(value, _LEAVES):
            return
        method = ""
        if isinstance(value, types.MethodType):
            method, value = value.__func__.__name__, value.__self__
            if id(value) not in around:
                return
        if id(value) in around:
            kept = all(isinstance(key, (str, int)) for _, key in path)
            if path[-1][0] == "attribute" and kept:
                result.circles.append(Circle(path, around[id(value)], method))
            else:
                result.closed.append(path)
            return
        if id(value) in seen:
            return
        seen[id(value)] = value
        if is_table(value):
            result.tables.append((path, type_name(value)))
            return
        if is_stamped(value):
            result.stamped.append(value)
            return
        around[id(value)] = len(path)
        for link, part in parts(value):
            visit(part, (*path, link))
        del around[id(value)]

    visit(model, ())
    return result


def parts(value: object) -> Iterator[tuple[Link, object]]:
    """Yield what an object holds: its attributes, or the items of a list, a tuple or a dict."""
    if isinstance(value, dict):
        for key, item in cast("dict[object, object]", value).items():
            yield ("item", key), item
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(cast("list[object]", value)):
            yield ("item", index), item
    elif isinstance(value, _LEAVES):
        return
    attributes: object = getattr(value, "__dict__", None)
    if isinstance(attributes, dict):
        for name, item in list(cast("dict[str, object]", attributes).items()):
            yield ("attribute", name), item


def is_table(value: object) -> bool:
    """Say whether a value is a table or a column of pandas, Polars or Arrow."""
    return any(
        base.__name__ in _TABLES and base.__module__.partition(".")[0] in _TABLE_LIBRARIES
        for base in type(value).__mro__
    )


def type_name(value: object) -> str:
    """Return the dotted name of a value's class, as users write it."""
    kind = type(value)
    top = kind.__module__.partition(".")[0]
    return f"{top}.{kind.__qualname__}" if is_table(value) else f"{kind.__module__}.{kind.__name__}"


def shown(path: tuple[Link, ...]) -> str:
    """Return a path as Python writes it: `steps[0][1].frame_`."""
    text = "".join(f".{key}" if kind == "attribute" else f"[{key!r}]" for kind, key in path)
    return text.removeprefix(".")


@contextlib.contextmanager
def opened(model: object, circles: list[Circle]) -> Generator[None]:
    """Leave out the attributes that close circles while the block runs."""
    holders = [vars(cast("Any", follow(model, circle.path[:-1]))) for circle in circles]
    whole = [(attributes, dict(attributes)) for attributes in holders]
    try:
        for circle, attributes in zip(circles, holders, strict=True):
            if circle.needless:
                del attributes[circle.path[-1][1]]
            else:
                attributes[circle.path[-1][1]] = None
        yield
    finally:
        for attributes, before in whole:
            attributes.clear()  # their order is part of the file
            attributes.update(before)


def close(model: object, circles: list[Circle]) -> None:
    """Set again the attributes that were left out."""
    for circle in circles:
        holder = follow(model, circle.path[:-1])
        part = follow(model, circle.path[: circle.depth])
        value = getattr(part, circle.method) if circle.method else part
        vars(cast("Any", holder))[circle.path[-1][1]] = value


def follow(model: object, path: tuple[Link, ...]) -> object:
    """Return the part of a model at a path."""
    value: Any = model
    for kind, key in path:
        value = vars(value)[key] if kind == "attribute" else value[key]
    return value


def unwritable(model: object, write: Callable[[object], object]) -> tuple[tuple[Link, ...], object]:
    """Return the innermost part that cannot be written, and its path.

    Args:
        model: What cannot be written.
        write: Writes a part; raises for one that cannot be.
    """
    path: tuple[Link, ...] = ()
    value = model
    while True:
        for link, part in parts(value):
            try:
                write(part)
            except Exception:  # noqa: BLE001 - whatever its library raises, this is the part
                path, value = (*path, link), part
                break
        else:
            return path, value
