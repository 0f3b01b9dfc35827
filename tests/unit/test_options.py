"""What a step may ask for: each option's value is checked where it is written."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import waterflow as wf
from tests.unit import example_steps as steps
from tests.unit.tracing import refusal, traced
from waterflow.errors import DefinitionError
from waterflow.language.types import Secret

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "kind of job": (
        {"kind": "training", "name": "fit"},
        'into waterflow.toml, for a training job: [profiles.NAME.steps.fit] job = "training".',
    ),
    "variable beginning with a digit": (
        {"env": {"1A": "x"}},
        "env: '1A' cannot name an environment variable: use letters, digits and '_', beginning",
    ),
    "variable with =": ({"env": {"A=": "x"}}, "env: 'A=' cannot name an environment variable"),
    "variable without a name": ({"env": {"": "x"}}, "env: '' cannot name"),
    "variable of other letters": ({"env": {"Ä": "x"}}, "env: 'Ä' cannot name"),
    "variable that ends in a line break": ({"env": {"A\n": "x"}}, "env: 'A\\n' cannot name"),
    "variable that is no text": (
        {"env": {1: "x"}}, 'env: 1 is no text. Write env={"NAME": "value"}',
    ),
    "number in a variable": ({"env": {"A": 1}}, "env: A=1 is no text."),
    "NUL in a variable": ({"env": {"A": "x\0"}}, "env: A='x\\x00' holds a NUL character"),
    "env of no dict": ({"env": ["A"]}, "env=['A'] is no dict. Write env={\"NAME\": \"value\"}"),
    "secret with =": (
        {"secrets": {"a=b": wf.secret("x")}}, "secrets: 'a=b' cannot name an environment variable",
    ),
    "secrets of no dict": (
        {"secrets": wf.secret("x")},
        "secrets=Secret(name='x') is no dict. Write secrets={\"NAME\": wf.secret(\"its-name\")}",
    ),
    "secret without a name": (
        {"secrets": {"A": Secret(" ")}}, "secrets: A names no secret: ' '.",
    ),
    "plain secret": ({"secrets": {"A": "x"}}, "secrets: A holds a plain value."),
    "requirement half written": (
        {"requirements": ["pandas", "numpy=="]},
        "requirements: 'numpy==' is no PEP 508 requirement: Expected ",
    ),
    "requirement that is a path": (
        {"requirements": ["./a-1-py3-none-any.whl"]},
        '"name @ file:///path/to/name-1.0-py3-none-any.whl" for a file.',
    ),
    "requirement that is no text": ({"requirements": [3]}, "requirements: 3 is no text."),
    "requirements in one text": ({"requirements": "a"}, "requirements='a' must be a list."),
    "requirements of no list": ({"requirements": 3}, "requirements=3 must be a list."),
    "requirements that are used up": (
        {"requirements": iter(["a"])}, "must be a list.",
    ),
    "image of no text": (
        {"image": 3},
        "image=3 is no container image's reference. Write for example image=\"python:3.12\".",
    ),
    "image without a name": ({"image": ""}, "image='' is no container image's reference."),
    "image with a space": ({"image": "a b"}, "image='a b' is no container image's reference."),
    "after of no list": ({"after": 3}, "after=3 must be a list."),
    "include outside": (
        {"include": ["/etc/passwd"]},
        "include='/etc/passwd': write a glob relative to the project's root, such as 'templates/",
    ),
    "include above": ({"include": ["../x"]}, "include='../x': write a glob relative"),
    "include of all": ({"include": ["."]}, "include='.': write a glob relative"),
    "include of no text": ({"include": [None]}, "include: None is no text."),
    "include of no list": ({"include": {"a": "b"}}, "include={'a': 'b'} must be a list."),
    "name of no text": ({"name": 3}, "3 cannot name a step"),
    "backoff without end": ({"backoff": float("inf")}, "backoff=inf is not a factor"),
    "backoff of no number": ({"backoff": float("nan")}, "backoff=nan is not a factor"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_option_is_told_with_its_line(name: str) -> None:
    options, said = WRONG[name]

    def example() -> None:
        steps.add.options(**options)  # here

    assert said in refusal(example)
    with pytest.raises(DefinitionError) as caught:
        wf.step(**options)
    assert said in str(caught.value)
    assert caught.value.location is not None
    assert "test_options.py:" in caught.value.location


def test_a_list_of_one_output_is_meant_by_after() -> None:
    def example() -> None:
        steps.add.options(after=steps.add(1))(2)  # here

    said = "after=<output 'output' of step 'add'> must be a list."
    assert said in refusal(example)


@pytest.mark.parametrize(
    "requirement",
    [
        "numpy",
        "numpy>=2,<3",
        "pandas[parquet]==2.2.3; python_version > '3.8'",
        "tiny @ file:///tmp/tiny-1-py3-none-any.whl",
        "tiny @ https://example.org/tiny-1-py3-none-any.whl",
    ],
)
def test_requirements_may_be_files_and_have_markers(requirement: str) -> None:
    def example() -> None:
        steps.add.options(requirements=[requirement], env={"_A1": "", "b": "x"})(1)

    (step,) = traced(example).steps
    assert step.environment.requirements == (requirement,)
    assert step.environment.variables == {"_A1": "", "b": "x"}


def test_a_job_without_packaging_takes_a_step_with_requirements(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "packaging.requirements", None)
    assert wf.step(requirements=["numpy>=2"])(steps.plain).settings.requirements == ["numpy>=2"]


CONTAINERS: dict[str, tuple[dict[str, Any], str]] = {
    "image": ({"image": 3}, "Step 'c': image=3 is no container image's reference."),
    "command": ({"command": 3}, "Step 'c': command=3 must be a list."),
    "part of the command": ({"command": ["run", 3]}, "Step 'c': command: 3 is no text."),
    "outputs": ({"outputs": "out"}, "Step 'c': outputs='out' must be a list."),
    "output": ({"outputs": [1]}, "Step 'c': outputs: 1 is no text."),
    "inputs": ({"inputs": ["x"]}, "Step 'c': inputs=['x'] is no dict. Write inputs={\"name\": ..."),
    "parameters": ({"parameters": 3}, "Step 'c': parameters=3 is no dict."),
    "parameter": ({"parameters": {1: 2}}, "Step 'c': parameters: 1 is no text."),
    "variable": ({"env": {"A B": "x"}}, "env: 'A B' cannot name an environment variable"),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_is_checked_with_its_line(name: str) -> None:
    settings, said = CONTAINERS[name]
    words: dict[str, Any] = {"name": "c", "image": "i", "command": ["run"], **settings}

    def example() -> None:
        wf.container(**words)  # here

    assert said in refusal(example)


@pytest.mark.parametrize("empty", ["", " ", 3])
@pytest.mark.parametrize("make", [wf.Data, wf.secret])
def test_data_and_secrets_have_a_name(make: Any, empty: Any) -> None:
    with pytest.raises(DefinitionError, match="names no ") as caught:
        make(empty)
    assert "test_options.py:" in str(caught.value), "the user's line"
