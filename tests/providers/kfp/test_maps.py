"""Maps with a job for each item: how both documents say them, and how their runs are read."""

import json

import msgspec
import pytest
from waterflow_kfp import naming, reading
from waterflow_kfp.job import place

from tests.providers.builds import function, pipeline
from tests.providers.kfp.builds import KUBEFLOW, VERTEX, specs
from waterflow import spec
from waterflow.cloud.states import NativeRun
from waterflow.errors import UnsupportedFeatureError
from waterflow.provider.state import Status

GATE = spec.Gate("g", spec.Compare(spec.FromParameter("n"), ">", spec.FromValue(1)))
PARAMETERS = {
    "n": spec.Parameter("integer", 1),
    "names": spec.Parameter("json", ["a"]),
    "fixed": spec.Parameter("json", [1, 2], static=True),
}


def mapped(name, over, inputs=None, outputs="list[dataframe]", **options):
    """Return a map over its argument `x`, with a job for each item."""
    step = function(name, {"x": over, **(inputs or {})}, outputs, **options)
    run = msgspec.structs.replace(step.run, over="x", fan_out="jobs")
    return msgspec.structs.replace(step, run=run)


def graph(*steps, **options):
    return pipeline(*steps, parameters=PARAMETERS, **options)


LIST = function("list", {}, "list[dataframe]")
SIDES = [function(side, {}, "json", branch=("g", side == "one")) for side in ("one", "other")]
EITHER = spec.FromFirst((spec.FromStep("one", "output"), spec.FromStep("other", "output")))
SOURCES = {
    "a step": ([LIST], "list", "list"),
    "a map": ([LIST, mapped("before", "list")], "before", "before"),
    "an entry": ([function("entries", {}, "json")], spec.FromStep("entries", "output", "a"),
                 "m-count"),
    "a parameter": ([], spec.FromParameter("names"), "m-count"),
    "a first of several": (SIDES, EITHER, "m-count"),
    "a perhaps": (SIDES, spec.FromFirst(EITHER.options[:1]), "m-count"),
    "a constant": ([], spec.FromValue([1, 2, 3]), [0, 1, 2]),
    "a static parameter": ([], spec.FromParameter("fixed"), [0, 1]),
    "several steps": ([LIST], spec.FromList((spec.FromStep("list", "output"),
                                             spec.FromParameter("n"))), [0, 1]),
    "nothing": ([], spec.FromValue([]), []),
}  # fmt: skip


@pytest.mark.parametrize("name", SOURCES)
def test_lists_are_counted_by_whom_knows_them(name):
    before, over, counts = SOURCES[name]
    gates = [GATE] if before is SIDES else []
    for document in specs(graph(*before, mapped("m", over), gates=gates)):
        tasks = document["root"]["dag"]["tasks"]
        loop = tasks["m-items"]
        items = loop["parameterIterator"]["items"]
        if isinstance(counts, list):
            assert json.loads(items["raw"]) == counts
        else:
            bound = loop["inputs"]["parameters"][items["inputParameter"]]["taskOutputParameter"]
            assert bound["producerTask"] == counts
        assert ("m-count" in tasks) is (counts == "m-count")
        steps = {one.step for one in reading.natives(document).values() if one.step}
        assert steps == {step.name for step in before} | {"m"}


@pytest.mark.parametrize("cloud", [VERTEX, KUBEFLOW], ids=lambda cloud: cloud.provider)
def test_each_item_has_what_the_step_asks_for(cloud):
    step = mapped("m", "list", {"n": spec.FromParameter("n")},
                  {"a": "list[dataframe]", "b": "json"}, branch=("g", True), after=("aside",),
                  resources=spec.Resources(cpu=4, memory=2**33, gpu=spec.Gpu(1, "nvidia-t4")),
                  retry=spec.Retry(2, 3), timeout=60,
                  environment=spec.Environment(secrets={"K": "key"}))  # fmt: skip
    own = {"secret": "keys"} if cloud is KUBEFLOW else {}
    whole = graph(LIST, function("aside"), step, gates=[GATE])
    document = cloud.valid(cloud.compiled(whole, own))
    native = document.definition.get("pipelineSpec") or document.definition["pipeline_spec"]
    executors = native["deploymentSpec"]["executors"]
    item, gather = (executors[naming.executor(name)]["container"] for name in ("m-item", "m"))
    assert "accelerator" in item["resources"]
    assert "accelerator" not in gather["resources"]
    assert gather["resources"]["cpuLimit"] == 1
    steps = {name: control.step for name, control in document.control.items()}
    assert (steps["m-item"]["timeout"], steps["m-item"]["retry"]["retries"]) == (60, 2)
    assert (steps["m"]["timeout"], steps["m"]["secrets"]) == (None, {})
    assert steps["m-item"]["secrets"] == {"K": "key"}
    assert steps["list"]["values"]["waterflow_count_output"]["counts"] == "m"
    side = native["components"]["comp-g-then"]["dag"]["tasks"]
    assert {"m", "m-items"} <= side.keys()
    assert native["root"]["dag"]["tasks"]["g-then"]["dependentTasks"][:1]
    row = next(job for job in document.jobs if job.step == "m")
    assert "a job for each item, and one that gathers them" in row.notes


