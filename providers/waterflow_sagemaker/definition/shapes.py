"""Values against botocore's own model of SageMaker: every member, number, length, pattern, enum."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.errors import MissingDependencyError
from waterflow_sagemaker.definition.document import is_expression
from waterflow_sagemaker.definition.patterns import matches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from botocore.model import ServiceModel, Shape

    from waterflow_sagemaker.definition.document import Path

    OnExpression = Callable[[Mapping[str, Any], "Shape", "Path"], Iterable["Violation"]]

KEY: Final = "(key)"
"""Stands in a path for "the key of this map" before the key itself."""
_SHOWN: Final = 80
_LISTED: Final = 12
_NUMBERS: Final = {"integer": (int,), "long": (int,), "float": (int, float), "double": (int, float)}
_NAMES: Final = {
    "structure": "an object", "map": "an object", "list": "a list", "string": "a text",
    "integer": "a whole number", "long": "a whole number", "float": "a number",
    "double": "a number", "boolean": "true or false", "timestamp": "a time", "blob": "bytes",
}  # fmt: skip


@dataclass(frozen=True)
class Violation:
    """One value that the model refuses.

    Attributes:
        path: Where: member names, indexes; `KEY` before a map's key that is meant itself.
        kind: missing, unknown, type, enum, pattern, min, max, shortest, longest, union, reference.
        value: What was found there.
        limit: What is allowed: a number, a pattern, the enum, the members or the type's name.
        shape: The shape that refuses it; None for rules that the model does not know.
        parent: For an element of a list or map: the whole of it.
    """

    path: Path
    kind: str
    value: Any
    limit: Any = None
    shape: Shape | None = None
    parent: Any = None


@lru_cache(maxsize=1)
def service() -> ServiceModel:
    """Return botocore's model of SageMaker; reads it from disk once, in about 0.3 s.

    Raises:
        MissingDependencyError: botocore is not installed.
    """
    try:
        from botocore.loaders import Loader
        from botocore.model import ServiceModel
    except ModuleNotFoundError:
        raise MissingDependencyError(
            "botocore", "Checking SageMaker's limits", "pip install 'waterflow[sagemaker]'"
        ) from None
    return ServiceModel(Loader().load_service_model("sagemaker", "service-2"), "sagemaker")


@lru_cache(maxsize=256)
def input_of(operation: str) -> Shape | None:
    """Return an operation's input shape; None where it takes nothing or is unknown."""
    model = service()
    if operation not in model.operation_names:
        return None
    return model.operation_model(operation).input_shape


@lru_cache(maxsize=256)
def output_of(operation: str) -> Shape | None:
    """Return an operation's output shape; None where it gives nothing or is unknown."""
    model = service()
    if operation not in model.operation_names:
        return None
    return model.operation_model(operation).output_shape


class Walk:
    """A walk over a value along its shape.

    Args:
        on_expression: What to say of a pipeline's expression that stands for a value; None where
            no expressions are allowed.
        without: Required members of the outermost structure that may be missing.
    """

    def __init__(
        self, on_expression: OnExpression | None = None, without: Iterable[str] = ()
    ) -> None:
        self._on_expression = on_expression
        self._without = frozenset(without)

    def __call__(self, value: Any, shape: Shape, path: Path = ()) -> Iterator[Violation]:
        """Yield all that the model refuses in a value."""
        if self._on_expression and is_expression(value) and not _is_plain_map(value, shape):
            yield from self._on_expression(value, shape, path)
            return
        kind = shape.type_name
        if not _is_of(value, kind):
            yield Violation(path, "type", value, _NAMES.get(kind, kind), shape)
        elif kind == "structure":
            yield from self._structure(value, shape, path)
        elif kind == "list":
            yield from self._list(value, shape, path)
        elif kind == "map":
            yield from self._map(value, shape, path)
        else:
            yield from scalar(value, shape, path)

    def _structure(self, value: dict[str, Any], shape: Any, path: Path) -> Iterator[Violation]:
        members: Mapping[str, Shape] = shape.members
        if getattr(shape, "is_document_type", False):
            return
        for name in shape.required_members:
            if value.get(name) is None and not (not path and name in self._without):
                yield Violation((*path, name), "missing", None, None, members[name])
        if getattr(shape, "is_tagged_union", False) and len(value) != 1:
            yield Violation(path, "union", value, tuple(members), shape)
        for name, inner in value.items():
            if name not in members:
                yield Violation((*path, name), "unknown", inner, tuple(members), shape)
            elif inner is not None:
                yield from self(inner, members[name], (*path, name))

    def _list(self, value: list[Any], shape: Any, path: Path) -> Iterator[Violation]:
        yield from _length(value, shape, path)
        for index, inner in enumerate(value):
            for violation in self(inner, shape.member, (*path, index)):
                yield _within(violation, (*path, index), value)

    def _map(self, value: dict[str, Any], shape: Any, path: Path) -> Iterator[Violation]:
        yield from _length(value, shape, path)
        for key, inner in value.items():
            for violation in scalar(key, shape.key, (*path, KEY, key)):
                yield _within(violation, (*path, KEY, key), value)
            for violation in self(inner, shape.value, (*path, key)):
                yield _within(violation, (*path, key), value)


