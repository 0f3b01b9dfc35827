"""Columns of pandas, by their dtypes and by what their cells hold."""
# ruff: noqa: E501, F401

import datetime as dt
import decimal
import uuid
import zoneinfo
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa

from tests.values.dtypes import NUMBERS
from tests.values.process import Value

D = pd.DataFrame
NAN = float("nan")
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
DAYS = ["2024-01-01", "2024-03-31", "2024-12-24"]


class Text(str):
    """Text that is more than text."""


def column(values: str, dtype: str | None = None) -> str:
    """Return the source of a frame with one column."""
    return f"D({{'a': pd.Series({values}{'' if dtype is None else f', dtype={dtype}'})}})"


NUMPY = {
    **{f"dtype_{d}": column("[1, 2, 0]", f"'{d}'") for d in ("bool", *NUMBERS)},
    "int64_limits": column("[-2**63, 2**63 - 1]"),
    "uint64_limit": column("[0, 2**64 - 1]", "'uint64'"),
    "float_odd": column("[float('nan'), -0.0, float('inf'), -float('inf'), 5e-324, 0.1]"),
    "float32_odd": column("[float('nan'), -0.0, float('inf')]", "'float32'"),
    "float16_odd": column("[float('nan'), -0.0, 65504]", "'float16'"),
    "complex_odd": column("[complex(float('nan'), -0.0), complex(-0.0, float('inf'))]"),
    **{f"datetime_{u}": column(f"np.array(DAYS, 'M8[{u}]')") for u in ("s", "ms", "us", "ns")},
    **{
        f"datetime_{u}_NaT": column(f"np.array(['NaT', '2024-01-01'], 'M8[{u}]')")
        for u in ("s", "ms", "us", "ns")
    },
    "datetime_s_far": column("np.array(['0001-01-01', '9999-12-31T23:59:59'], 'M8[s]')"),
    "datetime_us_before_1970": column("np.array(['1901-01-01T00:00:00.000001'], 'M8[us]')"),
    **{
        f"timedelta_{u}": column(f"np.array([1, 'NaT', -5], 'm8[{u}]')")
        for u in ("s", "ms", "us", "ns")
    },
}

