"""What plain data is made of beyond Python's own: enums, dataclasses, typed dicts, subclasses."""

import dataclasses
import datetime as dt
import enum
import functools
from decimal import Decimal
from typing import (
    Any,
    Generic,
    NamedTuple,
    NewType,
    NotRequired,
    TypedDict,
    TypeVar,
)

T = TypeVar("T")
UserId = NewType("UserId", int)


class Colour(enum.Enum):
    RED = 1
    ROSE = "pink"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Mode(enum.StrEnum):
    FAST = "fast"


class Access(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()


class Bits(enum.IntFlag):
    ONE = 1
    TWO = 2


@dataclasses.dataclass
class Point:
    x: float
    tags: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Deep(Point):
    z: int = 0


@dataclasses.dataclass
class Spot:
    x: float
    tags: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    name: str
    span: tuple[int, float] = (0, 0.0)
    inner: Point | None = None


@dataclasses.dataclass
class Normalised:
    """Changes its arguments, and would again."""

    value: float
    total: float = dataclasses.field(init=False)
    times: int = dataclasses.field(init=False, default=0)

    def __post_init__(self) -> None:
        self.value = self.value / 2
        self.total = self.value + 1
        self.times += 1


@dataclasses.dataclass
class Refusing:
    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


@dataclasses.dataclass
class FromText:
    """Is made of something else than its fields."""

    text: dataclasses.InitVar[str]
    words: list[str] = dataclasses.field(init=False)

    def __post_init__(self, text: str) -> None:
        self.words = text.split()


@dataclasses.dataclass
class Unset:
    one: int
    later: int = dataclasses.field(init=False)


@dataclasses.dataclass
class Extra:
    a: int

    def __post_init__(self) -> None:
        self.doubled = self.a * 2

    @functools.cached_property
    def remembered(self) -> object:
        return object()


@dataclasses.dataclass
class Box(Generic[T]):
    content: T


@dataclasses.dataclass
class Tree:
    value: int
    children: list["Tree"] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Everything:
    when: dt.datetime
    colour: Colour
    price: Decimal
    data: bytes
    ids: frozenset[int]
    anything: Any = None


@dataclasses.dataclass
class AlsoDict(dict):
    a: int = 1


class Outer:
    @dataclasses.dataclass
    class Inner:
        a: int

    class Kind(enum.Enum):
        A = 1


class Pair(NamedTuple):
    left: int
    right: str = "r"


class Options(TypedDict):
    rate: float
    label: NotRequired[str]


class Loose(TypedDict, total=False):
    rate: float
    label: str


class MyText(str):
    pass


class MyInt(int):
    pass


class MyList(list):
    pass


class MyDict(dict):
    pass


class Opaque:
    pass


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def holding_itself() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


def local_dataclass() -> Any:
    return dataclasses.make_dataclass("Made", ["a"])(1)


def with_remembered() -> Extra:
    value = Extra(2)
    assert value.remembered
    return value
