"""Tables of Polars and of Arrow."""
# ruff: noqa: E501, F401

import datetime as dt
from decimal import Decimal
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa

from tests.values.dtypes import REAL
from tests.values.process import Value

NAN = float("nan")


class OwnType(pa.ExtensionType):
    """A type that only this process knows."""

    def __init__(self):
        super().__init__(pa.int64(), "tests.own")

    def __arrow_ext_serialize__(self):
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type, serialized):
        return cls()


class Own(pl.DataFrame):
    """A DataFrame that is more than one."""


P = pl.DataFrame


def polars(values: str, dtype: str | None = None) -> str:
    """Return the source of a frame with one column."""
    return f"P({{'a': pl.Series({values}{'' if dtype is None else f', dtype=pl.{dtype}'})}})"


POLARS = {
    **{
        d: polars("[1, None, 0]", d)
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
        )
    },
    "Float16": polars("[1.0, None]", "Float16"),
    "Boolean": polars("[True, None]"),
    "floats": polars("[NAN, None, -0.0, float('inf')]"),
    "text": polars("['a', None, 'ß', '']"),
    "binary": polars("[b'a', None]"),
    "null": polars("[None, None]"),
    "date": polars("[dt.date(2024, 1, 1), None]"),
    "time": polars("[dt.time(1, 2, 3, 4), None]"),
    **{
        f"datetime_{u}": polars("[dt.datetime(2024, 1, 1), None]", f"Datetime('{u}')")
        for u in ("ms", "us", "ns")
    },
    "datetime_zoned": polars("[dt.datetime(2024, 1, 1), None]", "Datetime('us', 'Europe/Berlin')"),
    "datetime_utc": polars("[dt.datetime(2024, 1, 1)]", "Datetime('ns', 'UTC')"),
    **{
        f"duration_{u}": polars("[dt.timedelta(1), None]", f"Duration('{u}')")
        for u in ("ms", "us", "ns")
    },
    "decimal": polars("[Decimal('1.10'), None]", "Decimal(10, 2)"),
    "categorical": polars("['b', 'a', None, 'b']", "Categorical"),
    "enum": polars("['b', None]", "Enum(['c', 'b', 'a'])"),
    "enum_empty": polars("[]", "Enum(['c'])"),
    "list": polars("[[1], [], None]"),
    "list_of_text": polars("[['a', None]]"),
    "list_of_lists": polars("[[[1], []], []]"),
    "array": polars("[[1, 2], [3, 4]]", "Array(pl.Int8, 2)"),
    "struct": polars("[{'x': 1, 'y': 'a'}, None]"),
    "struct_nested": polars("[{'x': {'z': [1]}}]"),
    "list_of_structs": polars("[[{'x': 1}], []]"),
    "list_of_categories": polars("[['a'], ['b']]", "List(pl.Categorical)"),
    "list_of_enums": polars("[['a']]", "List(pl.Enum(['b', 'a']))"),
    "struct_of_enum": polars("[{'x': 'a'}]", "Struct({'x': pl.Enum(['b', 'a'])})"),
    "empty": "P()",
    "empty_typed": "P(schema={'a': pl.Int8, 'b': pl.Categorical})",
    "rows_without_columns": "P(height=3)",
    "names_odd": "P({'': [1], 'a.b': [2], '__index_level_0__': [3]})",
    "name_empty": "P({'a': [1], '': [2]})",
    "columns_order": "P({'z': [1], 'a': [2]})",
    "column_0": "P({'column_0': [1], '': [2]})",
    "chunks": "pl.concat([P({'a': [1]}), P({'a': [2]})], rechunk=False)",
    "long": "P({'a': range(100_000), 'b': ['x', 'y'] * 50_000})",
}


def arrow(values: str, type_: str) -> str:
    """Return the source of a table with one column."""
    return f"pa.table({{'a': pa.array({values}, pa.{type_})}})"