EXTENSION = {
    **{
        f"zoned_{u}": f"D({{'a': pd.DatetimeIndex(np.array(DAYS, 'M8[{u}]'), tz='Europe/Berlin')}})"
        for u in ("s", "ms", "us", "ns")
    },
    "zoned_UTC": "D({'a': pd.to_datetime(DAYS, utc=True)})",
    "zoned_ZoneInfo_UTC": "D({'a': pd.DatetimeIndex(DAYS, tz=zoneinfo.ZoneInfo('UTC'))})",
    "zoned_fixed": "D({'a': pd.DatetimeIndex(DAYS, tz=dt.timezone(dt.timedelta(hours=5.5)))})",
    "zoned_fixed_seconds": "D({'a': pd.DatetimeIndex(DAYS, tz=dt.timezone(dt.timedelta(seconds=61)))})",
    "zoned_NaT": "D({'a': pd.DatetimeIndex(['NaT', '2024-10-27 02:30'], tz='UTC')})",
    "zoned_fold": "D({'a': pd.DatetimeIndex(['2024-10-27 00:30', '2024-10-27 01:30'], tz='UTC')"
    ".tz_convert('Europe/Berlin')})",
    **{
        f"nullable_{d}": column("[1, None, 0]", f"'{d}'")
        for d in (
            "Int8",
            "Int16",
            "Int32",
            "Int64",
            "UInt8",
            "UInt16",
            "UInt32",
            "UInt64",
            "Float32",
            "Float64",
            "boolean",
        )
    },
    "nullable_big": column("[2**62 + 1, None]", "'Int64'"),
    "nullable_uint_big": column("[2**64 - 1, None]", "'UInt64'"),
    "nullable_float_NaN_and_NA": "D({'a': pd.arrays.FloatingArray(np.array([NAN, 1.0, -0.0]), "
    "np.array([False, True, False]))})",
    "text_default": column("['a', None, 'ß', '']"),
    "text_python_NA": column("['a', None]", "'string[python]'"),
    "text_pyarrow_NA": column("['a', None]", "'string[pyarrow]'"),
    "text_python_nan": column("['a', None]", "pd.StringDtype('python', na_value=np.nan)"),
    "text_pyarrow_nan": column("['a', None]", "pd.StringDtype('pyarrow', na_value=np.nan)"),
    "text_all_missing": column("[None, None]", "'str'"),
    "text_nul_and_emoji": column("['a\\0b', '\\U0001f600', '\\u200b']"),
    "period_M": "D({'a': pd.period_range('2024-01', periods=3, freq='M')})",
    "period_D_NaT": column("pd.PeriodIndex(['2024-01-01', 'NaT'], freq='D')"),
    "period_Q_odd": "D({'a': pd.period_range('2024Q1', periods=2, freq='Q-NOV')})",
    "period_2h": "D({'a': pd.period_range('2024-01-01', periods=2, freq='2h')})",
    "interval_int": "D({'a': pd.interval_range(0, 3)})",
    "interval_float_left": "D({'a': pd.interval_range(0.0, 1.0, periods=2, closed='left')})",
    "interval_both_missing": column(
        "pd.arrays.IntervalArray.from_tuples([(0.0, 1.0), NAN], closed='both')"
    ),
    "interval_times": "D({'a': pd.interval_range(pd.Timestamp('2024'), pd.Timestamp('2024-01-03'))})",
    "interval_zoned": "D({'a': pd.interval_range(pd.Timestamp('2024', tz='Europe/Berlin'), periods=2)})",
    "interval_timedelta": "D({'a': pd.interval_range(pd.Timedelta(0), periods=2, freq='D')})",
    "sparse_float": "D({'a': pd.arrays.SparseArray([0.0, 0.0, 1.5])})",
    "sparse_fill_0": "D({'a': pd.arrays.SparseArray([0, 0, 1], fill_value=0)})",
    "sparse_fill_7_int8": "D({'a': pd.arrays.SparseArray([7, 0, 1], fill_value=7, dtype='int8')})",
    "sparse_bool": "D({'a': pd.arrays.SparseArray([True, False])})",
    "sparse_dummies": "pd.get_dummies(pd.Series(['a', 'b', 'a']), sparse=True)",
}

CATEGORIES = {
    "text": "pd.Categorical(['x', 'y', None, 'x'])",
    "text_unused": "pd.Categorical(['b'], categories=['c', 'b', 'a'])",
    "text_ordered": "pd.Categorical(['low', 'high'], categories=['low', 'mid', 'high'], ordered=True)",
    "text_object": "pd.Categorical(['x'], categories=pd.Index(['y', 'x'], dtype=object))",
    "text_string_python": "pd.Categorical(['x'], categories=pd.Index(['y', 'x'], dtype='string[python]'))",
    "int": "pd.Categorical([3, 1, None])",
    "int_unused_ordered": "pd.Categorical([3], categories=[5, 3, 1], ordered=True)",
    "int8": "pd.Categorical([3], categories=pd.Index([5, 3], dtype='int8'))",
    "float": "pd.Categorical([0.5, None], categories=[1.5, 0.5, -0.0])",
    "bool": "pd.Categorical([True, None], categories=[True, False])",
    "dates": "pd.Categorical(pd.to_datetime(DAYS), categories=pd.to_datetime(DAYS[::-1]))",
    "dates_s": "pd.Categorical(np.array(DAYS, 'M8[s]'))",
    "dates_freq": "pd.Categorical(pd.date_range('2024', periods=3))",
    "dates_zoned": "pd.Categorical(pd.date_range('2024', periods=3, tz='Europe/Berlin'))",
    "date_objects": "pd.Categorical([dt.date(2024, 1, 1)])",
    "timedelta": "pd.Categorical(pd.to_timedelta([1, 2], 's'))",
    "intervals": "pd.cut([1, 5, 9, 20], [0, 5, 10])",
    "quantiles": "pd.qcut([1.0, 2.0, 3.0, 4.0], 2)",
    "periods": "pd.Categorical(pd.period_range('2024', periods=2, freq='M'))",
    "mixed": "pd.Categorical([1, 'a', 2.5])",
    "tuples": "pd.Categorical(pd.Index([(1, 2), (3, 4)], tupleize_cols=False))",
    "none_used": "pd.Categorical([None, None], categories=['a'])",
    "no_categories": "pd.Categorical([None, None], categories=[])",
    "many": "pd.Categorical([str(i) for i in range(300)])",
    "nullable_ints": "pd.Categorical(pd.array([1, 2], dtype='Int64'))",
    "empty": "pd.Categorical([], categories=[1, 2])",
}

