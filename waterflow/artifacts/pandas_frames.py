"""DataFrames as Arrow tables and back: columns, both axes, names and attributes."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any, Final

from waterflow.artifacts import pandas_columns, tagged
from waterflow.artifacts.arrow_types import NEEDS
from waterflow.artifacts.base import library
from waterflow.errors import ArtifactError

if TYPE_CHECKING:
    from waterflow.artifacts.object_cells import Form

KEY: Final = b"waterflow"
"""Where a file's metadata has what Parquet cannot say of the value in it."""

_PANDAS: Final = b"pandas"
"""Where pandas itself looks for what is an index."""


def note(table: Any) -> dict[str, Any] | None:
    """Return what a file's metadata says of the value in it; None for a file of anybody's."""
    text = (table.schema.metadata or {}).get(KEY)
    return None if text is None else json.loads(text)


def with_note(table: Any, content: dict[str, Any], metadata: dict[bytes, bytes]) -> Any:
    """Return a table with what Parquet cannot say of the value in it.

    Args:
        table: The table.
        content: JSON.
        metadata: What other libraries find there.
    """
    text = json.dumps(content, separators=(",", ":"))
    return table.replace_schema_metadata({**metadata, KEY: text.encode()})


def without_note(table: Any) -> Any:
    """Return a table as it was before it was written."""
    metadata = {key: v for key, v in (table.schema.metadata or {}).items() if key != KEY}
    return table.replace_schema_metadata(metadata or None)


def encode(frame: Any, kind: str, besides: dict[str, Any] | None = None) -> Any:
    """Return a DataFrame as an Arrow table.

    Args:
        frame: The DataFrame.
        kind: What the value is: "dataframe", "series" or "index".
        besides: What else to keep of the value: JSON.

    Raises:
        ArtifactError: It holds what cannot be written, and which column.
    """
    arrow = library("pyarrow", NEEDS)
    arrays: list[Any] = []
    forms: dict[str, Form] = {}
    for position, (name, column) in enumerate(frame.items()):
        shown = f"The column {name!r}" if kind == "dataframe" else f"The {kind}"
        array, form = pandas_columns.encode(column, shown)
        arrays.append(array)
        if form is not None:
            forms[str(position)] = form
    names = _file_names(frame.columns)
    levels, index = _encode_axis(frame.index, "The index")
    level_names = _level_names(frame.index, levels, names)
    content: dict[str, Any] = {
        "version": 1, "kind": kind, "width": len(arrays), "forms": forms, "index": index,
        "rows": len(frame), **(besides or {}),
    }  # fmt: skip
    if list(names) != list(frame.columns) or not _is_plain_axis(frame.columns):
        packed, columns = _encode_axis(frame.columns, "The names of the columns")
        content["columns"] = {**columns, "values": pandas_columns.pack(packed) if packed else None}
    if frame.attrs:
        content["attrs"] = tagged.encode(frame.attrs, "df.attrs")
    if not frame.flags.allows_duplicate_labels:
        content["unique"] = True
    table = arrow.Table.from_arrays([*arrays, *levels], names=[*names, *level_names])
    return with_note(table, content, {_PANDAS: _for_pandas(frame.index, level_names)})


def decode(table: Any, content: dict[str, Any], threads: bool) -> Any:
    """Return the DataFrame that a table was made of.

    Args:
        table: What `encode` returned.
        content: Its `note`.
        threads: Whether it is large enough for several threads.
    """
    arrow = library("pyarrow", NEEDS)
    pandas = library("pandas", NEEDS)
    numpy = library("numpy", NEEDS)
    width, forms = content["width"], content["forms"]
    columns = table.columns
    # Others take their places when the frame stands: those that Arrow knows come as blocks.
    place = arrow.array(numpy.zeros(table.num_rows, "i1")) if forms else None
    direct = [place if str(i) in forms else columns[i] for i in range(width)]
    frame = arrow.Table.from_arrays(direct, names=table.column_names[:width]).to_pandas(
        use_threads=threads
    )
    index = _decode_axis(columns[width:], content["index"])
    if not width:
        frame = pandas.DataFrame(index=index)
    for position in map(int, forms):
        array = pandas_columns.decode(columns[position], forms[str(position)])
        series = pandas.Series(array, index=frame.index, dtype=array.dtype, copy=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pandas.errors.PerformanceWarning)
            frame.isetitem(position, series)
    frame.index = index
    names = content.get("columns")
    if names is not None:
        packed = pandas_columns.unpack(names["values"]) if names["values"] else []
        frame.columns = _decode_axis(packed, names)
    if "attrs" in content:
        frame.attrs = tagged.loads(tagged.as_text(content["attrs"]))
    if content.get("unique"):
        frame.flags.allows_duplicate_labels = False
    return frame


