"""What the executor makes of values, expressions and placeholders, without a job."""

from __future__ import annotations

import json
from typing import Any

import pytest
from waterflow_kfp.emulator.documents import Pipeline
from waterflow_kfp.emulator.errors import SpecError, TaskError
from waterflow_kfp.emulator.expressions import holds, selected
from waterflow_kfp.emulator.placeholders import Scope, structured, words
from waterflow_kfp.emulator.values import checked, read, text
from waterflow_kfp.emulator.work import of_container, of_custom_job, quantity

from tests.providers.kfp.running import call, constant, parameters, pipeline, sh

_X = "inputs.parameter_values['x']"
_Y = "inputs.parameter_values['y']"


@pytest.mark.parametrize(
    ("condition", "values", "expected"),
    [
        (f"{_X} == 'heads'", {"x": "heads"}, True),
        (f"!({_X} == 'heads') && {_Y} == 'high'", {"x": "tails", "y": "high"}, True),
        (f"!({_X} == 'a') && !({_X} == 'b')", {"x": "b"}, False),
        (f"'a' == {_X} || {_Y} < 2", {"x": "b", "y": 1}, True),
        (f"int({_X}) > 5", {"x": 6}, True),
        (f"int({_X}) >= 5", {"x": 4}, False),
        (f"{_X} > 0.7", {"x": 1}, True),
        (f"{_X} == 1", {"x": 1.0}, True),
        (f"{_X} == 1", {"x": 1}, True),
        (f"{_X} != 1", {"x": 2}, True),
        (f"{_X} <= {_Y}", {"x": 1, "y": 1.5}, True),
        (f"{_X} == true", {"x": True}, True),
        (f"{_X} == true", {"x": False}, False),
        (f"{_X} == 'true'", {"x": True}, False),
        (f"{_X} != 1", {"x": "1"}, True),
        (f"double({_X}) < 0.5", {"x": 0}, True),
        (f"string({_X}) == 'a'", {"x": "a"}, True),
        (f"{_X} in ['a', 'b']", {"x": "b"}, True),
        (f"size({_X}) == 2", {"x": [1, 2]}, True),
        (f"{_X}.k == 'v'", {"x": {"k": "v"}}, True),
        ("has(inputs.parameter_values.x)", {}, False),
    ],
)
def test_a_condition_holds_or_does_not(
    condition: str, values: dict[str, Any], expected: bool
) -> None:
    assert holds(condition, values) is expected


@pytest.mark.parametrize(
    ("condition", "words_"),
    [
        (f"{_X} == 'a'", "no such key"),
        (f"{_X} ==", "is no expression in CEL"),
        ("1.0", "is no boolean"),
    ],
)
def test_a_condition_that_says_nothing_is_refused(condition: str, words_: str) -> None:
    with pytest.raises(TaskError, match=words_):
        holds(condition, {})


@pytest.mark.parametrize(
    ("selector", "value", "expected"),
    [
        ('parseJson(string_value)["a"]', {"a": 1}, 1),
        ('parseJson(string_value)["a"]', '{"a": [1, 2.5]}', [1, 2.5]),
        ('parseJson(string_value)["a"]["b"]', {"a": {"b": {"c": None}}}, {"c": None}),
        ("parseJson(string_value)[1]", ["x", "y"], "y"),
        ('parseJson(string_value)["t"]', {"t": True}, True),
    ],
)
def test_a_selector_takes_a_part_of_a_value(selector: str, value: Any, expected: Any) -> None:
    assert selected(selector, value) == expected


