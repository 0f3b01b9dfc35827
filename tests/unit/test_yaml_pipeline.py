"""Pipelines in YAML: the spec that Python gives, and errors that name the line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema
import pandas as pd  # noqa: TC002 - Waterflow reads the annotations
import pytest

import waterflow as wf
from tests.unit import example_steps as steps
from waterflow import spec
from waterflow.errors import DefinitionError
from waterflow.yaml_pipeline import YamlPipeline, load, schema
from waterflow.yaml_pipeline.reader import Source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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
    program = wf.container(
        name="pack",
        image="ghcr.io/acme/pack:1",
        command=["sh", "-c", "echo $HOME {inputs.table} {parameters.level} > {outputs.archive}"],
        inputs={"table": steps.ingest(wf.Data("a.csv")), "raw": wf.Data("s3://b/c")},
        outputs=["archive", "log"],
        parameters={"level": 3, "base": base},
        cpu=2,
        metrics={"packed/files": "packed ([0-9]+)"},
    )
    steps.read(program.archive)
    steps.anything(wf.Data("b.csv"))
    steps.anything({"first": [1, 2], "tags": ["x"]})
    info = steps.summary({"a": 1.0})
    steps.anything(info["mean"])
    model, test = steps.train.options(secrets={"T": wf.secret("tok")}), 1
    steps.greet.options(
        after=[sums, heights, program.log],
        env={"ON": "yes"},
        requirements=["x>=1"],
        cache=False,
        metrics={"loss": r"loss=([0-9.eE+-]+)"},
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
    options: {cpu: 2, metrics: {packed/files: "packed ([0-9]+)"}}
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
      metrics:
        loss: loss=([0-9.eE+-]+)
"""


@wf.pipeline(name="prepare", trusted_types=["a.Scaler"])
def hold_back(raw: pd.DataFrame, share: float = 0.5) -> steps.Split:
    return steps.split(raw, share)


@wf.pipeline
def fit(data: pd.DataFrame, trees: wf.Static[int] = 10) -> wf.Model:
    return steps.train(hold_back.named("again")(data).train, trees)


def grouped(source: wf.Data = wf.Data("b.csv"), share: float = 0.3, flag: bool = True) -> None:
    sets = hold_back(steps.ingest(source), share)
    with wf.when(flag):
        model = fit.named("small")(sets.train, trees=3)
        other = fit(sets.test)
        steps.evaluate(wf.first(model, other), sets.test)
        done = steps.greet("x")
        wf.register.named("keep")(model, name="m")
    steps.greet.options(after=[sets.train])("after")
    assert done is not None


GROUPED = """
pipeline: grouped
parameters:
  source: {type: data, default: b.csv}
  share: {type: number, default: 0.3}
  flag: {type: boolean, default: true}
steps:
  - call: "@ingest"
    with: {source: $source}
  - pipeline: tests.unit.test_yaml_pipeline:hold_back
    with: {raw: $ingest, share: $share}
  - when: $flag
    then:
      - pipeline: tests.unit.test_yaml_pipeline:fit
        group: small
        with: {data: $prepare.train, trees: 3}
      - pipeline: tests.unit.test_yaml_pipeline:fit
        with: {data: $prepare.test}
      - call: "@evaluate"
        with: {model: {first: [$small, $fit]}, test: $prepare.test}
      - {call: "@greet", with: {name: x}}
      - register: {model: $small, name: m}
        step: keep
  - call: "@greet"
    with: {name: after}
    options: {after: [$prepare]}
"""


