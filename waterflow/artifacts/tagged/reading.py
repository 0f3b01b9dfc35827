"""JSON as Python values: each tag has its reader, and classes are found by their names."""

from __future__ import annotations

import base64
import collections
import dataclasses
import enum
import importlib
import json
import sys
from typing import TYPE_CHECKING, Any, Final

from waterflow.artifacts.base import library
from waterflow.artifacts.tagged.names import EXPORTED, FACTORIES, NEEDS, OWN, home, is_script
from waterflow.artifacts.tagged.writing import as_text
from waterflow.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_SHORT: Final = 200


def loads(text: str | bytes, classes: Callable[[], Iterable[type]] = tuple) -> Any:
    """Return the value that JSON text stands for.

    Args:
        text: What `dumps` returned, or anybody's JSON without tags.
        classes: Gives the classes of the user that are known here, from an annotation.

    Raises:
        ArtifactError: It names what is not known here.
        ValueError: It is no JSON.
    """
    try:
        return json.loads(text, object_hook=_Reader(classes).value)
    except RecursionError:
        raise ArtifactError("The value is nested too deep to be read.") from None


class _Reader:
    """Rebuilds values while JSON is parsed, the innermost first.

    Args:
        classes: Gives the classes of the user that are known here.
    """

    def __init__(self, classes: Callable[[], Iterable[type]]) -> None:
        self._classes = classes

    def value(self, content: dict[str, Any]) -> Any:
        """Return what one JSON object stands for."""
        if len(content) != 1:
            return content
        ((tag, inner),) = content.items()
        if not tag.startswith("$"):
            return content
        reader = _READERS.get(tag)
        try:
            if reader is not None:
                return reader(inner)
            own = getattr(self, f"_{tag[1:]}", None) if tag in OWN else None
            if own is not None:
                return own(*inner)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            shown = as_text(content)[:_SHORT] if _is_json(content) else tag
            raise ArtifactError(f"The value {shown} cannot be read: {error}") from None
        raise ArtifactError(
            f"The value holds the tag '{tag}', which this release does not know. It was written by "
            "a later one: use that, or run the step that makes it again."
        )

    def _enum(self, name: str, member: str | None, value: Any = None) -> Any:
        kind: Any = self._find(name)
        if not isinstance(kind, enum.EnumMeta):
            raise _changed(name, "an enum")
        if member is None:
            return kind(value)
        if member not in kind.__members__:
            raise ArtifactError(
                f"The value is {kind.__qualname__}.{member}, and the class has no such member: it "
                "has changed since. Run the step that makes the value again."
            )
        return kind.__members__[member]

    def _namedtuple(self, name: str, fields: dict[str, Any]) -> Any:
        kind: Any = self._find(name)
        names: tuple[str, ...] | None = getattr(kind, "_fields", None)
        if names is None or tuple not in kind.__mro__:
            raise _changed(name, "a NamedTuple")
        if list(names) != list(fields):
            raise _other_fields(kind, fields, names)
        return tuple.__new__(kind, fields.values())

    def _dataclass(
        self, name: str, fields: dict[str, Any], others: dict[str, Any] | None = None
    ) -> Any:
        kind: Any = self._find(name)
        if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
            raise _changed(name, "a dataclass")
        known = {field.name: field for field in dataclasses.fields(kind)}
        if fields.keys() - known.keys():
            raise _other_fields(kind, fields, known)
        # Not called: what its own code made of its arguments is in the fields.
        value = object.__new__(kind)
        for field in known.values():
            if field.name in fields:
                object.__setattr__(value, field.name, fields[field.name])
            elif field.default is not dataclasses.MISSING:
                object.__setattr__(value, field.name, field.default)
            elif field.default_factory is not dataclasses.MISSING:
                object.__setattr__(value, field.name, field.default_factory())
            elif field.init:
                raise _other_fields(kind, fields, known)
        for key, item in (others or {}).items():
            object.__setattr__(value, key, item)
        return value

    def _find(self, name: str) -> Any:
        """Return the class that a file names.

        Raises:
            ArtifactError: There is none here.
        """
        module, _, qualname = name.partition(":")
        known = list(self._classes())
        for kind in known:
            if home(kind) == name:
                return kind
        if module == "__main__":
            modules = [m for m in list(sys.modules) if m == module or m.startswith(EXPORTED)]
        else:
            # Importing a script that runs would run it again.
            modules = ["__main__"] if is_script(module) else [module]
        for candidate in modules:
            kind = _class(candidate, qualname)
            if kind is not None:
                return kind
        same = [kind for kind in known if kind.__qualname__ == qualname]
        if len(same) == 1:
            return same[0]
        raise ArtifactError(
            f"The value holds a {qualname} of the module {module}, which cannot be imported here. "
            "Annotate the argument with the class, or run this where the project's modules are."
        )


def _class(module: str, qualname: str) -> type | None:
    try:
        entity: Any = importlib.import_module(module)
        for part in qualname.split("."):
            entity = getattr(entity, part)
    except (ImportError, AttributeError, ValueError):
        return None
    return entity if isinstance(entity, type) else None


