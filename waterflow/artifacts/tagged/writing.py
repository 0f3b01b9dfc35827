"""Python values as JSON: each class has its writer, and what has none is refused by name."""

from __future__ import annotations

import base64
import collections
import dataclasses
import enum
import functools
import json
import math
import sys
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.artifacts.base import describe, library
from waterflow.artifacts.tagged.names import FACTORIES, NEEDS, home
from waterflow.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable

_DIGITS: Final = 4000
"""Python reads and writes integers of so many digits as text, and refuses longer ones."""


def dumps(value: object, where: str = "value") -> str:
    """Return a value as JSON text: the same value gives the same text.

    Args:
        value: The value.
        where: What to call it in a message.

    Raises:
        ArtifactError: It holds something that can be no plain data, and where.
    """
    try:
        return as_text(encode(value, where))
    except RecursionError:
        raise ArtifactError(
            f"{where} is nested too deep, or holds itself. Return a flatter value."
        ) from None


def as_text(content: object) -> str:
    """Return encoded content as JSON text, its keys in the order of the value."""
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def encode(value: object, where: str = "value") -> Any:
    """Return a value as what `json` writes.

    Args:
        value: The value.
        where: What to call it in a message.

    Raises:
        ArtifactError: It holds something that can be no plain data, and where.
    """
    kind = type(value)
    if value is None or kind is bool:
        return value
    writer = _WRITERS.get(kind)
    if writer is None:
        writer = _writer(kind)
    return writer(value, where)


def _writer(kind: type) -> Callable[[Any, str], Any]:
    """Return what writes a class that is none of Python's own."""
    if isinstance(kind, enum.EnumMeta):
        return _enum
    top = kind.__module__.partition(".")[0]
    if top == "numpy" and any(base.__name__ == "generic" for base in kind.__mro__):
        return _numpy
    if top == "pandas" and kind.__name__ in _PANDAS:
        return _pandas
    named = f"{kind.__module__}.{kind.__qualname__}"
    if named in _BY_NAME:
        return _BY_NAME[named]
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return _named_tuple
    if dataclasses.is_dataclass(kind):
        return _dataclass
    return _refused


def _refused(value: object, where: str) -> Any:
    kind = type(value)
    named = f"{kind.__module__}.{kind.__qualname__}"
    hint = _HINTS.get(named)
    hint = hint or _general_hint(kind)
    raise ArtifactError(f"{where} is {describe(value)}, which is not plain data. {hint}")


def _general_hint(kind: type) -> str:
    for base in kind.__mro__[1:-1]:
        if base in _WRITERS:
            name = base.__name__
            return (
                f"It is a subclass of {name}, and would arrive as a {name}: return {name}(...) of "
                "it, or keep what it adds in a dataclass."
            )
    bases = {f"{base.__module__.partition('.')[0]}.{base.__name__}" for base in kind.__mro__}
    if "pathlib.PurePath" in bases:
        return _HINTS["pathlib.PosixPath"]
    if "pydantic.BaseModel" in bases:
        return "Return value.model_dump(), and build the model again where it is read."
    if hasattr(kind, "__attrs_attrs__"):
        return "Return attrs.asdict(value), and build the object again where it is read."
    return (
        "Plain data is numbers, text, bytes, dates, enums, and lists, tuples, sets, dicts and "
        "dataclasses of these. Convert it, or annotate the result as what it is: a table, an "
        "array, a Path."
    )


def _text(value: str, where: str) -> Any:
    del where
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate, as os.listdir gives for odd file names
        return {"$text": _base64(value.encode("utf-8", "surrogatepass"))}
    return value


def _integer(value: int, where: str) -> Any:
    del where
    return value if value.bit_length() < _DIGITS * 3 else {"$int": hex(value)}


def _float(value: float, where: str) -> Any:
    del where
    return value if math.isfinite(value) else {"$float": repr(value)}


def _list(value: list[Any], where: str) -> list[Any]:
    return [encode(item, f"{where}[{index}]") for index, item in enumerate(value)]


def _tuple(value: tuple[Any, ...], where: str) -> Any:
    return {"$tuple": _list(cast("list[Any]", value), where)}


def _set(value: set[Any] | frozenset[Any], where: str) -> Any:
    items = [encode(item, f"an item of {where}") for item in value]
    return {f"${type(value).__name__}": sorted(items, key=as_text)}


def _dict(value: dict[Any, Any], where: str) -> Any:
    if all(type(key) is str and _bare_key(key) for key in value):
        return {key: encode(item, f"{where}[{key!r}]") for key, item in value.items()}
    return {"$dict": _pairs(value, where)}


def _bare_key(key: str) -> bool:
    return not key.startswith("$") and (key.isascii() or type(_text(key, "")) is str)


