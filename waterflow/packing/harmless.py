"""What of Python and of libraries a module's top may use without doing more than bind a name."""

from __future__ import annotations

from typing import Final

STEP: Final = frozenset({"waterflow.step", "waterflow.pipeline"})

DECORATORS: Final = STEP | {
    "abc.abstractmethod", "classmethod", "contextlib.asynccontextmanager",
    "contextlib.contextmanager", "dataclasses.dataclass", "enum.unique", "functools.cache",
    "functools.cached_property", "functools.lru_cache", "functools.singledispatch",
    "functools.total_ordering", "functools.wraps", "property", "staticmethod", "typing.final",
    "typing.no_type_check", "typing.overload", "typing.override", "typing.runtime_checkable",
    "typing_extensions.override",
}  # fmt: skip
"""Decorators that do nothing but make something of what they are given."""

CALLS: Final = frozenset(
    {
        "bool", "bytes", "collections.Counter", "collections.OrderedDict",
        "collections.defaultdict", "collections.deque", "collections.namedtuple", "complex",
        "dataclasses.field", "datetime.date", "datetime.datetime", "datetime.time",
        "datetime.timedelta", "decimal.Decimal", "dict", "enum.auto", "float",
        "fractions.Fraction", "frozenset", "int", "len", "list", "logging.getLogger", "max", "min",
        "numpy.array", "object", "operator.attrgetter", "operator.itemgetter", "pathlib.Path",
        "pathlib.PurePath", "pathlib.PurePosixPath", "range", "re.compile", "round", "set", "slice",
        "sorted", "str", "string.Template", "sum", "textwrap.dedent", "tuple",
        "types.MappingProxyType", "types.SimpleNamespace", "typing.NewType", "typing.ParamSpec",
        "typing.TypeVar", "uuid.UUID", "waterflow.Data", "waterflow.secret",
    }
)  # fmt: skip
"""Calls that read their arguments, which are plain data here, and make a value."""

BASES: Final = frozenset(
    {
        "abc.ABC", "collections.OrderedDict", "collections.UserDict", "collections.UserList",
        "enum.Enum", "enum.Flag", "enum.IntEnum", "enum.IntFlag", "enum.StrEnum", "typing.Generic",
        "typing.NamedTuple", "typing.Protocol", "typing.TypedDict", "torch.nn.Module",
        "torch.utils.data.Dataset", "sklearn.base.BaseEstimator", "sklearn.base.ClassifierMixin",
        "sklearn.base.RegressorMixin", "sklearn.base.TransformerMixin",
    }
)  # fmt: skip
"""Classes of libraries that take no note of their subclasses."""

METHODS: Final = frozenset(
    {
        "capitalize", "casefold", "copy", "count", "decode", "encode", "endswith", "format", "get",
        "index", "items", "join", "keys", "lower", "lstrip", "removeprefix", "removesuffix",
        "replace", "rstrip", "split", "splitlines", "startswith", "strip", "title", "union",
        "upper", "values", "zfill",
    }
)  # fmt: skip
"""Methods of plain data that change nothing."""
CHANGING: Final = frozenset(
    {
        "add", "append", "clear", "discard", "extend", "insert", "pop", "remove", "reverse",
        "setdefault", "sort", "update",
    }
)  # fmt: skip
"""Methods of plain data that change it."""
