"""Tables: pandas, Polars and Arrow, all as one Parquet file that each of them reads.

What Parquet cannot say of the value stands in the file's metadata, under a key of our own.
"""

from __future__ import annotations

import base64
import io
import warnings
from typing import TYPE_CHECKING, Any, Final

from waterflow.artifacts import arrow_types, pandas_frames, tagged
from waterflow.artifacts.base import Context, Serializer, library, payload_file, wrong_type
from waterflow.artifacts.object_cells import refuse_opaque
from waterflow.errors import ArtifactError

if TYPE_CHECKING:
    from pathlib import Path

FILE: Final = "data.parquet"
THREADED: Final = 8 * 2**20
"""Bytes from which on threads help: starting them costs more than reading a small table."""

_PANDAS: Final = ("dataframe", "series", "index")


def _pandas_for(value: Any, kind: str) -> Any:
    """Return pandas, once a value is known to be of that class of its, and of no subclass."""
    library("pyarrow", f"A pandas {kind} as an artifact")
    pandas = library("pandas", f"A pandas {kind} as an artifact")
    if not isinstance(value, getattr(pandas, kind)):
        raise wrong_type(value, f"A pandas {kind}")
    pandas_frames.refuse_subclass(value, kind)
    return pandas


class DataFrameSerializer(Serializer):
    """A pandas DataFrame: dtypes, both axes with their names, and attributes are kept."""

    name = "dataframe"
    format = "parquet"
    requires = ("pandas", "pyarrow")
    classes = (("pandas", "DataFrame"),)
    derived = False

    def save(self, value: Any, folder: Path, context: Context) -> None:
        """Write `data.parquet`."""
        del context
        _pandas_for(value, "DataFrame")
        _write(pandas_frames.encode(value, self.name), folder)

    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Read `data.parquet` as pandas."""
        del annotation, context
        library("pandas", "A pandas DataFrame as an artifact")
        return _read_pandas(folder, self.name)[0]


class SeriesSerializer(Serializer):
    """A pandas Series, as a table of one column."""

    name = "series"
    format = "series"
    requires = ("pandas", "pyarrow")
    classes = (("pandas", "Series"),)
    derived = False

    def save(self, value: Any, folder: Path, context: Context) -> None:
        """Write `data.parquet`."""
        del context
        _pandas_for(value, "Series")
        frame = value.to_frame(value.name if type(value.name) is str else "values")
        frame.attrs = value.attrs
        name = tagged.encode(value.name, "The name of the series")
        _write(pandas_frames.encode(frame, self.name, {"name": name}), folder)

    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Read `data.parquet` as a Series."""
        del annotation, context
        library("pandas", "A pandas Series as an artifact")
        frame, content = _read_pandas(folder, self.name)
        series = frame.iloc[:, 0].rename(tagged.loads(tagged.as_text(content["name"])))
        series.attrs = frame.attrs
        return series


class IndexSerializer(Serializer):
    """A pandas Index of any kind, as the index of a table without columns."""

    name = "index"
    format = "index"
    requires = ("pandas", "pyarrow")
    classes = (("pandas", "Index"),)
    derived = False

    def save(self, value: Any, folder: Path, context: Context) -> None:
        """Write `data.parquet`."""
        del context
        pandas = _pandas_for(value, "Index")
        _write(pandas_frames.encode(pandas.DataFrame(index=value), self.name), folder)

    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Read `data.parquet` as an Index."""
        del annotation, context
        library("pandas", "A pandas Index as an artifact")
        return _read_pandas(folder, self.name)[0].index


class PolarsSerializer(Serializer):
    """A Polars DataFrame."""

    name = "polars"
    format = "parquet"
    requires = ("polars", "pyarrow")
    classes = (("polars", "DataFrame"),)
    derived = False

    def save(self, value: Any, folder: Path, context: Context) -> None:
        """Write `data.parquet`."""
        del context
        arrow = library("pyarrow", "A Polars DataFrame as an artifact")
        polars = library("polars", "A Polars DataFrame as an artifact")
        if not isinstance(value, polars.DataFrame):
            raise wrong_type(value, "A Polars DataFrame")
        if type(value) is not polars.DataFrame:
            raise wrong_type(value, "A Polars DataFrame, not one of a subclass,")
        for name, dtype in value.schema.items():
            _refuse_unwritable(name, dtype)
        try:
            # Arrow's older text layout, which every reader of Parquet knows.
            table = value.to_arrow(compat_level=polars.CompatLevel.oldest())
        except (arrow.ArrowException, ValueError, TypeError) as error:
            raise _unwritable("Polars DataFrame", error) from None
        table = table.rename_columns(value.columns)  # one called "" may have got another name
        arrow_types.refuse_lossy(table, "The column")
        schema = io.BytesIO()
        value.clear().write_ipc_stream(schema)
        content = {
            "version": 1, "kind": self.name, "rows": value.height,
            "schema": base64.b64encode(schema.getvalue()).decode(),
        }  # fmt: skip
        _write(pandas_frames.with_note(table, content, {}), folder)

    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Read `data.parquet` as Polars; what pandas keeps as its index becomes columns."""
        del annotation, context
        polars = library("polars", "A Polars DataFrame as an artifact")
        table = _read(folder, self.name)
        content = pandas_frames.note(table) or {}
        _refuse_pandas(table, content, "a Polars DataFrame")
        if content.get("kind") != self.name:
            return polars.from_arrow(pandas_frames.without_note(table))
        schema = polars.read_ipc_stream(io.BytesIO(base64.b64decode(content["schema"]))).schema
        if not schema:
            return polars.DataFrame(height=content["rows"])
        frame = polars.from_arrow(pandas_frames.without_note(table))
        frame.columns = list(schema)  # from_arrow gives a column called "" another name
        return frame if frame.schema == schema else frame.cast(dict(schema))


