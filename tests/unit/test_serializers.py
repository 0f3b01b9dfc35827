"""Serializers: plain data, the names of types, and which types fit each other."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import os
import subprocess
import sys
import typing
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression

from waterflow import artifacts
from waterflow.artifacts.types import Metrics, Model
from waterflow.errors import ArtifactError
from waterflow.language.types import STATIC, Data

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


@dataclasses.dataclass(frozen=True)
class Shape:
    name: str
    points: list[Point]
    by_name: dict[str, Point]
    centre: Point | None = None
    span: tuple[int, float] = (0, 0.0)


@dataclasses.dataclass
class Tree:
    value: int
    children: list[Tree] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Holder:
    table: pd.DataFrame


class Options(TypedDict):
    rate: float
    label: NotRequired[str]


class Colour(enum.Enum):
    RED = 1


class Custom(BaseEstimator):
    def __init__(self, power: int = 2) -> None:
        self.power = power


# --- plain data --------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(
        st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=12,
)  # fmt: skip


@given(value=JSON)
def test_plain_data_comes_back(tmp_path_factory: pytest.TempPathFactory, value: object):
    folder = tmp_path_factory.mktemp("plain")
    back = trip("json", value, folder)
    assert back == value
    assert repr(back) == repr(value) or not isinstance(value, float)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("integer", 3, b"3"),
        ("number", 3, b"3"),
        ("number", 0.1, b"0.1"),
        ("number", float("nan"), b'{"$float":"nan"}'),
        ("number", np.float32(0.5), b'{"$numpy":["<f4",0.5]}'),
        ("integer", np.int64(7), b'{"$numpy":["<i8",7]}'),
        ("string", "Wässer", '"Wässer"'.encode()),
        ("null", None, b"null"),
        ("integer", None, b"null"),
        ("json", {"b": [1, 2], "a": None}, b'{"b":[1,2],"a":null}'),
        ("json", {"b": (1, 2)}, b'{"b":{"$tuple":[1,2]}}'),
        ("json", {"$b": 1}, b'{"$dict":[["$b",1]]}'),
        ("metrics", {"b": 1, "a": 0.5}, b'{"b":1.0,"a":0.5}'),
        ("metrics", Metrics(b=1, a=np.float64(0.5)), b'{"b":1.0,"a":0.5}'),
    ],
)
def test_plain_data_is_canonical_json(tmp_path: Path, name: str, value: object, text: bytes):
    save(name, value, tmp_path)
    assert (tmp_path / "value.json").read_bytes() == text


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("json", [{"a": {1, 2}, "b": len}], r"value\[0\]\['b'\] is of type builtin_function"),
        ("json", Point(1, [object()]), r"value.tags\[0\] is of type object"),  # type: ignore[list-item]
        ("json", np.zeros(3), "of type numpy.ndarray, which is not plain data"),
        ("integer", 1.5, "Plain data of type 'integer' is expected, and the value is 1.5 (float)"),
        ("integer", True, "value is True (bool)"),
        ("boolean", 1, "value is 1 (int)"),
        ("string", 1, "value is 1 (int)"),
        ("number", "1", "value is '1' (str)"),
        ("null", 0, "value is 0 (int)"),
        ("metrics", {"auc": "high"}, "metric 'auc' is 'high' (str)"),
        ("metrics", {"auc": True}, "metric 'auc' is True (bool)"),
        ("metrics", [1.0], "A dict of metrics"),
        ("dataframe", None, "A pandas DataFrame is expected, and the value is None"),
        ("dataframe", pd.DataFrame({"a": [1, object()]}), "column 'a', row 1 is of type object"),
        ("polars", pd.DataFrame({"a": [1]}), "A Polars DataFrame is expected"),
        ("arrow", 1, "A pyarrow Table is expected"),
        ("array", [1, 2], "A numpy array is expected"),
        ("array", np.array([None, "a"]), "dtype object, which only pickle can write"),
        ("array", np.ma.masked_array([1, 2], [True, False]), "masked"),
        ("estimator", "model", "A model (a scikit-learn estimator"),
        ("model", None, "A model (a scikit-learn estimator"),
        ("bytes", "text", "bytes is expected"),
        ("path", "a/b", "A pathlib.Path is expected"),
        ("path", Path("/no/such/file"), "no such file or folder"),
        ("figure", b"png", "A matplotlib Figure is expected"),
        ("list[array]", np.zeros(2), r"A list\[array\] is expected"),
    ],
)
def test_what_cannot_be_written_is_said(tmp_path: Path, name: str, value: object, said: str):
    said = said.replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ArtifactError, match=said) as caught:
        save(name, value, tmp_path)
    assert "\n" not in str(caught.value)
    with pytest.raises(ArtifactError, match="not a finished artifact"):
        artifacts.verify(tmp_path)


SHAPE = Shape("square", [Point(1.0, ["a"])], {"p": Point(2.0)}, Point(0.0), (3, 4.0))


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (SHAPE, Shape),
        ([SHAPE, SHAPE], list[Shape]),
        ({"a": SHAPE}, dict[str, Shape]),
        (SHAPE, Shape | None),
        (None, Shape | None),
        (Tree(1, [Tree(2)]), Tree),
        ({"rate": 0.5}, Options),
        ((1, 2), tuple[int, ...]),
        ([1, 2], Sequence[int]),
        ({"a": 1}, Mapping[str, int]),
        ("fast", Literal["fast", "slow"]),
        (3, int | str),
        ("3", int | str),
        (3, Annotated[int, STATIC]),
        ([None, 1], list[int | None]),
    ],
)
def test_values_are_rebuilt_as_the_annotation_says(
    tmp_path: Path, value: object, annotation: object
):
    assert artifacts.type_name(annotation) is not None
    back = trip("json", value, tmp_path, annotation)
    assert back == value
    assert type(back) is type(value)


def test_an_integer_is_a_number_and_stays_an_integer(tmp_path: Path):
    number = load("number", save("integer", 3, tmp_path), float)
    assert number == 3
    assert type(number) is int


@pytest.mark.parametrize(
    ("value", "annotation", "said"),
    [
        ("x", int, "value is 'x' (str), and an integer is expected"),
        (1.0, int, "value is 1.0 (float), and an integer is expected"),
        (True, int, "value is True (bool)"),
        (1, bool, "a boolean is expected"),
        (None, str, "value is None, and a string is expected"),
        ([1], dict, "a dict is expected"),
        ({"a": 1}, list[int], "a list is expected"),
        ([1, "x"], list[int], r"value\[1\] is 'x' (str)"),
        ({"a": {"b": None}}, dict[str, dict[str, float]], r"value\['a'\]\['b'\] is None"),
        (True, Literal[1, 2], "one of"),
        (1.5, int | str, "value is 1.5"),
        ({"x": 1.0, "colour": "red"}, Point, "does not fit Point"),
        ({}, Point, "does not fit Point"),
        ({"x": "far"}, Point, "value.x is 'far'"),
        ({"label": "a"}, Options, "does not fit Options"),
        ([1], tuple[int, int], "a tuple of 2 is expected"),
        (["x"], list[int], "Make the annotation and the value agree."),
        ({"auc": "x"}, dict[str, Metrics], r"value\['auc'\] is 'x' (str)"),
    ],
)
def test_a_value_that_does_not_fit_is_named(
    tmp_path: Path, value: object, annotation: object, said: str
):
    save("json", value, tmp_path)
    with pytest.raises(ArtifactError, match=said.replace("(", r"\(").replace(")", r"\)")):
        load("json", tmp_path, annotation)


def test_metrics_come_back_as_metrics(tmp_path: Path):
    metrics = trip("metrics", {"auc": 1}, tmp_path)
    assert type(metrics) is Metrics
    assert metrics == {"auc": 1.0}


# --- type names --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "name"),
    [
        (int, "integer"), (float, "number"), (bool, "boolean"), (str, "string"),
        (None, "null"), (type(None), "null"), (Any, "any"), (object, "any"),
        (dict, "json"), (list, "json"), (dict[str, int], "json"), (dict[str, Any], "json"),
        (list[int], "json"), (list[list[str]], "json"), (list[Any], "json"), (list[Shape], "json"),
        (typing.List[int], "json"), (Sequence[int], "json"), (Mapping[str, float], "json"),  # noqa: UP006
        (tuple[int, str], "json"), (dict[int, str], "json"), (set[int], "json"),
        (complex, "json"), (dt.date, "json"), (Decimal, "json"), (Colour, "json"),
        (dict[Colour, dt.date], "json"), (np.float64, "json"), (pd.Timestamp, "json"),
        (pd.Series, "series"), (pd.Index, "index"), (pd.DatetimeIndex, "index"),
        (Shape, "json"), (Tree, "json"), (Options, "json"), (Holder, None),
        (pd.DataFrame, "dataframe"), (pl.DataFrame, "polars"), (pa.Table, "arrow"),
        (np.ndarray, "array"), (np.typing.NDArray[np.float64], "array"),
        (LogisticRegression, "estimator"), (BaseEstimator, "estimator"), (Custom, "estimator"),
        (Model, "model"), (Data, "data"), (Metrics, "metrics"), (Path, "path"),
        (Figure, "figure"), (bytes, "bytes"), (list[pd.DataFrame], "list[dataframe]"),
        (list[Metrics], "list[metrics]"), (list[list[Path]], "list[list[path]]"),
        (list[Data], None), (list[set], "json"), (dict[str, pd.DataFrame], "dict[dataframe]"),
        (dict[str, list[np.ndarray]], "dict[list[array]]"), (dict[str, Data], None),
        (dict[str, bytes], "dict[bytes]"), (set[pd.DataFrame], None), (dict[str, set[Path]], None),
        (int | None, "integer"), (typing.Optional[float], "number"), (Data | None, "data"),  # noqa: UP045
        (pd.DataFrame | None, "dataframe"), (int | float, "number"), (int | str, "json"),
        (int | pd.DataFrame, None), (Literal["a", "b"], "string"), (Literal[1, 2], "integer"),
        (Literal["a", 1], "json"), (Literal["a"] | None, "string"),
        (Annotated[int, STATIC], "integer"), ("int", None), (3, None),
    ],
)  # fmt: skip
def test_annotations_have_type_names(annotation: object, name: str | None):
    assert artifacts.type_name(annotation) == name


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (1, "integer"), (1.0, "number"), (True, "boolean"), ("", "string"), (None, "null"),
        ([], "json"), ({"a": (1,)}, "json"), (Point(1.0), "json"), (np.int8(1), "integer"),
    ],
)  # fmt: skip
def test_constants_have_type_names(value: object, name: str):
    assert artifacts.infer(value) == name


def test_what_is_no_constant_has_no_type_name():
    with pytest.raises(ArtifactError, match=r"value\[0\] is of type object"):
        artifacts.infer([object()])


@pytest.mark.parametrize(
    ("produced", "accepted", "fits"),
    [
        ("integer", "integer", True), ("integer", "number", True), ("number", "integer", False),
        ("string", "number", False), ("json", "integer", True), ("integer", "json", True),
        ("boolean", "integer", False), ("metrics", "json", True), ("json", "metrics", True),
        ("metrics", "number", False), ("dataframe", "polars", True), ("arrow", "dataframe", True),
        ("dataframe", "json", False), ("estimator", "model", True), ("model", "estimator", True),
        ("estimator", "any", True), ("any", "array", True), ("figure", "path", True),
        ("path", "figure", False), ("path", "bytes", False), ("data", "data", True),
        ("data", "path", False), ("list[dataframe]", "list[arrow]", True),
        ("list[dataframe]", "list[array]", False), ("list[dataframe]", "dataframe", False),
        ("json", "list[dataframe]", False), ("list[metrics]", "json", False),
        ("dict[dataframe]", "dict[polars]", True), ("dict[dataframe]", "list[dataframe]", False),
        ("series", "dataframe", False), ("series", "series", True), ("sparse", "array", False),
    ],
)  # fmt: skip
def test_compatible_types(produced: str, accepted: str, fits: bool):
    assert artifacts.compatible(produced, accepted) is fits


def test_an_unknown_name_is_an_error_with_the_known_ones():
    with pytest.raises(ArtifactError, match=r"no artifact type 'hologram'. Known: integer, number"):
        artifacts.by_name("hologram")


def test_requirements_come_with_the_type():
    assert artifacts.by_name("dataframe").requires == ("pandas", "pyarrow")
    assert artifacts.by_name("list[estimator]").requires == ("scikit-learn", "skops")
    assert artifacts.by_name("json").requires == ()
    assert artifacts.is_plain("json")
    assert not artifacts.is_plain("metrics")


PLUGIN = """
from waterflow.artifacts import Serializer

