"""Expressions in CEL: conditions of tasks, and the parts of a value that an input selects."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from waterflow_kfp.emulator.errors import TaskError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "_==_": lambda a, b: a == b,
    "_!=_": lambda a, b: a != b,
    "_<_": lambda a, b: a < b,
    "_<=_": lambda a, b: a <= b,
    "_>_": lambda a, b: a > b,
    "_>=_": lambda a, b: a >= b,
}


def holds(condition: str, parameters: Mapping[str, Any]) -> bool:
    """Return whether a condition holds.

    Args:
        condition: An expression over `inputs.parameter_values`.
        parameters: Their values.

    Raises:
        TaskError: It cannot be evaluated, or says neither yes nor no.
    """
    from celpy import celtypes

    value = _evaluated(condition, {"inputs": {"parameter_values": dict(parameters)}})
    if not isinstance(value, bool | celtypes.BoolType):
        raise TaskError(f'the condition "{condition}" is no boolean')
    return bool(value)


def selected(selector: str, value: Any) -> Any:
    """Return the part of a value that a selector names.

    Args:
        selector: An expression over `string_value`: `parseJson(string_value)["a"]`.
        value: The whole.

    Raises:
        TaskError: There is no such part.
    """
    from celpy.adapter import CELJSONEncoder

    whole = value if isinstance(value, str) else json.dumps(value)
    part = _evaluated(selector, {"string_value": whole})
    return json.loads(json.dumps(part, cls=CELJSONEncoder))


def _evaluated(expression: str, variables: Mapping[str, Any]) -> Any:
    from celpy import evaluation
    from celpy.adapter import json_to_cel

    try:
        return _program(expression).evaluate(
            {name: json_to_cel(_doubles(value)) for name, value in variables.items()}
        )
    except evaluation.CELEvalError as error:
        raise TaskError(f'cannot evaluate "{expression}": {error.args[0]}') from None


@lru_cache(maxsize=1024)
def _program(expression: str) -> Any:
    import celpy
    from celpy import celparser
    from celpy.adapter import json_to_cel

    def parsed(written: str) -> Any:
        return json_to_cel(_doubles(json.loads(written)))

    environment = celpy.Environment()
    try:
        tree = environment.compile(expression)
    except celparser.CELParseError as error:
        raise TaskError(f'"{expression}" is no expression in CEL: {error.args[0]}') from None
    functions: dict[str, Any] = {name: _compared(name) for name in _COMPARISONS}
    functions["parseJson"] = parsed
    return environment.program(tree, functions=functions)


def _compared(name: str) -> Callable[[Any, Any], Any]:
    """Return a comparison in which numbers are equal by value, whatever their types.

    CEL compares numbers of different types so (cel-spec, "Equality" and "Ordering"); cel-python
    refuses to. Values of other, different types are not equal; they have no order.
    """
    from celpy import celtypes, evaluation

    numbers = (celtypes.IntType, celtypes.UintType, celtypes.DoubleType)
    compare = _COMPARISONS[name]

    def compared(left: Any, right: Any) -> Any:
        for one in (left, right):
            if isinstance(one, evaluation.CELEvalError):
                return one
        if isinstance(left, numbers) and isinstance(right, numbers):
            one = float(left) if isinstance(left, float) else int(left)
            other = float(right) if isinstance(right, float) else int(right)
            return celtypes.BoolType(compare(one, other))
        if name in ("_==_", "_!=_") and type(left) is not type(right):
            return celtypes.BoolType(name == "_!=_")
        return celtypes.BoolType(compare(left, right))

    return compared


def _doubles(value: Any) -> Any:
    """Return a value with every number a double, as google.protobuf.Value holds it."""
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, dict):
        return {name: _doubles(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_doubles(one) for one in value]
    return value
