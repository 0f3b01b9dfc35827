"""Says how two values differ, strictly: classes, dtypes, order, names, signs of zero."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import functools
import math
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import scipy.sparse


def difference(one: Any, other: Any, where: str = "value") -> str | None:
    """Return where and how two values differ, or None when they do not."""
    if type(one) is not type(other):
        return f"{where}: {type(one)} and {type(other)}"
    if dataclasses.is_dataclass(one) and not isinstance(one, type):
        return _dataclass(one, other, where)
    for kind, compare in _COMPARISONS:
        if isinstance(one, kind):
            return compare(one, other, where)
    if one is other or one == other:
        return None
    return f"{where}: {one!r} and {other!r}"


def _parts(pairs: Any) -> str | None:
    return next((reason for reason in (difference(*pair) for pair in pairs) if reason), None)


def _text(one: Any, other: Any, where: str) -> str | None:
    return None if repr(one) == repr(other) else f"{where}: {one!r} and {other!r}"


def _float(one: float, other: float, where: str) -> str | None:
    if math.isnan(one) and math.isnan(other):
        return None
    return _text(one, other, where)


def _complex(one: complex, other: complex, where: str) -> str | None:
    return _parts([(one.real, other.real, where), (one.imag, other.imag, where)])


def _time(one: Any, other: Any, where: str) -> str | None:
    return _text(one, other, where) or _parts(
        [
            (one.fold, other.fold, f"{where}.fold"),
            (one.tzinfo, other.tzinfo, f"{where}.tzinfo"),
        ]
    )


def _sequence(one: Any, other: Any, where: str) -> str | None:
    if len(one) != len(other):
        return f"{where}: {len(one)} and {len(other)} items"
    if isinstance(one, collections.deque) and one.maxlen != other.maxlen:
        return f"{where}: other maxlen"
    pairs = zip(one, other, strict=True)
    return _parts((a, b, f"{where}[{i}]") for i, (a, b) in enumerate(pairs))


def _set(one: Any, other: Any, where: str) -> str | None:
    return _sequence(sorted(one, key=_order), sorted(other, key=_order), where)


def _order(item: Any) -> str:
    """Return what an item of a set is sorted by: the order of its parts differs by process."""
    if isinstance(item, (set, frozenset)):
        return f"{type(item)} {sorted(map(_order, item))}"
    if isinstance(item, tuple):
        return f"{type(item)} {list(map(_order, item))}"
    return f"{type(item)} {item!r}"


def _dict(one: dict[Any, Any], other: dict[Any, Any], where: str) -> str | None:
    if isinstance(one, collections.defaultdict) and one.default_factory != other.default_factory:
        return f"{where}: other factories"
    return _sequence(list(one), list(other), f"the keys of {where}") or _parts(
        (a, b, f"{where}[{key!r}]")
        for key, a, b in zip(one, one.values(), other.values(), strict=True)
    )


def _dataclass(one: Any, other: Any, where: str) -> str | None:
    names = [field.name for field in dataclasses.fields(one)]
    for value in (one, other):
        names += [
            name
            for name in getattr(value, "__dict__", ())
            if name not in names
            and not isinstance(getattr(type(value), name, None), functools.cached_property)
        ]
    return _parts(
        (getattr(one, n, NotImplemented), getattr(other, n, NotImplemented), f"{where}.{n}")
        for n in names
    )


# --- numpy and scipy ---------------------------------------------------------------------------


def _array(one: np.ndarray, other: np.ndarray, where: str) -> str | None:
    if one.dtype != other.dtype or one.dtype.str != other.dtype.str:
        return f"{where}: dtypes {one.dtype!r} and {other.dtype!r}"
    if one.shape != other.shape:
        return f"{where}: shapes {one.shape} and {other.shape}"
    if one.dtype.names:
        return _parts((one[n], other[n], f"{where}[{n!r}]") for n in one.dtype.names)
    if one.dtype.kind == "O":
        return _sequence(list(one.ravel()), list(other.ravel()), where)
    if one.dtype.kind == "c":
        return _array(one.real.copy(), other.real.copy(), where) or _array(
            one.imag.copy(), other.imag.copy(), where
        )
    if one.dtype.kind == "f":
        nan = np.isnan(one)
        if not (nan == np.isnan(other)).all():
            return f"{where}: NaN at other places"
        one, other = np.where(nan, 0, one), np.where(nan, 0, other)
        if not (np.signbit(one) == np.signbit(other)).all():
            return f"{where}: other signs"
    if one.tobytes() != other.tobytes():
        return f"{where}: {one!r} and {other!r}"
    return None


def _numpy_scalar(one: np.generic, other: np.generic, where: str) -> str | None:
    return _array(np.asarray(one), np.asarray(other), where)


def _sparse(one: Any, other: Any, where: str) -> str | None:
    return difference(one.shape, other.shape, where) or _array(
        one.toarray(), other.toarray(), where
    )


# --- pandas ------------------------------------------------------------------------------------


def _dtype(one: Any, other: Any, where: str) -> str | None:
    if type(one) is not type(other) or one != other or str(one) != str(other):
        return f"{where}: dtypes {one!r} and {other!r}"
    if isinstance(one, pd.CategoricalDtype):
        return difference(one.ordered, other.ordered, f"{where}, ordered") or difference(
            one.categories, other.categories, f"{where}, categories"
        )
    if isinstance(one, pd.StringDtype):
        return difference(
            (one.storage, one.na_value is pd.NA), (other.storage, other.na_value is pd.NA), where
        )
    if isinstance(one, pd.DatetimeTZDtype):
        return difference(one.tz, other.tz, where)
    if isinstance(one, pd.SparseDtype):
        return difference(one.fill_value, other.fill_value, where)
    if isinstance(one, pd.ArrowDtype) and one.pyarrow_dtype != other.pyarrow_dtype:
        return f"{where}: {one.pyarrow_dtype} and {other.pyarrow_dtype}"
    return None


def _cells(one: Any, other: Any, where: str) -> str | None:
    if isinstance(one, pd.arrays.FloatingArray):
        missing = [np.array([cell is pd.NA for cell in part]) for part in (one, other)]
        filled = [
            np.array([0.0 if cell is pd.NA else cell for cell in part]) for part in (one, other)
        ]
        return _array(*missing, where) or _array(*filled, where)
    if isinstance(one, pd.arrays.NumpyExtensionArray):
        return _array(one.to_numpy(), other.to_numpy(), where)
    if isinstance(one, np.ndarray):
        return _array(one, other, where)
    return _sequence(list(one), list(other), where)


def _index(one: pd.Index, other: pd.Index, where: str) -> str | None:
    reason = difference(list(one.names), list(other.names), f"the names of {where}")
    if reason:
        return reason
    if isinstance(one, pd.RangeIndex):
        ranges = [(i.start, i.stop, i.step) for i in (one, other)]
        return difference(*ranges, where)
    if isinstance(one, pd.MultiIndex):
        return _parts(
            (one.get_level_values(i), other.get_level_values(i), f"{where}, level {i}")
            for i in range(max(one.nlevels, other.nlevels))
        )
    freqs = [getattr(i, "freq", None) for i in (one, other)]
    return (
        _dtype(one.dtype, other.dtype, where)
        or difference(*freqs, f"{where}.freq")
        or _cells(one.array, other.array, where)
    )


def _series(one: pd.Series, other: pd.Series, where: str) -> str | None:
    return (
        _dtype(one.dtype, other.dtype, where)
        or difference(one.name, other.name, f"{where}.name")
        or difference(one.index, other.index, f"{where}.index")
        or difference(one.attrs, other.attrs, f"{where}.attrs")
        or _cells(one.array, other.array, where)
    )


def _frame(one: pd.DataFrame, other: pd.DataFrame, where: str) -> str | None:
    return (
        difference(one.columns, other.columns, f"{where}.columns")
        or difference(one.index, other.index, f"{where}.index")
        or difference(one.attrs, other.attrs, f"{where}.attrs")
        or difference(one.flags.allows_duplicate_labels, other.flags.allows_duplicate_labels, where)
        or _parts(
            (one.iloc[:, i], other.iloc[:, i], f"{where}[{one.columns[i]!r}]")
            for i in range(one.shape[1])
        )
    )


# --- polars and Arrow --------------------------------------------------------------------------


def _polars(one: pl.DataFrame, other: pl.DataFrame, where: str) -> str | None:
    if one.schema != other.schema:
        return f"{where}: {one.schema} and {other.schema}"
    return difference(one.shape, other.shape, where) or difference(one.rows(), other.rows(), where)


def _arrow(one: pa.Table, other: pa.Table, where: str) -> str | None:
    if not one.schema.equals(other.schema, check_metadata=True):
        return f"{where}: {one.schema} and {other.schema}"
    return difference(one.to_pylist(), other.to_pylist(), where) or difference(
        one.num_rows, other.num_rows, where
    )


_COMPARISONS: list[tuple[Any, Any]] = [
    (pd.DataFrame, _frame), (pd.Series, _series), (pd.Index, _index),
    (pl.DataFrame, _polars), (pa.Table, _arrow), (np.ndarray, _array),
    ((scipy.sparse.spmatrix, scipy.sparse.sparray), _sparse),
    ((pd.Timestamp, dt.datetime, dt.time), _time), (np.generic, _numpy_scalar),
    (enum.Enum, lambda one, other, where: None if one is other else f"{where}: {one}, {other}"),
    (float, _float), (complex, _complex), (decimal.Decimal, _text),
    ((set, frozenset), _set), (dict, _dict), ((list, tuple, collections.deque), _sequence),
    ((type(pd.NaT), type(pd.NA)), _text),
]  # fmt: skip