def _pairs(value: dict[Any, Any], where: str) -> list[list[Any]]:
    return [
        [encode(key, f"the key {key!r:.60} of {where}"), encode(item, f"{where}[{key!r:.60}]")]
        for key, item in value.items()
    ]


def _ordered(value: dict[Any, Any], where: str) -> Any:
    return {f"${type(value).__name__.lower()}": _pairs(value, where)}


def _default(value: collections.defaultdict[Any, Any], where: str) -> Any:
    factory = cast("Any", value.default_factory)
    name = None if factory is None else getattr(factory, "__name__", "")
    if factory is not None and FACTORIES.get(name or "") is not factory:
        raise ArtifactError(
            f"{where} is a defaultdict with a factory of its own, which no file can hold. Return "
            "dict(...) of it."
        )
    return {"$defaultdict": [name, _pairs(value, where)]}


def _base64(value: bytes | bytearray) -> str:
    return base64.b64encode(value).decode()


def _bytes(value: bytes | bytearray, where: str) -> Any:
    del where
    return {f"${type(value).__name__}": _base64(value)}


def _complex(value: complex, where: str) -> Any:
    return {"$complex": [_float(value.real, where), _float(value.imag, where)]}


def _range(value: range, where: str) -> Any:
    del where
    return {"$range": [value.start, value.stop, value.step]}


def _deque(value: collections.deque[Any], where: str) -> Any:
    return {"$deque": [_list(cast("list[Any]", value), where), value.maxlen]}


def _string_of(tag: str) -> Callable[[Any, str], Any]:
    def write(value: object, where: str) -> Any:
        del where
        return {tag: str(value)}

    return write


def _iso(value: Any, where: str) -> Any:
    tag = f"${type(value).__name__}"
    if tag == "$date" or (value.tzinfo is None and not value.fold):
        return {tag: value.isoformat()}
    zone = None if value.tzinfo is None else encode(value.tzinfo, f"the time zone of {where}")
    return {tag: [value.replace(tzinfo=None).isoformat(), value.fold, zone]}


def _timedelta(value: Any, where: str) -> Any:
    del where
    return {"$timedelta": [value.days, value.seconds, value.microseconds]}


def _timezone(value: Any, where: str) -> Any:
    offset, *name = value.__getinitargs__()
    return {"$timezone": [_timedelta(offset, where)["$timedelta"], *name]}


def _zone_info(value: Any, where: str) -> Any:
    if value.key is None:
        raise ArtifactError(
            f"{where} is a ZoneInfo without a key, read from a file. Make it by its name: "
            "zoneinfo.ZoneInfo('Europe/Berlin')."
        )
    return {"$zoneinfo": value.key}


def _enum(value: Any, where: str) -> Any:
    kind = cast("type[enum.Enum]", type(value))
    home = _home(kind, where)
    name: str | None = value._name_
    if name in kind.__members__:
        return {"$enum": [home, name]}
    return {"$enum": [home, None, encode(value._value_, where)]}


def _named_tuple(value: Any, where: str) -> Any:
    kind: type = type(value)
    home = _home(kind, where)
    if getattr(value, "__dict__", None):
        raise ArtifactError(
            f"{where} is {describe(value)} with attributes besides its fields, which would be "
            "lost. Make it a dataclass."
        )
    names = cast("tuple[str, ...]", value._fields)
    fields = {
        name: encode(item, f"{where}.{name}") for name, item in zip(names, value, strict=True)
    }
    return {"$namedtuple": [home, fields]}


def _dataclass(value: Any, where: str) -> Any:
    kind: type = type(value)
    home = _home(kind, where)
    if kind.__new__ is not object.__new__:
        raise ArtifactError(
            f"{where} is {describe(value)}, a dataclass that is also something else: its fields "
            "are not all that it holds. Keep that in a field, or return the fields as a dict."
        )
    names = [field.name for field in dataclasses.fields(kind)]
    # A field that was never set stays so.
    fields = {
        name: encode(getattr(value, name), f"{where}.{name}")
        for name in names
        if hasattr(value, name)
    }
    others = {
        name: item
        for name, item in getattr(value, "__dict__", {}).items()
        if name not in fields
        and not isinstance(getattr(kind, name, None), functools.cached_property)
    }
    if not others:
        return {"$dataclass": [home, fields]}
    return {"$dataclass": [home, fields, {k: encode(v, f"{where}.{k}") for k, v in others.items()}]}


def _home(kind: type, where: str) -> str:
    """Return where a reader finds a class, `module:name`.

    Raises:
        ArtifactError: It stands nowhere that can be named.
    """
    module, name = kind.__module__, kind.__qualname__
    entity: Any = sys.modules.get(module)
    for part in name.split("."):
        entity = getattr(entity, part, None)
    if entity is not kind:
        raise ArtifactError(
            f"{where} is of the class {name}, which cannot be found again as {module}.{name}. "
            "Define the class at the top level of a module."
        )
    return home(kind)


