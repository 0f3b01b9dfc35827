"""Steps on tables and arrays."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

import waterflow as wf


class Halves(NamedTuple):
    """Two tables and a number: several outputs of one step."""

    left: pd.DataFrame
    right: pd.DataFrame
    rows: int


@wf.step
def examples() -> pd.DataFrame:
    """Return rows that a model takes."""
    return pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0]})


@wf.step
def table(rows: int, scale: float = 0.1) -> pd.DataFrame:
    """Return a table of the kinds of columns that Parquet must keep."""
    numbers = np.arange(rows)
    return pd.DataFrame(
        {
            "x": np.sin(numbers * scale),
            "y": numbers * scale,
            "label": (numbers % 3 == 0).astype("int64"),
            "name": [f"row {n} ✓" for n in range(rows)],
            "at": pd.Timestamp("2024-02-29") + pd.to_timedelta(numbers, unit="h"),
        }
    )


@wf.step
def halve(whole: pd.DataFrame) -> Halves:
    """Return both halves and the number of rows."""
    middle = len(whole) // 2
    return Halves(whole.iloc[:middle], whole.iloc[middle:].reset_index(drop=True), len(whole))


class Piece(NamedTuple):
    """A table and a number: what a map over a step with several outputs gives for each item."""

    part: pd.DataFrame
    at: int


@wf.step
def piece(whole: pd.DataFrame, number: int) -> Piece:
    """Return one row in three, and which."""
    return Piece(whole.iloc[number::3].reset_index(drop=True), number)


@wf.step
def to_arrow(whole: pa.Table) -> pa.Table:  # pyright: ignore[reportUnknownParameterType]
    """Read a DataFrame as an Arrow table, and return one."""
    return whole.select(["x", "label"])


@wf.step
def to_array(columns: pa.Table) -> np.ndarray:  # pyright: ignore[reportUnknownParameterType]
    """Return the columns as a matrix."""
    return np.column_stack([columns["x"].to_numpy(), columns["label"].to_numpy()])


@wf.step
def gather(tables: list[pd.DataFrame], extra: list[int]) -> pd.DataFrame:
    """Join tables that several steps made."""
    return pd.concat(tables, ignore_index=True).assign(extra=sum(extra))


@wf.step
def scaled(whole: pd.DataFrame, by: int) -> pd.DataFrame:
    """Return a table for one item of a map."""
    return whole[["x"]] * by
