"""The executor runs pipelines that are written by hand: each rule by jobs of the shell."""

from __future__ import annotations

import json
import re
import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest
from waterflow_kfp.emulator.execution import LOST, restored
from waterflow_kfp.emulator.layouts import KubeflowLayout

from tests.providers.kfp.running import (
    ROOT,
    Machine,
    Reached,
    artifact,
    call,
    constant,
    made,
    outer,
    output,
    parameters,
    pipeline,
    sh,
    states,
    task,
    walls,
)

if TYPE_CHECKING:
    from pathlib import Path

    from waterflow.emulation.isolation import Isolation

_OUT = "{{$.outputs.parameters['out'].output_file}}"
_IN = "{{$.inputs.parameters['x']}}"
_DATA = "{{$.outputs.artifacts['data'].path}}"

# One component of each kind; what they do is in the executors below.
_COMPONENTS: dict[str, Any] = {
    "say": {
        "executorLabel": "say",
        "inputDefinitions": parameters(x="STRING"),
        "outputDefinitions": parameters(out="STRING"),
    },
    "list": {"executorLabel": "list", "outputDefinitions": parameters(out="LIST")},
    "double": {
        "executorLabel": "double",
        "inputDefinitions": parameters(x="NUMBER_INTEGER"),
        "outputDefinitions": parameters(out="NUMBER_INTEGER"),
    },
    "show": {
        "executorLabel": "show",
        "inputDefinitions": parameters(x="LIST"),
        "outputDefinitions": parameters(out="STRING"),
    },
    "write": {
        "executorLabel": "write",
        "inputDefinitions": parameters(x="STRING"),
        "outputDefinitions": {"artifacts": {"data": artifact()}},
    },
    "read": {
        "executorLabel": "read",
        "inputDefinitions": {"artifacts": {"data": artifact()}},
        "outputDefinitions": parameters(out="STRING"),
    },
    "read-all": {
        "executorLabel": "read-all",
        "inputDefinitions": {"artifacts": {"data": artifact(isArtifactList=True)}},
        "outputDefinitions": parameters(out="STRING"),
    },
    "fail": {"executorLabel": "fail"},
    "sleep": {"executorLabel": "sleep"},
    "status": {
        "executorLabel": "status",
        "inputDefinitions": parameters(x="TASK_FINAL_STATUS"),
        "outputDefinitions": parameters(out="STRUCT"),
    },
}
_READ_ALL = """
import json, sys
uris = [one["uri"] for one in json.loads(sys.argv[1])]
open(sys.argv[2], "w").write(" ".join(open(uri.replace("gs:/", "/gcs")).read() for uri in uris))
"""
_EXECUTORS: dict[str, Any] = {
    "say": sh('printf %s "$1" > "$2"', _IN, _OUT),
    "list": sh('printf "[1, 2, 3]" > "$1"', _OUT),
    "double": sh('printf %s $(($1 * 2)) > "$2"', _IN, _OUT),
    "show": sh('printf %s "$1" > "$2"', _IN, _OUT),
    "write": sh('printf %s "$1" > "$2"', _IN, _DATA),
    "read": sh('cat "$1" > "$2"', "{{$.inputs.artifacts['data'].path}}", _OUT),
    "read-all": {
        "container": {
            "image": "python",
            "command": ["python3", "-c", _READ_ALL],
            "args": ["{{$.inputs.artifacts['data'].value}}", _OUT],
        }
    },
    "fail": sh("exit 3"),
    "sleep": sh("trap 'echo bye; exit 1' TERM; echo up; sleep 60 & wait"),
    "status": sh('printf %s "$1" > "$2"', _IN, _OUT),
}


def _pipeline(
    tasks: dict[str, Any],
    components: dict[str, Any] | None = None,
    executors: dict[str, Any] | None = None,
    **root: Any,
) -> dict[str, Any]:
    return pipeline(
        tasks, {**_COMPONENTS, **(components or {})}, {**_EXECUTORS, **(executors or {})}, **root
    )


def _dag(tasks: dict[str, Any], **more: Any) -> dict[str, Any]:
    outputs = more.pop("outputs", None)
    dag: dict[str, Any] = {"tasks": tasks}
    if outputs:
        dag["outputs"] = outputs
    return {"dag": dag, **more}


def _from(subtask: str, key: str = "out") -> dict[str, Any]:
    return {"producerSubtask": subtask, "outputParameterKey": key}


def _value(execution: Any, name: str) -> Any:
    return task(execution, name).outputs.parameters["out"]


