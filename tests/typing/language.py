"""What type checkers see: steps keep their signatures, pipelines type their parameters."""

from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, Self, assert_type

import waterflow as wf
from waterflow.language.pipeline import Call, Pipeline
from waterflow.language.step import ContainerOutputs


class Fitted:
    """Stands for an estimator: what a step that takes a `wf.Model` may be given."""

    def __init__(self, trees: int) -> None:
        self.trees = trees


class Split(NamedTuple):
    train: list[float]
    test: list[float]


@wf.step
def split(raw: list[float], share: float = 0.2) -> Split:
    cut = int(len(raw) * share)
    return Split(raw[:cut], raw[cut:])


@wf.step(cpu=4, memory="16GiB", retries=2, timeout="2h", metrics={"loss": "loss=(.*)"})
def train(data: list[float], trees: int = 200) -> Fitted:
    return Fitted(trees * len(data))


@wf.step
def evaluate(model: wf.Model, test: list[float]) -> wf.Metrics:
    return wf.Metrics(auc=1.0)


@wf.step
def notify(metrics: wf.Metrics) -> None: ...


@wf.step
def square(x: int, power: int = 2) -> int:
    return x**power


@wf.pipeline
def bare(rows: int, folds: wf.Static[int] = 3, source: wf.Data | None = None) -> None:
    for _ in range(folds):
        square(rows)


@wf.pipeline(schedule="0 3 * * 1")
def fraud(raw: list[float], min_auc: float = 0.9) -> None:
    sets = split(raw)
    assert_type(sets, Split)
    assert_type(sets.train, list[float])
    first, second = split(raw, share=0.5)
    assert_type(first, list[float])
    model = train(sets.train, trees=3)
    assert_type(model, Fitted)
    metrics = evaluate(model, second)
    assert_type(metrics, wf.Metrics)
    assert_type(metrics["auc"], float)
    with wf.when(metrics["auc"] >= min_auc) as gate:
        version = wf.register(model, name="fraud", example=second, metrics=metrics, alias="best")
        assert_type(version, dict[str, Any])
        assert_type(wf.register.named("keep")(model, name="fraud"), dict[str, Any])
        other = train(first)
    with gate.otherwise():
        assert_type(notify(metrics), None)
        model = train(second)
    assert_type(wf.first(model, other), Fitted)
    assert_type(wf.map(square, [1, 2], power=3), list[int])
    assert_type(wf.map(split, [first, second]), Any)
    mapped = wf.map(square, [1, 2], on_error="skip", power=3)
    assert_type(mapped.results, list[int])
    assert_type(mapped.failures, list[dict[str, Any]])
    assert_type(wf.container(name="c", image="i", command=["x"]), ContainerOutputs)
    assert_type(train.options(cpu=8)(first), Fitted)
    assert_type(train.options(after=[model], gpu="nvidia-t4", secrets={})(first), Fitted)
    assert_type(train.named("small")(first, trees=3), Fitted)
    assert_type(wf.map(square.named("squares"), [1, 2]), list[int])
    assert_type(train.function(first, 3), Fitted)
    assert_type(wf.secret("x").name, str)


@wf.pipeline
def prepare(raw: list[float], share: float = 0.5) -> Split:
    return split(raw, share)


@wf.pipeline
def nests(raw: list[float]) -> None:
    assert_type(prepare(raw), Any)
    assert_type(prepare.named("first")(raw, share=0.2), Split)
    assert_type(bare.named("second")(3), None)


@wf.serializer
class Graph:
    """Keeps itself."""

    def save(self, path: Path) -> None:
        path.write_text("")

    @classmethod
    def load(cls, path: Path) -> Self:
        return cls()


@wf.serializer(file="tree.txt")
class Tree(Graph):
    """Keeps itself under a name of its own."""


assert_type(Graph(), Graph)
assert_type(Tree.load(Path()), Tree)
assert_type(
    wf.serializer(
        Fraction,
        save=lambda value, path: path.write_text(f"{value.numerator}/{value.denominator}"),
        load=lambda path: Fraction(path.read_text()),
    ),
    type[Fraction],
)
assert_type(square(3), int)
assert_type(fraud([1.0], min_auc=0.5), Call)
assert_type(bare(3, folds=5), Call)
assert_type(nests([1.0]), Call)
_checked: Pipeline[..., None] = fraud
