"""What the Azure ML emulator makes of jobs: commands, pipelines, sweeps, refusals, faults."""

import copy
import itertools
import json
import textwrap

import pytest
from waterflow_azureml.emulator import Emulator

from tests.providers.azureml.workspace import (
    SCOPE,
    RefusedError,
    Workspace,
    folder,
    literal,
    step,
    until,
)

STORE = "azureml://datastores/workspaceblobstore/paths"


@pytest.fixture(scope="module")
def azure():
    with Emulator(grace=3) as emulator:
        yield Workspace(emulator)


# --- commands -----------------------------------------------------------------------------------

CLUSTER = {"computeId": "one"}
_REST = "echo $MLFLOW_TRACKING_URI | cut -d/ -f1-5; pwd | cut -d/ -f1-5"
_JOBS = "/mnt/azureml/cr/j"
_CURATED = "azureml://registries/azureml/environments/sklearn-1.5/labels/latest"
_TOKEN = """python -c '
import json, os, urllib.request
address = os.environ["MSI_ENDPOINT"] + "?resource=https://vault.azure.net"
request = urllib.request.Request(address, headers={"Secret": os.environ["MSI_SECRET"]})
print(json.load(urllib.request.urlopen(request))["resource"])'
"""
_TF = """python -c '
import json, os
config = json.loads(os.environ["TF_CONFIG"])
print(len(config["cluster"]["worker"]), *config["task"].values())'
"""
COMMANDS = {
    # id: (command, the rest of the job, status, what its log says or its error)
    "literals": (
        "echo [${{inputs.a}}] [$[[--b ${{inputs.b}}]]] [$[[--c ${{inputs.c}}]]]",
        {"inputs": {"a": literal("0.10"), "b": literal("True"), "c": None}},
        "Completed", "[0.10] [--b True] []",
    ),
    "variables": (
        "echo $OWN $AZUREML_RUN_ID $AZUREML_ROOT_RUN_ID $AZUREML_ARM_PROJECT_NAME; " + _REST,
        {"environmentVariables": {"OWN": "mine"}},
        "Completed",
        "mine variables variables tests\nazureml://eastus.api.azureml.ms/mlflow/v1.0\n" + _JOBS,
    ),
    "identity": (
        _TOKEN,
        {}, "Completed", "https://vault.azure.net",
    ),
    "folder": (
        "cat ${{inputs.d}}/a.txt ${{inputs.d}}/sub/b.txt; basename ${{inputs.d}}",
        {"inputs": {"d": folder(f"{STORE}/given/")}}, "Completed", "AB\nINPUT_d",
    ),
    "file": (
        "cat ${{inputs.d}}; basename ${{inputs.d}}",
        {"inputs": {"d": {"jobInputType": "uri_file", "uri": f"{STORE}/given/a.txt"}}},
        "Completed", "Aa.txt",
    ),
    "read-only": (
        "stat -c %A ${{inputs.d}}/a.txt; stat -c %A ${{inputs.e}}/a.txt",
        {"inputs": {"d": folder(f"{STORE}/given/"),
                    "e": folder(f"{STORE}/given/", mode="Download")}},
        "Completed", "-r--r--r--\n-rw-",
    ),
    "direct": (
        "echo ${{inputs.d}}",
        {"inputs": {"d": folder(f"{STORE}/given/", mode="Direct")}},
        "Completed", f"{STORE}/given/",
    ),
    "asset": (
        "cat ${{inputs.d}}/a.txt",
        {"inputs": {"d": folder("azureml:given:1")}}, "Completed", "A",
    ),
    "latest": (
        "cat ${{inputs.d}}/b.txt",
        {"inputs": {"d": folder("azureml:given@latest")}}, "Completed", "B",
    ),
    "model": (
        "cat ${{inputs.d}}/a.txt",
        {"inputs": {"d": {"jobInputType": "custom_model", "uri": "azureml:kept:1"}}},
        "Completed", "A",
    ),
    "curated": (
        "echo ran", {"environmentId": _CURATED}, "Completed", "ran",
    ),
    "code": ("cat main.txt; ls", {"codeId": "CODE"}, "Completed", "C\nmain.txt"),
    "fails": (
        "echo last words; exit 3", {}, "Failed", "exited with status code 3",
    ),
    "no-data": (
        "true", {"inputs": {"d": folder(f"{STORE}/nothing/")}}, "Failed",
        f"NotFound: there is nothing at {STORE}/nothing/",
    ),
    "timeout": (
        "sleep 60", {"limits": {"jobLimitsType": "Command", "timeout": "PT1S"}}, "Canceled",
        "longer than its limit of 1 seconds",
    ),
    "too-many-nodes": (
        "true", {**CLUSTER, "resources": {"instanceCount": 2}}, "Failed", "has 1 at most",
    ),
    "too-many-cores": (
        "true", {"resources": {"instanceCount": 4, "instanceType": "Standard_D96ds_v5"}},
        "Failed", "the quota of this subscription",
    ),
    "conda": ("echo built", {"environmentId": "CONDA"}, "Completed", "built"),
    "broken-conda": ("true", {"environmentId": "BROKEN"}, "Failed", "Image build failed"),
    "mltable": (
        "true",
        {"inputs": {"d": {"jobInputType": "mltable", "uri": f"{STORE}/given/",
                          "mode": "EvalMount"}}},
        "Failed", "evaluates no MLTable",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def commands(azure):
    """Submit all commands at once: each waits for nothing but its own end."""
    azure.blob("given/a.txt", "A")
    azure.blob("given/sub/b.txt", "B\n")
    azure.blob("code/main.txt", "C\n")
    for version, place in (("1", "given/"), ("2", "given/sub/")):
        properties = {"dataType": "uri_folder", "dataUri": f"{STORE}/{place}"}
        azure.put(f"data/given/versions/{version}", properties)
    kept = {"modelType": "custom_model", "modelUri": f"{STORE}/given/"}
    azure.put("models/kept/versions/1", kept)
    code = azure.put(
        "codes/files/versions/1",
        {"codeUri": f"https://{azure.account}.blob.core.windows.net/{azure.container}/code"},
    )["id"]
    built = {}
    for name, text in (
        ("CONDA", "dependencies: [python=3.11, {pip: [pandas]}]"),
        ("BROKEN", "- ["),
    ):
        properties = {"image": "ubuntu", "condaFile": text}
        built[name] = azure.put(f"environments/{name}/versions/1", properties)["id"]
    _cluster(azure, "one", 1)
    for name, (command, more, _, _) in COMMANDS.items():
        body = dict(more)
        if "codeId" in body:
            body["codeId"] = code
        if body.get("environmentId") in built:
            body["environmentId"] = built[body["environmentId"]]
        azure.command(command, name, **body)


def _cluster(azure, name, most, **more):
    properties = {
        "computeType": "AmlCompute",
        "properties": {
            "vmSize": "Standard_D2s_v3",
            "scaleSettings": {"minNodeCount": 0, "maxNodeCount": most},
            **more,
        },
    }
    azure("PUT", f"computes/{name}", {"location": "eastus", "properties": properties})


@pytest.mark.parametrize("name", COMMANDS)
def test_commands(azure, commands, name):
    _, _, status, says = COMMANDS[name]
    run = azure.wait(name)
    error = (run["error"] or {}).get("error", {}).get("message") or ""
    assert run["status"] == status, error
    if status == "Completed":
        assert azure.log(name).startswith(says)
    else:
        assert says in (error or run["cancelationReason"])


def test_build_of_an_image_is_a_phase(azure, commands):
    azure.wait("conda")
    assert "Requirement: pandas" in azure.logs("conda")["azureml-logs/20_image_build_log.txt"]
    azure.wait("broken-conda")
    log = azure.logs("broken-conda")["azureml-logs/20_image_build_log.txt"]
    assert "no YAML" in log
    assert "user_logs/std_log.txt" not in azure.logs("broken-conda")


def test_outputs(azure):
    script = (
        "mkdir -p outputs; echo kept > outputs/art.txt; echo 1 > ${{outputs.plain}}/p; "
        "echo 2 > ${{outputs.up}}/u; echo 3 > ${{outputs.file}}; echo 4 > ${{outputs.named}}/n; "
        "test ! -e ${{outputs.own}}/old.txt || echo seen; echo 5 > ${{outputs.own}}/new.txt"
    )
    azure.blob("mine/outputs-own/old.txt", "old")
    outputs = {
        "plain": {"jobOutputType": "uri_folder"},
        "up": {"jobOutputType": "uri_folder", "mode": "Upload"},
        "file": {"jobOutputType": "uri_file"},
        "named": {"jobOutputType": "uri_folder", "assetName": "result", "assetVersion": "7"},
        "own": {"jobOutputType": "uri_folder", "uri": f"{STORE}/mine/${{{{name}}}}-own/"},
    }
    azure.command(script, "outputs", outputs=outputs)
    run = azure.wait("outputs")
    assert run["status"] == "Completed"
    assert azure.log("outputs") == "seen\n"
    for place, text in (
        ("azureml/outputs/plain/p", "1\n"), ("azureml/outputs/up/u", "2\n"),
        ("azureml/outputs/file", "3\n"), ("azureml/outputs/named/n", "4\n"),
        ("mine/outputs-own/new.txt", "5\n"), ("mine/outputs-own/old.txt", "old"),
    ):  # fmt: skip
        assert azure.blob(place) == text
    taken = {"d": folder("azureml://jobs/outputs/outputs/plain")}
    azure.wait(azure.command("cat ${{inputs.d}}/p", "takes", inputs=taken))
    assert azure.log("takes") == "1\n"
    asset = azure("GET", "data/result/versions/7")["properties"]
    assert (asset["dataType"], asset["dataUri"]) == (
        "uri_folder", f"{STORE}/azureml/outputs/named/",
    )  # fmt: skip
    ids = {name: one["assetId"] for name, one in run["outputs"].items()}
    resolved = azure(
        "POST",
        f"/data/v1.0{azure('GET', '')['id']}/dataversion/batchGetResolvedUris",
        {"values": list(ids.values())},
        host="eastus.api.azureml.ms",
    )["values"]
    assert resolved[ids["file"]]["uri"].endswith("/paths/azureml/outputs/file")


def test_what_a_failed_job_leaves(azure):
    outputs = {
        "mounted": {"jobOutputType": "uri_folder"},
        "up": {"jobOutputType": "uri_folder", "mode": "Upload", "assetName": "never"},
    }
    command = "echo 1 > ${{outputs.mounted}}/m; echo 2 > ${{outputs.up}}/u; exit 1"
    azure.command(command, "leaves", outputs=outputs)
    assert azure.wait("leaves")["status"] == "Failed"
    assert azure.blob("azureml/leaves/mounted/m") == "1\n"
    assert azure.blob("azureml/leaves/up/u") is None
    with pytest.raises(RefusedError, match="404"):
        azure("GET", "data/never/versions/1")


DISTRIBUTIONS = {
    # kind: (distribution, instances, log -> what it says)
    "pytorch": (
        {"distributionType": "PyTorch", "processCountPerInstance": 2}, 2,
        "echo $RANK $LOCAL_RANK $NODE_RANK $WORLD_SIZE ${MASTER_ADDR:+there} ${MASTER_PORT:+p}",
        {f"user_logs/std_log_process_{n}.txt": f"{n} {n % 2} {n // 2} 4 there p\n"
         for n in range(4)},
    ),
    "mpi": (
        {"distributionType": "Mpi", "processCountPerInstance": 1}, 2,
        "echo $OMPI_COMM_WORLD_RANK $OMPI_COMM_WORLD_SIZE $OMPI_COMM_WORLD_LOCAL_RANK",
        {f"user_logs/std_log_process_{n}.txt": f"{n} 2 0\n" for n in range(2)},
    ),
    "tensorflow": (
        {"distributionType": "TensorFlow", "workerCount": 2, "parameterServerCount": 1}, 3,
        _TF,
        {"user_logs/std_log_process_0.txt": "2 worker 0\n",
         "user_logs/std_log_process_1.txt": "2 worker 1\n",
         "user_logs/std_log_process_0_ps.txt": "2 ps 0\n"},
    ),
    "none": (None, 2, "echo $NODE_RANK", {
        "user_logs/std_log_process_0.txt": "0\n", "user_logs/std_log_process_1.txt": "1\n",
    }),
}  # fmt: skip


@pytest.mark.parametrize("kind", DISTRIBUTIONS)
def test_several_instances(azure, kind):
    distribution, instances, command, logs = DISTRIBUTIONS[kind]
    name = azure.command(command, distribution=distribution, resources={"instanceCount": instances})
    assert azure.wait(name)["status"] == "Completed"
    assert azure.logs(name) == logs


def test_one_process_that_fails_ends_the_others(azure):
    name = azure.command(
        "test $RANK = 0 && sleep 60; exit 4",
        distribution={"distributionType": "PyTorch", "processCountPerInstance": 2},
    )
    run = azure.wait(name)
    assert "exited with status code 4" in run["error"]["error"]["message"]


# --- their life ---------------------------------------------------------------------------------


def test_cancel_is_a_signal_to_the_whole_group(azure):
    script = (
        "python -c 'import signal,sys,time; "
        'signal.signal(signal.SIGTERM, lambda *_: (print("bye", flush=True), sys.exit(0))); '
        'print("ready", flush=True); time.sleep(60)\'; true'
    )
    name = azure.command(script)
    azure.wait(name, ("Running",))
    until(lambda: "ready" in azure.log(name), "the program")
    azure("POST", f"jobs/{name}/cancel")
    run = azure.wait(name)
    assert (run["status"], run["cancelationReason"]) == ("Canceled", "The job was canceled.")
    assert azure.log(name) == "ready\nbye\n"
    assert azure("POST", f"jobs/{name}/cancel") == {}  # it has ended: nothing is left to do


def test_a_job_waits_for_the_nodes_of_its_cluster(azure, commands):
    first = azure.command("sleep 60", **CLUSTER)
    azure.wait(first, ("Running",))
    second = azure.command("echo ran", **CLUSTER)
    azure.wait(second, ("Queued",))
    compute = azure("GET", "computes/one")["properties"]["properties"]
    assert compute["nodeStateCounts"]["runningNodeCount"] == 1
    (node,) = azure("POST", "computes/one/listNodes")["nodes"]
    assert node["runId"] == first
    azure("POST", f"jobs/{first}/cancel")
    assert azure.wait(second)["status"] == "Completed"
    assert azure.run(second)["compute"]["target"] == "one"


def test_a_name_is_one_job(azure):
    body = {"jobType": "Command", "command": "true", "environmentId": azure.environment}
    before = azure.put("jobs/once", body)
    again = azure.put("jobs/once", {**body, "tags": {"a": "b"}, "isArchived": True})
    assert before["systemData"]["createdAt"] == again["systemData"]["createdAt"]
    assert again["properties"]["tags"] == {"a": "b"}
    with pytest.raises(RefusedError, match="409 UserError: A job with this name already exists"):
        azure.put("jobs/once", {**body, "command": "false"})
    azure.wait("once")
    assert azure("DELETE", "jobs/once") == {}
    with pytest.raises(RefusedError, match="404"):
        azure("GET", "jobs/once")


def test_lists(azure):
    names = [azure.command("true", tags={"list": str(n % 2)}) for n in range(4)]
    azure.put(f"jobs/{names[3]}", {
        "jobType": "Command", "command": "true", "environmentId": azure.environment,
        "experimentName": "tests", "tags": {"list": "1"}, "isArchived": True,
    })  # fmt: skip

    def listed(**query):
        return [one["name"] for one in azure("GET", "jobs", **query)["value"]]

    assert listed(tag="list") == [names[2], names[1], names[0]]
    assert listed(tag="list=1") == [names[1]]
    assert listed(tag="list=1", listViewType="All") == [names[3], names[1]]
    assert listed(tag="list", listViewType="ArchivedOnly") == [names[3]]
    assert listed(tag="list", jobType="Pipeline") == []
    azure.history(
        f"experiments/tests/runs/{names[0]}", "PATCH", {"hidden": True, "tags": {"x": "y"}}
    )
    assert names[0] not in listed()
    assert azure("GET", f"jobs/{names[0]}")["properties"]["tags"] == {"list": "0", "x": "y"}


def test_logs_are_live(azure):
    name = azure.command("echo first; sleep 60")
    until(lambda: "first" in "".join(azure.logs(name).values()), "the first line")
    assert azure.run(name)["status"] == "Running"
    azure("POST", f"jobs/{name}/cancel")
    azure.wait(name)


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


# --- faults and state ---------------------------------------------------------------------------

FAULTS = "capacity=no-room:1,limit=no-quota:1,internal=broken:1,image=no-image:1,fail=bad-*,spot=1"
TOLD = {
    "no-room": ("ServiceError", "AllocationFailed"),
    "no-quota": ("ServiceError", "ResourceQuotaExceeded"),
    "broken": ("SystemError", "InternalServerError"),
    "no-image": ("UserError", "Image build failed"),
    "bad-luck": ("UserError", "asked for this failure"),
}


def test_faults_and_a_kept_state(tmp_path):
    with Emulator(grace=3, faults=f"{FAULTS},spot-after=0.2", state=tmp_path / "s") as emulator:
        azure = Workspace(emulator)
        for name in TOLD:
            azure.command("true", name)
        counted = textwrap.dedent(
            """\
            n=$(cat ${{outputs.c}}/n 2>/dev/null || echo 0); n=$((n+1)); echo $n > ${{outputs.c}}/n
            test $n -gt 1 || sleep 60; echo attempt $n
            """
        )
        azure.command(
            counted, "spot", queueSettings={"jobTier": "Spot"},
            outputs={"c": {"jobOutputType": "uri_folder"}},
        )  # fmt: skip
        part = azure.component("true")
        azure.pipeline({"bad_step": step(part), "good": step(part)}, "pipe")
        for name, (code, says) in TOLD.items():
            error = azure.wait(name)["error"]["error"]
            assert error["code"] == code
            assert says in error["message"]
        assert azure.wait("spot")["status"] == "Completed"
        assert azure.blob("azureml/spot/c/n") == "2\n"
        assert azure.run("spot")["compute"]["priority"] == "LowPriority"
        assert azure.wait("pipe")["status"] == "Failed"
        assert azure.children("pipe")["bad_step"]["status"] == "Failed"
        good = azure.children("pipe")["good"]["runId"]
        azure.command("sleep 60", "cut")
        azure.wait("cut", ("Running",))
    with Emulator(grace=3, state=tmp_path / "s") as emulator:
        azure = Workspace(emulator)
        assert azure.log("spot").endswith("attempt 2\n")
        cut = azure.run("cut")
        assert (cut["status"], cut["error"]["error"]["code"]) == ("Failed", "SystemError")
        azure.pipeline({"good": step(part)}, "after")
        assert azure.wait("after")["status"] == "Completed"
        child = azure.children("after")["good"]
        assert child["properties"]["azureml.reusedrunid"] == good


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


def test_strange_bodies_are_refused_or_run(azure, parts, commands):
    numbers = itertools.count(1)
    azure.wait(azure.command("sleep 60", "keeps-the-node", **CLUSTER), ("Running",))

    def put(body):
        """Put a job that waits for the node, so that nothing of it runs."""
        azure.put(f"jobs/strange-{next(numbers)}", body)

    def put_spec(spec):
        path = f"components/strange{next(numbers)}/versions/1"
        identity = azure.put(path, {"componentSpec": spec})["id"]
        jobs = {"a": step(identity, {"x": 4}, computeId="one")}
        put({"jobType": "Pipeline", "jobs": jobs})

    body = {
        "jobType": "Command", "command": "true ${{inputs.x}}", **CLUSTER,
        "environmentId": azure.environment, "tags": {"a": "b"}, "properties": {"c": "d"},
        "inputs": {"x": literal(1), "d": folder(f"{STORE}/given/", mode="Download")},
        "outputs": {"o": {"jobOutputType": "uri_folder", "uri": f"{STORE}/y/", "mode": "Upload"}},
        "limits": {"jobLimitsType": "Command", "timeout": "PT1M"},
        "distribution": {"distributionType": "PyTorch", "processCountPerInstance": 1},
        "resources": {"instanceCount": 1}, "environmentVariables": {"A": "b"},
        "identity": {"identityType": "Managed"}, "queueSettings": {"jobTier": "Spot"},
    }  # fmt: skip
    one = step(
        parts["make"], {"x": "${{parent.inputs.n}}"}, computeId="one",
        outputs={"o": {"value": "${{parent.outputs.all}}", "type": "literal"}},
        limits={"timeout": "PT1M"}, environment_variables={"A": "b"},
        resources={"instance_count": 1}, queue_settings={"job_tier": "Spot"},
        distribution={"distribution_type": "Mpi", "process_count_per_instance": 1},
    )  # fmt: skip
    pipeline = {
        "jobType": "Pipeline", "jobs": {"a": one}, "inputs": {"n": literal(3)},
        "outputs": {"all": {"jobOutputType": "uri_folder"}},
        "settings": {"default_compute": "one", "force_rerun": False},
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
        *_put_all(azure, put, {**SWEEP, **CLUSTER, "trial": trial}),
        *_put_all(azure, put_spec, spec),
    ]  # fmt: skip
    assert failures == []
