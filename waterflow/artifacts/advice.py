"""What to write instead of an annotation that no serializer takes: advice by the class's name."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any, Final

from waterflow.artifacts import annotations

_BY_NAME: Final = {
    "polars.Series": "Return series.to_frame(), a pl.DataFrame.",
    "polars.LazyFrame": "Return frame.collect(), a pl.DataFrame.",
    "polars.Expr": "Return a pl.DataFrame that it is applied to.",
    "pyarrow.RecordBatch": "Return pa.Table.from_batches([batch]), a pa.Table.",
    "pyarrow.Array": "Return pa.table({'name': array}), a pa.Table.",
    "pyarrow.ChunkedArray": "Return pa.table({'name': array}), a pa.Table.",
    "pyarrow.Schema": "Return schema.empty_table(), a pa.Table.",
    "pyarrow.Dataset": "Return dataset.to_table(), a pa.Table, or the Path of its files.",
    "pandas.DataFrameGroupBy": "Return the frame that it groups, and group it where it is read.",
    "pandas.ExtensionArray": "Return pd.Series(array).",
    "numpy.dtype": "Return dtype.str, a str.",
    "pydantic.BaseModel": "Return model.model_dump(), a dict, or make it a dataclass.",
    "io.IOBase": "Write it to a file, and return its Path.",
    "matplotlib.Axes": "Return axes.figure, a matplotlib Figure.",
    "builtins.memoryview": "Return bytes(view).",
    "types.FunctionType": "Import the function where it is called.",
    "types.ModuleType": "Import the module where it is used.",
    "types.GeneratorType": "Return list(...) of it.",
    "types.SimpleNamespace": "Make it a dataclass.",
    "types.MappingProxyType": "Return dict(...) of it.",
    "typing.Iterator": "Return list(...) of it.",
    "typing.Generator": "Return list(...) of it.",
    "typing.Callable": "Import the function where it is called.",
}

_OWN: Final = {
    ("pandas", "DataFrame"): "pd.DataFrame",
    ("pandas", "Series"): "pd.Series",
    ("pandas", "Index"): "pd.Index",
    ("polars", "DataFrame"): "pl.DataFrame",
    ("numpy", "ndarray"): "np.ndarray",
    ("pyarrow", "Table"): "pa.Table",
}

_PLAIN_BASES: Final = (int, float, str, list, dict, set, frozenset, bytes)


def advice(annotation: object) -> str:
    """Return what to write instead of an annotation that has no type name; "" for no advice."""
    annotation = annotations.bare(annotation)
    kind: Any = typing.get_origin(annotation) or annotation
    if not isinstance(kind, type):
        return ""
    if word := annotations.collection(annotation):
        return _of_collection(annotation, word)
    if annotations.is_record(kind):
        return _of_record(kind)
    names = [(base.__module__.partition(".")[0], base.__name__) for base in kind.__mro__]
    for name in names:
        if name in _OWN:
            return (
                f"{kind.__name__} is a subclass of {_OWN[name]} and may hold more than that. "
                f"Return {_OWN[name]}(value), or a Path to a file in its own library's format."
            )
    for top, name in names:
        for module in (top, "types", "typing" if top in ("collections", "typing") else top):
            if f"{module}.{name}" in _BY_NAME and (top, name) != ("builtins", "object"):
                return _BY_NAME[f"{module}.{name}"]
    for base in _PLAIN_BASES:
        if issubclass(kind, base):
            return f"{kind.__name__} is a subclass of {base.__name__}: use {base.__name__} itself."
    if hasattr(kind, "__attrs_attrs__"):
        return "Return attrs.asdict(value), a dict, or make it a dataclass."
    return ""


def _of_collection(annotation: Any, word: str) -> str:
    """Return advice on a container whose items are the trouble."""
    from waterflow.artifacts.registry import type_name

    arguments = [item for item in typing.get_args(annotation) if item is not Ellipsis]
    for item in arguments:
        name = type_name(item)
        if name is None and (inner := advice(item)):
            return inner
        if name is not None and word in ("tuple", "set", "items"):
            shown = getattr(item, "__name__", str(item))
            return f"Files stand in lists and dicts: list[{shown}] or dict[str, {shown}]."
    return ""


def _of_record(kind: type) -> str:
    """Return advice on a dataclass with a field that is no plain data."""
    from waterflow.artifacts.registry import part_of_plain, type_name

    what = "fields" if dataclasses.is_dataclass(kind) else "entries"
    for name, hint in annotations.hints(kind).items():
        if not part_of_plain(type_name(hint)):
            shown = getattr(hint, "__name__", str(hint))
            return (
                f"Its {what[:-1]} '{name}' is a {shown}, which is a file of its own: return the "
                f"{what} as outputs of a typing.NamedTuple."
            )
    return ""
