"""Steps that the tests of the language call: module-level functions, as a job needs them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

import waterflow as wf


class Split(NamedTuple):
    train: pd.DataFrame
    test: pd.DataFrame


@dataclass
class Choice:
    depth: int
    rate: float


@wf.step
def ingest(source: wf.Data) -> pd.DataFrame:
    return pd.read_csv(source.path)


@wf.step
def split(raw: pd.DataFrame, share: float = 0.5) -> Split:
    cut = int(len(raw) * share)
    return Split(raw[:cut], raw[cut:])


@wf.step(cpu=4, memory="16GiB", retries=2, spot=True, timeout="2h")
def train(data: pd.DataFrame, trees: int = 200) -> wf.Model:
    return wf.Model((len(data), trees))


@wf.step
def evaluate(model: wf.Model, test: pd.DataFrame) -> wf.Metrics:
    return wf.Metrics(auc=0.5 + len(test) / 100)


@wf.step
def notify(metrics: wf.Metrics, text: str = "rejected") -> None:
    print(text, metrics)


@wf.step
def good(metrics: wf.Metrics) -> bool:
    return metrics["auc"] > 0.5


@wf.step
def pick(models: list[wf.Model], scores: list[float]) -> wf.Model:
    return models[int(np.argmax(scores))]


@wf.step
def score(model: wf.Model, test: pd.DataFrame) -> float:
    return 0.5


@wf.step
def add(a: int, b: int = 1) -> int:
    return a + b


@wf.step
def numbers(count: int) -> list[int]:
    return list(range(count))


@wf.step
def total(values: list[int]) -> int:
    return sum(values)


@wf.step
def tables(count: int) -> list[pd.DataFrame]:
    return [pd.DataFrame({"x": [n]}) for n in range(count)]


@wf.step
def height(table: pd.DataFrame) -> int:
    return len(table)


@wf.step
def summary(values: dict[str, float]) -> dict[str, Any]:
    return {"mean": 0.5, "name": "x", **values}


@wf.step
def greet(name: str, tone: Literal["warm", "cool"] = "warm") -> str:
    return f"{tone} {name}"


@wf.step
def tune(choice: dict[str, float]) -> float:
    return choice["rate"]


@wf.step
def choose(choice: Choice | None, span: tuple[int, ...] = ()) -> Choice | None:
    return choice


@wf.step
def words() -> list[str]:
    return ["a"]


@wf.step
def shares() -> list[float]:
    return [1.0]


@wf.step
def either(value: list[int] | dict[str, int]) -> int:
    return len(value)


@wf.step
def read(folder: Path) -> str:
    return folder.name


@wf.step
def anything(value: Any) -> int:
    return 1


@wf.step
def maybe(source: wf.Data | None = None, limit: int | None = None) -> int:
    return 0


def plain(x: int) -> int:
    return x