@pytest.fixture(scope="module")
def isolation() -> Isolation:
    """How this machine walls jobs in."""
    return walls()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, isolation: Isolation) -> Machine:
    """An executor without faults."""
    return Machine(tmp_path_factory.mktemp("kfp"), isolation)


# --- graphs ---------------------------------------------------------------------------------------


def test_tasks_are_given_what_others_have_made(machine: Machine) -> None:
    text = "{{$.pipeline_job_name}}:{{$.inputs.parameters['n']}}"
    execution = machine.run(
        _pipeline(
            {
                "first": call("say", {"x": constant(text), "n": outer("n")}),
                "second": call("write", {"x": output("first")}),
                "third": call("read", None, {"data": made("second")}),
            },
            inputDefinitions={"parameters": {
                "n": {"parameterType": "NUMBER_INTEGER", "defaultValue": 7, "isOptional": True},
            }},
        )
    )  # fmt: skip
    assert execution.state == "SUCCEEDED", execution.error
    assert _value(execution, "third") == f"{execution.name}:7"
    second = task(execution, "second")
    (data,) = second.outputs.artifacts["data"]
    assert data.uri == f"{ROOT}/123/{execution.name}/second_{second.id}/data"
    assert task(execution, "third").inputs.artifacts["data"] == [data]
    assert second.parent == execution.tasks[0].id
    moves = [str(one.state) for one in second.history]
    assert moves == ["PENDING", "RUNNING", "SUCCEEDED"]


def test_a_loop_iterates_and_what_it_made_is_collected(machine: Machine) -> None:
    collected = {
        "inputDefinitions": parameters(item="STRUCT"),
        "outputDefinitions": {
            **parameters(doubled="LIST", nested="LIST"),
            "artifacts": {"files": artifact(isArtifactList=True)},
        },
    }
    inner = _dag(
        {"twice": call("double", {"x": outer("n")})},
        inputDefinitions=parameters(n="NUMBER_INTEGER"),
        outputDefinitions=parameters(all="LIST"),
        outputs={"parameters": {"all": {"valueFromParameter": _from("twice")}}},
    )
    part = {"componentInputParameter": "item", "parameterExpressionSelector": ""}
    a = {**part, "parameterExpressionSelector": 'parseJson(string_value)["a"]'}
    b = {**part, "parameterExpressionSelector": 'parseJson(string_value)["b"]'}
    loop = _dag(
        {
            "double": call("double", {"x": a}),
            "write": call("write", {"x": a}),
            "inner": call(
                "comp-inner", {"list": b},
                parameterIterator={"itemInput": "n", "items": {"inputParameter": "list"}},
            ),
        },
        outputs={
            "parameters": {
                "doubled": {"valueFromParameter": _from("double")},
                "nested": {"valueFromParameter": _from("inner", "all")},
            },
            "artifacts": {"files": {"artifactSelectors": [
                {"producerSubtask": "write", "outputArtifactKey": "data"}
            ]}},
        },
        **collected,
    )  # fmt: skip
    raw = json.dumps([{"a": 1, "b": [1, 2]}, {"a": 3, "b": []}, {"a": 5, "b": [7]}])
    execution = machine.run(
        _pipeline(
            {
                "loop": call(
                    "comp-loop", parameterIterator={"itemInput": "item", "items": {"raw": raw}},
                    iteratorPolicy={"parallelismLimit": 2},
                ),
                "doubled": call("show", {"x": output("loop", "doubled")}),
                "nested": call("show", {"x": output("loop", "nested")}),
                "files": call("read-all", None, {"data": made("loop", "files")}),
                "empty": call(
                    "comp-inner", parameterIterator={"itemInput": "n", "items": {"raw": "[]"}}
                ),
                "none": call("show", {"x": output("empty", "all")}),
            },
            {"comp-loop": loop, "comp-inner": inner},
        )
    )  # fmt: skip
    assert execution.state == "SUCCEEDED", execution.error
    shown = {name: _value(execution, name) for name in ("doubled", "nested", "files", "none")}
    assert shown == {
        "doubled": "[2, 6, 10]", "nested": "[[2, 4], [], [14]]", "files": "1 3 5", "none": "[]",
    }  # fmt: skip
    loops = [one for one in execution.tasks if one.name == "loop"]
    assert [(one.kind, one.iteration) for one in loops] == [
        ("loop", None), ("iteration", 0), ("iteration", 1), ("iteration", 2),
    ]  # fmt: skip
    assert {one.parent for one in loops[1:]} == {loops[0].id}
    third = loops[3]
    assert third.created >= min(loops[1].ended or 0, loops[2].ended or 0)


