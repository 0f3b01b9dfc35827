"""Pipelines that call pipelines: groups of steps, with parameters, results and gates."""

# What is refused, a type checker finds, too.
# pyright: reportCallIssue=false, reportArgumentType=false

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd  # noqa: TC002 - Waterflow reads the annotations
import pytest
from msgspec import UNSET

import waterflow as wf
from tests.unit import example_steps as steps
from tests.unit.tracing import refusal, traced
from waterflow import spec
from waterflow.errors import DefinitionError
from waterflow.graph import to_mermaid, to_svg, to_terminal
from waterflow.language.pipeline import Call
from waterflow.runs.lineage import call_tags
from waterflow.spec.labels import labels
from waterflow.spec.references import upstream

if TYPE_CHECKING:
    from collections.abc import Callable


class Prepared(NamedTuple):
    train: pd.DataFrame
    test: pd.DataFrame


@wf.pipeline(schedule="0 3 * * 1", trusted_types=["a.Scaler"])
def prepare(raw: pd.DataFrame, share: float = 0.5) -> Prepared:
    """Hold rows back.

    More."""
    sets = steps.split(raw, share)
    return Prepared(sets.train, sets.test)


@wf.pipeline
def fit(data: pd.DataFrame, test: pd.DataFrame, trees: int = 200, least: float = 0.9) -> wf.Model:
    model = steps.train(data, trees)
    metrics = steps.evaluate(model, test)
    with wf.when(least <= metrics["auc"]) as gate:
        better = steps.train.named("again")(data, trees)
    with gate.otherwise():
        other = steps.train(data, trees=1)
    return wf.first(better, other)


@wf.pipeline
def announce(text: str, source: wf.Data = wf.Data("a.csv"), times: wf.Static[int] = 2) -> None:
    for _ in range(times):
        steps.greet(text)
    steps.ingest(source)


@wf.pipeline(trusted_types=["b.Model"])
def outer(source: wf.Data = wf.Data("b.csv"), trees: int = 100, flag: bool = True) -> None:
    sets = prepare(steps.ingest(source))
    model = fit(sets.train, sets.test, trees=trees)
    with wf.when(flag):
        done = announce.named("tell")("hi", times=1)
        steps.greet.options(after=[done])("after")
    wf.register(model, name="m")


def names(document: spec.Pipeline) -> dict[str, str | None]:
    return {step.name: step.group or None for step in document.steps}


def test_a_call_of_a_pipeline_is_a_group_of_steps() -> None:
    document = outer().spec
    assert names(document) == {
        "ingest": None,
        "prepare-split": "prepare",
        "fit-train": "fit", "fit-evaluate": "fit", "fit-again": "fit", "fit-train-2": "fit",
        "tell-greet": "tell", "tell-ingest": "tell",
        "greet": None, "register": None,
    }  # fmt: skip
    assert document.groups == (
        spec.Group("prepare", "prepare", "Hold rows back."),
        spec.Group("fit", "fit"),
        spec.Group("tell", "announce"),
    )
    assert [(gate.name, gate.group) for gate in document.gates] == [
        ("fit-when", "fit"),
        ("when", UNSET),
    ]
    assert document.schedule is None  # of the one that runs, not of one that it calls
    assert document.trusted_types == ("b.Model", "a.Scaler")
    assert spec.decode(spec.encode(document)) == document


def test_parameters_are_outputs_parameters_of_the_caller_or_plain_values() -> None:
    document = outer().spec
    split, train = document.step("prepare-split"), document.step("fit-train")
    assert split.inputs["raw"].source == spec.FromStep("ingest", "output")
    assert split.inputs["share"].source == spec.FromValue(0.5)
    assert train.inputs["trees"].source == spec.FromParameter("trees")
    assert document.step("tell-greet").inputs["name"].source == spec.FromValue("hi")
    assert document.step("tell-ingest").inputs["source"].source == spec.FromData("a.csv")
    assert document.gates[0].condition == spec.Compare(
        spec.FromStep("fit-evaluate", "output", "auc"), ">=", spec.FromValue(0.9)
    )
    assert document.step("register").inputs["model"].source == spec.FromFirst(
        (spec.FromStep("fit-again", "output"), spec.FromStep("fit-train-2", "output"))
    )


def test_gates_of_the_caller_hold_for_the_group_and_after_waits_for_all_of_it() -> None:
    document = outer().spec
    assert {document.step(one).branch for one in ("tell-greet", "tell-ingest", "greet")} == {
        spec.Branch("when")
    }
    assert document.step("greet").after == ("tell-greet", "tell-ingest")
    assert upstream(document, document.step("tell-greet")) == set()


def test_a_pipeline_without_groups_has_the_document_that_it_had() -> None:
    def plain() -> None:
        with wf.when(steps.add(1) > 1):
            steps.add(2)

    assert b"group" not in spec.encode(traced(plain))


