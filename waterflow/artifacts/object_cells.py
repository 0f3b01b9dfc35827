"""Columns of Python objects: cells of one kind as Arrow's own type, all others as tagged JSON."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import Any, Final, cast

from waterflow.artifacts import tagged
from waterflow.artifacts.arrow_types import NEEDS
from waterflow.artifacts.base import library
from waterflow.errors import ArtifactError

Form = dict[str, Any]
"""How a column was written, for reading it: JSON."""

_FAST: Final = (str, bytes, bool)
"""Classes whose cells Arrow keeps without exception."""

_EXACT: Final = frozenset({
    int, float, str, bytes, bool, list, dict, decimal.Decimal, dt.date, dt.datetime, dt.time,
    dt.timedelta,
})  # fmt: skip
"""Classes whose cells Arrow may keep; whether it does is looked at."""

_MISSING: Final = ("None", "nan", "NA", "NaT")


def encode(cells: Any, what: str) -> tuple[Any, Form]:
    """Return an array of objects as an Arrow array, and how it was written.

    Args:
        cells: A numpy array of dtype object with one dimension.
        what: What to call it in a message.

    Raises:
        ArtifactError: A cell is no plain data, and which.
    """
    arrow = library("pyarrow", NEEDS)
    present, missing = _split(cells)
    if missing is not None and len(present) <= 1:
        kind = next(iter(present), None)
        null = _with_none(cells, missing)
        if kind in (None, *_FAST):
            try:
                type_ = arrow.null() if kind is None else arrow.string() if kind is str else None
                return arrow.array(null, type_, from_pandas=False), _form("cells", missing)
            except (arrow.ArrowException, UnicodeEncodeError, OverflowError):
                pass
        elif kind in _EXACT:
            array = _exact(null)
            if array is not None:
                return array, _form("cells", missing)
        elif kind.__module__ == "numpy" and kind.__name__ == "ndarray":
            array = _arrays(null)
            if array is not None:
                return array, {**_form("arrays", missing), "dtype": _first(null).dtype.str}
    texts = [tagged.dumps(cell, f"{what}, row {row}") for row, cell in enumerate(cells)]
    return arrow.array(texts, arrow.string()), {"as": "json", "opaque": True}


def decode(column: Any, form: Form) -> Any:
    """Return the array of objects that a column was written from.

    Args:
        column: A ChunkedArray.
        form: What `encode` returned with it.
    """
    numpy = library("numpy", NEEDS)
    if form["as"] == "json":
        cells = [tagged.loads(text) for text in column.to_pylist()]
    elif form["as"] == "arrays":
        cells = _split_arrays(column, numpy.dtype(form["dtype"]))
    elif str(column.type) == "string" and "missing" not in form:
        return column.to_numpy(zero_copy_only=False)
    else:
        cells = column.to_pylist()
    missing = form.get("missing")
    if missing is not None:
        sentinel = _sentinel(missing)
        cells = [sentinel if cell is None else cell for cell in cells]
    return numpy.fromiter(cells, dtype=object, count=len(cells))


def _form(name: str, missing: str) -> Form:
    form: Form = {"as": name}
    if missing not in ("", "None"):
        form["missing"] = missing
    return form


def _sentinel(name: str) -> Any:
    if name == "nan":
        return float("nan")
    return getattr(library("pandas", NEEDS), name)


def _split(cells: Any) -> tuple[set[type], str | None]:
    """Return the classes of the cells that are there, and what stands for those that are not.

    The latter is "" where none is missing, and None where several things stand for it.
    """
    missing: list[str] = []
    present = set(map(type, cells))
    if type(None) in present:
        present.discard(type(None))
        missing.append("None")
    for kind in list(present):
        if kind.__name__ in ("NAType", "NaTType") and kind.__module__.startswith("pandas"):
            present.discard(kind)
            missing.append(kind.__name__.removesuffix("Type"))
    # NaN is a float among floats, and what is missing among anything else.
    if (
        float in present
        and len(present) > 1
        and all(cell != cell for cell in cells if type(cell) is float)
    ):
        present.discard(float)
        missing.append("nan")
    if len(missing) > 1:
        return present, None
    return present, missing[0] if missing else ""


def _with_none(cells: Any, missing: str) -> list[Any]:
    """Return the cells with None in place of what stands for a missing one."""
    if missing in ("", "None"):
        return list(cells)
    if missing == "nan":
        return [None if type(cell) is float else cell for cell in cells]
    sentinel = _sentinel(missing)
    return [None if cell is sentinel else cell for cell in cells]


def _exact(cells: list[Any]) -> Any:
    """Return the cells as an Arrow array, if they come back from it as they are."""
    arrow = library("pyarrow", NEEDS)
    try:
        array = arrow.array(cells, from_pandas=False)
        back = array.to_pylist()
    except (arrow.ArrowException, ValueError, TypeError, OverflowError):
        return None
    return array if _same(cells, back) and _kept(array.type) else None


def _kept(type_: Any) -> bool:
    """Say whether a type that Arrow inferred is one that Parquet keeps."""
    arrow = library("pyarrow", NEEDS)
    if arrow.types.is_struct(type_) and type_.num_fields == 0:
        return False
    return all(_kept(type_.field(index).type) for index in range(type_.num_fields))


def _same(one: Any, other: Any) -> bool:
    """Say whether two values are the same, classes and all."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        ours, theirs = cast("list[Any]", one), cast("list[Any]", other)
        return len(ours) == len(theirs) and all(map(_same, ours, theirs))
    if isinstance(one, dict):
        ours_, theirs_ = cast("dict[Any, Any]", one), cast("dict[Any, Any]", other)
        return list(ours_) == list(theirs_) and all(map(_same, ours_.values(), theirs_.values()))
    if isinstance(one, (float, decimal.Decimal, dt.datetime, dt.time)):
        return repr(one) == repr(other)
    return bool(one == other)


