"""Whole documents on both services: each feature, what is refused, and what reading back tells."""

import importlib
import json
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from waterflow_kfp import reading, validate

from tests.providers.builds import function, local_data, pipeline, stable
from tests.providers.kfp.builds import KUBEFLOW, VERTEX, specs
from waterflow import spec
from waterflow.cloud.states import NativeRun
from waterflow.errors import ConfigurationError, DefinitionError, UnsupportedFeatureError
from waterflow.packing.code_key import CodeKey
from waterflow.provider.state import Status

# Imported here, as what they import sets environment variables of its own.
EXAMPLES = {
    name: getattr(importlib.import_module(f"pipelines.{name}.pipeline"), name)
    for name in ("fraud_detection", "quickstart")
}
CLOUDS = {"vertex": VERTEX, "kubeflow": KUBEFLOW}
GOOD = spec.Gate(
    "good",
    spec.Compare(spec.FromStep("measure", "output", "auc"), ">=", spec.FromParameter("least")),
)


def register(**options):
    return spec.Step(
        name="register",
        run=spec.Register(),
        outputs={"output": spec.Output("json")},
        inputs={"model": spec.Input("model", spec.FromStep("fit", "output"))},
        **options,
    )


def every_feature(cloud):
    """Return a pipeline with one of each thing that a document can say."""
    vertex = cloud is VERTEX
    own = spec.Environment(requirements=("xgboost==3.0",), variables={"A": "1"},
                           secrets={"KEY": "api-key"})  # fmt: skip
    return pipeline(
        function("load", {"source": spec.Input("data", spec.FromParameter("source"))},
                 {"train": "dataframe", "Test": "dataframe"}),
        function("fit", {"x": "load.train", "trees": spec.FromParameter("trees"),
                         "kind": spec.FromParameter("kind")}, "model",
                 resources=spec.Resources(cpu=4, memory=8 * 2**30, spot=vertex),
                 retry=spec.Retry(2, 30), timeout=3600, environment=own),
        function("shards", {"x": "fit"},
                 resources=spec.Resources(instances=3 if vertex else 1)),
        function("gpu", {"x": "fit"}, resources=spec.Resources(gpu=spec.Gpu(1, "nvidia-t4"))),
        function("measure", {"model": "fit", "test": "load.Test"}, "metrics"),
        register(branch=spec.Branch("good")),
        function("Notify-all", {"m": "measure"}, branch=("good", False)),
        function("best", {"x": spec.FromFirst((spec.FromStep("register", "output"),
                                               spec.FromStep("Notify-all", "output")))},
                 after=("shards",)),
        cloud.container("tool", ("run", "--n={parameters.trees}", "--x={inputs.x}", "--o",
                                 "{outputs.o}"),
                        {"x": spec.Input("path", spec.FromStep("load", "train")),
                         "trees": spec.Input("integer", spec.FromParameter("trees"))}, ("o",),
                        environment=spec.Environment(variables={"LEVEL": "2"}),
                        retry=spec.Retry(2, 5), timeout=60),
        function("perhaps", {"o": "tool.o", "first": spec.FromFirst(
            (spec.FromStep("Notify-all", "output"),))}, "integer", branch=("inner", True)),
        cloud.container("unsure", ("run", "{inputs.o}", "{outputs.p}"),
                        {"o": spec.Input("path", spec.FromStep("perhaps", "output"))}, ("p",),
                        branch=spec.Branch("inner", True)),
        function("entry", {"x": spec.FromStep("best", "output", "name")},
                 branch=("undecided", False)),
        function("late", {"a": spec.FromList((spec.FromStep("best", "output"),
                                              spec.FromParameter("trees"))),
                          "c": spec.FromValue({"b": 1})}, after=("entry",)),
        gates=[
            GOOD,
            spec.Gate("inner", spec.All((
                spec.Compare(spec.FromParameter("kind"), "!=", spec.FromValue("it's")),
                spec.Any_((spec.Not(spec.Compare(spec.FromStep("best", "output", "name"), "==",
                                                 spec.FromValue("x"))),
                           spec.Compare(spec.FromParameter("trees"), ">", spec.FromValue(2.5)),
                           spec.Compare(spec.FromParameter("maybe"), "==",
                                        spec.FromValue(None))))))),
            spec.Gate("undecided", spec.Compare(spec.FromStep("perhaps", "output"), "<",
                                                spec.FromValue(3)), spec.Branch("inner", True)),
        ],
        parameters={
            "source": spec.Parameter("data", "raw.csv"), "other": spec.Parameter("data", None,
                                                                                optional=True),
            "trees": spec.Parameter("integer", 10), "kind": spec.Parameter("string", "a b"),
            "least": spec.Parameter("number", 0.9), "fixed": spec.Parameter("integer", 3,
                                                                            static=True),
            "maybe": spec.Parameter("number", None, optional=True),
            "needed": spec.Parameter("json", required=True),
        },
    )  # fmt: skip


