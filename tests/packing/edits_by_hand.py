"""Edits of the project made by hand, one a line: what in each is easily got wrong."""

# ruff: noqa: E501 - a table: one edit, one line

from __future__ import annotations

from typing import Final, NamedTuple


class Edit(NamedTuple):
    """A replacement in one file of the project, or a new file.

    Attributes:
        id: What it is, in words.
        file: The file.
        before: What is replaced, which stands there once; "" for a new file or an addition.
        after: What stands there instead.
    """

    id: str
    file: str
    before: str
    after: str


EDITS: Final = (
    # what caches must not look at
    Edit("a comment", "steps.py", "# Doubles.", "# Doubles a number."),
    Edit("a comment behind code", "steps.py", "# through two modules", "# far away"),
    Edit("a comment goes", "steps.py", "# Doubles.\n", ""),
    Edit("blank lines", "steps.py", "FACTOR = 2\n", "\n\n\nFACTOR = 2\n\n"),
    Edit("a line broken in two", "kit/maths.py", "x * BASE + _extra()", "(\n        x * BASE\n        + _extra()\n    )"),
    Edit("other quotes", "kit/text.py", '"-"', "'-'"),
    Edit("a number written otherwise", "kit/late.py", "POWER = 3", "POWER = 0x3"),
    Edit("a comment in a helper", "kit/maths.py", "def _extra", "# More.\ndef _extra"),
    Edit("the step's options", "steps.py", "@wf.step(retries=1)", "@wf.step(retries=5, cpu=2)"),
    Edit("an option for a step without", "steps.py", "@wf.step\ndef alone", "@wf.step(cpu=2)\ndef alone"),
    Edit("the pipeline", "pipeline.py", "alone(double(x))", "double(alone(x))"),
    Edit("a module that nothing imports", "unused.py", "1", "2"),
    Edit("a new file that nothing imports", "more.py", "", "VALUE = 3\n"),
    # one function
    Edit("a step's body", "steps.py", "total += number", "total += number + 1"),
    Edit("a step's body to the same end", "steps.py", "total += number", "total = total + number"),
    Edit("a local renamed", "steps.py", "for number in range(x):\n        total += number", "for index in range(x):\n        total += index"),
    Edit("a local that shadows a constant", "steps.py", "    total = 0\n", "    total = 0\n    UNUSED = 4\n"),
    Edit("a step uses one constant more", "steps.py", "    total = 0\n", "    total = UNUSED\n"),
    Edit("an annotation of a parameter", "steps.py", "def alone(x: int)", "def alone(x: float)"),
    Edit("an annotation of the result", "steps.py", "def describe(text: str) -> str", "def describe(text: str) -> object"),
    Edit("an annotation of a local", "steps.py", "pair: Pair = Pair(x", "pair: object = Pair(x"),
    Edit("a docstring of a step", "steps.py", "Double a number.", "Double any number."),
    Edit("a docstring of a helper", "steps.py", "Return a value, shifted.", "Return it."),
    Edit("a docstring of a class", "steps.py", '"""Two numbers."""', '"""Two of them."""'),
    Edit("the docstring of a module", "kit/maths.py", '"""Numbers."""', '"""All numbers."""'),
    Edit("the docstring of the steps", "steps.py", '"""The steps."""', '"""Steps."""'),
    Edit("a return added", "steps.py", "    return titled(text)", "    return titled(text)[:2]"),
    Edit("a step renamed away", "steps.py", "def starred(", "def starring("),
    # helpers
    Edit("a helper", "steps.py", "value + by + OFFSETS[1]", "value + by + OFFSETS[0]"),
    Edit("a helper's default", "steps.py", "by=FACTOR", "by=7"),
    Edit("a helper in another module", "kit/maths.py", "x * BASE + _extra()", "x * BASE - _extra()"),
    Edit("a helper's helper", "kit/maths.py", "    return 1\n", "    return 2\n"),
    Edit("a constant two modules away", "kit/config.py", "BASE = 4", "BASE = 5"),
    Edit("a constant three functions away", "steps.py", "FACTOR = 2", "FACTOR = 3"),
    Edit("an element of a list", "steps.py", "OFFSETS = [0, 10]", "OFFSETS = [0, 11]"),
    Edit("a constant nothing uses", "steps.py", "UNUSED = 99", "UNUSED = 98"),
    Edit("a helper nothing uses", "kit/maths.py", "return x / 3", "return x / 4"),
    Edit("a derived constant", "steps.py", "SCALE = FACTOR * 5", "SCALE = FACTOR * 6"),
    Edit("a constant defined anew", "steps.py", "UNUSED = 99", "UNUSED = 99\nFACTOR = 8"),
    Edit("a constant defined before and after", "steps.py", "FACTOR = 2\n", "FACTOR = 1\nFACTOR = 2\n"),
    Edit("the order of two definitions of one", "steps.py", "FACTOR = 2\nOFFSETS = [0, 10]\n", "OFFSETS = [0, 10]\nFACTOR = 2\n"),
    Edit("a constant changed in place", "steps.py", "UNUSED = 99", "UNUSED = 99\nOFFSETS[1] = 3"),
    Edit("a constant appended to", "steps.py", "UNUSED = 99", "UNUSED = 99\nOFFSETS.insert(0, 3)"),
    Edit("an alias of a list appended to", "steps.py", "UNUSED = 99", "UNUSED = OFFSETS\nUNUSED += [1]\nUNUSED.reverse()"),
    Edit("a constant deleted", "steps.py", "UNUSED = 99\n", "UNUSED = 99\ndel UNUSED\n"),
    Edit("a used constant deleted", "steps.py", "UNUSED = 99\n", "UNUSED = 99\ndel SCALE\n"),
    Edit("an augmented constant", "steps.py", "UNUSED = 99\n", "UNUSED = 99\nFACTOR += 1\n"),
    Edit("a constant by walrus", "steps.py", "UNUSED = 99\n", "UNUSED = (FACTOR := 9)\n"),
    Edit("a constant by a loop", "steps.py", "UNUSED = 99\n", "for FACTOR in range(4):\n    pass\n"),
    Edit("a constant by with", "steps.py", "UNUSED = 99\n", "with open(__file__) as FACTOR:\n    FACTOR = 6\n"),
    Edit("a constant by unpacking", "steps.py", "UNUSED = 99\n", "UNUSED, FACTOR = 1, 7\n"),
    Edit("a constant by a function's global", "steps.py", "COUNT += by", "COUNT += by * 2"),
    Edit("a constant by a call of that function", "steps.py", "@wf.step\ndef counted", "count(10)\n\n\n@wf.step\ndef counted"),
    Edit("a helper defined twice", "steps.py", "# Doubles.", "def shifted(value, by=1):\n    return 0\n"),
    Edit("a helper that shadows a builtin", "steps.py", "UNUSED = 99\n", "def range(x):\n    return [100]\n"),
    Edit("a builtin shadowed by the star", "kit/starred.py", '"star_function"]', '"star_function", "range"]\n\ndef range(x):\n    return [50]\n'),
    Edit("a helper that reads a builtin that is shadowed", "kit/maths.py", "def unused(x):", "def abs(x):\n    return 0\n\ndef unused(x):"),
    Edit("two helpers change places", "kit/maths.py", "def _extra():\n    return 1\n\n\ndef base(x):\n    return x - 1\n", "def base(x):\n    return x - 1\n\n\ndef _extra():\n    return 1\n"),
    Edit("two steps change places", "steps.py", "@wf.step\ndef starred() -> list:\n    return [FROM_STAR, star_function(2)]\n\n\n", ""),
    Edit("a new helper", "kit/maths.py", "def unused(x):", "def fresh(x):\n    return x\n\n\ndef unused(x):"),
    Edit("a new step", "steps.py", "@wf.step\ndef describe(", "@wf.step\ndef newer(x: int) -> int:\n    return x\n\n\n@wf.step\ndef describe("),
    Edit("a helper made a generator", "kit/maths.py", "    return 1\n", "    return sum(iter([1, 1]))\n"),
    # imports
    Edit("an import from Python's library", "steps.py", "import json\n", "import json\nimport math\n"),
    Edit("an import of a library that is there", "steps.py", "from packaging.version import Version", "from packaging.version import InvalidVersion, Version"),
    Edit("an import of another part of it", "steps.py", "from packaging.version import Version", "from packaging.specifiers import Specifier\nfrom packaging.version import Version"),
    Edit("an import of a new library", "steps.py", "import json\n", "import json\nimport click\n"),
    Edit("an import of a new library within a step", "steps.py", "    total = 0\n", "    import click\n    total = 0\n"),
    Edit("an import under another name", "steps.py", "from kit.text import title as titled", "from kit.text import subtitle as titled"),
    Edit("an import's alias and its use", "steps.py", "from kit import maths, registry", "from kit import maths, registry\nfrom kit import maths as numbers"),
    Edit("an import of a module of the project", "steps.py", "import kit.patches\n", "import kit.patches\nimport unused\n"),
    Edit("an import that is gone", "steps.py", "import kit.patches\n", ""),
    Edit("an import later in the file", "steps.py", "import kit.patches\nimport waterflow as wf\n", "import waterflow as wf\nimport kit.patches\n"),
    Edit("an import behind TYPE_CHECKING", "steps.py", "FACTOR = 2\n", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import unused\nFACTOR = 2\n"),
    Edit("an import that fails falls back", "steps.py", "import no_such_library as fast", "import json as fast"),
    Edit("the branch that is taken", "steps.py", "return x**2\nelse", "return x**3\nelse"),
    Edit("the branch that is not taken", "steps.py", "return fast.power(x)", "return fast.pow(x)"),
    Edit("an import in a function", "steps.py", "import kit.late as late_module", "import kit.late as late_module\n    late_module.POWER = 2"),
    Edit("a module imported late", "kit/late.py", "return x**POWER", "return x**POWER + 1"),
    Edit("another function of a module imported late", "kit/late.py", "return x**2", "return x**2 + 1"),
    Edit("an effect in a module imported late", "kit/late.py", "POWER = 3\n", "import kit.maths\nkit.maths.BASE = 0\nPOWER = 3\n"),
    Edit("a module of the name of one of Python's", "json.py", "", "def dumps(value):\n    return 'mine'\n"),
    Edit("a submodule beside an attribute", "kit/VERSION.py", "", "VALUE = 1\n"),
    # packages
    Edit("a package's constant", "kit/__init__.py", "VERSION = 1", "VERSION = 2"),
    Edit("a package's docstring", "kit/__init__.py", "Helpers.", "More helpers."),
    Edit("a package that does something", "kit/__init__.py", "VERSION = 1", "VERSION = 1\nimport kit.config\nkit.config.BASE = 1"),
    Edit("a package that shadows a module", "kit/__init__.py", "VERSION = 1", "VERSION = 1\nfrom kit import late as maths"),
    Edit("a package with a module's __getattr__", "kit/__init__.py", "VERSION = 1", "VERSION = 1\ndef __getattr__(name):\n    raise AttributeError(name)"),
    Edit("a package that imports one more", "kit/__init__.py", "VERSION = 1", "VERSION = 1\nfrom kit import config"),
    # decorators
    Edit("a decorator's inside", "kit/text.py", '.upper() + "!"', '.upper() + "?"'),
    Edit("another decorator", "kit/text.py", "@loud\n", "@quiet\n"),
    Edit("a decorator goes", "kit/text.py", "@loud\n", ""),
    Edit("a decorator of another function", "kit/text.py", "@quiet\n", "@loud\n"),
    Edit("a decorator that nothing reached uses", "kit/text.py", "    return function\n\n\n@loud", "    return len\n\n\n@loud"),
    Edit("a default argument", "kit/text.py", 'separator="-"', 'separator="+"'),
    Edit("a decorator that counts", "kit/text.py", "def quiet(function):\n", "def quiet(function):\n    loud.calls = 1\n"),
    Edit("a cached function", "steps.py", "def shifted(", "import functools\n@functools.lru_cache(maxsize=None)\ndef shifted("),
    # registration
    Edit("what a registered function does", "steps.py", 'return f"x{value}"', 'return f"X{value}"'),
    Edit("what another registered function does", "steps.py", 'return f"y{value}"', 'return f"Y{value}"'),
    Edit("the name of a registration", "steps.py", '@registry.handler("y")', '@registry.handler("z")'),
    Edit("the order of registrations", "steps.py", '@registry.handler("x")\ndef handle_x(value):\n    return f"x{value}"\n', '@registry.handler("w")\ndef handle_w(value):\n    return 0\n\n@registry.handler("x")\ndef handle_x(value):\n    return f"x{value}"\n'),
    Edit("how registering works", "kit/registry.py", "HANDLERS[name] = function", "HANDLERS[name] = function\n        HANDLERS[name.upper()] = function"),
    Edit("a registration elsewhere", "kit/words.py", "def read", "from kit import registry\nregistry.HANDLERS['w'] = len\n\n\ndef read"),
    Edit("a registration for a type", "steps.py", 'return f"int {value}"', 'return f"an int {value}"'),
    Edit("a type that is registered", "steps.py", "def _(value: int)", "def _(value: str)"),
    Edit("a general function that others register with", "steps.py", 'return "any"', 'return "all"'),
    # patches
    Edit("what is patched in", "kit/patches.py", "return x + 100\n", "return x + 101\n"),
    Edit("which is patched in", "kit/patches.py", "maths.base = better", "maths.base = worse"),
    Edit("what is not patched in", "kit/patches.py", "x + 1000", "x + 1001"),
    Edit("what the patch replaces", "kit/maths.py", "return x - 1", "return x - 2"),
    Edit("a patch more", "kit/patches.py", "maths.base = better", "maths.base = better\nmaths._extra = lambda: 50"),
    Edit("a patch by setattr", "kit/patches.py", "maths.base = better", "setattr(maths, 'base', worse)"),
    Edit("a patch by a made-up name", "kit/patches.py", "maths.base = better", "setattr(maths, 'ba' + 'se', worse)"),
    Edit("a patch through sys.modules", "kit/patches.py", "maths.base = better", "import sys\nsys.modules['kit.maths'].base = worse"),
    Edit("a patch through a dict", "kit/patches.py", "maths.base = better", "vars(maths).update(base=worse)"),
    Edit("a patch of a class", "kit/patches.py", "maths.base = better", "maths.base = better\nimport kit.shapes\nkit.shapes.Shape.unit = 'm'"),
    Edit("a patch of a builtin", "kit/patches.py", "maths.base = better", "maths.base = better\nimport builtins\nbuiltins.sorted = list"),
    Edit("a patch of a library", "kit/patches.py", "maths.base = better", "maths.base = better\nimport json\njson.dumps = str"),
    Edit("a patch within a function that is called", "kit/patches.py", "maths.base = better", "def patch():\n    maths.base = worse\n\npatch()"),
    Edit("a patch within a function that is not", "kit/patches.py", "maths.base = better", "maths.base = better\ndef patch():\n    maths.base = worse"),
    # classes
    Edit("a base class's method", "kit/shapes.py", "        return 1\n", "        return 2\n"),
    Edit("a subclass's method", "kit/shapes.py", "        return 3\n", "        return 4\n"),
    Edit("a class attribute", "kit/shapes.py", 'unit = "cm"', 'unit = "mm"'),
    Edit("another base", "kit/shapes.py", "class Disc(Square)", "class Disc(Square, Lonely)"),
    Edit("a class nothing uses", "kit/shapes.py", "size = 1", "size = 2"),
    Edit("a new subclass", "kit/shapes.py", "class Lonely:", "class Square2(Shape):\n    __name__ = 'square'\n\n\nclass Lonely:"),
    Edit("a new subclass in another module", "kit/words.py", "def read", "from kit.shapes import Shape\nclass Disc(Shape):\n    side = 1\n    def __init__(self, side):\n        pass\n\n\ndef read"),
    Edit("a method of the same name", "kit/shapes.py", "    def factor(self):\n        return 3\n", "    def factor(self):\n        return 3\n    def area(self):\n        return 0\n"),
    Edit("subclasses are noticed", "kit/shapes.py", "    kinds = {}\n", "    kinds = {}\n    def __init_subclass__(cls):\n        Shape.unit = cls.__name__\n"),
    Edit("an enum's value", "kit/colours.py", 'RED = "r"', 'RED = "R"'),
    Edit("an enum's method", "kit/colours.py", "self.value * 2", "self.value * 3"),
    Edit("a member more", "kit/colours.py", 'GREEN = "g"', 'GREEN = "g"\n    BLUE = "b"'),
    Edit("a comprehension", "kit/colours.py", "range(2)", "range(3)"),
    Edit("a comprehension nothing uses", "kit/colours.py", 'sorted(["z", "y"])', 'sorted(["z", "x"])'),
    Edit("a dataclass's default", "kit/config.py", "width: int = 3", "width: int = 4"),
    Edit("a dataclass's order of fields", "kit/config.py", "    width: int = 3\n    tags: list = field(default_factory=list)\n", "    tags: list = field(default_factory=list)\n    width: int = 3\n"),
    Edit("another dataclass", "kit/config.py", "depth: int = 1", "depth: int = 2"),
    Edit("a key of a constant", "kit/config.py", '"high": 9', '"higher": 9'),
    Edit("a constant that a method reads", "kit/config.py", '["a", "b"]', '["a", "b", "c"]'),
    Edit("a metaclass", "kit/shapes.py", "class Shape:", "class Meta(type):\n    def __new__(cls, *args):\n        made = super().__new__(cls, *args)\n        made.unit = 'inch'\n        return made\n\n\nclass Shape(metaclass=Meta):"),
    # what cannot be seen
    Edit("a name that is put together", "kit/dynamic.py", "_value_one = 1", "_value_one = 5"),
    Edit("another such name", "kit/dynamic.py", "_value_two = 2", "_value_two = 5"),
    Edit("what a module's __getattr__ answers", "kit/lazily.py", '"answer": 42', '"answer": 43'),
    Edit("a module's attribute beside it", "kit/lazily.py", "plain = 1", "plain = 2"),
    Edit("a module's attribute that it loses", "kit/lazily.py", "plain = 1", "plainer = 1"),
    Edit("a step that evaluates text", "steps.py", "    total = 0\n", "    total = eval('UN' + 'USED')\n"),
    Edit("a step that reads its own source", "steps.py", "    total = 0\n", "    total = len(open(__file__).read())\n"),
    # star imports
    Edit("a constant by the star", "kit/starred.py", "FROM_STAR = 5", "FROM_STAR = 6"),
    Edit("what the star leaves out", "kit/starred.py", "NOT_STARRED = 6", "NOT_STARRED = 7"),
    Edit("a name that the star brings anew", "kit/starred.py", "NOT_STARRED = 6", "UNUSED = 7"),
    Edit("a name that the star would put over another", "kit/starred.py", '__all__ = ["FROM_STAR",', '__all__ = ["FROM_STAR", "maths",'),
    Edit("a name that the star no longer brings", "kit/starred.py", '["FROM_STAR", "star_function"]', '["star_function"]'),
    Edit("the star after what it shadows", "steps.py", "FACTOR = 2\n", "star_function = len\nFACTOR = 2\n"),
    # files
    Edit("an included file", "words.txt", "red green", "red blue"),
    Edit("an included file's end", "words.txt", "red green\n", "red green"),
    Edit("how it is read", "kit/words.py", ".split()", ".upper().split()"),
)  # fmt: skip
