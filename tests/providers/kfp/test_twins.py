"""What we compile is, when names are put aside, the graph that kfp.dsl compiles of its twin."""

import json
import re

import msgspec
import pytest
import yaml
from kfp import compiler, dsl
from waterflow_kfp import cel, naming, validate
from waterflow_kfp.emulator.expressions import holds

from tests.providers.builds import function, pipeline
from tests.providers.kfp.builds import VERTEX, parse, specs
from waterflow import spec


@dsl.container_component
def load(output: dsl.Output[dsl.Dataset]):
    return dsl.ContainerSpec(image="image", command=["x"], args=[output.path])


@dsl.container_component
def fit(x: dsl.Input[dsl.Dataset], trees: int, output: dsl.Output[dsl.Model]):
    return dsl.ContainerSpec(image="image", command=["x"], args=[x.path, trees, output.path])


@dsl.container_component
def measure(
    model: dsl.Input[dsl.Model], output: dsl.Output[dsl.Metrics], output_auc: dsl.OutputPath(float)
):
    arguments = [model.path, output.path, output_auc]
    return dsl.ContainerSpec(image="image", command=["x"], args=arguments)


@dsl.container_component
def tell(m: dsl.Input[dsl.Metrics], output: dsl.Output[dsl.Artifact]):
    return dsl.ContainerSpec(image="image", command=["x"], args=[m.path, output.path])


@dsl.container_component
def last(x: dsl.Input[dsl.Artifact], output: dsl.Output[dsl.Artifact]):
    return dsl.ContainerSpec(image="image", command=["x"], args=[x.path, output.path])


@dsl.container_component
def use(x: dsl.Input[dsl.Model], output: dsl.Output[dsl.Artifact]):
    return dsl.ContainerSpec(image="image", command=["x"], args=[x.path, output.path])


@dsl.container_component
def parts(output: dsl.Output[dsl.Artifact], waterflow_count_output: dsl.OutputPath(list[int])):
    arguments = [output.path, waterflow_count_output]
    return dsl.ContainerSpec(image="image", command=["x"], args=arguments)


@dsl.container_component
def one_part(
    x: dsl.Input[dsl.Artifact], trees: int, waterflow_item: int, waterflow: dsl.Output[dsl.Artifact]
):
    arguments = [x.path, trees, waterflow_item, waterflow.path]
    return dsl.ContainerSpec(image="image", command=["x"], args=arguments)


@dsl.container_component
def one_number(
    x: dsl.Input[dsl.Dataset], trees: int, waterflow_item: int, waterflow: dsl.Output[dsl.Artifact]
):
    arguments = [x.path, trees, waterflow_item, waterflow.path]
    return dsl.ContainerSpec(image="image", command=["x"], args=arguments)


@dsl.container_component
def gather(waterflow_items: dsl.Input[list[dsl.Artifact]], output: dsl.Output[dsl.Artifact]):
    return dsl.ContainerSpec(image="image", command=["x"], args=["{{$}}", output.path])


def loop_twin(trees: int = 3):
    first = parts()
    with dsl.ParallelFor(first.outputs["waterflow_count_output"]) as item:
        one = one_part(x=first.outputs["output"], trees=trees, waterflow_item=item)
    whole = gather(waterflow_items=dsl.Collected(one.outputs["waterflow"]))
    last(x=whole.outputs["output"])


def constant_loop_twin(trees: int = 3):
    first = load()
    with dsl.ParallelFor([0, 1]) as item:
        one = one_number(x=first.outputs["output"], trees=trees, waterflow_item=item)
    gather(waterflow_items=dsl.Collected(one.outputs["waterflow"]))


def chain_twin(trees: int = 3):
    fit(x=load().outputs["output"], trees=trees)


def condition_twin(trees: int = 3, least: float = 0.5):
    model = fit(x=load().outputs["output"], trees=trees)
    metrics = measure(model=model.outputs["output"])
    with dsl.If(metrics.outputs["output_auc"] > least):
        tell(m=metrics.outputs["output"])


def otherwise_twin(trees: int = 3, least: float = 0.5):
    model = fit(x=load().outputs["output"], trees=trees)
    metrics = measure(model=model.outputs["output"])
    with dsl.If(metrics.outputs["output_auc"] > least):
        one = tell(m=metrics.outputs["output"])
    with dsl.Else():
        other = tell(m=metrics.outputs["output"])
    last(x=dsl.OneOf(one.outputs["output"], other.outputs["output"]))


def nested_twin(trees: int = 3, least: float = 0.5, strict: bool = True, word: str = "a"):
    model = fit(x=load().outputs["output"], trees=trees)
    metrics = measure(model=model.outputs["output"])
    with dsl.If(metrics.outputs["output_auc"] > least):
        tell(m=metrics.outputs["output"])
        with dsl.If(strict == True):  # noqa: E712, SIM117 - a symbol of kfp's
            with dsl.If(word != "its"):
                tell(m=metrics.outputs["output"])
    with dsl.Else():
        use(x=model.outputs["output"])