OWN = {
    "vertex": {"service_account": "jobs@my-project.iam.gserviceaccount.com",
               "network": "projects/12/global/networks/ml", "tags": {"team": "risk"},
               "kms_key": "projects/p/locations/us-central1/keyRings/r/cryptoKeys/k"},
    "kubeflow": {"secret": "keys", "node_selector": {"pool": "ml"},
                 "tolerations": [{"key": "gpu", "operator": "Exists"}],
                 "pull_secrets": ["registry"]},
}  # fmt: skip


def compiled(name, graph=None, **options):
    cloud = CLOUDS[name]
    graph = graph or every_feature(cloud)
    return cloud.valid(
        cloud.compiled(graph, OWN[name], build_options={"data": [local_data("raw.csv")]}, **options)
    )


@pytest.mark.parametrize("cloud", CLOUDS)
def test_every_feature(cloud, snapshot):
    document = compiled(cloud)
    assert stable(document.content) == snapshot
    assert document.jobs == snapshot(name="jobs")


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples(name, cloud, snapshot):
    own = CLOUDS[cloud]
    document = own.valid(own.compiled(own.assembled(EXAMPLES[name]())))
    if cloud == "vertex":  # test_twins.py: but for what brings control, the other's is the same
        assert stable(document.content) == snapshot
    assert document.jobs == snapshot(name="jobs")
    assert set(document.control) <= set(reading.tasks(_spec(document)))


def _spec(document):
    definition = document.definition
    return definition.get("pipelineSpec") or definition["pipeline_spec"]


# --- read back ------------------------------------------------------------------------------------


def test_what_is_read_back():
    document = _spec(compiled("vertex"))
    origin = reading.origin(document)
    assert origin.pipeline == "a_pipeline"
    assert origin.build.startswith("gs://my-bucket/waterflow/builds/")
    natives = reading.natives(document)
    chains = {one.step: one.chain for one in natives.values() if one.step}
    assert chains["register"] == (("good", True),)
    assert chains["Notify-all"] == (("good", False),)
    assert chains["entry"] == (("inner", True), ("undecided", False))
    needs = {one.step: one.needs for one in natives.values() if one.step}
    assert needs["best"] == (("register", "notify-all"),)
    assert needs["perhaps"] == (("tool",), ("notify-all",))
    assert {one.gate for one in natives.values()} == {None, "good", "inner", "undecided"}
    before = list(natives)
    for one in natives.values():
        assert all(before.index(n) < before.index(one.name) for g in one.needs for n in g)
    assert reading.declared(document) == {
        "source": document["root"]["inputDefinitions"]["parameters"]["source"]["defaultValue"],
        "other": "gs://my-bucket/waterflow/none", "trees": "10", "kind": "a b", "least": "0.9",
        "maybe": "null", "needed": None,
    }  # fmt: skip


