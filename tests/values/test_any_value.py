"""Values that nobody thought of: made by hypothesis, from one process to another."""
# ruff: noqa: E501

from __future__ import annotations

import collections
import datetime as dt
import shutil
import zoneinfo
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tests.values.plain_classes import Box, Colour, Level, Pair, Point
from tests.values.sameness import difference
from tests.values.serve import Worker

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

CONTEXT = settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow,
                           HealthCheck.filter_too_much, HealthCheck.data_too_large],
)  # fmt: skip


@pytest.fixture(scope="module")
def workers() -> Generator[tuple[Worker, Worker]]:
    both = Worker("write"), Worker("read")
    yield both
    for worker in both:
        worker.close()


def arrives(workers: tuple[Worker, Worker], folder: Path, kind: str, declared: Any, value: Any):
    """Check that a value arrives as it is, or is refused; return what was said in that case."""
    writer, reader = workers
    place = folder / "value"
    shutil.rmtree(place, ignore_errors=True)
    refused = writer.ask(kind, declared, str(place), value)
    event("refused" if refused else "kept")
    if refused is None:
        reason = difference(value, reader.ask(kind, declared, str(place), None))
        assert reason is None, reason
    return refused


# --- plain data --------------------------------------------------------------------------------

ZONES = st.sampled_from([
    None, dt.UTC, zoneinfo.ZoneInfo("Europe/Berlin"), zoneinfo.ZoneInfo("Asia/Kathmandu"),
    dt.timezone(dt.timedelta(seconds=-3661)),
])  # fmt: skip
FOLDS = st.sampled_from([0, 1])
NUMPY_SCALARS = st.sampled_from([
    "bool", "i1", "i2", "i4", "i8", "u1", "u8", "f2", "f4", "f8", "c8", "c16", "M8[s]", "m8[ns]",
]).flatmap(lambda dtype: npst.from_dtype(np.dtype(dtype)))  # fmt: skip

ATOMS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters())
    | st.binary() | st.complex_numbers() | st.decimals() | st.fractions() | st.uuids()
    | st.dates() | st.timedeltas() | NUMPY_SCALARS | st.sampled_from([*Colour, *Level])
    | st.builds(lambda v, fold, zone: v.replace(fold=fold, tzinfo=zone), st.datetimes(), FOLDS, ZONES)
    | st.builds(lambda v, fold: v.replace(fold=fold), st.times(), FOLDS)
)  # fmt: skip
HASHABLE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters())
    | st.dates() | st.uuids() | st.sampled_from([*Colour]),
    lambda inner: st.tuples(inner) | st.frozensets(inner, max_size=2),
    max_leaves=3,
)  # fmt: skip
TEXTS = st.text(st.sampled_from("$abdistuple\udc80"), max_size=8)
PLAIN = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(TEXTS, inner, max_size=3) | st.dictionaries(HASHABLE, inner, max_size=3)
        | st.sets(HASHABLE, max_size=3) | st.builds(Point, inner, st.just([])) | st.builds(Box, inner)
        | st.builds(Pair, inner) | st.dictionaries(TEXTS, inner, max_size=2).map(collections.OrderedDict)
    ),
    max_leaves=10,
)  # fmt: skip


@CONTEXT
@given(value=PLAIN)
def test_plain_data(workers: tuple[Worker, Worker], tmp_path: Path, value: Any):
    assert arrives(workers, tmp_path, "json", Any, value) is None


# --- pandas ------------------------------------------------------------------------------------

ROWS = 4


def arrays(dtype: str) -> st.SearchStrategy[Any]:
    return npst.arrays(np.dtype(dtype), ROWS)


