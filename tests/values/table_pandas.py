"""Frames, series and indexes of pandas, by what is special about them."""
# ruff: noqa: E501, F401

import datetime as dt
import uuid

import numpy as np
import pandas as pd

from tests.values.process import Value

D = pd.DataFrame
NAN = float("nan")
DAYS = ["2024-01-01", "2024-03-31", "2024-12-24"]


class Labelled(pd.DataFrame):
    """A DataFrame that knows more."""

    _metadata = ["label"]  # noqa: RUF012

    @property
    def _constructor(self):
        return Labelled


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
]