def test_runs_of_tasks_are_told_as_runs_of_steps_and_gates():
    document = _spec(compiled("vertex"))
    done = {name: NativeRun(name, Status.SUCCEEDED, job=name) for name in reading.tasks(document)}
    done["good-otherwise"] = NativeRun("good-otherwise", Status.SKIPPED)
    del done["notify-all"]
    runs = reading.native_runs(document, done)
    assert runs["good"].outcome is True
    assert runs["notify-all"].status is Status.SKIPPED
    assert runs["best"].status is Status.SUCCEEDED
    assert runs["perhaps"].status is Status.SKIPPED  # its job ran, of an input that nobody made
    assert runs["unsure"].status is Status.SKIPPED
    assert not any(name.startswith(("data-", "nothing")) for name in runs)
    undecided = {**done, "undecided-otherwise": NativeRun("undecided-otherwise", Status.SKIPPED)}
    assert reading.native_runs(document, undecided)["entry"].status is Status.SKIPPED


@pytest.mark.parametrize("cloud", CLOUDS)
def test_documents_that_pass_over_results(cloud):
    document = _spec(compiled(cloud))
    again = reading.renewed(document, {"fit": "a/b", "tool": "c"})
    assert again != document
    assert validate.errors(again) == []
    assert reading.same_steps(document, again)
    without = reading.uncached(document)
    assert all(one.lifetime is None for one in reading.fingerprints(without).values())
    assert reading.cached(without) == document
    fingerprints = reading.fingerprints(document)
    assert fingerprints["fit"].lifetime is not None
    assert fingerprints["register"].lifetime is None


def test_an_unrelated_change_of_code_changes_no_task_but_the_one_that_registers():
    graph = every_feature(VERTEX)
    one = _spec(compiled("vertex", graph))
    from tests.providers import builds

    other = builds.build(graph, data=[local_data("raw.csv")], uri=builds.MLFLOW)
    codes = {name: CodeKey(bundle.digest, {}) for name, bundle in other.bundles.items()}
    changed = replace(
        other,
        git=replace(other.git, commit="d" * 40),
        bundles={name: replace(bundle, digest="e" * 64) for name, bundle in other.bundles.items()},
        codes=codes,
    )
    two = _spec(VERTEX.compiled(changed, OWN["vertex"]))
    assert reading.same_steps(one, two)
    assert {
        name
        for name in reading.fingerprints(one)
        if reading.fingerprints(one)[name] != reading.fingerprints(two)[name]
    } <= {"register"}


# --- refused --------------------------------------------------------------------------------------

REFUSED = {
    "the order of a text that may be None": (
        pipeline(
            function("a", branch=("g", True)),
            gates=[spec.Gate("g", spec.Compare(spec.FromParameter("t"), "<", spec.FromValue("b")))],
            parameters={"t": spec.Parameter("string", None, optional=True)},
        ),
        UnsupportedFeatureError,
    ),
    "what the container step 'tool' writes": (
        pipeline(
            VERTEX.container("tool", ("x", "{outputs.o}"), {}, ("o",)),
            function("a", branch=("g", True)),
            gates=[spec.Gate("g", spec.Compare(spec.FromStep("tool", "o"), "==",
                                               spec.FromValue(1)))],
        ),
        UnsupportedFeatureError,
    ),
    "which stands behind another gate": (
        pipeline(
            function("a", {}, "integer", branch=("g", True)),
            function("b", branch=("h", True)),
            gates=[spec.Gate("g", spec.Compare(spec.FromParameter("n"), "==", spec.FromValue(1))),
                   spec.Gate("h", spec.Compare(spec.FromStep("a", "output"), "==",
                                               spec.FromValue(1)))],
            parameters={"n": spec.Parameter("integer", 1)},
        ),
        UnsupportedFeatureError,
    ),
    "requirements of a container step": (
        pipeline(VERTEX.container("tool", ("x",), environment=spec.Environment(("a==1",)))),
        UnsupportedFeatureError,
    ),
    "would be taken for a placeholder": (
        pipeline(VERTEX.container("tool", ("echo", "{{$.inputs}}"))),
        DefinitionError,
    ),
    "Rename 'waterflow_build'": (
        pipeline(function("a"), parameters={"waterflow_build": spec.Parameter("integer", 1)}),
        DefinitionError,
    ),
}  # fmt: skip


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_said_is_refused(cloud, message):
    graph, error = REFUSED[message]
    with pytest.raises(error, match=message.replace("{", r"\{").replace("$", r"\$")):
        CLOUDS[cloud].compiled(graph)


