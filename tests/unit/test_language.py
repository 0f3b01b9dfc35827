"""The language, through `import waterflow as wf`: what tracing a pipeline function gives."""

from __future__ import annotations

import json
from typing import Any, Literal

import pandas as pd
import pytest

import waterflow as wf
from tests.unit import example_steps as steps
from tests.unit.tracing import model_and_test, traced
from waterflow import spec
from waterflow.errors import DefinitionError

# --- steps outside and inside pipelines -----------------------------------------------------------


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


# --- gates, first, map, containers ----------------------------------------------------------------


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
    assert "test_language.py" in str(caught.value.location)


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


# --- parameters -----------------------------------------------------------------------------------


def test_parameters_are_checked_when_given() -> None:
    def example(
        n: int,
        rate: float = 1,
        name: Literal["a", "b"] = "a",
        flag: bool = False,
        tags: list[str] | None = None,
        source: wf.Data = wf.Data("a.csv"),
    ) -> None:
        steps.add(n)

    pipeline = wf.pipeline(example)
    call = pipeline(n=3, rate=2, source=wf.Data("b.csv"), tags=["x"])
    assert call.parameters == {"n": 3, "rate": 2.0, "source": "b.csv", "tags": ["x"]}
    assert call.spec.parameters["n"] == spec.Parameter("integer", required=True)
    assert call.spec.parameters["rate"] == spec.Parameter("number", 1.0)
    assert call.spec.parameters["name"] == spec.Parameter("string", "a", choices=("a", "b"))
    assert call.spec.parameters["tags"] == spec.Parameter("json", None, optional=True)
    for values, expected in (
        ({"rats": 1}, "has no parameter 'rats'. Did you mean 'rate'?"),
        ({"n": "3"}, "'3' is not a whole number"),
        ({"n": 2.5}, "is not a whole number"),
        ({"n": True}, "is not a whole number"),
        ({"name": "c"}, "is not one of 'a', 'b'"),
        ({"rate": float("inf")}, "not a finite number"),
        ({"source": 3}, "is not wf.Data, a path or a URI"),
        ({"n": [1]}, "[1] is not a whole number"),
        ({"rate": {"a": 1}}, "{'a': 1} is not a number"),
        ({"tags": "x"}, "'tags' takes list[str]: value is 'x' (str), and a list is expected"),
        ({"tags": ("x", 1)}, "'tags' takes list[str]: value[1] is 1 (int), and a string"),
        ({"tags": {1, 2}}, "cannot be written as JSON (a set)"),
        ({"n": None}, "is not a whole number"),
    ):
        with pytest.raises(DefinitionError) as caught:
            pipeline.with_arguments(values)
        assert expected in str(caught.value)
        assert "test_language.py:" in str(caught.value)


def test_calling_a_pipeline_with_unknown_arguments() -> None:
    def example(n: int = 1) -> None:
        steps.add(n)

    pipeline: Any = wf.pipeline(example)
    with pytest.raises(DefinitionError, match=r"unexpected keyword argument 'm'.*parameters: n\."):
        pipeline(m=1)


def test_static_parameters_must_be_known() -> None:
    def example(folds: wf.Static[int]) -> None:
        for _ in range(folds):
            steps.add(1)

    with pytest.raises(DefinitionError, match=r"static parameter 'folds' must be known"):
        traced(example)
    assert len(traced(example, folds=2).steps) == 2


def test_a_default_that_is_no_parameter_is_refused() -> None:
    def object_default(x: int = "a") -> None:  # type: ignore[assignment]
        steps.anything(x)

    def nan_default(x: float = float("nan")) -> None:
        steps.anything(x)

    def table(x: pd.DataFrame) -> None:
        steps.anything(x)

    def untyped(x) -> None:  # type: ignore[no-untyped-def]
        steps.anything(x)

    def many(*x: int) -> None:
        steps.anything(x)

    for function, expected in (
        (object_default, "'a' is not a whole number"),
        (nan_default, "not a finite number"),
        (table, "parameter 'x' has type dataframe"),
        (untyped, "argument 'x' has no type"),
        (many, "arguments need plain names"),
    ):
        with pytest.raises(DefinitionError) as caught:
            traced(function)
        assert expected in str(caught.value)
        line = function.__code__.co_firstlineno
        assert f"test_language.py:{line}: " in str(caught.value)


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
