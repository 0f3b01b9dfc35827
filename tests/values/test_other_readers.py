"""Tables read as another library's, and by other programs than Waterflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from waterflow import artifacts
from waterflow.errors import ArtifactError

if TYPE_CHECKING:
    from pathlib import Path

CONTEXT = artifacts.Context()


def save(name: str, value: object, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    artifacts.by_name(name).save(value, folder, CONTEXT)
    artifacts.seal(folder, name)
    return folder


def load(name: str, folder: Path) -> Any:
    return artifacts.by_name(name).load(folder, Any, CONTEXT)


FRAME = pd.DataFrame(
    {
        "number": [1.5, np.nan, 3.0],
        "text": ["a", None, "ß"],
        "kind": pd.Categorical(["x", "y", "x"], categories=["z", "y", "x"]),
        "size": pd.Categorical([3, 1, 3], categories=[5, 3, 1]),
        "when": pd.date_range("2024", periods=3, tz="Europe/Berlin"),
        7: [1, 2, 3],
        "big": pd.Series([2**60 + 1, None, 3], dtype=object),
    }
)


def test_other_programs_find_a_parquet_file_like_any(tmp_path: Path):
    frame = FRAME.set_index(pd.Index(["r", "s", "t"], name="row"))
    file = save("dataframe", frame, tmp_path) / "data.parquet"
    back = pd.read_parquet(file)
    assert list(back.columns) == ["number", "text", "kind", "size", "when", "7", "big"]
    assert list(back.index) == ["r", "s", "t"]
    assert back.index.name == "row"
    assert back["size"].tolist() == [3, 1, 3]
    assert back["when"].tolist() == frame["when"].tolist()
    assert pl.read_parquet(file)["big"].to_list() == [2**60 + 1, None, 3]
    assert pq.read_table(file).column("text").to_pylist() == ["a", None, "ß"]


def test_a_range_is_no_column_for_other_programs(tmp_path: Path):
    file = save("dataframe", pd.DataFrame({"a": [1, 2]}, index=range(5, 7)), tmp_path)
    assert pq.read_table(file / "data.parquet").column_names == ["a"]
    assert list(pd.read_parquet(file / "data.parquet").index) == [5, 6]


def test_a_pandas_table_is_read_as_polars_and_arrow(tmp_path: Path):
    folder = save("dataframe", FRAME, tmp_path)
    assert load("polars", folder)["size"].to_list() == [3, 1, 3]
    assert load("polars", folder).columns[-2] == "7"
    table = load("arrow", folder)
    assert table.column("big").to_pylist() == [2**60 + 1, None, 3]
    assert b"waterflow" not in table.schema.metadata


OPAQUE = {
    "period": pd.period_range("2024", periods=2, freq="M"),
    "tuples": pd.Series([(1,), (2, 3)]),
    "cut": pd.cut([1, 5], [0, 3, 6]),
    "mixed": pd.Series([1, "a"]),
}


@pytest.mark.parametrize("name", OPAQUE)
@pytest.mark.parametrize("reader", ["polars", "arrow"])
def test_a_column_that_only_pandas_knows_is_refused_by_name(tmp_path: Path, name: str, reader: str):
    folder = save("dataframe", pd.DataFrame({"plain": [1, 2], "odd": OPAQUE[name]}), tmp_path)
    with pytest.raises(ArtifactError, match="column 'odd' holds what only pandas has a type for"):
        load(reader, folder)


def test_what_arrow_has_read_is_written_as_arrows(tmp_path: Path):
    first = save("dataframe", FRAME, tmp_path / "1")
    table = load("arrow", first).slice(0, 1)
    second = save("arrow", table, tmp_path / "2")
    assert load("arrow", second).equals(table)
    assert load("dataframe", second)["number"].tolist() == [1.5]


def test_polars_tables_are_read_by_the_others(tmp_path: Path):
    kind = pl.Series(["b", "a"], dtype=pl.Enum(["b", "a"]))
    frame = pl.DataFrame({"": [1, 2]}).with_columns(kind=kind)
    folder = save("polars", frame, tmp_path)
    assert load("dataframe", folder)["kind"].tolist() == ["b", "a"]
    assert load("arrow", folder).column("").to_pylist() == [1, 2]


def test_a_file_of_an_earlier_release_is_read(tmp_path: Path):
    frame = pd.DataFrame({"number": [1.5, np.nan], "text": ["a", None]}, index=["r", "s"])
    pq.write_table(pa.Table.from_pandas(frame), tmp_path / "data.parquet")
    pd.testing.assert_frame_equal(load("dataframe", tmp_path), frame)
    assert load("polars", tmp_path).columns == ["number", "text", "__index_level_0__"]
