"""Serializers: tables, arrays, bytes, paths, figures, lists, and what nobody annotated."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression

from waterflow import artifacts
from waterflow.artifacts.types import Metrics
from waterflow.errors import ArtifactError

CONTEXT = artifacts.Context()


def save(name: str, value: object, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    artifacts.by_name(name).save(value, folder, CONTEXT)
    artifacts.seal(folder, name)
    return folder


def load(name: str, folder: Path, annotation: object = Any) -> Any:
    artifacts.verify(folder)
    return artifacts.by_name(name).load(folder, annotation, CONTEXT)


def trip(name: str, value: object, folder: Path, annotation: object = Any) -> Any:
    return load(name, save(name, value, folder), annotation)


@dataclasses.dataclass
class Point:
    x: float
    tags: list[str] = dataclasses.field(default_factory=list)


# --- tables ------------------------------------------------------------------------------------

FRAME = pd.DataFrame(
    {
        "number": [1.5, None, 3.0],
        "text": ["a", "ß", None],
        "when": pd.to_datetime(["2024-01-01", "2024-01-02", None], utc=True),
        "kind": pd.Categorical(["x", "y", "x"]),
    },
    index=pd.Index(["r1", "r2", "r3"], name="row"),
)


def test_a_pandas_frame_comes_back_with_its_index(tmp_path: Path):
    pd.testing.assert_frame_equal(trip("dataframe", FRAME, tmp_path / "1"), FRAME)
    plain = pd.DataFrame({"a": range(5)})[1:4]
    pd.testing.assert_frame_equal(trip("dataframe", plain, tmp_path / "2"), plain)
    empty = pd.DataFrame()
    pd.testing.assert_frame_equal(trip("dataframe", empty, tmp_path / "3"), empty)


def test_every_table_is_read_by_every_reader(tmp_path: Path):
    columns = {"a": [1, 2], "b": ["x", "y"], "c": [0.5, None]}
    writers = {"dataframe": pd.DataFrame, "polars": pl.DataFrame, "arrow": pa.table}
    for writer, make in writers.items():
        folder = save(writer, make(columns), tmp_path / writer)
        frame = load("dataframe", folder)
        pd.testing.assert_frame_equal(frame, pd.DataFrame(columns))
        assert load("polars", folder).equals(pl.DataFrame(columns))
        table = load("arrow", folder)
        assert isinstance(table, pa.Table)
        assert table.to_pydict() == columns


def test_polars_types_come_back(tmp_path: Path):
    frame = pl.DataFrame(
        {"kind": ["x", "y"], "items": [[1], [2, 3]], "deep": [{"a": 1}, {"a": 2}]},
        schema_overrides={"kind": pl.Categorical},
    )
    back = trip("polars", frame, tmp_path)
    assert back.schema == frame.schema
    assert back.equals(frame)


def test_the_wrong_format_is_named(tmp_path: Path):
    save("dataframe", FRAME, tmp_path)
    with pytest.raises(ArtifactError, match=r"model.skops is expected, and it holds data.parquet"):
        load("estimator", tmp_path)
    (tmp_path / "data.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ArtifactError, match="not a readable Parquet file"):
        artifacts.by_name("dataframe").load(tmp_path, Any, CONTEXT)


# --- arrays, bytes, paths, figures, lists ------------------------------------------------------


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array("text"),
        np.array(5),
        np.zeros((0, 3), dtype=np.float32),
        np.array([(1, 2.0)], dtype=[("a", "u1"), ("b", "f8")]),
        np.array(["2024-01-01"], dtype="datetime64[D]"),
    ],
)
def test_an_array_comes_back(tmp_path: Path, array: np.ndarray):
    back = trip("array", array, tmp_path)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert (back == array).all()


def test_equal_arrays_have_equal_bytes(tmp_path: Path):
    array = np.arange(12.0).reshape(3, 4)
    padded = np.dtype({"names": ["a", "b"], "formats": ["u1", "f8"], "offsets": [0, 8]})
    noisy = np.frombuffer(os.urandom(64), dtype=padded).copy()
    noisy["a"], noisy["b"] = 1, 2.0
    clean = np.zeros(4, dtype=padded)
    clean["a"], clean["b"] = 1, 2.0
    for number, (one, other) in enumerate([(array, np.asfortranarray(array)), (noisy, clean)]):
        first = save("array", one, tmp_path / f"{number}a") / "array.npy"
        second = save("array", other, tmp_path / f"{number}b") / "array.npy"
        assert first.read_bytes() == second.read_bytes()


def test_bytes_come_back(tmp_path: Path):
    assert trip("bytes", b"\0\xff", tmp_path / "1") == b"\0\xff"
    assert trip("bytes", b"", tmp_path / "2") == b""


def test_a_file_keeps_its_name(tmp_path: Path):
    source = tmp_path / "model.onnx"
    source.write_bytes(b"onnx")
    link = tmp_path / "latest.onnx"
    link.symlink_to(source)
    file = trip("path", source, tmp_path / "1")
    assert (file.name, file.read_bytes()) == ("model.onnx", b"onnx")
    file = trip("path", link, tmp_path / "2")
    assert (file.name, file.read_bytes()) == ("latest.onnx", b"onnx")
    assert not file.is_symlink()


def test_a_folder_comes_back_whole(tmp_path: Path):
    source = tmp_path / "images"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "a.txt").write_text("a")
    (source / "b.txt").write_text("b")
    source.chmod(0o555)
    try:
        folder = trip("path", source, tmp_path / "out")
    finally:
        source.chmod(0o755)
    assert folder.name == "images"
    assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*.txt")) == [
        "b.txt",
        "deep/a.txt",
    ]


def test_an_empty_folder_comes_back_empty(tmp_path: Path):
    (tmp_path / "none").mkdir()
    save("path", tmp_path / "none", tmp_path / "built")
    artifacts.publish(tmp_path / "built", tmp_path / "target")
    folder = load("path", tmp_path / "target")
    assert folder.is_dir()
    assert not list(folder.iterdir())


def test_a_link_inside_a_folder_is_refused(tmp_path: Path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "secret").symlink_to("/etc/hostname")
    with pytest.raises(ArtifactError, match="secret is a symbolic link"):
        save("path", tmp_path / "source", tmp_path / "out")
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(ArtifactError, match="Give it another name"):
        save("path", tmp_path / "manifest.json", tmp_path / "out2")


def figure() -> Figure:
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot([0, 1, 4, 9])
    return figure


def test_the_same_figure_is_the_same_picture(tmp_path: Path):
    one, two = (trip("figure", figure(), tmp_path / str(number)) for number in range(2))
    assert one.name == "figure.png"
    assert one.read_bytes() == two.read_bytes()
    assert one.read_bytes().startswith(b"\x89PNG")
    assert b"Software" not in one.read_bytes()
    folder = one.parent
    assert load("path", folder) == one


def test_lists_keep_their_order(tmp_path: Path):
    arrays = [np.full(2, number) for number in range(12)]
    folder = save("list[array]", arrays, tmp_path / "1")
    assert sorted(p.name for p in folder.iterdir() if p.is_dir())[:3] == ["0", "1", "10"]
    assert [a[0] for a in load("list[array]", folder)] == list(range(12))
    assert trip("list[array]", [], tmp_path / "2") == []
    frames = [pl.DataFrame({"a": [1]})]
    folder = save("list[polars]", frames, tmp_path / "3")
    assert isinstance(load("list[dataframe]", folder)[0], pd.DataFrame)
    nested = trip("list[list[metrics]]", [[{"a": 1.0}], [{"b": 2}]], tmp_path / "4")
    assert nested == [[{"a": 1.0}], [{"b": 2.0}]]


def test_a_list_with_a_gap_is_refused(tmp_path: Path):
    folder = save("list[bytes]", [b"a", b"b", b"c"], tmp_path / "out")
    (folder / "1" / "value.bin").unlink()
    (folder / "1").rmdir()
    with pytest.raises(ArtifactError, match="folders 0, 1, 2"):
        artifacts.by_name("list[bytes]").load(folder, list[bytes], CONTEXT)
    (tmp_path / "none").mkdir()
    with pytest.raises(ArtifactError, match="item 0 is empty"):
        save("list[path]", [tmp_path / "none"], tmp_path / "out2")


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (FRAME, "dataframe"), (pa.table({"a": [1]}), "arrow"), (np.zeros(2), "array"),
        (1, "integer"), ([1, {"a": None}], "json"),
        (Metrics(a=1), "metrics"), (None, "null"), (b"x", "bytes"),
        (np.float64(1), "number"), (Point(1.0), "json"), (LogisticRegression(), "estimator"),
        (Path(__file__), "path"),
    ],
)  # fmt: skip
def test_what_nobody_annotated_is_written_as_what_it_is(tmp_path: Path, value: Any, name: str):
    anything = artifacts.by_name("any")
    assert anything.resolve(value).name == name
    assert artifacts.by_name(name).resolve(value).name == name
    back = trip("any", value, tmp_path)
    if name == "path":
        assert back.read_bytes() == value.read_bytes()
    elif name in ("integer", "json", "metrics", "null", "bytes", "number"):
        assert back == value