WRONG = {
    "project": {"project": "x"}, "region": {"region": "Iowa"}, "bucket": {"bucket": "gs://b/c"},
    "service_account": {"service_account": "me@example.com"}, "network": {"network": "default"},
    "kms_key": {"kms_key": "k"}, "another region": {
        "kms_key": "projects/p/locations/eu/keyRings/r/cryptoKeys/k"},
    "cache_days": {"cache_days": 3}, "parallel": {"parallel": 2}, "tags": {"tags": {"A": "b"}},
    "waterflow": {"tags": {"waterflow-x": "b"}}, "machines": {"machines": ["n1-none"]},
}  # fmt: skip


@pytest.mark.parametrize("message", WRONG)
def test_a_profile_that_cannot_be_kept(message):
    with pytest.raises(ConfigurationError, match=message):
        VERTEX.profile(WRONG[message]).convert(VERTEX.settings)


# --- whatever the pipeline ------------------------------------------------------------------------


@st.composite
def pipelines(draw):
    """Draw a pipeline: steps behind nested gates, with inputs of all kinds from what is before."""
    gates, steps, scopes = [], [], [None]
    for number in range(draw(st.integers(0, 3))):
        within = draw(st.sampled_from(scopes))
        gates.append(spec.Gate(f"g{number}", spec.Compare(
            spec.FromParameter("n"), draw(st.sampled_from(["<", "==", "!="])),
            spec.FromValue(draw(st.integers(-3, 3)))), within))  # fmt: skip
        scopes += [spec.Branch(f"g{number}", True), spec.Branch(f"g{number}", False)]
    nested = pipeline(gates=gates)
    from waterflow.spec.references import branches

    for number in range(draw(st.integers(1, 7))):
        branch = draw(st.sampled_from(scopes))
        chain = branches(nested, branch)
        seen = [one for one in steps if branches(nested, one.branch) ==
                chain[: len(branches(nested, one.branch))]]  # fmt: skip
        inputs = {}
        if seen and draw(st.booleans()):
            inputs["x"] = spec.FromStep(draw(st.sampled_from(seen)).name, "output")
        if steps and draw(st.booleans()):
            options = draw(
                st.lists(
                    st.sampled_from(steps), min_size=1, max_size=3, unique_by=lambda one: one.name
                )
            )
            if not any(one.branch == branch and branch for one in options):
                inputs["y"] = spec.FromFirst(
                    tuple(spec.FromStep(one.name, "output") for one in options)
                )
        if draw(st.booleans()):
            inputs["n"] = spec.FromParameter("n")
        side = None if branch is None else (branch.gate, branch.then)
        step = function(f"s{number}", inputs, "integer", branch=side)
        if inputs and draw(st.booleans()):
            over = draw(st.sampled_from(sorted(inputs)))
            run = msgspec.structs.replace(step.run, over=over, fan_out="jobs")
            step = msgspec.structs.replace(step, run=run)
        steps.append(step)
    return pipeline(*steps, gates=gates, parameters={"n": spec.Parameter("integer", 1)})


@settings(max_examples=40, deadline=None)
@given(pipelines())
def test_any_pipeline_becomes_a_sound_document(graph):
    try:
        documents = specs(graph)
    except UnsupportedFeatureError as error:
        assert "wait for each other" in str(error)  # noqa: PT017 - the only thing refused of them
        return
    for document in documents:
        natives = reading.natives(document)
        assert {one.step for one in natives.values() if one.step} == {s.name for s in graph.steps}
        assert reading.natives(json.loads(json.dumps(document, sort_keys=True))).keys() == (
            natives.keys()
        )
    assert msgspec.json.decode(spec.encode(graph))
