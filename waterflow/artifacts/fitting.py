"""What fits what: a value an annotation, and an output's annotation an input's."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.artifacts.annotations import (
    SIMPLE,
    bare,
    collection,
    data_kind,
    hints,
    is_atom,
    is_record,
    item_annotation,
)
from waterflow.artifacts.base import describe
from waterflow.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable

_WORDS: Final = {
    "int": "an integer", "float": "a number", "bool": "a boolean", "str": "a string",
    "list": "a list", "dict": "a dict", "NoneType": "None",
}  # fmt: skip


class MisfitError(Exception):
    """A value is not what an annotation describes.

    Args:
        why: What does not fit, as a sentence without its full stop.
        advice: What to do about it.
    """

    def __init__(self, why: str, advice: str = "Make the annotation and the value agree.") -> None:
        self.why = why
        super().__init__(f"{why}. {advice}")


# --- does a value fit --------------------------------------------------------------------------


def refuse_misfit(value: object, annotation: object) -> None:
    """Refuse a value that a step returned and its annotation does not describe.

    Raises:
        ArtifactError: It is something else, and where.
    """
    try:
        _Fit(convert=False, text=False).value(value, annotation, "value")
    except MisfitError as error:
        raise ArtifactError(
            f"{error.why}. Make the step return what its annotation says."
        ) from None


def fitted(value: Any, annotation: object) -> Any:
    """Return a value that a step made, for an argument: as it is where it fits.

    Args:
        value: The value.
        annotation: What the argument says. Where that is another form of the same data, such as
            a dataclass where the step returned a dict, the value is converted.

    Raises:
        ArtifactError: The value does not fit.
    """
    try:
        return _Fit(convert=True, text=False).value(value, annotation, "value")
    except MisfitError as error:
        raise ArtifactError(str(error)) from None


def rebuild(value: Any, annotation: object) -> Any:
    """Return the Python value that an annotation describes, of a constant or a parameter.

    Args:
        value: What JSON held.
        annotation: int, float, bool, str, None, lists, tuples, dicts, metrics, dataclasses,
            unions, literals of these; anything else takes the value as it is.

    Raises:
        ArtifactError: The value does not fit.
    """
    try:
        return _Fit(convert=True, text=True).value(value, annotation, "value")
    except MisfitError as error:
        raise ArtifactError(str(error)) from None


def as_fitting(value: object, annotation: object) -> Any:
    """Return what `rebuild` would make of a value, with dicts for the records it would build.

    Args:
        value: What JSON held.
        annotation: As for `rebuild`.

    Raises:
        ArtifactError: The value does not fit.
    """
    try:
        return _Fit(convert=True, text=True, build=False).value(value, annotation, "value")
    except MisfitError as error:
        raise ArtifactError(str(error)) from None


def misfit(value: object, annotation: object) -> str | None:
    """Return why a known value is not what an annotation describes, or None when it is.

    Classes are not called: what their own code refuses is found when the step reads the value.

    Args:
        value: Plain data.
        annotation: As for `rebuild`.
    """
    try:
        _Fit(convert=True, text=True, build=False).value(value, annotation, "value")
    except MisfitError as error:
        return error.why
    return None


class _Fit:
    """One comparison of a value with an annotation.

    Args:
        convert: Whether another form of the same data will do, and is converted.
        text: Whether the value comes from JSON text, where 3 may mean 3.0.
        build: Whether records are built, not only looked at.
    """

    def __init__(self, *, convert: bool, text: bool, build: bool = True) -> None:
        self.convert, self.text, self.build = convert, text, build

    def value(self, value: Any, annotation: object, where: str) -> Any:
        """Return the value, converted where that is allowed.

        Raises:
            MisfitError: It does not fit.
        """
        annotation = bare(annotation)
        if annotation is Any or annotation is object:
            return value
        origin = typing.get_origin(annotation)
        if origin in (typing.Union, types.UnionType):
            return self._union(value, annotation, where)
        if origin is typing.Literal:
            choices = typing.get_args(annotation)
            if any(type(choice) is type(value) and choice == value for choice in choices):
                return value
            raise _misfit(value, f"one of {list(choices)}", where)
        kind = type(None) if annotation is None else origin or annotation
        if not isinstance(kind, type):
            return value
        return self._class(value, kind, typing.get_args(annotation), where)

    def _class(self, value: Any, kind: type, arguments: tuple[Any, ...], where: str) -> Any:
        if kind in SIMPLE:
            return self._simple(value, kind, where)
        if is_record(kind):
            return self._record(value, kind, where)
        if is_atom(kind):
            if isinstance(value, kind) or _is_missing_time(value):
                return value
            raise _misfit(value, f"a {kind.__qualname__}", where)
        container = collection(kind)
        if container is not None:
            return getattr(self, f"_{container}")(value, kind, arguments, where)
        if kind.__name__ == "Metrics" and kind.__module__.partition(".")[0] == "waterflow":
            return self._metrics(value, kind, where)
        return value

    def _simple(self, value: Any, kind: type, where: str) -> Any:
        if fits_name(value, SIMPLE[kind]):
            if kind is float and type(value) is int and self.text:
                return _float(value, where)
            return value
        raise _misfit(value, _WORDS[kind.__name__], where)

    def _union(self, value: Any, annotation: object, where: str) -> Any:
        options = typing.get_args(annotation)
        # The exact type first: 1 under `float | int` stays an integer.
        for option in options:
            if (bare(option) or type(None)) is type(value):
                return value
        # Next what fits as it is; what would have to be converted comes last.
        strict = _Fit(convert=False, text=False, build=False)
        for fit in (strict, self):
            for option in options:
                try:
                    return fit.value(value, option, where)
                except MisfitError:
                    continue
        raise _misfit(value, str(annotation), where)

    # --- records -------------------------------------------------------------------------------

    def _record(self, value: Any, kind: type, where: str) -> Any:
        """Rebuild a record from its fields, where it is not one already."""
        if not typing.is_typeddict(kind) and isinstance(value, kind):
            if self.text and dataclasses.is_dataclass(value):
                # A constant of a pipeline: its author can still be told of a slip.
                for name, hint in hints(type(cast("Any", value))).items():
                    if hasattr(value, name):
                        self.value(getattr(value, name), hint, f"{where}.{name}")
            return value
        if isinstance(value, dict) and (self.convert or typing.is_typeddict(kind)):
            return self._fields(cast("dict[str, Any]", value), kind, where)
        raise _misfit(value, f"the fields of {kind.__qualname__}", where)

    def _fields(self, entries: dict[str, Any], kind: type, where: str) -> Any:
        known = hints(kind)
        if typing.is_typeddict(kind):
            missing = _required_keys(kind) - entries.keys()
        elif dataclasses.is_dataclass(kind):
            without = dataclasses.MISSING
            fields = [f for f in dataclasses.fields(kind) if f.init]
            missing = {
                f.name for f in fields if f.default is without and f.default_factory is without
            } - entries.keys()
        else:
            missing = known.keys() - cast("Any", kind)._field_defaults - entries.keys()
        if missing or entries.keys() - known.keys():
            raise MisfitError(
                f"{where} does not fit {kind.__qualname__}: fields {sorted(entries)} were found, "
                f"and {sorted(known)} are expected",
                "Give the fields that the class has; if it has changed since a step wrote the "
                "value, run that step again.",
            )
        built = {
            key: self.value(item, known[key], f"{where}.{key}") for key, item in entries.items()
        }
        if typing.is_typeddict(kind) or not self.build:
            return built
        if dataclasses.is_dataclass(kind):
            settable = {f.name for f in dataclasses.fields(kind) if f.init}
            built = {key: item for key, item in built.items() if key in settable}
        return kind(**built)

    def _metrics(self, value: Any, kind: type, where: str) -> Any:
        if isinstance(value, kind):
            return value
        if not isinstance(value, dict):
            raise _misfit(value, "a dict of metrics", where)
        return kind(self._dict(value, dict, (str, float), where))

    # --- containers ----------------------------------------------------------------------------

    def _list(self, value: Any, kind: type, arguments: tuple[Any, ...], where: str) -> Any:
        sequence = kind.__name__ == "Sequence" and isinstance(value, (tuple, range))
        if not (isinstance(value, kind) or sequence):
            if not (self.convert and isinstance(value, (list, tuple))):
                raise _misfit(value, "a list", where)
            value = list(cast("list[Any]", value))
        return self._each(value, arguments[0] if arguments else Any, where)

    def _tuple(self, value: Any, kind: type, arguments: tuple[Any, ...], where: str) -> Any:
        if not isinstance(value, kind):
            if not (self.convert and isinstance(value, list)):
                raise _misfit(value, "a tuple", where)
            value = tuple(cast("list[Any]", value))
        items = cast("tuple[Any, ...]", value)
        if not arguments:
            return items
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            arguments = (arguments[0],) * len(items)
        if arguments == ((),):
            arguments = ()
        if len(arguments) != len(items):
            raise MisfitError(
                f"{where} has {len(items)} items, and a tuple of {len(arguments)} is expected"
            )
        built = [
            self.value(item, option, f"{where}[{i}]")
            for i, (item, option) in enumerate(zip(items, arguments, strict=True))
        ]
        return _same_or(items, built, tuple)

    def _set(self, value: Any, kind: type, arguments: tuple[Any, ...], where: str) -> Any:
        if not (isinstance(value, (set, frozenset)) and isinstance(value, kind)):
            if not (self.text and isinstance(value, list)):
                raise _misfit(value, "a set", where)
            value = frozenset(value) if kind is frozenset else set(value)  # pyright: ignore[reportUnknownArgumentType]
        return self._each(value, arguments[0] if arguments else Any, where)

    def _items(self, value: Any, kind: type, arguments: tuple[Any, ...], where: str) -> Any:
        if not isinstance(value, kind):
            raise _misfit(value, "a list, tuple or set", where)
        return self._each(value, arguments[0] if arguments else Any, where)

    def _each(self, value: Any, item: Any, where: str) -> Any:
        if item is Any or not isinstance(value, (list, tuple, set, frozenset)):
            return value
        items = list(cast("list[Any]", value))
        built = [self.value(one, item, f"{where}[{i}]") for i, one in enumerate(items)]
        return _same_or(value, built, type(cast("Any", value)))

    def _dict(self, value: Any, kind: type, arguments: tuple[Any, ...], where: str) -> Any:
        if not isinstance(value, kind):
            if not (self.convert and dataclasses.is_dataclass(value)):
                raise _misfit(value, "a dict", where)
            value = dataclasses.asdict(cast("Any", value))
        entries = cast("dict[Any, Any]", value)
        if len(arguments) != 2:
            return entries
        built = {
            self.value(key, arguments[0], f"the key {key!r:.60} of {where}"): self.value(
                item, arguments[1], f"{where}[{key!r:.60}]"
            )
            for key, item in entries.items()
        }
        if all(built.get(key) is item for key, item in entries.items()):
            return entries
        return built


def _same_or(value: Any, built: list[Any], kind: Callable[[list[Any]], Any]) -> Any:
    """Return a container as it is where all its items are, so that it is not copied."""
    same = all(one is other for one, other in zip(value, built, strict=True))
    return value if same else kind(built)


def _float(value: int, where: str) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = None
    if number is None or int(number) != value:
        raise MisfitError(f"{where} is {value!s:.80}, and no float is that exactly")
    return number


def _is_missing_time(value: object) -> bool:
    """Say whether a value is pandas' NaT, which stands for a missing Timestamp or Timedelta."""
    return type(value).__name__ == "NaTType" and type(value).__module__.startswith("pandas")


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


