"""Pipeline parameters: their declarations, and the values an execution is started with."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any, Final

from waterflow.emulation.errors import ServiceError

TYPES: Final = ("String", "Integer", "Float", "Boolean")

_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
_INTEGER = re.compile(r"[+-]?\d+")


def declaration_errors(declared: dict[str, Any]) -> list[str]:
    """Return what is wrong with one entry of a definition's `Parameters`."""
    name, kind = declared.get("Name"), declared.get("Type")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return [f"parameter name {name!r} is not 1 to 256 letters, digits, - or _"]
    if kind not in TYPES:
        return [f"parameter '{name}': Type {kind!r} is not one of {', '.join(TYPES)}"]
    if declared.get("DefaultValue") is None:
        return []
    default = declared["DefaultValue"]
    if not _is(kind, default):
        return [f"parameter '{name}': DefaultValue {default!r} is no {kind}"]
    error = _limit_error(declared, typed(kind, text(default)))
    return [f"parameter '{name}': DefaultValue {error}"] if error else []


def values(declared: dict[str, dict[str, Any]], given: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the typed value of every declared parameter.

    Args:
        declared: Name -> declaration.
        given: `PipelineParameters` of StartPipelineExecution: names and values as text.

    Raises:
        ServiceError: ValidationException: an unknown name, a value of another type or beyond its
            limits, or no value and no default.
    """
    errors: list[str] = []
    texts: dict[str, str] = {}
    for pair in given:
        if pair["Name"] not in declared:
            errors.append(f"Unknown parameter '{pair['Name']}'")
        if pair["Name"] in texts:
            errors.append(f"Parameter '{pair['Name']}' is given twice")
        texts[pair["Name"]] = pair["Value"]
    found: dict[str, Any] = {}
    for name, declaration in declared.items():
        default = declaration.get("DefaultValue")
        if name not in texts and default is None:
            errors.append(f"Parameter '{name}' has no default value and none is given")
            continue
        raw = texts[name] if name in texts else text(default)
        try:
            found[name] = typed(declaration["Type"], raw)
        except ValueError:
            errors.append(f"Parameter '{name}': '{raw}' is no {declaration['Type']}")
            continue
        if error := _limit_error(declaration, found[name]):
            errors.append(f"Parameter '{name}': {error}")
    if errors:
        raise ServiceError("ValidationException", ". ".join(errors) + ".")
    return found


def typed(kind: str, raw: str) -> Any:
    """Read a value from text.

    Raises:
        ValueError: The text is no value of that type.
    """
    if kind == "Integer":
        if not _INTEGER.fullmatch(raw):
            raise ValueError(raw)
        return int(raw)
    if kind == "Float":
        return float(raw)
    if kind == "Boolean":
        if raw.lower() not in ("true", "false"):
            raise ValueError(raw)
        return raw.lower() == "true"
    return raw


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


def _is(kind: str, value: Any) -> bool:
    if kind == "String":
        return isinstance(value, str)
    if kind == "Boolean":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    return isinstance(value, int) if kind == "Integer" else isinstance(value, (int, float))


def _limit_error(declared: dict[str, Any], value: Any) -> str | None:
    """Say which limit of its declaration a value breaks."""
    allowed = declared.get("EnumValues")
    if allowed and value not in allowed:
        return f"'{text(value)}' is not one of {', '.join(text(item) for item in allowed)}"
    measure, unit = (len(value), "Length") if isinstance(value, str) else (value, "Value")
    low, high = declared.get(f"Min{unit}"), declared.get(f"Max{unit}")
    if low is not None and measure < low:
        return f"'{text(value)}' is below Min{unit} {text(low)}"
    if high is not None and measure > high:
        return f"'{text(value)}' is above Max{unit} {text(high)}"
    return None
