"""What a step's code key takes in, case by case: what is seen, and what cannot be."""

# ruff: noqa: E501 - tables of programs

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from waterflow.packing.bundle import Bundler
from waterflow.packing.code_key import CodeKey, CodeKeys

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "import waterflow as wf\n"


def code(root: Path, files: dict[str, str], types: tuple[str, ...] = ()) -> CodeKey:
    """Return the code key of the step `steps.step` of a project."""
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return CodeKeys().of(Bundler(root, paths=[root]).build("steps"), "step", types)


class Hidden(NamedTuple):
    """A step that looks things up where they cannot be seen.

    Attributes:
        body: What it does.
        reason: Why its whole bundle counts; "" where all names of its module do.
        head: What stands before it.
    """

    body: str
    reason: str
    head: str = ""


HIDDEN = {
    "eval": Hidden("return eval('X')", "eval in steps"),
    "exec": Hidden("exec('global X; X = 2')", "exec in steps"),
    "__import__": Hidden("return __import__('helper')", "__import__ in steps"),
    "its own file": Hidden("return open(__file__)", "__file__ in steps"),
    "importlib": Hidden(
        "return importlib.import_module(name)", "importlib.import_module", "import importlib"
    ),
    "importlib, by its function": Hidden(
        "return load(name)",
        "importlib.import_module",
        "from importlib import import_module as load",
    ),
    "importlib.resources": Hidden(
        "return files('steps')", "importlib.resources", "from importlib.resources import files"
    ),
    "inspect": Hidden("return inspect.getsource(step)", "inspect.getsource", "import inspect"),
    "inspect, imported in the step": Hidden("import inspect", "inspect in steps"),
    "traceback": Hidden("traceback.print_exc()", "traceback.print_exc", "import traceback"),
    "sys.modules": Hidden("return sys.modules['steps'].X", "sys.modules", "import sys"),
    "sys, handed on": Hidden("return getattr(sys, name)", "sys, as a value", "import sys"),
    "another program": Hidden("subprocess.run(['x'])", "subprocess.run", "import subprocess"),
    "pickle": Hidden("return pickle.load(name)", "pickle.load", "import pickle"),
    "a frame": Hidden("return step.__globals__", "__globals__ in steps"),
    "a pickled table": Hidden("return pd.read_pickle(name)", "read_pickle", "import pandas as pd"),
    "a pickled array": Hidden(
        "return np.load(name, allow_pickle=True)", "allow_pickle=", "import numpy as np"
    ),
    "globals": Hidden("return globals()[name]", ""),
    "a query over a table": Hidden("return name.query('a > @X')", ""),
    "an expression over a table": Hidden("return name.eval('a + @X')", ""),
    "SQL over variables": Hidden("return duckdb.sql('from X')", "", "import duckdb"),
    "a formula": Hidden(
        "return smf.ols('y ~ X', name)", "", "import statsmodels.formula.api as smf"
    ),
    "a star of a library": Hidden("return name", "", "from math import *"),
}


@pytest.mark.parametrize("case", HIDDEN.values(), ids=HIDDEN)
def test_what_cannot_be_seen_counts_whole(tmp_path, case):
    text = f"{HEAD}{case.head}\nX = 1\nY = 2\n\n@wf.step\ndef step(name):\n    {case.body}\n"
    before = code(tmp_path / "a", {"steps.py": text})
    after = code(tmp_path / "b", {"steps.py": text.replace("Y = 2", "Y = 3")})
    assert before.digest != after.digest
    assert (case.reason in (before.whole or "")) if case.reason else before.whole is None
    noted = code(tmp_path / "c", {"steps.py": f"{text}# A comment.\n"})
    assert (noted.digest != before.digest) == bool(case.reason), "lines and comments can be read"


