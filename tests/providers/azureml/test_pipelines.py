"""What the Azure ML emulator makes of pipelines and sweeps, and which bodies it refuses."""

import copy
import itertools
import json

import pytest

from tests.providers.azureml.workspace import (
    SCOPE,
    STORE,
    RefusedError,
    folder,
    literal,
    step,
    until,
)

# --- pipelines ----------------------------------------------------------------------------------


def _parts(azure):
    """Make the components of the pipelines below."""
    folder_out = {"o": {"type": "uri_folder"}}
    return {
        "make": azure.component(
            "echo ${{inputs.x}} > ${{outputs.o}}/x.txt", {"x": {"type": "integer"}}, folder_out
        ),
        "add": azure.component(
            "cat ${{inputs.d}}/x.txt > ${{outputs.o}}/x.txt; echo + >> ${{outputs.o}}/x.txt",
            {"d": {"type": "uri_folder"}}, folder_out,
        ),
        "fail": azure.component("exit 1", {"d": {"type": "uri_folder", "optional": True}}),
        "idle": azure.component("sleep 60"),
        "empty": azure.component("true", {}, folder_out),
        "count": azure.component(
            "ls ${{inputs.d}} | wc -l; echo $[[${{inputs.note}}]]",
            {"d": {"type": "uri_folder"}, "note": {"type": "string", "optional": True}},
        ),
    }  # fmt: skip


@pytest.fixture(scope="module")
def parts(azure):
    return _parts(azure)


def test_data_flows_and_results_are_used_again(azure, parts):
    jobs = {
        "first": step(parts["make"], {"x": "${{parent.inputs.n}}"}, display_name="First"),
        "second": step(
            parts["add"], {"d": "${{parent.jobs.first.outputs.o}}"},
            outputs={"o": {"value": "${{parent.outputs.all}}", "type": "literal"}},
            properties={"waterflow.step": "second"}, tags={"k": "v"},
        ),
    }  # fmt: skip
    outputs = {"all": {"jobOutputType": "uri_folder", "mode": "Upload"}}

    def submit(n, **more):
        name = azure.pipeline(jobs, inputs={"n": literal(n)}, outputs=outputs, **more)
        run = azure.wait(name)
        assert run["status"] == "Completed", run["error"]
        return azure.children(name)

    children = submit(5)
    first, second = children["First"], children["second"]
    assert azure.blob(f"azureml/{second['runId']}/o/x.txt") == "5\n+\n"
    assert (second["name"], second["tags"]) == ("second", {"k": "v"})
    assert second["properties"]["waterflow.step"] == "second"
    assert second["parentRunId"] == second["rootRunId"] == first["rootRunId"]
    assert azure("GET", f"jobs/{second['runId']}")["properties"] is None  # as the service has it

    again = submit(5)
    for name, before in children.items():
        properties = again[name]["properties"]
        assert properties["azureml.isreused"] == "true"
        assert properties["azureml.reusedrunid"] == before["runId"]
        assert properties["azureml.reusedpipelinerunid"] == before["rootRunId"]
        assert again[name]["outputs"] == before["outputs"]

    def ran(runs):
        return sorted(n for n, r in runs.items() if "azureml.isreused" not in r["properties"])

    assert ran(submit(6)) == ["First", "second"]
    assert ran(submit(5, settings={"force_rerun": True})) == ["First", "second"]
    # What was forced stands for nobody: the first ones still do.
    assert submit(5)["First"]["properties"]["azureml.reusedrunid"] == first["runId"]


