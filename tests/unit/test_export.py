import atexit
import builtins
import importlib.util
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waterflow.errors import DefinitionError
from waterflow.packing.export import export


class Notebook:
    """A real IPython shell, whose cells are run one by one."""

    def __init__(self) -> None:
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config

        self.shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))

    def run(self, *cells: str) -> None:
        for cell in cells:
            result = self.shell.run_cell(textwrap.dedent(cell), store_history=True)
            result.raise_error()

    def export(self, name: str) -> str:
        return export(self.shell.user_ns[name], module_name="exported")


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    main, hook, display = sys.modules["__main__"], sys.excepthook, sys.displayhook
    before = set(vars(builtins))
    notebook = Notebook()
    yield notebook
    atexit.unregister(notebook.shell.atexit_operations)
    notebook.shell.atexit_operations()
    notebook.shell.restore_sys_module_state()
    sys.modules["__main__"] = main
    sys.excepthook, sys.displayhook = hook, display
    for name in set(vars(builtins)) - before:
        delattr(builtins, name)


def load(tmp_path: Path, text: str) -> Any:
    file = tmp_path / "exported.py"
    file.write_text(text)
    spec = importlib.util.spec_from_file_location("exported", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["exported"] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules["exported"]
    return module


# --- a notebook -----------------------------------------------------------------------------------


def test_a_step_takes_along_what_it_names_and_nothing_else(
    notebook: Notebook, tmp_path: Path
) -> None:
    notebook.run(
        "import math\nimport os.path as osp\nimport json",
        "from collections import OrderedDict as Ordered",
        "import waterflow as wf\nfrom pathlib import Path",
        "RATE = 0.5\nUNUSED = open",
        "NAMES = {'b', 'a'}\nWHERE = Path('data') / 'x'",
        """
        def helper(x):
            return math.floor(x * RATE) + len(NAMES)

        def unused():
            return UNUSED
        """,
        """
        @wf.step(cpu=2)
        def train(x: float) -> int:
            assert osp.basename(WHERE) == 'x'
            return helper(x) + len(Ordered(a=1))
        """,
    )
    text = notebook.export("train")
    assert "UNUSED" not in text
    assert "json" not in text
    module = load(tmp_path, text)
    assert module.train(4.0) == 2 + 2 + 1
    assert module.train.settings == notebook.shell.user_ns["train"].settings


def test_steps_named_by_steps_and_recursion(notebook: Notebook, tmp_path: Path) -> None:
    notebook.run(
        "import waterflow as wf",
        "@wf.step\ndef one(x: int) -> int:\n    return 1 if x == 0 else two(x - 1)",
        "@wf.step\ndef two(x: int) -> int:\n    return 2 if x == 0 else one(x - 1)",
    )
    module = load(tmp_path, notebook.export("two"))
    assert (module.two(4), module.two(3)) == (2, 1)


def test_wrapped_functions_and_star_imports_are_followed(
    notebook: Notebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = (
        "import waterflow as wf\nimport functools\n"
        "@wf.step\ndef far(x: int) -> int:\n    return x\n"
    )
    (tmp_path / "far_steps.py").write_text(
        source + "@functools.cache\ndef near(x):\n    return x\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    notebook.run(
        "import functools\nimport waterflow as wf\nfrom far_steps import *",
        "@functools.cache\ndef slow(x):\n    return x + 1",
        "@wf.step\ndef step(x: int) -> int:\n    return far(near(slow(x)))",
    )
    text = notebook.export("step")
    assert "from far_steps import far\nfrom far_steps import near\n" in text
    assert load(tmp_path, text).step(1) == 2
    del sys.modules["far_steps"]


def test_classes_are_followed_through_annotations(notebook: Notebook, tmp_path: Path) -> None:
    notebook.run(
        "from typing import NamedTuple\nfrom dataclasses import dataclass, field",
        "import waterflow as wf",
        "@dataclass\nclass Inner:\n    values: list[int] = field(default_factory=list)",
        "class Split(NamedTuple):\n    left: Inner\n    right: 'Inner'",
        "class Base:\n    def hello(self):\n        return LIMIT",
        "class Derived(Base):\n    pass\nLIMIT = 7",
        """
        @wf.step
        def split(x: int) -> Split:
            return Split(Inner([x]), Inner([Derived().hello()]))
        """,
    )
    module = load(tmp_path, notebook.export("split"))
    halves = module.split(1)
    assert (halves.left.values, halves.right.values) == ([1], [7])


def test_the_latest_cell_is_the_class_s_source(notebook: Notebook, tmp_path: Path) -> None:
    notebook.run(
        "from typing import NamedTuple",
        "class Pair(NamedTuple):\n    old: int",
        "class Pair(NamedTuple):\n    new: int",
        "def make(x: int) -> Pair:\n    return Pair(x)",
    )
    assert load(tmp_path, notebook.export("make")).make(3).new == 3


def test_cells_run_again_out_of_order_still_define_before_use(
    notebook: Notebook, tmp_path: Path
) -> None:
    notebook.run(
        "def step(x=None):\n    return x",
        "def double(f):\n    return f",
        "class Base:\n    n = 3",
        "@double\ndef step(x: Base = Base()) -> int:\n    return x.n",
    )
    assert load(tmp_path, notebook.export("step")).step() == 3


def test_submodules_reached_by_attribute_are_imported(notebook: Notebook, tmp_path: Path) -> None:
    notebook.run(
        "import xml.dom.minidom\nimport xml",
        "def parse(text):\n    return xml.dom.minidom.parseString(text).documentElement.tagName",
    )
    text = notebook.export("parse")
    assert "xml.dom.minidom" in text
    (tmp_path / "exported.py").write_text(text)
    code = "import exported; print(exported.parse('<a/>'))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "a"


def test_future_annotations_are_preserved(notebook: Notebook, tmp_path: Path) -> None:
    notebook.run(
        "from __future__ import annotations\nfrom typing import TYPE_CHECKING",
        "if TYPE_CHECKING:\n    from nowhere import Thing",
        "def step(x: Thing) -> Later:\n    return x",
    )
    text = notebook.export("step")
    assert "from __future__ import annotations" in text
    assert load(tmp_path, text).step(1) == 1


def test_the_text_does_not_depend_on_what_else_is_there(notebook: Notebook) -> None:
    notebook.run(
        "import math\nimport json",
        "A = 1",
        "def step(x):\n    return math.floor(x) + A + len(json.dumps(x))",
    )
    first = notebook.export("step")
    notebook.run("B = object()", "def other():\n    return B")
    assert notebook.export("step") == first


def test_values_imported_by_name_are_imported(notebook: Notebook, tmp_path: Path) -> None:
    notebook.run(
        "from math import pi as PI\nfrom sys import version_info, float_info",
        "def step():\n    return PI, version_info[0], float_info.max",
    )
    text = notebook.export("step")
    assert "from math import pi as PI" in text
    assert load(tmp_path, text).step() == (3.141592653589793, 3, sys.float_info.max)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("import pandas as pd\nthing = pd.DataFrame()", r"'thing', a pandas\..*DataFrame"),
        ("thing = open('/dev/null')\nthing.close()", "'thing', a _io.TextIOWrapper"),
        ("thing = lambda: 1", "'thing', a lambda"),
        (
            "def make(n):\n    def inner():\n        return n\n    return inner\nthing = make(1)",
            "holding n",
        ),
        ("thing = object()", "'thing', a object"),
        ("thing = [1, object()]", "'thing', a list"),
        ("thing = []\nthing.append(thing)", "'thing', a list"),
        ("exec('def thing(): pass')", "whose source is not known"),
        ("thing = type('Thing', (), {})", "whose source is not known"),
        ("import types\nthing = types.ModuleType('made_up')", "'thing', a module"),
    ],
)
def test_what_cannot_be_exported_is_named(notebook: Notebook, cell: str, said: str) -> None:
    notebook.run(cell, "def train():\n    return thing")
    with pytest.raises(DefinitionError, match=said) as caught:
        notebook.export("train")
    assert "Step 'train' uses" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return missing", "'missing', which is not defined"),
        ("return __file__", "names no file in a job"),
        ("return get_ipython()", "'get_ipython'"),
        ("display(1)", "'display'"),
    ],
)
def test_names_that_a_job_does_not_have_are_errors(
    notebook: Notebook, body: str, said: str
) -> None:
    notebook.run(f"def train():\n    {body}")
    with pytest.raises(DefinitionError, match=said):
        notebook.export("train")