def test_a_loop_goes_over_a_list_of_artifacts(machine: Machine) -> None:
    many = _dag(
        {"write": call("write", {"x": outer("n")})},
        inputDefinitions=parameters(n="STRING"),
        outputDefinitions={"artifacts": {"files": artifact(isArtifactList=True)}},
        outputs={"artifacts": {"files": {"artifactSelectors": [
            {"producerSubtask": "write", "outputArtifactKey": "data"}
        ]}}},
    )  # fmt: skip
    each = _dag(
        {"read": call("read", None, {"data": {"componentInputArtifact": "file"}})},
        inputDefinitions={"artifacts": {"file": artifact()}},
        outputDefinitions=parameters(texts="LIST"),
        outputs={"parameters": {"texts": {"valueFromParameter": _from("read")}}},
    )
    execution = machine.run(
        _pipeline(
            {
                "many": call(
                    "comp-many",
                    parameterIterator={"itemInput": "n", "items": {"raw": '["a", "b"]'}},
                ),
                "each": call(
                    "comp-each", None, {"files": made("many", "files")},
                    artifactIterator={"itemInput": "file", "items": {"inputArtifact": "files"}},
                ),
            },
            {"comp-many": many, "comp-each": each},
        )
    )  # fmt: skip
    assert execution.state == "SUCCEEDED", execution.error
    assert task(execution, "each").outputs.parameters == {"texts": ["a", "b"]}


@pytest.mark.parametrize(
    ("coin", "expected"),
    [("heads", "one"), ("tails", "two"), ("edge", None)],
)
def test_one_of_several_branches_is_taken(
    machine: Machine, coin: str, expected: str | None
) -> None:
    def branch(text: str) -> dict[str, Any]:
        given = {"x": constant(text)}
        return _dag(
            {"say": call("say", given), "write": call("write", given)},
            inputDefinitions=parameters(coin="STRING"),
            outputDefinitions={**parameters(out="STRING"), "artifacts": {"data": artifact()}},
            outputs={
                "parameters": {"out": {"valueFromParameter": _from("say")}},
                "artifacts": {"data": {"artifactSelectors": [
                    {"producerSubtask": "write", "outputArtifactKey": "data"}
                ]}},
            },
        )  # fmt: skip

    def when(component: str, condition: str) -> dict[str, Any]:
        full = f"inputs.parameter_values['coin'] == '{condition}'"
        return call(component, {"coin": outer("coin")}, triggerPolicy={"condition": full})

    branches = _dag(
        {"then": when("comp-one", "heads"), "else": when("comp-two", "tails")},
        inputDefinitions=parameters(coin="STRING"),
        outputDefinitions={**parameters(out="STRING"), "artifacts": {"data": artifact()}},
        outputs={
            "parameters": {"out": {"valueFromOneof": {"parameterSelectors": [
                _from("then"), _from("else")
            ]}}},
            "artifacts": {"data": {"artifactSelectors": [
                {"producerSubtask": one, "outputArtifactKey": "data"} for one in ("then", "else")
            ]}},
        },
    )  # fmt: skip
    execution = machine.run(
        _pipeline(
            {
                "branches": call("comp-branches", {"coin": outer("coin")}),
                "after": call("say", {"x": output("branches")}),
                "file": call("read", None, {"data": made("branches")}),
            },
            {"comp-branches": branches, "comp-one": branch("one"), "comp-two": branch("two")},
            inputDefinitions=parameters(coin="STRING"),
        ),
        {"coin": coin},
    )
    there = states(execution)
    assert there["branches"] == "SUCCEEDED"
    assert there["then"] == ("SUCCEEDED" if coin == "heads" else "NOT_TRIGGERED")
    assert there["else"] == ("SUCCEEDED" if coin == "tails" else "NOT_TRIGGERED")
    if expected is None:
        assert execution.state == "FAILED"
        assert "input parameter x is required" in str(task(execution, "after").error)
        return
    assert execution.state == "SUCCEEDED", execution.error
    assert (_value(execution, "after"), _value(execution, "file")) == (expected, expected)


def test_what_follows_an_untriggered_task_is_not_triggered(machine: Machine) -> None:
    execution = machine.run(
        _pipeline(
            {
                "never": call(
                    "say", {"x": constant("a")},
                    triggerPolicy={"condition": "inputs.parameter_values['x'] == 'b'"},
                ),
                "after": call("say", {"x": output("never")}),
                "free": call("say", {"x": constant("c")}),
            }
        )
    )  # fmt: skip
    assert execution.state == "SUCCEEDED"
    assert states(execution) == {
        "never": "NOT_TRIGGERED", "after": "NOT_TRIGGERED", "free": "SUCCEEDED",
    }  # fmt: skip