PIPELINES = {
    # id: (the steps, the rest of the job, status, step -> its status; others have no run)
    "go-on": (
        {"bad": ("fail", {}), "made": ("make", {"x": 1}),
         "after": ("count", {"d": "${{parent.jobs.made.outputs.o}}"})},
        {}, "Failed", {"bad": "Failed", "made": "Completed", "after": "Completed"},
    ),
    "stop": (
        {"bad": ("fail", {}), "long": ("idle", {}), "made": ("make", {"x": 1})},
        {"settings": {"continue_on_step_failure": False}}, "Failed",
        {"bad": "Failed", "long": "Canceled"},
    ),
    "downstream": (
        {"bad": ("fail", {"d": "${{parent.jobs.made.outputs.o}}"}), "made": ("make", {"x": 1})},
        {}, "Failed", {"bad": "Failed", "made": "Completed"},
    ),
    "empty-output": (
        {"made": ("empty", {}), "after": ("count", {"d": "${{parent.jobs.made.outputs.o}}"})},
        {}, "Completed", {"made": "Completed", "after": "Completed"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PIPELINES)
def test_failures_in_pipelines(azure, parts, name):
    steps, more, status, statuses = PIPELINES[name]
    jobs = {key: step(parts[part], inputs) for key, (part, inputs) in steps.items()}
    submitted = azure.pipeline(jobs, **more)
    run = azure.wait(submitted)
    assert run["status"] == status
    children = azure.children(submitted)
    assert {key: children[key]["status"] for key in statuses} == statuses
    if status == "Failed":
        assert "bad" in run["error"]["error"]["message"]


def test_pipeline_is_canceled_with_its_steps(azure, parts):
    name = azure.pipeline({"long": step(parts["idle"]), "made": step(parts["make"], {"x": 1})})
    until(lambda: azure.children(name).get("long", {}).get("status") == "Running", "the step")
    azure("POST", f"jobs/{name}/cancel")
    assert azure.wait(name)["status"] == "Canceled"
    assert azure.children(name)["long"]["status"] == "Canceled"


def test_pipelines_within_pipelines(azure, parts):
    spec = {
        "type": "pipeline", "name": "inner", "version": "1",
        "inputs": {"n": {"type": "integer", "default": "3"}},
        "outputs": {"made": {"type": "uri_folder"}},
        "jobs": {
            "a": step(parts["make"], {"x": "${{parent.inputs.n}}"}),
            "b": step(parts["add"], {"d": "${{parent.jobs.a.outputs.o}}"},
                      outputs={"o": {"value": "${{parent.outputs.made}}", "type": "literal"}}),
        },
    }  # fmt: skip
    inner = azure.put("components/inner/versions/1", {"componentSpec": spec})["id"]
    jobs = {
        "sub": {**step(inner), "type": "pipeline"},
        "after": step(parts["add"], {"d": "${{parent.jobs.sub.outputs.made}}"}),
    }
    name = azure.pipeline(jobs)
    assert azure.wait(name)["status"] == "Completed"
    children = azure.children(name)
    assert azure.blob(f"azureml/{children['after']['runId']}/o/x.txt") == "3\n+\n+\n"
    assert sorted(azure.children(children["sub"]["runId"])) == ["a", "b"]


# --- sweeps -------------------------------------------------------------------------------------

_LOGGING = """echo ${{inputs.x}} ${{search_space.lr}} ${{search_space.kind}}
test ${{search_space.lr}}${{search_space.kind}} != 2b && python -c '
import json, os, urllib.request
base = os.environ["MLFLOW_TRACKING_URI"].replace("azureml:", "https:").replace("v1.0", "v2.0")
metric = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "acc", "timestamp": 1, "step": 0}
body = json.dumps(metric | {"value": ${{search_space.lr}}}).encode()
bearer = {"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"],
          "Content-Type": "application/json"}
request = urllib.request.Request(base + "/api/2.0/mlflow/runs/log-metric", body, bearer)
urllib.request.urlopen(request)
'
"""
SWEEP = {
    "jobType": "Sweep",
    "searchSpace": {"lr": ["choice", [[1, 2]]], "kind": ["choice", [["a", "b"]]]},
    "samplingAlgorithm": {"samplingAlgorithmType": "Grid"},
    "objective": {"goal": "Maximize", "primaryMetric": "acc"},
    "limits": {"jobLimitsType": "Sweep", "maxTotalTrials": 4, "maxConcurrentTrials": 2},
}


def test_sweep_runs_its_command_over_its_space(azure):
    trial = {
        "command": _LOGGING,
        "environmentId": azure.environment,
    }
    outputs = {"o": {"jobOutputType": "uri_folder"}}
    name = azure.job({**SWEEP, "trial": trial, "inputs": {"x": literal("in")}, "outputs": outputs})
    run = azure.wait(name)
    assert run["status"] == "Completed"  # one trial that fails is no failure
    children = azure.history(f"runs/{name}/children")["value"]
    assert [one["runId"] for one in children] == [f"{name}_{n}" for n in range(4)]
    logs = sorted(azure.log(one["runId"]) for one in children)
    assert logs == ["in 1 a\n", "in 1 b\n", "in 2 a\n", "in 2 b\n"]
    assert sorted(one["status"] for one in children) == ["Completed"] * 3 + ["Failed"]
    points = {one["runId"]: json.loads(one["tags"]["hyperparameters"]) for one in children}
    best = azure.run(name)["properties"]["best_child_run_id"]
    assert points[best] == {"lr": 2, "kind": "a"}
    host, path = "eastus.api.azureml.ms", f"/mlflow/v2.0{SCOPE}/api/2.0/mlflow/runs/get"
    tracked = azure("GET", path, host=host, run_id=best)["run"]
    assert (tracked["info"]["run_id"], tracked["data"]["metrics"][0]["value"]) == (best, 2)
    assert azure.run(name)["outputs"] == azure.run(best)["outputs"]


# --- refusals -----------------------------------------------------------------------------------


def _wrong(azure, parts):
    """Return bodies that cannot be run, and what is said of each."""
    made = {"x": 1}
    command = {"jobType": "Command", "command": "true", "environmentId": azure.environment}

    def pipeline(**jobs):
        return {"jobType": "Pipeline", "jobs": jobs}

    def sweep(**more):
        trial = {"command": "true", "environmentId": azure.environment}
        return {**SWEEP, "trial": trial, **more}

    return {
        "no type": ({"command": "true"}, "jobType"),
        "an unknown member": ({**command, "colour": "red"}, "colour"),
        "a wrong type": ({**command, "resources": {"instanceCount": "many"}}, "instanceCount"),
        "no environment": ({**command, "environmentId": "azureml:none:1"}, "none"),
        "no compute": ({**command, "computeId": "none"}, "no compute 'none'"),
        "no code": ({**command, "codeId": f"{parts['make']}x"}, "no code"),
        "no datastore": (
            {**command, "outputs": {"o": {"jobOutputType": "uri_folder",
                                          "uri": "azureml://datastores/none/paths/x"}}},
            "no datastore 'none'",
        ),
        "a Spark job": (
            {"jobType": "Spark", "codeId": "c", "entry": {
                "sparkJobEntryType": "SparkJobPythonEntry", "file": "f"}},
            "runs no jobs of type Spark",
        ),
        "no steps": (pipeline(), "at least one step"),
        "no component": (pipeline(a=step("azureml:none:1")), "no component"),
        "a missing input": (pipeline(a=step(parts["make"])), "required input 'x'"),
        "an unknown input": (pipeline(a=step(parts["make"], {**made, "y": 1})), "no input 'y'"),
        "an unknown output": (
            pipeline(a=step(parts["make"], made, outputs={"p": {"mode": "Upload"}})),
            "no output 'p'",
        ),
        "a literal of another type": (pipeline(a=step(parts["make"], {"x": "k"})), "integer"),
        "a literal for data": (pipeline(a=step(parts["add"], {"d": "k"})), "takes data"),
        "an unknown step": (
            pipeline(a=step(parts["add"], {"d": "${{parent.jobs.z.outputs.o}}"})), "no step 'z'",
        ),
        "an unknown parent input": (
            pipeline(a=step(parts["make"], {"x": "${{parent.inputs.z}}"})), "no input 'z'",
        ),
        "an unknown parent output": (
            pipeline(a=step(parts["make"], made, outputs={
                "o": {"type": "literal", "value": "${{parent.outputs.z}}"}})),
            "no output 'z'",
        ),
        "no binding": (
            pipeline(a=step(parts["make"], {"x": "${{inputs.z}}"})), "no binding",
        ),
        "a circle": (
            pipeline(a=step(parts["add"], {"d": "${{parent.jobs.b.outputs.o}}"}),
                     b=step(parts["add"], {"d": "${{parent.jobs.a.outputs.o}}"})),
            "wait for each other",
        ),
        "a condition": (pipeline(a={"type": "if_else", "condition": "x"}), "private preview"),
        "a loop": (pipeline(a={"type": "do_while"}), "private preview"),
        "a parallel step": (pipeline(a={"type": "parallel"}), "is not run here"),
        "a step's unknown member": (pipeline(a=step(parts["idle"], colour=1)), "colour"),
        "a distribution": (
            pipeline(a=step(parts["idle"], distribution={"distribution_type": "Ray"})), "ray",
        ),
        "Bayesian sampling": (
            sweep(samplingAlgorithm={"samplingAlgorithmType": "Bayesian"}), "bayesian",
        ),
        "early termination": (
            sweep(earlyTermination={"policyType": "Bandit", "slackFactor": 0.1}),
            "early_termination",
        ),
        "a grid of ranges": (sweep(searchSpace={"x": ["uniform", [0, 1]]}), "choice only"),
        "an unknown distribution": (sweep(searchSpace={"x": ["dice", [0, 1]]}), "'dice'"),
    }  # fmt: skip


def test_refusals(azure, parts):
    before = len(azure("GET", "jobs", listViewType="All")["value"])
    for what, (body, says) in _wrong(azure, parts).items():
        with pytest.raises(RefusedError) as refused:
            azure.put("jobs/wrong", body)
        assert refused.value.status in (400, 501), what
        assert says in refused.value.message, (what, refused.value.message)
    assert len(azure("GET", "jobs", listViewType="All")["value"]) == before


# --- no failure of our own ----------------------------------------------------------------------

STRANGE = (None, 5, "x", [], {}, [1], {"a": 1}, -1)


def _places(value, path=()):
    """Yield the places of all that is in a body."""
    held = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in held:
        yield (*path, key)
        if isinstance(one, (dict, list)):
            yield from _places(one, (*path, key))


def _changed(value, path, other):
    whole = copy.deepcopy(value)
    part = whole
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = other
    return whole


def _put_all(azure, put, whole):
    """Put a body with each of its members changed, and return the failures that are ours."""
    failures = []
    for number, path in enumerate(_places(whole)):
        strange = STRANGE[number % len(STRANGE)]
        try:
            put(_changed(whole, path, strange))
        except RefusedError as refused:
            if refused.status not in (400, 404, 409, 501):
                failures.append((path, strange, refused.message))
    return failures


def test_strange_bodies_are_refused(azure, parts):
    numbers = itertools.count(1)
    # Looked at last: what is read without complaint is refused for it, and nothing runs.
    nowhere = {"jobOutputType": "uri_folder", "uri": "azureml://datastores/none/paths/x"}

    def put(body):
        azure.put(f"jobs/strange-{next(numbers)}", body)

    def put_spec(spec):
        path = f"components/strange{next(numbers)}/versions/1"
        identity = azure.put(path, {"componentSpec": spec})["id"]
        jobs = {"a": step(identity, {"x": 4})}
        put({"jobType": "Pipeline", "jobs": jobs, "outputs": {"last": nowhere}})

    body = {
        "jobType": "Command", "command": "true ${{inputs.x}}",
        "environmentId": azure.environment, "tags": {"a": "b"}, "properties": {"c": "d"},
        "inputs": {"x": literal(1), "d": folder(f"{STORE}/given/", mode="Download")},
        "outputs": {"o": {"jobOutputType": "uri_folder", "mode": "Upload"}, "last": nowhere},
        "limits": {"jobLimitsType": "Command", "timeout": "PT1M"},
        "distribution": {"distributionType": "PyTorch", "processCountPerInstance": 1},
        "resources": {"instanceCount": 1}, "environmentVariables": {"A": "b"},
        "identity": {"identityType": "Managed"}, "queueSettings": {"jobTier": "Spot"},
    }  # fmt: skip
    one = step(
        parts["make"], {"x": "${{parent.inputs.n}}"},
        outputs={"o": {"value": "${{parent.outputs.all}}", "type": "literal"}},
        limits={"timeout": "PT1M"}, environment_variables={"A": "b"},
        resources={"instance_count": 1}, queue_settings={"job_tier": "Spot"},
        distribution={"distribution_type": "Mpi", "process_count_per_instance": 1},
    )  # fmt: skip
    pipeline = {
        "jobType": "Pipeline", "jobs": {"a": one}, "inputs": {"n": literal(3)},
        "outputs": {"all": {"jobOutputType": "uri_folder"}, "last": nowhere},
        "settings": {"default_compute": "serverless", "force_rerun": False},
    }  # fmt: skip
    trial = {"command": "true ${{search_space.lr}}", "environmentId": azure.environment}
    spec = {
        "name": "z", "version": "1", "type": "command", "command": "true",
        "environment": f"azureml:{azure.environment}", "is_deterministic": False,
        "inputs": {"x": {"type": "integer", "default": "4", "min": "1", "max": "9", "enum": ["4"]}},
        "outputs": {"o": {"type": "uri_folder", "mode": "rw_mount"}},
        "resources": {"instance_count": 1},
    }  # fmt: skip
    failures = [
        *_put_all(azure, put, body), *_put_all(azure, put, pipeline),
        *_put_all(azure, put, {**SWEEP, "trial": trial, "outputs": {"last": nowhere}}),
        *_put_all(azure, put_spec, spec),
    ]  # fmt: skip
    assert failures == []