def _changed(name: str, what: str) -> ArtifactError:
    return ArtifactError(
        f"The value is of the class {name.replace(':', '.')}, which is no longer {what}. Run the "
        "step that makes it again."
    )


def _other_fields(kind: type, fields: Iterable[str], known: Iterable[str]) -> ArtifactError:
    return ArtifactError(
        f"The value does not fit {kind.__qualname__}: fields {sorted(fields)} were found, and "
        f"{sorted(known)} are expected. The class has changed since: run the step that makes the "
        "value again."
    )


def _is_json(content: object) -> bool:
    try:
        as_text(content)
    except (TypeError, ValueError):
        return False
    return True


def _read_dict(pairs: list[list[Any]]) -> dict[Any, Any]:
    return {key: item for key, item in pairs}  # noqa: C416 - pairs are lists of two


def _read_default(content: list[Any]) -> Any:
    name, pairs = content
    factory = None if name is None else FACTORIES[name]
    return collections.defaultdict(factory, _read_dict(pairs))


def _read_deque(content: list[Any]) -> collections.deque[Any]:
    return collections.deque(content[0], maxlen=content[1])


def _read_metrics(pairs: list[list[Any]]) -> Any:
    from waterflow.artifacts.types import Metrics

    return Metrics(_read_dict(pairs))


def _read_iso(name: str) -> Callable[[Any], Any]:
    def read(content: Any) -> Any:
        import datetime as dt

        kind: Any = getattr(dt, name)
        if isinstance(content, str):
            return kind.fromisoformat(content)
        text, fold, zone = content
        return kind.fromisoformat(text).replace(fold=fold, tzinfo=zone)

    return read


def _read_timedelta(content: list[int]) -> Any:
    import datetime as dt

    return dt.timedelta(*content)


def _read_timezone(content: list[Any]) -> Any:
    import datetime as dt

    offset, *name = content
    return dt.timezone(_read_timedelta(offset), *name)


def _read_zone_info(key: str) -> Any:
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(key)
    except zoneinfo.ZoneInfoNotFoundError:
        raise ArtifactError(
            f"The time zone {key} is not known on this machine. Install its data: "
            "pip install tzdata"
        ) from None


def _read_by(module: str, name: str) -> Callable[[Any], Any]:
    def read(content: Any) -> Any:
        return getattr(importlib.import_module(module), name)(content)

    return read


def _read_numpy(content: list[Any]) -> Any:
    numpy = library("numpy", NEEDS)
    text, inner = content
    dtype = numpy.dtype(text)
    if dtype.kind in "mM":
        return numpy.int64(inner).view(dtype)
    if dtype.kind == "c":
        return dtype.type(complex(*inner))
    if dtype.kind == "S":
        return dtype.type(base64.b64decode(inner))
    value = dtype.type(inner)
    return value if dtype.isnative or dtype.kind == "U" else numpy.array(inner, dtype)[()]


def _read_pandas(name: str) -> Callable[[Any], Any]:
    def read(content: Any) -> Any:
        pandas = library("pandas", NEEDS)
        if name in ("NaT", "NA"):
            return getattr(pandas, name)
        numpy = library("numpy", NEEDS)
        if name == "Timestamp":
            count, unit, zone = content
            value = pandas.Timestamp(numpy.datetime64(count, unit))
            return value if zone is None else value.tz_localize("UTC").tz_convert(zone)
        if name == "Timedelta":
            return pandas.Timedelta(numpy.timedelta64(*content))
        if name == "Period":
            return pandas.Period(ordinal=content[0], freq=content[1])
        return pandas.Interval(content[0], content[1], closed=content[2])

    return read


_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "$text": lambda content: base64.b64decode(content).decode("utf-8", "surrogatepass"),
    "$int": lambda content: int(content, 16),
    "$float": float,
    "$tuple": tuple,
    "$set": set,
    "$frozenset": frozenset,
    "$dict": _read_dict,
    "$ordereddict": lambda pairs: collections.OrderedDict(_read_dict(pairs)),
    "$counter": lambda pairs: collections.Counter(_read_dict(pairs)),
    "$defaultdict": _read_default,
    "$deque": _read_deque,
    "$metrics": _read_metrics,
    "$bytes": base64.b64decode,
    "$bytearray": lambda content: bytearray(base64.b64decode(content)),
    "$complex": lambda content: complex(*content),
    "$range": lambda content: range(*content),
    "$date": _read_iso("date"),
    "$datetime": _read_iso("datetime"),
    "$time": _read_iso("time"),
    "$timedelta": _read_timedelta,
    "$timezone": _read_timezone,
    "$zoneinfo": _read_zone_info,
    "$decimal": _read_by("decimal", "Decimal"),
    "$fraction": _read_by("fractions", "Fraction"),
    "$uuid": _read_by("uuid", "UUID"),
    "$numpy": _read_numpy,
    "$nat": _read_pandas("NaT"),
    "$na": _read_pandas("NA"),
    "$timestamp": _read_pandas("Timestamp"),
    "$pandas.timedelta": _read_pandas("Timedelta"),
    "$period": _read_pandas("Period"),
    "$interval": _read_pandas("Interval"),
}
