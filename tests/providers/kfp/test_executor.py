"""Graphs and their failures: the executor's rules, by jobs of the shell."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest

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
    sh,
    states,
    task,
)
from tests.providers.kfp.shell import OUT, dag, out_of, shell_pipeline, value_of

# --- graphs ---------------------------------------------------------------------------------------


def test_tasks_are_given_what_others_have_made(machine: Machine) -> None:
    text = "{{$.pipeline_job_name}}:{{$.inputs.parameters['n']}}"
    execution = machine.run(
        shell_pipeline(
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
    assert out_of(execution, "third") == f"{execution.name}:7"
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
    inner = dag(
        {"twice": call("double", {"x": outer("n")})},
        inputDefinitions=parameters(n="NUMBER_INTEGER", list="LIST"),
        outputDefinitions=parameters(all="LIST"),
        outputs={"parameters": {"all": {"valueFromParameter": value_of("twice")}}},
    )
    part = {"componentInputParameter": "item", "parameterExpressionSelector": ""}
    a = {**part, "parameterExpressionSelector": 'parseJson(string_value)["a"]'}
    b = {**part, "parameterExpressionSelector": 'parseJson(string_value)["b"]'}
    loop = dag(
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
                "doubled": {"valueFromParameter": value_of("double")},
                "nested": {"valueFromParameter": value_of("inner", "all")},
            },
            "artifacts": {"files": {"artifactSelectors": [
                {"producerSubtask": "write", "outputArtifactKey": "data"}
            ]}},
        },
        **collected,
    )  # fmt: skip
    raw = json.dumps([{"a": 1, "b": [1, 2]}, {"a": 3, "b": []}, {"a": 5, "b": [7]}])
    execution = machine.run(
        shell_pipeline(
            {
                "loop": call(
                    "comp-loop", parameterIterator={"itemInput": "item", "items": {"raw": raw}},
                    iteratorPolicy={"parallelismLimit": 2},
                ),
                "doubled": call("show", {"x": output("loop", "doubled")}),
                "nested": call("show", {"x": output("loop", "nested")}),
                "files": call("read-all", None, {"data": made("loop", "files")}),
                "empty": call(
                    "comp-inner", {"list": constant([])},
                    parameterIterator={"itemInput": "n", "items": {"raw": "[]"}},
                ),
                "none": call("show", {"x": output("empty", "all")}),
            },
            {"comp-loop": loop, "comp-inner": inner},
        )
    )  # fmt: skip
    assert execution.state == "SUCCEEDED", execution.error
    shown = {name: out_of(execution, name) for name in ("doubled", "nested", "files", "none")}
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
    many = dag(
        {"write": call("write", {"x": outer("n")})},
        inputDefinitions=parameters(n="STRING"),
        outputDefinitions={"artifacts": {"files": artifact(isArtifactList=True)}},
        outputs={"artifacts": {"files": {"artifactSelectors": [
            {"producerSubtask": "write", "outputArtifactKey": "data"}
        ]}}},
    )  # fmt: skip
    each = dag(
        {"read": call("read", None, {"data": {"componentInputArtifact": "file"}})},
        inputDefinitions={
            "artifacts": {"file": artifact(), "files": artifact(isArtifactList=True)}
        },
        outputDefinitions=parameters(texts="LIST"),
        outputs={"parameters": {"texts": {"valueFromParameter": value_of("read")}}},
    )
    execution = machine.run(
        shell_pipeline(
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
        return dag(
            {"say": call("say", given), "write": call("write", given)},
            inputDefinitions=parameters(coin="STRING"),
            outputDefinitions={**parameters(out="STRING"), "artifacts": {"data": artifact()}},
            outputs={
                "parameters": {"out": {"valueFromParameter": value_of("say")}},
                "artifacts": {"data": {"artifactSelectors": [
                    {"producerSubtask": "write", "outputArtifactKey": "data"}
                ]}},
            },
        )  # fmt: skip

    def when(component: str, condition: str) -> dict[str, Any]:
        full = f"inputs.parameter_values['coin'] == '{condition}'"
        return call(component, {"coin": outer("coin")}, triggerPolicy={"condition": full})

    branches = dag(
        {"then": when("comp-one", "heads"), "else": when("comp-two", "tails")},
        inputDefinitions=parameters(coin="STRING"),
        outputDefinitions={**parameters(out="STRING"), "artifacts": {"data": artifact()}},
        outputs={
            "parameters": {"out": {"valueFromOneof": {"parameterSelectors": [
                value_of("then"), value_of("else")
            ]}}},
            "artifacts": {"data": {"artifactSelectors": [
                {"producerSubtask": one, "outputArtifactKey": "data"} for one in ("then", "else")
            ]}},
        },
    )  # fmt: skip
    execution = machine.run(
        shell_pipeline(
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
    assert (out_of(execution, "after"), out_of(execution, "file")) == (expected, expected)


def test_what_follows_an_untriggered_task_is_not_triggered(machine: Machine) -> None:
    execution = machine.run(
        shell_pipeline(
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
    guarded = dag({"bad": call("fail"), "good": call("say", {"x": constant("1")})})
    execution = machine.run(
        shell_pipeline(
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
    status = out_of(execution, "exit")
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
        shell_pipeline(
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
    execution = machine.run(shell_pipeline({"bad": call("fail", retryPolicy={"maxRetryCount": 2})}))
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
    executor = sh(written or "true", OUT, "{{$.outputs.output_file}}")
    execution = machine.run(
        shell_pipeline({"odd": call("odd")}, {"odd": component}, {"odd": executor})
    )
    assert execution.state == "FAILED"
    error = task(execution, "odd").error
    assert error is not None
    assert re.search(reason, error.message)


def test_cancelling_ends_what_runs_and_begins_nothing(machine: Machine) -> None:
    running = Reached("sleep", "RUNNING")
    execution = machine.begin(
        shell_pipeline(
            {
                "inner": call("comp-inner"),
                "after": call("say", {"x": constant("1")}, dependentTasks=["inner"]),
                "waits": call("fail", retryPolicy={"maxRetryCount": 1, "backoffDuration": "900s"}),
            },
            {"comp-inner": dag({"sleep": call("sleep")})},
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