def scalar(value: Any, shape: Any, path: Path) -> Iterator[Violation]:
    """Yield what the model refuses of a text, number, boolean, time or bytes."""
    kind = shape.type_name
    if kind == "string":
        if shape.enum and value not in shape.enum:
            yield Violation(path, "enum", value, tuple(shape.enum), shape)
        yield from _length(value, shape, path)
        pattern = shape.metadata.get("pattern")
        if pattern is not None and not matches(pattern, value):
            yield Violation(path, "pattern", value, pattern, shape)
    elif kind in _NUMBERS:
        least, most = shape.metadata.get("min"), shape.metadata.get("max")
        if least is not None and value < least:
            yield Violation(path, "min", value, least, shape)
        if most is not None and value > most:
            yield Violation(path, "max", value, most, shape)


def _length(value: Any, shape: Any, path: Path) -> Iterator[Violation]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and len(value) < least:
        yield Violation(path, "shortest", value, least, shape)
    if most is not None and len(value) > most:
        yield Violation(path, "longest", value, most, shape)


def _within(violation: Violation, path: Path, parent: Any) -> Violation:
    """Give the whole list or map to a violation of one of its own scalars."""
    if violation.path != path:
        return violation
    return replace(violation, parent=parent)


def _is_plain_map(value: Mapping[str, Any], shape: Shape) -> bool:
    """Return whether what looks like an expression is a map with an entry of that name."""
    text = value.get("Get")
    return (
        shape.type_name == "map"
        and isinstance(text, str)
        and not text.startswith(("Parameters.", "Steps.", "Execution."))
    )


def _is_of(value: Any, kind: str) -> bool:
    if kind in _NUMBERS:
        return isinstance(value, _NUMBERS[kind]) and not isinstance(value, bool)
    if kind in ("structure", "map"):
        return isinstance(value, dict)
    if kind == "list":
        return isinstance(value, (list, tuple))
    if kind in ("string", "boolean"):
        return isinstance(value, str if kind == "string" else bool)
    # A time or bytes have several forms on the wire, none of which is one of these.
    return not isinstance(value, (dict, list, bool))


# --- in words -------------------------------------------------------------------------------------


def described(violation: Violation) -> str:
    """Return "found ...; limit" for a reader who never saw the model."""
    value, limit = violation.value, violation.limit
    if violation.kind == "enum":
        return f"found {shown(value)}; {near(str(value), limit)}"
    if violation.kind == "unknown":
        name = str(violation.path[-1])
        return f"found the unknown member '{name}'; {near(name, limit)}"
    if violation.kind in ("shortest", "longest"):
        most = violation.kind == "longest"
        bound = f"at {'most' if most else 'least'} {_count(value, limit)}"
        return f"found {_count(value)}; {bound} {'allowed' if most else 'required'}"
    if violation.kind == "union":
        return f"found {shown(value)}; exactly one is allowed of {_listed(limit)}"
    texts = {
        "missing": "found nothing; a value is required",
        "type": f"found {shown(value)}; {limit} is required",
        "pattern": f"found {shown(value)}; it must match {limit}",
        "min": f"found {shown(value)}; at least {limit} is required",
        "max": f"found {shown(value)}; at most {limit} is allowed",
    }
    return texts[violation.kind]


