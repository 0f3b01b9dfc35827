"""Plain data and metrics: numbers, text, dates, lists, dicts, dataclasses as one JSON file."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.artifacts.annotations import SIMPLE, bare, classes, item_annotation
from waterflow.artifacts.base import Context, Serializer, describe, payload_file, wrong_type
from waterflow.artifacts.fitting import (
    as_fitting,
    clash,
    fits_name,
    fitted,
    loses_tuples,
    misfit,
    rebuild,
    refuse_misfit,
)
from waterflow.artifacts.tagged import as_text, dumps, encode, loads
from waterflow.errors import ArtifactError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "FILE", "NAMES", "MetricsSerializer", "PlainSerializer", "as_constant", "as_fitting",
    "as_text_constant", "as_value", "bare", "clash", "encoded", "entry", "fitted", "is_restored",
    "item_annotation", "loses_tuples", "misfit", "plain", "read", "rebuild", "scalar", "write",
]  # fmt: skip

FILE: Final = "value.json"

NAMES: Final = ("integer", "number", "boolean", "string", "json", "null")
"""The type names of plain data."""


class PlainSerializer(Serializer):
    """Plain data of one type name.

    Args:
        name: One of `NAMES`. None is written whatever the name: the type of an `int | None` is
            "integer", and only the annotations say whether None will do.
    """

    format = "json"

    def __init__(self, name: str) -> None:
        self.name = name

    def save(self, value: Any, folder: Path, context: Context) -> None:
        """Write `value.json`."""
        text = dumps(value)
        _refuse_other(value, self.name)
        refuse_misfit(value, context.declared)
        (folder / FILE).write_bytes(text.encode())

    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Read `value.json`; a value that is not what the annotation says is refused."""
        del context
        return fitted(read(folder, self.name, annotation), annotation)