def cells(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.lists(inner, min_size=ROWS, max_size=ROWS)
    return lists.map(lambda items: np.fromiter(items, dtype=object, count=ROWS))


MISSING = st.sampled_from([None, float("nan"), pd.NA, pd.NaT])
NUMPY = st.sampled_from([
    "bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16",
]).flatmap(arrays)  # fmt: skip
TIMES = st.sampled_from(["M8[s]", "M8[ms]", "M8[us]", "M8[ns]", "m8[s]", "m8[ms]", "m8[ns]"])
WITHIN = st.integers(-(2**40), 2**40) | st.just(-(2**63))


@st.composite
def times(draw: Any) -> Any:
    return np.array([draw(WITHIN) for _ in range(ROWS)], "i8").view(draw(TIMES))


@st.composite
def zoned(draw: Any) -> Any:
    unit = draw(st.sampled_from(["s", "ms", "us", "ns"]))
    counts = np.array([draw(st.integers(0, 4 * 10**9)) for _ in range(ROWS)], "i8")
    index = pd.DatetimeIndex(counts.view("M8[s]")).as_unit(unit).tz_localize("UTC")
    return index.tz_convert(draw(ZONES.filter(bool))).array


@st.composite
def nullable(draw: Any) -> Any:
    dtype = draw(st.sampled_from(["Int8", "Int64", "UInt64", "Float32", "Float64", "boolean"]))
    numpy = draw(arrays(dtype.lower().replace("boolean", "bool")))
    mask = draw(arrays("bool"))
    kind = {"b": pd.arrays.BooleanArray, "f": pd.arrays.FloatingArray}
    return kind.get(numpy.dtype.kind, pd.arrays.IntegerArray)(numpy, mask)


@st.composite
def categories(draw: Any) -> Any:
    values = draw(st.one_of(
        st.lists(st.text(max_size=3), unique=True, max_size=5),
        st.lists(st.integers(-(2**60), 2**60), unique=True, max_size=5),
        st.lists(st.floats(allow_nan=False), unique=True, max_size=5),
        st.lists(st.dates(), unique=True, max_size=5),
        st.lists(st.booleans() | st.text(max_size=2), unique=True, max_size=5),
    ))  # fmt: skip
    codes = draw(st.lists(st.integers(-1, len(values) - 1), min_size=ROWS, max_size=ROWS))
    return pd.Categorical.from_codes(codes, categories=values, ordered=draw(st.booleans()))


@st.composite
def texts(draw: Any) -> Any:
    characters = st.characters(exclude_categories=["Cs"])
    values = [draw(st.none() | st.text(characters, max_size=4)) for _ in range(ROWS)]
    missing = draw(st.sampled_from([np.nan, pd.NA]))
    storage = draw(st.sampled_from(["python", "pyarrow"]))
    return pd.array(values, dtype=pd.StringDtype(storage, na_value=missing))


OBJECTS = st.one_of(
    cells(st.text(max_size=3) | MISSING), cells(st.integers() | st.none()), cells(st.floats() | st.none()),
    cells(st.dates() | MISSING), cells(st.decimals()), cells(st.binary(max_size=3) | st.none()),
    cells(st.lists(st.integers(0, 9), max_size=3)), cells(st.dictionaries(TEXTS, st.integers() | st.none(), max_size=2)),
    cells(PLAIN),
)  # fmt: skip
LABELS = st.one_of(NUMPY, times(), zoned(), nullable(), categories(), texts())
COLUMNS = st.one_of(
    NUMPY, times(), zoned(), nullable(), categories(), texts(), OBJECTS,
    st.just(pd.period_range("2024", periods=ROWS, freq="M").array),
    st.just(pd.interval_range(0, ROWS).array),
)  # fmt: skip
NAMES = (
    st.none()
    | st.text(st.characters(), max_size=3)
    | st.integers()
    | st.tuples(st.text(max_size=1))
)


@st.composite
def indexes(draw: Any) -> Any:
    levels = draw(st.lists(LABELS, min_size=1, max_size=2))
    names = [draw(NAMES) for _ in levels]
    if draw(st.booleans()):
        return pd.RangeIndex(draw(st.integers(-5, 5)), step=1, name=names[0])[:0].append(
            pd.RangeIndex(ROWS, name=names[0])
        )
    parts = [
        pd.Index(level, dtype=level.dtype) for level in levels if str(level.dtype) != "float16"
    ]
    if not parts:
        return pd.RangeIndex(ROWS)
    if len(parts) == 2:
        return pd.MultiIndex.from_arrays(parts, names=names)
    return parts[0].rename(names[0])


@st.composite
def frames(draw: Any) -> Any:
    columns = draw(st.lists(COLUMNS, max_size=3))
    index = draw(indexes())
    frame = pd.DataFrame({i: pd.Series(c, dtype=c.dtype) for i, c in enumerate(columns)},
                         index=range(ROWS))  # fmt: skip
    frame.index = index
    names = [draw(NAMES) for _ in columns]
    frame.columns = draw(
        st.sampled_from(
            [pd.RangeIndex(len(names)), pd.Index(names, dtype=object, tupleize_cols=False)]
        )
    )
    return frame


@CONTEXT
@given(frame=frames())
def test_frames(workers: tuple[Worker, Worker], tmp_path: Path, frame: pd.DataFrame):
    refused = arrives(workers, tmp_path, "dataframe", pd.DataFrame, frame)
    # What the strategies make is all plain data: nothing of it need be refused.
    assert refused is None, refused


NATIVE = st.one_of(
    npst.boolean_dtypes(),
    *(
        kind(endianness="=")
        for kind in (
            npst.integer_dtypes,
            npst.unsigned_integer_dtypes,
            npst.floating_dtypes,
            npst.complex_number_dtypes,
            npst.datetime64_dtypes,
            npst.timedelta64_dtypes,
            npst.byte_string_dtypes,
            npst.unicode_string_dtypes,
        )
    ),
)
"""Of this machine's byte order: pickle, by which the values come here, may lose another one."""
DTYPES = NATIVE | npst.nested_dtypes(NATIVE)


@CONTEXT
@given(array=npst.arrays(DTYPES, npst.array_shapes(min_dims=0, min_side=0, max_side=3)))
def test_arrays(workers: tuple[Worker, Worker], tmp_path: Path, array: np.ndarray):
    refused = arrives(workers, tmp_path, "array", np.ndarray, array)
    assert refused is None or "long" in refused or "float128" in refused or "complex256" in refused
