"""A small project with the ways in which code reaches other code, as text to be edited."""

from __future__ import annotations

from typing import Final

STEPS: Final = {
    "double": (3,),
    "describe": ("a b",),
    "area": (2,),
    "handle": ("x",),
    "patched": (1,),
    "looked_up": ("one",),
    "lazy": (),
    "late": (4,),
    "words": (),
    "colours": (),
    "alone": (5,),
    "dispatched": (1,),
    "counted": (),
    "conditional": (),
    "starred": (),
    "closed": (2,),
    "annotated": (7,),
    "described": (),
    "versioned": (),
    "configured": (),
}
"""Step -> what it is called with."""

INCLUDED: Final = "words.txt"

FILES: Final = {
    "words.txt": "red green\n",
    "unused.py": "VALUE = 1\n",
    "pipeline.py": """
import waterflow as wf
from steps import alone, double

@wf.pipeline
def example(x: int = 3):
    alone(double(x))
""",
    "steps.py": '''
"""The steps."""
from __future__ import annotations

import json
from functools import singledispatch
from typing import NamedTuple

from packaging.version import Version

import kit.patches
import waterflow as wf
from kit import maths, registry
from kit.colours import Colour, PALETTE
from kit.config import LIMITS, Settings
from kit.shapes import Shape, make
from kit.starred import *
from kit.text import title as titled
from kit.words import read

FACTOR = 2
OFFSETS = [0, 10]
SCALE = FACTOR * 5
UNUSED = 99


class Pair(NamedTuple):
    """Two numbers."""

    low: int
    high: int


def shifted(value, by=FACTOR):
    """Return a value, shifted."""
    return value + by + OFFSETS[1]


# Doubles.
@wf.step(retries=1)
def double(x: int) -> int:
    """Double a number."""
    return maths.scaled(x) + shifted(x)  # through two modules


@wf.step
def describe(text: str) -> str:
    return titled(text)


@wf.step
def area(side: int) -> list:
    return [make("square", side).area(), make("disc", side).area(), Shape.unit]


@registry.handler("x")
def handle_x(value):
    return f"x{value}"


@registry.handler("y")
def handle_y(value):
    return f"y{value}"


@wf.step
def handle(name: str) -> list:
    return [registry.HANDLERS[name](1), list(registry.HANDLERS)]


@wf.step
def patched(x: int) -> int:
    return maths.base(x)


@wf.step
def looked_up(name: str) -> int:
    from kit import dynamic

    return dynamic.value_of(name)


@wf.step
def lazy() -> list:
    from kit import lazily

    return [lazily.answer, lazily.plain]


@wf.step
def late(x: int) -> int:
    import kit.late as late_module

    return late_module.cube(x)


@wf.step(include=["words.txt"])
def words() -> list:
    return read()


@wf.step
def colours() -> list:
    return [Colour.RED.value, Colour.GREEN.shade(), PALETTE]


@wf.step
def alone(x: int) -> int:
    total = 0
    for number in range(x):
        total += number
    return total


@singledispatch
def shown(value):
    return "any"


@shown.register
def _(value: int):
    return f"int {value}"


@wf.step
def dispatched(x: int) -> str:
    return shown(x)


COUNT = 0


def count(by=1):
    global COUNT
    COUNT += by
    return COUNT


@wf.step
def counted() -> list:
    return [count(), count(), COUNT]


try:
    import no_such_library as fast
except ImportError:
    fast = None

if fast is None:
    def power(x):
        return x**2
else:
    def power(x):
        return fast.power(x)


@wf.step
def conditional() -> list:
    return [power(3), fast is None]


@wf.step
def starred() -> list:
    return [FROM_STAR, star_function(2)]


def closing(n):
    step = SCALE

    def inner(value):
        FACTOR = 1
        return value * n + step + FACTOR

    return inner


@wf.step
def closed(x: int) -> int:
    return closing(x)(3)


@wf.step
def annotated(x: int) -> Pair:
    pair: Pair = Pair(x, x + 1)
    return pair


@wf.step
def described() -> list:
    return [double.__doc__, Pair.__doc__, maths.__doc__]


@wf.step
def versioned() -> str:
    return str(Version("1.0")) + json.dumps({"a": 1})


@wf.step
def configured() -> list:
    settings = Settings(depth=2)
    return [settings.total(), LIMITS["low"], sorted(LIMITS)]
''',
    "kit/__init__.py": '"""Helpers."""\nVERSION = 1\n',
    "kit/maths.py": '''
"""Numbers."""
from kit.config import BASE


def scaled(x):
    return x * BASE + _extra()


def _extra():
    return 1


def base(x):
    return x - 1


def unused(x):
    return x / 3
''',
    "kit/config.py": """
from dataclasses import dataclass, field

BASE = 4
LIMITS = {"low": 1, "high": 9}
NAMES = tuple(name.upper() for name in ["a", "b"])


@dataclass
class Settings:
    depth: int
    width: int = 3
    tags: list = field(default_factory=list)

    def total(self):
        return self.depth * self.width + len(NAMES)


@dataclass
class Other:
    depth: int = 1
""",
    "kit/text.py": """
import functools


def loud(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs).upper() + "!"

    return wrapper


def quiet(function):
    return function


@loud
def title(text, separator="-"):
    return separator.join(text.split())


@quiet
def subtitle(text):
    return text.lower()
""",
    "kit/shapes.py": """
class Shape:
    unit = "cm"
    kinds = {}

    def area(self):
        return self.factor() * self.side**2

    def factor(self):
        return 1


class Square(Shape):
    def __init__(self, side):
        self.side = side


class Disc(Square):
    def factor(self):
        return 3


class Lonely:
    size = 1


def make(name, side):
    for cls in (*Shape.__subclasses__(), *Square.__subclasses__()):
        if cls.__name__.lower() == name:
            return cls(side)
    raise KeyError(name)
""",
    "kit/registry.py": """
HANDLERS = {}


def handler(name):
    def register(function):
        HANDLERS[name] = function
        return function

    return register
""",
    "kit/patches.py": """
from kit import maths


def better(x):
    return x + 100


def worse(x):
    return x + 1000


maths.base = better
""",
    "kit/dynamic.py": """
_value_one = 1
_value_two = 2


def value_of(name):
    return globals()["_value_" + name]
""",
    "kit/lazily.py": """
plain = 1
_answers = {"answer": 42}


def __getattr__(name):
    return _answers[name]
""",
    "kit/late.py": """
POWER = 3


def cube(x):
    return x**POWER


def square(x):
    return x**2
""",
    "kit/words.py": """
from pathlib import Path


def read():
    return (Path(__file__).parent.parent / "words.txt").read_text().split()
""",
    "kit/colours.py": """
from enum import Enum


class Colour(Enum):
    RED = "r"
    GREEN = "g"

    def shade(self):
        return self.value * 2


PALETTE = [f"{letter}{number}" for letter in "ab" for number in range(2)]
MORE = sorted(["z", "y"])
""",
    "kit/starred.py": """
__all__ = ["FROM_STAR", "star_function"]

FROM_STAR = 5
NOT_STARRED = 6


def star_function(x):
    return x + FROM_STAR
""",
}
"""The project: path -> text."""
