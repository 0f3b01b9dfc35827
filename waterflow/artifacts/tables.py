"""Tables: pandas, Polars and Arrow, all as one Parquet file that each of them reads."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

from waterflow.artifacts.base import Context, Serializer, library, payload_file, wrong_type
from waterflow.errors import ArtifactError

if TYPE_CHECKING:
    from pathlib import Path

FILE: Final = "data.parquet"
THREADED: Final = 8 * 2**20
"""Bytes from which on threads help: starting them costs more than reading a small table."""


class DataFrameSerializer(Serializer):
    """A pandas DataFrame; its index is kept."""

    name = "dataframe"
    format = "parquet"
    requires = ("pandas", "pyarrow")
    classes = (("pandas", "DataFrame"),)

    def save(self, value: Any, folder: Path, context: Context) -> None:
        """Write `data.parquet`."""
        del context
        arrow = library("pyarrow", "A pandas DataFrame as an artifact")
        if not self.accepts(type(value)):
            raise wrong_type(value, "A pandas DataFrame")
        odd = [name for name in value.columns if not isinstance(name, str)]
        if odd:
            raise ArtifactError(
                f"The DataFrame has a column called {odd[0]!r}: Parquet's column names are "
                "strings. Rename them: df.columns = df.columns.map(str)"
            )
        try:
            with warnings.catch_warnings():
                # pyarrow itself reads times with a zone in a way that pandas 3.1 deprecates.
                warnings.filterwarnings("ignore", message="Series.values returning an ndarray")
                threads = None if value.size * 8 > THREADED else 1
                table = arrow.Table.from_pandas(value, nthreads=threads)
        except (arrow.ArrowException, ValueError, TypeError) as error:
            raise _unwritable("DataFrame", error) from None
        _write(table, folder)

    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Read `data.parquet` as pandas."""
        del annotation, context
        library("pandas", "A pandas DataFrame as an artifact")
        table = _read(folder, self.name)
        return table.to_pandas(use_threads=table.nbytes > THREADED)


class PolarsSerializer(Serializer):
    """A Polars DataFrame."""

    name = "polars"
    format = "parquet"
    requires = ("polars", "pyarrow")
    classes = (("polars", "DataFrame"),)

    def save(self, value: Any, folder: Path, context: Context) -> None:
        """Write `data.parquet`."""
        del context
        arrow = library("pyarrow", "A Polars DataFrame as an artifact")
        if not self.accepts(type(value)):
            raise wrong_type(value, "A Polars DataFrame")
        try:
            # Arrow's older text layout, which every reader of Parquet knows.
            table = value.to_arrow(compat_level=library("polars", "Polars").CompatLevel.oldest())
        except (arrow.ArrowException, ValueError, TypeError) as error:
            raise _unwritable("Polars DataFrame", error) from None
        _write(table, folder)

    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Read `data.parquet` as Polars; what pandas keeps as its index becomes columns."""
        del annotation, context
        polars = library("polars", "A Polars DataFrame as an artifact")
        return polars.from_arrow(_read(folder, self.name))


class ArrowSerializer(Serializer):
    """A pyarrow Table."""

    name = "arrow"
    format = "parquet"
    requires = ("pyarrow",)
    classes = (("pyarrow", "Table"),)

    def save(self, value: Any, folder: Path, context: Context) -> None:
        """Write `data.parquet`."""
        del context
        if not self.accepts(type(value)):
            raise wrong_type(value, "A pyarrow Table")
        _write(value, folder)

    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Read `data.parquet` as a pyarrow Table."""
        del annotation, context
        return _read(folder, self.name)


def _write(table: Any, folder: Path) -> None:
    arrow = library("pyarrow", "A table as an artifact")
    parquet = library("pyarrow.parquet", "A table as an artifact")
    try:
        parquet.write_table(table, str(folder / FILE))
    except arrow.ArrowException as error:
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
