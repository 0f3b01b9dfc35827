"""What users get wrong: each case one clear message, the documented exit code, nothing left."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import waterflow
from tests.cli.conftest import write

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

OURS = str(Path(waterflow.__file__).parent)

HEAD = """
from pathlib import Path
from typing import NamedTuple

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
def rows() -> list[int]:
    return [1, 2]


@wf.step
def read(file: wf.Data) -> int:
    return len(file.path.read_text())


class Pair(NamedTuple):
    left: int
    right: int


@wf.step
def pair() -> Pair:
    return Pair(1, 2)

"""


def body(*lines: str, signature: str = "", options: str = "", before: str = "") -> dict[str, str]:
    """Return a pipeline.py whose pipeline `p` has these lines."""
    inside = "\n".join(f"    {line}" for line in lines)
    return {
        "pipeline.py": f"{HEAD}{before}\n@wf.pipeline{options}\ndef p({signature}):\n{inside}\n"
    }


def module(text: str) -> dict[str, str]:
    """Return a pipeline.py with this text after the usual steps."""
    return {"pipeline.py": HEAD + text}


FINE = body("add(number())")
WITH_LIST = body("number()", signature="l: list[int] = [1]")
WITH_N = body("add(number(), n)", signature="n: int = 1")


def written(*lines: str) -> dict[str, str]:
    """Return a pipeline.yaml with these lines below its name, and a module with the usual steps."""
    return {"pipeline.yaml": "\n".join(["pipeline: p", *lines, ""]), "usual.py": HEAD}


@dataclass(frozen=True)
class Case:
    """A mistake: what is typed in which project, and what the answer names."""

    arguments: str
    code: int
    names: tuple[str, ...]
    files: dict[str, str] = field(default_factory=lambda: FINE)
    environment: dict[str, str] = field(default_factory=dict)
    stdin: str | None = None


CASES = {
    # the command line
    "unknown verb": Case("rnu .", 2, ("rnu", "'run'")),
    "unknown option": Case("run . --profil local", 2, ("--profil",)),
    "target left out": Case("run", 2, ("TARGET",)),
    "limit of no number": Case("runs --limit many", 2, ("many",)),
    "limit of zero": Case("runs --limit 0", 2, ("0",)),
    "unknown graph format": Case("graph . --format pdf", 2, ("pdf", "svg")),
    "unknown schema": Case("schema everything", 2, ("everything", "spec")),
    "unknown shell": Case("completion tcsh", 2, ("tcsh", "zsh")),
    "age of no duration": Case("cache clear --older-than soon", 2, ("soon", "--older-than")),
    "answer to an impossible file": Case("compile . -o no/such/folder/x.json", 3, ("no/such",)),
    # targets
    "no such folder": Case("run pipelines/nothing", 2, ("pipelines/nothing", "waterflow init")),
    "no such file": Case("validate flow.py", 2, ("flow.py",)),
    "no such module": Case("run no.such.module:p", 2, ("no",)),
    "a folder without pipeline": Case(
        "run empty", 2, ("empty", "pipeline.py"), {"empty/a.txt": ""}
    ),
    "a file of another kind": Case("run notes.txt", 2, ("notes.txt", ".yaml"), {"notes.txt": "hi"}),
    "both forms": Case("run .", 2, ("pipeline.py", "pipeline.yaml"), FINE | {"pipeline.yaml": ""}),
    "no pipeline in it": Case("run .", 2, ("pipeline.py", "@wf.pipeline"), module("")),
    "several pipelines": Case(
        "run .", 2, ("a, b", ".:a"),
        module("@wf.pipeline\ndef a():\n    number()\n\n@wf.pipeline\ndef b():\n    number()\n"),
    ),
    "none of that name": Case("run .:q", 2, ("'q'", "p"),),
    "folder that is no name": Case(
        "run my-pipes", 2, ("my-pipes", "my_pipes"), {"my-pipes/pipeline.py": FINE["pipeline.py"]}
    ),
    "name of a library": Case("run json.py", 2, ("json.py", "Rename"), {"json.py": ""}),
    "code that raises": Case(
        "run .", 2, ("pipeline.py", "ZeroDivisionError", "1 / 0"), {"pipeline.py": "x = 1 / 0\n"}
    ),
    "code that is no Python": Case(
        "run .", 2, ("SyntaxError", "def p(:"), {"pipeline.py": "def p(:\n"}
    ),
    "code that exits": Case(
        "run .", 2, ("pipeline.py", "SystemExit"), {"pipeline.py": "import sys\nsys.exit(3)\n"}
    ),
    "library not installed": Case(
        "run .", 3, ("nosuchlibrary", "pip install"), {"pipeline.py": "import nosuchlibrary\n"}
    ),
    "own module missing": Case(
        "run lines", 2, ("lines.helpers", "from lines.helpers"),
        {"lines/pipeline.py": "from lines.helpers import x\n"},
    ),
    "folder with the name of a library": Case(
        "run json", 2, ("json/pipeline.py", "json/__init__.py"),
        {"json/pipeline.py": FINE["pipeline.py"]},
    ),
    # parameters
    "parameter unknown": Case("run . -p m=1", 2, ("'m'", "n"), WITH_N),
    "parameter of another type": Case(
        "run . -p n=many", 2, ("'n'", "many", "whole number"), WITH_N
    ),
    "parameter without value": Case("run . -p n", 2, ("-p n",), WITH_N),
    "parameter twice": Case("run . -p n=1 -p n=2", 2, ("n", "twice"), WITH_N),
    "parameter missing": Case(
        "run .", 2, ("n", "-p n=VALUE"), body("add(number(), n)", signature="n: int")
    ),
    "static parameter missing": Case(
        "run .", 2, ("'p'", "-p n=VALUE"),
        body("for _ in range(n): number()", signature="n: wf.Static[int]"),
    ),
    "choice that is none": Case(
        "run . -p kind=c", 2, ("'kind'", "'c'", "'a', 'b'"),
        body("add(number())", signature='kind: Literal["a", "b"] = "a"',
             before="from typing import Literal\n"),
    ),
    "boolean that is none": Case(
        "run . -p b=perhaps", 2, ("'b'", "perhaps"), body("number()", signature="b: bool = True")
    ),
    "list for a number": Case("validate . -p n=[1]", 2, ("'n'", "[1]", "whole number"), WITH_N),
    "dict for a number": Case(
        'validate . -p x={"a":1}', 2, ("'x'", "{'a': 1}", "not a number"),
        body("number()", signature="x: float = 1.0"),
    ),
    "number for a list": Case(
        "validate . -p l=3", 2, ("'l' takes list[int]", "3 (int)", "a list is expected"),
        WITH_LIST,
    ),
    "item of another type": Case(
        'run . -p l=[1,"a"]', 2, ("-p l", "'l' takes list[int]", "value[1] is 'a' (str)"),
        WITH_LIST,
    ),
    "boolean for an item": Case(
        "validate . -p l=[true]", 2, ("list[int]", "value[0] is True (bool)"), WITH_LIST
    ),
    "null for a list": Case(
        "validate . -p l=null", 2, ("list[int]", "value is None"), WITH_LIST
    ),
    "dict's value of another type": Case(
        'validate . -p d={"x":"a"}', 2, ("'d' takes dict[str, float]", "value['x'] is 'a' (str)"),
        body("number()", signature="d: dict[str, float] = {}"),
    ),
    "class without its field": Case(
        'validate . -p c={"depth":1}', 2, ("'c' takes Choice", "['depth']", "['depth', 'rate']"),
        body("number()", signature="c: Choice",
             before="from dataclasses import dataclass\n\n@dataclass\nclass Choice:\n"
                    "    depth: int\n    rate: float\n\n"),
    ),
    "number that is not finite": Case(
        "run . -p x=NaN", 2, ("'x'", "NaN"), body("number()", signature="x: float = 1.0")
    ),
    "default that JSON cannot hold": Case(
        "validate .", 2, ("'x'", "pipeline.py:"),
        body("number()", signature="x: float = float('inf')"),
    ),
    "default of another type": Case(
        "validate .", 2, ("'s'", "{'a': 1}", "not text", "pipeline.py:"),
        body("number()", signature="s: str = {'a': 1}"),
    ),
    "default with an item of another type": Case(
        "validate .", 2, ("'l' takes list[int]", "value[0] is 'a' (str)", "pipeline.py:"),
        body("number()", signature="l: list[int] = ['a']"),
    ),
    "default of an unknown type": Case(
        "validate .", 2, ("'x'", "object", "pipeline.py:"),
        body("number()", signature="x: object = object()"),
    ),
    # definitions
    "type wired wrongly": Case(
        "validate .", 2, ("'a'", "integer", "metrics", "pipeline.py:"), body("add(score())")
    ),
    "constant of another type": Case(
        "validate .", 2, ("'b'", "'two'", "pipeline.py:"), body("add(number(), 'two')")
    ),
    "argument unknown": Case(
        "validate .", 2, ("'add'", "'c'", "pipeline.py:"), body("add(1, c=2)")
    ),
    "argument missing": Case("validate .", 2, ("'add'", "'a'", "pipeline.py:"), body("add()")),
    "output unknown": Case("validate .", 2, ("middle", "left, right"), body("add(pair().middle)")),
    "name used twice": Case(
        "validate .", 2, ("'x'", "pipeline.py:"),
        body("add.options(name='x')(1)", "add.options(name='x')(2)"),
    ),
    "name that is none": Case(
        "validate .", 2, ("'my step'", "pipeline.py:"), body("add.options(name='my step')(1)")
    ),
    "condition on no scalar": Case(
        "validate .", 2, ("'score'", "metrics", "pipeline.py:"),
        body("m = score()", "with wf.when(m > 1):", "    number()"),
    ),
    "condition that is none": Case(
        "validate .", 2, ("pipeline.py:",), body("with wf.when('yes'):", "    number()")
    ),
    "gated output outside": Case(
        "validate .", 2, ("'number'", "wf.first", "pipeline.py:"),
        body("with wf.when(score()['auc'] > 0):", "    n = number()", "add(n)"),
    ),
    "symbol in an if": Case(
        "validate .", 2, ("'number'", "wf.when", "pipeline.py:"),
        body("if number():", "    score()"),
    ),
    "symbol in a range": Case(
        "validate .", 2, ("'n'", "wf.Static", "pipeline.py:"),
        body("for _ in range(n): number()", signature="n: int = 2"),
    ),
    "symbol in text": Case(
        "validate .", 2, ("'n'", "text", "pipeline.py:"),
        body("add(1).foo if f'{n}' else 0", signature="n: int = 2"),
    ),
    "map over no list": Case(
        "validate .", 2, ("'add'", "3", "pipeline.py:"), body("wf.map(add, 3)")
    ),
    "no step called": Case("validate .", 2, ("'p'", "no step"), body("pass")),
    "pipeline that raises": Case(
        "validate .", 2, ("KeyError", "{}['x']", "'p'"), body("{}['x']")
    ),
    "pipeline that imports what is not there": Case(
        "validate .", 3, ("nosuchlibrary", "pip install"), body("import nosuchlibrary")
    ),
    "step without types": Case(
        "validate .", 2, ("'bare'", "'x'", "pipeline.py:"),
        body("bare(1)", before="@wf.step\ndef bare(x) -> int:\n    return x\n"),
    ),
    "step without return type": Case(
        "validate .", 2, ("'bare'", "return type"),
        body("bare(1)", before="@wf.step\ndef bare(x: int):\n    return x\n"),
    ),
    "unknown step option": Case(
        "validate .", 2, ("cpus", "cpu"),
        module("@wf.step(cpus=2)\ndef s() -> int:\n    return 1\n"),
    ),
    "memory of no size": Case(
        "validate .", 2, ("lots", "memory"),
        module("@wf.step(memory='lots')\ndef s() -> int:\n    return 1\n"),
    ),
    "cpu below zero": Case(
        "validate .", 2, ("-1", "cpu"), module("@wf.step(cpu=-1)\ndef s() -> int:\n    return 1\n")
    ),
    "schedule that is none": Case(
        "validate .", 2, ("daily",), body("number()", options="(schedule='daily')")
    ),
    "plain secret": Case(
        "validate .", 2, ("TOKEN", "wf.secret"),
        module("@wf.step(secrets={'TOKEN': 'abc'})\ndef s() -> int:\n    return 1\n"),
    ),
    "secret in the code bundle": Case(
        "run .", 3, ("key.pem",),
        module("@wf.step(include=['key.pem'])\ndef s() -> int:\n    return 1\n\n"
               "@wf.pipeline\ndef p():\n    s()\n")
        | {"key.pem": "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\n"},
    ),
    # YAML
    "no YAML": Case("validate .", 2, ("pipeline.yaml:",), written("steps: [")),
    "YAML without steps": Case("validate .", 2, ("pipeline.yaml", "steps"), written()),
    "unknown key in YAML": Case(
        "validate .", 2, ("pipeline.yaml:2", "'stepz'", "steps"), written("stepz: []")
    ),
    "unknown function in YAML": Case(
        "validate .", 2, ("pipeline.yaml:3", "'ad'", "add"),
        written("steps:", "  - call: usual:ad"),
    ),
    "unknown module in YAML": Case(
        "validate .", 2, ("pipeline.yaml:3", "'unusual'"),
        written("steps:", "  - call: unusual:add"),
    ),
    "cycle in YAML": Case(
        "validate .", 2, ("pipeline.yaml:", "later", "cycle"),
        written("steps:", "  - call: usual:add", "    step: sooner", "    with: {a: $later}",
                "  - call: usual:add", "    step: later", "    with: {a: $sooner}"),
    ),
    "unknown output in YAML": Case(
        "validate .", 2, ("pipeline.yaml:", "'middle'", "$pair.left"),
        written("steps:", "  - call: usual:pair", "  - call: usual:add",
                "    with: {a: $pair.middle}"),
    ),
    "unknown option in YAML": Case(
        "validate .", 2, ("pipeline.yaml:", "'cpus'", "cpu"),
        written("steps:", "  - call: usual:number", "    options: {cpus: 2}"),
    ),
    "another pipeline's name": Case(
        "validate pipeline.yaml:q", 2, ("'q'", "'p'"),
        written("steps:", "  - call: usual:number"),
    ),
    # outside data
    "data file missing": Case(
        "run .", 3, ("data/none.csv",), body("read(wf.Data('data/none.csv'))")
    ),
    "data parameter missing": Case(
        "run . -p source=none.csv", 3, ("none.csv",),
        body("read(source)", signature="source: wf.Data"),
    ),
    "data of an unknown kind": Case(
        "run . -p source=ftp://host/x.csv", 3, ("ftp",),
        body("read(source)", signature="source: wf.Data"),
    ),
    # what the provider cannot do
    "several machines": Case(
        "run .", 2, ("'s'", "instances=2", "local"),
        module("@wf.step(instances=2)\ndef s() -> int:\n    return 1\n\n"
               "@wf.pipeline\ndef p():\n    s()\n"),
    ),
    "a container": Case(
        "validate .", 2, ("'c'", "busybox", "images"),
        body("wf.container(name='c', image='busybox', command=['true'])"),
    ),
    "requirement that is none": Case(
        "run .", 2, ("not a requirement", "pipeline.py:"),
        module("@wf.step(requirements=['not a requirement'])\ndef s() -> int:\n    return 1\n\n"
               "@wf.pipeline\ndef p():\n    s()\n"),
    ),
    # profiles
    "unknown profile": Case("run . --profile aws", 3, ("'aws'", "local")),
    "unknown profile in the environment": Case(
        "runs", 3, ("'aws'", "WATERFLOW_PROFILE"), environment={"WATERFLOW_PROFILE": "aws"}
    ),
    "unknown provider": Case(
        "run . --profile moon", 3, ("'moonshot'", "local"),
        FINE | {"waterflow.toml": "[profiles.moon]\nprovider = 'moonshot'\n"},
    ),
    "provider not installed": Case(
        "plan . --profile aws", 3, ("'sagemaker-x'",),
        FINE | {"waterflow.toml": "[profiles.aws]\nprovider = 'sagemaker-x'\n"},
    ),
    "profile without provider": Case(
        "profile show aws", 3, ("profiles.aws", "provider"),
        {"waterflow.toml": "[profiles.aws]\nregion = 'x'\n"},
    ),
    "unknown setting": Case(
        "run .", 3, ("'cpus'", "'cpu'"), FINE | {"waterflow.toml": "[profiles.local]\ncpus = 2\n"}
    ),
    "setting of another type": Case(
        "run .", 3, ("cpu",), FINE | {"waterflow.toml": "[profiles.local]\ncpu = 'two'\n"}
    ),
    "corrupt waterflow.toml": Case(
        "run .", 3, ("waterflow.toml",), FINE | {"waterflow.toml": "[pro"}
    ),
    "unknown key": Case(
        "runs", 3, ("profilez", "profiles"), {"waterflow.toml": "[profilez.a]\nprovider='local'\n"}
    ),
    "tracking to a folder": Case(
        "run .", 3, ("file:mlruns",), FINE | {"waterflow.toml": "[tracking]\nuri='file:mlruns'\n"}
    ),
    "profile that is no JSON": Case("profile import -", 3, ("JSON",), stdin="provider: aws"),
    "profile with a secret": Case(
        "profile import -", 3, ("secret", "settings.password"),
        stdin='{"version": 1, "name": "a", "provider": "local",'
        ' "settings": {"settings": {"password": "hunter2hunter2"}}}',
    ),
    # runs, steps, artifacts
    "run id that is none": Case("run . --run-id ../x", 2, ("../x",)),
    "unknown run": Case("status nothing", 2, ("'nothing'", "waterflow runs")),
    "run outside the folder": Case("logs ../../etc", 2, ("../../etc",)),
    "unknown run to cancel": Case("cancel nothing", 2, ("'nothing'",)),
    "unknown run to fetch from": Case("artifacts nothing", 2, ("'nothing'",)),
    "unknown run to sync": Case("sync nothing", 2, ("'nothing'",)),
    "unknown run to resume": Case("run . --resume nothing", 2, ("'nothing'",)),
    "no runs yet": Case("status", 2, ("no runs", "waterflow run")),
    # projects
    "project that is there": Case("init", 3, ("waterflow.toml", "nothing was written")),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_one_clear_message_and_nothing_left(
    case: Case,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    invoke: Callable[..., Result],
) -> None:
    write(tmp_path, case.files)
    monkeypatch.chdir(tmp_path)
    for name, value in case.environment.items():
        monkeypatch.setenv(name, value)
    result = invoke(*case.arguments.split(), stdin=case.stdin)
    assert result.exit_code == case.code, result.output
    assert result.stdout == "", "an answer besides the error"
    assert "Error" in result.stderr
    assert "Traceback (most recent call last)" not in result.output
    assert OURS not in result.stderr, "a frame of ours"
    for name in case.names:
        assert name in result.stderr
    runs = tmp_path / ".waterflow" / "runs"
    assert not runs.exists() or not list(runs.iterdir())


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_with_json_the_mistake_is_json(
    case: Case,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    invoke: Callable[..., Result],
) -> None:
    write(tmp_path, case.files)
    monkeypatch.chdir(tmp_path)
    for name, value in case.environment.items():
        monkeypatch.setenv(name, value)
    result = invoke(*case.arguments.split(), "--json", stdin=case.stdin)
    answer = json.loads(result.stdout)
    if "problems" in answer:  # what `validate` is asked for
        assert answer["problems"], answer
        message = "\n".join(one["message"] for one in answer["problems"])
    else:
        assert list(answer) == ["error"]
        assert answer["error"]["exit_code"] == result.exit_code
        assert answer["error"]["kind"]
        message = answer["error"]["message"]
    if "'--json'" not in message:  # of a verb whose answer is never JSON
        assert result.exit_code == case.code
        for name in case.names:
            assert name in message
    assert "Error" not in result.stderr


def test_a_spec_of_another_version_is_told(tmp_path: Path) -> None:
    """Reached from the command line only through runs of another release."""
    from waterflow.errors import DefinitionError
    from waterflow.spec import decode

    with pytest.raises(DefinitionError, match="version 99"):
        decode('{"name": "x", "version": 99}')
