"""Whole documents: what becomes of each feature on Azure ML, and what is compared by its reuse."""

import ast
import importlib
import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from waterflow_azureml.translation import quoting

from tests.providers.azureml.builds import (
    BASE,
    CLUSTERS,
    MLFLOW,
    assembled,
    build,
    compiled,
    container,
    function,
    local_data,
    node,
    pipeline,
    register,
    stable,
    valid,
)
from waterflow import spec
from waterflow.data import Pinned
from waterflow.packing.code_key import CodeKey
from waterflow.spec.references import operands

# Imported here, as what they import sets environment variables of its own.
EXAMPLES = {
    name: getattr(importlib.import_module(f"pipelines.{name}.pipeline"), name)
    for name in ("fraud_detection", "quickstart")
}
IDENTITY = "11111111-2222-4333-8444-555555555555"


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples(name, snapshot):
    document = valid(compiled(assembled(EXAMPLES[name]())))
    assert stable(document.content) == snapshot
    assert document.jobs == snapshot(name="jobs")


def every_feature():
    """Return a pipeline with one of each thing that a document can say."""
    return pipeline(
        function("load", {"source": spec.Input("data", spec.FromParameter("source"))},
                 {"train": "dataframe", "Test": "dataframe"}),
        function("fit", {"x": "load.train", "trees": spec.FromParameter("trees"),
                         "kind": spec.FromParameter("kind")}, "model",
                 resources=spec.Resources(cpu=4, memory=8 * 2**30, spot=True),
                 retry=spec.Retry(2, 30), timeout=3600,
                 environment=spec.Environment(requirements=("xgboost==3.0",),
                                              variables={"A": "1"}, secrets={"KEY": "api-key"})),
        function("shards", {"x": "fit"}, resources=spec.Resources(instances=3)),
        function("gpu", {"x": "fit"}, resources=spec.Resources(gpu=spec.Gpu(1, "nvidia-t4"))),
        function("measure", {"model": "fit", "test": "load.Test"}, "metrics"),
        register(branch=spec.Branch("good")),
        function("Notify-all", {"m": "measure"}, branch=("good", False), after=("shards",)),
        function("best", {"x": spec.FromFirst((spec.FromStep("register", "output"),
                                               spec.FromStep("Notify-all", "output")))}),
        container("tool", ("run", "--n={parameters.trees}", "--x={inputs.x}", "--o", "{outputs.o}"),
                  {"x": spec.Input("path", spec.FromStep("load", "train")),
                   "trees": spec.Input("integer", spec.FromParameter("trees"))}, ("o",),
                  environment=spec.Environment(variables={"LEVEL": "2"})),
        container("gated_tool", ("run", "{inputs.o}", "{outputs.p}"),
                  {"o": spec.Input("path", spec.FromStep("tool", "o"))}, ("p",),
                  branch=spec.Branch("inner", True)),
        function("read", {"p": spec.FromStep("gated_tool", "p")}, branch=("inner", True)),
        gates=[
            spec.Gate("good", spec.Compare(spec.FromStep("measure", "output", "auc"), ">=",
                                           spec.FromParameter("least"))),
            spec.Gate("inner", spec.All((
                spec.Compare(spec.FromParameter("kind"), "==", spec.FromValue("a")),
                spec.Not(spec.Compare(spec.FromParameter("trees"), "<", spec.FromValue(3))))),
                spec.Branch("good", True)),
        ],
        parameters={
            "source": spec.Parameter("data", "raw.csv"),
            "trees": spec.Parameter("integer", 200),
            "kind": spec.Parameter("string", "it's $5"),
            "least": spec.Parameter("number", required=True),
            "fixed": spec.Parameter("integer", 3, static=True),
        },
    )  # fmt: skip


SETTINGS = {"vault": "ml-vault", "identity": IDENTITY, "tags": {"team": "risk"}}


def test_one_of_each_feature(snapshot):
    graph = every_feature()
    document = valid(
        compiled(build(graph, data=[local_data("raw.csv")], uri="https://m"), SETTINGS)
    )
    assert stable(document.content) == snapshot
    assert (document.jobs, document.notes) == snapshot(name="jobs")


