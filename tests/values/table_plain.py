"""Plain data: what JSON has itself, and what it has not."""
# ruff: noqa: E501, F401

import collections
import dataclasses
import datetime as dt
import enum
import fractions
import functools
import types
import typing
import uuid
import zoneinfo
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    TypedDict,
    TypeVar,
)

import numpy as np
import pandas as pd

import waterflow as wf
from tests.values.dtypes import NUMBERS
from tests.values.process import Value

NAN, INF = float("nan"), float("inf")
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
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


BARE = {
    "int": ("int", "3"),
    "int_negative": ("int", "-3"),
    "int_beyond_53_bits": ("int", "2**53 + 1"),
    "int_beyond_64_bits": ("int", "-2**100"),
    "int_huge": ("int", "10**20000"),
    "int_under_float": ("float", "3"),
    "int_big_under_float": ("float", "2**53 + 1"),
    "float": ("float", "0.1"),
    "float_whole": ("float", "3.0"),
    "float_zero": ("float", "-0.0"),
    "float_nan": ("float", "NAN"),
    "float_inf": ("float", "INF"),
    "float_minus_inf": ("float", "-INF"),
    "float_small": ("float", "5e-324"),
    "float_large": ("float", "1.7976931348623157e308"),
    "bool": ("bool", "True"),
    "none": ("None", "None"),
    "text": ("str", "'Wässer \\U0001f600'"),
    "text_empty": ("str", "''"),
    "text_nul": ("str", "'a\\0b'"),
    "text_surrogate": ("str", "'a\\udc80'"),
    "text_like_JSON": ("str", "'{\"$tuple\": []}'"),
    "text_lines": ("str", "'\\r\\n\\t\\u2028\"\\\\'"),
    "int_or_float_int": ("int | float", "2**53 + 1"),
    "int_or_float_float": ("int | float", "2.0"),
    "float_or_int_int": ("float | int", "1"),
    "bool_or_int": ("int | bool", "True"),
    "optional_int": ("int | None", "3"),
    "optional_int_None": ("int | None", "None"),
    "optional_float_None": ("float | None", "None"),
    "optional_text_None": ("str | None", "None"),
    "optional_list_None": ("list[int] | None", "None"),
    "optional_dict_None": ("dict | None", "None"),
    "optional_old": ("typing.Optional[int]", "None"),
    "optional_class_None": ("Point | None", "None"),
    "optional_class": ("Point | None", "Point(1.0)"),
    "int_or_text": ("int | str", "'3'"),
    "literal": ("Literal['a', 1]", "1"),
    "literal_None": ("Literal['a'] | None", "None"),
    "annotated": ("Annotated[int, 'm']", "3"),
    "new_type": ("UserId", "UserId(3)"),
    "numpy_float64": ("float", "np.float64(0.1)"),
    "numpy_float32": ("float", "np.float32(0.1)"),
    "numpy_int64": ("int", "np.int64(3)"),
    "numpy_bool": ("bool", "np.bool_(True)"),
    "numpy_text": ("str", "np.str_('a')"),
    "numpy_nan": ("float", "np.float64('nan')"),
}

