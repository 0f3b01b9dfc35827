"""Pipelines in YAML: the spec that Python gives, and errors that name the line."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

import waterflow as wf
from tests.unit import example_steps as steps
from waterflow import spec
from waterflow.errors import DefinitionError, MissingDependencyError
from waterflow.yaml_pipeline import YamlPipeline, load, schema
from waterflow.yaml_pipeline.reader import Source

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
HEAD = "tests.unit.example_steps"


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], YamlPipeline]:
    """Return a function that loads a pipeline from its text; `@f` stands for a step function."""

    def write(text: str) -> YamlPipeline:
        path = tmp_path / "pipeline.yaml"
        path.write_text(textwrap.dedent(text).replace("@", f"{HEAD}:"))
        return load(path, ROOT)

    return write


# --- the same pipeline in both ways ---------------------------------------------------------------


def fraud(
    source: wf.Data = wf.Data("data/transactions.csv"),
    trees: int = 200,
    min_auc: float = 0.9,
    skip: bool = False,
) -> None:
    """Find fraud,
    every week.

    Not part of the description."""
    sets = steps.split(steps.ingest(source))
    model = steps.train.options(cpu=8, memory="32GiB", retries=3, timeout="1h")(sets.train, trees)
    metrics = steps.evaluate(model, sets.test)
    with wf.when((metrics["auc"] >= min_auc) & ~as_condition(skip)) as gate:
        wf.register(model, name="fraud", example=sets.test, metrics=metrics, alias="challenger")
    with gate.otherwise():
        steps.notify(metrics, text="a $ short")


def as_condition(symbol: Any) -> Any:
    return symbol


FRAUD = """
pipeline: fraud
description: |
  Find fraud,
  every week.

  Not part of the description.
schedule: "0 3 * * 1"
trusted_types: [acme.Model]
parameters:
  source: {type: data, default: data/transactions.csv}
  trees: {type: integer, default: 200}
  min_auc: {type: number, default: 0.9}
  skip: {type: boolean, default: false}
steps:
  - step: ingest
    call: "@ingest"
    with: {source: $source}
  - call: "@split"
    with: {raw: $ingest}
  - call: "@train"
    with: {data: $split.train, trees: $trees}
    options: {cpu: 8, memory: 32GiB, retries: 3, timeout: 1h}
  - call: "@evaluate"
    with: {model: $train, test: $split.test}
  - when: $evaluate["auc"] >= $min_auc and not $skip
    then:
      - register:
          {model: $train, name: fraud, example: $split.test, metrics: $evaluate, alias: challenger}
    otherwise:
      - call: "@notify"
        with: {metrics: $evaluate, text: a $$ short}
"""


def nested(n: int = 1, mode: str = "fast") -> None:
    with wf.when(n > 1) as outer:
        one = steps.add(1)
        with wf.when((one > 5) | (wf_equal(mode, "slow"))) as inner:
            a = steps.add(one, 1)
        with inner.otherwise():
            b = steps.add(one, 2)
        c = steps.add(wf.first(a, b))
    with outer.otherwise():
        d = steps.add(4)
    steps.add.options(name="last")(wf.first(c, d))
    with wf.when(~((n > 1) | (n <= -2)) & (as_condition(n) > 0.5) & (n < 3)):
        steps.add(1)


def wf_equal(left: Any, right: Any) -> Any:
    return left == right


NESTED = """
pipeline: nested
parameters:
  n: {type: integer, default: 1}
  mode: {type: string, default: fast}
steps:
  - when: $n > 1
    then:
      - call: "@add"
        with: {a: 1}
      - when: $add > 5 or $mode == "slow"
        then:
          - step: add-2
            call: "@add"
            with: {a: $add, b: 1}
        otherwise:
          - step: add-3
            call: "@add"
            with: {a: $add, b: 2}
      - call: "@add"
        with: {a: {first: [$add-2, $add-3]}}
    otherwise:
      - call: "@add"
        with: {a: 4}
  - step: last
    call: "@add"
    with: {a: {first: [$add-4, $add-5]}}
  - when: not ($n > 1 or $n <= -2) and 0.5 < $n < 3
    then:
      - {call: "@add", with: {a: 1}}
"""


def mixed(
    base: int | None = None, tags: list[str] | None = None, folds: wf.Static[int] = 2
) -> None:
    sums = wf.map(steps.add, steps.numbers(folds))
    heights = wf.map(steps.height.options(name="heights"), steps.tables(3), fan_out="jobs")
    steps.total([steps.add(1), 2])
    made = wf.container(
        name="pack",
        image="ghcr.io/acme/pack:1",
        command=["sh", "-c", "echo $HOME {inputs.table} {parameters.level} > {outputs.archive}"],
        inputs={"table": steps.ingest(wf.Data("a.csv")), "raw": wf.Data("s3://b/c")},
        outputs=["archive", "log"],
        parameters={"level": 3, "base": base},
        cpu=2,
    )
    steps.read(made.archive)
    steps.anything(wf.Data("b.csv"))
    steps.anything({"first": [1, 2], "tags": ["x"]})
    info = steps.summary({"a": 1.0})
    steps.anything(info["mean"])
    model, test = steps.train.options(secrets={"T": wf.secret("tok")}), 1
    steps.greet.options(
        after=[sums, heights, made.log], env={"ON": "yes"}, requirements=["x>=1"], cache=False
    )("on", "cool")
    assert (model, test) != (None, None)


MIXED = """
pipeline: mixed
parameters:
  base: {type: integer, default: null}
  tags: {type: json, default: null}
  folds: {type: integer, default: 2, static: true}