SEEN = {
    "a version of a library": (
        "return version('pandas')", "from importlib.metadata import version",
    ),
    "getattr on a value": ("return getattr(name, 'x')", ""),
    "the module's name": ("return __name__", ""),
    "a logger": ("log.info(name)", "import logging\nlog = logging.getLogger(__name__)"),
    "an environment variable": ("return os.environ['A']", "import os"),
    "the command line": ("return sys.argv", "import sys"),
    "a thread": ("return threading.Thread(target=step)", "import threading"),
    "an array from a file": ("return np.load(name)", "import numpy as np"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "head"), SEEN.values(), ids=SEEN)
def test_what_is_no_way_to_other_code_counts_for_itself(tmp_path, body, head):
    text = f"{HEAD}{head}\nX = 1\n\n@wf.step\ndef step(name):\n    {body}\n"
    before = code(tmp_path / "a", {"steps.py": text})
    after = code(tmp_path / "b", {"steps.py": text.replace("X = 1", "X = 2  # other")})
    assert before.whole is None
    assert before == after


DEFINITIONS = {
    "a function": "def other(a: int, *, b=1) -> 'int':\n    return {}",
    "a coroutine": "async def other():\n    return {}",
    "a step": "@wf.step(cpu=2, retries={})\ndef other(a: int) -> int:\n    return a",
    "a pipeline": "@wf.pipeline\ndef other(a: int = {}):\n    pass",
    "a cached function": "from functools import lru_cache\n@lru_cache(maxsize={})\ndef other():\n    pass",
    "a class": "class Other:\n    a = {}\n    def method(self):\n        return self.a",
    "a dataclass": "from dataclasses import dataclass, field\n@dataclass(frozen=True)\nclass Other:\n    a: int = {}\n    b: list = field(default_factory=list)",
    "a named tuple": "from typing import NamedTuple\nclass Other(NamedTuple):\n    a: int = {}",
    "an enum": "import enum\nclass Other(enum.Enum):\n    A = {}\n    B = enum.auto()",
    "an exception": "class Other(ValueError):\n    code = {}",
    "a generic class": "from typing import Generic, TypeVar\nT = TypeVar('T')\nclass Other(Generic[T]):\n    a = {}",
    "a class with properties": "class Other:\n    @property\n    def a(self):\n        return {}\n    @a.setter\n    def a(self, value):\n        pass",
    "an estimator": "from sklearn.base import BaseEstimator\nclass Other(BaseEstimator):\n    a = {}",
    "a number": "OTHER = {} * 60 * 60",
    "a text": "OTHER = f'{{1}} and {}'.strip()",
    "a list": "OTHER = [{}, *range(3)]",
    "a list of what others hold": "BASE = [1]\nOTHER = BASE + [{}]",
    "a comprehension": "OTHER = {{n: n * {} for n in range(3) if n}}",
    "a frozen set": "OTHER = frozenset({{'a', {}}})",
    "a path": "from pathlib import Path\nOTHER = Path('data') / '{}'",
    "a pattern": "import re\nOTHER = re.compile(r'a{}', re.IGNORECASE)",
    "a type": "import pandas as pd\nOTHER: 'dict[str, int] | None' = {}",
    "a lambda": "OTHER = lambda a: a + {}",
    "a branch for type checkers": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    OTHER = {}",
    "a script's end": "if __name__ == '__main__':\n    print({})",
    "a list that grows": "OTHER = []\nOTHER.append({})",
    "a dictionary that is filled": "OTHER = {{}}\nOTHER['a'] = {}",
    "a number that grows": "OTHER = 1\nOTHER += {}",
    "a decorator that only wraps": "def wrap(f):\n    def inner(*args):\n        return f(*args)\n    return inner\n@wrap\ndef other():\n    return {}",
    "a decorator with arguments": "def wrap(n):\n    def outer(f):\n        def inner(*args):\n            return f(*args)\n        return inner\n    return outer\n@wrap({})\ndef other():\n    pass",
}  # fmt: skip


@pytest.mark.parametrize("text", DEFINITIONS.values(), ids=DEFINITIONS)
def test_a_definition_that_nothing_reaches_counts_for_nothing(tmp_path, text):
    step = "\n\n@wf.step\ndef step(a: int) -> int:\n    return a\n"
    before = code(tmp_path / "a", {"steps.py": HEAD + text.format(1) + step})
    after = code(tmp_path / "b", {"steps.py": HEAD + text.format(2) + step})
    assert before == after