def _metrics(value: dict[str, float], where: str) -> Any:
    return {"$metrics": _pairs(value, where)}


_EXACT_FLOATS: Final = (2, 4, 8)


def _numpy(value: Any, where: str) -> Any:
    numpy = library("numpy", NEEDS)
    dtype = value.dtype
    kind: str = dtype.kind
    text: str = dtype.str
    content: Any = None
    if kind in "biu":
        content = value.item()
    elif kind == "f" and dtype.itemsize in _EXACT_FLOATS:
        content = _float(float(value), where)
    elif kind == "c" and dtype.itemsize // 2 in _EXACT_FLOATS:
        content = [_float(float(value.real), where), _float(float(value.imag), where)]
    elif kind in "mM":
        content = int(value.view("i8"))
    elif kind == "U":
        content, text = _text(str(value), where), "U"
    elif kind == "S":
        content, text = _base64(bytes(value)), "S"
    if content is None or numpy.dtype(text).type is not type(value):
        raise ArtifactError(
            f"{where} is {describe(value)}, a numpy scalar that JSON cannot hold. Convert it, for "
            "example float(value), or return an array."
        )
    return {"$numpy": [text, content]}


_PANDAS: Final = ("Timestamp", "Timedelta", "Period", "Interval", "NaTType", "NAType")


def _pandas(value: Any, where: str) -> Any:
    pandas = library("pandas", NEEDS)
    kind: type = type(value)
    if value is pandas.NaT:
        return {"$nat": None}
    if value is pandas.NA:
        return {"$na": None}
    if kind is pandas.Timestamp:
        zone = None if value.tzinfo is None else encode(value.tzinfo, f"the time zone of {where}")
        return {"$timestamp": [int(value.asm8.view("i8")), value.unit, zone]}
    if kind is pandas.Timedelta:
        return {"$pandas.timedelta": [int(value.asm8.view("i8")), value.unit]}
    if kind is pandas.Period:
        return {"$period": [value.ordinal, value.freqstr]}
    if kind is pandas.Interval:
        ends = [encode(end, where) for end in (value.left, value.right)]
        return {"$interval": [*ends, value.closed]}
    return _refused(value, where)


_WRITERS: Final[dict[type, Callable[[Any, str], Any]]] = {
    str: _text, int: _integer, float: _float, list: _list, tuple: _tuple, dict: _dict,
    set: _set, frozenset: _set, bytes: _bytes, bytearray: _bytes, complex: _complex,
    range: _range, collections.OrderedDict: _ordered, collections.Counter: _ordered,
    collections.defaultdict: _default, collections.deque: _deque,
}  # fmt: skip

_BY_NAME: Final[dict[str, Callable[[Any, str], Any]]] = {
    "datetime.date": _iso, "datetime.datetime": _iso, "datetime.time": _iso,
    "datetime.timedelta": _timedelta, "datetime.timezone": _timezone,
    "zoneinfo.ZoneInfo": _zone_info, "decimal.Decimal": _string_of("$decimal"),
    "fractions.Fraction": _string_of("$fraction"), "uuid.UUID": _string_of("$uuid"),
    "waterflow.artifacts.types.Metrics": _metrics,
}  # fmt: skip
"""By name: a job that has no decimals need not import what makes them."""

_TABLE_HINT: Final = (
    "Return it as an output of its own with its own type, or a list or dict of such: "
    "list[{0}], dict[str, {0}]."
)
_PATH_HINT: Final = (
    "It names a file on this machine, which the next step may not see. Return the Path as an "
    "output of its own, or list[Path]."
)
_HINTS: Final = {
    "numpy.ndarray": _TABLE_HINT.format("np.ndarray"),
    "pandas.DataFrame": _TABLE_HINT.format("pd.DataFrame"),
    "pandas.Series": _TABLE_HINT.format("pd.Series"),
    "pandas.core.frame.DataFrame": _TABLE_HINT.format("pd.DataFrame"),
    "pandas.core.series.Series": _TABLE_HINT.format("pd.Series"),
    "polars.dataframe.frame.DataFrame": _TABLE_HINT.format("pl.DataFrame"),
    "pyarrow.lib.Table": _TABLE_HINT.format("pa.Table"),
    "pathlib.PosixPath": _PATH_HINT,
    "pathlib.WindowsPath": _PATH_HINT,
    "builtins.generator": "Return list(...) of it.",
    "builtins.dict_keys": "Return list(...) of it.",
    "builtins.dict_values": "Return list(...) of it.",
    "builtins.dict_items": "Return list(...) of it.",
    "builtins.map": "Return list(...) of it.",
    "builtins.zip": "Return list(...) of it.",
    "builtins.filter": "Return list(...) of it.",
    "types.SimpleNamespace": "Return vars(value), or make it a dataclass.",
}