steps:
  - call: "@numbers"
    with: {count: $folds}
  - map: "@add"
    over: $numbers
  - call: "@tables"
    with: {count: 3}
  - map: "@height"
    step: heights
    over: $tables
    fan_out: jobs
  - call: "@add"
    with: {a: 1}
  - call: "@total"
    with:
      values: [$add-2, 2]
  - call: "@ingest"
    with: {source: {data: a.csv}}
  - container:
      name: pack
      image: ghcr.io/acme/pack:1
      command: [sh, -c, "echo $HOME {inputs.table} {parameters.level} > {outputs.archive}"]
      inputs: {table: $ingest, raw: {data: "s3://b/c"}}
      outputs: [archive, log]
      parameters: {level: 3, base: $base}
    options: {cpu: 2}
  - call: "@read"
    with: {folder: $pack.archive}
  - call: "@anything"
    with: {value: {data: b.csv}}
  - call: "@anything"
    with: {value: {first: [1, 2], tags: [x]}}
  - call: "@summary"
    with: {values: {a: 1.0}}
  - call: "@anything"
    with: {value: '$summary["mean"]'}
  - call: "@greet"
    with: {name: on, tone: cool}
    options:
      after: [$add, $heights, $pack.log]
      env: {ON: yes}
      requirements: [x>=1]
      cache: false
"""


@pytest.mark.parametrize(
    ("function", "text", "settings"),
    [
        (fraud, FRAUD, {"schedule": "0 3 * * 1", "trusted_types": ["acme.Model"]}),
        (nested, NESTED, {}),
        (mixed, MIXED, {}),
    ],
)
def test_yaml_gives_the_spec_that_python_gives(
    written: Callable[[str], YamlPipeline],
    function: Callable[..., None],
    text: str,
    settings: dict[str, Any],
) -> None:
    python = wf.pipeline(**settings)(function)().spec
    loaded = written(text)
    made = loaded().spec
    assert spec.encode(made) == spec.encode(python)
    assert spec.digest(made) == spec.digest(python)
    jsonschema.validate(Source(loaded.source).content, schema())


def test_parameters_are_given_as_in_python(written: Callable[[str], YamlPipeline]) -> None:
    made = written(FRAUD)
    call = made(trees=300, source=wf.Data("b.csv"))
    assert call.parameters == {"trees": 300, "source": "b.csv"}
    assert made.with_arguments({"trees": 300}).spec == call.spec
    assert made.source.name == "pipeline.yaml"
    assert set(call.steps) == {"ingest", "split", "train", "evaluate", "notify"}
    with pytest.raises(DefinitionError, match="Did you mean 'trees'"):
        made(tree=3)


def test_a_static_parameter_is_baked(written: Callable[[str], YamlPipeline]) -> None:
    call = written(MIXED)(folds=4)
    assert call.spec.step("numbers").inputs["count"].source == spec.FromValue(4)
    assert call.spec == wf.pipeline(mixed)(folds=4).spec


def test_plain_words_stay_text(written: Callable[[str], YamlPipeline]) -> None:
    made = written("""
        pipeline: words
        steps:
          - call: "@anything"
            with:
              value: [on, yes, No, off, 12:30, 2024-01-01, 1_000, 010, 1e3, 0x1f, .5, ~, true, "1"]
        """)
    source = made().spec.steps[0].inputs["value"].source
    assert source == spec.FromValue(
        ["on", "yes", "No", "off", "12:30", "2024-01-01", "1_000", 10, 1000.0, 31, 0.5, None, True, "1"]  # noqa: E501
    )  # fmt: skip


def test_aliases_are_allowed(written: Callable[[str], YamlPipeline]) -> None:
    made = written("""
        pipeline: aliases
        steps:
          - {call: "@add", with: {a: 1}, options: &big {cpu: 8}}
          - {call: "@add", with: {a: 2}, options: *big}
        """)
    assert [step.resources.cpu for step in made().spec.steps] == [8.0, 8.0]


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    for wrong in (
        {"pipeline": "x"},
        {"pipeline": "x", "steps": []},
        {"pipeline": "x", "steps": [{"call": "a:b", "wth": {}}]},
        {"pipeline": "x", "steps": [{"call": "a:b", "map": "a:b", "over": []}]},
        {"pipeline": "x", "steps": [{"when": "$a", "then": [{"cal": "a:b"}]}]},
        {"pipeline": "x", "steps": [{"call": "a:b"}], "parameters": {"n": {"type": "int"}}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema())


# --- errors ---------------------------------------------------------------------------------------

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

    with pytest.raises(DefinitionError, match=r"test_yaml_pipeline\.py:"):
        wf.pipeline(example)()
