"""Columns of pandas as Arrow arrays and back: by dtype, each as what gives back the same column.

Most dtypes are Arrow's own and need no word. Of the others a *form* is kept: JSON that says how the
column was written. A dtype that is not known here is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from waterflow.artifacts import object_cells, tagged
from waterflow.artifacts.arrow_types import (
    NEEDS,
    refuse_lossy,
    restored,
    type_of,
    type_text,
)
from waterflow.artifacts.base import library
from waterflow.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable

    from waterflow.artifacts.object_cells import Form

_MASKED: Final = frozenset({
    "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float32", "Float64",
    "boolean",
})  # fmt: skip
_FLOATS: Final = (2, 4, 8)
_NAT: Final = -(2**63)


def encode(column: Any, what: str) -> tuple[Any, Form | None]:
    """Return a column as an Arrow array, and its form; None where Arrow's type says all.

    Args:
        column: A Series or an Index with one level.
        what: What to call it in a message.

    Raises:
        ArtifactError: It holds what cannot be written.
    """
    arrow = library("pyarrow", NEEDS)
    numpy = library("numpy", NEEDS)
    dtype = column.dtype
    try:
        if isinstance(dtype, numpy.dtype):
            return _encode_numpy(column.to_numpy(), what)
        writer = _WRITERS.get(type(dtype).__name__)
        if writer is not None and type(dtype).__module__.partition(".")[0] == "pandas":
            return writer(column.array, what)
        if dtype.name in _MASKED:
            return arrow.array(column.array), {"as": "dtype", "dtype": dtype.name}
    except (arrow.ArrowException, ValueError, TypeError, OverflowError) as error:
        reason = " ".join(str(part) for part in error.args) or type(error).__name__
        raise ArtifactError(
            f"{what} with dtype {dtype} cannot be written as Parquet: {reason}. Give it one type "
            "that Parquet knows."
        ) from None
    raise ArtifactError(
        f"{what} has dtype {dtype}, of which nothing is known here. Convert it, for example to "
        "text or numbers, or return a Path to a file in its own library's format."
    )


def decode(column: Any, form: Form | None) -> Any:
    """Return a column as an array of pandas' or numpy's.

    Args:
        column: A ChunkedArray, as Parquet gave it.
        form: What `encode` returned with it.
    """
    if form is None:
        return column.to_pandas().array
    return _READERS[form["as"]](column, form)


# --- numpy's dtypes ----------------------------------------------------------------------------


def _encode_numpy(values: Any, what: str) -> tuple[Any, Form | None]:
    arrow = library("pyarrow", NEEDS)
    dtype = values.dtype
    if dtype.kind == "O":
        return object_cells.encode(values, what)
    if not dtype.isnative:
        raise ArtifactError(
            f"{what} has dtype {dtype.str}, in the byte order of other machines. Convert it: "
            f".astype('{dtype.newbyteorder('=').str[1:]}')"
        )
    if dtype.kind in "biu" or (dtype.kind == "f" and dtype.itemsize in _FLOATS):
        return arrow.array(values, from_pandas=True), None
    if dtype.kind in "mM":
        array = arrow.array(values, from_pandas=True)
        return _in_parquet(array), _time_form(array.type)
    if dtype.kind == "c" and dtype.itemsize // 2 in _FLOATS:
        parts = [arrow.array(part.copy(), from_pandas=False) for part in (values.real, values.imag)]
        return arrow.StructArray.from_arrays(parts, ["real", "imag"]), {
            "as": "complex", "dtype": dtype.str,
        }  # fmt: skip
    raise ArtifactError(
        f"{what} has dtype {dtype}, which Parquet cannot hold. Convert it, for example "
        ".astype('float64')."
    )


def _in_parquet(array: Any) -> Any:
    """Return times in seconds as milliseconds: Parquet has none."""
    arrow = library("pyarrow", NEEDS)
    if arrow.types.is_timestamp(array.type) and array.type.unit == "s":
        return array.cast(arrow.timestamp("ms", array.type.tz))
    return array


def _time_form(type_: Any) -> Form | None:
    arrow = library("pyarrow", NEEDS)
    if arrow.types.is_timestamp(type_) and type_.unit == "s":
        return {"as": "seconds"}
    return None


def _read_seconds(column: Any, form: Form) -> Any:
    del form
    arrow = library("pyarrow", NEEDS)
    return column.cast(arrow.timestamp("s")).to_pandas().array


def _read_complex(column: Any, form: Form) -> Any:
    numpy = library("numpy", NEEDS)
    values = numpy.empty(len(column), form["dtype"])
    parts = column.combine_chunks()
    for name in ("real", "imag"):
        setattr(values, name, parts.field(name).to_numpy(zero_copy_only=False))
    return values


# --- pandas' dtypes ----------------------------------------------------------------------------


def _encode_string(array: Any, what: str) -> tuple[Any, Form | None]:
    del what
    arrow = library("pyarrow", NEEDS)
    pandas = library("pandas", NEEDS)
    numpy = library("numpy", NEEDS)
    dtype = array.dtype
    form = None
    usual = pandas.StringDtype(na_value=numpy.nan)
    if dtype != usual or dtype.storage != usual.storage:
        form = {"as": "string", "storage": dtype.storage, "na": dtype.na_value is pandas.NA}
    return arrow.array(array), form


def _read_string(column: Any, form: Form) -> Any:
    pandas = library("pandas", NEEDS)
    numpy = library("numpy", NEEDS)
    missing = pandas.NA if form["na"] else numpy.nan
    return pandas.StringDtype(form["storage"], na_value=missing).__from_arrow__(column)


def _read_dtype(column: Any, form: Form) -> Any:
    pandas = library("pandas", NEEDS)
    if form["dtype"].startswith("Float"):
        # pandas itself would take NaN for missing.
        numpy = library("numpy", NEEDS)
        values = column.fill_null(float("nan")).to_numpy().astype(form["dtype"].lower())
        return pandas.arrays.FloatingArray(values, numpy.asarray(column.is_null()))
    return pandas.api.types.pandas_dtype(form["dtype"]).__from_arrow__(column)


def _encode_arrow(array: Any, what: str) -> tuple[Any, Form | None]:
    arrow = library("pyarrow", NEEDS)
    column = array.__arrow_array__()
    if not isinstance(column, arrow.ChunkedArray):
        column = arrow.chunked_array([column])
    refuse_lossy(arrow.table([column], names=[what]), "The Arrow data of")
    return column, {"as": "arrow", "type": type_text(array.dtype.pyarrow_dtype)}


def _read_arrow(column: Any, form: Form) -> Any:
    pandas = library("pandas", NEEDS)
    return pandas.arrays.ArrowExtensionArray(restored(column, type_of(form["type"])))


def _encode_zoned(array: Any, what: str) -> tuple[Any, Form | None]:
    arrow = library("pyarrow", NEEDS)
    pandas = library("pandas", NEEDS)
    zone = tagged.encode(array.dtype.tz, f"The time zone of {what}")
    naive = pandas.DatetimeIndex(array).tz_convert("UTC").tz_localize(None).to_numpy()
    type_ = arrow.timestamp(array.dtype.unit, tz=_arrow_zone(array.dtype.tz))
    whole = arrow.array(naive, from_pandas=True).cast(arrow.int64()).cast(type_)
    return _in_parquet(whole), {"as": "zoned", "unit": array.dtype.unit, "zone": zone}


def _arrow_zone(zone: Any) -> str:
    """Return what other readers of the file are told of a time zone."""
    arrow = library("pyarrow", NEEDS)
    try:
        return arrow.lib.tzinfo_to_string(zone)
    except (ValueError, arrow.ArrowException):
        return "UTC"  # an offset of seconds, which Arrow has no word for; the instants are the same


def _read_zoned(column: Any, form: Form) -> Any:
    arrow = library("pyarrow", NEEDS)
    pandas = library("pandas", NEEDS)
    zone = tagged.loads(tagged.as_text(form["zone"]))
    counts = column.cast(arrow.timestamp(form["unit"], tz=column.type.tz)).cast(arrow.int64())
    naive = _with_nat(counts).view(f"M8[{form['unit']}]")
    return pandas.DatetimeIndex(naive).tz_localize("UTC").tz_convert(zone).array


def _with_nat(counts: Any) -> Any:
    """Return a column of 64-bit integers as a numpy array, NaT where it has none."""
    return counts.fill_null(_NAT).to_numpy()


def _encode_period(array: Any, what: str) -> tuple[Any, Form | None]:
    del what
    arrow = library("pyarrow", NEEDS)
    counts = arrow.array(array.asi8, mask=array.isna())
    return counts, {"as": "period", "dtype": array.dtype.name, "opaque": True}


def _read_period(column: Any, form: Form) -> Any:
    pandas = library("pandas", NEEDS)
    dtype = pandas.api.types.pandas_dtype(form["dtype"])
    return pandas.arrays.PeriodArray(_with_nat(column), dtype=dtype)


def _encode_interval(array: Any, what: str) -> tuple[Any, Form | None]:
    arrow = library("pyarrow", NEEDS)
    ends = [encode(end, what) for end in (array.left, array.right)]
    whole = arrow.StructArray.from_arrays([end for end, _ in ends], ["left", "right"])
    return whole, {"as": "interval", "closed": array.closed, "ends": [form for _, form in ends]}


def _read_interval(column: Any, form: Form) -> Any:
    arrow = library("pyarrow", NEEDS)
    pandas = library("pandas", NEEDS)
    whole = column.combine_chunks()
    ends = [
        decode(arrow.chunked_array([whole.field(name)]), end)
        for name, end in zip(("left", "right"), form["ends"], strict=True)
    ]
    return pandas.arrays.IntervalArray.from_arrays(*ends, closed=form["closed"])


def _encode_sparse(array: Any, what: str) -> tuple[Any, Form | None]:
    pandas = library("pandas", NEEDS)
    dtype = array.dtype
    dense, form = encode(pandas.Series(array.to_dense(), dtype=dtype.subtype), what)
    fill = tagged.encode(dtype.fill_value, f"The fill value of {what}")
    return dense, {"as": "sparse", "subtype": str(dtype.subtype), "fill": fill, "of": form}


def _read_sparse(column: Any, form: Form) -> Any:
    pandas = library("pandas", NEEDS)
    numpy = library("numpy", NEEDS)
    fill = tagged.loads(tagged.as_text(form["fill"]))
    dtype = pandas.SparseDtype(numpy.dtype(form["subtype"]), fill)
    return pandas.arrays.SparseArray(numpy.asarray(decode(column, form["of"])), dtype=dtype)


# --- categories --------------------------------------------------------------------------------


def _encode_categorical(array: Any, what: str) -> tuple[Any, Form | None]:
    arrow = library("pyarrow", NEEDS)
    categories, inner = encode(array.categories, f"The categories of {what}")
    form: Form = {
        "as": "categorical",
        "ordered": array.ordered,
        "categories": pack([categories]),
        "of": inner,
        "freq": frequency(array.categories, what),
    }
    codes = arrow.array(array.codes, mask=array.codes < 0)
    if inner is not None and inner["as"] not in ("string", "cells", "seconds"):
        return codes, {**form, "codes": True, "opaque": True}
    if isinstance(categories, arrow.ChunkedArray):
        categories = categories.combine_chunks()
    if arrow.types.is_large_string(categories.type) or arrow.types.is_string(categories.type):
        # Every reader of Parquet takes this for a text column with few values.
        texts = categories.cast(arrow.string())
        return arrow.DictionaryArray.from_arrays(codes.cast(arrow.int32()), texts), form
    return categories.take(codes), form


def _read_categorical(column: Any, form: Form) -> Any:
    arrow = library("pyarrow", NEEDS)
    compute = library("pyarrow.compute", NEEDS)
    pandas = library("pandas", NEEDS)
    (packed,) = unpack(form["categories"])
    categories = as_index(decode(packed, form["of"]), form["freq"])
    if form.get("codes"):
        codes = column
    else:
        values = packed.combine_chunks()
        if arrow.types.is_large_string(values.type):
            values = values.cast(arrow.string())
        codes = arrow.chunked_array(
            [_codes(chunk, values, compute) for chunk in column.chunks], arrow.int32()
        )
    dtype = pandas.CategoricalDtype(categories, ordered=form["ordered"])
    return pandas.Categorical.from_codes(codes.fill_null(-1).to_numpy(), dtype=dtype)


def _codes(chunk: Any, values: Any, compute: Any) -> Any:
    """Return the position of each cell among the categories."""
    if hasattr(chunk, "indices"):
        places = compute.index_in(chunk.dictionary.cast(values.type), value_set=values)
        return places.take(chunk.indices)
    return compute.index_in(chunk.cast(values.type), value_set=values, skip_nulls=True)


# --- what an index has besides -----------------------------------------------------------------


def frequency(index: Any, what: str) -> str | None:
    """Return the frequency of an index of times as text.

    Raises:
        ArtifactError: It has one that no text says, such as a calendar of holidays.
    """
    pandas = library("pandas", NEEDS)
    if not isinstance(index, (pandas.DatetimeIndex, pandas.TimedeltaIndex)) or index.freq is None:
        return None
    text: str = index.freq.freqstr
    try:
        same = pandas.tseries.frequencies.to_offset(text) == index.freq
    except ValueError:
        same = False
    if not same:
        raise ArtifactError(
            f"{what} has the frequency {index.freq!r}, which text cannot say. Take it off: "
            "index.freq = None"
        )
    return text


def as_index(array: Any, freq: str | None) -> Any:
    """Return an index of one level.

    Args:
        array: What `decode` returned.
        freq: What `frequency` returned.
    """
    pandas = library("pandas", NEEDS)
    index = pandas.Index(array, dtype=array.dtype)
    if freq is not None:
        index.freq = freq
    return index


def pack(arrays: list[Any]) -> str:
    """Return Arrow arrays as text, for what goes into a file's metadata."""
    import base64

    arrow = library("pyarrow", NEEDS)
    table = arrow.table(arrays, names=[str(number) for number in range(len(arrays))])
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table.combine_chunks())
    return base64.b64encode(sink.getvalue().to_pybytes()).decode()


def unpack(text: str) -> list[Any]:
    """Return the columns that `pack` made text of."""
    import base64

    arrow = library("pyarrow", NEEDS)
    with arrow.ipc.open_stream(arrow.py_buffer(base64.b64decode(text))) as stream:
        return stream.read_all().columns


_WRITERS: Final[dict[str, Callable[[Any, str], tuple[Any, Form | None]]]] = {
    "StringDtype": _encode_string,
    "ArrowDtype": _encode_arrow,
    "DatetimeTZDtype": _encode_zoned,
    "PeriodDtype": _encode_period,
    "IntervalDtype": _encode_interval,
    "SparseDtype": _encode_sparse,
    "CategoricalDtype": _encode_categorical,
}

_READERS: Final[dict[str, Callable[[Any, Form], Any]]] = {
    "seconds": _read_seconds,
    "complex": _read_complex,
    "string": _read_string,
    "dtype": _read_dtype,
    "arrow": _read_arrow,
    "zoned": _read_zoned,
    "period": _read_period,
    "interval": _read_interval,
    "sparse": _read_sparse,
    "categorical": _read_categorical,
    "cells": object_cells.decode,
    "arrays": object_cells.decode,
    "json": object_cells.decode,
}