@pytest.mark.parametrize(
    ("value", "of", "expected"),
    [
        ("a", "STRING", "a"), (1.0, "STRING", "1"), (True, "STRING", "true"),
        ({"a": 1}, "STRING", '{"a": 1}'), (3.0, "NUMBER_INTEGER", 3),
        (2, "NUMBER_DOUBLE", 2), (0.5, "NUMBER_DOUBLE", 0.5), (False, "BOOLEAN", False),
        ([1.0], "LIST", [1]), ({"a": 2.0}, "STRUCT", {"a": 2}),
    ],
)  # fmt: skip
def test_a_value_is_taken_as_its_type_has_it(value: Any, of: str, expected: Any) -> None:
    taken = checked("p", value, of)
    assert (taken, type(taken)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("value", "of"),
    [
        ("1", "NUMBER_INTEGER"), (1.5, "NUMBER_INTEGER"), (True, "NUMBER_DOUBLE"),
        ("true", "BOOLEAN"), ("[]", "LIST"), ([], "STRUCT"), (None, "LIST"),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_refused(value: Any, of: str) -> None:
    with pytest.raises(TaskError, match=f"input parameter p type mismatch.*{of}"):
        checked("p", value, of)


@pytest.mark.parametrize(
    ("written", "of", "expected"),
    [
        ("a\n", "STRING", "a\n"), ("7\n", "NUMBER_INTEGER", 7), ("7.0", "NUMBER_INTEGER", 7),
        ("1e-3", "NUMBER_DOUBLE", 0.001), ("True", "BOOLEAN", True), ("false", "BOOLEAN", False),
        ("[1, 2]", "LIST", [1, 2]), ('{"a": 1.0}', "STRUCT", {"a": 1}),
    ],
)  # fmt: skip
def test_an_output_file_is_read_by_its_type(written: str, of: str, expected: Any) -> None:
    assert read("p", written, of) == expected


@pytest.mark.parametrize(("written", "of"), [("x", "NUMBER_INTEGER"), ("", "LIST"), ("2", "LIST")])
def test_an_output_file_of_another_type_is_refused(written: str, of: str) -> None:
    with pytest.raises(TaskError, match="failed to read output parameter name='p'"):
        read("p", written, of)


_DATA = {
    "name": "artifacts/1",
    "type": {"schemaTitle": "system.Dataset"},
    "uri": "gs://b/x",
    "metadata": {"rows": 3, "by": "me"},
}
_INPUT: dict[str, Any] = {
    "inputs": {
        "parameterValues": {"s": 'a "b"', "n": 1, "f": 0.5, "t": True, "l": [1, "x"]},
        "artifacts": {"d": {"artifacts": [_DATA]}, "none": {"artifacts": []}},
    },
    "outputs": {
        "parameters": {"o": {"outputFile": "/gcs/b/o"}},
        "artifacts": {"m": {"artifacts": [{"uri": "gs://b/m", "metadata": {}}]}},
        "outputFile": "/gcs/b/executor_output.json",
    },
}
_SCOPE = Scope(
    run={"pipeline_job_name": "job", "pipeline_task_uuid": "7"},
    executor_input=_INPUT,
    paths={"gs://b/x": "/gcs/b/x", "gs://b/m": "/gcs/b/m"},
)


def _structure(**value: Any) -> str:
    return json.dumps(value)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("plain {x} ${y}", ["plain {x} ${y}"]),
        ("{{$}}", [json.dumps(_INPUT)]),
        ("{{$.json_escape[1]}}", [json.dumps(json.dumps(_INPUT))[1:-1]]),
        ("a{{$.inputs.parameters['s']}}b", ['aa "b"b']),
        ("{{$.inputs.parameters['s'].json_escape[1]}}", ['a \\"b\\"']),
        ('{{$.inputs.parameters["n"]}}/{{$.inputs.parameters[\'f\']}}', ["1/0.5"]),
        ("{{$.inputs.parameters['t']}}", ["true"]),
        ("{{$.inputs.parameters['l']}}", ['[1, "x"]']),
        ("{{$.inputs.parameters['absent']}}", [""]),
        ("{{$.inputs.artifacts['d'].uri}}", ["gs://b/x"]),
        ("{{$.inputs.artifacts['d'].path}}", ["/gcs/b/x"]),
        ("{{$.inputs.artifacts['d'].name}}", ["artifacts/1"]),
        ("{{$.inputs.artifacts['d'].metadata}}", ['{"rows": 3, "by": "me"}']),
        ("{{$.inputs.artifacts['d'].metadata['rows']}}", ["3"]),
        ("{{$.inputs.artifacts['d'].metadata['by']}}", ["me"]),
        ("{{$.outputs.artifacts['m'].path}}", ["/gcs/b/m"]),
        ("{{$.outputs.artifacts['m'].uri}}", ["gs://b/m"]),
        ("{{$.outputs.parameters['o'].output_file}}", ["/gcs/b/o"]),
        ("{{$.outputs.output_file}}", ["/gcs/b/executor_output.json"]),
        ("{{$.pipeline_job_name}}-{{$.pipeline_task_uuid}}", ["job-7"]),
        (_structure(Concat=["--n=", "{{$.inputs.parameters['n']}}"]), ["--n=1"]),
        (
            _structure(IfPresent={"InputName": "s", "Then": ["--s", "{{$.inputs.parameters['s']}}"],
                                  "Else": ["--none"]}),
            ["--s", 'a "b"'],
        ),
        (_structure(IfPresent={"InputName": "absent", "Then": "x", "Else": "y"}), ["y"]),
        (_structure(IfPresent={"InputName": "absent", "Then": "x"}), []),
        (
            _structure(Concat=["a", {"IfPresent": {"InputName": "d", "Then": "b", "Else": "c"}}]),
            ["ab"],
        ),
        (
            _structure(IfPresent={"InputName": "d", "Then": {"Concat": ["p", "q"]}}),
            ["pq"],
        ),
        ('{"Concat": 1, "more": 2}', ['{"Concat": 1, "more": 2}']),
    ],
)  # fmt: skip
def test_a_word_becomes_what_its_placeholders_say(word: str, expected: list[str]) -> None:
    assert words([word], _SCOPE) == expected


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("{{$.nothing}}", "is not known"),
        ("{{$.outputs.parameters['x'].output_file}}", "no such output parameter"),
        ("{{$.outputs.artifacts['x'].path}}", "no such output artifact"),
        ("{{$.inputs.artifacts['none'].uri}}", "list of artifacts is empty"),
        ("{{$.inputs.artifacts['d'].size}}", "is not known"),
    ],
)
def test_a_placeholder_without_meaning_is_refused(word: str, reason: str) -> None:
    with pytest.raises(TaskError, match=reason):
        words([word], _SCOPE)


