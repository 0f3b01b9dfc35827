"""Plain data and metrics: numbers, text, lists, dicts, dataclasses as one canonical JSON file."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import math
import types
import typing
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.artifacts.base import Context, Serializer, describe, payload_file, wrong_type
from waterflow.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILE: Final = "value.json"

NAMES: Final = ("integer", "number", "boolean", "string", "json", "null")
"""The type names of plain data."""

_SIMPLE: Final[dict[type, str]] = {
    int: "integer", float: "number", bool: "boolean", str: "string", type(None): "null",
}  # fmt: skip

_FOUND: Final = {
    "int": "an integer", "float": "a number", "bool": "a boolean", "str": "a string",
    "list": "a list", "dict": "a dict", "NoneType": "None",
}  # fmt: skip


class PlainSerializer(Serializer):
    """Plain data of one type name.

    Args:
        name: One of `NAMES`. None is written whatever the name: the type of an `int | None` is
            "integer", and only the consumer's annotation says whether None will do.
    """

    format = "json"

    def __init__(self, name: str) -> None:
        self.name = name

    def save(self, value: Any, folder: Path, context: Context) -> None:
        """Write `value.json`."""
        del context
        write(folder, plain(value, self.name))

    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Read `value.json` and rebuild what the annotation says."""
        del context
        return rebuild(read(folder, self.name), annotation)


class MetricsSerializer(Serializer):
    """`wf.Metrics`: finite numbers by name."""

    name = "metrics"
    format = "json"
    classes = (("waterflow", "Metrics"),)

    def save(self, value: Any, folder: Path, context: Context) -> None:
        """Write `value.json`."""
        del context
        if isinstance(value, dict):
            _refuse_infinite(cast("dict[str, Any]", value))
        write(folder, _metrics(plain(value, "json", "metrics"), value))

    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Read `value.json` as `wf.Metrics`."""
        from waterflow.artifacts.types import Metrics

        del annotation, context
        content = read(folder, self.name)
        return Metrics(_metrics(content, content))


def write(folder: Path, value: object) -> None:
    """Write plain data as canonical JSON."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    try:
        content = text.encode()
    except UnicodeEncodeError as error:
        raise ArtifactError(
            f"The value holds text that is not valid Unicode ({error.reason}). Return bytes, or "
            "decode the text with errors='replace'."
        ) from None
    (folder / FILE).write_bytes(content)


def read(folder: Path, type_name: str) -> Any:
    """Return what `value.json` holds."""
    path = payload_file(folder, FILE, type_name)
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise ArtifactError(f"{path} is not valid JSON: {error}") from None


def plain(value: object, name: str = "json", where: str = "value") -> Any:
    """Return a value as JSON holds it, as the named type.

    Args:
        value: Numbers, text, None, lists, tuples, string-keyed dicts and dataclasses of these;
            numpy's scalars count as Python's.
        name: A type name of plain data.
        where: What to call the value in a message.

    Raises:
        ArtifactError: It holds something else, or is not of the named type.
    """
    content = _plain(value, where)
    if content is None or name == "json":
        return content
    if name == "number" and type(content) is int:
        return float(content)
    if _SIMPLE.get(type(content)) != name:
        raise wrong_type(value, f"Plain data of type '{name}'")
    return content


def _plain(value: object, where: str) -> Any:
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ArtifactError(
                f"{where} is {float(value)!r}, which JSON cannot hold. Use None, or leave it out."
            )
        return float(value)
    if isinstance(value, (list, tuple)):
        items = cast("list[object]", value)
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(items)]
    if isinstance(value, dict):
        return _plain_dict(cast("dict[object, object]", value), where)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {f.name: _plain(getattr(value, f.name), f"{where}.{f.name}") for f in fields}
    if kind.__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        item: object = cast("Any", value).item()
        if type(item) in (bool, int, float, str):
            return _plain(item, where)
    raise ArtifactError(
        f"{where} is {describe(value)}, which is not plain data (numbers, text, lists, "
        "string-keyed dicts and dataclasses of these). Convert it, or annotate the result as what "
        "it is: a table, an array, a Path."
    )


def _plain_dict(value: dict[object, object], where: str) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    for key, item in value.items():
        if type(key) is not str:
            raise ArtifactError(
                f"{where} has the key {describe(key)}: JSON's keys are strings. Use str(key), or "
                "return a list of pairs."
            )
        entries[key] = _plain(item, f"{where}[{key!r}]")
    return entries


