"""Scripts, each with what its step `probe` must give however the script is started."""

from __future__ import annotations

from typing import NamedTuple


class Script(NamedTuple):
    """A script of the table.

    Attributes:
        source: The program; `HEAD` and `TAIL` stand for the step's import and the submit.
        result: What `probe` gives.
        files: Further files of the project.
    """

    source: str
    result: object
    files: dict[str, str] = {}  # noqa: RUF012 - no one changes it


TAIL = """
@wf.pipeline
def PIPELINE():
    probe()

run = PIPELINE().submit()
"""
DEFINITION = TAIL.partition("run =")[0]
GUARDED = TAIL.replace("run = ", 'if __name__ == "__main__":\n    run = ')
PROBE = """
@wf.step
def probe() -> str:
    return str({})
"""


def probe(expression: str) -> str:
    return PROBE.format(expression)


def handed_on(annotation: str, value: str, member: str) -> str:
    """Return a script of which one step makes a value, and `probe` reads it."""
    return (
        f"@wf.step\ndef make() -> {annotation}:\n    return {value}\n"
        f"@wf.step\ndef probe(value: {annotation}) -> str:\n    return str(value.{member})\n"
        + TAIL.replace("probe()", "probe(make())")
    )


SCRIPTS: dict[str, Script] = {
    # --- what a statement of the top sets -----------------------------------------------------
    "seed_random": Script(
        "import random\nrandom.seed(7)\n" + probe("random.randint(0, 10**9)") + TAIL,
        "347712782",
    ),
    "seed_numpy": Script(
        "import numpy as np\nnp.random.seed(3)\n" + probe("np.random.randint(10**6)") + TAIL,
        "71530",
    ),
    "sklearn_config": Script(
        "import sklearn\nsklearn.set_config(transform_output='pandas')\n"
        + probe("sklearn.get_config()['transform_output']")
        + TAIL,
        "pandas",
    ),
    "sklearn_config_by_name": Script(
        "from sklearn import get_config, set_config\nset_config(enable_metadata_routing=True)\n"
        + probe("get_config()['enable_metadata_routing']")
        + TAIL,
        "True",
    ),
    "pandas_option": Script(
        "import pandas as pd\npd.set_option('display.max_rows', 5)\n"
        + probe("pd.get_option('display.max_rows')")
        + GUARDED,
        "5",
    ),
    "pandas_option_by_attribute": Script(
        "import pandas as pd\npd.options.display.max_rows = 6\n"
        + probe("pd.get_option('display.max_rows')")
        + TAIL,
        "6",
    ),
    "logging_level": Script(
        "import logging\nlogging.getLogger('mine').setLevel(logging.ERROR)\n"
        + probe("logging.getLogger('mine').getEffectiveLevel()")
        + TAIL,
        "40",
    ),
    "decimal_context": Script(
        "import decimal\ndecimal.getcontext().prec = 4\n"
        + probe("decimal.Decimal(1) / decimal.Decimal(3)")
        + TAIL,
        "0.3333",
    ),
    "environment": Script(
        "import os\nos.environ['MINE'] = 'yes'\n" + probe("os.environ['MINE']") + TAIL,
        "yes",
    ),
    "warnings_filter": Script(
        "import warnings\nwarnings.simplefilter('ignore', ResourceWarning)\n"
        + probe("('ignore', None, ResourceWarning, None, 0) in warnings.filters")
        + TAIL,
        "True",
    ),
    # --- what is changed after it was made ----------------------------------------------------
    "single_dispatch": Script(
        "import functools\n@functools.singledispatch\ndef shape(x):\n    return 'any'\n"
        "@shape.register\ndef _(x: int):\n    return 'int'\n"
        + probe("shape(1) + shape('a')")
        + TAIL,
        "intany",
    ),
    "function_attribute": Script(
        "def scale(x):\n    return x * scale.by\nscale.by = 5\n" + probe("scale(2)") + TAIL,
        "10",
    ),
    "item_of_a_dict": Script(
        "CFG = {'a': 1}\nCFG['a'] = 2\nCFG['b'] = 3\n" + probe("CFG") + GUARDED,
        "{'a': 2, 'b': 3}",
    ),
    "class_attribute": Script(
        "class Settings:\n    depth = 1\nSettings.depth = 9\n" + probe("Settings.depth") + TAIL,
        "9",
    ),
    "augmented": Script("TOTAL = 1\nTOTAL += 4\n" + probe("TOTAL") + TAIL, "5"),
    "registry_by_decorator": Script(
        "REGISTRY = {}\ndef register(f):\n    REGISTRY[f.__name__] = f\n    return f\n"
        "@register\ndef double(x):\n    return 2 * x\n" + probe("REGISTRY['double'](4)") + TAIL,
        "8",
    ),
    "method_added": Script(
        "import pandas as pd\ndef shout(self):\n    return 'LOUD'\npd.Series.shout = shout\n"
        + probe("pd.Series([1]).shout()")
        + TAIL,
        "LOUD",
    ),
    # --- compound statements ------------------------------------------------------------------
    "loop": Script(
        "TABLE = {}\nfor n in range(3):\n    TABLE[n] = n * n\n" + probe("TABLE") + TAIL,
        "{0: 0, 1: 1, 2: 4}",
    ),
    "with_block": Script(
        "import contextlib\nwith contextlib.suppress(ValueError):\n    SIZE = int('7')\n"
        + probe("SIZE")
        + TAIL,
        "7",
    ),
    "try_block": Script(
        "try:\n    import no_such_library as lib\nexcept ImportError:\n    lib = None\n"
        + probe("lib")
        + TAIL,
        "None",
    ),
    "if_block": Script(
        "import sys\nif sys.version_info >= (3, 11):\n    def new():\n        return 'new'\n"
        "else:\n    def new():\n        return 'old'\n" + probe("new()") + GUARDED,
        "new",
    ),
    "a_decorator_of_another_module": Script(
        "from beside_timing import timed\nA = [1]\nA.append(2)\n"
        + probe("A").replace("@wf.step", "@wf.step\n@timed")
        + TAIL,
        "[1, 2]",
        {
            "beside_timing.py": "import functools\ndef timed(f):\n    @functools.wraps(f)\n"
            "    def inner(*a, **k):\n        return f(*a, **k)\n    return inner\n"
        },
    ),
    "what_the_step_changes_itself": Script(
        "import logging\nlog = logging.getLogger('mine')\nCACHE = {}\nCOUNT = 0\n"
        "def look(key):\n    global COUNT\n    COUNT += 1\n    return CACHE.setdefault(key, key)\n"
        + probe("(look('a'), dict(CACHE), COUNT)")
        + DEFINITION
        + "if __name__ == '__main__':\n    look('b')\n    probe()\n    log.setLevel(10)\n"
        "    log.info('submitting')\n    run = PIPELINE().submit()\n",
        "('a', {'a': 'a'}, 1)",
    ),
    # --- values that are no literals ----------------------------------------------------------
    "lambda_value": Script("square = lambda x: x * x\n" + probe("square(3)") + TAIL, "9"),
    "closure": Script(
        "def adder(n):\n    def add(x):\n        return x + n\n    return add\nadd3 = adder(3)\n"
        + probe("add3(1)")
        + TAIL,
        "4",
    ),
    "object_value": Script(
        "import re\nclass Box:\n    def __init__(self, n):\n        self.n = n\nBOX = Box(3)\n"
        + probe("BOX.n")
        + TAIL,
        "3",
    ),
    "frame_value": Script(
        "import pandas as pd\nTABLE = pd.DataFrame({'a': [1, 2]})\n"
        + probe("TABLE.a.sum()")
        + TAIL,
        "3",
    ),
    "partial": Script(
        "import functools\nhalf = functools.partial(pow, 3)\n" + probe("half(2)") + TAIL, "9"
    ),
    "type_variable": Script(
        "from typing import TypeVar\nT = TypeVar('T', bound=int)\n"
        "def same(x: T) -> T:\n    return x\n" + probe("same(2)") + TAIL,
        "2",
    ),
    # --- where it submits ---------------------------------------------------------------------
    "guarded_with_arguments": Script(
        "import argparse\n" + probe("1") + DEFINITION + "if __name__ == '__main__':\n"
        "    args = argparse.ArgumentParser().parse_args([])\n    run = PIPELINE().submit()\n",
        "1",
    ),
    "in_a_function": Script(
        "A = 1\n"
        + probe("A")
        + DEFINITION
        + "def main():\n    global run\n    run = PIPELINE().submit()\nmain()\nA = 2\n",
        "1",
    ),
    "in_a_function_guarded": Script(
        probe("2") + DEFINITION + "def main():\n    global run\n    run = PIPELINE().submit()\n"
        "if __name__ == '__main__':\n    main()\n",
        "2",
    ),
    "within_a_block": Script(
        "import contextlib\n"
        + probe("3")
        + DEFINITION
        + "with contextlib.suppress(KeyError):\n    run = PIPELINE().submit()\n",
        "3",
    ),
    "two_on_a_line": Script(
        probe("B") + DEFINITION + "B = 4; run = PIPELINE().submit(); B = 5\n", "4"
    ),
    "after_the_submit": Script(
        probe("6")
        + TAIL
        + "run.wait(300)\nimport json\nANSWER = json.dumps(run.artifact('probe').load())\n"
        "assert ANSWER == '\"6\"'\n",
        "6",
    ),
    "an_argument_of_the_command_line": Script(
        "import sys\nDEPTH = int(sys.argv[1]) if len(sys.argv) > 99 else 3\n"
        + probe("8")
        + TAIL.replace("submit()", "submit(cache=DEPTH == 3)"),
        "8",
    ),
    # --- what is beside it --------------------------------------------------------------------
    "a_module_beside": Script(
        "from beside_scale import scale\nimport beside_scale\nbeside_scale.BY = 4\n"
        + probe("scale(2)")
        + TAIL,
        "8",
        {"beside_scale.py": "BY = 10\ndef scale(x):\n    return x * BY\n"},
    ),
    "its_own_name_and_file": Script(
        "from pathlib import Path\nHERE = Path(__file__)\n"
        + probe("HERE.name + ' ' + __name__")
        + TAIL,
        "its_own_name_and_file.py its_own_name_and_file",
    ),
    # --- classes of the script's own -----------------------------------------------------------
    "a_serializer": Script(
        "class Graph:\n    def __init__(self, text): self.text = text\n"
        "wf.serializer(Graph, save=lambda graph, path: path.write_text(graph.text),"
        " load=lambda path: Graph(path.read_text()))\n"
        + handed_on("Graph", "Graph('kept')", "text"),
        "kept",
    ),
    "a_decorated_serializer": Script(
        "@wf.serializer\nclass Graph:\n    def __init__(self, text): self.text = text\n"
        "    def save(self, path): path.write_text(self.text)\n"
        "    @classmethod\n    def load(cls, path): return cls(path.read_text())\n"
        + handed_on("list[Graph]", "[Graph('kept')]", "__len__()"),
        "1",
    ),
    "a_dataclass": Script(
        "from dataclasses import dataclass\n@dataclass\nclass Point:\n    x: int\n"
        + handed_on("Point", "Point(1)", "x"),
        "1",
    ),
    "constants_of_its_own_classes": Script(
        "import enum\nfrom dataclasses import dataclass\nfrom typing import NamedTuple\n"
        "class Level(enum.IntEnum):\n    LOW = 1\nclass Pair(NamedTuple):\n    a: int\n    b: int\n"
        "@dataclass\nclass Point:\n    x: int\n    pair: tuple\n"
        "@wf.step\ndef probe(point: Point, pairs: list[Pair], level: Level) -> str:\n"
        "    return f'{point} {pairs} {level!r}'\n"
        + TAIL.replace("probe()", "probe(Point(1, (2,)), [Pair(3, 4)], Level.LOW)"),
        "Point(x=1, pair=(2,)) [Pair(a=3, b=4)] <Level.LOW: 1>",
    ),
    "future_annotations": Script(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Point:\n    x: Missing\n" + probe("Point(1).x") + TAIL,
        "1",
    ),
}


def text(name: str) -> str:
    """Return a script's program."""
    source = SCRIPTS[name].source.replace("PIPELINE", f"pipeline_{name}")
    head = "import waterflow as wf\n"
    future = "from __future__ import annotations\n"
    if source.startswith(future):
        return future + head + source.removeprefix(future)
    return head + source