CELLS = {
    "text": "['a', 'b']",
    "text_None": "['a', None]",
    "text_NaN": "['a', NAN]",
    "text_NA": "['a', pd.NA]",
    "text_NaT": "['a', pd.NaT]",
    "text_None_and_NaN": "['a', None, NAN]",
    "text_surrogate": "['a', '\\udc80']",
    "ints": "[1, 2]",
    "ints_big_None": "[2**60 + 1, None]",
    "ints_beyond_64_bits": "[2**70, -2**70, None]",
    "ints_NaN": "[2**53 + 1, NAN]",
    "bools": "[True, False]",
    "bools_None": "[True, None]",
    "bool_and_int": "[True, 1, 0]",
    "int_and_float": "[1, 1.0]",
    "floats": "[0.5, NAN, -0.0]",
    "floats_None": "[0.5, NAN, None]",
    "numpy_ints": "[np.int64(1), np.int8(2)]",
    "numpy_floats": "[np.float64(1), 1.0]",
    "all_None": "[None, None]",
    "all_NaN": "[NAN, NAN]",
    "all_NA": "[pd.NA, pd.NA]",
    "mixed": "[1, 'x', None, 2.5]",
    "bytes": "[b'', b'\\xff', None]",
    "bytearray": "[bytearray(b'x')]",
    "decimals": "[Decimal('1.10'), Decimal('-2.00'), None]",
    "decimals_of_other_scale": "[Decimal('1.1'), Decimal('1.10'), Decimal('1E+5')]",
    "decimals_odd": "[Decimal('NaN'), Decimal('-0'), Decimal('Infinity')]",
    "decimals_long": "[Decimal('1' * 60)]",
    "dates": "[dt.date(2024, 1, 1), None]",
    "dates_far": "[dt.date(1, 1, 1), dt.date(9999, 12, 31)]",
    "date_and_datetime": "[dt.date(2024, 1, 1), dt.datetime(2024, 1, 1)]",
    "datetimes": "[dt.datetime(2024, 1, 1, 1, 2, 3, 4), None]",
    "datetimes_zoned": "[dt.datetime(2024, 1, 1, tzinfo=BERLIN), dt.datetime(2024, 1, 1, tzinfo=dt.UTC)]",
    "datetimes_fold": "[dt.datetime(2024, 10, 27, 2, 30, fold=1)]",
    "times": "[dt.time(1, 2, 3, 4), None]",
    "timedeltas": "[dt.timedelta(days=-1, microseconds=1), None]",
    "timestamps": "[pd.Timestamp('2024-01-01'), pd.Timestamp('2024', tz='UTC'), pd.NaT]",
    "pandas_timedeltas": "[pd.Timedelta('1 day'), pd.Timedelta(5, 's')]",
    "periods_mixed": "[pd.Period('2024', 'M'), pd.Period('2024', 'D')]",
    "intervals_mixed": "[pd.Interval(0, 1), pd.Interval(0, 1, closed='both')]",
    "uuids": "[uuid.UUID(int=5), None]",
    "lists": "[[1, 2], [], None]",
    "lists_of_text": "[['a'], ['b', None]]",
    "lists_empty": "[[], []]",
    "lists_mixed": "[[1, 'a'], [None]]",
    "lists_nested": "[[[1], [2, 3]], []]",
    "tuples": "[(1, 2), (3,)]",
    "sets": "[{1, 2}, {3}, frozenset([1])]",
    "dicts_same_keys": "[{'x': 1, 'y': 'a'}, {'x': 2, 'y': 'b'}]",
    "dicts_other_keys": "[{'x': 1}, {'y': 2}]",
    "dicts_other_order": "[{'x': 1, 'y': 2}, {'y': 2, 'x': 1}]",
    "dicts_of_ints": "[{1: 'a'}, {2: 'b'}]",
    "dicts_empty": "[{}, {}]",
    "dicts_None_value": "[{'x': None}, {'x': 1}]",
    "dicts_None_cell": "[{'x': 1}, None]",
    "arrays": "[np.array([1.0, 2.0]), np.array([])]",
    "arrays_float32": "[np.array([1, NAN], 'f4'), np.array([-0.0], 'f4')]",
    "arrays_int8_None": "[np.array([1], 'i1'), None]",
    "arrays_bool": "[np.array([True, False])]",
    "complexes": "[1j, complex(0, -0.0)]",
    "enum_like_ranges": "[range(3)]",
}

