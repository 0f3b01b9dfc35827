"""Values of pandas, by what is special about them."""
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


class Labelled(pd.DataFrame):
    """A DataFrame that knows more."""

    _metadata = ["label"]  # noqa: RUF012

    @property
    def _constructor(self):
        return Labelled


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
        r"row 0 is 'a' \(tests.values.table_pandas.Text\).*subclass of str",
    ),
}

INDEXES = {
    "range": "pd.RangeIndex(3)",
    "range_odd": "pd.RangeIndex(10, 4, -2, name='down')",
    "ints": "pd.Index([3, 1, 2])",
    "ints_named_int": "pd.Index([3, 1, 2], name=7)",
    "ints_named_tuple": "pd.Index([3, 1, 2], name=('a', 1))",
    "int8": "pd.Index([3, 1, 2], dtype='int8')",
    "uint64": "pd.Index([3, 1, 2**64 - 1], dtype='uint64')",
    "Int64_NA": "pd.Index([2**60 + 1, None, 1], dtype='Int64')",
    "floats_NaN": "pd.Index([0.5, NAN, -0.0])",
    "float32": "pd.Index([0.5, 1, 2], dtype='float32')",
    "complex": "pd.Index([1j, 2, 3])",
    "bools": "pd.Index([True, False, True])",
    "text": "pd.Index(['x', 'y', 'x'], name='row')",
    "text_None": "pd.Index(['x', None, 'y'])",
    "text_object": "pd.Index(['x', None, 'y'], dtype=object)",
    "string_python": "pd.Index(['x', None, 'y'], dtype='string[python]')",
    "mixed": "pd.Index(['x', 1, 2.5], dtype=object)",
    "tuples_flat": "pd.Index([(1, 'a'), (2,), ()], tupleize_cols=False)",
    "dates": "pd.Index([dt.date(2024, 1, 1), dt.date(2024, 1, 2), None], dtype=object)",
    **{f"datetime_{u}": f"pd.DatetimeIndex(DAYS).as_unit('{u}')" for u in ("s", "ms", "us", "ns")},
    "datetime_freq_D": "pd.date_range('2024', periods=3)",
    "datetime_freq_ME": "pd.date_range('2024', periods=3, freq='ME', name='month')",
    "datetime_freq_2h_zoned": "pd.date_range('2024', periods=3, freq='2h', tz='Europe/Berlin')",
    "datetime_freq_back": "pd.date_range('2024', periods=3, freq='-1D')",
    "datetime_s_freq": "pd.date_range('2024', periods=3, freq='D', unit='s')",
    "datetime_zoned_fold": "pd.date_range('2024-10-27 01:00', periods=3, freq='h', tz='Europe/Berlin')",
    "datetime_zoned_day": "pd.date_range('2024-03-30', periods=3, freq='D', tz='Europe/Berlin')",
    "datetime_NaT": "pd.DatetimeIndex(['NaT', '2024', '2025'])",
    "timedelta": "pd.to_timedelta([1, 5, 2], 's')",
    "timedelta_freq": "pd.timedelta_range('1 day', periods=3)",
    "period": "pd.period_range('2024', periods=3, freq='M', name='month')",
    "interval": "pd.interval_range(0, 3)",
    "interval_left": "pd.interval_range(0.0, 3.0, closed='left')",
    "categories": "pd.CategoricalIndex(['b', 'a', 'b'], categories=['c', 'b', 'a'], ordered=True)",
    "categories_int": "pd.CategoricalIndex([3, 1, 3], categories=[5, 3, 1])",
    "arrow": "pd.Index([1, None, 3], dtype='int32[pyarrow]')",
    "uuids": "pd.Index([uuid.UUID(int=i) for i in range(3)])",
    "multi": "pd.MultiIndex.from_arrays([['b', 'a', 'b'], [1, 2, 2]], names=['k', None])",
    "multi_dates": "pd.MultiIndex.from_arrays([pd.date_range('2024', periods=3), [1.5, 2, NAN]])",
    "multi_categories": "pd.MultiIndex.from_arrays([pd.Categorical([3, 1, 3]), pd.period_range('2024', periods=3)])",
    "multi_same_names": "pd.MultiIndex.from_arrays([[1, 2, 3], [4, 5, 6]], names=['a', 'a'])",
    "multi_names_ints": "pd.MultiIndex.from_arrays([[1, 2, 3], [4, 5, 6]], names=[0, 1])",
    "multi_one_level": "pd.MultiIndex.from_arrays([[1, 2, 3]], names=['only'])",
    "multi_unused": "pd.MultiIndex.from_product([['a', 'b'], [1, 2, 3]])[1:4]",
    "multi_missing": "pd.MultiIndex.from_arrays([['a', None, 'b'], [1, 2, 2]])",
    "duplicates": "pd.Index([1, 1, 1])",
}