CONTAINERS = {
    "list": ("list", "[1, 'a', None, 2.5, True]"),
    "list_empty": ("list", "[]"),
    "list_floats": ("list[float]", "[1.0, 2, NAN, -0.0, INF]"),
    "list_ints": ("list[int]", "[1, 2**63]"),
    "list_optional": ("list[int | None]", "[None, 1]"),
    "list_nested": ("list[list[str]]", "[['a'], []]"),
    "list_Any": ("list[Any]", "[(1, 2), {'a': (3,)}, {1}]"),
    "sequence": ("Sequence[int]", "[1, 2]"),
    "sequence_of_a_tuple": ("Sequence[int]", "(1, 2)"),
    "sequence_of_a_range": ("Sequence[int]", "range(3)"),
    "iterable": ("Iterable[int]", "{1, 2}"),
    "collection": ("Collection[int]", "frozenset([1])"),
    "list_of_bools_and_ints": ("list", "[True, 1, 1.0, 0, False, 0.0, -0.0]"),
    "tuple_within": ("list[tuple[int, str]]", "[(1, 'a'), (2, 'b')]"),
    "tuple_any_length": ("dict[str, tuple[int, ...]]", "{'a': (1, 2), 'b': ()}"),
    "tuple_of_none": ("dict[str, tuple[()]]", "{'a': ()}"),
    "tuple_in_Any": ("dict[str, Any]", "{'a': (1, [2, (3,)]), 'b': [1]}"),
    "tuple_in_tuple": ("list[Any]", "[((1,), ((),))]"),
    "dict": ("dict", "{'b': 1, 'a': 2}"),
    "dict_empty": ("dict", "{}"),
    "dict_order": ("dict[str, int]", "{'z': 1, 'a': 2, 'm': 3}"),
    "dict_order_deep": ("dict[str, dict[str, int]]", "{'z': {'y': 1, 'b': 2}, 'a': {}}"),
    "dict_empty_key": ("dict[str, int]", "{'': 1}"),
    "dict_key_like_a_tag": ("dict", "{'$tuple': [1]}"),
    "dict_keys_like_tags": ("dict", "{'$a': 1, 'b': {'$dict': {'$set': 1}}}"),
    "dict_key_surrogate": ("dict", "{'\\udc80': 1}"),
    "dict_key_dollar": ("dict[str, int]", "{'$': 1}"),
    "dict_int_keys": ("dict[int, str]", "{2: 'b', 1: 'a'}"),
    "dict_float_keys": ("dict[float, int]", "{0.5: 1, INF: 2}"),
    "dict_bool_keys": ("dict[bool, int]", "{True: 1, False: 0}"),
    "dict_None_key": ("dict[str | None, int]", "{None: 1}"),
    "dict_tuple_keys": ("dict[tuple[int, str], int]", "{(1, 'a'): 2}"),
    "dict_mixed_keys": ("dict", "{1: 'a', '1': 'b', (1,): 'c', None: 'd', 1.5: 'e'}"),
    "dict_enum_keys": ("dict[Colour, int]", "{Colour.RED: 1}"),
    "dict_date_keys": ("dict[dt.date, int]", "{dt.date(2024, 1, 1): 1}"),
    "dict_numpy_keys": ("dict", "{np.int64(1): 'a'}"),
    "mapping": ("Mapping[str, int]", "{'b': 1, 'a': 2}"),
    "ordered_dict": ("OrderedDict[str, int]", "OrderedDict(b=1, a=2)"),
    "ordered_dict_under_dict": ("dict[str, int]", "OrderedDict(b=1, a=2)"),
    "counter": ("Counter[str]", "Counter('abca')"),
    "counter_under_dict": ("dict[str, int]", "Counter('ab')"),
    "defaultdict": ("defaultdict[str, list[int]]", "defaultdict(list, a=[1])"),
    "defaultdict_without": ("dict", "defaultdict(None, a=1)"),
    "defaultdict_int": ("dict[str, int]", "defaultdict(int, a=1)"),
    "deque": ("deque[int]", "deque([1, 2], maxlen=5)"),
    "set": ("set[int]", "{3, 1, 2}"),
    "set_of_text": ("set[str]", "set('hello world')"),
    "set_empty": ("set[int]", "set()"),
    "set_mixed": ("set", "{1, 'a', None, (2,), 2.5}"),
    "frozenset": ("frozenset[str]", "frozenset('ab')"),
    "sets_of_sets": ("set[frozenset[int]]", "{frozenset([1]), frozenset()}"),
    "typed_dict": ("Options", "{'rate': 0.5}"),
    "typed_dict_int": ("Options", "{'rate': 1, 'label': 'a'}"),
    "typed_dict_not_total": ("Loose", "{}"),
    "list_of_typed_dicts": ("list[Options]", "[{'label': 'a', 'rate': 0.5}]"),
    "nested_100": ("Any | list", "nested(100)"),
    "numpy_scalars": (
        "dict",
        "{'f': np.float64(0.1), 'i': np.int8(1), 'b': np.bool_(False), 'g': np.float32('nan')}",
    ),
    "numpy_scalars_declared": ("dict[str, float]", "{'auc': np.float64(0.5), 'n': 1}"),
    "list_of_bytes_within": ("dict[str, list[bytes | str]]", "{'a': [b'x', 'x']}"),
}