def test_a_literal_in_an_annotation_names_nothing(notebook: Notebook, tmp_path: Path) -> None:
    notebook.run(
        "from typing import Literal, Annotated\nthing = object()",
        "def step(x: Literal['thing'], y: Annotated[int, 'thing'] = 1) -> int:\n    return y",
    )
    assert load(tmp_path, notebook.export("step")).step("thing") == 1


def test_loggers_and_patterns_are_made_anew(notebook: Notebook, tmp_path: Path) -> None:
    notebook.run(
        "import logging, re\nlog = logging.getLogger('mine')\nWORD = re.compile(r'\\w+', re.I)",
        "def step(text):\n    log.debug(text)\n    return WORD.match(text).group(), log.name",
    )
    assert load(tmp_path, notebook.export("step")).step("ab c") == ("ab", "mine")


plain = (
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.binary()
        | st.text("abc/", min_size=1).map(Path),
        lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
    | st.frozensets(st.integers() | st.text())
    | st.sets(st.text())
)


def constant() -> object:
    return VALUE  # noqa: F821 - given by the test


@settings(max_examples=150)
@given(value=plain)
def test_literals_come_back_as_they_were(value: object) -> None:
    constant.__globals__["VALUE"] = value
    names: dict[str, Any] = {}
    exec(export(constant, module_name="exported"), names)
    assert type(names["VALUE"]) is type(value)
    assert repr(names["VALUE"]) == repr(value) or names["VALUE"] == value


def test_only_functions_and_steps_are_exported() -> None:
    some: Callable[..., Any] = len
    with pytest.raises(DefinitionError, match="builtin_function_or_method cannot be exported"):
        export(some, module_name="exported")