def test_on_clusters_with_images_of_ones_own(snapshot):
    settings = SETTINGS | {
        "clusters": CLUSTERS, "image": "azureml:our-env:7", "python": "3.12",
        "libraries": "image", "region": "eastus", "prefix": "team/x", "datastore": "ours",
        "steps": {
            "shards": {"distribution": "mpi", "shm_size": "2g", "cluster": "cpu"},
            "gpu": {"machine": "Standard_NC8as_T4_v3", "image": "ours.azurecr.io/gpu:1",
                    "python": "3.12"},
            "a_pipeline.measure": {"identity": IDENTITY.replace("1", "9")},
        },
    }  # fmt: skip
    graph = every_feature()
    steps = [s for s in graph.steps if not s.environment.requirements]
    fit = replace_step(graph.step("fit"), environment=spec.Environment())
    graph = spec.Pipeline(
        name=graph.name,
        steps=tuple(fit if s.name == "fit" else s for s in graph.steps if s in steps or s == fit
                    or s.name == "fit"),
        gates=graph.gates, parameters=graph.parameters,
    )  # fmt: skip
    document = valid(
        compiled(build(graph, data=[local_data("raw.csv")], uri="https://m"), settings)
    )
    assert stable(document.definition) == snapshot
    assert document.jobs == snapshot(name="jobs")


def replace_step(step, **changes):
    return spec.Step(**{name: getattr(step, name) for name in step.__struct_fields__} | changes)


def test_images_that_azure_builds():
    graph = pipeline(
        function("fit", {}, "dataframe", environment=spec.Environment(requirements=("polars>=1",))),
        function("plain"),
    )
    versions = {"fit": {"pandas": "2.2.3", "pyarrow": "17.0"}}
    document = compiled(build(graph, versions=versions), {"build_images": True})
    environment = node(document, "fit")["component"]["environment"]
    assert environment["conda_file"]["dependencies"] == [
        "python=3.12", "pip", {"pip": ["pandas==2.2.3", "pyarrow==17.0", "polars>=1"]},
    ]  # fmt: skip
    assert "waterflow_wheels" not in node(document, "fit")["inputs"]
    assert document.wheelhouses == {}
    plain = node(document, "plain")["component"]["environment"]
    assert plain["conda_file"]["dependencies"] == ["python=3.12", "pip"]


# --- what a run changes, and what it does not -----------------------------------------------------


def test_nothing_of_a_run_and_no_change_without_a_change():
    call = EXAMPLES["fraud_detection"]()
    first, second = (compiled(assembled(call)) for _ in range(2))
    assert json.dumps(first.content) == json.dumps(second.content)
    text = json.dumps(first.definition)
    assert "${{name}}" in text
    assert not re.search(r"run[_-]?id", text, re.IGNORECASE)


def without_origins(document):
    """Return the nodes as Azure's reuse compares them."""
    return {name: one["component"] | {"bound": one.get("inputs")}
            for name, one in document.definition["jobs"].items()}  # fmt: skip


def changed(first, second):
    one, other = without_origins(first), without_origins(second)
    return {name for name in one if one[name] != other[name]}


def test_what_changes_a_node():
    graph = pipeline(function("a"), function("b", {"x": "a"}), function("fit"), register())
    base = build(graph, uri=MLFLOW)
    code = {name: CodeKey("k" * 64) for name in ("a", "b", "fit")}
    base = replace(base, codes=code)
    same = compiled(base)
    other = {**code, "b": CodeKey("z" * 64)}
    assert changed(same, compiled(replace(base, codes=other))) == {"b"}
    # The bundle of an unrelated change has another digest, and the code key stays.
    bundles = {name: replace(one, digest="f" * 64) for name, one in base.bundles.items()}
    assert changed(same, compiled(replace(base, bundles=bundles))) <= {"register"}
    # A commit changes what a register step writes down, and nothing else.
    commit = replace(base, git=replace(base.git, commit="d" * 40))
    assert changed(same, compiled(commit)) == {"register"}
    slow = pipeline(function("a"), function("b", {"x": "a"}, retry=spec.Retry(3)), function("fit"),
                    register())  # fmt: skip
    assert changed(same, compiled(replace(base, spec=slow))) == {"b"}


@pytest.mark.parametrize(
    ("options", "data", "cached"),
    [
        ({}, None, True),
        ({"cache": False}, None, False),
        ({}, Pinned("https://x/y.csv"), False),
        ({}, Pinned("https://x/y.csv", version="etag:1"), True),
    ],
)
def test_what_is_cached(options, data, cached):
    inputs = {} if data is None else {"d": spec.Input("data", spec.FromData(data.uri))}
    graph = pipeline(function("a", inputs, **options))
    document = compiled(build(graph, data=[] if data is None else [data]))
    assert node(document, "a")["component"]["is_deterministic"] is cached
    notes = [note for note in document.notes if note.startswith("never cached")]
    assert bool(notes) is (not cached and data is not None)