def _refuse_infinite(value: dict[str, Any]) -> None:
    """Refuse a metric that is no finite number, with what to do about it."""
    for key, number in value.items():
        if isinstance(number, float) or type(number).__module__ == "numpy":
            with contextlib.suppress(TypeError, ValueError):
                if not math.isfinite(number):
                    raise ArtifactError(
                        f"The metric '{key}' is {float(number)!r}; a metric is a finite number, "
                        "which conditions can compare. Leave it out where it cannot be computed."
                    )


def _metrics(content: Any, value: object) -> dict[str, float]:
    if not isinstance(content, dict):
        raise wrong_type(value, "A dict of metrics (name: number)")
    metrics: dict[str, float] = {}
    for key, number in cast("dict[str, Any]", content).items():
        if type(number) not in (int, float):
            raise ArtifactError(
                f"The metric '{key}' is {describe(number)}; a metric is a finite number."
            )
        metrics[key] = float(number)
    return metrics


# --- from JSON to what an annotation says ------------------------------------------------------


class _MisfitError(Exception):
    """A value is not what an annotation describes.

    Args:
        why: What does not fit, as a sentence without its full stop.
        advice: What to do about it.
    """

    def __init__(self, why: str, advice: str = "Make the annotation and the value agree.") -> None:
        self.why = why
        super().__init__(f"{why}. {advice}")


def misfit(value: object, annotation: object) -> str | None:
    """Return why a known value is not what an annotation describes, or None when it is.

    Classes are not called: what their own code refuses is found when the step reads the value.

    Args:
        value: Plain data.
        annotation: As for `rebuild`.
    """
    try:
        _rebuild(plain(value), annotation, "value", build=False)
    except _MisfitError as error:
        return error.why
    return None


def rebuild(value: Any, annotation: object) -> Any:
    """Return the Python value that an annotation describes.

    Args:
        value: What JSON held.
        annotation: int, float, bool, str, None, lists, tuples, dicts, metrics, dataclasses,
            unions, literals of these; anything else takes the value as it is.

    Raises:
        ArtifactError: The value does not fit.
    """
    try:
        return _rebuild(value, annotation, "value", build=True)
    except _MisfitError as error:
        raise ArtifactError(str(error)) from None


def _rebuild(value: Any, annotation: object, where: str, build: bool) -> Any:
    annotation = bare(annotation)
    if annotation is Any or annotation is object:
        return value
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return _rebuild_union(value, annotation, where, build)
    if origin is typing.Literal:
        choices = typing.get_args(annotation)
        if any(type(choice) is type(value) and choice == value for choice in choices):
            return value
        raise _misfit(value, f"one of {list(choices)}", where)
    kind = origin or annotation
    if annotation is None:
        kind = type(None)
    if not isinstance(kind, type):
        return value
    return _rebuild_class(value, kind, typing.get_args(annotation), where, build)


def bare(annotation: object) -> object:
    """Return an annotation without `Annotated` around it."""
    while typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    return annotation


def _rebuild_class(
    value: Any, kind: type, arguments: tuple[Any, ...], where: str, build: bool
) -> Any:
    if kind in _SIMPLE:
        if kind is float and type(value) is int:
            return float(value)
        if type(value) is kind:
            return value
        raise _misfit(value, _FOUND[kind.__name__], where)
    if dataclasses.is_dataclass(kind) or typing.is_typeddict(kind):
        return _rebuild_record(value, kind, where, build)
    maker = _CONTAINERS.get(kind.__name__)
    return value if maker is None else maker(value, arguments, where, build)


def _rebuild_union(value: Any, annotation: object, where: str, build: bool) -> Any:
    options = typing.get_args(annotation)
    # The exact type first: 1 under `float | int` stays an integer.
    for option in options:
        if bare(option) is type(value):
            return value
    for option in options:
        try:
            return _rebuild(value, option, where, build)
        except _MisfitError:
            continue
    raise _misfit(value, str(annotation), where)


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _required_keys(kind: type) -> set[str]:
    """Return a TypedDict's required keys, also where its annotations are text.

    `__required_keys__` alone misses `NotRequired` under `from __future__ import annotations`.
    """
    required: set[str] = set(getattr(kind, "__required_keys__", ()))
    for key, hint in typing.get_type_hints(kind, include_extras=True).items():
        if typing.get_origin(hint) is typing.NotRequired:
            required.discard(key)
        elif typing.get_origin(hint) is typing.Required:
            required.add(key)
    return required


