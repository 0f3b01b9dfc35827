"""What a function's signature says: the types of its arguments and results, in the spec's words."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import operator
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast, get_args, get_origin

from waterflow.artifacts.types import Model
from waterflow.errors import DefinitionError
from waterflow.language.places import line_location
from waterflow.language.types import STATIC, Data

if TYPE_CHECKING:
    from collections.abc import Callable

NO_DEFAULT: Final = inspect.Parameter.empty
SINGLE: Final = "output"
"""The name of a step's result when it has just one."""


@dataclass(frozen=True)
class Argument:
    """One argument of a step or pipeline function.

    Attributes:
        name: Its name.
        annotation: Its declared type, without `None` and `Static`.
        type: The type's name in the spec.
        default: Its default, or NO_DEFAULT.
        optional: Whether None is allowed.
        choices: The only values allowed (from `Literal`), or empty.
        static: Whether it is marked `wf.Static`.
        program: Whether a program is given it, to which plain data is shown as JSON text.
    """

    name: str
    annotation: Any
    type: str
    default: Any
    optional: bool
    choices: tuple[Any, ...]
    static: bool
    program: bool = False


@dataclass(frozen=True)
class Signature:
    """A step function's interface.

    Attributes:
        python: Python's own signature, to bind a call with.
        arguments: By name, in order.
        outputs: Output name -> type name; one named "output" for a single result.
        annotations: Output name -> its declared type.
        named: The NamedTuple class that holds several outputs, or None.
    """

    python: inspect.Signature
    arguments: dict[str, Argument]
    outputs: dict[str, str]
    annotations: dict[str, Any]
    named: type[tuple[Any, ...]] | None

    def listed(self) -> Signature:
        """Return the interface of the function called for many items: each output is a list."""
        from waterflow.artifacts import is_plain

        return dataclasses.replace(
            self,
            outputs={
                name: "json" if is_plain(kind) else f"list[{kind}]"
                for name, kind in self.outputs.items()
            },
            annotations={name: list[kind] for name, kind in self.annotations.items()},
        )


def function_location(function: Callable[..., Any]) -> str:
    """Return `file:line` where a function is defined; of a cell's, `In [3], line 1`."""
    code = function.__code__
    return line_location(code.co_filename, code.co_firstlineno)


def read_arguments(function: Callable[..., Any], owner: str) -> tuple[dict[str, Argument], Any]:
    """Read a function's arguments and return annotation.

    Args:
        function: The user's function.
        owner: "step 'x'" or "pipeline 'x'", for messages.

    Raises:
        DefinitionError: `*args`, positional-only arguments, a missing or unknown annotation.
    """
    where = function_location(function)
    hints = _hints(function, owner, where)
    arguments: dict[str, Argument] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
            parameter.POSITIONAL_ONLY,
        ):
            raise DefinitionError(
                f"{owner} declares '{parameter}': its arguments need plain names, because each is "
                "one edge of the graph. Name them one by one, or take a list.",
                where,
            )
        annotation = hints.get(name)
        if annotation is None and name not in hints:
            if parameter.default in (NO_DEFAULT, None):
                raise DefinitionError(
                    f"{owner}: argument '{name}' has no type. Types decide how values travel: "
                    f"write for example `{name}: pd.DataFrame`.",
                    where,
                )
            annotation = cast("Any", type(parameter.default))
        arguments[name] = _argument(name, annotation, parameter.default, owner, where)
    return arguments, hints.get("return", NO_DEFAULT)


def read_signature(function: Callable[..., Any], owner: str) -> Signature:
    """Read a step function's whole interface.

    Raises:
        DefinitionError: See `read_arguments`; also a missing or unknown return annotation.
    """
    arguments, returned = read_arguments(function, owner)
    where = function_location(function)
    for argument in arguments.values():
        if argument.static:
            raise DefinitionError(
                f"{owner}: argument '{argument.name}' is wf.Static, which is for pipelines: "
                "a step's plain arguments are known when it runs anyway.",
                where,
            )
    annotations, named = _outputs(returned, owner, where)
    outputs = {
        name: _output(annotation, owner if named is None else f"{owner}, output '{name}'", where)
        for name, annotation in annotations.items()
    }
    return Signature(inspect.signature(function), arguments, outputs, annotations, named)