CELLS_REFUSED = {
    "objects": ("[1, object()]", r"column 'a', row 1 is of type object, which is not plain data"),
    "arrays_of_two_dimensions": (
        "[np.zeros((2, 2)), None]",
        r"column 'a', row 0 is of type numpy.ndarray",
    ),
    "arrays_of_other_dtypes": (
        "[np.zeros(2), np.zeros(2, 'f4')]",
        r"row 0 is of type numpy.ndarray",
    ),
    "frames": ("[D({'x': [1]}), None]", r"row 0 is of type pandas.*DataFrame"),
    "functions": ("[len, print]", r"row 0 is of type builtin_function"),
    "text_subclass": (
        "[Text('a')]",
        r"row 0 is 'a' \(tests.values.table_pandas_columns.Text\).*subclass of str",
    ),
}

ARROW = {
    "int32": "[1, None], dtype='int32[pyarrow]'",
    "float_NaN_and_NA": "pa.array([NAN, None, 1.0]), dtype=pd.ArrowDtype(pa.float64())",
    "text": "['a', None], dtype=pd.ArrowDtype(pa.string())",
    "large_text": "['a', None], dtype=pd.ArrowDtype(pa.large_string())",
    "text_view": "['a', None], dtype=pd.ArrowDtype(pa.string_view())",
    "binary": "[b'a', None], dtype=pd.ArrowDtype(pa.binary())",
    "binary_fixed": "[b'ab', None], dtype=pd.ArrowDtype(pa.binary(2))",
    "bool": "[True, None], dtype='bool[pyarrow]'",
    "list": "[[1], None, [2, 3]], dtype=pd.ArrowDtype(pa.list_(pa.int8()))",
    "large_list": "[[1], None], dtype=pd.ArrowDtype(pa.large_list(pa.int8()))",
    "list_fixed": "[[1, 2], [3, 4]], dtype=pd.ArrowDtype(pa.list_(pa.int8(), 2))",
    "struct": "[{'x': 1, 'y': 'a'}, None], dtype=pd.ArrowDtype(pa.struct([('x', pa.int8()), ('y', pa.string())]))",
    "map": "pa.array([[('a', 1)], None], pa.map_(pa.string(), pa.int8())), "
    "dtype=pd.ArrowDtype(pa.map_(pa.string(), pa.int8()))",
    "dictionary": "pa.array(['a', None, 'b']).dictionary_encode(), "
    "dtype=pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))",
    "dictionary_of_ints": "pa.array([7, None, 9]).dictionary_encode(), "
    "dtype=pd.ArrowDtype(pa.dictionary(pa.int32(), pa.int64()))",
    "decimal": "[Decimal('1.10'), None], dtype=pd.ArrowDtype(pa.decimal128(10, 2))",
    "decimal256": "[Decimal('1.10'), None], dtype=pd.ArrowDtype(pa.decimal256(50, 2))",
    "date32": "[dt.date(2024, 1, 1), None], dtype=pd.ArrowDtype(pa.date32())",
    "date64": "[dt.date(2024, 1, 1), None], dtype=pd.ArrowDtype(pa.date64())",
    "time32_s": "[dt.time(1, 2), None], dtype=pd.ArrowDtype(pa.time32('s'))",
    "time64_ns": "[dt.time(1, 2), None], dtype=pd.ArrowDtype(pa.time64('ns'))",
    "timestamp_s": "[dt.datetime(2024, 1, 1), None], dtype=pd.ArrowDtype(pa.timestamp('s'))",
    "timestamp_zoned": "[dt.datetime(2024, 1, 1, tzinfo=dt.UTC), None], dtype=pd.ArrowDtype(pa.timestamp('us', 'Europe/Berlin'))",
    "duration": "[dt.timedelta(1), None], dtype=pd.ArrowDtype(pa.duration('s'))",
    "null": "[None, None], dtype=pd.ArrowDtype(pa.null())",
    "list_of_structs": "[[{'x': 1}], []], dtype=pd.ArrowDtype(pa.list_(pa.struct([('x', pa.int8())])))",
}

