"""Pipeline parameters: their declarations, and the values that a run is started with."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow_sagemaker.definition import shapes as model_shapes
from waterflow_sagemaker.definition.document import Parameter, as_object, text_or_empty
from waterflow_sagemaker.definition.shapes import shown
from waterflow_sagemaker.limits import PARAMETER, PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from waterflow_sagemaker.definition.document import Json

TYPES: Final = {
    "String": (str,),
    "Integer": (int,),
    "Float": (int, float),
    "Boolean": (bool,),
}
_MEMBERS: Final = (
    "Name",
    "Type",
    "Description",
    "DefaultValue",
    "EnumValues",
    "MinValue",
    "MaxValue",
)
_UNTYPED: Final = "String"
"""The type of a parameter that names none: of the four in AWS's schema of a definition only that of
texts does not require `Type`
(https://aws-sagemaker-mlops.github.io/sagemaker-model-building-pipeline-definition-JSON-schema)."""
_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_FLOAT: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|NaN|[+-]?Infinity")


# --- declarations ---------------------------------------------------------------------------------


def read_parameters(value: Any) -> tuple[dict[str, Parameter], list[str]]:
    """Read a definition's `Parameters`.

    Returns:
        Name -> parameter, and all that is wrong, a line each.
    """
    if value is None:
        return {}, []
    if not isinstance(value, list):
        return {}, [f"Parameters: found {shown(value)}; a list is required"]
    entries = cast("list[Any]", value)
    parameters: dict[str, Parameter] = {}
    violations: list[str] = []
    most = PARAMETERS.most
    if len(entries) > most:
        violations.append(f"Parameters: found {len(entries)} entries; at most {most} are allowed")
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            violations.append(f"Parameters[{index}]: found {shown(entry)}; an object is required")
            continue
        declaration = as_object(cast("object", entry))
        name = declaration.get("Name")
        label = f"Parameter '{name}'" if isinstance(name, str) else f"Parameters[{index}]"
        violations += _name_problems(label, name)
        if isinstance(name, str) and name in parameters:
            violations.append(f"{label}: found the name twice; names of parameters must be unique")
        parameter = _parameter(declaration)
        violations += (f"{label}, {text}" for text in _declaration_problems(declaration, parameter))
        parameters[parameter.name] = parameter
    return parameters, violations


def _parameter(declaration: Json) -> Parameter:
    least, most = (
        bound if _is("Float", bound) else None
        for bound in (declaration.get("MinValue"), declaration.get("MaxValue"))
    )
    values = declaration.get("EnumValues")
    return Parameter(
        name=str(declaration.get("Name")),
        type=text_or_empty(declaration.get("Type", _UNTYPED)),
        default=declaration.get("DefaultValue"),
        values=tuple(cast("list[Any]", values)) if isinstance(values, list) else None,
        least=least,
        most=most,
    )


def _declaration_problems(declaration: Json, parameter: Parameter) -> Iterator[str]:
    for member in declaration:
        if member not in _MEMBERS:
            yield f"{member}: found the unknown member; {model_shapes.near(member, _MEMBERS)}"
    if parameter.type not in TYPES:
        yield f"Type: found {shown(declaration.get('Type'))}; allowed is one of {', '.join(TYPES)}"
    elif parameter.default is not None:
        yield from (
            f"DefaultValue: {text}" for text in value_problems(parameter, parameter.default)
        )


def _name_problems(label: str, name: Any) -> Iterator[str]:
    if not isinstance(name, str) or not name:
        yield f"{label}, Name: found {shown(name)}; a name is required"
        return
    shape = model_shapes.service().shape_for("PipelineParameterName")
    for violation in model_shapes.scalar(name, shape, ()):
        yield f"{label}, Name: {model_shapes.described(violation)}"


# --- values ---------------------------------------------------------------------------------------


def values_of(
    parameters: Mapping[str, Parameter], submitted: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Return the typed value of every parameter of a run, and all that is wrong, a line each.

    Args:
        parameters: The declared ones.
        submitted: Name -> value, as of the parameter's type or as the text that
            StartPipelineExecution takes.
    """
    values: dict[str, Any] = {}
    violations: list[str] = []
    for name, value in submitted.items():
        parameter = parameters.get(name)
        if parameter is None:
            near = model_shapes.near(name, parameters)
            violations.append(f"Parameter '{name}': found a value for no parameter; {near}")
            continue
        values[name], problems = _value(parameter, value)
        violations += [f"Parameter '{name}': {problem}" for problem in problems]
    for name, parameter in parameters.items():
        if name in submitted:
            continue
        if parameter.default is None:
            violations.append(f"Parameter '{name}': found nothing; it has no default")
        else:
            values[name], _ = _value(parameter, parameter.default)  # which may be empty
    return values, violations


def _value(parameter: Parameter, value: Any) -> tuple[Any, list[str]]:
    """Return a value as of its parameter's type, and what is wrong with it."""
    if parameter.type not in TYPES:
        return value, []
    typed = value
    if parameter.type != "String" and isinstance(value, str):
        try:
            typed = from_text(parameter.type, value)
        except ValueError:
            return value, [_misfit(parameter, value)]
    problems = list(value_problems(parameter, typed))
    most = PARAMETER.most
    if typed == "":
        # The model names no least length, the service has one; a default may be empty:
        # https://github.com/aws/sagemaker-python-sdk/issues/4016
        problems.append('string "" is too short (length: 0, required minimum: 1)')
    if not problems and len(text(typed)) > most:
        problems.append(f"found {len(text(typed))} characters; at most {most} are allowed")
    return typed, problems


def value_problems(parameter: Parameter, value: Any) -> Iterator[str]:
    """Yield why a parameter cannot have a value."""
    if not _is(parameter.type, value):
        yield _misfit(parameter, value)
        return
    if isinstance(value, str):
        shape = model_shapes.service().shape_for("String1024")
        for violation in model_shapes.scalar(value, shape, ()):
            yield model_shapes.described(violation)
    elif not isinstance(value, bool):
        if parameter.least is not None and value < parameter.least:
            yield f"found {shown(value)}; at least MinValue, {parameter.least}, is required"
        if parameter.most is not None and value > parameter.most:
            yield f"found {shown(value)}; at most MaxValue, {parameter.most}, is allowed"
    if parameter.values and value not in parameter.values:
        allowed = ", ".join(text(one) for one in parameter.values)
        yield f"found {shown(value)}; allowed is one of EnumValues: {allowed}"


def _misfit(parameter: Parameter, value: Any) -> str:
    return f"found {shown(value)}; the parameter's type is {parameter.type}"


def _is(type_: str, value: Any) -> bool:
    return isinstance(value, TYPES[type_]) and isinstance(value, bool) == (type_ == "Boolean")


def from_text(type_: str, raw: str) -> Any:
    """Read a value from the text that StartPipelineExecution takes.

    Args:
        type_: The parameter's type.
        raw: The text.

    Raises:
        ValueError: The text is no value of that type.
    """
    if type_ == "String":
        return raw
    if type_ == "Boolean" and raw.lower() in ("true", "false"):
        return raw.lower() == "true"
    if type_ == "Integer" and _INTEGER.fullmatch(raw):
        return int(raw)
    if type_ == "Float" and _FLOAT.fullmatch(raw):
        return float(raw)
    raise ValueError(f"'{raw}' is no {type_}")


def text(value: Any) -> str:
    """Write a value as the service does, which is Java's way.

    Whole numbers exactly; others with the fewest digits that tell them apart, in scientific
    notation below 0.001 and from ten million
    (https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/lang/Double.html).
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, float):
        return str(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0.0 or 1e-3 <= abs(value) < 1e7:
        # Python goes over to exponents only outside of this range.
        return repr(value)
    digits, exponent = f"{Decimal(repr(value)).normalize():E}".split("E")
    return f"{digits if '.' in digits else digits + '.0'}E{int(exponent)}"
