"""Which serializer takes which type: annotations to type names, type names to serializers."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.artifacts import annotations, fitting, own, plain
from waterflow.artifacts.base import Context, Serializer
from waterflow.errors import ArtifactError, ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

GROUP: Final = "waterflow.serializers"
"""The entry point group by which other packages add serializers."""

_SCALARS: Final[dict[object, str]] = {
    int: "integer", float: "number", bool: "boolean", str: "string",
    None: "null", type(None): "null", Any: "any", object: "any",
}  # fmt: skip


class AnySerializer(Serializer):
    """What nobody annotated: the value itself decides how it is written, its files how it is read.

    A table is read as pandas, a model as the estimator.
    """

    name = "any"
    format = "any"

    def resolve(self, value: object) -> Serializer:
        """Return the serializer of the value's own type."""
        name = type_name(type(value)) if value is not None else "null"
        # A class that says of its values no more than that they are plain: they say the rest.
        return by_name(infer(value) if name is None or is_plain(name) else name)

    def save(self, value: Any, folder: Path, context: Context) -> None:
        """Write the value as its own type."""
        self.resolve(value).save(value, folder, context)

    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Read by the names of the files."""
        for name, reader in _READERS.items():
            if (folder / name).is_file():
                return by_name(reader).load(folder, annotation, context)
        return by_name("path").load(folder, annotation, context)


_READERS: Final = {
    "value.json": "json", "data.parquet": "dataframe", "model.skops": "estimator",
    "lightgbm.txt": "lightgbm", "xgboost.ubj": "xgboost", "catboost.cbm": "catboost",
    "array.npy": "array", "array.npz": "sparse", "figure.png": "figure", "value.bin": "bytes",
    "tensors.safetensors": "tensors",
}  # fmt: skip


@functools.cache
def _scalars() -> dict[str, Serializer]:
    """Return the serializers of plain data by type name, which most steps have and no other."""
    names = (*(plain.PlainSerializer(name) for name in plain.NAMES), plain.MetricsSerializer())
    return {serializer.name: serializer for serializer in names}


@functools.cache
def _built_in() -> dict[str, Serializer]:
    """Return Waterflow's own serializers by type name; who takes a class first, has it."""
    from waterflow.artifacts import files, models, tables, tensors

    serializers: tuple[Serializer, ...] = (
        tables.DataFrameSerializer(),
        tables.SeriesSerializer(),
        tables.IndexSerializer(),
        tables.PolarsSerializer(),
        tables.ArrowSerializer(),
        files.ArraySerializer(),
        files.SparseSerializer(),
        # Before scikit-learn's: their estimators derive from its base.
        models.LightGBMSerializer(),
        models.XGBoostSerializer(),
        models.CatBoostSerializer(),
        models.EstimatorSerializer(),
        models.ModelSerializer(),
        tensors.TensorSerializer(),
        tensors.StateSerializer(),
        files.PathSerializer(),
        files.FigureSerializer(),
        files.BytesSerializer(),
        AnySerializer(),
    )
    return _scalars() | {serializer.name: serializer for serializer in serializers}


def by_name(name: str) -> Serializer:
    """Return the serializer of a type name.

    Args:
        name: A type name of the spec, `list[T]` and `dict[T]` included; not "data", which is no
            artifact.

    Raises:
        ArtifactError: There is none of that name.
    """
    if serializer := _scalars().get(name) or _built_in().get(name):
        return serializer
    from waterflow.artifacts import containers

    for kind in (containers.ListSerializer, containers.DictSerializer):
        if name.startswith(f"{kind.word}[") and name.endswith("]"):
            return kind(by_name(name[5:-1]))
    if ":" in name:
        return own.by_name(name)
    if serializer := extensions().get(name):
        return serializer
    known = ", ".join([*_built_in(), "list[T]", "dict[T]", *extensions()])
    raise ArtifactError(
        f"There is no artifact type '{name}'. Known: {known}. A type of another package comes with "
        "that package: install it."
    )


@functools.cache
def extensions() -> dict[str, Serializer]:
    """Return the serializers of other packages by type name; looked up once a process.

    Raises:
        ConfigurationError: An entry point cannot be loaded, is no serializer, or takes a name that
            is taken.
    """
    import importlib.metadata

    serializers: dict[str, Serializer] = {}
    for entry in importlib.metadata.entry_points(group=GROUP):
        origin = f"The entry point {entry.name} = {entry.value} ({GROUP})"
        try:
            kind: Any = entry.load()
        except (ImportError, AttributeError) as error:
            raise ConfigurationError(
                f"{origin} cannot be loaded: {error}. Repair or uninstall the package that "
                f"has it: pip uninstall {entry.dist.name if entry.dist else entry.name}"
            ) from error
        if not (isinstance(kind, type) and issubclass(kind, Serializer)):
            raise ConfigurationError(f"{origin} is not a class derived from Serializer.")
        serializer: Serializer = kind()
        name = serializer.name
        if name in _built_in() or name in serializers or name == "data":
            raise ConfigurationError(f"{origin} takes the name '{name}', which is taken.")
        serializers[name] = serializer
    return serializers