def after_twin():
    one = load()
    other = load().after(one)
    load().after(other, one)


def _number(name):
    return {name: spec.FromParameter(name)}


MEASURED = (
    function("load", {}, "dataframe"),
    function("fit", {"x": "load", **_number("trees")}, "model"),
    function("measure", {"model": "fit"}, "metrics"),
)
AUC = spec.Compare(spec.FromStep("measure", "output", "auc"), ">", spec.FromParameter("least"))
GOOD = spec.Gate("good", AUC)
TREES = {"trees": spec.Parameter("integer", 3)}
LEAST = TREES | {"least": spec.Parameter("number", 0.5)}
EACH = function("each", {"x": "parts", **_number("trees")}, "list[dataframe]")
EACH = msgspec.structs.replace(
    EACH, run=msgspec.structs.replace(EACH.run, over="x", fan_out="jobs")
)
FIXED = function("each", {"x": "load", "y": spec.FromValue([7, 8]), **_number("trees")},
                 "list[dataframe]")  # fmt: skip
FIXED = msgspec.structs.replace(
    FIXED, run=msgspec.structs.replace(FIXED.run, over="y", fan_out="jobs")
)
PAIRS = {
    "loop": (
        loop_twin,
        pipeline(function("parts", {}, "list[dataframe]"), EACH, function("last", {"x": "each"}),
                 parameters=TREES),
    ),
    "constant loop": (
        constant_loop_twin, pipeline(MEASURED[0], FIXED, parameters=TREES),
    ),
    "chain": (chain_twin, pipeline(*MEASURED[:2], parameters=TREES)),
    "condition": (
        condition_twin,
        pipeline(*MEASURED, function("tell", {"m": "measure"}, branch=("good", True)),
                 gates=[GOOD], parameters=LEAST),
    ),
    "otherwise": (
        otherwise_twin,
        pipeline(
            *MEASURED,
            function("one", {"m": "measure"}, branch=("good", True)),
            function("other", {"m": "measure"}, branch=("good", False)),
            function("last", {"x": spec.FromFirst(
                (spec.FromStep("one", "output"), spec.FromStep("other", "output")))}),
            gates=[GOOD], parameters=LEAST,
        ),
    ),
    "nested": (
        nested_twin,
        pipeline(
            *MEASURED,
            function("tell", {"m": "measure"}, branch=("good", True)),
            function("tell_too", {"m": "measure"}, branch=("word", True)),
            function("last", {"x": "fit"}, branch=("good", False)),
            gates=[
                GOOD,
                spec.Gate("strict", spec.Compare(spec.FromParameter("strict"), "==",
                                                 spec.FromValue(True)),
                          spec.Branch("good", True)),
                spec.Gate("word", spec.Compare(spec.FromParameter("word"), "!=",
                                               spec.FromValue("its")),
                          spec.Branch("strict", True)),
            ],
            parameters=LEAST | {"strict": spec.Parameter("boolean", True),
                                "word": spec.Parameter("string", "a")},
        ),
    ),
    "after": (
        after_twin,
        pipeline(function("a", {}, "dataframe"), function("b", {}, "dataframe", after=("a",)),
                 function("c", {}, "dataframe", after=("b", "a"))),
    ),
}  # fmt: skip


def graph(document):
    """Return a pipeline spec as a graph: names of tasks, channels and inputs put aside."""
    root = document["root"]
    declared = root.get("inputDefinitions", {}).get("parameters", {})
    return {
        "parameters": {
            name: {key: entry[key] for key in ("parameterType", "defaultValue", "isOptional")}
            for name, entry in declared.items()
            if not name.startswith(naming.OWN)
        },
        "tasks": _dag(document, root, {name: name for name in declared}, ()),
    }


def _dag(document, component, parameters, sides):
    """Return a DAG's tasks as a multiset: what each is, what it waits for, what it is given."""
    tasks = component["dag"]["tasks"]
    lines = []
    for task in tasks.values():
        own = document["components"][task["componentRef"]["name"]]
        inputs = task.get("inputs", {})
        names = {
            name: parameters.get(bound["componentInputParameter"], "?")
            if "componentInputParameter" in bound
            else _shape(document, tasks, bound["taskOutputParameter"])
            for name, bound in inputs.get("parameters", {}).items()
            if name != naming.STARTED and "runtimeValue" not in bound
        }
        condition = _condition(task.get("triggerPolicy", {}).get("condition", ""), names)
        if "dag" in own:
            inner = _dag(document, own, names, (*sides, condition))
            lines.append({"if": condition, "over": _over(task, names), "tasks": inner,
                          "gives": _gives(own)})  # fmt: skip
            continue
        lines.append({
            "component": _interface(own),
            "waits": sorted(_kind(document, tasks[one]) for one in task.get("dependentTasks", [])),
            "artifacts": sorted(inputs.get("artifacts", {})),
            "parameters": sorted(names.values()),
            "cached": bool(task.get("cachingOptions", {}).get("enableCache")),
        })  # fmt: skip
    return sorted(lines, key=json.dumps)


