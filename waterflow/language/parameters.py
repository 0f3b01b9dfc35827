"""A pipeline's parameters: declared by its signature, given at submit, carried as JSON text."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.errors import DefinitionError
from waterflow.language.gathering import tolerated
from waterflow.language.signature import NO_DEFAULT, Argument, show
from waterflow.language.types import Data
from waterflow.language.values import definition_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow import spec

TYPES: Final = ("integer", "number", "boolean", "string", "json", "data")
"""What a pipeline's parameter may be."""

_PYTHON: Final = {
    "integer": "a whole number", "number": "a number", "boolean": "true or false",
    "string": "text", "json": "JSON", "data": "a path or URI",
}  # fmt: skip


class Declared(dict[str, "spec.Parameter"]):
    """A pipeline's parameters by name.

    Attributes:
        arguments: The same as the pipeline declares them: their annotations say more than the
            spec's types.
    """

    def __init__(self, arguments: Mapping[str, Argument]) -> None:
        super().__init__()
        self.arguments = arguments


def declare(pipeline: str, arguments: Mapping[str, Argument], location: str) -> Declared:
    """Return the spec's parameters for a pipeline function's arguments.

    Raises:
        DefinitionError: A type that no parameter can have, or a default that it cannot hold.
    """
    from waterflow import spec

    declared = Declared(arguments)
    for name, argument in arguments.items():
        declared[name] = spec.Parameter(type="json")  # stands where a mistake is only gathered
        with tolerated():
            declared[name] = _declared(pipeline, name, argument, location)
    return declared


def _declared(pipeline: str, name: str, argument: Argument, location: str) -> spec.Parameter:
    import msgspec

    from waterflow import spec
    from waterflow.artifacts.annotations import beyond_text

    kind = "json" if argument.type in ("any", "metrics", "null") else argument.type
    if kind not in TYPES:
        raise DefinitionError(
            f"Pipeline '{pipeline}': parameter '{name}' has type {kind}. A parameter is a "
            "number, text, a boolean, plain data or wf.Data; artifacts are made by steps.",
            location,
        )
    if odd := beyond_text(argument.annotation):
        raise DefinitionError(
            f"Pipeline '{pipeline}': parameter '{name}' has type {show(argument.annotation)}. "
            f"A parameter is given as text, and nobody can give a {odd} so: take a str, and "
            "make it in the step that needs it.",
            location,
        )
    required = argument.default is NO_DEFAULT
    parameter = spec.Parameter(
        type=kind,
        required=required,
        optional=argument.optional,
        choices=tuple(argument.choices),
        static=argument.static,
    )
    if not required:
        default = _checked(
            pipeline, name, parameter, argument.annotation, argument.default, location
        )
        parameter = msgspec.structs.replace(parameter, default=default)
    return parameter


def bake(
    pipeline: str, name: str, parameter: spec.Parameter, values: Mapping[str, object]
) -> spec.Parameter:
    """Return a static parameter with the value that the trace uses as its default.

    Raises:
        DefinitionError: It is required and not given.
    """
    import msgspec

    if parameter.required and name not in values:
        raise definition_error(
            f"Pipeline '{pipeline}': static parameter '{name}' must be known while it is defined. "
            f"Give it: {pipeline}({name}=...), or -p {name}=... on the command line."
        )
    value = values.get(name, parameter.default)
    return msgspec.structs.replace(parameter, default=value, required=False)


def static_value(parameter: spec.Parameter, annotation: object) -> Any:
    """Return the value of a static parameter as the pipeline's function sees it."""
    from waterflow.artifacts.plain import rebuild

    value = parameter.default
    return rebuild(value, annotation) if parameter.type == "json" and value is not None else value