# --- failures -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "other"), [("FAIL_SLOW", "SUCCEEDED"), ("FAIL_FAST", "NOT_TRIGGERED")]
)
def test_a_failure_ends_the_run_as_its_policy_says(
    machine: Machine, policy: str, other: str
) -> None:
    guarded = _dag({"bad": call("fail"), "good": call("say", {"x": constant("1")})})
    execution = machine.run(
        _pipeline(
            {
                "guarded": call("comp-guarded"),
                "after": call("say", {"x": constant("2")}, dependentTasks=["guarded"]),
                "slow": call("say", {"x": constant("3")}, dependentTasks=["first"]),
                "first": call("pause"),
                "exit": call(
                    "status", {"x": {"taskFinalStatus": {"producerTask": "guarded"}}},
                    dependentTasks=["guarded"],
                    triggerPolicy={"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"},
                ),
            },
            {"comp-guarded": guarded, "pause": {"executorLabel": "pause"}},
            {"pause": sh('while ! [ -e "$1/exit" ]; do sleep 0.05; done', f"/gcs/bucket/{policy}")},
        ),
        failure_policy=policy,
        on_change=lambda one: _leave(machine, policy, one),
    )  # fmt: skip
    assert execution.state == "FAILED"
    assert execution.error is not None
    assert "The failed tasks are: [guarded]" in execution.error.message
    there = states(execution)
    assert (there["bad"], there["after"], there["slow"]) == ("FAILED", "NOT_TRIGGERED", other)
    status = _value(execution, "exit")
    assert (status["state"], status["pipelineTaskName"]) == ("FAILED", "guarded")
    assert status["pipelineJobResourceName"] == execution.name
    assert "[bad]" in status["error"]["message"]
    assert "non-zero status of 3" in str(task(execution, "bad").error)


def _leave(machine: Machine, policy: str, execution: Any) -> None:
    """Let the waiting job go once the guarded tasks have failed and been told."""
    if states(execution).get("exit") == "SUCCEEDED":
        folder = machine.gcs / "bucket" / policy
        folder.mkdir(exist_ok=True)
        (folder / "exit").touch()


def test_a_task_is_tried_again_after_its_back_off(machine: Machine) -> None:
    seen: list[tuple[int, float]] = []

    def advance(execution: Any) -> None:
        flaky = next((one for one in execution.tasks if one.name == "flaky"), None)
        if flaky and flaky.state == "PENDING" and flaky.attempts:
            seen.append((len(flaky.attempts), machine.clock.now()))
            machine.clock.advance(1000)

    execution = machine.run(
        _pipeline(
            {"flaky": call("flaky", retryPolicy={
                "maxRetryCount": 3, "backoffDuration": "300s", "backoffFactor": 2.0,
                "backoffMaxDuration": "900s",
            })},
            {"flaky": {"executorLabel": "flaky"}},
            {"flaky": sh('echo x >> "$1"; [ $(wc -l < "$1") -gt 2 ]', "/gcs/bucket/tries")},
        ),
        on_change=advance,
    )  # fmt: skip
    assert execution.state == "SUCCEEDED", execution.error
    flaky = task(execution, "flaky")
    assert [str(one.state) for one in flaky.attempts] == ["FAILED", "FAILED", "SUCCEEDED"]
    assert [one.error is not None for one in flaky.attempts] == [True, True, False]
    assert [tries for tries, _ in seen] == [1, 2]


def test_retries_end(machine: Machine) -> None:
    execution = machine.run(_pipeline({"bad": call("fail", retryPolicy={"maxRetryCount": 2})}))
    assert execution.state == "FAILED"
    assert len(task(execution, "bad").attempts) == 3


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("", "failed to read output parameter name='out' type='NUMBER_INTEGER'.*No such file"),
        ('printf x > "$1"', "'x' is not an integer"),
        ("echo '[' > \"$2\"", "failed to read the executor output file"),
    ],
)
def test_outputs_that_are_wrong_fail_the_task(machine: Machine, written: str, reason: str) -> None:
    component = {"executorLabel": "odd", "outputDefinitions": parameters(out="NUMBER_INTEGER")}
    executor = sh(written or "true", _OUT, "{{$.outputs.output_file}}")
    execution = machine.run(_pipeline({"odd": call("odd")}, {"odd": component}, {"odd": executor}))
    assert execution.state == "FAILED"
    error = task(execution, "odd").error
    assert error is not None
    assert re.search(reason, error.message)