# --- cells that are arrays ----------------------------------------------------------------------


def _first(cells: list[Any]) -> Any:
    return next(cell for cell in cells if cell is not None)


def _arrays(cells: list[Any]) -> Any:
    """Return arrays of one dimension and one dtype as lists; None where they are not that."""
    arrow = library("pyarrow", NEEDS)
    numpy = library("numpy", NEEDS)
    dtype = _first(cells).dtype
    present = [cell for cell in cells if cell is not None]
    if dtype.kind not in "biuf" or dtype.itemsize > 8 or not dtype.isnative:
        return None
    if any(cell.ndim != 1 or cell.dtype != dtype for cell in present):
        return None
    offsets = [0]
    for cell in cells:
        offsets.append(offsets[-1] + (0 if cell is None else len(cell)))
    missing = arrow.array([cell is None for cell in cells]) if len(present) < len(cells) else None
    return arrow.LargeListArray.from_arrays(
        arrow.array(offsets, arrow.int64()),
        arrow.array(numpy.concatenate(present), from_pandas=False),
        mask=missing,
    )


def _split_arrays(column: Any, dtype: Any) -> list[Any]:
    cells: list[Any] = []
    for chunk in column.chunks:
        values = chunk.values.to_numpy(zero_copy_only=False).astype(dtype)
        offsets = chunk.offsets.to_pylist()
        cells.extend(
            values[start:end] if there else None
            for start, end, there in zip(
                offsets[:-1], offsets[1:], chunk.is_valid().to_pylist(), strict=True
            )
        )
    return cells


def refuse_opaque(forms: dict[str, Form], names: list[str], reader: str) -> None:
    """Refuse a table of pandas' for a reader that knows no such column.

    Args:
        forms: How columns were written, by their position.
        names: The columns' names in the file.
        reader: What the table is to be read as.

    Raises:
        ArtifactError: There is such a column, and which.
    """
    for position, form in sorted(forms.items(), key=lambda item: int(item[0])):
        if form.get("opaque"):
            raise ArtifactError(
                f"The column '{names[int(position)]}' holds what only pandas has a type for, and "
                f"cannot be read as {reader}. Annotate the argument with pd.DataFrame, or convert "
                "the column in the step that returns it."
            )
