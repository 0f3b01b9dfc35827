"""`waterflow validate`: whatever is wrong with a pipeline, all of it is told at once."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

HEAD = """
from pathlib import Path

import waterflow as wf


@wf.step
def number() -> int:
    return 1


@wf.step
def add(a: int, b: int = 1) -> int:
    return a + b


@wf.step
def score() -> wf.Metrics:
    return wf.Metrics(auc=0.9)


@wf.step
def read(file: wf.Data) -> int:
    return 1


@wf.step(instances=2)
def wide() -> int:
    return 1


@wf.step(instances=3, include=["nothing/*.csv"])
def wider() -> int:
    return 1


@wf.step(spot=True, disk="40000GiB")
def deep() -> int:
    return 1


@wf.step(cpu=1000)
def strong() -> int:
    return 1


@wf.step(spot=True)
def learn() -> int:
    return 1


"""
CLOUD = """
default_profile = "aws"

[profiles.aws]
provider = "sagemaker"
region = "us-east-1"
bucket = "bucket"
role = "arn:aws:iam::123456789012:role/jobs"
image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/ml:1"
python = "3.11"
libraries = "image"
"""


def body(*lines: str, signature: str = "", config: str = "") -> dict[str, str]:
    """Return a project whose pipeline `p` has these lines."""
    inside = "\n".join(f"    {line}" for line in lines)
    text = f"{HEAD}@wf.pipeline\ndef p({signature}):\n{inside}\n"
    return {"pipeline.py": text, "waterflow.toml": config}


@dataclass(frozen=True)
class Case:
    """A pipeline with several mistakes, and what names each of them."""

    files: dict[str, str]
    named: tuple[tuple[str, ...], ...]
    words: tuple[str, ...] = field(default=())


CASES = {
    "types, at each place": Case(
        body("add(score())", "add(number(), b='two')", "read(number())"),
        (("'a'", "integer", "metrics"), ("'b'", "'two'"), ("'file'", "data", "integer")),
    ),
    "an argument unknown, one missing": Case(
        body("add(1, c=2)", "add()"), (("'c'",), ("'add-2'", "'a'"))
    ),
    "a name twice, and a type": Case(
        body("number.options(name='x')()", "number.options(name='x')()", "add(score())"),
        (("'x'", "Two steps"), ("'a'", "metrics")),
    ),
    "a condition, and what stands behind it": Case(
        body("with wf.when('yes'):", "    add(score())"), (("'yes'",), ("'a'", "metrics"))
    ),
    "an output outside its gate, and a type": Case(
        body("with wf.when(score()['auc'] > 0):", "    n = number()", "add(n)", "add(score())"),
        (("'number'", "wf.first"), ("'a'", "metrics")),
    ),
    "a mistake that ends the definition, after others": Case(
        body("add(score())", "range(number())"), (("'a'", "metrics"), ("'number'",))
    ),
    "parameters": Case(
        body("add(number(), n)", signature="n: int = 1, x: float = 1.0"),
        (("'n'", "many"), ("'x'", "much"), ("'m'",)),
        ("-p", "n=many", "-p", "x=much", "-p", "m=1"),
    ),
    "defaults": Case(
        body("number()", signature="n: int = 'a', l: list[int] = ['b']"),
        (("'n'", "'a'"), ("'l'", "'b'")),
    ),
    "parameters and types": Case(
        body("add(score(), n)", signature="n: int = 1"),
        (("'n'", "many"), ("'a'", "metrics")),
        ("-p", "n=many"),
    ),
    "settings": Case(
        body("number()", config="[profiles.local]\ncpu = 'two'\ngrace = 'long'\nmemry = 1\n"),
        (("memry", "'memory'"), ("cpu", "str"), ("grace", "str")),
    ),
    "settings of a cloud": Case(
        body(
            "number()",
            config=CLOUD + 'volume_size = 0\nspot_wait = -1\nkms_key = "a key"\nfoo = 1\n',
        ),
        (("'foo'",), ("volume_size",), ("spot_wait",), ("kms_key",)),
    ),
    "settings and types": Case(
        body("add(score())", config="[profiles.local]\ncpu = 'two'\n"),
        (("cpu", "str"), ("'a'", "metrics")),
    ),
    "what the provider lacks, code and data": Case(
        body("wide()", "wider()", "read(wf.Data('none.csv'))", "read(wf.Data('nil.csv'))"),
        (("'wide'", "instances=2"), ("'wider'", "instances=3"), ("nothing/*.csv",),
         ("none.csv",), ("nil.csv",)),
    ),
    "what the compiler refuses": Case(
        body("deep()", "strong()", "learn()",
             config=CLOUD + '[profiles.aws.steps.learn]\njob = "training"\n'
             '[profiles.aws.steps.nobody]\njob = "training"\n'
             '[profiles.aws.steps.nothing]\njob = "training"\n'),
        (("'strong'", "1000 vCPU"), ("'deep'", "disk"), ("nobody",), ("nothing",)),
    ),
    "a parameter that no job carries, and a machine": Case(
        body("strong()", signature="note: str = ''", config=CLOUD),
        (("'note'", "characters"), ("'strong'", "1000 vCPU")),
        ("-p", "note=" + "x" * 300),
    ),
    "limits": Case(
        body("number.options(timeout='40d')()", "add.options(timeout='30d')(1)", config=CLOUD),
        (("number",), ("add",)),
    ),
    "what decorators say, and a type": Case(
        {
            "pipeline.py": HEAD + "@wf.step(cpu=-1, retries=-2)\ndef odd() -> int:\n    return 1\n"
            "@wf.step(timeout='soon', colour='red')\ndef late() -> int:\n    return 1\n"
            "@wf.pipeline(schedule='never')\ndef p():\n    odd()\n    late()\n    add('one')\n"
        },
        (("cpu=-1",), ("retries=-2",), ("timeout='soon'",), ("'colour'",), ("'never'",),
         ("'a'", "'one'")),
    ),
    "signatures of several steps": Case(
        {
            "torch/__init__.py": "from . import nn",
            "torch/nn.py": "class Module: pass",
            "pipeline.py": HEAD + "from torch import nn\nclass Net(nn.Module): pass\n"
            "@wf.step\ndef bare() -> nn.Module: ...\n@wf.step\ndef own() -> Net: ...\n"
            "@wf.step\ndef listed() -> list[Net]: ...\n@wf.step\ndef maybe() -> Net | None: ...\n"
            "@wf.step\ndef taking(net: Net) -> int: ...\n@wf.step\ndef untyped(): ...\n"
            "@wf.step\ndef unused(): ...\n"
            "@wf.pipeline\ndef p():\n    bare(), own(), listed(), maybe(), taking(1), untyped()\n"
        },
        (("'bare'", "state_dict()", "wf.serializer(Module"),
         ("'own'", "state_dict()", "wf.serializer(Net"), ("'listed'", "state_dict()"),
         ("'maybe'", "state_dict()"), ("'taking'", "state_dict()"), ("'untyped'", "no return")),
    ),
    "several pipelines of a file": Case(
        {
            "pipeline.py": HEAD + "@wf.pipeline\ndef p():\n    add('one')\n"
            "@wf.pipeline\ndef q(n: int = 'x'):\n    add(n)\n"
            "@wf.pipeline\ndef sound():\n    number()\n"
        },
        (("'a'", "'one'"), ("'q'", "'n'", "'x'")),
    ),
    "several files of a folder": Case(
        {
            "first.py": HEAD + "@wf.pipeline\ndef p():\n    add('one')\n",
            "second.py": "import waterflow as wf\n@wf.pipeline\ndef q():\n    pass\n",
            "third/pipeline.py": "import waterflow as wf\n@wf.pipeline\ndef r(n):\n    pass\n",
            "fourth.py": "import no_such_library_x\nimport waterflow as wf\nwf.pipeline\n",
            "fifth.yaml": "pipeline: s\nsteps:\n  - call: first:nothing\n",
            "helper.py": "1 / 0\n",
        },
        (("first.py", "'one'"), ("'q'", "no step"), ("'n'", "no type"),
         ("fourth.py", "no_such_library_x"), ("fifth.yaml:3", "'nothing'")),
    ),
    "YAML": Case(
        {
            "usual.py": HEAD,
            "pipeline.yaml": "pipeline: p\nsteps:\n"
            "  - call: usual:score\n"
            "  - call: usual:add\n    with: {a: $score}\n"
            "  - call: usual:add\n    step: more\n    with: {a: 1, c: 2}\n"
            "  - call: usual:add\n    step: most\n    with: {a: 1, b: two}\n",
        },
        (("pipeline.yaml:4", "metrics"), ("pipeline.yaml:", "'c'"), ("pipeline.yaml:", "'two'")),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_all_mistakes_are_told_at_once(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke: Callable[..., Result]
) -> None:
    monkeypatch.chdir(write(tmp_path, case.files))
    result = invoke("validate", ".", *case.words)
    assert result.exit_code in (2, 3)
    assert "Traceback" not in result.output
    report = json.loads(invoke("validate", ".", *case.words, "--json").stdout)
    messages = [one["message"] for one in report["problems"]]
    assert not report["valid"]
    for names in case.named:
        assert [m for m in messages if all(name in m for name in names)], (names, messages)
    assert len(messages) == len(case.named), messages
    assert result.stderr.count("Error:") == len(messages), "and for people one by one"


def test_a_run_is_refused_with_all_that_hinders_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke: Callable[..., Result]
) -> None:
    monkeypatch.chdir(
        write(tmp_path, body("read(wf.Data('none.csv'))", "read(wf.Data('nil.csv'))"))
    )
    result = invoke("run", ".")
    assert result.exit_code == 3
    assert result.stderr.count("Error:") == 2
    error = json.loads(invoke("run", ".", "--json").stdout)["error"]
    assert error["exit_code"] == 3
    messages = [one["error"]["message"] for one in error["errors"]]
    assert ["none.csv" in messages[0], "nil.csv" in messages[1]] == [True, True]