@pytest.mark.parametrize("cloud", [VERTEX, KUBEFLOW], ids=lambda cloud: cloud.provider)
def test_more_items_than_a_step_can_have_are_refused(cloud):
    most = 150
    cloud.compiled(graph(mapped("m", spec.FromValue([0] * most))))
    with pytest.raises(UnsupportedFeatureError, match=r"over 151 items.*150 jobs.*processes"):
        cloud.compiled(graph(mapped("m", spec.FromValue([0] * (most + 1)))))


# --- read back --------------------------------------------------------------------------------


def run(name, status, **more):
    return NativeRun(name, status, job=f"{name}/{status}", **more)


OK, BAD, GOING = Status.SUCCEEDED, Status.FAILED, Status.RUNNING
RUNS = {
    "nothing yet": ({}, None, 0),
    "counted": ({"m-count": OK}, GOING, 1),
    "an item runs": ({"m-count": OK, "m-item": GOING}, GOING, 2),
    "all items ran": ({"m-count": OK, "m-item": OK}, GOING, 2),
    "an item failed": ({"m-count": OK, "m-item": BAD}, BAD, 2),
    "the count failed": ({"m-count": BAD}, BAD, 1),
    "gathering": ({"m-count": OK, "m-item": OK, "m": GOING}, GOING, 3),
    "gathered": ({"m-count": OK, "m-item": OK, "m": OK}, OK, 3),
    "no items": ({"m-count": OK, "m": OK}, OK, 2),
    "some were cached": ({"m-count": Status.CACHED, "m-item": Status.CACHED, "m": OK}, OK, 3),
    "all was cached": (dict.fromkeys(("m-count", "m-item", "m"), Status.CACHED), Status.CACHED, 3),
    "stopped": ({"m-count": OK, "m-item": Status.CANCELLED}, Status.CANCELLED, 2),
}


@pytest.mark.parametrize("name", RUNS)
def test_runs_of_its_tasks_are_one_run_of_the_step(name):
    tasks, status, parts = RUNS[name]
    document = specs(graph(mapped("m", spec.FromParameter("names"))))[0]
    tasks_of_run = {task: run(task, one, started=number + 1) for number, (task, one) in
            enumerate(tasks.items())}  # fmt: skip
    runs = reading.native_runs(document, tasks_of_run)
    if status is None:
        assert runs == {}
        return
    (one,) = runs.values()
    assert (one.native, one.status, one.started, len(one.jobs)) == ("m", status, 1, parts)


def test_what_caches_compare_is_all_that_an_item_is_given():
    parameter = {"n": spec.FromParameter("n")}
    own = [specs(graph(LIST, mapped("m", "list", inputs)))[0] for inputs in ({}, parameter)]
    one, other = (reading.fingerprints(document)["m"] for document in own)
    assert one != other
    assert one.lifetime is not None
    again = reading.renewed(own[0], {"m": "job"})
    executors = again["deploymentSpec"]["executors"]
    marked = [n for n, e in executors.items() if reading.RENEWED in json.dumps(e)]
    assert sorted(marked) == ["exec-m", "exec-m-item"]


def test_what_items_have_made_is_found_beside_the_tasks_own_output(tmp_path, monkeypatch):
    monkeypatch.setattr(place, "HERE", tmp_path / "here")
    items = [{"uri": f"minio://b/r/p/run/m-item/{n}/waterflow"} for n in range(3)]
    executor = {
        "inputs": {"artifacts": {place.ITEMS: {"artifacts": items}}},
        "outputs": {"artifacts": {"waterflow": {"artifacts": [
            {"uri": "minio://b/r/p/run/m/9/waterflow"}]}}},
    }  # fmt: skip
    paths = {"result": "/minio/b/r/p/run/m/9/waterflow", "executor": json.dumps(executor)}
    one = place.Place({"marks": False, "depth": 4}, paths)
    folder = one.artifacts(place.ITEMS) / place.ITEMS
    assert [str((folder / str(n)).readlink()) for n in range(3)] == [
        f"/minio/b/r/p/run/m-item/{n}/waterflow" for n in range(3)
    ]
    wrong = place.Place({"marks": False, "depth": 4}, {**paths, "result": "/elsewhere"})
    with pytest.raises(LookupError, match="no item can be found"):
        wrong.artifacts(place.ITEMS)


@pytest.mark.parametrize(("value", "text"), [(None, "[]"), ({"number": 0}, "[]"),
                                             ({"number": 2}, "[0, 1]")])  # fmt: skip
def test_a_length_becomes_the_numbers_of_items(value, text):
    assert place.written(value, "indexes") == text
