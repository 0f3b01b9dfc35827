"""Arrow's types in Parquet: which come back as they were, which are restored, which are refused."""

from __future__ import annotations

import base64
import io
from typing import Any, Final

from waterflow.artifacts.base import library
from waterflow.errors import ArtifactError

NEEDS: Final = "A table as an artifact"

_CANONICAL: Final = "arrow."
"""How extension types are called that every process knows without being told."""


def type_text(type_: Any) -> str:
    """Return an Arrow type as text for a file's metadata."""
    arrow = library("pyarrow", NEEDS)
    return schema_text(arrow.schema([arrow.field("", type_)]))


def type_of(text: str) -> Any:
    """Return the type that `type_text` wrote down."""
    return schema_of(text).field(0).type


def schema_text(schema: Any) -> str:
    """Return an Arrow schema as text for a file's metadata."""
    return base64.b64encode(schema.serialize().to_pybytes()).decode()


def schema_of(text: str) -> Any:
    """Return the schema that `schema_text` wrote down."""
    arrow = library("pyarrow", NEEDS)
    return arrow.ipc.read_schema(arrow.py_buffer(base64.b64decode(text)))


def restored(column: Any, type_: Any) -> Any:
    """Return a column as the type it had before it was written.

    Args:
        column: A ChunkedArray, as Parquet gave it.
        type_: Its type before.
    """
    arrow = library("pyarrow", NEEDS)
    # As text too: equal types may name the items of their lists otherwise.
    if column.type == type_ and str(column.type) == str(type_):
        return column
    if not arrow.types.is_dictionary(type_):
        return column.cast(type_)
    if not arrow.types.is_dictionary(column.type):
        column = column.cast(type_.value_type).dictionary_encode()
    chunks = [
        arrow.DictionaryArray.from_arrays(
            chunk.indices.cast(type_.index_type),
            chunk.dictionary.cast(type_.value_type),
            ordered=type_.ordered,
        )
        for chunk in column.unify_dictionaries().chunks
    ]
    return arrow.chunked_array(chunks, type_)


def refuse_lossy(table: Any, what: str) -> None:
    """Refuse a table that Parquet would not give back as it is.

    Args:
        table: The table.
        what: What to call a column in a message.

    Raises:
        ArtifactError: A column would come back otherwise, and which.
    """
    for field, column in zip(table.schema, table.columns, strict=True):
        _refuse_unknown(field.type, f"{what} '{field.name}'", field.type)
        if _doubtful(field.type, column):
            _refuse_altered(column, f"{what} '{field.name}'")


def _refuse_unknown(type_: Any, where: str, whole: Any) -> None:
    """Refuse extension types that only the process knows which made them."""
    arrow = library("pyarrow", NEEDS)
    if isinstance(type_, arrow.BaseExtensionType):
        if not type_.extension_name.startswith(_CANONICAL):
            raise ArtifactError(
                f"{where} has the Arrow type {whole}, an extension that the next step's process "
                "does not know. Give it the type of its storage: column.storage"
            )
        return
    for index in range(type_.num_fields):
        _refuse_unknown(type_.field(index).type, where, whole)
    if arrow.types.is_dictionary(type_):
        _refuse_unknown(type_.value_type, where, whole)


def _doubtful(type_: Any, column: Any) -> bool:
    """Say whether a column must be read back to know that Parquet keeps it."""
    arrow = library("pyarrow", NEEDS)
    types = arrow.types
    if types.is_fixed_size_list(type_):
        # pyarrow writes missing lists of a fixed size, and cannot read them.
        return column.null_count > 0 or type_.value_type.num_fields > 0
    if type_.num_fields == 0 and not types.is_dictionary(type_):
        sure = (
            types.is_integer, types.is_floating, types.is_string, types.is_large_string,
            types.is_boolean, types.is_binary, types.is_large_binary, types.is_duration,
            types.is_decimal128, types.is_date32, types.is_time64,
        )  # fmt: skip
        exact_time = types.is_timestamp(type_) and type_.unit != "s"
        return not (exact_time or any(check(type_) for check in sure))
    if types.is_dictionary(type_):
        return not (types.is_string(type_.value_type) or types.is_large_string(type_.value_type))
    if types.is_list(type_) or types.is_large_list(type_) or types.is_struct(type_):
        parts = [type_.field(index).type for index in range(type_.num_fields)]
        return not parts or any(
            types.is_fixed_size_list(part) or _doubtful(part, column) for part in parts
        )
    return True


def _refuse_altered(column: Any, where: str) -> None:
    arrow = library("pyarrow", NEEDS)
    parquet = library("pyarrow.parquet", NEEDS)
    buffer = io.BytesIO()
    try:
        parquet.write_table(arrow.table({"": column}), buffer)
        buffer.seek(0)
        with parquet.ParquetFile(buffer) as file:
            back = restored(file.read().column(0), column.type)
        same = back.equals(column) or repr(back.to_pylist()) == repr(column.to_pylist())
    except (arrow.ArrowException, ValueError, TypeError, OverflowError) as error:
        reason = " ".join(str(part) for part in error.args)
        raise ArtifactError(
            f"{where} has the Arrow type {column.type}, which Parquet cannot keep: {reason}. Cast "
            "it to a type that Parquet has."
        ) from None
    if not same:
        raise ArtifactError(
            f"{where} has the Arrow type {column.type}, and Parquet gives other values back. Cast "
            "it to a type that Parquet has."
        )