def _rebuild_record(value: Any, kind: type, where: str, build: bool) -> Any:
    """Rebuild a dataclass from its fields; check a TypedDict's."""
    if not isinstance(value, dict):
        raise _misfit(value, f"the fields of {kind.__qualname__}", where)
    entries = cast("dict[str, Any]", value)
    hints = _hints(kind)
    if typing.is_typeddict(kind):
        names = set(hints)
        missing = _required_keys(kind) - entries.keys()
    else:
        fields = [f for f in dataclasses.fields(kind) if f.init]
        names = {f.name for f in dataclasses.fields(kind)}
        without = dataclasses.MISSING
        missing = {
            f.name for f in fields if f.default is without and f.default_factory is without
        } - entries.keys()
    if missing or entries.keys() - names:
        raise _MisfitError(
            f"{where} does not fit {kind.__qualname__}: fields {sorted(entries)} were found, and "
            f"{sorted(names)} are expected",
            "Give the fields that the class has; if it has changed since a step wrote the value, "
            "run that step again.",
        )
    built = {
        key: _rebuild(item, hints[key], f"{where}.{key}", build) for key, item in entries.items()
    }
    if typing.is_typeddict(kind) or not build:
        return built
    settable = {f.name for f in dataclasses.fields(kind) if f.init}
    return kind(**{key: item for key, item in built.items() if key in settable})


def _rebuild_list(value: Any, arguments: tuple[Any, ...], where: str, build: bool) -> Any:
    if not isinstance(value, list):
        raise _misfit(value, "a list", where)
    items = cast("list[Any]", value)
    if not arguments:
        return items
    return [_rebuild(item, arguments[0], f"{where}[{i}]", build) for i, item in enumerate(items)]


def _rebuild_tuple(value: Any, arguments: tuple[Any, ...], where: str, build: bool) -> Any:
    if not isinstance(value, list):
        raise _misfit(value, "a tuple", where)
    items = cast("list[Any]", value)
    if not arguments:
        return tuple(items)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        arguments = (arguments[0],) * len(items)
    if len(arguments) != len(items):
        raise _MisfitError(
            f"{where} has {len(items)} items, and a tuple of {len(arguments)} is expected"
        )
    pairs = zip(items, arguments, strict=True)
    return tuple(
        _rebuild(item, kind, f"{where}[{i}]", build) for i, (item, kind) in enumerate(pairs)
    )


def _rebuild_dict(value: Any, arguments: tuple[Any, ...], where: str, build: bool) -> Any:
    if not isinstance(value, dict):
        raise _misfit(value, "a dict", where)
    entries = cast("dict[str, Any]", value)
    if len(arguments) != 2:
        return entries
    return {
        key: _rebuild(item, arguments[1], f"{where}[{key!r}]", build)
        for key, item in entries.items()
    }


def _rebuild_metrics(
    value: Any, arguments: tuple[Any, ...], where: str, build: bool
) -> dict[str, float]:
    from waterflow.artifacts.types import Metrics

    del arguments
    return Metrics(_rebuild_dict(value, (str, float), where, build))


_CONTAINERS: Final[dict[str, Callable[[Any, tuple[Any, ...], str, bool], Any]]] = {
    "list": _rebuild_list, "Sequence": _rebuild_list, "tuple": _rebuild_tuple,
    "dict": _rebuild_dict, "Mapping": _rebuild_dict, "Metrics": _rebuild_metrics,
}  # fmt: skip
"""By name: an abstract class of `collections.abc` and its alias in `typing` are one."""


def _misfit(value: Any, expected: str, where: str) -> _MisfitError:
    return _MisfitError(f"{where} is {describe(value)}, and {expected} is expected")


# --- from one annotation to another ------------------------------------------------------------


def clash(output: object, input_: object) -> bool:
    """Say whether no value of one annotation can be read as another.

    Any, unions, literals and whatever else is not looked into may fit.

    Args:
        output: What an output is.
        input_: What an input takes.
    """
    output, input_ = bare(output), bare(input_)
    kinds = _kind(output), _kind(input_)
    if None in kinds:
        return False
    if kinds[0] != kinds[1]:
        return set(kinds) != {"integer", "number"}
    return clash(item_annotation(output), item_annotation(input_))


def _kind(annotation: object) -> str | None:
    """Return which kind of JSON holds an annotation's values, where there is just one."""
    kind = typing.get_origin(annotation) or annotation
    if not isinstance(kind, type):
        return None
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    if dataclasses.is_dataclass(kind) or typing.is_typeddict(kind):
        return "dict"
    maker = _CONTAINERS.get(kind.__name__)
    if maker is None:
        return None
    return "list" if maker in (_rebuild_list, _rebuild_tuple) else "dict"


def item_annotation(annotation: object) -> Any:
    """Return the annotation of each item of a list, or of each value of a dict; Any if unknown."""
    annotation = bare(annotation)
    kind, arguments = _kind(annotation), typing.get_args(annotation)
    if kind == "dict" and len(arguments) == 2:
        return arguments[1]
    if kind == "list" and (len(arguments) == 1 or arguments[1:] == (Ellipsis,)):
        return arguments[0]
    return Any