VALUES = [
    *(Value(f"column-{name}", "pd.DataFrame", source) for name, source in NUMPY.items()),
    *(Value(f"column-{name}", "pd.DataFrame", source) for name, source in EXTENSION.items()),
    *(
        Value(f"categories-{name}", "pd.DataFrame", f"D({{'a': {source}}})")
        for name, source in CATEGORIES.items()
    ),
    *(
        Value(f"cells-{name}", "pd.DataFrame", column(source, "object"))
        for name, source in CELLS.items()
    ),
    *(
        Value(f"cells-{name}", "pd.DataFrame", column(source, "object"), refused)
        for name, (source, refused) in CELLS_REFUSED.items()
    ),
    *(
        Value(f"arrow-{name}", "pd.DataFrame", f"D({{'a': pd.Series({source})}})")
        for name, source in ARROW.items()
    ),
    Value(
        "byte-order",
        "pd.DataFrame",
        "D({'a': np.array([1, 2], '>i8')})",
        "column 'a' has dtype >i8.*byte order",
    ),
    Value(
        "long-double",
        "pd.DataFrame",
        column("[1, 2]", "'longdouble'"),
        "column 'a' has dtype float128",
    ),
    Value(
        "datetime-s-too-far",
        "pd.DataFrame",
        column("np.array(['300000000-01-01'], 'M8[s]')"),
        "column 'a' with dtype datetime64.s. cannot be written",
    ),
    Value(
        "text-surrogate-in-string",
        "pd.DataFrame",
        column("['\\udc80']", "'string[python]'"),
        "column 'a' with dtype string",
    ),
    Value(
        "arrow-interval",
        "pd.DataFrame",
        "D({'a': pd.Series(pa.array([pa.MonthDayNano([1, 2, 3])]), dtype=pd.ArrowDtype(pa.month_day_nano_interval()))})",
        "month_day_nano_interval",
    ),
    Value(
        "arrow-list-fixed-missing",
        "pd.DataFrame",
        "D({'a': pd.Series([[1, 2], None], dtype=pd.ArrowDtype(pa.list_(pa.int8(), 2)))})",
        "fixed_size_list",
    ),
]
