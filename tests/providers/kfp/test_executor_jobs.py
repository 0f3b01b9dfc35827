"""Artifacts, caching and jobs: the executor's rules, by jobs of the shell."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from waterflow_kfp.emulator.execution import LOST, restored
from waterflow_kfp.emulator.layouts import KubeflowLayout

from tests.providers.kfp.running import (
    Machine,
    artifact,
    call,
    constant,
    made,
    parameters,
    sh,
    states,
    task,
)
from tests.providers.kfp.shell import COMPONENTS, DATA, OUT, out_of, shell_pipeline

if TYPE_CHECKING:
    from pathlib import Path

    from waterflow.emulation.isolation import Isolation


# --- artifacts, caching ---------------------------------------------------------------------------


def test_a_job_accounts_for_its_outputs(machine: Machine) -> None:
    account = {
        "parameterValues": {"out": 3},
        "artifacts": {"data": {"artifacts": [
            {"uri": "gs://bucket/elsewhere", "metadata": {"rows": 2.0}}
        ]}},
    }  # fmt: skip
    component = {
        "executorLabel": "account",
        "outputDefinitions": {
            **parameters(out="NUMBER_INTEGER"),
            "artifacts": {"data": artifact()},
        },
    }
    execution = machine.run(
        shell_pipeline(
            {"made": call("account"), "read": call("read", None, {"data": made("made")})},
            {"account": component},
            {"account": sh(
                'printf %s "$1" > "$2"; printf moved > /gcs/bucket/elsewhere',
                json.dumps(account), "{{$.outputs.output_file}}",
            )},
        )
    )  # fmt: skip
    assert execution.state == "SUCCEEDED", execution.error
    outputs = task(execution, "made").outputs
    assert outputs.parameters == {"out": 3}
    (data,) = outputs.artifacts["data"]
    assert (data.uri, data.metadata) == ("gs://bucket/elsewhere", {"rows": 2})
    assert out_of(execution, "read") == "moved"


@pytest.mark.parametrize("reimport", [False, True])
def test_an_import_finds_its_artifact_again(machine: Machine, reimport: bool) -> None:
    (machine.gcs / "bucket" / "given").write_text("given")
    component = {
        "executorLabel": "importer",
        "inputDefinitions": parameters(uri="STRING", by="STRING"),
        "outputDefinitions": {"artifacts": {"data": artifact()}},
    }
    executor = {"importer": {
        "artifactUri": {"runtimeParameter": "uri"},
        "typeSchema": {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"},
        "metadata": {"by": "{{$.inputs.parameters['by']}}"},
        "reimport": reimport,
    }}  # fmt: skip
    inputs = {"uri": constant("gs://bucket/given"), "by": constant(f"me-{reimport}")}
    cached = {"cachingOptions": {"enableCache": True}}
    spec = shell_pipeline(
        {
            "data": call("importer", inputs),
            "read": call("read", None, {"data": made("data")}, **cached),
        },
        {"importer": component},
        {"importer": executor},
    )
    first, second = machine.run(spec), machine.run(spec)
    assert (first.state, second.state) == ("SUCCEEDED", "SUCCEEDED"), first.error
    one, other = (task(run, "data").outputs.artifacts["data"][0] for run in (first, second))
    assert one.metadata == {"by": f"me-{reimport}"}
    assert (one.name == other.name) is not reimport
    # What is the same artifact is the same input: only then an earlier result stands.
    assert states(second)["read"] == ("SUCCEEDED" if reimport else "SKIPPED")
    assert out_of(second, "read") == "given"


def test_an_earlier_result_stands_for_the_same_work(machine: Machine) -> None:
    cached = {"cachingOptions": {"enableCache": True}}

    def spec(text: str, **options: Any) -> dict[str, Any]:
        more = {"cachingOptions": {"enableCache": True, **options}}
        return shell_pipeline(
            {
                "write": call("write", {"x": constant(text)}, **more),
                "read": call("read", None, {"data": made("write")}, **cached),
            }
        )

    first = machine.run(spec("kept"))
    again, other = machine.run(spec("kept")), machine.run(spec("other"))
    off = machine.run(spec("kept"), caching=False)
    assert states(first) == {"write": "SUCCEEDED", "read": "SUCCEEDED"}
    assert states(again) == {"write": "SKIPPED", "read": "SKIPPED"}
    assert states(other) == states(off) == states(first)
    assert task(again, "write").cached_from == task(first, "write").id
    assert task(again, "write").outputs == task(first, "write").outputs
    assert not task(again, "write").attempts
    # A key of one's own stands for the container, not for the inputs.
    keyed = spec("keyed", cacheKey="v1")
    assert states(machine.run(keyed))["write"] == "SUCCEEDED"
    keyed["deploymentSpec"]["executors"]["write"] = sh("echo changed; exit 1")
    assert states(machine.run(keyed))["write"] == "SKIPPED"


def test_a_run_is_the_same_after_it_was_kept(machine: Machine) -> None:
    execution = machine.run(
        shell_pipeline({"write": call("write", {"x": constant("a")}), "bad": call("fail")})
    )
    saved = json.loads(json.dumps(execution.snapshot()))
    assert restored(saved, 0.0) == execution.tasks
    saved[1]["state"] = "RUNNING"
    lost = restored(saved, 5.0)[1]
    assert (lost.state, lost.error and lost.error.message, lost.ended) == ("FAILED", LOST, 5.0)
    machine.catalogue.restore(json.loads(json.dumps(machine.catalogue.snapshot())))
    machine.cache.restore(json.loads(json.dumps(machine.cache.snapshot())))
    (data,) = task(execution, "write").outputs.artifacts["data"]
    assert machine.catalogue.get(data.name) == data


# --- jobs -----------------------------------------------------------------------------------------


def test_a_custom_jobs_containers_know_each_other(machine: Machine) -> None:
    def pool(script: str, replicas: int) -> dict[str, Any]:
        return {"replicaCount": str(replicas), "containerSpec": {
            "imageUri": "busybox", "command": ["sh", "-ec", script, "sh"], "args": [OUT],
        }}  # fmt: skip

    custom = {"customJob": {"customJob": {"displayName": "c", "jobSpec": {"workerPoolSpecs": [
        pool('printf %s "$CLUSTER_SPEC" > "$1"', 1),
        pool("sleep 60", 2),
    ]}}}}  # fmt: skip
    component = {"executorLabel": "custom", "outputDefinitions": parameters(out="STRUCT")}
    execution = machine.run(
        shell_pipeline({"many": call("custom")}, {"custom": component}, {"custom": custom})
    )
    assert execution.state == "SUCCEEDED", task(execution, "many").error
    spec = out_of(execution, "many")
    assert {name: len(hosts) for name, hosts in spec["cluster"].items()} == {
        "workerpool0": 1, "workerpool1": 2,
    }  # fmt: skip
    assert spec["task"] == {"type": "workerpool0", "index": 0}
    assert task(execution, "many").kind == "custom_job"


def test_a_custom_jobs_time_is_limited(machine: Machine) -> None:
    custom = {"customJob": {"customJob": {"displayName": "c", "jobSpec": {
        "workerPoolSpecs": [{"replicaCount": 1, "containerSpec": {
            "imageUri": "busybox", "command": ["sleep", "60"],
        }}],
        "scheduling": {"timeout": "0.3s"},
    }}}}  # fmt: skip
    execution = machine.run(
        shell_pipeline(
            {"long": call("custom")}, {"custom": {"executorLabel": "custom"}}, {"custom": custom}
        )
    )
    error = task(execution, "long").error
    assert error is not None
    assert (error.code, "timeout of 0.3 seconds" in error.message) == (4, True)


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        ("capacity=hit*:9", 8, "no capacity"),
        ("limit=hit*:9", 8, "quota"),
        ("image=hit*:9", 9, "image busybox cannot be pulled"),
        ("internal=hit*:9", 13, "internal error"),
        ("fail=hit*", 9, "asked for this failure"),
    ],
)
def test_faults_hit_tasks_by_their_names(
    tmp_path: Path, isolation: Isolation, fault: str, code: int, words: str
) -> None:
    machine = Machine(tmp_path, isolation, fault)
    execution = machine.run(
        shell_pipeline({one: call("say", {"x": constant("1")}) for one in ("hit_me", "other")})
    )
    assert states(execution) == {"hit_me": "FAILED", "other": "SUCCEEDED"}
    error = task(execution, "hit_me").error
    assert error is not None
    assert (error.code, words in error.message) == (code, True), error


def test_a_fault_of_one_attempt_is_retried(tmp_path: Path, isolation: Isolation) -> None:
    machine = Machine(tmp_path, isolation, "internal=hit:1")
    retried = {"retryPolicy": {"maxRetryCount": 1}}
    execution = machine.run(shell_pipeline({"hit": call("say", {"x": constant("1")}, **retried)}))
    assert execution.state == "SUCCEEDED", execution.error
    assert [str(one.state) for one in task(execution, "hit").attempts] == ["FAILED", "SUCCEEDED"]


def test_machines_are_taken_away_when_a_checkpoint_is_written(
    tmp_path: Path, isolation: Isolation
) -> None:
    machine = Machine(tmp_path, isolation, "spot=1,spot-after=600,spot-grace=0.1")
    script = 'mkdir -p "$1"; [ -e "$1/one" ] || { touch "$1/one"; sleep 60; }'
    custom = {"customJob": {"customJob": {"displayName": "c", "jobSpec": {
        "workerPoolSpecs": [{"replicaCount": 1, "containerSpec": {
            "imageUri": "busybox", "command": ["sh", "-ec", script, "sh"],
            "args": ["/gcs/bucket/checkpoints"],
        }}],
        "scheduling": {"strategy": "SPOT"},
    }}}}  # fmt: skip
    execution = machine.run(
        shell_pipeline(
            {"spot": call("custom")}, {"custom": {"executorLabel": "custom"}}, {"custom": custom}
        )
    )
    assert execution.state == "SUCCEEDED", execution.error
    assert len(task(execution, "spot").attempts) == 1
    assert [one.interruptions for one in machine.launcher.jobs.all()] == [1]


class _Folders:
    """A store that is a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _place(self, uri: str) -> Path:
        return self._folder / uri.replace("://", "/")

    def bring(self, uri: str, target: Path) -> bool:
        """Copy a file or a folder from an address."""
        place = self._place(uri)
        if place.is_dir():
            shutil.copytree(place, target, dirs_exist_ok=True)
        elif place.exists():
            shutil.copyfile(place, target)
        return place.exists()

    def take(self, source: Path, uri: str) -> None:
        """Copy a file or a folder to an address."""
        place = self._place(uri)
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, place)


