"""What the Azure ML emulator makes of jobs: commands, their files, their life, faults, state."""

import textwrap

import pytest
from waterflow_azureml.emulator import Emulator

from tests.providers.azureml.workspace import (
    STORE,
    RefusedError,
    Workspace,
    folder,
    literal,
    step,
    until,
)

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
        "cd ${{inputs.d}}; find . -type f | sort; cat sub/b.txt",
        {"inputs": {"d": {"jobInputType": "mltable", "uri": f"{STORE}/table/",
                          "mode": "EvalMount"}}},
        "Completed", "./a.txt\n./sub/b.txt\nB\n",
    ),
    "no-mltable": (
        "true",
        {"inputs": {"d": {"jobInputType": "mltable", "uri": f"{STORE}/given/",
                          "mode": "EvalDownload"}}},
        "Failed", "there is no MLTable",
    ),
    "sampled-mltable": (
        "true",
        {"inputs": {"d": {"jobInputType": "mltable", "uri": f"{STORE}/sampled/",
                          "mode": "EvalDownload"}}},
        "Failed", "does not evaluate 'take_random_sample'",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def commands(azure):
    """Submit all commands at once: each waits for nothing but its own end."""
    azure.blob("given/a.txt", "A")
    azure.blob("given/sub/b.txt", "B\n")
    azure.blob("code/main.txt", "C\n")
    paths = f"paths: [{{file: {STORE}/given/a.txt}}, {{pattern: './sub/*.txt'}}]\n"
    azure.blob("table/MLTable", f"{paths}transformations: [{{read_delimited: {{}}}}]")
    for name in ("sub/b.txt", "sub/c.csv", "d.txt"):
        azure.blob(f"table/{name}", "B\n")
    azure.blob("sampled/MLTable", f"{paths}transformations: [{{take_random_sample: {{}}}}]")
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


# --- faults and state ---------------------------------------------------------------------------

FAULTS = (
    "capacity=no-room:9,capacity=late:1,limit=no-quota:1,internal=broken:1,image=no-image:1,"
    "fail=bad-*,spot=1"
)
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
        for name in (*TOLD, "late"):
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
        assert azure.wait("late")["status"] == "Completed", "it has waited for a machine"
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
