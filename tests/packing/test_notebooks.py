"""What a notebook's cells did beside defining: taken along to jobs, or told by cell and line."""
# ruff: noqa: E501 - a program a line reads better than one that is folded

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from pathlib import Path


class Notebook(NamedTuple):
    """A notebook of the table.

    Attributes:
        cells: Its cells; `probe` is the step.
        result: What the exported step gives, or what the error says.
        told: What is logged.
    """

    cells: list[str]
    result: str
    told: str = ""


TAKEN: dict[str, Notebook] = {
    "seed": Notebook(
        ["import random", "random.seed(7)", "def probe():\n    return random.randint(0, 10**9)"],
        "347712782",
    ),
    "seed_of_what_no_step_names": Notebook(
        [
            "import numpy as np\nimport numpy.random as r",
            "np.random.seed(3)",
            "from numpy.random import randint\ndef probe():\n    return randint(10**6)",
        ],
        "71530",
    ),
    "the_last_seed_counts": Notebook(
        [
            "import random",
            "random.seed(1)",
            "random.seed(7)",
            "def probe():\n    return random.randint(0, 10**9)",
        ],
        "347712782",
    ),
    "a_seed_by_name": Notebook(
        [
            "import random\nSEED = 7",
            "random.seed(SEED)",
            "def probe():\n    return random.randint(0, 10**9)",
        ],
        "347712782",
    ),
    "set_config": Notebook(
        [
            "import sklearn\nsklearn.set_config(transform_output='pandas')",
            "from sklearn import get_config",
            "def probe():\n    return get_config()['transform_output']",
        ],
        "pandas",
    ),
    "an_option_by_attribute": Notebook(
        [
            "import pandas as pd",
            "pd.options.display.max_rows = 7\npd.DataFrame({'a': [1]}).head()",
            "def probe():\n    return pd.get_option('display.max_rows')",
        ],
        "7",
    ),
    "warnings_filter": Notebook(
        [
            "import warnings\nwarnings.simplefilter('ignore', ResourceWarning)",
            "def probe():\n    import warnings\n    return warnings.filters[0][0]",
        ],
        "ignore",
    ),
    "environment": Notebook(
        [
            "import os\nos.environ['MINE'] = 'yes'",
            "def probe():\n    import os\n    return os.environ['MINE']",
        ],
        "yes",
    ),
    "environment_by_magic": Notebook(
        ["%env MINE=yes", "def probe():\n    import os\n    return os.environ['MINE']"], "yes"
    ),
    "under_a_timing_magic": Notebook(
        [
            "import random",
            "%%time\nrandom.seed(7)",
            "def probe():\n    return random.randint(0, 10**9)",
        ],
        "347712782",
    ),
    "single_dispatch": Notebook(
        [
            "import functools",
            "@functools.singledispatch\ndef shape(x):\n    return 'any'",
            "@shape.register\ndef _(x: int):\n    return 'int'",
            "@shape.register(str)\ndef text(x):\n    return 'str'",
            "def probe():\n    return shape(1) + shape('a') + shape(1.5)",
        ],
        "intstrany",
    ),
    "registered_by_a_call": Notebook(
        [
            "import functools",
            "@functools.singledispatch\ndef shape(x):\n    return 'any'",
            "def number(x):\n    return 'int'",
            "shape.register(int, number)",
            "def probe():\n    return shape(1)",
        ],
        "int",
    ),
    "function_attribute": Notebook(
        [
            "def scale(x):\n    return x * scale.by",
            "scale.by = 5",
            "def probe():\n    return scale(2)",
        ],
        "10",
    ),
    "class_attribute": Notebook(
        [
            "class Settings:\n    depth = 1",
            "Settings.depth = 9",
            "def probe():\n    return Settings.depth",
        ],
        "9",
    ),
    "method_added_in_a_loop": Notebook(
        [
            "class Box:\n    pass",
            "for name in ('a', 'b'):\n    setattr(Box, name, property(lambda self: 4))",
            "def probe():\n    return Box().a + Box().b",
        ],
        "8",
    ),
    "what_was_undone_by_running_the_cell_again": Notebook(
        [
            "def scale(x):\n    return x * getattr(scale, 'by', 1)",
            "scale.by = 5",
            "def scale(x):\n    return x * getattr(scale, 'by', 1)",
            "def probe():\n    return scale(2)",
        ],
        "2",
    ),
    "item_of_a_dict": Notebook(
        [
            "CFG = {'a': 1}",
            "CFG['a'] = 2\nfor k in 'bc':\n    CFG[k] = 0",
            "def probe():\n    return CFG",
        ],
        "{'a': 2, 'b': 0, 'c': 0}",
    ),
    "in_a_function_that_is_called": Notebook(
        [
            "import random",
            "def setup():\n    random.seed(7)",
            "setup()",
            "def probe():\n    return random.randint(0, 10**9)",
        ],
        "347712782",
    ),
    "a_notebook_full_of_looking": Notebook(
        [
            "import pandas as pd\ndf = pd.DataFrame({'a': [1, 2]})",
            "df.head()",
            "df.a.plot.__doc__",
            "df['b'] = df.a * 2\ndf.describe()",
            "for c in df:\n    print(c)",
            "print(df.shape)",
            "def probe():\n    return pd.DataFrame({'a': [1]}).a.sum()",
        ],
        "1",
    ),
    "called_for_what_it_shows": Notebook(
        [
            "import warnings as w",
            "w.warn_explicit\nw.formatwarning('a', UserWarning, 'f', 1)\n1",
            "def probe():\n    return w.__name__",
        ],
        "warnings",
        "In [2], line 2: `w.formatwarning",
    ),
    "an_environment_that_was_asked_for": Notebook(
        [
            "import os, getpass",
            "getpass.getpass = lambda *_: 'x'",
            "os.environ['MINE'] = getpass.getpass()",
            "def probe():\n    return 1",
        ],
        "1",
        "In [3], line 1",
    ),
}