@pytest.mark.parametrize(
    ("function", "text", "settings"),
    [
        (grouped, GROUPED, {}),
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
    document = loaded().spec
    assert spec.encode(document) == spec.encode(python)
    assert spec.digest(document) == spec.digest(python)
    jsonschema.validate(Source(loaded.source).content, schema())


INNER = """
pipeline: inner
description: Hold rows back.
parameters:
  raw: {type: json}
  first: {type: integer, default: 1}
steps:
  - {call: "@add", with: {a: $first}}
  - {call: "@add", step: sum, with: {a: $add, b: $raw}}
  - {call: "@greet", with: {name: done}}
returns: {total: $sum, start: $add}
"""

OUTER = """
pipeline: outer
steps:
  - {call: "@add", with: {a: 1}}
  - {pipeline: parts/inner.yaml, with: {raw: $add}}
  - {pipeline: parts/inner.yaml, group: more, with: {raw: $inner.total, first: 2}}
  - {call: "@add", step: last, with: {a: $more.start}, options: {after: [$inner]}}
"""


def test_a_yaml_file_calls_another(written: Callable[[str], YamlPipeline], tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "inner.yaml").write_text(INNER.replace("@", "tests.unit.example_steps:"))
    document = written(OUTER)().spec
    assert {step.name: step.group or None for step in document.steps} == {
        "add": None,
        "inner-add": "inner", "inner-sum": "inner", "inner-greet": "inner",
        "more-add": "more", "more-sum": "more", "more-greet": "more",
        "last": None,
    }  # fmt: skip
    assert document.groups == (
        spec.Group("inner", "inner", "Hold rows back."),
        spec.Group("more", "inner", "Hold rows back."),
    )
    assert document.step("inner-sum").inputs["a"].source == spec.FromStep("inner-add", "output")
    assert document.step("more-sum").inputs["b"].source == spec.FromStep("inner-sum", "output")
    assert document.step("last").inputs["a"].source == spec.FromStep("more-add", "output")
    assert document.step("last").after == ("inner-add", "inner-sum", "inner-greet")
    alone = load(tmp_path / "parts" / "inner.yaml", tmp_path)(raw=3)
    assert [step.name for step in alone.spec.steps] == ["add", "sum", "greet"]

    def python() -> None:
        returned: Any = load(tmp_path / "parts" / "inner.yaml", tmp_path).named("in")(raw=1)
        steps.add(returned["total"])

    assert [step.name for step in wf.pipeline(python)().spec.steps] == [
        "in-add", "in-sum", "in-greet", "add",
    ]  # fmt: skip


def test_mistakes_in_called_files_name_their_lines(
    written: Callable[[str], YamlPipeline], tmp_path: Path
) -> None:
    for inner, said in (
        ("pipeline: inner\nsteps:\n- {pipeline: pipeline.yaml}\n",
         "'pipeline.yaml' calls itself: pipeline.yaml -> inner.yaml -> pipeline.yaml"),
        ("pipeline: inner\nsteps:\n- {call: '@add', with: {a: b}}\n", "inner.yaml:3: "),
        ("pipeline: inner\nsteps:\n- {call: '@add', with: {a: 1}}\nreturns: add\n",
         "inner.yaml:4: Pipeline 'inner' returns 'add', but a pipeline returns outputs"),
        ("pipeline: inner\nsteps:\n- {call: '@add', with: {a: 1}}\nreturns: {a: $ad}\n",
         r"inner.yaml:4: \$ad names no step or parameter. Did you mean \$add"),
    ):  # fmt: skip
        text = inner.replace("@", "tests.unit.example_steps:")
        (tmp_path / "inner.yaml").write_text(text)
        with pytest.raises(DefinitionError, match=said):
            written("pipeline: outer\nsteps:\n  - pipeline: inner.yaml\n")()


def test_parameters_are_given_as_in_python(written: Callable[[str], YamlPipeline]) -> None:
    pipeline = written(FRAUD)
    call = pipeline(trees=300, source=wf.Data("b.csv"))
    assert call.parameters == {"trees": 300, "source": "b.csv"}
    assert pipeline.with_arguments({"trees": 300}).spec == call.spec
    assert pipeline.source.name == "pipeline.yaml"
    assert set(call.steps) == {"ingest", "split", "train", "evaluate", "notify"}
    with pytest.raises(DefinitionError, match="Did you mean 'trees'"):
        pipeline(tree=3)


def test_a_static_parameter_is_baked(written: Callable[[str], YamlPipeline]) -> None:
    call = written(MIXED)(folds=4)
    assert call.spec.step("numbers").inputs["count"].source == spec.FromValue(4)
    assert call.spec == wf.pipeline(mixed)(folds=4).spec


def test_plain_words_stay_text(written: Callable[[str], YamlPipeline]) -> None:
    pipeline = written("""
        pipeline: words
        steps:
          - call: "@anything"
            with:
              value: [on, yes, No, off, 12:30, 2024-01-01, 1_000, 010, 1e3, 0x1f, .5, ~, true, "1"]
        """)
    source = pipeline().spec.steps[0].inputs["value"].source
    assert source == spec.FromValue(
        [
            "on",
            "yes",
            "No",
            "off",
            "12:30",
            "2024-01-01",
            "1_000",
            10,
            1000.0,
            31,
            0.5,
            None,
            True,
            "1",
        ]
    )


def test_aliases_are_allowed(written: Callable[[str], YamlPipeline]) -> None:
    pipeline = written("""
        pipeline: aliases
        steps:
          - {call: "@add", with: {a: 1}, options: &big {cpu: 8}}
          - {call: "@add", with: {a: 2}, options: *big}
        """)
    assert [step.resources.cpu for step in pipeline().spec.steps] == [8.0, 8.0]


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
