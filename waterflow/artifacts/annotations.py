"""How annotations of plain data are read: which classes they name, and of which kind each is."""

from __future__ import annotations

import dataclasses
import enum
import functools
import typing
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterable

SIMPLE: Final[dict[type, str]] = {
    int: "integer", float: "number", bool: "boolean", str: "string", type(None): "null",
}  # fmt: skip
"""Classes whose values JSON has itself, and the type names of the spec for them."""

ATOMS: Final = frozenset({
    "datetime.date", "datetime.datetime", "datetime.time", "datetime.timedelta",
    "datetime.timezone", "datetime.tzinfo", "zoneinfo.ZoneInfo", "decimal.Decimal",
    "fractions.Fraction", "uuid.UUID", "builtins.complex", "builtins.bytearray", "builtins.range",
    "pandas.Timestamp", "pandas.Timedelta", "pandas.Period", "pandas.Interval",
})  # fmt: skip
"""Classes of plain data without parts, by name: asking must import nothing."""

_STANDARD: Final = ("builtins", "collections", "collections.abc", "typing")
_LISTS: Final = ("list", "Sequence", "MutableSequence", "deque")
_SETS: Final = ("set", "frozenset", "Set", "AbstractSet", "MutableSet")
_ITEMS: Final = ("Collection", "Iterable")
_DICTS: Final = (
    "dict", "Mapping", "MutableMapping", "OrderedDict", "Counter", "defaultdict",
)  # fmt: skip


def bare(annotation: object) -> Any:
    """Return an annotation without `Annotated`, `NewType` and aliases around it."""
    while True:
        origin = typing.get_origin(annotation)
        if origin in (typing.Annotated, typing.Required, typing.NotRequired, typing.Final):
            annotation = typing.get_args(annotation)[0]
        elif hasattr(annotation, "__supertype__"):
            annotation = cast("Any", annotation).__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = cast("Any", annotation).__value__
        else:
            return annotation


def collection(annotation: object) -> str | None:
    """Return "list", "tuple", "set", "dict" or "items" for an annotation of a container."""
    kind = typing.get_origin(annotation) or annotation
    if not isinstance(kind, type) or kind.__module__ not in _STANDARD:
        return None
    name = kind.__name__
    if name == "tuple":
        return name
    for word, names in (("list", _LISTS), ("set", _SETS), ("dict", _DICTS), ("items", _ITEMS)):
        if name in names:
            return word
    return None


def is_record(kind: object) -> bool:
    """Say whether a class is a dataclass, a TypedDict or a NamedTuple."""
    return isinstance(kind, type) and (
        dataclasses.is_dataclass(kind) or typing.is_typeddict(kind) or is_named_tuple(kind)
    )


def is_named_tuple(kind: type) -> bool:
    """Say whether a class is a NamedTuple."""
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


def is_atom(kind: type) -> bool:
    """Say whether a class's values are plain data without parts, beyond what JSON has itself."""
    if isinstance(kind, enum.EnumMeta):
        return True
    top = kind.__module__.partition(".")[0]
    if top == "numpy":
        return any(base.__name__ == "generic" for base in kind.__mro__)
    module = "pandas" if top == "pandas" else kind.__module__
    return f"{module}.{kind.__qualname__}" in ATOMS


@functools.cache
def hints(kind: type) -> dict[str, Any]:
    """Return the types of a record's fields.

    Raises:
        NameError: An annotation names what is not there.
    """
    own = typing.get_type_hints(kind)
    if typing.is_typeddict(kind) or not dataclasses.is_dataclass(kind):
        return own
    return {field.name: own.get(field.name, Any) for field in dataclasses.fields(kind)}


def classes(annotation: object) -> Iterable[type]:
    """Yield the records and enums that an annotation names, with their subclasses and fields."""
    visited: set[int] = set()
    waiting: list[Any] = [annotation]
    while waiting:
        current = bare(waiting.pop())
        if id(current) in visited:
            continue
        visited.add(id(current))
        waiting.extend(typing.get_args(current))
        kind = typing.get_origin(current) or current
        if not isinstance(kind, type):
            continue
        if kind is not current:
            waiting.append(kind)
        if isinstance(kind, enum.EnumMeta):
            yield kind
        elif is_record(kind):
            yield kind
            waiting.extend(kind.__subclasses__())
            try:
                waiting.extend(hints(kind).values())
            except (NameError, TypeError):
                continue


def beyond_text(annotation: object) -> str | None:
    """Return the first class in an annotation whose values nobody can give as JSON text.

    Args:
        annotation: What a pipeline's parameter is. Unions are not looked into.
    """
    annotation = bare(annotation)
    kind = typing.get_origin(annotation) or annotation
    if isinstance(kind, type) and is_atom(kind):
        return kind.__qualname__
    word = collection(annotation)
    arguments = typing.get_args(annotation) if word else ()
    if word == "dict" and arguments and bare(arguments[0]) not in (str, Any):
        return "dict whose keys are not text"
    return next(filter(None, map(beyond_text, arguments)), None)


def data_kind(annotation: object) -> str | type | None:
    """Return which kind of JSON holds an annotation's values, or which class they have."""
    kind = typing.get_origin(annotation) or annotation
    if not isinstance(kind, type):
        return None
    if kind in SIMPLE:
        return SIMPLE[kind]
    if is_record(kind):
        return "list" if is_named_tuple(kind) else "dict"
    if is_atom(kind):
        return None if kind.__module__.partition(".")[0] == "numpy" else kind
    if kind.__name__ == "Metrics":
        return "dict"
    container = collection(kind)
    return "list" if container == "tuple" else None if container == "items" else container


def item_annotation(annotation: object) -> Any:
    """Return the annotation of each item of a list, or of each value of a dict; Any if unknown."""
    annotation = bare(annotation)
    kind, arguments = data_kind(annotation), typing.get_args(annotation)
    if kind == "dict" and len(arguments) == 2:
        return arguments[1]
    if kind == "list" and (len(arguments) == 1 or arguments[1:] == (Ellipsis,)):
        return arguments[0]
    return Any