def show_path(path: Path) -> str:
    """Return a path as `A.B[0]['c']`; members that are plain words stand behind a point."""
    text = ""
    for part in path:
        if part == KEY:
            text += " key "
        elif isinstance(part, int):
            text += f"[{part}]"
        elif part.isidentifier():
            text += f".{part}" if text and not text.endswith(" ") else part
        else:
            text += f"['{part}']"
    return text


def shown(value: Any) -> str:
    """Return a value as JSON, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _count(value: Any, number: int | None = None) -> str:
    number = len(value) if number is None else number
    noun = "character" if isinstance(value, str) else "entry"
    plural = noun if number == 1 else {"character": "characters", "entry": "entries"}[noun]
    return f"{number} {plural}"


def near(name: str, known: Iterable[str]) -> str:
    """Return "did you mean ...?", or what there is."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.7)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"allowed is one of {_listed(known)}"


def _listed(names: Iterable[str]) -> str:
    listed = list(names)
    shown_names = listed if len(listed) <= _LISTED else [*listed[:_LISTED], "..."]
    return ", ".join(shown_names) or "nothing"


# --- in the service's words -----------------------------------------------------------------------


def refusal(violation: Violation) -> str:
    """Return what SageMaker says of a violation, without how many there are."""
    path, value, rule = violation.path, violation.value, _rule(violation)
    if violation.kind == "type":
        return f"Invalid type for parameter '{show_path(path)}': must be: {violation.limit}"
    if violation.kind == "unknown":
        known = ", ".join(violation.limit)
        return f"Unknown parameter '{show_path(path)}': must be one of: {known}"
    if violation.parent is not None and violation.kind != "missing":
        value, key = violation.parent, KEY in path
        path = path[: path.index(KEY)] if key else path[:-1]
        member = isinstance(violation.path[-1], int)
        subject = "Member" if member else "Map keys" if key else "Map value"
        rule = f"{subject} must satisfy constraint: [{', '.join(_rules(violation))}]"
    written = "null" if value is None else f"'{_java(value)}'"
    return f"Value {written} at '{_service_path(path)}' failed to satisfy constraint: {rule}"


def _rule(violation: Violation) -> str:
    if violation.kind == "missing":
        return "Member must not be null"
    if violation.kind == "union":
        return f"Member must have exactly one of: [{', '.join(violation.limit)}]"
    if violation.kind == "enum":
        return f"Member must satisfy enum value set: [{', '.join(violation.limit)}]"
    if violation.kind == "pattern":
        return f"Member must satisfy regular expression pattern: {violation.limit}"
    what = "length" if violation.kind in ("shortest", "longest") else "value"
    side = "less" if violation.kind in ("max", "longest") else "greater"
    return f"Member must have {what} {side} than or equal to {violation.limit}"


def _rules(violation: Violation) -> list[str]:
    """Return all constraints of an element, in the service's order."""
    shape: Any = violation.shape
    rules: list[str] = []
    text = shape.type_name not in _NUMBERS
    kinds = (("max", "longest"), ("min", "shortest")) if text else (("max", "max"), ("min", "min"))
    for key, kind in kinds:
        if key in shape.metadata:
            rules.append(_rule(Violation((), kind, None, shape.metadata[key])))
    if "pattern" in shape.metadata:
        rules.append(_rule(Violation((), "pattern", None, shape.metadata["pattern"])))
    if getattr(shape, "enum", None):
        rules.append(_rule(Violation((), "enum", None, tuple(shape.enum))))
    return rules


def _service_path(path: Path) -> str:
    """Return `tags.1.member.key`: members start small, elements count from one."""
    parts: list[str] = []
    for part in path:
        if isinstance(part, int):
            parts += [str(part + 1), "member"]
        elif part != KEY:
            parts.append(part[:1].lower() + part[1:])
    return ".".join(parts)


def _java(value: Any) -> str:
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value).items()
        return "{" + ", ".join(f"{key}={_java(inner)}" for key, inner in pairs) + "}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_java, cast('list[Any]', value)))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
