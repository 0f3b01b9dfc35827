"""What pipelines hand on: through whole runs, by the doors that users have."""

from __future__ import annotations

import contextlib
import importlib
import sys
from typing import TYPE_CHECKING, Any

import pytest

from waterflow.errors import DefinitionError
from waterflow.provider.state import Status
from waterflow.runs import submit as submitting

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from waterflow.runs.run import Run

STEPS = '''
"""Steps that return what is easily lost on the way."""
import dataclasses
import datetime as dt
import enum
from pathlib import Path
from typing import Any, NamedTuple
import numpy as np
import pandas as pd
import waterflow as wf


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Config:
    rate: float
    layers: tuple[int, ...] = (1,)
    calls: int = dataclasses.field(init=False, default=0)

    def __post_init__(self) -> None:
        self.rate = self.rate / 2
        self.calls += 1


class Both(NamedTuple):
    nothing: int | None
    frames: dict[str, pd.DataFrame]


@wf.step
def give() -> Both:
    return Both(None, {"b": pd.DataFrame({0: [1.5, None]}), "a": pd.DataFrame()})


@wf.step
def described(nothing: int | None, frames: dict[str, pd.DataFrame]) -> dict[str, Any]:
    columns = [frame.columns.dtype.name for frame in frames.values()]
    return {"nothing": nothing, "names": list(frames), "columns": columns}


def many() -> dict[str, Any]:
    return {
        "z": (1, [2, (3,)]),
        "a": Colour.RED,
        "when": dt.date(2024, 1, 1),
        "config": Config(4.0),
        "n": np.float32(0.1),
    }


@wf.step
def plain() -> dict[str, Any]:
    return many()


@wf.step
def same(value: dict[str, Any]) -> bool:
    return value == many() and list(value) == list(many()) and type(value["n"]) is np.float32


@wf.step
def constant(config: Config, order: dict[str, int], tagged: dict[str, Any], any_: Any) -> str:
    return f"{config.rate} {config.calls} {config.layers} {list(order)} {tagged} {any_}"


@wf.step
def gathered(both: tuple[bool, int]) -> str:
    return repr(both)


@wf.step
def parameter(order: dict[str, int]) -> list[str]:
    return list(order)


@wf.pipeline
def kept(order: dict[str, int]) -> None:
    both = give()
    described(both.nothing, both.frames)
    constant(Config(4.0, (2, 3)), {"b": 1, "a": 2}, {"$tuple": [1]}, {"z": (1, [2.0]), "a": 1})
    gathered((same(plain()), 1))
    parameter(order)


@wf.step
def folder() -> Path:
    Path("notes").mkdir()
    Path("notes/a.txt").write_text("as it was")
    Path("notes/b.txt").write_text("as it was")
    return Path("notes")


@wf.step
def source() -> Path:
    Path("a.txt").write_text("as it was")
    return Path("a.txt")


@wf.step
def changes(notes: Path, how: str) -> int:
    if how == "writes":
        (notes / "a.txt").chmod(0o644)
        (notes / "a.txt").write_text("as it is!")
    elif how == "adds":
        (notes / "c.txt").write_text("new")
    elif how == "removes":
        (notes / "b.txt").unlink()
    elif how == "reads":
        (notes / "a.txt").read_text()
    return 1


@wf.pipeline
def changing(how: str) -> None:
    changes(folder(), how)


@wf.step
def reads(notes: Path, salt: int) -> str:
    return notes.read_text()


@wf.pipeline
def reading(salt: int = 0) -> None:
    reads(source(), salt)


@wf.step
def score() -> wf.Metrics:
    return wf.Metrics(auc=float("nan"), loss=1)


@wf.step
def shown(metrics: wf.Metrics) -> str:
    return str(metrics)


@wf.pipeline
def measured() -> None:
    shown(score())


@wf.pipeline
def compared() -> None:
    with wf.when(score()["auc"] >= 0.5):
        shown(score.options(name="again")())


@wf.step
def numbers() -> dict[str, Any]:
    return {"auc": np.float64(0.75), "config": Config(1.0)}


@wf.step
def config() -> Config:
    return Config(1.0)


@wf.pipeline
def gated() -> None:
    with wf.when((numbers()["auc"] >= 0.5) & (config()["rate"] == 0.5)):
        shown(score())


@wf.step
def wrong() -> list[int]:
    return [1, "x"]


@wf.pipeline
def refused() -> None:
    wrong()
'''