def test_kubeflow_brings_inputs_and_takes_outputs(machine: Machine, tmp_path: Path) -> None:
    store = _Folders(tmp_path)
    component = {
        "executorLabel": "absent",
        "outputDefinitions": {"artifacts": {"artifact": artifact()}},
    }
    missing = {"importer": {"artifactUri": {"constant": "gs://nobody/there"},
                            "typeSchema": {"schemaTitle": "system.Dataset"}}}  # fmt: skip
    execution = machine.run(
        shell_pipeline(
            {
                "write": call("write", {"x": constant("via s3")}),
                "folder": call("folder"),
                "read": call("read", None, {"data": made("write")}),
                "see": call("see", None, {"data": made("folder")}),
                "absent": call("absent"),
                "lost": call("read", None, {"data": made("absent", "artifact")}),
            },
            {
                "absent": component,
                "folder": {
                    **COMPONENTS["write"],
                    "executorLabel": "folder",
                    "inputDefinitions": {},
                },
                "see": {**COMPONENTS["read"], "executorLabel": "see"},
            },
            {
                "absent": missing,
                "folder": sh('mkdir "$1"; echo in > "$1/file"; ls /tmp/kfp_outputs', DATA),
                "see": sh('cat "$1/file" > "$2"', "{{$.inputs.artifacts['data'].path}}", OUT),
            },
        ),
        layout=KubeflowLayout("minio://mlpipeline/v2", "tested", "run-uuid", store),
    )
    there = states(execution)
    assert (there.pop("lost"), set(there.values())) == ("FAILED", {"SUCCEEDED"}), [
        str(one.error) for one in execution.tasks
    ]
    assert "there is nothing at gs://nobody/there" in str(task(execution, "lost").error)
    assert (out_of(execution, "read"), out_of(execution, "see")) == ("via s3", "in\n")
    write = task(execution, "write")
    (data,) = write.outputs.artifacts["data"]
    assert data.uri == f"minio://mlpipeline/v2/tested/run-uuid/write/{write.execution}/data"