ARROW = {
    **{d: arrow("[1, None, 0]", f"{d}()") for d in REAL},
    "floats": arrow("[NAN, None, -0.0]", "float64()"),
    "bool": arrow("[True, None]", "bool_()"),
    "string": arrow("['a', None]", "string()"),
    "large_string": arrow("['a', None]", "large_string()"),
    "string_view": arrow("['a', None]", "string_view()"),
    "binary": arrow("[b'a', None]", "binary()"),
    "large_binary": arrow("[b'a', None]", "large_binary()"),
    "binary_view": arrow("[b'a']", "binary_view()"),
    "binary_fixed": arrow("[b'ab', None]", "binary(2)"),
    "date32": arrow("[dt.date(2024, 1, 1)]", "date32()"),
    "date64": arrow("[dt.date(2024, 1, 1)]", "date64()"),
    "time32_s": arrow("[dt.time(1)]", "time32('s')"),
    "time32_ms": arrow("[dt.time(1)]", "time32('ms')"),
    "time64_us": arrow("[dt.time(1)]", "time64('us')"),
    "time64_ns": arrow("[dt.time(1)]", "time64('ns')"),
    **{
        f"timestamp_{u}": arrow("[dt.datetime(2024, 1, 1), None]", f"timestamp('{u}')")
        for u in ("s", "ms", "us", "ns")
    },
    "timestamp_zoned": arrow("[dt.datetime(2024, 1, 1)]", "timestamp('us', 'Europe/Berlin')"),
    "timestamp_s_zoned": arrow("[dt.datetime(2024, 1, 1)]", "timestamp('s', 'UTC')"),
    **{f"duration_{u}": arrow("[1, None]", f"duration('{u}')") for u in ("s", "ms", "us", "ns")},
    "decimal32": arrow("[Decimal('1.1')]", "decimal32(5, 2)"),
    "decimal64": arrow("[Decimal('1.1')]", "decimal64(5, 2)"),
    "decimal128": arrow("[Decimal('1.1')]", "decimal128(5, 2)"),
    "decimal256": arrow("[Decimal('1.1')]", "decimal256(50, 2)"),
    "null": arrow("[None]", "null()"),
    "list": arrow("[[1], None, []]", "list_(pa.int8())"),
    "list_named": arrow("[[1]]", "list_(pa.field('element', pa.int8(), nullable=False))"),
    "large_list": arrow("[[1], None]", "large_list(pa.int8())"),
    "list_view": arrow("[[1], None]", "list_view(pa.int8())"),
    "list_fixed": arrow("[[1, 2], [3, 4]]", "list_(pa.int8(), 2)"),
    "struct": arrow(
        "[{'x': 1, 'y': None}, None]", "struct([('x', pa.int8()), ('y', pa.string())])"
    ),
    "map": arrow("[[('a', 1)], None]", "map_(pa.string(), pa.int8())"),
    "dictionary": arrow("['a', 'b', None]", "dictionary(pa.int8(), pa.string())"),
    "dictionary_ordered": arrow("['a', 'b', None]", "dictionary(pa.int32(), pa.string(), True)"),
    "dictionary_ints": arrow("[5, 7, None]", "dictionary(pa.int16(), pa.int64())"),
    "list_of_seconds": arrow("[[dt.datetime(2024, 1, 1)]]", "list_(pa.timestamp('s'))"),
    "struct_of_date64": arrow("[{'x': dt.date(2024, 1, 1)}]", "struct([('x', pa.date64())])"),
    "uuid": "pa.table({'a': pa.array([b'a' * 16], pa.uuid())})",
    "json": "pa.table({'a': pa.array(['[1]'], pa.json_())})",
    "empty": "pa.table({})",
    "empty_typed": "pa.table({'a': pa.array([], pa.int8())})",
    "metadata": "pa.table({'a': [1]}).replace_schema_metadata({'k': 'v'})",
    "metadata_of_field": "pa.table([[1]], schema=pa.schema([pa.field('a', pa.int64(), metadata={'k': 'v'})]))",
    "not_nullable": "pa.table([[1]], schema=pa.schema([pa.field('a', pa.int64(), nullable=False)]))",
    "names_odd": "pa.table({'': [1], 'a.b': [2]})",
    "names_same": "pa.table([[1], [2]], names=['a', 'a'])",
    "of_pandas": "pa.Table.from_pandas(pd.DataFrame({'a': [1]}, index=['x']))",
    "chunks": "pa.concat_tables([pa.table({'a': [1]}), pa.table({'a': [2]})])",
}

VALUES = [
    *(Value(f"polars-{name}", "pl.DataFrame", source) for name, source in POLARS.items()),
    *(Value(f"arrow-{name}", "pa.Table", source) for name, source in ARROW.items()),
    Value("polars-read-as-Any", "pl.DataFrame", "P({'a': [1]})", reader="Any"),
    Value("list-of-polars", "list[pl.DataFrame]", "[P({'': [1]}), P()]"),
    Value("dict-of-arrow", "dict[str, pa.Table]", "{'b': pa.table({'a': [1]}), 'a': pa.table({})}"),
    Value(
        "polars-objects",
        "pl.DataFrame",
        "P({'a': pl.Series([object()], dtype=pl.Object)})",
        "column 'a' has the Polars type Object",
    ),
    Value(
        "polars-array-missing",
        "pl.DataFrame",
        polars("[[1, 2], None]", "Array(pl.Int8, 2)"),
        "column 'a' has the Arrow type fixed_size_list",
    ),
    Value("polars-subclass", "pl.DataFrame", "Own({'a': [1]})", "not one of a subclass"),
    Value(
        "pandas-for-polars",
        "pl.DataFrame",
        "pd.DataFrame({'a': [1]})",
        "A Polars DataFrame is expected",
    ),
    Value(
        "arrow-own-type",
        "pa.Table",
        "pa.table({'a': pa.ExtensionArray.from_storage(OwnType(), pa.array([1]))})",
        "an extension that the next step's process does not know",
    ),
    Value(
        "arrow-month-interval",
        "pa.Table",
        "pa.table({'a': pa.array([pa.MonthDayNano([1, 2, 3])])})",
        "month_day_nano_interval",
    ),
    Value(
        "arrow-run-ends",
        "pa.Table",
        "pa.table({'a': pa.RunEndEncodedArray.from_arrays([2], [1])})",
        "run_end_encoded",
    ),
    Value("arrow-empty-struct", "pa.Table", arrow("[{}]", "struct([])"), "struct"),
    Value(
        "arrow-list-fixed-missing",
        "pa.Table",
        arrow("[[1, 2], None]", "list_(pa.int8(), 2)"),
        "fixed_size_list",
    ),
    *(
        Value(
            f"polars-{d}",
            "pl.DataFrame",
            polars("[1]", d),
            f"column 'a' has the Polars type {d}.*Cast it",
        )
        for d in ("Int128", "UInt128")
    ),
    Value(
        "arrow-rows-without-columns",
        "pa.Table",
        "pa.table({'a': [1]}).select([])",
        "rows? and no column",
    ),
]