def type_name(annotation: object) -> str | None:
    """Return the spec's type name for an annotation, or None when no serializer takes it.

    Args:
        annotation: A type, resolved: not the text of one. `X | None` is as X, `Annotated[X, ...]`
            too.
    """
    annotation = plain.bare(annotation)
    if annotation is None or annotation is Any or isinstance(annotation, type):
        scalar = _SCALARS.get(annotation)
        if scalar is not None:
            return scalar
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return _union_name(typing.get_args(annotation))
    if origin is typing.Literal:
        return _joined([type_name(type(value)) for value in typing.get_args(annotation)])
    if _is_state(origin, typing.get_args(annotation)):
        return _STATE
    kind = origin or annotation
    if not isinstance(kind, type):
        return "any" if isinstance(annotation, typing.TypeVar) else None
    if word := annotations.collection(annotation):
        return _collection_name(word, kind.__name__, typing.get_args(annotation))
    return _class_name(cast("type", kind))


def _is_state(origin: object, arguments: tuple[Any, ...]) -> bool:
    """Say whether an annotation is a dict of tensors by name: one file, and not a folder each."""
    named = len(arguments) == 2 and arguments[0] is str
    return named and origin in _STATES and type_name(arguments[1]) == _TENSOR


_TENSOR, _STATE = "tensor", "tensors"
_STATES: Final[tuple[object, ...]] = (dict, Mapping, OrderedDict)


def _class_name(kind: type) -> str | None:
    if (kind.__module__, kind.__name__) == ("waterflow.language.types", "Data"):
        return "data"
    if project_serializer := own.of(kind):
        return project_serializer.name
    if typing.is_typeddict(kind) or annotations.is_named_tuple(kind):
        return _record_name(kind)
    atom = annotations.is_atom(kind)
    for serializer in () if atom else _built_in().values():
        if serializer.classes and serializer.accepts(kind):
            return serializer.name
    for serializer in extensions().values():
        if serializer.accepts(kind):
            return serializer.name
    if atom:
        return "json"
    return _record_name(kind) if dataclasses.is_dataclass(kind) else None


_unfinished: set[type] = set()
"""Records whose fields are being looked at: one that holds itself is plain if the rest is."""


def _record_name(kind: type) -> str | None:
    if kind in _unfinished:
        return "json"
    try:
        hints = annotations.hints(kind)
    except (NameError, TypeError):
        return None
    _unfinished.add(kind)
    try:
        names = [type_name(hint) for hint in hints.values()]
    finally:
        _unfinished.discard(kind)
    return "json" if all(part_of_plain(name) for name in names) else None


def _collection_name(word: str, kind: str, arguments: tuple[Any, ...]) -> str | None:
    inner = [type_name(item) for item in arguments if item is not Ellipsis and item != ()]
    if word == "dict" and inner:
        keys, inner = inner[0], inner[1:]
        if not part_of_plain(keys):
            return None
    if all(_plain_or_any(name) for name in inner):
        return "json"
    if kind in ("list", "Sequence", "dict", "Mapping") and inner[0] not in (None, "data"):
        return f"{word}[{inner[0]}]"
    return "json" if all(part_of_plain(name) for name in inner) else None


def _union_name(options: tuple[Any, ...]) -> str | None:
    return _joined([type_name(option) for option in options])


def _joined(names: list[str | None]) -> str | None:
    """Return the one type name that stands for all of several."""
    distinct = {name for name in names if name != "null"}
    if len(distinct) == 1:
        return distinct.pop()
    if not distinct:
        return "null"
    if distinct == {"integer", "number"}:
        return "number"
    if "any" in distinct:
        return "any"
    return "json" if all(part_of_plain(name) for name in distinct) else None


def part_of_plain(name: str | None) -> bool:
    """Say whether values of a type may stand within plain data."""
    return _plain_or_any(name) or name in ("bytes", "metrics")


def _plain_or_any(name: str | None) -> bool:
    return name == "any" or (name is not None and is_plain(name))


def is_plain(name: str) -> bool:
    """Say whether a type name is one of plain data's."""
    return name in plain.NAMES


def infer(value: object) -> str:
    """Return the type name of a plain constant.

    Raises:
        ArtifactError: The value is not plain data.
    """
    plain.plain(value)
    return next((n for n in plain.NAMES if fitting.fits_name(value, n)), "json")


def takes(declared: str, value: object) -> bool:
    """Say whether an argument of a type may be given a value that is known.

    Stricter than `compatible`: an output of type "json" may turn out to be a number, a list that
    is known cannot.

    Args:
        declared: The argument's type name.
        value: Plain data.

    Raises:
        ArtifactError: The value is not plain data.
    """
    type_ = infer(value)
    return declared in (type_, "json", "any") or (type_, declared) == ("integer", "number")


def compatible(produced: str, declared: str) -> bool:
    """Say whether an output of one type may be given to an input of another.

    Args:
        produced: The output's type name.
        declared: The input's type name.

    Raises:
        ArtifactError: A name is unknown.
    """
    if produced == declared or "any" in (produced, declared):
        # As in typing: Any on either side is the author's word that it fits.
        return True
    if "data" in (produced, declared):
        return False
    for word in ("list[", "dict["):
        if produced.startswith(word) and declared.startswith(word):
            return compatible(produced[5:-1], declared[5:-1])
    if is_plain(produced) and is_plain(declared):
        return "json" in (produced, declared) or (produced, declared) == ("integer", "number")
    if "metrics" in (produced, declared):
        return "json" in (produced, declared)
    if (produced, declared) == ("figure", "path"):
        # A figure is read as the path of its picture: this is how to say so.
        return True
    return by_name(produced).format == by_name(declared).format
