"""Mistakes in YAML pipelines: each is told with its file, its line and the thing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import waterflow as wf
from tests.unit import example_steps as steps
from waterflow.errors import DefinitionError, MissingDependencyError
from waterflow.yaml_pipeline import YamlPipeline, load

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
HEAD = "tests.unit.example_steps"


START = """pipeline: x
parameters:
  n: {type: integer, default: 1}
  flag: {type: boolean, default: true}
  folds: {type: integer, default: 1, static: true}
steps:
  - call: "@ingest"
    with: {source: {data: a.csv}}
  - call: "@split"
    with: {raw: $ingest}
"""

ERRORS: dict[str, tuple[str, int, str]] = {
    # What is appended to START (or, when it begins with "pipeline", the whole), line, message.
    "unknown key": ('  - call: "@add"\n    wth: {a: 1}\n', 12, "Did you mean 'with'?"),
    "unknown root key": (
        "stepz: []\n",
        11,
        "The pipeline has no key 'stepz'. Did you mean 'steps'?",
    ),
    "unknown option": (
        '  - call: "@add"\n    with: {a: 1}\n    options:\n      memry: 1GiB\n',
        14,
        "Did you mean 'memory'?",
    ),
    "no pipeline of a module": (
        "  - pipeline: tests.unit.test_groups:prepared\n",
        11,
        "Module 'tests.unit.test_groups' has no 'prepared'. Its pipelines: prepare, fit",
    ),
    "a step called as a pipeline": (
        '  - pipeline: "@add"\n',
        11,
        "tests.unit.example_steps:add is no pipeline but a Step. Put @wf.pipeline on",
    ),
    "no pipeline at all": (
        "  - pipeline: prepare\n",
        11,
        "'prepare' names no pipeline. Write package.module:pipeline, or the path of a YAML file",
    ),
    "no such file": ("  - pipeline: other.yaml\n", 11, "There is no file 'other.yaml' beside"),
    "unknown parameter of a pipeline": (
        "  - pipeline: tests.unit.test_groups:prepare\n    with:\n      row: $ingest\n",
        13,
        "Pipeline 'prepare' takes no 'row'. Did you mean 'raw'?",
    ),
    "missing parameter of a pipeline": (
        "  - pipeline: tests.unit.test_groups:prepare\n",
        11,
        "Pipeline 'prepare' needs 'raw'",
    ),
    "a group's name": (
        "  - pipeline: tests.unit.test_groups:prepare\n    group: a b\n    with: {raw: $ingest}\n",
        11,
        "'a b' cannot name a group of steps",
    ),
    "a group's outputs": (
        (
            "  - pipeline: tests.unit.test_groups:prepare\n    with: {raw: $ingest}\n"
            "  - call: '@height'\n    with: {table: $prepare.tran}\n"
        ),
        14,
        "Group 'prepare' has no output 'tran'. Did you mean $prepare.train?",
    ),
    "a group that returns nothing": (
        (
            "  - pipeline: tests.unit.test_groups:announce\n    with: {text: a}\n"
            "  - call: '@add'\n    with: {a: $announce}\n"
        ),
        13,
        "group 'announce', which returns nothing,",
    ),
    "a group named as a parameter": (
        "  - pipeline: tests.unit.test_groups:announce\n    group: n\n    with: {text: a}\n",
        11,
        "'n' names both a parameter and a group, so $n could mean either. Give the group",
    ),
    "kind of job": (
        '  - call: "@add"\n    with: {a: 1}\n    options:\n      kind: training\n',
        14,
        'for a training job: [profiles.NAME.steps.STEP] job = "training"',
    ),
    "a model's name": (
        "  - register: {model: $split.train, name: a/b}\n",
        11,
        "name='a/b' cannot name a registered model",
    ),
    "an alias": (
        "  - register: {model: $split.train, name: m, alias: v3}\n",
        11,
        "alias='v3' cannot be an alias",
    ),
    "no expression": (
        '  - call: "@add"\n    with: {a: 1}\n    options:\n      metrics: {loss: loss=.*}\n',
        13,
        "metrics: loss='loss=.*' has no group",
    ),
    "expressions of a list": (
        '  - call: "@add"\n    with: {a: 1}\n    options:\n      metrics: [loss]\n',
        14,
        "'metrics': expected a mapping",
    ),
    "expressions of a registration": (
        "  - register: {model: $split.train, name: x}\n    options:\n      metrics: {l: l=(.)}\n",
        13,
        "Write the version's metrics below `register`.",
    ),
    "unknown entry": ("  - cal: x\n", 11, "Did you mean 'call' for 'cal'?"),
    "two entries": ("  - {call: a, map: b}\n", 11, "this one has both call and map"),
    "unknown container key": (
        "  - container:\n      nam: x\n",
        12,
        "`container` has no key 'nam'. Did you mean 'name'?",
    ),
    "unknown parameter key": (
        "pipeline: x\nparameters:\n  n: {type: integer, defalt: 1}\nsteps: []\n",
        3,
        "Did you mean 'default'?",
    ),
    "unknown parameter type": (
        "pipeline: x\nparameters:\n  n:\n    type: int\nsteps: []\n",
        4,
        "'type': Invalid enum value 'int'; it is one of integer, number",
    ),
    "wrong default": (
        "pipeline: x\nparameters:\n  n: {type: integer, default: one}\nsteps: [{call: '@add'}]\n",
        3,
        "'one' is not a whole number",
    ),
    "default that is a list": (
        "pipeline: x\nparameters:\n  n: {type: integer, default: [1]}\nsteps: [{call: '@add'}]\n",
        3,
        "[1] is not a whole number",
    ),
    "list for a number": (
        '  - call: "@add"\n    with: {a: [1]}\n',
        11,
        "argument 'a' takes integer, but gets [1] (list)",
    ),
    "item of another type": (
        '  - call: "@total"\n    with: {values: [1, x]}\n',
        11,
        "argument 'values' takes list[int]: value[1] is 'x' (str)",
    ),
    "mapping for a list": (
        '  - call: "@summary"\n    with: {values: {a: 1}}\n  - call: "@total"\n    with: {values: $summary}\n',  # noqa: E501
        13,
        "takes list[int], but gets <output 'output' of step 'summary'> of type dict[str, Any]",
    ),
    "unknown reference": (
        '  - call: "@add"\n    with: {a: $m}\n',
        12,
        "$m names no step or parameter.",
    ),
    "near reference": (
        '  - call: "@height"\n    with:\n      table: $ingst\n',
        13,
        "Did you mean $ingest?",
    ),
    "unknown output": (
        '  - call: "@height"\n    with: {table: $split.tst}\n',
        12,
        "Did you mean $split.test?",
    ),
    "output missing": (
        '  - call: "@height"\n    with: {table: $split}\n',
        12,
        "$split has several outputs. Name the one that is meant: $split.train, $split.test.",
    ),
    "output of one": (
        '  - call: "@height"\n    with: {table: $ingest.rows}\n',
        12,
        "has no outputs to name. Write $ingest.",
    ),
    "output of parameter": ('  - call: "@add"\n    with: {a: $n.x}\n', 12, "'n' is a parameter"),
    "later": (
        '  - call: "@train"\n    with: {data: $height}\n  - call: "@height"\n    with: {table: $train}\n',  # noqa: E501
        12,
        "$height names a step that comes later",
    ),
    "itself": ('  - call: "@height"\n    with: {table: $height}\n', 12, "without cycles"),
    "no module": ("  - call: nowhere.steps:add\n", 11, "There is no module 'nowhere'"),
    "no colon": ("  - call: add\n", 11, "Write package.module:function."),
    "no function": ('  - call: "@ad"\n', 11, "has no 'ad'. Its steps: ingest, split"),
    "no step": (
        '  - call: "@plain"\n    with: {x: 1}\n',
        11,
        "is no step but a function. Put @wf.step",
    ),
    "wrong type": (
        '  - call: "@height"\n    with: {table: $n}\n',
        11,
        "takes dataframe, but gets <parameter 'n'>",
    ),
    "wrong argument": ('  - call: "@add"\n    with:\n      a: 1\n      c: 2\n', 14, "takes no 'c'"),
    "missing argument": ('  - call: "@add"\n', 11, "missing a required argument: 'a'"),
    "text with a reference": (
        '  - call: "@greet"\n    with: {name: "run $n"}\n',
        12,
        "a reference stands alone",
    ),
    "condition syntax": ("  - when: $n >\n    then: []\n", 11, "is not understood"),
    "condition bare name": ("  - when: n > 1\n    then: []\n", 11, "write $n for the step"),
    "condition arithmetic": (
        "  - when: $n + 1 > 2\n    then: []\n",
        11,
        "this part is not understood",
    ),
    "condition call": ("  - when: len($n) > 2\n    then: []\n", 11, "this part is not understood"),
    "condition in": ("  - when: $n in [1]\n    then: []\n", 11, "not understood"),
    "condition constant": ("  - when: 1 > 2\n    then: []\n", 11, "are both known already"),
    "condition known": ("  - when: $folds > 2\n    then: []\n", 11, "are both known already"),
    "condition table": ("  - when: $ingest > 2\n    then: []\n", 11, "which is no scalar"),
    "condition number": ("  - when: $n\n    then: []\n", 11, "a condition by itself"),
    "condition types": ("  - when: $n > 'a'\n    then: []\n", 11, "the two never compare"),
    "condition boolean": ("  - when: true\n    then: []\n", 11, "Put it in quotes"),
    "condition without then": ("  - when: $flag\n", 11, "The key is missing: `then`"),
    "outside its gate": (
        '  - when: $flag\n    then: [{call: "@add", with: {a: 1}}]\n  - call: "@add"\n    with: {a: $add}\n',  # noqa: E501
        13,
        "stands behind gate 'when'",
    ),
    "inside a gate": (
        '  - when: $flag\n    then:\n      - call: "@add"\n        with:\n          a: $x\n',
        15,
        "$x names no step",
    ),
    "duplicate names": (
        '  - {step: one, call: "@add", with: {a: 1}}\n  - step: one\n    call: "@add"\n    with: {a: 1}\n',  # noqa: E501
        12,
        "Two steps of pipeline 'x' are called 'one'",
    ),
    "name of a parameter": (
        '  - {step: n, call: "@add", with: {a: 1}}\n',
        11,
        "'n' names both a parameter and a step",
    ),
    "duplicate keys": (
        "  - call: a\n    call: b\n",
        12,
        "The key 'call' stands here twice; first on line 11",
    ),
    "number as a name": (
        '  - step: 1\n    call: "@add"\n',
        11,
        "expected text or nothing, got a whole number",
    ),
    "bad name": (
        '  - step: one two\n    call: "@add"\n    with: {a: 1}\n',
        11,
        "cannot name a step",
    ),
    "bad size": (
        '  - call: "@add"\n    with: {a: 1}\n    options: {memory: much}\n',
        13,
        "memory='much' is not a size",
    ),
    "number as env": (
        '  - call: "@add"\n    with: {a: 1}\n    options:\n      env: {V: 1.10}\n',
        14,
        "Put it in quotes",
    ),
    "bad after": (
        '  - call: "@add"\n    with: {a: 1}\n    options: {after: [$n]}\n',
        13,
        "'$n' names no step",
    ),
    "bad first": (
        '  - call: "@add"\n    with: {a: {first: [$ingest]}}\n',
        12,
        "wf.first needs at least two outputs",
    ),
    "bad container": (
        "  - container: {name: c, image: i, command: ['{inputs.x}']}\n",
        11,
        "the command names {inputs.x}",
    ),
    "bad map": ('  - map: "@add"\n    over: 3\n', 11, "goes over a list"),
    "bad register": (
        "  - register: {model: $n, name: m}\n",
        11,
        "takes model, but gets <parameter 'n'>",
    ),
    "tab": ('  - call: "@add"\n\twith: {a: 1}\n', 12, "spaces, not with tabs"),
    "no yaml": ("  - call: [\n", 12, "This is no YAML"),
    "two documents": ("---\npipeline: y\n", 11, "one pipeline a file"),
    "python tag": (
        '  - call: !!python/name:os.system "@add"\n',
        11,
        "The tag !!python/name:os.system is not understood",
    ),
    "own tag": ('  - call: !mine "@add"\n', 11, "The tag !mine is not understood"),
    "not a mapping": ("pipeline\n", 1, "expected a mapping, got text"),
    "empty": ("pipeline: x\n", 1, "The key is missing: `steps`"),
    "no steps": ("pipeline: x\nsteps: []\n", 1, "Pipeline 'x' calls no step"),
    "bad schedule": ("pipeline: x\nsteps: []\nschedule: daily\n", 3, "is no cron expression"),
    "bad pipeline name": ("pipeline: x y\nsteps: []\n", 1, "cannot name a pipeline"),
    "endless alias": (
        "pipeline: x\nsteps:\n  - call: a\n    with: &w {v: *w}\n",
        4,
        "repeats itself without end",
    ),
    "static not given": (
        "pipeline: x\nparameters:\n  n: {type: integer, static: true}\nsteps: [{call: '@add', with: {a: $n}}]\n",  # noqa: E501
        0,
        "static parameter 'n' must be known",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_name_the_line_and_the_thing(
    name: str, written: Callable[[str], YamlPipeline]
) -> None:
    text, line, expected = ERRORS[name]
    with pytest.raises(DefinitionError) as caught:
        written(text if text.startswith("pipeline") else START + text)()
    message = str(caught.value)
    assert expected in message
    assert line == 0 or f"pipeline.yaml:{line}: " in message, message


def test_a_missing_file_and_bad_bytes(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"no\.yaml:1: The file cannot be read"):
        load(tmp_path / "no.yaml", ROOT)
    (tmp_path / "bad.yaml").write_bytes(b"pipeline: \xff\xfe")
    with pytest.raises(DefinitionError, match=r"bad\.yaml:1: .*not UTF-8"):
        load(tmp_path / "bad.yaml", ROOT)


def test_modules_that_cannot_be_imported(tmp_path: Path) -> None:
    (tmp_path / "broken_yaml_steps.py").write_text("1 / 0\n")
    (tmp_path / "needy_yaml_steps.py").write_text("import library_nobody_has\n")
    file = tmp_path / "pipeline.yaml"
    file.write_text("pipeline: x\nsteps:\n  - call: broken_yaml_steps:a\n")
    with pytest.raises(DefinitionError, match=r"pipeline\.yaml:3: .*ZeroDivisionError"):
        load(file, tmp_path)
    file.write_text("pipeline: x\nsteps:\n  - call: needy_yaml_steps:a\n")
    with pytest.raises(MissingDependencyError, match="needs library_nobody_has"):
        load(file, tmp_path)


def test_yaml_locations_end_with_the_definition(written: Callable[[str], YamlPipeline]) -> None:
    with pytest.raises(DefinitionError):
        written(START + '  - call: "@height"\n    with: {table: $n}\n')()

    def example() -> None:
        steps.height(1)  # type: ignore[arg-type]

    with pytest.raises(DefinitionError, match=r"test_yaml_errors\.py:"):
        wf.pipeline(example)()