COLUMNS = {
    "range": "pd.RangeIndex(2)",
    "range_odd": "pd.RangeIndex(4, 8, 2, name='c')",
    "ints": "[5, 3]",
    "int8": "pd.Index([5, 3], dtype='int8')",
    "bools": "[True, False]",
    "floats": "[0.5, NAN]",
    "text": "['b', 'a']",
    "text_named": "pd.Index(['b', 'a'], name='axis')",
    "text_named_int": "pd.Index(['b', 'a'], name=0)",
    "text_object": "pd.Index(['b', 'a'], dtype=object)",
    "text_empty": "['', ' ']",
    "text_odd": "['a.b', 'ß\\n\"']",
    "text_like_index": "['__index_level_0__', 'index']",
    "text_NaN": "['a', NAN]",
    "mixed": "['a', 1]",
    "int_and_text": "[1, '1']",
    "None": "[None, 'a']",
    "same": "['a', 'a']",
    "same_ints": "[0, 0]",
    "dates": "pd.date_range('2024', periods=2)",
    "dates_zoned": "pd.date_range('2024', periods=2, tz='Europe/Berlin')",
    "date_objects": "[dt.date(2024, 1, 1), dt.date(2024, 1, 2)]",
    "periods": "pd.period_range('2024', periods=2, freq='M')",
    "intervals": "pd.interval_range(0, 2)",
    "categories": "pd.CategoricalIndex(['b', 'a'], categories=['c', 'a', 'b'])",
    "tuples_flat": "pd.Index([('a', 1), ('b', 2)], tupleize_cols=False)",
    "multi": "pd.MultiIndex.from_tuples([('a', 'x'), ('a', 'y')], names=['k', None])",
    "multi_mixed": "pd.MultiIndex.from_tuples([('a', 1), ('b', 2)])",
    "multi_same": "pd.MultiIndex.from_tuples([('a', 1), ('a', 1)])",
    "surrogate": "pd.Index(['a', '\\udc80'], dtype=object)",
}