CLASSES = {
    "dataclass": ("Point", "Point(1.5, ['a'])"),
    "dataclass_int_field": ("Point", "Point(1)"),
    "dataclass_in_list": ("list[Point]", "[Point(1.0), Point(2.0)]"),
    "dataclass_in_dict": ("dict[str, Point]", "{'a': Point(1.0)}"),
    "dataclass_frozen_slots": ("Frozen", "Frozen(name='a', span=(1, 2.0), inner=Point(1.0))"),
    "dataclass_post_init": ("Normalised", "Normalised(4.0)"),
    "dataclass_post_init_refuses": (
        "Refusing",
        "(lambda r: (setattr(r, 'low', 9), r)[1])(Refusing(1, 2))",
    ),
    "dataclass_init_var": ("FromText", "FromText('a b')"),
    "dataclass_unset_field": ("Unset", "Unset(1)"),
    "dataclass_other_attributes": ("Extra", "Extra(2)"),
    "dataclass_cached_property": ("Extra", "with_remembered()"),
    "dataclass_generic": ("Box[int]", "Box((1, 2))"),
    "dataclass_generic_bare": ("Box", "Box(Point(1.0))"),
    "dataclass_tree": ("Tree", "Tree(1, [Tree(2), Tree(3, [Tree(4)])])"),
    "dataclass_nested_class": ("Outer.Inner", "Outer.Inner(1)"),
    "dataclass_everything": (
        "Everything",
        "Everything(dt.datetime(2024, 1, 1), Colour.ROSE, Decimal('1.0'), b'x', frozenset([1]), (1,))",
    ),
    "dataclass_subclass_under_base": ("Point", "Deep(1.0, [], 5)"),
    "dataclass_subclass_in_list": ("list[Point]", "[Deep(1.0), Point(2.0)]"),
    "dataclass_of_a_union_first": ("Point | Spot", "Point(1.0)"),
    "dataclass_of_a_union_second": ("Point | Spot", "Spot(1.0)"),
    "dataclasses_of_a_union": ("list[Point | Spot]", "[Spot(1.0), Point(1.0)]"),
    "dataclass_or_dict": ("list[Point | dict]", "[{'x': 1.0, 'tags': []}, Point(1.0)]"),
    "dataclass_under_Any": ("dict[str, Any]", "{'a': Point(1.0), 'b': {'x': 1.0, 'tags': []}}"),
    "dataclass_under_list": ("list", "[Point(1.0)]"),
    "dataclass_under_a_bare_dict": ("dict", "{'p': Frozen(name='a')}"),
    "named_tuple_within": ("list[Pair]", "[Pair(1), Pair(2, 'b')]"),
    "named_tuple_under_Any": ("list[Any]", "[Pair(1), (1, 'r')]"),
    "named_tuple_under_tuple": ("list[tuple[int, str]]", "[Pair(1)]"),
    "enum": ("Colour", "Colour.ROSE"),
    "enum_in_dict": ("dict[str, Colour]", "{'a': Colour.RED}"),
    "enum_under_Any": ("list", "[Colour.RED]"),
    "enum_int": ("Level", "Level.HIGH"),
    "enum_text": ("Mode", "Mode.FAST"),
    "enum_flag": ("Access", "Access.READ | Access.WRITE"),
    "enum_flag_none": ("Access", "Access(0)"),
    "enum_int_flag": ("Bits", "Bits.ONE | Bits.TWO"),
    "enum_nested": ("Outer.Kind", "Outer.Kind.A"),
    "enum_optional": ("Colour | None", "None"),
    "enum_int_under_Any": ("list", "[Level.LOW, 1]"),
    "enum_text_under_Any": ("list", "[Mode.FAST, 'fast']"),
}