EFFECTS = {
    "a call": "print({})",
    "a call that gives a value": "OTHER = input({})",
    "an item set in another module": "import os\nos.environ['A'] = '{}'",
    "an attribute of a library": "import json\njson.A = {}",
    "a loop": "for n in range({}):\n    pass",
    "a branch": "if {}:\n    A = 1",
    "an attempt": "try:\n    A = {}\nexcept Exception:\n    pass",
    "a context": "import contextlib\nwith contextlib.suppress():\n    A = {}",
    "an assertion": "assert {}",
    "a decorator of a library": "import atexit\n@atexit.register\ndef other():\n    return {}",
    "a decorator that takes note": "SEEN = []\ndef note(f):\n    SEEN.append(f)\n    return f\n@note\ndef other():\n    return {}",
    "a base class that takes note": "class Base:\n    def __init_subclass__(cls):\n        print(cls)\nclass Other(Base):\n    a = {}",
    "a base class of a library": "from collections.abc import Mapping\nclass Other(Mapping):\n    a = {}",
    "a metaclass": "class Meta(type):\n    pass\nclass Other(metaclass=Meta):\n    a = {}",
    "a call in a class body": "class Other:\n    print({})",
    "a default that is called for": "def other(a=print({})):\n    pass",
    "a call of one's own function": "def own(n):\n    return n\nOTHER = own({})",
    "a list under two names that grows": "BASE = []\nOTHER = BASE\nOTHER.append({})",
    "a list with another in it": "BASE = []\nOTHER = [BASE]\nOTHER.append({})",
    "a generator that is used up": "BASE = iter([1, 2])\nOTHER = list(BASE) + [{}]",
    "a name of Python's put over": "def list(a):\n    print(a)\nOTHER = list({})",
    "a library that is imported for what it does": "import sklearn.experimental.enable_iterative_imputer_{}",
}  # fmt: skip


@pytest.mark.parametrize("text", EFFECTS.values(), ids=EFFECTS)
def test_a_statement_with_an_effect_counts_for_every_step(tmp_path, text):
    step = "\n\n@wf.step\ndef step(a: int) -> int:\n    return a\n"
    before = code(tmp_path / "a", {"steps.py": HEAD + text.format(1) + step})
    after = code(tmp_path / "b", {"steps.py": HEAD + text.format(2) + step})
    assert before.digest != after.digest
    assert before.whole is None


def test_a_trusted_type_counts_for_a_step_that_names_it_nowhere(tmp_path):
    text = f"{HEAD}class Model:\n    a = 1\n\n@wf.step\ndef step(model: wf.Model) -> int:\n    return 1\n"
    files = {"steps.py": text}
    other = {"steps.py": text.replace("a = 1", "a = 2")}
    assert code(tmp_path / "a", files) == code(tmp_path / "b", other)
    trusted = ("steps.Model",)
    assert code(tmp_path / "a", files, trusted) != code(tmp_path / "b", other, trusted)


def test_parts_name_what_is_reached_as_people_call_it(tmp_path):
    key = code(
        tmp_path,
        {
            "steps.py": f"{HEAD}from kit.numbers import twice\n\n@wf.step\ndef step(a):\n    return twice(a)\n",
            "kit/numbers.py": "BY = 2\n\ndef twice(a):\n    return a * BY\n",
        },
    )
    assert set(key.parts) == {
        "Waterflow", "BY in kit/numbers.py", "import twice in steps.py", "step() in steps.py",
        "twice() in kit/numbers.py",
    }  # fmt: skip


def test_the_key_does_not_hang_on_where_the_project_lies(tmp_path):
    files = {"steps.py": f"{HEAD}\n@wf.step\ndef step(a):\n    return a\n"}
    assert code(tmp_path / "one", files) == code(tmp_path / "two" / "deep", files)