def test_cancelling_ends_what_runs_and_begins_nothing(machine: Machine) -> None:
    running = Reached("sleep", "RUNNING")
    execution = machine.begin(
        _pipeline(
            {
                "inner": call("comp-inner"),
                "after": call("say", {"x": constant("1")}, dependentTasks=["inner"]),
                "waits": call("fail", retryPolicy={"maxRetryCount": 1, "backoffDuration": "900s"}),
            },
            {"comp-inner": _dag({"sleep": call("sleep")})},
        ),
        on_change=running,
    )
    running.wait()
    log = machine.logs.setdefault("sleep/workerpool0-0", [])
    while "up" not in log:
        time.sleep(0.02)
    assert execution.cancel()
    assert execution.wait(30) == "CANCELLED"
    there = states(execution)
    assert (there["sleep"], there["inner"]) == ("CANCELLED", "CANCELLED")
    assert "after" not in there
    assert there["waits"] in ("CANCELLED", "FAILED")
    assert log == ["up", "bye"]
    assert not execution.cancel()
    moves = [str(one.state) for one in task(execution, "sleep").history]
    assert moves == ["PENDING", "RUNNING", "CANCELLING", "CANCELLED"]


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
        _pipeline(
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
    assert _value(execution, "read") == "moved"


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
    spec = _pipeline(
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
    assert _value(second, "read") == "given"


def test_an_earlier_result_stands_for_the_same_work(machine: Machine) -> None:
    cached = {"cachingOptions": {"enableCache": True}}

    def spec(text: str, **options: Any) -> dict[str, Any]:
        more = {"cachingOptions": {"enableCache": True, **options}}
        return _pipeline(
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
        _pipeline({"write": call("write", {"x": constant("a")}), "bad": call("fail")})
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
            "imageUri": "busybox", "command": ["sh", "-ec", script, "sh"], "args": [_OUT],
        }}  # fmt: skip

    custom = {"customJob": {"customJob": {"displayName": "c", "jobSpec": {"workerPoolSpecs": [
        pool('printf %s "$CLUSTER_SPEC" > "$1"', 1),
        pool("sleep 60", 2),
    ]}}}}  # fmt: skip
    component = {"executorLabel": "custom", "outputDefinitions": parameters(out="STRUCT")}
    execution = machine.run(
        _pipeline({"many": call("custom")}, {"custom": component}, {"custom": custom})
    )
    assert execution.state == "SUCCEEDED", task(execution, "many").error
    spec = _value(execution, "many")
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
        _pipeline(
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
        _pipeline({one: call("say", {"x": constant("1")}) for one in ("hit_me", "other")})
    )
    assert states(execution) == {"hit_me": "FAILED", "other": "SUCCEEDED"}
    error = task(execution, "hit_me").error
    assert error is not None
    assert (error.code, words in error.message) == (code, True), error


def test_a_fault_of_one_attempt_is_retried(tmp_path: Path, isolation: Isolation) -> None:
    machine = Machine(tmp_path, isolation, "internal=hit:1")
    retried = {"retryPolicy": {"maxRetryCount": 1}}
    execution = machine.run(_pipeline({"hit": call("say", {"x": constant("1")}, **retried)}))
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
        _pipeline(
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
        _pipeline(
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
                    **_COMPONENTS["write"],
                    "executorLabel": "folder",
                    "inputDefinitions": {},
                },
                "see": {**_COMPONENTS["read"], "executorLabel": "see"},
            },
            {
                "absent": missing,
                "folder": sh('mkdir "$1"; echo in > "$1/file"; ls /tmp/kfp_outputs', _DATA),
                "see": sh('cat "$1/file" > "$2"', "{{$.inputs.artifacts['data'].path}}", _OUT),
            },
        ),
        layout=KubeflowLayout("minio://mlpipeline/v2", "tested", "run-uuid", store),
    )
    there = states(execution)
    assert (there.pop("lost"), set(there.values())) == ("FAILED", {"SUCCEEDED"}), [
        str(one.error) for one in execution.tasks
    ]
    assert "there is nothing at gs://nobody/there" in str(task(execution, "lost").error)
    assert (_value(execution, "read"), _value(execution, "see")) == ("via s3", "in\n")
    write = task(execution, "write")
    (data,) = write.outputs.artifacts["data"]
    assert data.uri == f"minio://mlpipeline/v2/tested/run-uuid/write/{write.execution}/data"