_NUMPY_KINDS: Final = {"integer": "iu", "number": "fiu", "boolean": "b", "string": "U"}


def fits_name(value: object, name: str) -> bool:
    """Say whether a value is of a simple type name, numpy's scalars included.

    Args:
        value: The value.
        name: "integer", "number", "boolean", "string" or "null".
    """
    kind = type(value)
    if kind in SIMPLE:
        return SIMPLE[kind] == name or (kind is int and name == "number")
    if kind.__module__.partition(".")[0] == "numpy" and hasattr(value, "dtype"):
        dtype: Any = cast("Any", value).dtype
        return getattr(value, "ndim", 1) == 0 and dtype.kind in _NUMPY_KINDS.get(name, "")
    return False


def _misfit(value: Any, expected: str, where: str) -> MisfitError:
    return MisfitError(f"{where} is {describe(value)}, and {expected} is expected")


# --- from one annotation to another ------------------------------------------------------------


def clash(output: object, input_: object) -> bool:
    """Say whether no value of one annotation can be read as another.

    Any, unions, literals and whatever else is not looked into may fit.

    Args:
        output: What an output is.
        input_: What an input takes.
    """
    output, input_ = bare(output), bare(input_)
    kinds = data_kind(output), data_kind(input_)
    if None in kinds:
        return False
    if isinstance(kinds[0], type) and isinstance(kinds[1], type):
        return not (issubclass(kinds[0], kinds[1]) or issubclass(kinds[1], kinds[0]))
    if kinds[0] != kinds[1]:
        return set(kinds) != {"integer", "number"}
    return clash(item_annotation(output), item_annotation(input_))