FRAMES = {
    "empty": "D()",
    "empty_columns": "D(columns=['a', 'b'])",
    "empty_typed": "D({'a': pd.Series([], dtype='int8'), 'b': pd.Series([], dtype='datetime64[s]')})",
    "empty_object": "D({'a': pd.Series([], dtype=object)})",
    "empty_text_index": "D({'a': pd.Series([], dtype=float)}, index=pd.Index([], dtype='str', name='k'))",
    "empty_categories": "D({'a': pd.Categorical([], categories=['x'])})",
    "rows_without_columns": "D(index=range(3))",
    "rows_without_columns_text": "D(index=['a', 'b'])",
    "rows_without_columns_multi": "D(index=pd.MultiIndex.from_product([[1, 2], ['a']]))",
    "columns_out_of_order": "D({'z': [1], 'a': ['x'], 'm': [0.5], 'b': [True]})",
    "of_an_array": "D(np.arange(6.0).reshape(3, 2))",
    "of_dicts": "D([{'x': 1}, {'y': 2}])",
    "slice": "D({'a': range(9)})[2:8:3]",
    "filtered": "D({'a': range(9), 'b': list('abcdefghi')}).query('a > 6')",
    "sorted": "D({'a': [3, 1, 2]}).sort_values('a')",
    "attrs": "D({'a': [1]}).assign(b=2).pipe(lambda d: (d.attrs.update(unit='m', at=(1, 2)), d)[1])",
    "no_duplicate_labels": "D({'a': [1]}).set_flags(allows_duplicate_labels=False)",
    "grouped": "D({'k': list('aab'), 'v': [1, 2, 3]}).groupby('k').agg(['sum', 'mean'])",
    "described": "D({'k': list('aab'), 'v': [1, 2, 3]}).describe(include='all')",
    "pivoted": "D({'k': list('ab'), 'v': [1, 2], 'w': [3, 4]}).pivot(index='k', columns='v', values='w')",
    "counted": "D({'k': list('aab')}).value_counts().to_frame()",
    "transposed": "D({'a': [1, 2], 'b': ['x', 'y']}).T",
    "resampled": "D({'v': range(4)}, index=pd.date_range('2024', periods=4, freq='12h')).resample('D').sum()",
    "index_named_as_a_column": "D({'a': [1, 2]}, index=pd.Index([5, 6], name='a'))",
    "index_and_column_like_pandas_own": "D({'__index_level_0__': [1, 2]}, index=[5, 6])",
    "wide": "D({f'c{i}': [i, 'x' if i % 2 else 1.5] for i in range(150)})",
    "many_texts": "D({f'c{i}': ['x'] for i in range(150)})",
    "many_object_columns": "D({f'c{i}': pd.Series([i, None], dtype=object) for i in range(150)})",
    "long": "D({'a': range(70_000), 'b': pd.Categorical(['x', 'y'] * 35_000)})",
    "converted": "D({'a': [1, None], 'b': ['x', None], 'c': [True, None]}).convert_dtypes()",
    "converted_to_arrow": "D({'a': [1, None], 'b': ['x', None]}).convert_dtypes(dtype_backend='pyarrow')",
    "every_kind_at_once": "D({'i': [1, 2], 't': ['a', None], 'p': pd.period_range('2024', periods=2, freq='D'), "
    "'f': [0.5, NAN], 'o': pd.Series([(1,), None], dtype=object), 3: [1, 2]})",
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

SERIES = {
    "unnamed": "pd.Series([1, 2])",
    "named": "pd.Series([1, 2], name='y')",
    "named_int": "pd.Series([1, 2], name=0)",
    "named_tuple": "pd.Series([1, 2], name=('a', 1))",
    "text_index": "pd.Series([1.5, None], index=['a', 'b'])",
    "categories": "pd.Series(pd.Categorical([3, 1], categories=[5, 3, 1], ordered=True), name='y')",
    "times": "pd.Series(pd.date_range('2024', periods=2, tz='Europe/Berlin'))",
    "objects": "pd.Series([1, 'a', None, (1, 2)])",
    "empty": "pd.Series([], dtype='float32', name='y')",
    "attrs": "pd.Series([1]).pipe(lambda s: (s.attrs.update(unit='m'), s)[1])",
    "value_counts": "pd.Series(['a', 'b', 'a']).value_counts()",
    "grouped": "D({'k': list('aab'), 'm': [1, 1, 2], 'v': [1, 2, 3]}).groupby(['k', 'm']).v.sum()",
    "sparse": "pd.Series(pd.arrays.SparseArray([0, 0, 1]))",
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
        Value(f"index-{name}", "pd.DataFrame", f"D({{'a': [1, 2, 3]}}, index={source})")
        for name, source in INDEXES.items()
    ),
    *(Value(f"index_itself-{name}", "pd.Index", source) for name, source in INDEXES.items()),
    *(
        Value(f"names-{name}", "pd.DataFrame", f"D([[1, 2], [3, 4]], columns={source})")
        for name, source in COLUMNS.items()
    ),
    *(Value(f"frame-{name}", "pd.DataFrame", source) for name, source in FRAMES.items()),
    *(
        Value(f"arrow-{name}", "pd.DataFrame", f"D({{'a': pd.Series({source})}})")
        for name, source in ARROW.items()
    ),
    *(Value(f"series-{name}", "pd.Series", source) for name, source in SERIES.items()),
    Value("read-as-Any", "pd.DataFrame", "D({'a': pd.Categorical([3, 1])})", reader="object"),
    Value("list-of-frames", "list[pd.DataFrame]", "[D({0: [1]}), D()]"),
    Value("list-of-no-frames", "list[pd.DataFrame]", "[]"),
    Value("list-of-series", "list[pd.Series]", "[pd.Series([1]), pd.Series(['a'], name='b')]"),
    Value("dict-of-frames", "dict[str, pd.DataFrame]", "{'b': D({0: [1]}), 'a': D()}"),
    Value(
        "dict-of-frames-odd-keys",
        "dict[tuple[str, int], pd.DataFrame]",
        "{('b', 1): D(), ('a', 2): D()}",
    ),
    Value("dict-of-no-frames", "dict[str, pd.DataFrame]", "{}"),
    Value(
        "dict-of-lists-of-frames",
        "dict[str, list[pd.DataFrame]]",
        "{'a': [D({'x': [1]})], 'b': [D(), D()]}",
    ),
    Value(
        "list-of-frames-tuple",
        "list[pd.DataFrame]",
        "(D(),)",
        r"list\[dataframe\] is expected.*tuple",
    ),
    Value(
        "frame-within-plain-data",
        "dict",
        "{'a': D()}",
        r"value\['a'\] is of type pandas.*dict\[str, pd.DataFrame\]",
    ),
    Value(
        "subclass",
        "pd.DataFrame",
        "Labelled({'a': [1]})",
        "Labelled, a subclass of pd.DataFrame.*Return pd.DataFrame",
    ),
    Value(
        "series-for-a-frame",
        "pd.DataFrame",
        "pd.Series([1])",
        "A pandas DataFrame is expected.*Series",
    ),
    Value(
        "frame-for-a-series", "pd.Series", "D({'a': [1]})", "A pandas Series is expected.*DataFrame"
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
        "attrs-refused",
        "pd.DataFrame",
        "D({'a': [1]}).pipe(lambda d: (d.attrs.update(f=len), d)[1])",
        r"df.attrs\['f'\]",
    ),
    Value(
        "freq-of-holidays",
        "pd.DataFrame",
        "D({'a': [1, 2]}, index=pd.bdate_range('2024', periods=2, freq='C', holidays=['2024-01-02']))",
        "The index has the frequency .*index.freq = None",
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