ATOMS = {
    "date": ("dt.date", "dt.date(2024, 2, 29)"),
    "date_first": ("dt.date", "dt.date.min"),
    "datetime": ("dt.datetime", "dt.datetime(2024, 1, 1, 1, 2, 3, 4)"),
    "datetime_under_date": ("dt.date", "dt.datetime(2024, 1, 1)"),
    "datetime_utc": ("dt.datetime", "dt.datetime(2024, 1, 1, tzinfo=dt.UTC)"),
    "datetime_zone": ("dt.datetime", "dt.datetime(2024, 7, 1, tzinfo=BERLIN)"),
    "datetime_fold": ("dt.datetime", "dt.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=BERLIN)"),
    "datetime_fold_naive": ("dt.datetime", "dt.datetime(2024, 10, 27, 2, 30, fold=1)"),
    "datetime_offset": (
        "dt.datetime",
        "dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=-3.5)))",
    ),
    "datetime_offset_named": (
        "dt.datetime",
        "dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1), 'X'))",
    ),
    "datetime_utc_and_zone_utc": (
        "list[dt.datetime]",
        "[dt.datetime(2024, 1, 1, tzinfo=z) for z in (dt.UTC, zoneinfo.ZoneInfo('UTC'))]",
    ),
    "time": ("dt.time", "dt.time(1, 2, 3, 4)"),
    "time_zone": ("dt.time", "dt.time(1, tzinfo=dt.UTC)"),
    "time_fold": ("dt.time", "dt.time(1, fold=1)"),
    "timedelta": ("dt.timedelta", "dt.timedelta(days=-1, seconds=5, microseconds=7)"),
    "timedelta_max": ("dt.timedelta", "dt.timedelta.max"),
    "timezone": ("dt.timezone", "dt.timezone(dt.timedelta(hours=2))"),
    "timezone_utc": ("dt.timezone", "dt.UTC"),
    "zone": ("zoneinfo.ZoneInfo", "BERLIN"),
    "tzinfo": ("dt.tzinfo", "BERLIN"),
    "decimal": ("Decimal", "Decimal('1.10')"),
    "decimal_exponent": ("Decimal", "Decimal('1E+50')"),
    "decimal_nan": ("Decimal", "Decimal('sNaN123')"),
    "decimal_zero": ("Decimal", "Decimal('-0.00')"),
    "decimal_long": ("Decimal", "Decimal('1.' + '3' * 200)"),
    "fraction": ("Fraction", "Fraction(-1, 3)"),
    "complex": ("complex", "complex(-0.0, NAN)"),
    "uuid": ("uuid.UUID", "uuid.UUID(int=2**100)"),
    "bytearray": ("bytearray", "bytearray(b'\\0x')"),
    "range": ("range", "range(9, 0, -2)"),
    "dates": ("list[dt.date]", "[dt.date(2024, 1, 1)]"),
    "dates_in_dict": ("dict[str, dt.datetime]", "{'a': dt.datetime(2024, 1, 1)}"),
    "decimals_under_Any": ("dict", "{'price': Decimal('1.00'), 'raw': '1.00'}"),
    "optional_date": ("dt.date | None", "None"),
    "date_or_text": ("list[dt.date | str]", "['2024-01-01', dt.date(2024, 1, 1)]"),
    "timestamp": ("pd.Timestamp", "pd.Timestamp('2024-01-01 01:02:03.000000004')"),
    "timestamp_zone": ("pd.Timestamp", "pd.Timestamp('2024-07-01', tz='Europe/Berlin')"),
    "timestamp_s": ("pd.Timestamp", "pd.Timestamp('2024').as_unit('s')"),
    "timestamp_fold": (
        "pd.Timestamp",
        "pd.Timestamp('2024-10-27 00:30Z').tz_convert('Europe/Berlin')",
    ),
    "timestamp_fold_1": (
        "pd.Timestamp",
        "pd.Timestamp('2024-10-27 01:30Z').tz_convert('Europe/Berlin')",
    ),
    "timestamp_under_datetime": ("dt.datetime", "pd.Timestamp('2024')"),
    "timestamp_NaT": ("pd.Timestamp", "pd.NaT"),
    "pandas_timedelta": ("pd.Timedelta", "pd.Timedelta(-5, 'ns')"),
    "period": ("pd.Period", "pd.Period('2024Q2', 'Q-NOV')"),
    "interval": ("pd.Interval", "pd.Interval(0, 1.5, closed='neither')"),
    "interval_times": ("pd.Interval", "pd.Interval(pd.Timestamp('2024'), pd.Timestamp('2025'))"),
    "NA_within": ("list", "[pd.NA, pd.NaT, None, NAN]"),
    **{f"numpy_{d}": (f"np.{d}", f"np.{d}(1)") for d in (*NUMBERS, "bool_", "str_")},
    "numpy_bytes": ("np.bytes_", "np.bytes_(b'a\\xff')"),
    "numpy_datetime": ("np.datetime64", "np.datetime64('2024-01-01T01', 'h')"),
    "numpy_NaT": ("np.datetime64", "np.datetime64('NaT', 'ns')"),
    "numpy_timedelta": ("np.timedelta64", "np.timedelta64(5, 'D')"),
    "numpy_complex_odd": ("np.complex128", "np.complex128(complex(NAN, -0.0))"),
    "numpy_any": ("np.generic", "np.int8(1)"),
    "numpy_floating": ("np.floating", "np.float32(0.1)"),
    "numpy_big": ("np.uint64", "np.uint64(2**64 - 1)"),
}