class Project:
    """A project with those steps."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "value_steps.py").write_text(STEPS)
        (root / "waterflow.toml").write_text(
            '[profiles.mine]\nprovider = "local"\nsend = "later"\n'
        )

    @contextlib.contextmanager
    def code(self) -> Generator[Any]:
        sys.path.insert(0, str(self.root))
        importlib.invalidate_caches()
        sys.modules.pop("value_steps", None)
        try:
            yield importlib.import_module("value_steps")
        finally:
            sys.path.remove(str(self.root))
            sys.modules.pop("value_steps", None)

    def run(self, pipeline: str, **parameters: Any) -> Run:
        with self.code() as module:
            call = getattr(module, pipeline)(**parameters)
            run = submitting.submit(call, profile="mine", root=self.root)
        with contextlib.suppress(Exception):
            run.wait()
        return run


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_values_arrive_as_they_were_returned(project: Project):
    run = project.run("kept", order={"z": 1, "a": 2})
    assert run.status is Status.SUCCEEDED, list(run.logs())
    assert run.artifact("described").load() == {
        "nothing": None,
        "names": ["b", "a"],
        "columns": ["int64", "int64"],
    }
    assert run.artifact("same").load() is True
    assert run.artifact("constant").load() == (
        "2.0 1 (2, 3) ['b', 'a'] {'$tuple': [1]} {'z': (1, [2.0]), 'a': 1}"
    )
    assert run.artifact("gathered").load() == "(True, 1)"
    assert run.artifact("parameter").load() == ["z", "a"]
    with project.code() as module:
        assert run.artifact("plain").load()["config"].calls == 1
        assert isinstance(run.artifact("plain").load()["config"], module.Config)


def test_another_order_of_a_parameter_is_another_value(project: Project):
    assert project.run("kept", order={"z": 1, "a": 2}).artifact("parameter").load() == ["z", "a"]
    assert project.run("kept", order={"a": 2, "z": 1}).artifact("parameter").load() == ["a", "z"]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("writes", "altered 'notes/a.txt'"),
        ("adds", "not in the manifest 'notes/c.txt'"),
        ("removes", "missing 'notes/b.txt'"),
        ("reads", None),
    ],
)
def test_an_input_that_a_step_changes_fails_that_step(project: Project, how: str, said: str | None):
    run = project.run("changing", how=how)
    if said is None:
        assert run.status is Status.SUCCEEDED
        return
    assert run.status is Status.FAILED
    error = run.state.steps["changes"].error
    assert error is not None
    assert f"step 'changes': it changed its input 'notes': {said}" in error
    assert "Copy it first" in error
    # What it has spoilt is made again, and nothing read from it.
    again = project.run("changing", how="reads")
    assert again.status is Status.SUCCEEDED


@pytest.mark.parametrize("damage", ["removed", "cut short"])
def test_a_cached_result_with_a_missing_file_is_no_result(project: Project, damage: str):
    first = project.run("reading", salt=1)
    assert first.artifact("reads").load() == "as it was"
    place = first.artifact("source").path() / "a.txt"
    if damage == "removed":
        place.unlink()
    else:
        place.chmod(0o644)
        place.write_text("as")
    again = project.run("reading", salt=2)
    assert again.status is Status.SUCCEEDED, again.logs()
    assert again.artifact("reads").load() == "as it was"
    assert again.state.steps["source"].status is Status.SUCCEEDED


def test_a_metric_that_is_not_a_number_arrives_and_no_condition_compares_it(project: Project):
    run = project.run("measured")
    assert run.artifact("shown").load() == "{'auc': nan, 'loss': 1.0}"
    run = project.run("compared")
    assert run.status is Status.FAILED
    assert "it is nan, and conditions compare finite numbers" in (
        run.state.steps["score"].error or ""
    )


def test_conditions_compare_numpy_scalars_and_fields_of_dataclasses(project: Project):
    run = project.run("gated")
    assert run.status is Status.SUCCEEDED, list(run.logs())
    assert run.state.steps["shown"].status is Status.SUCCEEDED


def test_what_is_not_what_the_annotation_says_fails_the_step_that_returns_it(project: Project):
    run = project.run("refused")
    assert run.status is Status.FAILED
    assert "value[1] is 'x' (str), and an integer is expected" in (
        run.state.steps["wrong"].error or ""
    )


ADVICE = {
    "polars_series": ("pl.Series", "series.to_frame()"),
    "lazy_frame": ("pl.LazyFrame", "frame.collect()"),
    "record_batch": ("pa.RecordBatch", "pa.Table.from_batches"),
    "frame_subclass": ("Labelled", "is a subclass of pd.DataFrame"),
    "array_subclass": ("Own", "is a subclass of np.ndarray"),
    "text_subclass": ("MyText", "is a subclass of str"),
    "generator": ("typing.Iterator[int]", "list(...)"),
    "callable": ("collections.abc.Callable[[], int]", "Import the function"),
    "dataclass_of_frames": ("Holder", "Its field 'table' is a DataFrame"),
    "set_of_frames": ("set[pd.DataFrame]", "list[DataFrame] or dict[str, DataFrame]"),
    "list_of_series_of_polars": ("list[pl.Series]", "series.to_frame()"),
    "bytes_view": ("memoryview", "bytes(view)"),
}


@pytest.mark.parametrize("name", ADVICE)
def test_an_annotation_that_no_file_holds_is_refused_with_what_to_write(name: str, tmp_path: Path):
    annotation, said = ADVICE[name]
    source = tmp_path / "advised.py"
    source.write_text(
        "import collections.abc, dataclasses, pathlib, typing\n"
        "import numpy as np, pandas as pd, polars as pl, pyarrow as pa\n"
        "import waterflow as wf\n"
        "class Labelled(pd.DataFrame): ...\n"
        "class Own(np.ndarray): ...\n"
        "class MyText(str): ...\n"
        "@dataclasses.dataclass\nclass Holder:\n    table: pd.DataFrame\n"
        f"@wf.step\ndef makes() -> {annotation}: ...\n"
        f"@wf.step\ndef takes(value: {annotation}) -> int: ...\n"
        "@wf.pipeline\ndef making() -> None:\n    makes()\n"
        "@wf.pipeline\ndef taking() -> None:\n    takes(None)\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        sys.modules.pop("advised", None)
        importlib.invalidate_caches()
        for pipeline in ("making", "taking"):
            with pytest.raises(DefinitionError) as caught:
                getattr(importlib.import_module("advised"), pipeline)().spec  # noqa: B018
            assert said in str(caught.value)
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("advised", None)