def _over(task, names):
    """Return over what a DAG is iterated."""
    items = task.get("parameterIterator", {}).get("items", {})
    return names[items["inputParameter"]] if "inputParameter" in items else items.get("raw")


def _interface(component):
    """Return what a component takes and gives, without what is Waterflow's own."""
    parts = {}
    for where in ("inputDefinitions", "outputDefinitions"):
        for kind in ("artifacts", "parameters"):
            for name, entry in component.get(where, {}).get(kind, {}).items():
                if not name.startswith(naming.OWN):
                    parts[f"{where}.{kind}.{name}"] = entry
    return parts


def _gives(component):
    outputs = component["dag"].get("outputs", {}).get("artifacts", {})
    return sorted(len(one["artifactSelectors"]) for one in outputs.values())


def _kind(document, task):
    component = document["components"][task["componentRef"]["name"]]
    return "dag" if "dag" in component else json.dumps(_interface(component), sort_keys=True)


def _shape(document, tasks, output):
    producer = tasks[output["producerTask"]]
    return f"{output['outputParameterKey']} of {_kind(document, producer)}"


def _condition(text, names):
    """Return a condition with what its names stand for."""
    return re.sub(
        r"parameter_values\['(.*?)'\]", lambda one: f"[{names.get(one[1], one[1])}]", text
    )


def twin(function, folder):
    file = folder / "twin.yaml"
    compiler.Compiler().compile(dsl.pipeline(name="twin")(function), str(file))
    return yaml.safe_load(file.read_text())


@pytest.mark.parametrize("name", PAIRS)
def test_ours_and_the_twin_are_one_graph(name, tmp_path):
    function, ours = PAIRS[name]
    theirs = twin(function, tmp_path)
    parse(theirs)
    assert validate.errors(theirs) == []
    for document in specs(ours)[:1]:
        assert graph(document) == graph(theirs)


# Each form of a condition that the compiled pipelines of kubeflow/pipelines' own tests have.
FORMS = [
    f"{before}{left} {sign} {right}{after}"
    for left, signs, right in (
        ("inputs.parameter_values['pipelinechannel--a-Output']", ("==", "!="), "'heads'"),
        ("inputs.parameter_values['a']", ("==",), "inputs.parameter_values['b']"),
        ("inputs.parameter_values['a']", ("==",), "true"),
        ("int(inputs.parameter_values['a'])", ("<", "<=", ">", ">=", "=="), "5"),
        ("int(inputs.parameter_values['a'])", (">=",), "int(inputs.parameter_values['b'])"),
        ("double(inputs.parameter_values['a'])", ("<", ">="), "0.5"),
    )
    for sign in signs
    for before, after in (("", ""), ("!(", ")"))
]


@pytest.mark.parametrize("form", [*FORMS, " && ".join(FORMS[:4]), f"{FORMS[1]} && {FORMS[9]}"])
def test_conditions_of_others_are_read(form):
    cel.check(form)
    assert cel.parameters(form) <= {"a", "b", "pipelinechannel--a-Output"}
    inputs = dict.fromkeys(cel.parameters(form), 4)
    assert holds(form, inputs) in (True, False)


def put_together_twin(trees: int = 3, kind: str = "T4", amount: str = "2"):
    loaded = load()
    tell_text(text=f"{trees} trees of {kind}")
    fit(x=loaded.outputs["output"], trees=trees).set_cpu_limit(amount)
    with dsl.ExitHandler(ended(user="me")):
        load()


@dsl.container_component
def tell_text(text: str):
    return dsl.ContainerSpec(image="image", command=["x"], args=[text])


@dsl.component(base_image="python:3.12")
def ended(user: str, status: dsl.PipelineTaskFinalStatus):
    print(user, status)


def test_what_others_put_together_is_sound(tmp_path):
    theirs = twin(put_together_twin, tmp_path)
    parse(theirs)
    bound = theirs["root"]["dag"]["tasks"]["tell-text"]["inputs"]["parameters"]
    own = theirs["components"]["comp-tell-text"]["inputDefinitions"]["parameters"]
    assert set(bound) > set(own), "inputs that the component does not declare"
    assert validate.errors(theirs) == []
    del bound["text"]
    assert validate.errors(theirs)


def test_both_dialects_are_one_graph_but_for_what_brings_control():
    vertex, kubeflow = specs(PAIRS["nested"][1])
    assert graph(vertex)["parameters"] == graph(kubeflow)["parameters"]
    importers = {"importer"}
    assert "comp-importer" not in vertex["components"]
    assert importers <= {name.removeprefix("comp-") for name in kubeflow["components"]}


def test_no_run_and_no_moment_is_in_a_document():
    document = VERTEX.compiled(PAIRS["nested"][1])
    assert not re.search(r"waterflow-run|20\d\d-\d\d-\d\d", json.dumps(document.definition))