@pytest.mark.parametrize(
    ("pinned", "path"),
    [
        (Pinned("raw.csv", sha256="d" * 64), f"{BASE}/data/[0-9a-f]{{64}}/"),
        (Pinned("abfss://c@a.dfs.core.windows.net/x", version="etag:1"),
         f"{BASE}/data/[0-9a-f]{{64}}/"),
        (Pinned("azureml://datastores/other/paths/x"), "azureml://datastores/other/paths/x"),
        (Pinned("https://x/y.csv"), f"{BASE}/data/unpinned-[0-9a-f]{{64}}/"),
    ],
)  # fmt: skip
def test_where_data_lies(pinned, path):
    graph = pipeline(function("a", {"d": spec.Input("data", spec.FromData(pinned.uri))}))
    document = compiled(build(graph, data=[pinned]))
    assert re.fullmatch(path, node(document, "a")["inputs"]["d"]["path"])
    assert document.data[pinned.uri] == node(document, "a")["inputs"]["d"]["path"]


def test_parameters_without_a_value():
    graph = pipeline(
        function("a", {"n": spec.FromParameter("n"),
                       "d": spec.Input("data", spec.FromParameter("d")),
                       "o": spec.Input("data", spec.FromParameter("o"))}),
        parameters={"n": spec.Parameter("integer", required=True),
                    "d": spec.Parameter("data", required=True),
                    "o": spec.Parameter("data", None, optional=True)},
    )  # fmt: skip
    document = valid(compiled(graph))
    assert document.definition["inputs"] == {
        "n": "",
        "d": {"type": "uri_folder", "path": f"{BASE}/required/"},
        "o": {"type": "uri_folder", "path": f"{BASE}/none/"},
    }
    assert document.none == f"{BASE}/none/"
    assert document.encodings == {"n": "json", "d": "data", "o": "data"}


# --- where it runs --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wants", "machine"),
    [
        ({}, "Standard_F2s_v2"),
        ({"cpu": 3}, "Standard_F4s_v2"),
        ({"memory": 30 * 2**30}, "Standard_E4ds_v5"),
        ({"gpu": spec.Gpu()}, "Standard_NC4as_T4_v3"),
        ({"gpu": spec.Gpu(2, "nvidia-a100")}, "Standard_NC48ads_A100_v4"),
        ({"gpu": spec.Gpu(1, "nvidia-h100")}, "Standard_NC40ads_H100_v5"),
        ({"disk": 500 * 10**9}, "Standard_D16ds_v5"),
    ],
)
def test_the_cheapest_machine_that_fits(wants, machine):
    document = compiled(pipeline(function("a", resources=spec.Resources(**wants))))
    assert node(document, "a")["resources"] == {"instance_type": machine, "instance_count": 1}
    assert "compute" not in node(document, "a")


@pytest.mark.parametrize(
    ("wants", "cluster"),
    [
        ({}, "cpu"),
        ({"spot": True}, "cpu-spot"),
        ({"gpu": spec.Gpu()}, "gpu"),
        ({"instances": 4}, "cpu"),
    ],
)
def test_the_cheapest_cluster_that_fits(wants, cluster):
    document = compiled(
        pipeline(function("a", resources=spec.Resources(**wants))), {"clusters": CLUSTERS}
    )
    assert node(document, "a")["compute"] == f"azureml:{cluster}"
    assert "queue_settings" not in node(document, "a")
    assert document.jobs[0].kind == f"command on {cluster}"


@pytest.mark.parametrize(
    ("step", "seconds"),
    [
        ({}, None),
        ({"timeout": 100}, 1000),
        ({"timeout": 100, "retry": spec.Retry(2, 10, 2)}, 1230),
    ],
)
def test_times(step, seconds):
    one = node(compiled(pipeline(function("a", **step))), "a")
    assert one.get("limits") == (None if seconds is None else {"timeout": seconds})


@pytest.mark.parametrize(
    ("kind", "distribution"),
    [
        (None, {"type": "pytorch", "process_count_per_instance": 1}),
        ("mpi", {"type": "mpi", "process_count_per_instance": 1}),
        ("tensorflow", {"type": "tensorflow", "worker_count": 3}),
    ],
)
def test_several_machines(kind, distribution):
    settings = {"steps": {"a": {"distribution": kind}}} if kind else {}
    document = compiled(pipeline(function("a", resources=spec.Resources(instances=3))), settings)
    assert node(document, "a")["component"]["distribution"] == distribution
    assert node(document, "a")["resources"]["instance_count"] == 3


