"""The language, through `import waterflow as wf`: what tracing a pipeline function gives."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

import waterflow as wf
from tests.unit import example_steps as steps
from tests.unit.tracing import model_and_test, traced
from waterflow import spec
from waterflow.errors import DefinitionError


def test_outside_a_pipeline_a_step_is_its_function() -> None:
    assert steps.add(1, b=2) == 3
    assert steps.add.function(1) == 2
    assert steps.add.__name__ == "add"
    assert repr(steps.add) == "<step tests.unit.example_steps:add>"
    frame = pd.DataFrame({"x": range(4)})
    train, test = steps.split(frame)
    assert len(train) == len(test) == 2


def test_a_whole_pipeline() -> None:
    def fraud(
        source: wf.Data = wf.Data("data.csv"),
        trees: int = 200,
        min_auc: float = 0.9,
    ) -> None:
        """Find fraud,
        weekly.

        More."""
        sets = steps.split(steps.ingest(source))
        model = steps.train(sets.train, trees)
        metrics = steps.evaluate(model, sets.test)
        with wf.when(metrics["auc"] >= min_auc) as gate:
            wf.register(model, name="fraud", example=sets.test, metrics=metrics, alias="best")
        with gate.otherwise():
            steps.notify(metrics)

    pipeline = wf.pipeline(schedule="0 3 * * 1", trusted_types=["a.B"])(fraud)().spec
    assert (pipeline.name, pipeline.description, pipeline.schedule) == (
        "fraud",
        "Find fraud, weekly.",
        "0 3 * * 1",
    )
    assert pipeline.trusted_types == ("a.B",)
    assert [step.name for step in pipeline.steps] == [
        "ingest", "split", "train", "evaluate", "register", "notify",
    ]  # fmt: skip
    assert pipeline.parameters["source"] == spec.Parameter("data", "data.csv")
    assert pipeline.parameters["min_auc"] == spec.Parameter("number", 0.9)
    train = pipeline.step("train")
    assert train.run == spec.Function("tests.unit.example_steps", "train")
    assert train.inputs == {
        "data": spec.Input("dataframe", spec.FromStep("split", "train")),
        "trees": spec.Input("integer", spec.FromParameter("trees")),
    }
    assert train.outputs == {"output": spec.Output("model")}
    assert train.resources == spec.Resources(cpu=4.0, memory=16 * 2**30, spot=True)
    assert (train.retry.retries, train.timeout) == (2, 7200.0)
    auc = spec.FromStep("evaluate", "output", "auc")
    assert pipeline.gates == (
        spec.Gate("when", spec.Compare(auc, ">=", spec.FromParameter("min_auc"))),
    )
    register = pipeline.step("register")
    assert register.branch == spec.Branch("when")
    assert register.run == spec.Register()
    assert register.cache is False
    assert register.inputs["name"] == spec.Input("string", spec.FromValue("fraud"))
    assert register.inputs["example"].source == spec.FromStep("split", "test")
    assert register.outputs == {"output": spec.Output("json")}
    assert pipeline.step("notify").branch == spec.Branch("when", then=False)
    assert pipeline.step("notify").outputs == {}
    assert pipeline.step("ingest").inputs["source"].source == spec.FromParameter("source")


def test_named_outputs_can_be_unpacked() -> None:
    def example() -> None:
        train, test = steps.split(steps.ingest(wf.Data("a.csv")))
        steps.evaluate(steps.train(train), test)

    pipeline = traced(example)
    assert pipeline.step("evaluate").inputs["test"].source == spec.FromStep("split", "test")
    assert pipeline.step("ingest").inputs["source"].source == spec.FromData("a.csv")


def test_loops_fan_out_and_number() -> None:
    def example(folds: wf.Static[int] = 3) -> None:
        sets = steps.split(steps.ingest(wf.Data("a.csv")))
        models = [steps.train(sets.train, trees=10 * fold) for fold in range(1, folds + 1)]
        steps.pick(models, [steps.score(model, sets.test) for model in models])

    pipeline = traced(example)
    assert [s.name for s in pipeline.steps if s.run.name == "train"] == [
        "train",
        "train-2",
        "train-3",
    ]
    gathered = pipeline.step("pick").inputs["models"]
    assert gathered == spec.Input(
        "list[model]",
        spec.FromList(tuple(spec.FromStep(n, "output") for n in ("train", "train-2", "train-3"))),
    )
    assert pipeline.parameters["folds"] == spec.Parameter("integer", 3, static=True)
    call = wf.pipeline(example)(folds=5)
    assert len(call.spec.steps) == 13
    assert call.parameters == {}, "a static value is in the spec, not in the run"
    assert spec.digest(call.spec) != spec.digest(pipeline)


def test_numbers_step_aside_for_chosen_names() -> None:
    def example() -> None:
        steps.add.options(name="add-2")(1)
        steps.add(1)
        steps.add(1)

    assert [step.name for step in traced(example).steps] == ["add-2", "add", "add-3"]


def test_lists_may_mix_outputs_and_constants() -> None:
    def example(x: int = 1) -> None:
        steps.total([steps.add(1), 2, x])

    assert traced(example).step("total").inputs["values"].source == spec.FromList(
        (spec.FromStep("add", "output"), spec.FromValue(2), spec.FromParameter("x"))
    )


def test_constants_become_plain_data() -> None:
    def example() -> None:
        steps.anything((1, 2.5, {"a": None}))
        steps.tune({"rate": 0.5})

    pipeline = traced(example)
    assert [step.inputs[next(iter(step.inputs))].source.value for step in pipeline.steps] == [
        {"$tuple": [1, 2.5, {"a": None}]},
        {"rate": 0.5},
    ]


def test_none_for_an_optional_argument_is_left_out() -> None:
    def example(source: wf.Data | None = None) -> None:
        steps.maybe(source, None)

    pipeline = traced(example)
    assert list(pipeline.step("maybe").inputs) == ["source"]
    assert pipeline.parameters["source"] == spec.Parameter("data", None, optional=True)


def test_order_without_data() -> None:
    def example() -> None:
        model, test = model_and_test()
        done = steps.notify(steps.evaluate(model, test))
        steps.add.options(after=[done], retries=1, env={"A": "b"}, gpu="nvidia-t4:2")(1)

    step = traced(example).step("add")
    assert step.after == ("notify",)
    assert step.resources.gpu == spec.Gpu(2, "nvidia-t4")
    assert step.environment.variables == {"A": "b"}
    assert steps.add.settings.retries == 0, "options gives another step"


def test_secrets_travel_as_names() -> None:
    def example() -> None:
        steps.add.options(secrets={"TOKEN": wf.secret("api-token")})(1)

    pipeline = traced(example)
    assert pipeline.step("add").environment.secrets == {"TOKEN": "api-token"}


def test_an_empty_pipeline_is_refused() -> None:
    def example() -> None:
        pass

    with pytest.raises(DefinitionError, match="calls no step"):
        traced(example)


def scheduled() -> None:
    steps.add(1)


@pytest.mark.parametrize("schedule", ["0 3 * * 1", "*/5 0-6 1,15 JAN-MAR MON", "59 23 31 12 7"])
def test_schedules(schedule: str) -> None:
    assert wf.pipeline(schedule=schedule)(scheduled).schedule == schedule


@pytest.mark.parametrize(
    "schedule", ["", "daily", "0 3 * *", "60 3 * * 1", "0 24 * * *", "0 3 0 * *"]
)
def test_schedules_that_are_none(schedule: str) -> None:
    with pytest.raises(DefinitionError, match="no cron expression"):
        wf.pipeline(schedule=schedule)(scheduled)


def test_steps_are_functions_a_job_can_import() -> None:
    def local() -> int:
        return 1

    async def later() -> int:
        return 1

    for function, expected in (
        (local, "defined inside another function"),
        (later, "async or a generator"),
        (3, "goes on a function, not on 3"),
    ):
        with pytest.raises(DefinitionError, match=expected):
            wf.step(function)  # type: ignore[call-overload]


def test_signatures_say_how_values_travel() -> None:
    for source, expected in (
        ("def f(x) -> int: ...", "argument 'x' has no type"),
        ("def f(x: int): ...", "has no return type"),
        ("def f(x: object()) -> int: ...", "nothing is known about how to pass"),
        ("def f(x: Missing) -> int: ...", "'Missing' is not defined"),
        ("def f(x: int) -> tuple[int, int]: ...", "several outputs need names"),
        ("def f(*x: int) -> int: ...", "arguments need plain names"),
        ("def f(x: Static[int]) -> int: ...", "which is for pipelines"),
    ):
        names: dict[str, Any] = {"Static": wf.Static}
        exec(f"from __future__ import annotations\n{source}", names)
        step = wf.step(names["f"])
        with pytest.raises(DefinitionError) as caught:
            _ = step.signature
        assert expected in str(caught.value)


def test_the_spec_is_plain_json() -> None:
    def example(x: int = 1) -> None:
        steps.add(x)

    document = json.loads(spec.encode(traced(example)))
    assert document["steps"][0]["inputs"]["a"] == {
        "source": {"from": "parameter", "name": "x"},
        "type": "integer",
    }