def loses_tuples(output: object, input_: object) -> bool:
    """Say whether tuples of one annotation come as lists to another, when they travel as JSON text.

    Args:
        output: What a pipeline's parameter is.
        input_: What the argument is that takes it.
    """
    output, input_ = bare(output), bare(input_)
    if _is_union(output):
        return any(loses_tuples(option, input_) for option in typing.get_args(output))
    if not _holds_tuples(output):
        return False
    if _is_union(input_):
        return all(loses_tuples(output, option) for option in typing.get_args(input_))
    if input_ is Any or input_ is object:
        return True
    if _is_tuple(output):
        if not _is_tuple(input_):
            return False  # it asks for a list
        inner = zip(_items(output), _items(input_), strict=False)
        return any(loses_tuples(one, other) for one, other in inner)
    return loses_tuples(item_annotation(output), item_annotation(input_))


def _is_union(annotation: object) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def _is_tuple(annotation: object) -> bool:
    kind = typing.get_origin(annotation) or annotation
    return isinstance(kind, type) and issubclass(kind, tuple)


def _items(annotation: object) -> tuple[Any, ...]:
    arguments = typing.get_args(annotation)
    return tuple(one for one in arguments if one is not Ellipsis) or (Any,)


def _holds_tuples(annotation: object) -> bool:
    annotation = bare(annotation)
    return _is_tuple(annotation) or any(map(_holds_tuples, typing.get_args(annotation)))