class Hologram:
    def __init__(self, content): self.content = content

class HologramSerializer(Serializer):
    name, format, requires = "hologram", "raw", ("hologramlib",)
    classes = (("hologramlib", "Hologram"),)
    def save(self, value, folder, context): (folder / "t.raw").write_bytes(value.content)
    def load(self, folder, annotation, context): return Hologram((folder / "t.raw").read_bytes())
"""


def test_another_package_adds_a_type(tmp_path: Path):
    (tmp_path / "hologramlib.py").write_text(PLUGIN)
    info = tmp_path / "hologramlib-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hologramlib\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[waterflow.serializers]\nhologram = hologramlib:HologramSerializer\n"
    )
    code = f"""
import pathlib, tempfile
import hologramlib
from waterflow import artifacts as s
assert s.type_name(list[hologramlib.Hologram]) == "list[hologram]"
assert s.compatible("hologram", "hologram") and not s.compatible("hologram", "array")
folder = pathlib.Path({str(tmp_path / "out")!r}); folder.mkdir()
s.by_name("list[hologram]").save([hologramlib.Hologram(b"1")], folder, s.Context())
print(s.by_name("list[hologram]").load(folder, list, s.Context())[0].content)
"""
    done = run_python(code, PYTHONPATH=str(tmp_path))
    assert done == "b'1'"
    (info / "entry_points.txt").write_text("[waterflow.serializers]\nhologram = hologramlib:Gone\n")
    code = """
from waterflow import artifacts
from waterflow.errors import ConfigurationError
try: artifacts.by_name("hologram")
except ConfigurationError as error: print(error)
"""
    done = run_python(code, PYTHONPATH=str(tmp_path))
    assert "hologram = hologramlib:Gone (waterflow.serializers) cannot be loaded" in done


def run_python(code: str, **environment: str) -> str:
    paths = [environment.pop("PYTHONPATH", ""), str(Path(artifacts.__file__).parents[2])]
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