# --- names and words ------------------------------------------------------------------------------


def test_names_are_ones_that_azure_takes_and_none_is_there_twice():
    graph = pipeline(
        function("Fit-1", outputs={"Out": "json", "out": "json", "decision": "json"}),
        function("fit_1", {"x": "Fit-1.Out", "X": "Fit-1.out",
                           "waterflow_control": "Fit-1.decision",
                           "many": spec.FromList((spec.FromStep("Fit-1", "Out"),
                                                  spec.FromStep("Fit-1", "out")))}),
        function("9lives"),
        function("Größe"),
    )  # fmt: skip
    document = valid(compiled(graph))
    jobs = document.definition["jobs"]
    assert list(jobs) == ["fit_1", "fit_1_2", "step_9lives", "gr_e"]
    assert [one["properties"]["waterflow.step"] for one in jobs.values()] == [
        "Fit-1", "fit_1", "9lives", "Größe",
    ]  # fmt: skip
    assert list(jobs["fit_1"]["outputs"]) == ["out", "decision_2", "out_2", "waterflow"]
    paths = [one["path"].rsplit("/", 2)[1] for one in jobs["fit_1"]["outputs"].values()]
    assert paths == ["Out", "decision", "out", "waterflow"]
    bound = jobs["fit_1_2"]["inputs"]
    assert bound["x"] == "${{parent.jobs.fit_1.outputs.out_2}}"
    assert {"x", "x_2", "many_0", "many_1", "waterflow_control", "waterflow_control_2"} <= set(
        bound
    )


TEXTS = [
    "plain", "", "it's", "$HOME `id` $(id)", "a\nb\tc", "back\\slash \\0101 \\c", "${{inputs.x}}",
    "$[[x]]", '"quoted"', "  spaced  ", "naïve ☃", "-n", "%s %b", "\x01\x7f",
]  # fmt: skip


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_any_value_comes_through_a_shell(shell):
    """What Azure does: it fills an input into the command, and a shell reads that."""
    words = []
    for text in TEXTS:
        held = quoting.escaped(text)
        assert quoting.plain(held) == text
        assert held
        assert not set(held) & set("'$\n")
        words += [quoting.value("x").replace("${{inputs.x}}", held), quoting.word(text)]
    command = " ".join(words)
    assert "${{" not in command
    program = "import sys; print(ascii(sys.argv[1:]))"
    shown = subprocess.run(
        [shell, "-c", f"{sys.executable} -c '{program}' {command}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ast.literal_eval(shown.stdout) == [text for text in TEXTS for _ in range(2)]


# --- conditions -----------------------------------------------------------------------------------


def test_a_gate_is_given_what_it_compares_and_nothing_else():
    document = valid(
        compiled(build(every_feature(), data=[local_data("raw.csv")], uri=MLFLOW), SETTINGS)
    )
    good, inner = node(document, "gate_good"), node(document, "gate_inner")
    assert good["inputs"].keys() == {"measure", "least", "waterflow_control"}
    assert good["inputs"]["measure"] == "${{parent.jobs.measure.outputs.waterflow}}"
    assert inner["inputs"]["waterflow_gate_1"] == "${{parent.jobs.gate_good.outputs.decision}}"
    assert inner["inputs"].keys() == {"waterflow_gate_1", "kind", "trees", "waterflow_control"}
    order = list(document.definition["jobs"])
    assert order.index("measure") < order.index("gate_good") < order.index("register")
    launch = document.control["gate_good"].launch
    assert launch == {"condition": {
        "left": {"step": "measure", "key": "output_auc"}, "operator": ">=",
        "right": {"parameter": "least"},
    }}  # fmt: skip
    [note] = [one for one in document.notes if one.startswith("conditions are jobs")]
    assert "good, inner on Standard_F2s_v2, $0.0846 an hour" in note
    assert sum(1 for _ in operands(every_feature().gates[1].condition)) == 4


def test_gates_run_on_a_cluster_too():
    settings = SETTINGS | {"clusters": {"spot": {"machine": "Standard_D2ds_v5", "spot": True}}}
    graph = pipeline(
        function("a", resources=spec.Resources(spot=True), branch=("g", True)),
        gates=[spec.Gate("g", spec.Compare(spec.FromParameter("n"), ">", spec.FromValue(1)))],
        parameters={"n": spec.Parameter("integer", 1)},
    )
    document = valid(compiled(graph, settings))
    assert node(document, "gate_g")["compute"] == "azureml:spot"
    assert document.definition["settings"]["default_compute"] == "azureml:spot"