METRICS = {
    "floats": ("wf.Metrics", "wf.Metrics(b=0.5, a=1)"),
    "nan": ("wf.Metrics", "wf.Metrics(auc=NAN)"),
    "inf": ("wf.Metrics", "wf.Metrics(loss=INF)"),
    "empty": ("wf.Metrics", "wf.Metrics()"),
    "odd_names": ("wf.Metrics", "wf.Metrics({'$a': 1.0, 'val/auc': -0.0, '': 2.0})"),
    "within": ("dict[str, wf.Metrics]", "{'a': wf.Metrics(x=1.0)}"),
    "in_list": ("list[wf.Metrics]", "[wf.Metrics(x=NAN), wf.Metrics()]"),
    "in_Any": ("dict[str, Any]", "{'a': wf.Metrics(x=1.0), 'b': {'x': 1.0}}"),
}

# What the next step says is less, or other words for the same: the value is the same all the same.
READERS = {
    "tuple_as_Any": ("dict[str, tuple[int, int]]", "{'a': (1, 2)}", "Any"),
    "tuple_as_dict": ("dict[str, tuple[int, int]]", "{'a': (1, 2)}", "dict"),
    "dataclass_as_Any": ("Point", "Point(1.0)", "object"),
    "dataclass_as_base": ("Deep", "Deep(1.0)", "Point"),
    "date_as_Any": ("dt.date", "dt.date(2024, 1, 1)", "Any"),
    "int_as_float": ("int", "3", "float"),
    "int_as_optional": ("int", "3", "int | None"),
    "None_as_optional_float": ("int | None", "None", "float | None"),
    "enum_as_Any": ("Colour", "Colour.RED", "object"),
    "bool_as_Any": ("bool", "True", "Any"),
    "list_as_sequence": ("list[int]", "[1]", "Sequence[int]"),
    "dict_as_mapping": ("dict[str, int]", "{'b': 1, 'a': 2}", "Mapping[str, int]"),
    "numpy_float_as_float": ("np.float64", "np.float64(1.5)", "float"),
}

