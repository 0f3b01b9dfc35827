"""Gates, `wf.first`, maps, containers and registering: what tracing gives of them."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import waterflow as wf
from tests.unit import example_steps as steps
from tests.unit.tracing import model_and_test, traced
from waterflow import spec
from waterflow.errors import DefinitionError


def test_conditions_of_all_kinds() -> None:
    def example(n: int = 1, flag: bool = False, name: str = "x") -> None:
        metrics = steps.evaluate.options(name="e")(*model_and_test())
        info = steps.summary({"a": 1.0})
        ok = steps.good(metrics)
        for condition in (
            (metrics["auc"] >= 0.5) & (n < 3) & ~flag,
            (metrics["auc"] > 0.5) | ok | (name != "y"),
            info["name"] == "x",
            ~((n > 1) | flag),
        ):
            with wf.when(condition):
                steps.add(1)

    gates = traced(example).gates
    auc, n = spec.FromStep("e", "output", "auc"), spec.FromParameter("n")
    flag = spec.Compare(spec.FromParameter("flag"), "==", spec.FromValue(True))
    assert gates[0].condition == spec.All(
        (
            spec.Compare(auc, ">=", spec.FromValue(0.5)),
            spec.Compare(n, "<", spec.FromValue(3)),
            spec.Not(flag),
        )
    )
    assert gates[1].condition == spec.Any_(
        (
            spec.Compare(auc, ">", spec.FromValue(0.5)),
            spec.Compare(spec.FromStep("good", "output"), "==", spec.FromValue(True)),
            spec.Compare(spec.FromParameter("name"), "!=", spec.FromValue("y")),
        )
    )
    assert gates[2].condition == spec.Compare(
        spec.FromStep("summary", "output", "name"), "==", spec.FromValue("x")
    )
    assert gates[3].condition == spec.Not(
        spec.Any_((spec.Compare(n, ">", spec.FromValue(1)), flag))
    )
    assert [gate.name for gate in gates] == ["when", "when-2", "when-3", "when-4"]


def test_nested_gates_and_first() -> None:
    def example(n: int = 1) -> None:
        with wf.when(n > 1) as outer:
            one = steps.add(1)
            with wf.when(one > 5) as inner:
                a = steps.add(one, 1)
            with inner.otherwise():
                b = steps.add(one, 2)
            c = steps.add(wf.first(a, b))
        with outer.otherwise():
            d = steps.add(4)
        steps.add(wf.first(c, d))

    pipeline = traced(example)
    assert pipeline.gates[1].within == spec.Branch("when")
    assert pipeline.step("add-2").branch == spec.Branch("when-2")
    assert pipeline.step("add-3").branch == spec.Branch("when-2", then=False)
    assert pipeline.step("add-4").branch == spec.Branch("when")
    assert pipeline.step("add-4").inputs["a"].source == spec.FromFirst(
        (spec.FromStep("add-2", "output"), spec.FromStep("add-3", "output"))
    )
    assert pipeline.step("add-6").branch is None


def test_an_error_inside_a_gate_leaves_no_trace_behind() -> None:
    def broken(n: int = 1) -> None:
        with wf.when(n > 1):
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        traced(broken)
    assert steps.add(1) == 2, "outside a pipeline again"


def test_map_over_a_list_made_at_run_time() -> None:
    def example(base: int = 1) -> None:
        sums = wf.map(steps.add, steps.numbers(4), b=base)
        steps.total(sums)
        wf.map(steps.height, steps.tables(3), fan_out="jobs")
        wf.map(steps.add, [1, 2])

    pipeline = traced(example)
    mapped = pipeline.step("add")
    assert mapped.run == spec.Function("tests.unit.example_steps", "add", over="a")
    assert mapped.inputs == {
        "a": spec.Input("json", spec.FromStep("numbers", "output")),
        "b": spec.Input("integer", spec.FromParameter("base")),
    }
    assert mapped.outputs == {"output": spec.Output("json")}
    heights = pipeline.step("height")
    assert heights.inputs["table"] == spec.Input(
        "list[dataframe]", spec.FromStep("tables", "output")
    )
    assert isinstance(heights.run, spec.Function)
    assert heights.run.fan_out == "jobs"
    assert pipeline.step("add-2").inputs["a"].source == spec.FromValue([1, 2])


def test_map_over_a_step_with_several_outputs_gives_a_list_for_each() -> None:
    def example() -> None:
        parts = wf.map(steps.split, steps.tables(2))
        wf.map(steps.height, parts.train)
        wf.map(steps.height, parts.test)

    pipeline = traced(example)
    assert pipeline.step("split").outputs == {
        "train": spec.Output("list[dataframe]"),
        "test": spec.Output("list[dataframe]"),
    }
    assert pipeline.step("height-2").inputs["table"] == spec.Input(
        "list[dataframe]", spec.FromStep("split", "test")
    )


def test_map_outside_a_pipeline_calls_the_function() -> None:
    assert wf.map(steps.add, [1, 2], b=10) == [11, 12]
    frames = [pd.DataFrame({"x": range(rows)}) for rows in (2, 4)]
    parts = wf.map(steps.split, frames)
    assert isinstance(parts, steps.Split)
    assert [[len(part) for part in field] for field in parts] == [[1, 2], [1, 2]]
    assert wf.map(steps.split, []) == steps.Split([], [])
    assert wf.map(steps.add, [1, 2], a=10) == [11, 12]


def test_containers() -> None:
    def example(level: int = 3) -> None:
        packing = wf.container(
            name="pack",
            image="ghcr.io/acme/pack:1",
            command=["pack", "-{parameters.level}", "{inputs.table}", "{outputs.archive}"],
            inputs={"table": steps.ingest(wf.Data("a.csv"))},
            outputs=["archive", "log-file"],
            parameters={"level": level},
            cpu=2,
        )
        steps.read(packing.archive)
        steps.read(packing["log-file"])
        assert list(packing) == ["archive", "log-file"]

    step = (packing := traced(example)).step("pack")
    assert step.run == spec.Container(
        "ghcr.io/acme/pack:1",
        ("pack", "-{parameters.level}", "{inputs.table}", "{outputs.archive}"),
    )
    assert step.inputs == {
        "table": spec.Input("any", spec.FromStep("ingest", "output")),
        "level": spec.Input("integer", spec.FromParameter("level")),
    }
    assert step.outputs["archive"] == spec.Output("path", raw=True)
    assert step.resources.cpu == 2
    assert packing.step("read-2").inputs["folder"].source == spec.FromStep("pack", "log-file")


def test_registering() -> None:
    def example() -> None:
        model, _ = model_and_test()
        version = wf.register(model, name="m", retries=5)
        steps.anything(version["version"])

    pipeline = traced(example)
    step = pipeline.step("register")
    assert list(step.inputs) == ["model", "name"]
    assert step.retry == spec.Retry(5, 2.0, 2.0)
    assert pipeline.step("anything").inputs["value"].source == spec.FromStep(
        "register", "output", "version"
    )


def test_a_registration_can_be_named() -> None:
    def example() -> None:
        model, _ = model_and_test()
        version = wf.register.named("keep")(model, name="m", alias="best")
        wf.register(model, name="n", after=[version])

    pipeline = traced(example)
    assert pipeline.step("keep").run == spec.Register()
    assert pipeline.step("keep").inputs["name"].source == spec.FromValue("m")
    assert pipeline.step("register").after == ("keep",)


REGISTRY_MISTAKES = [
    ("name", "", "it is empty"),
    ("name", "  ", "it is empty"),
    ("name", "a/b", "'/' or ':'"),
    ("name", "a:b", "'/' or ':'"),
    ("name", "..", "a folder"),
    ("name", "x" * 257, "256 characters"),
    ("alias", "", "it is empty"),
    ("alias", "v3", "'latest', and 'v' with a number"),
    ("alias", "V12", "'latest', and 'v' with a number"),
    ("alias", "latest", "'latest', and 'v' with a number"),
    ("alias", "a b", "other characters"),
    ("alias", "a/b", "other characters"),
    ("alias", "x" * 256, "255 characters"),
]


@pytest.mark.parametrize("how", ["written", "given", "default", "static"])
@pytest.mark.parametrize(("key", "value", "why"), REGISTRY_MISTAKES)
def test_names_that_no_registry_takes_are_mistakes_of_the_definition(
    key: str, value: str, why: str, how: str
) -> None:
    def register(named: str) -> None:
        model, _ = model_and_test()
        names: Any = {"name": "m"} | {key: named}
        wf.register(model, **names)

    def written() -> None:
        register(value)

    def given(named: str) -> None:
        register(named)

    def default(named: str = value) -> None:
        register(named)

    def static(named: wf.Static[str]) -> None:
        register(named)

    example = {"written": written, "given": given, "default": default, "static": static}[how]
    with pytest.raises(DefinitionError) as caught:
        wf.pipeline(example)(**({"named": value} if how in ("given", "static") else {}))
    assert why in str(caught.value)
    assert ("parameter 'named'" in str(caught.value)) is (how in ("given", "default"))
    assert "test_gates_and_maps.py" in str(caught.value.location)


def test_a_step_without_outputs_is_cached_only_if_it_says_so() -> None:
    def example() -> None:
        steps.add(1)
        steps.add.options(cache=False)(1)
        metrics = steps.evaluate(*model_and_test())
        for name, cache in (("silent", None), ("told", True), ("never", False)):
            steps.notify.options(name=name, cache=cache)(metrics)

    pipeline = traced(example)
    cached = {step.name: step.cache for step in pipeline.steps}
    expected = {"add": True, "add-2": False, "silent": False, "told": True, "never": False}
    assert cached | expected == cached