def check_arguments(
    pipeline: str, declared: Mapping[str, spec.Parameter], values: Mapping[str, object]
) -> dict[str, Any]:
    """Return given parameters as JSON values.

    Raises:
        DefinitionError: A name that is not declared, or a value of another type.
    """
    arguments: dict[str, Any] = {}
    for name, value in values.items():
        with tolerated():
            if name not in declared:
                raise definition_error(_unknown(pipeline, name, declared))
            annotation = _annotation(declared, name)
            arguments[name] = _checked(pipeline, name, declared[name], annotation, value, None)
    return arguments


def _unknown(pipeline: str, name: str, declared: Mapping[str, spec.Parameter]) -> str:
    near = difflib.get_close_matches(name, declared, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return (
        f"Pipeline '{pipeline}' has no parameter '{name}'.{hint} "
        f"It has: {', '.join(declared) or 'none'}."
    )


def parse_text(pipeline: str, declared: Mapping[str, spec.Parameter], text: str) -> tuple[str, Any]:
    """Read `name=value` as the command line gives it.

    Args:
        pipeline: The pipeline's name, for messages.
        declared: Its parameters.
        text: "name=value"; the value is read by the parameter's type.

    Returns:
        The name and the JSON value.

    Raises:
        DefinitionError: No `=`, an unknown name, or a value that the type cannot hold.
    """
    name, equals, raw = text.partition("=")
    name = name.strip()
    if not equals or not name:
        raise DefinitionError(f"-p {text}: write it as -p name=value.")
    if name not in declared:
        raise DefinitionError(_unknown(pipeline, name, declared))
    parameter = declared[name]
    value: Any = raw
    if parameter.optional and raw in ("null", "none", "None"):
        value = None
    elif parameter.type == "boolean":
        value = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}.get(
            raw.lower(), raw
        )
    elif parameter.type in ("integer", "number", "json"):
        try:
            value = json.loads(raw, parse_constant=lambda constant: constant)
        except json.JSONDecodeError:
            value = raw
    annotation = _annotation(declared, name)
    return name, _checked(pipeline, name, parameter, annotation, value, f"-p {name}")


def _annotation(declared: Mapping[str, spec.Parameter], name: str) -> Any:
    return declared.arguments[name].annotation if isinstance(declared, Declared) else Any


def _checked(
    pipeline: str,
    name: str,
    parameter: spec.Parameter,
    annotation: Any,
    value: object,
    location: str | None,
) -> Any:
    from waterflow.artifacts.plain import bare, is_restored, misfit
    from waterflow.artifacts.registry import takes
    from waterflow.language.constants import unfit

    where = f"Pipeline '{pipeline}', parameter '{name}'"

    def refused(message: str) -> DefinitionError:
        return DefinitionError(message, location) if location else definition_error(message)

    def wrong(why: str) -> DefinitionError:
        return refused(f"{where}: {value!r:.80} {why}.")

    if value is None and parameter.optional:
        return None
    if parameter.type == "data":
        uri = value.uri if isinstance(value, Data) else value
        if isinstance(uri, str) and uri:
            return uri
        raise wrong("is not wf.Data, a path or a URI")
    reason = unfit(value)
    if reason is not None:
        raise wrong(f"cannot be written as JSON ({reason})")
    if not takes(parameter.type, value):
        raise wrong(f"is not {_PYTHON[parameter.type]}")
    if parameter.choices and value not in parameter.choices:
        raise wrong(f"is not one of {', '.join(map(repr, parameter.choices))}")
    why = misfit(value, annotation)
    if why is not None:
        raise refused(f"{where} takes {show(annotation)}: {why}.")
    if parameter.type == "number":
        mixed = bare(annotation) is not float and isinstance(value, int)  # `int | float` has both
        return value if mixed else float(cast("float", value))
    # Here, not above: this module goes into jobs, and specs do not.
    from waterflow.spec.parameters import to_text

    again = json.loads(to_text(value))
    if is_restored(value, again, annotation):
        return again
    raise wrong(
        f"would arrive as {again!r:.80}: a parameter travels as JSON text. Give that, or say in "
        "the annotation what it is, such as tuple[int, ...]"
    )