def test_groups_nest_and_are_numbered_and_named() -> None:
    @wf.pipeline
    def middle(raw: pd.DataFrame) -> pd.DataFrame:
        return prepare(prepare.named("p")(raw).train).train

    def top() -> None:
        for _ in range(2):
            steps.height(middle(steps.ingest(wf.Data("a.csv"))))

    document = traced(top)
    assert [(g.name, g.within) for g in document.groups or ()] == [
        ("middle", None), ("middle-p", "middle"), ("middle-prepare", "middle"),
        ("middle-2", None), ("middle-2-p", "middle-2"), ("middle-2-prepare", "middle-2"),
    ]  # fmt: skip
    assert "middle-2-prepare-split" in names(document)


def test_calls_in_groups_are_told_apart() -> None:
    def top() -> None:
        data = steps.ingest(wf.Data("a.csv"))
        for trees in (1, 2):
            fit.named(f"trees{trees}")(data, data, trees, least=0.5)

    assert labels(traced(top)) == {
        "trees1-train": "trees1-train(trees=1)",
        "trees1-train-2": "trees1-train-2(trees=1)",
        "trees2-train": "trees2-train(trees=2)",
        "trees2-train-2": "trees2-train(trees=1)",
    }


def test_alone_it_runs_as_before_and_may_return_outputs() -> None:
    @wf.pipeline
    def numbers(count: int = 3) -> list[int]:
        return [steps.add(count), steps.add(2)]

    call = numbers(4)
    assert isinstance(call, Call)
    assert [step.name for step in call.spec.steps] == ["add", "add-2"]
    assert call.spec.parameters["count"] == spec.Parameter("integer", 3)


def test_pictures_and_mlflow_show_groups() -> None:
    document = outer().spec
    assert json.loads(call_tags(document)["waterflow.groups"])["fit-train"] == "fit"
    mermaid = to_mermaid(document)
    assert 'subgraph group1["prepare"]' in mermaid
    assert mermaid.count("subgraph") == mermaid.count("\n    end") == 3
    assert ">prepare</text>" in to_svg(document)
    assert "groups: prepare, fit, tell (announce)" in to_terminal(document)


# --- refusals -------------------------------------------------------------------------------------


def missing() -> None:
    prepare()  # here


def unknown() -> None:
    announce("a", tixt="b")  # here


def wrong_type() -> None:
    prepare(steps.add(1))  # here


def wrong_constant() -> None:
    prepare(steps.ingest(wf.Data("a.csv")), share="much")  # here


def no_constant() -> None:
    prepare(3)  # here


def unknown_static() -> None:
    announce("a", times=steps.add(1))  # here


def taken() -> None:
    steps.add.named("x")(1)
    announce.named("x")("a")  # here


def odd_name() -> None:
    announce.named("a b")("a")  # here


def too_long() -> None:
    announce.named("x" * 60)("a")  # here


def known_condition() -> None:
    asking(3)  # here


@wf.pipeline
def asking(limit: int) -> None:
    with wf.when(limit > 3):
        steps.add(1)


@pytest.mark.parametrize(
    ("pipeline", "said"),
    [
        (missing, "Pipeline 'prepare' needs 'raw'"),
        (unknown, "Pipeline 'announce': got an unexpected keyword argument 'tixt'"),
        (wrong_type, "Pipeline 'prepare', parameter 'raw' takes dataframe, but gets <output"),
        (wrong_constant, "Pipeline 'prepare', parameter 'share': 'much' is not a number"),
        (unknown_static, "parameter 'times' is wf.Static, known while the pipeline is defined"),
        (taken, "are called 'x'"),
        (odd_name, "'a b' cannot name a group of steps"),
    ],
)
def test_wrong_calls_are_told_with_the_line(pipeline: Callable[[], None], said: str) -> None:
    assert said in refusal(pipeline)


@pytest.mark.parametrize(
    ("pipeline", "said"),
    [
        (no_constant, "Pipeline 'prepare': parameter 'raw' has type dataframe"),
        (too_long, "which has more than 63 characters. Give the group a short name"),
        (known_condition, "was given the plain value 3, so the condition is known already"),
    ],
)
def test_mistakes_inside_are_told_where_they_are(pipeline: Callable[[], None], said: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        traced(pipeline)
    assert said in str(caught.value)


def test_a_pipeline_that_calls_itself_is_refused() -> None:
    @wf.pipeline
    def around(n: int = 1) -> None:
        steps.add(n)
        around(n)

    with pytest.raises(DefinitionError, match="'around' calls itself: around -> around"):
        around()


def test_a_name_has_no_meaning_outside() -> None:
    with pytest.raises(DefinitionError, match="has a meaning only inside"):
        announce.named("x")("a")