_WITHIN = "not plain data"
REFUSED = {
    "object": (
        "dict",
        "{'a': [1, Opaque()]}",
        r"value\['a'\]\[1\] is of type tests.values.table_plain.Opaque.*not plain data",
    ),
    "function": ("list", "[len]", _WITHIN),
    "class": ("list", "[int]", _WITHIN),
    "module": ("list", "[typing]", _WITHIN),
    "generator": ("Iterable[int]", "(i for i in [1])", r"Return list\(...\)"),
    "dict_keys": ("list", "[{}.keys()]", r"Return list\(...\)"),
    "path_within": (
        "dict[str, Any]",
        "{'a': Path('x')}",
        r"value\['a'\] is of type pathlib.*Return the Path as an output of its own",
    ),
    "array_within": (
        "dict[str, Any]",
        "{'a': np.zeros(2)}",
        r"value\['a'\] is of type numpy.ndarray.*list\[np.ndarray\]",
    ),
    "frame_within": (
        "list",
        "[pd.DataFrame()]",
        r"value\[0\] is of type pandas.*list\[pd.DataFrame\]",
    ),
    "text_subclass": ("str", "MyText('a')", "subclass of str"),
    "int_subclass": ("int", "MyInt(1)", "subclass of int"),
    "list_subclass": ("list", "MyList([1])", "subclass of list.*return list"),
    "dict_subclass": ("dict[str, int]", "MyDict(a=1)", "subclass of dict"),
    "int_subclass_within": ("dict", "{'a': MyInt(1)}", r"value\['a'\] is .*subclass of int"),
    "enum_int_under_int": ("int", "Level.LOW", "Plain data of type 'integer' is expected"),
    "enum_text_under_str": ("str", "Mode.FAST", "Plain data of type 'string' is expected"),
    "bool_under_int": ("int", "True", "'integer' is expected, and the value is True"),
    "int_under_bool": ("bool", "1", "'boolean' is expected"),
    "float_under_int": ("int", "1.5", "'integer' is expected"),
    "float_whole_under_int": ("int", "1.0", "'integer' is expected"),
    "text_under_int": ("int", "'1'", "'integer' is expected"),
    "int_under_text": ("str", "1", "'string' is expected"),
    "list_of_other": (
        "list[int]",
        "[1, 'x']",
        r"value\[1\] is 'x' \(str\), and an integer is expected. Make the step return",
    ),
    "dict_of_other": ("dict[str, float]", "{'a': '1'}", r"value\['a'\] is '1'"),
    "dict_other_keys": ("dict[str, int]", "{1: 1}", r"the key 1 of value is 1 \(int\)"),
    "list_under_tuple": ("dict[str, tuple[int, int]]", "{'a': [1, 2]}", "a tuple is expected"),
    "tuple_under_list": ("list[int]", "(1, 2)", "a list is expected"),
    "tuple_too_long": ("list[tuple[int, int]]", "[(1, 2, 3)]", "a tuple of 2 is expected"),
    "dict_under_dataclass": ("Point", "{'x': 1.0, 'tags': []}", "the fields of Point is expected"),
    "base_under_dataclass": ("Deep", "Point(1.0)", "the fields of Deep is expected"),
    "other_dataclass": ("Point", "Spot(1.0)", "the fields of Point"),
    "typed_dict_missing": ("Options", "{'label': 'a'}", "does not fit Options"),
    "typed_dict_other": ("Options", "{'rate': 1.0, 'x': 1}", "does not fit Options"),
    "literal_other": ("Literal['a', 'b']", "'c'", "one of"),
    "None_for_nothing": ("list[int]", "[None]", "an integer is expected"),
    "dataclass_of_a_function": ("Any | list", "[local_dataclass()]", "cannot be found again"),
    "dataclass_and_dict": ("Any | list", "[AlsoDict()]", "also something else"),
    "holding_itself": ("list", "holding_itself()", "holds itself"),
    "nested_too_deep": ("list", "nested(100_000)", "nested too deep"),
    "defaultdict_own_factory": ("dict[str, int]", "defaultdict(lambda: 1)", "factory of its own"),
    "numpy_longdouble": ("np.longdouble", "np.longdouble(1)", "numpy scalar that JSON cannot hold"),
    "zone_without_key": (
        "dt.tzinfo",
        "zoneinfo.ZoneInfo.from_file(open(zoneinfo.TZPATH[0] + '/UTC', 'rb')) if 0 else pd.Timestamp('2024', tz='dateutil/UTC').tzinfo",
        "not plain data",
    ),
    "metrics_text": ("wf.Metrics", "{'auc': 'high'}", "The metric 'auc' is 'high'"),
    "metrics_bool": ("wf.Metrics", "{'auc': True}", "The metric 'auc' is True"),
    "metrics_list": ("wf.Metrics", "[1.0]", "A dict of metrics"),
    "metrics_inexact": ("wf.Metrics", "{'n': 2**53 + 1}", "no float is that exactly"),
    "proxy": ("Mapping[str, int]", "types.MappingProxyType({'a': 1})", _WITHIN),
    "simple_namespace": ("list", "[types.SimpleNamespace(a=1)]", r"vars\(value\)"),
}

VALUES = [
    *(
        Value(f"{group}-{name}", *row)
        for group, rows in (
            ("bare", BARE),
            ("containers", CONTAINERS),
            ("classes", CLASSES),
            ("atoms", ATOMS),
            ("metrics", METRICS),
        )
        for name, row in rows.items()
    ),
    *(
        Value(f"read-{name}", declared, source, reader=reader)
        for name, (declared, source, reader) in READERS.items()
    ),
    *(Value(f"refused-{name}", *row) for name, row in REFUSED.items()),
]