class ArrowSerializer(Serializer):
    """A pyarrow Table."""

    name = "arrow"
    format = "parquet"
    requires = ("pyarrow",)
    classes = (("pyarrow", "Table"),)
    derived = False

    def save(self, value: Any, folder: Path, context: Context) -> None:
        """Write `data.parquet`."""
        del context
        arrow = library("pyarrow", "A pyarrow Table as an artifact")
        if not isinstance(value, arrow.Table):
            raise wrong_type(value, "A pyarrow Table")
        if value.num_rows and not value.num_columns:
            raise ArtifactError(
                f"The table has {value.num_rows} rows and no column, which Parquet cannot hold. "
                "Give it a column."
            )
        arrow_types.refuse_lossy(value, "The column")
        content = {
            "version": 1, "kind": self.name, "schema": arrow_types.schema_text(value.schema),
        }  # fmt: skip
        metadata = value.schema.metadata or {}
        _write(pandas_frames.with_note(value, content, metadata), folder)

    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Read `data.parquet` as a pyarrow Table."""
        del annotation, context
        arrow = library("pyarrow", "A pyarrow Table as an artifact")
        table = _read(folder, self.name)
        content = pandas_frames.note(table) or {}
        _refuse_pandas(table, content, "a pyarrow Table")
        if content.get("kind") != self.name:
            return pandas_frames.without_note(table)
        schema = arrow_types.schema_of(content["schema"])
        columns = [
            arrow_types.restored(column, field.type)
            for column, field in zip(table.columns, schema, strict=True)
        ]
        return arrow.Table.from_arrays(columns, schema=schema)


_OBJECTS: Final = (
    "Python objects, of which a file would hold only the addresses. Give it a type of Polars' own, "
    "or return a pandas DataFrame."
)
_TOO_WIDE: Final = (
    "which Arrow has no type for. Cast it, for example to pl.Int64 or pl.Decimal(38, 0)."
)
_POLARS_REFUSED: Final = {
    "Object": _OBJECTS, "Unknown": _OBJECTS, "Int128": _TOO_WIDE, "UInt128": _TOO_WIDE,
}  # fmt: skip


def _refuse_unwritable(name: str, dtype: Any) -> None:
    """Refuse a column of Polars that no file can hold."""
    why = _POLARS_REFUSED.get(str(dtype.base_type()))
    if why is not None:
        raise ArtifactError(f"The column '{name}' has the Polars type {dtype}: {why}")
    inner = getattr(dtype, "inner", None)
    if inner is not None:
        _refuse_unwritable(name, inner)
    for field in getattr(dtype, "fields", ()):
        _refuse_unwritable(name, field.dtype)


def _refuse_pandas(table: Any, content: dict[str, Any], reader: str) -> None:
    if content.get("kind") in _PANDAS:
        refuse_opaque(content["forms"], table.column_names, reader)


def _read_pandas(folder: Path, type_name: str) -> tuple[Any, dict[str, Any]]:
    """Return the DataFrame, and what the file's metadata says of it."""
    arrow = library("pyarrow", "A table as an artifact")
    table = _read(folder, type_name)
    threads = table.nbytes > THREADED
    content = pandas_frames.note(table) or {}
    if content.get("kind") in _PANDAS:
        with warnings.catch_warnings():
            # pyarrow itself reads times with a zone in a way that pandas 3.1 deprecates.
            warnings.filterwarnings("ignore", message="Series.values returning an ndarray")
            return pandas_frames.decode(table, content, threads), content
    try:
        return pandas_frames.without_note(table).to_pandas(use_threads=threads), content
    except (arrow.ArrowException, ValueError, TypeError, NotImplementedError) as error:
        raise ArtifactError(
            f"{folder / FILE} cannot be read as pandas: {error}. Annotate the argument with the "
            "type that its step returns."
        ) from None


def _write(table: Any, folder: Path) -> None:
    arrow = library("pyarrow", "A table as an artifact")
    parquet = library("pyarrow.parquet", "A table as an artifact")
    try:
        parquet.write_table(table, str(folder / FILE))
    except (arrow.ArrowException, ValueError, TypeError) as error:
        raise _unwritable("table", error) from None


def _read(folder: Path, type_name: str) -> Any:
    path = payload_file(folder, FILE, type_name)
    arrow = library("pyarrow", "A table as an artifact")
    parquet = library("pyarrow.parquet", "A table as an artifact")
    try:
        # Not read_table: that imports pyarrow.dataset, which one file does not need.
        large = path.stat().st_size > THREADED
        with parquet.ParquetFile(str(path), pre_buffer=large) as file:
            return file.read(use_threads=large)
    except arrow.ArrowException as error:
        raise ArtifactError(f"{path} is not a readable Parquet file: {error}") from None


def _unwritable(what: str, error: Exception) -> ArtifactError:
    reason = " ".join(str(part) for part in error.args) or type(error).__name__
    return ArtifactError(
        f"The {what} cannot be written as Parquet: {reason}. Give each column one type that "
        "Parquet knows, and each column its own name."
    )