# --- axes --------------------------------------------------------------------------------------


def _encode_axis(index: Any, what: str) -> tuple[list[Any], dict[str, Any]]:
    """Return an axis as one array a level, and what to know besides."""
    pandas = library("pandas", NEEDS)
    names = tagged.encode(list(index.names), f"The name of {what[0].lower()}{what[1:]}")
    if type(index) is pandas.RangeIndex:
        return [], {"range": [index.start, index.stop, index.step], "names": names}
    several = isinstance(index, pandas.MultiIndex)
    levels = [index.get_level_values(i) for i in range(index.nlevels)] if several else [index]
    parts = [pandas_columns.encode(level, what) for level in levels]
    return [array for array, _ in parts], {
        "several": several,
        "names": names,
        "forms": [form for _, form in parts],
        "freqs": [pandas_columns.frequency(level, what) for level in levels],
    }


def _decode_axis(columns: list[Any], content: dict[str, Any]) -> Any:
    pandas = library("pandas", NEEDS)
    names = tagged.loads(tagged.as_text(content["names"]))
    if "range" in content:
        return pandas.RangeIndex(*content["range"], name=names[0])
    levels = [
        pandas_columns.as_index(pandas_columns.decode(column, form), freq)
        for column, form, freq in zip(columns, content["forms"], content["freqs"], strict=True)
    ]
    if content["several"]:
        return pandas.MultiIndex.from_arrays(levels, names=names)
    return levels[0].rename(names[0])


def _is_plain_axis(columns: Any) -> bool:
    """Say whether the columns' names in the file say all of their axis."""
    pandas = library("pandas", NEEDS)
    numpy = library("numpy", NEEDS)
    usual = pandas.StringDtype(na_value=numpy.nan)
    return (
        type(columns) is pandas.Index
        and columns.dtype == usual
        and columns.dtype.storage == usual.storage
        and columns.name is None
    )


def _file_names(columns: Any) -> list[str]:
    """Return names for the columns in the file: text, each once."""
    names: list[str] = []
    taken: set[str] = set()
    for column in columns:
        stem = name = str(column).encode("utf-8", "replace").decode()
        number = 0
        while name in taken:
            number += 1
            name = f"{stem}_{number}"
        taken.add(name)
        names.append(name)
    return names


def _level_names(index: Any, levels: list[Any], taken: list[str]) -> list[str]:
    """Return names for the index's levels in the file, as pandas itself gives them."""
    names: list[str] = []
    for position in range(len(levels)):
        name = index.names[position]
        if type(name) is not str or name in (*taken, *names) or not name.isprintable():
            name = f"__index_level_{position}__"
        while name in (*taken, *names):
            name = f"_{name}"
        names.append(name)
    return names


def _for_pandas(index: Any, level_names: list[str]) -> bytes:
    """Return what pandas itself, where it reads the file, is told of the index."""
    content: dict[str, Any] = {"column_indexes": [], "columns": []}
    if level_names:
        content["index_columns"] = level_names
        content["columns"] = [
            {
                "name": None if name.endswith(f"__index_level_{number}__") else name,
                "field_name": name,
                "pandas_type": "mixed",
                "numpy_type": "object",
                "metadata": None,
            }
            for number, name in enumerate(level_names)
        ]
    else:
        content["index_columns"] = [
            {
                "kind": "range",
                "name": index.name if isinstance(index.name, str) else None,
                "start": index.start,
                "stop": index.stop,
                "step": index.step,
            }
        ]
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def refuse_subclass(value: Any, name: str) -> None:
    """Refuse a value of a class derived from pandas' own.

    Args:
        value: A DataFrame, Series or Index.
        name: The name of pandas' class.

    Raises:
        ArtifactError: It is of another class, which may hold more than the table.
    """
    kind = type(value)
    if kind.__module__.partition(".")[0] != "pandas":
        raise ArtifactError(
            f"The value is a {kind.__module__}.{kind.__qualname__}, a subclass of pd.{name}, and "
            f"would arrive as a pd.{name}. Return pd.{name}(value) if that is enough, or a Path to "
            "a file in its own library's format."
        )