class MetricsSerializer(Serializer):
    """`wf.Metrics`: numbers by name, NaN where one could not be computed."""

    name = "metrics"
    format = "json"
    classes = (("waterflow", "Metrics"),)

    def save(self, value: Any, folder: Path, context: Context) -> None:
        """Write `value.json`."""
        del context
        write(folder, encode(_metrics(value), "metrics"))

    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Read `value.json` as `wf.Metrics`."""
        from waterflow.artifacts.types import Metrics

        del annotation, context
        return Metrics(_metrics(read(folder, self.name)))


def write(folder: Path, content: object) -> None:
    """Write what `plain` or `encoded` returned as canonical JSON."""
    (folder / FILE).write_bytes(as_text(content).encode())


def read(folder: Path, type_name: str, annotation: object = Any) -> Any:
    """Return the value that `value.json` holds.

    Args:
        folder: The artifact's folder.
        type_name: What it is read as, for messages.
        annotation: What may name the user's classes in it.
    """
    path = payload_file(folder, FILE, type_name)
    try:
        return loads(path.read_bytes(), functools.partial(classes, annotation))
    except ValueError as error:
        raise ArtifactError(f"{path} is not valid JSON: {error}") from None


def encoded(folder: Path, type_name: str) -> Any:
    """Return what `value.json` holds as JSON has it, its tags as they are."""
    return json.loads(payload_file(folder, FILE, type_name).read_bytes())


def plain(value: object, name: str = "json", where: str = "value") -> Any:
    """Return a value as JSON holds it, as the named type.

    Args:
        value: Plain data.
        name: A type name of plain data.
        where: What to call the value in a message.

    Raises:
        ArtifactError: It is no plain data, or not of the named type.
    """
    content = json.loads(dumps(value, where))
    _refuse_other(value, name)
    return content


def _refuse_other(value: object, name: str) -> None:
    """Refuse a value that is not of the named type; None is of each."""
    if not (value is None or name == "json" or fits_name(value, name)):
        raise wrong_type(value, f"Plain data of type '{name}'")


def as_constant(value: object, annotation: object) -> Any:
    """Return plain data as a spec holds it: as JSON, with tags where JSON would come back as less.

    A spec sorts its keys, so that a dict that is not sorted is written as pairs. A tuple is a list
    where the annotation makes a tuple of that again, so that a YAML file can say the same.

    Args:
        value: The value.
        annotation: What the argument is that takes it.

    Raises:
        ArtifactError: It is no plain data.
    """
    tagged, listed = encode(value), encode(_listed(value))
    if listed != tagged and is_restored(value, as_value(listed, annotation), annotation):
        return _with_pairs(listed)
    return _with_pairs(tagged)


def as_text_constant(value: object) -> Any:
    """Return plain data as a program is shown it: JSON without tags, tuples as lists.

    Args:
        value: The value.

    Raises:
        ArtifactError: It is no plain data.
    """
    return encode(_listed(value))


def is_restored(value: object, again: object, annotation: object) -> bool:
    """Say whether two values come to the same for whoever takes them.

    Args:
        value: A value.
        again: What became of it on its way.
        annotation: What it is declared as: a list will do where that makes a tuple of it.
    """
    try:
        texts = [as_text(encode(as_fitting(one, annotation))) for one in (value, again)]
    except ArtifactError:
        return False
    return texts[0] == texts[1]


def _listed(value: object) -> object:
    """Return a value with lists for its tuples; those within a dataclass stay."""
    if isinstance(value, (list, tuple)):
        return [_listed(item) for item in cast("list[object]", value)]
    if type(value) is dict:
        return {key: _listed(item) for key, item in cast("dict[str, object]", value).items()}
    return value


def _with_pairs(content: Any) -> Any:
    """Return JSON whose objects are all sorted: what is not becomes a list of pairs."""
    if isinstance(content, list):
        return [_with_pairs(item) for item in cast("list[Any]", content)]
    if not isinstance(content, dict):
        return content
    entries = {key: _with_pairs(item) for key, item in cast("dict[str, Any]", content).items()}
    if list(entries) == sorted(entries):
        return entries
    return {"$dict": [list(pair) for pair in entries.items()]}


def as_value(constant: object, annotation: object) -> Any:
    """Return the value that `as_constant` was given, for `rebuild`.

    Args:
        constant: What the spec holds.
        annotation: What may name the user's classes in it.
    """
    if constant is None or isinstance(constant, (bool, int, float, str)):
        return constant
    return loads(as_text(constant), functools.partial(classes, annotation))


def entry(value: Any, key: str) -> Any:
    """Return the entry of a dict, or the field of a dataclass, that a key names.

    Raises:
        KeyError: There is none.
    """
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)[key]
    if hasattr(type(cast("object", value)), "__dataclass_fields__") and hasattr(value, key):
        return getattr(value, key)
    raise KeyError(key)


def scalar(value: Any) -> bool | int | float | str:
    """Return a value that a condition compares, as JSON has it.

    Raises:
        ArtifactError: It is no number, text or boolean, or not a finite number.
    """
    for name in ("boolean", "integer", "number", "string"):
        if fits_name(value, name):
            bare_value: Any = value if type(value) in SIMPLE else value.item()
            if name == "number" and not (abs(bare_value) < float("inf")):
                raise ArtifactError(
                    f"it is {bare_value!r}, and conditions compare finite numbers. Leave what "
                    "cannot be computed out of the condition, or return a number for it"
                )
            return bare_value
    raise ArtifactError(f"it is {describe(value)}, and conditions compare numbers, text, booleans")


def _metrics(content: Any) -> dict[str, float]:
    if not isinstance(content, dict):
        raise wrong_type(content, "A dict of metrics (name: number)")
    metrics: dict[str, float] = {}
    for key, number in cast("dict[Any, Any]", content).items():
        if type(key) is not str:
            raise ArtifactError(f"A metric is called {describe(key)}; names of metrics are text.")
        if not fits_name(number, "number"):
            raise ArtifactError(f"The metric '{key}' is {describe(number)}; a metric is a number.")
        value = float(number)
        if value != number and value == value:
            raise ArtifactError(f"The metric '{key}' is {number}, and no float is that exactly.")
        metrics[key] = value
    return metrics