TOLD: dict[str, Notebook] = {
    "a_change_by_what_cannot_travel": Notebook(
        [
            "import pandas as pd\ndf = pd.DataFrame()",
            "def scale(x):\n    return scale.table",
            "# a table\nscale.table = df",
            "def probe():\n    return scale(1)",
        ],
        r"In \[3\], line 2: `scale.table = df` sets what step 'probe' would run without.*'df', a pand",
    ),
    "an_option_from_the_user": Notebook(
        [
            "import builtins, pandas as pd",
            "builtins.input = lambda *_: '5'",
            "pd.set_option('display.max_rows', int(input()))",
            "def probe():\n    return pd.get_option('display.max_rows')",
        ],
        r"In \[3\], line 1: .*it asks `input\(\)`",
    ),
    "a_seed_that_was_changed_afterwards": Notebook(
        [
            "import random\nSEED = 7",
            "random.seed(SEED)",
            "SEED = 8",
            "def probe():\n    return random.random()",
        ],
        r"In \[2\], line 1: .*'SEED' was changed after it, by In \[3\], line 1",
    ),
    "a_name_that_was_deleted": Notebook(
        [
            "import random\nSEED = 7\nrandom.seed(SEED)",
            "del SEED",
            "def probe():\n    return random.random()",
        ],
        r"In \[1\], line 3: .*'SEED' is not defined any more",
    ),
    "a_name_that_cannot_travel": Notebook(
        ["thing = object()", "# a\n# b\ndef probe():\n    return thing"],
        r"In \[2\], line 3: Step 'probe' uses 'thing', a object",
    ),
}

SHELL = """
import json, logging, sys
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config
from waterflow.errors import DefinitionError
from waterflow.packing.export import export

answers = {}
lines = []
handler = logging.Handler()
handler.emit = lambda record: lines.append(record.getMessage())
logging.getLogger("waterflow.packing").addHandler(handler)
for name, cells in json.load(sys.stdin).items():
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    for cell in cells:
        shell.run_cell(cell, store_history=True)
    lines.clear()
    try:
        text = export(shell.user_ns["probe"], module_name="exported")
    except DefinitionError as error:
        text = "error: " + str(error)
    answers[name] = [text, "\\n".join(lines)]
sys.__stdout__.write("\\n" + json.dumps(answers))
"""
RUN = "import json, sys\nfrom {0} import probe\nprint(json.dumps(str(probe())))"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    folder = tmp_path_factory.mktemp("shell")
    done = subprocess.run(
        [sys.executable, "-c", SHELL],
        cwd=folder,
        input=json.dumps({name: one.cells for name, one in (TAKEN | TOLD).items()}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return answers


@pytest.mark.parametrize("name", TAKEN)
def test_what_cells_have_set_is_taken_along(
    name: str, exported: dict[str, list[str]], tmp_path: Path
) -> None:
    text, told = exported[name]
    (tmp_path / "exported.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", RUN.format("exported")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, text + done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == TAKEN[name].result
    assert TAKEN[name].told in told
    assert bool(TAKEN[name].told) == bool(told)


@pytest.mark.parametrize("name", TOLD)
def test_what_cannot_be_taken_along_is_told_by_cell_and_line(
    name: str, exported: dict[str, list[str]]
) -> None:
    assert re.match("error: " + TOLD[name].result, exported[name][0]), exported[name][0]