def _hints(function: Callable[..., Any], owner: str, where: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise DefinitionError(
            f"{owner}: the annotation name '{error.name}' is not defined when the step is used. "
            "Import it at the top of the module, outside `if TYPE_CHECKING`.",
            where,
        ) from None
    except (TypeError, SyntaxError, AttributeError) as error:
        raise DefinitionError(f"{owner}: an annotation cannot be read: {error}.", where) from None


def _argument(name: str, annotation: Any, default: Any, owner: str, where: str) -> Argument:
    from waterflow.artifacts import type_name

    static = get_origin(annotation) is typing.Annotated and STATIC in annotation.__metadata__
    if static:
        annotation = get_args(annotation)[0]
    annotation, optional = without_none(annotation)
    choices = get_args(annotation) if get_origin(annotation) is typing.Literal else ()
    type_ = type_name(annotation)
    if type_ is None:
        raise DefinitionError(
            f"{owner}: nothing is known about how to pass '{name}: {show(annotation)}' from step "
            f"to step. {_advice(annotation)}",
            where,
        )
    return Argument(name, annotation, type_, default, optional or default is None, choices, static)


def _outputs(
    returned: Any, owner: str, where: str
) -> tuple[dict[str, Any], type[tuple[Any, ...]] | None]:
    """Return the outputs' annotations by name, and the NamedTuple class that holds several."""
    if returned is NO_DEFAULT:
        raise DefinitionError(
            f"{owner} has no return type. Types decide the file format: write for example "
            "`-> pd.DataFrame`, or `-> None`.",
            where,
        )
    if returned is None or returned is type(None):
        return {}, None
    if isinstance(returned, type) and issubclass(returned, tuple) and hasattr(returned, "_fields"):
        hints = typing.get_type_hints(returned)
        fields = cast("tuple[str, ...]", returned._fields)  # type: ignore[attr-defined]
        named = cast("type[tuple[Any, ...]]", returned)
        return {field: hints.get(field, Any) for field in fields}, named
    if get_origin(returned) is tuple or returned is tuple:
        raise DefinitionError(
            f"{owner} returns {show(returned)}: several outputs need names. Return a "
            "`typing.NamedTuple` class with one field an output.",
            where,
        )
    return {SINGLE: returned}, None


def _output(annotation: Any, owner: str, where: str) -> str:
    from waterflow.artifacts import type_name
    from waterflow.artifacts.advice import advice

    annotation, optional = without_none(annotation)
    type_ = type_name(annotation)
    if type_ is None and (hint := advice(annotation)):
        raise DefinitionError(
            f"{owner} returns {show(annotation)}, which does not say how to store it. {hint}", where
        )
    if type_ is None or type_ in ("any", "data") or (optional and not _is_plain(type_)):
        raise DefinitionError(
            f"{owner} returns {show(annotation)}{' or None' if optional else ''}, which does not "
            "say how to store it. Name one artifact type: a DataFrame, an estimator, an array, "
            "plain data such as dict[str, float], a Path, a Figure. Or say how it is kept: "
            f"{_way(annotation)}",
            where,
        )
    return "json" if optional else type_


def _advice(annotation: Any) -> str:
    from waterflow.artifacts.advice import advice

    way = f"Use one of the artifact types, or say how it is kept: {_way(annotation)}."
    return advice(annotation) or way


def _way(annotation: Any) -> str:
    """Return how a class that no serializer takes may be kept."""
    if not isinstance(annotation, type) or get_args(annotation):
        # Of list[Net] it is the items' class that is meant.
        classes = [one for one in get_args(annotation) if isinstance(one, type)]
        ways = [_way(one) for one in classes if not _is_stored(one)]
        return ways[0] if ways else "wf.serializer(Class, save=..., load=...)"
    line = f"wf.serializer({annotation.__name__}, save=..., load=...)"
    bases = {(base.__module__.partition(".")[0], base.__name__) for base in annotation.__mro__}
    if ("torch", "Module") in bases:
        return (
            "return its state, `model.state_dict()`, as dict[str, torch.Tensor], and build the "
            f"module anew where it is read; or {line}"
        )
    return line


def _is_stored(annotation: Any) -> bool:
    """Say whether an annotation is of a type that is stored as it is."""
    from waterflow.artifacts import type_name

    return type_name(annotation) is not None


def _is_plain(name: str) -> bool:
    from waterflow.artifacts import is_plain

    return is_plain(name)


def without_none(annotation: Any) -> tuple[Any, bool]:
    """Return a type without `None`, and whether it allowed it."""
    if get_origin(annotation) in (typing.Union, types.UnionType):
        parts = get_args(annotation)
        kept = [part for part in parts if part is not type(None)]
        if len(kept) < len(parts):
            return (kept[0] if len(kept) == 1 else functools.reduce(operator.or_, kept)), True
    return annotation, False


def show(annotation: Any) -> str:
    """Return an annotation as its author wrote it, for messages."""
    if isinstance(annotation, type):
        return annotation.__name__
    return str(annotation).replace("typing.", "")


HANDLES: Final = (Data, Model, Path)
"""Classes that stand for stored things: never constants of a pipeline."""