def test_a_constant_that_is_one_placeholder_keeps_the_values_type() -> None:
    value = {
        "{{$.pipeline_job_name}}": [
            "{{$.inputs.parameters['n']}}",
            "n={{$.inputs.parameters['n']}}",
        ]
    }
    assert structured(value, _SCOPE) == {"job": [1, "n=1"]}


@pytest.mark.parametrize(
    ("written", "number"),
    [("500m", 0.5), ("2", 2), ("16Gi", 16 * 1024**3), ("3.75G", 3.75e9), ("64k", 64e3)],
)
def test_quantities_are_kubernetes_own(written: str, number: float) -> None:
    assert quantity(written) == number


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        (
            {"cpuLimit": 2.0, "memoryLimit": 4.0, "accelerator": {"type": "T4", "count": "2"}},
            (2.0, 4e9, "T4", 2),
        ),
        (
            {
                "resourceCpuLimit": "{{$.inputs.parameters['n']}}",
                "resourceMemoryLimit": "16G",
                "accelerator": {"resourceType": "L4", "resourceCount": "1"},
            },
            (1.0, 16e9, "L4", 1),
        ),
        ({"resourceCpuRequest": "250m"}, (0.25, 0.0, "", 0)),
        ({}, (0.0, 0.0, "", 0)),
    ],
)
def test_resources_are_read_in_old_and_new_fields(
    resources: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    spec = {"container": {"image": "i", "resources": resources}}
    machine = of_container(spec, _SCOPE)["pools"][0].machine
    shown = (machine.cpu, machine.memory, machine.accelerator, machine.accelerators)
    assert shown == expected


def test_a_custom_jobs_pools_and_limits_are_read() -> None:
    container = {"imageUri": "i", "command": ["run"], "args": ["{{$.inputs.parameters['n']}}"]}
    held = of_custom_job(
        {
            "displayName": "{{$.pipeline_job_name}}",
            "jobSpec": {
                "workerPoolSpecs": [
                    {
                        "replicaCount": "1",
                        "machineSpec": {"machineType": "n1-standard-4", "acceleratorCount": 2},
                        "containerSpec": container,
                    },
                    {},
                    {"replicaCount": 2, "containerSpec": {**container, "env": [
                        {"name": "A", "value": "{{$.inputs.parameters['s']}}"}
                    ]}},
                ],
                "scheduling": {"strategy": "SPOT", "timeout": "90s"},
                "serviceAccount": "a@b",
            },
        },
        _SCOPE,
    )  # fmt: skip
    first, second = held["pools"]
    assert (first.args, first.replicas, first.machine.kind) == (["1"], 1, "n1-standard-4")
    assert (second.replicas, second.environment) == (2, {"A": 'a "b"'})
    assert (held["spot"], held["timeout"], held["service_account"]) == (True, 90.0, "a@b")
    assert held["label"] == "job"


# --- documents that are refused -------------------------------------------------------------------


def _spec(**changes: Any) -> dict[str, Any]:
    whole = pipeline(
        {"a": call("comp-a", {"x": constant("1")})},
        {"comp-a": {"executorLabel": "exec-a", "inputDefinitions": parameters(x="STRING")}},
        {"exec-a": sh("true")},
    )
    return {**whole, **changes}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"invented": 1}, 'no field named "invented"'),
        ({"pipelineInfo": {}}, "pipelineInfo.name is required"),
        ({"schemaVersion": "3.0.0"}, "schemaVersion '3.0.0' is not supported"),
        ({"root": {}}, "root.dag is required"),
        ({"deploymentSpec": {}}, "comp-a: no executor 'exec-a'"),
        ({"deploymentSpec": {"executors": {"exec-a": {"pod": {}}}}}, 'no field named "pod"'),
        ({"deploymentSpec": {"executors": {"exec-a": {"resolver": {}}}}}, "does not run"),
        ({"components": {}}, "task 'a': no component 'comp-a'"),
        ({"root": {"dag": {"tasks": {"a": call("comp-a", dependentTasks=["z"])}}}},
         "task 'a': no upstream task 'z'"),
        ({"root": {"dag": {"tasks": {"a": call("comp-a", dependentTasks=["b"]),
                                     "b": call("comp-a", dependentTasks=["a"])}}}},
         "tasks wait for each other: "),
    ],
)  # fmt: skip
def test_a_document_that_cannot_be_run_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(SpecError, match=reason):
        Pipeline.parse(_spec(**changes))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"n": 1, "zz": 2}, "no input parameter 'zz'; it has: n, o"),
        ({}, "input parameter n is required"),
        ({"n": "1"}, "input parameter n type mismatch"),
    ],
)
def test_parameters_of_a_run_are_checked(values: dict[str, Any], reason: str) -> None:
    root = {
        "dag": _spec()["root"]["dag"],
        "inputDefinitions": parameters(n="NUMBER_INTEGER", o="STRING?"),
    }
    read_ = Pipeline.parse(_spec(root=root))
    assert read_.inputs({"n": 2}) == {"n": 2}
    with pytest.raises(SpecError, match=reason):
        read_.inputs(values)


def test_text_of_nested_numbers_is_whole_where_they_are() -> None:
    assert text({"a": [1.0, 2.5]}) == '{"a": [1, 2.5]}'
